//! What a transaction has written and not committed: puts and deletes by key, and ranges that were
//! cleared before them.

use crate::keyspace::{DOCUMENTS, KeySpan};
use bytes::Bytes;
use flowdb_engine::format::NEVER;
use flowdb_engine::{Draft, Result, WriteBatch};
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::iter;
use std::ops::Bound;

/// Estimate of what an entry costs in a batch besides its key and value, in bytes.
const ENTRY_BYTES: usize = 16;
/// Estimate of what an entry takes in memory beyond that: its place in a map, and what the allocator adds
/// to its key.
const ENTRY_MEMORY_BYTES: usize = 112;

/// Uncommitted writes. What is in `puts` and `deletes` was written after everything in `cleared`: clearing a
/// range drops the entries within. A key is in one of the two: apart, the first put in a range is found
/// without stepping over deletes.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    puts: BTreeMap<Bytes, Bytes>,
    deletes: BTreeSet<Bytes>,
    /// Disjoint ranges, start to end, in which nothing of the snapshot is left.
    cleared: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

/// What the overlay knows about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// Nothing: the snapshot has the answer.
    Nothing,
    /// It has this value.
    Put(&'a Bytes),
    /// It was deleted.
    Deleted,
    /// It lies in this cleared range.
    Cleared { start: &'a [u8], end: &'a [u8] },
}

impl Overlay {
    /// True if there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty() && self.cleared.is_empty()
    }

    /// About the size of the batch that [`Overlay::to_batch`] makes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// About what it takes in memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes + (self.puts.len() + self.deletes.len() + self.cleared.len()) * ENTRY_MEMORY_BYTES
    }

    pub(crate) fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        if self.deletes.remove(&key) {
            self.bytes -= cost(&key, &[]);
        }
        self.bytes += cost(&key, &value);
        let key_bytes = key.len();
        if let Some(before) = self.puts.insert(key, value) {
            self.bytes -= ENTRY_BYTES + key_bytes + before.len();
        }
    }

    pub(crate) fn delete(&mut self, key: impl Into<Bytes>) {
        let key = key.into();
        if let Some(before) = self.puts.remove(&key) {
            self.bytes -= cost(&key, &before);
        }
        let key_cost = cost(&key, &[]);
        if self.deletes.insert(key) {
            self.bytes += key_cost;
        }
    }

    /// Leaves nothing in `span`, neither of the snapshot nor of earlier writes.
    pub(crate) fn clear(&mut self, span: KeySpan) {
        if span.is_empty() {
            return;
        }
        self.forget(&span);
        let KeySpan { mut start, mut end } = span;
        // Merge with the ranges it touches, so that ranges stay disjoint.
        while let Some((other_start, other_end)) = self.cleared.range(..=end.clone()).next_back() {
            if *other_end < start {
                break;
            }
            let (other_start, other_end) = (other_start.clone(), other_end.clone());
            self.cleared.remove(&other_start);
            self.bytes -= other_start.len() + other_end.len() + ENTRY_BYTES;
            start = start.min(other_start);
            end = end.max(other_end);
        }
        self.bytes += start.len() + end.len() + ENTRY_BYTES;
        self.cleared.insert(start, end);
    }

    /// Drops the puts and deletes in `span`, as if they had not been made.
    pub(crate) fn forget(&mut self, span: &KeySpan) {
        let puts: Vec<Bytes> = self.puts_in(&span.start, &span.end).map(|(key, _)| key.clone()).collect();
        for key in puts {
            if let Some(value) = self.puts.remove(&key) {
                self.bytes -= cost(&key, &value);
            }
        }
        let deletes: Vec<Bytes> =
            self.deletes.range::<[u8], _>(bounds(&span.start, &span.end)).cloned().collect();
        for key in deletes {
            self.bytes -= cost(&key, &[]);
            self.deletes.remove(&key);
        }
    }

    /// What is known about `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Known<'_> {
        if let Some(value) = self.puts.get(key) {
            return Known::Put(value);
        }
        if self.is_deleted(key) {
            return Known::Deleted;
        }
        match self.cleared.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back() {
            Some((start, end)) if key < &end[..] => Known::Cleared { start, end },
            _ => Known::Nothing,
        }
    }

    /// Many deletes at once are mostly of index entries, which lie behind the records that are
    /// walked through meanwhile.
    fn is_deleted(&self, key: &[u8]) -> bool {
        self.deletes.first().is_some_and(|first| first[..] <= *key) && self.deletes.contains(key)
    }

    /// First put from `start` up to, and without, `end`.
    pub(crate) fn first_put(&self, start: &[u8], end: &[u8]) -> Option<(&Bytes, &Bytes)> {
        self.puts_in(start, end).next()
    }

    /// Last put from `start` up to, and without, `end`.
    pub(crate) fn last_put(&self, start: &[u8], end: &[u8]) -> Option<(&Bytes, &Bytes)> {
        self.puts_in(start, end).next_back()
    }

    fn puts_in(&self, start: &[u8], end: &[u8]) -> btree_map::Range<'_, Bytes, Bytes> {
        self.puts.range::<[u8], _>(bounds(start, end))
    }

    /// The writes as the next part of a draft.
    pub(crate) fn write_to(&self, draft: &mut Draft) -> Result<()> {
        draft.write(self.cleared.iter().map(|(start, end)| (&start[..], &end[..])), self.entries())
    }

    /// Puts and deletes, ascending.
    fn entries(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut puts = self.puts.iter().map(|(key, value)| (&key[..], Some(&value[..]))).peekable();
        let mut deletes = self.deletes.iter().map(|key| (&key[..], None)).peekable();
        iter::from_fn(move || match (puts.peek(), deletes.peek()) {
            (Some((put, _)), Some((delete, _))) if delete < put => deletes.next(),
            (Some(_), _) => puts.next(),
            (None, _) => deletes.next(),
        })
    }

    /// The writes as one batch: range deletes first, so that what was put into a cleared range stays.
    pub(crate) fn to_batch(&self) -> Result<WriteBatch> {
        let mut batch = self.cleared_batch()?;
        for (key, value) in self.entries() {
            match value {
                Some(value) => batch.put(DOCUMENTS, key, value, NEVER)?,
                None => batch.delete(DOCUMENTS, key)?,
            }
        }
        Ok(batch)
    }

    /// The same, leaving nothing here: what is large is not in memory twice.
    pub(crate) fn take_batch(&mut self) -> Result<WriteBatch> {
        let mut batch = self.cleared_batch()?;
        let Overlay { puts, deletes, .. } = std::mem::take(self);
        // A key is in one of the two, so their order does not matter.
        for key in deletes {
            batch.delete(DOCUMENTS, &key)?;
        }
        for (key, value) in puts {
            batch.put(DOCUMENTS, &key, &value, NEVER)?;
        }
        Ok(batch)
    }

    fn cleared_batch(&self) -> Result<WriteBatch> {
        let mut batch = WriteBatch::new();
        for (start, end) in &self.cleared {
            batch.delete_range(DOCUMENTS, start, end)?;
        }
        Ok(batch)
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + value.len()
}

