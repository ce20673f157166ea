//! Sorted recent writes, in memory.

mod index;
mod records;

use self::index::{Index, Place};
use self::records::{Record, Records};
use crate::batch::Operation;
use crate::error::Result;
use crate::iter::{Cursor, Direction, Head, RangeDeletes};
use crate::key::{Entry, Kind, Sequence};
use bytes::Bytes;
use parking_lot::{RwLock, RwLockWriteGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering as Atomic};

/// Estimate of what an entry costs besides its key and value: its place in the tree, in bytes.
const ENTRY_BYTES: usize = 96;
/// Keys written since a range delete that a cursor sorts at once; for more it first walks past as many
/// entries, so that sorting them costs no more than what it saves.
const NEWER_KEYS_AT_ONCE: usize = 64;
/// Entries a cursor takes at once, so that not every step is a descent of the tree.
const CHUNK: usize = 32;
/// Entries of a large commit inserted before waiting readers get their turn.
const ENTRIES_PER_LOCK: usize = 64;

/// Recent writes of one tree. One writer at a time (the commit lock sees to it), any number of readers; the
/// locks in here are held for a descent of the tree, never over I/O.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    points: RwLock<Points>,
    range_deletes: RwLock<Arc<RangeDeletes>>,
    bytes: AtomicUsize,
    /// Of all entries, range deletes included; 0 while empty.
    smallest_sequence: AtomicU64,
    largest_sequence: AtomicU64,
}

/// All entries but range deletes.
#[derive(Debug, Default)]
struct Points {
    records: Records,
    index: Index,
}

impl Memtable {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds entries, whose numbers are larger than those of all before. Their bytes are within `frame`, which
    /// small ones do not keep.
    pub(crate) fn insert<'a>(
        &self,
        frame: &Bytes,
        operations: impl Iterator<Item = (Sequence, Operation<'a>)>,
    ) {
        let mut points = self.points.write();
        for (count, (sequence, operation)) in operations.enumerate() {
            self.note(sequence, &operation);
            if operation.kind == Kind::DeleteRange {
                // Made outside the lock: nobody else writes, and readers need not wait for it.
                RwLockWriteGuard::unlocked(&mut points, || self.insert_range_delete(sequence, &operation));
            } else {
                points.insert(sequence, &operation, frame);
            }
            if count % ENTRIES_PER_LOCK == ENTRIES_PER_LOCK - 1 {
                RwLockWriteGuard::bump(&mut points);
            }
        }
    }

    /// The same for one entry that has bytes of its own.
    #[cfg(test)]
    pub(crate) fn insert_entry(&self, entry: &Entry) {
        let frame = Bytes::from([&entry.key[..], &entry.value[..]].concat());
        let (key, value) = frame.split_at(entry.key.len());
        let Entry { kind, expiry, sequence, .. } = *entry;
        let operation =
            Operation { tree: crate::key::TreeId(1), kind, expiry, key, value, key_to_value: &frame };
        self.insert(&frame, std::iter::once((sequence, operation)));
    }

    fn note(&self, sequence: Sequence, operation: &Operation<'_>) {
        let place = if operation.kind == Kind::DeleteRange { RangeDeletes::BYTES_EACH } else { ENTRY_BYTES };
        // Loads and stores suffice: there is one writer.
        let bytes = self.bytes.load(Atomic::Relaxed) + place + operation.key.len() + operation.value.len();
        self.bytes.store(bytes, Atomic::Relaxed);
        if self.smallest_sequence.load(Atomic::Relaxed) == 0 {
            self.smallest_sequence.store(sequence, Atomic::Relaxed);
        }
        // A thread that sees it sees the smallest one too.
        self.largest_sequence.store(sequence, Atomic::Release);
    }

    fn insert_range_delete(&self, sequence: Sequence, operation: &Operation<'_>) {
        let (start, end) = (Bytes::copy_from_slice(operation.key), Bytes::copy_from_slice(operation.value));
        let more = self.range_deletes().with((start, end, sequence));
        *self.range_deletes.write() = Arc::new(more);
    }

    /// The newest entry of `key` (range deletes aside) that is not above `max`.
    pub(crate) fn get(&self, key: &[u8], max: Sequence) -> Option<Entry> {
        let points = self.points.read();
        let record = points.forward(points.index.place(&points.records, key, max)).next()?;
        (record.key() == key).then(|| record.to_entry())
    }

    /// The range deletes there are now.
    pub(crate) fn range_deletes(&self) -> Arc<RangeDeletes> {
        Arc::clone(&self.range_deletes.read())
    }

