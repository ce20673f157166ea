//! Walking through the data blocks of a table.

use super::block::{Block, BlockCursor, Malformed};
use super::index::Index;
use super::reader::Table;
use crate::error::Result;
use crate::iter::{Cursor, Direction, Head};
use crate::key::{Kind, Sequence};
use crate::options::ReadTier;
use bytes::Bytes;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

const IN_A_BLOCK: &str = "a valid cursor is in a block";
const HAS_INDEX: &str = "who seeks has the index read";

/// A place in a table. Holds the block it is in.
pub(crate) struct TableCursor {
    table: Arc<Table>,
    tier: ReadTier,
    fill_cache: bool,
    property: Option<(i64, i64)>,
    /// Behind it the reader wants nothing, if it has said so.
    end: Option<Bound<Bytes>>,
    /// All of the block is before `end`.
    is_before_end: bool,
    /// Number of the block, and the block.
    block: Option<(usize, Arc<Block>)>,
    entry: BlockCursor,
}

impl TableCursor {
    pub(super) fn new(
        table: Arc<Table>,
        tier: ReadTier,
        fill_cache: bool,
        property: Option<(i64, i64)>,
    ) -> Self {
        TableCursor {
            table,
            tier,
            fill_cache,
            property,
            end: None,
            is_before_end: false,
            block: None,
            entry: BlockCursor::default(),
        }
    }

    /// Tells of entries whether they are before the end of a scan, as far as the index knows: a scan need not
    /// compare their keys.
    pub(crate) fn ending_at(mut self, end: Bound<Bytes>) -> Self {
        self.end = Some(end);
        self
    }

    /// Makes block `number` the current one and places the entry in it by `place`.
    fn in_block(
        &mut self,
        number: usize,
        place: impl FnOnce(&mut BlockCursor, &Block) -> std::result::Result<(), Malformed>,
    ) -> Result<()> {
        self.entry.clear();
        let block = match self.block.take() {
            Some((current, block)) if current == number => block,
            _ => {
                self.is_before_end =
                    self.end.as_ref().is_some_and(|end| is_before(self.index().last_key(number), end));
                self.table.block(number, self.tier, self.fill_cache)?
            }
        };
        place(&mut self.entry, &block).map_err(|_| self.table.malformed(number))?;
        self.block = Some((number, block));
        Ok(())
    }

    fn index(&self) -> &Index {
        self.table.index_in_memory().expect(HAS_INDEX)
    }

    /// The first block from `number` on that is wanted.
    fn wanted_from(&self, number: usize) -> Option<usize> {
        (number..self.index().len()).find(|number| self.is_wanted(*number))
    }

    /// The last block before `number` that is wanted.
    fn wanted_before(&self, number: usize) -> Option<usize> {
        (0..number).rev().find(|number| self.is_wanted(*number))
    }

    fn is_wanted(&self, number: usize) -> bool {
        self.property.is_none_or(|wanted| !self.index().is_unwanted(number, wanted))
    }

    fn first_from(&mut self, number: usize) -> Result<()> {
        match self.wanted_from(number) {
            Some(number) => self.in_block(number, BlockCursor::seek_first),
            None => self.nowhere(),
        }
    }

    fn last_before(&mut self, number: usize) -> Result<()> {
        match self.wanted_before(number) {
            Some(number) => self.in_block(number, BlockCursor::seek_last),
            None => self.nowhere(),
        }
    }

    fn nowhere(&mut self) -> Result<()> {
        self.entry.clear();
        Ok(())
    }

    /// The first wanted block that may hold `key`, or what comes behind it. Seeks often go a short way on, or
    /// to the next block that is wanted.
    fn find(&self, key: &[u8]) -> Result<Option<usize>> {
        let index = self.table.index(self.tier)?;
        let Some((near, _)) = &self.block else {
            return Ok(self.wanted_from(index.find(key)));
        };
        if self.property.is_some()
            && index.last_key(*near) < key
            && let Some(next) = self.wanted_from(near + 1).filter(|next| index.last_key(*next) >= key)
        {
            return Ok(Some(next));
        }
        Ok(self.wanted_from(index.find_from(key, *near)))
    }

    fn current(&self) -> &Block {
        &self.block.as_ref().expect(IN_A_BLOCK).1
    }
}

/// Why a visit of entries in a block has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VisitEnd {
    /// The next entry, if the block has one, is not a plain one. The cursor is at the last one shown.
    Through,
    /// The cursor is at an entry that was not taken.
    Refused,
    /// The cursor is at an entry that is not before the limits; it was not shown.
    AtLimit,
}

