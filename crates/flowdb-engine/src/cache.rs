//! Decompressed blocks of tables, bounded in bytes, shared by all readers.
//!
//! Each open table has a place for each of its blocks, so that one in memory is found without a search. Which
//! blocks go when the bytes do not suffice follows S3-FIFO: a block is *young* until it is read again, and
//! the young ones go first as long as they are a tenth of all. So a scan of everything drives out little but
//! itself. One that comes back soon after it went was read again too: its place remembers it.

use crate::resources::TableMemory;
use crate::slabs::Slabs;
use crate::stats::{CacheStats, Counter, Striped};
use crate::table::Block;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// What a block costs besides its contents, in bytes: itself, and the owners of its memory.
const BLOCK_OVERHEAD: u64 = size_of::<Block>() as u64 + 96;
/// Of so many blocks, one may be young while others have to go.
const YOUNG_PART: usize = 10;
/// Places of closed tables are not looked for before there are so many.
const QUEUED_MIN: usize = 1024;

/// The cache.
#[derive(Debug)]
pub(crate) struct BlockCache {
    capacity: AtomicU64,
    totals: Arc<Totals>,
    /// Lock order: this before the lock of a block's place.
    queues: Mutex<Queues>,
    lookups: Striped<Lookups>,
    table_memory: TableMemory,
    slabs: Arc<Slabs>,
}

/// What is there.
#[derive(Debug, Default)]
struct Totals {
    blocks: AtomicU64,
    bytes: AtomicU64,
    /// Blocks that had to go so far; it begins anew after the largest number.
    removals: AtomicU32,
}

/// The blocks in the order in which they may have to go, and places of tables closed by now.
#[derive(Debug, Default)]
struct Queues {
    young: VecDeque<Queued>,
    /// Those that were read again.
    proven: VecDeque<Queued>,
}

#[derive(Debug)]
struct Queued {
    table: Weak<CachedBlocks>,
    block: usize,
}

/// What became of the look-ups of a thread.
#[derive(Debug, Default)]
struct Lookups {
    hits: Counter,
    misses: Counter,
}

/// The blocks of one open table that are in memory. They go with it.
#[derive(Debug)]
pub(crate) struct CachedBlocks {
    places: Box<[RwLock<Place>]>,
    totals: Arc<Totals>,
}

/// Where a block is, or was.
#[derive(Debug, Default)]
struct Place {
    block: Option<Arc<Block>>,
    /// Number of its removal, if there was one.
    removal: Option<u32>,
}

impl CachedBlocks {
    /// Places for the `count` blocks of a table.
    pub(crate) fn new(cache: &BlockCache, count: usize) -> Arc<Self> {
        let places = std::iter::repeat_with(RwLock::default).take(count).collect();
        Arc::new(CachedBlocks { places, totals: Arc::clone(&cache.totals) })
    }

    /// Memory that the places take, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.places)
    }

    /// `None` if it was there already.
    fn put(&self, number: usize, block: &Arc<Block>) -> Option<Age> {
        let mut place = self.places[number].write();
        if place.block.is_some() {
            return None;
        }
        place.block = Some(Arc::clone(block));
        let blocks = self.totals.blocks.fetch_add(1, Ordering::Relaxed);
        self.totals.bytes.fetch_add(weight(block), Ordering::Relaxed);
        let removals = self.totals.removals.load(Ordering::Relaxed);
        let is_back = |removal| u64::from(removals.wrapping_sub(removal)) <= blocks;
        Some(if place.removal.is_some_and(is_back) { Age::Proven } else { Age::Young })
    }

    /// Removes the block, unless it was read since it was last looked at.
    fn pass_over(&self, number: usize) -> Passed {
        let mut place = self.places[number].write();
        if place.block.as_ref().is_some_and(|block| block.take_note()) {
            return Passed::Kept;
        }
        if let Some(block) = place.block.take() {
            self.totals.forget(&block);
            place.removal = Some(self.totals.removals.fetch_add(1, Ordering::Relaxed));
        }
        Passed::Removed
    }
}

/// Whether a block was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Young,
    Proven,
}

/// What became of a block whose turn it was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Kept,
    Removed,
}

