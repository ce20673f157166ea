//! Goal: destroying a database removes its files and nobody else's, not while it is open, and never leaves an
//! older database behind. Method: small cases; a crash at every call.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileAccess, FileSystem, MemoryFileSystem, Names, RealFileSystem,
    Unsynced,
};
use flowdb_engine::{Db, ErrorKind, Options, WriteOptions, destroy};
use std::path::Path;
use std::sync::Arc;
use support::*;

fn fill(fs: &Arc<dyn FileSystem>, dir: &Path) -> Db {
    let db = Db::open(Arc::clone(fs), dir, small_options(&clock())).unwrap();
    let mut random = Random::new(1);
    for _ in 0..5 {
        let writes: Vec<_> = (0..20).map(|_| random_write(&mut random, 1 << 60, 9_000)).collect();
        db.write(batch(&writes), WriteOptions::default()).unwrap();
        db.flush().unwrap();
    }
    db
}

#[test]
fn a_closed_database_goes_and_an_open_one_stays() {
    let dir = std::env::temp_dir().join(format!("flowdb-{}-destroy", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let real: Arc<dyn FileSystem> = Arc::new(RealFileSystem::new(FileAccess::default()));
    for (fs, dir) in [(real, dir.as_path()), (Arc::new(MemoryFileSystem::new()) as _, Path::new("/memory"))] {
        assert_eq!(destroy(&*fs, dir).unwrap_err().kind(), ErrorKind::NotFound);
        let db = fill(&fs, dir);
        let before = fs.list(dir).unwrap().len();
        assert_eq!(destroy(&*fs, dir).unwrap_err().kind(), ErrorKind::Locked);
        assert_eq!(fs.list(dir).unwrap().len(), before);
        db.close().unwrap();
        drop(db);
        let reader = Options { read_only: true, ..small_options(&clock()) };
        let reader = Db::open(Arc::clone(&fs), dir, reader).unwrap();
        assert_eq!(destroy(&*fs, dir).unwrap_err().kind(), ErrorKind::Locked);
        drop(reader);
        destroy(&*fs, dir).unwrap();
        assert!(!fs.exists(dir).unwrap());
    }
}

#[test]
fn the_files_of_others_stay() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    fill(&fs, Path::new(DIR)).close().unwrap();
    let others = ["7.table", "0000000001.log.bak", "notes.txt"];
    for name in others {
        fs.create(&Path::new(DIR).join(name)).unwrap();
    }
    destroy(&*fs, Path::new(DIR)).unwrap();
    let mut left = fs.list(Path::new(DIR)).unwrap();
    left.sort();
    assert_eq!(left, ["0000000001.log.bak", "7.table", "notes.txt"]);
    assert_eq!(destroy(&*fs, Path::new(DIR)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn after_a_crash_at_any_call_it_is_as_it_was_or_does_not_open_and_can_be_destroyed() {
    let (mut untouched, mut begun) = (0, 0);
    for n in 1.. {
        let memory = MemoryFileSystem::crashable();
        let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
        let db = fill(&fs, Path::new(DIR));
        let last = db.last_sequence();
        db.close().unwrap();
        drop(db);
        let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
        faulty.fail_from(n, Fault::Eio);
        if destroy(&faulty, Path::new(DIR)).is_ok() {
            break;
        }
        for seed in 0..10 {
            let crash = CrashOptions { seed, unsynced: Unsynced::Drop, names: Names::Random };
            let crashed: Arc<dyn FileSystem> = Arc::new(memory.crash(&crash));
            let options = Options { create_if_missing: false, ..small_options(&clock()) };
            match Db::open(Arc::clone(&crashed), Path::new(DIR), options) {
                Ok(db) => {
                    assert_eq!(db.last_sequence(), last, "call {n}, seed {seed}");
                    untouched += 1;
                }
                Err(error) => {
                    assert!(
                        [ErrorKind::NotFound, ErrorKind::Corruption].contains(&error.kind()),
                        "{error:?}"
                    );
                    begun += 1;
                    match destroy(&*crashed, Path::new(DIR)) {
                        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
                        Ok(()) => assert!(!crashed.exists(Path::new(DIR)).unwrap()),
                    }
                }
            }
        }
    }
    assert!(untouched > 0 && begun > 0);
}
