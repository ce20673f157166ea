//! When how much of a table will be too old, by rules that differ from key to key.

use super::Table;
use super::expiry::{ExpirySample, ExpiryTimes};
use crate::error::Result;
use crate::format::{NEVER, Reader};
use crate::options::ReadTier;
use crate::retention::{ByKey, Retention, RetentionRules};

/// Until when the entries of a table are kept. Only good where the same rules hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptTimes {
    /// See [`RetentionRules::digest`].
    rules: u64,
    /// When the last bucket that holds an entry of the table has passed; `NEVER` if an entry is
    /// kept for ever.
    last: i64,
    /// When those of parts of the entries have, estimated from a sample.
    parts: ExpiryTimes,
}

impl KeptTimes {
    /// True if they were worked out by these rules.
    pub(crate) fn are_by(&self, rules: &RetentionRules) -> bool {
        rules.digest() == Some(self.rules)
    }

    /// When nothing of the table is kept any more; `NEVER` if something always is.
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// When `parts` parts of [`super::EXPIRY_PARTS`], at least one, are not kept any more; `None` for never.
    pub(crate) fn time_of(&self, parts: usize) -> Option<i64> {
        self.parts.time_of(parts)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rules.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
        self.parts.encode(out);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (rules, last) = (reader.u64()?, reader.i64()?);
        Some(KeptTimes { rules, last, parts: ExpiryTimes::decode(reader)? })
    }
}

/// Works them out for a table that is being written.
#[derive(Debug)]
pub(super) struct KeptSample {
    rules: RetentionRules,
    last: i64,
    parts: ExpirySample,
}

impl KeptSample {
    /// `None` where all keys have the same retention: then the block properties say it all.
    pub(super) fn by(rules: &RetentionRules) -> Option<Self> {
        rules.digest()?;
        Some(KeptSample { rules: rules.clone(), last: i64::MIN, parts: ExpirySample::default() })
    }

    pub(super) fn add(&mut self, key: &[u8], time: Option<i64>) {
        self.add_end(self.rules.at(key).and_then(|retention| Some(retention.end_of(time?))).unwrap_or(NEVER));
    }

    fn add_end(&mut self, end: i64) {
        self.last = self.last.max(end);
        self.parts.add(end);
    }

    pub(super) fn finish(self) -> Option<KeptTimes> {
        Some(KeptTimes { rules: self.rules.digest()?, last: self.last, parts: self.parts.finish() })
    }
}

impl Table {
    /// The same for a table that was written by other rules, or none: by its index, block for block. A block
    /// is kept as long as any of its entries may be, so that only those at the borders of ranges count as
    /// kept for too long. `forgotten` is what is gone already. `None` as for [`KeptSample::by`], and without
    /// entries. Fails where the index cannot be read.
    pub(crate) fn kept_by(
        &self,
        rules: &RetentionRules,
        forgotten: &ByKey<i64>,
    ) -> Result<Option<KeptTimes>> {
        let Some(mut sample) = KeptSample::by(rules) else {
            return Ok(None);
        };
        let index = self.index(ReadTier::Disk)?;
        if index.len() == 0 {
            return Ok(None);
        }
        let ranges = rules.by_key().zip(forgotten, |retention, before| (retention, before));
        let mut walk = ranges.walk_from(&self.properties().smallest);
        for block in 0..index.len() {
            let (_, newest) = index.property(block);
            let ends = walk.up_to(index.last_key(block)).map(|range| end_within(range, newest));
            sample.add_end(ends.max().unwrap_or(NEVER));
        }
        Ok(sample.finish())
    }
}

/// Until when entries of a range are kept, the newest of which has this time.
fn end_within((retention, forgotten_before): (Option<Retention>, i64), newest: i64) -> i64 {
    match retention {
        _ if newest < forgotten_before => i64::MIN,
        Some(retention) => retention.end_of(newest),
        None => NEVER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(keep: u64) -> RetentionRules {
        RetentionRules::new(None, &[(b"a".to_vec(), Some(Retention { keep, bucket: 10 }))]).unwrap()
    }

    fn times(entries: &[(&[u8], Option<i64>)]) -> KeptTimes {
        let mut sample = KeptSample::by(&rules(100)).unwrap();
        entries.iter().for_each(|(key, time)| sample.add(key, *time));
        sample.finish().unwrap()
    }

    #[test]
    fn a_table_is_kept_as_long_as_its_last_entry() {
        let gone = times(&[(b"a1", Some(3)), (b"a2", Some(14))]);
        assert_eq!((gone.time_of(8), gone.last()), (Some(110), 120));
        for stays in [times(&[(b"a", Some(3)), (b"b", Some(3))]), times(&[(b"a", Some(3)), (b"a", None)])] {
            assert_eq!((stays.time_of(8), stays.time_of(16), stays.last()), (Some(110), None, NEVER));
        }
    }

    #[test]
    fn times_are_those_of_rules_and_of_no_others() {
        let times = times(&[(b"a", Some(3))]);
        assert!(times.are_by(&rules(100)));
        assert!(!times.are_by(&rules(101)) && !times.are_by(&RetentionRules::default()));
        assert!(KeptSample::by(&Some(Retention { keep: 100, bucket: 10 }).into()).is_none());
    }

    #[test]
    fn bytes_round_trip_and_are_refused_when_cut() {
        for times in [times(&[(b"a", Some(3))]), times(&[(b"b", Some(3))])] {
            let mut bytes = Vec::new();
            times.encode(&mut bytes);
            assert_eq!(KeptTimes::decode(&mut Reader::new(&bytes)), Some(times));
            for length in 0..bytes.len() {
                assert_eq!(KeptTimes::decode(&mut Reader::new(&bytes[..length])), None);
            }
        }
    }
}
