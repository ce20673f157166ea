//! A request over many records is done in portions, so that it neither blocks a thread nor fills memory: each
//! answers where the next one goes on. Between two of them the transaction can be aborted, its overlay can
//! move to the disk, and others get their turn.

use flowdb_engine::{Error, ErrorKind};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A worker does so many times more at once than the JS thread: others wait for it, and the overlay grows
/// by so much.
const WORKER_FACTOR: usize = 8;

/// Who executes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Executor {
    /// The JS thread, whose events wait meanwhile.
    EventLoop,
    /// A thread that may take its time, but is to hear soon of an end of the transaction.
    Worker,
}

impl Executor {
    fn factor(self) -> usize {
        match self {
            Executor::EventLoop => 1,
            Executor::Worker => WORKER_FACTOR,
        }
    }
}

/// How much is done at once, and kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What a transaction has written beyond this goes to the disk before it is committed. In bytes of
    /// memory; default 32 MiB.
    pub transaction_memory_bytes: usize,
    /// The same as long as little has gone there: up to the other limit, half of what is there already may be
    /// in memory. Default 32 MiB, of a database whose files are in memory 8 MiB: there it is in memory a
    /// second time while it is written.
    pub transaction_memory_bytes_min: usize,
    /// Records that the JS thread deals with at once; default 2048, a few milliseconds.
    pub portion_records: usize,
    /// Bytes of keys and values that the JS thread deals with at once, and that are answered at once; default
    /// 512 KiB. One record may be larger.
    pub portion_bytes: usize,
    /// Entries that are deleted which the JS thread passes at once; default 2048, a millisecond or two.
    pub portion_passes: usize,
    /// No request of a batch is begun on the JS thread when the batch has taken so long; default 4 ms. Short
    /// requests may each pass as many deleted entries as a portion.
    pub batch_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            transaction_memory_bytes: 32 << 20,
            transaction_memory_bytes_min: 32 << 20,
            portion_records: 2 << 10,
            portion_bytes: 512 << 10,
            portion_passes: 2 << 10,
            batch_time: Duration::from_millis(4),
        }
    }
}

impl Limits {
    /// Those of a database whose files are in memory.
    pub(super) fn in_memory() -> Self {
        Limits { transaction_memory_bytes_min: 8 << 20, ..Limits::default() }
    }

    /// Entries that are deleted which may be passed for one portion.
    pub(super) fn passes_max(&self, executor: Executor) -> u64 {
        self.portion_passes.saturating_mul(executor.factor()) as u64
    }

    /// How much of its writes a transaction may have in memory, when `spilled_bytes` of them have been moved
    /// to tables of its own.
    pub(super) fn overlay_bytes_max(&self, spilled_bytes: usize) -> usize {
        (spilled_bytes / 2).max(self.transaction_memory_bytes_min).min(self.transaction_memory_bytes)
    }
}

/// Where a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resume<'a> {
    /// Records that earlier portions dealt with.
    pub(crate) done: u64,
    /// Stored key at which the walk goes on.
    pub(crate) place: &'a [u8],
}

/// What a portion has done, and may do. It does at least one record, however large.
#[derive(Debug)]
pub(super) struct Portion {
    steps: usize,
    bytes: usize,
    steps_max: usize,
    bytes_max: usize,
    executor: Executor,
}

impl Portion {
    /// A portion of what is done natively.
    pub(super) fn new(limits: Limits, executor: Executor) -> Self {
        let times = |limit: usize| limit.saturating_mul(executor.factor());
        let (steps_max, bytes_max) = (times(limits.portion_records), times(limits.portion_bytes));
        Portion { steps: 0, bytes: 0, steps_max, bytes_max, executor }
    }

    /// A portion of what is handed over to the JS thread.
    pub(super) fn page(limits: Limits, executor: Executor) -> Self {
        Portion { executor, ..Self::new(limits, Executor::EventLoop) }
    }

    /// Notes that a record was dealt with.
    pub(super) fn step(&mut self, bytes: usize) {
        self.steps += 1;
        self.bytes += bytes;
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.steps >= self.steps_max || self.bytes >= self.bytes_max
    }

    /// Records dealt with.
    pub(super) fn steps(&self) -> u64 {
        self.steps as u64
    }

    /// The same, of a page.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.steps).expect("a page has few records")
    }

    /// True if the portion may end with what it has done: the rest has to be read from the disk, or too much
    /// was passed. Where a worker has come to no record for that, the walk is farther at least.
    pub(super) fn ends_with(&self, error: &Error) -> bool {
        let has_done_something = self.steps > 0 || self.executor == Executor::Worker;
        has_done_something && error.kind() == ErrorKind::WouldBlock
    }
}
