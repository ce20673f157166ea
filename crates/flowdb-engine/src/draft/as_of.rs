//! A run without what came after a moment.

use crate::error::Result;
use crate::iter::{Cursor, Direction, RangeDeletes, Run};
use crate::key::{Kind, Sequence};
use bytes::Bytes;
use std::sync::Arc;

/// Passes over the entries of a run that are newer than `sequence`. A draft's own entries have larger numbers than all that is
/// committed, so the number that a reader sees up to cannot keep later commits out by itself.
pub(super) struct AsOfCursor {
    run: Run,
    sequence: Sequence,
}

impl AsOfCursor {
    pub(super) fn new(run: Run, sequence: Sequence) -> Self {
        AsOfCursor { run, sequence }
    }

    fn settle(&mut self, direction: Direction) -> Result<()> {
        while self.run.valid() && self.run.sequence() > self.sequence {
            match direction {
                Direction::Forward => self.run.next()?,
                Direction::Backward => self.run.prev()?,
            }
        }
        Ok(())
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
        self.run.valid()
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
