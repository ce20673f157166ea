//! Which tables to rewrite while a tree is not written to: what the rules for busy trees leave behind.
//!
//! Each choice leaves less for these rules to find, so that they come to rest: data moves to a deeper level,
//! or a table loses what had it chosen. `docs/architecture.md`, section 5, says how much garbage remains.

use super::level_0;
use super::picker::{Choice, Circumstances, partly_expired, rewrite};
use crate::format::NEVER;
use crate::iter::RangeDelete;
use crate::tree::{Amount, LEVELS, Levels, LiveTable, Shelves};
use std::sync::Arc;

/// One part in so many of a tree, or of a table, may be garbage. A smaller part would cost more rewriting
/// than it gives back.
pub(crate) const TOLERATED_PART: u64 = 10;
/// Parts, of [`crate::table::EXPIRY_PARTS`], of a table that may have expired and still be there, and one
/// more. A rewritten byte thus makes room for at least 3/13 bytes.
const EXPIRED_PARTS: usize = 3;
/// Range deletes that are looked at one by one; more are taken to delete all they can reach.
const RANGE_DELETES_ASKED: usize = 256;

/// The most useful thing to do in a tree that is quiet, if anything is.
pub(crate) fn pick_quiet(levels: &Levels, at: Circumstances) -> Option<Choice> {
    left_by_snapshots(levels, at)
        .or_else(|| partly_expired(levels, at, EXPIRED_PARTS, 0))
        .or_else(|| hiding_much(levels, at))
}

/// When [`pick_quiet`] will find something because it has expired; `None` if that never happens. In
/// microseconds since the epoch.
pub(crate) fn next_expiry(shelves: &Shelves, now: i64) -> Option<i64> {
    let due = |live: &Arc<LiveTable>| live.table.properties().expiry.time_of(EXPIRED_PARTS);
    shelves.tables().filter_map(due).filter(|time| *time > now && *time != NEVER).min()
}

/// What `points` entries and `range_deletes` may hide of all the tables of a tree, in bytes, about.
pub(crate) fn hidden_in_tables<'a>(
    shelves: &Shelves,
    points: u64,
    range_deletes: impl Iterator<Item = &'a RangeDelete>,
) -> u64 {
    let total = shelves.total();
    let reach =
        |start: &[u8], end: &[u8]| shelves.levels().map(|levels| levels.beneath(None, start, end)).sum();
    let by_ranges = deleted(range_deletes, reach, total.bytes);
    total.hidden_by(points).saturating_add(by_ranges).min(total.bytes)
}

/// A table with versions or deletes that only snapshots needed which are gone.
fn left_by_snapshots(levels: &Levels, at: Circumstances) -> Option<Choice> {
    (0..LEVELS).rev().find_map(|level| {
        let is_worthwhile =
            |live: &&Arc<LiveTable>| at.is_free(live) && holds_superfluous(levels, level, live);
        levels.level(level).iter().find(is_worthwhile).map(|live| rewrite(levels, level, live))
    })
}

fn holds_superfluous(levels: &Levels, level: usize, live: &LiveTable) -> bool {
    let properties = live.table.properties();
    let hides_nothing = !levels.has_beneath(level, &live.meta.smallest, &live.meta.largest);
    // Above something, deletes may still be needed; they are weighed by what they may hide.
    let deletes = if hides_nothing { properties.deletes } else { 0 };
    let superfluous = properties.older_versions + deletes;
    (hides_nothing && properties.range_deletes > 0)
        || (superfluous > 0 && superfluous * TOLERATED_PART >= properties.entries)
}

/// The table that may hide most of what lies beneath, while all together may hide more than is tolerated. It
/// goes a level down and takes what it hides along.
fn hiding_much(levels: &Levels, at: Circumstances) -> Option<Choice> {
    let mut hidden = Vec::new();
    for level in 0..LEVELS - 1 {
        let free = levels.level(level).iter().filter(|live| at.is_free(live));
        hidden.extend(free.map(|live| (hidden_by(levels, level, live), level, live)));
    }
    let sum: u64 = hidden.iter().map(|(bytes, ..)| bytes).sum();
    if sum == 0 || sum * TOLERATED_PART <= levels.total().bytes {
        return None;
    }
    let (_, level, live) = hidden.into_iter().max_by_key(|(bytes, ..)| *bytes)?;
    Some(if level == 0 { level_0::whole(levels) } else { rewrite(levels, level, live) })
}

/// What a table may hide of those beneath it, and its own deletes: bytes, about. A key has one time, so that
/// entries hide none of other times.
fn hidden_by(levels: &Levels, level: usize, live: &LiveTable) -> u64 {
    let beneath = levels.beneath(Some((level, live)), &live.meta.smallest, &live.meta.largest);
    if beneath == Amount::default() {
        return 0;
    }
    let properties = live.table.properties();
    let reach = |start: &[u8], end: &[u8]| levels.beneath(Some((level, live)), start, end);
    let by_ranges = deleted(live.table.range_deletes().originals(), reach, beneath.bytes);
    let own =
        Amount { bytes: live.meta.file_bytes, entries: properties.entries }.hidden_by(properties.deletes);
    let of_its_time = levels.beneath_in_time(level, live);
    of_its_time.hidden_by(properties.entries).saturating_add(by_ranges).min(beneath.bytes) + own
}

/// What range deletes reach, at most `all`: bytes, about.
fn deleted<'a>(
    range_deletes: impl Iterator<Item = &'a RangeDelete>,
    reach: impl Fn(&[u8], &[u8]) -> Amount,
    all: u64,
) -> u64 {
    let mut bytes = 0u64;
    for (count, (start, end, _)) in range_deletes.enumerate() {
        bytes = bytes.saturating_add(reach(start, end).bytes);
        if bytes >= all || count == RANGE_DELETES_ASKED {
            return all;
        }
    }
    bytes
}
