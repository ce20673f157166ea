//! When level 0 goes down.
//!
//! Each of its tables is one more place to look, so that few are left there. Where keys have a time (the
//! block property), and came in its order, the tables lie *apart in time*: a reader of some time wants one or
//! two of them, however many there are, and none hides anything of another. Merging them would rewrite what
//! is well where it is, and take from the reads beside it.

use super::picker::{Choice, Circumstances, level_number, span};
use crate::tree::{Levels, LiveTable};
use crate::version::TableMeta;
use std::sync::Arc;

/// Tables at which they are merged into level 1; where they lie apart in time, tables that may hold entries
/// of one moment.
const TABLES: usize = 4;
/// Tables at which they are merged though they lie apart in time: a read of all of time, or of the latest of
/// each series, asks all of them. Writers may go on beside that.
const TABLES_APART_MAX: usize = TABLES_MAX * 2 / 3;
/// Tables at which writes wait.
pub(crate) const TABLES_MAX: usize = 24;

/// Level 0 into level 1, if that is due.
pub(super) fn due(levels: &Levels, at: Circumstances) -> Option<Choice> {
    let tables = levels.level(0);
    if tables.len() < TABLES {
        return None;
    }
    let choice = whole(levels);
    let may_stay = tables.len() < TABLES_APART_MAX && is_apart_in_time(tables, at.now);
    (!may_stay || is_movable(&choice, at.now)).then_some(choice)
}

/// All of level 0, and what it overlaps in level 1. All, because a part could bring old versions
/// beneath newer ones.
pub(super) fn whole(levels: &Levels) -> Choice {
    let mut inputs: Vec<_> = levels.level(0).iter().rev().cloned().collect();
    let (start, end) = span(&inputs);
    inputs.extend_from_slice(levels.overlapping(1, &start, &end));
    Choice { inputs, level: level_number(1) }
}

/// True if the tables may go to their level unchanged: nothing overlaps, nothing in them is there to be
/// dropped, and none is there already (then they were chosen in order to be merged).
pub(super) fn is_movable(choice: &Choice, now: i64) -> bool {
    let mut tables: Vec<&TableMeta> = choice.inputs.iter().map(|live| &live.meta).collect();
    tables.sort_unstable_by(|a, b| a.smallest.cmp(&b.smallest));
    let is_apart = tables.windows(2).all(|pair| pair[0].largest < pair[1].smallest);
    is_apart && choice.inputs.iter().all(|live| is_plain(live, now) && live.meta.level != choice.level)
}

/// True for a table that a compaction, by itself, would take nothing from.
fn is_plain(live: &LiveTable, now: i64) -> bool {
    let properties = live.table.properties();
    properties.deletes == 0 && properties.range_deletes == 0 && live.meta.expiry_max > now
}

/// True if few of the tables may hold entries of one moment. Not where there is something to drop, nor within
/// a bucket of time: there are many buckets.
fn is_apart_in_time(tables: &[Arc<LiveTable>], now: i64) -> bool {
    let stays = |live: &Arc<LiveTable>| is_plain(live, now) && live.meta.bucket.is_none();
    let times = || tables.iter().filter_map(|live| live.table.properties().property());
    tables.iter().all(stays) && most_at_once(times()) < TABLES
}

/// How many of the spans of time, both ends included, share a moment.
fn most_at_once(spans: impl Iterator<Item = (i64, i64)>) -> usize {
    // Where one ends as others begin, all of them hold that moment: beginnings come first.
    let mut ends: Vec<_> = spans.flat_map(|(first, last)| [(first, false), (last, true)]).collect();
    ends.sort_unstable();
    let mut open = 0_usize;
    let counts = ends.into_iter().map(|(_, is_last)| {
        open = if is_last { open - 1 } else { open + 1 };
        open
    });
    counts.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most(spans: &[(i64, i64)]) -> usize {
        most_at_once(spans.iter().copied())
    }

    #[test]
    fn tables_of_one_moment_are_counted() {
        assert_eq!(most(&[]), 0);
        assert_eq!(most(&[(0, 9), (10, 19), (20, 29), (-5, -1)]), 1);
        assert_eq!(most(&[(0, 10), (10, 20), (20, 30), (30, 40)]), 2, "neighbours share their ends");
        assert_eq!(most(&[(7, 7), (7, 7), (7, 7)]), 3);
        assert_eq!(most(&[(0, 9), (10, 19), (20, 29), (5, 25)]), 2, "what came late");
        assert_eq!(most(&[(0, 100), (1, 99), (2, 98), (200, 300)]), 3);
        assert_eq!(most(&[(i64::MIN, i64::MAX); 4]), 4, "keys without a time");
    }

    #[test]
    fn counting_by_ends_agrees_with_looking_at_every_moment() {
        for seed in 1..500 {
            let mut random = crate::fs::Random::new(seed);
            let mut time = || random.below(20).cast_signed() as i64;
            let spans: Vec<_> = (0..8).map(|_| (time(), time())).map(|(a, b)| (a.min(b), a.max(b))).collect();
            let at = |time| spans.iter().filter(|(first, last)| (*first..=*last).contains(&time)).count();
            assert_eq!(most(&spans), (0..20).map(at).max().unwrap(), "seed {seed}");
        }
    }
}
