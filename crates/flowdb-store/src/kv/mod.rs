//! Cache entries: one value for each key. An expiry counts from the write.

mod scan;
mod usage;

pub use scan::{KvEntry, KvScan};
pub use usage::KvUsage;
pub(crate) use usage::UsageCounter;

use crate::keyspace::KV;
use crate::range::{KeyRange, prefix_bounds};
use crate::reader::Reader;
use crate::record::Record;
use crate::walk::Direction;
use bytes::Bytes;
use flowdb_engine::{Db, ReadTier, Result, Version, WriteBatch};
use std::ops::Bound;

/// Gives `key` a value until `expiry` (microseconds since the epoch,
/// [`flowdb_engine::format::NEVER`] for ever).
///
/// `record` is a form byte and contents, as [`Record`] has them.
pub fn put(batch: &mut WriteBatch, key: &[u8], record: &[u8], expiry: i64) -> Result<()> {
    batch.put(KV, key, record, expiry)
}

/// Takes the value of `key` away.
pub fn delete(batch: &mut WriteBatch, key: &[u8]) -> Result<()> {
    batch.delete(KV, key)
}

/// The value of `key`.
pub fn get(db: &Db, key: &[u8], tier: ReadTier) -> Result<Option<Record>> {
    Kv::new(Reader { tier, ..Reader::of_present(db) }).get(key)
}

/// The cache entries of a store, now ([`crate::Store::kv`]) or as of a snapshot ([`crate::Snapshot::kv`]).
#[derive(Debug, Clone, Copy)]
pub struct Kv<'a> {
    reader: Reader<'a>,
}

impl<'a> Kv<'a> {
    pub(crate) fn new(reader: Reader<'a>) -> Self {
        Kv { reader }
    }

    /// The same, for reads that may go this far; the default is the disk. A read fails with `WouldBlock`
    /// where that does not suffice.
    pub fn with_tier(self, tier: ReadTier) -> Self {
        Kv { reader: Reader { tier, ..self.reader } }
    }

    /// The record of `key`, unless it is deleted or has expired.
    pub fn get(&self, key: &[u8]) -> Result<Option<Record>> {
        self.entry(key)?.map(|entry| Record::from_stored(entry.value)).transpose()
    }

    /// When the record of `key` expires, microseconds since the epoch, [`flowdb_engine::format::NEVER`] for
    /// never; `None` if there is none.
    pub fn expiry(&self, key: &[u8]) -> Result<Option<i64>> {
        Ok(self.entry(key)?.map(|entry| entry.expiry))
    }

    /// The records whose keys are in `range`, in order of their keys, each read when it is asked for:
    /// [`Iterator::take`] limits what is read, too. All of one moment.
    pub fn scan(&self, range: &KeyRange, direction: Direction) -> KvScan {
        KvScan::at(self.reader, range, direction)
    }

    /// How many records have a key in `range`. Reads the keys of all of them.
    pub fn count(&self, range: &KeyRange) -> Result<u64> {
        self.scan(range, Direction::Forward).keys_only().try_fold(0, |count, entry| entry.map(|_| count + 1))
    }

    fn entry(&self, key: &[u8]) -> Result<Option<Version>> {
        self.reader.db.get(KV, key, self.reader.options())
    }
}

/// The bounds of all keys in `range`.
pub(crate) fn bounds(range: &KeyRange) -> (Bound<Bytes>, Bound<Bytes>) {
    match range {
        KeyRange::Prefix(prefix) => prefix_bounds(prefix),
        KeyRange::Between(lower, upper) => (lower.clone(), upper.clone()),
    }
}
