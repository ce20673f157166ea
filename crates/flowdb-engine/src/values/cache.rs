//! Values read lately, bounded in bytes, shared by all readers.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Share of the block cache's size that values may take besides it.
const SHARE: u64 = 4;
/// A value above this part of the cache is not kept: it would drive out too many others, and the operating
/// system has it.
const VALUES_MIN: u64 = 8;
/// What a value costs besides its bytes.
const VALUE_OVERHEAD: u64 = 128;
/// Size that the cache's tables are laid out for; only an estimate.
const VALUE_BYTES_EXPECTED: u64 = 64 << 10;

/// The cache. Its keys hold a number of its own for each opened file, and an offset. Takes no memory until
/// a value is read from a file. Apart from the blocks, so that a few large values do not drive out
/// thousands of blocks.
#[derive(Debug)]
pub(crate) struct ValueCache {
    /// Made for the first value: it asks the system for the number of processors, which takes a dozen calls.
    values: OnceLock<Cache<(u64, u64), Bytes, Weigh>>,
    bytes_max: u64,
    value_bytes_max: u64,
    next_owner: AtomicU64,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<(u64, u64), Bytes> for Weigh {
    fn weight(&self, _key: &(u64, u64), value: &Bytes) -> u64 {
        value.len() as u64 + VALUE_OVERHEAD
    }
}

impl ValueCache {
    /// A cache besides a block cache of `block_cache_bytes`.
    pub(crate) fn new(block_cache_bytes: u64) -> Self {
        let bytes = block_cache_bytes / SHARE;
        ValueCache {
            values: OnceLock::new(),
            bytes_max: bytes,
            value_bytes_max: bytes / VALUES_MIN,
            next_owner: AtomicU64::new(0),
        }
    }

    /// A number for the values of one opened file.
    pub(super) fn new_owner(&self) -> u64 {
        self.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get(&self, owner: u64, offset: u64) -> Option<Bytes> {
        self.values.get()?.get(&(owner, offset))
    }

    /// Lets go of all values.
    pub(crate) fn clear(&self) {
        if let Some(values) = self.values.get() {
            values.clear();
        }
    }

    fn make(&self) -> Cache<(u64, u64), Bytes, Weigh> {
        let expected =
            usize::try_from((self.bytes_max / VALUE_BYTES_EXPECTED).min(1 << 16)).unwrap_or(1 << 16);
        Cache::with_weighter(expected, self.bytes_max, Weigh)
    }

    /// Keeps a value, unless it is too large.
    pub(super) fn insert(&self, owner: u64, offset: u64, value: &Bytes) {
        if value.len() as u64 <= self.value_bytes_max {
            self.values.get_or_init(|| self.make()).insert((owner, offset), value.clone());
        }
    }
}
