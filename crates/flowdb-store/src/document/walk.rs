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

/// Of the engine's hidden entries so many are passed before it is asked whether there are still any of
/// interest, then twice as many: a seek, which is what asking takes, is as much work as a few of them.
const PASSES_BEFORE_ASKING: u64 = 16;

/// A gap between the keys of a span. What is written to the overlay between two steps is seen by
/// the next one.
#[derive(Debug)]
pub(crate) struct Walk {
    tier: ReadTier,
    span: KeySpan,
    /// The next key forward is the first at or after this; the next backward the last before this.
    at: Vec<u8>,
    entries: DbIterator,
    /// Hidden entries that may still be passed.
    passes_left: u64,
    placed: Placed,
    /// While placed: no visible entry lies between this and the iterator's place, which is not before it
    /// forward, and before it backward. Writes only ever hide entries, so that going back to here, after each
    /// record that is taken from an end, steps over no hidden entry twice.
    clear_from: Vec<u8>,
}

/// Where the engine's iterator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placed {
    Nowhere,
    /// No visible entry lies between `at` and its place, or it is at the entry before `at` that was just
    /// answered. That one is left at the next step only: what follows it may not be in memory, and may not
    /// be asked for.
    Forward,
    /// The same, backward.
    Backward,
}

impl Walk {
    /// At `at` in `span`, over `entries`, which has the span's bounds and reads as far as `tier` says.
    pub(crate) fn new(entries: DbIterator, tier: ReadTier, span: KeySpan, at: Vec<u8>) -> Self {
        let (placed, clear_from, passes_left) = (Placed::Nowhere, Vec::new(), u64::MAX);
        let mut walk = Walk { tier, span, at: Vec::new(), entries, passes_left, placed, clear_from };
        walk.place(at);
        walk
    }

    /// From now on at most so many entries are passed that are deleted, or that the overlay hides. Then a
    /// step fails with `WouldBlock`, and the walk is behind what it has passed. Default: any number.
    pub(crate) fn limit(&mut self, passes_max: u64) {
        self.passes_left = passes_max;
    }

    /// How many of them are left.
    pub(crate) fn passes_left(&self) -> u64 {
        self.passes_left
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
        self.step_over(overlay, None, wanted)
    }

    /// The same if that is before `edge`. However much is hidden behind it, little of that is passed.
    /// Answers the key.
    pub(crate) fn next_before(&mut self, edge: &[u8], overlay: &Overlay) -> Result<Option<Bytes>> {
        let found = self.step_over(overlay, Some(edge), Wanted::Key)?;
        Ok(found.map(|(key, _)| key))
    }

