//! How long a tree keeps what it is given, by the time that is in its keys.

mod by_key;
mod rules;

pub(crate) use by_key::ByKey;
pub use rules::RetentionRules;

use crate::error::{Error, Result};
use crate::key::Sequence;
use crate::options::{BlockProperty, check};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;

/// A time span that no clock exceeds, and that can be added to without care.
const SPAN_MAX: u64 = 1 << 60;

/// How long a tree keeps its entries. Their block property is taken for a time, in microseconds since the
/// epoch as the clock tells it; entries without one are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// What is older than this is not seen any more, in microseconds, from 1 to 2^60.
    pub keep: u64,
    /// Entries of a time span of this length share tables, which go together once all of it is too old. In
    /// microseconds, from 1 to 2^60, at least a 256th of `keep`. A narrow one gives space back sooner, and
    /// has reads of long spans look at more tables.
    pub bucket: u64,
}

impl Retention {
    /// Buckets that what is kept may be parted into. More make more tables and runs than a narrower
    /// bucket is worth.
    pub const BUCKETS_MAX: u64 = 256;

    pub(crate) fn validate(&self) -> Result<()> {
        check("retention.keep", self.keep, 1, SPAN_MAX)?;
        check("retention.bucket", self.bucket, 1, SPAN_MAX)?;
        if self.keep / self.bucket > Self::BUCKETS_MAX {
            let least = self.keep.div_ceil(Self::BUCKETS_MAX);
            return Err(Error::invalid(format!(
                "retention.bucket is {}; allowed is at least {least}",
                self.bucket
            )));
        }
        Ok(())
    }

    /// The oldest time that is seen at `now`.
    pub(crate) fn oldest_seen(&self, now: i64) -> i64 {
        now.saturating_sub_unsigned(self.keep)
    }

    /// What is older than this need not be kept at `now`: the start of the oldest bucket of which
    /// something is seen.
    pub(crate) fn oldest_kept(&self, now: i64) -> i64 {
        self.bucket_of(self.oldest_seen(now)).first
    }

    /// When the bucket of `time` has passed.
    pub(crate) fn end_of(&self, time: i64) -> i64 {
        self.bucket_of(time).last.saturating_add(1).saturating_add_unsigned(self.keep)
    }

    /// The bucket of `time`. The first and the last one may be cut short by the ends of time.
    pub(crate) fn bucket_of(&self, time: i64) -> Bucket {
        let (time, width) = (i128::from(time), i128::from(self.bucket));
        let first = time - time.rem_euclid(width);
        let within = |time: i128| i64::try_from(time).ok();
        Bucket {
            first: within(first).unwrap_or(i64::MIN),
            last: within(first + width - 1).unwrap_or(i64::MAX),
        }
    }
}

/// A span of time, both ends included, whose entries share tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Bucket {
    pub(crate) fn contains(&self, time: i64) -> bool {
        self.overlaps((time, time))
    }

    pub(crate) fn overlaps(&self, (first, last): (i64, i64)) -> bool {
        self.first <= last && first <= self.last
    }
}

/// What is gone because it was too old: entries older than a time, and no newer than a number. What is
/// written later may be as old, since a retention may be raised: it is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cutoff {
    /// `i64::MIN` if nothing is gone.
    pub(crate) before: i64,
    /// The last number of which something is gone.
    pub(crate) up_to: Sequence,
}

impl Cutoff {
    pub(crate) const NONE: Cutoff = Cutoff { before: i64::MIN, up_to: 0 };

    /// True if an entry of this time with this number is gone.
    pub(crate) fn hides(&self, time: i64, sequence: Sequence) -> bool {
        time < self.before && sequence <= self.up_to
    }

    /// All older than `before` is gone, too, with numbers up to `up_to`. As it is where more time is gone
    /// already: there that stays all, since what was written after it may still be seen.
    pub(crate) fn raised(self, before: i64, up_to: Sequence) -> Cutoff {
        let is_older = before == i64::MIN || before < self.before;
        if is_older { self } else { Cutoff { before, up_to: up_to.max(self.up_to) } }
    }
}

/// The time before which nothing counts, by key.
#[derive(Debug, Clone)]
pub(crate) struct Horizon {
    pub(crate) property: BlockProperty,
    /// What is too old at a moment does not count, by these rules.
    pub(crate) seen: Option<(RetentionRules, i64)>,
    /// Nor does what this says is gone.
    pub(crate) forgotten: Arc<ByKey<Cutoff>>,
}

