//! Goal: a tree with a maximum size keeps to it by forgetting what was written first, and never shows an
//! older version of what it still has or a key that was deleted; a write that depends on a key is not made if
//! a change of it may be gone. Method: random operations against a plain map, where an entry may be missing
//! but not differ; the statistics; small cases for iterators, reopening and crashes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{CrashOptions, FileSystem, MemoryFileSystem, Names, Unsynced};
use flowdb_engine::{
    Condition, Db, ErrorKind, Maintenance, ManualClock, ReadOptions, ReadTier, Snapshot, WriteBatch,
    WriteOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const BYTES_MAX: u64 = 256 << 10;

fn open_small(fs: &Arc<dyn FileSystem>, clock: &Arc<ManualClock>) -> Db {
    let mut options = small_options(clock);
    options.trees[0].bytes_max = Some(BYTES_MAX);
    Db::open(Arc::clone(fs), Path::new(DIR), options).unwrap()
}

fn settle(db: &Db) {
    while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
}

fn put(db: &Db, keys: std::ops::Range<u32>) {
    let mut random = Random::new(u64::from(keys.start) + 1);
    for index in keys {
        let mut batch = WriteBatch::new();
        let value: Vec<u8> = (0..50).flat_map(|_| random.next().to_le_bytes()).collect();
        batch.put(TREES[0], &index.to_be_bytes(), &value, i64::MAX).unwrap();
        db.write(batch, WriteOptions::default()).unwrap();
    }
}

fn keys(db: &Db) -> Vec<u32> {
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    let all = collect_forward(&mut iter).unwrap();
    all.iter().map(|(key, _)| u32::from_be_bytes(key[..].try_into().unwrap())).collect()
}

#[test]
fn the_oldest_goes_and_the_size_is_kept() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open_small(&fs, &Arc::default());
    for round in 0..40 {
        put(&db, round * 100..(round + 1) * 100);
        settle(&db);
        assert!(db.stats().trees[0].table_bytes <= BYTES_MAX, "round {round}");
    }
    let left = keys(&db);
    assert!(left.len() > 400, "{} left", left.len());
    assert!(
        left.is_sorted() && left[0] > 2_000 && left.last() == Some(&3_999),
        "the newest are there: {}..",
        left[0]
    );
    let stats = &db.stats().trees[0];
    assert!(stats.evicted_tables > 5);
    assert_eq!(stats.evicted_entries + left.len() as u64, 4_000);
    assert_eq!(db.stats().trees[1].evicted_tables, 0);
}

#[test]
fn an_iterator_in_use_keeps_what_is_evicted() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open_small(&fs, &Arc::default());
    put(&db, 0..500);
    db.flush().unwrap();
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    put(&db, 500..3_000);
    settle(&db);
    assert!(keys(&db)[0] >= 500);
    assert_eq!(collect_forward(&mut iter).unwrap().len(), 500);
}

/// A table may go with a write to the key that the condition is about, and leave nothing to be seen of it.
#[test]
fn a_condition_fails_if_what_came_after_its_snapshot_may_be_evicted() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open_small(&fs, &Arc::default());
    put(&db, 1..10);
    let (tree, key) = (TREES[0], 0u32.to_be_bytes());
    let condition = Condition { tree, key: key.to_vec().into(), expiry: i64::MAX };
    let write_if = |snapshot: &Snapshot| {
        let mut batch = WriteBatch::new();
        batch.put(tree, &key, b"made of what is outdated", i64::MAX).unwrap();
        db.write_if(snapshot, std::slice::from_ref(&condition), batch, WriteOptions::default())
    };
    let snapshot = db.snapshot();
    put(&db, 0..1);
    db.flush().unwrap();
    assert!(!db.is_untouched(&snapshot, tree, &key, ReadTier::Disk).unwrap());
    put(&db, 10..3_000);
    settle(&db);
    assert!(db.get(tree, &key, ReadOptions::default()).unwrap().is_none(), "it was evicted");
    assert!(!db.is_untouched(&snapshot, tree, &key, ReadTier::Disk).unwrap());
    assert_eq!(write_if(&snapshot).unwrap_err().kind(), ErrorKind::Conflict);
    // The other tree has lost nothing.
    assert!(db.is_untouched(&snapshot, TREES[1], &key, ReadTier::Disk).unwrap());
    let later = db.snapshot();
    assert!(db.is_untouched(&later, tree, &key, ReadTier::Disk).unwrap());
    put(&db, 10_000..10_001);
    write_if(&later).unwrap();
}

