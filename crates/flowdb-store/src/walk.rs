//! A walk through one snapshot of a tree, page by page, that begins in memory and goes to the disk when
//! it has to.

use crate::reader::Reader;
use crate::record::{Form, Record, RecordRef};
use bytes::Bytes;
use flowdb_engine::{Db, DbIterator, Error, ErrorKind, ReadOptions, ReadTier, Result, Snapshot, TreeId};
use std::ops::{Bound, ControlFlow};

/// In which order entries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Forward,
    /// Largest first.
    Backward,
}

/// How large a page may grow. One that has an entry has it whole, however large that is. One that is not the
/// last may be empty, where much was passed that is not wanted: others get their turn then, and whoever reads
/// may be told to stop.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    /// Entries, at least 1.
    pub count: usize,
    /// Bytes of keys and values, as the sink counts them.
    pub bytes: usize,
}

/// Whether there is more after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageEnd {
    /// There may be more.
    More,
    /// That was all.
    Done,
}

/// What a page passes that is not wanted. In memory the caller may be an event loop, and this is about a
/// millisecond; then a worker goes on.
pub(crate) const PASSES_IN_MEMORY_MAX: u64 = 1_000;
/// The same where files may be read: some ten milliseconds.
const PASSES_MAX: u64 = 50_000;
/// A seek takes as long as so many entries that are passed.
const PASSES_PER_JUMP: u64 = 8;

/// Whether the entry of a key was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Not yet.
    Before,
    /// It was passed.
    Behind,
}

/// A place in a snapshot. The place outlives the iterator that found it, so that a walk that met a block that
/// is not in memory goes on where it was with an iterator that may read files.
#[derive(Debug)]
pub(crate) struct Walk {
    db: Db,
    tree: TreeId,
    bounds: (Bound<Bytes>, Bound<Bytes>),
    direction: Direction,
    property: Option<(i64, i64)>,
    snapshot: Snapshot,
    now: i64,
    /// Where a new iterator goes on: at or behind this key.
    left_at: Option<(Vec<u8>, Left)>,
    iterator: Option<DbIterator>,
    /// Farthest tier used so far. It never goes back: an iterator with files under it must not be moved where
    /// blocking is forbidden.
    tier: ReadTier,
}

impl Walk {
    pub(crate) fn new(
        reader: Reader<'_>,
        tree: TreeId,
        bounds: (Bound<Bytes>, Bound<Bytes>),
        direction: Direction,
        property: Option<(i64, i64)>,
    ) -> Self {
        Walk {
            db: reader.db.clone(),
            tree,
            bounds,
            direction,
            property,
            snapshot: reader.pin(),
            now: reader.now(),
            left_at: None,
            iterator: None,
            tier: ReadTier::Memory,
        }
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// Makes sure that the walk may be moved in `tier`, and stands at the next entry that was not passed yet.
    /// It fails with `WouldBlock` where it has passed too much that is not wanted, and goes on from there
    /// when it is resumed.
    pub(crate) fn resume_page(&mut self, tier: ReadTier) -> Result<()> {
        let passes_max = if tier == ReadTier::Memory { PASSES_IN_MEMORY_MAX } else { PASSES_MAX };
        self.resume_within(tier, passes_max)
    }

    /// The same, however much is passed.
    pub(crate) fn resume(&mut self, tier: ReadTier) -> Result<()> {
        self.resume_within(tier, u64::MAX)
    }

    #[inline]
    fn resume_within(&mut self, tier: ReadTier, passes_max: u64) -> Result<()> {
        match &mut self.iterator {
            Some(iterator) if tier == self.tier => {
                iterator.limit(passes_max);
                Ok(())
            }
            _ => self.resume_anew(tier, passes_max),
        }
    }

    fn resume_anew(&mut self, tier: ReadTier, passes_max: u64) -> Result<()> {
        if self.tier == ReadTier::Disk && tier == ReadTier::Memory {
            return Err(Error::would_block());
        }
        if tier != self.tier {
            self.tier = tier;
            self.iterator = None;
        }
        let opened = self.open_iterator()?;
        let left_at = self.left_at.as_ref().map(|(key, left)| (&key[..], *left));
        let iterator = self.iterator.insert(opened);
        iterator.limit(passes_max);
        let placed = place(iterator, self.direction, left_at);
        self.checked(placed)
    }

    /// An iterator that failed stands nowhere; the next one is placed behind the entry passed last.
    #[inline]
    fn checked(&mut self, moved: Result<()>) -> Result<()> {
        if moved.is_err()
            && let Some(iterator) = self.iterator.take()
            && iterator.is_spent()
        {
            leave_at(&mut self.left_at, iterator.passed_key(), Left::Behind);
        }
        moved
    }

    /// Key of the entry the walk stands at, if it is at one.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        Some(self.valid_iterator()?.key())
    }

