//! Goal: large values are written once besides the log: compaction leaves them where they are, and takes
//! their space back once more than half of a file is garbage, while readers keep what they see. Method: small
//! databases in memory, their files and statistics looked at.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Db, ErrorKind, Maintenance, ManualClock, ReadOptions, ReadTier, TreeStats, WriteBatch, WriteOptions,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const VALUE_BYTES: usize = 4_000;

fn new() -> (Arc<dyn FileSystem>, Db) {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &Arc::default()).unwrap();
    (fs, db)
}

/// A value that cannot be compressed, and differs from round to round.
fn value(index: u64, round: u64) -> Vec<u8> {
    let mut random = Random::new(index * 1_000 + round + 1);
    (0..VALUE_BYTES).map(|_| random.next() as u8).collect()
}

fn put(db: &Db, keys: impl Iterator<Item = u64>, round: u64, expiry: i64) {
    for index in keys {
        let mut batch = WriteBatch::new();
        batch.put(TREES[0], &index.to_be_bytes(), &value(index, round), expiry).unwrap();
        db.write(batch, WriteOptions::default()).unwrap();
    }
}

fn delete(db: &Db, keys: impl Iterator<Item = u64>) {
    for index in keys {
        let mut batch = WriteBatch::new();
        batch.delete(TREES[0], &index.to_be_bytes()).unwrap();
        db.write(batch, WriteOptions::default()).unwrap();
    }
}

fn get(db: &Db, index: u64) -> Option<Vec<u8>> {
    let entry = db.get(TREES[0], &index.to_be_bytes(), ReadOptions::default()).unwrap();
    entry.map(|entry| entry.value.to_vec())
}

fn stats(db: &Db) -> TreeStats {
    db.stats().trees.swap_remove(0)
}

fn settle(db: &Db) {
    while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
}

/// The value files in the directory, with their lengths.
fn value_files(fs: &Arc<dyn FileSystem>) -> BTreeMap<String, u64> {
    let names = fs.list(Path::new(DIR)).unwrap().into_iter().filter(|name| name.ends_with(".value"));
    names
        .map(|name| (name.clone(), fs.open_read(&Path::new(DIR).join(name)).unwrap().len().unwrap()))
        .collect()
}

fn assert_files_agree(fs: &Arc<dyn FileSystem>, db: &Db) {
    let (files, stats) = (value_files(fs), stats(db));
    assert_eq!((files.len(), files.values().sum::<u64>()), (stats.value_files, stats.value_file_bytes));
}

#[test]
fn compaction_does_not_rewrite_large_values() {
    let (fs, db) = new();
    for round in 0..6 {
        // Interleaved, so that every compaction merges all of them.
        put(&db, (0..20).map(|index| index * 6 + round), 0, i64::MAX);
        db.flush().unwrap();
    }
    let files = value_files(&fs);
    let raw = 120 * VALUE_BYTES as u64;
    assert!(files.len() >= 6 && files.values().sum::<u64>() >= raw);
    settle(&db);
    db.compact(TREES[0]).unwrap();
    assert_eq!(value_files(&fs), files, "the values are where they were");
    assert!(stats(&db).table_bytes * 20 < raw, "tables hold pointers: {:?}", stats(&db));
    assert_eq!(stats(&db).value_garbage_bytes, 0);
    assert!((0..120).all(|index| get(&db, index) == Some(value(index, 0))));
}

#[test]
fn overwritten_values_give_their_space_back_without_being_asked() {
    let (fs, db) = new();
    for round in 0..30 {
        put(&db, 0..40, round, i64::MAX);
        settle(&db);
    }
    db.flush().unwrap();
    settle(&db);
    let live = 40 * VALUE_BYTES as u64;
    let kept = stats(&db).value_file_bytes;
    assert!(kept <= 5 * live, "{kept} bytes kept for {live}");
    assert_files_agree(&fs, &db);
    assert!((0..40).all(|index| get(&db, index) == Some(value(index, 29))));
}

#[test]
fn half_empty_files_are_compacted_when_there_is_nothing_else_to_do() {
    let (fs, db) = new();
    put(&db, 0..60, 0, i64::MAX);
    db.compact(TREES[0]).unwrap();
    // Three of four go; the deletes meet what they delete in one compaction of level 0.
    for part in 0..4 {
        delete(&db, (part * 15..(part + 1) * 15).filter(|index| index % 4 != 0));
        db.flush().unwrap();
    }
    settle(&db);
    let live = 15 * VALUE_BYTES as u64;
    let stats = stats(&db);
    assert!(stats.value_file_bytes < live * 11 / 10, "{stats:?} for {live}");
    assert_files_agree(&fs, &db);
    assert!((0..60).all(|index| get(&db, index) == (index % 4 == 0).then(|| value(index, 0))));
}

#[test]
fn compacting_all_leaves_no_garbage() {
    let (fs, db) = new();
    put(&db, 0..60, 0, i64::MAX);
    db.compact(TREES[0]).unwrap();
    delete(&db, (0..60).filter(|index| index % 5 == 0));
    let mut batch = WriteBatch::new();
    batch.delete_range(TREES[0], &50u64.to_be_bytes(), &60u64.to_be_bytes()).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
    db.compact(TREES[0]).unwrap();
    assert_eq!(stats(&db).value_garbage_bytes, 0);
    assert_files_agree(&fs, &db);
    assert!(stats(&db).value_file_bytes < 41 * VALUE_BYTES as u64);
    delete(&db, 0..60);
    db.compact(TREES[0]).unwrap();
    assert_eq!((stats(&db).value_files, value_files(&fs).len()), (0, 0));
}

