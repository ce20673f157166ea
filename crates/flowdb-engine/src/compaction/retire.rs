//! Forgetting by time: a tree with a retention drops the buckets that have passed.

use super::picker::{Choice, in_place};
use crate::error::Result;
use crate::format::NEVER;
use crate::inner::Inner;
use crate::maintenance::Workshop;
use crate::retention::{ByKey, Retention, RetentionRules};
use crate::table::KeptTimes;
use crate::tree::{LEVELS, Levels, LiveTable, Tree};
use std::sync::Arc;

/// Of the time that a table spans, the tenths that are forgotten before it is rewritten without them.
const FORGOTTEN_TENTHS: i128 = 3;
/// The same where the table knows, in sixteenths of its entries.
const FORGOTTEN_PARTS: usize = 5;

impl Inner {
    /// Drops what has become too old in one of the trees. False if there is nothing.
    pub(crate) fn retire(&self, workshop: &Workshop) -> Result<bool> {
        // A compaction under way still names the tables it reads: its tree is looked at when it has ended.
        let busy = workshop.job.as_ref().map(super::CompactionJob::tree);
        for tree in self.trees.iter().filter(|tree| busy != Some(tree.options.id)) {
            if !tree.options.retention.is_any() {
                continue;
            }
            let (now, forgotten) = (self.now(), tree.forgotten_before());
            let before = oldest_kept(tree, &forgotten, now);
            if before != *forgotten && holds_passed(tree, &forgotten, now) {
                return self.forget(tree, before, now).map(|()| true);
            }
        }
        Ok(false)
    }

    /// From now on the tree has nothing older than `before`, which is as of `now`; tables that have nothing else go.
    fn forget(&self, tree: &Tree, before: ByKey<i64>, now: i64) -> Result<()> {
        let view = tree.view();
        let is_gone = |live: &LiveTable| is_gone(live, tree, &before, now);
        let mut dropped = Vec::new();
        for (bucket, levels) in view.shelves.iter() {
            let hides_nothing_else =
                bucket.is_some() && levels.iter().all(|live| live.meta.entries == 0 || is_gone(live));
            let goes = |live: &&Arc<LiveTable>| {
                hides_nothing_else || (is_gone(live) && live.table.properties().range_deletes == 0)
            };
            dropped.extend(levels.iter().filter(goes).cloned());
        }
        let id = tree.options.id;
        let edit = self.new_edit().forgotten(id, before.clone());
        self.drop_tables(tree, &dropped, edit, || tree.forget_before(before, self.snapshots.visible()))
    }
}

/// What the tree need not have any more at `now`, by key.
fn oldest_kept(tree: &Tree, forgotten: &ByKey<i64>, now: i64) -> ByKey<i64> {
    tree.options.retention.by_key().zip(forgotten, |retention, before| {
        retention.map_or(before, |retention| retention.oldest_kept(now).max(before))
    })
}

/// When the tree will next have something to drop, after `now`; `None` if it has nothing, or no retention. Microseconds since the epoch.
pub(crate) fn next_retirement(tree: &Tree, now: i64) -> Option<i64> {
    let rules = &tree.options.retention;
    if !rules.is_any() {
        return None;
    }
    let forgotten = tree.forgotten_before();
    let ranges = Ranges::of(rules, &forgotten);
    let next = |live: &Arc<LiveTable>| match live.kept_times(rules, &forgotten) {
        Some(kept) => passings(kept).filter(|time| *time > now).min(),
        None => ranges.next_passing(live),
    };
    tree.view().shelves.tables().filter_map(next).min()
}

/// True if a part of a table that is worth it has passed, and it is not forgotten yet.
fn holds_passed(tree: &Tree, forgotten: &ByKey<i64>, now: i64) -> bool {
    let rules = &tree.options.retention;
    let ranges = Ranges::of(rules, forgotten);
    tree.view().shelves.tables().any(|live| match live.kept_times(rules, forgotten) {
        Some(kept) => passings(kept).any(|time| time <= now),
        None => ranges.next_passing(live).is_some_and(|time| time <= now),
    })
}

/// When a table is to be rewritten, and when it is to go.
fn passings(kept: &KeptTimes) -> impl Iterator<Item = i64> {
    kept.time_of(FORGOTTEN_PARTS).into_iter().chain([kept.last()].into_iter().filter(|time| *time != NEVER))
}

/// How long keys are kept, and what of theirs is forgotten.
struct Ranges(ByKey<(Option<Retention>, i64)>);

impl Ranges {
    fn of(rules: &RetentionRules, forgotten: &ByKey<i64>) -> Self {
        Ranges(rules.by_key().zip(forgotten, |retention, before| (retention, before)))
    }

    /// When the first bucket of time that a table may have something of has passed, of those that are not forgotten.
    fn next_passing(&self, live: &LiveTable) -> Option<i64> {
        let oldest = oldest_of(live)?;
        let ranges = self.0.within(&live.meta.smallest, &live.meta.largest);
        ranges.filter_map(|(retention, before)| Some(retention?.end_of(oldest.max(before)))).min()
    }
}

/// A table much of which is forgotten: one that holds more than a bucket, as those do that were written without a retention.
pub(super) fn partly_forgotten(levels: &Levels, tree: &Tree, now: i64) -> Option<Choice> {
    if !tree.is_kept_by_time() {
        return None;
    }
    let forgotten = tree.forgotten_before();
    // As long as more could be forgotten than is, a table that tells what has passed would promise too much.
    let is_up_to_date = || oldest_kept(tree, &forgotten, now) == *forgotten;
    let is_due = |live: &&Arc<LiveTable>| match live.kept_times(&tree.options.retention, &forgotten) {
        Some(kept) => kept.time_of(FORGOTTEN_PARTS).is_some_and(|time| time <= now) && is_up_to_date(),
        None => is_mostly_older(live, forgotten_of(live, &forgotten)),
    };
    (0..LEVELS)
        .rev()
        .find_map(|level| levels.level(level).iter().find(is_due).map(|live| in_place(levels, level, live)))
}

/// Before which time nothing is left of the keys of a table. What stays in it when it is rewritten is not to be found worth that again.
fn forgotten_of(live: &LiveTable, forgotten: &ByKey<i64>) -> i64 {
    forgotten.within(&live.meta.smallest, &live.meta.largest).min().unwrap_or(i64::MIN)
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

/// True if the table has entries, and all of them are older than `before`, which is as of `now`.
fn is_gone(live: &LiveTable, tree: &Tree, before: &ByKey<i64>, now: i64) -> bool {
    if let Some(kept) = live.kept_times(&tree.options.retention, &tree.forgotten_before()) {
        return kept.last() <= now;
    }
    let last = live.table.properties().property().map(|(_, last)| last);
    last.is_some_and(|last| last < forgotten_of(live, before))
}
