//! Goal: what fails in the background is told, is tried again with growing pauses, and ends as soon as its
//! cause does; meanwhile as much goes on as can. What cannot be tried again refuses writes until the database
//! is reopened. Method: a file system that fails on request, for each kind of work; a clock that is moved by
//! hand; a listener that takes down what it is told.

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
use flowdb_engine::fs::{Fault, FaultyFileSystem, FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Commit, Db, Durability, ErrorKind, Event, EventListener, Maintenance, ManualClock, Options, ReadOptions,
    Result, SyncMode, TreeId, Work, WriteOptions,
};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use support::*;

#[derive(Debug, Default)]
struct Notes {
    told: Mutex<Vec<String>>,
    /// Called back from within: an event is told under no lock.
    db: OnceLock<Db>,
}

impl EventListener for Notes {
    fn on_event(&self, event: &Event) {
        if let Some(db) = self.db.get() {
            let _ = (db.stats(), db.get(TREES[0], b"x", ReadOptions::default()), db.background_error());
            let _ = db.write(batch(&[]), WriteOptions::default());
            let _ = db.maintain(Duration::ZERO);
        }
        self.told.lock().unwrap().push(match event {
            Event::BackgroundError(error) => format!("error {:?} {:?}", error.work, error.error.kind()),
            Event::Resumed(work) => format!("resumed {work:?}"),
            Event::StallBegan => "stall".to_owned(),
            Event::StallEnded => "stall ended".to_owned(),
            Event::Flushed { tree, .. } => format!("flushed {}", tree.0),
            Event::Compacted { tree, .. } => format!("compacted {}", tree.0),
            Event::Corruption(error) => format!("corruption {:?}", error.kind()),
            other => format!("{other:?}"),
        });
    }
}

struct World {
    faulty: FaultyFileSystem,
    clock: Arc<ManualClock>,
    notes: Arc<Notes>,
    db: Db,
}

impl World {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
        let clock = Arc::new(ManualClock::new(1_000));
        let notes = Arc::new(Notes::default());
        let mut options = small_options(&clock);
        options.events = Some(Arc::clone(&notes) as _);
        // A new segment begins with a sync of the old one, which must not be what fails.
        (options.log_segment_bytes, options.log_bytes_max) = (1 << 20, 1 << 20);
        change(&mut options);
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = Db::open(fs, Path::new(DIR), options).unwrap();
        World { faulty, clock, notes, db }
    }

    fn write_of(index: u32) -> Write {
        let key = index.to_be_bytes().to_vec();
        Write::Put { tree: TREES[0], key, value: vec![7; 2_000], expiry: i64::MAX }
    }

    fn put(&self, index: u32) -> Result<Commit> {
        self.db.write(batch(&[Self::write_of(index)]), WriteOptions::default())
    }

    fn has(&self, index: u32) -> bool {
        self.db.get(TREES[0], &index.to_be_bytes(), ReadOptions::default()).unwrap().is_some()
    }

    /// Fills one memtable, so that there is something to flush.
    fn fill_memtable(&self) {
        let frozen = |world: &World| world.db.stats().trees[0].frozen_memtables;
        (0..).take_while(|_| frozen(self) == 0).for_each(|index| {
            self.put(index).unwrap();
        });
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.told.lock().unwrap())
    }

    fn maintain(&self) -> Maintenance {
        loop {
            let left = self.db.maintain(Duration::ZERO).unwrap();
            if left != Maintenance::More {
                return left;
            }
        }
    }

    fn seconds_until_retry(&self) -> u64 {
        match self.maintain() {
            Maintenance::Later(pause) => pause.as_secs(),
            other => panic!("{other:?}"),
        }
    }
}

fn while_failing<T>(world: &World, fault: Fault, call: impl FnOnce() -> T) -> T {
    world.faulty.fail_from(1, fault);
    let result = call();
    world.faulty.heal();
    result
}

