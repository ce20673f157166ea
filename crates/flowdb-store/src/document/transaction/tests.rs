//! Edges of the operations; `tests/document_model.rs` has the rest.

use super::*;
use crate::document::testing::{Bytes, Fixture, create_store, number_key, put, small_value};
use crate::document::{ConnectionId, TransactionId, World};
use crate::keyspace::generator_key;
use flowdb_engine::WriteOptions;
use flowdb_engine::format::{NEVER, Reader};
use flowdb_engine::fs::{FaultyFileSystem, FileSystem, MemoryFileSystem};
use std::result::Result;

const CONSTRAINT: u8 = ErrorName::Constraint as u8;
const LARGEST: f64 = 9_007_199_254_740_992.0;

fn name_of<T: std::fmt::Debug>(answer: Result<T, (u8, String)>) -> u8 {
    answer.unwrap_err().0
}

/// The key in the response of a put.
fn key_of(answer: Result<Vec<u8>, (u8, String)>) -> Vec<u8> {
    answer.unwrap()[4..].to_vec()
}

#[test]
fn the_key_generator_follows_given_numbers() {
    let (fixture, connection) = Fixture::with_store(true);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let generate = || key_of(fixture.request(transaction, put(1, None, &small_value(0))));
    assert_eq!(generate(), number_key(1.0));
    fixture.put(transaction, 5.5, &small_value(0)).unwrap();
    assert_eq!(generate(), number_key(6.0));
    fixture.put(transaction, 2.0, &small_value(0)).unwrap();
    fixture.request(transaction, put(1, Some(&[0x30, 0x63, 0x01]), &small_value(0))).unwrap();
    assert_eq!(generate(), number_key(7.0), "smaller numbers and strings do not raise it");
    let add = Bytes::new(&[1]).u32(1).u8(3).bytes(&number_key(7.0)).raw(&small_value(0));
    assert_eq!(name_of(fixture.request(transaction, add)), CONSTRAINT);
    let clear = Bytes::new(&[6]).u32(1);
    fixture.request(transaction, clear).unwrap();
    assert_eq!(generate(), number_key(8.0), "clear does not set it back");
}

#[test]
fn the_key_generator_ends() {
    for given in [LARGEST - 1.0, LARGEST, f64::INFINITY] {
        let (fixture, connection) = Fixture::with_store(true);
        let transaction = fixture.begin(connection, Mode::ReadWrite);
        fixture.put(transaction, given, &small_value(0)).unwrap();
        if given < LARGEST {
            let last = fixture.request(transaction, put(1, None, &small_value(0)));
            assert_eq!(key_of(last), number_key(LARGEST));
        }
        assert_eq!(name_of(fixture.request(transaction, put(1, None, &small_value(0)))), CONSTRAINT);
        fixture.commit(transaction);
        let transaction = fixture.begin(connection, Mode::ReadWrite);
        assert_eq!(name_of(fixture.request(transaction, put(1, None, &small_value(0)))), CONSTRAINT);
    }
}

#[test]
fn a_put_without_a_key_is_a_data_error() {
    let (fixture, connection) = Fixture::with_store(false);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    assert_eq!(name_of(fixture.request(transaction, put(1, None, &small_value(0)))), ErrorName::Data as u8);
    let long = [&[0x40][..], &vec![1; 1 << 20], &[0, 0]].concat();
    let answer = fixture.request(transaction, put(1, Some(&long), &small_value(0)));
    assert_eq!(name_of(answer), ErrorName::Data as u8);
    assert!(fixture.values(transaction).is_empty());
}