impl TableCursor {
    /// Steps on within the block as long as the next entry is a plain one, and shows those whose keys are
    /// before `limit` and before the end of the scan. Versions behind the first of a key are not shown.
    /// Counts the steps in `steps`.
    ///
    /// Where it ends at a limit, and after an error, `passed` is the key of the entry before, where there
    /// was a step.
    pub(crate) fn visit_block(
        &mut self,
        limit: Option<&[u8]>,
        (steps, passed): (&mut u64, &mut Vec<u8>),
        is_plain: impl Fn(Sequence, Kind, i64) -> bool,
        mut show: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<VisitEnd> {
        let TableCursor { table, end: Some(end), block: Some((number, block)), entry, .. } = self else {
            return Ok(VisitEnd::Through);
        };
        let index = table.index_in_memory().expect(HAS_INDEX);
        let is_limited = !self.is_before_end || limit.is_some_and(|limit| index.last_key(*number) >= limit);
        loop {
            if is_limited {
                note(passed, entry.key());
            }
            match entry.next_if(block, &is_plain) {
                Ok(true) => *steps += 1,
                Ok(false) => return Ok(VisitEnd::Through),
                Err(_) => {
                    note(passed, entry.key());
                    return Err(table.malformed(*number));
                }
            }
            let key = entry.key();
            if is_limited && !(is_before(key, end) && limit.is_none_or(|limit| key < limit)) {
                return Ok(VisitEnd::AtLimit);
            }
            if entry.differs() && show(key, entry.value_bytes(block)).is_break() {
                return Ok(VisitEnd::Refused);
            }
        }
    }
}

fn note(passed: &mut Vec<u8>, key: &[u8]) {
    passed.clear();
    passed.extend_from_slice(key);
}

fn is_before(key: &[u8], end: &Bound<Bytes>) -> bool {
    match end {
        Bound::Included(end) => key <= &end[..],
        Bound::Excluded(end) => key < &end[..],
        Bound::Unbounded => true,
    }
}

impl Cursor for TableCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.table.index(self.tier)?;
        self.first_from(0)
    }

    fn seek_last(&mut self) -> Result<()> {
        let blocks = self.table.index(self.tier)?.len();
        self.last_before(blocks)
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        // Versions of the key may go on in the blocks behind: also there, the first entry need not be
        // the one sought.
        let mut candidate = self.find(key)?;
        while let Some(number) = candidate {
            self.in_block(number, |entry, block| entry.seek(block, key, sequence))?;
            if self.entry.valid() {
                return Ok(());
            }
            candidate = self.wanted_from(number + 1);
        }
        self.nowhere()
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        // The last block that can begin before the place is the first one whose last key is not before it, or
        // a later one, if versions of the key span blocks.
        let index = self.table.index(self.tier)?;
        let mut number = index.find(key).min(index.len().saturating_sub(1));
        while number + 1 < index.len() && index.last_key(number) == key {
            number += 1;
        }
        let mut candidate = self.wanted_before((number + 1).min(index.len()));
        while let Some(number) = candidate {
            self.in_block(number, |entry, block| entry.seek_before(block, key, sequence))?;
            if self.entry.valid() {
                return Ok(());
            }
            candidate = self.wanted_before(number);
        }
        self.nowhere()
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        let (number, block) = self.block.as_ref().expect(IN_A_BLOCK);
        self.entry.next(block).map_err(|_| self.table.malformed(*number))?;
        if self.entry.valid() {
            return Ok(());
        }
        match self.wanted_from(*number + 1) {
            Some(number) => self.in_block(number, BlockCursor::enter),
            None => self.nowhere(),
        }
    }

    fn prev(&mut self) -> Result<()> {
        let (number, block) = self.block.as_ref().expect(IN_A_BLOCK);
        self.entry.prev(block).map_err(|_| self.table.malformed(*number))?;
        if self.entry.valid() { Ok(()) } else { self.last_before(*number) }
    }

    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> Result<bool> {
        if self.table.properties().largest_sequence >= sequence {
            return Ok(false);
        }
        match direction {
            Direction::Forward => self.seek(edge, Sequence::MAX)?,
            Direction::Backward => self.seek_before(edge, Sequence::MAX)?,
        }
        Ok(true)
    }

    #[inline]
    fn valid(&self) -> bool {
        self.entry.valid()
    }

    fn key(&self) -> &[u8] {
        self.entry.key()
    }

    fn sequence(&self) -> Sequence {
        self.entry.sequence()
    }

    fn kind(&self) -> Kind {
        self.entry.kind()
    }

    fn expiry(&self) -> i64 {
        self.entry.expiry()
    }

    #[inline]
    fn head(&self) -> Option<Head<'_>> {
        self.entry.head().map(|head| Head { is_before_end: self.is_before_end, ..head })
    }

    fn value(&self) -> Bytes {
        self.entry.value(self.current())
    }

    fn value_bytes(&self) -> &[u8] {
        self.entry.value_bytes(self.current())
    }
}
