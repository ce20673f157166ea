//! The tables of a tree, by level. Level 0 holds flushed memtables, which may overlap; in each deeper level
//! the tables do not, and all that a level holds for a key is newer than what deeper levels hold.

use super::LiveTable;
use crate::values::ValueFile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of levels.
pub(crate) const LEVELS: usize = 7;

/// Which tables are live. Immutable; changes make a new one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Levels {
    /// Level 0 by age, oldest first; the others by key.
    levels: [Vec<Arc<LiveTable>>; LEVELS],
    /// By number: the value files that the tables refer to.
    value_files: BTreeMap<u64, ValueFileUse>,
    /// Other shelves of the tree that may hold something older. See [`super::Shelves::beside_others`].
    others: Vec<Arc<Levels>>,
}

/// How much of a value file is in use. What is garbage is not kept anywhere but follows from the
/// tables, so that it is right after whatever happens: a table counts from the same edit on that ends
/// the tables it replaces.
#[derive(Debug, Clone)]
pub(crate) struct ValueFileUse {
    pub(crate) file: Arc<ValueFile>,
    /// Length of the records that tables refer to.
    pub(crate) live_bytes: u64,
}

impl ValueFileUse {
    /// Length of the records that no table refers to.
    pub(crate) fn garbage_bytes(&self) -> u64 {
        self.file.record_bytes().saturating_sub(self.live_bytes)
    }

    /// More than half of it is garbage: moving what is live frees more than it writes.
    pub(crate) fn is_wasteful(&self) -> bool {
        self.garbage_bytes() > self.live_bytes
    }
}

impl Levels {
    /// Takes the tables with the ids `removed` out and puts `added` in.
    pub(crate) fn change(&mut self, removed: &[u64], added: impl IntoIterator<Item = Arc<LiveTable>>) {
        for level in &mut self.levels {
            level.retain(|live| !removed.contains(&live.meta.id));
        }
        for live in added {
            self.levels[usize::from(live.meta.level)].push(live);
        }
        self.levels[0].sort_by_key(|live| (live.meta.largest_sequence, live.meta.id));
        for level in &mut self.levels[1..] {
            level.sort_by(|a, b| a.meta.smallest.cmp(&b.meta.smallest));
        }
        self.value_files = value_files_of(&self.levels);
    }

    /// The value files that the tables refer to.
    pub(crate) fn value_files(&self) -> impl Iterator<Item = &ValueFileUse> {
        self.value_files.values()
    }

    /// A value file that the tables refer to.
    pub(crate) fn value_file(&self, id: u64) -> Option<&Arc<ValueFile>> {
        self.value_file_use(id).map(|usage| &usage.file)
    }

    /// The same, and how much of it is in use.
    pub(crate) fn value_file_use(&self, id: u64) -> Option<&ValueFileUse> {
        self.value_files.get(&id)
    }

    /// The tables of one level.
    pub(crate) fn level(&self, level: usize) -> &[Arc<LiveTable>] {
        &self.levels[level]
    }

