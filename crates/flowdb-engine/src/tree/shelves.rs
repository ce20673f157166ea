//! The tables of a tree that are kept apart by time: *shelves*, each with levels of its own.
//!
//! A tree has one shelf for everything, which is the only one unless there is a retention, and one for each
//! bucket of time. A key that has a time is in shelves of buckets which hold that time, or in the one for
//! everything. Which of these is newer, only sequence numbers tell: buckets may be of different widths, and
//! what finds no bucket goes to the shelf for everything. Range deletes are written to each shelf in which
//! they may hide something, and tables never change their shelf. So range deletes of one shelf need nothing
//! from another; deletes do.

use super::{Amount, Levels, LiveTable, ValueFileUse};
use crate::options::BlockProperty;
use crate::retention::Bucket;
use crate::values::ValueFile;
use std::collections::HashSet;
use std::sync::Arc;

/// All tables of a tree. Immutable; changes make a new one.
#[derive(Debug, Clone)]
pub(crate) struct Shelves {
    property: BlockProperty,
    /// What belongs to no bucket.
    rest: Arc<Levels>,
    /// In order of their buckets; none is empty.
    buckets: Vec<(Bucket, Arc<Levels>)>,
}

impl Shelves {
    pub(crate) fn new(property: BlockProperty, tables: impl IntoIterator<Item = Arc<LiveTable>>) -> Self {
        let mut shelves = Shelves { property, rest: Arc::default(), buckets: Vec::new() };
        shelves.change(&[], tables);
        shelves
    }

    /// Takes the tables with the ids `removed` out and puts `added` in.
    pub(crate) fn change(&mut self, removed: &[u64], added: impl IntoIterator<Item = Arc<LiveTable>>) {
        let mut added: Vec<_> = added.into_iter().collect();
        for bucket in added.iter().filter_map(|live| live.meta.bucket) {
            if let Err(index) = self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                self.buckets.insert(index, (bucket, Arc::default()));
            }
        }
        let rest = std::iter::once((None, &mut self.rest));
        let buckets = self.buckets.iter_mut().map(|(bucket, levels)| (Some(*bucket), levels));
        for (bucket, levels) in rest.chain(buckets) {
            let (here, elsewhere) = added.into_iter().partition(|live| live.meta.bucket == bucket);
            added = elsewhere;
            change_levels(levels, removed, here);
        }
        self.buckets.retain(|(_, levels)| levels.iter().next().is_some());
    }

    /// The shelves, that for everything first, and their buckets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<Bucket>, &Arc<Levels>)> {
        let buckets = self.buckets.iter().map(|(bucket, levels)| (Some(*bucket), levels));
        std::iter::once((None, &self.rest)).chain(buckets)
    }

    /// The levels of all shelves.
    pub(crate) fn levels(&self) -> impl Iterator<Item = &Arc<Levels>> {
        self.iter().map(|(_, levels)| levels)
    }

    /// All tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<LiveTable>> {
        self.levels().flat_map(|levels| levels.iter())
    }

    /// The shelf for everything.
    pub(crate) fn rest(&self) -> &Arc<Levels> {
        &self.rest
    }

    /// True if tables are kept apart by time.
    pub(crate) fn has_buckets(&self) -> bool {
        !self.buckets.is_empty()
    }

    /// Number of buckets.
    pub(crate) fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    /// True if a shelf of exactly this bucket exists.
    pub(crate) fn has_bucket(&self, bucket: Bucket) -> bool {
        self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket).is_ok()
    }

    /// The levels that may hold `key`.
    pub(crate) fn holding(&self, key: &[u8]) -> impl Iterator<Item = &Arc<Levels>> {
        // Most trees have no buckets: their keys are not asked for a time.
        let time = if self.buckets.is_empty() { None } else { (self.property)(key) };
        let is_of = move |bucket: &Bucket| time.is_some_and(|time| bucket.contains(time));
        std::iter::once(&self.rest).chain(self.of_buckets(is_of))
    }

    /// The levels that may hold an entry whose time is in an interval, both ends included; all without one.
    pub(crate) fn within(&self, wanted: Option<(i64, i64)>) -> impl Iterator<Item = &Arc<Levels>> {
        let is_wanted = move |bucket: &Bucket| wanted.is_none_or(|wanted| bucket.overlaps(wanted));
        std::iter::once(&self.rest).chain(self.of_buckets(is_wanted))
    }

    /// The levels of one shelf as compaction has to see them: what it finds in others may be older than what
    /// it finds here.
    pub(crate) fn beside_others(&self, bucket: Option<Bucket>, levels: &Arc<Levels>) -> Arc<Levels> {
        let mut others: Vec<_> = match bucket {
            None => self.buckets.iter().map(|(_, levels)| Arc::clone(levels)).collect(),
            Some(own) => {
                let overlaps = |other: &Bucket| *other != own && other.overlaps((own.first, own.last));
                std::iter::once(&self.rest).chain(self.of_buckets(overlaps)).map(Arc::clone).collect()
            }
        };
        others.retain(|levels| levels.iter().next().is_some());
        if others.is_empty() { Arc::clone(levels) } else { Arc::new(levels.beside(others)) }
    }

    /// A value file that a table refers to.
    pub(crate) fn value_file(&self, id: u64) -> Option<&Arc<ValueFile>> {
        self.levels().find_map(|levels| levels.value_file(id))
    }

    /// How much of each value file is in use. No two shelves refer to the same one, for tables
    /// never change theirs.
    pub(crate) fn value_files(&self) -> impl Iterator<Item = &ValueFileUse> {
        self.levels().flat_map(|levels| levels.value_files())
    }

    /// The numbers of the value files of which any part is garbage.
    pub(crate) fn value_files_with_garbage(&self) -> HashSet<u64> {
        let with_garbage = self.value_files().filter(|usage| usage.garbage_bytes() > 0);
        with_garbage.map(|usage| usage.file.meta.id).collect()
    }

    /// The value files that these tables refer to, and those of `later` do not.
    pub(crate) fn value_files_gone_in(&self, later: &Shelves) -> Vec<Arc<ValueFile>> {
        let is_gone = |usage: &&ValueFileUse| later.value_file(usage.file.meta.id).is_none();
        self.value_files().filter(is_gone).map(|usage| Arc::clone(&usage.file)).collect()
    }

    /// Size and number of entries of all tables.
    pub(crate) fn total(&self) -> Amount {
        self.levels().map(|levels| levels.total()).sum()
    }

    /// Tables on level 0 of the shelf that has most of them.
    pub(crate) fn level_0_tables(&self) -> usize {
        self.levels().map(|levels| levels.level(0).len()).max().unwrap_or(0)
    }

    fn of_buckets(&self, is_wanted: impl Fn(&Bucket) -> bool) -> impl Iterator<Item = &Arc<Levels>> {
        self.buckets.iter().filter(move |(bucket, _)| is_wanted(bucket)).map(|(_, levels)| levels)
    }
}

fn change_levels(levels: &mut Arc<Levels>, removed: &[u64], added: Vec<Arc<LiveTable>>) {
    if !added.is_empty() || levels.iter().any(|live| removed.contains(&live.meta.id)) {
        Arc::make_mut(levels).change(removed, added);
    }
}
