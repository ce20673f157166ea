//! Goal: each row of `docs/durability.md` that is the engine's, shown once. Method: a file system in memory
//! that knows what was synced; a killed process leaves all of it, a power cut what was synced; single calls
//! fail at chosen moments. (Random workloads, crashed at every call: `crash.rs`.)

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
use flowdb_engine::{
    Db, Durability, Error, ErrorKind, ManualClock, ReadOptions, Result, SyncMode, WriteOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const KILLED: CrashOptions = CrashOptions { seed: 1, unsynced: Unsynced::Keep, names: Names::Keep };
const POWER_CUT: CrashOptions = CrashOptions { seed: 1, unsynced: Unsynced::Drop, names: Names::Drop };

const INTERVAL: Duration = Duration::from_millis(100);

struct World {
    memory: MemoryFileSystem,
    faulty: FaultyFileSystem,
    clock: Arc<ManualClock>,
    db: Db,
}

impl World {
    fn new(sync: SyncMode) -> Self {
        let memory = MemoryFileSystem::crashable();
        let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
        let clock = Arc::new(ManualClock::new(1_000));
        clock.advance(Duration::from_secs(1));
        let mut options = small_options(&clock);
        options.sync = sync;
        // A new segment begins with a sync of the old one, which is not to be what fails, or what helps.
        (options.log_segment_bytes, options.log_bytes_max) = (1 << 20, 1 << 20);
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = Db::open(fs, Path::new(DIR), options).unwrap();
        World { memory, faulty, clock, db }
    }

    fn put(&self, number: u32, durability: Option<Durability>) -> Result<()> {
        let (tree, key) = (TREES[0], number.to_be_bytes().to_vec());
        let put = Write::Put { tree, key, value: vec![7], expiry: i64::MAX };
        self.db.write(batch(&[put]), WriteOptions { durability }).map(drop)
    }

    /// What is found if the world ends now.
    fn left(&self, crash: &CrashOptions) -> Vec<u32> {
        let fs: Arc<dyn FileSystem> = Arc::new(self.memory.crash(crash));
        numbers(&open(&fs, &self.clock).unwrap())
    }
}

fn numbers(db: &Db) -> Vec<u32> {
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    let found = collect_forward(&mut iter).unwrap();
    found.iter().map(|(key, _)| u32::from_be_bytes(key[..].try_into().unwrap())).collect()
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.map(drop).map_err(|error: Error| error.kind()).unwrap_err()
}

#[test]
fn the_system_decides() {
    let world = World::new(SyncMode::Os);
    (0..5).for_each(|number| world.put(number, None).unwrap());
    assert_eq!(world.left(&KILLED), [0, 1, 2, 3, 4]);
    assert!(world.left(&POWER_CUT).is_empty(), "the system had written nothing back");
}

#[test]
fn an_interval_is_what_a_power_cut_may_cost() {
    let world = World::new(SyncMode::Interval(INTERVAL));
    (0..3).for_each(|number| world.put(number, None).unwrap());
    world.clock.advance(INTERVAL);
    world.db.maintain(Duration::ZERO).unwrap();
    (3..5).for_each(|number| world.put(number, None).unwrap());
    assert_eq!(world.left(&KILLED), [0, 1, 2, 3, 4]);
    assert_eq!(world.left(&POWER_CUT), [0, 1, 2]);
    world.clock.advance(INTERVAL);
    world.db.maintain(Duration::ZERO).unwrap();
    assert_eq!(world.left(&POWER_CUT), [0, 1, 2, 3, 4]);
}

#[test]
fn always_costs_nothing_and_neither_does_a_write_that_asks_for_it_nor_what_came_before() {
    let always = World::new(SyncMode::Always);
    (0..3).for_each(|number| always.put(number, None).unwrap());
    assert_eq!((always.left(&KILLED), always.left(&POWER_CUT)), (vec![0, 1, 2], vec![0, 1, 2]));
    for mode in [SyncMode::Os, SyncMode::Interval(INTERVAL)] {
        let world = World::new(mode);
        (0..3).for_each(|number| world.put(number, None).unwrap());
        world.put(3, Some(Durability::Synced)).unwrap();
        world.put(4, None).unwrap();
        assert_eq!(world.left(&KILLED), [0, 1, 2, 3, 4]);
        assert_eq!(world.left(&POWER_CUT), [0, 1, 2, 3]);
    }
}

#[test]
fn closing_in_order_costs_nothing_in_any_mode() {
    for mode in [SyncMode::Os, SyncMode::Interval(INTERVAL), SyncMode::Always] {
        let world = World::new(mode);
        (0..3).for_each(|number| world.put(number, None).unwrap());
        world.db.close().unwrap();
        assert_eq!(world.left(&POWER_CUT), [0, 1, 2], "{mode:?}");
    }
}

#[test]
fn closing_says_if_its_last_sync_failed_and_what_is_there_then_is_a_prefix() {
    for mode in [SyncMode::Os, SyncMode::Interval(INTERVAL)] {
        let world = World::new(mode);
        world.put(0, Some(Durability::Synced)).unwrap();
        (1..4).for_each(|number| world.put(number, None).unwrap());
        // The first call of a close with something to sync is that sync, or a write in front of it.
        world.faulty.fail_from(1, Fault::Eio);
        assert_eq!(kind(world.db.close()), ErrorKind::Io, "{mode:?}");
        world.faulty.heal();
        assert_eq!(world.left(&KILLED), [0, 1, 2, 3]);
        assert_eq!(world.left(&POWER_CUT), [0], "what was not synced may be gone");
        for seed in 0..20 {
            let torn = CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names: Names::Random };
            let left = world.left(&torn);
            assert_eq!(left, (0..).take(left.len()).collect::<Vec<u32>>());
            assert!(!left.is_empty());
        }
    }
}

