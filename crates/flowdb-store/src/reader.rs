//! Where reads look: at the present, or at a snapshot.

use crate::kv::Kv;
use crate::series::Series;
use flowdb_engine::{Db, ReadOptions, ReadTier, Sequence};

/// How a view of the records reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) db: &'a Db,
    /// `None` for what is committed at the time of each read.
    pub(crate) snapshot: Option<&'a flowdb_engine::Snapshot>,
    /// By which expiry is judged; `None` for the time of each read.
    pub(crate) now: Option<i64>,
    pub(crate) tier: ReadTier,
}

impl<'a> Reader<'a> {
    pub(crate) fn of_present(db: &'a Db) -> Self {
        Reader { db, snapshot: None, now: None, tier: ReadTier::Disk }
    }

    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            sequence: self.snapshot.map(flowdb_engine::Snapshot::sequence),
            tier: self.tier,
            now: self.now,
            ..ReadOptions::default()
        }
    }

    /// The moment to look at, held.
    pub(crate) fn pin(&self) -> flowdb_engine::Snapshot {
        self.snapshot.cloned().unwrap_or_else(|| self.db.snapshot())
    }

    pub(crate) fn now(&self) -> i64 {
        self.now.unwrap_or_else(|| self.db.now())
    }
}

/// One moment of a store: cache entries and series as they were when it was taken, whatever is written since.
/// What it sees is kept on disk until it is dropped.
///
/// Expiry is judged by the time it was taken. Once maintenance has purged expired entries, those that expired
/// since are not seen any more.
#[derive(Debug, Clone)]
pub struct Snapshot {
    db: Db,
    snapshot: flowdb_engine::Snapshot,
    now: i64,
}

impl Snapshot {
    pub(crate) fn new(db: &Db) -> Self {
        Snapshot { db: db.clone(), snapshot: db.snapshot(), now: db.now() }
    }

    /// Its cache entries.
    pub fn kv(&self) -> Kv<'_> {
        Kv::new(self.reader())
    }

    /// Its series.
    pub fn series(&self) -> Series<'_> {
        Series::new(self.reader())
    }

    /// Number of the last operation that it sees.
    pub fn sequence(&self) -> Sequence {
        self.snapshot.sequence()
    }

    pub(crate) fn engine(&self) -> &flowdb_engine::Snapshot {
        &self.snapshot
    }

    fn reader(&self) -> Reader<'_> {
        Reader { snapshot: Some(&self.snapshot), now: Some(self.now), ..Reader::of_present(&self.db) }
    }
}
