//! Large transactions: what they write goes to tables of their own before it is committed, and becomes part
//! of the tree by one edit of the manifest, without passing through the log and the memtables.

mod as_of;
mod ingest;

use crate::compaction::merge_private;
use crate::db::{Db, resolver, source_options};
use crate::error::{Error, Result};
use crate::format::NEVER;
use crate::inner::Inner;
use crate::iter::{DbIterator, MergeCursor, Run as Merged};
use crate::key::{Kind, Sequence, TreeId, Version};
use crate::options::ReadOptions;
use crate::separate::Kept;
use crate::snapshot::Snapshot;
use crate::stats::ScanMeter;
use crate::tree::LiveTable;
use crate::values::ValueFile;
use as_of::{AsOfCursor, range_deletes_as_of};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Number before a draft's first operation: above all that are ever committed, so that a draft's writes hide
/// what they are written over. Committed, its tables count from another one, which the manifest notes.
const DRAFT_BASE: Sequence = 1 << 62;

/// True for a number of an operation that is not committed, or whose table is not renumbered.
pub(crate) fn is_draft(sequence: Sequence) -> bool {
    sequence > DRAFT_BASE
}

/// Runs at which they are merged into one, so that a read asks few tables.
const RUNS_MAX: usize = 8;

/// Uncommitted writes to one tree that are kept in tables instead of in memory: for transactions too large
/// for one [`crate::WriteBatch`].
///
/// [`crate::Db::commit_draft`] makes them part of the tree, whole or not at all. Dropped without it, they are
/// gone, and their files with the next maintenance. Nobody else sees them before. One thread at a time may
/// use a draft.
#[derive(Debug)]
pub struct Draft {
    db: Db,
    tree: TreeId,
    /// What was written by each [`Draft::write`], oldest first; what a merge has put together counts as one.
    runs: Vec<Run>,
    /// Operations written so far.
    operations: u64,
}

/// Tables that hold each key once.
#[derive(Debug, Clone)]
struct Run {
    tables: Vec<Arc<LiveTable>>,
}

impl Draft {
    pub(crate) fn new(db: Db, tree: TreeId) -> Result<Self> {
        db.inner().check_usable()?;
        if db.inner().tree(tree)?.is_kept_by_time() {
            return Err(Error::invalid("a tree with a retention takes no drafts"));
        }
        Ok(Draft { db, tree, runs: Vec::new(), operations: 0 })
    }

    /// Writes to disk: first all of the ranges (start, end not included) are deleted, then the keys get their
    /// values, or are deleted where there is none. Keys ascend and come once; limits for keys and values are
    /// those of a [`crate::WriteBatch`]. Hides what was written before. Waits for the disk; a close meanwhile
    /// waits for the file being written, and this fails then. So `entries` must not close the database.
    ///
    /// Fails with `NoSpace`, `Io`, `Closed` or `Poisoned`; what was written before stays as it was.
    pub fn write<'a>(
        &mut self,
        deleted: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        entries: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<()> {
        let db = self.db.clone();
        let inner = db.inner();
        self.write_tables(inner, deleted, entries).inspect_err(|error| inner.telemetry.write_failed(error))
    }

    fn write_tables<'a>(
        &mut self,
        inner: &Inner,
        deleted: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        entries: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<()> {
        // Held to the end: the directory stays ours, or no file is begun.
        let _is_ours = inner.drafting.read();
        inner.check_usable()?;
        let tree = inner.tree(self.tree)?;
        let mut output = None;
        let mut next = DRAFT_BASE + self.operations;
        let mut number = || {
            next += 1;
            next
        };
        for (start, end) in deleted.into_iter().filter(|(start, end)| start < end) {
            let (start, end) = (Bytes::copy_from_slice(start), Bytes::copy_from_slice(end));
            inner.builder(&mut output, tree, DRAFT_BASE)?.add_range_delete(&start, &end, number());
        }
        for (key, value) in entries {
            let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
            let table = inner.output(&mut output, tree, DRAFT_BASE)?;
            let (sequence, value) = (number(), value.unwrap_or_default());
            inner.write_whole(Kept { key, sequence, kind, expiry: NEVER, value }, tree, table)?;
        }
        if let Some(output) = output {
            let tables = vec![inner.finish_table(tree, 0, None, output, &[])?.live];
            self.runs.push(Run { tables });
            self.operations = next - DRAFT_BASE;
        }
        self.merge_many()
    }

    pub(crate) fn is_of(&self, db: &Db) -> bool {
        self.db.is_same(db)
    }

    /// Number of operations written.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// The value of `key` as the draft leaves it: where it says nothing, that of the tree, as of
    /// `options.sequence` (default: now).
    pub fn get(&self, key: &[u8], options: ReadOptions) -> Result<Option<Version>> {
        match self.find(key, options)? {
            Some((table, entry)) => entry.map(|entry| self.resolve(entry, table, options)).transpose(),
            None => self.db.get(self.tree, key, options),
        }
    }

