//! What the IndexedDB facade speaks to: one client of a [`World`] for each factory and environment.
//!
//! The requests of a transaction are bytes, which only `flowdb-store` reads.

use crate::channel::Channel;
use crate::error;
use crate::events;
use crate::external_memory::ExternalMemory;
use crate::maintenance::{self, Scheduler};
use crate::options::open_store;
use crate::task::{self, Reply, Work};
use flowdb_engine::{Error, ErrorKind, ReadTier, Result};
use flowdb_store::document::{Begin, ClientId, CommitOutcome, Event, Mode, Then, Transacted, World};
use flowdb_store::{StoreHandle, StoreOptions};
use napi::bindgen_prelude::{
    AsyncTask, BufferSlice, Either, Env, Function, Object, ObjectFinalize, Utf16String,
};
use napi_derive::napi;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Room for the response to most requests.
const RESPONSE_BYTES: usize = 512;

/// What is in front of responses in memory of the facade's. `transact` writes there how far it has come, and the number of the transaction.
const HEAD_BYTES: usize = 8;
const COMMITTED: u32 = 0;
const RUNNING: u32 = 1;

/// Flags of `transact`.
const READ_WRITE: u32 = 1;
const COMMIT: u32 = 2;

/// A client, and the handle that keeps its store open.
#[napi(custom_finalize)]
pub struct DocumentClient {
    world: Arc<World>,
    client: ClientId,
    channel: Arc<Channel>,
    handle: Arc<StoreHandle>,
    held: AtomicBool,
    memory: ExternalMemory,
}

impl Reply for DocumentClient {
    type Js<'env> = DocumentClient;

    fn into_js(self, _: &Env) -> napi::Result<DocumentClient> {
        Ok(self)
    }
}

impl DocumentClient {
    fn connect(path: Option<&str>, channel: Channel) -> Result<Self> {
        let options = StoreOptions { waker: Some(Arc::new(Scheduler)), ..StoreOptions::default() };
        let handle = open_store(path, &options)?;
        let world = handle.documents()?;
        let channel = Arc::new(channel);
        // Weak: the world outlives its clients, and a dead client is told nothing.
        let waking = Arc::downgrade(&channel);
        let client = world.register(Arc::new(move || {
            if let Some(channel) = waking.upgrade() {
                channel.notify();
            }
        }));
        Ok(DocumentClient {
            world,
            client,
            channel,
            handle: Arc::new(handle),
            held: AtomicBool::new(false),
            memory: ExternalMemory::default(),
        })
    }
}

#[napi]
impl DocumentClient {
    /// A client of a fresh, empty world. `wake` is called from the event loop when another thread has queued events.
    #[napi]
    pub fn open_memory(env: Env, wake: Function<'_, (), ()>) -> napi::Result<DocumentClient> {
        Self::connect(None, Channel::new(&wake, |_| ())?).map_err(|error| error::to_js(&env, &error))
    }

    /// A client of what is in a directory.
    #[napi]
    pub fn open(path: String, wake: Function<'_, (), ()>) -> napi::Result<AsyncTask<Work<DocumentClient>>> {
        let channel = Channel::new(&wake, |_| ())?;
        Ok(task::run(move || Self::connect(Some(&path), channel)))
    }

