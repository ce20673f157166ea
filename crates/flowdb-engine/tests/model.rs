//! Goal: every read answers as a plain map does, whatever came before: overwrites, deletes, range deletes,
//! expiry, snapshots, flush, compaction, closing, dropping without closing, a power cut, a call of the file
//! system that fails. Method: long random runs on a file system in memory; the seed is printed on failure. A
//! longer run: `FLOWDB_SEEDS=10000 cargo test --release --test model`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use bytes::Bytes;
use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem, Names, Unsynced,
};
use flowdb_engine::{Db, DbIterator, Durability, ManualClock, ReadOptions, Sequence, Snapshot, WriteOptions};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use support::*;

/// An iterator, and a position in the sorted list of what it has to show, `None` beyond its ends.
struct Walk {
    iter: DbIterator,
    bounds: (Bound<Bytes>, Bound<Bytes>),
    all: Vec<(Vec<u8>, Vec<u8>)>,
    at: Option<usize>,
}

impl Walk {
    /// A seek, or a step in a random direction.
    fn step(&mut self, random: &mut Random) {
        let (iter, all) = (&mut self.iter, &self.all);
        self.at = match (self.at, random.below(6)) {
            (Some(index), 0..=2) => {
                iter.next().unwrap();
                Some(index + 1).filter(|index| *index < all.len())
            }
            (Some(index), 3) => {
                iter.prev().unwrap();
                index.checked_sub(1)
            }
            (_, choice) => {
                let key = random_key(random);
                match (choice % 2 == 0, random.below(5)) {
                    (true, 0) => {
                        iter.seek_first().unwrap();
                        (!all.is_empty()).then_some(0)
                    }
                    (false, 0) => {
                        iter.seek_last().unwrap();
                        all.len().checked_sub(1)
                    }
                    (true, _) => {
                        iter.seek(&key).unwrap();
                        all.iter().position(|(k, _)| *k >= key)
                    }
                    (false, _) => {
                        iter.seek_back(&key).unwrap();
                        all.iter().rposition(|(k, _)| *k <= key)
                    }
                }
            }
        };
        let found = iter.valid().then(|| (iter.key().to_vec(), iter.shared_value().unwrap().to_vec()));
        assert_eq!(found.as_ref(), self.at.map(|index| &all[index]), "in {:?}", self.bounds);
    }
}

struct Run {
    memory: MemoryFileSystem,
    faulty: FaultyFileSystem,
    fs: Arc<dyn FileSystem>,
    clock: Arc<ManualClock>,
    now: i64,
    db: Db,
    model: Model,
    snapshots: Vec<(Snapshot, Model)>,
    walks: Vec<Walk>,
    /// The contents after each commit since the last one known to be synced, that one first.
    history: Vec<(Sequence, Model)>,
    random: Random,
}

