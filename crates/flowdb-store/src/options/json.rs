//! Settings as JSON, for configuration files and messages.

use super::retention::normalized;
use super::{SeriesRetention, StoreOptions};
use crate::ttl::Ttl;
use flowdb_engine::{Compression, Error, Result, SyncMode};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl StoreOptions {
    /// Reads settings from a JSON object, by the names that the JavaScript API has for them. `sync` is
    /// `"always"`, `"os"` or `{"intervalMs": 100}`, `compression` is `"lz4"` or `"none"`, `kvTtlMs` and
    /// `seriesTtlMs` are milliseconds or `"never"`. Clock and waker have no JSON.
    ///
    /// Fails with `InvalidArgument`, naming the setting, for an unknown name, a wrong type or a value
    /// out of range.
    ///
    /// ```
    /// use flowdb_store::StoreOptions;
    /// let json = serde_json::json!({ "sync": { "intervalMs": 50 }, "kvTtlMs": 60_000 });
    /// let options = StoreOptions::from_json(&json)?;
    /// assert_eq!(options.to_json(), serde_json::json!({ "createIfMissing": true, "sync": { "intervalMs": 50 }, "kvTtlMs": 60_000 }));
    /// # Ok::<(), flowdb_engine::Error>(())
    /// ```
    pub fn from_json(json: &Value) -> Result<Self> {
        let settings = json.as_object().ok_or_else(|| expected("the settings", json, "an object"))?;
        let mut options = StoreOptions::default();
        settings.iter().try_for_each(|(name, value)| options.set(name, value))?;
        options.validate()?;
        Ok(options)
    }

    /// The settings that have a value, as [`StoreOptions::from_json`] reads them.
    pub fn to_json(&self) -> Value {
        let mut json = self.shared_json();
        json.insert("createIfMissing".to_owned(), Value::Bool(self.create_if_missing));
        if self.read_only {
            json.insert("readOnly".to_owned(), Value::Bool(true));
        }
        Value::Object(json)
    }

    /// Those that all who have a directory open share.
    pub(super) fn shared_json(&self) -> Map<String, Value> {
        let numbers = super::RANGES.iter().map(|(name, ..)| *name).zip(self.numbers());
        let numbers = numbers.map(|(name, number)| (name, number.map(Value::from)));
        let others = [
            ("sync", self.sync.map(sync_to_json)),
            ("compression", self.compression.map(compression_to_json)),
            ("kvTtlMs", self.kv_ttl.map(ttl_to_json)),
            ("seriesTtlMs", self.series_ttl.map(ttl_to_json)),
            ("seriesRetentionByPrefix", self.series_retention.as_deref().map(retention_to_json)),
        ];
        let set = others.into_iter().chain(numbers);
        set.filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect()
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        match name {
            "createIfMissing" => {
                self.create_if_missing = boolean(name, value)?;
            }
            "readOnly" => self.read_only = boolean(name, value)?,
            "sync" => self.sync = Some(sync_from_json(value)?),
            "blockCacheBytes" => self.cache_bytes = Some(number(name, value)?),
            "writeBufferBytes" => self.write_buffer_bytes = Some(number(name, value)?),
            "frozenWriteBuffersMax" => self.frozen_memtables_max = Some(number(name, value)?),
            "blockBytes" => self.block_bytes = Some(number(name, value)?),
            "compression" => self.compression = Some(compression_from_json(value)?),
            "filterBitsPerKey" => self.filter_bits_per_key = Some(number(name, value)?),
            "logSegmentBytes" => self.log_segment_bytes = Some(number(name, value)?),
            "logBytesMax" => self.log_bytes_max = Some(number(name, value)?),
            "tableBytesMax" => self.table_bytes_max = Some(number(name, value)?),
            "kvBytesMax" => self.kv_bytes_max = Some(number(name, value)?),
            "seriesRetentionMs" => self.series_retention_ms = Some(number(name, value)?),
            "seriesBucketMs" => self.series_bucket_ms = Some(number(name, value)?),
            "seriesRetentionByPrefix" => self.series_retention = Some(retention_from_json(value)?),
            "kvTtlMs" => self.kv_ttl = Some(ttl_from_json(name, value)?),
            "seriesTtlMs" => self.series_ttl = Some(ttl_from_json(name, value)?),
            _ => return Err(Error::invalid(format!("there is no setting {name:?}"))),
        }
        Ok(())
    }
}

fn expected(name: &str, value: &Value, what: &str) -> Error {
    Error::invalid(format!("{name} is {value}; expected is {what}"))
}

fn boolean(name: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| expected(name, value, "true or false"))
}

fn number<T: TryFrom<u64>>(name: &str, value: &Value) -> Result<T> {
    let number = value.as_u64().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| expected(name, value, "a whole number in range"))
}