#[test]
fn after_a_failed_sync_no_write_is_made_reads_go_on_and_an_opening_shows_what_there_is() {
    let world = World::new(SyncMode::Os);
    world.put(0, Some(Durability::Synced)).unwrap();
    world.put(1, None).unwrap();
    // The write of the log, then its sync.
    world.faulty.fail_at(2, Fault::Eio);
    assert_eq!(
        kind(world.put(2, Some(Durability::Synced))),
        ErrorKind::Io,
        "whether it was written is unknown"
    );
    for number in 3..6 {
        assert_eq!(kind(world.put(number, None)), ErrorKind::Poisoned);
    }
    assert!(world.db.get(TREES[0], &1_u32.to_be_bytes(), ReadOptions::default()).unwrap().is_some());
    assert!(numbers(&world.db).starts_with(&[0, 1]));
    assert_eq!(world.left(&KILLED), [0, 1, 2], "the write itself had come through");
    assert_eq!(world.left(&POWER_CUT), [0], "all that was acknowledged as synced");
    for seed in 0..20 {
        let left = world.left(&CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names: Names::Random });
        assert!([&[0][..], &[0, 1], &[0, 1, 2]].contains(&&left[..]), "{left:?}: nothing that was refused");
    }
}

#[test]
fn without_space_a_write_was_not_made_and_writes_go_on_once_there_is_some() {
    let world = World::new(SyncMode::Os);
    world.put(0, None).unwrap();
    world.faulty.fill();
    assert_eq!(kind(world.put(1, None)), ErrorKind::NoSpace);
    assert_eq!(numbers(&world.db), [0]);
    assert_eq!(world.left(&KILLED), [0]);
    world.faulty.heal();
    world.put(2, None).unwrap();
    assert_eq!((numbers(&world.db), world.left(&KILLED)), (vec![0, 2], vec![0, 2]));
}

/// The close is the last to be asked; whoever waits for it believes that all is on the disk.
#[test]
fn a_close_fails_if_what_was_acknowledged_could_not_be_synced_before() {
    let world = World::new(SyncMode::Interval(INTERVAL));
    let sync_when_due = || {
        world.clock.advance(INTERVAL);
        world.db.maintain(Duration::ZERO)
    };
    world.put(0, None).unwrap();
    sync_when_due().unwrap();
    world.put(1, None).unwrap();
    world.faulty.fail_at(1, Fault::Eio);
    sync_when_due().unwrap_err();
    assert_eq!(kind(world.put(2, None)), ErrorKind::Poisoned);
    assert_eq!(kind(world.db.close()), ErrorKind::Poisoned, "the second was acknowledged");
    assert_eq!(world.left(&POWER_CUT), [0]);
    world.db.close().unwrap();
}

/// What ended the writes was not the log's failure: it can still be synced.
#[test]
fn a_close_syncs_what_was_acknowledged_before_writes_ended() {
    for fails in [false, true] {
        let world = World::new(SyncMode::Os);
        world.put(0, None).unwrap();
        world.db.abandon("another has the directory");
        if fails {
            world.faulty.fail_from(1, Fault::Eio);
            assert_eq!(kind(world.db.close()), ErrorKind::Poisoned);
        } else {
            world.db.close().unwrap();
            assert_eq!(world.left(&POWER_CUT), [0]);
        }
    }
}

/// A world whose log lost what a sync that failed was to bring to the disk: all but number 0 of 1001. Its
/// database is closed.
fn after_a_failed_sync() -> World {
    let world = World::new(SyncMode::Os);
    let put = |number: u32, durability| {
        // The first of these trees gets full sooner.
        let writes = [(TREES[0], vec![7; 40]), (TREES[1], vec![7])].map(|(tree, value)| {
            let key = number.to_be_bytes().to_vec();
            Write::Put { tree, key, value, expiry: i64::MAX }
        });
        world.db.write(batch(&writes), WriteOptions { durability }).map(drop)
    };
    put(0, Some(Durability::Synced)).unwrap();
    (1..1_000).for_each(|number| put(number, None).unwrap());
    // A write, then its sync.
    world.faulty.fail_at(2, Fault::Eio);
    assert_eq!(kind(put(1_000, Some(Durability::Synced))), ErrorKind::Io);
    let names = world.memory.list(Path::new(DIR)).unwrap();
    let log = names.iter().filter(|name| name.ends_with(".log")).max().unwrap();
    world.memory.lose_unsynced(&Path::new(DIR).join(log)).unwrap();
    assert_eq!(kind(world.db.close()), ErrorKind::Poisoned);
    world
}