#[test]
fn writes_that_fail_are_counted_and_the_faults_of_callers_are_not() {
    let world = World::new(|_| {});
    let write_errors = || world.db.stats().totals.write_errors;
    world.put(0).unwrap();
    world.faulty.fill();
    for count in 1..4 {
        assert_eq!(world.put(1).unwrap_err().kind(), ErrorKind::NoSpace);
        assert_eq!(write_errors(), count);
    }
    let (postponed, kept) = world.db.try_write(batch(&[World::write_of(1)])).unwrap_err();
    assert_eq!((postponed.kind(), write_errors()), (ErrorKind::WouldBlock, 3));
    let refused = world.db.write(kept, WriteOptions::default()).unwrap_err();
    assert_eq!((refused.kind(), write_errors()), (ErrorKind::NoSpace, 4));
    let mut draft = world.db.draft(TREES[0]).unwrap();
    assert!(draft.write([], [(&b"k"[..], Some(&b"v"[..]))]).is_err());
    assert_eq!(write_errors(), 5);
    world.faulty.heal();
    world.put(2).unwrap();
    let elsewhere =
        world.db.write(batch(&[Write::Delete { tree: TreeId(77), key: vec![1] }]), WriteOptions::default());
    assert_eq!(elsewhere.unwrap_err().kind(), ErrorKind::InvalidArgument);
    world.db.close().unwrap();
    assert_eq!(world.put(3).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(write_errors(), 5);
}

#[test]
fn a_flush_without_space_stops_writes_until_one_succeeds_by_itself() {
    let world = World::new(|_| {});
    world.fill_memtable();
    assert_eq!(while_failing(&world, Fault::Enospc, || world.seconds_until_retry()), 1);
    let error = world.db.background_error().unwrap();
    assert_eq!((error.work, error.error.kind(), error.since), (Work::Flush, ErrorKind::NoSpace, 1_000));
    assert!(error.resumes);
    assert_eq!(world.told(), ["error Flush NoSpace"]);

    // Writes are refused at once, though there is room in memory; reads go on.
    let refused = while_failing(&world, Fault::Enospc, || world.put(0)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoSpace);
    assert!(refused.to_string().contains("nothing was written"), "{refused}");
    assert!(world.has(0));
    assert_eq!(world.told(), ["stall", "stall ended"]);

    // Each failure is followed by a longer pause, to a minute.
    let pauses = while_failing(&world, Fault::Enospc, || {
        let pause = |_| {
            world.clock.advance(Duration::from_secs(60));
            world.seconds_until_retry()
        };
        (0..7).map(pause).collect::<Vec<_>>()
    });
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(world.db.background_error().unwrap().since, 1_000, "it has lasted since then");

    // There is space again: nothing is tried before its time, then all goes on.
    assert_eq!(world.seconds_until_retry(), 60);
    world.told();
    world.clock.advance(Duration::from_secs(60));
    assert_ne!(world.maintain(), Maintenance::More);
    assert!(world.db.background_error().is_none());
    assert_eq!(world.told(), ["flushed 1", "resumed Flush"]);
    world.put(99_999).unwrap();
    assert!(world.has(99_999) && world.has(0));
}

#[test]
fn a_writer_tries_again_when_its_time_has_come() {
    let world = World::new(|_| {});
    world.fill_memtable();
    while_failing(&world, Fault::Enospc, || world.maintain());
    assert_eq!(world.put(0).unwrap_err().kind(), ErrorKind::NoSpace);
    world.clock.advance(Duration::from_secs(1));
    // Nobody maintains but this writer.
    world.put(0).unwrap();
    assert!(world.db.background_error().is_none());
}

#[test]
fn resume_tries_at_once() {
    let world = World::new(|_| {});
    world.fill_memtable();
    while_failing(&world, Fault::Enospc, || world.maintain());
    let failed = while_failing(&world, Fault::Enospc, || world.db.resume()).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NoSpace);
    assert!(world.db.background_error().is_some());
    world.db.resume().unwrap();
    assert!(world.db.background_error().is_none());
    world.put(0).unwrap();
    world.db.resume().unwrap();
}

#[test]
fn a_flush_by_hand_ends_the_failure_too() {
    let world = World::new(|_| {});
    world.fill_memtable();
    while_failing(&world, Fault::Enospc, || world.maintain());
    world.db.flush().unwrap();
    assert!(world.db.background_error().is_none());
    world.put(0).unwrap();
}

