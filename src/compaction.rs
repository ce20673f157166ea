//! A compaction that was asked for, and can be called off.

use crate::maintenance;
use crate::task::{self, Work};
use flowdb_store::Store;
use flowdb_store::keyspace::{DOCUMENTS, KV, SERIES};
use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rewrites all trees of a store until nothing superfluous is left in them.
#[napi]
pub struct RecordCompaction {
    store: Arc<Store>,
    is_stopped: Arc<AtomicBool>,
}

#[napi]
impl RecordCompaction {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        RecordCompaction { store, is_stopped: Arc::default() }
    }

    /// Does it, on a worker. False if it was called off before it was through.
    #[napi]
    pub fn run(&self) -> AsyncTask<Work<bool>> {
        let (store, is_stopped) = (Arc::clone(&self.store), Arc::clone(&self.is_stopped));
        task::run(move || {
            // A process that exits waits for the work that runs.
            let goes_on = || !is_stopped.load(Ordering::Relaxed) && !maintenance::is_stopped();
            for tree in [KV, SERIES, DOCUMENTS] {
                if !store.db().compact_while(tree, &goes_on)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Has it end within a slice.
    #[napi]
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}
