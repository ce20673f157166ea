//! What is worth keeping of the entries that a flush or compaction reads.

use super::{Coverage, Cursor, Direction, RangeDelete, RangeDeletes, STEPS_BEFORE_SKIP};
use crate::error::Result;
use crate::format::NEVER;
use crate::key::{Kind, Sequence};
use crate::retention::Horizon;
use std::sync::Arc;

/// A question about a key.
type KeyTest = Box<dyn Fn(&[u8]) -> bool + Send>;
/// A question about all keys between two.
type RangeTest = Box<dyn Fn(&[u8], &[u8]) -> bool + Send>;

/// What decides over an entry.
pub(crate) struct CompactionPolicy {
    /// The moments that have to stay readable, ascending, the present included.
    pub(crate) snapshots: Vec<Sequence>,
    /// Time against which expiry is judged, microseconds since the epoch.
    pub(crate) now: i64,
    /// What the tree has forgotten, so that no reader sees it.
    pub(crate) forgotten: Option<Horizon>,
    /// True if no older run can hold the key.
    pub(crate) bottom: KeyTest,
    /// True if no older run can hold a key between the two, both included.
    pub(crate) bottom_range: RangeTest,
}

/// Yields the entries to keep. Snapshots cut the numbers into stripes; all entries of a stripe look the same
/// to every reader, except the newest of each key, which is kept. A delete, or what has expired, is kept as
/// long as it may hide something.
pub(crate) struct CompactionIter {
    cursor: Box<dyn Cursor>,
    range_deletes: Vec<Arc<RangeDeletes>>,
    /// What `range_deletes` say about the keys around the last one asked for, as of which snapshot.
    coverage: Option<(Sequence, Coverage)>,
    /// Entries in a row that a range delete covered.
    deleted: u32,
    policy: CompactionPolicy,
    /// Key and stripe of the last entry looked at.
    last: Option<(Vec<u8>, usize)>,
    /// The entry is to be written as a delete, because it has expired.
    is_buried: bool,
    /// It has stopped on the way to an entry to keep: the cursor's was not looked at yet.
    is_paused: bool,
    purged_at: Option<i64>,
    records_purged: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    KeepAsDelete,
    Drop,
}

impl CompactionIter {
    /// At the first entry to keep. `range_deletes` are those of all inputs.
    pub(crate) fn new(
        cursor: Box<dyn Cursor>,
        range_deletes: Vec<Arc<RangeDeletes>>,
        policy: CompactionPolicy,
    ) -> Result<Self> {
        let mut iter = Self::paused(cursor, range_deletes, policy)?;
        iter.next()?;
        Ok(iter)
    }

    /// The same, on the way there: [`CompactionIter::step`] goes on.
    pub(crate) fn paused(
        cursor: Box<dyn Cursor>,
        range_deletes: Vec<Arc<RangeDeletes>>,
        policy: CompactionPolicy,
    ) -> Result<Self> {
        let mut iter = CompactionIter {
            cursor,
            range_deletes,
            coverage: None,
            deleted: 0,
            policy,
            last: None,
            is_buried: false,
            is_paused: true,
            purged_at: None,
            records_purged: 0,
        };
        iter.cursor.seek_first()?;
        Ok(iter)
    }

    /// To the next entry to keep, however many are dropped before it.
    pub(crate) fn next(&mut self) -> Result<()> {
        self.step(u64::MAX).map(drop)
    }

    /// Towards the next entry to keep: past at most `drops_max` others, after which it pauses. How
    /// many it dropped.
    pub(crate) fn step(&mut self, drops_max: u64) -> Result<u64> {
        if !std::mem::take(&mut self.is_paused) {
            self.cursor.next()?;
        }
        self.skip_dropped(drops_max)
    }

    /// True if at an entry to keep.
    pub(crate) fn valid(&self) -> bool {
        self.cursor.valid() && !self.is_paused
    }

    /// True if there are no more.
    pub(crate) fn is_at_end(&self) -> bool {
        !self.cursor.valid()
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.cursor.key()
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.cursor.sequence()
    }

    pub(crate) fn kind(&self) -> Kind {
        if self.is_buried { Kind::Delete } else { self.cursor.kind() }
    }

    pub(crate) fn expiry(&self) -> i64 {
        if self.is_buried { NEVER } else { self.cursor.expiry() }
    }

    pub(crate) fn value_bytes(&self) -> &[u8] {
        if self.is_buried { &[] } else { self.cursor.value_bytes() }
    }

    /// The range deletes to keep, by start. Of those with the same borders, as a store that is cleared again
    /// and again leaves them, one for each stripe: the newest, which hides all that the others do.
    pub(crate) fn kept_range_deletes(&self) -> Vec<RangeDelete> {
        let all = self.range_deletes.iter().flat_map(|range_deletes| range_deletes.originals());
        let superfluous = |start: &[u8], end: &[u8], sequence| {
            self.stripe(sequence) == Some(0) && (self.policy.bottom_range)(start, end)
        };
        let mut kept: Vec<RangeDelete> =
            all.filter(|(start, end, sequence)| !superfluous(start, end, *sequence)).cloned().collect();
        kept.sort_unstable_by(|a, b| (&a.0, &a.1, b.2).cmp(&(&b.0, &b.1, a.2)));
        kept.dedup_by(|later, newest| self.repeats(later, newest));
        kept
    }

