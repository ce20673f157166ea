//! Which data block holds which keys.

use super::stored::Handle;
use crate::format::{NEVER, Reader, put_bytes, put_varint};
use std::ops::Range;

/// What the index knows about the values a block's entries have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Smallest and largest block property; smallest above largest if there is none.
    pub(super) property: (i64, i64),
    pub(super) expiry_min: i64,
    pub(super) expiry_max: i64,
}

impl Span {
    pub(super) const EMPTY: Span =
        Span { property: (i64::MAX, i64::MIN), expiry_min: NEVER, expiry_max: i64::MIN };

    /// Takes in an entry. One without a property widens the span to everything: it counts as wanted, whatever is asked for.
    pub(super) fn add(&mut self, property: Option<i64>, expiry: i64) {
        let (min, max) = property.map_or((i64::MIN, i64::MAX), |property| (property, property));
        self.property = (self.property.0.min(min), self.property.1.max(max));
        self.expiry_min = self.expiry_min.min(expiry);
        self.expiry_max = self.expiry_max.max(expiry);
    }
}

/// Writes an index.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    contents: Vec<u8>,
    offsets: Vec<u32>,
}

impl IndexBuilder {
    pub(super) fn add(&mut self, last_key: &[u8], handle: Handle, span: Span) {
        self.offsets.push(u32::try_from(self.contents.len()).unwrap_or(u32::MAX));
        put_bytes(&mut self.contents, last_key);
        put_varint(&mut self.contents, handle.offset);
        put_varint(&mut self.contents, handle.length.into());
        for number in [span.property.0, span.property.1, span.expiry_max] {
            self.contents.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let count = u32::try_from(self.offsets.len()).unwrap_or(u32::MAX);
        for offset in self.offsets.into_iter().chain([count]) {
            self.contents.extend_from_slice(&offset.to_le_bytes());
        }
        self.contents
    }
}

/// An index in memory: its bytes, and where the entries are.
#[derive(Debug)]
pub(super) struct Index {
    contents: Vec<u8>,
    entries: Vec<IndexEntry>,
}

#[derive(Debug)]
struct IndexEntry {
    last_key: Range<usize>,
    handle: Handle,
    property: (i64, i64),
}

impl Index {
    /// `None` if the contents are no index whose keys ascend and whose blocks follow each other before `blocks_end`.
    pub(super) fn new(contents: Vec<u8>, blocks_end: u64) -> Option<Index> {
        let count_at = contents.len().checked_sub(4)?;
        let count = Reader::new(&contents[count_at..]).u32()? as usize;
        let end = count_at.checked_sub(count.checked_mul(4)?)?;
        let mut reader = Reader::new(&contents[..end]);
        let mut offsets = Reader::new(&contents[end..count_at]);
        let mut entries: Vec<IndexEntry> = Vec::with_capacity(count);
        let mut next_block = 0;
        for _ in 0..count {
            if offsets.u32()? as usize != reader.position() {
                return None;
            }
            let entry = parse(&mut reader)?;
            let follows = entries
                .last()
                .is_none_or(|last| contents[last.last_key.clone()] <= contents[entry.last_key.clone()]);
            let block_end = entry.handle.offset.checked_add(u64::from(entry.handle.length))?;
            if !follows || entry.handle.offset < next_block || block_end > blocks_end {
                return None;
            }
            next_block = block_end;
            entries.push(entry);
        }
        reader.is_empty().then_some(Index { contents, entries })
    }

    /// Memory it takes, in bytes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        self.contents.len() + self.entries.len() * size_of::<IndexEntry>()
    }

    /// Number of data blocks.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn handle(&self, block: usize) -> Handle {
        self.entries[block].handle
    }

    pub(super) fn last_key(&self, block: usize) -> &[u8] {
        &self.contents[self.entries[block].last_key.clone()]
    }

    /// The first block that may hold `key`, or what comes behind it; the number of blocks if there is none.
    pub(super) fn find(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|entry| self.contents[entry.last_key.clone()] < *key)
    }

    /// True if no entry of the block is wanted by who wants properties in `wanted` (inclusive).
    pub(super) fn is_unwanted(&self, block: usize, wanted: (i64, i64)) -> bool {
        let (min, max) = self.entries[block].property;
        max < wanted.0 || wanted.1 < min
    }
}

fn parse(reader: &mut Reader<'_>) -> Option<IndexEntry> {
    let key = reader.bytes()?;
    let last_key = reader.position() - key.len()..reader.position();
    let offset = reader.varint()?;
    let length = u32::try_from(reader.varint()?).ok()?;
    let property = (reader.i64()?, reader.i64()?);
    let _expiry_max = reader.i64()?;
    Some(IndexEntry { last_key, handle: Handle { offset, length }, property })
}
