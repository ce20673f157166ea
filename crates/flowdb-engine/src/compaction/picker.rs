//! Which tables to rewrite next: a pure choice from the state of a tree.

use super::level_0;
use crate::key::Sequence;
use crate::table::EXPIRY_PARTS;
use crate::tree::{LEVELS, Levels, LiveTable, ValueFileUse};
use std::sync::Arc;

/// Small neighbours on a deeper level at which they are merged.
const SCATTERED_TABLES: usize = 8;
/// Each level may hold this many times what the one above it holds.
const LEVEL_FACTOR: u64 = 10;
/// Size of level 1, in tables of the largest size.
const LEVEL_1_TABLES: u64 = 4;

/// Tables to merge, and the level their contents go to.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// Tables that go away, newest data first.
    pub(crate) inputs: Vec<Arc<LiveTable>>,
    /// Where what is kept goes.
    pub(crate) level: u8,
}

/// What the choice depends on, besides the tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    pub(crate) table_bytes_max: u64,
    /// A table is closed at that size with the values outside it counted.
    pub(crate) counts_values: bool,
    /// Time against which expiry is judged, microseconds since the epoch.
    pub(crate) now: i64,
    /// The oldest moment that readers hold on to. What it may see is not dropped, so rewriting it
    /// would gain nothing.
    pub(crate) oldest_snapshot: Option<Sequence>,
}

/// The most useful thing to do, if anything is.
pub(crate) fn pick(levels: &Levels, at: Circumstances) -> Option<Choice> {
    level_0::due(levels, at)
        .or_else(|| oversized(levels, at.table_bytes_max))
        .or_else(|| scattered(levels, at))
        .or_else(|| expired(levels, at))
        .or_else(|| full_of_deletes(levels, at))
        .or_else(|| partly_expired(levels, at, EXPIRY_PARTS / 2, 1))
        .or_else(|| wasteful_values(levels))
}

impl Circumstances {
    /// What counts of a table towards `table_bytes_max`.
    fn bytes(&self, live: &LiveTable) -> u64 {
        if self.counts_values { live.bytes_with_values() } else { live.meta.file_bytes }
    }

    pub(super) fn is_free(&self, live: &LiveTable) -> bool {
        self.oldest_snapshot.is_none_or(|oldest| oldest >= live.meta.largest_sequence)
    }
}

/// Everything, into the deepest level in use (at least level 1). `None` if there is nothing to gain.
pub(crate) fn pick_all(levels: &Levels, table_bytes_max: u64) -> Option<Choice> {
    let inputs: Vec<_> = levels
        .level(0)
        .iter()
        .rev()
        .chain((1..LEVELS).flat_map(|level| levels.level(level)))
        .cloned()
        .collect();
    let bytes: u64 = inputs.iter().map(|live| live.meta.file_bytes).sum();
    let fits = (1..LEVELS).find(|level| bytes <= limit(*level, table_bytes_max)).unwrap_or(LEVELS - 1);
    let level = (1..LEVELS).rev().find(|level| !levels.level(*level).is_empty()).unwrap_or(1).max(fits);
    (!inputs.is_empty()).then(|| Choice { inputs, level: level_number(level) })
}

/// Bytes a level may hold.
fn limit(level: usize, table_bytes_max: u64) -> u64 {
    (1..level).fold(table_bytes_max * LEVEL_1_TABLES, |bytes, _| bytes.saturating_mul(LEVEL_FACTOR))
}

/// One table of the level that exceeds its limit most, with what it overlaps beneath.
fn oversized(levels: &Levels, table_bytes_max: u64) -> Option<Choice> {
    let excess = |level: &usize| levels.bytes(*level) * 100 / limit(*level, table_bytes_max);
    let level = (1..LEVELS - 1).max_by_key(excess).filter(|level| excess(level) > 100)?;
    // The one that costs least: few bytes beneath it for each of its own.
    let cost = |live: &&Arc<LiveTable>| {
        let beneath = levels.overlapping(level + 1, &live.meta.smallest, &live.meta.largest);
        let bytes: u64 = beneath.iter().map(|live| live.meta.file_bytes).sum();
        bytes * 100 / live.meta.file_bytes.max(1)
    };
    levels.level(level).iter().min_by_key(cost).map(|live| down(levels, level, live))
}

/// Neighbours on a level that fit into one table. Data that comes in order is flushed in small pieces which
/// overlap nothing, so that no other rule would ever merge them. None of them may make up more than half of
/// the whole: what was merged is merged again only when as much has come behind it.
fn scattered(levels: &Levels, at: Circumstances) -> Option<Choice> {
    (1..LEVELS).find_map(|level| {
        let tables = levels.level(level);
        let runs = (0..tables.len()).map(|start| run_within(&tables[start..], at));
        let run = runs.into_iter().find(|run| run.len() >= SCATTERED_TABLES && is_balanced(run, at))?;
        Some(Choice { inputs: run.to_vec(), level: level_number(level) })
    })
}

/// The longest run at the front of `tables` that fits into one.
fn run_within(tables: &[Arc<LiveTable>], at: Circumstances) -> &[Arc<LiveTable>] {
    let mut bytes = 0u64;
    let count = tables.iter().take_while(|live| {
        bytes = bytes.saturating_add(at.bytes(live));
        bytes <= at.table_bytes_max
    });
    &tables[..count.count()]
}

fn is_balanced(run: &[Arc<LiveTable>], at: Circumstances) -> bool {
    let sizes = || run.iter().map(|live| at.bytes(live));
    sizes().max().is_some_and(|largest| largest * 2 <= sizes().sum())
}

