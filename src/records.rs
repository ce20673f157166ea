//! What reads look at: the present, a moment of it, or a snapshot.

use flowdb_engine::{ReadTier, Result};
use flowdb_store::kv::Kv;
use flowdb_store::series::Series;
use flowdb_store::{Record, Snapshot, Store};
use std::sync::Arc;

/// The records of a store.
pub(crate) enum Records {
    /// As they are at the time of each read.
    Present(Arc<Store>),
    /// As they were when a call began that reads several of them.
    Moment(Arc<Store>, Snapshot),
    /// As they were.
    Past(Snapshot),
}

impl Records {
    pub(crate) fn present(store: Arc<Store>) -> Self {
        Records::Present(store)
    }

    pub(crate) fn past(snapshot: Snapshot) -> Self {
        Records::Past(snapshot)
    }

    /// The present as it is now, for as long as it is held; a snapshot is what it is.
    pub(crate) fn moment(self: &Arc<Self>) -> Arc<Self> {
        match &**self {
            Records::Present(store) => Arc::new(Records::Moment(Arc::clone(store), store.snapshot())),
            Records::Moment(..) | Records::Past(_) => Arc::clone(self),
        }
    }

    pub(crate) fn kv(&self) -> Kv<'_> {
        match self {
            Records::Present(store) => store.kv(),
            Records::Moment(_, snapshot) | Records::Past(snapshot) => snapshot.kv(),
        }
    }

    pub(crate) fn series(&self) -> Series<'_> {
        match self {
            Records::Present(store) => store.series(),
            Records::Moment(_, snapshot) | Records::Past(snapshot) => snapshot.series(),
        }
    }

    /// A cache entry; only reads of the present say something about the cache.
    pub(crate) fn cached(&self, key: &[u8], tier: ReadTier) -> Result<Option<Record>> {
        match self {
            Records::Present(store) => store.cached(key, tier),
            Records::Moment(store, snapshot) => store.cached_at(snapshot, key, tier),
            Records::Past(snapshot) => snapshot.kv().with_tier(tier).get(key),
        }
    }
}
