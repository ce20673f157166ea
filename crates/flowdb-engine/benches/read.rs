//! Speed of reads: a million records and a thousand series, once compacted and once as random
//! writes leave them.
//!
//! `cargo bench -p flowdb-engine --bench read`, with words of the rows wanted behind `--`. One thread,
//! maintenance at rest. Each row is the best of several rounds, because whatever else the machine does can
//! only slow a round down. `FLOWDB_READ_DIR` names a directory to keep the databases in, and to find them in
//! the next time.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time and keeps its files in a directory of its own"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails has nothing to tell")]

use bytes::Bytes;
use flowdb_engine::format::NEVER;
use flowdb_engine::fs::RealFileSystem;
use flowdb_engine::{
    Db, DbIterator, Maintenance, Options, ReadOptions, TreeId, TreeOptions, WriteBatch, WriteOptions,
};
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RECORDS: TreeId = TreeId(1);
const SERIES: TreeId = TreeId(2);
/// Records are points of this many series, too, so that a prefix has as many as a prefix scan reads.
const PREFIXES: u64 = 5_000;
const PER_PREFIX: u64 = 200;
const SERIES_COUNT: u64 = 1_000;
const POINTS: u64 = 1_000;
const MINUTE: u64 = 60_000_000;
const WINDOW_POINTS: u64 = 60;
const ROUNDS: u32 = 5;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let kept = std::env::var_os("FLOWDB_READ_DIR").map(PathBuf::from);
    let scratch = Scratch(std::env::temp_dir().join(format!("flowdb-read-{}", std::process::id())));
    for layout in [Layout::Compacted, Layout::Levels] {
        let dir = kept.as_ref().unwrap_or(&scratch.0).join(layout.name());
        if !dir.exists() {
            load(&dir, layout);
        }
        let mut report = Report { layout, wanted: &wanted, random: Random(7) };
        report.rows(&dir);
    }
}

/// What the tree looks like that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Compacted,
    /// Several tables in level 0 and more levels beneath, from writes in random order.
    Levels,
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Layout::Compacted => "compacted",
            Layout::Levels => "levels",
        }
    }
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Xorshift: the same sequence in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn open(dir: &Path, cache_bytes: u64) -> Db {
    let series = TreeOptions {
        filter_key: |key| &key[..key.len().saturating_sub(8)],
        block_property: |key| key.last_chunk::<8>().map(|time| u64::from_be_bytes(*time).cast_signed()),
        ..TreeOptions::new(SERIES, "series")
    };
    let mut options = Options::new(vec![TreeOptions::new(RECORDS, "records"), series]);
    options.block_cache_bytes = cache_bytes;
    Db::open(Arc::new(RealFileSystem::default()), dir, options).unwrap()
}

/// Sixteen bytes of name, eight of time; records have even times, so that odd ones are missing keys
/// within the range.
fn key(prefix: u64, time: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(format!("sensor-{prefix:09}").as_bytes());
    key[16..].copy_from_slice(&time.to_be_bytes());
    key
}

fn record_key(number: u64) -> [u8; 24] {
    key(number / PER_PREFIX, number % PER_PREFIX * 2)
}

fn load(dir: &Path, layout: Layout) {
    const RECORD_COUNT: u64 = PREFIXES * PER_PREFIX;
    let db = open(dir, 8 << 20);
    // A step without a common divisor with the count visits every number once, in an order far from that
    // of the keys.
    let step = if layout == Layout::Levels { 382_003 } else { 1 };
    let record = |random: &mut Random, index| {
        let mut value = [b'-'; 100];
        value[..60]
            .chunks_exact_mut(4)
            .for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()[..4]));
        (record_key(index * step % RECORD_COUNT), value.to_vec())
    };
    let point = |random: &mut Random, index| {
        let (series, point) = match layout {
            Layout::Compacted => (index / POINTS, index % POINTS),
            // Points come as time goes on, all series at once.
            Layout::Levels => (index % SERIES_COUNT, index / SERIES_COUNT),
        };
        (key(series, point * MINUTE), random.next().to_le_bytes().to_vec())
    };
    // Maintenance is for all trees: what is to stay in level 0 comes after the last of it.
    for fifths in [0..4, 4..5] {
        write(&db, RECORDS, part(RECORD_COUNT, &fifths), &record);
        write(&db, SERIES, part(SERIES_COUNT * POINTS, &fifths), &point);
        if fifths.start == 0 {
            maintain(&db);
        }
    }
    if layout == Layout::Compacted {
        db.compact(RECORDS).unwrap();
        db.compact(SERIES).unwrap();
    }
    for stats in db.stats().trees {
        let (name, mib) = (layout.name(), stats.table_bytes as f64 / f64::from(1 << 20));
        println!("{name} tree {}: {mib:.1} MiB, tables by level {:?}", stats.tree.0, stats.tables);
    }
    db.close().unwrap();
}

