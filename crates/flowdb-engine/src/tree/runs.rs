//! What a scan of a view has to merge.

use super::{LEVELS, Levels, LiveTable, SourceOptions, View};
use crate::iter::{LevelCursor, RangeDeletes, Run};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;

/// The runs that may have an entry between the bounds of a scan, and their range deletes.
#[derive(Default)]
pub(crate) struct Runs {
    pub(crate) cursors: Vec<Run>,
    pub(crate) range_deletes: Vec<Arc<RangeDeletes>>,
}

impl View {
    /// Cursors over the memtables and tables that may hold something between the bounds, and
    /// their range deletes.
    pub(crate) fn runs(&self, bounds: (&Bound<Bytes>, &Bound<Bytes>), read: SourceOptions) -> Runs {
        let mut runs = Runs::default();
        // What comes into an empty memtable from now on is newer than the scan's snapshot.
        for buffer in self.buffers_newest_first().filter(|buffer| !buffer.memtable.is_empty()) {
            runs.cursors.push(Run::Memtable(buffer.memtable.cursor()));
            runs.add_range_deletes(&buffer.memtable.range_deletes());
        }
        for levels in self.shelves.within(read.property) {
            runs.add_levels(levels, bounds, read);
        }
        runs
    }
}

impl Runs {
    fn add_levels(&mut self, levels: &Levels, bounds: (&Bound<Bytes>, &Bound<Bytes>), read: SourceOptions) {
        for live in levels.level(0).iter().rev().filter(|live| touches(live, bounds)) {
            self.add_range_deletes(live.table.range_deletes());
            if is_wanted(live, read) {
                let cursor = live.table.cursor(read.tier, !read.bypass_cache, read.property);
                self.cursors.push(Run::Table(cursor.ending_at(bounds.1.clone())));
            }
        }
        for level in 1..LEVELS {
            self.add_level(between(levels.level(level), bounds), bounds.1, read);
        }
    }

    fn add_level(&mut self, tables: &[Arc<LiveTable>], end: &Bound<Bytes>, read: SourceOptions) {
        for live in tables {
            self.add_range_deletes(live.table.range_deletes());
        }
        let mut wanted =
            tables.iter().filter(|live| is_wanted(live, read)).map(|live| Arc::clone(&live.table));
        let Some(first) = wanted.next() else {
            return;
        };
        let Some(second) = wanted.next() else {
            let cursor = first.cursor(read.tier, !read.bypass_cache, read.property);
            return self.cursors.push(Run::Table(cursor.ending_at(end.clone())));
        };
        let tables = [first, second].into_iter().chain(wanted).collect();
        let cursor = LevelCursor::new(tables, read.tier, !read.bypass_cache, read.property);
        self.cursors.push(Run::Level(cursor.ending_at(end.clone())));
    }

    fn add_range_deletes(&mut self, range_deletes: &Arc<RangeDeletes>) {
        if !range_deletes.is_empty() {
            self.range_deletes.push(Arc::clone(range_deletes));
        }
    }
}

/// The tables of a level that may hold something between the bounds. They do not overlap, but may share one
/// key at a border.
fn between<'a>(tables: &'a [Arc<LiveTable>], bounds: (&Bound<Bytes>, &Bound<Bytes>)) -> &'a [Arc<LiveTable>] {
    let from = tables.partition_point(|live| is_before(live, bounds.0));
    let count = tables[from..].partition_point(|live| !is_behind(live, bounds.1));
    &tables[from..from + count]
}

fn touches(live: &LiveTable, (start, end): (&Bound<Bytes>, &Bound<Bytes>)) -> bool {
    !is_before(live, start) && !is_behind(live, end)
}

/// True if all of the table comes before the start of a scan.
fn is_before(live: &LiveTable, start: &Bound<Bytes>) -> bool {
    match start {
        Bound::Included(start) => live.meta.largest < *start,
        Bound::Excluded(start) => live.meta.largest <= *start,
        Bound::Unbounded => false,
    }
}

/// True if all of the table comes after the end of a scan.
fn is_behind(live: &LiveTable, end: &Bound<Bytes>) -> bool {
    match end {
        Bound::Included(end) => live.meta.smallest > *end,
        Bound::Excluded(end) => live.meta.smallest >= *end,
        Bound::Unbounded => false,
    }
}

/// False if no entry of the table has a property that is asked for.
fn is_wanted(live: &LiveTable, read: SourceOptions) -> bool {
    read.property.is_none_or(|wanted| live.table.properties().has_property_in(wanted))
}
