//! Goal: an opening after a clean close reads, and what it has not read yet is found when it is needed;
//! nothing is written before the first write, and whatever end the close and the opening come to, what was
//! synced is there. Method: the files are compared; the memory tier tells what was read; the process is
//! "killed" at each call of a close, goes on from what the system has in memory, writes, and the power goes
//! at each call of that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem, Names, Unsynced,
};
use flowdb_engine::{Db, Durability, ErrorKind, Maintenance, ReadOptions, ReadTier, TreeId, WriteOptions};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const FROM_MEMORY: ReadOptions =
    ReadOptions { tier: ReadTier::Memory, sequence: None, now: None, bypass_cache: false, property: None };

fn put(tree: TreeId, key: &[u8]) -> Write {
    Write::Put { tree, key: key.to_vec(), value: key.to_vec(), expiry: i64::MAX }
}

fn write(db: &Db, key: &[u8], durability: Durability) -> flowdb_engine::Result<()> {
    let options = WriteOptions { durability: Some(durability) };
    db.write(batch(&[put(TREES[0], key)]), options).map(drop)
}

fn has(db: &Db, key: &[u8]) -> bool {
    db.get(TREES[0], key, ReadOptions::default()).unwrap().is_some_and(|found| found.value == key)
}

/// Two tables of each tree, whose keys are among one another, and some log, closed in order.
fn closed(fs: &Arc<dyn FileSystem>) {
    let db = open(fs, &clock()).unwrap();
    for (first, last) in [(b"a", b"x"), (b"b", b"y")] {
        let writes = TREES.map(|tree| [put(tree, first), put(tree, last)]);
        db.write(batch(writes.as_flattened()), WriteOptions::default()).unwrap();
        db.flush().unwrap();
    }
    write(&db, b"c", Durability::Os).unwrap();
    db.close().unwrap();
}

#[test]
fn who_only_reads_changes_no_file() {
    let memory = MemoryFileSystem::crashable();
    let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
    closed(&fs);
    let before = read_files(&*fs);
    for _ in 0..2 {
        let db = open(&fs, &clock()).unwrap();
        assert!(has(&db, b"a") && has(&db, b"b") && has(&db, b"c") && !has(&db, b"d"));
        db.maintain(Duration::from_secs(1)).unwrap();
        db.close().unwrap();
        assert_eq!(read_files(&*fs), before);
        // Nor does it rest on anything that is not durable.
        let after_power_cut: Arc<dyn FileSystem> = Arc::new(memory.crash(&CrashOptions::default()));
        assert_eq!(read_files(&*after_power_cut), before);
    }
}

#[test]
fn who_only_reads_for_long_changes_no_file_however_large_the_log() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let clock = clock();
    let open = || {
        let mut options = small_options(&clock);
        (options.log_segment_bytes, options.log_bytes_max) = (4 << 20, 16 << 20);
        options.trees[0].write_buffer_bytes = 8 << 20;
        Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap()
    };
    let db = open();
    let value = vec![1; 100 << 10];
    let large = Write::Put { tree: TREES[0], key: b"a".to_vec(), value, expiry: i64::MAX };
    db.write(batch(&[large]), WriteOptions::default()).unwrap();
    db.close().unwrap();
    drop(db);
    let before = read_files(&*fs);
    let settle = |db: &Db| while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {};
    let db = open();
    for _ in 0..10 {
        assert!(db.get(TREES[0], b"a", ReadOptions::default()).unwrap().is_some());
        settle(&db);
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(read_files(&*fs), before);
    // After a write its rest counts.
    write(&db, b"b", Durability::Os).unwrap();
    settle(&db);
    clock.advance(Duration::from_secs(6));
    settle(&db);
    assert_eq!(db.stats().totals.flushes, 1);
    db.close().unwrap();
}

#[test]
fn who_drops_an_untouched_database_leaves_it_closed() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    closed(&fs);
    let before = read_files(&*fs);
    drop(open(&fs, &clock()).unwrap());
    assert_eq!(read_files(&*fs), before);
}

#[test]
fn who_opens_a_database_without_a_write_again_changes_no_file() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    open(&fs, &clock()).unwrap().close().unwrap();
    let before = read_files(&*fs);
    for _ in 0..3 {
        let db = open(&fs, &clock()).unwrap();
        assert_eq!(db.last_sequence(), 0);
        db.close().unwrap();
        assert_eq!(read_files(&*fs), before);
    }
}

