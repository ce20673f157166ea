//! Several clients on one world: who is told what, who waits for whom, and what the death of one changes
//! for the others.

use super::*;
use crate::document::CommitOutcome;
use crate::document::testing::{
    Bytes, Fixture, commit, create_store, number_key, put, send, small_value, units,
};
use crate::keyspace::{DOCUMENTS, next_database_id_key};
use flowdb_engine::ReadOptions;
use flowdb_engine::fs::{FaultyFileSystem, MemoryFileSystem};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A client whose wakings are counted.
fn counted(world: &World) -> (ClientId, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let waker = move || {
        counter.fetch_add(1, Ordering::SeqCst);
    };
    (world.register(Arc::new(waker)), count)
}

fn connect(world: &World, client: ClientId) -> ConnectionId {
    world.open_database(client, &units("d"), None).unwrap();
    match world.drain(client).pop() {
        Some(Event::Opened { connection, .. }) => connection,
        other => panic!("{other:?}"),
    }
}

/// Number of entries in the documents tree.
fn entries(db: &Db) -> usize {
    let mut all = db.iter(DOCUMENTS, (Bound::Unbounded, Bound::Unbounded), ReadOptions::default()).unwrap();
    all.seek_first().unwrap();
    let mut count = 0;
    while all.valid() {
        count += 1;
        all.next().unwrap();
    }
    count
}

fn assert_shared<T: Send + Sync>() {}

#[test]
fn a_world_is_shared_by_threads() {
    assert_shared::<World>();
}

#[test]
fn others_are_woken_and_the_one_who_acts_is_not() {
    let (fixture, connection) = Fixture::with_store(false);
    let world = &fixture.world;
    let (other, wakings) = counted(world);
    let own = connect(world, other);
    assert_eq!(wakings.load(Ordering::SeqCst), 0);
    let request = world.open_database(fixture.client, &units("d"), Some(2)).unwrap();
    assert_eq!(wakings.load(Ordering::SeqCst), 1);
    let told = Event::VersionChange { request, connection: own, old_version: 1, new_version: 2 };
    assert_eq!(world.drain(other), [told]);
    world.version_change_delivered(fixture.client, request, connection);
    world.version_change_delivered(other, request, own);
    assert_eq!(wakings.load(Ordering::SeqCst), 1);
    let events = world.drain(fixture.client);
    assert_eq!(events.last(), Some(&Event::Blocked { request, old_version: 1, new_version: 2 }));
}

#[test]
fn a_schema_is_seen_by_others_once_it_is_committed() {
    let fixture = Fixture::new();
    let (connection, transaction) = fixture.upgrade(3);
    fixture.request(transaction, create_store(1, false, None)).unwrap();
    assert!(fixture.world.databases().is_empty());
    assert!(fixture.world.begin_transaction(fixture.client, connection, &[1], Mode::ReadOnly).is_err());
    fixture.commit(transaction);
    assert_eq!(fixture.world.databases(), [DatabaseInfo { name: units("d"), version: 3 }]);
    let reopened = World::open(fixture.db.clone()).unwrap();
    assert_eq!(reopened.databases(), fixture.world.databases());
    fixture.begin(connection, Mode::ReadOnly);
}

#[test]
fn an_aborted_creation_leaves_nothing() {
    let fixture = Fixture::new();
    let (connection, transaction) = fixture.upgrade(3);
    fixture.request(transaction, create_store(1, false, None)).unwrap();
    fixture.world.abort(fixture.client, transaction).unwrap();
    assert!(fixture.world.databases().is_empty());
    assert_eq!(entries(&fixture.db), 0);
    assert!(fixture.world.begin_transaction(fixture.client, connection, &[1], Mode::ReadOnly).is_err());
    fixture.world.abort(fixture.client, transaction).unwrap();
}

