//! Numbers about the state of a database, and what it has done since it was opened.

mod histogram;
mod stripe;
mod telemetry;
mod tree;

pub use histogram::Histogram;
pub(crate) use stripe::{Counter, Striped};
pub(crate) use telemetry::{ScanMeter, Telemetry};
pub use tree::TreeStats;

use crate::inner::Inner;
use crate::key::Sequence;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// State of a database. See [`crate::Db::stats`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Number of the last visible operation.
    pub last_sequence: Sequence,
    /// The oldest snapshot that readers hold, if any.
    pub oldest_snapshot: Option<Sequence>,
    /// How long it has been held; zero without one.
    pub oldest_snapshot_age: Duration,
    /// Log segments kept.
    pub log_segments: u64,
    /// Bytes in them. Space reserved behind the last commit is not counted.
    pub log_bytes: u64,
    /// Writers that wait for maintenance.
    pub stalled_writers: usize,
    /// Time since the database was opened.
    pub uptime: Duration,
    /// End of the last flush, microseconds since the epoch; none since the database was opened.
    pub last_flush: Option<i64>,
    /// End of the last compaction, likewise.
    pub last_compaction: Option<i64>,
    /// End of the last flush or compaction that dropped expired entries, likewise.
    pub last_gc: Option<i64>,
    /// What was done.
    pub totals: Totals,
    /// How long it took.
    pub latencies: Latencies,
    /// The block cache. Databases that share it share these numbers.
    pub cache: CacheStats,
    /// Memory and files. Databases that share their [`crate::Resources`] share these numbers.
    pub resources: ResourceStats,
    /// The trees, in the order in which they were declared.
    pub trees: Vec<TreeStats>,
}

/// What a database has done since it was opened. None of these ever falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Commits.
    pub commits: u64,
    /// Operations in them: puts, deletes and range deletes.
    pub records_written: u64,
    /// Bytes that these commits took in the log.
    pub bytes_written: u64,
    /// Writes that failed for want of space, by an error of the operating system, or because the database was
    /// poisoned. Failed syncs are failures in the background.
    pub write_errors: u64,
    /// Gets, whether or not they found something. One that had to be repeated where blocking is
    /// allowed counts twice.
    pub gets: u64,
    /// Seeks of iterators.
    pub seeks: u64,
    /// Entries that gets and scans answered with. A scan is counted when its iterator is dropped.
    pub records_read: u64,
    /// Expired entries that a get or a scan met and passed over, each time it did. A scan is counted when its
    /// iterator is dropped.
    pub records_expired: u64,
    /// Expired entries that flushes and compactions dropped, or made a delete of.
    pub records_purged: u64,
    /// Flushes and compactions that dropped expired entries.
    pub gc_runs: u64,
    /// Flushes.
    pub flushes: u64,
    /// Bytes of the tables they wrote.
    pub flush_bytes_written: u64,
    /// Compactions.
    pub compactions: u64,
    /// Bytes of the tables they replaced.
    pub compaction_bytes_read: u64,
    /// Bytes of the tables they wrote.
    pub compaction_bytes_written: u64,
    /// Times that a writer waited for maintenance.
    pub stalls: u64,
    /// Time that writers waited for maintenance, in microseconds, those who waited together each counted.
    pub stall_micros: u64,
    /// Failures in the background, repeated ones counted.
    pub background_errors: u64,
}

/// How long calls and work took since the database was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latencies {
    /// Writes, from the call to the answer, waiting for maintenance and a sync included. One in 16 of each
    /// thread is measured.
    pub write: Histogram,
    /// Gets and seeks of iterators. One in 64 of each thread is measured.
    pub read: Histogram,
    /// Flushes.
    pub flush: Histogram,
    /// Compactions, pauses between slices not counted.
    pub compaction: Histogram,
    /// Waits for the log's sync that went to the disk, or for another that did.
    pub sync: Histogram,
}

/// State of a block cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Blocks that were in the cache when a reader wanted them.
    pub hits: u64,
    /// Blocks that were not.
    pub misses: u64,
    /// Blocks in it.
    pub blocks: u64,
    /// Memory they take, in bytes, about.
    pub bytes: u64,
    /// Memory they may take.
    pub capacity_bytes: u64,
}

