//! Decompressed blocks of tables, bounded in bytes, shared by all readers.

use crate::table::Block;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a block costs besides its contents, in bytes.
const BLOCK_OVERHEAD: u64 = 128;
/// Size that the cache's tables are laid out for; only an estimate.
const BLOCK_BYTES_EXPECTED: u64 = 4 << 10;

/// The cache. Its keys hold a number of its own for each opened table, so that the blocks of a file never answer for those of another.
#[derive(Debug)]
pub(crate) struct BlockCache {
    blocks: Cache<(u64, u64), Arc<Block>, Weigh>,
    next_owner: AtomicU64,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<(u64, u64), Arc<Block>> for Weigh {
    fn weight(&self, _key: &(u64, u64), block: &Arc<Block>) -> u64 {
        block.bytes() as u64 + BLOCK_OVERHEAD
    }
}

impl BlockCache {
    /// A cache of at most about `bytes` bytes; 0 keeps nothing.
    pub(crate) fn new(bytes: u64) -> Self {
        let blocks = usize::try_from((bytes / BLOCK_BYTES_EXPECTED).min(1 << 20)).unwrap_or(1 << 20);
        BlockCache { blocks: Cache::with_weighter(blocks, bytes, Weigh), next_owner: AtomicU64::new(0) }
    }

    /// A number for the blocks of one opened table.
    pub(crate) fn new_owner(&self) -> u64 {
        self.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self, owner: u64, offset: u64) -> Option<Arc<Block>> {
        self.blocks.get(&(owner, offset))
    }

    pub(crate) fn insert(&self, owner: u64, offset: u64, block: &Arc<Block>) {
        self.blocks.insert((owner, offset), Arc::clone(block));
    }
}
