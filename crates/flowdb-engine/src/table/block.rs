//! The contents of a data block: entries with prefix compression, and restart points to search by.

use super::prefix::{common_prefix, head};
use super::stored::in_contents;
use crate::format::{NEVER, Reader, put_varint, short_varint};
use crate::iter::Head;
use crate::key::{Kind, Sequence, Version, compare};
use crate::slabs::Slabs;
use bytes::Bytes;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// Entries from one restart point to the next, at most.
const RESTART_ENTRIES: u32 = 16;
/// Bytes of entries from one restart point to the next, about. A search reads half of them, one after the
/// other: with values of 100 bytes, sixteen entries would be most of a block.
const RESTART_BYTES: usize = 512;
/// A value of up to this length is copied for the caller: that is quicker than to count another owner of the
/// block, which would keep all of the block in memory besides.
const COPIED_BYTES_MAX: usize = 512;

/// Writes a data block.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    contents: Vec<u8>,
    restarts: Vec<u32>,
    /// Entries since the last restart point.
    count: u32,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    /// Appends an entry; `base` is the smallest number of the table.
    pub(super) fn add(
        &mut self,
        base: Sequence,
        key: &[u8],
        sequence: Sequence,
        kind: Kind,
        expiry: i64,
        value: &[u8],
    ) {
        let shared = if self.is_restart() {
            self.restarts.push(in_contents(self.contents.len()));
            self.count = 0;
            0
        } else {
            common_prefix(&self.last_key, key)
        };
        let out = &mut self.contents;
        put_varint(out, shared as u64);
        put_varint(out, (key.len() - shared) as u64);
        out.push(kind.to_byte(expiry != NEVER));
        put_varint(out, sequence - base);
        if expiry != NEVER {
            out.extend_from_slice(&expiry.to_le_bytes());
        }
        put_varint(out, value.len() as u64);
        out.extend_from_slice(&key[shared..]);
        out.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
        self.count += 1;
    }

    fn is_restart(&self) -> bool {
        self.restarts.last().is_none_or(|restart| {
            self.count == RESTART_ENTRIES || self.contents.len() - *restart as usize >= RESTART_BYTES
        })
    }

    /// Length of the contents so far.
    pub(super) fn bytes(&self) -> usize {
        self.contents.len() + 4 * self.restarts.len() + 4
    }

    pub(super) fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Completes the contents, passes them to `write`, and begins anew.
    pub(super) fn finish<T>(&mut self, write: impl FnOnce(&[u8]) -> T) -> T {
        for restart in &self.restarts {
            self.contents.extend_from_slice(&restart.to_le_bytes());
        }
        let count = in_contents(self.restarts.len());
        self.contents.extend_from_slice(&count.to_le_bytes());
        let result = write(&self.contents);
        self.contents.clear();
        self.restarts.clear();
        self.last_key.clear();
        self.count = 0;
        result
    }
}

/// What the keys at restart points have in common counts up to this length: it is noted once more, and keys
/// may be long.
const SHARED_BYTES_MAX: usize = 48;
/// Restart points that are noted: all of a usual block.
const NOTED_RESTARTS: usize = 12;

/// A data block in memory. Its checksum was right, but nothing else about it is taken for granted.
#[derive(Debug)]
pub(crate) struct Block {
    /// What stands in the file.
    contents: Bytes,
    /// Where the entries end.
    end: usize,
    restarts: usize,
    base: Sequence,
    notes: Notes,
    /// It was read since the cache last looked at it.
    was_read: AtomicBool,
}

/// What a search among the restart points begins with. It lies in the block itself: each step among the
/// entries would wait for memory.
#[derive(Debug)]
struct Notes {
    /// One in `1 << spread` restart points is noted, from the first on.
    spread: u32,
    /// Bytes that the keys at all restart points begin with, or some of these.
    shared: [u8; SHARED_BYTES_MAX],
    shared_length: usize,
    /// What follows these in the keys noted: the [`head`] of it.
    heads: [u64; NOTED_RESTARTS],
    /// Where their entries begin.
    offsets: [u32; NOTED_RESTARTS],
}