    pub(crate) fn cursor(self: &Arc<Self>) -> MemtableCursor {
        MemtableCursor { memtable: Arc::clone(self), chunk: VecDeque::new(), at: 0, newer: Newer::default() }
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Atomic::Relaxed)
    }

    /// Entries, range deletes not counted.
    pub(crate) fn entries(&self) -> usize {
        self.points.read().records.len()
    }

    /// Shows the key of each entry, range deletes aside, in no order.
    pub(crate) fn for_each_key(&self, see: impl FnMut(&[u8])) {
        self.points.read().records.newer(0).map(Record::key).for_each(see);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.largest_sequence() == 0
    }

    /// Smallest number in it; 0 while empty.
    pub(crate) fn smallest_sequence(&self) -> Sequence {
        self.smallest_sequence.load(Atomic::Relaxed)
    }

    /// Largest number in it; 0 while empty.
    pub(crate) fn largest_sequence(&self) -> Sequence {
        self.largest_sequence.load(Atomic::Acquire)
    }
}

impl Points {
    fn insert(&mut self, sequence: Sequence, operation: &Operation<'_>, frame: &Bytes) {
        let id = self.records.push(sequence, operation, frame);
        self.index.insert(&self.records, id);
    }

    /// The place before (`key`, `sequence`), or behind it if that is an entry.
    fn place_behind(&self, key: &[u8], sequence: Sequence) -> Place {
        // Numbers descend within a key, and 0 is none of an entry.
        match sequence.checked_sub(1) {
            Some(older) => self.index.place(&self.records, key, older),
            None => self.index.place(&self.records, key, sequence),
        }
    }

    fn forward(&self, from: Place) -> impl Iterator<Item = &Record> {
        self.index.forward(from).map(|id| self.records.get(id))
    }

    fn backward(&self, from: Place) -> impl Iterator<Item = &Record> {
        self.index.backward(from).map(|id| self.records.get(id))
    }
}

/// A place in a memtable. Takes entries in chunks, which are slices of the memtable's order; entries inserted
/// into a chunk's stretch later are newer than the snapshot of whoever reads.
pub(crate) struct MemtableCursor {
    memtable: Arc<Memtable>,
    chunk: VecDeque<Record>,
    /// Index in the chunk; at no entry if the chunk is shorter.
    at: usize,
    newer: Newer,
}

/// What a cursor has learnt about the entries newer than a range delete.
#[derive(Debug, Default)]
struct Newer {
    /// The range delete's number; 0 for none.
    than: Sequence,
    /// Ascending, each once.
    keys: Vec<Bytes>,
    /// Entries walked past because there were too many keys to sort.
    walked: usize,
}

impl MemtableCursor {
    fn forward(&mut self, from: impl FnOnce(&Points) -> Place) {
        self.chunk.clear();
        let points = self.memtable.points.read();
        self.chunk.extend(points.forward(from(&points)).take(CHUNK).cloned());
        self.at = 0;
    }

    fn backward(&mut self, from: impl FnOnce(&Points) -> Place) {
        self.chunk.clear();
        let points = self.memtable.points.read();
        for record in points.backward(from(&points)).take(CHUNK) {
            self.chunk.push_front(record.clone());
        }
        // Past the end if it is empty, which is at no entry.
        self.at = self.chunk.len().saturating_sub(1);
    }

    /// Makes `newer` speak of `sequence`; false if that is not worth it yet. Keys inserted later may be
    /// missing from it: they are newer than the snapshot of whoever reads.
    fn learn_newer(&mut self, sequence: Sequence) -> bool {
        if self.newer.than == sequence {
            return true;
        }
        let points = self.memtable.points.read();
        let recent = points.records.newer(sequence);
        if recent.len() > NEWER_KEYS_AT_ONCE + self.newer.walked {
            self.newer.walked += 1;
            return false;
        }
        let mut keys: Vec<Bytes> = recent.map(Record::key_bytes).collect();
        drop(points);
        keys.sort_unstable();
        keys.dedup();
        self.newer = Newer { than: sequence, keys, walked: 0 };
        true
    }

    fn record(&self) -> &Record {
        self.chunk.get(self.at).expect("only a valid cursor is asked")
    }
}

