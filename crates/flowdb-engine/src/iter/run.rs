//! The kinds of run that reads go through.

use super::{Cursor, Direction, Head, LevelCursor};
use crate::error::Result;
use crate::key::{Kind, Sequence};
use crate::memtable::MemtableCursor;
use crate::table::TableCursor;
use bytes::Bytes;

/// One of the runs of a tree. An enum rather than a trait object: the calls for each entry of a scan are then
/// part of its loop.
pub(crate) enum Run {
    Memtable(MemtableCursor),
    Table(TableCursor),
    Level(LevelCursor),
    /// What a draft reads through, and what tests make up.
    Other(Box<dyn Cursor>),
}

impl Run {
    /// The table that the cursor is in, if it is in one.
    pub(super) fn table(&mut self) -> Option<&mut TableCursor> {
        match self {
            Run::Table(cursor) => Some(cursor),
            Run::Level(cursor) => cursor.table(),
            Run::Memtable(_) | Run::Other(_) => None,
        }
    }
}

macro_rules! each {
    ($run:expr, $cursor:ident => $call:expr) => {
        match $run {
            Run::Memtable($cursor) => $call,
            Run::Table($cursor) => $call,
            Run::Level($cursor) => $call,
            Run::Other($cursor) => $call,
        }
    };
}

impl Cursor for Run {
    fn seek_first(&mut self) -> Result<()> {
        each!(self, cursor => cursor.seek_first())
    }

    fn seek_last(&mut self) -> Result<()> {
        each!(self, cursor => cursor.seek_last())
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        each!(self, cursor => cursor.seek(key, sequence))
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        each!(self, cursor => cursor.seek_before(key, sequence))
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        each!(self, cursor => cursor.next())
    }

    fn prev(&mut self) -> Result<()> {
        each!(self, cursor => cursor.prev())
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        each!(self, cursor => cursor.skip_older(edge, sequence, direction))
    }

    #[inline]
    fn valid(&self) -> bool {
        each!(self, cursor => cursor.valid())
    }

    fn key(&self) -> &[u8] {
        each!(self, cursor => cursor.key())
    }

    fn sequence(&self) -> Sequence {
        each!(self, cursor => cursor.sequence())
    }

    fn kind(&self) -> Kind {
        each!(self, cursor => cursor.kind())
    }

    fn expiry(&self) -> i64 {
        each!(self, cursor => cursor.expiry())
    }

    #[inline]
    fn head(&self) -> Option<Head<'_>> {
        each!(self, cursor => cursor.head())
    }

    fn value(&self) -> Bytes {
        each!(self, cursor => cursor.value())
    }

    fn value_bytes(&self) -> &[u8] {
        each!(self, cursor => cursor.value_bytes())
    }
}

impl Cursor for Box<dyn Cursor> {
    fn seek_first(&mut self) -> Result<()> {
        (**self).seek_first()
    }

    fn seek_last(&mut self) -> Result<()> {
        (**self).seek_last()
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        (**self).seek(key, sequence)
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        (**self).seek_before(key, sequence)
    }

    fn next(&mut self) -> Result<()> {
        (**self).next()
    }

    fn prev(&mut self) -> Result<()> {
        (**self).prev()
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        (**self).skip_older(edge, sequence, direction)
    }

    fn valid(&self) -> bool {
        (**self).valid()
    }

    fn key(&self) -> &[u8] {
        (**self).key()
    }

    fn sequence(&self) -> Sequence {
        (**self).sequence()
    }

    fn kind(&self) -> Kind {
        (**self).kind()
    }

    fn expiry(&self) -> i64 {
        (**self).expiry()
    }

    fn head(&self) -> Option<Head<'_>> {
        (**self).head()
    }

    fn value(&self) -> Bytes {
        (**self).value()
    }

    fn value_bytes(&self) -> &[u8] {
        (**self).value_bytes()
    }
}
