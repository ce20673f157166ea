//! A group of writes that lands whole or not at all, kept in the bytes that the log will hold.

use crate::error::{Error, ErrorKind, Result};
use crate::format::{NEVER, Reader, put_bytes};
use crate::key::{Kind, TreeId};
use bytes::Bytes;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 2 << 20;
/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 30;
/// A batch is kept in chunks of about this size, and the log writes a frame for each: a large commit is
/// never copied whole.
const CHUNK_BYTES: usize = 1 << 20;
/// What an operation adds to its key and value at most: tree, kind, expiry, two lengths.
const OPERATION_BYTES_MAX: usize = 2 + 8 + 2 * 10;

/// Writes to one or more trees, applied together, in the order given.
#[derive(Debug, Clone, Default)]
pub struct WriteBatch {
    chunks: Vec<Chunk>,
    open: Vec<u8>,
    open_count: u32,
    count: u64,
    bytes: usize,
    trees: Vec<TreeId>,
}

/// Whole operations, as they stand in a log frame.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// Number of operations.
    pub(crate) count: u32,
    /// Their bytes.
    pub(crate) bytes: Bytes,
}

impl WriteBatch {
    /// A batch without operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `key` the value `value`, until `expiry` (microseconds since the epoch, [`NEVER`] for ever).
    ///
    /// Fails with [`ErrorKind::TooLarge`] beyond [`KEY_BYTES_MAX`] or [`VALUE_BYTES_MAX`].
    pub fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8], expiry: i64) -> Result<()> {
        self.push(tree, Kind::Put, expiry, key, value)
    }

    /// Takes the value of `key` away, if it has one.
    pub fn delete(&mut self, tree: TreeId, key: &[u8]) -> Result<()> {
        self.push(tree, Kind::Delete, NEVER, key, &[])
    }

    /// Takes the values of all keys from `start` up to, and without, `end` away. An empty or inverted
    /// range does nothing.
    pub fn delete_range(&mut self, tree: TreeId, start: &[u8], end: &[u8]) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        if end.len() > KEY_BYTES_MAX {
            return Err(too_large("key", end.len(), KEY_BYTES_MAX));
        }
        self.push(tree, Kind::DeleteRange, NEVER, start, end)
    }

    /// Number of operations.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// True without operations.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size of the operations in the log, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The trees written to.
    pub fn trees(&self) -> &[TreeId] {
        &self.trees
    }

    /// The trees written to, and the operations in log form.
    pub(crate) fn into_parts(mut self) -> (Vec<TreeId>, Vec<Chunk>) {
        self.close_chunk();
        (self.trees, self.chunks)
    }

    /// The same batch again.
    pub(crate) fn from_parts((trees, chunks): (Vec<TreeId>, Vec<Chunk>)) -> Self {
        let count = chunks.iter().map(|chunk| u64::from(chunk.count)).sum();
        let bytes = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        WriteBatch { chunks, open: Vec::new(), open_count: 0, count, bytes, trees }
    }

    /// The operations in log form.
    #[cfg(test)]
    pub(crate) fn into_chunks(self) -> Vec<Chunk> {
        self.into_parts().1
    }

    fn push(&mut self, tree: TreeId, kind: Kind, expiry: i64, key: &[u8], value: &[u8]) -> Result<()> {
        if key.len() > KEY_BYTES_MAX {
            return Err(too_large("key", key.len(), KEY_BYTES_MAX));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(too_large("value", value.len(), VALUE_BYTES_MAX));
        }
        if !self.trees.contains(&tree) {
            self.trees.push(tree);
        }
        let before = self.open.len();
        // A batch of one operation is common, and then this is its only allocation of bytes.
        self.open.reserve(key.len() + value.len() + OPERATION_BYTES_MAX);
        let has_expiry = expiry != NEVER;
        self.open.push(tree.0);
        self.open.push(kind.to_byte(has_expiry));
        if has_expiry {
            self.open.extend_from_slice(&expiry.to_le_bytes());
        }
        put_bytes(&mut self.open, key);
        put_bytes(&mut self.open, value);
        self.bytes += self.open.len() - before;
        self.open_count += 1;
        self.count += 1;
        if self.open.len() >= CHUNK_BYTES {
            self.close_chunk();
        }
        Ok(())
    }

    fn close_chunk(&mut self) {
        if self.open_count > 0 {
            let bytes = Bytes::from(std::mem::take(&mut self.open));
            self.chunks.push(Chunk { count: std::mem::take(&mut self.open_count), bytes });
        }
    }
}