/// Whatever is there is as in the model; what is missing was evicted. Tree 1 has no limit and is complete.
fn check(db: &Db, model: &Model, now: i64) -> bool {
    let expected = model.range(TREES[0], &EVERYTHING, now);
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    let found = collect_forward(&mut iter).unwrap();
    assert_eq!(collect_backward(&mut iter).unwrap(), found);
    for (key, value) in &found {
        assert_eq!(model.get(TREES[0], key, now), Some(&value[..]), "{key:?} is as it was written last");
    }
    for (key, _) in &expected {
        let entry = db.get(TREES[0], key, ReadOptions::default()).unwrap();
        assert_eq!(entry.is_some(), found.iter().any(|(other, _)| other == key), "get as scan: {key:?}");
    }
    let mut other = db.iter(TREES[1], EVERYTHING, ReadOptions::default()).unwrap();
    assert_eq!(collect_forward(&mut other).unwrap(), model.range(TREES[1], &EVERYTHING, now));
    found.len() < expected.len()
}

#[test]
fn nothing_older_shows_again() {
    let missing = std::sync::atomic::AtomicUsize::new(0);
    for_seeds(12, |seed| {
        let memory = MemoryFileSystem::crashable();
        let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
        let clock = Arc::new(ManualClock::new(1_000));
        let mut db = open_small(&fs, &clock);
        let (mut model, mut random, mut now) = (Model::default(), Random::new(seed), 1_000);
        let mut snapshots = Vec::new();
        for _ in 0..500 {
            match random.below(40) {
                0 => db.flush().unwrap(),
                1 => db.compact(TREES[0]).unwrap(),
                2 => {
                    now += random.below(150) as i64;
                    clock.set(now);
                }
                3 => snapshots.push(db.snapshot()),
                4 => snapshots.clear(),
                5 => {
                    snapshots.clear();
                    drop(db);
                    let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
                    db = open_small(&fs, &clock);
                }
                6..=15 => settle(&db),
                _ => {
                    let writes: Vec<_> = (0..8)
                        .map(|_| scattered(random_write(&mut random, now, 9_000), &mut random))
                        .collect();
                    db.write(batch(&writes), WriteOptions::default()).unwrap();
                    model.apply(&writes);
                }
            }
            if random.one_in(10) {
                let any = usize::from(check(&db, &model, now));
                missing.fetch_add(any, std::sync::atomic::Ordering::SeqCst);
            }
        }
        drop(db);
        let kill = CrashOptions { seed, unsynced: Unsynced::Keep, names: Names::Keep };
        let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(&kill));
        check(&open_small(&fs, &clock), &model, now);
    });
    assert!(missing.into_inner() > 0, "something was evicted");
}

/// The same write among eight times as many keys, with a value that does not compress and seldom for a whole
/// range, so that the size is reached.
fn scattered(write: Write, random: &mut Random) -> Write {
    let incompressible = |random: &mut Random, length| (0..length).map(|_| random.next() as u8).collect();
    match write {
        Write::Put { tree, mut key, value, expiry } => {
            key.push(random.below(8) as u8);
            Write::Put { tree, key, value: incompressible(random, value.len()), expiry }
        }
        Write::Delete { tree, mut key } => {
            key.push(random.below(8) as u8);
            Write::Delete { tree, key }
        }
        Write::DeleteRange { tree, start, .. } if !random.one_in(8) => {
            Write::Put { tree, key: start, value: incompressible(random, 3_000), expiry: i64::MAX }
        }
        write => write,
    }
}
