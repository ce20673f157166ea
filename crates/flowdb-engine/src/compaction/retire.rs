//! Forgetting by time: a tree with a retention drops the buckets that have passed.

use super::picker::{Choice, in_place};
use crate::error::Result;
use crate::inner::Inner;
use crate::maintenance::Workshop;
use crate::tree::{LEVELS, Levels, LiveTable, Tree};
use std::sync::Arc;

/// Of the time that a table spans, the tenths that are forgotten before it is rewritten without them.
const FORGOTTEN_TENTHS: i128 = 3;

impl Inner {
    /// Drops what has become too old in one of the trees. False if there is nothing.
    pub(crate) fn retire(&self, workshop: &Workshop) -> Result<bool> {
        // A compaction under way still names the tables it reads: its tree is looked at when it has ended.
        let busy = workshop.job.as_ref().map(super::CompactionJob::tree);
        for tree in self.trees.iter().filter(|tree| busy != Some(tree.options.id)) {
            let Some(retention) = tree.options.retention else {
                continue;
            };
            let before = retention.oldest_kept(self.now());
            if before > tree.forgotten_before() && holds_older(tree, before) {
                return self.forget(tree, before).map(|()| true);
            }
        }
        Ok(false)
    }

    /// From now on the tree has nothing older than `before`; tables that have nothing else go.
    fn forget(&self, tree: &Tree, before: i64) -> Result<()> {
        let view = tree.view();
        let dropped: Vec<_> = view.shelves.tables().filter(|live| is_gone(live, before)).cloned().collect();
        let id = tree.options.id;
        let edit = self.new_edit().forgotten(id, before);
        self.drop_tables(tree, &dropped, edit, || tree.forget_before(before, self.snapshots.visible()))
    }
}

/// When the tree will next have something to drop; `None` if it has nothing, or no retention. Microseconds since the epoch.
pub(crate) fn next_retirement(tree: &Tree) -> Option<i64> {
    let retention = tree.options.retention?;
    let view = tree.view();
    let oldest = view.shelves.tables().filter_map(|live| oldest_of(live)).min()?;
    Some(retention.end_of(oldest.max(tree.forgotten_before())))
}

/// A table much of which is forgotten: one that holds more than a bucket, as those do that were written without a retention.
pub(super) fn partly_forgotten(levels: &Levels, before: i64) -> Option<Choice> {
    (0..LEVELS).rev().find_map(|level| {
        let is_due = |live: &&Arc<LiveTable>| is_mostly_older(live, before);
        levels.level(level).iter().find(is_due).map(|live| in_place(levels, level, live))
    })
}

fn is_mostly_older(live: &LiveTable, before: i64) -> bool {
    match live.table.properties().property() {
        // What has no time spans all of it, and would be rewritten for ever.
        None | Some((i64::MIN, i64::MAX)) => false,
        Some((first, last)) => {
            let (first, last, before) = (i128::from(first), i128::from(last), i128::from(before));
            before > first && (before - first) * 10 >= (last - first) * FORGOTTEN_TENTHS
        }
    }
}

/// The time of the oldest entry; where there are only range deletes, that of the bucket they are for.
fn oldest_of(live: &LiveTable) -> Option<i64> {
    let of_entries = live.table.properties().property().map(|(first, _)| first);
    of_entries.or(live.meta.bucket.map(|bucket| bucket.first))
}

fn holds_older(tree: &Tree, before: i64) -> bool {
    let is_older = |live: &Arc<LiveTable>| oldest_of(live).is_some_and(|oldest| oldest < before);
    tree.view().shelves.tables().any(is_older)
}

/// True if all entries of the table are older than `before`, and its range deletes hide nothing else.
fn is_gone(live: &LiveTable, before: i64) -> bool {
    let properties = live.table.properties();
    let is_of_old_bucket = live.meta.bucket.is_some_and(|bucket| bucket.last < before);
    let has_only_older = properties.property().is_some_and(|(_, last)| last < before);
    is_of_old_bucket || (has_only_older && properties.range_deletes == 0)
}
