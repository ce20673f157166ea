//! What must not wait on the JS thread: commits that are too large for it or find something in their way,
//! and syncs of the log. Threads of its own for each open handle that asks for them, one for commits and
//! one for syncs, so that neither waits for the other, nor for compaction in libuv's pool. What was
//! measured is in docs/architecture.md.

use crate::channel::Channel;
use crate::operations::read_writes;
use crate::task::guarded;
use flowdb_engine::{Durability, Error, ErrorKind, LogPosition, Result, WriteOptions};
use flowdb_store::Store;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;

/// Syncs are done for many commits at a time, and apart.
pub(crate) const UNSYNCED: WriteOptions = WriteOptions { durability: Some(Durability::Os) };

/// What became of a request.
pub(crate) struct Outcome {
    pub(crate) number: u32,
    /// It failed.
    pub(crate) error: Option<Arc<Error>>,
    /// Nothing more comes. Else reads see the write, and its sync is under way.
    pub(crate) is_last: bool,
}

/// The lane of one handle.
pub(crate) struct Lane {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    writes_changed: Condvar,
    syncs_changed: Condvar,
    channel: Arc<Channel>,
}

#[derive(Default)]
struct State {
    writes: VecDeque<Write>,
    is_writing: bool,
    unsynced: Unsynced,
    outcomes: Vec<Outcome>,
    has_writer: bool,
    has_syncer: bool,
    is_stopped: bool,
}

struct Write {
    number: u32,
    operations: Vec<u8>,
    sync: bool,
}

/// Requests that wait for a sync.
#[derive(Default)]
struct Unsynced {
    numbers: Vec<u32>,
    last: Option<LogPosition>,
}

impl Lane {
    /// A lane that announces outcomes through `channel`. Its threads start when there is something for them.
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        let (writes_changed, syncs_changed) = (Condvar::new(), Condvar::new());
        Lane { shared: Arc::new(Shared { state: Mutex::default(), writes_changed, syncs_changed, channel }) }
    }

    /// Has packed operations committed, behind those asked for before, and synced if `sync` or the store's
    /// mode says so.
    pub(crate) fn write(
        &self,
        store: &Arc<Store>,
        number: u32,
        operations: Vec<u8>,
        sync: bool,
    ) -> std::io::Result<()> {
        let mut state = self.shared.state.lock();
        if !state.has_writer {
            self.shared.start("flowdb-writer", store, Shared::run_writes)?;
            state.has_writer = true;
        }
        state.writes.push_back(Write { number, operations, sync });
        self.shared.writes_changed.notify_all();
        Ok(())
    }

    /// Has the log synced up to `position`.
    pub(crate) fn sync(&self, store: &Arc<Store>, number: u32, position: LogPosition) -> std::io::Result<()> {
        self.shared.sync(&mut self.shared.state.lock(), store, number, position)
    }

    /// Outcomes since the last time.
    pub(crate) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.shared.state.lock().outcomes)
    }

    /// Ends its threads. What was not begun is not done any more: whoever asked for it is gone, and others
    /// may already write. What is being committed is waited for, for the same reason.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.state.lock();
        state.is_stopped = true;
        state.writes.clear();
        state.unsynced = Unsynced::default();
        self.shared.writes_changed.notify_all();
        self.shared.syncs_changed.notify_all();
        while state.is_writing {
            self.shared.writes_changed.wait(&mut state);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn start(
        self: &Arc<Self>,
        name: &str,
        store: &Arc<Store>,
        run: fn(&Arc<Self>, &Arc<Store>),
    ) -> std::io::Result<()> {
        let (shared, store) = (Arc::clone(self), Arc::clone(store));
        std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared, &store)).map(|_| ())
    }

    fn run_writes(self: &Arc<Self>, store: &Arc<Store>) {
        while let Some(Write { number, operations, sync }) = self.next_write() {
            let written = guarded(|| write(store, &operations, sync));
            let mut state = self.state.lock();
            state.is_writing = false;
            if state.is_stopped {
                self.writes_changed.notify_all();
                return;
            }
            let position = written.as_ref().ok().copied().flatten();
            state.outcomes.push(Outcome {
                number,
                error: written.err().map(Arc::new),
                is_last: position.is_none(),
            });
            if let Some(position) = position
                && let Err(error) = self.sync(&mut state, store, number, position)
            {
                let error = Error::system("starting the thread that syncs the log", error);
                state.outcomes.push(Outcome { number, error: Some(Arc::new(error)), is_last: true });
            }
            drop(state);
            self.channel.notify();
        }
    }

    fn next_write(&self) -> Option<Write> {
        let mut state = self.state.lock();
        while !state.is_stopped {
            if let Some(write) = state.writes.pop_front() {
                state.is_writing = true;
                return Some(write);
            }
            self.writes_changed.wait(&mut state);
        }
        None
    }

    fn sync(
        self: &Arc<Self>,
        state: &mut State,
        store: &Arc<Store>,
        number: u32,
        position: LogPosition,
    ) -> std::io::Result<()> {
        if !state.has_syncer {
            self.start("flowdb-sync", store, Shared::run_syncs)?;
            state.has_syncer = true;
        }
        state.unsynced.numbers.push(number);
        state.unsynced.last = state.unsynced.last.max(Some(position));
        self.syncs_changed.notify_all();
        Ok(())
    }

    /// All that is asked for while a sync goes on shares the next.
    fn run_syncs(self: &Arc<Self>, store: &Arc<Store>) {
        while let Some((numbers, last)) = self.next_syncs() {
            let error = guarded(|| store.db().sync(last)).err().map(Arc::new);
            let outcomes =
                numbers.into_iter().map(|number| Outcome { number, error: error.clone(), is_last: true });
            self.state.lock().outcomes.extend(outcomes);
            self.channel.notify();
        }
    }

    fn next_syncs(&self) -> Option<(Vec<u32>, LogPosition)> {
        let mut state = self.state.lock();
        while !state.is_stopped {
            if let Some(last) = state.unsynced.last.take() {
                return Some((std::mem::take(&mut state.unsynced.numbers), last));
            }
            self.syncs_changed.wait(&mut state);
        }
        None
    }
}

/// The place up to which the log is to be synced, if it is.
fn write(store: &Store, operations: &[u8], sync: bool) -> Result<Option<LogPosition>> {
    let commit = match store.db().try_write(read_writes(store, operations)?) {
        Err((error, batch)) if error.kind() == ErrorKind::WouldBlock => store.db().write(batch, UNSYNCED)?,
        result => result.map_err(|(error, _)| error)?,
    };
    Ok(store.db().wants_sync(write_options(sync)).then_some(commit.position))
}

/// How to write where a sync is wanted only if `sync` or the store's mode says so.
pub(crate) fn write_options(sync: bool) -> WriteOptions {
    WriteOptions { durability: sync.then_some(Durability::Synced) }
}
