//! The newest point of every series, without a look at the others.

use super::{Point, bounds, end_of_series, key};
use crate::keyspace::SERIES;
use crate::range::KeyRange;
use crate::reader::Reader;
use crate::record::Record;
use crate::walk::{Direction, Page, PageEnd, PageLimits};
use flowdb_engine::{DbIterator, Result};

/// One point of each series, in order of their keys: the newest at or before a time. Sees one moment; ends
/// after an error.
#[derive(Debug)]
pub struct NewestOfEach {
    iterator: DbIterator,
    timestamp: i64,
    direction: Direction,
    progress: Progress,
}

/// Series that are looked at for one page, at three seeks each.
const SERIES_MAX: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// At no entry yet.
    Before,
    /// At a point of a series that was not looked at yet, or at no entry if there is none.
    Within,
    /// It has failed, or is through.
    Done,
}

impl NewestOfEach {
    pub(crate) fn new(
        reader: Reader<'_>,
        range: &KeyRange,
        timestamp: i64,
        direction: Direction,
    ) -> Result<Self> {
        let iterator = reader.db.iter(SERIES, bounds(range), reader.options())?;
        Ok(NewestOfEach { iterator, timestamp, direction, progress: Progress::Before })
    }

    /// The points of the next series, given to `sink`, which answers with the bytes it took. After many
    /// series without one the page ends, too.
    pub fn page(&mut self, limits: PageLimits, mut sink: impl FnMut(&Point) -> usize) -> Result<PageEnd> {
        let mut page = Page::new(limits);
        for _ in 0..SERIES_MAX {
            let found = self.look()?;
            if let Some(point) = found {
                page.add(sink(&point));
            }
            if self.progress == Progress::Done {
                return Ok(PageEnd::Done);
            }
            if page.is_full() {
                break;
            }
        }
        Ok(PageEnd::More)
    }

    /// The point of the next series, if it has one. After an error nothing more comes.
    fn look(&mut self) -> Result<Option<Point>> {
        let looked = self.try_look();
        if looked.is_err() {
            self.progress = Progress::Done;
        }
        looked
    }

    fn try_look(&mut self) -> Result<Option<Point>> {
        if self.progress == Progress::Before {
            match self.direction {
                Direction::Forward => self.iterator.seek_first()?,
                Direction::Backward => self.iterator.seek_last()?,
            }
            self.progress = Progress::Within;
        }
        if self.progress == Progress::Done || !self.iterator.valid() {
            self.progress = Progress::Done;
            return Ok(None);
        }
        let key = key::decode(self.iterator.key())?.0;
        let found = self.newest(&key)?;
        match self.direction {
            Direction::Forward => self.iterator.seek(&end_of_series(&key))?,
            // Before all points of the series, and at none of its own.
            Direction::Backward => self.iterator.seek_back(&key::encode_series(&key))?,
        }
        Ok(found)
    }

    fn newest(&mut self, key: &[u8]) -> Result<Option<Point>> {
        self.iterator.seek_back(&key::encode(key, self.timestamp))?;
        if !self.iterator.valid() {
            return Ok(None);
        }
        let (found, timestamp) = key::decode(self.iterator.key())?;
        if found != key {
            return Ok(None);
        }
        let record = Record::from_stored(self.iterator.shared_value()?)?;
        Ok(Some(Point { key: found, timestamp, record, expiry: self.iterator.expiry() }))
    }
}

impl Iterator for NewestOfEach {
    type Item = Result<Point>;

    fn next(&mut self) -> Option<Result<Point>> {
        while self.progress != Progress::Done {
            let looked = self.look().transpose();
            if looked.is_some() {
                return looked;
            }
        }
        None
    }
}