/// What a block says about a key.
#[derive(Debug)]
pub(super) enum Lookup {
    Found(Version),
    /// Neither here nor behind.
    Absent,
    /// All of the block comes before it.
    Behind,
}

/// An entry was not where one should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Block {
    /// Takes the contents of a block apart.
    pub(super) fn new(contents: Vec<u8>, base: Sequence) -> Result<Block, Malformed> {
        let length = contents.len();
        let count_at = length.checked_sub(4).ok_or(Malformed)?;
        let restarts = Reader::new(&contents[count_at..]).u32().ok_or(Malformed)? as usize;
        let end = restarts.checked_mul(4).and_then(|bytes| count_at.checked_sub(bytes)).ok_or(Malformed)?;
        if restarts == 0 || end == 0 {
            return Err(Malformed);
        }
        let notes = Notes::new(&contents[..end], &contents[end..count_at], base).ok_or(Malformed)?;
        Ok(Block { contents: contents.into(), end, restarts, base, notes, was_read: AtomicBool::new(false) })
    }

    /// The same in memory of `slabs`, if that pays.
    pub(crate) fn in_slab_of(self, slabs: &Arc<Slabs>, cached_bytes: u64) -> Block {
        match slabs.store(&self.contents, cached_bytes) {
            Some(contents) => Block { contents, ..self },
            None => self,
        }
    }

    /// Memory that the contents take.
    pub(crate) fn bytes(&self) -> usize {
        self.contents.len()
    }

    /// A reader wanted it.
    pub(crate) fn note_read(&self) {
        // Written once only: cores that read the same block share its memory.
        if !self.was_read.load(Relaxed) {
            self.was_read.store(true, Relaxed);
        }
    }

    /// True if a reader has wanted it since the last call.
    pub(crate) fn take_note(&self) -> bool {
        self.was_read.swap(false, Relaxed)
    }

    /// The newest version of `key` that is not above `max`, if it is in here, and whether the search ended in
    /// here: if not, it may be in the next block.
    pub(super) fn get(&self, key: &[u8], max: Sequence) -> Result<Lookup, Malformed> {
        let Some((_, entry)) = self.search(key, max)? else {
            return Ok(Lookup::Behind);
        };
        // The shared bytes are the key's own.
        if *entry.suffix != key[entry.shared..] {
            return Ok(Lookup::Absent);
        }
        let RawEntry { sequence, kind, expiry, value, .. } = entry;
        let value = match value.len() {
            ..=COPIED_BYTES_MAX => Bytes::copy_from_slice(&self.contents[value]),
            _ => self.contents.slice(value),
        };
        Ok(Lookup::Found(Version { sequence, kind, expiry, value }))
    }

    /// The first entry at or after (`key`, `sequence`), and where it begins. The bytes that it shares are
    /// those of `key`.
    ///
    /// Keys are not put together on the way: what an entry shares with one before `key` says how far it can
    /// agree with `key`.
    fn search(&self, key: &[u8], sequence: Sequence) -> Result<Option<(usize, RawEntry<'_>)>, Malformed> {
        let mut at = self.restart(self.restart_before(key, sequence)?);
        // Length of the last key passed, and how much of it agrees with `key`.
        let (mut length, mut agrees) = (0, 0);
        while at < self.end {
            let entry = self.entry(at).filter(|entry| entry.shared <= length).ok_or(Malformed)?;
            // If more is shared than agrees, the difference is shared too: this one is before `key` as well.
            if entry.shared <= agrees {
                let rest = &key[entry.shared..];
                if compare(entry.suffix, entry.sequence, rest, sequence) != Ordering::Less {
                    return Ok(Some((at, entry)));
                }
                agrees = entry.shared + common_prefix(entry.suffix, rest);
            }
            length = entry.shared + entry.suffix.len();
            at = entry.end;
        }
        Ok(None)
    }

    /// The last restart point whose entry is before (`key`, `sequence`), or the first.
    fn restart_before(&self, key: &[u8], sequence: Sequence) -> Result<usize, Malformed> {
        // Few, if any: those that are not noted, and those that differ from the key behind their heads only.
        let Range { start: mut before, mut end } = self.notes.around(key, self.restarts);
        while before < end {
            let middle = before.midpoint(end);
            let entry = self.entry(self.restart(middle)).ok_or(Malformed)?;
            let is_before = compare(entry.suffix, entry.sequence, key, sequence) == Ordering::Less;
            if is_before { before = middle + 1 } else { end = middle }
        }
        Ok(before.saturating_sub(1))
    }

    /// The entry that begins at `at`.
    #[inline(always)]
    fn entry(&self, at: usize) -> Option<RawEntry<'_>> {
        RawEntry::parse(self.base, self.contents.get(at..self.end)?, at)
    }

    fn restart(&self, index: usize) -> usize {
        if let Some(offset) = self.notes.offset(index) {
            return offset;
        }
        let at = self.end + 4 * index;
        let bytes = self.contents.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(usize::MAX, |bytes| u32::from_le_bytes(bytes) as usize)
    }
}

