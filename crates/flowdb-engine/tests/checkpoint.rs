//! Goal: a checkpoint of a live database is a prefix of its commits with everything committed before the
//! call, opens by itself, and costs the source nothing; a crash at any call leaves the source whole and the
//! target whole or unopenable. Method: writers and maintenance run while checkpoints are made, each compared
//! with the states of the source; the file system fails from its n-th call on, for every n, and then crashes.

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

use disk::{Disk, Watcher};
use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileAccess, FileSystem, MemoryFileSystem, Names, RealFileSystem,
    Unsynced,
};
use flowdb_engine::{Clock, Db, ErrorKind, Options, ReadOptions, Sequence, TreeId, WriteOptions};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::*;

const TARGET: &str = "/checkpoint";

fn open_at(fs: &Arc<dyn FileSystem>, dir: &str) -> flowdb_engine::Result<Db> {
    let options = Options { create_if_missing: false, ..small_options(&clock()) };
    Db::open(Arc::clone(fs), Path::new(dir), options)
}

/// Commits of random writes, with flushes, compactions and new log segments between them.
fn work(db: &Db, random: &mut Random, model: &mut Model, commits: u64) -> flowdb_engine::Result<()> {
    for _ in 0..commits {
        let writes: Vec<_> = (0..1 + random.below(5)).map(|_| random_write(random, 1 << 60, 9_000)).collect();
        db.write(batch(&writes), WriteOptions::default())?;
        model.apply(&writes);
        match random.below(12) {
            0 => db.flush()?,
            1 => db.compact(TREES[0])?,
            2 | 3 => drop(db.maintain(Duration::ZERO)?),
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn a_checkpoint_holds_what_was_committed_before_it() {
    for_seeds(20, |seed| {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let db = open(&fs, &clock()).unwrap();
        let (mut random, mut model) = (Random::new(seed), Model::default());
        let mut checkpoints = Vec::new();
        for number in 0..4 {
            work(&db, &mut random, &mut model, 12).unwrap();
            let target = format!("/checkpoint-{number}");
            let made = db.checkpoint(Path::new(&target)).unwrap();
            assert_eq!(made.last_sequence, db.last_sequence());
            assert!(made.files_copied == 1, "links where they are possible: {made:?}");
            checkpoints.push((target, made.last_sequence, model.clone()));
        }
        work(&db, &mut random, &mut model, 12).unwrap();
        for (target, last, model) in checkpoints {
            let copy = open_at(&fs, &target).unwrap();
            assert_eq!(copy.last_sequence(), last);
            check_all(&copy, &model, ReadOptions::default(), 1_000);
            // It goes on by itself, and the source does not see it.
            let mut model = model;
            work(&copy, &mut random, &mut model, 12).unwrap();
            check_all(&copy, &model, ReadOptions::default(), 1_000);
            copy.close().unwrap();
        }
        check_all(&db, &model, ReadOptions::default(), 1_000);
        db.close().unwrap();
        check_all(&open(&fs, &clock()).unwrap(), &model, ReadOptions::default(), 1_000);
    });
}

/// What was committed: number of the last operation, and the keys it put into all of the trees named.
type Committed = (Sequence, Vec<TreeId>, Vec<Vec<u8>>);

/// A commit to both trees.
fn write_to_both(db: &Db, number: u64) -> Committed {
    let key = number.to_be_bytes().to_vec();
    let put = |tree| Write::Put { tree, key: key.clone(), value: vec![7; 400], expiry: i64::MAX };
    let done = db.write(batch(&TREES.map(put)), WriteOptions::default()).unwrap();
    (done.last, TREES.to_vec(), vec![key])
}

/// A transaction that goes past the log.
fn commit_draft(db: &Db, number: u64) -> Committed {
    let keys: Vec<_> = (0..20u8).map(|key| [&[0xff], &number.to_be_bytes()[..], &[key]].concat()).collect();
    let mut draft = db.draft(TREES[0]).unwrap();
    draft.write([], keys.iter().map(|key| (&key[..], Some(&[7; 400][..])))).unwrap();
    (db.commit_draft(draft).unwrap().last, vec![TREES[0]], keys)
}

/// The keys of both trees.
fn keys(db: &Db) -> [BTreeSet<Vec<u8>>; 2] {
    TREES.map(|tree| {
        let mut iter = db.iter(tree, EVERYTHING, ReadOptions::default()).unwrap();
        collect_forward(&mut iter).unwrap().into_iter().map(|(key, _)| key).collect()
    })
}

/// One thread commits to two trees at once, another commits drafts; a prefix in commit order has all of those
/// up to its last number and nothing of the others.
#[test]
fn under_concurrent_writes_it_is_a_prefix() {
    let dir = std::env::temp_dir().join(format!("flowdb-{}-checkpoint", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let real: Arc<dyn FileSystem> = Arc::new(RealFileSystem::new(FileAccess::default()));
    for (fs, root) in [(real, dir.as_path()), (Arc::new(MemoryFileSystem::new()) as _, Path::new("/"))] {
        let db = Db::open(Arc::clone(&fs), &root.join("source"), small_options(&clock())).unwrap();
        let done = AtomicBool::new(false);
        let committed = Mutex::new(Vec::new());
        let mut copies = Vec::new();
        std::thread::scope(|scope| {
            for commit in [write_to_both, commit_draft] {
                let (db, done, committed) = (&db, &done, &committed);
                scope.spawn(move || {
                    for number in (0u64..).take_while(|_| !done.load(Ordering::Relaxed)) {
                        let one = commit(db, number);
                        committed.lock().unwrap().push(one);
                    }
                });
            }
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    db.maintain(Duration::from_millis(1)).unwrap();
                }
            });
            for number in 0..25 {
                std::thread::sleep(Duration::from_millis(6));
                let before = db.last_sequence();
                let target = root.join(format!("copy-{number}"));
                let made = db.checkpoint(&target).unwrap();
                assert!(made.last_sequence >= before);
                copies.push((target, made.last_sequence));
            }
            done.store(true, Ordering::Relaxed);
        });
        let committed = committed.into_inner().unwrap();
        for (target, last) in copies {
            let copy = Db::open(Arc::clone(&fs), &target, small_options(&clock())).unwrap();
            assert_eq!(copy.last_sequence(), last);
            let of = |tree: &TreeId| {
                let seen = committed.iter().filter(|(end, trees, _)| *end <= last && trees.contains(tree));
                seen.flat_map(|(_, _, keys)| keys.clone()).collect::<BTreeSet<_>>()
            };
            assert!(keys(&copy) == TREES.each_ref().map(of), "{} is no prefix", target.display());
        }
        // Nothing that was held for a checkpoint stays behind.
        db.compact(TREES[0]).unwrap();
        db.compact(TREES[1]).unwrap();
        let tables: usize = db.stats().trees.iter().map(|tree| tree.tables.iter().sum::<usize>()).sum();
        let names = fs.list(&root.join("source")).unwrap();
        assert_eq!(names.iter().filter(|name| name.ends_with(".table")).count(), tables);
    }
    let _ = std::fs::remove_dir_all(&dir);
}

/// Stands still; when armed, it holds up the next caller that asks for the time, until a checkpoint is about
/// to wait for that caller.
#[derive(Debug, Default)]
struct GateClock {
    is_armed: AtomicBool,
    is_reached: AtomicBool,
    is_awaited: AtomicBool,
}

impl Watcher for GateClock {
    fn before_create(&self, path: &Path) {
        if path.starts_with(TARGET) {
            self.is_awaited.store(true, Ordering::SeqCst);
        }
    }
}

impl Clock for GateClock {
    fn now(&self) -> i64 {
        1_000
    }

    fn monotonic(&self) -> Duration {
        if self.is_armed.swap(false, Ordering::SeqCst) {
            self.is_reached.store(true, Ordering::SeqCst);
            while !self.is_awaited.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            // The checkpoint has its target. The lock that it comes to next does not tell who waits for it: a
            // few steps are left to it.
            std::thread::sleep(Duration::from_millis(50));
        }
        Duration::ZERO
    }
}

/// A draft is in no log: neither the state of before its commit with the end of after it, nor the other way
/// round, is a moment.
#[test]
fn a_draft_that_is_being_committed_is_in_it_or_comes_after_it() {
    let (disk, clock) = (Disk::new(), Arc::new(GateClock::default()));
    disk.watch(Arc::clone(&clock) as _);
    let fs: Arc<dyn FileSystem> = Arc::new(disk);
    let options = Options { clock: Arc::clone(&clock) as _, ..small_options(&support::clock()) };
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    let mut draft = db.draft(TREES[0]).unwrap();
    draft.write([], [(&b"draft"[..], Some(&b"value"[..]))]).unwrap();
    // Not synced: the commit of the draft sees to it, while nobody else can commit, and looks at the clock.
    write_to_both(&db, 1);
    db.flush().unwrap();
    let put = Write::Put { tree: TREES[1], key: vec![1], value: vec![1], expiry: i64::MAX };
    db.write(batch(&[put]), WriteOptions::default()).unwrap();
    clock.is_armed.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| db.commit_draft(draft).unwrap());
        while !clock.is_reached.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let made = db.checkpoint(Path::new(TARGET)).unwrap();
        let done = commit.join().unwrap();
        let copy = open_at(&fs, TARGET).unwrap();
        let is_there = copy.get(TREES[0], b"draft", ReadOptions::default()).unwrap().is_some();
        assert_eq!(is_there, made.last_sequence >= done.last, "{made:?}, {done:?}");
    });
}

