//! Goal: what an operation reads, holds and keeps others from is bounded by its own size, not by that of the
//! data. Method: bytes are counted by the file system, and a read is held up in it; no time is measured.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "support/disk.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod disk;
mod support;

use disk::Disk;
use flowdb_engine::fs::FileSystem;
use flowdb_engine::{Db, ReadOptions, WriteBatch, WriteOptions};
use std::sync::Arc;
use support::*;

const COUNT: u32 = 4_000;
/// Of [`small_options`].
const BLOCK: u64 = 512;
const CACHE: u64 = 256 << 10;

fn key(index: u32) -> [u8; 4] {
    index.to_be_bytes()
}

fn put(db: &Db, tree: usize, index: u32, length: usize) {
    let mut random = Random::new(u64::from(index) + 1);
    let value: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
    let mut batch = WriteBatch::new();
    batch.put(TREES[tree], &key(index), &value, i64::MAX).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
}

fn has(db: &Db, tree: usize, index: u32) -> bool {
    db.get(TREES[tree], &key(index), ReadOptions::default()).unwrap().is_some()
}

/// All records in tables of the last level, nothing in memory.
fn filled(length: usize) -> (Disk, Db) {
    let disk = Disk::new();
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let db = open(&fs, &clock()).unwrap();
    (0..COUNT).for_each(|index| put(&db, 0, index, length));
    db.compact(TREES[0]).unwrap();
    db.close().unwrap();
    drop(db);
    (disk, open(&fs, &clock()).unwrap())
}

#[test]
fn a_get_reads_a_block_whose_size_is_in_bytes() {
    for length in [8, 400] {
        let (disk, db) = filled(length);
        // The table's index and filter come with the first.
        assert!(has(&db, 0, 0));
        let mut index = 0;
        for _ in 0..5 {
            // The next block, but in the same table.
            index += 2 * BLOCK as u32 / length as u32;
            let before = disk.read();
            assert!(has(&db, 0, index));
            let read = disk.read() - before;
            assert!(
                read > 0 && read <= BLOCK + 64 + 2 * length as u64,
                "{read} bytes for a value of {length}"
            );
        }
    }
}

#[test]
fn a_small_cache_stays_small() {
    let (disk, db) = filled(400);
    let mut random = Random::new(1);
    let begin = disk.read();
    for _ in 0..5_000 {
        assert!(has(&db, 0, random.below(u64::from(COUNT)) as u32));
        let cache = db.stats().cache;
        assert!(cache.bytes <= CACHE, "{} bytes", cache.bytes);
    }
    assert!(disk.read() - begin > 4 * CACHE, "it was too small for what was read");
}

#[test]
fn a_compaction_reads_and_writes_piece_by_piece() {
    let (disk, db) = filled(400);
    (0..COUNT).step_by(2).for_each(|index| put(&db, 0, index, 400));
    db.flush().unwrap();
    disk.take_largest();
    let before = disk.written();
    db.compact(TREES[0]).unwrap();
    assert!(disk.written() - before > 1 << 20, "everything was rewritten");
    let largest = disk.take_largest();
    assert!(largest <= 300 << 10, "{largest} bytes in one call");
    assert!(db.stats().trees[0].tables.iter().sum::<usize>() > 16, "of 64 KiB each");
}

#[test]
fn a_read_that_waits_for_the_disk_holds_up_nobody() {
    let (disk, db) = filled(400);
    put(&db, 1, 7, 8);
    std::thread::scope(|scope| {
        disk.hold_next_read();
        let held = scope.spawn(|| has(&db, 0, 5));
        disk.await_held_read();
        assert!(has(&db, 0, COUNT - 1), "another table, from the disk");
        put(&db, 0, COUNT, 400);
        assert!(has(&db, 0, COUNT));
        db.flush().unwrap();
        db.compact(TREES[1]).unwrap();
        assert!(has(&db, 1, 7));
        assert!(!held.is_finished());
        disk.let_read_on();
        assert!(held.join().unwrap());
    });
}
