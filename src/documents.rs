//! What the IndexedDB facade speaks to: one client of a [`World`] for each factory and environment.
//!
//! The requests of a transaction are bytes, which only `flowdb-store` reads.

use crate::channel::Channel;
use crate::error;
use crate::events;
use crate::maintenance::Scheduler;
use crate::options::open_store;
use crate::requests::Requests;
use crate::task::{self, Reply, Work};
use flowdb_engine::{Error, ErrorKind, ReadTier, Result};
use flowdb_store::document::{ClientId, CommitOutcome, Event, Mode, World};
use flowdb_store::{StoreHandle, StoreOptions};
use napi::bindgen_prelude::{AsyncTask, BufferSlice, Env, Function, Object, ObjectFinalize, Utf16String};
use napi_derive::napi;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A client, and the handle that keeps its store open.
#[napi(custom_finalize)]
pub struct DocumentClient {
    world: Arc<World>,
    client: ClientId,
    channel: Arc<Channel>,
    handle: Arc<StoreHandle>,
    held: AtomicBool,
    requests: Arc<Requests>,
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
        let handle = Arc::new(handle);
        let requests = Requests::new(Arc::clone(&world), client, Arc::clone(&handle));
        Ok(DocumentClient { world, client, channel, handle, held: AtomicBool::new(false), requests })
    }
}

#[napi]
impl DocumentClient {
    /// A client of a fresh, empty world. `wake` is called from the event loop when another thread
    /// has queued events.
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
    #[napi]
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

    /// Takes back the requests to open and to delete for which nothing has been done: which they are.
    #[napi]
    pub fn withdraw_requests(&self) -> Vec<u32> {
        self.world.withdraw_requests(self.client)
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

    /// Creates a transaction: its number, negative if it has to wait for others, and then an event tells that
    /// it may start.
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

    /// The function that executes requests of a transaction: see [`Requests::executor`].
    #[napi]
    pub fn executor<'env>(&self, env: &'env Env) -> napi::Result<Function<'env, (), i32>> {
        self.requests.executor(env)
    }

    /// The function that does a transaction in one call: see [`Requests::transactor`].
    #[napi]
    pub fn transactor<'env>(&self, env: &'env Env) -> napi::Result<Function<'env, (), i32>> {
        self.requests.transactor(env)
    }

    /// The responses for which there was no room.
    #[napi]
    pub fn take_responses<'env>(&self, env: &'env Env) -> napi::Result<BufferSlice<'env>> {
        BufferSlice::copy_from(env, self.requests.take_responses())
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
        self.requests.has_committed(&env);
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
    #[napi]
    pub fn drain<'env>(&self, env: &'env Env) -> napi::Result<Vec<Object<'env>>> {
        // What a worker has committed meanwhile is there now.
        self.requests.memory.tell(env, self.handle.memory_bytes());
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

    /// As if the environment had died. The promise is fulfilled once the directory is given back, and closed
    /// if nobody else in this process has it open. Does nothing the second time.
    #[napi]
    pub fn dispose(&self, env: Env) -> napi::Result<AsyncTask<Work<()>>> {
        self.world.drop_client(self.client);
        self.hold(env, false)?;
        self.requests.memory.tell(&env, 0);
        let handle = Arc::clone(&self.handle);
        Ok(task::run(move || handle.close()))
    }
}

impl ObjectFinalize for DocumentClient {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.requests.memory.tell(&env, 0);
        Ok(())
    }
}

impl Drop for DocumentClient {
    /// Collected as garbage, or the environment has died.
    fn drop(&mut self) {
        self.world.drop_client(self.client);
    }
}
