//! What the tests of several modules share.

use super::Cursor;
#[derive(Debug, Clone)]
pub(crate) struct RangeDelete {
    pub(crate) start: Bytes,
    pub(crate) end: Bytes,
    pub(crate) sequence: Sequence,
}
impl From<RangeDelete> for (Bytes, Bytes, Sequence) {
    fn from(r: RangeDelete) -> Self {
        (r.start, r.end, r.sequence)
    }
}
use crate::error::Result;
use crate::format::NEVER;
use crate::key::{Entry, Kind, Sequence, compare};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A small random number generator (xorshift).
pub(crate) struct Rng(u64);

impl Rng {
    /// The same seed gives the same numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number less than `bound`, which may not be 0; 0 for bound 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.number() >> 11).checked_rem(bound).unwrap_or(0)
    }

    /// The same for positions in slices.
    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    /// A byte less than `bound`.
    pub(crate) fn byte(&mut self, bound: u8) -> u8 {
        u8::try_from(self.below(bound.into())).unwrap()
    }
}

/// A run of entries in a vector, and the number of steps taken in it.
#[derive(Debug)]
pub(crate) struct VecCursor {
    entries: Vec<Entry>,
    position: Option<usize>,
}

impl VecCursor {
    /// Over `entries`, which are sorted here.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| compare(&a.key, a.sequence, &b.key, b.sequence));
        VecCursor { entries, position: None }
    }

    fn place(&mut self, position: usize) {
        self.position = (position < self.entries.len()).then_some(position);
    }

    fn current(&self) -> &Entry {
        &self.entries[self.position.unwrap()]
    }

    fn at_or_after(&self, key: &[u8], sequence: Sequence) -> usize {
        self.entries.partition_point(|entry| compare(&entry.key, entry.sequence, key, sequence).is_lt())
    }
}

impl Cursor for VecCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.place(0);
        Ok(())
    }
    fn seek_last(&mut self) -> Result<()> {
        self.place(self.entries.len().wrapping_sub(1));
        Ok(())
    }
    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.place(self.at_or_after(key, sequence));
        Ok(())
    }
    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.place(self.at_or_after(key, sequence).wrapping_sub(1));
        Ok(())
    }
    fn next(&mut self) -> Result<()> {
        self.place(self.position.unwrap() + 1);
        Ok(())
    }
    fn prev(&mut self) -> Result<()> {
        self.place(self.position.unwrap().wrapping_sub(1));
        Ok(())
    }
    fn valid(&self) -> bool {
        self.position.is_some()
    }
    fn key(&self) -> &[u8] {
        &self.current().key
    }
    fn sequence(&self) -> Sequence {
        self.current().sequence
    }
    fn kind(&self) -> Kind {
        self.current().kind
    }
    fn expiry(&self) -> i64 {
        self.current().expiry
    }
    fn value(&self) -> Bytes {
        self.current().value.clone()
    }
    fn value_bytes(&self) -> &[u8] {
        &self.current().value
    }
}

/// All operations ever done, and what they make visible.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) points: Vec<Entry>,
    pub(crate) ranges: Vec<RangeDelete>,
}

/// Keys of histories are single bytes below this.
pub(crate) const KEYS: u8 = 12;
/// Times in histories are below this.
pub(crate) const TIMES: u64 = 40;

impl History {
    /// Random operations numbered from 1 on.
    pub(crate) fn random(rng: &mut Rng, operations: u64) -> History {
        let mut history = History::default();
        // Few keys now and then, for many versions of one.
        let keys = 1 + rng.byte(KEYS);
        for sequence in 1..=operations {
            let key = Bytes::from(vec![rng.byte(keys)]);
            let (kind, expiry) = match rng.below(10) {
                0..2 => (Kind::Delete, NEVER),
                2..5 => (Kind::Put, rng.below(TIMES) as i64),
                5 => {
                    let end = Bytes::from(vec![key[0] + 1 + rng.byte(4)]);
                    history.ranges.push(RangeDelete { start: key, end, sequence });
                    continue;
                }
                _ => (Kind::Put, NEVER),
            };
            let value = if kind == Kind::Put { Bytes::from(sequence.to_string()) } else { Bytes::new() };
            history.points.push(Entry { key, sequence, kind, expiry, value });
        }
        history
    }

    /// What a snapshot shows, by definition: the newest operation on a key decides.
    pub(crate) fn visible(&self, snapshot: Sequence, now: i64) -> BTreeMap<Vec<u8>, Entry> {
        let mut visible = BTreeMap::new();
        for key in 0..KEYS + 8 {
            let points =
                self.points.iter().filter(|point| point.key[..] == [key] && point.sequence <= snapshot);
            let Some(newest) = points.max_by_key(|point| point.sequence) else { continue };
            let covered = self.ranges.iter().any(|range| {
                range.sequence <= snapshot
                    && range.sequence > newest.sequence
                    && range.start[0] <= key
                    && key < range.end[0]
            });
            if !covered && newest.kind == Kind::Put && newest.expiry > now {
                visible.insert(vec![key], newest.clone());
            }
        }
        visible
    }

    /// Deals the operations out to `count` histories.
    pub(crate) fn split(&self, rng: &mut Rng, count: usize) -> Vec<History> {
        let mut parts = vec![History::default(); count];
        for point in &self.points {
            parts[rng.index(count)].points.push(point.clone());
        }
        for range in &self.ranges {
            parts[rng.index(count)].ranges.push(range.clone());
        }
        parts
    }
}