#[test]
fn what_a_transaction_may_not_do_is_refused() {
    let (fixture, connection) = Fixture::with_store(false);
    let transaction = fixture.begin(connection, Mode::ReadOnly);
    assert_eq!(name_of(fixture.put(transaction, 1.0, &small_value(0))), ErrorName::InvalidState as u8);
    for request in [create_store(2, false, None), Bytes::new(&[9]).u32(1)] {
        assert_eq!(name_of(fixture.request(transaction, request)), ErrorName::InvalidState as u8);
    }
    let other_store = Bytes::new(&[4]).u32(2).u32(0).u8(0);
    assert_eq!(name_of(fixture.request(transaction, other_store)), ErrorName::NotFound as u8);
    let other_index = Bytes::new(&[4]).u32(1).u32(1).u8(0);
    assert_eq!(name_of(fixture.request(transaction, other_index)), ErrorName::NotFound as u8);
    for nonsense in [&[][..], &[99], &[1, 1, 0, 0, 0, 2]] {
        let error = fixture.world.execute(fixture.client, transaction, nonsense, ReadTier::Disk).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn ids_are_given_once() {
    let fixture = Fixture::new();
    let (_, transaction) = fixture.upgrade(1);
    let create = |id| {
        let request = create_store(id, false, None).finish();
        fixture.world.execute(fixture.client, transaction, &request, ReadTier::Disk)
    };
    assert!(create(0).is_err());
    assert!(create(u32::MAX).is_err());
    create(1).unwrap();
    fixture.request(transaction, Bytes::new(&[9]).u32(1)).unwrap();
    assert!(create(1).is_err());
    create(2).unwrap();
    let rename = Bytes::new(&[10]).u32(2).name("store 2");
    fixture.request(transaction, rename).unwrap();
    fixture.request(transaction, create_store(3, false, None)).unwrap();
    let taken = Bytes::new(&[10]).u32(3).name("store 2");
    assert_eq!(name_of(fixture.request(transaction, taken)), CONSTRAINT);
}

#[test]
fn a_cursor_sees_what_is_written_under_it() {
    let (fixture, connection) = Fixture::with_store(false);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    for key in [1.0, 3.0, 5.0] {
        fixture.put(transaction, key, &small_value(0)).unwrap();
    }
    fixture.commit(transaction);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let next = |after: f64| {
        let key = number_key(after);
        let request = Bytes::new(&[7]).u32(1).u32(0).u8(0).u8(0).u8(1).u8(4).bytes(&key).bytes(&key).u32(1);
        let response = fixture.request(transaction, request).unwrap();
        (response[0] == 1).then(|| response[5..14].to_vec())
    };
    assert_eq!(next(1.0), Some(number_key(3.0)));
    fixture.put(transaction, 4.0, &small_value(0)).unwrap();
    assert_eq!(next(3.0), Some(number_key(4.0)));
    let delete = Bytes::new(&[5]).u32(1).u8(5).bytes(&number_key(5.0)).bytes(&number_key(5.0));
    fixture.request(transaction, delete).unwrap();
    assert_eq!(next(4.0), None);
    fixture.put(transaction, 6.0, &small_value(0)).unwrap();
    assert_eq!(next(4.0), Some(number_key(6.0)));
}

#[test]
fn a_cursor_brings_what_is_behind_its_record_up_to_the_end() {
    let (fixture, connection) = Fixture::with_store(false);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    for key in 1..=4 {
        fixture.put(transaction, key.into(), &small_value(0)).unwrap();
    }
    let long = [&[1, 0x0a, 0x80, 0x80, 0x02][..], &[b'x'; 32 << 10]].concat();
    fixture.put(transaction, 5.0, &long).unwrap();
    fixture.put(transaction, 6.0, &small_value(0)).unwrap();
    let keys = |after: f64, ahead: u32| {
        let key = number_key(after);
        let request = Bytes::new(&[7]).u32(1).u32(0).u8(0).u8(0).u8(0).u8(12);
        let request = request.bytes(&key).bytes(&key).u32(1).u32(ahead);
        let response = fixture.request(transaction, request).unwrap();
        let mut reader = Reader::new(&response);
        let mut found = Vec::new();
        let bytes = |reader: &mut Reader<'_>| {
            let length = reader.u32().unwrap() as usize;
            reader.take(length).unwrap().to_vec()
        };
        while !reader.is_empty() {
            if reader.u8() == Some(0) {
                assert!(reader.is_empty(), "nothing follows the end");
                found.push(Vec::new());
                break;
            }
            found.push(bytes(&mut reader));
            bytes(&mut reader);
            assert_eq!(reader.u8(), Some(0), "flags");
            bytes(&mut reader);
        }
        found
    };
    let expected = |numbers: &[f64]| numbers.iter().copied().map(number_key).collect::<Vec<_>>();
    assert_eq!(keys(1.0, 0), expected(&[2.0]));
    assert_eq!(keys(1.0, 1), expected(&[2.0, 3.0]));
    assert_eq!(keys(1.0, 9), expected(&[2.0, 3.0, 4.0]), "a large value is left to the step that gets to it");
    assert_eq!(keys(4.0, 9), expected(&[5.0]));
    assert_eq!(keys(5.0, 9), [number_key(6.0), Vec::new()], "the end is told");
    assert_eq!(keys(6.0, 9), [Vec::<u8>::new()]);
}

/// Bytes that do not decode are told as such, with their place, and nothing panics.
#[test]
fn corruption_is_an_answer() {
    let (fixture, connection) = Fixture::with_store(true);
    let prefix = data_prefix(1, 1, 0);
    let mut batch = flowdb_engine::WriteBatch::new();
    batch.put(DOCUMENTS, &[&prefix[..], &number_key(1.0)].concat(), b"", NEVER).unwrap();
    batch.put(DOCUMENTS, &[&prefix[..], &[0x77]].concat(), &[0, 1, 1], NEVER).unwrap();
    batch.put(DOCUMENTS, &generator_key(1, 1), b"short", NEVER).unwrap();
    fixture.db.write(batch, WriteOptions::default()).unwrap();
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    let only = Bytes::new(&[2]).u32(1).u32(0).u8(5).bytes(&number_key(1.0)).bytes(&number_key(1.0)).u8(0);
    let all = Bytes::new(&[3]).u32(1).u32(0).u8(0).u8(0).u32(0).u8(1);
    for request in [only, all, put(1, None, &small_value(0))] {
        let (name, message) = fixture.request(transaction, request).unwrap_err();
        assert_eq!(name, ErrorName::Unknown as u8);
        assert!(message.contains("database \"d\", object store 1"), "{message}");
    }
}

/// An index entry without its record, and one that is no entry.
#[test]
fn corruption_of_an_index_is_an_answer() {
    let fixture = Fixture::new();
    let (connection, upgrade) = fixture.upgrade(1);
    fixture.request(upgrade, create_store(1, false, None)).unwrap();
    let index = Bytes::new(&[11]).u32(1).u32(1).u8(0).name("i").u8(1).name("a");
    fixture.request(upgrade, index).unwrap();
    fixture.commit(upgrade);
    let prefix = data_prefix(1, 1, 1);
    let mut batch = flowdb_engine::WriteBatch::new();
    let dangling = [&prefix[..], &number_key(1.0), &number_key(2.0)].concat();
    batch.put(DOCUMENTS, &dangling, b"", NEVER).unwrap();
    batch.put(DOCUMENTS, &[&prefix[..], &number_key(3.0)].concat(), b"", NEVER).unwrap();
    fixture.db.write(batch, WriteOptions::default()).unwrap();
    let transaction = fixture.begin(connection, Mode::ReadOnly);
    for (key, what) in [(1.0, "has no record"), (3.0, "does not decode")] {
        let key = number_key(key);
        let request = Bytes::new(&[2]).u32(1).u32(1).u8(5).bytes(&key).bytes(&key).u8(0);
        let (name, message) = fixture.request(transaction, request).unwrap_err();
        assert_eq!(name, ErrorName::Unknown as u8);
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn a_failed_build_leaves_no_entry() {
    let fixture = Fixture::new();
    let (_, upgrade) = fixture.upgrade(1);
    fixture.request(upgrade, create_store(1, false, None)).unwrap();
    for (key, value) in [(1.0, 7), (2.0, 8), (3.0, 7)] {
        fixture.put(upgrade, key, &small_value(value)).unwrap();
    }
    // The empty key path: the value itself.
    let index = Bytes::new(&[11]).u32(1).u32(1).u8(1).name("i").u8(1).name("");
    fixture.request(upgrade, index).unwrap();
    assert_eq!(name_of(fixture.request(upgrade, Bytes::new(&[14]).u32(1).u32(1))), CONSTRAINT);
    let count = Bytes::new(&[4]).u32(1).u32(1).u8(0);
    assert_eq!(fixture.request(upgrade, count).unwrap(), 0u64.to_le_bytes());
}

/// A transaction that keeps 2000 bytes in memory puts 300 records, half of them twice, and
/// deletes every tenth.
fn write_much(fixture: &Fixture, connection: ConnectionId) -> (TransactionId, Vec<Vec<u8>>) {
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    for number in 0..300u16 {
        fixture.put(transaction, number.into(), &small_value(1)).unwrap();
        fixture.put(transaction, (number / 2).into(), &small_value(2)).unwrap();
    }
    for number in (0..300u16).step_by(10) {
        let key = number_key(number.into());
        let request = Bytes::new(&[5]).u32(1).u8(5).bytes(&key).bytes(&key);
        fixture.request(transaction, request).unwrap();
    }
    let left = (0..300).filter(|number| number % 10 != 0);
    (transaction, left.map(|number| small_value(if number < 150 { 2 } else { 1 })).collect())
}

fn table_names(files: &MemoryFileSystem) -> Vec<String> {
    let names = files.list(std::path::Path::new("/db")).unwrap();
    names.into_iter().filter(|name| name.ends_with(".table")).collect()
}

#[test]
fn a_large_transaction_goes_to_disk_and_is_committed_whole() {
    let files = MemoryFileSystem::new();
    let (fixture, connection) = Fixture::with_memory(Arc::new(files.clone()), 2_000).and_store(false);
    let (transaction, values) = write_much(&fixture, connection);
    assert!(!table_names(&files).is_empty(), "it has begun to write");
    assert_eq!(fixture.values(transaction), values);
    let other = World::open(fixture.db.clone()).unwrap();
    assert_eq!(other.databases().len(), 1, "others see what is committed");
    let before = fixture.db.last_sequence();
    fixture.commit(transaction);
    assert!(fixture.db.last_sequence() > before);
    let reader = fixture.begin(connection, Mode::ReadOnly);
    assert_eq!(fixture.values(reader), values);
}

#[test]
fn a_large_transaction_that_is_aborted_leaves_nothing() {
    let files = MemoryFileSystem::new();
    let (fixture, connection) = Fixture::with_memory(Arc::new(files.clone()), 2_000).and_store(false);
    let before = (fixture.db.last_sequence(), table_names(&files));
    let (transaction, _) = write_much(&fixture, connection);
    fixture.world.abort(fixture.client, transaction).unwrap();
    fixture.db.maintain(std::time::Duration::ZERO).unwrap();
    assert_eq!((fixture.db.last_sequence(), table_names(&files)), before);
    let reader = fixture.begin(connection, Mode::ReadOnly);
    assert!(fixture.values(reader).is_empty());
}

#[test]
fn a_full_disk_under_a_large_transaction_is_told_and_loses_nothing() {
    let files = FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()));
    let (fixture, connection) = Fixture::with_memory(Arc::new(files.clone()), 2_000).and_store(false);
    let first = fixture.begin(connection, Mode::ReadWrite);
    fixture.put(first, 1.0, &small_value(1)).unwrap();
    fixture.commit(first);
    let transaction = fixture.begin(connection, Mode::ReadWrite);
    files.fill();
    let refused =
        (0..300u16).find_map(|number| fixture.put(transaction, number.into(), &small_value(2)).err());
    assert_eq!(refused.unwrap().0, ErrorName::QuotaExceeded as u8);
    fixture.world.abort(fixture.client, transaction).unwrap();
    files.heal();
    let reader = fixture.begin(connection, Mode::ReadWrite);
    assert_eq!(fixture.values(reader), [small_value(1)]);
    fixture.put(reader, 2.0, &small_value(3)).unwrap();
    fixture.commit(reader);
}

/// Store 1 with a unique index of the values themselves, and records `0..count` whose values
/// are their numbers.
fn with_unique_index(count: u16) -> (Fixture, ConnectionId) {
    let fixture = Fixture::new();
    let (connection, upgrade) = fixture.upgrade(1);
    fixture.request(upgrade, create_store(1, false, None)).unwrap();
    fixture.request(upgrade, Bytes::new(&[11]).u32(1).u32(1).u8(1).name("i").u8(1).name("")).unwrap();
    for number in 0..count {
        fixture.put(upgrade, number.into(), &string_value(number)).unwrap();
    }
    fixture.commit(upgrade);
    (fixture, connection)
}

/// Value-format bytes of a string of four letters.
fn string_value(number: u16) -> Vec<u8> {
    [&[1, 10, 4][..], format!("{number:04x}").as_bytes()].concat()
}

fn delete(number: u16) -> Bytes {
    let key = number_key(number.into());
    Bytes::new(&[5]).u32(1).u8(5).bytes(&key).bytes(&key)
}

/// Each costs the JS thread as much, whatever is hidden behind its key: by this transaction, or by deletes
/// that are committed.
#[test]
fn a_unique_check_looks_at_its_own_key_only() {
    let count = u16::try_from(Limits::default().portion_passes).unwrap() + 500;
    for is_committed in [false, true] {
        let (fixture, connection) = with_unique_index(count);
        let mut transaction = fixture.begin(connection, Mode::ReadWrite);
        for number in 0..count {
            fixture.request(transaction, delete(number)).unwrap();
        }
        if is_committed {
            fixture.commit(transaction);
            transaction = fixture.begin(connection, Mode::ReadWrite);
        }
        for number in (0..count).step_by(100).rev() {
            let request = put(1, Some(&number_key(number.into())), &string_value(number)).finish();
            let answer =
                fixture.world.execute(fixture.client, transaction, &request, ReadTier::Memory).unwrap();
            assert_eq!(answer.expect("it is in memory")[0], 0, "record {number}");
        }
        let again = put(1, Some(&number_key(7.5)), &string_value(100));
        assert_eq!(name_of(fixture.request(transaction, again)), CONSTRAINT);
    }
}

/// The file that a large value is in is not in memory, but its key is.
#[test]
fn whether_a_record_is_there_is_told_without_its_value() {
    for memory_bytes in [usize::MAX, 100_000] {
        let (fixture, connection) =
            Fixture::with_memory(Arc::new(MemoryFileSystem::new()), memory_bytes).and_store(false);
        let mut transaction = fixture.begin(connection, Mode::ReadWrite);
        fixture
            .put(transaction, 1.0, &[&[1, 10, 0x80, 0x80, 0x20][..], &[b'x'; 512 << 10]].concat())
            .unwrap();
        if memory_bytes == usize::MAX {
            fixture.commit(transaction);
            fixture.db.flush().unwrap();
            transaction = fixture.begin(connection, Mode::ReadWrite);
        }
        let execute = |request: &Bytes, tier| {
            fixture.world.execute(fixture.client, transaction, &request.clone().finish(), tier).unwrap()
        };
        let key = number_key(1.0);
        let get = |key_only| Bytes::new(&[2]).u32(1).u32(0).u8(5).bytes(&key).bytes(&key).u8(key_only);
        let add = Bytes::new(&[1]).u32(1).u8(3).bytes(&key).raw(&small_value(7));
        assert_eq!(execute(&get(1), ReadTier::Disk).unwrap()[1], 1, "which reads the blocks with the key");
        assert!(execute(&get(0), ReadTier::Memory).is_none());
        assert_eq!(execute(&get(1), ReadTier::Memory).unwrap()[1], 1);
        assert_eq!(execute(&add, ReadTier::Memory).unwrap()[..2], [1, CONSTRAINT]);
    }
}
