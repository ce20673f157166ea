//! Settings of a store: meaning, unit, default, allowed range. A setting that does nothing does not exist.

mod json;
mod retention;

pub use retention::SeriesRetention;

use crate::keyspace::{DOCUMENTS, KV, SERIES};
use crate::store::{Waker, engine_options};
use crate::ttl::{TTL_MS_MAX, Ttl};
use flowdb_engine::{Clock, Compression, Error, Options, Result, SyncMode, SystemClock};
use std::sync::Arc;

/// Settings of a store. `None` stands for the default, or for what the store was opened with if it
/// is open already.
///
/// All but the first two and the last two belong to the store: whoever opens a directory that is open in this
/// process, and asks for something else, gets an error. None is kept in the directory, so that each can be
/// changed by reopening. Errors name a setting as JSON does.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Create the directory if there is none. Default true; else it is `NotFound`.
    pub create_if_missing: bool,
    /// Open what is there without changing anything, and share it with other processes that do the same: see
    /// [`flowdb_engine::Options::read_only`]. Default false. Within a process, all who have a directory open
    /// agree about it.
    pub read_only: bool,
    /// When a commit counts as done. Default [`SyncMode::Os`]; an interval is from 1 ms to 1 hour.
    pub sync: Option<SyncMode>,
    /// Decompressed blocks kept in memory, in bytes. Default 32 MiB, from 0 to 1 TiB.
    pub cache_bytes: Option<u64>,
    /// Memtable size of each tree at which it is flushed, in bytes. Default 16 MiB, in memory 32 MiB; from
    /// 64 KiB to 1 GiB.
    pub write_buffer_bytes: Option<usize>,
    /// Full memtables of a tree that may wait for their flush before writes wait, too. Default 2, from
    /// 1 to 16.
    pub frozen_memtables_max: Option<usize>,
    /// Size at which a table block is closed, in bytes before compression. Default 4 KiB, from 512 B to
    /// 1 MiB. Tables already written keep theirs.
    pub block_bytes: Option<usize>,
    /// Compression of table blocks. Default LZ4. Tables already written keep theirs.
    pub compression: Option<Compression>,
    /// Memory and disk spent on filters, in bits per key; 0 for no filters. Default 10, to 32.
    pub filter_bits_per_key: Option<u32>,
    /// Size at which a log segment is followed by a new one, in bytes. Default 64 MiB, from 64 KiB to 4 GiB.
    /// A store in memory writes no log.
    pub log_segment_bytes: Option<u64>,
    /// Log kept at most before memtables are flushed to free it, in bytes. Default 256 MiB, from one
    /// segment to 1 TiB.
    pub log_bytes_max: Option<u64>,
    /// Size at which compaction closes a table, in bytes. Default 32 MiB, from 64 KiB to 1 GiB.
    pub table_bytes_max: Option<u64>,
    /// Size at which the tree of cached values forgets those written longest ago, in bytes of its tables,
    /// from 256 KiB to 1 EiB: see [`flowdb_engine::TreeOptions::bytes_max`]. Its memtable is an eighth of
    /// that at most. Default: it forgets nothing. Series and documents never do.
    pub kv_bytes_max: Option<u64>,
    /// Time to live of cache entries that bring none. Default never; in milliseconds, from
    /// 1 to [`crate::TTL_MS_MAX`].
    pub kv_ttl: Option<Ttl>,
    /// Time to live of points that bring none. Default never; in milliseconds, from 1 to
    /// [`crate::TTL_MS_MAX`], counted from the point's timestamp.
    pub series_ttl: Option<Ttl>,
    /// Age from which on points are not seen any more, whatever their TTL: see
    /// [`flowdb_engine::TreeOptions::retention`]. Default: none; in milliseconds, from 1 to
    /// [`crate::TTL_MS_MAX`]. Points are kept apart by time, so that old ones go without being read or
    /// rewritten, which a TTL does not give.
    pub series_retention_ms: Option<u64>,
    /// Time span whose points go together once all of it is older than `series_retention_ms`. Default a tenth
    /// of that, but at least one hour; in milliseconds, from 1 minute to [`crate::TTL_MS_MAX`], at least a
    /// 256th of it. Not without `series_retention_ms`.
    pub series_bucket_ms: Option<u64>,
    /// For series whose keys begin with a prefix, in the place of `series_retention_ms`; the longest prefix
    /// of a key counts. At most 256, each prefix once, in any order. Default: none.
    pub series_retention: Option<Vec<SeriesRetention>>,
    /// Where the time comes from. Default: the machine.
    pub clock: Arc<dyn Clock>,
    /// Whom to tell that there is maintenance to do; `None` if the caller looks after it by itself.
    pub waker: Option<Arc<dyn Waker>>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            create_if_missing: true,
            read_only: false,
            sync: None,
            cache_bytes: None,
            write_buffer_bytes: None,
            frozen_memtables_max: None,
            block_bytes: None,
            compression: None,
            filter_bits_per_key: None,
            log_segment_bytes: None,
            log_bytes_max: None,
            table_bytes_max: None,
            kv_bytes_max: None,
            kv_ttl: None,
            series_ttl: None,
            series_retention_ms: None,
            series_bucket_ms: None,
            series_retention: None,
            clock: Arc::new(SystemClock::default()),
            waker: None,
        }
    }
}

