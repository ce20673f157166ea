//! A transaction from beginning to end in one call, where nobody can tell the difference.

use super::protocol::succeeded;
use super::scheduler::Mode;
use super::transaction::Transaction;
use super::world::{Phase, TransactionState, World};
use super::{ClientId, ConnectionId, TransactionId};
use flowdb_engine::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;

/// A transaction to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Whose it is.
    pub connection: ConnectionId,
    /// The store that it is over.
    pub store: u32,
    /// What it may do; no version change.
    pub mode: Mode,
}

/// How far [`World::transact`] has brought a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transacted {
    /// It is committed. There are no events.
    Committed,
    /// It has started, and executed what there are responses to.
    Running(TransactionId),
}

/// What [`World::transact`] does at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It commits, if all requests have succeeded and that can be done at once.
    Commit,
    /// It stays, for more requests.
    Stay,
}

impl World {
    /// Creates a transaction over one store, executes its first requests as [`World::execute_batch`] does,
    /// and commits it if that is wanted. For a world in memory with one client, of which no other transaction
    /// is running or waiting over that store: nobody else can begin one meanwhile, so that it is entered into
    /// the bookkeeping only if it is not over at once.
    ///
    /// Fails with `InvalidArgument` if that is not so, and as [`World::begin_transaction`] and
    /// [`World::execute_batch`] do. Then nothing is left of it.
    pub fn transact(
        &self,
        client: ClientId,
        begin: Begin,
        requests: &[u8],
        responses: &mut Vec<u8>,
        then: Then,
    ) -> Result<Transacted> {
        let mut transaction = self.begin_alone(client, begin)?;
        let all_done = self.execute_all(&mut transaction, requests, responses)?;
        if then == Then::Commit && all_done && succeeded(responses) && self.commit_alone(&transaction) {
            return Ok(Transacted::Committed);
        }
        Ok(Transacted::Running(self.enter(client, begin, transaction)))
    }

    /// A transaction that is not in the bookkeeping.
    fn begin_alone(&self, client: ClientId, begin: Begin) -> Result<Transaction> {
        let Begin { connection, store, mode } = begin;
        let state = self.state.lock();
        let database = state.database_of(client, connection, &[store], mode)?;
        let is_alone = self.in_memory && state.clients.len() == 1;
        if !is_alone || !state.scheduler.is_free((database.id, store)) {
            return Err(Error::invalid(format!("store {store} is not for one transaction alone")));
        }
        drop(state);
        Ok(self.begin(mode, vec![store], database))
    }

    /// Commits what can be committed at once. False: the ways of [`World::commit`] are to be tried.
    fn commit_alone(&self, transaction: &Transaction) -> bool {
        transaction.is_unchanged()
            || (self.can_write_at_once(transaction)
                && self.batch(transaction, false).is_ok_and(|batch| self.db.try_write(batch).is_ok()))
    }

    fn enter(&self, client: ClientId, begin: Begin, transaction: Transaction) -> TransactionId {
        let Begin { connection, store, mode } = begin;
        let scope = (transaction.database.id, store);
        let phase = Phase::Running(Arc::new(Mutex::new(transaction)));
        let entry = TransactionState { client, connection, upgrade: None, creates: false, phase };
        let mut state = self.state.lock();
        let id = state.add_transaction(entry);
        let starts = state.scheduler.add(id, mode, vec![scope]);
        debug_assert!(starts, "nobody else begins a transaction meanwhile");
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Event;
    use crate::document::testing::{Bytes, Fixture, number_key, put, small_value};
    use flowdb_engine::Options;
    use flowdb_engine::TreeOptions;
    use flowdb_engine::fs::MemoryFileSystem;
    use flowdb_engine::{Db, ErrorKind, ManualClock};
    use std::path::Path;

    /// A world in memory with a connection to a database that has store 1.
    fn alone() -> (Fixture, ConnectionId) {
        let mut options = Options::new(vec![TreeOptions::new(crate::keyspace::DOCUMENTS, "documents")]);
        options.clock = Arc::new(ManualClock::new(1));
        let db = Db::open(Arc::new(MemoryFileSystem::new()), Path::new("/db"), options).unwrap();
        let world = World::open_in_memory(db.clone()).unwrap();
        let client = world.register(Arc::new(|| {}));
        let fixture = Fixture { db, world, client };
        fixture.and_store(false)
    }

    fn put_one(number: u8) -> Vec<u8> {
        let request = put(1, Some(&number_key(number.into())), &small_value(number)).finish();
        Bytes::new(&[]).bytes(&request).finish()
    }

    fn transact(
        fixture: &Fixture,
        connection: ConnectionId,
        mode: Mode,
        requests: &[u8],
        then: Then,
    ) -> Result<(Transacted, Vec<u8>)> {
        let mut responses = Vec::new();
        let Fixture { world, client, .. } = fixture;
        let begin = Begin { connection, store: 1, mode };
        let done = world.transact(*client, begin, requests, &mut responses, then)?;
        Ok((done, responses))
    }

    fn values(fixture: &Fixture, connection: ConnectionId) -> Vec<Vec<u8>> {
        let transaction = fixture.begin(connection, Mode::ReadOnly);
        let values = fixture.values(transaction);
        fixture.commit(transaction);
        values
    }

    #[test]
    fn one_that_nothing_stands_against_is_over_at_once() {
        let (fixture, connection) = alone();
        let (done, responses) =
            transact(&fixture, connection, Mode::ReadWrite, &put_one(1), Then::Commit).unwrap();
        assert_eq!(done, Transacted::Committed);
        assert_eq!((responses.len(), responses[4]), (4 + 1 + 4 + 9, 0));
        assert!(!fixture.world.has_events(fixture.client));
        assert_eq!(values(&fixture, connection), [small_value(1)]);
    }

    #[test]
    fn one_that_stays_holds_its_store() {
        let (fixture, connection) = alone();
        let (done, _) = transact(&fixture, connection, Mode::ReadWrite, &put_one(1), Then::Stay).unwrap();
        let Transacted::Running(first) = done else { panic!("{done:?}") };
        let refused = transact(&fixture, connection, Mode::ReadWrite, &put_one(2), Then::Commit);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidArgument);
        let second =
            fixture.world.begin_transaction(fixture.client, connection, &[1], Mode::ReadOnly).unwrap();
        fixture.put(first, 3.0, &small_value(3)).unwrap();
        fixture.world.commit(fixture.client, first, false).unwrap();
        assert_eq!(fixture.world.drain(fixture.client), [Event::Started { transaction: second }]);
        assert_eq!(fixture.values(second), [small_value(1), small_value(3)]);
        fixture.commit(second);
    }