/// Use of what databases can share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResourceStats {
    /// Memory of indexes and filters of the open tables, in bytes.
    pub table_memory_bytes: u64,
    /// Memory of memtables of all databases, in bytes, about.
    pub write_buffer_bytes: u64,
    /// Descriptors of tables open now.
    pub open_tables: u64,
    /// Times that a table was opened again because its descriptor had been closed to stay within the limit.
    pub tables_reopened: u64,
}

impl Stats {
    /// Bytes written to tables and log for each byte in the log: what the disk bears for what was asked. 1
    /// while nothing was written.
    pub fn write_amplification(&self) -> f64 {
        let Totals { bytes_written, flush_bytes_written, compaction_bytes_written, .. } = self.totals;
        let all = bytes_written + flush_bytes_written + compaction_bytes_written;
        if bytes_written == 0 { 1.0 } else { all as f64 / bytes_written as f64 }
    }

    /// Bytes of keys and values in the tables for each byte of their files: above 1 if compression saves more
    /// than the format adds. 1 while there are no tables.
    pub fn compression_ratio(&self) -> f64 {
        let contents: u64 = self.trees.iter().map(|tree| tree.table_contents_bytes).sum();
        let files: u64 = self.trees.iter().map(|tree| tree.table_bytes).sum();
        if files == 0 { 1.0 } else { contents as f64 / files as f64 }
    }
}

impl CacheStats {
    /// Part of the blocks wanted that were in the cache, from 0 to 1; 0 while none was wanted.
    pub fn hit_rate(&self) -> f64 {
        let wanted = self.hits + self.misses;
        if wanted == 0 { 0.0 } else { self.hits as f64 / wanted as f64 }
    }
}

impl Inner {
    /// See [`crate::Db::stats`].
    pub(crate) fn stats(&self) -> Stats {
        let telemetry = &self.telemetry;
        let segment = self.segment.load(Ordering::Acquire);
        let oldest_segment = self.oldest_segment_needed(None);
        let written = self.log.read().as_ref().map_or(0, |log| log.written());
        let (oldest_snapshot, taken_at) = self.snapshots.oldest_taken().unzip();
        let now = self.now();
        Stats {
            last_sequence: self.snapshots.visible(),
            oldest_snapshot,
            oldest_snapshot_age: taken_at.map_or(Duration::ZERO, |taken_at| telemetry.since(taken_at)),
            log_segments: (segment + 1).saturating_sub(oldest_segment).max(1),
            log_bytes: telemetry.sealed_log_bytes(oldest_segment, segment) + written,
            stalled_writers: telemetry.stalled_writers.load(Ordering::Relaxed),
            uptime: telemetry.uptime(),
            last_flush: telemetry.last_flush.get(),
            last_compaction: telemetry.last_compaction.get(),
            last_gc: telemetry.last_gc.get(),
            totals: totals(telemetry),
            latencies: latencies(telemetry),
            cache: self.cache.stats(),
            resources: self.resources.stats(),
            trees: self.trees.iter().map(|tree| tree::stats(tree, now)).collect(),
        }
    }
}

fn totals(telemetry: &Telemetry) -> Totals {
    let Telemetry { calls, commits, flushes, compactions, .. } = telemetry;
    Totals {
        commits: commits.commits.get(),
        records_written: commits.records.get(),
        bytes_written: commits.bytes.get(),
        write_errors: telemetry.write_errors.get(),
        gets: calls.sum(|calls| &calls.gets),
        seeks: calls.sum(|calls| &calls.seeks),
        records_read: calls.sum(|calls| &calls.records_read),
        records_expired: calls.sum(|calls| &calls.records_expired),
        records_purged: telemetry.records_purged.get(),
        gc_runs: telemetry.gc_runs.get(),
        flushes: flushes.runs.get(),
        flush_bytes_written: flushes.bytes_written.get(),
        compactions: compactions.runs.get(),
        compaction_bytes_read: compactions.bytes_read.get(),
        compaction_bytes_written: compactions.bytes_written.get(),
        stalls: telemetry.stalls.get(),
        stall_micros: telemetry.stall_micros.get(),
        background_errors: telemetry.background_errors.get(),
    }
}

fn latencies(telemetry: &Telemetry) -> Latencies {
    Latencies {
        write: telemetry.write_latency.histogram(),
        read: telemetry.read_latency.histogram(),
        flush: telemetry.flush_latency.histogram(),
        compaction: telemetry.compaction_latency.histogram(),
        sync: telemetry.sync_latency.histogram(),
    }
}
