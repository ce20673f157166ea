//! Points of many series within a window of time, in order of key and timestamp.

use super::{end_of_series, key};
use crate::keyspace::SERIES;
use crate::range::{KeyRange, prefix_bounds};
use crate::record::Record;
use crate::walk::{Direction, PageEnd, PageLimits, Walk, fill_page};
use bytes::Bytes;
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
}

/// A scan in progress. Sees one snapshot, taken when it was made.
///
/// It goes from series to series by seeking: what lies between the windows of two series is never read.
#[derive(Debug)]
pub struct SeriesScan {
    walk: Walk,
    window: Window,
}

impl SeriesScan {
    /// A scan that judges expiry as of `now` (microseconds since the epoch). The range is one of keys, without
    /// timestamps.
    pub fn new(db: &Db, range: &KeyRange, window: Window, direction: Direction, now: i64) -> Self {
        let property = (window != Window::ALL).then_some((window.first, window.last));
        SeriesScan { walk: Walk::new(db, SERIES, bounds(range), direction, property, now), window }
    }

    /// The next points, given to `sink` as key, timestamp and record; it answers with the bytes it took.
    ///
    /// Fails with `WouldBlock` where `tier` does not suffice for a single point; nothing is lost then.
    pub fn page(
        &mut self,
        tier: ReadTier,
        limits: PageLimits,
        mut sink: impl FnMut(&[u8], i64, &Record) -> usize,
    ) -> Result<PageEnd> {
        if self.window.first > self.window.last {
            return Ok(PageEnd::Done);
        }
        fill_page(limits, || {
            self.walk.resume(tier)?;
            let Some((key, timestamp)) = self.enter_window()? else {
                return Ok(None);
            };
            let (_, value) = self.walk.current().expect("enter_window found a point");
            let taken = sink(&key, timestamp, &Record::from_stored(value.clone())?);
            // The point is on the page even if the one behind it cannot be reached: `resume` finds that one.
            let _ = self.walk.pass();
            Ok(Some(taken))
        })
    }

    /// Moves on, if need be, to the next point inside the window.
    fn enter_window(&mut self) -> Result<Option<(Vec<u8>, i64)>> {
        let Window { first, last } = self.window;
        while let Some((stored, _)) = self.walk.current() {
            let (key, timestamp) = key::decode(stored)?;
            let target = match self.walk.direction() {
                Direction::Forward if timestamp < first => key::encode(&key, first),
                Direction::Forward if timestamp > last => end_of_series(&key),
                Direction::Backward if timestamp > last => key::encode(&key, last),
                // The start is before all points of the series: the last point at or before it is in another one.
                Direction::Backward if timestamp < first => key::encode_series(&key),
                _ => return Ok(Some((key, timestamp))),
            };
            self.walk.jump(&target)?;
        }
        Ok(None)
    }
}

/// The bounds of all points whose series' key is in `range`.
fn bounds(range: &KeyRange) -> (Bound<Bytes>, Bound<Bytes>) {
    let (lower, upper) = match range {
        KeyRange::Prefix(prefix) if prefix.is_empty() => return (Bound::Unbounded, Bound::Unbounded),
        KeyRange::Prefix(prefix) => return prefix_bounds(&key::encode_prefix(prefix)),
        KeyRange::Between(lower, upper) => (lower, upper),
    };
    let lower = match lower {
        Bound::Included(key) => Bound::Included(key::encode_series(key).into()),
        Bound::Excluded(key) => Bound::Included(end_of_series(key).into()),
        Bound::Unbounded => Bound::Unbounded,
    };
    let upper = match upper {
        Bound::Included(key) => Bound::Excluded(end_of_series(key).into()),
        Bound::Excluded(key) => Bound::Excluded(key::encode_series(key).into()),
        Bound::Unbounded => Bound::Unbounded,
    };
    (lower, upper)
}