#[test]
fn a_deleted_database_leaves_nothing_but_its_id() {
    let (fixture, connection) = Fixture::with_store(true);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    fixture.request(transaction, put(1, None, &small_value(1))).unwrap();
    fixture.commit(transaction);
    fixture.world.close_connection(fixture.client, connection);
    let request = fixture.world.delete_database(fixture.client, &units("d")).unwrap();
    let mut events = fixture.world.drain(fixture.client);
    if events == [Event::DeleteNeedsWorker { request }] {
        fixture.world.delete_blocking(request);
        events = fixture.world.drain(fixture.client);
    }
    assert_eq!(events, [Event::Deleted { request, old_version: 1 }]);
    assert!(fixture.world.databases().is_empty());
    assert_eq!(entries(&fixture.db), 1);
}

#[test]
fn ids_of_databases_created_at_the_same_time_do_not_go_back() {
    let fixture = Fixture::new();
    let (_, first) = fixture.upgrade(1);
    fixture.world.open_database(fixture.client, &units("e"), None).unwrap();
    let Some(Event::Upgrade { transaction: second, .. }) = fixture.world.drain(fixture.client).pop() else {
        panic!("no upgrade")
    };
    fixture.commit(second);
    fixture.commit(first);
    let row = fixture.db.get(DOCUMENTS, &next_database_id_key(), ReadOptions::default()).unwrap().unwrap();
    assert_eq!(row.value[..], 3u32.to_le_bytes());
}

#[test]
fn transactions_of_different_clients_wait_for_each_other() {
    let (fixture, connection) = Fixture::with_store(false);
    let world = &fixture.world;
    let (other, wakings) = counted(world);
    let own = connect(world, other);
    let first = fixture.begin(connection, Mode::ReadWrite);
    let second = world.begin_transaction(other, own, &[1], Mode::ReadOnly).unwrap();
    assert!(world.drain(other).is_empty());
    let request = put(1, Some(&number_key(1.0)), &small_value(5)).finish();
    assert!(world.execute(other, second, &request, ReadTier::Memory).is_err(), "it has not started");
    assert!(world.execute(other, first, &request, ReadTier::Memory).is_err(), "it is another client's");
    fixture.put(first, 1.0, &small_value(5)).unwrap();
    fixture.commit(first);
    assert_eq!(world.drain(other), [Event::Started { transaction: second }]);
    assert_eq!(wakings.load(Ordering::SeqCst), 1);
    let seen = Fixture { db: fixture.db.clone(), world: Arc::clone(world), client: other };
    assert_eq!(seen.values(second), [small_value(5)]);
}

#[test]
fn the_death_of_a_client_releases_what_it_held() {
    let (fixture, connection) = Fixture::with_store(false);
    let world = &fixture.world;
    let (other, wakings) = counted(world);
    let own = connect(world, other);
    let first = fixture.begin(connection, Mode::ReadWrite);
    fixture.put(first, 1.0, &small_value(5)).unwrap();
    let second = world.begin_transaction(other, own, &[1], Mode::ReadWrite).unwrap();
    let upgrade = world.open_database(fixture.client, &units("d"), Some(2)).unwrap();
    world.drain(other);
    let before = wakings.load(Ordering::SeqCst);
    world.drop_client(fixture.client);
    world.drop_client(fixture.client);
    assert_eq!(world.drain(other), [Event::Started { transaction: second }]);
    assert_eq!(wakings.load(Ordering::SeqCst), before + 1);
    world.version_change_delivered(other, upgrade, own);
    assert!(world.drain(other).is_empty(), "the request died with its client");
    let seen = Fixture { db: fixture.db.clone(), world: Arc::clone(world), client: other };
    assert!(seen.values(second).is_empty(), "what was not committed is gone");
    assert!(world.open_database(fixture.client, &units("d"), None).is_err());
}

#[test]
fn a_commit_asked_for_dies_with_its_client_unless_it_is_being_written() {
    let (fixture, connection) = Fixture::with_store(false);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    fixture.put(transaction, 1.0, &small_value(5)).unwrap();
    let outcome = fixture.world.commit(fixture.client, transaction, true).unwrap();
    assert_eq!(outcome, CommitOutcome::NeedsWorker, "a strict commit waits for the disk");
    assert!(fixture.world.abort(fixture.client, transaction).is_err());
    assert!(fixture.world.commit(fixture.client, transaction, true).is_err());
    let before = entries(&fixture.db);
    fixture.world.drop_client(fixture.client);
    fixture.world.commit_blocking(transaction, true);
    assert_eq!(entries(&fixture.db), before);
}

