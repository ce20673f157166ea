//! Syncs of the log: a thread of its own for each open handle that asks for them, so that a sync never waits behind
//! compaction in libuv's pool. What was measured is in docs/architecture.md.

use crate::channel::Channel;
use crate::task::panicked;
use flowdb_engine::{Db, Error, LogPosition};
use parking_lot::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The outcome of a requested sync: its number, and the error if it failed.
pub(crate) type Outcome = (u32, Option<Arc<Error>>);

/// The lane of one handle. Ends, after what was asked for, when it is stopped or dropped.
pub(crate) struct Lane {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    channel: Arc<Channel>,
}

#[derive(Default)]
struct State {
    requests: Vec<(u32, LogPosition)>,
    outcomes: Vec<Outcome>,
    started: bool,
    stopped: bool,
}

impl Lane {
    /// A lane that announces outcomes through `channel`. Its thread starts with the first request.
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new(), channel };
        Lane { shared: Arc::new(shared) }
    }

    /// Asks for a sync up to `position`; the outcome comes under `number`.
    pub(crate) fn request(&self, db: &Db, number: u32, position: LogPosition) -> std::io::Result<()> {
        let mut state = self.shared.state.lock();
        if !state.started {
            let (shared, db) = (Arc::clone(&self.shared), db.clone());
            std::thread::Builder::new().name("flowdb-log".to_owned()).spawn(move || shared.run(&db))?;
            state.started = true;
        }
        state.requests.push((number, position));
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Outcomes since the last time, in the order of their requests.
    pub(crate) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.shared.state.lock().outcomes)
    }

    /// Ends its thread, after what was asked for. Nothing may be asked for afterwards.
    pub(crate) fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self, db: &Db) {
        while let Some(requests) = self.next_requests() {
            let last = requests.iter().map(|(_, position)| *position).max();
            // A panic must not leave promises without an answer.
            let sync = || last.map_or(Ok(()), |position| db.sync(position));
            let result =
                catch_unwind(AssertUnwindSafe(sync)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
            let error = result.err().map(Arc::new);
            let outcomes = requests.into_iter().map(|(number, _)| (number, error.clone()));
            self.state.lock().outcomes.extend(outcomes);
            self.channel.notify();
        }
    }

    /// All that is asked for shares the next sync.
    fn next_requests(&self) -> Option<Vec<(u32, LogPosition)>> {
        let mut state = self.state.lock();
        while state.requests.is_empty() {
            if state.stopped {
                return None;
            }
            self.changed.wait(&mut state);
        }
        Some(std::mem::take(&mut state.requests))
    }
}