/// Names and allowed values of the settings that are numbers.
const RANGES: [(&str, u64, u64); 11] = [
    ("blockCacheBytes", 0, 1 << 40),
    ("writeBufferBytes", 64 << 10, 1 << 30),
    ("frozenWriteBuffersMax", 1, 16),
    ("blockBytes", 512, 1 << 20),
    ("filterBitsPerKey", 0, 32),
    ("logSegmentBytes", 64 << 10, 4 << 30),
    ("logBytesMax", 64 << 10, 1 << 40),
    ("tableBytesMax", 64 << 10, 1 << 30),
    ("kvBytesMax", 256 << 10, 1 << 60),
    ("seriesRetentionMs", 1, TTL_MS_MAX),
    ("seriesBucketMs", 60_000, TTL_MS_MAX),
];

impl StoreOptions {
    /// Refuses settings out of range, naming the first.
    pub fn validate(&self) -> Result<()> {
        for ((name, min, max), value) in RANGES.iter().zip(self.numbers()) {
            if let Some(value) = value.filter(|value| !(min..=max).contains(&value)) {
                return Err(Error::invalid(format!("{name} is {value}; allowed are {min} to {max}")));
            }
        }
        if let Some(SyncMode::Interval(interval)) = self.sync
            && !(1..=3_600_000).contains(&interval.as_millis())
        {
            let ms = interval.as_millis();
            return Err(Error::invalid(format!("sync.intervalMs is {ms}; allowed are 1 to 3600000")));
        }
        retention::validate(self)?;
        self.kv_ttl.map_or(Ok(()), |ttl| ttl.check_default("kvTtlMs"))?;
        self.series_ttl.map_or(Ok(()), |ttl| ttl.check_default("seriesTtlMs"))
    }

    /// Refuses what no directory can be opened with for the first time: also what contradicts itself, or a
    /// default that stands for what is left open.
    pub(crate) fn validate_for_new(&self) -> Result<()> {
        let mut engine = engine_options();
        Settings::apply(self, &mut engine)?;
        engine.validate()
    }

    /// In the order of [`RANGES`].
    fn numbers(&self) -> [Option<u64>; 11] {
        [
            self.cache_bytes,
            self.write_buffer_bytes.map(|bytes| bytes as u64),
            self.frozen_memtables_max.map(|count| count as u64),
            self.block_bytes.map(|bytes| bytes as u64),
            self.filter_bits_per_key.map(u64::from),
            self.log_segment_bytes,
            self.log_bytes_max,
            self.table_bytes_max,
            self.kv_bytes_max,
            self.series_retention_ms,
            self.series_bucket_ms,
        ]
    }
}

/// What an open store was given, and what it took for the rest. Shared by all who have it open.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    given: StoreOptions,
    pub(crate) kv_ttl: Ttl,
    pub(crate) series_ttl: Ttl,
}

