//! Goal: deleted, overwritten and expired data gives its space back, snapshots keep what they see, and a
//! clock that is set back brings nothing back. Method: small databases with an injected clock, measured
//! through the statistics.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Db, ErrorKind, Maintenance, ManualClock, ReadOptions, ReadTier, WriteBatch, WriteOptions,
};
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn new(clock: &Arc<ManualClock>) -> (Arc<dyn FileSystem>, Db) {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, clock).unwrap();
    (fs, db)
}

fn key(index: u32) -> [u8; 4] {
    index.to_be_bytes()
}

fn fill(db: &Db, keys: std::ops::Range<u32>, expiry: i64) {
    let mut random = Random::new(u64::from(keys.start) + 1);
    for index in keys {
        let mut batch = WriteBatch::new();
        let value: Vec<u8> = (0..200).map(|_| random.next() as u8).collect();
        batch.put(TREES[0], &key(index), &value, expiry).unwrap();
        db.write(batch, WriteOptions::default()).unwrap();
    }
}

fn settle(db: &Db) {
    while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
}

fn table_bytes(db: &Db) -> u64 {
    db.stats().trees[0].table_bytes
}

#[test]
fn a_range_delete_gives_its_space_back() {
    let (_fs, db) = new(&Arc::default());
    fill(&db, 0..3_000, i64::MAX);
    db.compact(TREES[0]).unwrap();
    let full = table_bytes(&db);
    let mut batch = WriteBatch::new();
    batch.delete_range(TREES[0], &key(0), &key(2_700)).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
    db.compact(TREES[0]).unwrap();
    assert!(table_bytes(&db) * 10 < full * 13 / 10, "{} of {full} bytes left", table_bytes(&db));
    assert_eq!(
        collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap().len(),
        300
    );
}

#[test]
fn overwrites_are_dropped_unless_a_snapshot_sees_them() {
    let (_fs, db) = new(&Arc::default());
    fill(&db, 0..500, i64::MAX);
    let snapshot = db.snapshot();
    let before =
        collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap();
    for _ in 0..3 {
        fill(&db, 0..500, 1 << 60);
    }
    db.compact(TREES[0]).unwrap();
    assert_eq!(db.stats().trees[0].table_entries, 1_000, "the newest, and what the snapshot sees");
    let at = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
    assert_eq!(collect_forward(&mut db.iter(TREES[0], EVERYTHING, at).unwrap()).unwrap(), before);
    drop(snapshot);
    db.compact(TREES[0]).unwrap();
    assert_eq!(db.stats().trees[0].table_entries, 500);
}

#[test]
fn expired_tables_go_without_being_read_or_written() {
    let clock = Arc::new(ManualClock::new(0));
    let (_fs, db) = new(&clock);
    fill(&db, 0..2_000, 1_000);
    db.compact(TREES[0]).unwrap();
    assert!(table_bytes(&db) > 0);
    clock.set(1_000);
    settle(&db);
    assert_eq!(table_bytes(&db), 0);
}

#[test]
fn a_clock_set_back_brings_nothing_back() {
    let clock = Arc::new(ManualClock::new(500));
    let (fs, db) = new(&clock);
    fill(&db, 0..1, 1_000);
    fill(&db, 1..2, 2_000);
    clock.set(1_500);
    db.compact(TREES[0]).unwrap();
    clock.set(0);
    let count = |db: &Db| {
        collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap().len()
    };
    assert_eq!(count(&db), 1);
    db.close().unwrap();
    drop(db);
    let db = open(&fs, &clock).unwrap();
    assert_eq!(count(&db), 1, "also after reopening");
}

#[test]
fn what_is_written_after_the_clock_was_set_back_lives_by_it() {
    let clock = Arc::new(ManualClock::new(0));
    let (fs, mut db) = new(&clock);
    fill(&db, 0..1, 1_200);
    fill(&db, 1..2, 1_000);
    clock.set(1_500);
    db.compact(TREES[0]).unwrap();
    clock.set(100);
    fill(&db, 2..3, 1_200);
    fill(&db, 3..4, 150);
    let seen = |db: &Db| {
        let all =
            collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap();
        let by_get = |n| db.get(TREES[0], &key(n), ReadOptions::default()).unwrap().is_some();
        let got: Vec<_> = (0..4).filter(|n| by_get(*n)).map(key).collect();
        assert_eq!(all.iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>(), got);
        got
    };
    assert_eq!(seen(&db), [key(2), key(3)]);
    clock.set(200);
    for step in 0..4 {
        assert_eq!(seen(&db), [key(2)], "step {step}");
        match step {
            0 => db.flush().unwrap(),
            1 => db.compact(TREES[0]).unwrap(),
            _ => {
                db.close().unwrap();
                drop(db);
                db = open(&fs, &clock).unwrap();
            }
        }
    }
    clock.set(1_200);
    assert!(seen(&db).is_empty());
}

