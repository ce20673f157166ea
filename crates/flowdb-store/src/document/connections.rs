//! The connection queue: who has which database open, and whose turn it is to open, upgrade or delete it.
//!
//! <https://w3c.github.io/IndexedDB/#connection-queues>. Pure bookkeeping: calls answer the [`Action`]s
//! they lead to, and [`World`](super::World) carries them out. Per database name, one request is processed
//! at a time.

use super::catalog::Catalog;
use super::event::Event;
use super::{ClientId, ConnectionId, Ids, RequestId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

mod queue;
#[cfg(test)]
mod tests;

/// What is to be done after a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Queue an event.
    Tell(ClientId, Event),
    /// Begin the version change transaction of a connection.
    Upgrade {
        client: ClientId,
        request: RequestId,
        connection: ConnectionId,
        old_version: u64,
        new_version: u64,
    },
    /// Write the deletion of a database.
    Delete { request: RequestId },
}

/// A connection to a database. One whose client has died, or that was closed, stays until its
/// transactions are finished.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: ClientId,
    pub(crate) name: Vec<u16>,
    pub(crate) close_pending: bool,
    /// Unfinished transactions.
    transactions: usize,
}

#[derive(Debug)]
struct Request {
    client: ClientId,
    name: Vec<u16>,
    kind: Kind,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Open, at this version if one is given.
    Open(Option<u64>),
    Delete,
}

/// How far a request has come. Only the first one of a queue is beyond `Waiting`.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// `versionchange` is on its way to these connections.
    Delivering(BTreeSet<ConnectionId>),
    /// All were told; the other connections are not closed yet.
    Blocked,
    /// The version change transaction of this connection is not finished.
    Upgrading(ConnectionId),
    /// The deletion is to be written; `writing` while a thread is at it.
    Deleting {
        writing: bool,
    },
}

/// All connections and open or delete requests.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    connections: BTreeMap<ConnectionId, Connection>,
    requests: BTreeMap<RequestId, Request>,
    queues: HashMap<Vec<u16>, VecDeque<RequestId>>,
    connection_ids: Ids,
    request_ids: Ids,
}

impl Connections {
    /// A request to open a database.
    pub(crate) fn open(
        &mut self,
        client: ClientId,
        name: &[u16],
        version: Option<u64>,
        catalog: &Catalog,
    ) -> (RequestId, Vec<Action>) {
        self.request(client, name, Kind::Open(version), catalog)
    }

    /// A request to delete a database.
    pub(crate) fn delete(
        &mut self,
        client: ClientId,
        name: &[u16],
        catalog: &Catalog,
    ) -> (RequestId, Vec<Action>) {
        self.request(client, name, Kind::Delete, catalog)
    }

    fn request(
        &mut self,
        client: ClientId,
        name: &[u16],
        kind: Kind,
        catalog: &Catalog,
    ) -> (RequestId, Vec<Action>) {
        let id = self.request_ids.next(|id| self.requests.contains_key(&id));
        self.requests.insert(id, Request { client, name: name.to_vec(), kind, stage: Stage::Waiting });
        self.queues.entry(name.to_vec()).or_default().push_back(id);
        (id, self.process(name, catalog))
    }

    /// `versionchange` was fired at a connection, or needed not be fired any more.
    pub(crate) fn delivered(
        &mut self,
        client: ClientId,
        request: RequestId,
        connection: ConnectionId,
        catalog: &Catalog,
    ) -> Vec<Action> {
        let owned = self.connections.get(&connection).is_none_or(|connection| connection.client == client);
        let Some(Request { stage: Stage::Delivering(pending), name, .. }) = self.requests.get_mut(&request)
        else {
            return Vec::new();
        };
        if !owned || !pending.remove(&connection) {
            return Vec::new();
        }
        let name = name.clone();
        self.process(&name, catalog)
    }

