//! Whatever way the index entries of a range's records are deleted, they go with their records, and
//! no others do.

use crate::document::testing::{Bytes as Request, Fixture, Random, create_store, number_key, small_value};
use crate::document::{ConnectionId, Limits, Mode, TransactionId};
use flowdb_engine::ReadTier;
use std::collections::BTreeMap;

const RECORDS: usize = 400;

/// Store 1 with an index of the values themselves, which are `value_of` the keys below `RECORDS`.
fn filled(limits: Limits, value_of: impl Fn(usize) -> u8) -> (Fixture, ConnectionId) {
    let fixture = Fixture::with_limits(Fixture::new().db, limits);
    let (connection, upgrade) = fixture.upgrade(1);
    fixture.request(upgrade, create_store(1, false, None)).unwrap();
    fixture.request(upgrade, Request::new(&[11]).u32(1).u32(1).u8(0).name("i").u8(1).name("")).unwrap();
    for number in 0..RECORDS {
        fixture.put(upgrade, number as f64, &small_value(value_of(number))).unwrap();
    }
    fixture.commit(upgrade);
    (fixture, connection)
}

fn one_of_three(number: usize) -> u8 {
    [0, 1, 2][number % 3]
}

/// The records from `from` up to `to`, both of them included.
fn delete(from: usize, to: usize) -> Request {
    let request = Request::new(&[5]).u32(1).u8(1 | 4);
    request.bytes(&number_key(from as f64)).bytes(&number_key(to as f64))
}

fn count(fixture: &Fixture, transaction: TransactionId, index: u32, value: u8) -> u64 {
    let request = Request::new(&[4]).u32(1).u32(index).u8(1 | 4);
    let key = number_key(value.into());
    let answer = fixture.request(transaction, request.bytes(&key).bytes(&key)).unwrap();
    u64::from_le_bytes(answer.try_into().unwrap())
}

fn assert_entries(fixture: &Fixture, transaction: TransactionId, model: &BTreeMap<usize, u8>) {
    let values: Vec<Vec<u8>> = model.values().map(|&value| small_value(value)).collect();
    assert_eq!(fixture.values(transaction), values);
    for value in 0..4 {
        let expected = model.values().filter(|each| **each == value).count() as u64;
        assert_eq!(count(fixture, transaction, 1, value), expected, "entries of {value}");
    }
}

#[test]
fn entries_go_with_their_records() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        // Three keys of many records each and one of few; a portion has more, or fewer, of one key than
        // make a range.
        let value_of = |number: usize| if number.is_multiple_of(40) { 3 } else { one_of_three(number) };
        let portion_records = [8, 60, 2048][random.below(3)];
        let transaction_memory_bytes = [2000, usize::MAX][random.below(2)];
        let limits = Limits { portion_records, transaction_memory_bytes, ..Limits::default() };
        let (fixture, connection) = filled(limits, value_of);
        let mut model: BTreeMap<usize, u8> = (0..RECORDS).map(|number| (number, value_of(number))).collect();
        for _ in 0..3 {
            let transaction = fixture.begin(connection, Mode::ReadWrite);
            for _ in 0..3 {
                let (one, other) = (random.below(RECORDS), random.below(RECORDS));
                let (from, to) = (one.min(other), one.max(other));
                fixture.request(transaction, delete(from, to)).unwrap();
                model.retain(|number, _| !(from..=to).contains(number));
                let again = random.below(RECORDS);
                fixture.put(transaction, again as f64, &small_value(1)).unwrap();
                model.insert(again, 1);
            }
            assert_entries(&fixture, transaction, &model);
            fixture.commit(transaction);
            let reader = fixture.begin(connection, Mode::ReadOnly);
            assert_entries(&fixture, reader, &model);
            fixture.commit(reader);
        }
    }
}

#[test]
fn many_entries_of_one_key_are_few_writes() {
    let (fixture, connection) = filled(Limits::default(), |_| 2);
    let before = fixture.db.last_sequence();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    fixture.request(transaction, delete(1, RECORDS - 1)).unwrap();
    fixture.commit(transaction);
    assert_eq!(fixture.db.last_sequence() - before, 2, "a range of the records, and one of their entries");
}

#[test]
fn a_range_of_all_records_is_not_walked_through() {
    let limits = Limits { portion_records: 1, ..Limits::default() };
    let (fixture, connection) = filled(limits, one_of_three);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let request = delete(0, RECORDS - 1).finish();
    let answer = fixture.world.execute(fixture.client, transaction, &request, ReadTier::Memory).unwrap();
    assert_eq!(answer.unwrap()[0], 0, "done at once");
    assert_entries(&fixture, transaction, &BTreeMap::new());
    fixture.commit(transaction);
}

/// Whether a store has other records is not worth a walk through all that was deleted.
#[test]
fn deleted_records_before_a_range_are_not_passed() {
    let (fixture, connection) = filled(Limits::default(), one_of_three);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    for number in 0..RECORDS - 2 {
        fixture.request(transaction, delete(number, number)).unwrap();
    }
    fixture.commit(transaction);
    let before = fixture.db.last_sequence();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    fixture.request(transaction, delete(RECORDS - 2, RECORDS - 1)).unwrap();
    fixture.commit(transaction);
    assert_eq!(
        fixture.db.last_sequence() - before,
        3,
        "a range of the records, and their entries one by one"
    );
}
