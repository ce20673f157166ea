//! Goal: opening, locking, closing and reopening do what their documentation says, on the operating system's
//! file system. Method: one small behaviour per test, each in a directory of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{Fault, FaultyFileSystem, FileAccess, FileSystem, MemoryFileSystem, RealFileSystem};
use flowdb_engine::{
    Db, ErrorKind, ManualClock, Options, ReadOptions, TreeId, TreeOptions, WriteBatch, WriteOptions,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::*;

/// A directory that goes away with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("flowdb-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn real() -> Arc<dyn FileSystem> {
    Arc::new(RealFileSystem::new(FileAccess::Positioned))
}

fn options() -> Options {
    small_options(&Arc::new(ManualClock::new(0)))
}

fn put(db: &Db, key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::new();
    batch.put(TREES[0], key, value, i64::MAX).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
}

fn get(db: &Db, key: &[u8]) -> Option<Vec<u8>> {
    db.get(TREES[0], key, ReadOptions::default()).unwrap().map(|entry| entry.value.to_vec())
}

#[test]
fn nothing_is_written_once_closed_whoever_was_at_work() {
    for round in 0..150 {
        let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = Db::open(fs, Path::new(DIR), options()).unwrap();
        put(&db, b"key", b"value");
        let other = db.clone();
        let compacting = std::thread::spawn(move || while other.compact(TREES[0]).is_ok() {});
        std::thread::sleep(std::time::Duration::from_micros(37 * round));
        db.close().unwrap();
        let calls = faulty.calls();
        compacting.join().unwrap();
        assert_eq!(faulty.calls(), calls, "round {round}");
    }
}

#[test]
fn without_a_log_nothing_is_appended_and_tables_alone_outlive_the_database() {
    let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
    let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
    let unlogged = Options { log: false, ..options() };
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), unlogged.clone()).unwrap();
    put(&db, b"flushed", b"1");
    db.flush().unwrap();
    let (calls, log_bytes) = (faulty.calls(), db.stats().log_bytes);
    put(&db, b"kept", b"2");
    put(&db, b"flushed", b"3");
    assert_eq!((faulty.calls(), db.stats().log_bytes), (calls, log_bytes));
    assert_eq!((get(&db, b"kept"), get(&db, b"flushed")), (Some(b"2".to_vec()), Some(b"3".to_vec())));
    let refused = db.checkpoint(Path::new("/checkpoint")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    drop(db);
    let db = Db::open(fs, Path::new(DIR), unlogged).unwrap();
    assert_eq!((get(&db, b"kept"), get(&db, b"flushed")), (None, Some(b"1".to_vec())));
    put(&db, b"kept", b"4");
    assert_eq!(get(&db, b"kept"), Some(b"4".to_vec()));
}

#[test]
fn what_is_synced_stays_so_when_the_database_is_closed() {
    let db = Db::open(Arc::new(MemoryFileSystem::new()), Path::new(DIR), options()).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(TREES[0], b"key", b"value", i64::MAX).unwrap();
    let commit = db.write(batch, WriteOptions::default()).unwrap();
    db.close().unwrap();
    db.sync(commit.position).unwrap();
}

#[test]
fn a_second_opener_is_told_who_has_the_directory() {
    let dir = Directory::new("lock");
    let db = Db::open(real(), &dir.0, options()).unwrap();
    let error = Db::open(real(), &dir.0, options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert_eq!(error.holder(), Some(std::process::id()));
    assert!(error.to_string().contains("another copy of flowdb in this process"), "{error}");
    db.close().unwrap();
    Db::open(real(), &dir.0, options()).unwrap();
}

#[test]
fn what_was_written_is_there_after_closing_and_after_dropping() {
    for (name, access) in [("pread", FileAccess::Positioned), ("map", FileAccess::Mapped)] {
        let dir = Directory::new(name);
        let fs: Arc<dyn FileSystem> = Arc::new(RealFileSystem::new(access));
        let db = Db::open(Arc::clone(&fs), &dir.0, options()).unwrap();
        put(&db, b"closed", b"1");
        db.flush().unwrap();
        db.close().unwrap();
        drop(db);
        let db = Db::open(Arc::clone(&fs), &dir.0, options()).unwrap();
        put(&db, b"dropped", b"2");
        drop(db);
        let db = Db::open(fs, &dir.0, options()).unwrap();
        assert_eq!(get(&db, b"closed").as_deref(), Some(&b"1"[..]));
        assert_eq!(get(&db, b"dropped").as_deref(), Some(&b"2"[..]));
    }
}

#[test]
fn a_closed_database_refuses_everything_and_closing_again_does_nothing() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &Arc::default()).unwrap();
    put(&db, b"key", b"value");
    db.close().unwrap();
    db.close().unwrap();
    let mut batch = WriteBatch::new();
    batch.put(TREES[0], b"late", b"", i64::MAX).unwrap();
    let kinds = [
        db.write(batch.clone(), WriteOptions::default()).unwrap_err().kind(),
        db.try_write(batch).unwrap_err().0.kind(),
        db.get(TREES[0], b"key", ReadOptions::default()).unwrap_err().kind(),
        db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap_err().kind(),
        db.flush().unwrap_err().kind(),
        db.compact(TREES[0]).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Closed; 6]);
    let db = open(&fs, &Arc::default()).unwrap();
    assert_eq!(get(&db, b"late"), None);
}

