//! Goal: a moment in which no file can be opened refuses what needs one, and ends nothing. Method: databases
//! whose next write has to open files; the n-th call, or all from the n-th on, finds no descriptor, for every
//! n; then there are some again. Goal: a log of many segments needs few descriptors. Method: a file system
//! that counts open files.

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
use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem, Names, Unsynced,
};
use flowdb_engine::{Db, Options, ReadOptions, Result, VerifyOptions, WriteOptions, verify};
use std::path::Path;
use std::sync::Arc;
use support::*;

fn open(fs: &Arc<dyn FileSystem>) -> Db {
    let mut options = small_options(&clock());
    options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = 4 << 20);
    Db::open(Arc::clone(fs), Path::new(DIR), options).unwrap()
}

fn write(db: &Db, key: &[u8], length: usize) -> Result<()> {
    let put = Write::Put { tree: TREES[0], key: key.to_vec(), value: vec![7; length], expiry: i64::MAX };
    db.write(batch(&[put]), WriteOptions::default()).map(drop)
}

fn has(db: &Db, key: &[u8]) -> bool {
    db.get(TREES[0], key, ReadOptions::default()).unwrap().is_some()
}

/// A database whose next write has to open files.
type Database = fn(&Arc<dyn FileSystem>) -> Db;

/// The manifest goes on where it is.
fn closed(fs: &Arc<dyn FileSystem>) -> Db {
    let db = open(fs);
    write(&db, b"a", 1).unwrap();
    db.close().unwrap();
    open(fs)
}

/// The manifest is replaced: it has the smallest and the largest key of a table.
fn closed_with_a_large_manifest(fs: &Arc<dyn FileSystem>) -> Db {
    let db = open(fs);
    write(&db, b"a", 1).unwrap();
    write(&db, &[b'x'; 5_000], 1).unwrap();
    db.flush().unwrap();
    db.close().unwrap();
    open(fs)
}

/// A log segment is begun: the one there is has outgrown its length.
fn with_a_long_log(fs: &Arc<dyn FileSystem>) -> Db {
    let db = open(fs);
    write(&db, b"a", 200 << 10).unwrap();
    db
}

#[test]
fn writes_go_on_after_a_moment_without_descriptors_wherever_it_strikes() {
    let databases: [(&str, Database); 3] = [
        ("closed", closed),
        ("closed, with a large manifest", closed_with_a_large_manifest),
        ("with a long log", with_a_long_log),
    ];
    for (what, database) in databases {
        let mut refused = 0;
        for is_sticky in [false, true] {
            for call in 1.. {
                let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
                let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
                let db = database(&fs);
                if is_sticky {
                    faulty.fail_from(call, Fault::NoDescriptor);
                } else {
                    faulty.fail_at(call, Fault::NoDescriptor);
                }
                let is_written = write(&db, b"b", 1).is_ok();
                let is_through = !faulty.is_past_fault();
                faulty.heal();
                let at = format!("{what}, call {call}, sticky: {is_sticky}");
                write(&db, b"c", 1).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert!(db.background_error().is_none(), "{at}");
                db.flush().unwrap();
                drop(db);
                let db = open(&fs);
                assert_eq!(
                    (has(&db, b"a"), has(&db, b"b"), has(&db, b"c")),
                    (true, is_written, true),
                    "{at}"
                );
                refused += u32::from(!is_written);
                if is_through {
                    break;
                }
            }
        }
        assert!(refused > 0, "{what}");
    }
}

/// As a writer leaves them whose memtables are large and whose segments are small.
#[test]
fn a_log_of_many_segments_is_read_a_few_at_a_time() {
    let memory = MemoryFileSystem::crashable();
    let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
    let db = open(&fs);
    for number in 0..40u8 {
        write(&db, &[number], 80 << 10).unwrap();
        db.maintain(std::time::Duration::ZERO).unwrap();
    }
    let crashed = memory.crash(&CrashOptions { unsynced: Unsynced::Keep, names: Names::Keep, seed: 0 });
    let segments = crashed.list(Path::new(DIR)).unwrap().iter().filter(|name| name.ends_with(".log")).count();
    assert!(segments >= 20, "{segments}");
    let disk = Disk::over(crashed);
    let options = small_options(&clock());
    let report = verify(&disk, Path::new(DIR), &VerifyOptions { trees: options.trees.clone() }).unwrap();
    assert_eq!(report.log_segments, segments as u64);
    let large = |read_only| {
        let mut options = Options { read_only, ..small_options(&clock()) };
        options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = 4 << 20);
        options
    };
    let mut most = vec![disk.take_most_open()];
    for read_only in [true, false] {
        let db = Db::open(Arc::new(disk.clone()), Path::new(DIR), large(read_only)).unwrap();
        assert!((0..40).all(|number| has(&db, &[number])));
        db.close().unwrap();
        drop(db);
        most.push(disk.take_most_open());
    }
    assert!(most.iter().all(|most| *most <= 4), "{most:?}");
}
