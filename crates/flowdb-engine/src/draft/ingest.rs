//! How a draft becomes part of its tree.

use super::{DRAFT_BASE, Draft};
use crate::background::Work;
use crate::commit::{Commit, LogPosition, closed};
use crate::error::{Error, Result};
use crate::flush::{find_value_file, note_synced};
use crate::inner::Inner;
use crate::key::Sequence;
use crate::maintenance::Workshop;
use crate::tree::{LEVELS, Levels, LiveTable, Tree};
use crate::version::TableMeta;
use std::sync::Arc;

impl Inner {
    /// See [`crate::Db::commit_draft`]. Everything committed before is made durable first, so that what
    /// survives a crash stays a prefix: a memtable of the tree would also stand above the tables, whose
    /// entries are newer.
    pub(crate) fn ingest(&self, mut draft: Draft) -> Result<Commit> {
        let tree = self.tree(draft.tree)?;
        let workshop = self.workshop.lock();
        self.check_usable()?;
        self.finish_opening()?;
        // Most of it while writers go on; what they add meanwhile follows under their lock.
        self.freeze_where(&self.commit.lock(), |other| other.options.id == tree.options.id);
        self.flush_frozen()?;
        let mut guard = self.commit.lock();
        let state = &mut *guard;
        self.freeze_where(state, |other| other.options.id == tree.options.id);
        self.flush_frozen()?;
        let synced = self.sync_before_flush_counts()?;
        let log = state.log.as_mut().ok_or_else(closed)?;
        // Else a commit that there was no space for could come back under the numbers that are given here.
        log.settle().map_err(|error| self.poison(Work::LogSync, error))?;
        let position = LogPosition { segment: log.segment(), offset: log.end() };
        let (before, first) = (state.last, state.last + 1);
        let last = before.checked_add(draft.operations).filter(|last| *last < DRAFT_BASE);
        let last = last.ok_or_else(|| Error::invalid("the sequence numbers are used up"))?;
        let tables = self.place(&workshop, tree, &draft, before)?;
        let value_files = draft.value_files();
        let edit = note_synced(self.new_edit(), synced);
        let added = value_files.values().fold(edit, |edit, file| edit.add_value_file(file.meta));
        let added = tables.iter().fold(added, |edit, live| edit.add_table(live.meta.clone()));
        self.record(&self.note_in_tables(added, tree, last).last_sequence(last))?;
        // From here on the files belong to the tree.
        draft.runs.clear();
        tree.change(|view| {
            view.change_tables(&[], tables);
        });
        log.skip_to(last);
        state.last = last;
        self.snapshots.publish(last);
        self.options.executor.wake();
        Ok(Commit { first, last, position })
    }

    /// Opens the tables under the numbers and on the levels that they will have.
    fn place(
        &self,
        workshop: &Workshop,
        tree: &Tree,
        draft: &Draft,
        before: Sequence,
    ) -> Result<Vec<Arc<LiveTable>>> {
        let mut levels = Levels::clone(tree.view().shelves.rest());
        let mut placed = Vec::new();
        // The oldest first: it may lie deepest.
        for private in draft.runs.iter().flat_map(|run| &run.tables) {
            let level = match &workshop.job {
                // Its outputs may come to lie over a gap between its inputs.
                Some(_) => 0,
                None => deepest_gap(&levels, &private.meta),
            };
            let find = |id| find_value_file(std::slice::from_ref(private), id).cloned();
            let renumbered = |number: Sequence| before + (number - DRAFT_BASE);
            let live = self.open_table(
                tree.options.filter_key,
                TableMeta {
                    level,
                    smallest_sequence: renumbered(private.meta.smallest_sequence),
                    largest_sequence: renumbered(private.meta.largest_sequence),
                    base: Some(before),
                    ..private.meta.clone()
                },
                &find,
            )?;
            // Iterators over the draft may outlive the table that comes of it.
            let live = live.with_file_of(private);
            levels.change(&[], [Arc::clone(&live)]);
            placed.push(live);
        }
        Ok(placed)
    }
}

/// The deepest level to which the table can go: it and all above it hold nothing in the table's range of
/// keys. Level 0 if there is none.
fn deepest_gap(levels: &Levels, meta: &TableMeta) -> u8 {
    let overlaps = |level: usize| match level {
        0 => levels.level(0).iter().any(|live| live.overlaps(&meta.smallest, &meta.largest)),
        _ => !levels.overlapping(level, &meta.smallest, &meta.largest).is_empty(),
    };
    let free = (0..LEVELS).take_while(|level| !overlaps(*level)).count();
    u8::try_from(free.saturating_sub(1)).expect("there are few levels")
}