fn sync_from_json(value: &Value) -> Result<SyncMode> {
    let interval = value.get("intervalMs").and_then(Value::as_u64).map(Duration::from_millis);
    match (value.as_str(), interval) {
        (Some("always"), _) => Ok(SyncMode::Always),
        (Some("os"), _) => Ok(SyncMode::Os),
        (None, Some(interval)) => Ok(SyncMode::Interval(interval)),
        _ => Err(expected("sync", value, "\"always\", \"os\" or {\"intervalMs\": a whole number}")),
    }
}

fn sync_to_json(sync: SyncMode) -> Value {
    match sync {
        SyncMode::Always => Value::from("always"),
        SyncMode::Os => Value::from("os"),
        SyncMode::Interval(interval) => {
            json!({ "intervalMs": u64::try_from(interval.as_millis()).unwrap_or(u64::MAX) })
        }
    }
}

fn compression_from_json(value: &Value) -> Result<Compression> {
    match value.as_str() {
        Some("none") => Ok(Compression::None),
        Some("lz4") => Ok(Compression::Lz4),
        _ => Err(expected("compression", value, "\"lz4\" or \"none\"")),
    }
}

fn compression_to_json(compression: Compression) -> Value {
    Value::from(match compression {
        Compression::None => "none",
        Compression::Lz4 => "lz4",
    })
}

fn retention_from_json(value: &Value) -> Result<Vec<SeriesRetention>> {
    let rules = value.as_array().ok_or_else(|| expected("seriesRetentionByPrefix", value, "an array"))?;
    rules.iter().map(SeriesRetention::from_json).collect()
}

/// The same for the same rules, in whatever order.
fn retention_to_json(rules: &[SeriesRetention]) -> Value {
    normalized(rules).iter().map(SeriesRetention::to_json).collect()
}

fn ttl_from_json(name: &str, value: &Value) -> Result<Ttl> {
    match (value.as_str(), value.as_u64()) {
        (Some("never"), _) => Ok(Ttl::Never),
        (_, Some(ms)) => Ok(Ttl::Milliseconds(ms)),
        _ => Err(expected(name, value, "a whole number of milliseconds or \"never\"")),
    }
}

fn ttl_to_json(ttl: Ttl) -> Value {
    match ttl {
        Ttl::Milliseconds(ms) => Value::from(ms),
        // A moment is refused where options are checked.
        Ttl::Never | Ttl::Until(_) => Value::from("never"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_round_trip() {
        let all = json!({
            "createIfMissing": false, "readOnly": true, "sync": { "intervalMs": 7 }, "blockCacheBytes": 0, "writeBufferBytes": 65_536,
            "frozenWriteBuffersMax": 3, "blockBytes": 1024, "compression": "none", "filterBitsPerKey": 0,
            "logSegmentBytes": 65_536, "logBytesMax": 131_072, "tableBytesMax": 65_536, "kvTtlMs": 1,
            "seriesTtlMs": "never", "seriesRetentionMs": 86_400_000, "seriesBucketMs": 3_600_000,
            "seriesRetentionByPrefix": [
                { "prefixHex": "00ff", "ms": "never" },
                { "prefix": "oven/", "ms": 3_600_000, "bucketMs": 60_000 },
            ],
        });
        assert_eq!(StoreOptions::from_json(&all).unwrap().to_json(), all);
        for sync in ["always", "os"] {
            let json = json!({ "createIfMissing": true, "sync": sync, "compression": "lz4" });
            assert_eq!(StoreOptions::from_json(&json).unwrap().to_json(), json);
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_by_name() {
        for (json, message) in [
            (json!([]), "the settings is []; expected is an object"),
            (json!({ "cachebytes": 1 }), "there is no setting \"cachebytes\""),
            (json!({ "createIfMissing": "yes" }), "createIfMissing is \"yes\"; expected is true or false"),
            (json!({ "blockCacheBytes": -1 }), "blockCacheBytes is -1; expected is a whole number in range"),
            (json!({ "sync": { "intervalMs": 0 } }), "sync.intervalMs is 0; allowed are 1 to 3600000"),
            (json!({ "kvTtlMs": 0 }), "kvTtlMs is 0 ms; allowed are 1 to 31536000000000, or never"),
            (
                json!({ "seriesTtlMs": "1" }),
                "seriesTtlMs is \"1\"; expected is a whole number of milliseconds or \"never\"",
            ),
            (json!({ "compression": "zstd" }), "compression is \"zstd\"; expected is \"lz4\" or \"none\""),
        ] {
            assert_eq!(StoreOptions::from_json(&json).unwrap_err().message(), message);
        }
        assert!(StoreOptions::from_json(&json!({ "sync": "sometimes" })).is_err());
    }
}
