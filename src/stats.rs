//! Numbers about a store, for JS.

use flowdb_engine::{Stats, TreeStats};
use flowdb_store::tree_name;
use napi_derive::napi;

/// Numbers about a store.
#[napi(object)]
pub struct StoreStats {
    /// Number of the last operation.
    pub sequence: f64,
    /// Log segments kept.
    pub log_segments: f64,
    /// Its trees.
    pub trees: Vec<TreeNumbers>,
}

/// Numbers about a tree.
#[napi(object)]
pub struct TreeNumbers {
    /// Its name.
    pub name: String,
    /// Recent writes in memory.
    pub memory_bytes: f64,
    /// Tables on disk.
    pub tables: f64,
    /// Size of them.
    pub table_bytes: f64,
    /// Entries in them.
    pub table_entries: f64,
}

/// Doubles hold all of these exactly: numbers above 2^53 would take centuries.
pub(crate) fn to_js(stats: &Stats) -> StoreStats {
    let tree = |tree: &TreeStats| TreeNumbers {
        name: tree_name(tree.tree).to_owned(),
        memory_bytes: tree.memtable_bytes as f64,
        tables: tree.tables.iter().sum::<usize>() as f64,
        table_bytes: tree.table_bytes as f64,
        table_entries: tree.table_entries as f64,
    };
    StoreStats {
        sequence: stats.last_sequence as f64,
        log_segments: stats.log_segments as f64,
        trees: stats.trees.iter().map(tree).collect(),
    }
}
