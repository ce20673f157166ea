//! How long a tree keeps its entries, by what their keys begin with.

use super::{ByKey, Retention};
use crate::error::{Error, Result};
use crate::format::{checksum, put_bytes};
use std::sync::Arc;

/// How long the entries of a tree are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RetentionRules {
    by_key: Arc<ByKey<Option<Retention>>>,
    /// Tells these rules from others, where they differ from key to key.
    digest: Option<u64>,
}

impl RetentionRules {
    /// Prefixes that may have a retention of their own.
    pub const PREFIXES_MAX: usize = 256;
    /// Length of a prefix at most, in bytes.
    pub const PREFIX_BYTES_MAX: usize = 1 << 10;

    /// `by_prefix` for keys that begin with one of these, the longest counting; `None` for ever. `otherwise`
    /// for the rest.
    ///
    /// `InvalidArgument` for a retention out of range, a prefix that comes twice or is too long, and for
    /// more than [`RetentionRules::PREFIXES_MAX`].
    pub fn new(otherwise: Option<Retention>, by_prefix: &[(Vec<u8>, Option<Retention>)]) -> Result<Self> {
        if by_prefix.len() > Self::PREFIXES_MAX {
            let (count, max) = (by_prefix.len(), Self::PREFIXES_MAX);
            return Err(Error::invalid(format!("retention has {count} prefixes; allowed are {max}")));
        }
        for (index, (prefix, _)) in by_prefix.iter().enumerate() {
            if by_prefix[..index].iter().any(|(other, _)| other == prefix) {
                return Err(Error::invalid("retention: a prefix is given twice"));
            }
            if prefix.len() > Self::PREFIX_BYTES_MAX {
                let (bytes, max) = (prefix.len(), Self::PREFIX_BYTES_MAX);
                return Err(Error::invalid(format!(
                    "retention has a prefix of {bytes} bytes; allowed are {max}"
                )));
            }
        }
        let all = std::iter::once(&otherwise).chain(by_prefix.iter().map(|(_, retention)| retention));
        all.flatten().try_for_each(Retention::validate)?;
        Ok(Self::from(ByKey::by_prefix(otherwise, by_prefix)))
    }

    pub(crate) fn validate(&self) -> Result<()> {
        self.by_key
            .steps()
            .iter()
            .filter_map(|(_, retention)| retention.as_ref())
            .try_for_each(Retention::validate)
    }

    /// True if any entry goes.
    pub(crate) fn is_any(&self) -> bool {
        self.by_key.single() != Some(None)
    }

    /// The number of these rules where they differ from key to key; `None` where all keys have the same.
    pub(crate) fn digest(&self) -> Option<u64> {
        self.digest
    }

    /// How long `key` is kept.
    pub(crate) fn at(&self, key: &[u8]) -> Option<Retention> {
        self.by_key.at(key)
    }

    /// The same for all ranges of keys.
    pub(crate) fn by_key(&self) -> &ByKey<Option<Retention>> {
        &self.by_key
    }
}

impl From<ByKey<Option<Retention>>> for RetentionRules {
    fn from(by_key: ByKey<Option<Retention>>) -> Self {
        let digest = by_key.single().is_none().then(|| {
            let mut bytes = Vec::new();
            for (start, retention) in by_key.steps() {
                put_bytes(&mut bytes, start);
                for number in retention.map_or([0, 0], |Retention { keep, bucket }| [keep, bucket]) {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
            }
            checksum(0, &bytes)
        });
        RetentionRules { by_key: Arc::new(by_key), digest }
    }
}

impl From<Option<Retention>> for RetentionRules {
    /// The same for all keys.
    fn from(retention: Option<Retention>) -> Self {
        Self::from(ByKey::all(retention))
    }
}

impl Default for RetentionRules {
    /// Everything is kept for ever.
    fn default() -> Self {
        Self::from(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Option<Retention> = Some(Retention { keep: 10, bucket: 1 });
    const LONG: Option<Retention> = Some(Retention { keep: 100, bucket: 10 });

    fn rules(
        otherwise: Option<Retention>,
        by_prefix: &[(&str, Option<Retention>)],
    ) -> Result<RetentionRules> {
        let by_prefix: Vec<_> =
            by_prefix.iter().map(|(prefix, retention)| (prefix.as_bytes().to_vec(), *retention)).collect();
        RetentionRules::new(otherwise, &by_prefix)
    }

    #[test]
    fn only_rules_that_differ_from_key_to_key_have_a_number_and_different_ones_different_numbers() {
        let digest = |otherwise, by_prefix: &[_]| rules(otherwise, by_prefix).unwrap().digest();
        assert_eq!(digest(SHORT, &[]), None);
        assert_eq!(digest(SHORT, &[("a", SHORT)]), None);
        assert_eq!(digest(None, &[("a", SHORT)]), digest(None, &[("a", SHORT), ("ab", SHORT)]));
        let different = [
            digest(None, &[("a", SHORT)]),
            digest(LONG, &[("a", SHORT)]),
            digest(None, &[("a", LONG)]),
            digest(None, &[("b", SHORT)]),
            digest(None, &[("a", SHORT), ("ab", LONG)]),
        ];
        let distinct: std::collections::BTreeSet<_> = different.iter().collect();
        assert_eq!(distinct.len(), different.len());
        assert!(!distinct.contains(&None));
    }

    #[test]
    fn contradictions_and_what_is_too_much_are_refused() {
        assert!(rules(None, &[("a", SHORT), ("a", LONG)]).is_err());
        assert!(rules(None, &[("a", Some(Retention { keep: 0, bucket: 1 }))]).is_err());
        assert!(rules(Some(Retention { keep: 0, bucket: 1 }), &[]).is_err());
        let prefixes =
            |count: usize| (0..count).map(|n| (n.to_be_bytes().to_vec(), SHORT)).collect::<Vec<_>>();
        assert!(RetentionRules::new(None, &prefixes(RetentionRules::PREFIXES_MAX)).is_ok());
        assert!(RetentionRules::new(None, &prefixes(RetentionRules::PREFIXES_MAX + 1)).is_err());
        let long = |bytes| RetentionRules::new(None, &[(vec![7; bytes], SHORT)]);
        assert!(
            long(RetentionRules::PREFIX_BYTES_MAX).is_ok()
                && long(RetentionRules::PREFIX_BYTES_MAX + 1).is_err()
        );
        assert!(RetentionRules::from(Some(Retention { keep: 0, bucket: 1 })).validate().is_err());
    }
}
