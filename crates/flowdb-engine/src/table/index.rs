//! Which data block holds which keys.

use super::prefix::{common_prefix, long_head};
use super::stored::{Handle, in_contents};
use crate::format::{NEVER, Reader, put_bytes, put_varint};
use std::cmp::Ordering;
use std::ops::Range;

/// Heads that are searched together.
const GROUP_HEADS: usize = 8;

/// What the index knows about the values a block's entries have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Smallest and largest block property; smallest above largest if there is none.
    pub(super) property: (i64, i64),
    pub(super) expiry_min: i64,
    pub(super) expiry_max: i64,
}

impl Span {
    pub(super) const EMPTY: Span =
        Span { property: (i64::MAX, i64::MIN), expiry_min: NEVER, expiry_max: i64::MIN };

    /// Takes in an entry. One without a property widens the span to everything: it counts as wanted, whatever
    /// is asked for.
    pub(super) fn add(&mut self, property: Option<i64>, expiry: i64) {
        let (min, max) = property.map_or((i64::MIN, i64::MAX), |property| (property, property));
        self.property = (self.property.0.min(min), self.property.1.max(max));
        self.expiry_min = self.expiry_min.min(expiry);
        self.expiry_max = self.expiry_max.max(expiry);
    }
}

/// Writes an index.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    contents: Vec<u8>,
    offsets: Vec<u32>,
}

impl IndexBuilder {
    pub(super) fn add(&mut self, last_key: &[u8], handle: Handle, span: Span) {
        self.offsets.push(in_contents(self.contents.len()));
        put_bytes(&mut self.contents, last_key);
        put_varint(&mut self.contents, handle.offset);
        put_varint(&mut self.contents, handle.length.into());
        for number in [span.property.0, span.property.1, span.expiry_max] {
            self.contents.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let count = in_contents(self.offsets.len());
        for offset in self.offsets.into_iter().chain([count]) {
            self.contents.extend_from_slice(&offset.to_le_bytes());
        }
        self.contents
    }
}

/// An index in memory: its bytes, and where the entries are.
#[derive(Debug)]
pub(super) struct Index {
    contents: Vec<u8>,
    entries: Vec<IndexEntry>,
    /// Bytes that all last keys begin with.
    shared: usize,
    /// What follows these in each last key: the [`long_head`] of it. Keys that begin with the name of a group
    /// have the same first half throughout the group.
    heads: Vec<u128>,
    /// The last of each group of [`GROUP_HEADS`] heads. A search goes through these, which stay in the
    /// processor's cache, and then through the heads of one group, which are two lines of it; each step among
    /// all heads, or among the keys, would wait for memory.
    tops: Vec<u128>,
}

#[derive(Debug)]
struct IndexEntry {
    last_key: Range<usize>,
    handle: Handle,
    property: (i64, i64),
}

impl Index {
    /// `None` if the contents are no index whose keys ascend and whose blocks follow each
    /// other before `blocks_end`.
    pub(super) fn new(contents: Vec<u8>, blocks_end: u64) -> Option<Index> {
        let count_at = contents.len().checked_sub(4)?;
        let count = Reader::new(&contents[count_at..]).u32()? as usize;
        let end = count_at.checked_sub(count.checked_mul(4)?)?;
        let mut reader = Reader::new(&contents[..end]);
        let mut offsets = Reader::new(&contents[end..count_at]);
        let mut entries: Vec<IndexEntry> = Vec::with_capacity(count);
        let mut next_block = 0;
        for _ in 0..count {
            if offsets.u32()? as usize != reader.position() {
                return None;
            }
            let entry = parse(&mut reader)?;
            let follows = entries
                .last()
                .is_none_or(|last| contents[last.last_key.clone()] <= contents[entry.last_key.clone()]);
            let block_end = entry.handle.offset.checked_add(u64::from(entry.handle.length))?;
            if !follows || entry.handle.offset < next_block || block_end > blocks_end {
                return None;
            }
            next_block = block_end;
            entries.push(entry);
        }
        if !reader.is_empty() {
            return None;
        }
        let key = |entry: &IndexEntry| &contents[entry.last_key.clone()];
        // Keys ascend: what the first and the last have in common, all have.
        let shared = match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => common_prefix(key(first), key(last)),
            _ => 0,
        };
        let heads: Vec<_> = entries.iter().map(|entry| long_head(&key(entry)[shared..])).collect();
        let tops = heads.chunks_exact(GROUP_HEADS).map(|group| group[GROUP_HEADS - 1]).collect();
        Some(Index { contents, entries, shared, heads, tops })
    }

