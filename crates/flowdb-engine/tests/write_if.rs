//! Goal: a write with conditions lands if and only if nobody touched its keys since the snapshot, wherever
//! the newer entries are by then. Method: small cases for each place (memtable, frozen, flushed, compacted,
//! reopened) and kind of newer write; then threads that count.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "helpers of tests fail like tests, and numbers are small"
)]

mod support;

use bytes::Bytes;
use flowdb_engine::format::NEVER;
use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Commit, Condition, Db, ErrorKind, ManualClock, ReadOptions, Result, Snapshot, ThreadExecutor, TreeId,
    WriteBatch, WriteOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::{TREES, open, small_options};

const TREE: TreeId = TREES[0];

fn database() -> (Db, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_000));
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::default());
    (open(&fs, &clock).unwrap(), clock)
}

fn batch(fill: impl FnOnce(&mut WriteBatch) -> Result<()>) -> WriteBatch {
    let mut batch = WriteBatch::new();
    fill(&mut batch).unwrap();
    batch
}

fn write(db: &Db, fill: impl FnOnce(&mut WriteBatch) -> Result<()>) {
    db.write(batch(fill), WriteOptions::default()).unwrap();
}

fn condition(key: &[u8]) -> Condition {
    Condition { tree: TREE, key: Bytes::copy_from_slice(key), expiry: NEVER }
}

/// A write of `a` on the condition that `a` is as it was.
fn swap(db: &Db, snapshot: &Snapshot) -> Result<Commit> {
    let new = batch(|batch| batch.put(TREE, b"a", b"swapped", NEVER));
    db.write_if(snapshot, &[condition(b"a")], new, WriteOptions::default())
}

fn assert_conflict(result: Result<Commit>, what: &str) {
    assert_eq!(result.expect_err(what).kind(), ErrorKind::Conflict, "{what}");
}

/// Something newer happens to the key `a`.
type Change = fn(&mut WriteBatch) -> Result<()>;

const CHANGES: [(&str, Change); 4] = [
    ("put", |batch| batch.put(TREE, b"a", b"other", NEVER)),
    ("delete", |batch| batch.delete(TREE, b"a")),
    ("range delete", |batch| batch.delete_range(TREE, b"", b"b")),
    ("expired put", |batch| batch.put(TREE, b"a", b"short", 500)),
];

/// What happens between the change and the write.
type Move = fn(&Db);

const MOVES: [(&str, Move); 4] = [
    ("in the memtable", |_| ()),
    ("flushed", |db| db.flush().unwrap()),
    ("flushed, with newer writes above", |db| {
        db.flush().unwrap();
        write(db, |batch| batch.put(TREE, b"z", b"", NEVER));
    }),
    ("compacted", |db| db.compact(TREE).unwrap()),
];

#[test]
fn what_was_touched_is_a_conflict_wherever_it_is() {
    for (change_name, change) in CHANGES {
        for (move_name, relocate) in MOVES {
            for was_there in [true, false] {
                let what = format!("{change_name}, {move_name}, there before: {was_there}");
                let (db, _) = database();
                if was_there {
                    write(&db, |batch| batch.put(TREE, b"a", b"old", NEVER));
                    db.flush().unwrap();
                }
                let snapshot = db.snapshot();
                write(&db, change);
                relocate(&db);
                let result = swap(&db, &snapshot);
                let is_there = db.get(TREE, b"a", ReadOptions::default()).unwrap().is_some();
                assert_conflict(result, &what);
                assert_eq!(is_there, change_name == "put", "{what}");
                // A new look at it settles the matter.
                swap(&db, &db.snapshot()).expect(&what);
            }
        }
    }
}