impl Settings {
    /// The settings of a store that is being opened: `options` are put into `engine`, whose values stand
    /// for the rest.
    pub(crate) fn apply(options: &StoreOptions, engine: &mut Options) -> Result<Self> {
        options.validate()?;
        let mut given = options.clone();
        engine.create_if_missing = given.create_if_missing;
        engine.read_only = given.read_only;
        engine.clock = Arc::clone(&given.clock);
        engine.sync = *given.sync.get_or_insert(engine.sync);
        engine.block_cache_bytes = *given.cache_bytes.get_or_insert(engine.block_cache_bytes);
        engine.frozen_memtables_max = *given.frozen_memtables_max.get_or_insert(engine.frozen_memtables_max);
        engine.log_segment_bytes = *given.log_segment_bytes.get_or_insert(engine.log_segment_bytes);
        let log_bytes = engine.log_bytes_max.max(engine.log_segment_bytes);
        engine.log_bytes_max = *given.log_bytes_max.get_or_insert(log_bytes);
        engine.table_bytes_max = *given.table_bytes_max.get_or_insert(engine.table_bytes_max);
        for tree in engine.trees.iter_mut().filter(|tree| [KV, SERIES, DOCUMENTS].contains(&tree.id)) {
            tree.write_buffer_bytes = *given.write_buffer_bytes.get_or_insert(tree.write_buffer_bytes);
            tree.block_bytes = *given.block_bytes.get_or_insert(tree.block_bytes);
            tree.compression = *given.compression.get_or_insert(tree.compression);
            tree.filter_bits_per_key = *given.filter_bits_per_key.get_or_insert(tree.filter_bits_per_key);
        }
        if let Some(bytes_max) = given.kv_bytes_max {
            limit(engine, bytes_max);
        }
        retention::apply(&mut given, engine)?;
        if engine.log_bytes_max < engine.log_segment_bytes {
            return Err(Error::invalid(format!(
                "logBytesMax: is {}; allowed is at least logSegmentBytes, which is {}",
                engine.log_bytes_max, engine.log_segment_bytes
            )));
        }
        let kv_ttl = *given.kv_ttl.get_or_insert(Ttl::Never);
        let series_ttl = *given.series_ttl.get_or_insert(Ttl::Never);
        // Whoever opened it first is not kept alive by it.
        given.waker = None;
        Ok(Settings { given, kv_ttl, series_ttl })
    }

    /// Refuses options that ask for something else, naming the first and what it is.
    pub(crate) fn check(&self, options: &StoreOptions) -> Result<()> {
        options.validate()?;
        if options.read_only != self.given.read_only {
            return Err(Error::invalid(format!(
                "readOnly: the directory is open in this process with {}, and {} was asked for",
                self.given.read_only, options.read_only
            )));
        }
        let current = self.given.to_json();
        for (name, asked) in options.shared_json() {
            if current.get(&name) != Some(&asked) {
                let current =
                    current.get(&name).map_or("without it".to_owned(), |value| format!("with {value}"));
                return Err(Error::invalid(format!(
                    "{name}: the directory is open in this process {current}, and {asked} was asked for"
                )));
            }
        }
        Ok(())
    }
}

/// The least that the engine takes.
const KV_WRITE_BUFFER_BYTES_MIN: usize = 64 << 10;