    /// True if no reader can tell whether `other`, which is not newer, is there beside `newest`.
    fn repeats(&self, other: &RangeDelete, newest: &RangeDelete) -> bool {
        let is_same_stripe = self.stripe(newest.2).is_some_and(|stripe| self.stripe(other.2) == Some(stripe));
        (&other.0, &other.1) == (&newest.0, &newest.1) && (is_same_stripe || other.2 == newest.2)
    }

    /// The time by which entries were dropped because they had expired, if any were so far.
    pub(crate) fn purged_at(&self) -> Option<i64> {
        self.purged_at
    }

    /// Entries that were dropped, or made a delete of, because they had expired or were too old, so far.
    pub(crate) fn records_purged(&self) -> u64 {
        self.records_purged
    }

    fn skip_dropped(&mut self, drops_max: u64) -> Result<u64> {
        let mut drops = 0;
        while self.cursor.valid() {
            if drops >= drops_max {
                self.is_paused = true;
                break;
            }
            let verdict = self.judge();
            self.is_buried = verdict == Verdict::KeepAsDelete;
            if verdict != Verdict::Drop {
                break;
            }
            drops += 1;
            if !self.skip_deleted()? {
                self.cursor.next()?;
            }
        }
        Ok(drops)
    }

    /// Where many entries in a row are deleted, moves on to where their range delete ends, or to what is
    /// newer: what was cleared is not read to be dropped. Only if no snapshot is older than the range delete,
    /// for it would see the oldest of them. True if moved.
    fn skip_deleted(&mut self) -> Result<bool> {
        let oldest = self.policy.snapshots.first();
        let Some((_, coverage)) = self.coverage.as_ref().filter(|(seen_by, _)| Some(seen_by) == oldest)
        else {
            return Ok(false);
        };
        let is_worthwhile = self.deleted >= STEPS_BEFORE_SKIP && coverage.contains(self.cursor.key());
        match (coverage.hides(self.cursor.sequence()), &coverage.end) {
            (Some(deleted_at), Some(end)) if is_worthwhile => {
                self.cursor.skip_older(end, deleted_at, Direction::Forward)
            }
            _ => Ok(false),
        }
    }

    fn judge(&mut self) -> Verdict {
        let key = self.cursor.key();
        let sequence = self.cursor.sequence();
        if self.policy.forgotten.as_ref().is_some_and(|horizon| horizon.hides(key, sequence)) {
            self.records_purged += 1;
            return Verdict::Drop;
        }
        let Some(stripe) = self.stripe(sequence) else {
            // Newer than the present was when the work began: a reader may look at any of these.
            return Verdict::Keep;
        };
        let is_same_key = self.last.as_ref().is_some_and(|(last, _)| last[..] == *key);
        let is_shadowed = is_same_key && self.last.as_ref().is_some_and(|(_, last)| *last == stripe);
        if is_shadowed {
            return Verdict::Drop;
        }
        let is_deleted = self.deleted_at(sequence, self.policy.snapshots[stripe]).is_some();
        self.deleted = if is_deleted { self.deleted + 1 } else { 0 };
        self.remember(is_same_key, stripe);
        if is_deleted {
            return Verdict::Drop;
        }
        let is_expired = self.cursor.expiry() <= self.policy.now;
        let is_delete = self.cursor.kind() == Kind::Delete;
        if !is_expired && !is_delete {
            return Verdict::Keep;
        }
        // With no older stripe, all that is older in these inputs is dropped too. Asked last: it is a search
        // of all levels.
        let hides_nothing = stripe == 0 && (self.policy.bottom)(self.cursor.key());
        if is_delete {
            return if hides_nothing { Verdict::Drop } else { Verdict::Keep };
        }
        self.purged_at = Some(self.policy.now);
        self.records_purged += 1;
        if hides_nothing { Verdict::Drop } else { Verdict::KeepAsDelete }
    }

    /// Notes the entry that was looked at.
    fn remember(&mut self, is_same_key: bool, stripe: usize) {
        let (last, last_stripe) = self.last.get_or_insert_with(|| (Vec::new(), stripe));
        *last_stripe = stripe;
        if !is_same_key {
            last.clear();
            last.extend_from_slice(self.cursor.key());
        }
    }

    /// The snapshots' stripe that `sequence` falls into: the index of the oldest snapshot that sees it.
    fn stripe(&self, sequence: Sequence) -> Option<usize> {
        let index = self.policy.snapshots.partition_point(|snapshot| *snapshot < sequence);
        (index < self.policy.snapshots.len()).then_some(index)
    }

    /// The range delete, if there is one, that is newer, seen by the snapshot `seen_by`, and
    /// covers the entry.
    fn deleted_at(&mut self, sequence: Sequence, seen_by: Sequence) -> Option<Sequence> {
        if self.range_deletes.is_empty() {
            return None;
        }
        let key = self.cursor.key();
        let is_known =
            |(snapshot, coverage): &&(Sequence, Coverage)| *snapshot == seen_by && coverage.contains(key);
        if self.coverage.as_ref().filter(is_known).is_none() {
            self.coverage = Some((seen_by, Coverage::of(&self.range_deletes, key, seen_by)));
        }
        self.coverage.as_ref().and_then(|(_, coverage)| coverage.hides(sequence))
    }
}
