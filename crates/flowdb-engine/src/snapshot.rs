//! Moments that readers still look at.

use crate::clock::Clock;
use crate::doorbell::Doorbell;
use crate::key::Sequence;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The moments in use, and the newest visible operation.
///
/// Taking a snapshot and listing them happen under one lock: a compaction that has listed the snapshots and
/// the visible number cannot be followed by a snapshot older than that number.
#[derive(Debug)]
pub(crate) struct Snapshots {
    visible: AtomicU64,
    live: Mutex<BTreeMap<Sequence, Held>>,
    clock: Arc<dyn Clock>,
    /// Maintenance waits for the end of the oldest snapshot if that is older than this. Changes under the
    /// lock of `live`.
    awaited: AtomicU64,
    bell: Arc<Doorbell>,
}

/// A moment in use.
#[derive(Debug)]
struct Held {
    count: usize,
    /// Monotonic time when it was taken first.
    since: Duration,
}

impl Snapshots {
    pub(crate) fn new(clock: Arc<dyn Clock>, bell: Arc<Doorbell>) -> Self {
        Snapshots {
            visible: AtomicU64::new(0),
            live: Mutex::default(),
            clock,
            awaited: AtomicU64::new(0),
            bell,
        }
    }

    /// Number of the last visible operation.
    pub(crate) fn visible(&self) -> Sequence {
        // Pairs with `publish`: a thread that sees the number sees the entries.
        self.visible.load(Ordering::Acquire)
    }

    /// Makes everything up to `sequence` visible. Under the commit lock.
    pub(crate) fn publish(&self, sequence: Sequence) {
        self.visible.store(sequence, Ordering::Release);
    }

    /// Keeps the present alive.
    pub(crate) fn take(self: &Arc<Self>) -> Snapshot {
        let mut live = self.live.lock();
        let sequence = self.visible();
        let held = live.entry(sequence);
        held.or_insert_with(|| Held { count: 0, since: self.clock.monotonic() }).count += 1;
        Snapshot { sequence, snapshots: Arc::clone(self) }
    }

    /// The moments that have to stay readable, ascending, the present included.
    pub(crate) fn list(&self) -> Vec<Sequence> {
        let live = self.live.lock();
        let mut all: Vec<_> = live.keys().copied().collect();
        let visible = self.visible();
        if all.last() != Some(&visible) {
            all.push(visible);
        }
        all
    }

    /// Has maintenance woken when the oldest snapshot goes, if that is older than `newest`, the number
    /// of the newest entry in the tables: what it kept may be superfluous then. The caller looks for
    /// such things afterwards.
    pub(crate) fn await_release(&self, newest: Sequence) {
        let live = self.live.lock();
        let is_held = live.keys().next().is_some_and(|oldest| *oldest < newest);
        self.awaited.store(if is_held { newest } else { 0 }, Ordering::Relaxed);
    }

    fn release(&self, sequence: Sequence) {
        let mut live = self.live.lock();
        let Some(held) = live.get_mut(&sequence) else {
            return;
        };
        held.count -= 1;
        if held.count > 0 {
            return;
        }
        live.remove(&sequence);
        let was_oldest = live.keys().next().is_none_or(|oldest| sequence < *oldest);
        let is_awaited = was_oldest && sequence < self.awaited.load(Ordering::Relaxed);
        if is_awaited {
            self.awaited.store(0, Ordering::Relaxed);
        }
        drop(live);
        if is_awaited {
            self.bell.ring();
        }
    }

    /// The oldest moment in use, if any is.
    pub(crate) fn oldest(&self) -> Option<Sequence> {
        self.live.lock().keys().next().copied()
    }

    /// The same, and the monotonic time when it was taken first.
    pub(crate) fn oldest_taken(&self) -> Option<(Sequence, Duration)> {
        self.live.lock().iter().next().map(|(sequence, held)| (*sequence, held.since))
    }
}

/// Keeps what is visible at one moment alive, until dropped.
#[derive(Debug)]
pub struct Snapshot {
    sequence: Sequence,
    snapshots: Arc<Snapshots>,
}

impl Snapshot {
    /// Everything up to this number is visible in it.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// True if it was taken from these.
    pub(crate) fn is_of(&self, snapshots: &Arc<Snapshots>) -> bool {
        Arc::ptr_eq(&self.snapshots, snapshots)
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        let mut live = self.snapshots.live.lock();
        live.get_mut(&self.sequence).expect("this snapshot holds it").count += 1;
        drop(live);
        Snapshot { sequence: self.sequence, snapshots: Arc::clone(&self.snapshots) }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.snapshots.release(self.sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_stays_until_its_last_snapshot_is_dropped() {
        let bell = Doorbell::new(Arc::new(crate::NoExecutor));
        let snapshots = Arc::new(Snapshots::new(Arc::new(crate::ManualClock::default()), bell));
        snapshots.publish(5);
        let first = snapshots.take();
        let second = first.clone();
        snapshots.publish(9);
        assert_eq!(snapshots.list(), [5, 9]);
        drop(first);
        assert_eq!(snapshots.list(), [5, 9]);
        drop(second);
        assert_eq!(snapshots.list(), [9]);
        assert_eq!(snapshots.oldest(), None);
    }
}
