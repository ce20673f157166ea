//! Walking through entries in order, forward and backward.

mod compaction;
mod level;
mod merge;
mod range_delete;
mod run;
mod visible;
mod visit;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use compaction::{CompactionIter, CompactionPolicy};
pub(crate) use level::LevelCursor;
pub(crate) use merge::MergeCursor;
pub(crate) use range_delete::{Coverage, RangeDelete, RangeDeletes};
pub(crate) use run::Run;
pub use visible::DbIterator;
pub(crate) use visible::{is_before, is_behind};

use crate::error::Result;
use crate::key::{Kind, Sequence};
use bytes::Bytes;

/// Entries in a row that a range delete hides before the runs are asked to skip the rest: a step is cheaper
/// than a search, many are not. Less in tests, whose runs are short.
const STEPS_BEFORE_SKIP: u32 = if cfg!(test) { 1 } else { 8 };

/// Which way a cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To greater keys.
    Forward,
    /// To smaller keys.
    Backward,
}

/// What an entry is, without its value.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// User key.
    pub key: &'a [u8],
    /// Sequence number.
    pub sequence: Sequence,
    /// Put or delete.
    pub kind: Kind,
    /// Expiry, `NEVER` if it has none.
    pub expiry: i64,
    /// The key certainly differs from that of the entry that the last call of [`Cursor::next`] left.
    /// False says nothing.
    pub differs: bool,
    /// The key is certainly before the end that the reader gave. False says nothing.
    pub is_before_end: bool,
}

/// A place in an ordered run of entries (memtable, table, merge of several), in the order
/// of [`crate::key::compare`]: key ascending, newest version first. Range deletes are not in runs.
///
/// A new cursor is at no entry. After an error it is at no entry either, and has to be placed anew; an error
/// of kind `WouldBlock` says that the block needed is not in memory.
pub trait Cursor: Send {
    /// To the first entry of the run.
    fn seek_first(&mut self) -> Result<()>;
    /// To the last entry of the run.
    fn seek_last(&mut self) -> Result<()>;
    /// To the first entry at or after (`key`, `sequence`); `Sequence::MAX` is before all versions of `key`.
    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()>;
    /// To the last entry before (`key`, `sequence`).
    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()>;
    /// To the next entry. Only when valid.
    fn next(&mut self) -> Result<()>;
    /// To the entry before. Only when valid.
    fn prev(&mut self) -> Result<()>;
    /// A hint: up to `edge`, the caller wants no entry older than `sequence`; going forward this is about the
    /// keys below `edge`, going backward about those not below it. A run that can tell where its entries of
    /// interest are moves on to the next of them, or to the first entry past the edge. True if it moved, to
    /// no entry perhaps; false if it stayed, which is always right.
    ///
    /// Only when valid, and at an entry on this side of `edge`. Entries newer than `sequence` are never
    /// passed over, except those written after the caller took its snapshot.
    fn skip_older(&mut self, _edge: &[u8], _sequence: Sequence, _direction: Direction) -> Result<bool> {
        Ok(false)
    }
    /// True if at an entry; the methods below may only be called then.
    fn valid(&self) -> bool;
    /// User key of the entry.
    fn key(&self) -> &[u8];
    /// Sequence number of the entry.
    fn sequence(&self) -> Sequence;
    /// Kind of the entry: put or delete.
    fn kind(&self) -> Kind;
    /// Expiry of the entry, `NEVER` if it has none.
    fn expiry(&self) -> i64;
    /// The entry, all but its value, if it is at one: one call instead of five.
    #[inline]
    fn head(&self) -> Option<Head<'_>> {
        self.valid().then(|| Head {
            key: self.key(),
            sequence: self.sequence(),
            kind: self.kind(),
            expiry: self.expiry(),
            differs: false,
            is_before_end: false,
        })
    }
    /// Value of the entry, sharing the block's or memtable's bytes.
    fn value(&self) -> Bytes;
    /// Value of the entry, for a caller that looks at it and goes on.
    fn value_bytes(&self) -> &[u8];
}
