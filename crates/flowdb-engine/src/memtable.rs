//! Sorted recent writes, in memory.

use crate::error::Result;
use crate::iter::{Cursor, Direction, RangeDeletes};
use crate::key::{Entry, Kind, Sequence};
use bytes::Bytes;
use parking_lot::RwLock;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque, btree_map};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering as Atomic};

/// Estimate of what an entry costs besides its key and value: its place in the tree, in bytes.
const ENTRY_BYTES: usize = 96;
/// The same for a range delete: its borders and notes in [`RangeDeletes`].
const RANGE_DELETE_BYTES: usize = 512;
/// Keys written since a range delete that a cursor sorts at once; for more it first walks past as many entries, so that sorting them
/// costs no more than what it saves.
const NEWER_KEYS_AT_ONCE: usize = 64;
/// Entries a cursor takes at once, so that not every step is a descent of the tree.
const CHUNK: usize = 32;

/// Recent writes of one tree. One writer at a time (the commit lock sees to it), any number of readers; the locks in here are held
/// for a descent of the tree, never over I/O.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    points: RwLock<Points>,
    range_deletes: RwLock<Arc<RangeDeletes>>,
    bytes: AtomicUsize,
    /// Of all entries, range deletes included; 0 while empty.
    smallest_sequence: AtomicU64,
    largest_sequence: AtomicU64,
}

#[derive(Debug, Clone)]
struct Stored {
    kind: Kind,
    expiry: i64,
    value: Bytes,
}

/// All entries but range deletes.
#[derive(Debug, Default)]
struct Points {
    by_key: BTreeMap<Place, Stored>,
    /// 0 while empty.
    largest_sequence: Sequence,
    /// What came after the first range delete; `None` before it.
    recent: Option<Recent>,
}

/// Numbers and keys of entries, in the order they were written: what is newer than a range delete is found at the end.
#[derive(Debug)]
struct Recent {
    /// Holds all entries with larger numbers.
    since: Sequence,
    keys: Vec<(Sequence, Bytes)>,
}

/// Where an entry stands: by key, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    key: Bytes,
    sequence: Sequence,
}

/// A place that need not own its key, so that a look-up allocates nothing.
trait AsPlace {
    fn parts(&self) -> (&[u8], Sequence);
}

impl AsPlace for Place {
    fn parts(&self) -> (&[u8], Sequence) {
        (&self.key, self.sequence)
    }
}

impl AsPlace for (&[u8], Sequence) {
    fn parts(&self) -> (&[u8], Sequence) {
        *self
    }
}

impl Ord for dyn AsPlace + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((key, sequence), (other_key, other_sequence)) = (self.parts(), other.parts());
        crate::key::compare(key, sequence, other_key, other_sequence)
    }
}

impl PartialOrd for dyn AsPlace + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn AsPlace + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for dyn AsPlace + '_ {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        (self as &dyn AsPlace).cmp(other)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> std::borrow::Borrow<dyn AsPlace + 'a> for Place {
    fn borrow(&self) -> &(dyn AsPlace + 'a) {
        self
    }
}

impl Memtable {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds an entry, whose number is larger than those of all before.
    pub(crate) fn insert(&self, entry: Entry) {
        let Entry { key, sequence, kind, expiry, value } = entry;
        let place_bytes = if kind == Kind::DeleteRange { RANGE_DELETE_BYTES } else { ENTRY_BYTES };
        self.bytes.fetch_add(place_bytes + key.len() + value.len(), Atomic::Relaxed);
        // Whether the first number is taken is decided by the one writer alone.
        if self.smallest_sequence.load(Atomic::Relaxed) == 0 {
            self.smallest_sequence.store(sequence, Atomic::Relaxed);
        }
        self.largest_sequence.store(sequence, Atomic::Relaxed);
        if kind == Kind::DeleteRange {
            self.points.write().begin_recent(sequence);
            // Made outside the lock: nobody else writes, and readers need not wait for it.
            let more = self.range_deletes().with((key, value, sequence));
            *self.range_deletes.write() = Arc::new(more);
        } else {
            self.points.write().insert(Place { key, sequence }, Stored { kind, expiry, value });
        }
    }

    /// The newest entry of `key` (range deletes aside) that is not above `max`.
    pub(crate) fn get(&self, key: &[u8], max: Sequence) -> Option<Entry> {
        let points = self.points.read();
        let (place, stored) = points.range(Bound::Included((key, max)), Bound::Unbounded).next()?;
        (place.key[..] == *key).then(|| entry(place, stored))
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
        self.points.read().by_key.len()
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
        self.largest_sequence.load(Atomic::Relaxed)
    }
}

impl Points {
    fn insert(&mut self, place: Place, stored: Stored) {
        debug_assert!(place.sequence > self.largest_sequence, "what came last is newest");
        self.largest_sequence = place.sequence;
        if let Some(recent) = &mut self.recent {
            recent.keys.push((place.sequence, place.key.clone()));
        }
        self.by_key.insert(place, stored);
    }

    fn begin_recent(&mut self, since: Sequence) {
        self.recent.get_or_insert_with(|| Recent { since, keys: Vec::new() });
    }

    /// Keys of the entries newer than `sequence`, in the order they were written; `None` if that is not known.
    fn newer(&self, sequence: Sequence) -> Option<&[(Sequence, Bytes)]> {
        if self.largest_sequence < sequence {
            return Some(&[]);
        }
        let recent = self.recent.as_ref().filter(|recent| recent.since <= sequence)?;
        Some(&recent.keys[recent.keys.partition_point(|(number, _)| *number <= sequence)..])
    }

