//! Goal: a visit shows each visible entry once, wherever it is broken off, and whatever it could not read.
//! Method: random small databases whose blocks are in memory here and there; visits in memory go on by visits
//! that read files from the key at which they failed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use bytes::Bytes;
use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, DbIterator, ErrorKind, ReadOptions, ReadTier, WriteOptions};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use support::*;

const WRITES: u64 = 400;

struct World {
    random: Random,
    db: Db,
    model: Model,
}

impl World {
    /// Several tables on level 0, perhaps some beneath, something in the memtable, and none of the
    /// blocks in memory.
    fn new(seed: u64) -> World {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let clock = clock();
        let mut world =
            World { random: Random::new(seed), db: open(&fs, &clock).unwrap(), model: Model::default() };
        for _ in 0..WRITES {
            let mut write = random_write(&mut world.random, 1_000, 2 * LARGE);
            if world.random.one_in(2) {
                // Many range deletes leave little; without any, visits go the short way.
                write = match write {
                    Write::DeleteRange { tree, start, .. } => Write::Delete { tree, key: start },
                    write => write,
                };
            }
            world.db.write(batch(std::slice::from_ref(&write)), WriteOptions::default()).unwrap();
            world.model.apply(&[write]);
            match world.random.below(120) {
                0..=2 => world.db.flush().unwrap(),
                3 => world.db.compact(TREES[0]).unwrap(),
                _ => {}
            }
        }
        world.db.flush().unwrap();
        world.db.close().unwrap();
        world.db = open(&fs, &clock).unwrap();
        world
    }

    fn iter(&self, tier: ReadTier, end: &Bound<Bytes>) -> DbIterator {
        let read = ReadOptions { tier, ..ReadOptions::default() };
        self.db.iter(TREES[0], (Bound::Unbounded, end.clone()), read).unwrap()
    }

    /// Visits entries behind `passed`, at most `room` of them, and notes their keys; the error that ended it.
    fn visit(
        &self,
        tier: ReadTier,
        end: &Bound<Bytes>,
        passed: &mut Option<Vec<u8>>,
        mut room: u64,
        seen: &mut Vec<Vec<u8>>,
    ) -> flowdb_engine::Result<bool> {
        let mut iter = self.iter(tier, end);
        match passed {
            None => iter.seek_first()?,
            Some(key) => {
                iter.seek(key)?;
                if iter.valid() && iter.key() == &key[..] {
                    iter.next()?;
                }
            }
        }
        let before = seen.len();
        let result = iter.visit(|key, _| {
            if room == 0 {
                return ControlFlow::Break(());
            }
            room -= 1;
            seen.push(key.to_vec());
            ControlFlow::Continue(())
        });
        if let Some(last) = seen[before..].last() {
            *passed = Some(last.clone());
            if result.is_err() {
                assert!(iter.passed_key() >= &last[..], "what was shown was passed");
                *passed = Some(iter.passed_key().to_vec());
            }
        }
        result.map(|()| iter.valid())
    }
}

#[test]
fn every_entry_is_shown_once() {
    let blocked = std::sync::atomic::AtomicU64::new(0);
    for_seeds(40, |seed| {
        let mut world = World::new(seed);
        for _ in 0..6 {
            let end = random_bound(&mut world.random);
            let expected: Vec<_> = world
                .model
                .range(TREES[0], &(Bound::Unbounded, end.clone()), 1_000)
                .into_iter()
                .map(|(key, _)| key)
                .collect();
            let (mut seen, mut passed) = (Vec::new(), None);
            loop {
                let room = 1 + world.random.below(30);
                match world.visit(ReadTier::Memory, &end, &mut passed, room, &mut seen) {
                    Ok(false) => break,
                    Ok(true) => continue,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                blocked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if !world.visit(ReadTier::Disk, &end, &mut passed, 3, &mut seen).unwrap() {
                    break;
                }
            }
            assert_eq!(seen, expected, "up to {end:?}");
        }
    });
    assert!(blocked.into_inner() > 40, "visits were to meet blocks that are not in memory");
}

#[test]
fn entries_that_are_newer_than_the_snapshot_count_as_passed() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    let put = |key: &str| {
        let put = Write::Put { tree: TREES[0], key: key.into(), value: vec![1], expiry: i64::MAX };
        db.write(batch(&[put]), WriteOptions::default()).unwrap();
    };
    ["a", "m500", "z"].into_iter().for_each(put);
    let snapshot = db.snapshot();
    (0..1_000).for_each(|index| put(&format!("m{index:03}")));
    // More versions than are passed one by one.
    (0..20).for_each(|_| ["m500", "m700"].into_iter().for_each(put));
    let read = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
    let mut iter = db.iter(TREES[0], EVERYTHING, read).unwrap();
    let (seen, pauses) = visit_in_pages(&mut iter, 9);
    assert_eq!(seen, [&b"a"[..], b"m500", b"z"]);
    assert_eq!(pauses, 99, "ten of 999 at a time");
}
