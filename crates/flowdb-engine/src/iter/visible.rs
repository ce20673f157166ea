//! What a reader sees of a tree: the newest version of each key as of one moment.

use super::{Coverage, Cursor, Direction, Head, MergeCursor, RangeDeletes, Run, STEPS_BEFORE_SKIP};
use crate::error::{Error, Result};
use crate::format::NEVER;
use crate::key::{Kind, Sequence, Version};
use crate::purge::Now;
use crate::retention::Horizon;
use crate::stats::ScanMeter;
use crate::values::{ValueResolver, malformed};
use bytes::Bytes;
use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;

/// Steps over versions of one key before it is quicker to seek past them.
const STEPS_BEFORE_SEEK: u32 = 8;
/// A skip of what a range delete hides takes as long as so many entries that are passed.
const PASSES_PER_SKIP: u64 = 8;

const AT_AN_ENTRY: &str = "only an iterator at an entry is asked for it";

/// Entries of one snapshot between two bounds, in order of their keys, in both directions. At no
/// entry at first.
///
/// After an error it is at no entry; a seek places it anew. The error `WouldBlock` says that the next entry
/// is not in memory.
pub struct DbIterator {
    pub(super) cursor: MergeCursor<Run>,
    pub(super) range_deletes: Vec<Arc<RangeDeletes>>,
    /// What `range_deletes` say about the keys around the last one asked for.
    coverage: Option<Coverage>,
    /// Keys in a row that were hidden by a range delete.
    hidden: u32,
    pub(super) view: View,
    pub(super) place: Place,
    /// Key of the current entry, or of the last one looked at.
    pub(super) key: Vec<u8>,
    pub(super) meter: ScanMeter,
    /// Entries that may still be passed because nobody sees them.
    passes_left: u64,
    /// It ended for the lack of them.
    is_spent: bool,
    /// Where the values of pointers are.
    values: Option<ValueResolver>,
    /// Keeps the files, memtables and the snapshot that `cursor` reads.
    _pins: Box<dyn Any + Send>,
}

/// Which entries count.
#[derive(Debug)]
pub(super) struct View {
    pub(super) sequence: Sequence,
    pub(super) now: Now,
    start: Bound<Bytes>,
    end: Bound<Bytes>,
    /// What is too old does not count.
    pub(super) horizon: Option<Horizon>,
}

/// Where the current entry is.
#[derive(Debug)]
pub(super) enum Place {
    /// There is none.
    Nowhere,
    /// Going forward: the cursor is at it.
    AtCursor,
    /// Going backward: the cursor is before all versions of its key.
    Passed(Version),
}

