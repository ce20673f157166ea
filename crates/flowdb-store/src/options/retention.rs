//! How long series are kept.

use super::StoreOptions;
use crate::keyspace::SERIES;
use crate::series::key::encode_prefix;
use crate::ttl::TTL_MS_MAX;
use flowdb_engine::{Error, Options, Result, Retention, RetentionRules};
use serde_json::{Map, Value};

/// Buckets that a retention is parted into, if nothing else is asked for.
const BUCKETS: u64 = 10;
/// Less is not worth tables of its own.
const BUCKET_MS_DEFAULT_MIN: u64 = 60 * 60 * 1_000;
const BUCKET_MS_MIN: u64 = 60_000;

/// How long the series are kept whose keys begin with `prefix`, and with no longer one that has
/// a retention, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesRetention {
    /// What the keys begin with; at most 512 bytes.
    pub prefix: Vec<u8>,
    /// Age from which on points are not seen any more, in milliseconds, from 1 to [`crate::TTL_MS_MAX`];
    /// `None` for never.
    pub keep_ms: Option<u64>,
    /// Time span whose points go together. Default, range and unit as for [`StoreOptions::series_bucket_ms`].
    /// Not for series that are kept for ever.
    pub bucket_ms: Option<u64>,
}

/// What the rules are called as a setting.
const NAME: &str = "seriesRetentionByPrefix";

/// Zeros in a prefix take two bytes where it is compared.
const PREFIX_BYTES_MAX: usize = RetentionRules::PREFIX_BYTES_MAX / 2;

impl SeriesRetention {
    /// `name` is what errors call it.
    fn validate(&self, name: &str) -> Result<()> {
        if self.prefix.len() > PREFIX_BYTES_MAX {
            let bytes = self.prefix.len();
            return Err(Error::invalid(format!(
                "{name}.prefix: has {bytes} bytes; allowed are {PREFIX_BYTES_MAX}"
            )));
        }
        check(&format!("{name}.ms"), self.keep_ms, 1)?;
        check(&format!("{name}.bucketMs"), self.bucket_ms, BUCKET_MS_MIN)?;
        match (self.keep_ms, self.bucket_ms) {
            (None, Some(_)) => {
                Err(Error::invalid(format!("{name}.bucketMs: is for series that are not kept for ever")))
            }
            _ => self.retention(name).map(|_| ()),
        }
    }

    fn retention(&self, name: &str) -> Result<Option<Retention>> {
        let bucket_name = format!("{name}.bucketMs:");
        self.keep_ms.map(|keep_ms| retention(keep_ms, self.bucket_ms, (&bucket_name, "ms"))).transpose()
    }

    /// As JSON has it: `{"prefix": "oven/", "ms": 86400000}`, `"prefixHex"` where it is no UTF-8, and
    /// `"never"` for ever.
    pub(super) fn to_json(&self) -> Value {
        let mut json = Map::new();
        match std::str::from_utf8(&self.prefix) {
            Ok(prefix) => json.insert("prefix".to_owned(), prefix.into()),
            Err(_) => {
                let hex: String = self.prefix.iter().map(|byte| format!("{byte:02x}")).collect();
                json.insert("prefixHex".to_owned(), hex.into())
            }
        };
        json.insert("ms".to_owned(), self.keep_ms.map_or_else(|| "never".into(), Value::from));
        if let Some(bucket_ms) = self.bucket_ms {
            json.insert("bucketMs".to_owned(), bucket_ms.into());
        }
        Value::Object(json)
    }

    pub(super) fn from_json(json: &Value) -> Result<Self> {
        let read = || {
            let known = ["prefix", "prefixHex", "ms", "bucketMs"];
            let fields =
                json.as_object().filter(|fields| fields.keys().all(|name| known.contains(&&name[..])))?;
            let prefix = match (fields.get("prefix"), fields.get("prefixHex")) {
                (Some(text), None) => text.as_str()?.as_bytes().to_vec(),
                (None, Some(hex)) => from_hex(hex.as_str()?)?,
                _ => return None,
            };
            let ms = fields.get("ms")?;
            let keep_ms = if ms.as_str() == Some("never") { None } else { Some(ms.as_u64()?) };
            let bucket_ms = match fields.get("bucketMs") {
                Some(bucket_ms) => Some(bucket_ms.as_u64()?),
                None => None,
            };
            Some(SeriesRetention { prefix, keep_ms, bucket_ms })
        };
        read().ok_or_else(|| refused(format!("expected {{prefix, ms, bucketMs}}, got {json}")))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect::<Option<_>>())?
}

