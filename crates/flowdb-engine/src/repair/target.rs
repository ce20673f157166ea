//! The new database, while it is being written.

use super::RepairOptions;
use crate::error::{Error, Result};
use crate::fs::FileSystem;
use crate::key::{Sequence, TreeId};
use crate::options::TreeOptions;
use crate::retention::Bucket;
use crate::table::{TableBuilder, TableOptions};
use crate::version::{
    Edit, LOCK, LOCK_HOLDER, MANIFEST, MANIFEST_NEW, Manifest, State, TableMeta, parse_name, table_name,
};
use crate::wal::{LogWriter, SegmentHeader};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub(super) struct Target<'a> {
    fs: Arc<dyn FileSystem>,
    pub(super) dir: &'a Path,
    pub(super) database_id: u64,
    next_file_id: u64,
    options: &'a RepairOptions,
    /// The tables of the new database so far.
    pub(super) tables: Vec<TableMeta>,
}

/// A table being written.
pub(super) struct NewTable {
    id: u64,
    tree: TreeId,
    level: u8,
    bucket: Option<Bucket>,
    pub(super) builder: TableBuilder,
}

/// How a sound table came into the new directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    Linked,
    Copied,
}

impl<'a> Target<'a> {
    pub(super) fn new(
        fs: Arc<dyn FileSystem>,
        dir: &'a Path,
        database_id: u64,
        next_file_id: u64,
        options: &'a RepairOptions,
    ) -> Self {
        Target { fs, dir, database_id, next_file_id, options, tables: Vec::new() }
    }

    /// The options of a tree, if it was named.
    pub(super) fn tree(&self, id: TreeId) -> Option<&'a TreeOptions> {
        self.options.trees.iter().find(|tree| tree.id == id)
    }

    /// Links or copies a sound table from the directory `from`, under the number it has.
    pub(super) fn bring(&mut self, from: &Path, meta: TableMeta) -> Result<Brought> {
        let name = table_name(meta.id);
        let (from, to) = (from.join(&name), self.dir.join(&name));
        self.tables.push(meta);
        if self.fs.hard_link(&from, &to).is_ok() {
            return Ok(Brought::Linked);
        }
        let copy = || {
            self.fs.copy(&from, &to)?;
            self.fs.open_write(&to)?.sync()
        };
        copy().map_err(|error| Error::io(&to, "copying a table", error))?;
        Ok(Brought::Copied)
    }

    /// Begins a table for a level, and for a bucket of time if it is of one, whose entries have numbers
    /// from `base` on.
    pub(super) fn begin(
        &mut self,
        tree: &TreeOptions,
        (level, bucket): (u8, Option<Bucket>),
        base: Sequence,
    ) -> Result<NewTable> {
        let id = self.next_file_id;
        self.next_file_id = id.saturating_add(1);
        let path = self.dir.join(table_name(id));
        let file = self.fs.create(&path).map_err(|error| Error::io(&path, "creating a table", error))?;
        let options = TableOptions::of(tree, self.database_id, id, base);
        Ok(NewTable { id, tree: tree.id, level, bucket, builder: TableBuilder::new(file, path, options) })
    }

    /// Completes a table that has something in it.
    pub(super) fn finish(&mut self, table: NewTable) -> Result<()> {
        let NewTable { id, tree, level, bucket, builder } = table;
        let summary = builder.finish()?;
        self.tables.push(TableMeta::of_new(id, tree, (level, bucket), summary));
        Ok(())
    }

    /// The buckets of time of which a table of `tree` may hold something for the keys from `start` to
    /// `end`, both included.
    pub(super) fn buckets_touched(&self, tree: TreeId, start: &[u8], end: &[u8]) -> BTreeSet<Bucket> {
        let touched = self.tables.iter().filter(|meta| meta.tree == tree && meta.overlaps(start, end));
        touched.filter_map(|meta| meta.bucket).collect()
    }

    /// Removes the file of a table whose entries are in others.
    pub(super) fn remove(&self, meta: &TableMeta) -> Result<()> {
        let path = self.dir.join(table_name(meta.id));
        self.fs.remove(&path).map_err(|error| Error::io(&path, "removing a merged table", error))
    }

    /// An empty log that was closed, then the manifest: from here on it is a database.
    pub(super) fn complete(&self, known: Option<&State>, segment: u64, last: Sequence) -> Result<()> {
        let fs = &*self.fs;
        let database_id = self.database_id;
        let header = SegmentHeader { segment, previous: 0, database_id, last_sequence: last };
        let directory =
            fs.open_dir(self.dir).map_err(|error| Error::io(self.dir, "opening the directory", error))?;
        LogWriter::create(fs, self.dir, Arc::clone(&directory), header, 0)?.close_mark()?;
        directory.sync().map_err(|error| Error::io(self.dir, "syncing the directory", error))?;
        let mut state = State::new(database_id);
        state.apply(&self.edit(known, segment, last))?;
        Manifest::create(Arc::clone(&self.fs), self.dir, &state)?;
        Ok(())
    }

    fn edit(&self, known: Option<&State>, segment: u64, last: Sequence) -> Edit {
        let purges = known.map(|state| state.purges.clone()).unwrap_or_default();
        let mut edit = Edit::new()
            .purges(&purges)
            .next_file_id(self.next_file_id)
            .oldest_log(segment)
            .last_sequence(last);
        for tree in &self.options.trees {
            edit = edit.tree(tree.id, &tree.name).flushed(tree.id, last);
        }
        if let Some(state) = known {
            edit = state
                .forgotten
                .iter()
                .fold(edit, |edit, (tree, cutoffs)| edit.forgotten(*tree, cutoffs.clone()));
        }
        self.tables.iter().fold(edit, |edit, meta| edit.add_table(meta.clone())).clean_close(true)
    }
}

/// Removes what was begun in a directory that was empty, the manifest first. What stays does not
/// open without it.
pub(super) fn take_back(fs: &dyn FileSystem, dir: &Path) {
    let remove = |name: &str| drop(fs.remove(&dir.join(name)));
    remove(MANIFEST);
    drop(fs.sync_dir(dir));
    remove(MANIFEST_NEW);
    let names = fs.list(dir).unwrap_or_default();
    names.iter().filter(|name| parse_name(name).is_some()).for_each(|name| remove(name));
    remove(LOCK_HOLDER);
    remove(LOCK);
}