#[test]
fn what_was_not_touched_is_none() {
    for (name, relocate) in MOVES {
        let (db, _) = database();
        write(&db, |batch| batch.put(TREE, b"a", b"old", NEVER));
        let snapshot = db.snapshot();
        write(&db, |batch| batch.put(TREE, b"b", b"other key", NEVER));
        write(&db, |batch| batch.put(TREES[1], b"a", b"other tree", NEVER));
        write(&db, |batch| batch.delete_range(TREE, b"aa", b"c"));
        relocate(&db);
        // Read, so that the block is in the cache where there is one.
        db.get(TREE, b"a", ReadOptions::default()).unwrap();
        swap(&db, &snapshot).expect(name);
        assert_eq!(
            &db.get(TREE, b"a", ReadOptions::default()).unwrap().unwrap().value[..],
            b"swapped",
            "{name}"
        );
    }
}

#[test]
fn a_conflict_writes_nothing_of_the_batch() {
    let (db, _) = database();
    let snapshot = db.snapshot();
    write(&db, |batch| batch.put(TREE, b"second", b"", NEVER));
    let last = db.last_sequence();
    let new = batch(|batch| batch.put(TREES[1], b"x", b"", NEVER));
    let conditions = [condition(b"first"), condition(b"second")];
    assert_conflict(db.write_if(&snapshot, &conditions, new.clone(), WriteOptions::default()), "second");
    let (error, back) = db.try_write_if(&snapshot, &conditions, new).unwrap_err();
    assert_eq!((error.kind(), back.len()), (ErrorKind::Conflict, 1));
    assert_eq!(db.last_sequence(), last);
    db.try_write_if(&snapshot, &conditions[..1], back).unwrap();
    assert!(db.get(TREES[1], b"x", ReadOptions::default()).unwrap().is_some());
}

#[test]
fn what_expires_meanwhile_is_not_what_was_read() {
    let (db, clock) = database();
    write(&db, |batch| batch.put(TREE, b"a", b"short", 2_000));
    let snapshot = db.snapshot();
    let read = [Condition { expiry: 2_000, ..condition(b"a") }];
    let attempt = || db.write_if(&snapshot, &read, WriteBatch::new(), WriteOptions::default());
    attempt().unwrap();
    clock.set(2_000);
    assert_conflict(attempt(), "expired");
}

#[test]
fn snapshots_of_others_and_unknown_trees_are_refused() {
    let (db, _) = database();
    let (other, _) = database();
    assert_eq!(swap(&db, &other.snapshot()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let unknown = [Condition { tree: TreeId(9), ..condition(b"a") }];
    let error =
        db.write_if(&db.snapshot(), &unknown, WriteBatch::new(), WriteOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

/// Adds one to the number under `key`, and answers how often it had to try.
fn add_one(db: &Db, key: &[u8]) -> u64 {
    for attempt in 1.. {
        let snapshot = db.snapshot();
        let options = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
        let entry = db.get(TREE, key, options).unwrap();
        let number = entry.map_or(0, |entry| u64::from_le_bytes(entry.value[..].try_into().unwrap()));
        let new = batch(|batch| batch.put(TREE, key, &(number + 1).to_le_bytes(), NEVER));
        match db.write_if(&snapshot, &[condition(key)], new, WriteOptions::default()) {
            Ok(_) => return attempt,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
    unreachable!()
}

/// Counters, while memtables are flushed and tables compacted beneath them: every addition counts once.
#[test]
fn threads_that_count_lose_nothing() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 1_500;
    let clock = Arc::new(ManualClock::new(1_000));
    let executor = ThreadExecutor::new();
    let mut options = small_options(&clock);
    options.executor = Arc::clone(&executor) as _;
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::default());
    let db = Db::open(fs, Path::new(support::DIR), options).unwrap();
    executor.start(db.clone(), Duration::from_millis(1));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let db = &db;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    add_one(db, &[(round % 3) as u8]);
                    // Fills memtables, so that the counters move into tables now and then.
                    write(db, |batch| batch.put(TREE, &[9, thread as u8, round as u8], &[0; 200], NEVER));
                }
            });
        }
    });
    executor.stop();
    for key in 0..3u8 {
        let entry = db.get(TREE, &[key], ReadOptions::default()).unwrap().unwrap();
        assert_eq!(u64::from_le_bytes(entry.value[..].try_into().unwrap()), THREADS * ROUNDS / 3);
    }
}
