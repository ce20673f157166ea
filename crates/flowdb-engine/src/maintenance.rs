//! What happens behind the writers' backs, in slices: flush, new log segments, compaction, removal of files,
//! the sync of an interval.

use crate::background::Work;
use crate::commit::LogPosition;
use crate::compaction::CompactionJob;
use crate::error::Result;
use crate::executor::Maintenance;
use crate::inner::Inner;
use crate::options::SyncMode;
use crate::quiet::Rest;
use crate::tree::{Buffer, Tree};
use crate::version::{Edit, log_name};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// What maintenance remembers from slice to slice.
#[derive(Debug, Default)]
pub(crate) struct Workshop {
    /// A compaction that is not finished.
    pub(crate) job: Option<CompactionJob>,
    pub(crate) rest: Rest,
}

/// How long to leave a caller alone that finds another thread at work.
const BUSY: Duration = Duration::from_millis(5);

impl Inner {
    /// See [`crate::Db::maintain`].
    pub(crate) fn maintain(&self, budget: Duration) -> Result<Maintenance> {
        match self.workshop.try_lock() {
            Some(mut workshop) => self.work(&mut workshop, budget),
            None if self.check_usable().is_ok() => self.sync_beside_work(),
            None => Ok(Maintenance::Idle),
        }
    }

    /// Another thread is maintaining and may be at it for long: the log's interval is not to wait for that.
    fn sync_beside_work(&self) -> Result<Maintenance> {
        match self.sync_interval() {
            // Closed in between, which has synced.
            Err(_) if self.check_open().is_err() => Ok(Maintenance::Idle),
            result => result.map(|_| Maintenance::Later(BUSY)),
        }
    }

    /// As [`Inner::maintain`], but waits for a thread that is at work: for callers that have to see what
    /// comes of it.
    pub(crate) fn maintain_waiting(&self, budget: Duration) -> Result<Maintenance> {
        self.work(&mut self.workshop.lock(), budget)
    }

    /// The same for a writer that cannot go on before something is done. A thread that is at work may
    /// have done it long before its work ends, so that the writer waits no longer than `budget` before
    /// it looks again.
    pub(crate) fn maintain_beside(&self, budget: Duration) -> Result<()> {
        match self.workshop.try_lock_for(budget) {
            Some(mut workshop) => self.work(&mut workshop, budget).map(drop),
            None => Ok(()),
        }
    }

    /// Writes all memtables to tables.
    pub(crate) fn flush(&self) -> Result<()> {
        let _workshop = self.workshop.lock();
        self.check_usable()?;
        self.finish_opening()?;
        self.freeze_where(&self.commit.lock(), |_| true);
        let result = self.flush_frozen();
        // After a failure too: on a full disk, what was begun and given up would be in the way.
        self.collect_garbage();
        result
    }

    pub(crate) fn flush_frozen(&self) -> Result<()> {
        while self.flush_one()? {}
        Ok(())
    }

    /// What writers would soon wait for while a compaction of much data keeps maintenance from it.
    pub(crate) fn relieve_writers(&self) -> Result<()> {
        while self.attempt(Work::Flush, || self.flush_one())? {}
        self.attempt(Work::LogSegment, || self.rotate_log_if_due())?;
        self.freeze_to_free_log();
        Ok(())
    }

    fn work(&self, workshop: &mut Workshop, budget: Duration) -> Result<Maintenance> {
        let deadline = self.options.clock.monotonic().saturating_add(budget);
        loop {
            if self.check_usable().is_err() {
                return Ok(Maintenance::Idle);
            }
            if !self.step_or_rest(workshop, deadline)? {
                let retry = self.retry_due(workshop.rest.observed_at());
                let next = self.next_due(workshop).into_iter().chain(retry).min();
                return Ok(next.map_or(Maintenance::Idle, Maintenance::Later));
            }
            if self.options.clock.monotonic() >= deadline {
                return Ok(Maintenance::More);
            }
        }
    }

    /// The most urgent thing. False if there is nothing; from then on whatever may change that
    /// wakes the executor.
    fn step_or_rest(&self, workshop: &mut Workshop, deadline: Duration) -> Result<bool> {
        self.observe_writes(workshop);
        if self.step(workshop, deadline)? {
            return Ok(true);
        }
        self.await_events(workshop);
        // What came before the line above does not wake anyone.
        self.observe_writes(workshop);
        self.step(workshop, deadline)
    }

    /// The most urgent thing. False if there is nothing. Where the disk is full, compaction goes on, for it
    /// may make the space that others lack.
    fn step(&self, workshop: &mut Workshop, deadline: Duration) -> Result<bool> {
        self.finish_overdue_opening()?;
        // Each time: under constant writes there is always something else to do.
        self.collect_garbage();
        Ok(self.sync_interval()?
            || self.freeze_to_free_memory()
            || self.attempt(Work::Flush, || self.flush_one())?
            || self.attempt(Work::LogSegment, || self.rotate_log_if_due())?
            || self.freeze_to_free_log()
            || self.attempt(Work::Compaction, || Ok(self.evict(workshop)? || self.retire(workshop)?))?
            || self.attempt(Work::LogRelease, || self.flush_quiet(workshop))?
            || self.attempt(Work::Compaction, || self.compact_slice(workshop, Some(deadline)))?)
    }