#[test]
fn a_full_disk_aborts_the_transaction_and_work_goes_on() {
    let disk = Arc::new(FaultyFileSystem::new(Arc::new(MemoryFileSystem::new())));
    let fixture = Fixture::on(disk.clone());
    let (connection, upgrade) = fixture.upgrade(1);
    fixture.request(upgrade, create_store(1, false, None)).unwrap();
    fixture.commit(upgrade);
    let put_one = |number| {
        let transaction = fixture.begin(connection, Mode::ReadWrite);
        fixture.put(transaction, f64::from(number), &small_value(number)).unwrap();
        transaction
    };
    let transaction = put_one(1);
    disk.fill();
    let outcome = fixture.world.commit(fixture.client, transaction, false).unwrap();
    assert_eq!(outcome, CommitOutcome::NeedsWorker, "a refusal is synced before it is told");
    fixture.world.commit_blocking(transaction, false);
    disk.heal();
    match &fixture.world.drain(fixture.client)[..] {
        [Event::CommitFailed { transaction: failed, name: "QuotaExceededError", .. }] => {
            assert_eq!(*failed, transaction);
        }
        other => panic!("{other:?}"),
    }
    let transaction = put_one(2);
    assert_eq!(fixture.values(transaction), [small_value(2)]);
    fixture.commit(transaction);
    assert_eq!(World::open(fixture.db.clone()).unwrap().databases().len(), 1);
}

#[test]
fn large_commits_go_to_a_worker_which_tells() {
    let (fixture, connection) = Fixture::with_store(false);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let large = [&small_value(0)[..], &vec![0; 300 << 10]].concat();
    fixture.put(transaction, 1.0, &large).unwrap();
    let outcome = fixture.world.commit(fixture.client, transaction, false).unwrap();
    assert_eq!(outcome, CommitOutcome::NeedsWorker);
    fixture.world.commit_blocking(transaction, false);
    assert_eq!(fixture.world.drain(fixture.client), [Event::Committed { transaction }]);
    let transaction = fixture.begin(connection, Mode::ReadOnly);
    assert_eq!(fixture.values(transaction), [large]);
    let outcome = fixture.world.commit(fixture.client, transaction, true).unwrap();
    assert_eq!(outcome, CommitOutcome::Committed, "there is nothing to write");
}

#[test]
fn transactions_that_did_not_start_can_end() {
    let (fixture, connection) = Fixture::with_store(false);
    let (world, client) = (&fixture.world, fixture.client);
    let first = fixture.begin(connection, Mode::ReadWrite);
    let waiting: Vec<TransactionId> =
        (0..3).map(|_| world.begin_transaction(client, connection, &[1], Mode::ReadWrite).unwrap()).collect();
    assert_eq!(world.commit(client, waiting[0], true).unwrap(), CommitOutcome::Committed);
    world.abort(client, waiting[1]).unwrap();
    assert!(world.drain(client).is_empty());
    world.close_connection(client, connection);
    fixture.world.abort(client, first).unwrap();
    assert_eq!(world.drain(client), [Event::Started { transaction: waiting[2] }]);
    assert!(world.begin_transaction(client, connection, &[1], Mode::ReadOnly).is_err(), "it closes");
}

#[test]
fn requests_of_a_batch_are_answered_in_order() {
    let (fixture, connection) = Fixture::with_store(false);
    let (world, client) = (&fixture.world, fixture.client);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let clear = Bytes::new(&[6]).u32(1).finish();
    let put = |key: f64| put(1, Some(&number_key(key)), &small_value(5)).finish();
    let requests = [put(1.0), put(2.0), clear, put(3.0)];
    let framed =
        |requests: &[Vec<u8>]| requests.iter().fold(Bytes::new(&[]), |all, each| all.bytes(each)).finish();
    let execute = |bytes: &[u8]| {
        let mut responses = Vec::new();
        world.execute_batch(client, transaction, bytes, &mut responses).map(|()| responses)
    };
    let ok = |key: f64| Bytes::new(&[0]).bytes(&number_key(key)).finish();
    assert_eq!(
        execute(&framed(&requests)).unwrap(),
        framed(&[ok(1.0), ok(2.0), vec![0]]),
        "clear is the last"
    );
    assert!(fixture.values(transaction).is_empty());
    assert_eq!(execute(&framed(&requests[3..])).unwrap(), framed(&[ok(3.0)]));
    assert_eq!(fixture.values(transaction), [small_value(5)]);
    assert!(execute(&[]).unwrap().is_empty());
    let bytes = framed(&requests[..2]);
    assert!(execute(&bytes[..bytes.len() - 1]).is_err(), "the second is cut off");
}