/// From `start` up to, and without, `end`. A map's `range` panics on an inverted range.
fn bounds<'a>(start: &'a [u8], end: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(start), Bound::Excluded(end.max(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: &str, end: &str) -> KeySpan {
        KeySpan { start: start.into(), end: end.into() }
    }

    fn put(overlay: &mut Overlay, key: &'static str, value: &'static str) {
        overlay.put(key.as_bytes(), value.as_bytes());
    }

    #[test]
    fn later_writes_win() {
        let mut overlay = Overlay::default();
        put(&mut overlay, "b", "1");
        assert_eq!(overlay.get(b"b"), Known::Put(&Bytes::from_static(b"1")));
        overlay.delete(&b"b"[..]);
        assert_eq!(overlay.get(b"b"), Known::Deleted);
        assert_eq!(overlay.get(b"c"), Known::Nothing);
        overlay.clear(span("a", "d"));
        assert_eq!(overlay.get(b"b"), Known::Cleared { start: b"a", end: b"d" });
        assert_eq!(overlay.get(b"d"), Known::Nothing);
        put(&mut overlay, "c", "2");
        assert_eq!(overlay.first_put(b"a", b"z").unwrap().0, "c");
        let operations = overlay.to_batch().unwrap().len();
        assert_eq!(operations, 2, "a range delete and a put");
        overlay.delete(&b"y"[..]);
        assert_eq!(overlay.take_batch().unwrap().len(), 3);
        assert!(overlay.is_empty());
        assert_eq!(overlay.bytes(), 0);
    }

    #[test]
    fn cleared_ranges_are_merged() {
        let mut overlay = Overlay::default();
        overlay.clear(span("c", "e"));
        overlay.clear(span("g", "i"));
        overlay.clear(span("k", "m"));
        overlay.clear(span("e", "h"));
        overlay.clear(span("x", "x"));
        overlay.clear(span("d", "d1"));
        assert_eq!(overlay.get(b"f"), Known::Cleared { start: b"c", end: b"i" });
        assert_eq!(overlay.get(b"j"), Known::Nothing);
        assert_eq!(overlay.cleared.len(), 2);
        overlay.clear(span("a", "z"));
        assert_eq!(overlay.cleared.len(), 1);
        assert_eq!(overlay.bytes(), 2 + ENTRY_BYTES);
    }

    #[test]
    fn first_and_last_put_skip_deletes() {
        let mut overlay = Overlay::default();
        overlay.delete(&b"a"[..]);
        put(&mut overlay, "b", "");
        put(&mut overlay, "c", "");
        overlay.delete(&b"d"[..]);
        assert_eq!(overlay.first_put(b"a", b"z").unwrap().0, "b");
        assert_eq!(overlay.last_put(b"a", b"z").unwrap().0, "c");
        assert_eq!(overlay.last_put(b"a", b"c").unwrap().0, "b");
        assert!(overlay.first_put(b"z", b"a").is_none());
    }

    #[test]
    fn forgotten_writes_cost_nothing() {
        let mut overlay = Overlay::default();
        put(&mut overlay, "b", "value");
        put(&mut overlay, "b", "longer value");
        overlay.delete(&b"c"[..]);
        overlay.delete(&b"c"[..]);
        put(&mut overlay, "c", "back");
        overlay.delete(&b"d"[..]);
        overlay.delete(&b"b"[..]);
        assert_eq!(overlay.bytes(), 3 * ENTRY_BYTES + 3 + "back".len());
        overlay.forget(&span("a", "z"));
        assert!(overlay.is_empty());
        assert_eq!((overlay.bytes(), overlay.memory_bytes()), (0, 0));
    }

    #[test]
    fn entries_ascend_whether_put_or_deleted() {
        let mut overlay = Overlay::default();
        for key in ["a", "d", "e"] {
            overlay.delete(key.as_bytes());
        }
        for key in ["f", "c", "b"] {
            put(&mut overlay, key, "");
        }
        let keys: Vec<&[u8]> = overlay.entries().map(|(key, _)| key).collect();
        assert_eq!(keys.concat(), b"abcdef");
    }
}