    /// The entries after (or at) one place and before another, without allocating.
    fn range(
        &self,
        start: Bound<(&[u8], Sequence)>,
        end: Bound<(&[u8], Sequence)>,
    ) -> btree_map::Range<'_, Place, Stored> {
        let (start, end) = (start.as_ref().map(as_place), end.as_ref().map(as_place));
        self.by_key.range::<dyn AsPlace, _>((start, end))
    }
}

fn as_place<'a>(place: &'a (&'a [u8], Sequence)) -> &'a (dyn AsPlace + 'a) {
    place
}

fn entry(place: &Place, stored: &Stored) -> Entry {
    Entry {
        key: place.key.clone(),
        sequence: place.sequence,
        kind: stored.kind,
        expiry: stored.expiry,
        value: stored.value.clone(),
    }
}

/// A place in a memtable. Takes entries in chunks, which are slices of the memtable's order; entries inserted into a chunk's stretch later
/// are newer than the snapshot of whoever reads.
pub(crate) struct MemtableCursor {
    memtable: Arc<Memtable>,
    chunk: VecDeque<Entry>,
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
    fn forward(&mut self, start: Bound<(&[u8], Sequence)>) {
        self.chunk.clear();
        let points = self.memtable.points.read();
        self.chunk.extend(
            points.range(start, Bound::Unbounded).take(CHUNK).map(|(place, stored)| entry(place, stored)),
        );
        self.at = 0;
    }

    fn backward(&mut self, end: Bound<(&[u8], Sequence)>) {
        self.chunk.clear();
        let points = self.memtable.points.read();
        for (place, stored) in points.range(Bound::Unbounded, end).rev().take(CHUNK) {
            self.chunk.push_front(entry(place, stored));
        }
        // Past the end if it is empty, which is at no entry.
        self.at = self.chunk.len().saturating_sub(1);
    }

    /// Makes `newer` speak of `sequence`; false if that is not possible, or not worth it yet. Keys inserted later may be missing from it:
    /// they are newer than the snapshot of whoever reads.
    fn learn_newer(&mut self, sequence: Sequence) -> bool {
        if self.newer.than == sequence {
            return true;
        }
        let points = self.memtable.points.read();
        let Some(recent) = points.newer(sequence) else {
            return false;
        };
        if recent.len() > NEWER_KEYS_AT_ONCE + self.newer.walked {
            self.newer.walked += 1;
            return false;
        }
        let mut keys: Vec<Bytes> = recent.iter().map(|(_, key)| key.clone()).collect();
        drop(points);
        keys.sort_unstable();
        keys.dedup();
        self.newer = Newer { than: sequence, keys, walked: 0 };
        true
    }

    fn entry(&self) -> &Entry {
        self.chunk.get(self.at).expect("only a valid cursor is asked")
    }
}

impl Cursor for MemtableCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.forward(Bound::Unbounded);
        Ok(())
    }

    fn seek_last(&mut self) -> Result<()> {
        self.backward(Bound::Unbounded);
        Ok(())
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.forward(Bound::Included((key, sequence)));
        Ok(())
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.backward(Bound::Excluded((key, sequence)));
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        if self.at == self.chunk.len() {
            let last = self.chunk[self.at - 1].clone();
            self.forward(Bound::Excluded((&last.key, last.sequence)));
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        match self.at.checked_sub(1) {
            Some(before) => self.at = before,
            None => {
                let first = self.chunk[0].clone();
                self.backward(Bound::Excluded((&first.key, first.sequence)));
            }
        }
        Ok(())
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        if self.sequence() > sequence || !self.learn_newer(sequence) {
            return Ok(false);
        }
        // Versions of one key come newest first: what is newer than the current entry is behind it only going backward.
        let newer = &self.newer.keys;
        let index = newer.partition_point(|key| key[..] <= *self.key());
        match direction {
            Direction::Forward => {
                let next = newer.get(index).map(|key| &key[..]).filter(|key| *key < edge);
                let target = Bytes::copy_from_slice(next.unwrap_or(edge));
                self.forward(Bound::Included((&target, Sequence::MAX)));
            }
            Direction::Backward => {
                let last = newer[..index].last().filter(|key| key[..] >= *edge).cloned();
                match last {
                    Some(key) => self.backward(Bound::Excluded((&key, sequence))),
                    None => self.backward(Bound::Excluded((edge, Sequence::MAX))),
                }
            }
        }
        Ok(true)
    }

    fn valid(&self) -> bool {
        self.at < self.chunk.len()
    }

    fn key(&self) -> &[u8] {
        &self.entry().key
    }

    fn sequence(&self) -> Sequence {
        self.entry().sequence
    }

    fn kind(&self) -> Kind {
        self.entry().kind
    }

    fn expiry(&self) -> i64 {
        self.entry().expiry
    }

    fn value(&self) -> Bytes {
        self.entry().value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::NEVER;

    fn insert(memtable: &Memtable, kind: Kind, key: u64, value: u64, sequence: Sequence) {
        let bytes = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
        memtable.insert(Entry { key: bytes(key), sequence, kind, expiry: NEVER, value: bytes(value) });
    }

    /// What 20 000 range deletes cost, each followed by a read: range deletes moved and notes made by the writes, nodes looked at by the
    /// reads.
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
