//! Time series: values by key and timestamp. An expiry counts from the timestamp.

mod aggregate;
mod json;
pub mod key;
mod latest;
mod scan;

pub(crate) use json::number_at;

pub use aggregate::{Aggregation, Row, Source, Summary};
pub use latest::NewestOfEach;
pub use scan::{Point, SeriesScan, Window};

use crate::keyspace::SERIES;
use crate::range::{KeyRange, prefix_bounds};
use crate::reader::Reader;
use crate::record::Record;
use crate::walk::{Direction, PASSES_IN_MEMORY_MAX};
use bytes::Bytes;
use flowdb_engine::{Db, ReadTier, Result, WriteBatch};
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

/// Takes the values of `key` within `window` away.
pub(crate) fn delete_window(batch: &mut WriteBatch, key: &[u8], window: Window) -> Result<()> {
    let end = window.last.checked_add(1).map_or_else(|| end_of_series(key), |end| key::encode(key, end));
    batch.delete_range(SERIES, &key::encode(key, window.first), &end)
}

/// The value of `key` at exactly `timestamp`.
pub fn get(db: &Db, key: &[u8], timestamp: i64, tier: ReadTier) -> Result<Option<Record>> {
    Series::new(Reader { tier, ..Reader::of_present(db) }).get(key, timestamp)
}

/// The value of `key` with the highest timestamp, and that timestamp.
pub fn latest(db: &Db, key: &[u8], tier: ReadTier) -> Result<Option<(i64, Record)>> {
    let latest = Series::new(Reader { tier, ..Reader::of_present(db) }).latest(key)?;
    Ok(latest.map(|point| (point.timestamp, point.record)))
}

/// The series of a store, now ([`crate::Store::series`]) or as of a snapshot ([`crate::Snapshot::series`]).
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    reader: Reader<'a>,
}

impl<'a> Series<'a> {
    pub(crate) fn new(reader: Reader<'a>) -> Self {
        Series { reader }
    }

    /// The same, for single reads that may go this far; the default is the disk. A read fails with
    /// `WouldBlock` where that does not suffice, and in memory where much is passed that is deleted
    /// or has expired.
    pub fn with_tier(self, tier: ReadTier) -> Self {
        Series { reader: Reader { tier, ..self.reader } }
    }

    /// The record of `key` at exactly `timestamp`, unless it is deleted or has expired.
    pub fn get(&self, key: &[u8], timestamp: i64) -> Result<Option<Record>> {
        let entry = self.reader.db.get(SERIES, &key::encode(key, timestamp), self.reader.options())?;
        entry.map(|entry| Record::from_stored(entry.value)).transpose()
    }

    /// The point of `key` with the highest timestamp.
    pub fn latest(&self, key: &[u8]) -> Result<Option<Point>> {
        self.at(key, i64::MAX)
    }

    /// What held at `timestamp`: the newest point of `key` at or before it.
    pub fn at(&self, key: &[u8], timestamp: i64) -> Result<Option<Point>> {
        let lower = Bound::Included(key::encode_series(key).into());
        let upper = Bound::Included(key::encode(key, timestamp).into());
        let mut iterator = self.reader.db.iter(SERIES, (lower, upper), self.reader.options())?;
        if self.reader.tier == ReadTier::Memory {
            iterator.limit(PASSES_IN_MEMORY_MAX);
        }
        iterator.seek_last()?;
        if !iterator.valid() {
            return Ok(None);
        }
        let timestamp = key::decode(iterator.key())?.1;
        let record = Record::from_stored(iterator.shared_value()?)?;
        Ok(Some(Point { key: key.to_vec(), timestamp, record, expiry: iterator.expiry() }))
    }

    /// What held at `timestamp` in each series whose key is in `range`, in order of their keys: its newest
    /// point at or before that time (`i64::MAX` for the latest of all), where it has one. One pass that seeks
    /// at most three times for each series, however many points they have.
    pub fn each_at(&self, range: &KeyRange, timestamp: i64, direction: Direction) -> Result<NewestOfEach> {
        NewestOfEach::new(self.reader, range, timestamp, direction)
    }

    /// The points of the series in `range` within `window`, in order of key and then of time, each read when
    /// it is asked for: [`Iterator::take`] limits what is read, too. All of one moment. Costs a seek for each
    /// series, and what is within the window.
    pub fn scan(&self, range: &KeyRange, window: Window, direction: Direction) -> SeriesScan {
        SeriesScan::at(self.reader, range, window, direction)
    }

    /// How many points the series in `range` have within `window`. Reads the keys of all of them.
    pub fn count(&self, range: &KeyRange, window: Window) -> Result<u64> {
        let mut points = self.scan(range, window, Direction::Forward).keys_only();
        points.try_fold(0, |count, point| point.map(|_| count + 1))
    }
}

impl Series<'_> {
    /// Numbers about the points of the series in `range` within `window`: see [`Aggregation`].
    pub fn aggregate(
        &self,
        range: &KeyRange,
        window: Window,
        step: Option<i64>,
        source: Source,
    ) -> Aggregation {
        Aggregation::new(self.scan(range, window, Direction::Forward), step, source)
    }
}

/// The bounds of all points whose series' key is in `range`.
pub(crate) fn bounds(range: &KeyRange) -> (Bound<Bytes>, Bound<Bytes>) {
    let (lower, upper) = match range {
        KeyRange::Prefix(prefix) if prefix.is_empty() => return (Bound::Unbounded, Bound::Unbounded),
        KeyRange::Prefix(prefix) => return prefix_bounds(&key::encode_prefix(prefix)),
        KeyRange::Between(lower, upper) => (lower, upper),
    };
    let lower = match lower {
        Bound::Included(key) => Bound::Included(key::encode_series(key).into()),
        Bound::Excluded(key) => Bound::Included(end_of_series(key).into()),
        Bound::Unbounded => Bound::Unbounded,
    };
    let upper = match upper {
        Bound::Included(key) => Bound::Excluded(end_of_series(key).into()),
        Bound::Excluded(key) => Bound::Excluded(key::encode_series(key).into()),
        Bound::Unbounded => Bound::Unbounded,
    };
    (lower, upper)
}

/// What is greater than all encoded keys of the series `key`, and smaller than those of the next.
fn end_of_series(key: &[u8]) -> Vec<u8> {
    let mut end = key::encode_series(key);
    // The terminator's last byte is 01: 02 in its place is above all timestamps, and below `00 ff`,
    // an escaped zero.
    *end.last_mut().expect("an encoded series has a terminator") += 1;
    end
}

/// The part of an encoded key that filters are asked for: all but the timestamp.
pub(crate) fn filter_key(encoded: &[u8]) -> &[u8] {
    &encoded[..encoded.len().saturating_sub(key::TIMESTAMP_BYTES)]
}

/// The timestamp of an encoded key: the property by which blocks are pruned. `None`, never pruned, for what
/// is too short to have one.
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
