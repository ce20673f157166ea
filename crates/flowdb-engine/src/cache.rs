//! Decompressed blocks of tables, bounded in bytes, shared by all readers.

use crate::resources::TableMemory;
use crate::stats::{CacheStats, Counter, Striped};
use crate::table::Block;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a block costs besides its contents, in bytes.
const BLOCK_OVERHEAD: u64 = 128;
/// Size that the cache's tables are laid out for; only an estimate.
const BLOCK_BYTES_EXPECTED: u64 = 4 << 10;

/// The cache. Its keys hold a number of its own for each opened table, so that the blocks of a file never answer for those of another.
#[derive(Debug)]
pub(crate) struct BlockCache {
    blocks: Cache<(u64, u64), Block, Weigh, PlaceHashing>,
    next_owner: AtomicU64,
    lookups: Striped<Lookups>,
    table_memory: TableMemory,
}

/// What became of the look-ups of a thread.
#[derive(Debug, Default)]
struct Lookups {
    hits: Counter,
    misses: Counter,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<(u64, u64), Block> for Weigh {
    fn weight(&self, _key: &(u64, u64), block: &Block) -> u64 {
        block.bytes() as u64 + BLOCK_OVERHEAD
    }
}

/// Hashes owner and offset. These are numbers of ours, chosen by nobody: two multiplications do, where a keyed hash would take a tenth
/// of a look-up.
#[derive(Debug, Clone, Default)]
struct PlaceHashing;

#[derive(Debug, Default)]
struct PlaceHasher(u64);

impl BuildHasher for PlaceHashing {
    type Hasher = PlaceHasher;

    fn build_hasher(&self) -> PlaceHasher {
        PlaceHasher::default()
    }
}

impl Hasher for PlaceHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    /// Both halves of the product, so that every bit of the number reaches every part of the hash.
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
        #[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
        let (low, high) = (product as u64, (product >> 64) as u64);
        self.0 = low ^ high;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl BlockCache {
    /// A cache of at most about `bytes` bytes; 0 keeps nothing.
    pub(crate) fn new(bytes: u64) -> Self {
        let blocks = usize::try_from((bytes / BLOCK_BYTES_EXPECTED).min(1 << 20)).unwrap_or(1 << 20);
        BlockCache {
            blocks: Cache::with(blocks, bytes, Weigh, PlaceHashing, DefaultLifecycle::default()),
            next_owner: AtomicU64::new(0),
            lookups: Striped::default(),
            table_memory: TableMemory::new(bytes),
        }
    }

    /// A number for the blocks of one opened table.
    pub(crate) fn new_owner(&self) -> u64 {
        self.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    /// The block, if it is there. Only a read that would put it there if it is not counts among the hits and misses: compactions say nothing
    /// about how well the cache serves.
    pub(crate) fn get(&self, owner: u64, offset: u64, fill_cache: bool) -> Option<Block> {
        let found = self.blocks.get(&(owner, offset));
        if !fill_cache {
            return found;
        }
        self.lookups.local().add(|lookups| if found.is_some() { &lookups.hits } else { &lookups.misses }, 1);
        found
    }

    /// Memory of the tables whose blocks are in here.
    pub(crate) fn table_memory(&self) -> &TableMemory {
        &self.table_memory
    }

    /// Blocks may take this many bytes from now on; those beyond it go.
    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.blocks.set_capacity(bytes);
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.lookups.sum(|lookups| &lookups.hits),
            misses: self.lookups.sum(|lookups| &lookups.misses),
            blocks: self.blocks.len() as u64,
            bytes: self.blocks.weight(),
            capacity_bytes: self.blocks.capacity(),
        }
    }

    pub(crate) fn insert(&self, owner: u64, offset: u64, block: &Block) {
        self.blocks.insert((owner, offset), block.clone());
    }
}
