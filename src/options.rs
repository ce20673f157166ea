//! What a store is opened with.

use crate::maintenance::Scheduler;
use flowdb_engine::{Error, Result, SyncMode};
use flowdb_store::{Store, StoreHandle, StoreOptions};
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a store, as JS has checked them.
#[napi(object)]
pub struct OpenOptions {
    /// The directory; none for a store in memory.
    pub path: Option<String>,
    /// Create the directory if there is none.
    pub create_if_missing: Option<bool>,
    /// Sync each commit (0), let the system decide (-1), or sync every so many milliseconds.
    pub sync_interval_ms: Option<i32>,
    /// Block cache.
    pub cache_bytes: Option<i64>,
    /// Memtables.
    pub write_buffer_bytes: Option<i64>,
}

impl OpenOptions {
    /// For the store.
    pub(crate) fn to_store_options(&self) -> Result<StoreOptions> {
        Ok(StoreOptions {
            create_if_missing: self.create_if_missing.unwrap_or(true),
            sync: self.sync_interval_ms.map(sync_mode),
            cache_bytes: self.cache_bytes.map(|bytes| to_size("cacheBytes", bytes)).transpose()?,
            write_buffer_bytes: self
                .write_buffer_bytes
                .map(|bytes| to_size("writeBufferBytes", bytes))
                .transpose()?,
            waker: Some(Arc::new(Scheduler)),
            ..StoreOptions::default()
        })
    }
}

fn sync_mode(interval_ms: i32) -> SyncMode {
    match u64::try_from(interval_ms) {
        Err(_) => SyncMode::Os,
        Ok(0) => SyncMode::Always,
        Ok(milliseconds) => SyncMode::Interval(Duration::from_millis(milliseconds)),
    }
}

fn to_size<T: TryFrom<i64>>(name: &str, bytes: i64) -> Result<T> {
    T::try_from(bytes).map_err(|_| Error::invalid(format!("{name} is {bytes}, which is no size")))
}

/// Opens a store. Blocks.
pub(crate) fn open_store(path: Option<&str>, options: &StoreOptions) -> Result<StoreHandle> {
    match path {
        Some(path) => Store::open(Path::new(path), options),
        None => Store::memory(options),
    }
}
