//! Goal: a store told how long to keep its series shows no point that is older, by whatever read, and gives
//! the space back; cache entries stay. Method: one point per minute over two days, every read at several
//! times, before and after maintenance.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use bytes::Bytes;
use flowdb_engine::{Maintenance, ManualClock, WriteOptions};
use flowdb_store::keyspace::SERIES;
use flowdb_store::series::Window;
use flowdb_store::{
    Direction, Form, KeyRange, Record, RecordId, SeriesRetention, Store, StoreHandle, StoreOptions, Ttl,
};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const KEYS: [&[u8]; 2] = [b"indoor", b"outdoor"];

fn filled() -> (StoreHandle, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(DAY - MINUTE));
    let options = StoreOptions {
        clock: Arc::clone(&clock) as _,
        series_retention_ms: Some(24 * 60 * 60 * 1_000),
        ..StoreOptions::default()
    };
    let store = Store::memory(&options).unwrap();
    for time in (0..DAY).step_by(MINUTE as usize) {
        let mut batch = store.batch();
        for key in KEYS {
            batch.put(RecordId::Series(key, time), &record(time), Some(Ttl::Never)).unwrap();
        }
        batch.put(RecordId::Kv(&time.to_be_bytes()), &record(time), None).unwrap();
        batch.write(WriteOptions::default()).unwrap();
    }
    store.db().flush().unwrap();
    (store, clock)
}

fn record(time: i64) -> Record {
    Record::new(Form::Text, time.to_string().as_bytes())
}

fn check(store: &Store, first: i64) {
    let (all, series) = (KeyRange::Prefix(Vec::new().into()), store.series());
    let times = |direction| {
        let points = series.scan(&all, Window::ALL, direction).map(Result::unwrap);
        points.filter(|point| point.key == KEYS[1]).map(|point| point.timestamp).collect::<Vec<_>>()
    };
    let mut expected: Vec<i64> = (0..DAY).step_by(MINUTE as usize).filter(|time| *time >= first).collect();
    assert_eq!(times(Direction::Forward), expected);
    let count = 2 * expected.len() as u64;
    assert_eq!(series.count(&all, Window::ALL).unwrap(), count);
    assert_eq!(series.count(&all, Window { first: i64::MIN, last: first - 1 }).unwrap(), 0);
    expected.reverse();
    assert_eq!(times(Direction::Backward), expected);
    let newest = expected.first().copied();
    assert_eq!(series.latest(KEYS[0]).unwrap().map(|point| point.timestamp), newest);
    assert_eq!(series.at(KEYS[0], first - 1).unwrap(), None);
    assert_eq!(series.at(KEYS[0], first).unwrap().map(|point| point.timestamp), newest.map(|_| first));
    assert_eq!(series.get(KEYS[0], first - MINUTE).unwrap(), None);
    assert_eq!(series.get(KEYS[0], first).unwrap(), newest.map(|_| record(first)));
    assert_eq!(series.each_at(&all, first - 1, Direction::Forward).unwrap().count(), 0);
    let each = series.each_at(&all, i64::MAX, Direction::Backward).unwrap().count();
    assert_eq!(each, if newest.is_some() { 2 } else { 0 });
}

/// A directory that is opened with other retentions. Removed when dropped.
struct Directory(PathBuf, Arc<ManualClock>);

impl Directory {
    fn new(name: &str, now: i64) -> Self {
        let path = std::env::temp_dir().join(format!("flowdb-retention-{name}-{}", std::process::id()));
        Directory(path, Arc::new(ManualClock::new(now)))
    }

