//! When how much of a table will have expired.

use crate::format::{NEVER, Reader, put_varint};

/// The times divide the entries into this many parts of the same number.
pub(crate) const PARTS: usize = 16;
/// Entries that are looked at, at least, where a table has as many: enough for sixteen parts, and few enough
/// to be kept and sorted.
const SAMPLE: usize = 1024;

/// The times by which one part, two parts, ... all parts of a table's entries have expired, deletes counting
/// as never. Estimated from a sample. Empty if no entry ever expires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExpiryTimes(Vec<i64>);

impl ExpiryTimes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parts that have expired at `now`, of [`PARTS`].
    pub(crate) fn expired_parts(&self, now: i64) -> usize {
        self.0.partition_point(|time| *time <= now)
    }

    /// When `parts` parts, from 1 to [`PARTS`], will have expired; `None` for never.
    pub(crate) fn time_of(&self, parts: usize) -> Option<i64> {
        self.0.get(parts - 1).copied().filter(|time| *time != NEVER)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        for time in &self.0 {
            out.extend_from_slice(&time.to_le_bytes());
        }
    }

    /// `None` unless there are no times, or one for each part, ascending.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let count = usize::try_from(reader.varint()?).ok()?;
        if count != 0 && count != PARTS {
            return None;
        }
        let times = (0..count).map(|_| reader.i64()).collect::<Option<Vec<_>>>()?;
        times.is_sorted().then_some(ExpiryTimes(times))
    }
}

/// Takes every n-th entry, n growing with the table.
#[derive(Debug, Default)]
pub(super) struct ExpirySample {
    times: Vec<i64>,
    /// One less than n, which is a power of two.
    mask: u64,
    seen: u64,
    any: bool,
}

impl ExpirySample {
    pub(super) fn add(&mut self, expiry: i64) {
        self.any |= expiry != NEVER;
        if self.seen & self.mask == 0 {
            self.times.push(expiry);
            if self.times.len() == 2 * SAMPLE {
                let mut index = 0;
                self.times.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.mask = self.mask * 2 + 1;
            }
        }
        self.seen += 1;
    }

    pub(super) fn finish(mut self) -> ExpiryTimes {
        if !self.any {
            return ExpiryTimes::default();
        }
        self.times.sort_unstable();
        let last_of = |part: usize| (part * self.times.len()).div_ceil(PARTS) - 1;
        ExpiryTimes((1..=PARTS).map(|part| self.times[last_of(part)]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(expiries: impl IntoIterator<Item = i64>) -> ExpiryTimes {
        let mut sample = ExpirySample::default();
        expiries.into_iter().for_each(|expiry| sample.add(expiry));
        sample.finish()
    }

    #[test]
    fn a_part_has_expired_when_that_share_of_the_entries_has() {
        for count in [1_600, 160_000] {
            let times = times((0..count).rev().map(|index| index * 1_600 / count));
            for part in 1..=16 {
                let time = times.time_of(part).unwrap();
                assert!((time - part as i64 * 100).abs() <= 2, "part {part} of {count}: {time}");
                assert_eq!(times.expired_parts(time), part);
                assert_eq!(times.expired_parts(time - 10), part - 1);
            }
        }
    }

    #[test]
    fn what_never_expires_is_the_last_to_go() {
        let half = times((0..1_000).map(|index| if index % 3 == 0 { NEVER } else { 7 }));
        assert_eq!((half.expired_parts(6), half.expired_parts(7)), (0, 10));
        assert_eq!((half.time_of(10), half.time_of(11)), (Some(7), None));
        assert!(times([NEVER, NEVER]).is_empty());
        assert!(times([]).is_empty());
        assert_eq!(times([5]).expired_parts(5), 16);
    }

    #[test]
    fn only_sorted_times_of_the_right_number_are_read() {
        let mut bytes = Vec::new();
        times([1, 2, 3]).encode(&mut bytes);
        assert_eq!(ExpiryTimes::decode(&mut Reader::new(&bytes)), Some(times([1, 2, 3])));
        for length in 0..bytes.len() {
            assert_eq!(ExpiryTimes::decode(&mut Reader::new(&bytes[..length])), None);
        }
        bytes[1] = 99;
        assert_eq!(ExpiryTimes::decode(&mut Reader::new(&bytes)), None, "not ascending");
        assert_eq!(ExpiryTimes::decode(&mut Reader::new(&[3])), None);
    }
}