#[test]
fn a_flush_with_a_broken_device_lets_writes_go_on_until_memtables_are_full() {
    let world = World::new(|_| {});
    world.fill_memtable();
    // The table cannot be created; what follows is not reached.
    world.faulty.fail_at(1, Fault::Eio);
    assert_eq!(world.seconds_until_retry(), 1);
    assert_eq!(world.db.background_error().unwrap().error.kind(), ErrorKind::Io);
    let written = (1_000..).take_while(|index| world.put(*index).is_ok()).count() as u32;
    assert!(written > 20, "another memtable's worth: {written}");
    let refused = world.put(0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io);
    assert!(refused.to_string().contains("injected device error"), "{refused}");
    assert!((1_000..1_000 + written).all(|index| world.has(index)));
    world.clock.advance(Duration::from_secs(1));
    world.put(0).unwrap();
    assert!(world.db.background_error().is_none());
    world.db.close().unwrap();
}

/// Tables on level 0 that a compaction is due for, and a frozen memtable.
fn with_compaction_and_flush_due() -> World {
    let world = World::new(|options| options.frozen_memtables_max = 4);
    for round in 0..4 {
        (0..20).for_each(|index| {
            world.put(round * 10 + index).unwrap();
        });
        world.db.flush().unwrap();
    }
    world.fill_memtable();
    world.told();
    world
}

#[test]
fn a_compaction_goes_on_where_a_flush_finds_no_space() {
    let world = with_compaction_and_flush_due();
    // The flush is tried first: its table cannot be created.
    world.faulty.fail_at(1, Fault::Enospc);
    world.seconds_until_retry();
    assert_eq!(world.told(), ["error Flush NoSpace", "compacted 1"]);
    assert_eq!(world.db.stats().trees[0].tables[0], 0);
    assert_eq!(world.db.background_error().unwrap().work, Work::Flush);
}

#[test]
fn a_compaction_without_space_is_tried_again_and_writes_go_on() {
    let world = with_compaction_and_flush_due();
    world.db.flush().unwrap();
    world.told();
    world.faulty.fail_at(1, Fault::Enospc);
    assert_eq!(world.seconds_until_retry(), 1);
    assert_eq!(world.told(), ["error Compaction NoSpace"]);
    world.put(0).unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_ne!(world.maintain(), Maintenance::More);
    assert_eq!(world.told(), ["compacted 1", "resumed Compaction"]);
    assert!(world.db.background_error().is_none());
}

#[test]
fn writes_that_wait_for_a_compaction_that_fails_learn_why() {
    let world = World::new(|_| {});
    for round in 0..24 {
        world.put(round).unwrap();
        world.db.flush().unwrap();
    }
    world.faulty.fail_at(1, Fault::Enospc);
    assert_eq!(world.put(0).unwrap_err().kind(), ErrorKind::NoSpace);
    assert_eq!(world.db.background_error().unwrap().work, Work::Compaction);
    world.clock.advance(Duration::from_secs(1));
    world.put(0).unwrap();
}

#[test]
fn a_new_log_segment_without_space_is_tried_again() {
    let world = World::new(|options| {
        options.trees[0].write_buffer_bytes = 16 << 20;
        options.log_segment_bytes = 64 << 10;
    });
    (0..).take_while(|_| world.db.stats().log_bytes < 66 << 10).for_each(|index| {
        world.put(index).unwrap();
    });
    // The sync and the cut of the old segment, then the new one.
    world.faulty.fail_at(4, Fault::Enospc);
    assert_eq!(world.seconds_until_retry(), 1);
    assert_eq!(world.told(), ["error LogSegment NoSpace"]);
    world.put(0).unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_ne!(world.maintain(), Maintenance::More);
    assert_eq!(world.db.stats().log_segments, 2);
    assert_eq!(world.told(), ["resumed LogSegment"]);
}