/// As it was, with smaller memtables, which are flushed while the log is replayed.
fn reopen(world: &World, write_buffer_bytes: usize) -> Result<Db> {
    let mut options = small_options(&world.clock);
    options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = write_buffer_bytes);
    Db::open(Arc::new(world.faulty.clone()), Path::new(DIR), options)
}

#[test]
fn what_a_failed_sync_lost_is_written_again_when_the_database_is_reopened() {
    for write_buffer_bytes in [1 << 20, 64 << 10] {
        for close in [false, true] {
            let what = format!("memtables of {write_buffer_bytes} bytes, closed in order: {close}");
            let world = after_a_failed_sync();
            let db = reopen(&world, write_buffer_bytes).unwrap();
            let mut expected = numbers(&db);
            assert_eq!(expected.len(), 1_001, "{what}");
            if close {
                db.close().unwrap();
            } else {
                let (tree, key) = (TREES[0], 1_001_u32.to_be_bytes().to_vec());
                let put = Write::Put { tree, key, value: vec![7], expiry: i64::MAX };
                db.write(batch(&[put]), WriteOptions { durability: Some(Durability::Synced) }).unwrap();
                expected.push(1_001);
            }
            assert_eq!(world.left(&POWER_CUT), expected, "{what}");
        }
    }
}

#[test]
fn a_power_cut_while_a_log_that_lost_something_is_replayed_leaves_a_prefix() {
    for call in 1.. {
        let world = after_a_failed_sync();
        world.faulty.fail_from(call, Fault::Eio);
        let opened = reopen(&world, 64 << 10);
        let left =
            open(&(Arc::new(world.memory.crash(&POWER_CUT)) as Arc<dyn FileSystem>), &world.clock).unwrap();
        let count = numbers(&left).len();
        assert!(count > 0, "call {call}");
        for tree in [TREES[0], TREES[1]] {
            let found =
                collect_forward(&mut left.iter(tree, EVERYTHING, ReadOptions::default()).unwrap()).unwrap();
            let expected = (0..count as u32).map(|number| number.to_be_bytes().to_vec());
            assert!(found.into_iter().map(|(key, _)| key.to_vec()).eq(expected), "call {call}, {tree:?}");
        }
        if opened.is_ok() {
            assert!(call > 10, "{call}");
            break;
        }
    }
}

/// Ends what the database had begun at call `call` of `act`, with what the manifest had not on the disk lost;
/// false if `act` was through before.
fn fail_and_lose_the_manifest(world: &World, call: u64, act: fn(&Db) -> Result<()>) -> bool {
    (0..200).for_each(|number| world.put(number, None).unwrap());
    world.put(200, Some(Durability::Synced)).unwrap();
    world.faulty.fail_at(call, Fault::Eio);
    let failed = act(&world.db).is_err();
    let is_due = world.faulty.is_past_fault();
    world.faulty.heal();
    if failed {
        world.memory.lose_unsynced(&Path::new(DIR).join("MANIFEST")).unwrap();
    }
    let _ = world.db.close();
    is_due
}

/// What is lost must not be taken for durable where there is no space to write it elsewhere, and what it had
/// made superfluous is needed.
#[test]
fn what_a_failed_sync_of_the_manifest_lost_is_written_again_or_not_built_upon() {
    let acts: [fn(&Db) -> Result<()>; 2] = [Db::flush, Db::close];
    let mut opened = 0;
    for (act, call, refused) in acts
        .into_iter()
        .flat_map(|act| (1..16).flat_map(move |call| (0..12).map(move |refused| (act, call, refused))))
    {
        let world = World::new(SyncMode::Os);
        if !fail_and_lose_the_manifest(&world, call, act) {
            break;
        }
        let what = format!("call {call}, then no space at call {refused} (0: none at all)");
        match refused {
            0 => world.faulty.fill(),
            call => world.faulty.fail_at(call, Fault::Enospc),
        }
        let db = reopen(&world, 1 << 20);
        opened += u32::from(db.is_ok());
        for unsynced in [Unsynced::Drop, Unsynced::Keep] {
            for names in [Names::Drop, Names::Keep] {
                let left = world.left(&CrashOptions { seed: 1, unsynced, names });
                assert_eq!(left.len(), 201, "{what}: {unsynced:?}, {names:?}");
            }
        }
        let Ok(db) = db else { continue };
        world.faulty.heal();
        let (tree, key) = (TREES[0], 201_u32.to_be_bytes().to_vec());
        let put = Write::Put { tree, key, value: vec![7; 5_000], expiry: i64::MAX };
        let written = db.write(batch(&[put]), WriteOptions { durability: Some(Durability::Synced) });
        let is_written = written.and_then(|_| db.flush()).is_ok();
        for names in [Names::Drop, Names::Keep] {
            let left = world.left(&CrashOptions { names, ..POWER_CUT });
            assert_eq!(left.len(), 201 + usize::from(is_written), "{what}: {names:?}");
        }
    }
    assert!(opened > 20, "{opened}");
}