#[test]
fn expired_values_give_their_space_back() {
    let clock = Arc::new(ManualClock::new(0));
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock).unwrap();
    put(&db, 0..40, 0, 1_000);
    db.compact(TREES[0]).unwrap();
    assert!(!value_files(&fs).is_empty() && get(&db, 7).is_some());
    clock.set(1_000);
    assert_eq!(get(&db, 7), None);
    settle(&db);
    assert!(value_files(&fs).is_empty());
}

#[test]
fn readers_keep_what_they_see() {
    let (fs, db) = new();
    put(&db, 0..30, 0, i64::MAX);
    db.flush().unwrap();
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    iter.seek_first().unwrap();
    let snapshot = db.snapshot();
    put(&db, 0..30, 1, i64::MAX);
    db.compact(TREES[0]).unwrap();
    let at = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
    let old = db.get(TREES[0], &3u64.to_be_bytes(), at).unwrap().unwrap();
    assert_eq!(old.value, value(3, 0));
    drop(snapshot);
    drop(iter);
    // The iterator alone: its view keeps files that are not live any more.
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    put(&db, 0..30, 2, i64::MAX);
    delete(&db, 0..15);
    db.compact(TREES[0]).unwrap();
    let seen = collect_forward(&mut iter).unwrap();
    assert_eq!(seen.len(), 30);
    assert!(seen.iter().zip(0..).all(|((_, found), index)| *found == value(index, 1)));
    drop(iter);
    db.compact(TREES[0]).unwrap();
    settle(&db);
    assert_files_agree(&fs, &db);
    assert_eq!(stats(&db).value_garbage_bytes, 0);
    drop(db);
    let db = open(&fs, &Arc::default()).unwrap();
    assert_files_agree(&fs, &db);
    assert!((0..30).all(|index| get(&db, index) == (index >= 15).then(|| value(index, 2))));
}

#[test]
fn keys_are_read_without_their_values() {
    let (fs, db) = new();
    put(&db, 0..10, 0, i64::MAX);
    db.flush().unwrap();
    // Warms the blocks of the table.
    assert_eq!(
        collect_forward(&mut db.iter(TREES[1], EVERYTHING, ReadOptions::default()).unwrap()).unwrap(),
        []
    );
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    iter.seek_first().unwrap();
    let memory = ReadOptions { tier: ReadTier::Memory, ..ReadOptions::default() };
    let mut iter = db.iter(TREES[0], EVERYTHING, memory).unwrap();
    iter.seek_last().unwrap();
    let mut count = 0;
    while iter.valid() {
        assert_eq!(iter.shared_value().unwrap_err().kind(), ErrorKind::WouldBlock);
        count += 1;
        iter.prev().unwrap();
    }
    assert_eq!(count, 10);
    assert_eq!(db.get(TREES[0], &3u64.to_be_bytes(), memory).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(db.contains(TREES[0], &3u64.to_be_bytes(), memory).unwrap());
    assert!(!db.contains(TREES[0], &10u64.to_be_bytes(), memory).unwrap());
    assert_eq!(get(&db, 3), Some(value(3, 0)));
    assert!(db.get(TREES[0], &3u64.to_be_bytes(), memory).unwrap().is_some(), "the cache has it now");
    assert_files_agree(&fs, &db);
}

#[test]
fn a_missing_or_short_value_file_is_named_at_open() {
    let (fs, db) = new();
    put(&db, 0..10, 0, i64::MAX);
    db.flush().unwrap();
    db.close().unwrap();
    drop(db);
    let name = value_files(&fs).into_keys().next().unwrap();
    let path = Path::new(DIR).join(&name);
    let refused = || {
        let error = open(&fs, &Arc::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert!(error.to_string().contains(&name), "{error}");
    };
    let length = fs.open_read(&path).unwrap().len().unwrap();
    fs.open_write(&path).unwrap().set_len(length - 1).unwrap();
    refused();
    fs.remove(&path).unwrap();
    refused();
}

#[test]
fn orphans_are_removed_and_their_numbers_not_used_again() {
    let (fs, db) = new();
    db.close().unwrap();
    drop(db);
    let orphan = Path::new(DIR).join("0000000050.value");
    fs.create(&orphan).unwrap().write_at(0, b"left behind").unwrap();
    let db = open(&fs, &Arc::default()).unwrap();
    assert!(!fs.exists(&orphan).unwrap());
    put(&db, 0..1, 0, i64::MAX);
    db.flush().unwrap();
    assert!(value_files(&fs).into_keys().all(|name| name.as_str() > "0000000050.value"));
}

#[test]
fn values_of_a_database_that_did_not_separate_them_are_separated_by_compaction() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let open_with = |bytes_min| {
        let mut options = small_options(&Arc::default());
        options.trees[0].separated_value_bytes_min = bytes_min;
        Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap()
    };
    let db = open_with(None);
    put(&db, 0..20, 0, i64::MAX);
    db.compact(TREES[0]).unwrap();
    assert!(value_files(&fs).is_empty());
    db.close().unwrap();
    drop(db);
    let db = open_with(Some(LARGE));
    db.compact(TREES[0]).unwrap();
    assert_files_agree(&fs, &db);
    assert!(stats(&db).value_file_bytes >= 20 * VALUE_BYTES as u64);
    db.close().unwrap();
    drop(db);
    let db = open_with(None);
    assert!((0..20).all(|index| get(&db, index) == Some(value(index, 0))));
}
