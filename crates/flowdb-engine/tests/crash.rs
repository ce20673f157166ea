//! Goal: after a crash at any call of the file system, everything acknowledged as synced is there, what is
//! there is a prefix in commit order, and no commit is there in part. Method: a random workload runs on a
//! file system that from its n-th call on fails; then it "crashes": unsynced bytes and names are dropped,
//! kept, or kept in part. Every n, several kinds of crash, several workloads. A longer run:
//! `FLOWDB_SEEDS=200 cargo test --release --test crash`.

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
use flowdb_engine::{Db, Durability, ManualClock, ReadOptions, Sequence, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

/// What was asked of the database before the crash.
#[derive(Default)]
struct History {
    /// State after each commit that may have happened, by the commit's number. The empty database
    /// is number 0.
    states: Vec<(Sequence, Model)>,
    /// Number of the last commit acknowledged as synced.
    synced: Sequence,
}

/// Runs until the end, or until the first error.
fn workload(fs: &Arc<dyn FileSystem>, seed: u64, history: &mut History) -> flowdb_engine::Result<()> {
    let clock = Arc::new(ManualClock::new(1_000));
    let mut random = Random::new(seed);
    history.states.push((0, Model::default()));
    let mut db = open(fs, &clock)?;
    for _ in 0..30 {
        match random.below(14) {
            0 => db.flush()?,
            1 => {
                db.maintain(Duration::ZERO)?;
            }
            2 => db.compact(TREES[0])?,
            3 => {
                if random.one_in(2) {
                    db.close()?;
                }
                drop(db);
                db = open(fs, &clock)?;
            }
            _ => commit(&db, &mut random, history)?,
        }
    }
    db.close()
}

fn commit(db: &Db, random: &mut Random, history: &mut History) -> flowdb_engine::Result<()> {
    let count = 1 + random.below(5);
    let writes: Vec<_> = (0..count).map(|_| random_write(random, i64::MAX - 1_000, 9_000)).collect();
    let batch = batch(&writes);
    let operations = batch.len();
    let (last, model) = history.states.last().expect("it begins with the empty database");
    let mut model = model.clone();
    model.apply(&writes);
    // Noted before the attempt: a commit that fails in the middle may have happened, or not.
    let number = last + operations;
    if operations > 0 {
        history.states.push((number, model));
    }
    let synced = random.one_in(3);
    let durability = if synced { Durability::Synced } else { Durability::Os };
    let done = db.write(batch, WriteOptions { durability: Some(durability) })?;
    assert_eq!(done.last, number, "sequence numbers are contiguous");
    if synced {
        history.synced = number;
    }
    Ok(())
}

fn check_recovered(memory: &MemoryFileSystem, crash: &CrashOptions, history: &History, whole: bool) {
    let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(crash));
    let clock = Arc::new(ManualClock::new(1_000));
    let db = match open(&fs, &clock) {
        Ok(db) => db,
        Err(error) => panic!("after {crash:?}: {error}"),
    };
    let last = db.last_sequence();
    assert!(last >= history.synced, "{crash:?}: {last} is there of {} synced", history.synced);
    let Some((_, model)) = history.states.iter().find(|(number, _)| *number == last) else {
        panic!("{crash:?}: operation {last} is not the end of a commit");
    };
    if whole {
        assert_eq!(last, history.states.last().expect("not empty").0);
    }
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        check_all(&db, model, ReadOptions::default(), 1_000);
    }));
    assert!(checked.is_ok(), "{crash:?}: wrong contents at operation {last}, {} synced", history.synced);
    // What was recovered can be written to, closed and opened again.
    db.write(
        batch(&[Write::Put { tree: TREES[0], key: b"after".to_vec(), value: vec![1], expiry: i64::MAX }]),
        WriteOptions { durability: Some(Durability::Synced) },
    )
    .unwrap();
    db.close().unwrap();
    drop(db);
    let db = open(&fs, &clock).unwrap();
    assert_eq!(db.last_sequence(), last + 1);
    assert!(db.get(TREES[0], b"after", ReadOptions::default()).unwrap().is_some());
}

fn crashes(seed: u64) -> [CrashOptions; 4] {
    [
        CrashOptions { seed, unsynced: Unsynced::Drop, names: Names::Drop },
        CrashOptions { seed, unsynced: Unsynced::Keep, names: Names::Drop },
        CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names: Names::Random },
        CrashOptions { seed: seed ^ 0xabcd, unsynced: Unsynced::RandomPrefix, names: Names::Keep },
    ]
}

