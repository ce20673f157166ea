//! Numbers about one tree.

use crate::key::TreeId;
use crate::tree::{LEVELS, Levels, LiveTable, Tree, ValueFileUse};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// State of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeStats {
    /// Its number.
    pub tree: TreeId,
    /// Its name.
    pub name: String,
    /// Memory of its memtables, in bytes, about.
    pub memtable_bytes: usize,
    /// Entries in its memtables, all versions and deletes counted, range deletes not.
    pub memtable_entries: usize,
    /// Full memtables that wait for their flush.
    pub frozen_memtables: usize,
    /// Tables on each level.
    pub tables: [usize; LEVELS],
    /// Bytes of the tables on each level.
    pub level_bytes: [u64; LEVELS],
    /// Size of its tables, in bytes.
    pub table_bytes: u64,
    /// Entries in its tables, all versions and deletes counted.
    pub table_entries: u64,
    /// Bytes of the keys and values of these entries, before compression.
    pub table_contents_bytes: u64,
    /// Of the size of its tables, what a compaction of everything would probably leave, in bytes. Deletes and
    /// tables of which all has expired are taken for garbage, and so is what lies above older data (that of
    /// the same time, where keys have one), as if each entry there replaced one.
    pub live_bytes: u64,
    /// The rest of their size.
    pub garbage_bytes: u64,
    /// Data blocks of its tables: entries of the indexes in memory, where that of a table is from its
    /// first use on.
    pub index_entries: u64,
    /// Those of them that reads of an interval of the block property can pass over: in `series`, blocks known
    /// by their time.
    pub time_indexed_blocks: u64,
    /// Tables dropped since the database was opened because the tree was larger than
    /// [`crate::TreeOptions::bytes_max`], or because all in them was older than
    /// [`crate::TreeOptions::retention`] says.
    pub evicted_tables: u64,
    /// Entries in them.
    pub evicted_entries: u64,
    /// Files of values kept outside the tables.
    pub value_files: usize,
    /// Their size, in bytes.
    pub value_file_bytes: u64,
    /// What no table refers to any more of that, in bytes. Compaction takes it away.
    pub value_garbage_bytes: u64,
}

/// As of `now`, microseconds since the epoch.
pub(super) fn stats(tree: &Tree, now: i64) -> TreeStats {
    let view = tree.view();
    let shelves = &view.shelves;
    let sum = |number: fn(&LiveTable) -> u64| shelves.tables().map(|live| number(live)).sum();
    let table_bytes = sum(|live| live.meta.file_bytes);
    let live_bytes =
        shelves.levels().flat_map(|levels| levels.iter().map(|live| live_bytes(levels, live, now))).sum();
    TreeStats {
        tree: tree.options.id,
        name: tree.options.name.clone(),
        memtable_bytes: view.memtable_bytes(),
        memtable_entries: view.memtable_entries(),
        frozen_memtables: view.frozen.len(),
        tables: std::array::from_fn(|level| shelves.levels().map(|levels| levels.level(level).len()).sum()),
        level_bytes: std::array::from_fn(|level| shelves.levels().map(|levels| levels.bytes(level)).sum()),
        table_bytes,
        table_entries: sum(|live| live.meta.entries),
        table_contents_bytes: sum(|live| {
            let properties = live.table.properties();
            properties.key_bytes + properties.value_bytes
        }),
        live_bytes,
        garbage_bytes: table_bytes - live_bytes,
        index_entries: sum(|live| live.table.known_blocks()),
        time_indexed_blocks: sum(
            |live| if live.table.has_property() { live.table.known_blocks() } else { 0 },
        ),
        evicted_tables: tree.evicted.tables.load(Ordering::Relaxed),
        evicted_entries: tree.evicted.entries.load(Ordering::Relaxed),
        value_files: shelves.value_files().count(),
        value_file_bytes: shelves.value_files().map(|usage| usage.file.meta.file_bytes).sum(),
        value_garbage_bytes: shelves.value_files().map(ValueFileUse::garbage_bytes).sum(),
    }
}

fn live_bytes(levels: &Levels, live: &Arc<LiveTable>, now: i64) -> u64 {
    let meta = &live.meta;
    if meta.expiry_max <= now || levels.may_hide(usize::from(meta.level), live) {
        return 0;
    }
    let properties = live.table.properties();
    let kept = u128::from(properties.entries.saturating_sub(properties.deletes));
    let part = u128::from(meta.file_bytes) * kept / u128::from(properties.entries.max(1));
    // Not more than the whole, which is a u64.
    u64::try_from(part).unwrap_or(meta.file_bytes)
}
