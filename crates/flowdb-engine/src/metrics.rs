//! The statistics as text that Prometheus reads (text format 0.0.4). `docs/metrics.md` lists what each
//! of them means.

use crate::stats::{Histogram, Stats, TreeStats};
use std::fmt::{Display, Write};
use std::time::Duration;

/// Quantiles given of each latency.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// All metrics of a database.
pub(crate) fn text(stats: &Stats, has_background_error: bool) -> String {
    let mut page = Page::default();
    calls(&mut page, stats);
    maintenance(&mut page, stats, has_background_error);
    state(&mut page, stats);
    trees(&mut page, &stats.trees);
    let latencies = &stats.latencies;
    page.summary("write_latency_us", "Writes, waiting included; one in 16 is measured.", &latencies.write);
    page.summary("query_latency_us", "Gets and seeks of scans; one in 64 is measured.", &latencies.read);
    page.summary("flush_latency_us", "Flushes.", &latencies.flush);
    page.summary("compaction_latency_us", "Compactions, without pauses.", &latencies.compaction);
    page.summary("log_sync_latency_us", "Syncs of the log.", &latencies.sync);
    page.0
}

fn calls(page: &mut Page, stats: &Stats) {
    let totals = &stats.totals;
    page.counter("records_written", "Operations committed.", totals.records_written);
    page.counter("bytes_written", "Bytes of commits in the log.", totals.bytes_written);
    page.counter("commits_total", "Commits.", totals.commits);
    page.counter("write_errors_total", "Writes that failed.", totals.write_errors);
    page.counter("records_read", "Entries that gets and scans answered with.", totals.records_read);
    page.counter("records_expired", "Expired entries that reads passed over.", totals.records_expired);
    page.counter("gets_total", "Gets.", totals.gets);
    page.counter("seeks_total", "Seeks of scans.", totals.seeks);
}

fn maintenance(page: &mut Page, stats: &Stats, has_background_error: bool) {
    let totals = &stats.totals;
    page.counter("flushes_total", "Flushes.", totals.flushes);
    page.counter(
        "flush_bytes_written",
        "Bytes of tables and value files that flushes wrote.",
        totals.flush_bytes_written,
    );
    page.counter("compaction_runs_total", "Compactions.", totals.compactions);
    page.counter(
        "compaction_bytes_read",
        "Bytes of tables that compactions replaced.",
        totals.compaction_bytes_read,
    );
    page.counter(
        "compaction_bytes_written",
        "Bytes of tables and value files that compactions wrote.",
        totals.compaction_bytes_written,
    );
    page.counter("gc_runs_total", "Flushes and compactions that dropped expired entries.", totals.gc_runs);
    page.counter("records_purged_by_gc", "Expired entries that were dropped.", totals.records_purged);
    page.counter("stalls_total", "Times that a writer waited for maintenance.", totals.stalls);
    page.counter("stall_us_total", "Time that writers waited for maintenance.", totals.stall_micros);
    page.counter("background_errors_total", "Failures in the background.", totals.background_errors);
    page.gauge("background_error", "1 while one has not been overcome.", u8::from(has_background_error));
    page.gauge("stalled_writers", "Writers that wait for maintenance.", stats.stalled_writers);
    page.time("last_flush_time_us", "End of the last flush.", stats.last_flush);
    page.time("last_compaction_time_us", "End of the last compaction.", stats.last_compaction);
    page.time("last_gc_time_us", "Last time that expired entries were dropped.", stats.last_gc);
    page.gauge("write_amplification", "Bytes written for each byte in the log.", stats.write_amplification());
}