#[test]
fn a_missing_database_is_created_only_if_wanted() {
    let dir = Directory::new("missing");
    let refuse = Options { create_if_missing: false, ..options() };
    assert_eq!(Db::open(real(), &dir.0, refuse.clone()).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!dir.0.exists());
    Db::open(real(), &dir.0, options()).unwrap().close().unwrap();
    Db::open(real(), &dir.0, refuse).unwrap();
}

#[test]
fn trees_are_checked() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &Arc::default()).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(TreeId(9), b"key", b"", i64::MAX).unwrap();
    let (error, batch) = db.try_write(batch).unwrap_err();
    assert_eq!((error.kind(), batch.len()), (ErrorKind::InvalidArgument, 1));
    assert_eq!(
        db.get(TreeId(9), b"", ReadOptions::default()).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert_eq!(db.last_sequence(), 0, "nothing was written");
    db.close().unwrap();
    drop(db);

    let renamed =
        Options::new(vec![TreeOptions::new(TREES[0], "other"), TreeOptions::new(TREES[1], "second")]);
    let error = Db::open(Arc::clone(&fs), DIR.as_ref(), renamed).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let mut more = options();
    more.trees.push(TreeOptions::new(TreeId(9), "third"));
    Db::open(fs, DIR.as_ref(), more).unwrap();
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let mut wrong = options();
    wrong.log_segment_bytes = 1;
    let error = Db::open(fs, DIR.as_ref(), wrong).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("log_segment_bytes"), "{error}");
}

#[test]
fn closing_lets_go_of_the_directory_even_if_it_cannot_flush() {
    let dir = Directory::new("close-fails");
    let mut options = options();
    options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = 16 << 20);
    let db = Db::open(real(), &dir.0, options.clone()).unwrap();
    put(&db, b"large", &vec![7; 2 << 20]);
    // No table can be made where a directory stands.
    let in_the_way: Vec<_> = (1..10).map(|number| dir.0.join(format!("{number:010}.table"))).collect();
    in_the_way.iter().for_each(|path| std::fs::create_dir(path).unwrap());
    db.close().unwrap();
    in_the_way.iter().for_each(|path| std::fs::remove_dir(path).unwrap());
    let again = Db::open(real(), &dir.0, options).unwrap();
    assert_eq!(get(&again, b"large").unwrap().len(), 2 << 20);
    assert_eq!(db.get(TREES[0], b"large", ReadOptions::default()).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_database_without_space_can_be_closed_and_its_log_has_everything() {
    let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
    let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
    let mut options = small_options(&Arc::default());
    options.trees[0].write_buffer_bytes = 16 << 20;
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    for index in 0..3_000u32 {
        put(&db, &index.to_be_bytes(), &[7; 500]);
    }
    assert!(db.stats().trees[0].memtable_bytes > 1 << 20);
    faulty.fail_at(1, Fault::Enospc);
    db.close().unwrap();
    let db = open(&fs, &Arc::default()).unwrap();
    assert_eq!(db.last_sequence(), 3_000);
}

#[test]
fn what_is_not_to_be_created_leaves_no_file() {
    let fs = MemoryFileSystem::new();
    fs.create_dir_all(Path::new(DIR)).unwrap();
    let file = fs.create(&Path::new(DIR).join("of-others.txt")).unwrap();
    file.write_at(0, b"x").unwrap();
    let error =
        Db::open(Arc::new(fs.clone()), Path::new(DIR), Options { create_if_missing: false, ..options() });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs.list(Path::new(DIR)).unwrap(), ["of-others.txt"]);
}
