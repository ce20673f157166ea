//! Goal: the statistics say what happened, neither more nor less, and the text for Prometheus says the same,
//! as docs/metrics.md describes it. Method: small databases in memory, on which known things are done; a
//! strict parser of the text format.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "support/disk.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod disk;
mod support;

use disk::Disk;
use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Db, Durability, Maintenance, ManualClock, Options, ReadOptions, Stats, TreeId, TreeOptions, WriteBatch,
    WriteOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn memory() -> Arc<dyn FileSystem> {
    Arc::new(MemoryFileSystem::new())
}

fn put(db: &Db, index: u32, expiry: i64) {
    let mut batch = WriteBatch::new();
    let mut random = Random::new(u64::from(index));
    let value: Vec<u8> = (0..200).map(|_| random.next() as u8).collect();
    batch.put(TREES[0], &index.to_be_bytes(), &value, expiry).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
}

fn get(db: &Db, index: u32) -> bool {
    db.get(TREES[0], &index.to_be_bytes(), ReadOptions::default()).unwrap().is_some()
}

#[test]
fn reads_and_writes_are_counted_over_all_threads() {
    let db = open(&memory(), &Arc::default()).unwrap();
    let threads: Vec<_> = (0..4u32)
        .map(|thread| {
            let db = db.clone();
            std::thread::spawn(move || {
                for index in thread * 100..thread * 100 + 100 {
                    put(&db, index, i64::MAX);
                    assert!(get(&db, index));
                    assert!(!get(&db, index + 1_000));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    assert_eq!(collect_forward(&mut iter).unwrap().len(), 400);
    assert_eq!(collect_backward(&mut iter).unwrap().len(), 400);
    drop(iter);
    let stats = db.stats();
    let totals = stats.totals;
    assert_eq!((totals.commits, totals.records_written), (400, 400));
    assert_eq!((totals.gets, totals.seeks), (800, 2));
    assert_eq!(totals.records_read, 400 + 2 * 400);
    assert!(totals.bytes_written >= 400 * 200, "{}", totals.bytes_written);
    assert_eq!(stats.trees[0].memtable_entries, 400);
    // One in 64 and one in 16, of each thread alone.
    assert!(stats.latencies.read.count() >= 4 * (200 / 64), "{:?}", stats.latencies.read);
    assert!(stats.latencies.write.count() >= 4 * (100 / 16), "{:?}", stats.latencies.write);
}

#[test]
fn a_read_past_the_caches_leaves_them_as_they_are() {
    let disk = Disk::new();
    let db = Db::open(Arc::new(disk.clone()), Path::new(DIR), small_options(&Arc::default())).unwrap();
    (0..100).for_each(|index| put(&db, index, i64::MAX));
    let mut large = WriteBatch::new();
    large.put(TREES[1], b"large", &[7; 2 * LARGE], i64::MAX).unwrap();
    db.write(large, WriteOptions::default()).unwrap();
    db.flush().unwrap();
    let get = |bypass_cache: bool| {
        let options = ReadOptions { bypass_cache, ..ReadOptions::default() };
        assert!(db.get(TREES[0], &3_u32.to_be_bytes(), options).unwrap().is_some());
        assert_eq!(db.get(TREES[1], b"large", options).unwrap().unwrap().value, [7; 2 * LARGE][..]);
    };
    let scan = |bypass_cache: bool| {
        let options = ReadOptions { bypass_cache, ..ReadOptions::default() };
        let mut iter = db.iter(TREES[0], EVERYTHING, options).unwrap();
        assert_eq!(collect_forward(&mut iter).unwrap().len(), 100);
    };
    // Bytes read from files, and what the cache of blocks says.
    let costs = |read: &dyn Fn(bool), bypass_cache: bool| {
        let before = disk.read();
        read(bypass_cache);
        (disk.read() - before, db.stats().cache)
    };
    let untouched = db.stats().cache;
    for read in [&get as &dyn Fn(bool), &scan] {
        let (first, after) = costs(read, true);
        assert_eq!(after, untouched);
        assert!(first > 0, "the cache is empty");
        assert_eq!(costs(read, true), (first, untouched), "nothing was kept of the first time");
    }
    assert!(costs(&get, false).0 > 2 * LARGE as u64 / 256, "the value was not kept either");
    let (_, full) = costs(&scan, false);
    assert!(full.blocks > untouched.blocks && full.misses > untouched.misses, "{full:?}");
    for read in [&get as &dyn Fn(bool), &scan] {
        assert_eq!(costs(read, true), (0, full), "what is in the caches serves it");
    }
}

#[test]
fn expired_entries_are_counted_when_hidden_and_when_dropped() {
    let clock = Arc::new(ManualClock::new(0));
    let db = open(&memory(), &clock).unwrap();
    (0..10).for_each(|index| put(&db, index, 100));
    (10..15).for_each(|index| put(&db, index, i64::MAX));
    clock.set(100);
    assert!(!get(&db, 3));
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    assert_eq!(collect_forward(&mut iter).unwrap().len(), 5);
    drop(iter);
    assert_eq!(db.stats().totals.records_expired, 1 + 10);
    assert_eq!((db.stats().totals.gc_runs, db.stats().last_gc), (0, None));
    db.flush().unwrap();
    let stats = db.stats();
    assert_eq!((stats.totals.records_purged, stats.totals.gc_runs, stats.last_gc), (10, 1, Some(100)));
    assert_eq!(stats.trees[0].table_entries, 5);
}

#[test]
fn flushes_and_compactions_are_accounted_for() {
    let clock = Arc::new(ManualClock::new(77));
    let db = open(&memory(), &clock).unwrap();
    for _ in 0..3 {
        (0..100).for_each(|index| put(&db, index, i64::MAX));
        db.flush().unwrap();
    }
    let before = db.stats();
    assert_eq!((before.totals.flushes, before.latencies.flush.count(), before.last_flush), (3, 3, Some(77)));
    assert_eq!(before.totals.flush_bytes_written, before.trees[0].table_bytes);
    let tree = &before.trees[0];
    assert_eq!(tree.live_bytes + tree.garbage_bytes, tree.table_bytes);
    assert!(tree.garbage_bytes * 10 > tree.table_bytes * 6, "two of three versions: {tree:?}");
    assert!(tree.index_entries > 3 * 100 * 200 / 1024, "{tree:?}");
    assert_eq!((before.totals.compactions, before.last_compaction), (0, None));
    db.compact(TREES[0]).unwrap();
    let after = db.stats();
    assert_eq!((after.totals.compactions, after.last_compaction), (1, Some(77)));
    assert_eq!(after.totals.compaction_bytes_read, before.trees[0].table_bytes);
    assert_eq!(after.totals.compaction_bytes_written, after.trees[0].table_bytes);
    assert_eq!(after.trees[0].garbage_bytes, 0);
    assert!(after.write_amplification() > 1.5, "{}", after.write_amplification());
    // Random values: nothing to compress.
    assert!((0.5..1.05).contains(&after.compression_ratio()), "{}", after.compression_ratio());
}

#[test]
fn the_size_of_the_log_falls_when_segments_go() {
    let fs = memory();
    let mut options = small_options(&Arc::default());
    options.trees[0].write_buffer_bytes = 16 << 20;
    let on_disk = |db: &Db| {
        let names = fs.list(Path::new(DIR)).unwrap();
        let logs = names.iter().filter(|name| name.ends_with(".log"));
        let bytes: u64 =
            logs.clone().map(|name| fs.open_read(&Path::new(DIR).join(name)).unwrap().len().unwrap()).sum();
        assert_eq!(db.stats().log_segments, logs.count() as u64);
        bytes
    };
    let check = |db: &Db| {
        let (told, there) = (db.stats().log_bytes, on_disk(db));
        // Space is reserved behind the last commit.
        assert!(told <= there && there <= told + (64 << 10), "{told} of {there}");
        told
    };
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options.clone()).unwrap();
    for index in 0..1_000 {
        put(&db, index, i64::MAX);
        if index % 100 == 0 {
            while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
        }
    }
    let full = check(&db);
    assert!(db.stats().log_segments > 2);
    drop(db);
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    assert_eq!(check(&db), full, "also after opening it again");
    db.flush().unwrap();
    while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
    assert!(check(&db) * 2 < full, "{} of {full}", db.stats().log_bytes);
}

#[test]
fn snapshots_stalls_syncs_and_the_cache_are_seen() {
    let clock = Arc::new(ManualClock::new(0));
    let db = open(&memory(), &clock).unwrap();
    put(&db, 1, i64::MAX);
    let snapshot = db.snapshot();
    put(&db, 2, i64::MAX);
    clock.advance(Duration::from_secs(9));
    let (newer, copy) = (db.snapshot(), snapshot.clone());
    drop(snapshot);
    assert_eq!(
        (db.stats().oldest_snapshot, db.stats().oldest_snapshot_age),
        (Some(1), Duration::from_secs(9))
    );
    drop(copy);
    assert_eq!((db.stats().oldest_snapshot, db.stats().oldest_snapshot_age), (Some(2), Duration::ZERO));
    drop(newer);
    assert_eq!((db.stats().oldest_snapshot, db.stats().uptime), (None, Duration::from_secs(9)));

    let mut batch = WriteBatch::new();
    batch.delete(TREES[0], b"x").unwrap();
    db.write(batch, WriteOptions { durability: Some(Durability::Synced) }).unwrap();
    assert_eq!(db.stats().latencies.sync.count(), 1);

    // Nobody maintains: writers come to a point where they have to.
    (0..2_000).for_each(|index| put(&db, index, i64::MAX));
    let stats = db.stats();
    assert!(stats.totals.stalls > 0);
    assert_eq!(stats.stalled_writers, 0);
    db.flush().unwrap();
    (0..2).for_each(|_| assert!(get(&db, 7)));
    let cache = db.stats().cache;
    assert_eq!((cache.hits, cache.misses, cache.blocks), (1, 1, 1));
    assert!(cache.bytes >= 200 && cache.bytes < cache.capacity_bytes);
    assert!((cache.hit_rate() - 0.5).abs() < 1e-9);
    assert!(db.stats().resources.table_memory_bytes > 0);
}

/// Name, kind, and samples: labels and value.
type Families = BTreeMap<String, (String, Vec<(String, f64)>)>;

/// Parses the text format, and refuses what a strict reader would.
fn parse(text: &str) -> Families {
    let mut families = Families::new();
    let mut current = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && !families.contains_key(name), "{line}");
            current = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert_eq!(name, current, "the type follows the help");
            assert!(families.insert(current.clone(), (kind.to_owned(), Vec::new())).is_none(), "{line}");
        } else {
            let (kind, samples) = families.get_mut(&current).expect("a sample has a type");
            let (place, value) = split_sample(line);
            let name = place.split('{').next().unwrap();
            let suffix = name.strip_prefix(&current).expect("samples are with their family");
            assert!(
                suffix.is_empty() || (kind == "summary" && ["_sum", "_count"].contains(&suffix)),
                "{line}"
            );
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            assert!(samples.iter().all(|(other, _)| *other != place), "{line} comes twice");
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite() && value >= 0.0, "{line}");
            samples.push((place, value));
        }
    }
    families
}