impl std::fmt::Debug for DbIterator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbIterator")
            .field("view", &self.view)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl DbIterator {
    /// `range_deletes` are those of all sources that `cursor` merges.
    pub(crate) fn new(
        cursor: MergeCursor<Run>,
        range_deletes: Vec<Arc<RangeDeletes>>,
        sequence: Sequence,
        now: Now,
        (start, end): (Bound<Bytes>, Bound<Bytes>),
        pins: Box<dyn Any + Send>,
    ) -> Self {
        let view = View { sequence, now, start, end, horizon: None };
        DbIterator {
            cursor,
            range_deletes,
            coverage: None,
            hidden: 0,
            view,
            place: Place::Nowhere,
            key: Vec::new(),
            meter: ScanMeter::default(),
            passes_left: u64::MAX,
            is_spent: false,
            values: None,
            _pins: pins,
        }
    }

    /// Counts with `meter`.
    pub(crate) fn metered(mut self, meter: ScanMeter) -> Self {
        self.meter = meter;
        self
    }

    /// Reads values kept outside the tables through `values`.
    pub(crate) fn with_values(mut self, values: ValueResolver) -> Self {
        self.values = Some(values);
        self
    }

    /// Sees only what is not too old.
    pub(crate) fn within(mut self, horizon: Option<Horizon>) -> Self {
        self.view.horizon = horizon;
        self
    }

    /// From now on at most so many entries are passed that are deleted, expired, too old or newer than what
    /// it shows; then it fails with `WouldBlock`, and is spent. What it may have shown up to
    /// [`DbIterator::passed_key`], it has. Default: any number.
    pub fn limit(&mut self, passes_max: u64) {
        self.passes_left = passes_max;
        self.is_spent = false;
    }

    /// Entries that may still be passed; none once it is spent.
    pub fn passes_left(&self) -> u64 {
        self.passes_left
    }

    /// Takes so many of the entries that may be passed, for work of another kind.
    pub fn charge(&mut self, passes: u64) -> Result<()> {
        let left = self.passes_left.checked_sub(passes);
        self.is_spent = left.is_none();
        self.passes_left = left.unwrap_or(0);
        if self.is_spent { Err(Error::would_block()) } else { Ok(()) }
    }

    /// True if it failed because of its limit, and for no other reason.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// To the first entry within the bounds.
    pub fn seek_first(&mut self) -> Result<()> {
        self.seek_to(|this| {
            match &this.view.start {
                Bound::Included(key) => this.cursor.seek(key, Sequence::MAX)?,
                Bound::Excluded(key) => this.cursor.seek(key, 0)?,
                Bound::Unbounded => this.cursor.seek_first()?,
            }
            this.find_forward()
        })
    }

    /// To the last entry within the bounds.
    pub fn seek_last(&mut self) -> Result<()> {
        self.seek_to(|this| {
            match &this.view.end {
                Bound::Included(key) => this.cursor.seek_before(key, 0)?,
                Bound::Excluded(key) => this.cursor.seek_before(key, Sequence::MAX)?,
                Bound::Unbounded => this.cursor.seek_last()?,
            }
            this.find_backward()
        })
    }

    /// To the first entry within the bounds at or after `key`.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        if self.view.is_before_start(key) {
            return self.seek_first();
        }
        self.seek_to(|this| {
            this.cursor.seek(key, Sequence::MAX)?;
            this.find_forward()
        })
    }

    /// To the last entry within the bounds at or before `key`.
    pub fn seek_back(&mut self, key: &[u8]) -> Result<()> {
        if self.view.is_behind_end(key) {
            return self.seek_last();
        }
        self.seek_to(|this| {
            this.cursor.seek_before(key, 0)?;
            this.find_backward()
        })
    }

    /// To the next entry. At no entry, it stays there.
    #[expect(clippy::should_implement_trait, reason = "it can fail and goes both ways: it is no `Iterator`")]
    pub fn next(&mut self) -> Result<()> {
        match self.place {
            Place::Nowhere => Ok(()),
            Place::AtCursor => self.step(),
            Place::Passed(_) => self.move_to(|this| {
                this.cursor.seek(&this.key, 0)?;
                this.find_forward()
            }),
        }
    }

    /// From the cursor's entry to the next. Where the cursor's next entry is plainly the one, nothing else
    /// is looked at.
    fn step(&mut self) -> Result<()> {
        self.place = Place::Nowhere;
        self.hidden = 0;
        self.cursor.next().inspect_err(|error| self.meter.see(error))?;
        if let Some(head) = self.cursor.head()
            && head.differs
            && head.is_before_end
            && self.view.is_plainly_seen(&head)
            && self.range_deletes.is_empty()
            && self.view.horizon.is_none()
        {
            self.key.clear();
            self.key.extend_from_slice(head.key);
            self.place = Place::AtCursor;
            self.meter.records_read += 1;
            return Ok(());
        }
        self.find_behind_key()
    }

    /// To the first visible entry at or behind the cursor whose key differs from that of the last
    /// one looked at.
    pub(super) fn find_behind_key(&mut self) -> Result<()> {
        self.move_to(|this| {
            if this.is_at_key() {
                this.skip_versions()?;
            }
            this.find_forward()
        })
    }

    /// To the entry before. At no entry, it stays there.
    pub fn prev(&mut self) -> Result<()> {
        match self.place {
            Place::Nowhere => Ok(()),
            Place::AtCursor => self.move_to(|this| {
                this.cursor.seek_before(&this.key, Sequence::MAX)?;
                this.find_backward()
            }),
            Place::Passed(_) => self.move_to(Self::find_backward),
        }
    }

    /// True if at an entry; the methods below may only be called then.
    pub fn valid(&self) -> bool {
        !matches!(self.place, Place::Nowhere)
    }

    /// Key of the entry.
    pub fn key(&self) -> &[u8] {
        assert!(self.valid(), "{AT_AN_ENTRY}");
        &self.key
    }

    /// Value of the entry, for a caller that looks at it and goes on; `None` if it is kept outside the
    /// tables, so that only [`DbIterator::shared_value`] reads it.
    pub fn inline_value(&self) -> Option<&[u8]> {
        match self.passed() {
            Some(version) => (version.kind != Kind::PutPointer).then_some(&version.value),
            None => (self.cursor.kind() != Kind::PutPointer).then(|| self.cursor.value_bytes()),
        }
    }

    /// Value of the entry, to be kept: shares the memory of the block or memtable, and keeps all of it. A
    /// value kept outside the tables is read by this call only, and again by each that follows: a caller that
    /// wants keys does not pay for values.
    ///
    /// Fails as a read does, with `WouldBlock` too, and leaves the iterator where it is.
    pub fn shared_value(&self) -> Result<Bytes> {
        let (kind, value) = match self.passed() {
            Some(version) => (version.kind, version.value.clone()),
            None => (self.cursor.kind(), self.cursor.value()),
        };
        if kind != Kind::PutPointer {
            return Ok(value);
        }
        let values = self.values.as_ref().ok_or_else(malformed)?;
        values.read(&value).inspect_err(|error| self.meter.see(error))
    }

    /// Expiry of the entry, microseconds since the epoch; [`NEVER`] if it has none.
    pub fn expiry(&self) -> i64 {
        self.passed().map_or_else(|| self.cursor.expiry(), |version| version.expiry)
    }

    /// Sequence number of the entry.
    pub fn sequence(&self) -> Sequence {
        self.passed().map_or_else(|| self.cursor.sequence(), |version| version.sequence)
    }

    /// The current entry, if the cursor is not at it any more.
    fn passed(&self) -> Option<&Version> {
        assert!(self.valid(), "{AT_AN_ENTRY}");
        match &self.place {
            Place::Passed(version) => Some(version),
            Place::Nowhere | Place::AtCursor => None,
        }
    }

    fn move_to(&mut self, find: impl FnOnce(&mut Self) -> Result<Place>) -> Result<()> {
        self.place = Place::Nowhere;
        self.hidden = 0;
        self.place = find(self).inspect_err(|error| self.meter.see(error))?;
        self.meter.records_read += u64::from(self.valid());
        Ok(())
    }

    /// The same, measured now and then.
    fn seek_to(&mut self, find: impl FnOnce(&mut Self) -> Result<Place>) -> Result<()> {
        let timer = self.meter.begin_seek();
        self.move_to(find)?;
        self.meter.finish_seek(timer);
        Ok(())
    }

    /// The first visible entry at or behind the cursor, which stays at it.
    fn find_forward(&mut self) -> Result<Place> {
        loop {
            let Some(Head { key, sequence, kind, expiry, is_before_end, .. }) = self.cursor.head() else {
                return Ok(Place::Nowhere);
            };
            if !is_before_end && self.view.is_behind_end(key) {
                return Ok(Place::Nowhere);
            }
            if sequence > self.view.sequence {
                if self.skip_newer()? {
                    self.charge(1)?;
                }
                continue;
            }
            if self.hidden < STEPS_BEFORE_SKIP {
                self.key.clear();
                self.key.extend_from_slice(key);
            } else {
                self.note_key();
                if self.skip_hidden(Direction::Forward)? {
                    self.charge(PASSES_PER_SKIP)?;
                    continue;
                }
            }
            if self.is_seen(kind, expiry, sequence)? {
                return Ok(Place::AtCursor);
            }
            self.skip_versions()?;
            self.charge(1)?;
        }
    }

    /// The last visible entry at or before the cursor, which ends up before all versions of its key.
    fn find_backward(&mut self) -> Result<Place> {
        while self.cursor.valid() {
            if self.view.is_before_start(self.cursor.key()) {
                return Ok(Place::Nowhere);
            }
            self.note_key();
            if self.skip_hidden(Direction::Backward)? {
                // Where it was at an old version that is hidden, it may now be at a newer one that is not:
                // that key was not passed.
                if !self.is_at_key() {
                    self.charge(PASSES_PER_SKIP)?;
                }
                continue;
            }
            if let Some(version) = self.newest_version()?
                && self.is_seen(version.kind, version.expiry, version.sequence)?
            {
                return Ok(Place::Passed(version));
            }
            self.charge(1)?;
        }
        Ok(Place::Nowhere)
    }

    /// Going backward: the newest version of the key looked at that is not too new, from its oldest one on.
    /// The cursor ends up before all of them.
    fn newest_version(&mut self) -> Result<Option<Version>> {
        let mut newest = None;
        for _ in 0..STEPS_BEFORE_SEEK {
            if !self.cursor.valid() || *self.cursor.key() != self.key[..] {
                return Ok(newest);
            }
            if self.cursor.sequence() <= self.view.sequence {
                newest = Some(self.version());
            }
            self.cursor.prev()?;
        }
        self.cursor.seek(&self.key, self.view.sequence)?;
        if self.cursor.valid() && *self.cursor.key() == self.key[..] {
            newest = Some(self.version());
        }
        self.cursor.seek_before(&self.key, Sequence::MAX)?;
        Ok(newest)
    }

    /// Going forward: past versions of a key that are too new. True if it has no others, and so was passed.
    fn skip_newer(&mut self) -> Result<bool> {
        // Noted as looked at only once it was passed: an older version may be what is shown, and this may
        // fail before it comes to that.
        let key = self.cursor.key().to_vec();
        for step in 0.. {
            if step < STEPS_BEFORE_SEEK {
                self.cursor.next()?;
            } else {
                self.cursor.seek(&key, self.view.sequence)?;
            }
            match self.cursor.head() {
                Some(head) if *head.key == key[..] && head.sequence > self.view.sequence => {}
                Some(head) if *head.key == key[..] => return Ok(false),
                _ => break,
            }
        }
        self.key = key;
        Ok(true)
    }

    pub(super) fn note_key(&mut self) {
        self.key.clear();
        self.key.extend_from_slice(self.cursor.key());
    }

    fn version(&self) -> Version {
        let cursor = &self.cursor;
        Version {
            sequence: cursor.sequence(),
            kind: cursor.kind(),
            expiry: cursor.expiry(),
            value: cursor.value(),
        }
    }

    /// Where many keys in a row are hidden by a range delete, moves on to where it ends, or to what is newer.
    /// True if the cursor moved.
    fn skip_hidden(&mut self, direction: Direction) -> Result<bool> {
        if self.hidden < STEPS_BEFORE_SKIP {
            return Ok(false);
        }
        let coverage =
            coverage(&mut self.coverage, &self.range_deletes, self.cursor.key(), self.view.sequence);
        let edge = match direction {
            Direction::Forward => &coverage.end,
            Direction::Backward => &coverage.start,
        };
        match (coverage.hides(self.cursor.sequence()), edge) {
            (Some(deleted_at), Some(edge)) => self.cursor.skip_older(edge, deleted_at, direction),
            _ => Ok(false),
        }
    }

    /// Decides whether the newest version of the key looked at is seen. What it hides stays hidden,
    /// seen or not.
    fn is_seen(&mut self, kind: Kind, expiry: i64, sequence: Sequence) -> Result<bool> {
        match kind {
            Kind::Put | Kind::PutPointer => {}
            Kind::Delete | Kind::DeleteRange => return Ok(false),
        }
        if self.is_deleted(sequence) {
            return Ok(false);
        }
        let is_too_old = self.view.horizon.as_ref().is_some_and(|horizon| horizon.hides(&self.key, sequence));
        let is_expired = is_too_old || self.view.now.is_past(expiry, sequence);
        self.meter.records_expired += u64::from(is_expired);
        Ok(!is_expired)
    }

    fn is_deleted(&mut self, sequence: Sequence) -> bool {
        if self.range_deletes.is_empty() {
            return false;
        }
        let coverage = coverage(&mut self.coverage, &self.range_deletes, &self.key, self.view.sequence);
        let is_hidden = coverage.hides(sequence).is_some();
        self.hidden = if is_hidden { self.hidden + 1 } else { 0 };
        is_hidden
    }

    /// Moves the cursor, which is at a version of the key looked at, past the others.
    fn skip_versions(&mut self) -> Result<()> {
        for _ in 0..STEPS_BEFORE_SEEK {
            self.cursor.next()?;
            if !self.is_at_key() {
                return Ok(());
            }
        }
        self.cursor.seek(&self.key, 0)
    }

    fn is_at_key(&self) -> bool {
        self.cursor.head().is_some_and(|head| !head.differs && *head.key == self.key[..])
    }
}

