//! The tables of a level, which do not overlap, as one run.

use super::{Cursor, Direction, Head};
use crate::error::Result;
use crate::key::{Kind, Sequence};
use crate::options::ReadTier;
use crate::table::{Table, TableCursor};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;

/// Walks from table to table; only one is looked into at a time.
pub(crate) struct LevelCursor {
    tables: Vec<Arc<Table>>,
    open: Option<(usize, TableCursor)>,
    tier: ReadTier,
    fill_cache: bool,
    property: Option<(i64, i64)>,
    end: Option<Bound<Bytes>>,
}

impl LevelCursor {
    /// `tables` in order of their keys.
    pub(crate) fn new(
        tables: Vec<Arc<Table>>,
        tier: ReadTier,
        fill_cache: bool,
        property: Option<(i64, i64)>,
    ) -> Self {
        LevelCursor { tables, open: None, tier, fill_cache, property, end: None }
    }

    /// As [`TableCursor::ending_at`].
    pub(crate) fn ending_at(mut self, end: Bound<Bytes>) -> Self {
        self.end = Some(end);
        self
    }

    fn open(&mut self, index: usize) -> &mut TableCursor {
        let is_open = self.open.as_ref().is_some_and(|(open, _)| *open == index);
        if !is_open {
            let cursor = self.tables[index].cursor(self.tier, self.fill_cache, self.property);
            let cursor = match &self.end {
                Some(end) => cursor.ending_at(end.clone()),
                None => cursor,
            };
            self.open = Some((index, cursor));
        }
        &mut self.open.as_mut().expect("it was just opened").1
    }

    /// To the first entry at or behind the target, in the table with this index or the next ones. A range
    /// delete that was cut in two ends, exclusively, at the key with which the next table begins: then that
    /// one is sought in too, since it may begin before the target.
    fn seek_from(&mut self, index: usize, key: &[u8], sequence: Sequence) -> Result<()> {
        for index in index..self.tables.len() {
            let cursor = self.open(index);
            cursor.seek(key, sequence)?;
            if cursor.valid() {
                return Ok(());
            }
        }
        self.open = None;
        Ok(())
    }

    /// On to the next tables until one has an entry.
    fn skip_forward(&mut self) -> Result<()> {
        while let Some((index, cursor)) = &self.open {
            if cursor.valid() {
                return Ok(());
            }
            let next = index + 1;
            if next == self.tables.len() {
                self.open = None;
            } else {
                self.open(next).seek_first()?;
            }
        }
        Ok(())
    }

    fn skip_backward(&mut self) -> Result<()> {
        while let Some((index, cursor)) = &self.open {
            if cursor.valid() {
                return Ok(());
            }
            match index.checked_sub(1) {
                Some(before) => self.open(before).seek_last()?,
                None => self.open = None,
            }
        }
        Ok(())
    }

    /// Passes over tables of nothing but what is older, without looking into them.
    fn skip_older_forward(&mut self, edge: &[u8], sequence: Sequence) -> Result<bool> {
        let current = self.index();
        let is_older = |table: &Arc<Table>| table.properties().largest_sequence < sequence;
        let is_passed = |table: &&Arc<Table>| is_older(table) && table.properties().largest[..] < *edge;
        let index = current + self.tables[current..].iter().take_while(is_passed).count();
        match self.tables.get(index) {
            None => self.open = None,
            Some(table) if is_older(table) => {
                self.open(index).seek(edge, Sequence::MAX)?;
                self.skip_forward()?;
            }
            Some(_) if index == current => return Ok(false),
            Some(_) => {
                self.open(index).seek_first()?;
                self.skip_forward()?;
            }
        }
        Ok(true)
    }

    fn skip_older_backward(&mut self, edge: &[u8], sequence: Sequence) -> Result<bool> {
        let current = self.index();
        let is_older = |table: &Arc<Table>| table.properties().largest_sequence < sequence;
        let is_passed = |table: &&Arc<Table>| is_older(table) && table.properties().smallest[..] >= *edge;
        let passed = self.tables[..=current].iter().rev().take_while(is_passed).count();
        match (current + 1 - passed).checked_sub(1) {
            None => self.open = None,
            Some(index) if is_older(&self.tables[index]) => {
                self.open(index).seek_before(edge, Sequence::MAX)?;
                self.skip_backward()?;
            }
            Some(_) if passed == 0 => return Ok(false),
            Some(index) => {
                self.open(index).seek_last()?;
                self.skip_backward()?;
            }
        }
        Ok(true)
    }

    /// The table that the cursor is in.
    pub(super) fn table(&mut self) -> Option<&mut TableCursor> {
        self.open.as_mut().map(|(_, cursor)| cursor)
    }

    fn index(&self) -> usize {
        self.open.as_ref().expect("only a valid cursor is asked").0
    }

    /// A cursor that failed is at no entry, and so is this one.
    fn guard(&mut self, result: Result<()>) -> Result<()> {
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn cursor(&self) -> &TableCursor {
        &self.open.as_ref().expect("only a valid cursor is asked").1
    }
}

impl Cursor for LevelCursor {
    fn seek_first(&mut self) -> Result<()> {
        if self.tables.is_empty() {
            return Ok(());
        }
        let result = self.open(0).seek_first().and_then(|()| self.skip_forward());
        self.guard(result)
    }

    fn seek_last(&mut self) -> Result<()> {
        let Some(last) = self.tables.len().checked_sub(1) else {
            return Ok(());
        };
        let result = self.open(last).seek_last().and_then(|()| self.skip_backward());
        self.guard(result)
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        let index = self.tables.partition_point(|table| table.properties().largest[..] < *key);
        let result = self.seek_from(index, key, sequence);
        self.guard(result)
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        let count = self.tables.partition_point(|table| table.properties().smallest[..] <= *key);
        let Some(index) = count.checked_sub(1) else {
            self.open = None;
            return Ok(());
        };
        let result = self.open(index).seek_before(key, sequence).and_then(|()| self.skip_backward());
        self.guard(result)
    }

    fn next(&mut self) -> Result<()> {
        let result = match &mut self.open {
            Some((_, cursor)) => cursor.next().and_then(|()| self.skip_forward()),
            None => Ok(()),
        };
        self.guard(result)
    }

    fn prev(&mut self) -> Result<()> {
        let result = match &mut self.open {
            Some((_, cursor)) => cursor.prev().and_then(|()| self.skip_backward()),
            None => Ok(()),
        };
        self.guard(result)
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        let result = match direction {
            Direction::Forward => self.skip_older_forward(edge, sequence),
            Direction::Backward => self.skip_older_backward(edge, sequence),
        };
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn valid(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, cursor)| cursor.valid())
    }

    fn key(&self) -> &[u8] {
        self.cursor().key()
    }

    fn sequence(&self) -> Sequence {
        self.cursor().sequence()
    }

    fn kind(&self) -> Kind {
        self.cursor().kind()
    }

    fn expiry(&self) -> i64 {
        self.cursor().expiry()
    }

    #[inline]
    fn head(&self) -> Option<Head<'_>> {
        self.open.as_ref().and_then(|(_, cursor)| cursor.head())
    }

    fn value(&self) -> Bytes {
        self.cursor().value()
    }

    fn value_bytes(&self) -> &[u8] {
        self.cursor().value_bytes()
    }
}
