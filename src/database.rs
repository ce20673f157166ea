//! A handle of a store, for records.

use crate::channel::Channel;
use crate::error;
use crate::lane::Lane;
use crate::maintenance;
use crate::operations::{answer_read, answer_reads, read_writes};
use crate::options::{OpenOptions, open_store};
use crate::scan::RecordScan;
use crate::stats::{self, StoreStats};
use crate::task::{self, Reply, Work};
use flowdb_engine::{Durability, Error, ErrorKind, LogPosition, ReadTier, Result, WriteOptions};
use flowdb_store::{Store, StoreHandle};
use napi::bindgen_prelude::{AsyncTask, BufferSlice, Either, Env, Function, Object};
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Larger commits are written by a worker: the copy into log and memtable would hold up the event loop.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// `write` and `get` answer with these where they have no number or bytes to give.
const DONE: i32 = 0;
const ABSENT: i32 = -1;
const WOULD_BLOCK: i32 = -2;

/// An open handle of a store, and what one environment needs for its records.
#[napi]
pub struct RecordStore {
    handle: Arc<StoreHandle>,
    channel: Arc<Channel>,
    lane: Lane,
    closed: AtomicBool,
    /// Number of the last sync asked for.
    last_sync: AtomicU32,
    /// Syncs whose outcome JS has not taken yet. The channel is held while there are some.
    syncs: AtomicU32,
}

impl Reply for RecordStore {
    type Js<'env> = RecordStore;

    fn into_js(self, _: &Env) -> napi::Result<RecordStore> {
        Ok(self)
    }
}

#[napi]
impl RecordStore {
    /// Opens a store. `onSynced` is called from the event loop when `takeSynced` has something.
    #[napi]
    pub fn open(
        options: OpenOptions,
        on_synced: Function<'_, (), ()>,
    ) -> napi::Result<AsyncTask<Work<RecordStore>>> {
        let channel = Arc::new(Channel::new(&on_synced, |_| ())?);
        Ok(task::run(move || {
            let handle = open_store(options.path.as_deref(), &options.to_store_options()?)?;
            Ok(RecordStore {
                handle: Arc::new(handle),
                lane: Lane::new(Arc::clone(&channel)),
                channel,
                closed: AtomicBool::new(false),
                last_sync: AtomicU32::new(0),
                syncs: AtomicU32::new(0),
            })
        }))
    }

