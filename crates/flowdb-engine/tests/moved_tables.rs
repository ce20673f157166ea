//! Goal: tables that overlap nothing go to the next level as they are, and stay whole through reopening,
//! snapshots and later compactions. Method: the names of the table files before and after maintenance,
//! and the contents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ManualClock, ReadOptions, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const TREE: usize = 0;

fn put(key: u32, expiry: i64) -> Write {
    Write::Put { tree: TREES[TREE], key: key.to_be_bytes().to_vec(), value: vec![7; 50], expiry }
}

fn table_of(db: &Db, writes: &[Write]) {
    db.write(batch(writes), WriteOptions::default()).unwrap();
    db.flush().unwrap();
}

fn tables(fs: &Arc<dyn FileSystem>) -> Vec<String> {
    let mut names = fs.list(Path::new(DIR)).unwrap();
    names.retain(|name| name.ends_with(".table"));
    names.sort();
    names
}

fn maintain(db: &Db) {
    while db.maintain(Duration::ZERO).unwrap() == flowdb_engine::Maintenance::More {}
}

fn keys(db: &Db) -> usize {
    collect_forward(&mut db.iter(TREES[TREE], EVERYTHING, ReadOptions::default()).unwrap()).unwrap().len()
}

fn opened() -> (Arc<dyn FileSystem>, Arc<ManualClock>, Db) {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let clock = Arc::new(ManualClock::new(1_000));
    let db = open(&fs, &clock).unwrap();
    (fs, clock, db)
}

#[test]
fn data_in_order_is_not_rewritten_and_is_there_after_reopening() {
    let (fs, clock, db) = opened();
    (0..4).for_each(|part| table_of(&db, &[put(part * 10, i64::MAX), put(part * 10 + 9, i64::MAX)]));
    let before = tables(&fs);
    let mut early = db.iter(TREES[TREE], EVERYTHING, ReadOptions::default()).unwrap();
    maintain(&db);
    assert_eq!(db.stats().trees[TREE].tables[..2], [0, 4]);
    assert_eq!(tables(&fs), before);
    assert_eq!(collect_forward(&mut early).unwrap().len(), 8);
    drop(early);
    drop(db);
    let db = open(&fs, &clock).unwrap();
    assert_eq!(db.stats().trees[TREE].tables[..2], [0, 4]);
    assert_eq!(keys(&db), 8);
}

#[test]
fn a_moved_table_goes_when_it_is_merged_but_not_under_a_reader() {
    let (fs, _, db) = opened();
    (0..4).for_each(|part| table_of(&db, &[put(part, i64::MAX)]));
    let before = tables(&fs);
    // Holds the tables as they were on level 0.
    let mut early = db.iter(TREES[TREE], EVERYTHING, ReadOptions::default()).unwrap();
    maintain(&db);
    db.compact(TREES[TREE]).unwrap();
    assert!(before.iter().all(|name| tables(&fs).contains(name)), "someone reads them");
    assert_eq!(collect_forward(&mut early).unwrap().len(), 4);
    drop(early);
    maintain(&db);
    assert!(before.iter().all(|name| !tables(&fs).contains(name)), "nobody does");
    assert_eq!(keys(&db), 4);
}

#[test]
fn what_overlaps_or_has_something_to_drop_is_rewritten() {
    let overlapping: fn(u32) -> Vec<Write> = |part| vec![put(part, i64::MAX), put(part + 1, i64::MAX)];
    let deleting: fn(u32) -> Vec<Write> = |part| {
        vec![
            put(part * 10, i64::MAX),
            Write::Delete { tree: TREES[TREE], key: (part * 10 + 1).to_be_bytes().to_vec() },
        ]
    };
    for (writes, kept) in [(overlapping, 5), (deleting, 4)] {
        let (fs, _, db) = opened();
        let sees_nothing = db.snapshot();
        (0..4).for_each(|part| table_of(&db, &writes(part)));
        let before = tables(&fs);
        drop(sees_nothing);
        maintain(&db);
        assert!(before.iter().all(|name| !tables(&fs).contains(name)));
        assert_eq!(keys(&db), kept);
    }
}

#[test]
fn expired_tables_go_instead_of_moving() {
    let (fs, clock, db) = opened();
    (0..4).for_each(|part| table_of(&db, &[put(part, 2_000)]));
    clock.set(3_000);
    maintain(&db);
    assert_eq!(tables(&fs), Vec::<String>::new());
}
