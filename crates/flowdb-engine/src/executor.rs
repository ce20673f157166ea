//! The executor seam: the engine owns no threads. It says that there is work; someone calls back and does a
//! slice of it.

use crate::db::Db;
use parking_lot::{Condvar, Mutex};
use std::fmt::Debug;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Is told that there is work.
pub trait Executor: Send + Sync + Debug {
    /// There is something to do for [`Db::maintain`]. Called from any thread, also when told before; must
    /// return at once and must not call the database from within.
    fn wake(&self);
}

/// Tells nobody: for callers of [`Db::maintain`] that come when it suits them.
#[derive(Debug, Default)]
pub struct NoExecutor;

impl Executor for NoExecutor {
    fn wake(&self) {}
}

/// What a call of [`Db::maintain`] has left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// Nothing, until the executor is woken.
    Idle,
    /// Nothing before this much time has passed.
    Later(Duration),
    /// More: call again.
    More,
}

/// One thread that maintains a database: for programs without an event loop, and for tests.
#[derive(Debug, Default)]
pub struct ThreadExecutor {
    state: Mutex<ThreadState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct ThreadState {
    woken: bool,
    stopped: bool,
    thread: Option<JoinHandle<()>>,
}

impl ThreadExecutor {
    /// An executor whose thread is not started yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Starts the thread. Slices take about `slice`; an error pauses the work for a second.
    pub fn start(self: &Arc<Self>, db: Db, slice: Duration) {
        let executor = Arc::clone(self);
        let thread = std::thread::spawn(move || executor.run(&db, slice));
        self.state.lock().thread = Some(thread);
    }

    /// Stops the thread after its slice and waits for it.
    pub fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stopped = true;
            self.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread {
            // A panic of the thread is a bug of ours that its own message has told.
            let _ = thread.join();
        }
    }

    fn run(&self, db: &Db, slice: Duration) {
        let mut wait = None;
        while self.wait(wait) {
            wait = match db.maintain(slice) {
                Ok(Maintenance::More) => Some(Duration::ZERO),
                Ok(Maintenance::Later(duration)) => Some(duration),
                Ok(Maintenance::Idle) => None,
                Err(error) => {
                    tracing::warn!(%error, "maintenance failed");
                    Some(Duration::from_secs(1))
                }
            };
        }
    }

    /// Waits for work, at most `limit`. False once stopped.
    fn wait(&self, limit: Option<Duration>) -> bool {
        let mut state = self.state.lock();
        if !state.woken && !state.stopped {
            match limit {
                Some(limit) => {
                    self.changed.wait_for(&mut state, limit);
                }
                None => self.changed.wait(&mut state),
            }
        }
        state.woken = false;
        !state.stopped
    }
}

impl Executor for ThreadExecutor {
    fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_all();
    }
}