    fn step_over(&mut self, overlay: &Overlay, edge: Option<&[u8]>, wanted: Wanted) -> Result<Option<Pair>> {
        let found = self.find_next(overlay, edge, wanted);
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

    fn find_next(&mut self, overlay: &Overlay, edge: Option<&[u8]>, wanted: Wanted) -> Result<Option<Pair>> {
        let put = overlay.first_put(&self.at, edge.unwrap_or(&self.span.end));
        let edge = put.map(|(key, _)| &key[..]).or(edge);
        if self.placed != Placed::Forward {
            self.placed = Placed::Forward;
            self.clear_from.clone_from(&self.at);
            self.forward(Some(&self.at.clone()), edge)?;
        }
        self.skip_forward(overlay, edge)?;
        match self.entry() {
            Some(key) if edge.is_none_or(|edge| key < edge) => self.pair(wanted),
            _ => Ok(put.map(|(key, value)| (key.clone(), Some(value.clone())))),
        }
    }

    fn find_prev(&mut self, overlay: &Overlay, wanted: Wanted) -> Result<Option<Pair>> {
        let put = overlay.last_put(&self.span.start, &self.at);
        let edge = put.map(|(key, _)| &key[..]);
        if self.placed != Placed::Backward {
            self.placed = Placed::Backward;
            self.clear_from.clone_from(&self.at);
            self.backward(Some(&self.at.clone()), edge)?;
        }
        self.skip_backward(overlay, edge)?;
        match self.entry() {
            Some(key) if edge.is_none_or(|edge| key > edge) => self.pair(wanted),
            _ => Ok(put.map(|(key, value)| (key.clone(), Some(value.clone())))),
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

    /// Past the entries before `at` and those that the overlay hides, up to `edge`.
    fn skip_forward(&mut self, overlay: &Overlay, edge: Option<&[u8]>) -> Result<()> {
        while let Some(key) = self.entry().filter(|key| edge.is_none_or(|edge| *key < edge)) {
            if *key < self.at[..] {
                self.clear_from.clone_from(&self.at);
                self.forward(None, edge)?;
                continue;
            }
            let to = match overlay.get(key) {
                Known::Nothing => return Ok(()),
                Known::Put(_) | Known::Deleted => None,
                Known::Cleared { end, .. } => Some(end),
            };
            if self.passes_left == 0 {
                self.at = key.to_vec();
                return Err(Error::would_block());
            }
            self.passes_left -= 1;
            self.forward(to, edge)?;
        }
        Ok(())
    }

    fn skip_backward(&mut self, overlay: &Overlay, edge: Option<&[u8]>) -> Result<()> {
        while let Some(key) = self.entry().filter(|key| edge.is_none_or(|edge| *key > edge)) {
            if *key >= self.at[..] {
                self.clear_from.clone_from(&self.at);
                self.backward(None, edge)?;
                continue;
            }
            let to = match overlay.get(key) {
                Known::Nothing => return Ok(()),
                // The range's own start may be an entry: that one is stepped over.
                Known::Cleared { start, .. } if *key > *start => Some(start),
                Known::Put(_) | Known::Deleted | Known::Cleared { .. } => None,
            };
            if self.passes_left == 0 {
                self.at = above(key);
                return Err(Error::would_block());
            }
            self.passes_left -= 1;
            self.backward(to, edge)?;
        }
        Ok(())
    }

    /// The iterator to its next entry, or to the first at or behind `to`. If that is not before `edge` it may
    /// be at none instead, and then stands nowhere.
    fn forward(&mut self, to: Option<&[u8]>, edge: Option<&[u8]>) -> Result<()> {
        let mut passes = self.passes_at_once(edge);
        let mut moved = self.moved_within(passes, |entries| match to {
            Some(key) => entries.seek(key),
            None => entries.next(),
        });
        while moved.is_err() && self.entries.is_spent() {
            let passed = self.entries.passed_key();
            if edge.is_some_and(|edge| passed >= edge) {
                self.placed = Placed::Nowhere;
                return Ok(());
            }
            let behind = above(passed);
            if self.passes_left == 0 {
                self.at = behind;
                return moved;
            }
            passes = passes.saturating_mul(2);
            moved = self.moved_within(passes, |entries| entries.seek(&behind));
        }
        moved
    }

    /// The same, backward: to the entry before, or to the last at or before `to`.
    fn backward(&mut self, to: Option<&[u8]>, edge: Option<&[u8]>) -> Result<()> {
        let mut passes = self.passes_at_once(edge);
        let mut moved = self.moved_within(passes, |entries| match to {
            Some(key) => entries.seek_back(key),
            None => entries.prev(),
        });
        while moved.is_err() && self.entries.is_spent() {
            let passed = self.entries.passed_key().to_vec();
            if edge.is_some_and(|edge| passed[..] <= *edge) {
                self.placed = Placed::Nowhere;
                return Ok(());
            }
            if self.passes_left == 0 {
                self.at = passed;
                return moved;
            }
            passes = passes.saturating_mul(2);
            moved = self.moved_within(passes, |entries| entries.seek_back(&passed));
        }
        moved
    }

    /// Without an edge there is nothing to ask about.
    fn passes_at_once(&self, edge: Option<&[u8]>) -> u64 {
        edge.map_or(self.passes_left, |_| PASSES_BEFORE_ASKING)
    }

    /// Moves the iterator past at most so many hidden entries.
    fn moved_within(
        &mut self,
        passes_max: u64,
        movement: impl FnOnce(&mut DbIterator) -> Result<()>,
    ) -> Result<()> {
        let passes_max = passes_max.min(self.passes_left);
        self.entries.limit(passes_max);
        let moved = movement(&mut self.entries);
        self.passes_left -= passes_max - self.entries.passes_left();
        moved
    }
}

/// The smallest bytes above `key`.
fn above(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
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
    fn a_step_that_passes_too_much_fails_behind_what_it_has_passed() {
        let names = names(10);
        for hide in [hide_by_overlay, hide_in_engine] {
            let (db, mut walk, mut overlay) = walk_over(&names);
            hide(&db, &mut walk, &mut overlay, &names[1..9]);
            let refused = |found: Result<Option<Pair>>| found.unwrap_err().kind() == ErrorKind::WouldBlock;
            walk.limit(3);
            assert_eq!(walk.next(&overlay, Wanted::Key).unwrap().unwrap().0, *names[0]);
            assert!(refused(walk.next(&overlay, Wanted::Key)));
            assert!((&b"k00004"[..]..b"k00005").contains(&walk.position()), "{:?}", walk.position());
            assert!(refused(walk.next(&overlay, Wanted::Key)), "there is none left");
            walk.limit(7);
            assert_eq!(walk.next(&overlay, Wanted::Key).unwrap().unwrap().0, *names[9]);
            walk.limit(4);
            assert_eq!(walk.prev(&overlay, Wanted::Key).unwrap().unwrap().0, *names[9]);
            assert!(refused(walk.prev(&overlay, Wanted::Key)));
            assert!((&b"k00004"[..]..b"k00006").contains(&walk.position()), "{:?}", walk.position());
            walk.limit(7);
            assert_eq!(walk.prev(&overlay, Wanted::Key).unwrap().unwrap().0, *names[0]);
        }
    }

    /// However many entries are hidden behind it.
    #[test]
    fn a_search_ends_at_its_edge_and_at_what_the_overlay_has_put() {
        let names = names(1000);
        for hide in [hide_by_overlay, hide_in_engine] {
            let (db, mut walk, mut overlay) = walk_over(&names);
            hide(&db, &mut walk, &mut overlay, &names);
            for name in names.iter().step_by(100).rev() {
                walk.limit(2 * PASSES_BEFORE_ASKING);
                walk.place(name.clone().into_bytes());
                assert_eq!(walk.next_before(&above(name.as_bytes()), &overlay).unwrap(), None);
            }
            let put = |number: usize| Bytes::from(format!("k{number:05} put"));
            (0..1000).step_by(10).for_each(|number| overlay.put(put(number), &b"new"[..]));
            walk.place(walk.span.start.clone());
            for number in (0..1000).step_by(10) {
                walk.limit(4 * PASSES_BEFORE_ASKING);
                assert_eq!(walk.next(&overlay, Wanted::Key).unwrap().unwrap().0, put(number));
            }
            walk.limit(4 * PASSES_BEFORE_ASKING);
            assert_eq!(walk.next(&overlay, Wanted::Key).unwrap(), None);
            for number in (0..1000).step_by(10).rev() {
                walk.limit(4 * PASSES_BEFORE_ASKING);
                assert_eq!(walk.prev(&overlay, Wanted::Key).unwrap().unwrap().0, put(number));
            }
        }
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("k{number:05}")).collect()
    }

    fn hide_by_overlay(_db: &Db, _walk: &mut Walk, overlay: &mut Overlay, names: &[String]) {
        names.iter().for_each(|name| overlay.delete(Bytes::from(name.clone())));
    }

    fn hide_in_engine(db: &Db, walk: &mut Walk, _overlay: &mut Overlay, names: &[String]) {
        let mut batch = WriteBatch::new();
        names.iter().for_each(|name| batch.delete(DOCUMENTS, name.as_bytes()).unwrap());
        db.write(batch, WriteOptions::default()).unwrap();
        walk.entries = entries_of(db);
    }

    /// A walk over these stored keys.
    fn walk_over(names: &[impl AsRef<[u8]>]) -> (Db, Walk, Overlay) {
        let db = Fixture::new().world.db.clone();
        let mut batch = WriteBatch::new();
        for name in names {
            batch.put(DOCUMENTS, name.as_ref(), b"stored", NEVER).unwrap();
        }
        db.write(batch, WriteOptions::default()).unwrap();
        let span = KeySpan { start: b"k".into(), end: b"l".into() };
        let at = span.start.clone();
        let walk = Walk::new(entries_of(&db), ReadTier::Disk, span, at);
        (db, walk, Overlay::default())
    }

    fn entries_of(db: &Db) -> DbIterator {
        let bounds = (Bound::Included(Bytes::from_static(b"k")), Bound::Excluded(Bytes::from_static(b"l")));
        db.iter(DOCUMENTS, bounds, ReadOptions::default()).unwrap()
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
