//! Tells a listener what happens behind the writers' backs.

use crate::background::{BackgroundError, Work};
use crate::error::Error;
use crate::key::TreeId;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Is told of events.
pub trait EventListener: Send + Sync + Debug {
    /// Called by the thread that reads, writes or maintains, after its work and while the engine holds none
    /// of its locks; one event at a time, in their order. The thread waits for it. It may call the database;
    /// what it causes is told after it has returned.
    fn on_event(&self, event: &Event);
}

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Work in the background failed, or the database refuses writes until it is
    /// reopened. See [`crate::Db::background_error`].
    BackgroundError(Arc<BackgroundError>),
    /// What had failed works again.
    Resumed(Work),
    /// A writer waits for maintenance, and no other did.
    StallBegan,
    /// No writer waits any more.
    StallEnded,
    /// A memtable was written to a table.
    Flushed {
        /// Its tree.
        tree: TreeId,
        /// Size of the table, in bytes; 0 if nothing was worth keeping.
        bytes: u64,
        /// How long it took.
        duration: Duration,
    },
    /// Tables were rewritten.
    Compacted {
        /// Their tree.
        tree: TreeId,
        /// Size of the tables that went away, in bytes.
        bytes_read: u64,
        /// Size of the tables that took their place, in bytes.
        bytes_written: u64,
        /// How long was worked on it, pauses between slices not counted.
        duration: Duration,
    },
    /// A read met a file that does not hold what was written to it.
    Corruption(Arc<Error>),
}

/// Events on their way to the listener: noted wherever they happen, told where no lock is held.
#[derive(Debug, Default)]
pub(crate) struct Events {
    listener: Option<Arc<dyn EventListener>>,
    waiting: Mutex<VecDeque<Event>>,
    /// Length of `waiting`, to be looked at without its lock.
    count: AtomicUsize,
    /// A thread is telling. It goes on until none waits, so that the order is kept.
    is_telling: AtomicBool,
}

impl Events {
    pub(crate) fn new(listener: Option<Arc<dyn EventListener>>) -> Self {
        Events { listener, ..Events::default() }
    }

    /// Takes note of an event. Under any lock.
    pub(crate) fn note(&self, event: Event) {
        if self.listener.is_some() {
            let mut waiting = self.waiting.lock();
            waiting.push_back(event);
            self.count.store(waiting.len(), Ordering::SeqCst);
        }
    }

    /// Tells what waits. Under no lock.
    pub(crate) fn tell(&self) {
        // Sequentially consistent, as the flag: either the one who is telling sees an event noted before this
        // call, or this thread tells it.
        while self.count.load(Ordering::SeqCst) > 0 && !self.is_telling.swap(true, Ordering::SeqCst) {
            let _done = Telling(&self.is_telling);
            while let Some(event) = self.take() {
                if let Some(listener) = &self.listener {
                    listener.on_event(&event);
                }
            }
        }
    }

    fn take(&self) -> Option<Event> {
        let mut waiting = self.waiting.lock();
        let event = waiting.pop_front();
        self.count.store(waiting.len(), Ordering::SeqCst);
        event
    }
}

/// Lowers the flag, also when the listener panics.
struct Telling<'a>(&'a AtomicBool);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