/// A table in which everything has expired, where its removal brings nothing older back.
fn expired(levels: &Levels, at: Circumstances) -> Option<Choice> {
    (1..LEVELS).rev().find_map(|level| {
        let dead = |live: &&Arc<LiveTable>| live.meta.expiry_max <= at.now && at.is_free(live);
        let live = levels.level(level).iter().find(dead)?;
        Some(down(levels, level, live))
    })
}

/// A table whose deletes make up half of it or more: going down, they take what they delete along. Range
/// deletes count by what may lie beneath them, which is unknown here, so one is enough if there is something.
fn full_of_deletes(levels: &Levels, at: Circumstances) -> Option<Choice> {
    (1..LEVELS - 1).find_map(|level| {
        let worthwhile = |live: &&Arc<LiveTable>| {
            let properties = live.table.properties();
            let mostly_deletes = properties.deletes * 2 >= properties.entries.max(1);
            at.is_free(live)
                && (properties.range_deletes > 0 || mostly_deletes)
                && levels.has_beneath(level, &live.meta.smallest, &live.meta.largest)
        };
        levels.level(level).iter().find(worthwhile).map(|live| down(levels, level, live))
    })
}

/// A table on `first_level` or deeper of which at least `parts` (of [`EXPIRY_PARTS`]) have expired.
pub(super) fn partly_expired(
    levels: &Levels,
    at: Circumstances,
    parts: usize,
    first_level: usize,
) -> Option<Choice> {
    (first_level..LEVELS).rev().find_map(|level| {
        let is_due = |live: &&Arc<LiveTable>| {
            at.is_free(live) && live.table.properties().expiry.expired_parts(at.now) >= parts
        };
        levels.level(level).iter().find(is_due).map(|live| rewrite(levels, level, live))
    })
}

/// Rids `live` of what is superfluous in it: where it is if nothing lies beneath, else on the way down.
pub(super) fn rewrite(levels: &Levels, level: usize, live: &Arc<LiveTable>) -> Choice {
    if level == 0 {
        return level_0::whole(levels);
    }
    if levels.has_beneath(level, &live.meta.smallest, &live.meta.largest) {
        return down(levels, level, live);
    }
    in_place(levels, level, live)
}

/// The table whose rewriting gains most of value files that are garbage for more than half, if it frees more
/// than it writes. Each table that refers to such a file stands for its share of the garbage: the file goes
/// with the last of them. From level 0, where a committed draft may bring garbage, all of it goes down, and
/// is looked at there again.
fn wasteful_values(levels: &Levels) -> Option<Choice> {
    let is_wasteful = ValueFileUse::is_wasteful;
    if !levels.value_files().any(is_wasteful) {
        return None;
    }
    let gain = |live: &Arc<LiveTable>| {
        let (mut freed, mut written) = (0u64, live.meta.file_bytes);
        for (file, bytes) in live.value_references() {
            let usage = levels.value_file_use(file.meta.id).filter(|usage| is_wasteful(usage));
            if let Some(usage) = usage {
                let share = u128::from(usage.garbage_bytes()) * u128::from(bytes)
                    / u128::from(usage.live_bytes.max(1));
                freed = freed.saturating_add(u64::try_from(share).unwrap_or(u64::MAX));
                written = written.saturating_add(bytes);
            }
        }
        freed.checked_sub(written).filter(|gain| *gain > 0)
    };
    let best = levels.iter().filter_map(|live| Some((gain(live)?, live))).max_by_key(|(gain, _)| *gain);
    best.map(|(_, live)| in_place(levels, usize::from(live.meta.level), live))
}

/// A table that refers to a value file that is to be freed, wherever it is.
pub(crate) fn pick_value_files(levels: &Levels, is_freed: impl Fn(&ValueFileUse) -> bool) -> Option<Choice> {
    let refers = |live: &&Arc<LiveTable>| {
        let mut files = live.value_references();
        files.any(|(file, _)| levels.value_file_use(file.meta.id).is_some_and(&is_freed))
    };
    (1..LEVELS)
        .flat_map(|level| levels.level(level))
        .find(refers)
        .map(|live| in_place(levels, usize::from(live.meta.level), live))
}

/// Rewrites `live` where it is.
pub(super) fn in_place(levels: &Levels, level: usize, live: &Arc<LiveTable>) -> Choice {
    if level == 0 {
        return level_0::whole(levels);
    }
    Choice { inputs: vec![Arc::clone(live)], level: level_number(level) }
}

/// `live` of `level`, and what it overlaps in the level beneath; the last level is rewritten in place.
fn down(levels: &Levels, level: usize, live: &Arc<LiveTable>) -> Choice {
    let mut inputs = vec![Arc::clone(live)];
    let target = (level + 1).min(LEVELS - 1);
    if target != level {
        inputs.extend_from_slice(levels.overlapping(target, &live.meta.smallest, &live.meta.largest));
    }
    Choice { inputs, level: level_number(target) }
}

pub(super) fn span(tables: &[Arc<LiveTable>]) -> (bytes::Bytes, bytes::Bytes) {
    let smallest = tables.iter().map(|live| &live.meta.smallest).min();
    let largest = tables.iter().map(|live| &live.meta.largest).max();
    (smallest.cloned().unwrap_or_default(), largest.cloned().unwrap_or_default())
}

pub(super) fn level_number(level: usize) -> u8 {
    u8::try_from(level).expect("there are few levels")
}