fn part(count: u64, fifths: &Range<u64>) -> Range<u64> {
    count / 5 * fifths.start..count / 5 * fifths.end
}

/// Writes the records of these indexes, and flushes often enough that no memtable is full by itself.
fn write(
    db: &Db,
    tree: TreeId,
    indexes: Range<u64>,
    record: &impl Fn(&mut Random, u64) -> ([u8; 24], Vec<u8>),
) {
    let mut random = Random(11 + indexes.start);
    let mut batch = WriteBatch::new();
    let flushes_at = indexes.end;
    for index in indexes {
        let (key, value) = record(&mut random, index);
        batch.put(tree, &key, &value, NEVER).unwrap();
        if batch.len() == 1000 {
            db.write(std::mem::take(&mut batch), WriteOptions::default()).unwrap();
        }
        if (flushes_at - index - 1).is_multiple_of(67_000) {
            db.flush().unwrap();
        }
    }
    db.write(batch, WriteOptions::default()).unwrap();
    db.flush().unwrap();
}

fn maintain(db: &Db) {
    while matches!(db.maintain(Duration::from_secs(1)).unwrap(), Maintenance::More) {}
}

struct Report<'a> {
    layout: Layout,
    wanted: &'a [String],
    random: Random,
}

impl Report<'_> {
    fn rows(&mut self, dir: &Path) {
        const COUNT: u64 = PREFIXES * PER_PREFIX;
        let db = open(dir, 256 << 20);
        let hot: Vec<u64> = (0..1000).map(|_| self.random.below(COUNT)).collect();
        self.row("get-hot", 200_000, |random| {
            get(&db, &record_key(*hot.get(usize::try_from(random.below(1000)).unwrap()).unwrap()), true)
        });
        self.row("get-random-256", 300_000, |random| get(&db, &record_key(random.below(COUNT)), true));
        self.row("get-missing", 500_000, |random| {
            get(&db, &key(random.below(PREFIXES), random.below(PER_PREFIX) * 2 + 1), false)
        });
        self.row("prefix-scan-200", 3_000, |random| {
            let prefix = random.below(PREFIXES);
            scan(&db, RECORDS, &key(prefix, 0), &key(prefix, u64::MAX), PER_PREFIX)
        });
        self.row("scan-10", 30_000, |random| {
            let number = random.below(COUNT - 10);
            scan(&db, RECORDS, &record_key(number), &record_key(number + 10), 10)
        });
        self.row("full-scan", 1, |_| scan(&db, RECORDS, &[], &[0xff; 24], COUNT));
        self.row("full-scan-back", 1, |_| {
            let mut iterator =
                db.iter(RECORDS, (Bound::Unbounded, Bound::Unbounded), ReadOptions::default()).unwrap();
            iterator.seek_last().unwrap();
            let mut bytes = 0;
            while iterator.valid() {
                bytes += iterator.key().len() + iterator.inline_value().map_or(0, <[u8]>::len);
                iterator.prev().unwrap();
            }
            assert_eq!(bytes as u64, COUNT * 124);
            COUNT
        });
        self.row("series-window", 20_000, |random| {
            let series = random.below(SERIES_COUNT);
            let first = random.below(POINTS - WINDOW_POINTS) * MINUTE;
            let last = first + WINDOW_POINTS * MINUTE - 1;
            windows(&db, &key(series, 0), &key(series, u64::MAX), (first, last), WINDOW_POINTS);
            1
        });
        self.row("all-series-window", 30, |random| {
            let first = random.below(POINTS - WINDOW_POINTS) * MINUTE;
            let last = first + WINDOW_POINTS * MINUTE - 1;
            windows(&db, &[], &[0xff; 24], (first, last), WINDOW_POINTS * SERIES_COUNT);
            1
        });
        self.row("whole-series", 2_000, |random| {
            let series = random.below(SERIES_COUNT);
            scan(&db, SERIES, &key(series, 0), &key(series, u64::MAX), POINTS);
            1
        });
        db.close().unwrap();
        let db = open(dir, 8 << 20);
        self.row("get-random-8", 100_000, |random| get(&db, &record_key(random.below(COUNT)), true));
        self.row("full-scan-8", 1, |_| scan(&db, RECORDS, &[], &[0xff; 24], COUNT));
        db.close().unwrap();
    }

    /// Calls `operation` until `count` are done, several times over; it says how many units it did.
    fn row(&mut self, name: &str, count: u64, mut operation: impl FnMut(&mut Random) -> u64) {
        let name = format!("{} {name}", self.layout.name());
        let is_wanted = |word: &String| name.split(' ').any(|part| part == word);
        if !self.wanted.is_empty() && !self.wanted.iter().any(is_wanted) {
            return;
        }
        let mut best = 0.0f64;
        for _ in 0..=ROUNDS {
            let start = Instant::now();
            let units: u64 = (0..count).map(|_| operation(&mut self.random)).sum();
            best = best.max(units as f64 / start.elapsed().as_secs_f64());
        }
        println!("{name:<30} {best:>12.0} /s");
    }
}

