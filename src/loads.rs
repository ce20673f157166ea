//! Values that are on their way into the cache: the moments from which on nobody else may touch their keys.

use flowdb_store::Snapshot;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The loads of a handle that are under way.
#[derive(Debug, Default)]
pub(crate) struct Loads(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    last: u32,
    begun: HashMap<u32, Arc<Snapshot>>,
}

impl Loads {
    /// A number for a load that begins now.
    pub(crate) fn begin(&self, now: Snapshot) -> u32 {
        let mut pending = self.0.lock();
        // Four billion later the first one is through.
        pending.last = pending.last.wrapping_add(1);
        let number = pending.last;
        pending.begun.insert(number, Arc::new(now));
        number
    }

    /// When a load began; `None` once it has ended.
    pub(crate) fn since(&self, number: u32) -> Option<Arc<Snapshot>> {
        self.0.lock().begun.get(&number).cloned()
    }

    pub(crate) fn end(&self, number: u32) {
        self.0.lock().begun.remove(&number);
    }

    /// The handle is closed.
    pub(crate) fn end_all(&self) {
        self.0.lock().begun.clear();
    }
}
