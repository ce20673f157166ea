//! Which thread syncs a log, when several want it: one of them, for all whose bytes are written by then.

#[cfg(loom)]
use model::{Condvar, Mutex};
#[cfg(not(loom))]
use parking_lot::{Condvar, Mutex};

/// One thread at a time leads: it syncs. Those who come meanwhile wait, all of them for the same end; their
/// bytes are written already, so the first to go on leads a sync that covers the others too. Nobody waits for
/// more than the sync under way and the one after it.
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

#[cfg(all(test, not(loom)))]
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

/// All orders in which the steps of a few threads may come. The lock and the condition are
/// the model checker's.
#[cfg(loom)]
mod model {
    use std::ops::{Deref, DerefMut};

    #[derive(Debug, Default)]
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    /// Empty only while it waits.
    pub(super) struct Guard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

    #[derive(Debug, Default)]
    pub(super) struct Condvar(loom::sync::Condvar);

    impl<T> Mutex<T> {
        pub(super) fn lock(&self) -> Guard<'_, T> {
            Guard(self.0.lock().ok())
        }
    }

    impl Condvar {
        pub(super) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
            guard.0 = guard.0.take().and_then(|held| self.0.wait(held).ok());
        }

        pub(super) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        #[expect(clippy::expect_used, reason = "only in the model")]
        fn deref(&self) -> &T {
            self.0.as_ref().expect("it does not wait")
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        #[expect(clippy::expect_used, reason = "only in the model")]
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("it does not wait")
        }
    }

    #[cfg(test)]
    mod tests {
        use super::super::SyncLane;
        use loom::sync::atomic::{AtomicU64, Ordering};
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool as Flag, AtomicU64 as Count};

        /// A log as `LogFile` has it, each of whose commits is one byte.
        #[derive(Debug, Default)]
        struct Log {
            lane: SyncLane,
            written: AtomicU64,
            synced: AtomicU64,
            /// What the disk holds, and whether it has failed: no step of the model.
            durable: Count,
            has_failed: Flag,
        }

        impl Log {
            fn commit(&self, fails: bool) -> bool {
                let upto = self.written.fetch_add(1, Ordering::AcqRel) + 1;
                let is_done = || self.synced.load(Ordering::Acquire) >= upto;
                if let Some(_lead) = self.lane.lead(is_done) {
                    if fails || self.has_failed.load(Ordering::Acquire) {
                        self.has_failed.store(true, Ordering::Release);
                        return false;
                    }
                    let written = self.written.load(Ordering::Acquire);
                    let disk = self.written.load(Ordering::Acquire);
                    assert!(self.durable.load(Ordering::Relaxed) <= disk, "two led at once");
                    self.durable.store(disk, Ordering::Relaxed);
                    self.synced.fetch_max(written, Ordering::AcqRel);
                }
                assert!(self.durable.load(Ordering::Relaxed) >= upto, "told before it was synced");
                true
            }
        }

        /// A model that ends without a deadlock: nobody waits for a wake-up that does not come.
        fn three_commits(fails: bool) {
            let mut model = loom::model::Builder::new();
            // All orders of three threads take hours; these have each thread stopped anywhere, twice.
            model.preemption_bound = Some(2);
            model.check(move || {
                let log = Arc::new(Log::default());
                let others: Vec<_> = [fails, false]
                    .map(|fails| {
                        let log = Arc::clone(&log);
                        loom::thread::spawn(move || log.commit(fails))
                    })
                    .into();
                let mut done = vec![log.commit(false)];
                done.extend(others.into_iter().map(|other| other.join().unwrap()));
                assert!(fails || done == [true; 3]);
                assert!(!log.lane.state.lock().is_led);
            });
        }

        #[test]
        fn each_of_three_commits_is_synced_before_it_is_told() {
            three_commits(false);
        }

        #[test]
        fn a_lead_that_fails_lets_nobody_wait() {
            three_commits(true);
        }
    }
}