    fn open(&self, series_retention_ms: Option<u64>) -> StoreHandle {
        let options =
            StoreOptions { clock: Arc::clone(&self.1) as _, series_retention_ms, ..StoreOptions::default() };
        Store::open(&self.0, &options).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const HOURS_MS: u64 = 60 * 60 * 1_000;

fn put(store: &Store, key: &[u8], time: i64) {
    let mut batch = store.batch();
    batch.put(RecordId::Series(key, time), &record(time), Some(Ttl::Never)).unwrap();
    batch.write(WriteOptions::default()).unwrap();
}

fn settle(store: &Store) {
    store.db().flush().unwrap();
    while store.db().maintain(Duration::from_secs(1)).unwrap() == Maintenance::More {}
}

#[test]
fn a_point_of_a_time_that_was_forgotten_is_there_once_the_retention_was_raised() {
    let now = 100 * DAY;
    let directory = Directory::new("raised", now);
    let store = directory.open(None);
    for minute in (0..6 * 60).step_by(5) {
        put(&store, b"room", now - minute * MINUTE);
    }
    store.db().flush().unwrap();
    store.close().unwrap();
    let store = directory.open(Some(10 * HOURS_MS));
    put(&store, b"room", now - 7 * HOUR - HOUR / 2);
    store.db().flush().unwrap();
    store.close().unwrap();
    let store = directory.open(Some(5 * HOURS_MS));
    settle(&store);
    store.close().unwrap();
    let (long, late) = (Some(2_400 * HOURS_MS), now - 47 * HOUR);
    let is_there = |store: &Store| {
        assert_eq!(store.series().get(b"room", late).unwrap(), Some(record(late)));
        let window = Window { first: i64::MIN, last: now - 7 * HOUR };
        assert_eq!(store.series().count(&KeyRange::all(), window).unwrap(), 1, "the others stay forgotten");
    };
    let store = directory.open(long);
    put(&store, b"room", late);
    is_there(&store);
    settle(&store);
    is_there(&store);
    store.db().compact(SERIES).unwrap();
    is_there(&store);
    store.close().unwrap();
    is_there(&directory.open(long));
}

#[test]
fn what_a_retention_hides_is_deleted_with_the_window_it_is_in() {
    let now = 100 * DAY;
    let old = now - 2 * DAY;
    let directory = Directory::new("deleted", now);
    let store = directory.open(None);
    let keys: [&[u8]; 5] = [b"key", b"prefix/1", b"prefix/2", b"stays", &[u8::MAX; 65]];
    keys.iter().for_each(|key| put(&store, key, old));
    let mut batch = store.batch();
    batch.put(RecordId::Series(b"prefix/short", old), &record(old), Some(Ttl::Milliseconds(1))).unwrap();
    batch.write(WriteOptions::default()).unwrap();
    store.close().unwrap();
    let store = directory.open(Some(5 * HOURS_MS));
    let window = Window { first: i64::MIN, last: now - HOUR };
    let named = |key: &[u8]| {
        let key = Bytes::copy_from_slice(key);
        KeyRange::Between(Bound::Included(key.clone()), Bound::Included(key))
    };
    let mut batch = store.batch();
    assert_eq!(batch.delete_window(&named(b"key"), window).unwrap(), 1);
    assert_eq!(batch.delete_window(&named(b"stays"), Window { first: 1, last: 0 }).unwrap(), 0);
    assert_eq!(batch.delete_window(&named(b"stays"), Window { first: old + 1, last: now }).unwrap(), 1);
    assert_eq!(batch.delete_window(&KeyRange::Prefix(b"prefix/"[..].into()), window).unwrap(), 3);
    let rest = KeyRange::Between(Bound::Included(b"t"[..].into()), Bound::Unbounded);
    batch.delete_window(&rest, Window::ALL).unwrap();
    batch.write(WriteOptions::default()).unwrap();
    store.close().unwrap();
    directory.1.set(old);
    let left = directory.open(None).series().scan(&KeyRange::all(), Window::ALL, Direction::Forward);
    assert_eq!(left.map(|point| point.unwrap().key).collect::<Vec<_>>(), [b"stays"]);
}

fn series_tables(store: &Store) -> usize {
    let stats = store.db().stats();
    stats.trees.iter().find(|tree| tree.tree == SERIES).unwrap().tables.iter().sum()
}

#[test]
fn points_that_are_too_old_are_not_seen_by_any_read() {
    let (store, clock) = filled();
    check(&store, 0);
    // A bucket is a tenth of a day: 2.4 hours.
    assert_eq!(series_tables(&store), 10);
    for (first, buckets) in [(MINUTE, 10), (HOUR, 10), (5 * HOUR, 8), (23 * HOUR, 1), (DAY, 0)] {
        clock.set(DAY + first);
        check(&store, first);
        while store.db().maintain(Duration::from_secs(1)).unwrap() == Maintenance::More {}
        check(&store, first);
        assert_eq!(series_tables(&store), buckets, "at {first}");
    }
    let mut late = store.batch();
    late.put(RecordId::Series(KEYS[0], DAY - MINUTE), &record(0), None).unwrap();
    late.write(WriteOptions::default()).unwrap();
    check(&store, DAY);
    let kv = (0..DAY)
        .step_by(MINUTE as usize)
        .filter(|time| store.kv().get(&time.to_be_bytes()).unwrap().is_some());
    assert_eq!(kv.count() as i64, DAY / MINUTE, "cache entries stay");
}

#[test]
fn the_longest_prefix_of_a_key_says_how_long_its_points_stay() {
    let clock = Arc::new(ManualClock::new(0));
    let hours = |hours: u64| Some(hours * 60 * 60 * 1_000);
    let rule = |prefix: &[u8], keep_ms| SeriesRetention { prefix: prefix.to_vec(), keep_ms, bucket_ms: None };
    let options = StoreOptions {
        clock: Arc::clone(&clock) as _,
        series_retention_ms: hours(10),
        series_retention: Some(vec![
            rule(b"a\0", hours(20)),
            rule(b"a", hours(5)),
            rule(b"a\0long", hours(40)),
            rule(b"log/", None),
            rule(b"log/debug", hours(1)),
        ]),
        ..StoreOptions::default()
    };
    let store = Store::memory(&options).unwrap();
    let keys: [(&[u8], u64); 8] = [
        (b"", 10),
        (b"a", 5),
        (b"a\0", 20),
        (b"a\0lon", 20),
        (b"a\0longer", 40),
        (b"b", 10),
        (b"log/debug/1", 1),
        (b"log/error", u64::MAX),
    ];
    for hour in 0..50 {
        let mut batch = store.batch();
        for (key, _) in keys {
            batch.put(RecordId::Series(key, hour * HOUR), &record(hour), None).unwrap();
        }
        batch.write(WriteOptions::default()).unwrap();
    }
    let all = KeyRange::Prefix(Vec::new().into());
    for now in [0, 1, 7, 15, 30, 49, 69, 100] {
        clock.set(now * HOUR);
        for is_settled in [false, true] {
            if is_settled {
                store.db().flush().unwrap();
                while store.db().maintain(Duration::from_secs(1)).unwrap() == Maintenance::More {}
            }
            let points: Vec<_> =
                store.series().scan(&all, Window::ALL, Direction::Forward).map(Result::unwrap).collect();
            for (key, keep) in keys {
                let first = now.saturating_sub(i64::try_from(keep).unwrap_or(i64::MAX)).max(0);
                let of_key =
                    points.iter().filter(|point| point.key == key).map(|point| point.timestamp / HOUR);
                assert_eq!(of_key.collect::<Vec<_>>(), (first..50).collect::<Vec<_>>(), "{key:?} at {now}");
                let newest = store.series().latest(key).unwrap().map(|point| point.timestamp / HOUR);
                assert_eq!(newest, (first < 50).then_some(49), "{key:?} at {now}");
            }
        }
    }
    let kept = store.db().stats().trees.iter().find(|tree| tree.tree == SERIES).unwrap().table_entries;
    assert!(kept <= 55, "{kept} points are on disk, of which 50 are kept for ever");
}
