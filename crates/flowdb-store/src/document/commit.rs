//! How transactions end: commit and abort.

use super::connections::Upgraded;
use super::event::Event;
use super::failure::write_failure_name;
use super::schema::Database;
use super::transaction::Transaction;
use super::world::{Phase, State, TransactionState, World};
use super::{ClientId, TransactionId};
use crate::keyspace::{DOCUMENTS, next_database_id_key};
use flowdb_engine::format::NEVER;
use flowdb_engine::{Draft, Durability, Error, ErrorKind, Result, WriteBatch, WriteOptions};
use parking_lot::Mutex;
use std::sync::Arc;

/// Largest commit written on the calling thread, in bytes: a write of this size to the page cache takes well
/// under a millisecond.
const INLINE_BYTES_MAX: usize = 256 << 10;

/// What became of a commit on the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is done.
    Committed,
    /// It is large, strict, or would have to wait: call [`World::commit_blocking`] on a worker. `Committed`
    /// or `CommitFailed` follows then.
    NeedsWorker,
    /// It failed, and the transaction is aborted; `CommitFailed` is among the client's events.
    Failed,
}

impl World {
    /// Commits a transaction, started or not, if that can be done on this thread without waiting. `strict`
    /// asks for stable storage. From now on it executes no requests.
    ///
    /// Fails with `InvalidArgument` if there is no such transaction, or if it is being committed already.
    pub fn commit(&self, client: ClientId, id: TransactionId, strict: bool) -> Result<CommitOutcome> {
        let Some((transaction, creates)) = self.ask_commit(client, id)? else {
            return Ok(CommitOutcome::Committed);
        };
        // A request of it that is still on a worker comes first.
        let Some(guard) = transaction.try_lock() else { return Ok(CommitOutcome::NeedsWorker) };
        // What is in memory survives nothing, synced or not.
        let options = write_options(strict && !self.in_memory);
        if guard.is_unchanged() {
            drop(guard);
            return Ok(self.ended(Some(client), id, Ok(None), Told::ByOutcome));
        }
        let can_wait = !self.can_write_at_once(&guard) || self.db.wants_sync(options);
        let creation = if creates { self.creation.try_lock().map(Some) } else { Some(None) };
        let Some(creation) = creation.filter(|_| !can_wait) else { return Ok(CommitOutcome::NeedsWorker) };
        let written = self
            .batch(&guard, creates)
            .and_then(|batch| self.db.try_write(batch).map(drop).map_err(|(error, _)| error));
        drop(creation);
        if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            return Ok(CommitOutcome::NeedsWorker);
        }
        let database = guard.changed_database();
        drop(guard);
        Ok(self.ended(Some(client), id, written.map(|()| database), Told::ByOutcome))
    }

    /// True if writing it takes no time to speak of.
    pub(super) fn can_write_at_once(&self, transaction: &Transaction) -> bool {
        !transaction.is_large() && transaction.overlay.bytes() <= INLINE_BYTES_MAX
    }

    /// Commits a transaction whose [`World::commit`] answered `NeedsWorker`; waits for the disk. `Committed`
    /// or `CommitFailed` tells its client. Does nothing if the client has died meanwhile.
    pub fn commit_blocking(&self, id: TransactionId, strict: bool) {
        let Some((transaction, creates)) = self.take_asked(id) else { return };
        let mut guard = transaction.lock();
        let creation = creates.then(|| self.creation.lock());
        let written = guard.check_committable().and_then(|()| match guard.take_draft() {
            Some(draft) => self.commit_draft(&mut guard, draft, creates),
            None => self.last_batch(&mut guard, creates).and_then(|batch| {
                if batch.is_empty() { Ok(()) } else { self.db.write(batch, write_options(strict)).map(drop) }
            }),
        });
        drop(creation);
        let database = guard.changed_database();
        drop(guard);
        self.ended(None, id, written.map(|()| database), Told::ByEvent);
    }

    /// Discards all that a transaction did, started or not. Does nothing if there is no such
    /// transaction (any more).
    ///
    /// Fails with `InvalidArgument` if its commit was asked for already.
    pub fn abort(&self, client: ClientId, id: TransactionId) -> Result<()> {
        self.call(Some(client), |world, state| match state.transactions.get(&id) {
            Some(TransactionState { client: owner, phase, .. }) if *owner == client => {
                if matches!(phase, Phase::CommitAsked(_) | Phase::Writing) {
                    return Err(Error::invalid(format!("transaction {id} is being committed")));
                }
                world.finish(state, id, None);
                Ok(())
            }
            _ => Ok(()),
        })
    }

    /// Lets a transaction execute no more requests. `None` if it has not started: it is finished then.
    fn ask_commit(
        &self,
        client: ClientId,
        id: TransactionId,
    ) -> Result<Option<(Arc<Mutex<Transaction>>, bool)>> {
        self.call(Some(client), |world, state| {
            let entry = state.transactions.get_mut(&id).filter(|entry| entry.client == client);
            let Some(entry) = entry else {
                return Err(Error::invalid(format!("there is no transaction {id}")));
            };
            match &entry.phase {
                Phase::Running(transaction) => {
                    let transaction = Arc::clone(transaction);
                    entry.phase = Phase::CommitAsked(Arc::clone(&transaction));
                    Ok(Some((transaction, entry.creates)))
                }
                Phase::Waiting { .. } => {
                    world.finish(state, id, Some(None));
                    Ok(None)
                }
                _ => Err(Error::invalid(format!("transaction {id} is being committed"))),
            }
        })
    }

    /// A worker begins to write: from now on the death of the client does not stop it.
    fn take_asked(&self, id: TransactionId) -> Option<(Arc<Mutex<Transaction>>, bool)> {
        let mut state = self.state.lock();
        let entry = state.transactions.get_mut(&id)?;
        let Phase::CommitAsked(transaction) = &entry.phase else { return None };
        let taken = (Arc::clone(transaction), entry.creates);
        entry.phase = Phase::Writing;
        Some(taken)
    }

    /// Commits what is too large for a batch. It is synced, whatever was asked for.
    fn commit_draft(&self, transaction: &mut Transaction, mut draft: Draft, creates: bool) -> Result<()> {
        if creates {
            let row = self.state.lock().catalog.next_database_row();
            transaction.overlay.put(next_database_id_key(), row);
        }
        transaction.overlay.write_to(&mut draft)?;
        self.db.commit_draft(draft).map(drop)
    }

    pub(super) fn batch(&self, transaction: &Transaction, creates: bool) -> Result<WriteBatch> {
        transaction.check_committable()?;
        self.with_next_id(transaction.overlay.to_batch()?, creates)
    }

    /// The same of a transaction that is over however the write goes: its own memory is given back.
    fn last_batch(&self, transaction: &mut Transaction, creates: bool) -> Result<WriteBatch> {
        self.with_next_id(transaction.overlay.take_batch()?, creates)
    }

    fn with_next_id(&self, mut batch: WriteBatch, creates: bool) -> Result<WriteBatch> {
        if creates {
            let row = self.state.lock().catalog.next_database_row();
            batch.put(DOCUMENTS, &next_database_id_key(), &row, NEVER)?;
        }
        Ok(batch)
    }

    /// The write is done or has failed.
    fn ended(
        &self,
        acting: Option<ClientId>,
        id: TransactionId,
        written: Result<Option<Arc<Database>>>,
        told: Told,
    ) -> CommitOutcome {
        self.call(acting, |world, state| {
            let Some(client) = state.transactions.get(&id).map(|entry| entry.client) else {
                return CommitOutcome::Failed;
            };
            let (event, outcome, committed) = match written {
                Ok(database) => {
                    (Event::Committed { transaction: id }, CommitOutcome::Committed, Some(database))
                }
                Err(error) => {
                    let (name, message) = (write_failure_name(&error), error.to_string());
                    let cause = Some((&error).into());
                    (
                        Event::CommitFailed { transaction: id, name, message, cause },
                        CommitOutcome::Failed,
                        None,
                    )
                }
            };
            if committed.is_none() || told == Told::ByEvent {
                state.tell(client, event);
            }
            world.finish(state, id, committed);
            outcome
        })
    }

    /// Takes a transaction out, committed (with the database if its schema changed) or aborted (`None`), and
    /// lets those go on that waited for it.
    pub(super) fn finish(
        &self,
        state: &mut State,
        id: TransactionId,
        committed: Option<Option<Arc<Database>>>,
    ) {
        let Some(entry) = state.transactions.remove(&id) else { return };
        let upgraded = if committed.is_some() { Upgraded::Committed } else { Upgraded::Aborted };
        if let Some(database) = committed.flatten() {
            state.catalog.replace(database);
        }
        for next in state.scheduler.finish(id) {
            self.start(state, next);
        }
        let upgrade = entry.upgrade.map(|request| (request, upgraded));
        let actions = state.connections.transaction_finished(entry.connection, upgrade, &state.catalog);
        self.carry_out(state, actions);
    }
}

/// How a client learns that its commit succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    ByOutcome,
    ByEvent,
}

/// Not strict is as the database's `SyncMode` says.
fn write_options(strict: bool) -> WriteOptions {
    WriteOptions { durability: strict.then_some(Durability::Synced) }
}
