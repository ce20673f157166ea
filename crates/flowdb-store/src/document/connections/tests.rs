//! The queue as a state machine: what each call leads to, and what is left when a client dies at each stage.

use super::*;
use crate::document::schema::Database;
use std::sync::Arc;

const ONE: ClientId = ClientId(1);
const TWO: ClientId = ClientId(2);
const THREE: ClientId = ClientId(3);

/// Connections and the catalog they go with; calls are short, and actions come in one list.
struct Queue {
    connections: Connections,
    catalog: Catalog,
}

fn name() -> Vec<u16> {
    vec![u16::from(b'd')]
}

impl Queue {
    fn new(version: u64) -> Self {
        let mut queue = Queue { connections: Connections::default(), catalog: Catalog::empty() };
        queue.set_version(version);
        queue
    }

    fn set_version(&mut self, version: u64) {
        self.catalog.remove(&name());
        if version > 0 {
            self.catalog.replace(Arc::new(Database { version, ..Database::new(1, name()) }));
        }
    }

    fn open(&mut self, client: ClientId, version: u64) -> (RequestId, Vec<Action>) {
        let version = (version > 0).then_some(version);
        self.connections.open(client, &name(), version, &self.catalog)
    }

    fn delete(&mut self, client: ClientId) -> (RequestId, Vec<Action>) {
        self.connections.delete(client, &name(), &self.catalog)
    }

    /// Opens without an upgrade.
    fn connect(&mut self, client: ClientId) -> ConnectionId {
        match &self.open(client, 0).1[..] {
            &[Action::Tell(to, Event::Opened { connection, .. })] if to == client => connection,
            other => panic!("{other:?}"),
        }
    }

    fn close(&mut self, client: ClientId, connection: ConnectionId) -> Vec<Action> {
        self.connections.close(client, connection, &self.catalog)
    }

    fn delivered(&mut self, client: ClientId, request: RequestId, connection: ConnectionId) -> Vec<Action> {
        self.connections.delivered(client, request, connection, &self.catalog)
    }

    /// The version change transaction begins and ends.
    fn upgraded(&mut self, request: RequestId, connection: ConnectionId, upgraded: Upgraded) -> Vec<Action> {
        self.connections.transaction_finished(connection, Some((request, upgraded)), &self.catalog)
    }

    fn drop_client(&mut self, client: ClientId) -> Vec<Action> {
        let names = self.connections.drop_requests(client);
        self.connections.drop_connections(client, names, &self.catalog)
    }

    fn assert_idle(&self) {
        let Connections { connections, requests, queues, .. } = &self.connections;
        assert!(connections.is_empty() && requests.is_empty() && queues.is_empty(), "{:?}", self.connections);
    }
}

fn version_change(
    client: ClientId,
    request: RequestId,
    connection: ConnectionId,
    versions: (u64, u64),
) -> Action {
    let (old_version, new_version) = versions;
    Action::Tell(client, Event::VersionChange { request, connection, old_version, new_version })
}

fn blocked(client: ClientId, request: RequestId, old_version: u64, new_version: u64) -> Action {
    Action::Tell(client, Event::Blocked { request, old_version, new_version })
}

