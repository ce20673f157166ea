//! Numbers about a store, for JS.

use crate::error;
use flowdb_engine::{BackgroundError, Histogram, Latencies, Totals, TreeStats};
use flowdb_store::{Store, tree_name};
use napi_derive::napi;
use std::time::Duration;

/// Numbers about a store.
#[napi(object)]
pub struct StoreStats {
    /// Number of the last operation.
    pub sequence: f64,
    /// Time since the engine was opened.
    pub uptime_ms: f64,
    /// Segments of the log that are kept.
    pub log_segments: f64,
    /// Bytes in the segments of the log.
    pub log_bytes: f64,
    /// Writers that wait.
    pub stalled_writers: u32,
    /// How long the oldest snapshot has been held.
    pub oldest_snapshot_ms: f64,
    /// The cache entries as a cache.
    pub kv: CacheNumbers,
    /// Blocks of tables in memory.
    pub block_cache: BlockCacheNumbers,
    /// What was done.
    pub totals: TotalNumbers,
    /// How long the work in `totals` took.
    pub latencies: LatencyNumbers,
    /// What failed and has not been overcome.
    pub background_error: Option<Failure>,
    /// Its trees.
    pub trees: Vec<TreeNumbers>,
}

/// How a cache does.
#[napi(object)]
pub struct CacheNumbers {
    /// Gets that found something.
    pub hits: f64,
    /// Gets that found nothing.
    pub misses: f64,
    /// Entries dropped because there were too many.
    pub evictions: f64,
}

/// State of the block cache.
#[napi(object)]
pub struct BlockCacheNumbers {
    /// Blocks that were in the cache when a read wanted them.
    pub hits: f64,
    /// Blocks that were not in the cache when a read wanted them.
    pub misses: f64,
    /// Blocks in the cache.
    pub blocks: f64,
    /// Memory that the cached blocks take.
    pub bytes: f64,
    /// Memory that cached blocks may take.
    pub capacity_bytes: f64,
}

/// What was done since the engine was opened.
#[napi(object)]
pub struct TotalNumbers {
    /// Commits.
    pub commits: f64,
    /// Operations in commits.
    pub records_written: f64,
    /// Bytes of commits in the log.
    pub bytes_written: f64,
    /// Writes that failed.
    pub write_errors: f64,
    /// Gets.
    pub gets: f64,
    /// Seeks of scans.
    pub seeks: f64,
    /// Entries found.
    pub records_read: f64,
    /// Expired entries passed over.
    pub records_expired: f64,
    /// Expired entries dropped.
    pub records_purged: f64,
    /// Flushes.
    pub flushes: f64,
    /// Bytes of the tables that flushes wrote.
    pub flush_bytes_written: f64,
    /// Compactions.
    pub compactions: f64,
    /// Bytes of the tables that compactions replaced.
    pub compaction_bytes_read: f64,
    /// Bytes of the tables that compactions wrote.
    pub compaction_bytes_written: f64,
    /// Times that a writer waited for maintenance.
    pub stalls: f64,
    /// How long writers waited for maintenance.
    pub stall_ms: f64,
    /// Failures in the background.
    pub background_errors: f64,
}

/// How long things took.
#[napi(object)]
pub struct LatencyNumbers {
    /// Writes.
    pub write: Durations,
    /// Reads.
    pub read: Durations,
    /// Flushes.
    pub flush: Durations,
    /// Compactions.
    pub compaction: Durations,
    /// Syncs of the log.
    pub sync: Durations,
}

