//! Forgetting by time: a tree with a retention drops the buckets that have passed.

use super::picker::{Choice, in_place};
use crate::error::Result;
use crate::format::NEVER;
use crate::inner::Inner;
use crate::key::Sequence;
use crate::maintenance::Workshop;
use crate::retention::{ByKey, Cutoff, Retention, RetentionRules};
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
            let (now, forgotten) = (self.now(), tree.forgotten());
            if keeps_passed(tree, &forgotten, now) && holds_passed(tree, &forgotten, now) {
                return self.forget(tree, &forgotten, now).map(|()| true);
            }
        }
        Ok(false)
    }

    /// From now on the tree has nothing of what has passed at `now`, nor of what is forgotten; tables that
    /// have nothing else go.
    fn forget(&self, tree: &Tree, forgotten: &ByKey<Cutoff>, now: i64) -> Result<()> {
        let view = tree.view();
        // Not below anything in these tables. In the manifest too: after a power cut nothing new is to get
        // one of these numbers.
        let last = self.snapshots.visible().max(self.version.lock().state.last_sequence);
        let cutoffs = all_passed(tree, forgotten, now, last);
        let is_gone = |live: &LiveTable| is_gone(live, tree, &cutoffs, now);
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
        let edit = self.new_edit().last_sequence(last).forgotten(id, cutoffs.clone());
        self.drop_tables(tree, &dropped, edit, || tree.forget(cutoffs))
    }
}

/// What the tree need not have any more at `now` of what was written up to `last`, by key.
fn all_passed(tree: &Tree, forgotten: &ByKey<Cutoff>, now: i64, last: Sequence) -> ByKey<Cutoff> {
    tree.options.retention.by_key().zip(forgotten, |retention, cutoff| {
        retention.map_or(cutoff, |retention| cutoff.raised(retention.oldest_kept(now), last))
    })
}

/// True if more could be forgotten than is.
fn keeps_passed(tree: &Tree, forgotten: &ByKey<Cutoff>, now: i64) -> bool {
    let is_behind = tree.options.retention.by_key().zip(forgotten, |retention, cutoff| {
        retention.is_some_and(|retention| retention.oldest_kept(now) > cutoff.before)
    });
    is_behind.single() != Some(false)
}

/// When the tree will next have something to drop, after `now`; `None` if it has nothing, or no retention.
/// Microseconds since the epoch.
pub(crate) fn next_retirement(tree: &Tree, now: i64) -> Option<i64> {
    let rules = &tree.options.retention;
    if !rules.is_any() {
        return None;
    }
    let forgotten = tree.forgotten();
    let ranges = Ranges::of(rules, &forgotten);
    let next = |live: &Arc<LiveTable>| match live.kept_times(rules, &forgotten) {
        Some(kept) => passings(kept).filter(|time| *time > now).min(),
        None => ranges.next_passing(live),
    };
    tree.view().shelves.tables().filter_map(next).min()
}

/// True if a part of a table that is worth it has passed, and it is not forgotten yet.
fn holds_passed(tree: &Tree, forgotten: &ByKey<Cutoff>, now: i64) -> bool {
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

/// How long keys are kept, and before when what was theirs is forgotten.
struct Ranges(ByKey<(Option<Retention>, i64)>);

impl Ranges {
    fn of(rules: &RetentionRules, forgotten: &ByKey<Cutoff>) -> Self {
        Ranges(rules.by_key().zip(forgotten, |retention, cutoff| (retention, cutoff.before)))
    }

    /// When the first bucket of time that a table may have something of has passed, of those that
    /// are not forgotten.
    fn next_passing(&self, live: &LiveTable) -> Option<i64> {
        let oldest = oldest_of(live)?;
        let ranges = self.0.within(&live.meta.smallest, &live.meta.largest);
        ranges.filter_map(|(retention, before)| Some(retention?.end_of(oldest.max(before)))).min()
    }
}

/// A table much of which is forgotten: one that holds more than a bucket, as those do that were written
/// without a retention.
pub(super) fn partly_forgotten(levels: &Levels, tree: &Tree, now: i64) -> Option<Choice> {
    if !tree.is_kept_by_time() {
        return None;
    }
    let forgotten = tree.forgotten();
    // As long as more could be forgotten than is, a table that tells what has passed would promise too much.
    let is_up_to_date = || !keeps_passed(tree, &forgotten, now);
    let is_passed = |live: &LiveTable| match live.kept_times(&tree.options.retention, &forgotten) {
        Some(kept) => kept.time_of(FORGOTTEN_PARTS).is_some_and(|time| time <= now) && is_up_to_date(),
        None => is_mostly_older(live, forgotten_of(live, &forgotten)),
    };
    let is_due = |live: &&Arc<LiveTable>| is_passed(live) && is_settled(live, &forgotten);
    (0..LEVELS)
        .rev()
        .find_map(|level| levels.level(level).iter().find(is_due).map(|live| in_place(levels, level, live)))
}

/// Before which time nothing is left of the keys of a table. What stays in it when it is rewritten is not to
/// be found worth that again.
fn forgotten_of(live: &LiveTable, forgotten: &ByKey<Cutoff>) -> i64 {
    let cutoffs = forgotten.within(&live.meta.smallest, &live.meta.largest);
    cutoffs.map(|cutoff| cutoff.before).min().unwrap_or(i64::MIN)
}

/// True if the table holds nothing newer than a cutoff and older than its time: that would be dropped by no
/// rewriting, and its deletes may hide what is not forgotten.
fn is_settled(live: &LiveTable, forgotten: &ByKey<Cutoff>) -> bool {
    let first = live.table.properties().property().map_or(i64::MAX, |(first, _)| first);
    let mut cutoffs = forgotten.within(&live.meta.smallest, &live.meta.largest);
    cutoffs.all(|cutoff| first >= cutoff.before || live.meta.largest_sequence <= cutoff.up_to)
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

/// True if the table has entries, and nothing but what these cutoffs hide, which are as of `now`.
fn is_gone(live: &LiveTable, tree: &Tree, cutoffs: &ByKey<Cutoff>, now: i64) -> bool {
    if !is_settled(live, cutoffs) {
        return false;
    }
    if let Some(kept) = live.kept_times(&tree.options.retention, &tree.forgotten()) {
        return kept.last() <= now;
    }
    let last = live.table.properties().property().map(|(_, last)| last);
    last.is_some_and(|last| last < forgotten_of(live, cutoffs))
}
