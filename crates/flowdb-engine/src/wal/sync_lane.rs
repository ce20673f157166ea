//! Who syncs a log, when several want it: one of them, for all whose bytes are written by then.

use parking_lot::{Condvar, Mutex};

/// One thread at a time leads: it syncs. Those who come meanwhile wait, all of them for the same end; their bytes are written already, so
/// the first to go on leads a sync that covers the others too. Nobody waits for more than the sync under way and the one after it.
#[derive(Debug, Default)]
pub(super) struct SyncLane {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_led: bool,
    /// Threads that wait for the end of the sync under way.
    waiting: usize,
    /// How many waited for the last one.
    waited: usize,
}

impl SyncLane {
    /// The lead, once it is free; `None` if `is_done` says first that nothing is left to do.
    pub(super) fn lead(&self, is_done: impl Fn() -> bool) -> Option<Lead<'_>> {
        let mut state = self.state.lock();
        while !is_done() {
            if !state.is_led {
                state.is_led = true;
                return Some(Lead { lane: self, has_company: state.waited > 0 });
            }
            state.waiting += 1;
            self.ended.wait(&mut state);
        }
        None
    }
}

/// Held over a sync. Its end wakes those who wait, whatever came of it.
#[derive(Debug)]
pub(super) struct Lead<'a> {
    lane: &'a SyncLane,
    /// Others waited for the sync before this one: they are about to write again, or wait for this one.
    pub(super) has_company: bool,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = self.lane.state.lock();
        state.is_led = false;
        state.waited = std::mem::take(&mut state.waiting);
        drop(state);
        self.lane.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    #[test]
    fn those_who_wait_for_a_sync_share_the_next_one() {
        let (lane, synced, leads) = (SyncLane::default(), AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let first = lane.lead(|| false).expect("nobody leads yet");
            for _ in 0..8 {
                scope.spawn(|| {
                    if let Some(_lead) = lane.lead(|| synced.load(Ordering::Acquire)) {
                        leads.fetch_add(1, Ordering::Relaxed);
                        synced.store(true, Ordering::Release);
                    }
                });
            }
            while lane.state.lock().waiting < 8 {
                std::thread::yield_now();
            }
            drop(first);
        });
        assert_eq!(leads.into_inner(), 1);
    }

    #[test]
    fn the_lead_passes_on_when_its_holder_fails() {
        let lane = SyncLane::default();
        assert!(lane.lead(|| true).is_none());
        drop(lane.lead(|| false).expect("nobody leads yet"));
        let again = lane.lead(|| false).expect("the first one gave it back");
        assert!(!again.has_company);
    }
}
