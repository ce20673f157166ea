//! Goal: what a range delete covers is gone for readers from then on and there for older snapshots, and newer writes in it are seen.
//! Method: ranges long enough to be skipped, read in both directions from the memtable, from level 0 and after a compaction.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ReadOptions, ReadTier, WriteBatch, WriteOptions};
use std::sync::Arc;
use support::*;

const KEYS: u32 = 3_000;
const FEW: u32 = 500;

fn new() -> Db {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    open(&fs, &Arc::default()).unwrap()
}

fn put(db: &Db, keys: impl Iterator<Item = u32>) {
    for key in keys {
        let mut batch = WriteBatch::new();
        batch.put(TREES[0], &key.to_be_bytes(), b"value", i64::MAX).unwrap();
        db.write(batch, WriteOptions::default()).unwrap();
    }
}

fn clear(db: &Db, start: u32, end: u32) {
    let mut batch = WriteBatch::new();
    batch.delete_range(TREES[0], &start.to_be_bytes(), &end.to_be_bytes()).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
}

fn assert_keys(db: &Db, options: ReadOptions, expected: impl Iterator<Item = u32>) {
    let expected: Vec<_> = expected.map(|key| key.to_be_bytes().to_vec()).collect();
    let mut iter = db.iter(TREES[0], EVERYTHING, options).unwrap();
    for entries in [collect_forward(&mut iter).unwrap(), collect_backward(&mut iter).unwrap()] {
        let keys: Vec<_> = entries.into_iter().map(|(key, _)| key).collect();
        assert!(keys == expected, "{} keys for {}", keys.len(), expected.len());
    }
}

#[test]
fn newer_writes_are_seen_and_older_snapshots_see_all() {
    for flushed_before in [false, true] {
        let db = new();
        put(&db, 0..KEYS);
        if flushed_before {
            db.flush().unwrap();
        }
        let before = db.snapshot();
        clear(&db, 10, KEYS - 10);
        let cleared = db.snapshot();
        put(&db, (500..KEYS).step_by(700));
        let refilled = || (0..10).chain((500..KEYS - 10).step_by(700)).chain(KEYS - 10..KEYS);
        let check = || {
            let at = |sequence| ReadOptions { sequence: Some(sequence), ..ReadOptions::default() };
            assert_keys(&db, at(before.sequence()), 0..KEYS);
            assert_keys(&db, at(cleared.sequence()), (0..10).chain(KEYS - 10..KEYS));
            assert_keys(&db, ReadOptions::default(), refilled());
        };
        check();
        db.flush().unwrap();
        check();
        db.compact(TREES[0]).unwrap();
        check();
        drop((before, cleared));
        db.compact(TREES[0]).unwrap();
        assert_keys(&db, ReadOptions::default(), refilled());
        assert_eq!(db.stats().trees[0].table_entries, refilled().count() as u64);
    }
}

/// A filter answers for a table without a look into its blocks: a range delete elsewhere in the table changes nothing about that.
#[test]
fn filters_answer_beside_range_deletes() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &Arc::default()).unwrap();
    // Few enough for one memtable each.
    put(&db, (0..FEW).step_by(2));
    db.flush().unwrap();
    clear(&db, 10, 20);
    put(&db, (0..FEW).step_by(4));
    db.flush().unwrap();
    db.close().unwrap();
    let db = open(&fs, &Arc::default()).unwrap();
    let absent: Vec<u32> = (21..FEW - 10).step_by(2).collect();
    // Filters are read when they are needed first.
    db.get(TREES[0], &absent[0].to_be_bytes(), ReadOptions::default()).unwrap();
    let options = ReadOptions { tier: ReadTier::Memory, ..ReadOptions::default() };
    let answered = absent.iter().filter(|key| db.get(TREES[0], &key.to_be_bytes(), options).is_ok()).count();
    assert!(answered * 10 > absent.len() * 9, "{answered} of {} without a block", absent.len());
}
