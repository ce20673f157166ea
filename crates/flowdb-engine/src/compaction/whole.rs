//! A compaction of a whole tree that was asked for, in slices. Between two of them others have the tree: they
//! flush, forget and compact, and may end the job that was begun here. So what is kept from slice to slice
//! are names of what remains to be done, and each slice looks at the tree as it is.

use super::CompactionJob;
use crate::error::Result;
use crate::inner::Inner;
use crate::key::TreeId;
use crate::maintenance::Workshop;
use crate::retention::Bucket;
use parking_lot::MutexGuard;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Flushes beside the compactions that are due. What is flushed makes more of them due, and this has to come
/// to its end whatever is written.
const FLUSHES_BESIDE_DUE: u64 = 16;

/// A compaction of all of a tree, done as far as it is run: see [`crate::Db::compaction`]. A handle of the
/// database, as [`crate::Db`] is.
///
/// Dropped before its end it is called off: the next slice of maintenance gives up the files that
/// were being written.
#[derive(Debug)]
pub struct Compaction {
    inner: Arc<Inner>,
    tree: TreeId,
    remaining: Remaining,
    /// Compactions that are due come first, until the database has flushed so many times since it was opened;
    /// `None` if they have had their turn.
    due_until: Option<u64>,
    /// Of the job that was begun last.
    request: Option<Arc<Request>>,
}

/// What remains to be done, by names that stay whatever others do.
#[derive(Debug)]
enum Remaining {
    /// All; the memtables are to be flushed first.
    Everything,
    /// All that is in tables.
    Tables,
    /// These buckets of them, then what becomes garbage by that.
    Shelves(VecDeque<Option<Bucket>>),
    /// What the shelves' jobs dropped became garbage in value files with these numbers. What becomes garbage
    /// from here on, beside a writer, is left to maintenance: there may always be more of it.
    ValueFiles(HashSet<u64>),
    Nothing,
}

/// Ties a job to its requester, which holds this. The job refers to it weakly, and is given up once the
/// requester is gone.
#[derive(Debug, Default)]
pub(super) struct Request {
    is_done: AtomicBool,
}

impl Request {
    /// The job was done, by whichever thread.
    pub(super) fn note_done(&self) {
        // Set and read under the lock of the workshop.
        self.is_done.store(true, Ordering::Relaxed);
    }
}

impl Compaction {
    pub(crate) fn new(inner: Arc<Inner>, tree: TreeId) -> Self {
        Compaction { inner, tree, remaining: Remaining::Everything, due_until: None, request: None }
    }

    /// Goes on for about `budget`; a flush runs to its end, whatever the budget. True if nothing is left to
    /// do. A flush that waits meanwhile has its turn before the next call.
    pub fn run(&mut self, budget: Duration) -> Result<bool> {
        let result = self.run_slice(budget);
        self.inner.telemetry.events.tell();
        result
    }

    /// Calls it off. What was compacted stays so; the files being written are removed.
    pub fn give_up(self) {
        let mut workshop = self.inner.workshop.lock();
        if let Some(request) = &self.request
            && let Some(job) = workshop.job.take_if(|job| job.is_for(request))
        {
            job.give_up();
        }
        // Not where someone else may have the directory by now.
        if self.inner.check_usable().is_ok() {
            self.inner.collect_garbage();
        }
    }

    fn run_slice(&mut self, budget: Duration) -> Result<bool> {
        let inner = Arc::clone(&self.inner);
        if matches!(self.remaining, Remaining::Everything) {
            inner.flush()?;
            self.remaining = Remaining::Tables;
            self.begin_due();
        }
        let mut workshop = inner.workshop.lock();
        // Since the flush, or the slice before, someone may have closed the database, and someone
        // else opened it.
        inner.check_usable()?;
        let result = self.work(&mut workshop, budget);
        inner.collect_garbage();
        // Hands the lock to a waiter: the next slice would mostly be here before that thread is awake.
        MutexGuard::unlock_fair(workshop);
        result
    }

    fn work(&mut self, workshop: &mut Workshop, budget: Duration) -> Result<bool> {
        let inner = Arc::clone(&self.inner);
        let deadline = inner.options.clock.monotonic().saturating_add(budget);
        while !self.step(&inner, workshop, deadline)? {
            inner.collect_garbage();
            if inner.options.clock.monotonic() >= deadline {
                return Ok(false);
            }
        }
        self.remaining = Remaining::Nothing;
        Ok(true)
    }

    /// The next thing, as far as the time goes. True if there is none.
    fn step(&mut self, inner: &Inner, workshop: &mut Workshop, deadline: Duration) -> Result<bool> {
        inner.relieve_writers()?;
        if workshop.job.is_some() {
            // Whoever began it: there is one at a time.
            return inner.compact_slice(workshop, Some(deadline)).map(|_| false);
        }
        self.note_end_of_job();
        if self.is_due_next() && inner.compact_slice(workshop, Some(deadline))? {
            return Ok(false);
        }
        self.due_until = None;
        let Some(mut job) = self.next_job(inner, workshop)? else {
            return Ok(true);
        };
        job.tie_to(self.request.insert(Arc::default()));
        workshop.job = Some(job);
        inner.compact_slice(workshop, Some(deadline)).map(|_| false)
    }

    fn begin_due(&mut self) {
        self.due_until = Some(self.inner.telemetry.flushes.runs.get() + FLUSHES_BESIDE_DUE);
    }

    fn is_due_next(&self) -> bool {
        self.due_until.is_some_and(|flushes| self.inner.telemetry.flushes.runs.get() < flushes)
    }

    /// The job is not there any more. If it has failed in the hands of someone else, it is begun anew here,
    /// where the cause is told.
    fn note_end_of_job(&mut self) {
        let is_done = |request: Arc<Request>| request.is_done.load(Ordering::Relaxed);
        if self.request.take().is_some_and(is_done) {
            if let Remaining::Shelves(buckets) = &mut self.remaining {
                buckets.pop_front();
            }
            self.begin_due();
        }
    }

    fn next_job(&mut self, inner: &Inner, workshop: &Workshop) -> Result<Option<CompactionJob>> {
        let tree = inner.tree(self.tree)?;
        if matches!(self.remaining, Remaining::Tables) {
            while inner.retire(workshop)? {}
            self.remaining =
                Remaining::Shelves(tree.view().shelves.iter().map(|(bucket, _)| bucket).collect());
        }
        if let Remaining::Shelves(buckets) = &mut self.remaining {
            while let Some(bucket) = buckets.front() {
                if let Some(job) = inner.whole_shelf_job(tree, *bucket)? {
                    return Ok(Some(job));
                }
                buckets.pop_front();
            }
            self.remaining = Remaining::ValueFiles(tree.view().shelves.value_files_with_garbage());
        }
        match &self.remaining {
            Remaining::ValueFiles(files) => inner.value_file_job(tree, files),
            _ => Ok(None),
        }
    }
}

impl Drop for Compaction {
    fn drop(&mut self) {
        if !matches!(self.remaining, Remaining::Everything | Remaining::Nothing) {
            // What is under way is given up, or goes on if it was due; nobody else knows of it.
            self.request = None;
            self.inner.options.executor.wake();
        }
    }
}
