//! What all edits of a manifest add up to.

use super::contradictions;
use super::edit::{Edit, Field, TableMeta, ValueFileMeta};
use crate::error::Result;
use crate::key::{Sequence, TreeId};
use crate::purge::{Purge, Purges};
use crate::retention::{ByKey, Cutoff};
use std::collections::BTreeMap;

/// What is live. Numbers in it never go back: an edit that names a smaller one leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Random number of the database, mixed into the checksums of its files.
    pub(crate) database_id: u64,
    /// Declared trees and their names.
    pub(crate) trees: BTreeMap<TreeId, String>,
    /// Number for the next file; above the number of every table, value file and of the oldest log segment.
    pub(crate) next_file_id: u64,
    /// Oldest log segment needed; 0 if none is.
    pub(crate) oldest_log: u64,
    /// All of a tree up to this number is in tables.
    pub(crate) flushed: BTreeMap<TreeId, Sequence>,
    /// Segment, and offset in it, up to which the log was on stable storage, at least, when this was written.
    pub(crate) log_synced: (u64, u64),
    /// At least as large as any number in the tables.
    pub(crate) last_sequence: Sequence,
    /// Live tables, by tree and number.
    pub(crate) tables: BTreeMap<(TreeId, u64), TableMeta>,
    /// Live value files, by tree and number.
    pub(crate) value_files: BTreeMap<(TreeId, u64), ValueFileMeta>,
    /// When expired entries were dropped.
    pub(crate) purges: Purges,
    /// What the trees have forgotten because it was too old.
    pub(crate) forgotten: BTreeMap<TreeId, ByKey<Cutoff>>,
    /// True while the database is closed, and was closed in order; also in one just created.
    pub(crate) clean: bool,
}

impl State {
    /// The state of a new database.
    pub(crate) fn new(database_id: u64) -> Self {
        State { database_id, next_file_id: 1, ..State::default() }
    }

    /// Applies all of `edit`, or nothing of it if it contradicts the state (kind `Corruption`).
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<()> {
        self.check(edit)?;
        for field in &edit.fields {
            self.apply_field(field);
        }
        Ok(())
    }

    /// Fails if `edit` contradicts the state (kind `Corruption`).
    pub(crate) fn check(&self, edit: &Edit) -> Result<()> {
        contradictions::check(self, edit)
    }

    /// The edit that makes this state out of a new one.
    pub(crate) fn snapshot_edit(&self) -> Edit {
        let mut edit =
            Edit::new().next_file_id(self.next_file_id).oldest_log(self.oldest_log).purges(&self.purges);
        for (tree, name) in &self.trees {
            edit = edit.tree(*tree, name);
        }
        for (tree, sequence) in &self.flushed {
            edit = edit.flushed(*tree, *sequence);
        }
        for table in self.tables.values() {
            edit = edit.add_table(table.clone());
        }
        for file in self.value_files.values() {
            edit = edit.add_value_file(*file);
        }
        if self.log_synced > (0, 0) {
            edit = edit.log_synced(self.log_synced.0, self.log_synced.1);
        }
        edit = edit.last_sequence(self.last_sequence);
        for (tree, cutoffs) in &self.forgotten {
            edit = edit.forgotten(*tree, cutoffs.clone());
        }
        edit.clean_close(self.clean)
    }

    fn apply_field(&mut self, field: &Field) {
        match field {
            Field::Tree(tree, name) => {
                self.trees.insert(*tree, name.clone());
            }
            Field::NextFileId(id) => raise(&mut self.next_file_id, *id),
            Field::OldestLog(segment) => {
                raise(&mut self.oldest_log, *segment);
                raise(&mut self.next_file_id, segment.saturating_add(1));
            }
            Field::Flushed(tree, sequence) => raise(self.flushed.entry(*tree).or_default(), *sequence),
            Field::LastSequence(sequence) => raise(&mut self.last_sequence, *sequence),
            Field::AddTable(table) => {
                raise(&mut self.next_file_id, table.id.saturating_add(1));
                raise(&mut self.last_sequence, table.largest_sequence);
                self.tables.insert((table.tree, table.id), table.clone());
            }
            Field::RemoveTable(tree, id) => {
                self.tables.remove(&(*tree, *id));
            }
            Field::Bucket(tree, id, bucket) => {
                if let Some(table) = self.tables.get_mut(&(*tree, *id)) {
                    table.bucket = Some(*bucket);
                }
            }
            Field::Forgotten(tree, cutoffs) if cutoffs.single() == Some(Cutoff::NONE) => {
                self.forgotten.remove(tree);
            }
            Field::Forgotten(tree, cutoffs) => {
                self.forgotten.insert(*tree, cutoffs.clone());
            }
            Field::PurgeTime(time) => self.purges.note(Purge { time: *time, up_to: self.last_sequence }),
            Field::CleanClose(is_clean) => self.clean = *is_clean,
            Field::AddValueFile(file) => {
                raise(&mut self.next_file_id, file.id.saturating_add(1));
                self.value_files.insert((file.tree, file.id), *file);
            }
            Field::RemoveValueFile(tree, id) => {
                self.value_files.remove(&(*tree, *id));
            }
            Field::LogSynced(segment, offset) => raise(&mut self.log_synced, (*segment, *offset)),
        }
    }
}

fn raise<T: Ord>(number: &mut T, to: T) {
    if *number < to {
        *number = to;
    }
}

#[cfg(test)]
mod tests {
    use super::super::edit::tests::{table, value_file};
    use super::*;
    use crate::error::ErrorKind;
    use crate::retention::Bucket;

