//! Goal: writers, readers, flush and compaction at the same time: every answer is right. Method: each writer
//! owns some keys and counts them up in batches that must be seen whole; readers check that counts never fall
//! and that a batch is never seen in part. And writers of which many wait for one sync, until all calls of
//! the file system fail: after the power cut everything acknowledged as synced is there, and all before it. A
//! longer run: `FLOWDB_SEEDS=500 cargo test --release --test concurrency`.

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
use flowdb_engine::{
    Commit, Db, Durability, ReadOptions, Result, Sequence, SyncMode, SystemClock, ThreadExecutor, WriteBatch,
    WriteOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::*;

const WRITERS: u8 = 8;
const ROUNDS: u64 = 800;
const KEYS: u8 = 8;

fn write_round(db: &Db, writer: u8, round: u64, durability: Option<Durability>) -> Result<Commit> {
    let mut batch = WriteBatch::new();
    for key in 0..KEYS {
        let mut value = round.to_be_bytes().to_vec();
        value.resize(100, writer);
        batch.put(TREES[usize::from(key % 2)], &[writer, key], &value, i64::MAX)?;
    }
    db.write(batch, WriteOptions { durability })
}

fn write_rounds(db: &Db, writer: u8) {
    for round in 1..=ROUNDS {
        write_round(db, writer, round, None).unwrap();
    }
}

/// The round that all keys of each writer show; fails if they differ.
fn rounds_seen(db: &Db) -> [u64; WRITERS as usize] {
    let snapshot = db.snapshot();
    let options = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
    let mut seen = [None; WRITERS as usize];
    for tree in TREES {
        for (key, value) in collect_forward(&mut db.iter(tree, EVERYTHING, options).unwrap()).unwrap() {
            let round = u64::from_be_bytes(value[..8].try_into().unwrap());
            let first = seen[usize::from(key[0])].get_or_insert(round);
            assert_eq!(*first, round, "writer {} is seen in part", key[0]);
            let entry = db.get(tree, &key, options).unwrap().expect("the scan saw it");
            assert_eq!(entry.value, value);
        }
    }
    seen.map(|round| round.unwrap_or(0))
}

#[test]
fn readers_see_whole_batches_and_never_go_back() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let executor = ThreadExecutor::new();
    let mut options = small_options(&Arc::default());
    options.clock = Arc::new(SystemClock::default());
    options.executor = Arc::clone(&executor) as _;
    let db = Db::open(fs, Path::new(DIR), options).unwrap();
    executor.start(db.clone(), Duration::from_millis(2));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = [0; WRITERS as usize];
                    while !done.load(Ordering::Acquire) {
                        let seen = rounds_seen(&db);
                        assert!(
                            seen.iter().zip(&last).all(|(now, before)| now >= before),
                            "{seen:?} after {last:?}"
                        );
                        last = seen;
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let db = &db;
                    move || write_rounds(db, writer)
                })
            })
            .collect();
        let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Release);
        for result in results.into_iter().chain(readers.into_iter().map(|reader| reader.join())) {
            result.unwrap();
        }
    });
    executor.stop();
    assert_eq!(rounds_seen(&db), [ROUNDS; WRITERS as usize]);
    db.close().unwrap();
}

/// The commits that a writer was told of, in order: the last number of each, and whether it was said
/// to be synced.
type Acknowledged = Vec<(Sequence, bool)>;

/// Writes until a call fails, or for `rounds`. Where the database does not sync always, every third commit
/// asks for it.
fn write_until_cut(db: &Db, writer: u8, rounds: u64, is_always: bool, mut random: Random) -> Acknowledged {
    let mut acknowledged = Vec::new();
    for round in 1..=rounds {
        let asks = !is_always && random.one_in(3);
        match write_round(db, writer, round, asks.then_some(Durability::Synced)) {
            Ok(commit) => acknowledged.push((commit.last, is_always || asks)),
            Err(_) => break,
        }
    }
    acknowledged
}

/// Writers at once on a file system whose every call fails from the `cut`-th on, if there are so many.
fn writers_and_a_cut(disk: &Disk, seed: u64, is_always: bool, cut: Option<u64>) -> Vec<Acknowledged> {
    let faulty = FaultyFileSystem::new(Arc::new(disk.clone()));
    let executor = ThreadExecutor::new();
    let mut options = small_options(&Arc::default());
    options.executor = Arc::clone(&executor) as _;
    options.sync = if is_always { SyncMode::Always } else { SyncMode::Os };
    let db = Db::open(Arc::new(faulty.clone()), Path::new(DIR), options).unwrap();
    executor.start(db.clone(), Duration::from_millis(2));
    if let Some(calls) = cut {
        faulty.fail_from(calls, Fault::Eio);
    }
    let acknowledged = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (db, random) = (&db, Random::new(seed * 100 + u64::from(writer)));
                scope.spawn(move || write_until_cut(db, writer, 100, is_always, random))
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    executor.stop();
    acknowledged
}

/// Each writer's commits up to the last one that is there, and none of a later number.
fn check_left(memory: &MemoryFileSystem, crash: &CrashOptions, acknowledged: &[Acknowledged]) {
    let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(crash));
    let db = open(&fs, &Arc::default()).unwrap();
    let last = db.last_sequence();
    let synced = acknowledged.iter().flatten().filter(|(_, is_synced)| *is_synced).map(|(number, _)| *number);
    let synced = synced.max().unwrap_or(0);
    assert!(last >= synced, "{crash:?}: {last} is there of {synced} synced");
    for (writer, (seen, commits)) in rounds_seen(&db).into_iter().zip(acknowledged).enumerate() {
        let expected = commits.iter().filter(|(number, _)| *number <= last).count() as u64;
        // A commit that failed may have happened.
        let is_attempt = expected == commits.len() as u64 && seen == expected + 1;
        assert!(seen == expected || is_attempt, "{crash:?}: writer {writer}: {seen} of {expected} rounds");
    }
}

#[test]
fn what_many_writers_had_synced_survives_a_power_cut_and_all_before_it() {
    for_seeds(24, |seed| {
        let memory = MemoryFileSystem::crashable();
        let disk = Disk::over(memory.clone());
        disk.slow_syncs(Duration::from_micros(50));
        let is_always = seed % 2 == 0;
        let cut = Random::new(seed).below(if is_always { 600 } else { 1_000 }) + 1;
        let acknowledged = writers_and_a_cut(&disk, seed, is_always, Some(cut));
        for (unsynced, names) in [
            (Unsynced::Drop, Names::Drop),
            (Unsynced::RandomPrefix, Names::Random),
            (Unsynced::Keep, Names::Keep),
        ] {
            check_left(&memory, &CrashOptions { seed, unsynced, names }, &acknowledged);
        }
    });
}

#[test]
fn writers_who_wait_for_the_disk_share_its_syncs() {
    let memory = MemoryFileSystem::crashable();
    let disk = Disk::over(memory.clone());
    disk.slow_syncs(Duration::from_micros(200));
    let acknowledged = writers_and_a_cut(&disk, 1, true, None);
    let commits = acknowledged.iter().map(Vec::len).sum::<usize>();
    assert_eq!(commits, usize::from(WRITERS) * 100);
    assert!(disk.syncs() < commits as u64 / 2, "{} syncs for {commits} commits", disk.syncs());
    check_left(&memory, &CrashOptions::default(), &acknowledged);
}
