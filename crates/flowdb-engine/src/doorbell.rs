//! How maintenance that has gone to rest learns that there may be something to do.

use crate::executor::Executor;
use std::sync::Arc;

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Wakes the executor. A commit does so only when maintenance asked for it, once, so that a stream of small
/// commits costs nothing.
#[derive(Debug)]
pub(crate) struct Doorbell {
    executor: Arc<dyn Executor>,
    awaits_write: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new(executor: Arc<dyn Executor>) -> Arc<Self> {
        Arc::new(Doorbell { executor, awaits_write: AtomicBool::new(false) })
    }

    /// The next commit is to be told of. The caller looks at the trees afterwards: what was committed before
    /// may not be told of.
    pub(crate) fn await_write(&self) {
        self.awaits_write.store(true, Ordering::Relaxed);
        // With the fence below: either the commit sees the wish, or the thread that wished sees the commit.
        fence(Ordering::SeqCst);
    }

    /// A commit has become visible.
    pub(crate) fn written(&self) {
        fence(Ordering::SeqCst);
        if self.awaits_write.load(Ordering::Relaxed) && self.awaits_write.swap(false, Ordering::Relaxed) {
            self.ring();
        }
    }

    /// There may be something to do.
    pub(crate) fn ring(&self) {
        self.executor.wake();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Debug, Default)]
    struct Count(AtomicUsize);

    impl Executor for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_commit_rings_once_for_each_wish() {
        let count = Arc::new(Count::default());
        let bell = Doorbell::new(Arc::clone(&count) as _);
        bell.written();
        assert_eq!(count.0.load(Ordering::SeqCst), 0, "nobody waits");
        bell.await_write();
        bell.written();
        bell.written();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}

/// All orders in which the steps of two threads may come, and all that each may see of the other's.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::atomic::{AtomicU64, AtomicUsize};

    #[derive(Debug)]
    struct Count(AtomicUsize);

    impl Executor for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_commit_is_seen_or_told_of() {
        loom::model(|| {
            let count = Arc::new(Count(AtomicUsize::new(0)));
            let bell = Doorbell::new(Arc::clone(&count) as _);
            let visible = Arc::new(AtomicU64::new(0));
            let committing = {
                let (bell, visible) = (Arc::clone(&bell), Arc::clone(&visible));
                loom::thread::spawn(move || {
                    visible.store(1, Ordering::Release);
                    bell.written();
                })
            };
            bell.await_write();
            let is_seen = visible.load(Ordering::Acquire) == 1;
            committing.join().unwrap();
            let wakes = count.0.load(Ordering::Relaxed);
            assert!(is_seen || wakes == 1, "maintenance sleeps beside a commit");
            assert!(wakes <= 1);
        });
    }

    #[test]
    fn one_of_two_commits_rings() {
        loom::model(|| {
            let count = Arc::new(Count(AtomicUsize::new(0)));
            let bell = Doorbell::new(Arc::clone(&count) as _);
            bell.await_write();
            let other = Arc::clone(&bell);
            let committing = loom::thread::spawn(move || other.written());
            bell.written();
            committing.join().unwrap();
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
        });
    }
}
