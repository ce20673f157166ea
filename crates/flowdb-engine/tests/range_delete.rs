//! Goal: what a range delete covers is gone for readers from then on and there for older snapshots, and newer
//! writes in it are seen. Method: ranges long enough to be skipped, read in both directions from the
//! memtable, from level 0 and after a compaction.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ErrorKind, ReadOptions, ReadTier, WriteBatch, WriteOptions};
use std::path::Path;
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

/// Where an iterator has come to that passes at most `passes_max` hidden entries at a time, going on behind
/// each key that it has passed: the first entry behind `at`, or before it. And how often it had to go on.
fn first_seen(db: &Db, at: u32, is_forward: bool, passes_max: u64) -> (Option<u32>, usize) {
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    let (mut passed, mut pauses) = (at.to_be_bytes().to_vec(), 0);
    loop {
        iter.limit(passes_max);
        let found = if is_forward { iter.seek(&passed) } else { iter.seek_back(&passed) };
        let found = found.and_then(|()| match is_forward {
            _ if !iter.valid() || iter.key() != &passed[..] => Ok(()),
            true => iter.next(),
            false => iter.prev(),
        });
        let Err(error) = found else {
            let key = iter.valid().then(|| u32::from_be_bytes(iter.key().try_into().unwrap()));
            return (key, pauses);
        };
        assert!(error.kind() == ErrorKind::WouldBlock && iter.is_spent());
        let (before, now) = (&passed[..], iter.passed_key());
        assert!(if is_forward { before < now } else { now < before }, "it gets on");
        passed = now.to_vec();
        pauses += 1;
    }
}

#[test]
fn range_deletes_that_are_jumped_over_count_as_passed() {
    // All of them in one memtable: a compaction would drop what they hide.
    let mut options = small_options(&Arc::default());
    options.trees[0].write_buffer_bytes = 16 << 20;
    let db = Db::open(Arc::new(MemoryFileSystem::new()), Path::new(DIR), options).unwrap();
    put(&db, 0..KEYS + 2);
    db.flush().unwrap();
    (1..=KEYS).step_by(3).for_each(|start| clear(&db, start, start + 3));
    let middle = KEYS / 2;
    for again in [false, true] {
        for passes_max in [1, 2, 3, 5, 7, 8, 9, 10, 15, 16, 17, 20, 30, 50, 100] {
            let least = if again { 30 } else { 60 };
            let (up, pauses_up) = first_seen(&db, 0, true, passes_max);
            let (down, pauses_down) = first_seen(&db, KEYS + 1, false, passes_max);
            let expected = if again { (Some(middle), Some(middle)) } else { (Some(KEYS + 1), Some(0)) };
            assert_eq!((up, down), expected, "{passes_max} at a time");
            assert!(pauses_up > least && pauses_down > least, "{pauses_up} and {pauses_down} pauses");
        }
        // Its oldest version stays hidden.
        put(&db, std::iter::once(middle));
    }
}

/// A filter answers for a table without a look into its blocks: a range delete elsewhere in the table changes
/// nothing about that.
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
