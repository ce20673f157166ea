//! Where no manifest says which table is newer: all tables of a tree as one run, the newest version of each
//! key by its number.

use super::Repair;
use super::target::{NewTable, Target};
use crate::cache::BlockCache;
use crate::error::{Error, Result};
use crate::iter::{CompactionIter, CompactionPolicy, Cursor, LevelCursor, MergeCursor};
use crate::key::Sequence;
use crate::options::{ReadTier, TreeOptions};
use crate::table::{Placement, Table};
use crate::tree::LEVELS;
use crate::version::{TableMeta, table_name};
use std::sync::Arc;

/// Where merged tables go: nothing is beneath them.
fn deepest() -> u8 {
    u8::try_from(LEVELS - 1).expect("there are few levels")
}

impl Repair<'_> {
    /// Puts merged tables in the place of all tables there are.
    pub(super) fn merge(&mut self) -> Result<()> {
        let found = std::mem::take(&mut self.target.tables);
        for tree in &self.options.trees {
            let tables: Vec<_> = found.iter().filter(|meta| meta.tree == tree.id).cloned().collect();
            if !tables.is_empty() {
                self.merge_tree(tree, tables)?;
            }
        }
        found.iter().try_for_each(|meta| self.target.remove(meta))
    }

    fn merge_tree(&mut self, tree: &TreeOptions, found: Vec<TableMeta>) -> Result<()> {
        let base = found.iter().map(|meta| meta.smallest_sequence).min().unwrap_or(0);
        let mut entries = self.newest(tree, found)?;
        let mut output: Option<NewTable> = None;
        while entries.valid() {
            if let Some(full) = output.take_if(|table| self.is_full(table, entries.key())) {
                self.target.finish(full)?;
            }
            let table = match &mut output {
                Some(table) => table,
                None => output.insert(self.target.begin(tree, (deepest(), None), base)?),
            };
            let (kind, expiry) = (entries.kind(), entries.expiry());
            table.builder.add(entries.key(), entries.sequence(), kind, expiry, entries.value_bytes())?;
            entries.next()?;
        }
        output.map_or(Ok(()), |table| self.target.finish(table))
    }

    /// A table ends between two keys.
    fn is_full(&self, table: &NewTable, next: &[u8]) -> bool {
        table.builder.file_bytes() >= self.options.table_bytes_max && table.builder.last_key() != next
    }

    /// The newest version of each key, and no deletes: nothing is beneath that they could hide. A table and
    /// the one that a compaction made of it may both be there; the same entry twice is like an older version.
    fn newest(&self, tree: &TreeOptions, found: Vec<TableMeta>) -> Result<CompactionIter> {
        let cache = Arc::new(BlockCache::new(0));
        let mut cursors: Vec<Box<dyn Cursor>> = Vec::new();
        let mut range_deletes = Vec::new();
        for run in runs(found) {
            let open = |meta| open(self.fs, &self.target, tree, meta, &cache);
            let tables: Vec<_> = run.iter().map(open).collect::<Result<_>>()?;
            let with_range_deletes = tables.iter().filter(|table| table.has_range_deletes());
            range_deletes.extend(with_range_deletes.map(|table| Arc::clone(table.range_deletes())));
            cursors.push(Box::new(LevelCursor::new(tables, ReadTier::Disk, false, None)));
        }
        let policy = CompactionPolicy {
            snapshots: vec![Sequence::MAX],
            now: i64::MIN,
            forgotten: None,
            bottom: Box::new(|_| true),
            bottom_range: Box::new(|_, _| true),
        };
        CompactionIter::new(Box::new(MergeCursor::new(cursors)), range_deletes, policy)
    }
}

/// As few runs as possible, in each of which the tables do not overlap.
fn runs(mut tables: Vec<TableMeta>) -> Vec<Vec<TableMeta>> {
    tables.sort_by(|a, b| a.smallest.cmp(&b.smallest));
    let mut runs: Vec<Vec<TableMeta>> = Vec::new();
    for table in tables {
        let is_free =
            |run: &&mut Vec<TableMeta>| run.last().is_some_and(|last| last.largest < table.smallest);
        match runs.iter_mut().find(is_free) {
            Some(run) => run.push(table),
            None => runs.push(vec![table]),
        }
    }
    runs
}

fn open(
    fs: &dyn crate::fs::FileSystem,
    target: &Target<'_>,
    tree: &TreeOptions,
    meta: &TableMeta,
    cache: &Arc<BlockCache>,
) -> Result<Arc<Table>> {
    let path = target.dir.join(table_name(meta.id));
    let file = fs.open_read(&path).map_err(|error| Error::io(&path, "opening a table", error))?;
    let place = Placement { table_id: meta.id, database_id: target.database_id, base: meta.base };
    Table::open(file, path, place, tree.filter_key, Arc::clone(cache))
}