    /// <https://w3c.github.io/IndexedDB/#close-a-database-connection>: it is closed once its
    /// transactions are finished.
    pub(crate) fn close(&mut self, client: ClientId, id: ConnectionId, catalog: &Catalog) -> Vec<Action> {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.client == client)
        else {
            return Vec::new();
        };
        connection.close_pending = true;
        self.close_if_idle(id, catalog)
    }

    /// The connection `id` of `client`.
    pub(crate) fn connection(&self, client: ClientId, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id).filter(|connection| connection.client == client)
    }

    /// True while the version change transaction of this connection is not finished.
    pub(crate) fn is_upgrading(&self, connection: ConnectionId) -> bool {
        self.requests.values().any(|request| request.stage == Stage::Upgrading(connection))
    }

    /// A transaction of the connection was created.
    pub(crate) fn transaction_began(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.transactions += 1;
        }
    }

    /// A transaction of the connection is finished, with this answer to an open request if it was
    /// its version change.
    pub(crate) fn transaction_finished(
        &mut self,
        id: ConnectionId,
        upgrade: Option<(RequestId, Upgraded)>,
        catalog: &Catalog,
    ) -> Vec<Action> {
        let Some(connection) = self.connections.get_mut(&id) else { return Vec::new() };
        connection.transactions -= 1;
        let name = connection.name.clone();
        if let Some((request, upgraded)) = upgrade {
            connection.close_pending |= upgraded == Upgraded::Aborted;
            self.remove_request(request);
        }
        let mut actions = self.close_if_idle(id, catalog);
        actions.extend(self.process(&name, catalog));
        actions
    }

    /// A thread is going to write this deletion. Answers the name, unless there is nothing to
    /// write (any more).
    pub(crate) fn start_delete(&mut self, request: RequestId) -> Option<Vec<u16>> {
        match self.requests.get_mut(&request) {
            Some(Request { stage: Stage::Deleting { writing }, name, .. }) if !*writing => {
                *writing = true;
                Some(name.clone())
            }
            _ => None,
        }
    }

    /// The deletion could not be written on that thread: its client is asked to see to it. `alive` is false
    /// if it cannot.
    pub(crate) fn postpone_delete(&mut self, id: RequestId, alive: bool, catalog: &Catalog) -> Vec<Action> {
        let Some(request) = self.requests.get_mut(&id) else { return Vec::new() };
        if alive {
            request.stage = Stage::Deleting { writing: false };
            return vec![Action::Tell(request.client, Event::DeleteNeedsWorker { request: id })];
        }
        let name = request.name.clone();
        self.remove_request(id);
        self.process(&name, catalog)
    }

    /// The deletion is written, or has failed: the event says so.
    pub(crate) fn delete_finished(&mut self, id: RequestId, event: Event, catalog: &Catalog) -> Vec<Action> {
        let Some(request) = self.requests.get(&id) else { return Vec::new() };
        let (client, name) = (request.client, request.name.clone());
        self.remove_request(id);
        let mut actions = vec![Action::Tell(client, event)];
        actions.extend(self.process(&name, catalog));
        actions
    }

    /// Takes the client's requests back, except for what is being written. Answers which, and what goes
    /// on without them.
    pub(crate) fn withdraw(&mut self, client: ClientId, catalog: &Catalog) -> (Vec<RequestId>, Vec<Action>) {
        let requests = self.removable_requests(client);
        let names: BTreeSet<Vec<u16>> = requests.iter().filter_map(|&id| self.remove_request(id)).collect();
        let actions = names.iter().flat_map(|name| self.process(name, catalog)).collect();
        (requests, actions)
    }

    /// A client has died: its requests go, except for what is being written. Answers the names for which
    /// there were some. First step; then its transactions are to be aborted, and
    /// [`Connections::drop_connections`] is the last.
    pub(crate) fn drop_requests(&mut self, client: ClientId) -> BTreeSet<Vec<u16>> {
        let requests = self.removable_requests(client);
        requests.into_iter().filter_map(|id| self.remove_request(id)).collect()
    }

    fn removable_requests(&self, client: ClientId) -> Vec<RequestId> {
        let removable = self.requests.iter().filter(|(_, request)| request.is_removable(client));
        removable.map(|(&id, _)| id).collect()
    }

    /// A client has died: its connections go, except for those with a transaction being written. Goes on with
    /// the requests for their names and `names`.
    pub(crate) fn drop_connections(
        &mut self,
        client: ClientId,
        mut names: BTreeSet<Vec<u16>>,
        catalog: &Catalog,
    ) -> Vec<Action> {
        let owned = self.connections.iter().filter(|(_, connection)| connection.client == client);
        let owned: Vec<ConnectionId> = owned.map(|(&id, _)| id).collect();
        for id in owned {
            self.forget_delivery(id);
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.close_pending = true;
            names.insert(connection.name.clone());
            if connection.transactions == 0 {
                self.connections.remove(&id);
            }
        }
        names.iter().flat_map(|name| self.process(name, catalog)).collect()
    }

    /// Whose request it is.
    pub(crate) fn requester(&self, request: RequestId) -> Option<ClientId> {
        self.requests.get(&request).map(|request| request.client)
    }

    /// The upgrade cannot begin: the request fails, and its connection goes.
    pub(crate) fn refuse_upgrade(&mut self, request: RequestId, catalog: &Catalog) -> Vec<Action> {
        let Some(Request { client, stage: Stage::Upgrading(connection), .. }) = self.requests.get(&request)
        else {
            return Vec::new();
        };
        let (client, connection) = (*client, *connection);
        self.remove_request(request);
        let message = "all database ids of this directory are used up".to_owned();
        let event = Event::Failed { request, name: "UnknownError", message, cause: None };
        let mut actions = vec![Action::Tell(client, event)];
        actions.extend(self.close(client, connection, catalog));
        actions
    }

    fn remove_request(&mut self, id: RequestId) -> Option<Vec<u16>> {
        let request = self.requests.remove(&id)?;
        if let Some(queue) = self.queues.get_mut(&request.name) {
            queue.retain(|&other| other != id);
            if queue.is_empty() {
                self.queues.remove(&request.name);
            }
        }
        Some(request.name)
    }

    fn close_if_idle(&mut self, id: ConnectionId, catalog: &Catalog) -> Vec<Action> {
        let idle = |connection: &&Connection| connection.close_pending && connection.transactions == 0;
        let Some(connection) = self.connections.get(&id).filter(idle) else { return Vec::new() };
        let name = connection.name.clone();
        self.connections.remove(&id);
        self.forget_delivery(id);
        self.process(&name, catalog)
    }

    /// Nobody waits for this connection to be told any more.
    fn forget_delivery(&mut self, id: ConnectionId) {
        for request in self.requests.values_mut() {
            if let Stage::Delivering(pending) = &mut request.stage {
                pending.remove(&id);
            }
        }
    }
}

/// How a version change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgraded {
    Committed,
    Aborted,
}

impl Request {
    /// True if it is a request of `client` that can go: nothing is being written for it.
    fn is_removable(&self, client: ClientId) -> bool {
        let in_progress = matches!(self.stage, Stage::Upgrading(_) | Stage::Deleting { writing: true });
        self.client == client && !in_progress
    }
}
