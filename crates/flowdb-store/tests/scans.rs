//! Scans of cache entries and of series against a plain map: random contents, ranges, windows, directions
//! and page sizes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail like tests"
)]

use bytes::Bytes;
use flowdb_engine::format::NEVER;
use flowdb_engine::{ReadTier, WriteBatch, WriteOptions};
use flowdb_store::kv::{self, KvScan};
use flowdb_store::series::{self, SeriesScan, Window};
use flowdb_store::{Direction, Form, KeyRange, PageEnd, PageLimits, Record, RecordRef, Store, StoreOptions};
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

fn owned(record: RecordRef<'_>) -> Record {
    Record::new(record.form(), record.contents())
}

/// A small generator of our own: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    /// Few and short, so that they are prefixes of each other and full of zeros.
    fn key(&mut self) -> Vec<u8> {
        let length = self.below(4);
        (0..length).map(|_| [0, 1, 0x61, 0xff][self.below(4) as usize]).collect()
    }

    fn bound(&mut self) -> Bound<Bytes> {
        match self.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(self.key().into()),
            _ => Bound::Excluded(self.key().into()),
        }
    }

    fn range(&mut self) -> KeyRange {
        match self.below(3) {
            0 => KeyRange::Prefix(self.key().into()),
            _ => KeyRange::Between(self.bound(), self.bound()),
        }
    }

    fn limits(&mut self) -> PageLimits {
        PageLimits { count: 1 + self.below(7) as usize, bytes: 1 + self.below(100) as usize }
    }

    fn direction(&mut self) -> Direction {
        if self.below(2) == 0 { Direction::Forward } else { Direction::Backward }
    }
}

fn contains(range: &KeyRange, key: &[u8]) -> bool {
    match range {
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::Between(lower, upper) => {
            (lower.clone(), upper.clone()).contains(&Bytes::copy_from_slice(key))
        }
    }
}

fn seed() -> u64 {
    let seed = std::env::var("FLOWDB_SEED").ok().map_or(20_261_121, |seed| seed.parse().unwrap());
    println!("FLOWDB_SEED={seed}");
    seed
}

#[test]
fn kv_scans_agree_with_a_map() {
    let mut random = Random(seed());
    for _ in 0..30 {
        let store = Store::memory(&StoreOptions::default()).unwrap();
        let mut model = BTreeMap::new();
        for step in 0..random.below(80) {
            let mut batch = WriteBatch::new();
            let key = random.key();
            if random.below(4) == 0 {
                kv::delete(&mut batch, &key).unwrap();
                model.remove(&key);
            } else {
                let record = Record::new(Form::Bytes, &step.to_be_bytes());
                kv::put(&mut batch, &key, record.as_bytes(), NEVER).unwrap();
                model.insert(key, record);
            }
            store.db().write(batch, WriteOptions::default()).unwrap();
        }
        for _ in 0..20 {
            let (range, direction) = (random.range(), random.direction());
            let mut scan = KvScan::new(store.db(), &range, direction, store.now());
            let mut found = Vec::new();
            let mut sink = |key: &[u8], record: RecordRef<'_>| {
                found.push((key.to_vec(), owned(record)));
                10
            };
            while scan.page(ReadTier::Disk, random.limits(), &mut sink).unwrap() == PageEnd::More {}
            let mut expected: Vec<_> =
                model.clone().into_iter().filter(|(key, _)| contains(&range, key)).collect();
            if direction == Direction::Backward {
                expected.reverse();
            }
            assert_eq!(found, expected, "{range:?} {direction:?}");
        }
    }
}

#[test]
fn series_scans_agree_with_a_map() {
    let mut random = Random(seed());
    let time = |random: &mut Random| match random.below(8) {
        0 => i64::MIN,
        1 => i64::MAX,
        _ => random.below(20) as i64 - 10,
    };
    for _ in 0..30 {
        let store = Store::memory(&StoreOptions::default()).unwrap();
        let mut model = BTreeMap::new();
        for step in 0..random.below(200) {
            let mut batch = WriteBatch::new();
            let (key, timestamp) = (random.key(), time(&mut random));
            match random.below(10) {
                0 => {
                    series::delete_all(&mut batch, &key).unwrap();
                    model.retain(|(other, _), _| *other != key);
                }
                1 => {
                    series::delete(&mut batch, &key, timestamp).unwrap();
                    model.remove(&(key, timestamp));
                }
                _ => {
                    let record = Record::new(Form::Bytes, &step.to_be_bytes());
                    series::put(&mut batch, &key, timestamp, record.as_bytes(), NEVER).unwrap();
                    model.insert((key, timestamp), record);
                }
            }
            store.db().write(batch, WriteOptions::default()).unwrap();
        }
        for _ in 0..20 {
            let (range, direction) = (random.range(), random.direction());
            let window = match random.below(4) {
                0 => Window::ALL,
                _ => Window { first: time(&mut random), last: time(&mut random) },
            };
            let mut scan = SeriesScan::new(store.db(), &range, window, direction, store.now());
            let mut found = Vec::new();
            let mut sink = |key: &[u8], timestamp: i64, record: RecordRef<'_>| {
                found.push(((key.to_vec(), timestamp), owned(record)));
                10
            };
            while scan.page(ReadTier::Disk, random.limits(), &mut sink).unwrap() == PageEnd::More {}
            let wanted = |(key, timestamp): &(Vec<u8>, i64)| {
                contains(&range, key) && (window.first..=window.last).contains(timestamp)
            };
            let mut expected: Vec<_> = model.clone().into_iter().filter(|(point, _)| wanted(point)).collect();
            if direction == Direction::Backward {
                expected.reverse();
            }
            assert_eq!(found, expected, "{range:?} {window:?} {direction:?}");
        }
        for key in model.keys().map(|(key, _)| key) {
            let latest = model.range((key.clone(), i64::MIN)..=(key.clone(), i64::MAX)).next_back().unwrap();
            let found = series::latest(store.db(), key, ReadTier::Disk).unwrap();
            assert_eq!(found, Some((latest.0.1, latest.1.clone())));
        }
    }
}

#[test]
fn a_scan_of_the_past_loses_no_key_where_memory_ends_among_its_versions() {
    const KEYS: u8 = 60;
    let mut random = Random(seed());
    for _ in 0..40 {
        let options = StoreOptions { block_bytes: Some(512), ..StoreOptions::default() };
        let store = Store::memory(&options).unwrap();
        let put_all = || {
            let mut batch = WriteBatch::new();
            (0..KEYS).for_each(|key| kv::put(&mut batch, &[key], &[1; 150], NEVER).unwrap());
            store.db().write(batch, WriteOptions::default()).unwrap();
        };
        put_all();
        let snapshot = store.snapshot();
        put_all();
        store.db().flush().unwrap();
        // Has some of the blocks in memory.
        (0..8).for_each(|_| drop(snapshot.kv().get(&[random.below(KEYS.into()) as u8]).unwrap()));
        for direction in [Direction::Forward, Direction::Backward] {
            let mut scan = snapshot.kv().scan(&KeyRange::all(), direction);
            let (mut found, mut tier) = (Vec::new(), ReadTier::Memory);
            loop {
                match scan.page(tier, random.limits(), |key, _| {
                    found.extend_from_slice(key);
                    10
                }) {
                    Ok(PageEnd::Done) => break,
                    Ok(PageEnd::More) => {}
                    Err(_) => tier = ReadTier::Disk,
                }
            }
            found.sort_unstable();
            assert_eq!(found, (0..KEYS).collect::<Vec<_>>(), "{direction:?}");
        }
    }
}
