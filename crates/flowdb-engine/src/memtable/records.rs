//! The entries of a memtable, in the order they were written, and their bytes.

use crate::batch::Operation;
use crate::key::{Entry, Kind, Sequence, compare};
use bytes::{BufMut, Bytes, BytesMut};
use std::cmp::Ordering;

/// Entries kept together; those there are never move when more come.
const CHUNK_RECORDS: usize = 1024;
/// Size of the first slab, in bytes; each is twice as large as the one before, so that small
/// memtables stay small.
const SLAB_BYTES_MIN: usize = 4 << 10;
/// Size of a slab at most. A reader that keeps one value of a slab keeps the slab.
const SLAB_BYTES_MAX: usize = 256 << 10;
/// Longer entries have memory of their own, so that little of a slab is left over.
const SLAB_ENTRY_BYTES: usize = SLAB_BYTES_MAX / 16;
/// From here on the bytes are those of the log frame, which this entry makes up a good part of, instead
/// of a copy.
const SHARED_ENTRY_BYTES: usize = 64 << 10;

/// An entry of a memtable: all but range deletes. Clones share the bytes.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// The key in front, the value at the end.
    bytes: Bytes,
    pub(super) sequence: Sequence,
    pub(super) expiry: i64,
    key_length: u32,
    value_length: u32,
    pub(super) kind: Kind,
}

impl Record {
    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.key_length as usize]
    }

    pub(super) fn key_bytes(&self) -> Bytes {
        self.bytes.slice(..self.key_length as usize)
    }

    pub(super) fn value(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - self.value_length as usize..]
    }

    pub(super) fn value_bytes(&self) -> Bytes {
        self.bytes.slice(self.bytes.len() - self.value_length as usize..)
    }

    pub(super) fn to_entry(&self) -> Entry {
        Entry {
            key: self.key_bytes(),
            sequence: self.sequence,
            kind: self.kind,
            expiry: self.expiry,
            value: self.value_bytes(),
        }
    }
}

/// Entries by number, from 0 on.
#[derive(Debug, Default)]
pub(super) struct Records {
    chunks: Vec<Vec<Record>>,
    slabs: Slabs,
}

impl Records {
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK_RECORDS + last.len())
    }

    pub(super) fn get(&self, id: u32) -> &Record {
        &self.chunks[id as usize / CHUNK_RECORDS][id as usize % CHUNK_RECORDS]
    }

    /// Adds an entry, whose number is larger than those of all before; its bytes are within `frame`.
    pub(super) fn push(&mut self, sequence: Sequence, operation: &Operation<'_>, frame: &Bytes) -> u32 {
        let id = u32::try_from(self.len()).expect("memory does not suffice for 2^32 entries");
        let length =
            |bytes: &[u8]| u32::try_from(bytes.len()).expect("keys and values are shorter than 2^32");
        let record = Record {
            bytes: self.slabs.keep(operation, frame),
            sequence,
            expiry: operation.expiry,
            key_length: length(operation.key),
            value_length: length(operation.value),
            kind: operation.kind,
        };
        debug_assert!(id == 0 || self.get(id - 1).sequence < sequence, "what came last is newest");
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_RECORDS => chunk.push(record),
            None => self.chunks.push(vec![record]),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK_RECORDS);
                chunk.push(record);
                self.chunks.push(chunk);
            }
        }
        id
    }

    pub(super) fn compare(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (self.get(a), self.get(b));
        compare(a.key(), a.sequence, b.key(), b.sequence)
    }

    /// The entries newer than `sequence`, in the order they were written.
    pub(super) fn newer(&self, sequence: Sequence) -> impl ExactSizeIterator<Item = &Record> {
        let chunks_before = self.chunks.partition_point(|chunk| chunk[0].sequence <= sequence);
        let before = chunks_before.checked_sub(1).map_or(0, |index| {
            let chunk = &self.chunks[index];
            index * CHUNK_RECORDS + chunk.partition_point(|record| record.sequence <= sequence)
        });
        (before..self.len()).map(|index| &self.chunks[index / CHUNK_RECORDS][index % CHUNK_RECORDS])
    }
}

/// Memory for the bytes of entries: an allocation for many, which goes as a whole with the memtable.
#[derive(Debug, Default)]
struct Slabs {
    free: BytesMut,
    slab_bytes: usize,
}

impl Slabs {
    /// Key and value of an operation. Small ones are copied: what a memtable holds on to is then hardly more
    /// than its entries.
    fn keep(&mut self, operation: &Operation<'_>, frame: &Bytes) -> Bytes {
        let Operation { key, value, .. } = operation;
        let length = key.len() + value.len();
        if length >= SHARED_ENTRY_BYTES {
            return frame.slice_ref(operation.key_to_value);
        }
        if length > SLAB_ENTRY_BYTES {
            return Bytes::from([*key, *value].concat());
        }
        if self.free.capacity() < length {
            self.slab_bytes = (self.slab_bytes * 2).clamp(SLAB_BYTES_MIN, SLAB_BYTES_MAX).max(length);
            self.free = BytesMut::with_capacity(self.slab_bytes);
        }
        self.free.put_slice(key);
        self.free.put_slice(value);
        self.free.split().freeze()
    }
}
