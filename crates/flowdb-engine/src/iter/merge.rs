//! Several ordered runs as one.

use super::{Cursor, Direction, Head};
use crate::error::Result;
use crate::key::{Kind, Sequence, compare};
use bytes::Bytes;
use std::cmp::Ordering;

/// Merges runs. Sources are few (memtables, tables of level 0, one for each deeper level), so the next one is found by looking at each.
///
/// Going forward, every source is at its first entry at or behind the current one; going backward, at its last entry at or before it.
pub(crate) struct MergeCursor<C = Box<dyn Cursor>> {
    sources: Vec<C>,
    current: Option<usize>,
    /// The source whose turn it is when the current one has passed its entry; `None` if all others are at their ends.
    second: Option<usize>,
    /// The current key certainly differs from that of the second.
    is_apart: bool,
    /// What is known of the current entry and the one that a step has left.
    step: Step,
    direction: Direction,
}

/// From which entry the cursor came to the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// From anywhere.
    Placed,
    /// From the one before it in the same source.
    Stayed,
    /// From one of another source, whose key certainly differs, or may not.
    Changed { differs: bool },
}

impl<C: Cursor> MergeCursor<C> {
    pub(crate) fn new(sources: Vec<C>) -> Self {
        let (step, direction) = (Step::Placed, Direction::Forward);
        MergeCursor { sources, current: None, second: None, is_apart: false, step, direction }
    }

    /// Places all sources by `place` and takes the first (or last) of their entries.
    fn place(&mut self, direction: Direction, mut place: impl FnMut(&mut C) -> Result<()>) -> Result<()> {
        self.current = None;
        self.direction = direction;
        for source in &mut self.sources {
            place(source)?;
        }
        self.choose();
        Ok(())
    }

    /// The sources whose entries come next in the direction of travel.
    fn choose(&mut self) {
        let mut best: Option<(usize, Head<'_>)> = None;
        let mut second = best;
        for (index, source) in self.sources.iter().enumerate() {
            let Some(head) = source.head() else {
                continue;
            };
            if best.is_none_or(|(_, best)| self.comes_before(head, best)) {
                (best, second) = (Some((index, head)), best);
            } else if second.is_none_or(|(_, second)| self.comes_before(head, second)) {
                second = Some((index, head));
            }
        }
        let is_apart = best.zip(second).is_some_and(|((_, best), (_, second))| best.key != second.key);
        let (best, second) = (best.map(|(index, _)| index), second.map(|(index, _)| index));
        (self.current, self.second, self.is_apart) = (best, second, is_apart);
        self.step = Step::Placed;
    }

    /// True if the one entry comes before the other in the direction of travel.
    fn comes_before(&self, head: Head<'_>, other: Head<'_>) -> bool {
        let order = compare(head.key, head.sequence, other.key, other.sequence);
        match self.direction {
            Direction::Forward => order == Ordering::Less,
            Direction::Backward => order == Ordering::Greater,
        }
    }

    /// True if it is still the turn of the current source, which has moved on.
    fn stays_current(&mut self, current: usize) -> bool {
        let Some(second) = self.second.and_then(|second| self.sources[second].head()) else {
            return self.sources[current].valid();
        };
        let Some(head) = self.sources[current].head() else {
            return false;
        };
        let stays = self.comes_before(head, second);
        if stays {
            // Sources that go on with versions of one key are rare: mostly the last bytes differ, or the lengths.
            self.is_apart = head.key.len() != second.key.len() || head.key != second.key;
        }
        stays
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
        let turns = self.direction != direction;
        if turns {
            self.turn(direction)?;
        }
        let current = self.current_index();
        match direction {
            Direction::Forward => self.sources[current].next()?,
            Direction::Backward => self.sources[current].prev()?,
        }
        // Runs are often disjoint for a long way: as long as the others stay and this one does not reach the next of them, nothing changes.
        if turns {
            self.choose();
        } else if self.stays_current(current) {
            self.step = Step::Stayed;
        } else {
            // The entry that was left came before that of the second, and none was between them.
            let differs = self.is_apart;
            self.choose();
            let is_same = self.current == Some(current);
            self.step = if is_same { Step::Stayed } else { Step::Changed { differs } };
        }
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

    fn source(&self) -> &C {
        &self.sources[self.current_index()]
    }
}

impl<C: Cursor> Cursor for MergeCursor<C> {
    fn seek_first(&mut self) -> Result<()> {
        self.place(Direction::Forward, |source| source.seek_first())
    }

    fn seek_last(&mut self) -> Result<()> {
        self.place(Direction::Backward, |source| source.seek_last())
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        let is_ahead = self.direction == Direction::Forward
            && self.head().is_some_and(|head| is_before(&head, key, sequence));
        if !is_ahead {
            return self.place(Direction::Forward, |source| source.seek(key, sequence));
        }
        // All others are at their first entry behind the current one: those behind the target stay, and those at their ends.
        self.place(Direction::Forward, |source| {
            let moves = source.head().is_some_and(|head| is_before(&head, key, sequence));
            if moves { source.seek(key, sequence) } else { Ok(()) }
        })
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

    #[inline]
    fn head(&self) -> Option<Head<'_>> {
        let head = self.sources[self.current?].head()?;
        let differs = match self.step {
            Step::Placed => false,
            Step::Stayed => head.differs,
            Step::Changed { differs } => differs,
        };
        Some(Head { differs, ..head })
    }

    fn value(&self) -> Bytes {
        self.source().value()
    }

    fn value_bytes(&self) -> &[u8] {
        self.source().value_bytes()
    }
}

fn is_before(head: &Head<'_>, key: &[u8], sequence: Sequence) -> bool {
    compare(head.key, head.sequence, key, sequence) == Ordering::Less
}
