//! A place between records: of snapshot and overlay merged, movable both ways.

use super::overlay::{Known, Overlay};
use crate::keyspace::KeySpan;
use bytes::Bytes;
use flowdb_engine::{DbIterator, Error, ReadTier, Result};

/// A key, and its value if that was wanted.
pub(crate) type Pair = (Bytes, Option<Bytes>);

/// What of a record is wanted. A large value is in a file of its own, which is read only where it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Only that it is there, and under which key.
    Key,
    /// The value too, if it is at hand: not one that is in a file of its own.
    InlineValue,
    /// The value too.
    Value,
}

impl Wanted {
    /// The value, unless only the key is.
    pub(crate) fn unless(key_only: bool) -> Self {
        if key_only { Wanted::Key } else { Wanted::Value }
    }
}

/// Entries that the overlay hides, one behind the other, which the JS thread steps over. A worker does what takes longer.
pub(super) const HIDDEN_MAX: usize = 2048;

/// A gap between the keys of a span. What is written to the overlay between two steps is seen by the next one.
#[derive(Debug)]
pub(crate) struct Walk {
    tier: ReadTier,
    span: KeySpan,
    /// The next key forward is the first at or after this; the next backward the last before this.
    at: Vec<u8>,
    entries: DbIterator,
    placed: Placed,
    /// While placed: no visible entry lies between this and the iterator's place, which is not before it forward, and before it backward.
    /// Writes only ever hide entries, so that going back to here, after each record that is taken from an end, steps over no hidden entry
    /// twice.
    clear_from: Vec<u8>,
}

/// Where the engine's iterator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placed {
    Nowhere,
    /// No visible entry lies between `at` and its place, or it is at the entry before `at` that was just answered. That one is
    /// left at the next step only: what follows it may not be in memory, and may not be asked for.
    Forward,
    /// The same, backward.
    Backward,
}

impl Walk {
    /// At `at` in `span`, over `entries`, which has the span's bounds and reads as far as `tier` says.
    pub(crate) fn new(entries: DbIterator, tier: ReadTier, span: KeySpan, at: Vec<u8>) -> Self {
        let mut walk =
            Walk { tier, span, at: Vec::new(), entries, placed: Placed::Nowhere, clear_from: Vec::new() };
        walk.place(at);
        walk
    }

    /// Where it stands: to go on from there with another walk.
    pub(crate) fn position(&self) -> &[u8] {
        &self.at
    }

    /// True if this can walk in `span` too.
    pub(crate) fn fits(&self, tier: ReadTier, span: &KeySpan) -> bool {
        self.tier == tier && self.span == *span
    }

    /// Goes to the gap before `at`.
    pub(crate) fn place(&mut self, at: Vec<u8>) {
        let at = at.clamp(self.span.start.clone(), self.span.end.clone());
        if at != self.at {
            if !self.reaches(&at) {
                self.placed = Placed::Nowhere;
            }
            self.at = at;
        }
    }

    /// True if the iterator stands where a search from `at` on would bring it.
    fn reaches(&self, at: &[u8]) -> bool {
        match self.placed {
            Placed::Nowhere => false,
            Placed::Forward => {
                *at >= self.clear_from[..] && (!self.entries.valid() || *at <= self.entries.key()[..])
            }
            Placed::Backward => {
                *at <= self.clear_from[..] && (!self.entries.valid() || *at > self.entries.key()[..])
            }
        }
    }

    /// Steps over the next record.
    pub(crate) fn next(&mut self, overlay: &Overlay, wanted: Wanted) -> Result<Option<Pair>> {
        let found = self.find_next(overlay, wanted);
        match &found {
            Ok(Some((key, _))) => {
                self.at.clear();
                self.at.extend_from_slice(key);
                // The smallest bytes above the key.
                self.at.push(0);
            }
            Ok(None) => {}
            Err(_) => self.placed = Placed::Nowhere,
        }
        found
    }

    /// Steps back over the record before.
    pub(crate) fn prev(&mut self, overlay: &Overlay, wanted: Wanted) -> Result<Option<Pair>> {
        let found = self.find_prev(overlay, wanted);
        match &found {
            Ok(Some((key, _))) => {
                self.at.clear();
                self.at.extend_from_slice(key);
            }
            Ok(None) => {}
            Err(_) => self.placed = Placed::Nowhere,
        }
        found
    }

