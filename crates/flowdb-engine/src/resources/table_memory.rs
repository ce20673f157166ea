//! Memory that tables take as long as they are open, at the expense of the block cache.

use crate::cache::BlockCache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Memory of the indexes and filters of all tables whose blocks are in one cache.
#[derive(Debug)]
pub(crate) struct TableMemory {
    bytes: AtomicU64,
    /// What blocks and tables may take together.
    limit: u64,
}

impl TableMemory {
    pub(crate) fn new(limit: u64) -> Self {
        TableMemory { bytes: AtomicU64::new(0), limit }
    }

    /// In bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What is left for blocks. Half of the limit in any case: without a cache, every read would go
    /// to the disk.
    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.bytes()).max(self.limit / 2)
    }
}

/// A table's share of it, given back when the table is closed.
#[derive(Debug)]
pub(crate) struct MemoryCharge {
    cache: Arc<BlockCache>,
    bytes: u64,
}

impl MemoryCharge {
    pub(crate) fn new(cache: &Arc<BlockCache>, bytes: u64) -> Self {
        cache.table_memory().bytes.fetch_add(bytes, Ordering::Relaxed);
        cache.set_capacity(cache.table_memory().left());
        MemoryCharge { cache: Arc::clone(cache), bytes }
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        let memory = self.cache.table_memory();
        memory.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.cache.set_capacity(memory.left());
    }
}
