//! What tells records apart.

use crate::keyspace::{KV, SERIES};
use crate::series;
use bytes::Bytes;
use flowdb_engine::TreeId;

/// The two shapes of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Cache entries: one value for each key.
    Kv,
    /// Time series: a value for each key and timestamp.
    Series,
}

impl Shape {
    pub(crate) fn tree(self) -> TreeId {
        match self {
            Shape::Kv => KV,
            Shape::Series => SERIES,
        }
    }
}

/// Identity of a record. Writing to the same one again replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordId<'a> {
    /// A cache entry, by its key.
    Kv(&'a [u8]),
    /// A point, by the key of its series and its timestamp (microseconds since the epoch).
    Series(&'a [u8], i64),
}

impl RecordId<'_> {
    /// What it is one of.
    pub fn shape(&self) -> Shape {
        match self {
            RecordId::Kv(_) => Shape::Kv,
            RecordId::Series(..) => Shape::Series,
        }
    }

    pub(crate) fn tree(&self) -> TreeId {
        self.shape().tree()
    }

    /// The key in its tree.
    pub(crate) fn stored_key(&self) -> Bytes {
        match *self {
            RecordId::Kv(key) => Bytes::copy_from_slice(key),
            RecordId::Series(key, timestamp) => series::key::encode(key, timestamp).into(),
        }
    }
}
