//! How maintenance that has gone to rest learns that there may be something to do.

use crate::executor::Executor;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Wakes the executor. A commit does so only when maintenance asked for it, once, so that a stream of small commits costs nothing.
#[derive(Debug)]
pub(crate) struct Doorbell {
    executor: Arc<dyn Executor>,
    awaits_write: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new(executor: Arc<dyn Executor>) -> Arc<Self> {
        Arc::new(Doorbell { executor, awaits_write: AtomicBool::new(false) })
    }

    /// The next commit is to be told of. Who calls this looks at the trees afterwards: what was committed before may not be told of.
    pub(crate) fn await_write(&self) {
        self.awaits_write.store(true, Ordering::Relaxed);
        // With the fence below: either the commit sees the wish, or whoever wished sees the commit.
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

#[cfg(test)]
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
