//! Time series: values by key and timestamp. An expiry counts from the timestamp.

pub mod key;
mod scan;

pub use scan::{SeriesScan, Window};

use crate::keyspace::SERIES;
use crate::record::Record;
use bytes::Bytes;
use flowdb_engine::{Db, ReadOptions, ReadTier, Result, WriteBatch};
use std::ops::Bound;

/// Gives `key` a value at `timestamp` (microseconds since the epoch), until `expiry`.
///
/// `record` is a form byte and contents, as [`Record`] has them.
pub fn put(batch: &mut WriteBatch, key: &[u8], timestamp: i64, record: &[u8], expiry: i64) -> Result<()> {
    batch.put(SERIES, &key::encode(key, timestamp), record, expiry)
}

/// Takes the value of `key` at `timestamp` away.
pub fn delete(batch: &mut WriteBatch, key: &[u8], timestamp: i64) -> Result<()> {
    batch.delete(SERIES, &key::encode(key, timestamp))
}

/// Takes the values of `key` at all timestamps away.
pub fn delete_all(batch: &mut WriteBatch, key: &[u8]) -> Result<()> {
    batch.delete_range(SERIES, &key::encode_series(key), &end_of_series(key))
}

/// The value of `key` at exactly `timestamp`.
pub fn get(db: &Db, key: &[u8], timestamp: i64, tier: ReadTier) -> Result<Option<Record>> {
    let options = ReadOptions { tier, ..ReadOptions::default() };
    let entry = db.get(SERIES, &key::encode(key, timestamp), options)?;
    entry.map(|entry| Record::from_stored(entry.value)).transpose()
}

/// The value of `key` with the highest timestamp, and that timestamp.
pub fn latest(db: &Db, key: &[u8], tier: ReadTier) -> Result<Option<(i64, Record)>> {
    let bounds =
        (Bound::Included(key::encode_series(key).into()), Bound::Excluded(end_of_series(key).into()));
    let mut iterator = db.iter(SERIES, bounds, ReadOptions { tier, ..ReadOptions::default() })?;
    iterator.seek_last()?;
    if !iterator.valid() {
        return Ok(None);
    }
    let timestamp = key::decode(iterator.key())?.1;
    Ok(Some((timestamp, Record::from_stored(Bytes::clone(iterator.value()))?)))
}

/// What is greater than all encoded keys of the series `key`, and smaller than those of the next.
fn end_of_series(key: &[u8]) -> Vec<u8> {
    let mut end = key::encode_series(key);
    // The terminator's last byte is 01: 02 in its place is above all timestamps, and below `00 ff`, an escaped zero.
    *end.last_mut().expect("an encoded series has a terminator") += 1;
    end
}

/// The part of an encoded key that filters are asked for: all but the timestamp.
pub(crate) fn filter_key(encoded: &[u8]) -> &[u8] {
    &encoded[..encoded.len().saturating_sub(key::TIMESTAMP_BYTES)]
}

/// The timestamp of an encoded key: the property by which blocks are pruned. `None`, never pruned, for what is too
/// short to have one.
pub(crate) fn timestamp(encoded: &[u8]) -> Option<i64> {
    let bytes = encoded.last_chunk::<{ key::TIMESTAMP_BYTES }>()?;
    Some((u64::from_be_bytes(*bytes) ^ (1 << 63)).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_ends_after_its_points_and_before_the_next_series() {
        for series in [&b""[..], b"a", b"a\0", b"\xff"] {
            let end = end_of_series(series);
            assert!(key::encode(series, i64::MAX) < end);
            let longer = [series, &[0]].concat();
            assert!(end < key::encode(&longer, i64::MIN));
        }
    }

    #[test]
    fn keys_are_taken_apart_for_filters_and_pruning() {
        for time in [i64::MIN, -1, 0, 7, i64::MAX] {
            let encoded = key::encode(b"s\0", time);
            assert_eq!(filter_key(&encoded), key::encode_series(b"s\0"));
            assert_eq!(timestamp(&encoded), Some(time));
        }
        assert_eq!(timestamp(b"short"), None);
        assert_eq!(filter_key(b"short"), b"");
    }
}
