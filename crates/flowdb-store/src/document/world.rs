//! What the clients of one data directory share.

use super::catalog::Catalog;
use super::connections::{Action, Connections};
use super::deletion::Waiting;
use super::event::Event;
use super::portion::Limits;
use super::protocol::{is_portion, is_short};
use super::scheduler::{Mode, Scheduler};
use super::schema::{Database, put_count};
use super::transaction::Transaction;
use super::{ClientId, ConnectionId, Ids, RequestId, TransactionId};
use flowdb_engine::format::Reader;
use flowdb_engine::{Db, Error, ErrorKind, ReadTier, Result};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Tells a client's thread that there are events to drain. Called from any thread, without any lock held;
/// must return at once.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// No request of a batch is begun behind so many bytes of responses, or behind one that may have taken long:
/// what waits for the thread waits for all of it.
const BATCH_RESPONSE_BYTES: usize = 128 << 10;

/// A database that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Its name, in UTF-16 code units.
    pub name: Vec<u16>,
    /// Its version.
    pub version: u64,
}

/// All databases of one directory, and all clients that use them.
///
/// Shared by threads. `state` guards all bookkeeping and is held briefly: never while a transaction reads or
/// writes, and never while a waker is called. Each running transaction has a mutex of its own. Locks are
/// taken in the order transaction, `creation`, `state`. Events of a client's own calls do not wake it: it
/// drains them after the call.
pub struct World {
    pub(super) db: Db,
    limits: Limits,
    /// Reading never waits for a disk.
    pub(super) in_memory: bool,
    pub(super) state: Mutex<State>,
    /// Held while a commit that creates a database is written, so that the row of the next id
    /// never goes back.
    pub(super) creation: Mutex<()>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("db", &self.db).finish_non_exhaustive()
    }
}

/// The bookkeeping.
pub(super) struct State {
    pub(super) catalog: Catalog,
    pub(super) connections: Connections,
    pub(super) scheduler: Scheduler,
    pub(super) transactions: BTreeMap<TransactionId, TransactionState>,
    transaction_ids: Ids,
    pub(super) clients: BTreeMap<ClientId, Client>,
    client_ids: Ids,
    /// Clients that got events in the call at hand.
    told: Vec<ClientId>,
    /// Deletions to be written after the call at hand.
    deletions: Vec<RequestId>,
}

pub(super) struct Client {
    waker: Waker,
    events: VecDeque<Event>,
}

/// A transaction as the world sees it.
pub(super) struct TransactionState {
    pub(super) client: ClientId,
    pub(super) connection: ConnectionId,
    /// The open request whose version change it is.
    pub(super) upgrade: Option<RequestId>,
    /// It creates its database.
    pub(super) creates: bool,
    pub(super) phase: Phase,
}

/// How far a transaction has come.
pub(super) enum Phase {
    /// Not started: earlier ones have its scope.
    Waiting { mode: Mode, scope: Vec<u32>, database: Arc<Database> },
    /// Started.
    Running(Arc<Mutex<Transaction>>),
    /// To be committed by a worker that has not begun yet.
    CommitAsked(Arc<Mutex<Transaction>>),
    /// Being written.
    Writing,
}

impl World {
    /// The world of what is stored in `db`.
    ///
    /// Fails with `Corruption` if the catalog does not decode.
    pub fn open(db: Db) -> Result<Arc<Self>> {
        Self::open_with(db, Limits::default())
    }

    /// The same, of a database whose files are in memory: what reads little is never left to a worker.
    pub fn open_in_memory(db: Db) -> Result<Arc<Self>> {
        Self::new(db, Limits::in_memory(), true)
    }

    /// The same as [`World::open`] with other limits than the default ones.
    pub fn open_with(db: Db, limits: Limits) -> Result<Arc<Self>> {
        Self::new(db, limits, false)
    }

    fn new(db: Db, limits: Limits, in_memory: bool) -> Result<Arc<Self>> {
        let state = State {
            catalog: Catalog::load(&db)?,
            connections: Connections::default(),
            scheduler: Scheduler::default(),
            transactions: BTreeMap::new(),
            transaction_ids: Ids::default(),
            clients: BTreeMap::new(),
            client_ids: Ids::default(),
            told: Vec::new(),
            deletions: Vec::new(),
        };
        let (state, creation) = (Mutex::new(state), Mutex::new(()));
        Ok(Arc::new(World { db, limits, in_memory, state, creation }))
    }

