//! How often the cache had what it was asked for.

use std::sync::atomic::{AtomicU64, Ordering};

/// Since the store was opened. Gets through [`crate::Store::cached`] count, each time they are answered;
/// reads of snapshots and scans do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KvUsage {
    /// Gets that found a value.
    pub hits: u64,
    /// Gets that found none, or one that had expired.
    pub misses: u64,
}

/// Relaxed throughout: nothing is published with these numbers.
#[derive(Debug, Default)]
pub(crate) struct UsageCounter {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl UsageCounter {
    pub(crate) fn count(&self, found: bool) {
        let counter = if found { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> KvUsage {
        KvUsage { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }
}
