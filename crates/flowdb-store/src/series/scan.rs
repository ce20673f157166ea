//! Points of many series within a window of time, in order of key and timestamp.

use super::{bounds, end_of_series, key};
use crate::keyspace::SERIES;
use crate::range::KeyRange;
use crate::reader::Reader;
use crate::record::{Record, RecordRef};
use crate::walk::{Direction, Page, PageEnd, PageLimits, Walk, with_inline_record, with_record};
use flowdb_engine::{Db, ReadTier, Result};
use std::ops::Bound;

/// Timestamps in microseconds since the epoch: from the first to the second, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Earliest wanted.
    pub first: i64,
    /// Latest wanted. Before `first`: nothing is wanted.
    pub last: i64,
}

impl Window {
    /// All of time.
    pub const ALL: Window = Window { first: i64::MIN, last: i64::MAX };
    /// None of it.
    pub const EMPTY: Window = Window { first: i64::MAX, last: i64::MIN };

    /// The timestamps between two bounds. Inverted bounds hold none.
    pub fn between(lower: Bound<i64>, upper: Bound<i64>) -> Window {
        let first = match lower {
            Bound::Included(first) => Some(first),
            Bound::Excluded(before) => before.checked_add(1),
            Bound::Unbounded => Some(i64::MIN),
        };
        let last = match upper {
            Bound::Included(last) => Some(last),
            Bound::Excluded(behind) => behind.checked_sub(1),
            Bound::Unbounded => Some(i64::MAX),
        };
        // Nothing is behind the end of time, or before its beginning.
        first.zip(last).map_or(Window::EMPTY, |(first, last)| Window { first, last })
    }

    /// True if it holds no timestamp.
    pub fn is_empty(&self) -> bool {
        self.first > self.last
    }
}

/// A point, as a scan finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The key of its series.
    pub key: Vec<u8>,
    /// Microseconds since the epoch.
    pub timestamp: i64,
    /// Its value.
    pub record: Record,
    /// When it expires, microseconds since the epoch; [`flowdb_engine::format::NEVER`] for never.
    pub expiry: i64,
}

/// A scan in progress. Sees one snapshot, taken when it was made.
///
/// It goes from series to series by seeking: what lies between the windows of two series is never read.
///
/// It is read page by page ([`SeriesScan::page`]) where reads must not block, or else as an iterator, which
/// ends after an error.
#[derive(Debug)]
pub struct SeriesScan {
    walk: Walk,
    window: Window,
    keys_only: bool,
    series: CurrentSeries,
    /// The iterator has failed.
    failed: bool,
}

impl SeriesScan {
    /// A scan that judges expiry as of `now` (microseconds since the epoch). The range is one of
    /// keys, without timestamps.
    pub fn new(db: &Db, range: &KeyRange, window: Window, direction: Direction, now: i64) -> Self {
        Self::at(Reader { now: Some(now), ..Reader::of_present(db) }, range, window, direction)
    }

    pub(crate) fn at(reader: Reader<'_>, range: &KeyRange, window: Window, direction: Direction) -> Self {
        let property = (window != Window::ALL).then_some((window.first, window.last));
        let walk = Walk::new(reader, SERIES, bounds(range), direction, property);
        SeriesScan { walk, window, keys_only: false, series: CurrentSeries::default(), failed: false }
    }

    /// The same with empty records: values are not read.
    pub fn keys_only(self) -> Self {
        SeriesScan { keys_only: true, ..self }
    }

