//! Forgetting: a tree with a maximum size drops whole tables.

use crate::error::Result;
use crate::inner::Inner;
use crate::maintenance::Workshop;
use crate::tree::{LEVELS, Levels, LiveTable, Shelves, Tree};
use crate::version::Edit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Inner {
    /// Drops tables of a tree that is larger than it may be. False if there is none.
    pub(crate) fn evict(&self, workshop: &Workshop) -> Result<bool> {
        // A compaction under way still names the tables it reads: its tree is looked at when it has ended.
        let busy = workshop.job.as_ref().map(super::CompactionJob::tree);
        for tree in self.trees.iter().filter(|tree| busy != Some(tree.options.id)) {
            let Some(bytes_max) = tree.options.bytes_max else {
                continue;
            };
            let dropped = pick_evicted(tree.view().shelves.rest(), bytes_max, self.now());
            if !dropped.is_empty() {
                return self.evict_tables(tree, &dropped).map(|()| true);
            }
        }
        Ok(false)
    }

    fn evict_tables(&self, tree: &Tree, dropped: &[Arc<LiveTable>]) -> Result<()> {
        let last = dropped.iter().map(|live| live.meta.largest_sequence).max().unwrap_or(0);
        self.drop_tables(tree, dropped, self.new_edit(), || tree.evict_up_to(last))
    }

    /// Drops tables, and the value files that only they refer to, by `edit`, which may say more. Calls
    /// `recorded` before readers miss them.
    pub(super) fn drop_tables(
        &self,
        tree: &Tree,
        dropped: &[Arc<LiveTable>],
        edit: Edit,
        recorded: impl FnOnce(),
    ) -> Result<()> {
        let id = tree.options.id;
        let removed: Vec<u64> = dropped.iter().map(|live| live.meta.id).collect();
        let before = &tree.view().shelves;
        let mut after = Shelves::clone(before);
        after.change(&removed, []);
        let unused = before.value_files_gone_in(&after);
        let edit = removed.iter().fold(edit, |edit, table| edit.remove_table(id, *table));
        let edit = unused.iter().fold(edit, |edit, file| edit.remove_value_file(id, file.meta.id));
        self.record(&edit)?;
        recorded();
        let entries: u64 = dropped.iter().map(|live| live.meta.entries).sum();
        tracing::debug!(tree = tree.options.name, tables = removed.len(), entries, "tables dropped");
        dropped.iter().for_each(|live| live.mark_obsolete());
        unused.iter().for_each(|file| file.mark_obsolete());
        // Only the thread that has the workshop changes the shelves, so that those of before are
        // still the ones.
        tree.change(|view| view.shelves = Arc::new(after));
        // Counters only: nothing is published with them.
        tree.evicted.tables.fetch_add(removed.len() as u64, Ordering::Relaxed);
        tree.evicted.entries.fetch_add(entries, Ordering::Relaxed);
        Ok(())
    }
}

/// The tables to drop so that the others take at most `bytes_max`: of those with nothing beneath, whose end
/// brings nothing older back, first what has expired, then the one that was written to longest ago.
fn pick_evicted(levels: &Levels, bytes_max: u64, now: i64) -> Vec<Arc<LiveTable>> {
    let mut left = Levels::clone(levels);
    let mut dropped = Vec::new();
    while left.total().bytes > bytes_max {
        let age = |live: &&Arc<LiveTable>| (live.meta.expiry_max > now, live.meta.largest_sequence);
        let Some(oldest) = bottom(&left).min_by_key(age).map(Arc::clone) else {
            break;
        };
        left.change(&[oldest.meta.id], []);
        dropped.push(oldest);
    }
    dropped
}

/// The tables with nothing older beneath them.
fn bottom(levels: &Levels) -> impl Iterator<Item = &Arc<LiveTable>> {
    (0..LEVELS).flat_map(move |level| {
        levels.level(level).iter().filter(move |live| hides_nothing(levels, level, live))
    })
}

/// True if no older table reaches into the keys of `live`.
fn hides_nothing(levels: &Levels, level: usize, live: &Arc<LiveTable>) -> bool {
    let meta = &live.meta;
    let touches =
        |other: &LiveTable| other.meta.smallest <= meta.largest && meta.smallest <= other.meta.largest;
    let is_older = |other: &&Arc<LiveTable>| !Arc::ptr_eq(other, live);
    let hidden_beside = level == 0 && levels.level(0).iter().take_while(is_older).any(|other| touches(other));
    !hidden_beside && !levels.has_beneath(level, &meta.smallest, &meta.largest)
}
