//! Requests over many records: each call does a bounded part, and what is between the parts is safe.
//! `tests/document_model.rs` does everything in portions of one record.

use super::*;
use crate::document::testing::{Bytes, Fixture, create_store, number_key, small_value};
use crate::document::{ConnectionId, Mode, TransactionId};
use crate::keyspace::{DOCUMENTS, data_prefix};
use flowdb_engine::format::NEVER;
use flowdb_engine::fs::{FaultyFileSystem, MemoryFileSystem};
use flowdb_engine::{ReadTier, WriteBatch, WriteOptions};
use std::sync::Arc;

const RECORDS: u16 = 100;
const PORTION: usize = 10;

/// Store 1 with an index of the values themselves, and `RECORDS` records.
fn fixture() -> (Fixture, ConnectionId) {
    fixture_on(Fixture::new(), Limits::default())
}

fn fixture_on(fixture: Fixture, limits: Limits) -> (Fixture, ConnectionId) {
    let limits = Limits { portion_records: PORTION, ..limits };
    let fixture = Fixture::with_limits(fixture.db, limits);
    let (connection, upgrade) = fixture.upgrade(1);
    fixture.request(upgrade, create_store(1, false, None)).unwrap();
    fixture.request(upgrade, Bytes::new(&[11]).u32(1).u32(1).u8(0).name("i").u8(1).name("")).unwrap();
    for number in 0..RECORDS {
        fixture.put(upgrade, number.into(), &small_value(7)).unwrap();
    }
    fixture.commit(upgrade);
    (fixture, connection)
}

/// All but the last record.
fn range(request: Bytes) -> Bytes {
    request.u8(1 | 4).bytes(&number_key(0.0)).bytes(&number_key(f64::from(RECORDS) - 2.0))
}

fn delete_range() -> Vec<u8> {
    range(Bytes::new(&[5]).u32(1)).finish()
}

/// One call: its status, and where to go on.
fn portion(fixture: &Fixture, transaction: TransactionId, request: &[u8]) -> (u8, Vec<u8>) {
    let (world, client) = (&fixture.world, fixture.client);
    let response = world.execute(client, transaction, request, ReadTier::Memory).unwrap().unwrap();
    if response[0] != 2 {
        return (response[0], Vec::new());
    }
    let (rest, length) = response.split_last_chunk::<4>().unwrap();
    (2, rest[rest.len() - u32::from_le_bytes(*length) as usize..].to_vec())
}

fn count(fixture: &Fixture, transaction: TransactionId, index: u32) -> u64 {
    let count = fixture.request(transaction, Bytes::new(&[4]).u32(1).u32(index).u8(0)).unwrap();
    u64::from_le_bytes(count.try_into().unwrap())
}

#[test]
fn a_call_deals_with_few_records() {
    let (fixture, connection) = fixture();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let steps = Bytes::new(&[7]).u32(1).u32(0).u8(0).u8(0).u8(1).u8(0).u32(50).finish();
    let all = range(Bytes::new(&[3]).u32(1).u32(1)).u8(2).u32(0).u8(7).finish();
    for request in [range(Bytes::new(&[4]).u32(1).u32(1)).finish(), steps, all, delete_range()] {
        let (mut status, mut place) = portion(&fixture, transaction, &request);
        let mut portions = 1;
        while status == 2 {
            let resumed = Bytes::new(&[15]).bytes(&place).raw(&request).finish();
            (status, place) = portion(&fixture, transaction, &resumed);
            portions += 1;
        }
        assert_eq!(status, 0);
        assert!(portions >= 4, "{request:?}: {portions} portions");
    }
    assert_eq!((count(&fixture, transaction, 0), count(&fixture, transaction, 1)), (1, 1));
}

/// The records of [`fixture`], of which all but the first and the last are deleted.
fn mostly_deleted(limits: Limits) -> (Fixture, ConnectionId) {
    let fixture = Fixture::with_limits(fixture().0.db, limits);
    fixture.world.open_database(fixture.client, &crate::document::testing::units("d"), None).unwrap();
    let connection = match fixture.world.drain(fixture.client).pop() {
        Some(crate::document::Event::Opened { connection, .. }) => connection,
        other => panic!("{other:?}"),
    };
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    for number in 1..RECORDS - 1 {
        let key = number_key(number.into());
        fixture.request(transaction, Bytes::new(&[5]).u32(1).u8(5).bytes(&key).bytes(&key)).unwrap();
    }
    fixture.commit(transaction);
    (fixture, connection)
}