impl Cursor for MemtableCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.forward(|points| points.index.first());
        Ok(())
    }

    fn seek_last(&mut self) -> Result<()> {
        self.backward(|points| points.index.last());
        Ok(())
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.forward(|points| points.index.place(&points.records, key, sequence));
        Ok(())
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.backward(|points| points.index.place(&points.records, key, sequence));
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        if self.at == self.chunk.len() {
            let last = self.chunk[self.at - 1].clone();
            self.forward(|points| points.place_behind(last.key(), last.sequence));
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        match self.at.checked_sub(1) {
            Some(before) => self.at = before,
            None => {
                let first = self.chunk[0].clone();
                self.backward(|points| points.index.place(&points.records, first.key(), first.sequence));
            }
        }
        Ok(())
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        if self.sequence() > sequence || !self.learn_newer(sequence) {
            return Ok(false);
        }
        // Versions of one key come newest first: what is newer than the current entry is behind it
        // only going backward.
        let newer = &self.newer.keys;
        let index = newer.partition_point(|key| key[..] <= *self.key());
        match direction {
            Direction::Forward => {
                let next = newer.get(index).map(|key| &key[..]).filter(|key| *key < edge);
                let target = Bytes::copy_from_slice(next.unwrap_or(edge));
                self.forward(|points| points.index.place(&points.records, &target, Sequence::MAX));
            }
            Direction::Backward => {
                let last = newer[..index].last().filter(|key| key[..] >= *edge).cloned();
                match last {
                    Some(key) => self.backward(|points| points.index.place(&points.records, &key, sequence)),
                    None => {
                        self.backward(|points| points.index.place(&points.records, edge, Sequence::MAX));
                    }
                }
            }
        }
        Ok(true)
    }

    fn valid(&self) -> bool {
        self.at < self.chunk.len()
    }

    fn key(&self) -> &[u8] {
        self.record().key()
    }

    fn sequence(&self) -> Sequence {
        self.record().sequence
    }

    fn kind(&self) -> Kind {
        self.record().kind
    }

    fn expiry(&self) -> i64 {
        self.record().expiry
    }

    #[inline]
    fn head(&self) -> Option<Head<'_>> {
        let record = self.chunk.get(self.at)?;
        Some(Head {
            key: record.key(),
            sequence: record.sequence,
            kind: record.kind,
            expiry: record.expiry,
            differs: false,
            is_before_end: false,
        })
    }

    fn value(&self) -> Bytes {
        self.record().value_bytes()
    }

    fn value_bytes(&self) -> &[u8] {
        self.record().value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::NEVER;

    fn insert(memtable: &Memtable, kind: Kind, key: u64, value: u64, sequence: Sequence) {
        let bytes = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
        memtable.insert_entry(&Entry { key: bytes(key), sequence, kind, expiry: NEVER, value: bytes(value) });
    }

    /// What 20 000 range deletes cost, each followed by a read: range deletes moved and notes made by the
    /// writes, nodes looked at by the reads.
    fn work(range: impl Fn(u64) -> (u64, u64)) -> (usize, usize) {
        let memtable = Memtable::new();
        let (mut written, mut looked_at) = (0, 0);
        for number in 1..=20_000 {
            let before = memtable.range_deletes();
            let (start, end) = range(number);
            insert(&memtable, Kind::DeleteRange, start, end, number);
            let after = memtable.range_deletes();
            assert_eq!(after.covering(&start.to_be_bytes(), number), Some(number));
            written += after.work_since(&before);
            looked_at += after.nodes_per_question();
        }
        (written, looked_at)
    }

    #[test]
    fn range_deletes_between_reads_cost_little() {
        let apart = work(|number| (number * 10, number * 10 + 5));
        let the_same = work(|_| (1, 9));
        let nested = work(|number| (number, 50_000 - number));
        for (written, looked_at) in [apart, the_same, nested] {
            // Cut anew by each read, there would be 200 000 000 to move.
            assert!(written < 20_000 * 200, "{written}: {apart:?} {the_same:?} {nested:?}");
            assert!(looked_at < 20_000 * 80, "{looked_at}: {apart:?} {the_same:?} {nested:?}");
        }
    }

    #[test]
    fn many_newer_keys_are_sorted_only_when_that_pays() {
        let memtable = Arc::new(Memtable::new());
        (0..3_000).for_each(|key| insert(&memtable, Kind::Put, key, 0, key + 1));
        insert(&memtable, Kind::DeleteRange, 0, 2_999, 3_001);
        (5_000..6_000).for_each(|key| insert(&memtable, Kind::Put, key, 0, key));
        let mut cursor = memtable.cursor();
        cursor.seek_first().unwrap();
        let edge = 2_999u64.to_be_bytes();
        let mut steps = 0;
        while !cursor.skip_older(&edge, 3_001, Direction::Forward).unwrap() {
            cursor.next().unwrap();
            steps += 1;
        }
        assert_eq!(steps, 1_000 - NEWER_KEYS_AT_ONCE);
        assert_eq!(cursor.key(), edge);
    }
}