    /// A new client. `waker` is called when another client's call, or a worker, has queued events for it.
    pub fn register(&self, waker: Waker) -> ClientId {
        let mut state = self.state.lock();
        let state = &mut *state;
        let id = ClientId(state.client_ids.next(|id| state.clients.contains_key(&ClientId(id))));
        state.clients.insert(id, Client { waker, events: VecDeque::new() });
        id
    }

    /// The client's environment has died: aborts its transactions, closes its connections, takes its requests
    /// back. What a worker is writing for it is still finished.
    pub fn drop_client(&self, client: ClientId) {
        self.call(None, |world, state| {
            if state.clients.remove(&client).is_none() {
                return;
            }
            let names = state.connections.drop_requests(client);
            let owned = state.transactions.iter().filter(|(_, transaction)| {
                transaction.client == client && !matches!(transaction.phase, Phase::Writing)
            });
            let mut open: Vec<TransactionId> = owned.map(|(&id, _)| id).collect();
            open.sort_unstable();
            for id in open {
                world.finish(state, id, None);
            }
            let actions = state.connections.drop_connections(client, names, &state.catalog);
            world.carry_out(state, actions);
        });
    }

    /// The client's events since the last time, in order.
    pub fn drain(&self, client: ClientId) -> Vec<Event> {
        let mut state = self.state.lock();
        state.clients.get_mut(&client).map(|client| client.events.drain(..).collect()).unwrap_or_default()
    }

    /// True if [`World::drain`] would answer anything.
    pub fn has_events(&self, client: ClientId) -> bool {
        self.state.lock().clients.get(&client).is_some_and(|client| !client.events.is_empty())
    }

    /// Takes `Started` from the client's events, if it is the last of them: for a caller that asks right
    /// after the transaction was created.
    pub fn take_started(&self, client: ClientId, transaction: TransactionId) -> bool {
        let mut state = self.state.lock();
        let events = state.clients.get_mut(&client).map(|client| &mut client.events);
        let Some(events) = events.filter(|events| events.back() == Some(&Event::Started { transaction }))
        else {
            return false;
        };
        events.pop_back();
        true
    }

    /// The databases that exist, by name.
    pub fn databases(&self) -> Vec<DatabaseInfo> {
        let state = self.state.lock();
        let info = |database: &Arc<Database>| DatabaseInfo {
            name: database.name.clone(),
            version: database.version,
        };
        state.catalog.databases().map(info).collect()
    }

    /// Asks for a connection to the database `name`, at `version` if one is given. Ends with `Opened`,
    /// `Upgrade` or `Failed`.
    pub fn open_database(&self, client: ClientId, name: &[u16], version: Option<u64>) -> Result<RequestId> {
        self.call(Some(client), |world, state| {
            state.check_client(client)?;
            if version == Some(0) {
                return Err(Error::invalid("version 0"));
            }
            let (request, actions) = state.connections.open(client, name, version, &state.catalog);
            world.carry_out(state, actions);
            Ok(request)
        })
    }

    /// Asks for the database `name` to be deleted. Ends with `Deleted` or `Failed`.
    pub fn delete_database(&self, client: ClientId, name: &[u16]) -> Result<RequestId> {
        self.call(Some(client), |world, state| {
            state.check_client(client)?;
            let (request, actions) = state.connections.delete(client, name, &state.catalog);
            world.carry_out(state, actions);
            Ok(request)
        })
    }

    /// Takes back the client's requests to open and to delete, of which nothing has been done then. Answers
    /// which: the others have their answer among the client's events, or will.
    pub fn withdraw_requests(&self, client: ClientId) -> Vec<RequestId> {
        self.call(Some(client), |world, state| {
            let (requests, actions) = state.connections.withdraw(client, &state.catalog);
            world.carry_out(state, actions);
            requests
        })
    }

    /// Answers a `VersionChange`: it was fired, or the connection was found closed.
    pub fn version_change_delivered(&self, client: ClientId, request: RequestId, connection: ConnectionId) {
        self.call(Some(client), |world, state| {
            let actions = state.connections.delivered(client, request, connection, &state.catalog);
            world.carry_out(state, actions);
        });
    }

    /// Closes a connection: no new transactions; closed once those that exist are finished.
    pub fn close_connection(&self, client: ClientId, connection: ConnectionId) {
        self.call(Some(client), |world, state| {
            let actions = state.connections.close(client, connection, &state.catalog);
            world.carry_out(state, actions);
        });
    }

