//! Memory of memtables over all databases of a process.

use crate::inner::Inner;
use crate::tree::Tree;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The part of the limit that may be written before all memtables are looked at again.
const LOOKS_PER_LIMIT: u64 = 32;

/// The databases whose memtables share a limit.
#[derive(Debug)]
pub(crate) struct WriteBuffers {
    limit: Option<u64>,
    databases: Mutex<Vec<Weak<Inner>>>,
    /// Bytes written since the last look.
    unseen: AtomicU64,
}

impl WriteBuffers {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        WriteBuffers { limit, databases: Mutex::default(), unseen: AtomicU64::new(0) }
    }

    /// `database` is open.
    pub(crate) fn join(&self, database: &Arc<Inner>) {
        let mut databases = self.databases.lock();
        databases.retain(|other| other.strong_count() > 0);
        databases.push(Arc::downgrade(database));
    }

    /// In bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.databases()
            .iter()
            .flat_map(|database| &database.trees)
            .map(|tree| tree.view().memtable_bytes() as u64)
            .sum()
    }

    /// Called by a commit, under its database's commit lock. Takes none of another database.
    #[inline]
    pub(crate) fn written(&self, bytes: u64) {
        let Some(limit) = self.limit else {
            return;
        };
        let unseen = self.unseen.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if unseen >= limit / LOOKS_PER_LIMIT {
            self.unseen.store(0, Ordering::Relaxed);
            self.enforce(limit);
        }
    }

    /// Has the largest memtable that takes commits flushed, if all together are too large. What waits for
    /// its flush will soon be gone: more is asked for only while that which does not wait takes more than
    /// half of the limit.
    fn enforce(&self, limit: u64) {
        let databases = self.databases();
        let trees =
            || databases.iter().flat_map(|database| database.trees.iter().map(move |tree| (database, tree)));
        let active =
            |tree: &Tree| if tree.is_flush_wanted() { 0 } else { tree.view().active.memtable.bytes() as u64 };
        let total: u64 = trees().map(|(_, tree)| tree.view().memtable_bytes() as u64).sum();
        let lasting: u64 = trees().map(|(_, tree)| active(tree)).sum();
        if total <= limit || lasting <= limit / 2 {
            return;
        }
        if let Some((database, tree)) = trees().max_by_key(|(_, tree)| active(tree)) {
            tree.want_flush();
            database.options.executor.wake();
        }
    }

    /// Not under the lock of the list: the last handle to one of them may be dropped with the answer.
    fn databases(&self) -> Vec<Arc<Inner>> {
        self.databases.lock().iter().filter_map(Weak::upgrade).collect()
    }
}
