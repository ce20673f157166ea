//! Sorted recent writes, in memory.

use crate::error::Result;
use crate::iter::{Cursor, RangeDeletes};
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
/// Entries a cursor takes at once, so that not every step is a descent of the tree.
const CHUNK: usize = 32;

/// Recent writes of one tree. One writer at a time (the commit lock sees to it), any number of readers; the locks in here are held
/// for a descent of the tree, never over I/O.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    points: RwLock<BTreeMap<Place, Stored>>,
    range_deletes: RwLock<RangeDeleteState>,
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

/// Range deletes as written, and cut into fragments once someone asks.
#[derive(Debug, Default)]
struct RangeDeleteState {
    written: Vec<(Bytes, Bytes, Sequence)>,
    fragmented: Option<Arc<RangeDeletes>>,
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
        self.bytes.fetch_add(ENTRY_BYTES + key.len() + value.len(), Atomic::Relaxed);
        // Whether the first number is taken is decided by the one writer alone.
        if self.smallest_sequence.load(Atomic::Relaxed) == 0 {
            self.smallest_sequence.store(sequence, Atomic::Relaxed);
        }
        self.largest_sequence.store(sequence, Atomic::Relaxed);
        if kind == Kind::DeleteRange {
            let mut state = self.range_deletes.write();
            state.written.push((key, value, sequence));
            state.fragmented = None;
        } else {
            self.points.write().insert(Place { key, sequence }, Stored { kind, expiry, value });
        }
    }

    /// The newest entry of `key` (range deletes aside) that is not above `max`.
    pub(crate) fn get(&self, key: &[u8], max: Sequence) -> Option<Entry> {
        let points = self.points.read();
        let (place, stored) = range(&points, Bound::Included((key, max)), Bound::Unbounded).next()?;
        (place.key[..] == *key).then(|| entry(place, stored))
    }

    /// The range deletes there are now.
    pub(crate) fn range_deletes(&self) -> Arc<RangeDeletes> {
        if let Some(fragmented) = &self.range_deletes.read().fragmented {
            return Arc::clone(fragmented);
        }
        let mut state = self.range_deletes.write();
        let RangeDeleteState { written, fragmented } = &mut *state;
        Arc::clone(fragmented.get_or_insert_with(|| Arc::new(RangeDeletes::from_tombstones(written.clone()))))
    }

    pub(crate) fn cursor(self: &Arc<Self>) -> MemtableCursor {
        MemtableCursor { memtable: Arc::clone(self), chunk: VecDeque::new(), at: 0 }
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Atomic::Relaxed)
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

type Points = BTreeMap<Place, Stored>;

/// The entries after (or at) one place and before another, without allocating.
fn range<'a>(
    points: &'a Points,
    start: Bound<(&[u8], Sequence)>,
    end: Bound<(&[u8], Sequence)>,
) -> btree_map::Range<'a, Place, Stored> {
    let (start, end) = (start.as_ref().map(as_place), end.as_ref().map(as_place));
    points.range::<dyn AsPlace, _>((start, end))
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
}

impl MemtableCursor {
    fn forward(&mut self, start: Bound<(&[u8], Sequence)>) {
        self.chunk.clear();
        let points = self.memtable.points.read();
        self.chunk.extend(
            range(&points, start, Bound::Unbounded).take(CHUNK).map(|(place, stored)| entry(place, stored)),
        );
        self.at = 0;
    }

    fn backward(&mut self, end: Bound<(&[u8], Sequence)>) {
        self.chunk.clear();
        let points = self.memtable.points.read();
        for (place, stored) in range(&points, Bound::Unbounded, end).rev().take(CHUNK) {
            self.chunk.push_front(entry(place, stored));
        }
        // Past the end if it is empty, which is at no entry.
        self.at = self.chunk.len().saturating_sub(1);
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
