//! Several ordered runs as one.

use super::{Cursor, Direction, Head, Run};
use crate::error::Result;
use crate::key::{Kind, Sequence, compare};
use crate::table::TableCursor;
use bytes::Bytes;
use std::cmp::Ordering;

/// Merges runs. Sources are few (memtables, tables of level 0, one for each deeper level), so they are kept
/// in the order of their entries: the one that moved finds its new place among the others by a search.
///
/// Going forward, every source is at its first entry at or behind the current one; going backward, at its
/// last entry at or before it.
pub(crate) struct MergeCursor<C = Box<dyn Cursor>> {
    sources: Vec<C>,
    /// The sources that are at an entry, in the order of these in the direction of travel: the first is the
    /// current one, the second that whose turn it is when the first has passed its entry. Empty where the
    /// cursor is at no entry.
    order: Vec<usize>,
    /// The current key certainly differs from that of the second source.
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
        MergeCursor { sources, order: Vec::new(), is_apart: false, step, direction }
    }

    /// Places all sources by `place` and takes the first (or last) of their entries.
    fn place(&mut self, direction: Direction, mut place: impl FnMut(&mut C) -> Result<()>) -> Result<()> {
        let order = std::mem::take(&mut self.order);
        self.direction = direction;
        for source in &mut self.sources {
            place(source)?;
        }
        // Sources that stayed are in order already, mostly.
        self.order = order;
        self.arrange();
        Ok(())
    }

    /// Brings all sources into order.
    fn arrange(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        if order.len() < self.sources.len() {
            order.clear();
            order.extend(0..self.sources.len());
        }
        order.retain(|index| self.sources[*index].valid());
        order.sort_unstable_by(|a, b| match (self.sources[*a].head(), self.sources[*b].head()) {
            (Some(a), Some(b)) => self.compare(a, b),
            _ => Ordering::Equal,
        });
        self.order = order;
        self.step = Step::Placed;
        self.note_second();
    }

    /// The current source has reached the second, or its end: gives it its new place.
    fn rearrange(&mut self, current: usize) {
        let Some(head) = self.sources[current].head() else {
            self.order.remove(0);
            return self.note_second();
        };
        let is_before = |other: &usize| {
            let other = self.sources[*other].head();
            other.is_some_and(|other| self.comes_before(other, head))
        };
        let passed = 1 + self.order[1..].partition_point(is_before);
        self.order[..passed].rotate_left(1);
        self.note_second();
    }

    fn note_second(&mut self) {
        let key = |place: usize| {
            self.order.get(place).and_then(|index| self.sources[*index].head()).map(|head| head.key)
        };
        self.is_apart = key(0).zip(key(1)).is_some_and(|(current, second)| current != second);
    }

    fn compare(&self, head: Head<'_>, other: Head<'_>) -> Ordering {
        let order = compare(head.key, head.sequence, other.key, other.sequence);
        match self.direction {
            Direction::Forward => order,
            Direction::Backward => order.reverse(),
        }
    }

    /// True if the one entry comes before the other in the direction of travel.
    fn comes_before(&self, head: Head<'_>, other: Head<'_>) -> bool {
        self.compare(head, other) == Ordering::Less
    }

    /// True if it is still the turn of the current source, which has moved on.
    fn stays_current(&mut self, current: usize) -> bool {
        let Some(second) = self.order.get(1).and_then(|second| self.sources[*second].head()) else {
            return self.sources[current].valid();
        };
        let Some(head) = self.sources[current].head() else {
            return false;
        };
        let stays = self.comes_before(head, second);
        if stays {
            self.is_apart = head.key != second.key;
        }
        stays
    }

    /// Brings the other sources to the far side of the current entry. Entries are never equal, so the current
    /// one is the border.
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
            self.order.clear();
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
        // Runs are often disjoint for a long way: as long as the others stay and this one does not reach the
        // next of them, nothing changes.
        if turns {
            self.arrange()
        } else {
            self.follow(current)
        }
        Ok(())
    }

    /// The current source has taken a step: the entries in order again.
    fn follow(&mut self, current: usize) {
        if self.stays_current(current) {
            self.step = Step::Stayed;
            return;
        }
        // The entry that was left came before that of the second, and none was between them.
        let differs = self.is_apart;
        self.rearrange(current);
        let is_same = self.order.first() == Some(&current);
        self.step = if is_same { Step::Stayed } else { Step::Changed { differs } };
    }

    /// Asks every source on this side of the edge; where one stays or lands, only it knows.
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
            self.arrange();
        }
        Ok(moved)
    }

    fn current_index(&self) -> usize {
        *self.order.first().expect("only a valid cursor is asked")
    }

    fn source(&self) -> &C {
        &self.sources[self.current_index()]
    }
}

impl MergeCursor<Run> {
    /// The table that the current entry is in, and the key at which it may be another
    /// source's turn; `None` where it is in no table, and going backward. A caller that moves
    /// it says so ([`MergeCursor::note_steps`]).
    pub(super) fn current_table(&mut self) -> Option<(&mut TableCursor, Option<&[u8]>)> {
        if self.direction == Direction::Backward {
            return None;
        }
        let current = *self.order.first()?;
        match self.order.get(1) {
            None => Some((self.sources[current].table()?, None)),
            Some(second) => {
                let [current, second] = self.sources.get_disjoint_mut([current, *second]).ok()?;
                Some((current.table()?, second.head().map(|head| head.key)))
            }
        }
    }

    /// The current table went forward by one entry or more. All that it passed were before the other sources.
    pub(super) fn note_steps(&mut self, steps: u64) {
        // All but the first that it left were compared with the second source: they differ from it.
        self.is_apart |= steps > 1;
        self.follow(self.current_index());
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
        // All others are at their first entry behind the current one: those behind the target stay, and those
        // at their ends.
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
            self.order.clear();
        }
        result
    }

    fn valid(&self) -> bool {
        !self.order.is_empty()
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
        let head = self.sources[*self.order.first()?].head()?;
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
