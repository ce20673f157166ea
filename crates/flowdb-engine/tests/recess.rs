//! Goal: maintenance makes way for readers, and for nobody else. Method: small databases with tables to merge, and the reads and writes between two slices.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ReadOptions, WriteOptions};
use std::sync::Arc;
use std::time::Duration;
use support::*;

const SLICE: Duration = Duration::from_millis(25);

/// A database with so many tables on level 0 that overlap.
fn database(tables: u8) -> Db {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    for table in 0..tables {
        (0..200).for_each(|key| put(&db, key, table));
        db.flush().unwrap();
    }
    assert_eq!(db.recess(SLICE), Duration::ZERO, "whatever was before");
    db
}

fn put(db: &Db, key: u8, value: u8) {
    let write = Write::Put { tree: TREES[0], key: vec![key], value: vec![value; 40], expiry: i64::MAX };
    db.write(batch(&[write]), WriteOptions::default()).unwrap();
}

fn read(db: &Db, count: u8) {
    (0..count).for_each(|key| assert!(db.get(TREES[0], &[key], ReadOptions::default()).unwrap().is_some()));
}

#[test]
fn readers_have_most_of_the_time() {
    let db = database(5);
    assert_eq!(db.recess(SLICE), Duration::ZERO, "nobody reads");
    read(&db, 3);
    assert_eq!(db.recess(SLICE), Duration::ZERO, "hardly anybody reads");
    read(&db, 100);
    assert_eq!(db.recess(SLICE), 3 * SLICE);
    assert_eq!(db.recess(SLICE), Duration::ZERO, "nobody has read since");
    for key in 0..100 {
        let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
        iter.seek(&[key]).unwrap();
    }
    assert_eq!(db.recess(SLICE), 3 * SLICE, "seeks are reads");
}

#[test]
fn who_writes_or_will_have_to_wait_comes_first() {
    let db = database(5);
    read(&db, 100);
    put(&db, 1, 1);
    assert_eq!(db.recess(SLICE), Duration::ZERO, "it is written");
    let db = database(12);
    read(&db, 100);
    assert_eq!(db.recess(SLICE), Duration::ZERO, "level 0 is long");
}