#[test]
fn a_crash_at_any_call_leaves_the_source_and_a_target_that_is_whole_or_does_not_open() {
    for_seeds(2, |seed| {
        let run = |memory: &MemoryFileSystem, n: Option<u64>| {
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
            let db = open(&fs, &clock()).unwrap();
            let (mut random, mut model) = (Random::new(seed), Model::default());
            work(&db, &mut random, &mut model, 25).unwrap();
            let before = faulty.calls();
            if let Some(n) = n {
                faulty.fail_from(n, Fault::Eio);
            }
            let made = db.checkpoint(Path::new(TARGET));
            (made, model, faulty.calls() - before)
        };
        let calls = run(&MemoryFileSystem::crashable(), None).2;
        let mut whole = 0;
        for n in 1..=calls + 1 {
            let memory = MemoryFileSystem::crashable();
            let (made, model, _) = run(&memory, Some(n));
            for (unsynced, names) in [
                (Unsynced::Drop, Names::Drop),
                (Unsynced::RandomPrefix, Names::Random),
                (Unsynced::Drop, Names::Keep),
                (Unsynced::Keep, Names::Random),
            ] {
                let crash = CrashOptions { seed: seed * 1_000 + n, unsynced, names };
                let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(&crash));
                match open_at(&fs, TARGET) {
                    Ok(copy) => {
                        whole += 1;
                        check_all(&copy, &model, ReadOptions::default(), 1_000);
                    }
                    Err(error) => {
                        assert!(made.is_err(), "call {n}, {crash:?}: {error}");
                        let kinds = [ErrorKind::NotFound, ErrorKind::Corruption];
                        assert!(kinds.contains(&error.kind()), "call {n}, {crash:?}: {error:?}");
                    }
                }
                let source = open(&fs, &clock()).unwrap();
                if made.is_ok() {
                    check_all(&source, &model, ReadOptions::default(), 1_000);
                }
            }
        }
        assert!(whole >= 4, "the last run, at least, has a whole target");
    });
}

