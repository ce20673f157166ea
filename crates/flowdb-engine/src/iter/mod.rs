//! Walking through entries in order, forward and backward.

mod compaction;
mod level;
mod merge;
mod range_delete;
mod visible;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(crate) use compaction::{CompactionIter, CompactionPolicy};
pub(crate) use level::LevelCursor;
pub(crate) use merge::MergeCursor;
pub(crate) use range_delete::RangeDeletes;
pub use visible::DbIterator;
pub(crate) use visible::value_files_unsupported;

use crate::error::Result;
use crate::key::{Kind, Sequence};
use bytes::Bytes;

/// A place in an ordered run of entries (memtable, table, merge of several), in the order of [`crate::key::compare`]:
/// key ascending, newest version first. Range deletes are not in runs.
///
/// A new cursor is at no entry. After an error it is at no entry either, and has to be placed anew; an error of kind
/// `WouldBlock` says that the block needed is not in memory.
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
    /// Value of the entry, sharing the block's or memtable's bytes.
    fn value(&self) -> Bytes;
}