/// What comes to nothing but the last record: of the store and of its index, forward and backward from the
/// first one or the last.
fn requests_behind_much() -> Vec<Vec<u8>> {
    let behind = |request: Bytes| request.u8(1 | 2).bytes(&number_key(0.0));
    let before = |request: Bytes| request.u8(4 | 8).bytes(&number_key(f64::from(RECORDS) - 1.0));
    let get_all = || Bytes::new(&[3]).u32(1).u32(0);
    let step = || Bytes::new(&[7]).u32(1).u32(0);
    [
        behind(Bytes::new(&[2]).u32(1).u32(0)).u8(1),
        behind(Bytes::new(&[4]).u32(1).u32(0)),
        behind(get_all()).u8(0).u32(1).u8(1),
        before(get_all()).u8(2).u32(1).u8(1),
        behind(step()).u8(0).u8(1).u8(0).u32(1),
        before(step()).u8(2).u8(1).u8(0).u32(1),
        Bytes::new(&[7]).u32(1).u32(1).u8(0).u8(2).u8(1).u8(0).u32(2),
        Bytes::new(&[7]).u32(1).u32(1).u8(0).u8(0).u8(1).u8(0).u32(2),
        behind(Bytes::new(&[5]).u32(1)),
    ]
    .map(Bytes::finish)
    .into()
}

#[test]
fn deleted_records_count_and_a_portion_may_end_among_them() {
    let expected = {
        let (fixture, connection) = mostly_deleted(Limits::default());
        let transaction = fixture.begin(connection, Mode::ReadWrite);
        requests_behind_much()
            .iter()
            .map(|request| portions(&fixture, transaction, request).0)
            .collect::<Vec<_>>()
    };
    let (fixture, connection) = mostly_deleted(Limits { portion_passes: 4, ..Limits::default() });
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    for (request, expected) in requests_behind_much().iter().zip(expected) {
        let answer = fixture.world.execute(fixture.client, transaction, request, ReadTier::Memory).unwrap();
        let is_done = answer.is_some_and(|answer| answer[0] == 0);
        assert!(!is_done, "{request:?}: the JS thread has passed it all");
        let (response, portions) = portions(&fixture, transaction, request);
        assert_eq!(response, expected, "{request:?}");
        assert!(portions > 2, "{request:?}: {portions} portions");
    }
}

/// The last answer to a request that a worker does, and in how many portions; of pages, all that is in them.
fn portions(fixture: &Fixture, transaction: TransactionId, request: &[u8]) -> (Vec<u8>, usize) {
    let execute = |request: &[u8]| {
        fixture.world.execute(fixture.client, transaction, request, ReadTier::Disk).unwrap().unwrap()
    };
    let (mut response, mut count) = (execute(request), 1);
    while response[0] == 2 {
        let (rest, length) = response.split_last_chunk::<4>().unwrap();
        let place = &rest[rest.len() - u32::from_le_bytes(*length) as usize..];
        response = execute(&Bytes::new(&[15]).bytes(place).raw(request).finish());
        count += 1;
    }
    (response, count)
}

#[test]
fn aborted_between_portions_nothing_is_done() {
    let (fixture, connection) = fixture();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    assert_eq!(portion(&fixture, transaction, &delete_range()).0, 2);
    let other = Bytes::new(&[6]).u32(1).finish();
    let execute = |tier| fixture.world.execute(fixture.client, transaction, &other, tier);
    assert_eq!(execute(ReadTier::Memory).unwrap(), None, "it has to wait");
    assert_eq!(execute(ReadTier::Disk).unwrap_err().kind(), ErrorKind::InvalidArgument);
    fixture.world.abort(fixture.client, transaction).unwrap();
    let reader = fixture.begin(connection, Mode::ReadOnly);
    assert_eq!(count(&fixture, reader, 0), u64::from(RECORDS));
    assert_eq!(count(&fixture, reader, 1), u64::from(RECORDS));
}

