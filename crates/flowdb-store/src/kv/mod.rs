//! Cache entries: one value for each key. An expiry counts from the write.

mod scan;

pub use scan::KvScan;

use crate::keyspace::KV;
use crate::record::Record;
use flowdb_engine::{Db, ReadOptions, ReadTier, Result, WriteBatch};

/// Gives `key` a value until `expiry` (microseconds since the epoch, [`flowdb_engine::format::NEVER`] for ever).
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
    let entry = db.get(KV, key, ReadOptions { tier, ..ReadOptions::default() })?;
    entry.map(|entry| Record::from_stored(entry.value)).transpose()
}
