//! A handle of a store, for records.

use crate::care::CheckpointReport;
use crate::changes::{self, Answers};
use crate::channel::Channel;
use crate::compaction::RecordCompaction;
use crate::error;
use crate::external_memory::ExternalMemory;
use crate::lane::{Lane, Request, write_options};
use crate::loads::Loads;
use crate::maintenance;
use crate::notices::{Notice, Notices};
use crate::operations::read_writes;
use crate::options::{OpenOptions, open_store};
use crate::reader::RecordReader;
use crate::records::Records;
use crate::stats::{self, StoreStats};
use crate::task::{self, Reply, Work};
use flowdb_engine::{Error, ErrorKind, EventListener, LogPosition, Result};
use flowdb_store::{RecordId, Store, StoreHandle};
use napi::bindgen_prelude::{AsyncTask, Env, Function, Object, ObjectFinalize};
use napi_derive::napi;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Larger commits are written by a worker: the copy into log and memtable would hold up the event loop.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// `write` answers with these where it has no number to give.
const DONE: i32 = 0;
const WOULD_BLOCK: i32 = -2;

/// An open handle of a store, and what one environment needs for its records.
#[napi(custom_finalize)]
pub struct RecordStore {
    handle: Arc<StoreHandle>,
    channel: Arc<Channel>,
    lane: Lane,
    closed: Arc<AtomicBool>,
    notices: Mutex<Option<Arc<Notices>>>,
    /// Number of the last request to the lane.
    last_request: AtomicU32,
    /// Requests whose outcome JS has not taken yet. The channel is held while there are some.
    requests: AtomicU32,
    memory: ExternalMemory,
    loads: Arc<Loads>,
}

impl ObjectFinalize for RecordStore {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.memory.tell(&env, 0);
        Ok(())
    }
}

impl Reply for RecordStore {
    type Js<'env> = RecordStore;

    fn into_js(self, _: &Env) -> napi::Result<RecordStore> {
        Ok(self)
    }
}

#[napi]
impl RecordStore {
    /// Opens a store. `onOutcome` is called from the event loop when `takeOutcomes` has something.
    #[napi]
    pub fn open(
        options: OpenOptions,
        on_outcome: Function<'_, (), ()>,
    ) -> napi::Result<AsyncTask<Work<RecordStore>>> {
        let channel = Arc::new(Channel::new(&on_outcome, |_| ())?);
        Ok(task::run(move || {
            let handle = open_store(options.path.as_deref(), &options.to_store_options()?)?;
            Ok(RecordStore {
                handle: Arc::new(handle),
                lane: Lane::new(Arc::clone(&channel)),
                channel,
                closed: Arc::default(),
                notices: Mutex::default(),
                last_request: AtomicU32::new(0),
                requests: AtomicU32::new(0),
                memory: ExternalMemory::default(),
                loads: Arc::default(),
            })
        }))
    }

