//! How long things take: counts in buckets whose width grows with the value.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Each power of two is cut into this many buckets, so that a bucket is at most a quarter of its values wide.
const BUCKETS_PER_OCTAVE: usize = 1 << OCTAVE_BITS;
const OCTAVE_BITS: u32 = 2;
/// The last bucket begins at 7/8 of 2^43 nanoseconds, more than two hours, and takes all that is longer.
const OCTAVES: usize = 42;
const BUCKETS: usize = OCTAVES * BUCKETS_PER_OCTAVE;

/// Takes durations in, from any thread and without waiting.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Relaxed throughout: nothing is published with these numbers, and a copy may miss what
    /// is recorded meanwhile.
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    largest: AtomicU64,
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
            largest: AtomicU64::new(0),
        }
    }
}

impl Recorder {
    pub(crate) fn record(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanoseconds, Ordering::Relaxed);
        self.largest.fetch_max(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn histogram(&self) -> Histogram {
        Histogram {
            buckets: std::array::from_fn(|index| self.buckets[index].load(Ordering::Relaxed)),
            sum: self.sum.load(Ordering::Relaxed),
            largest: self.largest.load(Ordering::Relaxed),
        }
    }
}

/// How often something took how long. Durations are kept to within an eighth of their value.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum: u64,
    largest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: [0; BUCKETS], sum: 0, largest: 0 }
    }
}

impl Histogram {
    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The longest.
    pub fn largest(&self) -> Duration {
        Duration::from_nanos(self.largest)
    }

    /// The duration that the part `quantile` (from 0 to 1) of all do not exceed, to within an eighth; zero if
    /// there are none.
    pub fn quantile(&self, quantile: f64) -> Duration {
        // A count above 2^53 would be off by one in many.
        let wanted = (quantile * self.count() as f64).max(1.0);
        let mut before = 0;
        for (index, &within) in self.buckets.iter().enumerate() {
            if (before + within) as f64 >= wanted {
                let middle = bucket_start(index) + bucket_width(index) / 2;
                return Duration::from_nanos(middle.min(self.largest));
            }
            before += within;
        }
        Duration::ZERO
    }

    /// Adds what `other` has counted, for instance of another database.
    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.largest = self.largest.max(other.largest);
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("largest", &self.largest())
            .finish_non_exhaustive()
    }
}

/// Values below the number of buckets of an octave have a bucket each; from there on the highest
/// bits choose it.
fn bucket_of(value: u64) -> usize {
    let Some(shift) = value.checked_ilog2().and_then(|log| log.checked_sub(OCTAVE_BITS)) else {
        return index_of(value);
    };
    let within = index_of(value >> shift) % BUCKETS_PER_OCTAVE;
    ((shift as usize + 1) * BUCKETS_PER_OCTAVE + within).min(BUCKETS - 1)
}

/// A number known to be small, as an index.
fn index_of(value: u64) -> usize {
    usize::try_from(value).unwrap_or(BUCKETS - 1)
}

fn bucket_start(index: usize) -> u64 {
    match index / BUCKETS_PER_OCTAVE {
        0 => index as u64,
        octave => ((BUCKETS_PER_OCTAVE + index % BUCKETS_PER_OCTAVE) as u64) << (octave - 1),
    }
}

fn bucket_width(index: usize) -> u64 {
    1 << (index / BUCKETS_PER_OCTAVE).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Random;

    #[test]
    fn buckets_follow_each_other_without_gap() {
        let mut next = 0;
        for index in 0..BUCKETS {
            assert_eq!(bucket_start(index), next);
            assert_eq!(bucket_of(next), index);
            next += bucket_width(index);
            assert_eq!(bucket_of(next - 1), index);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    fn recorded(values: &[u64]) -> Histogram {
        let recorder = Recorder::default();
        values.iter().for_each(|value| recorder.record(Duration::from_nanos(*value)));
        recorder.histogram()
    }

    #[test]
    fn quantiles_are_near_the_exact_ones() {
        let mut random = Random::new(7);
        // Spread over many orders of magnitude, as latencies are.
        let mut values: Vec<u64> = (0..10_000).map(|_| random.next() >> (28 + random.next() % 36)).collect();
        let histogram = recorded(&values);
        values.sort_unstable();
        assert_eq!(histogram.count(), 10_000);
        assert_eq!(histogram.sum(), Duration::from_nanos(values.iter().sum()));
        assert_eq!(histogram.largest(), Duration::from_nanos(values[9_999]));
        for percent in 1..=100 {
            let exact = values[percent * 100 - 1] as f64;
            let found = histogram.quantile(percent as f64 / 100.0).as_nanos() as f64;
            assert!((found - exact).abs() <= exact / 8.0 + 1.0, "{percent} %: {found} for {exact}");
        }
    }

    #[test]
    fn an_empty_histogram_and_one_value() {
        assert_eq!(recorded(&[]).quantile(0.99), Duration::ZERO);
        for value in [0, 1, 5, 1_000, u64::MAX] {
            let histogram = recorded(&[value]);
            assert_eq!(histogram.quantile(0.0), histogram.quantile(1.0));
            assert!(histogram.quantile(0.5) <= histogram.largest());
        }
    }

    #[test]
    fn merged_is_as_if_recorded_together() {
        let mut merged = recorded(&[1, 50, 9_000]);
        merged.merge(&recorded(&[2, 70_000]));
        assert_eq!(merged, recorded(&[1, 2, 50, 9_000, 70_000]));
    }
}