#[test]
fn a_crash_at_any_call_leaves_a_prefix_with_everything_synced() {
    for_seeds(4, |seed| {
        let calls = {
            let faulty = Arc::new(FaultyFileSystem::new(Arc::new(MemoryFileSystem::crashable())));
            let mut history = History::default();
            let fs: Arc<dyn FileSystem> = faulty.clone();
            workload(&fs, seed, &mut history).unwrap();
            faulty.calls()
        };
        for n in 1..=calls {
            let memory = MemoryFileSystem::crashable();
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            faulty.fail_from(n, Fault::Eio);
            let fs: Arc<dyn FileSystem> = Arc::new(faulty);
            let mut history = History::default();
            let result = workload(&fs, seed, &mut history);
            for crash in crashes(seed.wrapping_mul(1_000) + n) {
                check_recovered(&memory, &crash, &history, false);
            }
            // A superfluous file that cannot be removed is no failure of the workload.
            let _ = result;
        }
    });
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    for_seeds(40, |seed| {
        let memory = MemoryFileSystem::crashable();
        let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
        let mut history = History::default();
        workload(&fs, seed, &mut history).unwrap();
        let kill = CrashOptions { seed, unsynced: Unsynced::Keep, names: Names::Keep };
        check_recovered(&memory, &kill, &history, true);
    });
}

#[test]
fn a_log_segment_that_could_not_be_begun_does_no_harm() {
    let put = |index: u64, length| Write::Put {
        tree: TREES[0],
        key: index.to_be_bytes().to_vec(),
        value: vec![index as u8; length],
        expiry: i64::MAX,
    };
    for n in 1..=14 {
        for seed in 0..40 {
            let memory = MemoryFileSystem::crashable();
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
            let mut options = small_options(&Arc::default());
            options.trees[0].write_buffer_bytes = 16 << 20;
            let db = Db::open(fs, Path::new(DIR), options).unwrap();
            db.write(batch(&[put(0, 70 << 10)]), WriteOptions { durability: Some(Durability::Synced) })
                .unwrap();
            faulty.fail_at(n, Fault::Eio);
            // This begins a new segment, or fails to, and then the old one goes on.
            let _ = db.maintain(Duration::ZERO);
            for index in 1..4 {
                let _ = db.write(batch(&[put(index, 3_000)]), WriteOptions::default());
            }
            for unsynced in [Unsynced::Drop, Unsynced::RandomPrefix, Unsynced::Keep] {
                let crash = CrashOptions { seed, unsynced, names: Names::Random };
                let crashed: Arc<dyn FileSystem> = Arc::new(memory.crash(&crash));
                let found = open(&crashed, &Arc::default());
                let db = found.unwrap_or_else(|error| panic!("call {n}, {crash:?}: {error}"));
                assert!((1..=4).contains(&db.last_sequence()));
            }
        }
    }
}

#[test]
fn a_crash_at_any_call_of_a_close_that_empties_the_log_loses_nothing() {
    let puts: Vec<_> = (0..20u64)
        .map(|index| Write::Put {
            tree: TREES[index as usize % 2],
            key: index.to_be_bytes().to_vec(),
            value: vec![index as u8; 8 << 10],
            expiry: i64::MAX,
        })
        .collect();
    let mut history = History::default();
    history.states.push((0, Model::default()));
    let mut model = Model::default();
    model.apply(&puts);
    history.states.push((20, model));
    let prepare = |fs: Arc<dyn FileSystem>| {
        let mut options = small_options(&Arc::default());
        options.log_segment_bytes = 16 << 20;
        options.log_bytes_max = 64 << 20;
        options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = 16 << 20);
        let db = Db::open(fs, Path::new(DIR), options).unwrap();
        db.write(batch(&puts), WriteOptions { durability: Some(Durability::Synced) }).unwrap();
        db.flush().unwrap();
        db
    };
    history.synced = 20;
    let calls = {
        let memory = MemoryFileSystem::crashable();
        let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
        let db = prepare(Arc::new(faulty.clone()));
        let before = faulty.calls();
        db.close().unwrap();
        let names = memory.list(Path::new(DIR)).unwrap();
        assert!(names.iter().any(|name| name.ends_with("2.log")), "{names:?}");
        assert!(!names.iter().any(|name| name.ends_with("1.log")), "{names:?}");
        faulty.calls() - before
    };
    for n in 1..=calls {
        for seed in 0..20 {
            let memory = MemoryFileSystem::crashable();
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            let db = prepare(Arc::new(faulty.clone()));
            if seed % 2 == 0 {
                faulty.fail_from(n, Fault::Eio);
            } else {
                faulty.fail_at(n, Fault::Eio);
            }
            let _ = db.close();
            for crash in crashes(seed * 1_000 + n) {
                check_recovered(&memory, &crash, &history, true);
            }
        }
    }
}