/// Short requests may have passed many deleted entries each.
#[test]
fn a_batch_that_has_taken_long_is_left_off() {
    let limits = Limits { batch_time: Duration::ZERO, ..Limits::default() };
    let (fixture, connection) = Fixture::with_limits(Fixture::new().db, limits).and_store(false);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let put = |key: f64| put(1, Some(&number_key(key)), &small_value(5)).finish();
    let requests = Bytes::new(&[]).bytes(&put(1.0)).bytes(&put(2.0)).finish();
    let mut responses = Vec::new();
    fixture.world.execute_batch(fixture.client, transaction, &requests, &mut responses).unwrap();
    let first = Bytes::new(&[0]).bytes(&number_key(1.0)).finish();
    assert_eq!(responses, Bytes::new(&[]).bytes(&first).finish());
    assert_eq!(fixture.values(transaction).len(), 1, "the second is not done");
}

#[test]
fn who_asks_at_once_needs_no_event() {
    let (fixture, connection) = Fixture::with_store(false);
    let (world, client) = (&fixture.world, fixture.client);
    let begin = || world.begin_transaction(client, connection, &[1], Mode::ReadWrite).unwrap();
    let (first, second) = (begin(), begin());
    assert!(world.has_events(client));
    assert!(!world.take_started(client, second), "it waits");
    assert!(world.take_started(client, first));
    assert!(!world.has_events(client) && !world.take_started(client, first));
    commit(world, client, first);
    assert_eq!(world.drain(client), [Event::Started { transaction: second }]);
}

#[test]
fn scopes_and_modes_are_checked() {
    let (fixture, connection) = Fixture::with_store(false);
    let begin =
        |stores: &[u32], mode| fixture.world.begin_transaction(fixture.client, connection, stores, mode);
    assert!(begin(&[2], Mode::ReadOnly).is_err());
    assert!(begin(&[1], Mode::VersionChange).is_err());
    assert!(begin(&[1, 1], Mode::ReadOnly).is_ok());
    assert!(fixture.world.open_database(fixture.client, &units("d"), Some(0)).is_err());
}

/// Threads count up one record; every transaction sees the one before.
#[test]
fn threads_take_turns() {
    const ROUNDS: u8 = 12;
    const THREADS: u8 = 3;
    let (fixture, connection) = Fixture::with_store(false);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    fixture.put(transaction, 1.0, &small_value(0)).unwrap();
    fixture.commit(transaction);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let world = Arc::clone(&fixture.world);
            std::thread::spawn(move || count_up(&world, ROUNDS))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let transaction = fixture.begin(connection, Mode::ReadOnly);
    assert_eq!(fixture.values(transaction), [small_value(ROUNDS * THREADS)]);
}

fn count_up(world: &Arc<World>, rounds: u8) {
    let thread = std::thread::current();
    let client = world.register(Arc::new(move || thread.unpark()));
    let connection = connect(world, client);
    let get = |transaction| {
        let key = number_key(1.0);
        let request =
            crate::document::testing::Bytes::new(&[2]).u32(1).u32(0).u8(5).bytes(&key).bytes(&key).u8(0);
        send(world, client, transaction, &request.finish()).unwrap()
    };
    for _ in 0..rounds {
        let transaction = world.begin_transaction(client, connection, &[1], Mode::ReadWrite).unwrap();
        while !world.drain(client).contains(&Event::Started { transaction }) {
            std::thread::park();
        }
        let number = get(transaction).last().unwrap() / 2;
        let request = put(1, Some(&number_key(1.0)), &small_value(number + 1)).finish();
        send(world, client, transaction, &request).unwrap();
        commit(world, client, transaction);
    }
    world.drop_client(client);
}
