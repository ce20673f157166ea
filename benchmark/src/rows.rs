//! The rows of the tables.

/// Which of two numbers is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

#[derive(Debug)]
pub(crate) struct Row {
    /// As the tasks name it.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) better: Better,
}

use Better::{Higher, Lower};

type Template = (&'static str, &'static str, Better);

const WRITES: &[Template] = &[
    ("seq100", "seq100, records/s", Higher),
    ("seq100-total", "seq100 with flush and close, records/s", Higher),
    ("seq100-memory", "seq100, peak memory, MiB", Lower),
    ("seq100-disk", "seq100, disk after close, MiB", Lower),
    ("rnd100", "rnd100, records/s", Higher),
    ("rnd100-total", "rnd100 with flush and close, records/s", Higher),
    ("rnd100-memory", "rnd100, peak memory, MiB", Lower),
    ("rnd100-disk", "rnd100, disk after close, MiB", Lower),
    ("seq1", "seq1, records/s", Higher),
    ("seq1-total", "seq1 with flush and close, records/s", Higher),
    ("seq1-memory", "seq1, peak memory, MiB", Lower),
    ("rnd1", "rnd1, records/s", Higher),
    ("rnd1-total", "rnd1 with flush and close, records/s", Higher),
    ("rnd1-memory", "rnd1, peak memory, MiB", Lower),
    ("sync1", "sync1, commits/s", Higher),
    ("sync1-p99", "sync1, p99, us", Lower),
    ("sync8", "sync8, commits/s", Higher),
    ("sync8-p99", "sync8, p99, us", Lower),
    ("compact", "compact, s", Lower),
    ("compact-memory", "compact, peak memory, MiB", Lower),
    ("compact-disk", "disk after compact and close, MiB", Lower),
];

const READS: &[Template] = &[
    ("open", "open, ms", Lower),
    ("get-hot", "get hot (1000 keys), /s", Higher),
    ("get-random", "get random, cache 256 MiB, /s", Higher),
    ("get-missing", "get missing, /s", Higher),
    ("prefix-scan", "prefix scan of 200, /s", Higher),
    ("full-scan", "full scan, records/s", Higher),
    ("read-memory", "reads, peak memory, MiB", Lower),
    ("get-random-small", "get random, cache 8 MiB, /s", Higher),
    ("get-random-small-memory", "get random, cache 8 MiB, peak memory, MiB", Lower),
];

const SERIES_LOAD: &[Template] = &[
    ("series-load", "series load with close, points/s", Higher),
    ("series-load-memory", "series load, peak memory, MiB", Lower),
    ("series-disk", "series, disk after close, MiB", Lower),
    ("series-compact-disk", "series, disk after compact, MiB", Lower),
];

const SERIES_READS: &[Template] = &[
    ("series-window", "one series, one hour, queries/s", Higher),
    ("series-window-all", "all series, one hour, queries/s", Higher),
    ("series-whole", "one series, all 1000 points, queries/s", Higher),
    ("series-memory", "series queries, peak memory, MiB", Lower),
];

const RECOVERY: &[Template] = &[
    ("recover-seq", "recovery of sequential keys, s", Lower),
    ("recover-seq-memory", "recovery of sequential keys, peak memory, MiB", Lower),
    ("recover-seq-log", "log left behind, sequential, MiB", Lower),
    ("recover-rnd", "recovery of random keys, s", Lower),
    ("recover-rnd-memory", "recovery of random keys, peak memory, MiB", Lower),
    ("recover-rnd-log", "log left behind, random, MiB", Lower),
];

const SCALING: &[Template] = &[
    ("scale-write", "random write, records/s", Higher),
    ("scale-write-total", "random write with flush and close, records/s", Higher),
    ("scale-amplification", "bytes written per byte of the user", Lower),
    ("scale-write-memory", "random write, peak memory, MiB", Lower),
    ("scale-disk", "disk after close, MiB", Lower),
    ("scale-open", "open, ms", Lower),
    ("scale-get", "get random, cache 256 MiB, /s", Higher),
    ("scale-prefix-scan", "prefix scan of 200, /s", Higher),
    ("scale-read-memory", "reads, peak memory, MiB", Lower),
];

/// Sizes of the scaling rows, in records.
pub(crate) const SCALING_RECORDS: [u64; 3] = [100_000, 1_000_000, 10_000_000];

/// All rows there are, in the order of the table. Reads are done twice: on what loading left, and on
/// what compacting left.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    add(&mut rows, WRITES, "", "");
    add(&mut rows, READS, "", " (as loaded)");
    add(&mut rows, READS, "-compacted", " (compacted)");
    add(&mut rows, SERIES_LOAD, "", "");
    add(&mut rows, SERIES_READS, "", " (as loaded)");
    add(&mut rows, SERIES_READS, "-compacted", " (compacted)");
    add(&mut rows, RECOVERY, "", "");
    for template in SCALING {
        for size in SCALING_RECORDS {
            let title = format!(" ({} thousand)", size / 1000);
            add(&mut rows, &[*template], &scaling_suffix(size), &title);
        }
    }
    rows
}

/// What is put behind the names of rows of this size.
pub(crate) fn scaling_suffix(records: u64) -> String {
    format!("-{records}")
}

fn add(rows: &mut Vec<Row>, templates: &[Template], id: &str, title: &str) {
    rows.extend(templates.iter().map(|(name, text, better)| Row {
        id: format!("{name}{id}"),
        title: format!("{text}{title}"),
        better: *better,
    }));
}
