//! Goal: value files come, stay and go with the tables that refer to them, however those came about and
//! wherever they go: written by a draft, moved to another level, forgotten by a tree with a maximum size; and
//! databases with a common cache do not mix up their values. Method: small databases in memory, their files
//! and statistics looked at.

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
    Db, Draft, Maintenance, ManualClock, ReadOptions, ResourceLimits, Resources, TreeStats, VerifyOptions,
    WriteBatch, WriteOptions, verify,
};
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

/// A value that cannot be compressed.
fn value(index: u64) -> Vec<u8> {
    let mut random = Random::new(index + 1);
    (0..VALUE_BYTES).map(|_| random.next() as u8).collect()
}

fn put(db: &Db, keys: impl Iterator<Item = u64>) {
    for index in keys {
        let mut batch = WriteBatch::new();
        batch.put(TREES[0], &index.to_be_bytes(), &value(index), i64::MAX).unwrap();
        db.write(batch, WriteOptions::default()).unwrap();
    }
}

fn write(draft: &mut Draft, keys: std::ops::Range<u64>) {
    let entries: Vec<_> = keys.map(|index| (index.to_be_bytes(), value(index))).collect();
    let entries = entries.iter().map(|(key, value)| (&key[..], Some(&value[..])));
    draft.write([], entries).unwrap();
}

fn get(db: &Db, index: u64) -> Option<Vec<u8>> {
    let found = db.get(TREES[0], &index.to_be_bytes(), ReadOptions::default()).unwrap();
    found.map(|found| found.value.to_vec())
}

fn stats(db: &Db) -> TreeStats {
    db.stats().trees.swap_remove(0)
}

fn settle(db: &Db) {
    while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
}

fn value_files(fs: &Arc<dyn FileSystem>) -> Vec<String> {
    let mut names = fs.list(Path::new(DIR)).unwrap();
    names.retain(|name| name.ends_with(".value"));
    names.sort();
    names
}

#[test]
fn a_committed_draft_keeps_its_value_files_and_its_numbers() {
    let memory = MemoryFileSystem::crashable();
    let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
    let db = open(&fs, &Arc::default()).unwrap();
    put(&db, 0..10);
    let mut draft = db.draft(TREES[0]).unwrap();
    write(&mut draft, 5..25);
    assert_eq!((value_files(&fs).len(), stats(&db).value_files), (1, 0), "only the draft refers to it");
    let found = draft.get(&20u64.to_be_bytes(), ReadOptions::default()).unwrap().unwrap();
    assert_eq!(found.value, value(20));
    let found = draft.get(&2u64.to_be_bytes(), ReadOptions::default()).unwrap().unwrap();
    assert_eq!(found.value, value(2), "what it did not touch");
    let mut iter = draft.iter(EVERYTHING, ReadOptions::default()).unwrap();
    db.commit_draft(draft).unwrap();
    assert_eq!(value_files(&fs).len(), stats(&db).value_files);
    let all: Vec<_> = (0..25).map(|index: u64| (index.to_be_bytes().to_vec(), value(index))).collect();
    assert_eq!(collect_forward(&mut iter).unwrap(), all, "the iterator of the draft");
    db.checkpoint(Path::new("/early")).unwrap();
    let trees = small_options(&Arc::default()).trees;
    let report = verify(&*fs, Path::new("/early"), &VerifyOptions { trees }).unwrap();
    assert!(report.is_clean() && report.value_files > 0, "tables of the draft: {report:#?}");
    drop((iter, db));
    let cut = CrashOptions { seed: 1, unsynced: Unsynced::Drop, names: Names::Drop };
    let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(&cut));
    let db = open(&fs, &Arc::default()).unwrap();
    let read =
        || collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap();
    assert_eq!(read(), all);
    db.compact(TREES[0]).unwrap();
    assert_eq!((value_files(&fs).len(), stats(&db).value_garbage_bytes), (stats(&db).value_files, 0));
    assert_eq!(read(), all);
    db.checkpoint(Path::new("/copy")).unwrap();
    let report = verify(&*fs, Path::new("/copy"), &VerifyOptions::default()).unwrap();
    assert!(report.is_clean() && report.value_files > 0, "{report:#?}");
}

#[test]
fn a_draft_that_is_merged_or_dropped_takes_its_value_files_along() {
    let (fs, db) = new();
    let mut draft = db.draft(TREES[0]).unwrap();
    for _ in 0..7 {
        write(&mut draft, 0..5);
    }
    assert_eq!(value_files(&fs).len(), 7);
    let mut early = draft.iter(EVERYTHING, ReadOptions::default()).unwrap();
    // Merged now: of the values, only those of the last part are left.
    write(&mut draft, 0..5);
    settle(&db);
    assert_eq!(value_files(&fs).len(), 8, "someone reads them");
    assert_eq!(collect_forward(&mut early).unwrap().len(), 5);
    drop(early);
    settle(&db);
    assert_eq!(value_files(&fs).len(), 1);
    let found = draft.get(&3u64.to_be_bytes(), ReadOptions::default()).unwrap().unwrap();
    assert_eq!(found.value, value(3));
    drop(draft);
    settle(&db);
    assert_eq!((value_files(&fs).len(), stats(&db).value_files), (0, 0));
}

