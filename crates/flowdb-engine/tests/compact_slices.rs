//! Goal: a compaction of a whole tree lets others have the tree between its slices, comes to its end whatever
//! they do there, and then nothing is left of what was superfluous when it began; dropped or failed in
//! between, it leaves nothing. Method: the shortest slices there are, and between them maintenance that
//! fails, a close, or random operations beside a plain map: writes, flushes, maintenance, other compactions,
//! and time that makes a retention drop buckets.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FaultyFileSystem, FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Clock, Compaction, Db, ErrorKind, Maintenance, ManualClock, Options, ReadOptions, Retention,
    VerifyOptions, Work, WriteOptions, verify,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const KEYS: u32 = 1_500;
/// So long that it is never over by itself.
const SLICES_MAX: usize = 10_000;
const KEEP: Retention = Retention { keep: 100, bucket: 10 };

fn put(key: &[u8], value: Vec<u8>) -> Write {
    Write::Put { tree: TREES[0], key: key.to_vec(), value, expiry: i64::MAX }
}

fn write(db: &Db, writes: &[Write]) {
    db.write(batch(writes), WriteOptions::default()).unwrap();
}

/// Three tables on level 0, each with a value of every key.
fn filled(fs: &Arc<dyn FileSystem>) -> Db {
    let db = open(fs, &clock()).unwrap();
    for round in 0..3 {
        let puts: Vec<Write> = (0..KEYS).map(|key| put(&key.to_be_bytes(), vec![round; 20])).collect();
        write(&db, &puts);
        db.flush().unwrap();
    }
    db
}

fn memory() -> Arc<dyn FileSystem> {
    Arc::new(MemoryFileSystem::new())
}

/// A compaction in the middle of its largest job.
fn begun(db: &Db) -> Compaction {
    let mut compaction = db.compaction(TREES[0]);
    for _ in 0..3 {
        assert!(!compaction.run(Duration::ZERO).unwrap());
    }
    compaction
}

fn settle(db: &Db) {
    while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
}

fn finish(compaction: &mut Compaction) {
    assert!((0..SLICES_MAX).any(|_| compaction.run(Duration::ZERO).unwrap()), "it does not end");
}

fn assert_clean(fs: &dyn FileSystem, db: Db, options: Options) {
    db.close().unwrap();
    drop(db);
    let report = verify(fs, Path::new(DIR), &VerifyOptions { trees: options.trees }).unwrap();
    assert_eq!((report.problems, report.notes), (vec![], vec![]));
}

#[test]
fn a_compaction_that_is_dropped_is_not_gone_on_with() {
    for drops in [drop, Compaction::give_up] {
        let fs = memory();
        let db = filled(&fs);
        let compaction = begun(&db);
        let files = || fs.list(Path::new(DIR)).unwrap().len();
        let before = files();
        drops(compaction);
        settle(&db);
        assert!(files() < before, "what it was writing is gone");
        assert_eq!(db.stats().totals.compactions, 0);
        assert_clean(&*fs, db, small_options(&clock()));
    }
}

#[test]
fn a_compaction_that_fails_in_the_hands_of_maintenance_is_begun_anew() {
    for heals in [false, true] {
        let faulty = FaultyFileSystem::new(memory());
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = filled(&fs);
        let mut compaction = begun(&db);
        faulty.fill();
        settle(&db);
        assert_eq!(db.background_error().unwrap().work, Work::Compaction);
        if heals {
            faulty.heal();
            finish(&mut compaction);
            assert_eq!(db.stats().trees[0].table_entries, u64::from(KEYS));
        } else {
            let error = (0..SLICES_MAX).find_map(|_| compaction.run(Duration::ZERO).err()).unwrap();
            assert_eq!(error.kind(), ErrorKind::NoSpace);
            drop(compaction);
            faulty.heal();
        }
        assert_clean(&*fs, db, small_options(&clock()));
    }
}

#[test]
fn a_database_that_is_closed_between_two_slices_is_compacted_no_further() {
    let fs = memory();
    let db = filled(&fs);
    let mut compaction = begun(&db);
    db.close().unwrap();
    let again = open(&fs, &clock()).unwrap();
    assert_eq!(compaction.run(Duration::ZERO).unwrap_err().kind(), ErrorKind::Closed);
    drop(compaction);
    assert_clean(&*fs, again, small_options(&clock()));
}

