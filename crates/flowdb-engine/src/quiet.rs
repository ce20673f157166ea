//! When a tree counts as quiet, and what memtables and log give back then. Which tables are rewritten is the
//! business of `compaction/quiet.rs`.

use crate::background::Work;
use crate::commit::LogPosition;
use crate::compaction::{TOLERATED_PART, hidden_in_tables, next_expiry, next_retirement};
use crate::error::Result;
use crate::inner::Inner;
use crate::key::{Sequence, TreeId};
use crate::maintenance::Workshop;
use crate::tree::Tree;
use std::time::Duration;

/// A tree is quiet when nothing was written to it for this long: whoever writes in bursts is not to be
/// disturbed between them.
const QUIET_AFTER: Duration = Duration::from_secs(5);
/// Less than this is not worth a flush, which costs several syncs. In bytes.
const FLUSH_WORTH_BYTES: u64 = 64 << 10;
/// The time of day may be set, so that it is looked at this often where something is due by it.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(3600);

/// Since when which trees are quiet.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    trees: Vec<Watch>,
    now: Duration,
}

#[derive(Debug)]
struct Watch {
    tree: TreeId,
    last: Sequence,
    /// By the monotonic clock.
    since: Duration,
}

impl Rest {
    /// True if nothing was written to the tree for a while.
    pub(crate) fn is_quiet(&self, tree: TreeId) -> bool {
        self.trees.iter().any(|watch| watch.tree == tree && watch.remaining(self.now).is_zero())
    }

    fn are_all_quiet(&self) -> bool {
        self.trees.iter().all(|watch| watch.remaining(self.now).is_zero())
    }

    /// Takes note of how far the trees were written.
    fn observe<'a>(&mut self, now: Duration, trees: impl Iterator<Item = &'a Tree>) {
        self.now = now;
        for tree in trees {
            let last = tree.view().last_buffered();
            match self.trees.iter_mut().find(|watch| watch.tree == tree.options.id) {
                // What is flushed is no news: the number goes back to 0.
                Some(watch) if watch.last < last => (watch.last, watch.since) = (last, now),
                Some(_) => {}
                None => self.trees.push(Watch { tree: tree.options.id, last, since: now }),
            }
        }
    }

    /// When the writes were observed last, by the monotonic clock.
    pub(crate) fn observed_at(&self) -> Duration {
        self.now
    }

    /// How long until another tree is quiet, unless it is written to; `None` if all are.
    fn next(&self) -> Option<Duration> {
        let waiting = self.trees.iter().map(|watch| watch.remaining(self.now));
        waiting.filter(|remaining| !remaining.is_zero()).min()
    }
}

impl Watch {
    fn remaining(&self, now: Duration) -> Duration {
        self.since.saturating_add(QUIET_AFTER).saturating_sub(now)
    }
}

impl Inner {
    /// Notes which trees are quiet by now.
    pub(crate) fn observe_writes(&self, workshop: &mut Workshop) {
        workshop.rest.observe(self.options.clock.monotonic(), self.trees.iter());
    }

    /// Has maintenance woken by whatever may give it something to do. Afterwards it has to look once more.
    pub(crate) fn await_events(&self, workshop: &Workshop) {
        if workshop.rest.are_all_quiet() {
            self.bell.await_write();
        }
        let newest = |tree: &Tree| tree.view().shelves.tables().map(|live| live.meta.largest_sequence).max();
        self.snapshots.await_release(self.trees.iter().filter_map(newest).max().unwrap_or(0));
    }

    /// How long until something is to be done, if nobody writes.
    pub(crate) fn next_due(&self, workshop: &Workshop) -> Option<Duration> {
        let clock = &self.options.clock;
        let expiries = self.trees.iter().filter_map(|tree| next_expiry(&tree.view().shelves, self.now()));
        let retirements = self.trees.iter().filter_map(|tree| next_retirement(tree, self.now()));
        let expiry = expiries.chain(retirements).min().map(|time| {
            let micros = time.saturating_sub(self.now()).max(1);
            Duration::from_micros(micros.unsigned_abs()).min(LOOK_AT_CLOCK)
        });
        [self.interval_sync_due(), workshop.rest.next(), expiry, self.garbage.retry_due(clock.monotonic())]
            .into_iter()
            .flatten()
            .min()
    }