    /// True if `key` has a value: a cheaper [`Draft::get`], which does not read a value that is kept in a
    /// file of its own.
    pub fn contains(&self, key: &[u8], options: ReadOptions) -> Result<bool> {
        match self.find(key, options)? {
            Some((_, entry)) => Ok(entry.is_some()),
            None => self.db.contains(self.tree, key, options),
        }
    }

    /// The newest of its tables that says something about `key`, and what it says: the version, or that
    /// there is none.
    fn find(&self, key: &[u8], options: ReadOptions) -> Result<Option<(&Arc<LiveTable>, Option<Version>)>> {
        for table in self.tables_newest_first().filter(|live| live.may_contain(key)) {
            let deleted_at = table.table.range_delete_over(key, Sequence::MAX);
            let entry = table.table.get(key, Sequence::MAX, options.tier, !options.bypass_cache)?;
            if entry.is_some() || deleted_at.is_some() {
                let is_there =
                    |entry: &Version| Some(entry.sequence) > deleted_at && entry.kind != Kind::Delete;
                return Ok(Some((table, entry.filter(is_there))));
            }
        }
        Ok(None)
    }

    /// What is found in `table`, with its value.
    fn resolve(&self, found: Version, table: &Arc<LiveTable>, options: ReadOptions) -> Result<Version> {
        if found.kind != Kind::PutPointer {
            return Ok(found);
        }
        let view = self.db.inner().tree(self.tree)?.view();
        resolver(&view, vec![Arc::clone(table)], options).resolve(found)
    }

    /// The entries between the bounds as the draft leaves them, over the tree as of `options.sequence`
    /// (default: now). What is written to the draft later is not seen.
    pub fn iter(&self, bounds: (Bound<Bytes>, Bound<Bytes>), options: ReadOptions) -> Result<DbIterator> {
        let inner = self.db.inner();
        inner.check_open()?;
        let tree = inner.tree(self.tree)?;
        let snapshot = options.sequence.is_none().then(|| self.db.snapshot());
        let sequence = options.sequence.or(snapshot.as_ref().map(Snapshot::sequence)).unwrap_or_default();
        let view = tree.view();
        let read = source_options(options);
        let (mut cursors, mut range_deletes) = (Vec::new(), Vec::new());
        for live in self.tables_newest_first() {
            cursors.push(Merged::Table(live.table.cursor(read.tier, !read.bypass_cache, read.property)));
            range_deletes.push(Arc::clone(live.table.range_deletes()));
        }
        let committed = view.runs((&bounds.0, &bounds.1), read);
        let as_of = |run| Merged::Other(Box::new(AsOfCursor::new(run, sequence, bounds.clone())));
        cursors.extend(committed.cursors.into_iter().map(as_of));
        range_deletes
            .extend(committed.range_deletes.into_iter().map(|all| range_deletes_as_of(all, sequence)));
        range_deletes.retain(|all| !all.is_empty());
        let cursor = MergeCursor::new(cursors);
        let values = resolver(&view, self.tables_newest_first().cloned().collect(), options);
        let pins = Box::new((view, snapshot, self.runs.clone()));
        let now = self.db.now_of(options);
        let iter = DbIterator::new(cursor, range_deletes, Sequence::MAX, now, bounds, pins);
        Ok(iter.metered(ScanMeter::new(&inner.telemetry)).with_values(values))
    }

    fn tables_newest_first(&self) -> impl Iterator<Item = &Arc<LiveTable>> {
        self.runs.iter().rev().flat_map(|run| &run.tables)
    }

    fn merge_many(&mut self) -> Result<()> {
        if self.runs.len() < RUNS_MAX {
            return Ok(());
        }
        let inputs: Vec<_> = self.tables_newest_first().cloned().collect();
        let inner = self.db.inner();
        let tables = merge_private(inner, inner.tree(self.tree)?, inputs, DRAFT_BASE)?;
        self.replace_by(vec![Run { tables }]);
        Ok(())
    }

    /// The value files that its tables refer to, by number. Nothing else refers to them.
    fn value_files(&self) -> BTreeMap<u64, Arc<ValueFile>> {
        let files = self.tables_newest_first().flat_map(|live| &live.value_files);
        files.map(|file| (file.meta.id, Arc::clone(file))).collect()
    }

    /// Lets go of the tables and what only they refer to, which readers may still be using.
    fn replace_by(&mut self, runs: Vec<Run>) {
        self.tables_newest_first().for_each(|live| live.mark_obsolete());
        let before = self.value_files();
        self.runs = runs;
        let after = self.value_files();
        let unused = before.values().filter(|file| !after.contains_key(&file.meta.id));
        unused.for_each(|file| file.mark_obsolete());
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.runs.is_empty() {
            self.replace_by(Vec::new());
            self.db.inner().options.executor.wake();
        }
    }
}