    /// Databases that exist, by name.
    #[napi(ts_return_type = "{ name: string, version: number }[]")]
    pub fn databases<'env>(&self, env: &'env Env) -> napi::Result<Vec<Object<'env>>> {
        self.world.databases().into_iter().map(|info| events::database(env, info)).collect()
    }

    /// Asks for a connection; version 0 stands for none given.
    #[napi]
    pub fn open_database(&self, env: Env, name: Utf16String, version: i64) -> napi::Result<u32> {
        let request = u64::try_from(version)
            .map_err(|_| Error::invalid(format!("version: {version} is none")))
            .and_then(|version| {
                self.world.open_database(self.client, &name, (version != 0).then_some(version))
            });
        request.map_err(|error| error::to_js(&env, &error))
    }

    /// Asks for a database to be deleted.
    #[napi]
    pub fn delete_database(&self, env: Env, name: Utf16String) -> napi::Result<u32> {
        self.world.delete_database(self.client, &name).map_err(|error| error::to_js(&env, &error))
    }

    /// `versionchange` was fired at a connection, or the connection was found closed.
    #[napi]
    pub fn version_change_delivered(&self, request: u32, connection: u32) {
        self.world.version_change_delivered(self.client, request, connection);
    }

    /// Closes a connection once its transactions are finished.
    #[napi]
    pub fn close_connection(&self, connection: u32) {
        self.world.close_connection(self.client, connection);
    }

    /// Creates a transaction: its number, negative if it has to wait for others, and then an event tells that it may start.
    #[napi]
    pub fn begin_transaction(
        &self,
        env: Env,
        connection: u32,
        stores: &[u32],
        readwrite: bool,
    ) -> napi::Result<f64> {
        let mode = if readwrite { Mode::ReadWrite } else { Mode::ReadOnly };
        let id = self
            .world
            .begin_transaction(self.client, connection, stores, mode)
            .map_err(|error| error::to_js(&env, &error))?;
        let started = self.world.take_started(self.client, id);
        Ok(if started { f64::from(id) } else { -f64::from(id) })
    }

    /// Executes requests from memory, up to one that may take long: those in `requests` from `start` up to `end`, each behind its length. Writes
    /// the responses to `scratch`, behind a head, each behind its length, and answers how many bytes they are; or answers them as a Buffer, if they are more
    /// than fit. 0: the first cannot be answered from memory, and nothing has changed.
    #[napi]
    pub fn execute<'env>(
        &self,
        env: &'env Env,
        transaction: u32,
        requests: &[u8],
        start: u32,
        end: u32,
        mut scratch: BufferSlice<'_>,
    ) -> napi::Result<Either<u32, BufferSlice<'env>>> {
        let requests = requests.get(start as usize..end as usize).unwrap_or_default();
        let mut responses = Vec::with_capacity(RESPONSE_BYTES);
        let executed = self.world.execute_batch(self.client, transaction, requests, &mut responses);
        executed.map_err(|error| error::to_js(env, &error))?;
        hand_over(env, responses, scratch.get_mut(HEAD_BYTES..).unwrap_or_default())
    }

    /// Creates a transaction over one store, executes its first requests as `execute` does, and commits it if that is among the `flags`, if all
    /// requests have succeeded, and if nothing has to be waited for. In front of the responses, `scratch` has how far it has come (committed,
    /// running), and its number. In memory only, and if no other transaction is running or waiting.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "an object with them would cost more than the call")]
    pub fn transact<'env>(
        &self,
        env: &'env Env,
        connection: u32,
        store: u32,
        flags: u32,
        requests: &[u8],
        start: u32,
        end: u32,
        mut scratch: BufferSlice<'_>,
    ) -> napi::Result<Either<u32, BufferSlice<'env>>> {
        let requests = requests.get(start as usize..end as usize).unwrap_or_default();
        let mode = if flags & READ_WRITE != 0 { Mode::ReadWrite } else { Mode::ReadOnly };
        let then = if flags & COMMIT != 0 { Then::Commit } else { Then::Stay };
        let begin = Begin { connection, store, mode };
        let mut responses = Vec::with_capacity(RESPONSE_BYTES);
        let (head, rest) = scratch
            .split_first_chunk_mut::<HEAD_BYTES>()
            .ok_or_else(|| napi::Error::from_reason("scratch: too small"))?;
        let done = self.world.transact(self.client, begin, requests, &mut responses, then);
        let (state, id) = match done.map_err(|error| error::to_js(env, &error))? {
            Transacted::Committed => {
                self.has_committed(env);
                (COMMITTED, 0)
            }
            Transacted::Running(id) => (RUNNING, id),
        };
        *head = (u64::from(state) | u64::from(id) << 32).to_le_bytes();
        hand_over(env, responses, rest)
    }

    /// Executes a request on a worker. Its bytes are copied.
    #[napi]
    pub fn execute_async(&self, transaction: u32, request: &[u8]) -> AsyncTask<Work<Vec<u8>>> {
        let (world, client, request) = (Arc::clone(&self.world), self.client, request.to_vec());
        task::run(move || {
            let response = world.execute(client, transaction, &request, ReadTier::Disk)?;
            response.ok_or_else(|| Error::new(ErrorKind::Io, "a read from the disk found no answer"))
        })
    }

    /// Commits. 0: an event tells how it went. 1: done. 2: done, and there are events.
    #[napi]
    pub fn commit(&self, env: Env, transaction: u32, strict: bool) -> napi::Result<u32> {
        let outcome = self.world.commit(self.client, transaction, strict);
        self.has_committed(&env);
        match outcome.map_err(|error| error::to_js(&env, &error))? {
            CommitOutcome::Committed if self.world.has_events(self.client) => Ok(2),
            CommitOutcome::Committed => Ok(1),
            CommitOutcome::Failed => Ok(0),
            CommitOutcome::NeedsWorker => {
                let world = Arc::clone(&self.world);
                task::spawn(&env, move || world.commit_blocking(transaction, strict))?;
                Ok(0)
            }
        }
    }

    /// Discards a transaction.
    #[napi]
    pub fn abort(&self, env: Env, transaction: u32) -> napi::Result<()> {
        self.world.abort(self.client, transaction).map_err(|error| error::to_js(&env, &error))
    }

    /// Events since the last time, in order.
    #[napi(ts_return_type = "object[]")]
    pub fn drain<'env>(&self, env: &'env Env) -> napi::Result<Vec<Object<'env>>> {
        // What a worker has committed meanwhile is there now.
        self.memory.tell(env, self.handle.memory_bytes());
        let mut objects = Vec::new();
        for event in self.world.drain(self.client) {
            match event {
                Event::DeleteNeedsWorker { request } => {
                    let world = Arc::clone(&self.world);
                    task::spawn(env, move || world.delete_blocking(request))?;
                }
                event => objects.push(events::event(env, event)?),
            }
        }
        Ok(objects)
    }

    /// Keeps the process alive, or no longer.
    #[napi]
    pub fn hold(&self, env: Env, yes: bool) -> napi::Result<()> {
        if self.held.swap(yes, Ordering::Relaxed) == yes {
            return Ok(());
        }
        self.channel.hold(&env, yes)
    }

    /// As if the environment had died. The promise is fulfilled once the directory is given back, and closed if nobody else in this process
    /// has it open. Does nothing the second time.
    #[napi]
    pub fn dispose(&self, env: Env) -> napi::Result<AsyncTask<Work<()>>> {
        self.world.drop_client(self.client);
        self.hold(env, false)?;
        self.memory.tell(&env, 0);
        let handle = Arc::clone(&self.handle);
        Ok(task::run(move || handle.close()))
    }
}

impl DocumentClient {
    fn has_committed(&self, env: &Env) {
        self.memory.tell(env, self.handle.memory_bytes());
        maintenance::start_slice(env);
    }
}

/// Writes responses to the front of `scratch` and answers how many bytes they are; or answers them as a Buffer, if they are more than fit.
fn hand_over<'env>(
    env: &'env Env,
    responses: Vec<u8>,
    scratch: &mut [u8],
) -> napi::Result<Either<u32, BufferSlice<'env>>> {
    match (scratch.get_mut(..responses.len()), u32::try_from(responses.len())) {
        (Some(target), Ok(length)) => {
            target.copy_from_slice(&responses);
            Ok(Either::A(length))
        }
        _ => BufferSlice::copy_from(env, responses).map(Either::B),
    }
}

impl ObjectFinalize for DocumentClient {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.memory.tell(&env, 0);
        Ok(())
    }
}

impl Drop for DocumentClient {
    /// Collected as garbage, or the environment has died.
    fn drop(&mut self) {
        self.world.drop_client(self.client);
    }
}