/// Has the tree of cached values keep to `bytes_max`, with a memtable that does not make it forget
/// all at once.
fn limit(engine: &mut Options, bytes_max: u64) {
    for tree in engine.trees.iter_mut().filter(|tree| tree.id == KV) {
        tree.bytes_max = Some(bytes_max);
        let share = usize::try_from(bytes_max / 8).unwrap_or(usize::MAX).max(KV_WRITE_BUFFER_BYTES_MIN);
        tree.write_buffer_bytes = tree.write_buffer_bytes.min(share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        for (name, min, max) in RANGES {
            for good in [min, max] {
                StoreOptions::from_json(&json!({ name: good })).unwrap();
            }
            for bad in [min.checked_sub(1), Some(max + 1)].into_iter().flatten() {
                let error = StoreOptions::from_json(&json!({ name: bad })).unwrap_err();
                assert!(error.message().starts_with(&format!("{name} is {bad}; ")), "{error}");
            }
        }
    }

    #[test]
    fn our_ranges_are_those_of_the_engine() {
        let accepted = |options: &StoreOptions| {
            let mut engine = crate::store::engine_options();
            Settings::apply(options, &mut engine).map(|_| engine.validate().unwrap())
        };
        for (name, min, max) in RANGES {
            let mut largest_segment = json!({ name: max, "logBytesMax": 1u64 << 40 });
            let mut smallest_segment = json!({ "logSegmentBytes": 64 << 10, name: min });
            if name == "seriesBucketMs" {
                largest_segment["seriesRetentionMs"] = json!(max);
                smallest_segment["seriesRetentionMs"] = json!(min);
            }
            for json in [largest_segment, smallest_segment] {
                accepted(&StoreOptions::from_json(&json).unwrap()).unwrap();
            }
        }
        for contradiction in [
            json!({ "logSegmentBytes": 1 << 20, "logBytesMax": 1 << 19 }),
            json!({ "seriesRetentionMs": 257 * 60_000, "seriesBucketMs": 60_000 }),
            json!({ "seriesBucketMs": 60_000 }),
            json!({ "seriesRetentionByPrefix": [{ "prefix": "a", "ms": 5 }], "seriesBucketMs": 60_000 }),
        ] {
            assert!(accepted(&StoreOptions::from_json(&contradiction).unwrap()).is_err());
        }
    }

    #[test]
    fn retentions_by_prefix_are_checked_by_name() {
        let refused = |rules: serde_json::Value| {
            let error = StoreOptions::from_json(&json!({ "seriesRetentionByPrefix": rules })).unwrap_err();
            assert!(error.message().starts_with("seriesRetentionByPrefix"), "{error}");
        };
        let year = 31_536_000_000_u64;
        for bad in [
            json!({}),
            json!([5]),
            json!([{ "prefix": "a" }]),
            json!([{ "prefix": "a", "ms": 0 }]),
            json!([{ "prefix": "a", "ms": TTL_MS_MAX + 1 }]),
            json!([{ "prefix": "a", "ms": "forever" }]),
            json!([{ "prefix": "a", "ms": 5, "bucket": 1 }]),
            json!([{ "prefix": "a", "ms": year, "bucketMs": 60_000 }]),
            json!([{ "prefix": "a", "ms": 5, "bucketMs": 59_999 }]),
            json!([{ "prefix": "a", "ms": "never", "bucketMs": 60_000 }]),
            json!([{ "prefix": "a", "ms": 5 }, { "prefix": "a", "ms": 6 }]),
            json!([{ "prefix": "a".repeat(513), "ms": 5 }]),
            json!([{ "prefixHex": "f", "ms": 5 }]),
            json!([{ "prefix": "a", "prefixHex": "ff", "ms": 5 }]),
            json!(vec![json!({ "prefix": "a", "ms": 5 }); 257]),
        ] {
            refused(bad);
        }
    }

    #[test]
    fn a_retention_that_is_refused_is_named_by_its_index() {
        let good = json!({ "prefix": "a", "ms": 5 });
        for (bad, name) in [
            (json!({ "prefix": "b", "ms": 0 }), "ms"),
            (json!({ "prefix": "b", "ms": 5, "bucketMs": 1 }), "bucketMs"),
            (json!({ "prefix": "b", "ms": "never", "bucketMs": 60_000 }), "bucketMs"),
            (json!({ "prefix": "b", "ms": TTL_MS_MAX, "bucketMs": 60_000 }), "bucketMs"),
            (json!({ "prefix": "b".repeat(513), "ms": 5 }), "prefix"),
            (good.clone(), "prefix"),
        ] {
            let rules = json!({ "seriesRetentionByPrefix": [good, bad] });
            let error = StoreOptions::from_json(&rules).unwrap_err();
            assert!(error.message().starts_with(&format!("seriesRetentionByPrefix[1].{name}: ")), "{error}");
        }
    }

    #[test]
    fn retentions_by_prefix_are_the_same_in_any_order_and_with_their_defaults() {
        let settings = |rules: serde_json::Value| {
            let options = StoreOptions::from_json(&json!({ "seriesRetentionByPrefix": rules })).unwrap();
            let settings = Settings::apply(&options, &mut crate::store::engine_options()).unwrap();
            settings.given.to_json()["seriesRetentionByPrefix"].clone()
        };
        let hour = 3_600_000;
        let (a, b) =
            (json!({ "prefix": "a", "ms": 20 * hour }), json!({ "prefixHex": "ff00", "ms": "never" }));
        assert_eq!(settings(json!([a, b])), settings(json!([b, a])));
        assert_eq!(
            settings(json!([b, a])),
            json!([{ "prefix": "a", "ms": 20 * hour, "bucketMs": 2 * hour }, { "prefixHex": "ff00", "ms": "never" }])
        );
        assert_eq!(settings(json!([])), json!([]));
    }
}