/// The entries of the first records are gone when the last one turns out to be damaged: even a caller that
/// catches the error cannot commit that.
#[test]
fn a_transaction_with_half_a_request_is_not_committed() {
    let (fixture, connection) = fixture();
    let damaged = [&data_prefix(1, 1, 0)[..], &number_key(f64::from(RECORDS) - 2.0)].concat();
    let mut batch = WriteBatch::new();
    batch.put(DOCUMENTS, &damaged, &[0xff], NEVER).unwrap();
    fixture.db.write(batch, WriteOptions::default()).unwrap();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let request = Bytes::new(&delete_range());
    let (_, message) = fixture.request(transaction, request).unwrap_err();
    assert!(message.contains("record flags 0xff"), "{message}");
    let (_, message) = fixture.put(transaction, 1.0, &small_value(1)).unwrap_err();
    assert!(message.contains("cannot go on"), "{message}");
    let outcome = fixture.world.commit(fixture.client, transaction, false).unwrap();
    assert_eq!(outcome, crate::document::CommitOutcome::Failed);
    fixture.world.drain(fixture.client);
    let reader = fixture.begin(connection, Mode::ReadOnly);
    assert_eq!(count(&fixture, reader, 1), u64::from(RECORDS));
}

/// Half of the entries are gone, and the transaction must move to a disk that is full: a caller that catches
/// the error cannot commit that.
#[test]
fn a_full_disk_between_portions_breaks_the_transaction() {
    let files = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
    let limits = Limits { transaction_memory_bytes: 1000, ..Limits::default() };
    let (fixture, connection) = fixture_on(Fixture::on(Arc::new(files.clone())), limits);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    // The records went to tables: from now on they are in memory too.
    assert_eq!(count(&fixture, transaction, 0), u64::from(RECORDS));
    let (status, place) = portion(&fixture, transaction, &delete_range());
    assert_eq!(status, 2);
    files.fill();
    let resumed = Bytes::new(&[15]).bytes(&place).raw(&delete_range());
    let (name, _) = fixture.request(transaction, resumed).unwrap_err();
    assert_eq!(name, crate::document::failure::ErrorName::QuotaExceeded as u8);
    files.heal();
    assert_commit_fails(&fixture, transaction);
    assert_eq!(count_anew(&fixture, connection), u64::from(RECORDS));
}

#[test]
fn a_request_that_writes_is_not_committed_in_part() {
    let (fixture, connection) = fixture();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    assert_eq!(portion(&fixture, transaction, &delete_range()).0, 2);
    assert_commit_fails(&fixture, transaction);
    assert_eq!(count_anew(&fixture, connection), u64::from(RECORDS));
}

#[test]
fn a_request_that_reads_can_be_given_up() {
    let (fixture, connection) = fixture();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let all = range(Bytes::new(&[3]).u32(1).u32(1)).u8(2).u32(0).u8(7).finish();
    assert_eq!(portion(&fixture, transaction, &all).0, 2);
    fixture.request(transaction, Bytes::new(&[6]).u32(1)).unwrap();
    fixture.commit(transaction);
    assert_eq!(count_anew(&fixture, connection), 0);
}

fn assert_commit_fails(fixture: &Fixture, transaction: TransactionId) {
    let (world, client) = (&fixture.world, fixture.client);
    if world.commit(client, transaction, false).unwrap() == crate::document::CommitOutcome::NeedsWorker {
        world.commit_blocking(transaction, false);
    }
    let events = world.drain(client);
    assert!(matches!(events[..], [crate::document::Event::CommitFailed { .. }]), "{events:?}");
}

/// Entries of the index, as the next transaction finds them.
fn count_anew(fixture: &Fixture, connection: ConnectionId) -> u64 {
    let reader = fixture.begin(connection, Mode::ReadOnly);
    count(fixture, reader, 1)
}

#[test]
fn a_transaction_may_have_more_in_memory_when_it_has_written_much() {
    let limits =
        Limits { transaction_memory_bytes: 32, transaction_memory_bytes_min: 8, ..Limits::default() };
    let written = [0, 16, 17, 18, 40, 64, 1000];
    assert_eq!(written.map(|bytes| limits.overlay_bytes_max(bytes)), [8, 8, 8, 9, 20, 32, 32]);
    let limits = Limits { transaction_memory_bytes: 4, ..limits };
    assert_eq!(limits.overlay_bytes_max(0), 4);
}
