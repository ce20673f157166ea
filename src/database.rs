//! A handle of a store, for records.

use crate::care::CheckpointReport;
use crate::changes::Answers;
use crate::channel::Channel;
use crate::compaction::RecordCompaction;
use crate::error;
use crate::holds::Holds;
use crate::lane::Outcome;
use crate::loads::Loads;
use crate::notices::{Notice, Notices};
use crate::options::{OpenOptions, open_store};
use crate::reader::RecordReader;
use crate::records::Records;
use crate::stats::{self, StoreStats};
use crate::task::{self, Reply, Work};
use crate::writer::Writer;
use flowdb_engine::{ErrorKind, EventListener, ReadTier};
use flowdb_store::{RecordId, Store, StoreHandle};
use napi::bindgen_prelude::{AsyncTask, Env, Function, Object, ObjectFinalize};
use napi_derive::napi;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An open handle of a store, and what one environment needs for its records.
#[napi(custom_finalize)]
pub struct RecordStore {
    handle: Arc<StoreHandle>,
    closed: Arc<AtomicBool>,
    writer: Arc<Writer>,
    notices: Mutex<Option<Arc<Notices>>>,
    loads: Arc<Loads>,
    holds: Arc<Holds>,
}

impl ObjectFinalize for RecordStore {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.writer.stop(&env);
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
            let handle = Arc::new(open_store(options.path.as_deref(), &options.to_store_options()?)?);
            let closed = Arc::default();
            let writer = Arc::new(Writer::new(Arc::clone(&handle), Arc::clone(&closed), channel));
            let (notices, loads, holds) = (Mutex::default(), Arc::default(), Arc::default());
            Ok(RecordStore { handle, closed, writer, notices, loads, holds })
        }))
    }

    /// A function `(operations, length, sync)`. It writes the packed operations in the first bytes as one
    /// commit, without waiting for anything. 0: done. Negative: it would have to wait, nothing has happened.
    /// Positive: done, and a sync of this number is under way.
    ///
    /// A function of its own as the getter of a `RecordReader` is.
    #[napi]
    pub fn writer<'env>(&self, env: &'env Env) -> napi::Result<Function<'env, (), i32>> {
        self.writer.function(env)
    }

    /// Writes packed operations on a thread of the handle's, behind what was asked for before, whatever is in
    /// the way. The outcome comes under the number that this gives. The operations are copied.
    #[napi]
    pub fn write_later(&self, env: Env, operations: &[u8], sync: bool) -> napi::Result<i32> {
        self.writer.write_later(&env, operations, sync).map_err(|error| error::to_js(&env, &error))
    }

    /// Outcomes of what was asked for under a number: it, the error, and whether this is all. If not, reads
    /// see the write, and its sync is under way.
    #[napi]
    pub fn take_outcomes(&self, env: Env) -> napi::Result<Vec<Object<'_>>> {
        let outcomes = self.writer.take_outcomes(&env)?;
        outcomes.into_iter().map(|outcome| outcome_to_js(&env, &outcome)).collect()
    }

    /// Makes packed changes one after the other, each depending on what it finds, on a worker. None of
    /// them is synced.
    #[napi]
    pub fn change_later(&self, env: Env, changes: &[u8]) -> napi::Result<AsyncTask<Work<Answers>>> {
        self.open_store(&env)?;
        self.writer.tell_memory(&env);
        let changes = changes.to_vec();
        let (writer, loads) = (Arc::clone(&self.writer), Arc::clone(&self.loads));
        Ok(task::run(move || writer.change(&loads, &changes)))
    }

    /// Has the changes of the last call that made some synced, if `sync` or the store's mode says so: the
    /// number under which the outcome comes. 0: they need not be.
    #[napi]
    pub fn sync_changes(&self, env: Env, sync: bool) -> napi::Result<i32> {
        self.writer.sync_changes(&env, sync).map_err(|error| error::to_js(&env, &error))
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

    /// Has `onNotice` called from the event loop when `takeNotices` has something, until the handle is
    /// closed or collected.
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

    /// Rewrites all trees until nothing superfluous is left in them, as far as it is run.
    #[napi]
    pub fn compaction(&self, env: Env) -> napi::Result<RecordCompaction> {
        self.open_store(&env).map(|store| RecordCompaction::new(&store))
    }

    /// A number for a value that is worked out from now on, to be put by a change that names it.
    #[napi]
    pub fn begin_load(&self, env: Env) -> napi::Result<u32> {
        let store = self.open_store(&env)?;
        Ok(self.loads.begin(store.snapshot()))
    }

    /// True if nobody has touched the cache entry of `key` since the load began; null where
    /// memory cannot tell.
    #[napi]
    pub fn is_load_current(&self, env: Env, number: u32, key: &[u8]) -> napi::Result<Option<bool>> {
        let store = self.open_store(&env)?;
        let Some(since) = self.loads.since(number) else { return Ok(Some(false)) };
        match store.is_untouched(&since, RecordId::Kv(key), ReadTier::Memory) {
            Ok(is_untouched) => Ok(Some(is_untouched)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error::to_js(&env, &error)),
        }
    }

    /// The same, asked of files where memory cannot tell.
    #[napi]
    pub fn is_load_current_later(
        &self,
        env: Env,
        number: u32,
        key: &[u8],
    ) -> napi::Result<AsyncTask<Work<bool>>> {
        let store = self.open_store(&env)?;
        let (since, key) = (self.loads.since(number), key.to_vec());
        Ok(task::run(move || {
            since.map_or(Ok(false), |since| store.is_untouched(&since, RecordId::Kv(&key), ReadTier::Disk))
        }))
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
        self.writer.stop(&env);
        *self.notices.lock() = None;
        self.loads.end_all();
        self.holds.let_go();
        let handle = Arc::clone(&self.handle);
        task::run(move || handle.close())
    }

    fn reader_of(&self, records: Records) -> RecordReader {
        let (handle, closed) = (Arc::clone(&self.handle), Arc::clone(&self.closed));
        RecordReader::new(handle, closed, Arc::clone(&self.holds), Arc::new(records))
    }

    fn open_store(&self, env: &Env) -> napi::Result<Arc<Store>> {
        self.writer.store().map(Arc::clone).map_err(|error| error::to_js(env, &error))
    }
}

fn outcome_to_js<'env>(env: &Env, outcome: &Outcome) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    object.set("number", outcome.number)?;
    object.set("isLast", outcome.is_last)?;
    if let Some(error) = outcome.error.as_deref() {
        object.set("error", error::build(env, error)?)?;
    }
    Ok(object)
}