    /// Creates a transaction over the stores with these ids. `Started` says when its requests
    /// may be executed.
    pub fn begin_transaction(
        &self,
        client: ClientId,
        connection: ConnectionId,
        stores: &[u32],
        mode: Mode,
    ) -> Result<TransactionId> {
        self.call(Some(client), |world, state| {
            let database = state.database_of(client, connection, stores, mode)?;
            let mut scope = stores.to_vec();
            scope.sort_unstable();
            scope.dedup();
            let scopes = scope.iter().map(|&store| (database.id, store)).collect();
            let phase = Phase::Waiting { mode, scope, database };
            let transaction = TransactionState { client, connection, upgrade: None, creates: false, phase };
            let id = state.add_transaction(transaction);
            if state.scheduler.add(id, mode, scopes) {
                world.start(state, id);
            }
            Ok(id)
        })
    }

    /// Executes a request, or a portion of it. `None` if the answer is not in memory and `tier` is `Memory`:
    /// nothing has changed then, and the same request is to be executed on a worker with `Disk`.
    ///
    /// Fails with `InvalidArgument` if the transaction does not run, or if the bytes are no request; what
    /// fails for the user is in the response.
    pub fn execute(
        &self,
        client: ClientId,
        id: TransactionId,
        request: &[u8],
        tier: ReadTier,
    ) -> Result<Option<Vec<u8>>> {
        let transaction = self.running(client, id)?;
        match tier {
            ReadTier::Disk => transaction.lock().execute(request, tier),
            // Another request of the transaction may be on a worker.
            ReadTier::Memory => match transaction.try_lock() {
                Some(mut transaction) => transaction.execute(request, tier),
                None => Ok(None),
            },
        }
    }

    /// Executes several requests, each behind its length, and appends the responses to `responses`, each
    /// behind its length. Leaves off behind many bytes of responses, behind a request that may have taken
    /// long, after [`Limits::batch_time`], and before one whose answer is not in memory: if that is the
    /// first, there is no response.
    ///
    /// Fails as [`World::execute`] does; what came before the request at fault has been executed then.
    pub fn execute_batch(
        &self,
        client: ClientId,
        id: TransactionId,
        requests: &[u8],
        responses: &mut Vec<u8>,
    ) -> Result<()> {
        let transaction = self.running(client, id)?;
        let Some(mut transaction) = transaction.try_lock() else { return Ok(()) };
        self.execute_all(&mut transaction, requests, responses).map(drop)
    }

    /// The same, of a transaction that is at hand. True if there is a response to each request.
    pub(super) fn execute_all(
        &self,
        transaction: &mut Transaction,
        requests: &[u8],
        responses: &mut Vec<u8>,
    ) -> Result<bool> {
        let begun = self.db.monotonic();
        let mut reader = Reader::new(requests);
        while !reader.is_empty() {
            let length = reader.u32().and_then(|length| usize::try_from(length).ok());
            let request = length.and_then(|length| reader.take(length));
            let request = request.ok_or_else(|| Error::invalid("the requests are cut off"))?;
            let response = if self.in_memory {
                transaction.execute_without_disk(request)?
            } else {
                transaction.execute(request, ReadTier::Memory)?
            };
            let Some(response) = response else { return Ok(false) };
            put_count(responses, response.len());
            responses.extend_from_slice(&response);
            let is_long =
                responses.len() >= BATCH_RESPONSE_BYTES || !is_short(request) || is_portion(&response);
            if is_long || (!reader.is_empty() && self.db.monotonic() - begun >= self.limits.batch_time) {
                break;
            }
        }
        Ok(reader.is_empty())
    }

    fn running(&self, client: ClientId, id: TransactionId) -> Result<Arc<Mutex<Transaction>>> {
        let state = self.state.lock();
        match state.transactions.get(&id) {
            Some(TransactionState { client: owner, phase: Phase::Running(transaction), .. })
                if *owner == client =>
            {
                Ok(Arc::clone(transaction))
            }
            _ => Err(Error::invalid(format!("transaction {id} is not running"))),
        }
    }