impl Notes {
    /// Checks the restart points on the way.
    fn new(entries: &[u8], restarts: &[u8], base: Sequence) -> Option<Notes> {
        let offsets = restarts.as_chunks().0.iter().map(|offset| u32::from_le_bytes(*offset));
        if offsets.clone().next() != Some(0) || !offsets.clone().is_sorted_by(|one, next| one < next) {
            return None;
        }
        let key = |offset: u32| {
            let bytes = entries.get(offset as usize..).filter(|bytes| !bytes.is_empty())?;
            RawEntry::parse(base, bytes, 0).filter(|entry| entry.shared == 0).map(|entry| entry.suffix)
        };
        let (first, last) = (key(0)?, key(offsets.clone().next_back()?)?);
        let shared_length = common_prefix(first, last).min(SHARED_BYTES_MAX);
        let mut notes = Notes {
            spread: offsets.len().div_ceil(NOTED_RESTARTS).next_power_of_two().ilog2(),
            shared: [0; SHARED_BYTES_MAX],
            shared_length,
            // No key is behind those that are missing.
            heads: [u64::MAX; NOTED_RESTARTS],
            offsets: [0; NOTED_RESTARTS],
        };
        notes.shared[..shared_length].copy_from_slice(&first[..shared_length]);
        for (index, offset) in offsets.enumerate() {
            // Keys ascend, or the block is not ours.
            let behind = key(offset)?.strip_prefix(&first[..shared_length])?;
            if let Some(place) = notes.place(index) {
                notes.heads[place] = head(behind);
                notes.offsets[place] = offset;
            }
        }
        Some(notes)
    }

    /// Where a restart point is noted, if it is.
    fn place(&self, index: usize) -> Option<usize> {
        let place = index >> self.spread;
        (place << self.spread == index).then_some(place)
    }

    /// Where the entry at a restart point begins, if it is noted.
    fn offset(&self, index: usize) -> Option<usize> {
        self.place(index).map(|place| self.offsets[place] as usize)
    }

    /// The restart points among which the first may be that is not before `key`: it is one of these, or the
    /// one behind them.
    fn around(&self, key: &[u8], restarts: usize) -> Range<usize> {
        let shared = &self.shared[..self.shared_length];
        let compared = key.len().min(shared.len());
        match key[..compared].cmp(&shared[..compared]) {
            Ordering::Greater => return restarts..restarts,
            Ordering::Equal if compared == shared.len() => {}
            Ordering::Less | Ordering::Equal => return 0..0,
        }
        let wanted = head(&key[shared.len()..]);
        // All are counted, whose lines come from memory side by side, while each step of a search would wait
        // for the one before.
        let below = self.heads.iter().filter(|head| **head < wanted).count();
        let not_above = self.heads.iter().filter(|head| **head <= wanted).count();
        let start = below.checked_sub(1).map_or(0, |last| (last << self.spread) + 1);
        start..(not_above << self.spread).min(restarts)
    }
}