#[test]
fn the_first_write_waits_for_the_manifest_and_the_next_do_not() {
    let memory = MemoryFileSystem::crashable();
    let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
    closed(&fs);
    let db = open(&fs, &clock()).unwrap();
    let (error, given_back) = db.try_write(batch(&[put(TREES[0], b"d")])).unwrap_err();
    assert_eq!((error.kind(), given_back.len()), (ErrorKind::WouldBlock, 1));
    db.write(given_back, WriteOptions::default()).unwrap();
    db.try_write(batch(&[put(TREES[0], b"e")])).unwrap();
    // That it is open is durable: else the log would be taken for damaged if some of it was.
    for unsynced in [Unsynced::Drop, Unsynced::Keep, Unsynced::RandomSectors] {
        let crash = CrashOptions { seed: 1, unsynced, names: Names::Keep };
        let after: Arc<dyn FileSystem> = Arc::new(memory.crash(&crash));
        let db = open(&after, &clock()).unwrap();
        assert!(has(&db, b"c"));
    }
}

#[test]
fn an_index_is_read_when_it_is_needed_and_not_from_memory() {
    let memory = MemoryFileSystem::new();
    let faulty = FaultyFileSystem::new(Arc::new(memory));
    let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
    closed(&fs);
    let db = open(&fs, &clock()).unwrap();
    let kind = |key: &[u8]| db.get(TREES[0], key, FROM_MEMORY).map(|found| found.is_some());
    let calls = faulty.calls();
    assert_eq!(kind(b"a").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(kind(b"bb").unwrap_err().kind(), ErrorKind::WouldBlock, "a filter would say no");
    let mut iter = db.iter(TREES[0], EVERYTHING, FROM_MEMORY).unwrap();
    assert_eq!(iter.seek_first().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(kind(b"c").unwrap(), "what the log has is in memory");
    assert_eq!(faulty.calls(), calls, "nothing was asked of the file system");
    assert!(has(&db, b"a") && has(&db, b"b"));
    assert!(kind(b"a").unwrap() && kind(b"b").unwrap() && !kind(b"bb").unwrap());
    iter.seek_first().unwrap();
    assert_eq!(iter.key(), b"a");
    // Of a table that is written now all is in memory.
    db.write(batch(&[put(TREES[0], b"d"), put(TREES[0], b"e")]), WriteOptions::default()).unwrap();
    db.flush().unwrap();
    assert!(!kind(b"dd").unwrap(), "its filter says so");
}

#[test]
fn damage_that_the_opening_has_not_read_is_an_error_of_the_read_that_meets_it() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    closed(&fs);
    let files = read_files(&*fs);
    let is_table =
        |(path, _): &&(std::path::PathBuf, Vec<u8>)| path.extension().is_some_and(|kind| kind == "table");
    let tables = files.iter().filter(is_table).count();
    assert!(tables > 0);
    let mut met = 0;
    for (number, (path, bytes)) in files.iter().enumerate().filter(|(_, file)| is_table(file)) {
        for offset in 0..bytes.len() {
            let mut damaged = files.clone();
            damaged[number].1[offset] ^= 0x10;
            let fs: Arc<dyn FileSystem> = Arc::new(write_files(&damaged));
            let Ok(db) = open(&fs, &clock()) else { continue };
            assert!(has(&db, b"c"), "what is elsewhere can be read");
            let read = |tree, key: &[u8]| db.get(tree, key, ReadOptions::default());
            let reads = TREES.map(|tree| [read(tree, b"a"), read(tree, b"b")]);
            for error in reads.into_iter().flatten().filter_map(Result::err) {
                assert_eq!(error.kind(), ErrorKind::Corruption);
                assert_eq!(error.file(), Some(path.as_path()), "byte {offset}");
                met += 1;
            }
        }
    }
    assert!(met > 0);
}

/// Writes `key`, synced, to what is there after a session that may have been cut short. Raises `is_synced`
/// once that was acknowledged.
fn session(fs: &Arc<dyn FileSystem>, key: &[u8], is_synced: &mut bool) -> flowdb_engine::Result<()> {
    let db = open(fs, &clock())?;
    for key in [b"a", b"b"] {
        assert!(db.get(TREES[0], key, ReadOptions::default())?.is_some());
    }
    write(&db, b"d", Durability::Os)?;
    write(&db, key, Durability::Synced)?;
    *is_synced = true;
    db.close()
}

/// Opens a database, and leaves its close to the caller.
type Session = fn(&Arc<dyn FileSystem>) -> Db;

/// What a first session closes: little, or a log that is emptied by the close, or a manifest that the
/// next session rewrites.
const FIRST_SESSIONS: [Session; 3] = [
    |fs| {
        let db = open(fs, &clock()).unwrap();
        write(&db, b"a", Durability::Os).unwrap();
        db.flush().unwrap();
        write(&db, b"b", Durability::Os).unwrap();
        db
    },
    |fs| {
        let db = open(fs, &clock()).unwrap();
        let large = Write::Put { tree: TREES[1], key: vec![1], value: vec![1; 70 << 10], expiry: i64::MAX };
        db.write(batch(&[large]), WriteOptions::default()).unwrap();
        write(&db, b"a", Durability::Os).unwrap();
        write(&db, b"b", Durability::Os).unwrap();
        db.flush().unwrap();
        db
    },
    |fs| {
        let db = open(fs, &clock()).unwrap();
        write(&db, b"a", Durability::Os).unwrap();
        // The manifest has the smallest and the largest key of a table.
        db.write(batch(&[put(TREES[1], &[7; 2 << 10])]), WriteOptions::default()).unwrap();
        db.flush().unwrap();
        write(&db, b"b", Durability::Os).unwrap();
        db
    },
];

const CUTS: [(Unsynced, Names); 4] = [
    (Unsynced::Drop, Names::Drop),
    (Unsynced::Keep, Names::Drop),
    (Unsynced::RandomPrefix, Names::Random),
    (Unsynced::RandomSectors, Names::Keep),
];

/// Fails unless the keys are there after a power cut of each kind.
fn check_after_power_cuts(memory: &MemoryFileSystem, keys: &[&[u8]], at: &str) {
    for (seed, (unsynced, names)) in CUTS.into_iter().enumerate() {
        let crash = CrashOptions { seed: seed as u64, unsynced, names };
        let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(&crash));
        let db = open(&fs, &clock()).unwrap_or_else(|error| panic!("{at}, {crash:?}: {error}"));
        for key in keys {
            assert!(has(&db, key), "{at}, {crash:?}: {key:?} is gone");
        }
        write(&db, b"z", Durability::Synced).unwrap();
        db.close().unwrap();
        drop(db);
        assert!(has(&open(&fs, &clock()).unwrap(), b"z"), "{at}, {crash:?}");
    }
}