    /// Value of that entry. It may have to be read from a file, where its key did not. It keeps the memory
    /// of its block.
    pub(crate) fn value(&self) -> Result<Option<Bytes>> {
        self.valid_iterator().map(DbIterator::shared_value).transpose()
    }

    fn valid_iterator(&self) -> Option<&DbIterator> {
        self.iterator.as_ref().filter(|iterator| iterator.valid())
    }

    /// The entry the walk stands at, with its expiry; the walk is past it then.
    pub(crate) fn take(&mut self, keys_only: bool) -> Result<Option<(Bytes, Record, i64)>> {
        let Some(record) = current_record(self, keys_only)? else {
            return Ok(None);
        };
        let entry = |iterator: &DbIterator| (Bytes::copy_from_slice(iterator.key()), iterator.expiry());
        let entry = self.valid_iterator().map(entry);
        // The entry is taken even if the one behind it cannot be reached: `resume` finds that one.
        let _ = self.pass();
        Ok(entry.map(|(key, expiry)| (key, record, expiry)))
    }

    /// Goes past the current entry, which was taken.
    pub(crate) fn pass(&mut self) -> Result<()> {
        let direction = self.direction;
        if let Some(iterator) = self.iterator.as_ref().filter(|iterator| iterator.valid()) {
            leave_at(&mut self.left_at, iterator.key(), Left::Behind);
        }
        self.advance(|iterator| match direction {
            Direction::Forward => iterator.next(),
            Direction::Backward => iterator.prev(),
        })
    }