impl Run {
    fn new(seed: u64) -> Self {
        let memory = MemoryFileSystem::crashable();
        let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let clock = Arc::new(ManualClock::new(1_000));
        let db = open(&fs, &clock).unwrap();
        let random = Random::new(seed);
        let (snapshots, walks, history) = (Vec::new(), Vec::new(), vec![(0, Model::default())]);
        let (now, model) = (1_000, Model::default());
        Run { memory, faulty, fs, clock, now, db, model, snapshots, walks, history, random }
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
            96..=97 => self.walk(),
            98 => match self.random.below(4) {
                0 => self.crash(),
                1 => self.fail_once(),
                _ => self.reopen(),
            },
            _ => check_all(&self.db, &self.model, ReadOptions::default(), self.now),
        }
    }

    fn write(&mut self) {
        let count = 1 + self.random.below(6);
        let writes: Vec<_> = (0..count).map(|_| random_write(&mut self.random, self.now, 3_000)).collect();
        let is_synced = self.random.one_in(12);
        let commit = if is_synced || self.random.one_in(4) {
            let durability = is_synced.then_some(Durability::Synced);
            self.db.write(batch(&writes), WriteOptions { durability }).unwrap()
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
        if is_synced {
            self.history.clear();
        }
        self.history.push((commit.last, self.model.clone()));
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

    /// Begins a walk within random bounds, of now or of a snapshot, and takes it up in later steps, over
    /// whatever is written meanwhile.
    fn begin_walk(&mut self) {
        let tree = TREES[self.random.one_in(2) as usize];
        let bounds = (random_bound(&mut self.random), random_bound(&mut self.random));
        let at = self.random.below(1 + 2 * self.snapshots.len() as u64) as usize / 2;
        let (sequence, model) = match self.snapshots.get(at) {
            Some((snapshot, model)) => (Some(snapshot.sequence()), model),
            None => (None, &self.model),
        };
        let all = model.range(tree, &bounds, self.now);
        let options = ReadOptions { sequence, ..ReadOptions::default() };
        let iter = self.db.iter(tree, bounds.clone(), options).unwrap();
        if self.walks.len() > 2 {
            self.walks.swap_remove(0);
        }
        self.walks.push(Walk { iter, bounds, all, at: None });
    }

    fn walk(&mut self) {
        if self.walks.is_empty() || self.random.one_in(3) {
            self.begin_walk();
        }
        let index = self.random.below(self.walks.len() as u64) as usize;
        for _ in 0..20 {
            self.walks[index].step(&mut self.random);
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
        let last = self.db.last_sequence();
        if self.random.one_in(2) {
            self.db.close().unwrap();
            self.db.close().unwrap();
            self.history.drain(..self.history.len() - 1);
        }
        self.let_go();
        self.open();
        assert_eq!(self.db.last_sequence(), last, "sequence numbers never restart");
        check_all(&self.db, &self.model, ReadOptions::default(), self.now);
    }

    /// A database cannot be open twice, so the old handle goes before the new one comes.
    fn let_go(&mut self) {
        self.snapshots.clear();
        self.walks.clear();
        let elsewhere: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        self.db = open(&elsewhere, &self.clock).unwrap();
    }

    fn open(&mut self) {
        let buffers = random_buffers(&mut self.random);
        self.db = open_with_buffers(&self.fs, &self.clock, buffers).unwrap();
    }

    /// The power is cut: what is there is what one of the commits since the last synced one has left.
    fn crash(&mut self) {
        self.let_go();
        let kinds = [(Unsynced::Drop, Names::Drop), (Unsynced::RandomPrefix, Names::Random)];
        let (unsynced, names) = kinds[self.random.one_in(2) as usize];
        self.memory = self.memory.crash(&CrashOptions { seed: self.random.next(), unsynced, names });
        self.faulty = FaultyFileSystem::new(Arc::new(self.memory.clone()));
        self.fs = Arc::new(self.faulty.clone());
        self.open();
        self.take_what_is_left();
    }

    /// One call of the file system fails under something that can be done again; where the database writes no
    /// more, it is opened again.
    fn fail_once(&mut self) {
        self.faulty.fail_at(1 + self.random.below(12), Fault::Eio);
        let tree = TREES[self.random.one_in(2) as usize];
        let (key, synced) = (b"40".to_vec(), Some(Durability::Synced));
        let put = [Write::Put { tree, key, value: vec![7; 3_000], expiry: i64::MAX }];
        let mut model = self.model.clone();
        model.apply(&put);
        self.history.push((self.db.last_sequence() + 1, model));
        let write = self.db.write(batch(&put), WriteOptions { durability: synced });
        let rest = self.db.flush().and_then(|()| self.db.compact(tree));
        self.faulty.heal();
        if write.is_err() || rest.is_err() {
            self.let_go();
            self.open();
        }
        let from = usize::from(write.is_ok()) * (self.history.len() - 1);
        self.history.drain(..from);
        self.take_what_is_left();
    }

    fn take_what_is_left(&mut self) {
        let last = self.db.last_sequence();
        let found = self.history.iter().position(|(sequence, _)| *sequence == last);
        let Some(index) = found else {
            panic!("{last} commits are there of {:?}", self.history.iter().map(|(number, _)| number));
        };
        self.history.truncate(index + 1);
        self.model = self.history[index].1.clone();
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
