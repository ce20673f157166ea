//! Maintenance that nobody waits for makes way for readers.

use crate::compaction::LEVEL_0_TABLES_MAX;
use crate::inner::Inner;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Gets and seeks since the last slice that count as reading. A few of them do not care who else is at work.
const READS_MIN: u64 = 64;
/// So many times as long as a slice took the readers have to themselves.
const PART: u32 = 3;
/// As many tables on level 0 cost readers more than their merging takes from them, and writers will have to wait soon.
const LEVEL_0_TABLES_PRESSING: usize = LEVEL_0_TABLES_MAX / 2;

/// What there had been when the last slice ended.
#[derive(Debug, Default)]
pub(crate) struct LastSlice {
    reads: AtomicU64,
    commits: AtomicU64,
}

impl Inner {
    /// See [`crate::Db::recess`].
    pub(crate) fn recess(&self, slice: Duration) -> Duration {
        let calls = &self.telemetry.calls;
        let reads = calls.sum(|calls| &calls.gets) + calls.sum(|calls| &calls.seeks);
        let commits = self.telemetry.commits.commits.get();
        let reads_before = self.last_slice.reads.swap(reads, Ordering::Relaxed);
        let commits_before = self.last_slice.commits.swap(commits, Ordering::Relaxed);
        let is_read = reads.saturating_sub(reads_before) >= READS_MIN;
        let is_written = commits != commits_before;
        if is_read && !is_written && !self.is_pressed() { slice.saturating_mul(PART) } else { Duration::ZERO }
    }

    /// True if what is put off now would be missed soon.
    fn is_pressed(&self) -> bool {
        self.trees.iter().any(|tree| {
            let view = tree.view();
            !view.frozen.is_empty() || view.shelves.level_0_tables() >= LEVEL_0_TABLES_PRESSING
        })
    }
}
