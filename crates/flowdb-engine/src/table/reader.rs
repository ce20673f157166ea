//! An open table.

use super::block::{Block, Lookup};
use super::cursor::TableCursor;
use super::filter::Filter;
use super::footer::{FOOTER_BYTES, Footer};
use super::index::Index;
use super::properties::Properties;
use super::stored::{Handle, Identity, read};
use crate::cache::{BlockCache, CachedBlocks};
use crate::error::{Error, Result};
use crate::format::{Reader, filter_hash};
use crate::fs::ReadableFile;
use crate::iter::{RangeDelete, RangeDeletes};
use crate::key::{Sequence, Version};
use crate::options::{FilterKey, ReadTier};
use crate::resources::MemoryCharge;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// A table open for reading, by any number of threads. Index, filter and range deletes are in memory, data blocks in the cache.
#[derive(Debug)]
pub(crate) struct Table {
    file: Arc<dyn ReadableFile>,
    path: PathBuf,
    file_bytes: u64,
    identity: Identity,
    cache: Arc<BlockCache>,
    /// Those of its blocks that are in the cache.
    cached: Arc<CachedBlocks>,
    filter_key: FilterKey,
    filter: Filter,
    pub(super) index: Index,
    range_deletes: Arc<RangeDeletes>,
    properties: Properties,
    _memory: MemoryCharge,
}

/// What the manifest knows of a table before it is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) table_id: u64,
    pub(crate) database_id: u64,
    /// The number from which its entries count, if not from the one in its properties.
    pub(crate) base: Option<Sequence>,
}

impl Table {
    /// Reads and checks everything but the data blocks.
    pub(crate) fn open(
        file: Arc<dyn ReadableFile>,
        path: PathBuf,
        place: Placement,
        filter_key: FilterKey,
        cache: Arc<BlockCache>,
    ) -> Result<Arc<Table>> {
        let identity = Identity { table_id: place.table_id, database_id: place.database_id };
        let file_bytes = file.len().map_err(|error| Error::io(&path, "opening a table", error))?;
        let Some(footer_at) = file_bytes.checked_sub(FOOTER_BYTES as u64) else {
            return Err(Error::corruption(&path, 0, "the file is too short for a table"));
        };
        let mut bytes = [0; FOOTER_BYTES];
        file.read_at(footer_at, &mut bytes).map_err(|error| Error::io(&path, "reading a table", error))?;
        let footer = Footer::decode(&bytes, &path, footer_at, identity)?;

        let block = |handle: Handle| read(file.as_ref(), &path, footer_at, handle, identity);
        let corrupt = |handle: Handle, what: &str| {
            Error::corruption(&path, handle.offset, format!("{what} is malformed"))
        };
        let properties = Properties::decode(&block(footer.properties)?)
            .and_then(|properties| match place.base {
                Some(base) => properties.renumbered(base),
                None => Some(properties),
            })
            .ok_or_else(|| corrupt(footer.properties, "the properties block"))?;
        let filter =
            Filter::new(block(footer.filter)?).ok_or_else(|| corrupt(footer.filter, "the filter"))?;
        let index = Index::new(block(footer.index)?, footer.filter.offset)
            .ok_or_else(|| corrupt(footer.index, "the index"))?;
        let range_deletes = match footer.range_deletes.length {
            0 => RangeDeletes::default(),
            _ => decode_range_deletes(&block(footer.range_deletes)?, properties.base)
                .ok_or_else(|| corrupt(footer.range_deletes, "the range-delete block"))?,
        };
        if range_deletes.len() as u64 != properties.range_deletes {
            return Err(corrupt(footer.range_deletes, "the range-delete block"));
        }
        let cached = CachedBlocks::new(&cache, index.len());
        let of_range_deletes = range_deletes.len() * RangeDeletes::BYTES_EACH;
        let memory_bytes =
            index.memory_bytes() + filter.memory_bytes() + cached.memory_bytes() + of_range_deletes;
        Ok(Arc::new(Table {
            _memory: MemoryCharge::new(&cache, memory_bytes as u64),
            cached,
            range_deletes: Arc::new(range_deletes),
            file,
            path,
            file_bytes: footer_at,
            identity,
            cache,
            filter_key,
            filter,
            index,
            properties,
        }))
    }

    /// Length of the file, in bytes.
    pub(crate) fn file_length(&self) -> u64 {
        self.file_bytes + FOOTER_BYTES as u64
    }

