//! Goal: every read answers as a plain map does, whatever came before: overwrites, deletes, range deletes, expiry, snapshots, flush,
//! compaction, closing, dropping without closing. Method: long random runs on a file system in memory; the seed is printed on failure.
//! A longer run: `FLOWDB_SEEDS=10000 cargo test --release --test model`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ManualClock, ReadOptions, Snapshot, WriteOptions};
use std::sync::Arc;
use std::time::Duration;
use support::*;

struct Run {
    fs: Arc<dyn FileSystem>,
    clock: Arc<ManualClock>,
    now: i64,
    db: Db,
    model: Model,
    snapshots: Vec<(Snapshot, Model)>,
    random: Random,
}

impl Run {
    fn new(seed: u64) -> Self {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let clock = Arc::new(ManualClock::new(1_000));
        let db = open(&fs, &clock).unwrap();
        let random = Random::new(seed);
        Run { fs, clock, now: 1_000, db, model: Model::default(), snapshots: Vec::new(), random }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..=54 => self.write(),
            55..=69 => self.get(),
            70..=77 => self.scan(),
            78..=80 => self.take_or_drop_snapshot(),
            81..=84 => self.read_snapshot(),
            85..=90 => {
                self.db.maintain(Duration::ZERO).unwrap();
            }
            91..=92 => self.db.flush().unwrap(),
            93 => self.db.compact(TREES[self.random.one_in(2) as usize]).unwrap(),
            94..=95 => self.pass_time(),
            96 => self.walk(),
            97 => self.reopen(),
            _ => check_all(&self.db, &self.model, ReadOptions::default(), self.now),
        }
    }

    fn write(&mut self) {
        let count = 1 + self.random.below(6);
        let writes: Vec<_> = (0..count).map(|_| random_write(&mut self.random, self.now, 3_000)).collect();
        let commit = if self.random.one_in(4) {
            self.db.write(batch(&writes), WriteOptions::default()).unwrap()
        } else {
            match self.db.try_write(batch(&writes)) {
                Ok(commit) => commit,
                Err((error, batch)) => {
                    assert_eq!(error.kind(), flowdb_engine::ErrorKind::WouldBlock);
                    self.db.write(batch, WriteOptions::default()).unwrap()
                }
            }
        };
        assert_eq!(commit.last, self.db.last_sequence());
        self.model.apply(&writes);
    }

    fn get(&mut self) {
        let tree = TREES[self.random.one_in(2) as usize];
        let key = random_key(&mut self.random);
        let found = self.db.get(tree, &key, ReadOptions::default()).unwrap();
        let found = found.map(|entry| entry.value.to_vec());
        assert_eq!(found.as_deref(), self.model.get(tree, &key, self.now), "get {key:?} of {tree:?}");
    }

    fn scan(&mut self) {
        let tree = TREES[self.random.one_in(2) as usize];
        let bounds = (random_bound(&mut self.random), random_bound(&mut self.random));
        let expected = self.model.range(tree, &bounds, self.now);
        let mut iter = self.db.iter(tree, bounds.clone(), ReadOptions::default()).unwrap();
        assert_eq!(collect_forward(&mut iter).unwrap(), expected, "forward {bounds:?}");
        assert_eq!(collect_backward(&mut iter).unwrap(), expected, "backward {bounds:?}");
        let stride = 1 + self.random.below(20) as usize;
        assert_eq!(collect_visited(&mut iter, stride).unwrap(), expected, "visits of {stride} in {bounds:?}");
    }

    /// Seeks and steps in random directions, compared with a position in the sorted list.
    fn walk(&mut self) {
        let tree = TREES[self.random.one_in(2) as usize];
        let all = self.model.range(tree, &EVERYTHING, self.now);
        let mut iter = self.db.iter(tree, EVERYTHING, ReadOptions::default()).unwrap();
        let mut at: Option<usize> = None;
        for _ in 0..40 {
            match (at, self.random.below(4)) {
                (Some(index), 0 | 1) => {
                    iter.next().unwrap();
                    at = Some(index + 1).filter(|index| *index < all.len());
                }
                (Some(index), 2) => {
                    iter.prev().unwrap();
                    at = index.checked_sub(1);
                }
                (_, choice) => {
                    let key = random_key(&mut self.random);
                    if choice % 2 == 0 {
                        iter.seek(&key).unwrap();
                        at = all.iter().position(|(k, _)| *k >= key);
                    } else {
                        iter.seek_back(&key).unwrap();
                        at = all.iter().rposition(|(k, _)| *k <= key);
                    }
                }
            }
            let found = iter.valid().then(|| (iter.key().to_vec(), iter.shared_value().unwrap().to_vec()));
            assert_eq!(found.as_ref(), at.map(|index| &all[index]));
        }
    }

    fn take_or_drop_snapshot(&mut self) {
        if self.snapshots.len() > 3 || (!self.snapshots.is_empty() && self.random.one_in(2)) {
            let index = self.random.below(self.snapshots.len() as u64) as usize;
            self.snapshots.swap_remove(index);
        } else {
            self.snapshots.push((self.db.snapshot(), self.model.clone()));
        }
    }

    fn read_snapshot(&mut self) {
        if let Some((snapshot, model)) = self.snapshots.last() {
            let options = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
            check_all(&self.db, model, options, self.now);
        }
    }

    fn pass_time(&mut self) {
        self.now += self.random.below(150) as i64;
        self.clock.set(self.now);
    }

    fn reopen(&mut self) {
        self.snapshots.clear();
        let last = self.db.last_sequence();
        if self.random.one_in(2) {
            self.db.close().unwrap();
            self.db.close().unwrap();
        }
        // A database cannot be open twice, so the old handle goes before the new one comes.
        let elsewhere: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        self.db = open(&elsewhere, &self.clock).unwrap();
        self.db = open(&self.fs, &self.clock).unwrap();
        assert_eq!(self.db.last_sequence(), last, "sequence numbers never restart");
        check_all(&self.db, &self.model, ReadOptions::default(), self.now);
    }
}

fn run(seed: u64, steps: u64) {
    let mut run = Run::new(seed);
    for _ in 0..steps {
        run.step();
    }
    check_all(&run.db, &run.model, ReadOptions::default(), run.now);
}

#[test]
fn random_operations_answer_like_a_plain_map() {
    for_seeds(60, |seed| run(seed, 600));
}

/// What goes wrong early goes wrong in few steps, and is told by few.
#[test]
fn thousands_of_short_programs_do() {
    for_seeds(2_000, |seed| run(seed + 1_000_000, 30));
}