fn get(db: &Db, key: &[u8], is_there: bool) -> u64 {
    let found = db.get(RECORDS, key, ReadOptions::default()).unwrap();
    assert_eq!(found.is_some(), is_there);
    1
}

fn scan(db: &Db, tree: TreeId, start: &[u8], end: &[u8], count: u64) -> u64 {
    let bounds =
        (Bound::Included(Bytes::copy_from_slice(start)), Bound::Excluded(Bytes::copy_from_slice(end)));
    let mut iterator = db.iter(tree, bounds, ReadOptions::default()).unwrap();
    iterator.seek_first().unwrap();
    assert_eq!(rest(&mut iterator), count);
    count
}

fn rest(iterator: &mut DbIterator) -> u64 {
    let (mut count, mut bytes) = (0, 0);
    while iterator.valid() {
        bytes += iterator.key().len() + iterator.inline_value().map_or(0, <[u8]>::len);
        count += 1;
        iterator.next().unwrap();
    }
    std::hint::black_box(bytes);
    count
}

/// Walks through the window of each series between two keys, seeking from one to the next.
fn windows(db: &Db, start: &[u8], end: &[u8], window: (u64, u64), count: u64) {
    let bounds =
        (Bound::Included(Bytes::copy_from_slice(start)), Bound::Excluded(Bytes::copy_from_slice(end)));
    let property = Some((window.0.cast_signed(), window.1.cast_signed()));
    let mut iterator = db.iter(SERIES, bounds, ReadOptions { property, ..ReadOptions::default() }).unwrap();
    iterator.seek_first().unwrap();
    let mut found = 0;
    while iterator.valid() {
        let mut target: [u8; 24] = iterator.key()[..].try_into().unwrap();
        let time = u64::from_be_bytes(*target.last_chunk().unwrap());
        if time < window.0 {
            target[16..].copy_from_slice(&window.0.to_be_bytes());
            iterator.seek(&target).unwrap();
        } else if time > window.1 {
            target[16..].copy_from_slice(&u64::MAX.to_be_bytes());
            iterator.seek(&target).unwrap();
        } else {
            found += 1;
            iterator.next().unwrap();
        }
    }
    assert_eq!(found, count);
}