    /// Shows `take` the entries from here on, key and value, until it leaves one or fails; the walk is then
    /// at that one. The value is `None` where it is kept in a file of its own. After an error of its own the
    /// walk goes on behind what was taken.
    pub(crate) fn visit(&mut self, mut take: impl FnMut(&[u8], Option<&[u8]>) -> Result<bool>) -> Result<()> {
        let mut failure = None;
        let mut show = |key: &[u8], value: Option<&[u8]>| match take(key, value) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        };
        if self.direction == Direction::Backward {
            while self.valid_iterator().is_some_and(|at| show(at.key(), at.inline_value()).is_continue()) {
                self.pass()?;
            }
        } else if let Some(iterator) = self.iterator.as_mut().filter(|iterator| iterator.valid()) {
            let result = iterator.visit(show);
            let left = if iterator.valid() { Left::Before } else { Left::Behind };
            leave_at(&mut self.left_at, iterator.passed_key(), left);
            if result.is_err() {
                self.iterator = None;
            }
            result?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// True at an entry whose value has to be read from a file of its own.
    pub(crate) fn is_value_apart(&self) -> bool {
        self.valid_iterator().is_some_and(|iterator| iterator.inline_value().is_none())
    }

    /// Jumps ahead: to the first entry at or after `key`, or backward to the last at or before it.
    pub(crate) fn jump(&mut self, key: &[u8]) -> Result<()> {
        let direction = self.direction;
        self.advance(|iterator| {
            iterator.charge(PASSES_PER_JUMP)?;
            match direction {
                Direction::Forward => iterator.seek(key),
                Direction::Backward => iterator.seek_back(key),
            }
        })
    }

    fn advance(&mut self, movement: impl FnOnce(&mut DbIterator) -> Result<()>) -> Result<()> {
        let Some(iterator) = self.iterator.as_mut() else {
            return Ok(());
        };
        let moved = movement(iterator);
        self.checked(moved)
    }

    fn open_iterator(&self) -> Result<DbIterator> {
        let options = ReadOptions {
            sequence: Some(self.snapshot.sequence()),
            tier: self.tier,
            now: Some(self.now),
            property: self.property,
            ..ReadOptions::default()
        };
        self.db.iter(self.tree, self.bounds.clone(), options)
    }
}

fn leave_at(left_at: &mut Option<(Vec<u8>, Left)>, key: &[u8], left: Left) {
    let (kept, kept_left) = left_at.get_or_insert((Vec::new(), left));
    kept.clear();
    kept.extend_from_slice(key);
    *kept_left = left;
}

/// To the first entry in this direction, or to the first one that was not passed.
fn place(iterator: &mut DbIterator, direction: Direction, left_at: Option<(&[u8], Left)>) -> Result<()> {
    let Some((key, left)) = left_at else {
        return match direction {
            Direction::Forward => iterator.seek_first(),
            Direction::Backward => iterator.seek_last(),
        };
    };
    match direction {
        Direction::Forward => iterator.seek(key)?,
        Direction::Backward => iterator.seek_back(key)?,
    }
    if left == Left::Before || !iterator.valid() || iterator.key() != key {
        return Ok(());
    }
    match direction {
        Direction::Forward => iterator.next(),
        Direction::Backward => iterator.prev(),
    }
}

/// The record that `walk` stands at, if it is at one; empty where only keys are wanted.
pub(crate) fn current_record(walk: &Walk, keys_only: bool) -> Result<Option<Record>> {
    if keys_only {
        return Ok(walk.key().map(|_| Record::new(Form::Bytes, &[])));
    }
    walk.value()?.map(Record::from_stored).transpose()
}

/// Shows `take` the key and the record that `walk` stands at; `None` if it stands at none. The record is
/// empty where only keys are wanted.
pub(crate) fn with_record<R>(
    walk: &Walk,
    keys_only: bool,
    take: impl FnOnce(&[u8], RecordRef<'_>) -> R,
) -> Result<Option<R>> {
    let Some(iterator) = walk.valid_iterator() else {
        return Ok(None);
    };
    let key = iterator.key();
    if keys_only {
        return Ok(Some(take(key, RecordRef::from_stored(&[Form::Bytes as u8])?)));
    }
    match iterator.inline_value() {
        Some(value) => Ok(Some(take(key, RecordRef::from_stored(value)?))),
        None => Ok(Some(take(key, RecordRef::from_stored(&iterator.shared_value()?)?))),
    }
}

/// What is on a page so far.
#[derive(Debug)]
pub(crate) struct Page {
    limits: PageLimits,
    count: usize,
    bytes: usize,
}

impl Page {
    pub(crate) fn new(limits: PageLimits) -> Self {
        Page { limits, count: 0, bytes: 0 }
    }

    /// True if nothing more goes onto it.
    pub(crate) fn is_full(&self) -> bool {
        self.count > 0 && (self.count >= self.limits.count || self.bytes >= self.limits.bytes)
    }

    /// One more entry, which takes so many bytes.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The end of a page that was read in `tier`. Where what follows cannot be read, or not here, what is on
    /// it already is good; the next call fails for the same reason. Where files may be read, only what was
    /// passed can have been too much, and the next call goes on.
    pub(crate) fn end(&self, tier: ReadTier, result: Result<PageEnd>) -> Result<PageEnd> {
        match result {
            Err(error) if tier == ReadTier::Disk && error.kind() == ErrorKind::WouldBlock => {
                Ok(PageEnd::More)
            }
            Err(_) if self.count > 0 => Ok(PageEnd::More),
            result => result,
        }
    }
}

/// Shows `take` an entry as a record, which is empty where only keys are wanted. False if the record has to
/// be read from a file.
pub(crate) fn with_inline_record<'a>(
    value: Option<&'a [u8]>,
    keys_only: bool,
    take: impl FnOnce(RecordRef<'a>),
) -> Result<bool> {
    let value = if keys_only { Some(&[Form::Bytes as u8][..]) } else { value };
    match value {
        Some(value) => {
            take(RecordRef::from_stored(value)?);
            Ok(true)
        }
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_a_page_is_not_lost_with_what_follows_it() {
        let broken = || Err(Error::new(ErrorKind::Corruption, "a block behind the page"));
        let mut page = Page::new(PageLimits { count: 100, bytes: 1000 });
        let end = |page: &Page, result| page.end(ReadTier::Disk, result);
        assert_eq!(end(&page, broken()).unwrap_err().kind(), ErrorKind::Corruption);
        assert_eq!(end(&page, Err(Error::would_block())).unwrap(), PageEnd::More);
        let in_memory = page.end(ReadTier::Memory, Err(Error::would_block()));
        assert_eq!(in_memory.unwrap_err().kind(), ErrorKind::WouldBlock);
        page.add(10);
        assert_eq!(end(&page, broken()).unwrap(), PageEnd::More);
        assert_eq!(end(&page, Ok(PageEnd::Done)).unwrap(), PageEnd::Done);
    }
}
