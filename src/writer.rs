//! Writes of one handle: on the JS thread where nothing is in their way, else on its lane.

use crate::changes::{self, Answers};
use crate::channel::Channel;
use crate::error;
use crate::external_memory::ExternalMemory;
use crate::lane::{Lane, Outcome, write_options};
use crate::loads::Loads;
use crate::maintenance;
use crate::operations::{malformed, read_writes};
use flowdb_engine::{Error, ErrorKind, LogPosition, Result};
use flowdb_store::{Store, StoreHandle};
use napi::bindgen_prelude::{BufferSlice, Env, Function};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Larger commits are the lane's: the copy into log and memtable would hold up the event loop.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// `write` answers with these where it has no number to give.
const DONE: i32 = 0;
const WOULD_BLOCK: i32 = -2;

pub(crate) struct Writer {
    handle: Arc<StoreHandle>,
    /// The handle was closed.
    closed: Arc<AtomicBool>,
    channel: Arc<Channel>,
    lane: Lane,
    /// Number of the last request to the lane.
    last_request: AtomicU32,
    /// Requests whose outcome JS has not taken yet. The channel is held while there are some.
    requests: AtomicU32,
    /// Where the log ended behind the changes that were made last. One call makes them at a time.
    changed_to: Mutex<Option<LogPosition>>,
    memory: ExternalMemory,
}

impl Writer {
    pub(crate) fn new(handle: Arc<StoreHandle>, closed: Arc<AtomicBool>, channel: Arc<Channel>) -> Self {
        let lane = Lane::new(Arc::clone(&channel));
        let (last_request, requests) = (AtomicU32::new(0), AtomicU32::new(0));
        let (changed_to, memory) = (Mutex::default(), ExternalMemory::default());
        Writer { handle, closed, channel, lane, last_request, requests, changed_to, memory }
    }

    /// `RecordStore::writer`.
    pub(crate) fn function<'env>(self: &Arc<Self>, env: &'env Env) -> napi::Result<Function<'env, (), i32>> {
        let writer = Arc::clone(self);
        env.create_function_from_closure("write", move |call| {
            let operations = call.get::<BufferSlice<'_>>(0)?;
            let length = call.get::<u32>(1)? as usize;
            let sync = call.get::<bool>(2)?;
            // A part of a write is no write: what is shorter than it says is not acknowledged.
            let operations = operations.get(..length).ok_or_else(malformed);
            let answer = operations.and_then(|operations| writer.write(call.env, operations, sync));
            answer.map_err(|error| error::to_js(call.env, &error))
        })
    }

    fn write(&self, env: &Env, operations: &[u8], sync: bool) -> Result<i32> {
        self.tell_memory(env);
        let result = self.try_write(operations, sync).and_then(|position| match position {
            Some(position) => self.request(env, |store, number| self.lane.sync(store, number, position)),
            None => Ok(DONE),
        });
        // Under a loop that never yields, this is what gets the first slice going.
        maintenance::start_slice(env);
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(WOULD_BLOCK),
            result => result,
        }
    }

    /// The number under which the outcome comes.
    pub(crate) fn write_later(&self, env: &Env, operations: &[u8], sync: bool) -> Result<i32> {
        self.tell_memory(env);
        let result = self.store().and_then(|_| {
            self.request(env, |store, number| self.lane.write(store, number, operations.to_vec(), sync))
        });
        maintenance::start_slice(env);
        result
    }

    /// Makes packed changes on the thread that this is called on, and takes note of where they end.
    pub(crate) fn change(&self, loads: &Loads, changes: &[u8]) -> Result<Answers> {
        let store = self.handle.store();
        let answers = changes::make(store, loads, changes)?;
        let end = answers.any_was_made().then(|| store.db().log_end()).transpose()?;
        *self.changed_to.lock() = end;
        Ok(answers)
    }

    /// Has what was changed last synced, if `sync` or the store's mode says so: the number under which the
    /// outcome comes, or 0.
    pub(crate) fn sync_changes(&self, env: &Env, sync: bool) -> Result<i32> {
        let position = self.changed_to.lock().take();
        match position.filter(|_| self.handle.store().db().wants_sync(write_options(sync))) {
            Some(position) => self.request(env, |store, number| self.lane.sync(store, number, position)),
            None => Ok(DONE),
        }
    }

    /// Outcomes since the last time.
    pub(crate) fn take_outcomes(&self, env: &Env) -> napi::Result<Vec<Outcome>> {
        let outcomes = self.lane.take_outcomes();
        let ended = outcomes.iter().filter(|outcome| outcome.is_last).count();
        let count = u32::try_from(ended).expect("there is a number for each");
        if count > 0 && self.requests.fetch_sub(count, Ordering::Relaxed) == count {
            self.channel.hold(env, false)?;
        }
        Ok(outcomes)
    }

    /// Ends the lane. What it was asked for and has not begun is not done any more.
    pub(crate) fn stop(&self, env: &Env) {
        self.lane.stop();
        self.memory.tell(env, 0);
    }

    /// Tells V8 what the store takes.
    pub(crate) fn tell_memory(&self, env: &Env) {
        self.memory.tell(env, self.handle.memory_bytes());
    }

    /// Others may still have the store open when this handle is closed.
    pub(crate) fn store(&self) -> Result<&Arc<Store>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        Ok(self.handle.store())
    }

    /// The place up to which the log is to be synced, if it is.
    fn try_write(&self, operations: &[u8], sync: bool) -> Result<Option<LogPosition>> {
        let store = self.store()?;
        if operations.len() > INLINE_BYTES_MAX {
            return Err(Error::would_block());
        }
        let batch = read_writes(store, operations)?;
        let commit = store.db().try_write(batch).map_err(|(error, _)| error)?;
        Ok(store.db().wants_sync(write_options(sync)).then_some(commit.position))
    }

    fn request(&self, env: &Env, ask: impl FnOnce(&Arc<Store>, u32) -> std::io::Result<()>) -> Result<i32> {
        // Wraps before it could turn negative; two billion requests are not outstanding at a time.
        let number = self.last_request.fetch_add(1, Ordering::Relaxed) % 0x7fff_ffff + 1;
        ask(self.handle.store(), number)
            .map_err(|error| Error::system("starting a thread that writes", error))?;
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            // It fails only when the environment is going down, and then there is nothing to keep alive.
            let _ = self.channel.hold(env, true);
        }
        Ok(i32::try_from(number).expect("kept below 2^31"))
    }
}