fn state(page: &mut Page, stats: &Stats) {
    page.gauge("uptime_seconds", "Time since the database was opened.", stats.uptime.as_secs_f64());
    page.gauge("last_sequence", "Number of the last visible operation.", stats.last_sequence);
    page.gauge("wal_bytes", "Bytes of the log that are kept.", stats.log_bytes);
    page.gauge("wal_segments", "Segments of the log that are kept.", stats.log_segments);
    page.gauge(
        "snapshots_held",
        "1 while a reader holds a snapshot.",
        u8::from(stats.oldest_snapshot.is_some()),
    );
    page.gauge(
        "oldest_snapshot_age_seconds",
        "Age of the oldest snapshot held; 0 without one.",
        stats.oldest_snapshot_age.as_secs_f64(),
    );
    let cache = &stats.cache;
    page.counter("block_cache_hits_total", "Blocks found in the cache.", cache.hits);
    page.counter("block_cache_misses_total", "Blocks not found in it.", cache.misses);
    page.gauge("block_cache_hit_rate", "Part of the blocks that was found, 0 to 1.", cache.hit_rate());
    page.gauge("block_cache_bytes", "Memory of cached blocks.", cache.bytes);
    page.gauge("block_cache_capacity_bytes", "Memory they may take.", cache.capacity_bytes);
    let resources = &stats.resources;
    page.gauge("table_memory_bytes", "Memory of indexes and filters.", resources.table_memory_bytes);
    page.gauge(
        "write_buffer_bytes",
        "Memory of memtables, shared ones included.",
        resources.write_buffer_bytes,
    );
    page.gauge("open_tables", "Descriptors open for tables and value files.", resources.open_tables);
    page.counter("tables_reopened_total", "Tables and value files opened again.", resources.tables_reopened);
    page.gauge("compression_ratio", "Bytes of entries for each byte of tables.", stats.compression_ratio());
}

fn trees(page: &mut Page, trees: &[TreeStats]) {
    let mut each = |name, help, number: fn(&TreeStats) -> u64| {
        page.family(name, "gauge", help);
        for tree in trees {
            page.sample(name, "", &[("tree", &tree.name)], number(tree));
        }
    };
    each("memtable_records", "Entries in memtables.", |tree| tree.memtable_entries as u64);
    each("memtable_bytes", "Memory of memtables.", |tree| tree.memtable_bytes as u64);
    each("frozen_memtable_count", "Memtables that wait for their flush.", |tree| {
        tree.frozen_memtables as u64
    });
    each("block_meta_index_entries", "Data blocks of tables.", |tree| tree.index_entries);
    each("time_index_buckets", "Those of them that are known by their time.", |tree| {
        tree.time_indexed_blocks
    });
    each("table_records", "Entries in tables, old versions and deletes too.", |tree| tree.table_entries);
    each("live_bytes", "Bytes of tables that are needed; an estimate.", |tree| tree.live_bytes);
    each("garbage_bytes", "Bytes of tables that compaction can free; an estimate.", |tree| {
        tree.garbage_bytes
    });
    each("value_file_count", "Files of values kept outside the tables.", |tree| tree.value_files as u64);
    each("value_file_bytes", "Bytes of value files.", |tree| tree.value_file_bytes);
    each("value_garbage_bytes", "Bytes of value files that no table refers to.", |tree| {
        tree.value_garbage_bytes
    });
    page.by_level("sstable_count", "Tables.", trees, |tree, level| tree.tables[level] as u64);
    page.by_level("sstable_bytes", "Bytes of tables.", trees, |tree, level| tree.level_bytes[level]);
}

/// The text so far.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.single(name, "counter", help, value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.single(name, "gauge", help, value);
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, "", &[], value);
    }

    /// Microseconds since the epoch; nothing is said before the first time.
    fn time(&mut self, name: &str, help: &str, time: Option<i64>) {
        self.family(name, "gauge", help);
        if let Some(time) = time {
            self.sample(name, "", &[], time);
        }
    }

    fn summary(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "summary", help);
        for quantile in QUANTILES {
            let value = microseconds(histogram.quantile(quantile));
            self.sample(name, "", &[("quantile", &quantile.to_string())], value);
        }
        self.sample(name, "_sum", &[], microseconds(histogram.sum()));
        self.sample(name, "_count", &[], histogram.count());
    }

    fn by_level(
        &mut self,
        name: &str,
        help: &str,
        trees: &[TreeStats],
        number: fn(&TreeStats, usize) -> u64,
    ) {
        self.family(name, "gauge", help);
        for tree in trees {
            for level in 0..tree.tables.len() {
                let labels = [("tree", tree.name.as_str()), ("level", &level.to_string())];
                self.sample(name, "", &labels, number(tree, level));
            }
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP flowdb_{name} {help}\n# TYPE flowdb_{name} {kind}"));
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(format_args!("flowdb_{name}{suffix}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A String takes everything.
        let _ = writeln!(self.0, "{line}");
    }
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1_000.0
}

/// A label's value as it stands between quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.sample("x", "_sum", &[("tree", "a\"b\\c\nd"), ("level", "1")], 2.5);
        assert_eq!(page.0, "flowdb_x_sum{tree=\"a\\\"b\\\\c\\nd\",level=\"1\"} 2.5\n");
    }
}
