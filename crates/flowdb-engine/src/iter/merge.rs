//! Several ordered runs as one.

use super::{Cursor, Direction};
use crate::error::Result;
use crate::key::{Kind, Sequence, compare};
use bytes::Bytes;
use std::cmp::Ordering;

/// Merges runs. Sources are few (memtables, tables of level 0, one for each deeper level), so the next one is found by looking at each.
///
/// Going forward, every source is at its first entry at or behind the current one; going backward, at its last entry at or before it.
pub(crate) struct MergeCursor {
    sources: Vec<Box<dyn Cursor>>,
    current: Option<usize>,
    direction: Direction,
}

impl MergeCursor {
    pub(crate) fn new(sources: Vec<Box<dyn Cursor>>) -> Self {
        MergeCursor { sources, current: None, direction: Direction::Forward }
    }

    /// Places all sources by `place` and takes the first (or last) of their entries.
    fn place(
        &mut self,
        direction: Direction,
        mut place: impl FnMut(&mut dyn Cursor) -> Result<()>,
    ) -> Result<()> {
        self.current = None;
        self.direction = direction;
        for source in &mut self.sources {
            place(source.as_mut())?;
        }
        self.choose();
        Ok(())
    }

    /// The source whose entry comes next in the direction of travel.
    fn choose(&mut self) {
        let wanted = match self.direction {
            Direction::Forward => Ordering::Less,
            Direction::Backward => Ordering::Greater,
        };
        let mut best: Option<usize> = None;
        for (index, source) in self.sources.iter().enumerate().filter(|(_, source)| source.valid()) {
            let comes_before = |other: usize| {
                let other = &self.sources[other];
                compare(source.key(), source.sequence(), other.key(), other.sequence()) == wanted
            };
            if best.is_none_or(comes_before) {
                best = Some(index);
            }
        }
        self.current = best;
    }

    /// Brings the other sources to the far side of the current entry. Entries are never equal, so the current one is the border.
    fn turn(&mut self, direction: Direction) -> Result<()> {
        let current = self.current_index();
        let (key, sequence) = (self.key().to_vec(), self.sequence());
        for (_, source) in self.sources.iter_mut().enumerate().filter(|(index, _)| *index != current) {
            match direction {
                Direction::Forward => source.seek(&key, sequence)?,
                Direction::Backward => source.seek_before(&key, sequence)?,
            }
        }
        self.direction = direction;
        Ok(())
    }

    fn step(&mut self, direction: Direction) -> Result<()> {
        let result = self.try_step(direction);
        if result.is_err() {
            self.current = None;
        }
        result
    }

    fn try_step(&mut self, direction: Direction) -> Result<()> {
        if self.direction != direction {
            self.turn(direction)?;
        }
        let current = self.current_index();
        match direction {
            Direction::Forward => self.sources[current].next()?,
            Direction::Backward => self.sources[current].prev()?,
        }
        self.choose();
        Ok(())
    }

    /// Asks every source on this side of the edge; where one stays or lands, only it knows, so the next entry is chosen anew.
    fn try_skip_older(&mut self, edge: &[u8], sequence: Sequence) -> Result<bool> {
        let direction = self.direction;
        let mut moved = false;
        for source in self.sources.iter_mut().filter(|source| source.valid()) {
            let is_before_edge = match direction {
                Direction::Forward => source.key() < edge,
                Direction::Backward => source.key() >= edge,
            };
            if is_before_edge {
                moved |= source.skip_older(edge, sequence, direction)?;
            }
        }
        if moved {
            self.choose();
        }
        Ok(moved)
    }

    fn current_index(&self) -> usize {
        self.current.expect("only a valid cursor is asked")
    }

    fn source(&self) -> &dyn Cursor {
        self.sources[self.current_index()].as_ref()
    }
}

impl Cursor for MergeCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.place(Direction::Forward, |source| source.seek_first())
    }

    fn seek_last(&mut self) -> Result<()> {
        self.place(Direction::Backward, |source| source.seek_last())
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.place(Direction::Forward, |source| source.seek(key, sequence))
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.place(Direction::Backward, |source| source.seek_before(key, sequence))
    }

    fn next(&mut self) -> Result<()> {
        self.step(Direction::Forward)
    }

    fn prev(&mut self) -> Result<()> {
        self.step(Direction::Backward)
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        if direction != self.direction {
            return Ok(false);
        }
        let result = self.try_skip_older(edge, sequence);
        if result.is_err() {
            self.current = None;
        }
        result
    }

    fn valid(&self) -> bool {
        self.current.is_some()
    }

    fn key(&self) -> &[u8] {
        self.source().key()
    }

    fn sequence(&self) -> Sequence {
        self.source().sequence()
    }

    fn kind(&self) -> Kind {
        self.source().kind()
    }

    fn expiry(&self) -> i64 {
        self.source().expiry()
    }

    fn value(&self) -> Bytes {
        self.source().value()
    }
}