#[test]
fn garbage_that_a_draft_brings_is_freed() {
    let (fs, db) = new();
    let mut draft = db.draft(TREES[0]).unwrap();
    write(&mut draft, 0..40);
    for _ in 0..7 {
        // Most of what the first part wrote is replaced when they are merged.
        write(&mut draft, 0..30);
    }
    db.commit_draft(draft).unwrap();
    settle(&db);
    assert!(stats(&db).value_file_bytes < 45 * VALUE_BYTES as u64, "{:?}", stats(&db));
    assert_eq!(value_files(&fs).len(), stats(&db).value_files);
    assert!((0..40).all(|index| get(&db, index) == Some(value(index))));
}

#[test]
fn a_moved_table_refers_to_the_same_value_files() {
    let (fs, db) = new();
    for part in 0..4 {
        put(&db, part * 10..part * 10 + 5);
        db.flush().unwrap();
    }
    let before = (value_files(&fs), stats(&db).value_file_bytes);
    settle(&db);
    assert_eq!(stats(&db).tables[..2], [0, 4], "they were moved");
    assert_eq!((value_files(&fs), stats(&db).value_file_bytes), before);
    let all = |db: &Db| (0..40).all(|index| get(db, index) == (index % 10 < 5).then(|| value(index)));
    assert!(all(&db));
    drop(db);
    let db = open(&fs, &Arc::default()).unwrap();
    assert_eq!(value_files(&fs), before.0);
    assert!(all(&db));
    let mut batch = WriteBatch::new();
    batch.delete_range(TREES[0], &0u64.to_be_bytes(), &100u64.to_be_bytes()).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
    db.compact(TREES[0]).unwrap();
    assert_eq!(value_files(&fs), [] as [&str; 0]);
}

#[test]
fn a_tree_that_forgets_counts_and_drops_its_large_values() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let mut options = small_options(&Arc::new(ManualClock::new(0)));
    let bytes_max = 512 << 10;
    options.trees[0].bytes_max = Some(bytes_max);
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    for round in 0..30 {
        // Interleaved, so that tables are merged.
        put(&db, (0..20).map(|index| index * 30 + round));
        settle(&db);
        let stats = stats(&db);
        let live = stats.table_bytes + stats.value_file_bytes - stats.value_garbage_bytes;
        // Headers of value files are not counted.
        assert!(live <= bytes_max + 64 * stats.value_files as u64, "round {round}: {stats:?}");
        assert!(stats.value_file_bytes <= 2 * bytes_max, "round {round}: {stats:?}");
        assert_eq!(value_files(&fs).len(), stats.value_files);
    }
    assert!(stats(&db).evicted_tables > 5);
    let found: Vec<u64> = (0..600).filter(|index| get(&db, *index).is_some()).collect();
    assert!(found.len() > 40, "not all is dropped at once: {}", found.len());
    assert!(found.iter().all(|index| get(&db, *index) == Some(value(*index))));
}

#[test]
fn databases_with_a_common_cache_have_their_own_values() {
    let limits = ResourceLimits { block_cache_bytes: 1 << 20, ..ResourceLimits::default() };
    let resources = Resources::new(limits).unwrap();
    let opened = |first: u64| {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let mut options = small_options(&Arc::default());
        options.resources = Some(Arc::clone(&resources));
        let db = Db::open(fs, Path::new(DIR), options).unwrap();
        let mut batch = WriteBatch::new();
        batch.put(TREES[0], b"key", &value(first), i64::MAX).unwrap();
        db.write(batch, WriteOptions::default()).unwrap();
        db.flush().unwrap();
        db
    };
    // Their value files have the same number, and their values the same place in it.
    let databases = [opened(1), opened(2)];
    for _ in 0..2 {
        for (db, expected) in databases.iter().zip([1, 2]) {
            let found = db.get(TREES[0], b"key", ReadOptions::default()).unwrap().unwrap();
            assert_eq!(found.value, value(expected));
        }
    }
    assert!(resources_files(&databases[0]) >= 4, "value files are among the open files");
}

fn resources_files(db: &Db) -> u64 {
    db.stats().resources.open_tables
}

#[test]
fn an_idle_tree_gives_back_what_hidden_values_take_and_comes_to_rest() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let clock = Arc::new(ManualClock::new(0));
    let db = open(&fs, &clock).unwrap();
    put(&db, 0..60);
    db.compact(TREES[0]).unwrap();
    let mut batch = WriteBatch::new();
    batch.delete_range(TREES[0], &10u64.to_be_bytes(), &60u64.to_be_bytes()).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
    let idle = || {
        for _ in 0..60 {
            settle(&db);
            clock.advance(Duration::from_secs(1));
        }
    };
    idle();
    let (files, stats) = (value_files(&fs), stats(&db));
    // Up to half of a file may be garbage; five in six of all bytes were.
    assert!(stats.value_file_bytes < 20 * VALUE_BYTES as u64, "{stats:?}");
    assert_eq!(files.len(), stats.value_files);
    idle();
    assert_eq!(value_files(&fs), files);
    assert!((0..60).all(|index| get(&db, index) == (index < 10).then(|| value(index))));
}
