//! Numbers about the state of a database.

use crate::inner::Inner;
use crate::key::{Sequence, TreeId};
use crate::tree::{LEVELS, Tree};

/// State of a database. See [`crate::Db::stats`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Number of the last visible operation.
    pub last_sequence: Sequence,
    /// The oldest snapshot that readers hold, if any.
    pub oldest_snapshot: Option<Sequence>,
    /// Log segments kept.
    pub log_segments: u64,
    /// The trees, in the order in which they were declared.
    pub trees: Vec<TreeStats>,
}

/// State of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeStats {
    /// Its number.
    pub tree: TreeId,
    /// Memory of its memtables, in bytes, about.
    pub memtable_bytes: usize,
    /// Full memtables that wait for their flush.
    pub frozen_memtables: usize,
    /// Tables on each level.
    pub tables: [usize; LEVELS],
    /// Size of its tables, in bytes.
    pub table_bytes: u64,
    /// Entries in its tables, all versions and deletes counted.
    pub table_entries: u64,
}

impl Inner {
    /// See [`crate::Db::stats`].
    pub(crate) fn stats(&self) -> Stats {
        let segment = self.segment.load(std::sync::atomic::Ordering::Acquire);
        Stats {
            last_sequence: self.snapshots.visible(),
            oldest_snapshot: self.snapshots.oldest(),
            log_segments: (segment + 1).saturating_sub(self.oldest_segment_needed(None)).max(1),
            trees: self.trees.iter().map(tree_stats).collect(),
        }
    }
}

fn tree_stats(tree: &Tree) -> TreeStats {
    let view = tree.view();
    TreeStats {
        tree: tree.options.id,
        memtable_bytes: view.memtable_bytes(),
        frozen_memtables: view.frozen.len(),
        tables: std::array::from_fn(|level| view.levels.level(level).len()),
        table_bytes: view.levels.iter().map(|live| live.meta.file_bytes).sum(),
        table_entries: view.levels.iter().map(|live| live.meta.entries).sum(),
    }
}
