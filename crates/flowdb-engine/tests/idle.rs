//! Goal: a database that nobody writes to gives the space of deleted, overwritten and expired data back
//! within a minute, without being closed, and comes to rest: it does not rewrite for ever. Method: simulated
//! time; maintenance is called only when the executor was woken or the time it asked for has come. Bytes are
//! counted by the file system.

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
use flowdb_engine::{
    Db, ErrorKind, Executor, Maintenance, ManualClock, ReadOptions, WriteBatch, WriteOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::*;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const MINUTE: Duration = Duration::from_secs(60);
const NEVER: i64 = i64::MAX;
const KEYS: u32 = 20_000;
const VALUE: usize = 396;

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Executor for Woken {
    fn wake(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct World {
    disk: Disk,
    clock: Arc<ManualClock>,
    woken: Arc<Woken>,
    db: Db,
    random: Random,
    calls: usize,
}

impl World {
    fn new() -> Self {
        let (disk, clock, woken) = (Disk::new(), Arc::new(ManualClock::new(0)), Arc::new(Woken::default()));
        let db = open(&disk, &clock, &woken);
        World { disk, clock, woken, db, random: Random::new(7), calls: 0 }
    }

    fn write(&self, batch: WriteBatch) {
        self.db.write(batch, WriteOptions::default()).unwrap();
    }

    fn put(&mut self, keys: impl Iterator<Item = u32>, length: usize, expiry: impl Fn(&mut Random) -> i64) {
        let mut batch = WriteBatch::new();
        for index in keys {
            let value: Vec<u8> =
                (0..length.div_ceil(8)).flat_map(|_| self.random.next().to_le_bytes()).collect();
            batch.put(TREES[0], &key(index), &value[..length], expiry(&mut self.random)).unwrap();
            if batch.len() == 100 {
                self.write(std::mem::take(&mut batch));
                self.serve();
            }
        }
        self.write(batch);
        self.serve();
    }

    fn delete(&mut self, keys: impl Iterator<Item = u32>) {
        let mut batch = WriteBatch::new();
        for index in keys {
            batch.delete(TREES[0], &key(index)).unwrap();
            if batch.len() == 50 {
                self.write(std::mem::take(&mut batch));
                self.serve();
            }
        }
        self.write(batch);
        self.serve();
    }

    /// What an executor does at once.
    fn serve(&mut self) {
        if self.woken.0.swap(false, Ordering::SeqCst) {
            while self.maintain() == Maintenance::More {}
        }
    }

    fn maintain(&mut self) -> Maintenance {
        self.calls += 1;
        self.db.maintain(Duration::from_secs(1)).unwrap()
    }

    /// Lets time pass: maintenance comes round when it was woken or has asked for it, not otherwise.
    fn idle(&mut self, time: Duration) {
        let mut left = time;
        // What it asked for when it was last called; asking once more changes nothing.
        let mut answer = self.maintain();
        loop {
            if self.woken.0.swap(false, Ordering::SeqCst) {
                answer = self.maintain();
                continue;
            }
            let Some(wait) = (match answer {
                Maintenance::More => Some(Duration::ZERO),
                Maintenance::Later(wait) => Some(wait),
                Maintenance::Idle => None,
            })
            .filter(|wait| *wait <= left) else {
                self.clock.advance(left);
                return;
            };
            self.clock.advance(wait);
            left -= wait;
            answer = self.maintain();
        }
    }

    fn entries(&self) -> usize {
        let mut iter = self.db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
        collect_forward(&mut iter).unwrap().len()
    }

    fn assert_small(&self, live: usize, what: &str) {
        let live = live as u64 * (VALUE as u64 + 4);
        let used = self.disk.used();
        assert_eq!(self.entries() as u64 * (VALUE as u64 + 4), live, "{what}");
        assert!(used * 10 <= live * 13, "{what}: {used} bytes for {live}: {:?}", self.db.stats());
    }
}

fn open(disk: &Disk, clock: &Arc<ManualClock>, woken: &Arc<Woken>) -> Db {
    let mut options = small_options(clock);
    // Large enough that headers, indexes and the manifest are small beside the data.
    for tree in &mut options.trees {
        (tree.block_bytes, tree.write_buffer_bytes) = (4 << 10, 256 << 10);
    }
    (options.table_bytes_max, options.log_segment_bytes, options.log_bytes_max) =
        (256 << 10, 1 << 20, 4 << 20);
    options.executor = Arc::clone(woken) as _;
    Db::open(Arc::new(disk.clone()), Path::new(DIR), options).unwrap()
}

fn key(index: u32) -> [u8; 4] {
    // Scattered, so that flushed tables overlap.
    index.wrapping_mul(0x9e37_79b1).to_be_bytes()
}

/// Nine in ten.
fn most() -> impl Iterator<Item = u32> {
    (0..KEYS).filter(|index| index % 10 != 0)
}

fn forever(_: &mut Random) -> i64 {
    NEVER
}

#[test]
fn deleted_space_comes_back() {
    let mut world = World::new();
    world.put(0..KEYS, VALUE, forever);
    world.delete(most());
    world.idle(MINUTE);
    world.assert_small(2_000, "deleted key by key");
}

#[test]
fn overwritten_space_comes_back() {
    let mut world = World::new();
    for _ in 0..3 {
        world.put(0..KEYS / 10, VALUE, forever);
    }
    world.idle(MINUTE);
    world.assert_small(2_000, "overwritten");
}

#[test]
fn a_cleared_range_comes_back_from_tables_on_every_level() {
    for is_compacted in [false, true] {
        let mut world = World::new();
        world.put(0..KEYS, VALUE, forever);
        if is_compacted {
            world.db.compact(TREES[0]).unwrap();
        }
        let mut batch = WriteBatch::new();
        batch.delete_range(TREES[0], &[], &(u32::MAX / 10 * 9).to_be_bytes()).unwrap();
        world.write(batch);
        world.serve();
        let left = world.entries();
        assert!((1_900..2_100).contains(&left), "{left} left");
        world.idle(MINUTE);
        world.assert_small(left, "cleared");
    }
}

#[test]
fn expired_space_comes_back_also_from_tables_that_hold_more_than_that() {
    let mut world = World::new();
    // A tenth stays, the others expire in the course of ten days.
    world.put((0..KEYS).filter(|index| index % 10 == 0), VALUE, forever);
    world.put(most(), VALUE, |random| 1 + random.below(10 * DAY as u64) as i64);
    world.idle(MINUTE);
    let before = world.disk.written();
    for day in 1..=10 {
        world.idle(Duration::from_secs(86_400));
        let live = world.entries();
        world.assert_small(live, &format!("day {day}"));
    }
    assert_eq!(world.entries(), 2_000);
    let rewritten = world.disk.written() - before;
    let all = u64::from(KEYS) * 400;
    assert!(rewritten < 6 * all, "{rewritten} bytes written to get rid of {all}");
}

#[test]
fn an_idle_database_comes_to_rest() {
    let mut world = World::new();
    world.put(
        0..KEYS,
        VALUE,
        |random| if random.one_in(3) { random.below(DAY as u64) as i64 } else { NEVER },
    );
    world.put((0..KEYS).step_by(3), VALUE / 2, forever);
    world.delete((0..KEYS).step_by(7));
    world.idle(MINUTE);
    world.idle(Duration::from_secs(2 * 86_400));
    let (written, calls) = (world.disk.written(), world.calls);
    world.idle(Duration::from_secs(30 * 86_400));
    assert_eq!(world.disk.written(), written, "nothing is rewritten any more");
    assert!(world.calls - calls <= 1, "{} calls for nothing", world.calls - calls);
}

#[test]
fn small_writes_now_and_then_do_not_rewrite_a_large_database() {
    let mut world = World::new();
    world.put(0..KEYS, VALUE, forever);
    world.idle(MINUTE);
    let (written, calls) = (world.disk.written(), world.calls);
    for index in 0..1_000 {
        world.put(index..index + 1, VALUE, forever);
        world.idle(MINUTE);
    }
    // A tenth of what is there may be overwritten before anything is rewritten for that.
    let more = world.disk.written() - written;
    assert!(more < 15 * 1_000 * 400, "{more} bytes written for {}", 1_000 * 400);
    assert!(world.calls - calls <= 5 * 1_000, "{} calls", world.calls - calls);
}

#[test]
fn steady_writes_do_not_call_maintenance_each_time() {
    let mut world = World::new();
    world.idle(MINUTE);
    let calls = world.calls;
    for index in 0..200 {
        world.put(index..index + 1, VALUE, forever);
    }
    assert!(world.calls - calls <= 3, "{} calls for 200 small commits", world.calls - calls);
}

#[test]
fn what_a_snapshot_kept_goes_when_it_is_dropped() {
    let mut world = World::new();
    world.put(0..KEYS, VALUE, forever);
    let snapshot = world.db.snapshot();
    world.delete(most());
    world.db.compact(TREES[0]).unwrap();
    world.idle(MINUTE);
    let at = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
    let seen = collect_forward(&mut world.db.iter(TREES[0], EVERYTHING, at).unwrap()).unwrap();
    assert_eq!(seen.len(), KEYS as usize);
    drop(snapshot);
    assert!(world.woken.0.load(Ordering::SeqCst), "the end of the snapshot wakes maintenance");
    world.idle(MINUTE);
    world.assert_small(2_000, "after the snapshot");
}

#[test]
fn a_table_goes_when_its_last_reader_lets_go() {
    let mut world = World::new();
    world.put(0..1_000, VALUE, forever);
    world.db.flush().unwrap();
    let mut iter = world.db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    iter.seek_first().unwrap();
    world.put(0..1_000, VALUE, forever);
    world.db.compact(TREES[0]).unwrap();
    world.idle(MINUTE);
    let tables = |world: &World| world.db.stats().trees[0].tables.iter().sum::<usize>();
    assert!(world.disk.count(".table") > tables(&world));
    drop(iter);
    world.idle(MINUTE);
    assert_eq!(world.disk.count(".table"), tables(&world));
}

#[test]
fn a_file_that_could_not_be_removed_is_tried_again() {
    let mut world = World::new();
    world.put(0..1_000, VALUE, forever);
    world.db.flush().unwrap();
    world.disk.keep_files(true);
    world.db.compact(TREES[0]).unwrap();
    world.idle(MINUTE);
    assert!(world.disk.count(".table") > 1);
    let calls = world.calls;
    world.idle(60 * MINUTE);
    assert!(world.calls - calls < 15, "less and less often");
    world.disk.keep_files(false);
    world.idle(61 * MINUTE);
    let tables: usize = world.db.stats().trees[0].tables.iter().sum();
    assert_eq!(world.disk.count(".table"), tables);
}

#[test]
fn reopened_it_goes_on() {
    let mut world = World::new();
    world.put(0..KEYS, VALUE, |random| if random.one_in(10) { NEVER } else { DAY });
    world.idle(MINUTE);
    world.db.close().unwrap();
    world.clock.set(2 * DAY);
    // The old handle goes before the new one comes.
    world.db = open(&Disk::new(), &world.clock, &world.woken);
    world.woken.0.store(false, Ordering::SeqCst);
    world.db = open(&world.disk, &world.clock, &world.woken);
    assert!(world.woken.0.load(Ordering::SeqCst), "an open database looks for work");
    world.idle(MINUTE);
    let live = world.entries();
    world.assert_small(live, "expired while it was closed");
}

#[test]
fn a_flush_without_space_does_not_keep_a_compaction_from_making_some() {
    let mut world = World::new();
    world.put(0..2_000, VALUE, |_| DAY);
    world.db.compact(TREES[0]).unwrap();
    world.put(0..300, VALUE, forever);
    world.disk.set_capacity(world.disk.used() + 1_000);
    assert_eq!(world.db.flush().unwrap_err().kind(), ErrorKind::NoSpace);
    world.db.maintain(Duration::ZERO).unwrap();
    assert_eq!(world.db.background_error().unwrap().error.kind(), ErrorKind::NoSpace);
    world.clock.set(2 * DAY);
    world.idle(MINUTE);
    assert_eq!(world.db.stats().trees[0].frozen_memtables, 0);
    assert_eq!(world.entries(), 300);
}