#[test]
fn an_expired_version_hides_older_ones() {
    let clock = Arc::new(ManualClock::new(0));
    let (_fs, db) = new(&clock);
    fill(&db, 0..1, i64::MAX);
    db.flush().unwrap();
    fill(&db, 0..1, 10);
    clock.set(10);
    for _ in 0..2 {
        assert!(db.get(TREES[0], &key(0), ReadOptions::default()).unwrap().is_none());
        db.flush().unwrap();
    }
    db.compact(TREES[0]).unwrap();
    assert!(db.get(TREES[0], &key(0), ReadOptions::default()).unwrap().is_none());
}

#[test]
fn the_memory_tier_never_reads_files() {
    let (fs, db) = new(&Arc::default());
    fill(&db, 0..2_000, i64::MAX);
    let memory = ReadOptions { tier: ReadTier::Memory, ..ReadOptions::default() };
    assert!(db.get(TREES[0], &key(1_999), memory).unwrap().is_some(), "a memtable has it");
    db.flush().unwrap();
    db.close().unwrap();
    drop(db);
    let db = open(&fs, &Arc::default()).unwrap();
    assert_eq!(db.get(TREES[0], &key(7), memory).unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut iter = db.iter(TREES[0], EVERYTHING, memory).unwrap();
    assert_eq!(iter.seek_first().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(db.get(TREES[0], &key(7), ReadOptions::default()).unwrap().is_some());
    assert!(db.get(TREES[0], &key(7), memory).unwrap().is_some(), "the cache has the block now");
    assert!(db.get(TREES[0], b"no such key", memory).unwrap().is_none(), "the filter knows");
}

#[test]
fn small_flushes_of_data_in_order_do_not_add_up_to_many_tables() {
    let (_fs, db) = new(&Arc::default());
    for index in 0..400 {
        fill(&db, index..index + 1, i64::MAX);
        db.flush().unwrap();
        settle(&db);
    }
    let tables: usize = db.stats().trees[0].tables.iter().sum();
    assert!(tables < 24, "{tables} tables");
    assert_eq!(
        collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap().len(),
        400
    );
}

#[test]
fn the_log_does_not_grow_beyond_its_limit() {
    let (_fs, db) = new(&Arc::default());
    // One small entry in the second tree keeps the first segment, until its memtable is frozen for that.
    let mut batch = WriteBatch::new();
    batch.put(TREES[1], b"old", b"", i64::MAX).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
    for round in 0..20 {
        fill(&db, round * 300..(round + 1) * 300, i64::MAX);
        settle(&db);
    }
    assert!(db.stats().log_segments <= 6, "{} segments", db.stats().log_segments);
    assert!(db.get(TREES[1], b"old", ReadOptions::default()).unwrap().is_some());
}

#[test]
fn what_is_replaced_goes_although_maintenance_never_rests() {
    let (fs, db) = new(&Arc::default());
    let mut random = Random::new(1);
    let mut most = 0;
    for round in 0..300 {
        let first = random.below(4_000) as u32;
        fill(&db, first..first + 100, i64::MAX);
        // A step a call. As few as keep writers from waiting, so that more is always due.
        let mut result = db.maintain(Duration::ZERO).unwrap();
        while db.stats().trees[0].tables[0] > 12 {
            result = db.maintain(Duration::ZERO).unwrap();
        }
        assert!(round < 100 || result == Maintenance::More, "{result:?} in round {round}");
        let stats = db.stats();
        let needed = stats.trees[0].tables.iter().sum::<usize>() as u64 + stats.log_segments;
        let there = fs.list(std::path::Path::new(DIR)).unwrap().len() as u64;
        most = most.max(there.saturating_sub(needed));
    }
    assert!(db.stats().totals.compactions > 5, "{} compactions", db.stats().totals.compactions);
    // Manifest, lock, and what the compaction under way has written.
    assert!(most < 60, "{most} files more than are needed");
}