    fn state() -> State {
        let mut state = State::new(77);
        state.apply(&Edit::new().tree(TreeId(1), "kv").add_table(table(1, 5))).unwrap();
        state
    }

    fn refused(state: &State, edit: &Edit) {
        let mut changed = state.clone();
        assert_eq!(changed.apply(edit).unwrap_err().kind(), ErrorKind::Corruption, "{edit:?}");
        assert_eq!(changed, *state, "a refused edit changes nothing");
    }

    #[test]
    fn contradictions_are_refused_whole() {
        let state = state();
        let begin = || Edit::new().last_sequence(999);
        refused(&state, &begin().add_table(table(1, 5)));
        refused(&state, &begin().add_table(table(1, 6)).add_table(table(1, 6)));
        refused(&state, &begin().add_table(table(2, 6)));
        refused(&state, &begin().remove_table(TreeId(1), 6));
        refused(&state, &begin().remove_table(TreeId(1), 5).remove_table(TreeId(1), 5));
        refused(&state, &begin().tree(TreeId(1), "other"));
        refused(&state, &begin().tree(TreeId(2), "a").tree(TreeId(2), "b"));
        refused(&state, &begin().add_table(TableMeta { level: 7, ..table(1, 6) }));
        let backward = Bucket { first: 1, last: 0 };
        refused(&state, &begin().add_table(TableMeta { bucket: Some(backward), ..table(1, 6) }));
        refused(&state, &Edit { fields: vec![Field::Bucket(TreeId(1), 6, Bucket { first: 0, last: 1 })] });
        let mut inverted = table(1, 6);
        std::mem::swap(&mut inverted.smallest, &mut inverted.largest);
        refused(&state, &begin().add_table(inverted));
        refused(&state, &begin().add_value_file(value_file(2, 6)));
        refused(&state, &begin().add_value_file(value_file(1, 6)).add_value_file(value_file(1, 6)));
        refused(&state, &begin().remove_value_file(TreeId(1), 5));
        let forgotten = |up_to| Edit::new().forgotten(TreeId(1), ByKey::all(Cutoff { before: 1, up_to }));
        refused(&state, &forgotten(state.last_sequence + 1));
        assert!(state.check(&forgotten(state.last_sequence)).is_ok());
    }

    #[test]
    fn value_files_come_and_go() {
        let mut state = state();
        state.apply(&Edit::new().add_value_file(value_file(1, 8))).unwrap();
        assert_eq!((state.next_file_id, state.value_files.len()), (9, 1));
        refused(&state, &Edit::new().add_value_file(value_file(1, 8)));
        state.apply(&Edit::new().remove_value_file(TreeId(1), 8)).unwrap();
        assert!(state.value_files.is_empty());
        refused(&state, &Edit::new().remove_value_file(TreeId(1), 8));
    }

    #[test]
    fn a_table_moves_by_removal_and_addition_in_one_edit() {
        let mut state = state();
        let moved = TableMeta { level: 1, ..table(1, 5) };
        state.apply(&Edit::new().remove_table(TreeId(1), 5).add_table(moved)).unwrap();
        assert_eq!(state.tables[&(TreeId(1), 5)].level, 1);
        state.apply(&Edit::new().tree(TreeId(2), "x").add_table(table(2, 6))).unwrap();
        assert_eq!(state.tables.len(), 2);
    }

    #[test]
    fn numbers_only_grow_and_tables_use_up_theirs() {
        let mut state = state();
        assert_eq!((state.next_file_id, state.last_sequence), (6, 59));
        state
            .apply(&Edit::new().next_file_id(3).last_sequence(1).flushed(TreeId(1), 50).purge_time(-9))
            .unwrap();
        state
            .apply(&Edit::new().flushed(TreeId(1), 40).purge_time(-10).oldest_log(8).clean_close(true))
            .unwrap();
        assert_eq!((state.next_file_id, state.last_sequence, state.oldest_log), (9, 59, 8));
        assert_eq!((state.flushed[&TreeId(1)], state.clean), (50, true));
        assert_eq!(state.purges.notes(), [Purge { time: -9, up_to: 59 }]);
    }

    #[test]
    fn the_snapshot_edit_makes_the_same_state() {
        let mut state = state();
        state
            .apply(&Edit::new().flushed(TreeId(1), 50).purge_time(5).oldest_log(3).clean_close(true))
            .unwrap();
        state.apply(&Edit::new().last_sequence(900).purge_time(3)).unwrap();
        assert_eq!(state.purges.notes().len(), 2, "the clock was set back");
        state.apply(&Edit::new().add_value_file(value_file(1, 8)).log_synced(3, 800)).unwrap();
        state.apply(&Edit::new().log_synced(2, 900)).unwrap();
        assert_eq!(state.log_synced, (3, 800));
        let bucket = Some(Bucket { first: 10, last: 19 });
        state
            .apply(
                &Edit::new()
                    .add_table(TableMeta { bucket, ..table(1, 7) })
                    .forgotten(TreeId(1), ByKey::all(Cutoff { before: 10, up_to: 70 })),
            )
            .unwrap();
        assert_eq!(state.tables[&(TreeId(1), 7)].bucket, bucket);
        let mut copy = State::new(77);
        copy.apply(&state.snapshot_edit()).unwrap();
        assert_eq!(copy, state);
        state.apply(&Edit::new().forgotten(TreeId(1), ByKey::all(Cutoff::NONE))).unwrap();
        assert!(state.forgotten.is_empty());
    }
}
