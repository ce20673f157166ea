//! Goal: writers, readers, flush and compaction at the same time: every answer is right. Method: each writer owns some keys and counts
//! them up in batches that must be seen whole; readers check that counts never fall and that a batch is never seen in part.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ReadOptions, SystemClock, ThreadExecutor, WriteBatch, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::*;

const WRITERS: u8 = 4;
const ROUNDS: u64 = 1_500;
const KEYS: u8 = 8;

fn write_rounds(db: &Db, writer: u8) {
    for round in 1..=ROUNDS {
        let mut batch = WriteBatch::new();
        for key in 0..KEYS {
            let mut value = round.to_be_bytes().to_vec();
            value.resize(100, writer);
            batch.put(TREES[usize::from(key % 2)], &[writer, key], &value, i64::MAX).unwrap();
        }
        db.write(batch, WriteOptions::default()).unwrap();
    }
}

/// The round that all keys of each writer show; fails if they differ.
fn rounds_seen(db: &Db) -> [u64; WRITERS as usize] {
    let snapshot = db.snapshot();
    let options = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
    let mut seen = [None; WRITERS as usize];
    for tree in TREES {
        for (key, value) in collect_forward(&mut db.iter(tree, EVERYTHING, options).unwrap()).unwrap() {
            let round = u64::from_be_bytes(value[..8].try_into().unwrap());
            let first = seen[usize::from(key[0])].get_or_insert(round);
            assert_eq!(*first, round, "writer {} is seen in part", key[0]);
            let entry = db.get(tree, &key, options).unwrap().expect("the scan saw it");
            assert_eq!(entry.value, value);
        }
    }
    seen.map(|round| round.unwrap_or(0))
}

#[test]
fn readers_see_whole_batches_and_never_go_back() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let executor = ThreadExecutor::new();
    let mut options = small_options(&Arc::default());
    options.clock = Arc::new(SystemClock::default());
    options.executor = Arc::clone(&executor) as _;
    let db = Db::open(fs, Path::new(DIR), options).unwrap();
    executor.start(db.clone(), Duration::from_millis(2));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = [0; WRITERS as usize];
                    while !done.load(Ordering::Acquire) {
                        let seen = rounds_seen(&db);
                        assert!(
                            seen.iter().zip(&last).all(|(now, before)| now >= before),
                            "{seen:?} after {last:?}"
                        );
                        last = seen;
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let db = &db;
                    move || write_rounds(db, writer)
                })
            })
            .collect();
        let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Release);
        for result in results.into_iter().chain(readers.into_iter().map(|reader| reader.join())) {
            result.unwrap();
        }
    });
    executor.stop();
    assert_eq!(rounds_seen(&db), [ROUNDS; WRITERS as usize]);
    db.close().unwrap();
}