    /// The newest version of `key` (range deletes aside) that is not above `max`.
    pub(crate) fn get(
        &self,
        key: &[u8],
        max: Sequence,
        tier: ReadTier,
        fill_cache: bool,
    ) -> Result<Option<Version>> {
        if !self.may_contain(self.filter_hash(key)) {
            return Ok(None);
        }
        self.get_unfiltered(key, max, tier, fill_cache)
    }

    /// What the filters of all tables of the tree are asked for.
    pub(crate) fn filter_hash(&self, key: &[u8]) -> u64 {
        filter_hash((self.filter_key)(key))
    }

    /// False if it has no entry of a key with this hash.
    pub(crate) fn may_contain(&self, filter_hash: u64) -> bool {
        self.filter.may_contain_hash(filter_hash)
    }

    /// As [`Table::get`], for who has asked the filter.
    pub(crate) fn get_unfiltered(
        &self,
        key: &[u8],
        max: Sequence,
        tier: ReadTier,
        fill_cache: bool,
    ) -> Result<Option<Version>> {
        // Versions of a key may span blocks: the one asked for is in the first that is not wholly before it.
        for number in self.index.find(key)..self.index.len() {
            let block = self.block(number, tier, fill_cache)?;
            match block.get(key, max).map_err(|_| self.malformed(number))? {
                Lookup::Found(version) => return Ok(Some(version)),
                Lookup::Absent => return Ok(None),
                Lookup::Behind => {}
            }
        }
        Ok(None)
    }

    /// A cursor over the data blocks. With `property`, blocks without an entry that lies in this interval may be left out.
    pub(crate) fn cursor(
        self: &Arc<Self>,
        tier: ReadTier,
        fill_cache: bool,
        property: Option<(i64, i64)>,
    ) -> TableCursor {
        TableCursor::new(Arc::clone(self), tier, fill_cache, property)
    }

    pub(crate) fn range_deletes(&self) -> &Arc<RangeDeletes> {
        &self.range_deletes
    }

    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Number of data blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.index.len() as u64
    }

    /// True if the block property tells apart what is in the table.
    pub(crate) fn has_property(&self) -> bool {
        let (smallest, largest) = self.properties.span.property;
        smallest <= largest && (smallest, largest) != (i64::MIN, i64::MAX)
    }

    /// Size of the data blocks that may hold keys from `start` to `end`, both included. In bytes of the file.
    pub(crate) fn bytes_between(&self, start: &[u8], end: &[u8]) -> u64 {
        let blocks = self.index.len();
        if blocks == 0 || *start > *end {
            return 0;
        }
        let (first, last) = (self.index.find(start), self.index.find(end).min(blocks - 1));
        if first > last {
            return 0;
        }
        let Handle { offset, length } = self.index.handle(last);
        (offset + u64::from(length)).saturating_sub(self.index.handle(first).offset)
    }

    /// A data block, from the cache or (if `tier` allows it) from the file.
    pub(super) fn block(&self, number: usize, tier: ReadTier, fill_cache: bool) -> Result<Arc<Block>> {
        if let Some(block) = self.cache.get(&self.cached, number, fill_cache) {
            return Ok(block);
        }
        if tier == ReadTier::Memory {
            return Err(Error::would_block());
        }
        let handle = self.index.handle(number);
        let contents = read(self.file.as_ref(), &self.path, self.file_bytes, handle, self.identity)?;
        let block = Block::new(contents, self.properties.base).map_err(|_| self.malformed(number))?;
        if !fill_cache {
            return Ok(Arc::new(block));
        }
        let block = self.cache.settle(block);
        self.cache.insert(&self.cached, number, &block);
        Ok(block)
    }

    /// The checksum of a block was right, and yet it is not what we write.
    pub(super) fn malformed(&self, number: usize) -> Error {
        Error::corruption(&self.path, self.index.handle(number).offset, "a data block is malformed")
    }
}

fn decode_range_deletes(contents: &[u8], base: Sequence) -> Option<RangeDeletes> {
    decode_range_delete_list(contents, base).map(RangeDeletes::from_tombstones)
}

/// The range deletes as they stand in their block.
pub(super) fn decode_range_delete_list(contents: &[u8], base: Sequence) -> Option<Vec<RangeDelete>> {
    let mut reader = Reader::new(contents);
    let count = reader.varint()?;
    // Not allocated on the word of the count: each takes at least three bytes.
    let mut all = Vec::new();
    for _ in 0..count {
        let start = Bytes::copy_from_slice(reader.bytes()?);
        let end = Bytes::copy_from_slice(reader.bytes()?);
        let sequence = base.checked_add(reader.varint()?)?;
        if start >= end {
            return None;
        }
        all.push((start, end, sequence));
    }
    reader.is_empty().then_some(all)
}
