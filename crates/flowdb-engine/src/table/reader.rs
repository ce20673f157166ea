//! An open table.

use super::block::{Block, Lookup};
use super::cursor::TableCursor;
use super::filter::Filter;
use super::footer::{FOOTER_BYTES, Footer};
use super::index::Index;
use super::part::Part;
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

/// A table open for reading, by any number of threads. Properties and range deletes are in memory, index and
/// filter from their first use on, data blocks in the cache.
#[derive(Debug)]
pub(crate) struct Table {
    file: Arc<dyn ReadableFile>,
    path: PathBuf,
    /// Where the footer begins, and the blocks have ended.
    footer_at: u64,
    identity: Identity,
    cache: Arc<BlockCache>,
    filter_key: FilterKey,
    filter: Part<Filter>,
    blocks: Part<Blocks>,
    /// Where the blocks end.
    blocks_end: u64,
    range_deletes: Arc<RangeDeletes>,
    _memory: MemoryCharge,
    properties: Properties,
}

/// Where the data blocks are.
#[derive(Debug)]
struct Blocks {
    index: Index,
    /// Those that are in the cache.
    cached: Arc<CachedBlocks>,
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
    /// Reads and checks footer, properties and range deletes.
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
        let range_deletes = match footer.range_deletes.length {
            0 => RangeDeletes::default(),
            _ => decode_range_deletes(&block(footer.range_deletes)?, properties.base)
                .ok_or_else(|| corrupt(footer.range_deletes, "the range-delete block"))?,
        };
        if range_deletes.len() as u64 != properties.range_deletes {
            return Err(corrupt(footer.range_deletes, "the range-delete block"));
        }
        let memory = MemoryCharge::new(&cache, (range_deletes.len() * RangeDeletes::BYTES_EACH) as u64);
        Ok(Arc::new(Table {
            filter: Part::new(footer.filter),
            blocks: Part::new(footer.index),
            blocks_end: footer.filter.offset,
            range_deletes: Arc::new(range_deletes),
            _memory: memory,
            file,
            path,
            footer_at,
            identity,
            cache,
            filter_key,
            properties,
        }))
    }

    /// Reads and checks what else is kept in memory, so that reads need not.
    pub(crate) fn load(&self) -> Result<()> {
        self.filter(ReadTier::Disk)?;
        self.blocks(ReadTier::Disk).map(drop)
    }

    fn filter(&self, tier: ReadTier) -> Result<&Filter> {
        self.filter.get(tier, |handle| {
            let filter = Filter::new(&self.read(handle)?);
            let filter = filter.ok_or_else(|| self.corrupt(handle, "the filter is malformed"))?;
            let memory = self.charge(filter.memory_bytes());
            Ok((filter, memory))
        })
    }

    fn blocks(&self, tier: ReadTier) -> Result<&Blocks> {
        self.blocks.get(tier, |handle| {
            let index = Index::new(self.read(handle)?, self.blocks_end);
            let index = index.ok_or_else(|| self.corrupt(handle, "the index is malformed"))?;
            let cached = CachedBlocks::new(&self.cache, index.len());
            let memory = self.charge(index.memory_bytes() + cached.memory_bytes());
            Ok((Blocks { index, cached }, memory))
        })
    }

    /// The index, from memory or (if `tier` allows it) from the file.
    #[inline]
    pub(super) fn index(&self, tier: ReadTier) -> Result<&Index> {
        self.blocks(tier).map(|blocks| &blocks.index)
    }

    /// The index, if it is in memory: it is from the first use of a block on.
    #[inline]
    pub(super) fn index_in_memory(&self) -> Option<&Index> {
        self.blocks.in_memory().map(|blocks| &blocks.index)
    }

    fn read(&self, handle: Handle) -> Result<Vec<u8>> {
        read(self.file.as_ref(), &self.path, self.footer_at, handle, self.identity)
    }

    fn corrupt(&self, handle: Handle, message: &str) -> Error {
        Error::corruption(&self.path, handle.offset, message)
    }

    fn charge(&self, bytes: usize) -> MemoryCharge {
        MemoryCharge::new(&self.cache, bytes as u64)
    }

    /// Length of the file, in bytes.
    pub(crate) fn file_length(&self) -> u64 {
        self.footer_at + FOOTER_BYTES as u64
    }

    /// The newest version of `key` (range deletes aside) that is not above `max`.
    pub(crate) fn get(
        &self,
        key: &[u8],
        max: Sequence,
        tier: ReadTier,
        fill_cache: bool,
    ) -> Result<Option<Version>> {
        if !self.may_contain(self.filter_hash(key), tier)? {
            return Ok(None);
        }
        self.get_unfiltered(key, max, tier, fill_cache)
    }

    /// What the filters of all tables of the tree are asked for.
    pub(crate) fn filter_hash(&self, key: &[u8]) -> u64 {
        filter_hash((self.filter_key)(key))
    }

    /// False if it has no entry of a key with this hash.
    #[inline]
    pub(crate) fn may_contain(&self, filter_hash: u64, tier: ReadTier) -> Result<bool> {
        self.filter(tier).map(|filter| filter.may_contain_hash(filter_hash))
    }

    /// The same as far as memory tells: true for a table whose filter was not read yet.
    #[inline]
    pub(crate) fn seems_to_contain(&self, filter_hash: u64) -> bool {
        self.filter.in_memory().is_none_or(|filter| filter.may_contain_hash(filter_hash))
    }

    /// As [`Table::get`], for a caller that has asked the filter.
    pub(crate) fn get_unfiltered(
        &self,
        key: &[u8],
        max: Sequence,
        tier: ReadTier,
        fill_cache: bool,
    ) -> Result<Option<Version>> {
        let index = self.index(tier)?;
        // Versions of a key may span blocks: the one asked for is in the first that is not wholly before it.
        for number in index.find(key)..index.len() {
            let block = self.block(number, tier, fill_cache)?;
            match block.get(key, max).map_err(|_| self.malformed(number))? {
                Lookup::Found(version) => return Ok(Some(version)),
                Lookup::Absent => return Ok(None),
                Lookup::Behind => {}
            }
        }
        Ok(None)
    }

    /// A cursor over the data blocks. With `property`, blocks without an entry that lies in this interval may
    /// be left out.
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

    /// The same as asking [`Table::range_deletes`], without following it.
    #[inline]
    pub(crate) fn has_range_deletes(&self) -> bool {
        self.properties.range_deletes > 0
    }

    /// Number of the newest range delete over `key` that is not above `sequence`.
    #[inline]
    pub(crate) fn range_delete_over(&self, key: &[u8], sequence: Sequence) -> Option<Sequence> {
        if self.has_range_deletes() { self.range_deletes.covering(key, sequence) } else { None }
    }

    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Number of data blocks; 0 as long as the index is not in memory.
    pub(crate) fn known_blocks(&self) -> u64 {
        self.index_in_memory().map_or(0, |index| index.len() as u64)
    }

    /// True if the block property tells apart what is in the table.
    pub(crate) fn has_property(&self) -> bool {
        let (smallest, largest) = self.properties.span.property;
        smallest <= largest && (smallest, largest) != (i64::MIN, i64::MAX)
    }

    /// Size of the data blocks that may hold keys from `start` to `end`, both included, in bytes of the
    /// file; 0 if the index cannot be read, as the next read of the table will say. For maintenance, which
    /// may read it.
    pub(crate) fn bytes_between(&self, start: &[u8], end: &[u8]) -> u64 {
        self.index(ReadTier::Disk).map_or(0, |index| index.bytes_between(start, end))
    }

    /// A data block, from the cache or (if `tier` allows it) from the file.
    pub(super) fn block(&self, number: usize, tier: ReadTier, fill_cache: bool) -> Result<Arc<Block>> {
        let Blocks { index, cached } = self.blocks(tier)?;
        if let Some(block) = self.cache.get(cached, number, fill_cache) {
            return Ok(block);
        }
        if tier == ReadTier::Memory {
            return Err(Error::would_block());
        }
        let contents = self.read(index.handle(number))?;
        let block = Block::new(contents, self.properties.base).map_err(|_| self.malformed(number))?;
        if !fill_cache {
            return Ok(Arc::new(block));
        }
        let block = self.cache.settle(block);
        self.cache.insert(cached, number, &block);
        Ok(block)
    }

    /// The checksum of a block was right, and yet it is not what we write.
    pub(super) fn malformed(&self, number: usize) -> Error {
        let offset = self.index_in_memory().map_or(0, |index| index.handle(number).offset);
        Error::corruption(&self.path, offset, "a data block is malformed")
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
