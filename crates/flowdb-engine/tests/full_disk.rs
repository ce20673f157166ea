//! Goal: a disk that is full for a while, or that fails once, costs nothing that was acknowledged. A
//! commit that is refused for lack of space did not happen, work goes on once there is space again, and no
//! file stays behind. Method: a random workload in which the n-th call of the file system, or all calls
//! from the n-th on until the first error is seen, fail for lack of space or by a device error, for every
//! n; then the files are opened as a killed process, or after a close a power cut, leaves them, and
//! compared with a plain map.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "support/disk.rs"]
#[allow(dead_code, unreachable_pub, reason = "this file uses a part of it")]
mod disk;
mod support;

use disk::Disk;
use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem, Names, Unsynced,
};
use flowdb_engine::{Db, Durability, Error, ErrorKind, ManualClock, ReadOptions, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

struct Run {
    faulty: FaultyFileSystem,
    fs: Arc<dyn FileSystem>,
    clock: Arc<ManualClock>,
    db: Option<Db>,
    model: Model,
    random: Random,
    is_device_error: bool,
}

impl Run {
    fn new(memory: &MemoryFileSystem, seed: u64) -> Self {
        let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
        Run {
            fs: Arc::new(faulty.clone()),
            faulty,
            clock: Arc::new(ManualClock::new(1_000)),
            db: None,
            model: Model::default(),
            random: Random::new(seed),
            is_device_error: false,
        }
    }

    fn go(&mut self) {
        for _ in 0..30 {
            match self.random.below(14) {
                0 => self.attempt(Db::flush),
                1 | 2 => self.attempt(|db| db.maintain(Duration::ZERO).map(|_| ())),
                3 => self.attempt(|db| db.compact(TREES[0])),
                4 => {
                    if self.random.one_in(2) {
                        self.attempt(Db::close);
                    }
                    self.db = None;
                }
                _ => self.commit(),
            }
        }
        self.close();
    }

    /// Whatever failed before: what is there once a close succeeds outlasts a power cut.
    fn close(&mut self) {
        while let Err(error) = self.db().close() {
            if error.kind() != ErrorKind::Poisoned {
                self.see(&error);
            }
            self.db = None;
        }
        self.db = None;
    }

    fn db(&mut self) -> Db {
        if self.db.is_none() {
            self.db = Some(open(&self.fs, &self.clock).unwrap_or_else(|error| {
                self.see(&error);
                open(&self.fs, &self.clock).unwrap()
            }));
        }
        self.db.clone().unwrap()
    }

    /// There is space again as soon as someone has noticed that there was none.
    fn see(&self, error: &Error) {
        // `Io` where a sync failed, whose outcome nobody knows.
        assert!(matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Io), "{error}");
        self.faulty.heal();
    }

    fn attempt(&mut self, call: impl Fn(&Db) -> flowdb_engine::Result<()>) {
        let db = self.db();
        if let Err(error) = call(&db) {
            if error.kind() != ErrorKind::Poisoned {
                self.see(&error);
            }
            if error.kind() != ErrorKind::NoSpace {
                self.db = None;
            }
        }
    }

    fn commit(&mut self) {
        let count = 1 + self.random.below(5);
        let writes: Vec<_> =
            (0..count).map(|_| random_write(&mut self.random, i64::MAX - 1_000, 9_000)).collect();
        let durability = self.random.one_in(3).then_some(Durability::Synced);
        let db = self.db();
        let before = db.last_sequence();
        match db.write(batch(&writes), WriteOptions { durability }) {
            Ok(commit) => {
                assert_eq!(db.last_sequence(), commit.last);
                self.model.apply(&writes);
            }
            Err(error) => {
                if error.kind() != ErrorKind::Poisoned {
                    self.see(&error);
                }
                let goes_on = db.write(batch(&[]), WriteOptions::default()).is_ok();
                // A device error before the log was touched ends nothing, either.
                let may_go_on = self.is_device_error && goes_on && error.kind() == ErrorKind::Io;
                assert!(may_go_on || goes_on == (error.kind() == ErrorKind::NoSpace), "{error}");
                if goes_on {
                    assert_eq!(db.last_sequence(), before, "what was refused did not happen");
                    return;
                }
                // A sync failed: the outcome is unknown until the database is open again.
                drop(db);
                self.db = None;
                if self.db().last_sequence() != before {
                    self.model.apply(&writes);
                }
            }
        }
    }
}