    fn find_next(&mut self, overlay: &Overlay, wanted: Wanted) -> Result<Option<Pair>> {
        if self.placed != Placed::Forward {
            self.entries.seek(&self.at)?;
            self.placed = Placed::Forward;
            self.clear_from.clone_from(&self.at);
        }
        self.skip_forward(overlay)?;
        let end = self.entry().unwrap_or(&self.span.end);
        match overlay.first_put(&self.at, end) {
            Some((key, value)) => Ok(Some((key.clone(), Some(value.clone())))),
            None => self.pair(wanted),
        }
    }

    fn find_prev(&mut self, overlay: &Overlay, wanted: Wanted) -> Result<Option<Pair>> {
        if self.placed != Placed::Backward {
            self.entries.seek_back(&self.at)?;
            self.placed = Placed::Backward;
            self.clear_from.clone_from(&self.at);
        }
        self.skip_backward(overlay)?;
        let start = self.entry().unwrap_or(&self.span.start);
        match overlay.last_put(start, &self.at) {
            Some((key, value)) => Ok(Some((key.clone(), Some(value.clone())))),
            None => self.pair(wanted),
        }
    }

    /// Key of the engine's entry.
    fn entry(&self) -> Option<&[u8]> {
        self.entries.valid().then(|| self.entries.key())
    }

    fn pair(&self, wanted: Wanted) -> Result<Option<Pair>> {
        let Some(key) = self.entry() else { return Ok(None) };
        let value = match wanted {
            Wanted::Key => None,
            Wanted::InlineValue if self.entries.inline_value().is_none() => None,
            Wanted::InlineValue | Wanted::Value => Some(self.entries.shared_value()?),
        };
        Ok(Some((Bytes::copy_from_slice(key), value)))
    }

    /// Past the entries before `at` and those that the overlay hides. `WouldBlock` where only memory is read and there are many of these.
    fn skip_forward(&mut self, overlay: &Overlay) -> Result<()> {
        let mut hidden = 0;
        while self.entries.valid() {
            self.count_hidden(&mut hidden)?;
            let key = self.entries.key();
            if key[..] < self.at[..] {
                self.clear_from.clone_from(&self.at);
                self.entries.next()?;
                continue;
            }
            match overlay.get(key) {
                Known::Nothing => return Ok(()),
                Known::Put(_) | Known::Deleted => self.entries.next()?,
                Known::Cleared { end, .. } => self.entries.seek(end)?,
            }
        }
        Ok(())
    }

    fn count_hidden(&self, hidden: &mut usize) -> Result<()> {
        *hidden += 1;
        match self.tier {
            ReadTier::Memory if *hidden > HIDDEN_MAX => Err(Error::would_block()),
            _ => Ok(()),
        }
    }

