//! What the fuzz targets call: the decoders of everything that comes from the disk, behind their checksums.
//!
//! A fuzzer does not guess checksums. So each function builds a file around the bytes that it gets, with
//! checksums that are right, and reads it; its answer is how much it found. It panics if what is read breaks
//! a promise: no panic elsewhere, no endless walk, the same answer twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fuzz target fails by panicking")]

mod sections;

#[cfg(test)]
mod tests;

pub(crate) use sections::Sections;

use crate::batch::{Operation, WriteBatch, operations};
use crate::key::Kind;

pub use crate::table::fuzz_table as table;
pub use crate::version::fuzz_manifest as manifest;
pub use crate::wal::fuzz_log as log;

/// The operations of a frame: those that decode are encoded to bytes that decode to the same.
pub fn batch(data: &[u8]) -> usize {
    let found: Vec<_> = operations(data).map_while(Result::ok).collect();
    let mut batch = WriteBatch::new();
    for operation in &found {
        let (tree, key, value) = (operation.tree, operation.key, operation.value);
        let added = match operation.kind {
            Kind::Put => batch.put(tree, key, value, operation.expiry),
            Kind::Delete => batch.delete(tree, key),
            Kind::DeleteRange => batch.delete_range(tree, key, value),
            Kind::PutPointer => continue,
        };
        added.unwrap();
    }
    let chunks = batch.into_parts().1;
    let again: Vec<_> =
        chunks.iter().flat_map(|chunk| operations(&chunk.bytes)).map(Result::unwrap).collect();
    let parts = |operation: &Operation<'_>| {
        let Operation { tree, kind, expiry, key, value, .. } = *operation;
        (tree, kind, expiry, key.to_vec(), value.to_vec())
    };
    let expected = found.iter().filter(|found| found.kind != Kind::PutPointer).map(parts);
    assert!(again.iter().map(parts).eq(expected));
    again.len()
}