fn check(memory: &MemoryFileSystem, crash: &CrashOptions, model: &Model) {
    let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(crash));
    let db = open(&fs, &Arc::new(ManualClock::new(1_000))).unwrap();
    check_all(&db, model, ReadOptions::default(), 1_000);
    // What was given up is not there any more, once the database was opened again.
    let trees = db.stats().trees;
    let tables: usize = trees.iter().map(|tree| tree.tables.iter().sum::<usize>()).sum();
    let value_files: usize = trees.iter().map(|tree| tree.value_files).sum();
    let files = fs.list(Path::new(DIR)).unwrap();
    let count = |extension| files.iter().filter(|name| name.ends_with(extension)).count();
    assert_eq!((count(".table"), count(".value")), (tables, value_files), "{files:?}");
}

#[test]
fn a_full_disk_costs_nothing_acknowledged_wherever_it_strikes() {
    for_seeds(2, |seed| {
        fail_everywhere(
            seed,
            &[(Fault::Enospc, false), (Fault::ShortWrite, false), (Fault::ShortWrite, true)],
        );
    });
}

/// A device error tells nothing of what was done: where the database goes on it did not happen, and
/// else reopening tells.
#[test]
fn a_device_error_costs_nothing_acknowledged_wherever_it_strikes() {
    for_seeds(1, |seed| fail_everywhere(seed + 2, &[(Fault::Eio, false)]));
}

fn fail_everywhere(seed: u64, faults: &[(Fault, bool)]) {
    let calls = {
        let mut run = Run::new(&MemoryFileSystem::crashable(), seed);
        run.go();
        run.faulty.calls()
    };
    for n in 1..=calls {
        for &(fault, is_sticky) in faults {
            let memory = MemoryFileSystem::crashable();
            let mut run = Run::new(&memory, seed);
            run.is_device_error = fault == Fault::Eio;
            if is_sticky {
                run.faulty.fail_from(n, fault);
            } else {
                run.faulty.fail_at(n, fault);
            }
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                run.go();
                for (unsynced, names) in [(Unsynced::Keep, Names::Keep), (Unsynced::Drop, Names::Drop)] {
                    check(&memory, &CrashOptions { seed: n, unsynced, names }, &run.model);
                }
            }));
            assert!(checked.is_ok(), "call {n} of seed {seed}, {fault:?}, sticky: {is_sticky}");
        }
    }
}

fn fill(db: &Db, count: u64) {
    for index in 0..count {
        let put = Write::Put {
            tree: TREES[0],
            key: index.to_be_bytes().to_vec(),
            // Every fourth goes to a value file.
            value: vec![7; if index % 4 == 0 { LARGE } else { 500 }],
            expiry: i64::MAX,
        };
        db.write(batch(&[put]), WriteOptions::default()).unwrap();
    }
}

fn on_disk(fs: &dyn FileSystem, extension: &str) -> usize {
    fs.list(Path::new(DIR)).unwrap().iter().filter(|name| name.ends_with(extension)).count()
}

#[test]
fn a_flush_or_compaction_without_space_is_repeated_and_leaves_no_file() {
    let mut poisoned = 0;
    for n in 1..200 {
        let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = open(&fs, &Arc::default()).unwrap();
        fill(&db, 40);
        faulty.fail_at(n, Fault::ShortWrite);
        let Err(error) = db.flush().and_then(|()| db.compact(TREES[0])) else {
            continue;
        };
        let goes_on = db.write(batch(&[]), WriteOptions::default()).is_ok();
        let expected = if goes_on { ErrorKind::NoSpace } else { ErrorKind::Io };
        assert_eq!(error.kind(), expected, "call {n}: {error}");
        if !goes_on {
            poisoned += 1;
            continue;
        }
        db.flush().unwrap();
        db.compact(TREES[0]).unwrap();
        assert_eq!((on_disk(&*fs, ".table"), on_disk(&*fs, ".value")), (1, 1), "call {n}");
        assert_eq!(db.stats().trees[0].tables.iter().sum::<usize>(), 1);
    }
    // The sync of the log, and those of the manifest after the flush and after the compaction.
    assert!(poisoned <= 3, "{poisoned} calls ended all writes");
}