/// Of a tree whose keys begin with a time.
fn timed_options(clock: &Arc<ManualClock>, retention: Option<Retention>) -> Options {
    let mut options = small_options(clock);
    options.trees[0].block_property = |key| Some(i64::from_be_bytes(*key.first_chunk()?));
    options.trees[0].retention = retention.into();
    options
}

/// What happens beside a compaction, and a plain map to compare with.
struct World {
    db: Db,
    random: Random,
    clock: Arc<ManualClock>,
    retention: Option<Retention>,
    expected: BTreeMap<Vec<u8>, Vec<u8>>,
    others: Vec<Compaction>,
    written: u32,
}

impl World {
    fn new(fs: &Arc<dyn FileSystem>, seed: u64) -> World {
        let mut random = Random::new(seed);
        let clock = clock();
        let retention = random.one_in(2).then_some(KEEP);
        let db = Db::open(Arc::clone(fs), Path::new(DIR), timed_options(&clock, retention)).unwrap();
        World { db, random, clock, retention, expected: BTreeMap::new(), others: Vec::new(), written: 0 }
    }

    /// Some of it a second time.
    fn fill(&mut self) {
        for _ in 0..3 {
            for key in 0..400 {
                self.put(key % 300);
            }
            self.db.flush().unwrap();
        }
    }

    /// With a time of the last while.
    fn put(&mut self, number: u32) {
        let time = 920 + i64::from(number % 100);
        let key = [&time.to_be_bytes()[..], &number.to_be_bytes()].concat();
        let length = if self.random.one_in(20) { 2 * LARGE } else { 20 };
        let value = vec![self.random.next() as u8; length];
        write(&self.db, &[put(&key, value.clone())]);
        self.expected.insert(key, value);
    }

    fn happen(&mut self) {
        match self.random.below(9) {
            0 => self.db.flush().unwrap(),
            1 => drop(self.db.maintain(Duration::ZERO).unwrap()),
            2 => self.others.push(self.db.compaction(TREES[0])),
            3..=4 => self.run_other(),
            5 => drop(self.others.pop()),
            6 => self.others.pop().into_iter().for_each(Compaction::give_up),
            7 if self.random.one_in(4) => self.clock.advance(Duration::from_micros(5)),
            _ => {
                // Keys that are nowhere else, so that nothing superfluous comes of them.
                self.written += 1;
                self.put(1_000 + self.written);
            }
        }
    }

    fn run_other(&mut self) {
        if let Some(mut other) = self.others.pop()
            && !other.run(Duration::ZERO).unwrap()
        {
            self.others.insert(0, other);
        }
    }

    fn check(&self) {
        let oldest = self.retention.map_or(0, |retention| self.clock.now() - retention.keep as i64);
        let is_kept = |(key, _): &(&Vec<u8>, &Vec<u8>)| key[..] >= oldest.to_be_bytes()[..];
        let expected: Vec<_> =
            self.expected.iter().filter(is_kept).map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut found = self.db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
        assert_eq!(collect_forward(&mut found).unwrap(), expected);
    }
}

#[test]
fn a_compaction_keeps_what_it_promises_whatever_happens_between_its_slices() {
    for_seeds(20, |seed| {
        let fs = memory();
        let mut world = World::new(&fs, seed);
        world.fill();
        let mut compaction = world.db.compaction(TREES[0]);
        let is_done = (0..SLICES_MAX).any(|_| {
            let is_done = compaction.run(Duration::ZERO).unwrap();
            if !is_done {
                world.happen();
            }
            is_done
        });
        assert!(is_done, "it does not end");
        world.check();
        world.db.flush().unwrap();
        if world.retention.is_none() {
            assert_eq!(world.db.stats().trees[0].table_entries, world.expected.len() as u64);
        }
        world.others.clear();
        settle(&world.db);
        world.check();
        let World { db, clock, retention, .. } = world;
        assert_clean(&*fs, db, timed_options(&clock, retention));
    });
}