/// A place in a block.
#[derive(Debug, Default)]
pub(super) struct BlockCursor {
    key: Vec<u8>,
    /// The key differs from that of the entry that `next` left.
    differs: bool,
    sequence: Sequence,
    kind: Option<Kind>,
    expiry: i64,
    value: Range<usize>,
    /// Where the entry begins.
    start: usize,
    /// Where the next one begins.
    next: usize,
}

impl BlockCursor {
    pub(super) fn valid(&self) -> bool {
        self.kind.is_some()
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn sequence(&self) -> Sequence {
        self.sequence
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind.expect("only a valid cursor is asked")
    }

    pub(super) fn expiry(&self) -> i64 {
        self.expiry
    }

    #[inline]
    pub(super) fn head(&self) -> Option<Head<'_>> {
        let BlockCursor { key, sequence, expiry, differs, .. } = self;
        let (sequence, expiry, differs) = (*sequence, *expiry, *differs);
        Some(Head { key, sequence, kind: self.kind?, expiry, differs, is_before_end: false })
    }

    pub(super) fn value_bytes<'a>(&self, block: &'a Block) -> &'a [u8] {
        &block.contents[self.value.clone()]
    }

    pub(super) fn value(&self, block: &Block) -> Bytes {
        block.contents.slice(self.value.clone())
    }

    /// At no entry.
    pub(super) fn clear(&mut self) {
        self.kind = None;
    }

    pub(super) fn seek_first(&mut self, block: &Block) -> Result<(), Malformed> {
        self.seek_restart(block, 0)
    }

    pub(super) fn seek_last(&mut self, block: &Block) -> Result<(), Malformed> {
        self.seek_restart(block, block.restarts - 1)?;
        while self.next < block.end {
            self.parse(block, self.next)?;
        }
        Ok(())
    }

    /// To the first entry at or after (`key`, `sequence`); to none if all are before.
    pub(super) fn seek(&mut self, block: &Block, key: &[u8], sequence: Sequence) -> Result<(), Malformed> {
        self.clear();
        if let Some((at, entry)) = block.search(key, sequence)? {
            self.key.clear();
            self.key.extend_from_slice(&key[..entry.shared]);
            self.differs = false;
            self.take(at, entry);
        }
        Ok(())
    }

    /// To the last entry before (`key`, `sequence`); to none if all are at or after.
    pub(super) fn seek_before(
        &mut self,
        block: &Block,
        key: &[u8],
        sequence: Sequence,
    ) -> Result<(), Malformed> {
        self.seek_restart(block, block.restart_before(key, sequence)?)?;
        if compare(&self.key, self.sequence, key, sequence) != Ordering::Less {
            self.clear();
            return Ok(());
        }
        let mut last = self.start;
        while self.next < block.end {
            self.parse(block, self.next)?;
            if compare(&self.key, self.sequence, key, sequence) != Ordering::Less {
                return self.walk_to(block, last);
            }
            last = self.start;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn next(&mut self, block: &Block) -> Result<(), Malformed> {
        if self.next >= block.end {
            self.clear();
            return Ok(());
        }
        self.parse(block, self.next)
    }

    /// To the next entry, if there is one and `is_wanted` says so of its sequence number, kind and expiry;
    /// else it stays, and answers false.
    #[inline]
    pub(super) fn next_if(
        &mut self,
        block: &Block,
        is_wanted: impl FnOnce(Sequence, Kind, i64) -> bool,
    ) -> Result<bool, Malformed> {
        let at = self.next;
        if at >= block.end {
            return Ok(false);
        }
        let Some(entry) = self.entry_behind(block, at) else {
            self.clear();
            return Err(Malformed);
        };
        let goes = is_wanted(entry.sequence, entry.kind, entry.expiry);
        if goes {
            self.go_to(at, entry);
        }
        Ok(goes)
    }

    /// The key differs from that of the entry that the last step left.
    pub(super) fn differs(&self) -> bool {
        self.differs
    }

    pub(super) fn prev(&mut self, block: &Block) -> Result<(), Malformed> {
        if self.start == 0 {
            self.clear();
            return Ok(());
        }
        let target = self.start;
        self.seek_restart_at_or_before(block, target - 1)?;
        while self.next < target {
            self.parse(block, self.next)?;
        }
        if self.next == target { Ok(()) } else { self.fail() }
    }

    /// To the entry that begins at `target`, which was met before.
    fn walk_to(&mut self, block: &Block, target: usize) -> Result<(), Malformed> {
        self.seek_restart_at_or_before(block, target)?;
        while self.start < target {
            self.parse(block, self.next)?;
        }
        Ok(())
    }

    fn seek_restart_at_or_before(&mut self, block: &Block, offset: usize) -> Result<(), Malformed> {
        let (mut low, mut high) = (0, block.restarts);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if block.restart(middle) <= offset { low = middle } else { high = middle }
        }
        self.seek_restart(block, low)
    }

    /// To the first entry, from the last one of the block before.
    pub(super) fn enter(&mut self, block: &Block) -> Result<(), Malformed> {
        self.parse(block, 0)
    }

    fn seek_restart(&mut self, block: &Block, index: usize) -> Result<(), Malformed> {
        self.key.clear();
        self.parse(block, block.restart(index))?;
        self.differs = false;
        Ok(())
    }

    fn parse(&mut self, block: &Block, at: usize) -> Result<(), Malformed> {
        match self.entry_behind(block, at) {
            Some(entry) => {
                self.go_to(at, entry);
                Ok(())
            }
            None => self.fail(),
        }
    }

    /// The entry at `at`, which shares no more than the current key has.
    #[inline(always)]
    fn entry_behind<'a>(&self, block: &'a Block, at: usize) -> Option<RawEntry<'a>> {
        block.entry(at).filter(|entry| entry.shared <= self.key.len())
    }

    /// On to `entry`, which begins at `at`.
    #[inline]
    fn go_to(&mut self, at: usize, entry: RawEntry<'_>) {
        let before = &self.key[entry.shared..];
        // Mostly the first byte decides; at a restart point nothing is shared, however much is alike.
        self.differs = entry.suffix.first() != before.first() || entry.suffix != before;
        self.key.truncate(entry.shared);
        self.take(at, entry);
    }

    /// Makes the entry that begins at `at` the current one. The bytes that its key shares are there already.
    #[inline]
    fn take(&mut self, at: usize, entry: RawEntry<'_>) {
        self.key.extend_from_slice(entry.suffix);
        self.sequence = entry.sequence;
        self.kind = Some(entry.kind);
        self.expiry = entry.expiry;
        self.value = entry.value;
        self.start = at;
        self.next = entry.end;
    }

    fn fail(&mut self) -> Result<(), Malformed> {
        self.clear();
        Err(Malformed)
    }
}

