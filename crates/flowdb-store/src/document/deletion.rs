//! How databases are deleted, once nobody has them open.

use super::connections::Action;
use super::event::Event;
use super::failure::write_failure_name;
use super::schema::Database;
use super::world::{State, World};
use super::{ClientId, RequestId};
use crate::keyspace::{DOCUMENTS, database_key, database_spans};
use flowdb_engine::{ErrorKind, Result, WriteBatch, WriteOptions};
use std::sync::Arc;

impl World {
    /// Writes a deletion that could not be written at once (`DeleteNeedsWorker`); waits for the disk.
    pub fn delete_blocking(&self, request: RequestId) {
        self.write_deletion(None, request, Waiting::Allowed);
    }

    pub(super) fn write_deletion(&self, acting: Option<ClientId>, request: RequestId, waiting: Waiting) {
        let database = {
            let mut state = self.state.lock();
            let Some(name) = state.connections.start_delete(request) else { return };
            // Nobody else changes the catalog for this name while the request is first in its queue.
            Arc::clone(
                state.catalog.get(&name).expect("a database is in the catalog until its deletion is written"),
            )
        };
        let written = deletion_batch(&database).and_then(|batch| match waiting {
            Waiting::Allowed => self.db.write(batch, WriteOptions::default()).map(drop),
            Waiting::Forbidden => self.db.try_write(batch).map(drop).map_err(|(error, _)| error),
        });
        self.call(acting, |world, state| {
            let actions = match written {
                Err(error) if error.kind() == ErrorKind::WouldBlock => state.postpone_deletion(request),
                Err(error) => {
                    let name = write_failure_name(&error);
                    let (message, cause) = (error.to_string(), Some((&error).into()));
                    let event = Event::Failed { request, name, message, cause };
                    state.connections.delete_finished(request, event, &state.catalog)
                }
                Ok(()) => {
                    state.catalog.remove(&database.name);
                    let event = Event::Deleted { request, old_version: database.version };
                    state.connections.delete_finished(request, event, &state.catalog)
                }
            };
            world.carry_out(state, actions);
        });
    }
}

impl State {
    fn postpone_deletion(&mut self, request: RequestId) -> Vec<Action> {
        let client = self.connections.requester(request);
        let alive = client.is_some_and(|client| self.clients.contains_key(&client));
        self.connections.postpone_delete(request, alive, &self.catalog)
    }
}

/// Whether a thread may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    Allowed,
    Forbidden,
}

/// Takes all of a database away: cheap, whatever it holds.
fn deletion_batch(database: &Database) -> Result<WriteBatch> {
    let mut batch = WriteBatch::new();
    for span in database_spans(database.id) {
        batch.delete_range(DOCUMENTS, &span.start, &span.end)?;
    }
    batch.delete(DOCUMENTS, &database_key(&database.name))?;
    Ok(batch)
}