impl View {
    /// True for a value that is old enough and never expires. False says nothing.
    fn is_plainly_seen(&self, head: &Head<'_>) -> bool {
        head.kind == Kind::Put && head.expiry == NEVER && head.sequence <= self.sequence
    }

    fn is_before_start(&self, key: &[u8]) -> bool {
        is_before(key, &self.start)
    }

    fn is_behind_end(&self, key: &[u8]) -> bool {
        is_behind(key, &self.end)
    }
}

/// True if what begins at `start` does not hold `key`.
pub(crate) fn is_before(key: &[u8], start: &Bound<Bytes>) -> bool {
    match start {
        Bound::Included(start) => key < &start[..],
        Bound::Excluded(start) => key <= &start[..],
        Bound::Unbounded => false,
    }
}

/// True if what ends at `end` does not hold `key`.
pub(crate) fn is_behind(key: &[u8], end: &Bound<Bytes>) -> bool {
    match end {
        Bound::Included(end) => key > &end[..],
        Bound::Excluded(end) => key >= &end[..],
        Bound::Unbounded => false,
    }
}

/// What is said about `key`: as before where that still holds, else asked anew.
fn coverage<'a>(
    known: &'a mut Option<Coverage>,
    range_deletes: &[Arc<RangeDeletes>],
    key: &[u8],
    max: Sequence,
) -> &'a Coverage {
    if !known.as_ref().is_some_and(|coverage| coverage.contains(key)) {
        *known = Some(Coverage::of(range_deletes, key, max));
    }
    known.as_ref().expect("it was just put there")
}