/// Name with labels, checked, and value.
fn split_sample(line: &str) -> (String, &str) {
    let Some((name, rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ').unwrap();
        return (name.to_owned(), value);
    };
    let mut rest = rest;
    let mut labels = Vec::new();
    loop {
        let (label, quoted) = rest.split_once("=\"").unwrap();
        assert!(label.bytes().all(|byte| byte.is_ascii_lowercase()), "{line}");
        let (text, end) = unquote(quoted);
        labels.push(format!("{label}={text:?}"));
        rest = &quoted[end..];
        if let Some(value) = rest.strip_prefix("} ") {
            return (format!("{name}{{{}}}", labels.join(",")), value);
        }
        rest = rest.strip_prefix(',').unwrap();
    }
}

/// The text up to the closing quote, and where it ends.
fn unquote(quoted: &str) -> (String, usize) {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (text, at + 1),
            '\\' => match chars.next().unwrap().1 {
                'n' => text.push('\n'),
                escaped @ ('"' | '\\') => text.push(escaped),
                other => panic!("\\{other} is no escape"),
            },
            _ => text.push(char),
        }
    }
    panic!("no closing quote in {quoted}")
}

fn busy_database(name: &str) -> Db {
    let mut options =
        Options::new(vec![TreeOptions::new(TREES[0], name), TreeOptions::new(TreeId(9), "other")]);
    options.clock = Arc::new(ManualClock::new(5));
    let db = Db::open(memory(), Path::new(DIR), options).unwrap();
    (0..100).for_each(|index| put(&db, index, i64::MAX));
    db.compact(TREES[0]).unwrap();
    (0..100).for_each(|index| assert!(get(&db, index)));
    db
}