#[test]
fn a_failure_takes_back_what_was_begun_and_another_attempt_succeeds() {
    let (mut failures, mut copies) = (0, 0);
    for n in 1..40 {
        let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = open(&fs, &clock()).unwrap();
        let mut model = Model::default();
        work(&db, &mut Random::new(3), &mut model, 25).unwrap();
        faulty.fail_at(n, Fault::Enospc);
        let made = db.checkpoint(Path::new(TARGET));
        faulty.heal();
        match made {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Poisoned => panic!("call {n}: {error}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NoSpace, "call {n}: {error}");
                if error.message().starts_with("copying") {
                    assert!(error.file().unwrap().starts_with(TARGET), "call {n}: {error}");
                    copies += 1;
                }
                assert_eq!(fs.list(Path::new(TARGET)).unwrap(), [""; 0], "call {n}");
                failures += 1;
                // The log could not be synced: that is between the log and the disk.
                if db.flush().is_err() {
                    continue;
                }
                db.checkpoint(Path::new(TARGET)).unwrap();
            }
        }
        check_all(&open_at(&fs, TARGET).unwrap(), &model, ReadOptions::default(), 1_000);
    }
    assert!(failures > 5 && copies > 0);
}

#[test]
fn a_directory_with_files_is_refused_and_so_is_a_closed_database() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    assert_eq!(db.checkpoint(Path::new(DIR)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    db.checkpoint(Path::new(TARGET)).unwrap();
    assert_eq!(db.checkpoint(Path::new(TARGET)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    db.close().unwrap();
    assert_eq!(db.checkpoint(Path::new("/other")).unwrap_err().kind(), ErrorKind::Closed);
    assert!(!fs.exists(Path::new("/other")).unwrap());
    assert_eq!(open_at(&fs, TARGET).unwrap().last_sequence(), 0);
}

/// Its files would lie among those of a project, or beside the database itself, with nothing to tell them by.
#[test]
fn a_target_with_a_directory_in_it_is_not_empty() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = Db::open(Arc::clone(&fs), Path::new("/project/database"), small_options(&clock())).unwrap();
    let target = Path::new("/elsewhere");
    fs.create_dir_all(&target.join("photos")).unwrap();
    for (target, directory) in [(target, "photos"), (Path::new("/project"), "database")] {
        let error = db.checkpoint(target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(directory), "{error}");
        assert!(fs.list(target).unwrap().is_empty());
    }
}