    /// The next points, given to `sink` as key, timestamp and record; it answers with the bytes it took.
    ///
    /// Fails with `WouldBlock` where `tier` does not suffice for a single point; nothing is lost then. In
    /// memory, much that is passed and not wanted counts as if it did not suffice.
    pub fn page(
        &mut self,
        tier: ReadTier,
        limits: PageLimits,
        mut sink: impl FnMut(&[u8], i64, RecordRef<'_>) -> usize,
    ) -> Result<PageEnd> {
        if self.window.is_empty() {
            return Ok(PageEnd::Done);
        }
        let mut page = Page::new(limits);
        let result = self.fill(tier, &mut page, &mut sink);
        page.end(tier, result)
    }

    fn fill(
        &mut self,
        tier: ReadTier,
        page: &mut Page,
        sink: &mut impl FnMut(&[u8], i64, RecordRef<'_>) -> usize,
    ) -> Result<PageEnd> {
        self.walk.resume_page(tier)?;
        loop {
            self.show_window(page, sink)?;
            if page.is_full() {
                return Ok(PageEnd::More);
            }
            let Some(timestamp) = self.enter_window()? else {
                return Ok(PageEnd::Done);
            };
            if !self.keys_only && self.walk.is_value_apart() {
                let key = &self.series.key;
                let taken = with_record(&self.walk, false, |_, record| sink(key, timestamp, record))?;
                page.add(taken.expect("enter_window found a point"));
                // The point is on the page even if the one behind it cannot be reached: `resume`
                // finds that one.
                self.walk.pass()?;
            }
        }
    }

    /// Shows `sink` points from here on, as long as they are in the window, with their values beside them,
    /// and there is room on the page.
    fn show_window(
        &mut self,
        page: &mut Page,
        sink: &mut impl FnMut(&[u8], i64, RecordRef<'_>) -> usize,
    ) -> Result<()> {
        let SeriesScan { walk, window: Window { first, last }, keys_only, series, .. } = self;
        walk.visit(|stored, value| {
            if page.is_full() {
                return Ok(false);
            }
            let timestamp = series.note(stored)?;
            let is_within = *first <= timestamp && timestamp <= *last;
            let show = |record: RecordRef<'_>| page.add(sink(&series.key, timestamp, record));
            Ok(is_within && with_inline_record(value, *keys_only, show)?)
        })
    }

    /// Moves on, if need be, to the next point inside the window. Gives its timestamp; its series
    /// is in `series`.
    fn enter_window(&mut self) -> Result<Option<i64>> {
        let Window { first, last } = self.window;
        while let Some(stored) = self.walk.key() {
            let timestamp = self.series.note(stored)?;
            let key = &self.series.key;
            let target = match self.walk.direction() {
                Direction::Forward if timestamp < first => key::encode(key, first),
                Direction::Forward if timestamp > last => end_of_series(key),
                Direction::Backward if timestamp > last => key::encode(key, last),
                // The start is before all points of the series: the last point at or before it is
                // in another one.
                Direction::Backward if timestamp < first => key::encode_series(key),
                _ => return Ok(Some(timestamp)),
            };
            self.walk.jump(&target)?;
        }
        Ok(None)
    }
}

/// The series that a scan is in: most points are of the same one as the point before, whose key need not
/// be decoded again.
#[derive(Debug, Default)]
struct CurrentSeries {
    key: Vec<u8>,
    /// What the encoded keys of its points begin with; empty before the first point.
    encoded: Vec<u8>,
}

impl CurrentSeries {
    /// Takes note of the encoded key of a point, and gives its timestamp.
    fn note(&mut self, stored: &[u8]) -> Result<i64> {
        if let Some((series, timestamp)) = key::split(stored)
            && !series.is_empty()
            && *series == self.encoded[..]
        {
            return Ok(timestamp);
        }
        let (key, timestamp) = key::decode(stored)?;
        self.key = key;
        self.encoded = key::encode_series(&self.key);
        Ok(timestamp)
    }
}

impl SeriesScan {
    fn next_point(&mut self) -> Result<Option<Point>> {
        let Some(timestamp) = self.find()? else {
            return Ok(None);
        };
        let entry = self.walk.take(self.keys_only)?;
        let (_, record, expiry) = entry.expect("enter_window found a point");
        Ok(Some(Point { key: self.series.key.clone(), timestamp, record, expiry }))
    }

    /// The key of the next series that has a point in the window. Only for a scan forward that is used
    /// for nothing else.
    pub(crate) fn next_series(&mut self) -> Result<Option<Vec<u8>>> {
        if self.find()?.is_none() {
            return Ok(None);
        }
        let key = self.series.key.clone();
        self.walk.jump(&end_of_series(&key))?;
        Ok(Some(key))
    }

    fn find(&mut self) -> Result<Option<i64>> {
        if self.window.is_empty() {
            return Ok(None);
        }
        self.walk.resume(ReadTier::Disk)?;
        self.enter_window()
    }
}

impl Iterator for SeriesScan {
    type Item = Result<Point>;

    fn next(&mut self) -> Option<Result<Point>> {
        if self.failed {
            return None;
        }
        let next = self.next_point();
        self.failed = next.is_err();
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_what_their_bounds_hold() {
        use Bound::{Excluded, Included, Unbounded};
        let times = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
        let bounds = |time| [Included(time), Excluded(time), Unbounded];
        for (lower, upper) in times.iter().flat_map(|a| times.map(|b| (*a, b))) {
            for (lower, upper) in bounds(lower).into_iter().flat_map(|a| bounds(upper).map(|b| (a, b))) {
                let window = Window::between(lower, upper);
                for time in times {
                    let is_after = match lower {
                        Included(lower) => time >= lower,
                        Excluded(lower) => time > lower,
                        Unbounded => true,
                    };
                    let is_before = match upper {
                        Included(upper) => time <= upper,
                        Excluded(upper) => time < upper,
                        Unbounded => true,
                    };
                    let is_within = (window.first..=window.last).contains(&time);
                    assert_eq!(is_within, is_after && is_before, "{time} in {lower:?} {upper:?}");
                }
            }
        }
    }
}