/// How long one kind of thing took, in milliseconds.
#[napi(object)]
pub struct Durations {
    /// How many were measured.
    pub count: f64,
    /// Mean of those measured.
    pub mean_ms: f64,
    /// Half of them were not longer.
    pub p50_ms: f64,
    /// 99 of 100 were not longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// Numbers about a tree.
#[napi(object)]
pub struct TreeNumbers {
    /// Its name.
    pub name: String,
    /// Recent writes in memory.
    pub memory_bytes: f64,
    /// Tables on disk.
    pub tables: f64,
    /// Bytes of the tables.
    pub table_bytes: f64,
    /// Entries in the tables.
    pub table_entries: f64,
    /// The part of the tables' bytes that compaction would probably free.
    pub garbage_bytes: f64,
    /// Size of the values kept in files of their own.
    pub value_file_bytes: f64,
    /// Entries dropped with their tables, for size or age.
    pub evicted_entries: f64,
}

/// A failure in the background.
#[napi(object)]
pub struct Failure {
    /// What failed, one word.
    pub work: String,
    /// Code of its error.
    pub code: String,
    /// Message of its error.
    pub message: String,
    /// When it failed first, milliseconds since the epoch.
    pub since: f64,
    /// True if what failed is tried again.
    pub resumes: bool,
}

/// Doubles hold all of these exactly: numbers above 2^53 would take centuries.
pub(crate) fn to_js(store: &Store) -> StoreStats {
    let stats = store.db().stats();
    let usage = store.kv_usage();
    let kv = stats.trees.iter().find(|tree| tree_name(tree.tree) == "kv");
    StoreStats {
        sequence: stats.last_sequence as f64,
        uptime_ms: milliseconds(stats.uptime),
        log_segments: stats.log_segments as f64,
        log_bytes: stats.log_bytes as f64,
        stalled_writers: u32::try_from(stats.stalled_writers).unwrap_or(u32::MAX),
        oldest_snapshot_ms: milliseconds(stats.oldest_snapshot_age),
        kv: CacheNumbers {
            hits: usage.hits as f64,
            misses: usage.misses as f64,
            evictions: kv.map_or(0.0, |tree| tree.evicted_entries as f64),
        },
        block_cache: BlockCacheNumbers {
            hits: stats.cache.hits as f64,
            misses: stats.cache.misses as f64,
            blocks: stats.cache.blocks as f64,
            bytes: stats.cache.bytes as f64,
            capacity_bytes: stats.cache.capacity_bytes as f64,
        },
        totals: totals(&stats.totals),
        latencies: latencies(&stats.latencies),
        background_error: store.db().background_error().map(|error| failure(&error)),
        trees: stats.trees.iter().map(tree).collect(),
    }
}

fn totals(totals: &Totals) -> TotalNumbers {
    TotalNumbers {
        commits: totals.commits as f64,
        records_written: totals.records_written as f64,
        bytes_written: totals.bytes_written as f64,
        write_errors: totals.write_errors as f64,
        gets: totals.gets as f64,
        seeks: totals.seeks as f64,
        records_read: totals.records_read as f64,
        records_expired: totals.records_expired as f64,
        records_purged: totals.records_purged as f64,
        flushes: totals.flushes as f64,
        flush_bytes_written: totals.flush_bytes_written as f64,
        compactions: totals.compactions as f64,
        compaction_bytes_read: totals.compaction_bytes_read as f64,
        compaction_bytes_written: totals.compaction_bytes_written as f64,
        stalls: totals.stalls as f64,
        stall_ms: totals.stall_micros as f64 / 1_000.0,
        background_errors: totals.background_errors as f64,
    }
}

fn latencies(latencies: &Latencies) -> LatencyNumbers {
    LatencyNumbers {
        write: durations(&latencies.write),
        read: durations(&latencies.read),
        flush: durations(&latencies.flush),
        compaction: durations(&latencies.compaction),
        sync: durations(&latencies.sync),
    }
}

fn durations(histogram: &Histogram) -> Durations {
    let count = histogram.count() as f64;
    Durations {
        count,
        mean_ms: if count > 0.0 { milliseconds(histogram.sum()) / count } else { 0.0 },
        p50_ms: milliseconds(histogram.quantile(0.5)),
        p99_ms: milliseconds(histogram.quantile(0.99)),
        max_ms: milliseconds(histogram.largest()),
    }
}

fn tree(tree: &TreeStats) -> TreeNumbers {
    TreeNumbers {
        name: tree_name(tree.tree).to_owned(),
        memory_bytes: tree.memtable_bytes as f64,
        tables: tree.tables.iter().sum::<usize>() as f64,
        table_bytes: tree.table_bytes as f64,
        table_entries: tree.table_entries as f64,
        garbage_bytes: tree.garbage_bytes as f64,
        value_file_bytes: tree.value_file_bytes as f64,
        evicted_entries: tree.evicted_entries as f64,
    }
}

fn failure(failure: &BackgroundError) -> Failure {
    Failure {
        work: failure.work.name().to_owned(),
        code: error::code(failure.error.kind()).to_owned(),
        message: failure.to_string(),
        since: failure.since as f64 / 1_000.0,
        resumes: failure.resumes,
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