fn too_large(what: &str, length: usize, limit: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("{what} of {length} bytes; the limit is {limit}"))
}

/// One operation of a batch or log frame; borrows its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// Where it writes.
    pub tree: TreeId,
    /// What it does.
    pub kind: Kind,
    /// Microseconds since the epoch, or [`NEVER`].
    pub expiry: i64,
    /// The key, or the start of a range.
    pub key: &'a [u8],
    /// The value, or the end of a range.
    pub value: &'a [u8],
    /// The bytes from the beginning of the key to the end of the value.
    pub(crate) key_to_value: &'a [u8],
}

/// The operations of a chunk or frame payload. Ends with an error if the bytes are not a
/// sequence of operations.
pub(crate) fn operations(bytes: &[u8]) -> impl Iterator<Item = Result<Operation<'_>>> {
    let mut reader = Reader::new(bytes);
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || reader.is_empty() {
            return None;
        }
        let offset = reader.position();
        let operation = next_operation(bytes, &mut reader).ok_or_else(|| {
            failed = true;
            Error::new(ErrorKind::Corruption, format!("no operation at byte {offset} of the payload"))
        });
        Some(operation)
    })
}

fn next_operation<'a>(bytes: &'a [u8], reader: &mut Reader<'a>) -> Option<Operation<'a>> {
    let tree = TreeId(reader.u8()?);
    let (kind, has_expiry) = Kind::from_byte(reader.u8()?)?;
    let expiry = if has_expiry { reader.i64()? } else { NEVER };
    let key = reader.bytes()?;
    let key_at = reader.position() - key.len();
    let value = reader.bytes()?;
    let well_formed = match kind {
        Kind::Put => true,
        // The log has values whole: value files come with the flush.
        Kind::PutPointer => false,
        Kind::Delete => value.is_empty(),
        Kind::DeleteRange => key < value,
    };
    let key_to_value = &bytes[key_at..reader.position()];
    well_formed.then_some(Operation { tree, kind, expiry, key, value, key_to_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: TreeId = TreeId(7);

    #[test]
    fn operations_come_back_in_order() {
        let mut batch = WriteBatch::new();
        batch.put(TREE, b"a", b"1", NEVER).unwrap();
        batch.put(TREE, b"b", b"2", 5).unwrap();
        batch.delete(TREE, b"c").unwrap();
        batch.delete_range(TREE, b"d", b"e").unwrap();
        batch.delete_range(TREE, b"e", b"d").unwrap();
        assert_eq!(batch.len(), 4, "an inverted range is no operation");
        let bytes = batch.bytes();
        let chunks = batch.into_chunks();
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].bytes.len(), bytes);
        let all: Vec<_> = operations(&chunks[0].bytes).map(Result::unwrap).collect();
        assert_eq!(
            all.iter().map(|o| o.kind).collect::<Vec<_>>(),
            [Kind::Put, Kind::Put, Kind::Delete, Kind::DeleteRange]
        );
        assert_eq!(all[1].expiry, 5);
        assert_eq!(all[3].value, b"e");
        assert_eq!(all[3].key_to_value, b"d\x01e");
    }

    #[test]
    fn large_batches_are_kept_in_chunks() {
        let mut batch = WriteBatch::new();
        for index in 0..5u8 {
            batch.put(TREE, &[index], &vec![index; 600 << 10], NEVER).unwrap();
        }
        let chunks = batch.into_chunks();
        assert_eq!(chunks.iter().map(|c| c.count).collect::<Vec<_>>(), [2, 2, 1]);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_prefix() {
        let mut batch = WriteBatch::new();
        batch.put(TREE, b"key", b"value", 9).unwrap();
        batch.delete(TREE, b"key").unwrap();
        let bytes = batch.into_chunks()[0].bytes.clone();
        for length in 0..bytes.len() {
            let cut = bytes.slice(..length);
            let results: Vec<_> = operations(&cut).collect();
            assert!(results.len() <= 2);
            assert!(results.iter().rev().skip(1).all(Result::is_ok));
        }
    }

    #[test]
    fn limits_are_errors() {
        let mut batch = WriteBatch::new();
        let error = batch.put(TREE, &vec![0; KEY_BYTES_MAX + 1], b"", NEVER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(batch.is_empty());
    }
}