    /// Memory it takes, in bytes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        self.contents.len()
            + size_of_val(&*self.entries)
            + size_of_val(&*self.heads)
            + size_of_val(&*self.tops)
    }

    /// Number of data blocks.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn handle(&self, block: usize) -> Handle {
        self.entries[block].handle
    }

    pub(super) fn last_key(&self, block: usize) -> &[u8] {
        &self.contents[self.entries[block].last_key.clone()]
    }

    /// Length of the blocks that may hold keys from `start` to `end`, both included.
    pub(super) fn bytes_between(&self, start: &[u8], end: &[u8]) -> u64 {
        if self.len() == 0 || *start > *end {
            return 0;
        }
        let (first, last) = (self.find(start), self.find(end).min(self.len() - 1));
        if first > last {
            return 0;
        }
        let Handle { offset, length } = self.handle(last);
        (offset + u64::from(length)).saturating_sub(self.handle(first).offset)
    }

    /// Smallest and largest property of a block; all numbers if an entry has none.
    pub(super) fn property(&self, block: usize) -> (i64, i64) {
        self.entries[block].property
    }

    /// The first block that may hold `key`, or what comes behind it; the number of blocks if there is none.
    pub(super) fn find(&self, key: &[u8]) -> usize {
        self.find_within(key, 0, self.len())
    }

    /// The same, quicker where it is block `near` or one soon behind.
    pub(super) fn find_from(&self, key: &[u8], near: usize) -> usize {
        let is_before = |block: usize| self.last_key(block) < key;
        if near >= self.len() || near > 0 && !is_before(near - 1) {
            return self.find(key);
        }
        let (mut low, mut step) = (near, 1);
        while low < self.len() && is_before(low) {
            if low + step >= self.len() || !is_before(low + step) {
                return self.find_within(key, low + 1, (low + step).min(self.len()));
            }
            low += step;
            step *= 2;
        }
        low
    }

    /// The first block from `low` on whose last key is not before `key`, or `high`.
    fn find_within(&self, key: &[u8], low: usize, high: usize) -> usize {
        if low >= high {
            return high;
        }
        let beginning = &self.last_key(low)[..self.shared];
        let compared = key.len().min(self.shared);
        match key[..compared].cmp(&beginning[..compared]) {
            Ordering::Less => return low,
            Ordering::Greater => return high,
            Ordering::Equal if compared < self.shared => return low,
            Ordering::Equal => {}
        }
        let wanted = long_head(&key[self.shared..]);
        let first = self.first_not_below(wanted, low, high);
        // Those that differ from the key behind sixteen bytes only.
        let alike = first..first + count_equal(&self.heads[first..high], wanted);
        first + self.entries[alike].partition_point(|entry| self.contents[entry.last_key.clone()] < *key)
    }

    /// The first head from `low` on that is not below `wanted`, or `high`.
    fn first_not_below(&self, wanted: u128, low: usize, high: usize) -> usize {
        let groups = low / GROUP_HEADS..high / GROUP_HEADS;
        let group = groups.start + self.tops[groups].partition_point(|top| *top < wanted);
        let (from, to) = ((group * GROUP_HEADS).max(low), ((group + 1) * GROUP_HEADS).min(high));
        from + self.heads[from..to].partition_point(|head| *head < wanted)
    }

    /// True if no entry of the block is wanted where properties in `wanted` (inclusive) are.
    pub(super) fn is_unwanted(&self, block: usize, wanted: (i64, i64)) -> bool {
        let (min, max) = self.property(block);
        max < wanted.0 || wanted.1 < min
    }
}

/// How many of the ascending `numbers` are `wanted`, which none is below.
fn count_equal(numbers: &[u128], wanted: u128) -> usize {
    // Mostly few: their end is near, while a search among all would look at memory far away.
    let mut bound = 1;
    while bound <= numbers.len() && numbers[bound - 1] == wanted {
        bound *= 2;
    }
    let known = bound / 2;
    known + numbers[known..bound.min(numbers.len())].partition_point(|number| *number == wanted)
}

fn parse(reader: &mut Reader<'_>) -> Option<IndexEntry> {
    let key = reader.bytes()?;
    let last_key = reader.position() - key.len()..reader.position();
    let offset = reader.varint()?;
    let length = u32::try_from(reader.varint()?).ok()?;
    let property = (reader.i64()?, reader.i64()?);
    let _expiry_max = reader.i64()?;
    Some(IndexEntry { last_key, handle: Handle { offset, length }, property })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Random;

    fn index(keys: &[Vec<u8>]) -> Index {
        let mut builder = IndexBuilder::default();
        for (number, key) in keys.iter().enumerate() {
            builder.add(key, Handle { offset: number as u64 * 10, length: 10 }, Span::EMPTY);
        }
        Index::new(builder.finish(), keys.len() as u64 * 10).unwrap()
    }

    #[test]
    fn blocks_are_found_as_by_looking_at_every_key() {
        for seed in 1..300 {
            let mut random = Random::new(seed);
            // Short keys of few letters behind a common beginning: many agree in their first eight bytes, or
            // are the beginning of others.
            let beginning = vec![b'x'; random.below(12)];
            let mut key = || {
                let letters =
                    (0..random.below(14)).map(|_| [0, 1, b'x', 0xff][random.below(4)]).collect::<Vec<_>>();
                let kept =
                    if random.below(4) == 0 { random.below(beginning.len() + 1) } else { beginning.len() };
                [&beginning[..kept], &letters].concat()
            };
            let asked: Vec<_> = (0..40).map(|_| key()).collect();
            let mut keys: Vec<_> = (0..30).map(|_| key()).filter(|key| key.starts_with(&beginning)).collect();
            keys.sort_unstable();
            let index = index(&keys);
            for key in asked.iter().chain(&keys) {
                let expected = keys.iter().filter(|last| *last < key).count();
                assert_eq!(index.find(key), expected, "seed {seed}, {key:?} in {keys:?}");
                for near in 0..keys.len() + 2 {
                    assert_eq!(
                        index.find_from(key, near),
                        expected,
                        "seed {seed}, {key:?} from {near} in {keys:?}"
                    );
                }
            }
        }
    }
}