    /// Freezes memtables that may hide much of what the tables hold, and those that keep a log which is large
    /// beside the tables. True if there was something to do. Not where there were only reads since a clean
    /// close: these leave the files as they are.
    pub(crate) fn flush_quiet(&self, workshop: &Workshop) -> Result<bool> {
        if self.opening.is_unfinished() {
            return Ok(false);
        }
        if self.trees.iter().any(|tree| !tree.view().frozen.is_empty()) {
            // Their flush did not succeed; more of them would not help.
            return Ok(false);
        }
        let tables: u64 = self.trees.iter().map(|tree| tree.view().shelves.total().bytes).sum();
        let is_much = |bytes: u64, of: u64| bytes > FLUSH_WORTH_BYTES && bytes * TOLERATED_PART > of;
        if !is_much(self.log_bytes(), tables) {
            self.note_success(Work::LogRelease);
        } else if workshop.rest.are_all_quiet() || self.background.failure(Work::LogRelease).is_some() {
            // What failed at rest is tried again in its time, rest or not: so it is known when the
            // cause has gone.
            return self.empty_log();
        }
        let is_worthwhile = |tree: &Tree| {
            workshop.rest.is_quiet(tree.options.id)
                && is_much(hidden_by_memtable(tree), tree.view().shelves.total().bytes)
        };
        let wanted: Vec<TreeId> =
            self.trees.iter().filter(|tree| is_worthwhile(tree)).map(|tree| tree.options.id).collect();
        if wanted.is_empty() {
            return Ok(false);
        }
        Ok(self.freeze_where(&self.commit.lock(), |tree| wanted.contains(&tree.options.id)))
    }

    /// Bytes that the log takes on the disk, at most.
    fn log_bytes(&self) -> u64 {
        let oldest = self.version.lock().state.oldest_log;
        let Ok(log) = self.current_log() else {
            return 0;
        };
        let older = log.segment().saturating_sub(oldest).saturating_mul(self.options.log_segment_bytes);
        // Space is reserved by doubling.
        older.saturating_add(log.written().next_power_of_two())
    }

    /// Begins a new segment and freezes all memtables, so that no older segment is needed once
    /// they are flushed.
    fn empty_log(&self) -> Result<bool> {
        let log = self.current_log()?;
        self.sync(LogPosition { segment: log.segment(), offset: log.written() })?;
        let is_anything_frozen = {
            let mut state = self.commit.lock();
            self.rotate_log(&mut state)?;
            self.freeze_where(&state, |_| true)
        };
        if !is_anything_frozen {
            self.release_log()?;
        }
        self.note_success(Work::LogRelease);
        Ok(true)
    }

    /// Notes in the manifest that the segments which no memtable needs are superfluous, and lets go of them.
    fn release_log(&self) -> Result<()> {
        let before = self.version.lock().state.oldest_log;
        let oldest = self.oldest_segment_needed(None);
        if oldest > before {
            self.record(&self.new_edit().oldest_log(oldest))?;
            self.drop_log_before(before, oldest);
        }
        Ok(())
    }
}

/// What the active memtable may hide of the tree's tables: bytes, about.
fn hidden_by_memtable(tree: &Tree) -> u64 {
    let view = tree.view();
    let memtable = &view.active.memtable;
    hidden_in_tables(&view.shelves, memtable.entries() as u64, memtable.range_deletes().originals())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(now: u64, since: &[u64]) -> Rest {
        let watch =
            |(id, since): (u8, &u64)| Watch { tree: TreeId(id), last: 0, since: Duration::from_secs(*since) };
        Rest { trees: (1..).zip(since).map(watch).collect(), now: Duration::from_secs(now) }
    }

    #[test]
    fn a_tree_is_quiet_five_seconds_after_its_last_write() {
        let early = rest(105, &[100, 101]);
        assert!(early.is_quiet(TreeId(1)) && !early.is_quiet(TreeId(2)) && !early.are_all_quiet());
        assert!(!early.is_quiet(TreeId(3)), "nothing is known of it");
        assert_eq!(early.next(), Some(Duration::from_secs(1)));
        let later = rest(106, &[100, 101]);
        assert!(later.are_all_quiet());
        assert_eq!(later.next(), None);
    }
}
