//! Goal: a record lives by its own TTL, else its batch's, else the store's default; from its write or its
//! timestamp; and by the time that reads go by, even after a clock that was wrong. Method: every combination,
//! at the last moment of life and at the first of death.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use flowdb_engine::format::NEVER;
use flowdb_engine::{ErrorKind, ManualClock, WriteOptions};
use flowdb_store::keyspace::KV;
use flowdb_store::{Form, Record, RecordId, Shape, Store, StoreHandle, StoreOptions, TTL_MS_MAX, Ttl};
use std::sync::Arc;

const START: i64 = 1_000_000_000;
const ALL: [Option<Ttl>; 3] = [None, Some(Ttl::Never), Some(Ttl::Milliseconds(7))];

fn record() -> Record {
    Record::new(Form::Text, b"x")
}

fn store(kv_ttl: Option<Ttl>, series_ttl: Option<Ttl>) -> (StoreHandle, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START));
    let options =
        StoreOptions { clock: Arc::clone(&clock) as _, kv_ttl, series_ttl, ..StoreOptions::default() };
    (Store::memory(&options).unwrap(), clock)
}

fn put(store: &Store, id: RecordId<'_>, ttl: Option<Ttl>) {
    let mut batch = store.batch();
    batch.put(id, &record(), ttl).unwrap();
    batch.write(WriteOptions::default()).unwrap();
}

#[test]
fn the_record_comes_before_the_batch_and_the_batch_before_the_default() {
    let distinct =
        |ttl: Option<Ttl>, ms| ttl.map(|ttl| if ttl == Ttl::Never { ttl } else { Ttl::Milliseconds(ms) });
    for own in ALL {
        for batch_ttl in ALL.map(|ttl| distinct(ttl, 5)) {
            for default in ALL.map(|ttl| distinct(ttl, 3)) {
                let (store, _) = store(default, default);
                let mut batch = store.batch();
                batch.set_ttl(batch_ttl).unwrap();
                batch.put(RecordId::Kv(b"k"), &record(), own).unwrap();
                batch.put(RecordId::Series(b"k", START + 5), &record(), own).unwrap();
                batch.write(WriteOptions::default()).unwrap();
                let ttl = own.or(batch_ttl).or(default);
                let lives = match ttl {
                    Some(Ttl::Milliseconds(ms)) => i64::try_from(ms).unwrap() * 1_000,
                    _ => NEVER - START - 5,
                };
                let what = format!("{own:?} {batch_ttl:?} {default:?}");
                let kv = store.kv().expiry(b"k").unwrap().unwrap();
                assert_eq!(kv, if lives > START { NEVER } else { START + lives }, "{what}");
                let point = store.series().latest(b"k").unwrap().unwrap();
                assert_eq!(point.expiry, START + 5 + lives, "{what}");
            }
        }
    }
}

#[test]
fn an_entry_counts_from_its_write_and_a_point_from_its_timestamp() {
    let (store, clock) = store(None, Some(Ttl::Milliseconds(10)));
    clock.set(START + 4_000);
    put(&store, RecordId::Kv(b"k"), Some(Ttl::Milliseconds(10)));
    put(&store, RecordId::Series(b"s", START), None);
    let there =
        || (store.kv().get(b"k").unwrap().is_some(), store.series().get(b"s", START).unwrap().is_some());
    for (after, expected) in
        [(9_999, (true, true)), (10_000, (true, false)), (13_999, (true, false)), (14_000, (false, false))]
    {
        clock.set(START + after);
        assert_eq!(there(), expected, "after {after} us");
    }
}

/// A point that comes later than its retention is not seen, and hides what it replaces.
#[test]
fn a_point_older_than_its_retention_is_not_seen() {
    let (store, clock) = store(None, Some(Ttl::Milliseconds(10)));
    put(&store, RecordId::Series(b"s", START), Some(Ttl::Never));
    clock.set(START + 10_000);
    put(&store, RecordId::Series(b"s", START), None);
    assert_eq!(store.series().latest(b"s").unwrap(), None);
}

/// A clock far ahead, by which expired entries were purged, and which was then set right, decides over
/// nothing that comes later.
#[test]
fn after_a_clock_that_was_ahead_new_entries_live() {
    let (store, clock) = store(None, None);
    let day = 86_400_000_000;
    put(&store, RecordId::Kv(b"old"), Some(Ttl::Milliseconds(1)));
    clock.set(START + day);
    store.db().compact(KV).unwrap();
    clock.set(START);
    put(&store, RecordId::Kv(b"new"), Some(Ttl::Milliseconds(1_000)));
    assert!(store.kv().get(b"new").unwrap().is_some());
    put(&store, RecordId::Series(b"s", START), Some(Ttl::Milliseconds(1_000)));
    store.db().flush().unwrap();
    assert!(store.kv().get(b"new").unwrap().is_some());
    assert!(store.series().get(b"s", START).unwrap().is_some());
    clock.set(START + 1_000_000);
    assert_eq!(store.kv().get(b"new").unwrap(), None);
    assert_eq!(store.series().get(b"s", START).unwrap(), None);
}

#[test]
fn what_is_out_of_range_is_refused_everywhere() {
    for ms in [0, TTL_MS_MAX + 1] {
        let wrong = Some(Ttl::Milliseconds(ms));
        let (store, _) = store(None, None);
        let mut batch = store.batch();
        let kinds = [
            batch.set_ttl(wrong).unwrap_err().kind(),
            batch.put(RecordId::Kv(b"k"), &record(), wrong).unwrap_err().kind(),
            store
                .put_if_absent(RecordId::Kv(b"k"), &record(), wrong, WriteOptions::default())
                .unwrap_err()
                .kind(),
            Store::memory(&StoreOptions { kv_ttl: wrong, ..StoreOptions::default() }).unwrap_err().kind(),
            Store::memory(&StoreOptions { series_ttl: wrong, ..StoreOptions::default() }).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::InvalidArgument; 5]);
        assert!(batch.is_empty());
        assert_eq!(store.kv().count(&flowdb_store::KeyRange::all()).unwrap(), 0, "{:?}", Shape::Kv);
    }
}
