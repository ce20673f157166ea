//! A table that the manifest names, and what happens to its file when it no longer does.

use super::Garbage;
use crate::retention::{ByKey, Cutoff, RetentionRules};
use crate::table::{KeptTimes, Table};
use crate::values::ValueFile;
use crate::version::TableMeta;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// A live table. Views share it; once it is marked obsolete, the last one to let go hands its file to the
/// garbage, so that no reader ever finds its file gone.
#[derive(Debug)]
pub(crate) struct LiveTable {
    pub(crate) meta: TableMeta,
    pub(crate) table: Arc<Table>,
    /// The value files that its entries refer to, as its properties list them. Whoever reads the table
    /// may read these.
    pub(crate) value_files: Vec<Arc<ValueFile>>,
    /// What [`LiveTable::kept_times`] had to work out.
    kept: OnceLock<Option<KeptTimes>>,
    file: Arc<TableFile>,
}

/// The name of a table's file. Shared by the table and what it was before: on another level, or in a draft.
#[derive(Debug)]
struct TableFile {
    path: PathBuf,
    garbage: Arc<Garbage>,
    obsolete: AtomicBool,
}

impl LiveTable {
    pub(crate) fn new(
        meta: TableMeta,
        table: Arc<Table>,
        value_files: Vec<Arc<ValueFile>>,
        path: PathBuf,
        garbage: Arc<Garbage>,
    ) -> Arc<Self> {
        let file = Arc::new(TableFile { path, garbage, obsolete: AtomicBool::new(false) });
        Arc::new(LiveTable { meta, table, value_files, kept: OnceLock::new(), file })
    }

    /// True if it may hold `key`, or a range delete over it.
    pub(crate) fn may_contain(&self, key: &[u8]) -> bool {
        self.overlaps(key, key)
    }

    /// True if it may hold something for the keys from `start` to `end`, both included.
    pub(crate) fn overlaps(&self, start: &[u8], end: &[u8]) -> bool {
        self.meta.overlaps(start, end)
    }

    /// True if hardly an entry of the one has a time of which the other has entries too, so that they hide
    /// next to nothing of each other.
    pub(crate) fn is_apart_in_time(&self, other: &LiveTable) -> bool {
        let times = self.table.properties().property().zip(other.table.properties().property());
        times.is_some_and(|(own, others)| is_apart(own, others))
    }

    /// The same table on another level.
    pub(crate) fn on_level(&self, level: u8) -> Arc<Self> {
        self.changed(TableMeta { level, ..self.meta.clone() }, &self.file)
    }

    /// The same table, of the file that `before` has too: it goes when both have been let go of.
    pub(crate) fn with_file_of(&self, before: &LiveTable) -> Arc<Self> {
        self.changed(self.meta.clone(), &before.file)
    }

    fn changed(&self, meta: TableMeta, file: &Arc<TableFile>) -> Arc<Self> {
        let (table, file) = (Arc::clone(&self.table), Arc::clone(file));
        let (value_files, kept) = (self.value_files.clone(), self.kept.clone());
        Arc::new(LiveTable { meta, table, value_files, kept, file })
    }

    /// The manifest no longer names it, on any level.
    pub(crate) fn mark_obsolete(&self) {
        self.file.obsolete.store(true, Ordering::Release);
    }
}

impl LiveTable {
    /// When which part of it has passed by the rules of its tree, of which `forgotten` is gone already. What
    /// the table itself says, if it was written by these rules. `None` where all keys are kept alike, without
    /// entries, and as long as its index cannot be read: whoever reads the table is told why.
    pub(crate) fn kept_times(&self, rules: &RetentionRules, forgotten: &ByKey<Cutoff>) -> Option<&KeptTimes> {
        let known = self.table.properties().kept.as_ref().filter(|kept| kept.are_by(rules));
        known.or_else(|| match self.kept.get() {
            Some(kept) => kept.as_ref(),
            None => {
                let is_of_all = |cutoff: &Cutoff| self.meta.largest_sequence <= cutoff.up_to;
                let before = |cutoff| Some(cutoff).filter(is_of_all).map_or(i64::MIN, |cutoff| cutoff.before);
                let kept = self.table.kept_by(rules, &forgotten.map(before)).ok()?;
                self.kept.get_or_init(|| kept).as_ref()
            }
        })
    }

    /// The value files that its entries refer to, and the length of the records that they refer to.
    pub(crate) fn value_references(&self) -> impl Iterator<Item = (&Arc<ValueFile>, u64)> {
        let references = &self.table.properties().value_references;
        self.value_files.iter().zip(references).map(|(file, reference)| (file, reference.bytes))
    }

    /// Length of the table, and of the records in value files that its entries refer to.
    pub(crate) fn bytes_with_values(&self) -> u64 {
        self.meta.file_bytes.saturating_add(self.table.properties().referenced_bytes())
    }
}

/// True if the spans share less than a tenth of the shorter one. Neighbours mostly share the moment at which
/// a memtable was full, and the latecomers.
fn is_apart(one: (i64, i64), other: (i64, i64)) -> bool {
    let length = |(first, last): (i64, i64)| i128::from(last) - i128::from(first) + 1;
    let shared = length((one.0.max(other.0), one.1.min(other.1)));
    shared * 10 < length(one).min(length(other))
}

impl Drop for TableFile {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            self.garbage.add(std::mem::take(&mut self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_hardly_meet_are_apart() {
        let all = (i64::MIN, i64::MAX);
        let apart = [
            ((0, 99), (100, 199)),
            ((0, 99), (99, 198)),
            ((0, 99), (5_000, 5_000)),
            ((0, 999), (990, 5_000)),
        ];
        let together =
            [((0, 99), (90, 189)), ((0, 99), (99, 100)), ((0, 999), (500, 500)), (all, all), (all, (3, 4))];
        for (one, other) in apart {
            assert!(is_apart(one, other) && is_apart(other, one), "{one:?} {other:?}");
        }
        for (one, other) in together {
            assert!(!is_apart(one, other) && !is_apart(other, one), "{one:?} {other:?}");
        }
    }
}
