//! What a store is opened with.

use crate::maintenance::Scheduler;
use flowdb_engine::{Compression, Error, Result, SyncMode};
use flowdb_store::{SeriesRetention, Store, StoreHandle, StoreOptions, Ttl};
use napi::bindgen_prelude::Buffer;
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
    /// Change nothing.
    pub read_only: Option<bool>,
    /// Sync each commit (0), let the system decide (-1), or sync every so many milliseconds.
    pub sync_interval_ms: Option<i32>,
    /// False to store blocks as they are.
    pub compress: Option<bool>,
    /// Time to live of cache entries; -1 for ever.
    pub kv_ttl_ms: Option<i64>,
    /// Time to live of points; -1 for ever.
    pub series_ttl_ms: Option<i64>,
    /// The others, of which all that counts is their number.
    pub block_cache_bytes: Option<i64>,
    /// Memtables.
    pub write_buffer_bytes: Option<i64>,
    /// Memtables that wait for their flush.
    pub frozen_write_buffers_max: Option<i64>,
    /// Blocks of tables.
    pub block_bytes: Option<i64>,
    /// Filters.
    pub filter_bits_per_key: Option<i64>,
    /// Segments of the log.
    pub log_segment_bytes: Option<i64>,
    /// The log.
    pub log_bytes_max: Option<i64>,
    /// Tables.
    pub table_bytes_max: Option<i64>,
    /// Tables of cache entries, all together.
    pub kv_bytes_max: Option<i64>,
    /// Age at which points go.
    pub series_retention_ms: Option<i64>,
    /// Time span whose points go together.
    pub series_bucket_ms: Option<i64>,
    /// The same by what keys begin with.
    pub series_retention_by_prefix: Option<Vec<RetentionRule>>,
}

/// How long series whose keys begin with a prefix are kept.
#[napi(object)]
pub struct RetentionRule {
    /// The prefix.
    pub prefix: Buffer,
    /// Age at which points go; -1 for never.
    pub keep_ms: i64,
    /// Time span whose points go together.
    pub bucket_ms: Option<i64>,
}

impl RetentionRule {
    fn to_store(&self) -> Result<SeriesRetention> {
        Ok(SeriesRetention {
            prefix: self.prefix.to_vec(),
            keep_ms: u64::try_from(self.keep_ms).ok(),
            bucket_ms: number("seriesRetentionByPrefix.bucketMs", self.bucket_ms)?,
        })
    }
}

impl OpenOptions {
    /// For the store.
    pub(crate) fn to_store_options(&self) -> Result<StoreOptions> {
        Ok(StoreOptions {
            create_if_missing: self.create_if_missing.unwrap_or(true),
            read_only: self.read_only.unwrap_or(false),
            sync: self.sync_interval_ms.map(sync_mode),
            cache_bytes: number("blockCacheBytes", self.block_cache_bytes)?,
            write_buffer_bytes: number("writeBufferBytes", self.write_buffer_bytes)?,
            frozen_memtables_max: number("frozenWriteBuffersMax", self.frozen_write_buffers_max)?,
            block_bytes: number("blockBytes", self.block_bytes)?,
            compression: self.compress.map(|yes| if yes { Compression::Lz4 } else { Compression::None }),
            filter_bits_per_key: number("filterBitsPerKey", self.filter_bits_per_key)?,
            log_segment_bytes: number("logSegmentBytes", self.log_segment_bytes)?,
            log_bytes_max: number("logBytesMax", self.log_bytes_max)?,
            table_bytes_max: number("tableBytesMax", self.table_bytes_max)?,
            kv_bytes_max: number("kvBytesMax", self.kv_bytes_max)?,
            kv_ttl: self.kv_ttl_ms.map(ttl),
            series_ttl: self.series_ttl_ms.map(ttl),
            series_retention_ms: number("seriesRetentionMs", self.series_retention_ms)?,
            series_bucket_ms: number("seriesBucketMs", self.series_bucket_ms)?,
            series_retention: self.series_retention()?,
            waker: Some(Arc::new(Scheduler)),
            ..StoreOptions::default()
        })
    }
}

impl OpenOptions {
    fn series_retention(&self) -> Result<Option<Vec<SeriesRetention>>> {
        let rules = self.series_retention_by_prefix.as_deref();
        rules.map(|rules| rules.iter().map(RetentionRule::to_store).collect()).transpose()
    }
}

fn ttl(ms: i64) -> Ttl {
    u64::try_from(ms).map_or(Ttl::Never, Ttl::Milliseconds)
}

fn sync_mode(interval_ms: i32) -> SyncMode {
    match u64::try_from(interval_ms) {
        Err(_) => SyncMode::Os,
        Ok(0) => SyncMode::Always,
        Ok(milliseconds) => SyncMode::Interval(Duration::from_millis(milliseconds)),
    }
}

fn number<T: TryFrom<i64>>(name: &str, value: Option<i64>) -> Result<Option<T>> {
    let converted = |value| {
        T::try_from(value).map_err(|_| Error::invalid(format!("{name} is {value}, which is out of range")))
    };
    value.map(converted).transpose()
}

/// Opens a store. Blocks.
pub(crate) fn open_store(path: Option<&str>, options: &StoreOptions) -> Result<StoreHandle> {
    match path {
        Some(path) => Store::open(Path::new(path), options),
        None => Store::memory(options),
    }
}
