//! A walk through one snapshot of a tree, page by page, that begins in memory and goes to the disk when it has to.

use crate::reader::Reader;
use crate::record::{Form, Record, RecordRef};
use bytes::Bytes;
use flowdb_engine::{Db, DbIterator, Error, ErrorKind, ReadOptions, ReadTier, Result, Snapshot, TreeId};
use std::ops::Bound;

/// In which order entries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Forward,
    /// Largest first.
    Backward,
}

/// How large a page may grow. A page that is not the last has at least one entry, however large that is.
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

/// A place in a snapshot. The place outlives the iterator that found it, so that a walk that met a block that is not
/// in memory goes on where it was with an iterator that may read files.
#[derive(Debug)]
pub(crate) struct Walk {
    db: Db,
    tree: TreeId,
    bounds: (Bound<Bytes>, Bound<Bytes>),
    direction: Direction,
    property: Option<(i64, i64)>,
    snapshot: Snapshot,
    now: i64,
    /// Key of the entry that was passed last.
    passed: Option<Vec<u8>>,
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
            passed: None,
            iterator: None,
            tier: ReadTier::Memory,
        }
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// Makes sure that the walk may be moved in `tier`, and stands at the next entry that was not passed yet.
    #[inline]
    pub(crate) fn resume(&mut self, tier: ReadTier) -> Result<()> {
        if tier == self.tier && self.iterator.is_some() { Ok(()) } else { self.resume_anew(tier) }
    }

    fn resume_anew(&mut self, tier: ReadTier) -> Result<()> {
        if self.tier == ReadTier::Disk && tier == ReadTier::Memory {
            return Err(Error::would_block());
        }
        if tier != self.tier {
            self.tier = tier;
            self.iterator = None;
        }
        if self.iterator.is_some() {
            return Ok(());
        }
        let mut iterator = self.open_iterator()?;
        place(&mut iterator, self.direction, self.passed.as_deref())?;
        self.iterator = Some(iterator);
        Ok(())
    }

    /// Key of the entry the walk stands at, if it is at one.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        Some(self.valid_iterator()?.key())
    }

    /// Value of that entry. It may have to be read from a file, where its key did not. It keeps the memory of its block.
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
            let passed = self.passed.get_or_insert_default();
            passed.clear();
            passed.extend_from_slice(iterator.key());
        }
        self.advance(|iterator| match direction {
            Direction::Forward => iterator.next(),
            Direction::Backward => iterator.prev(),
        })
    }

    /// Jumps ahead: to the first entry at or after `key`, or backward to the last at or before it.
    pub(crate) fn jump(&mut self, key: &[u8]) -> Result<()> {
        let direction = self.direction;
        self.advance(|iterator| match direction {
            Direction::Forward => iterator.seek(key),
            Direction::Backward => iterator.seek_back(key),
        })
    }

    /// An iterator that failed stands nowhere; the next [`Walk::resume`] places a new one behind the entry passed last.
    fn advance(&mut self, movement: impl FnOnce(&mut DbIterator) -> Result<()>) -> Result<()> {
        let Some(iterator) = self.iterator.as_mut() else {
            return Ok(());
        };
        let result = movement(iterator);
        if result.is_err() {
            self.iterator = None;
        }
        result
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

/// To the first entry in this direction, or to the first one behind `passed`.
fn place(iterator: &mut DbIterator, direction: Direction, passed: Option<&[u8]>) -> Result<()> {
    match (direction, passed) {
        (Direction::Forward, None) => return iterator.seek_first(),
        (Direction::Backward, None) => return iterator.seek_last(),
        (Direction::Forward, Some(key)) => iterator.seek(key)?,
        (Direction::Backward, Some(key)) => iterator.seek_back(key)?,
    }
    if !iterator.valid() || Some(iterator.key()) != passed {
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

/// Shows `take` the key and the record that `walk` stands at; `None` if it stands at none. The record is empty where only keys are wanted.
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

/// Fills a page by calling `step` until it finds nothing more, a limit is reached, or the disk would be needed.
///
/// `step` gives the bytes that one entry took, or `None` at the end.
pub(crate) fn fill_page(
    limits: PageLimits,
    mut step: impl FnMut() -> Result<Option<usize>>,
) -> Result<PageEnd> {
    let (mut count, mut bytes) = (0, 0);
    loop {
        match step() {
            Ok(None) => return Ok(PageEnd::Done),
            Ok(Some(taken)) => {
                count += 1;
                bytes += taken;
                if count >= limits.count || bytes >= limits.bytes {
                    return Ok(PageEnd::More);
                }
            }
            // What is on the page already is good; the next call says that it would block.
            Err(error) if error.kind() == ErrorKind::WouldBlock && count > 0 => return Ok(PageEnd::More),
            Err(error) => return Err(error),
        }
    }
}
