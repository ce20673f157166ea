//! The steps of a request, from the front of its queue to its answer or to the transaction it waits for.

use super::{Action, Connection, Connections, Kind, Request, Stage};
use crate::document::catalog::Catalog;
use crate::document::event::Event;
use crate::document::{ClientId, ConnectionId, RequestId};
use std::collections::{BTreeSet, VecDeque};

impl Connections {
    /// Goes on with the requests for `name` as far as they come.
    pub(super) fn process(&mut self, name: &[u16], catalog: &Catalog) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(&id) = self.queues.get(name).and_then(VecDeque::front) {
            if !self.advance(id, catalog, &mut actions) {
                break;
            }
        }
        actions
    }

    /// Takes the first request of a queue one stage further. False if it has to wait.
    fn advance(&mut self, id: RequestId, catalog: &Catalog, actions: &mut Vec<Action>) -> bool {
        let Some(request) = self.requests.get(&id) else { return false };
        match &request.stage {
            Stage::Waiting => self.begin(id, catalog, actions),
            Stage::Delivering(pending) if !pending.is_empty() => return false,
            Stage::Delivering(_) => {
                if self.is_open(id) {
                    actions.push(self.blocked(id, catalog));
                }
                self.set_stage(id, Stage::Blocked);
            }
            Stage::Blocked if self.is_open(id) => return false,
            Stage::Blocked => self.change(id, catalog, actions),
            Stage::Upgrading(_) | Stage::Deleting { .. } => return false,
        }
        true
    }

    /// <https://w3c.github.io/IndexedDB/#open-a-database-connection> steps 4 to 10.3,
    /// <https://w3c.github.io/IndexedDB/#delete-a-database> steps 4 to 7.
    fn begin(&mut self, id: RequestId, catalog: &Catalog, actions: &mut Vec<Action>) {
        let Some(Request { client, name, kind, .. }) = self.requests.get(&id) else { return };
        let (client, name, kind) = (*client, name.clone(), *kind);
        let old_version = catalog.get(&name).map_or(0, |database| database.version);
        match kind {
            Kind::Open(version) => {
                let version = version.unwrap_or(old_version.max(1));
                if old_version > version {
                    self.remove_request(id);
                    actions.push(Action::Tell(client, version_error(id, version, old_version)));
                } else if old_version == version {
                    self.remove_request(id);
                    actions.extend(self.opened(client, id, &name, catalog));
                } else {
                    self.announce(id, old_version, version, actions);
                }
            }
            Kind::Delete if old_version == 0 => {
                self.remove_request(id);
                actions.push(Action::Tell(client, Event::Deleted { request: id, old_version: 0 }));
            }
            Kind::Delete => self.announce(id, old_version, 0, actions),
        }
    }

    /// Sends `versionchange` to all open connections that are not about to close.
    fn announce(&mut self, id: RequestId, old_version: u64, new_version: u64, actions: &mut Vec<Action>) {
        let Some(name) = self.requests.get(&id).map(|request| &request.name) else { return };
        let mut pending = BTreeSet::new();
        for (&connection, open) in &self.connections {
            if open.name == *name && !open.close_pending {
                let event = Event::VersionChange { request: id, connection, old_version, new_version };
                actions.push(Action::Tell(open.client, event));
                pending.insert(connection);
            }
        }
        self.set_stage(id, Stage::Delivering(pending));
    }

    /// Nobody else has the database open: upgrade or delete it.
    fn change(&mut self, id: RequestId, catalog: &Catalog, actions: &mut Vec<Action>) {
        let Some(Request { client, name, kind, .. }) = self.requests.get(&id) else { return };
        let (client, name, kind) = (*client, name.clone(), *kind);
        let old_version = catalog.get(&name).map_or(0, |database| database.version);
        match kind {
            Kind::Open(version) => {
                let connection = self.connect(client, &name);
                self.set_stage(id, Stage::Upgrading(connection));
                let new_version = version.unwrap_or(1);
                actions.push(Action::Upgrade { client, request: id, connection, old_version, new_version });
            }
            Kind::Delete => {
                self.set_stage(id, Stage::Deleting { writing: false });
                actions.push(Action::Delete { request: id });
            }
        }
    }

    fn opened(
        &mut self,
        client: ClientId,
        request: RequestId,
        name: &[u16],
        catalog: &Catalog,
    ) -> Option<Action> {
        let database = catalog.get(name)?;
        let (version, schema) = (database.version, database.schema_bytes());
        let connection = self.connect(client, name);
        Some(Action::Tell(client, Event::Opened { request, connection, version, schema }))
    }

    fn connect(&mut self, client: ClientId, name: &[u16]) -> ConnectionId {
        let id = self.connection_ids.next(|id| self.connections.contains_key(&id));
        let connection = Connection { client, name: name.to_vec(), close_pending: false, transactions: 0 };
        self.connections.insert(id, connection);
        id
    }

    /// True if a connection to the database of this request is not closed.
    fn is_open(&self, id: RequestId) -> bool {
        let Some(request) = self.requests.get(&id) else { return false };
        self.connections.values().any(|connection| connection.name == request.name)
    }

    fn blocked(&self, id: RequestId, catalog: &Catalog) -> Action {
        let request = &self.requests[&id];
        let old_version = catalog.get(&request.name).map_or(0, |database| database.version);
        let new_version = match request.kind {
            Kind::Open(version) => version.unwrap_or(1),
            Kind::Delete => 0,
        };
        Action::Tell(request.client, Event::Blocked { request: id, old_version, new_version })
    }

    fn set_stage(&mut self, id: RequestId, stage: Stage) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.stage = stage;
        }
    }
}

fn version_error(request: RequestId, version: u64, old_version: u64) -> Event {
    let message = format!("version {version} was asked for, and the database has version {old_version}");
    Event::Failed { request, name: "VersionError", message, cause: None }
}
