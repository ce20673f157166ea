//! What the tests of records share: random numbers, keys and ranges, and a plain map to compare with.

use bytes::Bytes;
use flowdb_store::series::Window;
use flowdb_store::{Direction, Form, KeyRange, Record, RecordId, Shape, Store};
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

/// A small generator of our own: the same numbers on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    /// Few and short, so that they are prefixes of each other and full of zeros; now and then behind all
    /// that others reach.
    pub fn key(&mut self) -> Vec<u8> {
        if self.below(30) == 0 {
            return vec![0xff; 63 + self.below(4) as usize];
        }
        let length = self.below(4);
        (0..length).map(|_| [0, 1, 0x61, 0xff][self.below(4) as usize]).collect()
    }

    pub fn time(&mut self) -> i64 {
        match self.below(12) {
            0 => i64::MIN,
            1 => i64::MAX,
            _ => self.below(20) as i64 - 10,
        }
    }

    fn bound<T>(&mut self, value: T) -> Bound<T> {
        match self.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(value),
            _ => Bound::Excluded(value),
        }
    }

    pub fn range(&mut self) -> KeyRange {
        let (lower, upper) = (self.key().into(), self.key().into());
        match self.below(3) {
            0 => KeyRange::Prefix(lower),
            _ => KeyRange::Between(self.bound(lower), self.bound(upper)),
        }
    }

    pub fn window(&mut self) -> Window {
        let (lower, upper) = (self.time(), self.time());
        Window::between(self.bound(lower), self.bound(upper))
    }

    pub fn direction(&mut self) -> Direction {
        if self.below(2) == 0 { Direction::Forward } else { Direction::Backward }
    }

    pub fn record(&mut self) -> Record {
        let length = 8 + self.below(60) as usize;
        let byte = self.below(256) as u8;
        Record::new(Form::Bytes, &vec![byte; length])
    }
}

pub fn contains(range: &KeyRange, key: &[u8]) -> bool {
    match range {
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::Between(lower, upper) => {
            (lower.clone(), upper.clone()).contains(&Bytes::copy_from_slice(key))
        }
    }
}

/// Identity of a record that owns its key. Cache entries have timestamp 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owned {
    pub is_series: bool,
    pub key: Vec<u8>,
    pub timestamp: i64,
}

impl Owned {
    pub fn random(random: &mut Random) -> Self {
        let is_series = random.below(2) == 0;
        Owned { is_series, key: random.key(), timestamp: if is_series { random.time() } else { 0 } }
    }

    pub fn id(&self) -> RecordId<'_> {
        match self.is_series {
            true => RecordId::Series(&self.key, self.timestamp),
            false => RecordId::Kv(&self.key),
        }
    }

    pub fn shape(&self) -> Shape {
        self.id().shape()
    }
}

/// What the store should hold: record and expiry.
#[derive(Debug, Clone, Default)]
pub struct Model(pub BTreeMap<Owned, (Record, i64)>);

impl Model {
    pub fn get(&self, id: &Owned, now: i64) -> Option<&(Record, i64)> {
        self.0.get(id).filter(|(_, expiry)| *expiry > now)
    }

    pub fn remove(&mut self, mut unwanted: impl FnMut(&Owned) -> bool) {
        self.0.retain(|id, _| !unwanted(id));
    }

    /// What is in range and window and expires after `now`, in the order of a scan.
    pub fn scan(
        &self,
        shape: Shape,
        range: &KeyRange,
        window: Window,
        direction: Direction,
        now: i64,
    ) -> Vec<(Owned, Record, i64)> {
        let wanted = |id: &Owned| {
            id.shape() == shape
                && contains(range, &id.key)
                && (shape == Shape::Kv || (window.first..=window.last).contains(&id.timestamp))
        };
        let all = self.0.iter().filter(|(id, (_, expiry))| wanted(id) && *expiry > now);
        let mut all: Vec<_> =
            all.map(|(id, (record, expiry))| (id.clone(), record.clone(), *expiry)).collect();
        if direction == Direction::Backward {
            all.reverse();
        }
        all
    }
}

/// The same from the store.
pub fn scan_kv(
    kv: flowdb_store::kv::Kv<'_>,
    range: &KeyRange,
    direction: Direction,
) -> Vec<(Owned, Record, i64)> {
    let entries = kv.scan(range, direction).map(Result::unwrap);
    let owned = |key: Bytes| Owned { is_series: false, key: key.to_vec(), timestamp: 0 };
    entries.map(|entry| (owned(entry.key), entry.record, entry.expiry)).collect()
}

pub fn points(
    points: impl Iterator<Item = flowdb_engine::Result<flowdb_store::series::Point>>,
) -> Vec<(Owned, Record, i64)> {
    let owned = |key, timestamp| Owned { is_series: true, key, timestamp };
    let points = points.map(Result::unwrap);
    points.map(|point| (owned(point.key, point.timestamp), point.record, point.expiry)).collect()
}

/// The record as the store has it.
pub fn get(store: &Store, id: &Owned) -> Option<Record> {
    match id.is_series {
        true => store.series().get(&id.key, id.timestamp).unwrap(),
        false => store.kv().get(&id.key).unwrap(),
    }
}