    fn skip_backward(&mut self, overlay: &Overlay) -> Result<()> {
        let mut hidden = 0;
        while self.entries.valid() {
            self.count_hidden(&mut hidden)?;
            let key = self.entries.key();
            if key[..] >= self.at[..] {
                self.clear_from.clone_from(&self.at);
                self.entries.prev()?;
                continue;
            }
            match overlay.get(key) {
                Known::Nothing => return Ok(()),
                // The range's own start may be an entry: that one is stepped over.
                Known::Cleared { start, .. } if key[..] > *start => self.entries.seek_back(start)?,
                Known::Put(_) | Known::Deleted | Known::Cleared { .. } => self.entries.prev()?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::testing::Fixture;
    use crate::keyspace::DOCUMENTS;
    use flowdb_engine::format::NEVER;
    use flowdb_engine::{Db, ErrorKind, ReadOptions, WriteBatch, WriteOptions};
    use std::ops::Bound;

    #[test]
    fn taking_from_the_front_steps_over_no_hidden_entry_twice() {
        let (_db, mut walk, mut overlay) = walk_over(&["k1", "k2", "k3", "k4"]);
        let span = walk.span.clone();
        assert_eq!(first(&mut walk, &overlay, Placed::Nowhere), "k1");
        overlay.delete(&b"k1"[..]);
        assert_eq!(first(&mut walk, &overlay, Placed::Forward), "k2");
        overlay.delete(&b"k2"[..]);
        overlay.put(&b"k0"[..], &b"new"[..]);
        assert_eq!(first(&mut walk, &overlay, Placed::Forward), "k0", "what is written behind is found");
        overlay.delete(&b"k0"[..]);
        assert_eq!(first(&mut walk, &overlay, Placed::Forward), "k3");
        assert_eq!(walk.next(&overlay, Wanted::Key).unwrap().unwrap().0, "k4");
        assert_eq!(first(&mut walk, &overlay, Placed::Nowhere), "k3", "k3 is not hidden, and was passed");
        overlay.clear(span);
        overlay.put(&b"k3"[..], &b"again"[..]);
        assert_eq!(first(&mut walk, &overlay, Placed::Forward), "k3");
    }

    #[test]
    fn taking_from_the_back_steps_over_no_hidden_entry_twice() {
        let (_db, mut walk, mut overlay) = walk_over(&["k1", "k2", "k3", "k4"]);
        assert_eq!(last(&mut walk, &overlay, Placed::Nowhere), "k4");
        overlay.delete(&b"k4"[..]);
        assert_eq!(last(&mut walk, &overlay, Placed::Backward), "k3");
        overlay.delete(&b"k3"[..]);
        overlay.put(&b"k5"[..], &b"new"[..]);
        assert_eq!(last(&mut walk, &overlay, Placed::Backward), "k5", "what is written behind is found");
        overlay.delete(&b"k5"[..]);
        assert_eq!(last(&mut walk, &overlay, Placed::Backward), "k2");
        assert_eq!(walk.prev(&overlay, Wanted::Key).unwrap().unwrap().0, "k1");
        assert_eq!(last(&mut walk, &overlay, Placed::Nowhere), "k2", "k2 is not hidden, and was passed");
        assert_eq!(first(&mut walk, &overlay, Placed::Nowhere), "k1", "the other way");
        assert_eq!(last(&mut walk, &overlay, Placed::Nowhere), "k2", "and back");
    }

    #[test]
    fn many_hidden_entries_are_a_workers() {
        let names: Vec<String> = (0..=HIDDEN_MAX + 1).map(|number| format!("k{number:05}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (_db, mut walk, mut overlay) = walk_over(&names);
        let (last_name, hidden) = names.split_last().unwrap();
        hidden.iter().for_each(|name| overlay.delete(Bytes::copy_from_slice(name.as_bytes())));
        walk.tier = ReadTier::Memory;
        let refused = |found: Result<Option<Pair>>| found.unwrap_err().kind() == ErrorKind::WouldBlock;
        assert!(refused(walk.next(&overlay, Wanted::Key)));
        assert_eq!(walk.position(), b"k", "it stays where it was");
        walk.tier = ReadTier::Disk;
        assert_eq!(walk.next(&overlay, Wanted::Key).unwrap().unwrap().0, *last_name);
        walk.place(last_name.as_bytes().to_vec());
        walk.tier = ReadTier::Memory;
        assert!(refused(walk.prev(&overlay, Wanted::Key)));
        walk.tier = ReadTier::Disk;
        assert_eq!(walk.prev(&overlay, Wanted::Key).unwrap(), None);
    }

    /// A walk over these stored keys.
    fn walk_over(names: &[&str]) -> (Db, Walk, Overlay) {
        let db = Fixture::new().world.db.clone();
        let mut batch = WriteBatch::new();
        for name in names {
            batch.put(DOCUMENTS, name.as_bytes(), b"stored", NEVER).unwrap();
        }
        db.write(batch, WriteOptions::default()).unwrap();
        let span = KeySpan { start: b"k".into(), end: b"l".into() };
        let at = span.start.clone();
        let bounds = (Bound::Included(Bytes::from_static(b"k")), Bound::Excluded(Bytes::from_static(b"l")));
        let entries = db.iter(DOCUMENTS, bounds, ReadOptions::default()).unwrap();
        (db, Walk::new(entries, ReadTier::Disk, span, at), Overlay::default())
    }

    /// The last key, and whether the iterator is where it was left.
    fn last(walk: &mut Walk, overlay: &Overlay, placed: Placed) -> Bytes {
        walk.place(walk.span.end.clone());
        assert_eq!(walk.placed, placed);
        walk.prev(overlay, Wanted::Key).unwrap().unwrap().0
    }

    /// The first key, and whether the iterator is where it was left.
    fn first(walk: &mut Walk, overlay: &Overlay, placed: Placed) -> Bytes {
        walk.place(walk.span.start.clone());
        assert_eq!(walk.placed, placed);
        walk.next(overlay, Wanted::Key).unwrap().unwrap().0
    }
}