/// An entry as it stands in the block.
struct RawEntry<'a> {
    shared: usize,
    suffix: &'a [u8],
    sequence: Sequence,
    kind: Kind,
    expiry: i64,
    value: Range<usize>,
    end: usize,
}

impl<'a> RawEntry<'a> {
    /// The entry at the front of `bytes`, which begin at `at` and end with the entries of the block.
    #[inline(always)]
    fn parse(base: Sequence, bytes: &'a [u8], at: usize) -> Option<RawEntry<'a>> {
        Self::parse_plain(base, bytes, at).or_else(|| Self::parse_any(base, bytes, at))
    }

    /// A put that does not expire, with short lengths: most entries are. `None` for all others.
    #[inline(always)]
    fn parse_plain(base: Sequence, bytes: &'a [u8], at: usize) -> Option<RawEntry<'a>> {
        let [shared, unshared, kind, numbers @ ..] = bytes.first_chunk::<11>()?;
        if (shared | unshared) & 0x80 != 0 || *kind != Kind::Put as u8 {
            return None;
        }
        let numbers = u64::from_le_bytes(*numbers);
        let word = |skipped: usize| (numbers >> (8 * skipped) & 0xffff_ffff) as u32;
        let (above_base, length) = short_varint(word(0))?;
        let (value_length, more) = short_varint(word(length))?;
        let suffix_at = 3 + length + more;
        let value_at = suffix_at + usize::from(*unshared);
        let end = value_at + value_length as usize;
        let suffix = bytes.get(suffix_at..value_at).filter(|_| end <= bytes.len())?;
        Some(RawEntry {
            shared: usize::from(*shared),
            suffix,
            sequence: base.checked_add(above_base.into())?,
            kind: Kind::Put,
            expiry: NEVER,
            value: at + value_at..at + end,
            end: at + end,
        })
    }

    #[inline(never)]
    fn parse_any(base: Sequence, bytes: &'a [u8], at: usize) -> Option<RawEntry<'a>> {
        let mut reader = Reader::new(bytes);
        let shared = usize::try_from(reader.varint()?).ok()?;
        let unshared = usize::try_from(reader.varint()?).ok()?;
        let (kind, has_expiry) = Kind::from_byte(reader.u8()?)?;
        let sequence = base.checked_add(reader.varint()?)?;
        let expiry = if has_expiry { reader.i64()? } else { NEVER };
        let value_length = usize::try_from(reader.varint()?).ok()?;
        let suffix = reader.take(unshared)?;
        let value_start = at + reader.position();
        reader.take(value_length)?;
        let end = at + reader.position();
        let is_point = kind != Kind::DeleteRange;
        is_point.then_some(RawEntry { shared, suffix, sequence, kind, expiry, value: value_start..end, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Random;

    #[test]
    fn a_block_takes_the_memory_that_it_counts() {
        let mut builder = BlockBuilder::default();
        for number in 0..200u32 {
            builder.add(1, &number.to_be_bytes(), 1, Kind::Put, NEVER, b"value");
        }
        let block = Block::new(builder.finish(<[u8]>::to_vec), 1).unwrap();
        let counted = block.bytes();
        assert_eq!(block.contents.try_into_mut().unwrap().capacity(), counted);
    }

    #[test]
    fn searches_end_where_looking_at_every_entry_does() {
        for seed in 1..400 {
            let mut random = Random::new(seed);
            // Behind a common beginning, of a length beyond what is noted too: keys that agree in their
            // heads, and versions of one key.
            let beginning = vec![b'x'; random.below(70)];
            let key = |random: &mut Random| {
                let letters =
                    (0..random.below(12)).map(|_| [0, 1, b'x', 0xff][random.below(4)]).collect::<Vec<_>>();
                let kept = match random.below(8) {
                    0 => random.below(beginning.len() + 1),
                    _ => beginning.len(),
                };
                [&beginning[..kept], &letters].concat()
            };
            let count = 1 + random.below(700);
            let mut entries: Vec<_> =
                (0..count).map(|_| (key(&mut random), 1 + random.below(4) as u64)).collect();
            entries.retain(|(key, _)| key.starts_with(&beginning));
            entries.push((beginning.clone(), 1));
            entries.sort_unstable_by(|a, b| compare(&a.0, a.1, &b.0, b.1));
            entries.dedup();
            let mut builder = BlockBuilder::default();
            for (key, sequence) in &entries {
                builder.add(1, key, *sequence, Kind::Put, NEVER, &vec![b'v'; random.below(30)]);
            }
            let block = Block::new(builder.finish(<[u8]>::to_vec), 1).unwrap();
            for _ in 0..60 {
                let (wanted, sequence) = (key(&mut random), random.below(5) as u64);
                let is_before =
                    |entry: &&(Vec<u8>, u64)| compare(&entry.0, entry.1, &wanted, sequence) == Ordering::Less;
                let place = entries.iter().take_while(is_before).count();
                let mut cursor = BlockCursor::default();
                let at =
                    |cursor: &BlockCursor| cursor.valid().then(|| (cursor.key().to_vec(), cursor.sequence()));
                cursor.seek(&block, &wanted, sequence).unwrap();
                assert_eq!(at(&cursor), entries.get(place).cloned(), "seed {seed}, {wanted:?}");
                cursor.seek_before(&block, &wanted, sequence).unwrap();
                let before = place.checked_sub(1).and_then(|before| entries.get(before));
                assert_eq!(at(&cursor), before.cloned(), "seed {seed}, before {wanted:?}");
            }
        }
    }
}