    /// All tables.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<LiveTable>> {
        self.levels.iter().flatten()
    }

    /// Bytes of the files of a level.
    pub(crate) fn bytes(&self, level: usize) -> u64 {
        self.levels[level].iter().map(|live| live.meta.file_bytes).sum()
    }

    /// Tables that may hold an entry of `key` or a range delete over it, those with newer
    /// versions first; those left out whose filters, if they are in memory, say no.
    /// `hash` is [`crate::table::Table::filter_hash`].
    pub(crate) fn holding<'a>(
        &'a self,
        key: &'a [u8],
        hash: u64,
    ) -> impl Iterator<Item = &'a Arc<LiveTable>> {
        // The filter first: it costs one look at memory, the bounds of a table four.
        let is_possible =
            move |live: &&Arc<LiveTable>| live.table.seems_to_contain(hash) || live.table.has_range_deletes();
        let newest_first =
            self.levels[0].iter().rev().filter(is_possible).filter(move |live| live.may_contain(key));
        newest_first.chain(
            self.levels[1..].iter().flat_map(move |level| overlapping(level, key, key)).filter(is_possible),
        )
    }

    /// Tables that may hold `key`, those with newer versions first.
    pub(crate) fn candidates(&self, key: &[u8]) -> impl Iterator<Item = &Arc<LiveTable>> {
        let newest_first = self.levels[0].iter().rev().filter(move |live| live.may_contain(key));
        newest_first.chain(self.levels[1..].iter().flat_map(move |level| overlapping(level, key, key)))
    }

    /// Tables of `level` (above 0) that touch the keys from `start` to `end`, both included.
    pub(crate) fn overlapping(&self, level: usize, start: &[u8], end: &[u8]) -> &[Arc<LiveTable>] {
        overlapping(&self.levels[level], start, end)
    }

    /// Size and number of entries of all tables, and of the values that they refer to.
    pub(crate) fn total(&self) -> Amount {
        self.iter().map(|live| Amount::of(live)).sum()
    }

    /// What the tables beneath a place hold for the keys from `start` to `end`, both included, estimated from
    /// the indexes of the tables. Beneath a table of level 0 are the older ones of that level too; `None`
    /// asks for what all tables hold.
    pub(crate) fn beneath(&self, place: Option<(usize, &LiveTable)>, start: &[u8], end: &[u8]) -> Amount {
        self.tables_beneath(place, start, end).map(|live| Amount::within(live, start, end)).sum()
    }

    /// What those tables beneath `above` hold for its keys that may have entries of its times.
    pub(crate) fn beneath_in_time(&self, level: usize, above: &LiveTable) -> Amount {
        let (start, end) = (&above.meta.smallest[..], &above.meta.largest[..]);
        let beneath = self.tables_beneath(Some((level, above)), start, end);
        let in_time = beneath.filter(|live| !live.is_apart_in_time(above));
        in_time.map(|live| Amount::within(live, start, end)).sum()
    }

    /// True if a table beneath `above` may hold something for its keys, of its times.
    pub(crate) fn may_hide(&self, level: usize, above: &LiveTable) -> bool {
        let (start, end) = (&above.meta.smallest[..], &above.meta.largest[..]);
        let mut beneath = self.tables_beneath(Some((level, above)), start, end);
        beneath.any(|live| live.overlaps(start, end) && !live.is_apart_in_time(above))
    }

    fn tables_beneath<'a>(
        &'a self,
        place: Option<(usize, &'a LiveTable)>,
        start: &'a [u8],
        end: &'a [u8],
    ) -> impl Iterator<Item = &'a Arc<LiveTable>> {
        let is_older = move |live: &&Arc<LiveTable>| match place {
            None => true,
            Some((level, above)) => level == 0 && live.meta.largest_sequence < above.meta.smallest_sequence,
        };
        let from = place.map_or(1, |(level, _)| level + 1);
        let deeper = (from..LEVELS).flat_map(move |level| overlapping(&self.levels[level], start, end));
        self.levels[0].iter().filter(is_older).chain(deeper)
    }

    /// True if any table may hold something for the keys from `start` to `end`, both included.
    pub(crate) fn touches(&self, start: &[u8], end: &[u8]) -> bool {
        self.levels[0].iter().any(|live| live.overlaps(start, end)) || self.has_beneath(0, start, end)
    }

    /// True if a level deeper than `level`, or another shelf, may hold something for the keys from `start` to
    /// `end`, both included.
    pub(crate) fn has_beneath(&self, level: usize, start: &[u8], end: &[u8]) -> bool {
        self.has_deeper(level, start, end) || self.others.iter().any(|other| other.touches(start, end))
    }

    /// The same for this shelf alone: no other holds what its range deletes hide.
    pub(crate) fn has_deeper(&self, level: usize, start: &[u8], end: &[u8]) -> bool {
        (level + 1..LEVELS).any(|deeper| !overlapping(&self.levels[deeper], start, end).is_empty())
    }

    /// The same tables, with others that may be older.
    pub(super) fn beside(&self, others: Vec<Arc<Levels>>) -> Levels {
        Levels { others, ..self.clone() }
    }
}

/// How much a part of the tables holds, about; values that are kept outside them counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

impl Amount {
    /// What a table holds.
    pub(crate) fn of(live: &LiveTable) -> Amount {
        Amount { bytes: live.bytes_with_values(), entries: live.meta.entries }
    }

    fn within(live: &LiveTable, start: &[u8], end: &[u8]) -> Amount {
        let LiveTable { meta, table, .. } = live;
        let whole = Amount::of(live);
        if *start <= meta.smallest[..] && meta.largest[..] <= *end {
            return whole;
        }
        let part = table.bytes_between(start, end).min(meta.file_bytes);
        let share = |number| share_of(number, part, meta.file_bytes);
        Amount { bytes: share(whole.bytes), entries: share(whole.entries) }
    }

    /// What `count` entries can hide at most: one each, of the usual size.
    pub(crate) fn hidden_by(self, count: u64) -> u64 {
        share_of(self.bytes, count, self.entries).min(self.bytes)
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        amounts.fold(Amount::default(), |sum, more| Amount {
            bytes: sum.bytes.saturating_add(more.bytes),
            entries: sum.entries.saturating_add(more.entries),
        })
    }
}

/// `number * part / whole`, where a whole of nothing counts as one.
fn share_of(number: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(number) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn value_files_of(levels: &[Vec<Arc<LiveTable>>]) -> BTreeMap<u64, ValueFileUse> {
    let mut uses: BTreeMap<u64, ValueFileUse> = BTreeMap::new();
    for (file, bytes) in levels.iter().flatten().flat_map(|live| live.value_references()) {
        let unused = || ValueFileUse { file: Arc::clone(file), live_bytes: 0 };
        let live_bytes = &mut uses.entry(file.meta.id).or_insert_with(unused).live_bytes;
        *live_bytes = live_bytes.saturating_add(bytes);
    }
    uses
}

/// Neighbours may share one key at the border (the end of a range delete, which it does not cover), so
/// both are taken.
fn overlapping<'a>(tables: &'a [Arc<LiveTable>], start: &[u8], end: &[u8]) -> &'a [Arc<LiveTable>] {
    let from = tables.partition_point(|live| live.meta.largest[..] < *start);
    let count = tables[from..].partition_point(|live| live.meta.smallest[..] <= *end);
    &tables[from..from + count]
}
