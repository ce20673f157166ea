//! What an edit of the manifest must not say of the state that it changes.

use super::edit::{Edit, Field, TableMeta, ValueFileMeta};
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Sequence, TreeId};
use crate::retention::{Bucket, ByKey, Cutoff};
use crate::tree::LEVELS;
use std::collections::BTreeMap;

type FileId = (TreeId, u64);

/// Fails if `edit` contradicts `state` (kind `Corruption`).
pub(super) fn check(state: &State, edit: &Edit) -> Result<()> {
    let mut walk = Walk {
        state,
        trees: BTreeMap::new(),
        tables: Files::new("table", &state.tables),
        value_files: Files::new("value file", &state.value_files),
        last_sequence: state.last_sequence,
    };
    edit.fields.iter().try_for_each(|field| walk.field(field))
}

/// What the fields so far have made of the state, without a copy of it.
struct Walk<'a> {
    state: &'a State,
    trees: BTreeMap<TreeId, &'a str>,
    tables: Files<'a, TableMeta>,
    value_files: Files<'a, ValueFileMeta>,
    last_sequence: Sequence,
}

impl<'a> Walk<'a> {
    fn field(&mut self, field: &'a Field) -> Result<()> {
        match field {
            Field::Tree(tree, name) => self.name(*tree, name),
            Field::AddTable(table) => self.add_table(table),
            Field::RemoveTable(tree, id) => self.tables.remove((*tree, *id)),
            Field::Bucket(tree, id, bucket) => self.put_into(*bucket, (*tree, *id)),
            Field::AddValueFile(file) => {
                self.check_tree(file.tree, || format!("value file {}", file.id))?;
                self.value_files.add((file.tree, file.id))
            }
            Field::RemoveValueFile(tree, id) => self.value_files.remove((*tree, *id)),
            Field::Forgotten(_, cutoffs) => self.forget(cutoffs),
            Field::LastSequence(sequence) => {
                self.last_sequence = self.last_sequence.max(*sequence);
                Ok(())
            }
            Field::NextFileId(_)
            | Field::OldestLog(_)
            | Field::Flushed(..)
            | Field::PurgeTime(_)
            | Field::CleanClose(_)
            | Field::LogSynced(..) => Ok(()),
        }
    }

    fn name(&mut self, tree: TreeId, name: &'a str) -> Result<()> {
        let known = self.trees.get(&tree).copied().or(self.state.trees.get(&tree).map(String::as_str));
        refuse_if(known.is_some_and(|known| known != name), || {
            format!("tree {} is named again, as {name}", tree.0)
        })?;
        self.trees.insert(tree, name);
        Ok(())
    }

    fn add_table(&mut self, table: &TableMeta) -> Result<()> {
        check_table(table)?;
        self.check_tree(table.tree, || format!("table {}", table.id))?;
        self.tables.add((table.tree, table.id))?;
        self.last_sequence = self.last_sequence.max(table.largest_sequence);
        Ok(())
    }

    fn put_into(&self, bucket: Bucket, place: FileId) -> Result<()> {
        let makes_sense = self.tables.has(place) && bucket.first <= bucket.last;
        refuse_if(!makes_sense, || format!("the bucket of table {} makes no sense", place.1))
    }

    /// What is written later is not forgotten.
    fn forget(&self, cutoffs: &ByKey<Cutoff>) -> Result<()> {
        let newest = cutoffs.steps().iter().map(|(_, cutoff)| cutoff.up_to).max();
        refuse_if(newest > Some(self.last_sequence), || "what is yet to be written is forgotten".to_owned())
    }

    fn check_tree(&self, tree: TreeId, what: impl Fn() -> String) -> Result<()> {
        let is_known = self.trees.contains_key(&tree) || self.state.trees.contains_key(&tree);
        refuse_if(!is_known, || format!("{} is of the unknown tree {}", what(), tree.0))
    }
}

/// Files of one kind.
struct Files<'a, Meta> {
    kind: &'static str,
    before: &'a BTreeMap<FileId, Meta>,
    /// True for those that were added, false for those that were removed.
    changed: BTreeMap<FileId, bool>,
}

impl<'a, Meta> Files<'a, Meta> {
    fn new(kind: &'static str, before: &'a BTreeMap<FileId, Meta>) -> Self {
        Files { kind, before, changed: BTreeMap::new() }
    }

    fn has(&self, place: FileId) -> bool {
        self.changed.get(&place).copied().unwrap_or(self.before.contains_key(&place))
    }

    fn add(&mut self, place: FileId) -> Result<()> {
        refuse_if(self.has(place), || format!("{} {} is added again", self.kind, place.1))?;
        self.changed.insert(place, true);
        Ok(())
    }

    fn remove(&mut self, place: FileId) -> Result<()> {
        refuse_if(!self.has(place), || format!("{} {} is removed, but is not live", self.kind, place.1))?;
        self.changed.insert(place, false);
        Ok(())
    }
}

fn check_table(table: &TableMeta) -> Result<()> {
    refuse_if(usize::from(table.level) >= LEVELS, || {
        format!("table {} is on level {}, which does not exist", table.id, table.level)
    })?;
    let ends_before = table.smallest > table.largest || table.smallest_sequence > table.largest_sequence;
    refuse_if(ends_before, || format!("table {} ends before it begins", table.id))
}

fn refuse_if(contradicts: bool, message: impl FnOnce() -> String) -> Result<()> {
    if contradicts { Err(Error::new(ErrorKind::Corruption, message())) } else { Ok(()) }
}