fn check(name: &str, value: Option<u64>, min: u64) -> Result<()> {
    match value.filter(|value| !(min..=TTL_MS_MAX).contains(value)) {
        Some(value) => Err(Error::invalid(format!("{name}: is {value}; allowed are {min} to {TTL_MS_MAX}"))),
        None => Ok(()),
    }
}

fn refused(message: impl std::fmt::Display) -> Error {
    Error::invalid(format!("{NAME}: {message}"))
}

/// `names` are those of bucket and time kept, for the message; it begins with the first.
fn retention(keep_ms: u64, bucket_ms: Option<u64>, names: (&str, &str)) -> Result<Retention> {
    let bucket_ms = bucket_ms.unwrap_or_else(|| default_bucket(keep_ms));
    if keep_ms / bucket_ms > Retention::BUCKETS_MAX {
        let ((bucket, keep), parts) = (names, Retention::BUCKETS_MAX);
        return Err(Error::invalid(format!(
            "{bucket} is {bucket_ms}; allowed is at least a {parts}th of {keep}, which is {keep_ms}"
        )));
    }
    Ok(Retention { keep: keep_ms * 1_000, bucket: bucket_ms * 1_000 })
}

fn default_bucket(keep_ms: u64) -> u64 {
    (keep_ms / BUCKETS).max(BUCKET_MS_DEFAULT_MIN)
}

/// Refuses what is out of range, and what contradicts itself.
pub(super) fn validate(options: &StoreOptions) -> Result<()> {
    let rules = options.series_retention.as_deref().unwrap_or_default();
    if rules.len() > RetentionRules::PREFIXES_MAX {
        let (count, max) = (rules.len(), RetentionRules::PREFIXES_MAX);
        return Err(refused(format!("there are {count} prefixes; allowed are {max}")));
    }
    for (index, rule) in rules.iter().enumerate() {
        let name = format!("{NAME}[{index}]");
        rule.validate(&name)?;
        if let Some(first) = rules[..index].iter().position(|other| other.prefix == rule.prefix) {
            return Err(Error::invalid(format!("{name}.prefix: is that of {NAME}[{first}], too")));
        }
    }
    Ok(())
}

/// Has the tree of series forget what is too old. Fills in what was left open.
pub(super) fn apply(given: &mut StoreOptions, engine: &mut Options) -> Result<()> {
    if given.series_bucket_ms.is_some() && given.series_retention_ms.is_none() {
        return Err(Error::invalid("seriesBucketMs: only with seriesRetentionMs"));
    }
    let otherwise = given.series_retention_ms.map(|keep_ms| {
        let bucket_ms = *given.series_bucket_ms.get_or_insert_with(|| default_bucket(keep_ms));
        retention(keep_ms, Some(bucket_ms), ("seriesBucketMs:", "seriesRetentionMs"))
    });
    let rules = normalized(given.series_retention.as_deref().unwrap_or_default());
    let by_prefix = rules.iter().map(|rule| Ok((encode_prefix(&rule.prefix), rule.retention(NAME)?)));
    let retention = RetentionRules::new(otherwise.transpose()?, &by_prefix.collect::<Result<Vec<_>>>()?)?;
    let series = engine.trees.iter_mut().filter(|tree| tree.id == SERIES);
    series.for_each(|tree| tree.retention = retention.clone());
    given.series_retention = Some(rules);
    Ok(())
}

/// The same rules in the order of their prefixes, with what they leave open.
pub(super) fn normalized(rules: &[SeriesRetention]) -> Vec<SeriesRetention> {
    let filled = |rule: &SeriesRetention| SeriesRetention {
        bucket_ms: rule.bucket_ms.or_else(|| rule.keep_ms.map(default_bucket)),
        ..rule.clone()
    };
    let mut rules: Vec<_> = rules.iter().map(filled).collect();
    rules.sort_unstable();
    rules
}