#[test]
fn the_text_is_valid_and_says_what_the_statistics_say() {
    let name = "a \"quoted\\name\"\nin two lines";
    let db = busy_database(name);
    let families = parse(&db.metrics_text());
    let Stats { totals, trees, .. } = db.stats();
    let one = |name: &str| families[name].1[0].1;
    assert_eq!(one("flowdb_records_written"), totals.records_written as f64);
    assert_eq!(one("flowdb_records_read"), 100.0);
    assert_eq!(one("flowdb_flushes_total"), 1.0);
    assert_eq!(one("flowdb_last_flush_time_us"), 5.0);
    assert_eq!(one("flowdb_background_error"), 0.0);
    assert!(families["flowdb_last_gc_time_us"].1.is_empty(), "never yet");
    let tables = &families["flowdb_sstable_bytes"].1;
    assert_eq!(tables.len(), 2 * 7);
    let level_1 = format!("flowdb_sstable_bytes{{tree={name:?},level=\"1\"}}");
    let found = tables.iter().find(|(place, _)| *place == level_1).unwrap();
    assert_eq!(found.1, trees[0].table_bytes as f64);
    let (kind, latency) = &families["flowdb_query_latency_us"];
    let places: Vec<_> =
        latency.iter().map(|(place, _)| place.replace("flowdb_query_latency_us", "")).collect();
    assert_eq!(kind, "summary");
    assert_eq!(places, ["{quantile=\"0.5\"}", "{quantile=\"0.9\"}", "{quantile=\"0.99\"}", "_sum", "_count"]);
}

#[test]
fn the_page_lists_every_metric_with_its_type() {
    let page = include_str!("../../../docs/metrics.md");
    let rows: BTreeSet<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let mut cells = row.split(" | ");
            let name = cells.next().unwrap().trim_end_matches('`').to_owned();
            let kind = cells.next().unwrap().to_owned();
            assert_eq!(cells.count(), 2, "unit and meaning of {name}");
            (name, kind)
        })
        .collect();
    let families = parse(&busy_database("kv").metrics_text());
    let told: BTreeSet<_> = families.into_iter().map(|(name, (kind, _))| (name, kind)).collect();
    assert_eq!(rows, told);
}
