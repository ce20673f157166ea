//! What must not wait on the JS thread: commits that are too large for it or find something in their way, and syncs of the log. A thread of its own for each open
//! handle that asks for them, so that they never wait behind compaction in libuv's pool. What was measured is in docs/architecture.md.

use crate::channel::Channel;
use crate::operations::read_writes;
use crate::task::panicked;
use flowdb_engine::{Durability, Error, ErrorKind, LogPosition, Result, WriteOptions};
use flowdb_store::Store;
use parking_lot::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Syncs are done for many commits at a time, and apart.
const UNSYNCED: WriteOptions = WriteOptions { durability: Some(Durability::Os) };

/// The outcome of a request: its number, and the error if it failed.
pub(crate) type Outcome = (u32, Option<Arc<Error>>);

/// What is asked for.
pub(crate) enum Request {
    /// The log up to here is to be on stable storage.
    Sync(LogPosition),
    /// Packed operations are to be committed, and synced if `sync` or the store's mode says so.
    Write { operations: Vec<u8>, sync: bool },
}

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
    requests: Vec<(u32, Request)>,
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

    /// Asks for something to be done with the lane's store, behind all that was asked for before; the outcome comes under `number`.
    pub(crate) fn request(&self, store: &Arc<Store>, number: u32, request: Request) -> std::io::Result<()> {
        let mut state = self.shared.state.lock();
        if !state.started {
            let (shared, store) = (Arc::clone(&self.shared), Arc::clone(store));
            std::thread::Builder::new().name("flowdb-log".to_owned()).spawn(move || shared.run(&store))?;
            state.started = true;
        }
        state.requests.push((number, request));
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Outcomes since the last time.
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

/// Requests that wait for one sync.
#[derive(Default)]
struct Unsynced {
    numbers: Vec<u32>,
    last: Option<LogPosition>,
}

impl Unsynced {
    fn add(&mut self, number: u32, position: LogPosition) {
        self.numbers.push(number);
        self.last = self.last.max(Some(position));
    }
}

impl Shared {
    /// All that is asked for at a time shares a sync.
    fn run(&self, store: &Store) {
        while let Some(requests) = self.next_requests() {
            let mut unsynced = Unsynced::default();
            for (number, request) in requests {
                match request {
                    Request::Sync(position) => unsynced.add(number, position),
                    Request::Write { operations, sync } => {
                        let written = guarded(|| self.write(store, &operations, sync, &mut unsynced));
                        match written {
                            Ok(Some(position)) => unsynced.add(number, position),
                            Ok(None) => self.tell([number], None),
                            Err(error) => self.tell([number], Some(error)),
                        }
                    }
                }
            }
            self.sync(store, &mut unsynced);
        }
    }

    /// The place up to which the log is to be synced, if it is. Requests that wait for a sync do not wait for what is in the way of this one.
    fn write(
        &self,
        store: &Store,
        operations: &[u8],
        sync: bool,
        unsynced: &mut Unsynced,
    ) -> Result<Option<LogPosition>> {
        let commit = match store.db().try_write(read_writes(store, operations)?) {
            Err((error, batch)) if error.kind() == ErrorKind::WouldBlock => {
                self.sync(store, unsynced);
                store.db().write(batch, UNSYNCED)?
            }
            result => result.map_err(|(error, _)| error)?,
        };
        Ok(store.db().wants_sync(write_options(sync)).then_some(commit.position))
    }

    fn sync(&self, store: &Store, unsynced: &mut Unsynced) {
        let Unsynced { numbers, last } = std::mem::take(unsynced);
        if let Some(last) = last {
            self.tell(numbers, guarded(|| store.db().sync(last)).err());
        }
    }

    fn tell(&self, numbers: impl IntoIterator<Item = u32>, error: Option<Error>) {
        let error = error.map(Arc::new);
        self.state.lock().outcomes.extend(numbers.into_iter().map(|number| (number, error.clone())));
        self.channel.notify();
    }

    fn next_requests(&self) -> Option<Vec<(u32, Request)>> {
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

/// A panic must not leave promises without an answer.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// How to write where a sync is wanted only if `sync` or the store's mode says so.
pub(crate) fn write_options(sync: bool) -> WriteOptions {
    WriteOptions { durability: sync.then_some(Durability::Synced) }
}