/// A log that is large beside the tables, and nobody writes.
fn at_rest_with_a_large_log() -> World {
    let world = World::new(|options| {
        options.trees[0].write_buffer_bytes = 16 << 20;
        (options.log_segment_bytes, options.log_bytes_max) = (4 << 20, 16 << 20);
    });
    for index in 0..100 {
        world.put(index).unwrap();
    }
    assert_ne!(world.maintain(), Maintenance::More);
    world.clock.advance(Duration::from_secs(6));
    world
}

#[test]
fn a_log_that_cannot_be_emptied_at_rest_is_tried_again_less_and_less_often() {
    let world = at_rest_with_a_large_log();
    world.faulty.fill();
    let pauses = (0..8).map(|_| {
        let pause = world.seconds_until_retry();
        world.clock.advance(Duration::from_secs(pause));
        pause
    });
    assert_eq!(pauses.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(world.told(), ["error LogRelease NoSpace"; 8]);
    assert_eq!(world.db.background_error().unwrap().work, Work::LogRelease);
    world.faulty.heal();
    world.maintain();
    assert!(world.db.background_error().is_none());
    assert_eq!(world.told(), ["resumed LogRelease", "flushed 1"]);
    assert!(world.has(0) && world.has(99));
}

#[test]
fn writes_go_on_where_a_log_could_not_be_emptied_at_rest_and_it_is_tried_again() {
    let world = at_rest_with_a_large_log();
    world.faulty.fill();
    assert_eq!(world.seconds_until_retry(), 1);
    world.faulty.heal();
    world.put(100).unwrap();
    assert_eq!(world.seconds_until_retry(), 1);
    world.clock.advance(Duration::from_secs(1));
    world.maintain();
    assert!(world.db.background_error().is_none());
    assert_eq!(world.told(), ["error LogRelease NoSpace", "resumed LogRelease", "flushed 1"]);
    assert!(world.has(100));
}

fn is_over(world: &World, work: Work) {
    let error = world.db.background_error().unwrap();
    assert_eq!((error.work, error.resumes), (work, false));
    assert_eq!(world.put(0).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(world.db.resume().unwrap_err().kind(), ErrorKind::Poisoned);
    assert_ne!(world.maintain(), Maintenance::More);
    let told = world.told();
    let kind = error.error.kind();
    assert_eq!(
        told.iter().filter(|told| **told == format!("error {work:?} {kind:?}")).count(),
        1,
        "{told:?}"
    );
}

#[test]
fn a_failed_sync_ends_all_writes_until_reopened() {
    let world = World::new(|_| {});
    world.put(1).unwrap();
    // The write, then the sync.
    world.faulty.fail_at(2, Fault::Eio);
    let options = WriteOptions { durability: Some(Durability::Synced) };
    let put = Write::Put { tree: TREES[0], key: b"key".to_vec(), value: b"value".to_vec(), expiry: i64::MAX };
    assert_eq!(world.db.write(batch(&[put]), options).unwrap_err().kind(), ErrorKind::Io);
    is_over(&world, Work::LogSync);
    assert!(world.has(1), "reads go on");
}

#[test]
fn a_failed_sync_of_the_interval_ends_all_writes_until_reopened() {
    let world = World::new(|options| options.sync = SyncMode::Interval(Duration::from_millis(50)));
    world.clock.advance(Duration::from_secs(1));
    world.put(1).unwrap();
    world.clock.advance(Duration::from_millis(50));
    world.faulty.fail_at(1, Fault::Eio);
    assert_eq!(world.db.maintain(Duration::ZERO).unwrap_err().kind(), ErrorKind::Io);
    is_over(&world, Work::LogSync);
}

#[test]
fn a_failed_write_of_the_log_ends_all_writes_until_reopened() {
    let world = World::new(|_| {});
    world.faulty.fail_at(1, Fault::Eio);
    assert_eq!(world.put(1).unwrap_err().kind(), ErrorKind::Io);
    is_over(&world, Work::LogWrite);
}

#[test]
fn a_failed_edit_of_the_manifest_ends_all_writes_until_reopened() {
    let calls_of_a_flush = {
        let world = World::new(|_| {});
        world.fill_memtable();
        let before = world.faulty.calls();
        world.db.flush().unwrap();
        world.faulty.calls() - before
    };
    let world = World::new(|_| {});
    world.fill_memtable();
    // The edit's sync is the last call, but for files removed behind it.
    let mut poisoned = false;
    for call in (1..=calls_of_a_flush).rev() {
        world.faulty.fail_at(call, Fault::Eio);
        poisoned = world.db.maintain(Duration::ZERO).is_err();
        if poisoned {
            break;
        }
        world.faulty.heal();
        world.clock.advance(Duration::from_secs(60));
        world.fill_memtable();
    }
    assert!(poisoned);
    is_over(&world, Work::Manifest);
}

#[test]
fn abandoning_is_told() {
    let world = World::new(|_| {});
    world.db.abandon("another directory stands there");
    is_over(&world, Work::Directory);
}

#[test]
fn corruption_met_by_a_read_is_told() {
    let memory = MemoryFileSystem::new();
    let fs: Arc<dyn FileSystem> = Arc::new(memory);
    let notes = Arc::new(Notes::default());
    let mut options = small_options(&Arc::default());
    options.events = Some(Arc::clone(&notes) as _);
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    let put = Write::Put { tree: TREES[0], key: b"key".to_vec(), value: vec![7; 300], expiry: i64::MAX };
    db.write(batch(&[put]), WriteOptions::default()).unwrap();
    db.flush().unwrap();
    notes.told.lock().unwrap().clear();
    let names = fs.list(Path::new(DIR)).unwrap();
    let table = names.iter().find(|name| name.ends_with(".table")).unwrap();
    fs.open_write(&Path::new(DIR).join(table)).unwrap().write_at(20, b"damage").unwrap();
    let error = db.get(TREES[0], b"key", ReadOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap().seek_first().is_err());
    assert_eq!(*notes.told.lock().unwrap(), ["corruption Corruption", "corruption Corruption"]);
    assert!(db.background_error().is_none());
}

#[test]
fn a_listener_may_call_the_database() {
    let world = World::new(|_| {});
    world.notes.db.set(world.db.clone()).unwrap();
    (0..200).for_each(|index| {
        world.put(index).unwrap();
    });
    world.faulty.fail_at(1, Fault::Eio);
    let _ = world.put(0);
    world.db.compact(TREES[0]).unwrap_err();
    let told = world.told();
    assert!(told.iter().any(|told| told == "flushed 1"), "{told:?}");
    assert_eq!(told.iter().filter(|told| told.starts_with("error")).count(), 1, "{told:?}");
}

/// Maintains whenever a table is begun: in the middle of a flush.
#[derive(Debug)]
struct Maintainer {
    db: Db,
    tables_begun: AtomicUsize,
}

impl Watcher for Maintainer {
    fn before_create(&self, path: &Path) {
        if path.extension().is_some_and(|end| end == "table") {
            let left = self.db.maintain(Duration::ZERO);
            assert!(matches!(left, Ok(Maintenance::Later(_))), "the flush is at work");
            assert_eq!(self.db.stats().latencies.sync.count(), 1, "the log was synced beside it");
            self.tables_begun.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn the_interval_is_kept_while_a_flush_is_at_work() {
    let disk = Disk::new();
    let clock = Arc::new(ManualClock::new(0));
    let mut options = small_options(&clock);
    options.sync = SyncMode::Interval(Duration::from_millis(50));
    let db = Db::open(Arc::new(disk.clone()), Path::new(DIR), options).unwrap();
    clock.advance(Duration::from_secs(1));
    let put = Write::Put { tree: TREES[0], key: b"key".to_vec(), value: b"value".to_vec(), expiry: i64::MAX };
    db.write(batch(&[put]), WriteOptions::default()).unwrap();
    clock.advance(Duration::from_millis(50));
    let maintainer = Arc::new(Maintainer { db: db.clone(), tables_begun: AtomicUsize::new(0) });
    disk.watch(Arc::clone(&maintainer) as _);
    db.flush().unwrap();
    assert_eq!(db.stats().totals.flushes, 1);
    assert_eq!(maintainer.tables_begun.load(Ordering::SeqCst), 1, "it was asked in the middle of the flush");
}