    /// Does something with the state; then, without the lock, wakes those that were told something
    /// and writes deletions.
    pub(super) fn call<R>(&self, acting: Option<ClientId>, act: impl FnOnce(&Self, &mut State) -> R) -> R {
        let (result, wakers, deletions) = {
            let mut state = self.state.lock();
            let result = act(self, &mut state);
            let told = std::mem::take(&mut state.told);
            let others = told.into_iter().filter(|client| Some(*client) != acting);
            let wakers: Vec<Waker> = others
                .filter_map(|id| state.clients.get(&id))
                .map(|client| Arc::clone(&client.waker))
                .collect();
            (result, wakers, std::mem::take(&mut state.deletions))
        };
        for waker in wakers {
            waker();
        }
        for request in deletions {
            self.write_deletion(acting, request, Waiting::Forbidden);
        }
        result
    }

    pub(super) fn carry_out(&self, state: &mut State, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Tell(client, event) => state.tell(client, event),
                Action::Delete { request } => state.deletions.push(request),
                Action::Upgrade { client, request, connection, old_version, new_version } => {
                    self.upgrade(state, client, request, connection, old_version, new_version);
                }
            }
        }
    }

    /// Takes the snapshot of a transaction whose turn has come.
    pub(super) fn start(&self, state: &mut State, id: TransactionId) {
        let Some(entry) = state.transactions.get_mut(&id) else { return };
        let Phase::Waiting { mode, scope, database } = &mut entry.phase else { return };
        let (mode, scope, database) = (*mode, std::mem::take(scope), Arc::clone(database));
        let transaction = self.begin(mode, scope, database);
        entry.phase = Phase::Running(Arc::new(Mutex::new(transaction)));
        let client = entry.client;
        state.tell(client, Event::Started { transaction: id });
    }

    pub(super) fn begin(&self, mode: Mode, scope: Vec<u32>, database: Arc<Database>) -> Transaction {
        Transaction::begin(self.db.clone(), self.limits, mode, scope, database)
    }

    /// <https://w3c.github.io/IndexedDB/#upgrade-a-database>
    fn upgrade(
        &self,
        state: &mut State,
        client: ClientId,
        request: RequestId,
        connection: ConnectionId,
        old_version: u64,
        new_version: u64,
    ) {
        let Some(name) = state.connections.connection(client, connection).map(|open| open.name.clone())
        else {
            return;
        };
        let existing = state.catalog.get(&name).cloned();
        let creates = existing.is_none();
        let created = || Some(Arc::new(Database::new(state.catalog.allocate_database_id()?, name)));
        let Some(database) = existing.or_else(created) else {
            let actions = state.connections.refuse_upgrade(request, &state.catalog);
            return self.carry_out(state, actions);
        };
        let schema = database.schema_bytes();
        let mut begun = self.begin(Mode::VersionChange, Vec::new(), database);
        begun.set_version(new_version);
        let phase = Phase::Running(Arc::new(Mutex::new(begun)));
        let entry = TransactionState { client, connection, upgrade: Some(request), creates, phase };
        let transaction = state.add_transaction(entry);
        let event = Event::Upgrade { request, connection, transaction, old_version, new_version, schema };
        state.tell(client, event);
    }
}

impl State {
    pub(super) fn tell(&mut self, client: ClientId, event: Event) {
        if let Some(known) = self.clients.get_mut(&client) {
            known.events.push_back(event);
            if !self.told.contains(&client) {
                self.told.push(client);
            }
        }
    }

    /// The database of an open connection, if a transaction over these stores can be created.
    pub(super) fn database_of(
        &self,
        client: ClientId,
        connection: ConnectionId,
        stores: &[u32],
        mode: Mode,
    ) -> Result<Arc<Database>> {
        let open = self.connections.connection(client, connection).filter(|open| !open.close_pending);
        let database = open.and_then(|open| self.catalog.get(&open.name));
        let Some(database) = database.filter(|_| !self.connections.is_upgrading(connection)) else {
            return Err(Error::invalid(format!("connection {connection} is not open")));
        };
        if mode == Mode::VersionChange || !stores.iter().all(|id| database.stores.contains_key(id)) {
            return Err(Error::invalid(format!(
                "no transaction over the stores {stores:?} in mode {mode:?}"
            )));
        }
        Ok(Arc::clone(database))
    }

    fn check_client(&self, client: ClientId) -> Result<()> {
        if self.clients.contains_key(&client) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed, "this client was disposed of"))
    }

    pub(super) fn add_transaction(&mut self, transaction: TransactionState) -> TransactionId {
        let id = self.transaction_ids.next(|id| self.transactions.contains_key(&id));
        self.connections.transaction_began(transaction.connection);
        self.transactions.insert(id, transaction);
        id
    }
}