#[test]
fn a_database_on_a_full_disk_opens_for_reading_and_takes_writes_once_there_is_space() {
    for (clean, large) in [(true, false), (false, false), (false, true)] {
        let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let mut options = small_options(&Arc::default());
        options.trees[0].write_buffer_bytes = if large { 16 << 20 } else { 64 << 10 };
        let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
        fill(&db, if large { 1_000 } else { 100 });
        let last = db.last_sequence();
        if clean {
            db.close().unwrap();
        }
        drop(db);
        faulty.fill();
        for _ in 0..2 {
            // Replayed with small memtables: more than one is full, and none can be flushed.
            let db = open(&fs, &Arc::default()).unwrap();
            assert_eq!(db.last_sequence(), last);
            for index in 0..last {
                assert!(db.get(TREES[0], &index.to_be_bytes(), ReadOptions::default()).unwrap().is_some());
            }
            let put = Write::Delete { tree: TREES[1], key: b"key".to_vec() };
            for _ in 0..2 {
                let refused =
                    db.write(batch(std::slice::from_ref(&put)), WriteOptions::default()).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::NoSpace);
                assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::NoSpace);
                // After a clean close an opening is through; what fails is the flush, which is tried again.
                let maintained = db.maintain(Duration::ZERO).map_err(|error| error.kind());
                assert_eq!(maintained.err(), (!clean).then_some(ErrorKind::NoSpace));
            }
            db.close().unwrap();
        }
        let db = open(&fs, &Arc::default()).unwrap();
        faulty.heal();
        fill(&db, 50);
        db.flush().unwrap();
        drop(db);
        let db = open(&fs, &Arc::default()).unwrap();
        assert_eq!(db.last_sequence(), last + 50, "clean: {clean}, large: {large}");
    }
}

/// What goes past the log must not come before the note that the database is open, either, nor before its
/// tree is known.
#[test]
fn a_draft_after_an_opening_without_space_comes_after_the_note_of_the_opening() {
    let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
    let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
    let mut options = small_options(&clock());
    options.trees.pop();
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    let put = Write::Put { tree: TREES[0], key: vec![1], value: vec![1], expiry: i64::MAX };
    db.write(batch(&[put]), WriteOptions::default()).unwrap();
    db.close().unwrap();
    faulty.fill();
    let db = open(&fs, &clock()).unwrap();
    faulty.heal();
    let mut draft = db.draft(TREES[1]).unwrap();
    draft.write([], [(&[2][..], Some(&[2][..]))]).unwrap();
    db.commit_draft(draft).unwrap();
    drop(db);
    let db = open(&fs, &clock()).unwrap();
    for (tree, key) in TREES.into_iter().zip([1, 2]) {
        assert!(db.get(tree, &[key], ReadOptions::default()).unwrap().is_some());
    }
}

/// What was acknowledged was synced: that no mark of the close found space makes the next opening longer,
/// and nothing else.
#[test]
fn a_close_that_finds_no_space_for_its_marks_has_gone_well() {
    let mut rejected = 0;
    for call in 0..40 {
        let memory = MemoryFileSystem::crashable();
        let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = open(&fs, &clock()).unwrap();
        fill(&db, 10);
        match call {
            0 => faulty.fill(),
            call => faulty.fail_at(call, Fault::Enospc),
        }
        match db.close() {
            Err(error) if call > 0 => {
                // The sync of the log, one behind its mark, that of the manifest: whether what they are for
                // is on the disk, nobody knows.
                assert_eq!(error.kind(), ErrorKind::Io, "call {call}: {error}");
                rejected += 1;
            }
            result => {
                result.unwrap();
                let crash = CrashOptions { seed: 1, unsynced: Unsynced::Drop, names: Names::Drop };
                let left: Arc<dyn FileSystem> = Arc::new(memory.crash(&crash));
                assert_eq!(open(&left, &clock()).unwrap().last_sequence(), 10, "call {call}");
            }
        }
    }
    assert!((1..=3).contains(&rejected), "{rejected}");
}

#[test]
fn who_must_not_wait_syncs_nothing_and_what_is_refused_is_told_after_a_sync() {
    let disk = Disk::new();
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let db = open(&fs, &clock()).unwrap();
    fill(&db, 10);
    let put = || batch(&[Write::Put { tree: TREES[0], key: vec![1], value: vec![7; 500], expiry: i64::MAX }]);
    let unsynced = WriteOptions { durability: Some(Durability::Os) };
    disk.set_capacity(disk.used());
    for _ in 0..3 {
        let syncs = disk.syncs();
        let (error, given_back) = db.try_write(put()).unwrap_err();
        assert_eq!((error.kind(), disk.syncs()), (ErrorKind::WouldBlock, syncs));
        let (error, given_back) = db.try_write(given_back).unwrap_err();
        assert_eq!((error.kind(), disk.syncs()), (ErrorKind::WouldBlock, syncs));
        assert_eq!(given_back.len(), 1);
        assert_eq!(db.write(given_back, unsynced).unwrap_err().kind(), ErrorKind::NoSpace);
        assert!(disk.syncs() > syncs);
    }
    let (_, given_back) = db.try_write(put()).unwrap_err();
    disk.set_capacity(u64::MAX);
    db.write(given_back, unsynced).unwrap();
    assert_eq!(db.try_write(put()).unwrap().last, db.last_sequence());
    drop(db);
    assert_eq!(open(&fs, &clock()).unwrap().last_sequence(), 12);
}
