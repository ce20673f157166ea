//! A run without what came after a moment.

use crate::error::Result;
use crate::iter::{Cursor, Direction, RangeDeletes, Run, is_before, is_behind};
use crate::key::{Kind, Sequence};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;

/// Passes over the entries of a run that are newer than `sequence`. A draft's own entries have larger
/// numbers than all that is committed, so the number that a reader sees up to cannot keep later commits
/// out by itself.
///
/// It is at no entry where there is none within the reader's bounds: what others have committed meanwhile
/// lies beyond them, and may be much.
pub(super) struct AsOfCursor {
    run: Run,
    sequence: Sequence,
    bounds: (Bound<Bytes>, Bound<Bytes>),
    /// It has left the bounds, and not been placed since.
    is_beyond: bool,
}

impl AsOfCursor {
    pub(super) fn new(run: Run, sequence: Sequence, bounds: (Bound<Bytes>, Bound<Bytes>)) -> Self {
        AsOfCursor { run, sequence, bounds, is_beyond: false }
    }

    fn settle(&mut self, direction: Direction) -> Result<()> {
        self.is_beyond = false;
        while self.run.valid() && self.run.sequence() > self.sequence {
            if self.has_left_bounds(direction) {
                self.is_beyond = true;
                break;
            }
            match direction {
                Direction::Forward => self.run.next()?,
                Direction::Backward => self.run.prev()?,
            }
        }
        Ok(())
    }

    fn has_left_bounds(&self, direction: Direction) -> bool {
        match direction {
            Direction::Forward => is_behind(self.run.key(), &self.bounds.1),
            Direction::Backward => is_before(self.run.key(), &self.bounds.0),
        }
    }
}

impl Cursor for AsOfCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.run.seek_first()?;
        self.settle(Direction::Forward)
    }

    fn seek_last(&mut self) -> Result<()> {
        self.run.seek_last()?;
        self.settle(Direction::Backward)
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.run.seek(key, sequence)?;
        self.settle(Direction::Forward)
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.run.seek_before(key, sequence)?;
        self.settle(Direction::Backward)
    }

    fn next(&mut self) -> Result<()> {
        self.run.next()?;
        self.settle(Direction::Forward)
    }

    fn prev(&mut self) -> Result<()> {
        self.run.prev()?;
        self.settle(Direction::Backward)
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        let moved = self.run.skip_older(edge, sequence.min(self.sequence), direction)?;
        self.settle(direction)?;
        Ok(moved)
    }

    fn valid(&self) -> bool {
        !self.is_beyond && self.run.valid()
    }

    fn key(&self) -> &[u8] {
        self.run.key()
    }

    fn sequence(&self) -> Sequence {
        self.run.sequence()
    }

    fn kind(&self) -> Kind {
        self.run.kind()
    }

    fn expiry(&self) -> i64 {
        self.run.expiry()
    }

    fn value_bytes(&self) -> &[u8] {
        self.run.value_bytes()
    }

    fn value(&self) -> Bytes {
        self.run.value()
    }
}

/// The range deletes of a source that are not newer than `sequence`; the source's own where none is.
pub(super) fn range_deletes_as_of(all: Arc<RangeDeletes>, sequence: Sequence) -> Arc<RangeDeletes> {
    let is_seen = |(.., number): &&(Bytes, Bytes, Sequence)| *number <= sequence;
    if all.originals().all(|original| is_seen(&original)) {
        return all;
    }
    Arc::new(RangeDeletes::from_tombstones(all.originals().filter(is_seen).cloned().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::NEVER;
    use crate::iter::testing::VecCursor;
    use crate::key::Entry;

    fn entry(key: &'static str, sequence: Sequence) -> Entry {
        let (key, value) = (Bytes::from(key), Bytes::new());
        Entry { key, sequence, kind: Kind::Put, expiry: NEVER, value }
    }

    /// As of 10, between b and d, with newer entries within and on both sides.
    fn cursor() -> AsOfCursor {
        let names = ["a1", "a2", "a3", "b1", "b2", "c1", "d1", "d2", "d3"];
        let entries = names.map(|name| entry(name, if name == "b2" { 5 } else { 50 }));
        let run = Run::Other(Box::new(VecCursor::new(entries.into())));
        AsOfCursor::new(run, 10, (Bound::Included(Bytes::from("b")), Bound::Excluded(Bytes::from("d"))))
    }

    #[test]
    fn what_is_newer_beyond_the_bounds_is_not_walked_through() {
        let mut cursor = cursor();
        cursor.seek(b"b", Sequence::MAX).unwrap();
        assert_eq!(cursor.key(), b"b2");
        cursor.next().unwrap();
        assert!(!cursor.valid());
        assert_eq!(cursor.run.key(), b"d1", "the first behind the end");
        cursor.seek_before(b"d", Sequence::MAX).unwrap();
        assert_eq!(cursor.key(), b"b2");
        cursor.prev().unwrap();
        assert!(!cursor.valid());
        assert_eq!(cursor.run.key(), b"a3", "the last before the start");
        cursor.seek_first().unwrap();
        assert_eq!(cursor.key(), b"b2");
    }
}
