//! Pages over much that is not wanted: deleted keys, and series without a point in the window. In memory a
//! page leaves them to a worker; a worker ends its page, so that it can be told to stop. What is found is the
//! same, and nothing is passed twice for good.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use flowdb_engine::{ErrorKind, ReadTier, WriteOptions};
use flowdb_store::series::Window;
use flowdb_store::{
    Direction, Form, KeyRange, PageEnd, PageLimits, Record, RecordId, Store, StoreHandle, StoreOptions,
};

const LIMITS: PageLimits = PageLimits { count: 512, bytes: 64 << 10 };
const BATCH: u32 = 10_000;

fn key(number: u32) -> Vec<u8> {
    format!("key {number:06}").into_bytes()
}

fn fill(store: &Store, numbers: std::ops::Range<u32>, put: impl Fn(&mut flowdb_store::RecordBatch<'_>, u32)) {
    let numbers: Vec<u32> = numbers.collect();
    for some in numbers.chunks(BATCH as usize) {
        let mut batch = store.batch();
        some.iter().for_each(|number| put(&mut batch, *number));
        batch.write(WriteOptions::default()).unwrap();
    }
}

/// Cache entries that were put and deleted again, but those that `stays` picks.
fn deleted(count: u32, stays: impl Fn(u32) -> bool) -> StoreHandle {
    let store = Store::memory(&StoreOptions::default()).unwrap();
    let record = Record::new(Form::Bytes, b"x");
    fill(&store, 0..count, |batch, number| batch.put(RecordId::Kv(&key(number)), &record, None).unwrap());
    fill(&store, 0..count, |batch, number| {
        if !stays(number) {
            batch.delete(RecordId::Kv(&key(number))).unwrap();
        }
    });
    store
}

/// The keys on each page, read in memory as long as that suffices.
fn pages(store: &Store, direction: Direction, mut tier: ReadTier) -> (Vec<Vec<Vec<u8>>>, ReadTier) {
    let mut scan = store.kv().scan(&KeyRange::all(), direction);
    let mut pages = Vec::new();
    loop {
        let mut page = Vec::new();
        let end = scan.page(tier, LIMITS, |key, _| {
            page.push(key.to_vec());
            1
        });
        match end {
            Err(error) => {
                assert_eq!((error.kind(), tier, page.len()), (ErrorKind::WouldBlock, ReadTier::Memory, 0));
                tier = ReadTier::Disk;
                continue;
            }
            Ok(end) => {
                pages.push(page);
                if end == PageEnd::Done {
                    return (pages, tier);
                }
            }
        }
    }
}

#[test]
fn many_deleted_keys_are_a_workers_and_it_may_stop_among_them() {
    let last = 119_999;
    let store = deleted(last + 1, |number| number == 60_000 || number == last);
    let wanted = [key(60_000), key(last)];
    for direction in [Direction::Forward, Direction::Backward] {
        let (pages, tier) = pages(&store, direction, ReadTier::Memory);
        assert_eq!(tier, ReadTier::Disk);
        assert!(pages.len() > 2 && pages.iter().any(Vec::is_empty), "{direction:?}: {} pages", pages.len());
        let mut found = pages.concat();
        if direction == Direction::Backward {
            found.reverse();
        }
        assert_eq!(found, wanted);
    }
}

#[test]
fn some_deleted_keys_now_and_then_are_passed_in_memory() {
    let store = deleted(12_000, |number| number % 600 == 599);
    let wanted: Vec<_> = (0..20).map(|index| key(600 * index + 599)).collect();
    for direction in [Direction::Forward, Direction::Backward] {
        let (pages, tier) = pages(&store, direction, ReadTier::Memory);
        assert_eq!(tier, ReadTier::Memory, "{direction:?}");
        assert!(pages.len() > 5, "{} pages for 12 000 entries", pages.len());
        let mut found = pages.concat();
        if direction == Direction::Backward {
            found.reverse();
        }
        assert_eq!(found, wanted);
    }
}

#[test]
fn what_held_in_a_series_before_many_deleted_points_is_a_workers() {
    let store = Store::memory(&StoreOptions::default()).unwrap();
    let record = Record::new(Form::Bytes, b"x");
    fill(&store, 0..5_000, |batch, number| {
        batch.put(RecordId::Series(b"s", number.into()), &record, None).unwrap();
    });
    fill(&store, 1..5_000, |batch, number| batch.delete(RecordId::Series(b"s", number.into())).unwrap());
    let held = |tier, timestamp| store.series().with_tier(tier).at(b"s", timestamp);
    assert_eq!(held(ReadTier::Memory, 100).unwrap().unwrap().timestamp, 0);
    assert_eq!(held(ReadTier::Memory, i64::MAX).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(held(ReadTier::Disk, i64::MAX).unwrap().unwrap().timestamp, 0);
}

/// Series with a point at 1 each; one in ten thousand has another at 100.
fn series(count: u32) -> StoreHandle {
    let store = Store::memory(&StoreOptions::default()).unwrap();
    let record = Record::new(Form::Bytes, b"x");
    fill(&store, 0..count, |batch, number| {
        batch.put(RecordId::Series(&key(number), 1), &record, None).unwrap();
        if number % 10_000 == 5_000 {
            batch.put(RecordId::Series(&key(number), 100), &record, None).unwrap();
        }
    });
    store
}

#[test]
fn many_series_without_a_point_in_the_window_are_a_workers_and_it_may_stop_among_them() {
    let store = series(20_000);
    for direction in [Direction::Forward, Direction::Backward] {
        let window = Window { first: 50, last: i64::MAX };
        let mut scan = store.series().scan(&KeyRange::all(), window, direction);
        let refused = scan.page(ReadTier::Memory, LIMITS, |_, _, _| 1);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::WouldBlock);
        let (mut found, mut pages) = (Vec::new(), 1);
        while scan
            .page(ReadTier::Disk, LIMITS, |key, timestamp, _| {
                found.push((key.to_vec(), timestamp));
                1
            })
            .unwrap()
            == PageEnd::More
        {
            pages += 1;
        }
        if direction == Direction::Backward {
            found.reverse();
        }
        assert_eq!(found, [(key(5_000), 100), (key(15_000), 100)]);
        assert!(pages > 2, "{pages} pages");
    }
}

#[test]
fn the_newest_points_of_many_series_that_have_none_come_in_several_pages() {
    let store = series(10_000);
    let mut newest = store.series().each_at(&KeyRange::all(), 0, Direction::Forward).unwrap();
    let mut pages = 1;
    while newest.page(LIMITS, |_| 1).unwrap() == PageEnd::More {
        pages += 1;
    }
    assert!(pages > 2, "{pages} pages");
    assert_eq!(newest.page(LIMITS, |_| 1).unwrap(), PageEnd::Done);
    let all = store.series().each_at(&KeyRange::all(), 1, Direction::Backward).unwrap();
    assert_eq!(all.map(Result::unwrap).count(), 10_000);
}