/// The connection of an upgrade that is the only action.
fn upgrade_of(actions: &[Action]) -> ConnectionId {
    match actions {
        &[Action::Upgrade { connection, .. }] => connection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_database_is_upgraded_to_1() {
    let mut queue = Queue::new(0);
    let (request, actions) = queue.open(ONE, 0);
    let connection = upgrade_of(&actions);
    let expected = Action::Upgrade { client: ONE, request, connection, old_version: 0, new_version: 1 };
    assert_eq!(actions, [expected]);
    assert!(queue.connections.is_upgrading(connection));
    queue.connections.transaction_began(connection);
    queue.set_version(1);
    assert!(queue.upgraded(request, connection, Upgraded::Committed).is_empty());
    assert!(!queue.connections.is_upgrading(connection));
    assert!(queue.close(ONE, connection).is_empty());
    queue.assert_idle();
}

#[test]
fn an_aborted_upgrade_closes_its_connection_and_the_next_request_goes_on() {
    let mut queue = Queue::new(0);
    let (request, actions) = queue.open(ONE, 3);
    let connection = upgrade_of(&actions);
    queue.connections.transaction_began(connection);
    let (second, actions) = queue.open(TWO, 0);
    assert!(actions.is_empty(), "one request at a time");
    let actions = queue.upgraded(request, connection, Upgraded::Aborted);
    let expected = Action::Upgrade {
        client: TWO,
        request: second,
        connection: upgrade_of(&actions),
        old_version: 0,
        new_version: 1,
    };
    assert_eq!(actions, [expected]);
    assert!(queue.connections.connection(ONE, connection).is_none());
}

#[test]
fn a_lower_version_is_refused() {
    let mut queue = Queue::new(5);
    let (request, actions) = queue.open(ONE, 4);
    match &actions[..] {
        [Action::Tell(ONE, Event::Failed { request: failed, name: "VersionError", .. })] => {
            assert_eq!(*failed, request);
        }
        other => panic!("{other:?}"),
    }
    queue.assert_idle();
}

#[test]
fn an_upgrade_waits_for_deliveries_then_for_closing() {
    let mut queue = Queue::new(1);
    let (one, two) = (queue.connect(ONE), queue.connect(TWO));
    let (request, actions) = queue.open(THREE, 2);
    let told = [version_change(ONE, request, one, (1, 2)), version_change(TWO, request, two, (1, 2))];
    assert_eq!(actions, told);
    assert!(queue.delivered(ONE, request, two).is_empty(), "not this client's to answer");
    assert!(queue.delivered(ONE, request, one).is_empty());
    assert!(queue.delivered(ONE, request, one).is_empty(), "twice");
    assert_eq!(queue.delivered(TWO, request, two), [blocked(THREE, request, 1, 2)]);
    assert!(queue.close(ONE, one).is_empty());
    assert!(queue.close(ONE, two).is_empty(), "not this client's to close");
    upgrade_of(&queue.close(TWO, two));
}

#[test]
fn nobody_is_blocked_by_a_connection_that_closes_when_told() {
    let mut queue = Queue::new(1);
    let one = queue.connect(ONE);
    let (request, _) = queue.open(TWO, 2);
    upgrade_of(&queue.close(ONE, one));
    assert!(queue.delivered(ONE, request, one).is_empty(), "it is late, and harmless");
}

#[test]
fn a_closing_connection_is_not_told_and_is_waited_for() {
    let mut queue = Queue::new(1);
    let one = queue.connect(ONE);
    queue.connections.transaction_began(one);
    assert!(queue.close(ONE, one).is_empty());
    let (request, actions) = queue.delete(TWO);
    assert_eq!(actions, [blocked(TWO, request, 1, 0)]);
    let actions = queue.connections.transaction_finished(one, None, &queue.catalog);
    assert_eq!(actions, [Action::Delete { request }]);
}

#[test]
fn deleting_what_is_not_there_succeeds() {
    let mut queue = Queue::new(0);
    let (request, actions) = queue.delete(ONE);
    assert_eq!(actions, [Action::Tell(ONE, Event::Deleted { request, old_version: 0 })]);
    queue.assert_idle();
}

#[test]
fn requests_behind_a_deletion_find_nothing() {
    let mut queue = Queue::new(7);
    let (request, actions) = queue.delete(ONE);
    assert_eq!(actions, [Action::Delete { request }]);
    assert!(queue.open(TWO, 2).1.is_empty());
    assert_eq!(queue.connections.start_delete(request), Some(name()));
    assert_eq!(queue.connections.start_delete(request), None, "one thread writes it");
    queue.set_version(0);
    let event = Event::Deleted { request, old_version: 7 };
    let actions = queue.connections.delete_finished(request, event.clone(), &queue.catalog);
    assert_eq!(actions[0], Action::Tell(ONE, event));
    upgrade_of(&actions[1..]);
}

#[test]
fn a_postponed_deletion_is_written_by_whoever_starts_it() {
    let mut queue = Queue::new(7);
    let (request, _) = queue.delete(ONE);
    queue.connections.start_delete(request).unwrap();
    let actions = queue.connections.postpone_delete(request, true, &queue.catalog);
    assert_eq!(actions, [Action::Tell(ONE, Event::DeleteNeedsWorker { request })]);
    assert_eq!(queue.connections.start_delete(request), Some(name()));
    assert!(queue.connections.postpone_delete(request, false, &queue.catalog).is_empty());
    queue.assert_idle();
}

#[test]
fn other_databases_do_not_wait() {
    let mut queue = Queue::new(1);
    queue.connect(ONE);
    queue.open(TWO, 2);
    let (_, actions) = queue.connections.open(TWO, &[1, 2], None, &queue.catalog);
    upgrade_of(&actions);
}

#[test]
fn a_client_that_dies_when_told_counts_as_told_and_closed() {
    let mut queue = Queue::new(1);
    let (_one, two) = (queue.connect(ONE), queue.connect(TWO));
    let (request, _) = queue.open(THREE, 2);
    assert!(queue.drop_client(ONE).is_empty(), "the other was not told yet");
    assert_eq!(queue.delivered(TWO, request, two), [blocked(THREE, request, 1, 2)]);
    upgrade_of(&queue.drop_client(TWO));
}

#[test]
fn a_client_that_dies_while_it_commits_is_told_but_not_closed() {
    let mut queue = Queue::new(1);
    let one = queue.connect(ONE);
    queue.connections.transaction_began(one);
    let (request, _) = queue.open(TWO, 2);
    assert_eq!(queue.drop_client(ONE), [blocked(TWO, request, 1, 2)]);
    upgrade_of(&queue.connections.transaction_finished(one, None, &queue.catalog));
}

#[test]
fn a_requester_that_dies_lets_the_next_one_go_on() {
    // While its request waits, while events are delivered, while it is blocked.
    for stage in 0..3 {
        let mut queue = Queue::new(1);
        let one = queue.connect(ONE);
        let (request, next);
        if stage == 0 {
            (request, next) = (queue.delete(THREE).0, None);
            queue.open(TWO, 2);
            assert!(queue.drop_client(TWO).is_empty());
            assert_eq!(queue.delivered(ONE, request, one), [blocked(THREE, request, 1, 0)]);
        } else {
            request = queue.open(TWO, 2).0;
            if stage == 2 {
                assert_eq!(queue.delivered(ONE, request, one).len(), 1);
            }
            next = Some(queue.delete(THREE).0);
            let next = next.unwrap();
            assert_eq!(queue.drop_client(TWO), [version_change(ONE, next, one, (1, 0))]);
            assert!(queue.delivered(ONE, request, one).is_empty(), "answers a request that is gone");
        }
        let request = next.unwrap_or(request);
        assert_eq!(queue.close(ONE, one), [Action::Delete { request }]);
    }
}

#[test]
fn a_client_that_dies_in_its_upgrade_leaves_nothing() {
    let mut queue = Queue::new(0);
    let (request, actions) = queue.open(ONE, 2);
    let connection = upgrade_of(&actions);
    queue.connections.transaction_began(connection);
    queue.open(ONE, 3);
    let names = queue.connections.drop_requests(ONE);
    assert!(queue.upgraded(request, connection, Upgraded::Aborted).is_empty());
    assert!(queue.connections.drop_connections(ONE, names, &queue.catalog).is_empty());
    queue.assert_idle();
}

#[test]
fn an_upgrade_being_written_outlives_its_client() {
    let mut queue = Queue::new(0);
    let (request, actions) = queue.open(ONE, 2);
    let connection = upgrade_of(&actions);
    queue.connections.transaction_began(connection);
    assert!(queue.drop_client(ONE).is_empty());
    assert!(queue.open(TWO, 0).1.is_empty(), "the upgrade is not finished");
    queue.set_version(2);
    match &queue.upgraded(request, connection, Upgraded::Committed)[..] {
        [Action::Tell(TWO, Event::Opened { version: 2, .. })] => {}
        other => panic!("{other:?}"),
    }
    assert!(queue.connections.connection(ONE, connection).is_none());
}

#[test]
fn a_deletion_being_written_outlives_its_client() {
    let mut queue = Queue::new(1);
    let (request, _) = queue.delete(ONE);
    queue.connections.start_delete(request).unwrap();
    assert!(queue.drop_client(ONE).is_empty());
    assert_eq!(queue.connections.requester(request), Some(ONE));
    let (waiting, _) = queue.delete(TWO);
    assert!(queue.drop_client(TWO).is_empty());
    assert_eq!(queue.connections.requester(waiting), None);
    queue.set_version(0);
    let event = Event::Deleted { request, old_version: 1 };
    queue.connections.delete_finished(request, event, &queue.catalog);
    queue.assert_idle();
}

#[test]
fn a_refused_upgrade_fails_and_closes() {
    let mut queue = Queue::new(0);
    let (request, _) = queue.open(ONE, 2);
    let actions = queue.connections.refuse_upgrade(request, &queue.catalog);
    assert!(matches!(actions[..], [Action::Tell(ONE, Event::Failed { name: "UnknownError", .. })]));
    queue.assert_idle();
}