    fn rotate_log_if_due(&self) -> Result<bool> {
        let log = self.current_log()?;
        if log.written() < self.options.log_segment_bytes || self.opening.is_unfinished() {
            self.note_success(Work::LogSegment);
            return Ok(false);
        }
        // Most of the segment is synced before writers are kept out.
        self.sync(LogPosition { segment: log.segment(), offset: log.written() })?;
        self.rotate_log(&mut self.commit.lock())?;
        self.note_success(Work::LogSegment);
        Ok(true)
    }

    /// Freezes the memtables that keep the oldest segment, once the log is larger than it should be.
    fn freeze_to_free_log(&self) -> bool {
        let segment = self.segment.load(Ordering::Acquire);
        let oldest = self.oldest_segment_needed(None);
        // A writer may have begun a segment in between, which nothing older is needed beside.
        let kept = segment.saturating_sub(oldest).saturating_mul(self.options.log_segment_bytes);
        if kept < self.options.log_bytes_max {
            return false;
        }
        let state = self.commit.lock();
        self.freeze_where(&state, |tree| tree.view().active.first_segment <= oldest)
    }

    /// Freezes the memtables that take too much of the memory that databases share.
    fn freeze_to_free_memory(&self) -> bool {
        let may_wait = |tree: &Tree| tree.view().frozen.len() < self.options.frozen_memtables_max;
        let is_chosen = |tree: &Tree| tree.is_flush_wanted() && may_wait(tree);
        self.trees.iter().any(is_chosen) && self.freeze_where(&self.commit.lock(), is_chosen)
    }

    /// The oldest log segment that a memtable other than `flushed` needs; the current one if none does.
    pub(crate) fn oldest_segment_needed(&self, flushed: Option<&Arc<Buffer>>) -> u64 {
        // Read before the views: a commit that comes in between goes to this segment or a later one.
        let current = self.segment.load(Ordering::Acquire);
        let needed = self.trees.iter().filter_map(|tree| tree.view().oldest_segment(flushed));
        needed.min().map_or(current, |oldest| oldest.min(current))
    }

    /// Lets go of the log segments before `oldest`, once the manifest no longer asks for them.
    pub(crate) fn drop_log_before(&self, before: u64, oldest: u64) {
        self.telemetry.log_dropped_before(oldest);
        let mut garbage = self.garbage.lock();
        garbage.extend((before..oldest).map(|segment| self.dir.join(log_name(segment))));
    }

    /// Removes files that nobody needs. A file that cannot be removed now is tried again later, and at the
    /// next open. While a checkpoint is made, all keep their names.
    pub(crate) fn collect_garbage(&self) {
        let Some(_alone) = self.removals.try_write() else {
            return;
        };
        let now = self.options.clock.monotonic();
        let mut files = self.garbage.take(now);
        files.retain(|file| match self.fs.remove(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(file = %file.display(), %error, "a superfluous file could not be removed");
                true
            }
            _ => false,
        });
        self.garbage.put_back(files, now);
    }

    /// How long until the log has to be synced; `None` if there is nothing to sync, or no interval.
    pub(crate) fn interval_sync_due(&self) -> Option<Duration> {
        let SyncMode::Interval(interval) = self.options.sync else {
            return None;
        };
        let since = self.unsynced_since.load(Ordering::Acquire);
        let waited = self.options.clock.monotonic().saturating_sub(Duration::from_micros(since));
        (since > 0).then(|| interval.saturating_sub(waited))
    }

    /// Syncs the log if its interval has passed. By any thread at any time: the log's sync has a lock
    /// of its own.
    pub(crate) fn sync_interval(&self) -> Result<bool> {
        if self.interval_sync_due() != Some(Duration::ZERO) {
            return Ok(false);
        }
        self.unsynced_since.store(0, Ordering::Release);
        // With the one of a commit: either its bytes are seen here, or it sees that nobody waits
        // for the interval.
        fence(Ordering::SeqCst);
        let log = self.current_log()?;
        self.sync(LogPosition { segment: log.segment(), offset: log.written() })?;
        Ok(true)
    }

    /// Called by a commit: in the mode that syncs at intervals, the first one since the last sync
    /// starts the interval.
    pub(crate) fn note_unsynced(&self) {
        if !matches!(self.options.sync, SyncMode::Interval(_)) {
            return;
        }
        // Behind what the log says to have been written: see `sync_interval`.
        fence(Ordering::SeqCst);
        if self.unsynced_since.load(Ordering::Acquire) == 0 {
            let now = u64::try_from(self.options.clock.monotonic().as_micros()).unwrap_or(u64::MAX).max(1);
            self.unsynced_since.store(now, Ordering::Release);
            self.options.executor.wake();
        }
    }

    /// An edit that says which table numbers were used.
    pub(crate) fn new_edit(&self) -> Edit {
        Edit::new().next_file_id(self.next_file_id.load(Ordering::Relaxed))
    }
}
