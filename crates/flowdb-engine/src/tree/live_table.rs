//! A table that the manifest names, and what happens to its file when it no longer does.

use super::Garbage;
use crate::table::Table;
use crate::version::TableMeta;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A live table. Views share it; once it is marked obsolete, the last one to let go hands its file to the garbage, so that no
/// reader ever finds its file gone.
#[derive(Debug)]
pub(crate) struct LiveTable {
    pub(crate) meta: TableMeta,
    pub(crate) table: Arc<Table>,
    file: Arc<TableFile>,
}

/// The name of a table's file. Shared by the table and what it was on another level.
#[derive(Debug)]
struct TableFile {
    path: PathBuf,
    garbage: Arc<Garbage>,
    obsolete: AtomicBool,
}

impl LiveTable {
    pub(crate) fn new(meta: TableMeta, table: Arc<Table>, path: PathBuf, garbage: Arc<Garbage>) -> Arc<Self> {
        let file = Arc::new(TableFile { path, garbage, obsolete: AtomicBool::new(false) });
        Arc::new(LiveTable { meta, table, file })
    }

    /// True if it may hold `key`, or a range delete over it.
    pub(crate) fn may_contain(&self, key: &[u8]) -> bool {
        self.overlaps(key, key)
    }

    /// True if it may hold something for the keys from `start` to `end`, both included.
    pub(crate) fn overlaps(&self, start: &[u8], end: &[u8]) -> bool {
        self.meta.smallest[..] <= *end && *start <= self.meta.largest[..]
    }

    /// The same table on another level.
    pub(crate) fn on_level(&self, level: u8) -> Arc<Self> {
        let meta = TableMeta { level, ..self.meta.clone() };
        Arc::new(LiveTable { meta, table: Arc::clone(&self.table), file: Arc::clone(&self.file) })
    }

    /// The manifest no longer names it, on any level.
    pub(crate) fn mark_obsolete(&self) {
        self.file.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for TableFile {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            self.garbage.add(std::mem::take(&mut self.path));
        }
    }
}