    #[test]
    fn what_fails_is_not_committed() {
        let (fixture, connection) = alone();
        transact(&fixture, connection, Mode::ReadWrite, &put_one(1), Then::Commit).unwrap();
        let mut add = put_one(1);
        add[4 + 5] |= 1;
        let requests = [put_one(2), add].concat();
        let (done, responses) =
            transact(&fixture, connection, Mode::ReadWrite, &requests, Then::Commit).unwrap();
        let Transacted::Running(id) = done else { panic!("{done:?}") };
        assert_eq!(responses[18 + 4], 1, "the second one is a constraint error");
        fixture.world.abort(fixture.client, id).unwrap();
        assert_eq!(values(&fixture, connection), [small_value(1)]);
        let error = transact(&fixture, connection, Mode::ReadWrite, &[1, 0, 0, 0, 99], Then::Commit);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(values(&fixture, connection), [small_value(1)], "nothing is held");
    }

    #[test]
    fn in_memory_a_transaction_goes_to_tables_from_8_mib_on() {
        let (fixture, connection) = alone();
        let transaction = fixture.begin(connection, Mode::ReadWrite);
        let large = [&small_value(0)[..], &vec![0; 1 << 20]].concat();
        let is_done = |number: u8| {
            let request = put(1, Some(&number_key(number.into())), &large).finish();
            let (requests, mut responses) = (Bytes::new(&[]).bytes(&request).finish(), Vec::new());
            fixture.world.execute_batch(fixture.client, transaction, &requests, &mut responses).unwrap();
            !responses.is_empty()
        };
        assert!((0..8).all(&is_done));
        assert!(!is_done(8), "that is a worker's");
        fixture.put(transaction, 8.0, &large).unwrap();
        assert!((9..16).all(&is_done));
        assert!(!is_done(16));
        assert_eq!(fixture.values(transaction).len(), 16);
        fixture.commit(transaction);
        assert_eq!(values(&fixture, connection).len(), 16);
    }

    #[test]
    fn where_another_client_is_it_is_refused() {
        let (fixture, connection) = alone();
        fixture.world.register(Arc::new(|| {}));
        let refused = transact(&fixture, connection, Mode::ReadWrite, &put_one(1), Then::Commit);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert!(values(&fixture, connection).is_empty());
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let (fixture, connection) = alone();
        let mut responses = Vec::new();
        let Fixture { world, client, .. } = &fixture;
        let mut refused = |connection, store, mode| {
            let begin = Begin { connection, store, mode };
            world.transact(*client, begin, &[], &mut responses, Then::Stay).unwrap_err()
        };
        assert_eq!(refused(connection, 2, Mode::ReadOnly).kind(), ErrorKind::InvalidArgument);
        assert_eq!(refused(connection + 1, 1, Mode::ReadOnly).kind(), ErrorKind::InvalidArgument);
        assert_eq!(refused(connection, 1, Mode::VersionChange).kind(), ErrorKind::InvalidArgument);
        world.close_connection(*client, connection);
        assert_eq!(refused(connection, 1, Mode::ReadOnly).kind(), ErrorKind::InvalidArgument);
    }
}