impl Drop for CachedBlocks {
    fn drop(&mut self) {
        for place in &mut self.places {
            if let Some(block) = place.get_mut().block.take() {
                self.totals.forget(&block);
            }
        }
    }
}

impl Totals {
    fn forget(&self, block: &Block) {
        self.blocks.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(weight(block), Ordering::Relaxed);
    }
}

impl Queues {
    fn push(&mut self, queued: Queued, age: Age) {
        match age {
            Age::Young => self.young.push_back(queued),
            Age::Proven => self.proven.push_back(queued),
        }
    }

    /// Whose turn it is to go.
    fn pop(&mut self) -> Option<Queued> {
        let is_youngs_turn = self.young.len() >= self.proven.len() / (YOUNG_PART - 1);
        let (first, second) = match is_youngs_turn {
            true => (&mut self.young, &mut self.proven),
            false => (&mut self.proven, &mut self.young),
        };
        first.pop_front().or_else(|| second.pop_front())
    }

    /// Forgets the places of closed tables once they may be most of all.
    fn tidy(&mut self, blocks: u64) {
        let queued = self.young.len() + self.proven.len();
        if queued > QUEUED_MIN && queued as u64 / 2 > blocks {
            let is_open = |queued: &Queued| queued.table.strong_count() > 0;
            self.young.retain(is_open);
            self.proven.retain(is_open);
        }
    }
}

fn weight(block: &Block) -> u64 {
    block.bytes() as u64 + BLOCK_OVERHEAD
}

impl BlockCache {
    /// A cache of at most about `bytes` bytes; 0 keeps nothing.
    pub(crate) fn new(bytes: u64) -> Self {
        BlockCache {
            capacity: AtomicU64::new(bytes),
            totals: Arc::default(),
            queues: Mutex::default(),
            lookups: Striped::default(),
            table_memory: TableMemory::new(bytes),
            slabs: Arc::default(),
        }
    }

    /// The block, if it is there. Only a read that would put it there if it is not counts among the hits and
    /// misses, and in favour of the block: compactions say nothing about how well the cache serves.
    pub(crate) fn get(&self, table: &CachedBlocks, number: usize, fill_cache: bool) -> Option<Arc<Block>> {
        let found = table.places[number].read().block.clone();
        if !fill_cache {
            return found;
        }
        if let Some(block) = &found {
            block.note_read();
        }
        self.lookups.local().add(|lookups| if found.is_some() { &lookups.hits } else { &lookups.misses }, 1);
        found
    }

    /// A block that is to be put here, where it may stay.
    pub(crate) fn settle(&self, block: Block) -> Arc<Block> {
        Arc::new(block.in_slab_of(&self.slabs, self.bytes()))
    }

    /// Puts a block where readers find it.
    pub(crate) fn insert(&self, table: &Arc<CachedBlocks>, number: usize, block: &Arc<Block>) {
        if weight(block) > self.capacity() {
            return;
        }
        let Some(age) = table.put(number, block) else {
            return;
        };
        let mut queues = self.queues.lock();
        queues.tidy(self.totals.blocks.load(Ordering::Relaxed));
        queues.push(Queued { table: Arc::downgrade(table), block: number }, age);
        self.make_room(&mut queues);
    }

    fn make_room(&self, queues: &mut Queues) {
        while self.bytes() > self.capacity() {
            let Some(queued) = queues.pop() else { return };
            let Some(table) = queued.table.upgrade() else { continue };
            if table.pass_over(queued.block) == Passed::Kept {
                queues.push(queued, Age::Proven);
            }
        }
    }

    /// Memory of the tables whose blocks are in here.
    pub(crate) fn table_memory(&self) -> &TableMemory {
        &self.table_memory
    }

    /// Blocks may take this many bytes from now on; those beyond it go.
    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.capacity.store(bytes, Ordering::Relaxed);
        self.make_room(&mut self.queues.lock());
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.lookups.sum(|lookups| &lookups.hits),
            misses: self.lookups.sum(|lookups| &lookups.misses),
            blocks: self.totals.blocks.load(Ordering::Relaxed),
            bytes: self.bytes(),
            capacity_bytes: self.capacity(),
        }
    }

    fn bytes(&self) -> u64 {
        self.totals.bytes.load(Ordering::Relaxed)
    }

    fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Relaxed)
    }
}