/// Calls `test` with memory in which the process has ended after so many calls of `close`, until the
/// close is through.
fn after_killed_closes(first: Session, test: impl Fn(&dyn Fn() -> MemoryFileSystem, u64)) -> u64 {
    let close = |calls| {
        let memory = MemoryFileSystem::crashable();
        let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
        let db = first(&(Arc::new(faulty.clone()) as _));
        faulty.fail_from(calls + 1, Fault::Eio);
        let is_closed = db.close().is_ok();
        (memory, is_closed)
    };
    for calls in 0.. {
        test(&|| close(calls).0, calls);
        if close(calls).1 {
            return calls;
        }
    }
    unreachable!("a close makes an end")
}

#[test]
fn a_power_cut_after_a_killed_close_and_an_opening_costs_nothing_synced() {
    for first in FIRST_SESSIONS {
        let calls = after_killed_closes(first, |closed, calls| {
            for n in 1.. {
                let memory = closed();
                let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
                faulty.fail_from(n, Fault::Eio);
                let mut is_synced = false;
                let done = session(&(Arc::new(faulty) as _), b"e", &mut is_synced).is_ok();
                let kept: &[&[u8]] = if is_synced { &[b"a", b"b", b"d", b"e"] } else { &[] };
                let at = format!("killed after {calls} calls of the close, power cut at call {n}");
                check_after_power_cuts(&memory, kept, &at);
                if done {
                    break;
                }
            }
        });
        assert!(calls > 3, "a close makes more calls than that");
    }
}

#[test]
fn who_goes_on_after_a_killed_opening_rests_on_nothing_that_a_power_cut_takes() {
    for first in FIRST_SESSIONS {
        for n in 1.. {
            let memory = MemoryFileSystem::crashable();
            let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
            let db = first(&fs);
            db.close().unwrap();
            drop(db);
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            faulty.fail_from(n, Fault::Eio);
            let mut is_synced = false;
            let done = session(&(Arc::new(faulty) as _), b"e", &mut is_synced).is_ok();
            let at = format!("killed at call {n}");
            check_after_power_cuts(
                &memory,
                if is_synced { &[b"a", b"b", b"d", b"e"] } else { &[b"a", b"b"] },
                &at,
            );
            // Another process goes on from what the system has in memory.
            session(&fs, b"f", &mut is_synced).unwrap();
            check_after_power_cuts(&memory, &[b"a", b"b", b"d", b"f"], &at);
            if done {
                break;
            }
        }
    }
}