    /// Writes packed operations as one commit, without waiting for anything. 0: done. Negative: it would have to
    /// wait, nothing has happened. Positive: done, and a sync of this number is under way.
    #[napi]
    pub fn write(&self, env: Env, operations: &[u8], sync: bool) -> napi::Result<i32> {
        let result = self.try_write(operations, sync).and_then(|position| match position {
            Some(position) => self.request_sync(&env, position),
            None => Ok(DONE),
        });
        // Under a loop that never yields, this is what gets the first slice going.
        maintenance::start_slice(&env);
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(WOULD_BLOCK),
            result => result.map_err(|error| error::to_js(&env, &error)),
        }
    }

    /// The same on a worker, synced if that is asked for. The operations are copied.
    #[napi]
    pub fn write_later(&self, env: Env, operations: &[u8], sync: bool) -> napi::Result<AsyncTask<Work<()>>> {
        let store = self.open_store(&env)?;
        let operations = operations.to_vec();
        Ok(task::run(move || {
            let batch = read_writes(&store, &operations)?;
            drop(operations);
            store.db().write(batch, write_options(sync)).map(|_| ())
        }))
    }

    /// Outcomes of syncs: number and error, in the order in which they were asked for.
    #[napi(ts_return_type = "{ number: number, error?: Error }[]")]
    pub fn take_synced(&self, env: Env) -> napi::Result<Vec<Object<'_>>> {
        let outcomes = self.lane.take_outcomes();
        let count = u32::try_from(outcomes.len()).expect("there is a number for each");
        if count > 0 && self.syncs.fetch_sub(count, Ordering::Relaxed) == count {
            self.channel.hold(&env, false)?;
        }
        outcomes.into_iter().map(|(number, error)| outcome(&env, number, error.as_deref())).collect()
    }

    /// Answers the packed read that stands in the first `length` bytes of `scratch`, from memory, or from the disk if
    /// it may block. Writes the answer to `scratch` and gives its length, or gives the answer itself if it is too
    /// long for that. -1: nothing is there. -2: it would have to block.
    #[napi]
    pub fn get<'env>(
        &self,
        env: &'env Env,
        mut scratch: BufferSlice<'_>,
        length: u32,
        may_block: bool,
    ) -> napi::Result<Either<i32, BufferSlice<'env>>> {
        let store = self.open_store(env)?;
        let tier = if may_block { ReadTier::Disk } else { ReadTier::Memory };
        let mut answer = Vec::new();
        let read = scratch.get(..length as usize).unwrap_or_default();
        match answer_read(&store, read, tier, &mut answer) {
            Ok(false) => Ok(Either::A(ABSENT)),
            Ok(true) => match (scratch.get_mut(..answer.len()), i32::try_from(answer.len())) {
                (Some(target), Ok(length)) => {
                    target.copy_from_slice(&answer);
                    Ok(Either::A(length))
                }
                _ => BufferSlice::copy_from(env, answer).map(Either::B),
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Either::A(WOULD_BLOCK)),
            Err(error) => Err(error::to_js(env, &error)),
        }
    }

    /// Answers packed reads on a worker.
    #[napi]
    pub fn get_later(&self, env: Env, reads: &[u8]) -> napi::Result<AsyncTask<Work<Vec<u8>>>> {
        let store = self.open_store(&env)?;
        let reads = reads.to_vec();
        Ok(task::run(move || answer_reads(&store, &reads)))
    }

    /// A scan of what is committed now.
    #[napi]
    pub fn scan(&self, env: Env, request: &[u8]) -> napi::Result<RecordScan> {
        let store = self.open_store(&env)?;
        RecordScan::new(&store, request).map_err(|error| error::to_js(&env, &error))
    }

    /// Numbers about the present state.
    #[napi]
    pub fn stats(&self, env: Env) -> napi::Result<StoreStats> {
        Ok(stats::to_js(&self.open_store(&env)?.db().stats()))
    }

    /// Writes what is in memory to tables.
    #[napi]
    pub fn flush(&self, env: Env) -> napi::Result<AsyncTask<Work<()>>> {
        let store = self.open_store(&env)?;
        Ok(task::run(move || store.db().flush()))
    }

    /// Gives the handle back; the last one closes the store.
    #[napi]
    pub fn close(&self) -> AsyncTask<Work<()>> {
        self.closed.store(true, Ordering::Relaxed);
        let handle = Arc::clone(&self.handle);
        task::run(move || handle.close())
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

    fn request_sync(&self, env: &Env, position: LogPosition) -> Result<i32> {
        // Wraps before it could turn negative; two billion syncs are not outstanding at a time.
        let number = self.last_sync.fetch_add(1, Ordering::Relaxed) % 0x7fff_ffff + 1;
        self.lane
            .request(self.handle.db(), number, position)
            .map_err(|error| Error::io(Path::new(""), "starting the log thread", error))?;
        if self.syncs.fetch_add(1, Ordering::Relaxed) == 0 {
            // It fails only when the environment is going down, and then there is nothing to keep alive.
            let _ = self.channel.hold(env, true);
        }
        Ok(i32::try_from(number).expect("kept below 2^31"))
    }
}

fn write_options(sync: bool) -> WriteOptions {
    WriteOptions { durability: sync.then_some(Durability::Synced) }
}

fn outcome<'env>(env: &Env, number: u32, error: Option<&Error>) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    object.set("number", number)?;
    if let Some(error) = error {
        object.set("error", error::build(env, error)?)?;
    }
    Ok(object)
}
