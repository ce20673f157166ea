//! Goal: level 0 is merged as soon as it pays, not each time at the cost of a much larger level 1, and does not stay long. Method: small flushes over a large
//! level 1, and the number of tables on each level.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, Maintenance, ManualClock, WriteOptions};
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn put(db: &Db, keys: impl Iterator<Item = u16>) {
    let write = |key: u16| {
        let value = (0..100).map(|byte| key.wrapping_mul(byte + 7).to_be_bytes()[1]).collect();
        Write::Put { tree: TREES[0], key: key.to_be_bytes().to_vec(), value, expiry: i64::MAX }
    };
    let writes: Vec<_> = keys.map(write).collect();
    db.write(batch(&writes), WriteOptions::default()).unwrap();
}

/// A table of a few keys from all over the place.
fn flush_few(db: &Db) {
    put(db, (0..1000).step_by(111));
    db.flush().unwrap();
}

fn tables(db: &Db) -> (usize, usize) {
    let tables = db.stats().trees[0].tables;
    (tables[0], tables[1..].iter().sum())
}

/// What an executor does while the clock stands.
fn maintain(db: &Db) -> Maintenance {
    loop {
        match db.maintain(Duration::ZERO).unwrap() {
            Maintenance::More => {}
            other => return other,
        }
    }
}

fn database(clock: &Arc<ManualClock>) -> Db {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, clock).unwrap();
    put(&db, 0..1000);
    db.compact(TREES[0]).unwrap();
    db
}

#[test]
fn a_large_level_1_is_rewritten_for_eight_small_tables_not_for_four() {
    let db = database(&clock());
    let beneath = tables(&db).1;
    for count in 1..8 {
        flush_few(&db);
        maintain(&db);
        assert_eq!(tables(&db), (count, beneath));
    }
    flush_few(&db);
    maintain(&db);
    assert_eq!(tables(&db).0, 0);
}

#[test]
fn four_tables_that_are_not_small_are_merged() {
    let db = database(&clock());
    for _ in 0..4 {
        put(&db, (0..1000).step_by(6));
        db.flush().unwrap();
    }
    maintain(&db);
    assert_eq!(tables(&db).0, 0);
}

#[test]
fn four_small_tables_are_merged_when_nobody_writes() {
    let clock = clock();
    let db = database(&clock);
    (0..4).for_each(|_| flush_few(&db));
    let Maintenance::Later(wait) = maintain(&db) else {
        panic!("there is something to do later");
    };
    assert_eq!(tables(&db).0, 4);
    assert!(wait <= Duration::from_secs(5), "{wait:?}");
    clock.advance(wait);
    maintain(&db);
    assert_eq!(tables(&db).0, 0);
}