impl Horizon {
    /// True if the entry of `key` with this number is too old.
    pub(crate) fn hides(&self, key: &[u8], sequence: Sequence) -> bool {
        (self.property)(key).is_some_and(|time| {
            time < self.first_seen_of(key) || self.forgotten.at(key).hides(time, sequence)
        })
    }

    /// True if all entries of `key` are too old, whatever their numbers.
    pub(crate) fn hides_all(&self, key: &[u8]) -> bool {
        self.seen.is_some() && (self.property)(key).is_some_and(|time| time < self.first_seen_of(key))
    }

    fn first_seen_of(&self, key: &[u8]) -> i64 {
        let seen = self.seen.as_ref().and_then(|(rules, now)| Some(rules.at(key)?.oldest_seen(*now)));
        seen.unwrap_or(i64::MIN)
    }

    /// The part of an interval of times that is seen for some key between the bounds. Where something older
    /// is gone, there may be something as old that is newer.
    pub(crate) fn clamp(
        &self,
        wanted: Option<(i64, i64)>,
        bounds: (&Bound<Bytes>, &Bound<Bytes>),
    ) -> (i64, i64) {
        let (first, last) = wanted.unwrap_or((i64::MIN, i64::MAX));
        (first.max(self.first_seen_between(bounds)), last)
    }

    /// The earliest time that is seen for some key between the bounds.
    fn first_seen_between(&self, (start, end): (&Bound<Bytes>, &Bound<Bytes>)) -> i64 {
        let start: &[u8] = match start {
            Bound::Included(key) | Bound::Excluded(key) => key,
            Bound::Unbounded => &[],
        };
        let Some((rules, now)) = &self.seen else {
            return i64::MIN;
        };
        let by_key = rules.by_key();
        let end: &[u8] = match end {
            Bound::Included(key) | Bound::Excluded(key) => key,
            Bound::Unbounded => by_key.steps().last().map_or(&[][..], |(key, _)| key),
        };
        let oldest_seen =
            |retention: Option<Retention>| retention.map_or(i64::MIN, |it| it.oldest_seen(*now));
        by_key.within(start, end).map(oldest_seen).min().unwrap_or(i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_all_of_time() {
        for bucket in [1, 7, 3_600_000_000, SPAN_MAX] {
            let retention = Retention { keep: bucket, bucket };
            for time in [i64::MIN, i64::MIN + 1, -8, -7, -1, 0, 6, 7, i64::MAX - 1, i64::MAX] {
                let Bucket { first, last } = retention.bucket_of(time);
                assert!(first <= time && time <= last, "{time} by {bucket}");
                assert_eq!(retention.bucket_of(first), retention.bucket_of(last));
                assert!(last == i64::MAX || retention.bucket_of(last + 1).first == last + 1);
            }
        }
        assert_eq!(Retention { keep: 7, bucket: 7 }.bucket_of(-1), Bucket { first: -7, last: -1 });
    }

    #[test]
    fn a_bucket_ends_when_its_last_time_is_too_old() {
        let retention = Retention { keep: 25, bucket: 10 };
        assert_eq!(retention.end_of(3), 35);
        assert_eq!((retention.oldest_kept(34), retention.oldest_kept(35)), (0, 10));
        assert_eq!(retention.oldest_seen(34), 9);
        assert_eq!(retention.end_of(i64::MAX), i64::MAX);
        assert_eq!(retention.oldest_kept(i64::MIN), i64::MIN);
    }

    #[test]
    fn a_cutoff_hides_what_was_there_and_is_raised_where_no_later_entry_is_seen() {
        let cutoff = Cutoff::NONE.raised(50, 7);
        assert!(cutoff.hides(49, 7) && !cutoff.hides(50, 7) && !cutoff.hides(49, 8));
        assert!(!Cutoff::NONE.hides(i64::MIN, 0));
        assert_eq!(cutoff.raised(49, 9), cutoff, "of 49 something newer may be seen");
        assert_eq!(cutoff.raised(50, 9), Cutoff { before: 50, up_to: 9 });
        assert_eq!(cutoff.raised(60, 9), Cutoff { before: 60, up_to: 9 });
        assert_eq!(Cutoff::NONE.raised(i64::MIN, 9), Cutoff::NONE);
    }

    #[test]
    fn ranges_are_checked() {
        let check = |keep, bucket| Retention { keep, bucket }.validate().is_ok();
        assert!(check(1, 1) && check(SPAN_MAX, SPAN_MAX) && check(2560, 10));
        assert!(!check(0, 1) && !check(1, 0) && !check(SPAN_MAX + 1, SPAN_MAX) && !check(2570, 10));
    }
}
