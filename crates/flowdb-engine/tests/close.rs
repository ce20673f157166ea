//! Goal: a close leaves little for the next open to read, and closing often does not make many small tables.
//! Method: small databases in memory, whose files are measured after each close.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{Fault, FaultyFileSystem, FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, Options, ReadOptions, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

/// Buffers and segments of the usual size.
fn options() -> Options {
    let defaults = Options::new(Vec::new());
    let mut options = small_options(&Arc::default());
    options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = 4 << 20);
    options.log_segment_bytes = defaults.log_segment_bytes;
    options.log_bytes_max = defaults.log_bytes_max;
    options.table_bytes_max = defaults.table_bytes_max;
    options
}

fn open(fs: &Arc<dyn FileSystem>) -> Db {
    Db::open(Arc::clone(fs), Path::new(DIR), options()).unwrap()
}

fn put(db: &Db, tree: usize, key: u64, length: usize) {
    let key = key.to_be_bytes().to_vec();
    let write = Write::Put { tree: TREES[tree], key, value: vec![7; length], expiry: i64::MAX };
    db.write(batch(&[write]), WriteOptions::default()).unwrap();
}

/// Lengths of the files whose names end so.
fn files(fs: &Arc<dyn FileSystem>, suffix: &str) -> Vec<u64> {
    let names = fs.list(Path::new(DIR)).unwrap();
    let wanted = names.iter().filter(|name| name.ends_with(suffix));
    wanted.map(|name| fs.open_read(&Path::new(DIR).join(name)).unwrap().len().unwrap()).collect()
}

#[test]
fn what_is_in_tables_is_not_left_in_the_log() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs);
    (0..3_000).for_each(|key| put(&db, 0, key, 1_000));
    db.close().unwrap();
    let logs = files(&fs, ".log");
    assert!(logs.len() == 1 && logs[0] < 1_000, "{logs:?}");
    let db = open(&fs);
    assert_eq!((db.last_sequence(), db.stats().trees[0].memtable_bytes), (3_000, 0));
    assert!(db.get(TREES[0], &2_999u64.to_be_bytes(), ReadOptions::default()).unwrap().is_some());
}

#[test]
fn a_few_entries_do_not_keep_a_large_log() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs);
    put(&db, 1, 0, 100);
    (0..4_500).for_each(|key| put(&db, 0, key, 1_000));
    // One memtable was full; what is left is less than what is worth a table.
    db.maintain(Duration::ZERO).unwrap();
    let rest: usize = db.stats().trees.iter().map(|tree| tree.memtable_bytes).sum();
    assert!((1..1 << 20).contains(&rest), "{rest}");
    db.close().unwrap();
    assert!(files(&fs, ".log").iter().sum::<u64>() < 1_000);
    assert_eq!(open(&fs).last_sequence(), 4_501);
}

#[test]
fn closing_often_makes_few_tables_and_keeps_a_short_log() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    for round in 0..60 {
        let db = open(&fs);
        (0..50).for_each(|key| put(&db, 0, round * 50 + key, 1_000));
        db.close().unwrap();
        let log = files(&fs, ".log").iter().sum::<u64>();
        assert!(log < 2 << 20, "{log} after {round} rounds");
    }
    let tables = files(&fs, ".table").len();
    assert!((1..=3).contains(&tables), "{tables} tables of three megabytes");
    assert_eq!(open(&fs).last_sequence(), 3_000);
}

#[test]
fn a_compaction_under_way_leaves_no_file() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let mut options = options();
    options.table_bytes_max = 64 << 10;
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    let mut random = Random::new(1);
    for _ in 0..4 {
        for key in 0..600u64 {
            let value = (0..1_000).map(|_| random.next() as u8).collect();
            let key = key.to_be_bytes().to_vec();
            let write = Write::Put { tree: TREES[0], key, value, expiry: i64::MAX };
            db.write(batch(&[write]), WriteOptions::default()).unwrap();
        }
        db.flush().unwrap();
    }
    db.maintain(Duration::ZERO).unwrap();
    let live: usize = db.stats().trees[0].tables.iter().sum();
    assert!(files(&fs, ".table").len() > live, "some of its tables are finished");
    db.close().unwrap();
    assert_eq!(files(&fs, ".table").len(), live);
}

#[test]
fn a_segment_that_cannot_be_begun_leaves_the_old_one_in_use() {
    let fault_free = {
        let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
        let db = flushed(&faulty);
        let before = faulty.calls();
        db.close().unwrap();
        faulty.calls() - before
    };
    for n in 1..=fault_free {
        let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
        let db = flushed(&faulty);
        faulty.fail_at(n, Fault::Enospc);
        let _ = db.close();
        let fs: Arc<dyn FileSystem> = Arc::new(faulty);
        let db = open(&fs);
        assert_eq!(db.last_sequence(), 200, "call {n}");
        put(&db, 0, 200, 100);
        db.close().unwrap();
        assert_eq!(open(&fs).last_sequence(), 201, "call {n}");
    }
}

/// A database whose log holds nothing that is not in tables.
fn flushed(faulty: &FaultyFileSystem) -> Db {
    let db = open(&(Arc::new(faulty.clone()) as Arc<dyn FileSystem>));
    (0..200).for_each(|key| put(&db, 0, key, 1_000));
    db.flush().unwrap();
    db
}