    /// Writes packed operations as one commit, without waiting for anything. 0: done. Negative: it would have to
    /// wait, nothing has happened. Positive: done, and a sync of this number is under way.
    #[napi]
    pub fn write(&self, env: Env, operations: &[u8], sync: bool) -> napi::Result<i32> {
        self.memory.tell(&env, self.handle.memory_bytes());
        let result = self.try_write(operations, sync).and_then(|position| match position {
            Some(position) => self.request(&env, Request::Sync(position)),
            None => Ok(DONE),
        });
        // Under a loop that never yields, this is what gets the first slice going.
        maintenance::start_slice(&env);
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(WOULD_BLOCK),
            result => result.map_err(|error| error::to_js(&env, &error)),
        }
    }

    /// The same on a thread of the handle's, behind what was asked for before, whatever is in the way. The outcome comes under the number that this gives. The
    /// operations are copied.
    #[napi]
    pub fn write_later(&self, env: Env, operations: &[u8], sync: bool) -> napi::Result<i32> {
        self.memory.tell(&env, self.handle.memory_bytes());
        let write = || Request::Write { operations: operations.to_vec(), sync };
        let result = self.store().and_then(|_| self.request(&env, write()));
        maintenance::start_slice(&env);
        result.map_err(|error| error::to_js(&env, &error))
    }

    /// Outcomes of what was asked for under a number: it, and the error.
    #[napi(ts_return_type = "{ number: number, error?: Error }[]")]
    pub fn take_outcomes(&self, env: Env) -> napi::Result<Vec<Object<'_>>> {
        let outcomes = self.lane.take_outcomes();
        let count = u32::try_from(outcomes.len()).expect("there is a number for each");
        if count > 0 && self.requests.fetch_sub(count, Ordering::Relaxed) == count {
            self.channel.hold(&env, false)?;
        }
        outcomes.into_iter().map(|(number, error)| outcome(&env, number, error.as_deref())).collect()
    }

    /// Makes packed changes one after the other, each depending on what it finds, on a worker.
    #[napi(ts_return_type = "Promise<(Buffer | Error)[]>")]
    pub fn change_later(&self, env: Env, changes: &[u8]) -> napi::Result<AsyncTask<Work<Answers>>> {
        let store = self.open_store(&env)?;
        self.memory.tell(&env, store.memory_bytes());
        let changes = changes.to_vec();
        let loads = Arc::clone(&self.loads);
        Ok(task::run(move || changes::make(&store, &loads, &changes)))
    }

    /// Reads what is committed at the time of each read.
    #[napi]
    pub fn reader(&self, env: Env) -> napi::Result<RecordReader> {
        Ok(self.reader_of(Records::present(self.open_store(&env)?)))
    }

    /// Reads what is committed now.
    #[napi]
    pub fn snapshot(&self, env: Env) -> napi::Result<RecordReader> {
        Ok(self.reader_of(Records::past(self.open_store(&env)?.snapshot())))
    }

    /// Numbers about the present state.
    #[napi]
    pub fn stats(&self, env: Env) -> napi::Result<StoreStats> {
        let store = self.open_store(&env)?;
        Ok(stats::to_js(&store))
    }

    /// The same numbers as text for Prometheus.
    #[napi]
    pub fn metrics_text(&self, env: Env) -> napi::Result<String> {
        Ok(self.open_store(&env)?.db().metrics_text())
    }

    /// Has `onNotice` called from the event loop when `takeNotices` has something, until the handle is closed or collected.
    #[napi]
    pub fn listen(&self, env: Env, on_notice: Function<'_, (), ()>) -> napi::Result<()> {
        let store = self.open_store(&env)?;
        let notices = Arc::new(Notices::new(Channel::new(&on_notice, |_| ())?));
        let listener: Arc<dyn EventListener> = Arc::clone(&notices) as _;
        store.listen(&listener);
        *self.notices.lock() = Some(notices);
        Ok(())
    }

    /// What has happened since the last time.
    #[napi]
    pub fn take_notices(&self) -> Vec<Notice> {
        self.notices.lock().as_ref().map_or_else(Vec::new, |notices| notices.take())
    }

    /// Rewrites all trees until nothing superfluous is left in them, once it is run.
    #[napi]
    pub fn compaction(&self, env: Env) -> napi::Result<RecordCompaction> {
        self.open_store(&env).map(RecordCompaction::new)
    }

    /// A number for a value that is worked out from now on, to be put by a change that names it.
    #[napi]
    pub fn begin_load(&self, env: Env) -> napi::Result<u32> {
        let store = self.open_store(&env)?;
        Ok(self.loads.begin(store.snapshot()))
    }

    /// True if nobody has touched the cache entry of `key` since the load began.
    #[napi]
    pub fn is_load_current(&self, env: Env, number: u32, key: &[u8]) -> napi::Result<bool> {
        let store = self.open_store(&env)?;
        let Some(since) = self.loads.since(number) else { return Ok(false) };
        store.is_untouched(&since, RecordId::Kv(key)).map_err(|error| error::to_js(&env, &error))
    }

    /// The value was put, or will not be.
    #[napi]
    pub fn end_load(&self, number: u32) {
        self.loads.end(number);
    }

    /// Tries again what failed in the background.
    #[napi]
    pub fn resume(&self, env: Env) -> napi::Result<AsyncTask<Work<()>>> {
        let store = self.open_store(&env)?;
        Ok(task::run(move || store.db().resume()))
    }

    /// Copies the store into a directory.
    #[napi]
    pub fn checkpoint(&self, env: Env, directory: String) -> napi::Result<AsyncTask<Work<CheckpointReport>>> {
        let store = self.open_store(&env)?;
        Ok(task::run(move || store.checkpoint(Path::new(&directory)).map(CheckpointReport::from)))
    }

    /// Writes what is in memory to tables.
    #[napi]
    pub fn flush(&self, env: Env) -> napi::Result<AsyncTask<Work<()>>> {
        let store = self.open_store(&env)?;
        Ok(task::run(move || store.db().flush()))
    }

    /// Gives the handle back; the last one closes the store.
    #[napi]
    pub fn close(&self, env: Env) -> AsyncTask<Work<()>> {
        self.closed.store(true, Ordering::Relaxed);
        // Here, as this is dropped only by the garbage collector, which does not see threads.
        self.lane.stop();
        self.memory.tell(&env, 0);
        *self.notices.lock() = None;
        self.loads.end_all();
        let handle = Arc::clone(&self.handle);
        task::run(move || handle.close())
    }

    fn reader_of(&self, records: Records) -> RecordReader {
        RecordReader::new(Arc::clone(&self.handle), Arc::clone(&self.closed), records)
    }

    fn open_store(&self, env: &Env) -> napi::Result<Arc<Store>> {
        self.store().map(Arc::clone).map_err(|error| error::to_js(env, &error))
    }

    /// Others may still have the store open when this handle is closed.
    fn store(&self) -> Result<&Arc<Store>> {
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

    fn request(&self, env: &Env, request: Request) -> Result<i32> {
        // Wraps before it could turn negative; two billion requests are not outstanding at a time.
        let number = self.last_request.fetch_add(1, Ordering::Relaxed) % 0x7fff_ffff + 1;
        self.lane
            .request(self.handle.store(), number, request)
            .map_err(|error| Error::io(Path::new(""), "starting the log thread", error))?;
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            // It fails only when the environment is going down, and then there is nothing to keep alive.
            let _ = self.channel.hold(env, true);
        }
        Ok(i32::try_from(number).expect("kept below 2^31"))
    }
}

fn outcome<'env>(env: &Env, number: u32, error: Option<&Error>) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    object.set("number", number)?;
    if let Some(error) = error {
        object.set("error", error::build(env, error)?)?;
    }
    Ok(object)
}
