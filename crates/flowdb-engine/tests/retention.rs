//! Goal: a tree with a retention shows nothing that is older, drops what has passed without reading or
//! writing it, and shows everything else as a plain map does, whatever the retention was before. Method:
//! small cases on a file system that counts, and random operations against a plain map, with other retentions
//! from opening to opening, where an old entry may be missing but none may differ.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "support/disk.rs"]
#[allow(dead_code, unreachable_pub, reason = "this file uses a part of it")]
mod disk;
mod support;

use disk::Disk;
use flowdb_engine::fs::{CrashOptions, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Condition, Db, DbIterator, ErrorKind, Maintenance, ManualClock, Options, ReadOptions, Retention,
    RetentionRules, Snapshot, VerifyOptions, WriteOptions, verify,
};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

const KEEP: Retention = Retention { keep: 100, bucket: 10 };

/// The time at the end of a key; short keys have none.
fn time_of(key: &[u8]) -> Option<i64> {
    key.split_last_chunk::<8>()
        .filter(|(series, _)| !series.is_empty())
        .map(|(_, time)| i64::from_be_bytes(*time))
}

fn key(series: u8, time: i64) -> Vec<u8> {
    [&[series][..], &time.to_be_bytes()].concat()
}

fn options(clock: &Arc<ManualClock>, retention: impl Into<RetentionRules>) -> Options {
    let mut options = small_options(clock);
    options.trees[0].block_property = time_of;
    options.trees[0].retention = retention.into();
    options
}

fn open_kept(fs: &Arc<dyn FileSystem>, clock: &Arc<ManualClock>, retention: impl Into<RetentionRules>) -> Db {
    Db::open(Arc::clone(fs), Path::new(DIR), options(clock, retention)).unwrap()
}

fn memory() -> Arc<dyn FileSystem> {
    Arc::new(MemoryFileSystem::new())
}

fn settle(db: &Db) -> Maintenance {
    loop {
        let answer = db.maintain(Duration::ZERO).unwrap();
        if answer != Maintenance::More {
            return answer;
        }
    }
}

fn put(series: u8, time: i64, value: &[u8]) -> Write {
    Write::Put { tree: TREES[0], key: key(series, time), value: value.to_vec(), expiry: i64::MAX }
}

fn write(db: &Db, writes: &[Write]) {
    db.write(batch(writes), WriteOptions::default()).unwrap();
}

/// Three series with a value for each of `times`.
fn fill(db: &Db, times: std::ops::Range<i64>) {
    for time in times {
        write(db, &[put(1, time, b"one"), put(2, time, b"two"), put(3, time, b"three")]);
    }
}

fn all(db: &Db, options: ReadOptions) -> Entries {
    let mut iter = db.iter(TREES[0], EVERYTHING, options).unwrap();
    let found = collect_forward(&mut iter).unwrap();
    assert_eq!(collect_backward(&mut iter).unwrap(), found);
    found
}

fn times(db: &Db) -> Vec<i64> {
    let found = all(db, ReadOptions::default());
    let mut times: Vec<i64> = found.iter().filter_map(|(key, _)| time_of(key)).collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn assert_sound(fs: &Arc<dyn FileSystem>, clock: &Arc<ManualClock>) {
    let trees = options(clock, None).trees;
    assert_eq!(verify(&**fs, Path::new(DIR), &VerifyOptions { trees }).unwrap().problems, []);
}

fn tables(db: &Db) -> usize {
    db.stats().trees[0].tables.iter().sum()
}

#[test]
fn buckets_are_kept_apart_and_go_without_a_byte_of_them_read_or_written() {
    let disk = Disk::new();
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let clock = Arc::new(ManualClock::new(99));
    let db = open_kept(&fs, &clock, Some(KEEP));
    for _ in 0..6 {
        fill(&db, 0..100);
        db.flush().unwrap();
    }
    settle(&db);
    db.compact(TREES[0]).unwrap();
    assert_eq!(tables(&db), 10);
    clock.set(139);
    assert!(matches!(settle(&db), Maintenance::Later(_)));
    let (read, written) = (disk.read(), disk.written());
    let before = db.stats();
    assert_eq!(tables(&db), 7);
    for (now, left) in [(145, 6), (149, 6), (150, 5), (175, 3)] {
        clock.set(now);
        settle(&db);
        assert_eq!((tables(&db), disk.count(".table")), (left, left), "at {now}");
    }
    let after = db.stats();
    assert_eq!(disk.read(), read);
    assert!(disk.written() - written < 1_000, "a few edits of the manifest");
    assert_eq!(after.totals.flush_bytes_written, before.totals.flush_bytes_written);
    assert_eq!(after.totals.compaction_bytes_written, before.totals.compaction_bytes_written);
    assert_eq!(after.trees[0].evicted_tables, 7);
    assert_eq!(times(&db), (75..100).collect::<Vec<_>>());
    drop(db);
    assert_sound(&fs, &clock);
    assert_eq!(times(&open_kept(&fs, &clock, Some(KEEP))), (75..100).collect::<Vec<_>>());
}

#[test]
fn maintenance_at_rest_comes_round_when_a_bucket_has_passed() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(20)));
    let db = open_kept(&fs, &clock, Some(KEEP));
    fill(&db, 15..20);
    db.flush().unwrap();
    clock.set(21);
    assert_eq!(settle(&db), Maintenance::Later(Duration::from_micros(99)));
    clock.advance(Duration::from_secs(10));
    clock.set(120);
    assert_eq!(settle(&db), Maintenance::Idle);
    assert_eq!(tables(&db), 0);
}

#[test]
fn what_passes_is_not_seen_from_that_moment_on_but_by_iterators_in_use() {
    for is_flushed in [false, true] {
        let (fs, clock) = (memory(), Arc::new(ManualClock::new(99)));
        let db = open_kept(&fs, &clock, Some(KEEP));
        fill(&db, 0..100);
        if is_flushed {
            db.flush().unwrap();
        }
        let snapshot = db.snapshot();
        let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
        for now in [100, 101, 105, 142, 199] {
            clock.set(now);
            assert_eq!(times(&db), (now - 100..100).collect::<Vec<_>>());
            for time in 0..100 {
                let is_there = db.get(TREES[0], &key(2, time), ReadOptions::default()).unwrap().is_some();
                assert_eq!(is_there, time >= now - 100, "{time} at {now}");
            }
            let of_snapshot = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
            assert_eq!(all(&db, of_snapshot), all(&db, ReadOptions::default()));
            settle(&db);
        }
        assert_eq!(collect_forward(&mut iter).unwrap().len(), 300);
    }
}

#[test]
fn a_clock_set_back_shows_all_that_was_not_dropped() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(145)));
    let db = open_kept(&fs, &clock, Some(KEEP));
    fill(&db, 0..100);
    db.flush().unwrap();
    settle(&db);
    assert_eq!(times(&db), (45..100).collect::<Vec<_>>());
    clock.set(20);
    assert_eq!(times(&db), (40..100).collect::<Vec<_>>());
    drop(db);
    assert_eq!(times(&open_kept(&fs, &clock, Some(KEEP))), (40..100).collect::<Vec<_>>());
    assert_eq!(times(&open_kept(&fs, &clock, None)), (40..100).collect::<Vec<_>>());
}

/// Tables from before the retention hold everything; the last one hides what the others have.
fn written_before(fs: &Arc<dyn FileSystem>, clock: &Arc<ManualClock>) {
    let db = open_kept(fs, clock, None);
    fill(&db, 0..200);
    db.compact(TREES[0]).unwrap();
    write(&db, &[Write::DeleteRange { tree: TREES[0], start: key(1, 0), end: key(1, 190) }]);
    write(&db, &[Write::Delete { tree: TREES[0], key: key(2, 120) }]);
    db.flush().unwrap();
}

#[test]
fn what_was_written_without_a_retention_goes_by_and_by() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(199)));
    written_before(&fs, &clock);
    let db = open_kept(&fs, &clock, Some(KEEP));
    assert_eq!(times(&db), (99..200).collect::<Vec<_>>());
    settle(&db);
    let entries = db.stats().trees[0].table_entries;
    assert!(entries < 400, "rewritten without what has passed: {entries} left");
    assert_eq!(times(&db), (99..200).collect::<Vec<_>>());
    assert_eq!(all(&db, ReadOptions::default()).len(), 10 + 100 + 101);
    clock.set(305);
    settle(&db);
    assert_eq!((tables(&db), times(&db)), (0, vec![]));
}

#[test]
fn what_is_forgotten_stays_so_until_nothing_is_left_of_it() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(159)));
    written_before(&fs, &clock);
    // Forgotten is the time before 50, too little for the tables to be rewritten.
    let db = open_kept(&fs, &clock, Some(KEEP));
    settle(&db);
    drop(db);
    let db = open_kept(&fs, &clock, None);
    assert_eq!(times(&db), (50..200).collect::<Vec<_>>());
    db.compact(TREES[0]).unwrap();
    assert_eq!(db.stats().trees[0].table_entries, 10 + 149 + 150);
    drop(db);
    for _ in 0..2 {
        let db = open_kept(&fs, &clock, None);
        write(&db, &[put(5, 31, b"history")]);
        db.flush().unwrap();
        assert_eq!(times(&db), [31].into_iter().chain(50..200).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_forgotten_stays_so_while_only_the_log_has_something_of_it() {
    for is_closed in [false, true] {
        let (fs, clock) = (memory(), Arc::new(ManualClock::new(99)));
        let db = open_kept(&fs, &clock, Some(KEEP));
        fill(&db, 0..100);
        db.flush().unwrap();
        write(&db, &[put(1, 45, b"again"), put(5, 46, b"only"), put(6, 95, b"young")]);
        clock.set(155);
        settle(&db);
        let mut db = db;
        for retention in [None, Some(LONG), None] {
            if is_closed {
                db.close().unwrap();
            }
            drop(db);
            db = open_kept(&fs, &clock, retention);
            assert_eq!(times(&db), (50..100).collect::<Vec<_>>());
        }
        db.flush().unwrap();
        drop(db);
        let db = open_kept(&fs, &clock, None);
        write(&db, &[put(5, 31, b"history")]);
        assert_eq!(times(&db), [31].into_iter().chain(50..100).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_written_once_a_retention_was_raised_is_there_however_old_it_is() {
    // The rules that forget, those that keep more, and the series whose rules these are.
    let all = |retention: Retention| RetentionRules::from(Some(retention));
    let one = |retention: Retention| by_series(None, &[(1, Some(retention)), (4, Some(KEEP))]);
    for (short, long) in [(all(KEEP), all(LONG)), (one(KEEP), one(LONG)), (all(KEEP), one(LONG))] {
        let (fs, clock) = (memory(), Arc::new(ManualClock::new(159)));
        written_before(&fs, &clock);
        let db = open_kept(&fs, &clock, short);
        settle(&db);
        drop(db);
        let is_there = |db: &Db| {
            let of = |time| db.get(TREES[0], &key(1, time), ReadOptions::default()).unwrap();
            assert_eq!(of(30).map(|entry| entry.value), Some(b"late"[..].into()));
            assert_eq!((of(40), of(31)), (None, None), "deleted, and forgotten");
            assert_eq!(times_of(db, 1), [30].into_iter().chain(190..200).collect::<Vec<_>>());
        };
        let db = open_kept(&fs, &clock, long.clone());
        // Of what was there too, and is forgotten.
        write(&db, &[put(1, 30, b"late"), put(1, 40, b"late")]);
        write(&db, &[Write::Delete { tree: TREES[0], key: key(1, 40) }]);
        is_there(&db);
        let snapshot = db.snapshot();
        db.flush().unwrap();
        is_there(&db);
        settle(&db);
        is_there(&db);
        db.compact(TREES[0]).unwrap();
        is_there(&db);
        let options = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
        assert!(db.get(TREES[0], &key(1, 30), options).unwrap().is_some());
        drop((snapshot, db));
        for _ in 0..2 {
            let db = open_kept(&fs, &clock, long.clone());
            is_there(&db);
            settle(&db);
        }
        assert_sound(&fs, &clock);
        // It goes when these rules forget it, and more than the ones before them had.
        clock.set(1_200);
        let db = open_kept(&fs, &clock, long);
        settle(&db);
        assert_eq!(times_of(&db, 1), vec![]);
        drop(db);
        assert_eq!(times_of(&open_kept(&fs, &clock, None), 1), vec![]);
    }
}

#[test]
fn a_clock_that_was_ahead_hides_nothing_that_is_written_once_it_is_right() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(99)));
    let db = open_kept(&fs, &clock, Some(KEEP));
    fill(&db, 0..100);
    db.flush().unwrap();
    clock.set(5_000);
    settle(&db);
    assert_eq!(tables(&db), 0);
    clock.set(110);
    write(&db, &[put(1, 105, b"new"), put(2, 50, b"again")]);
    assert_eq!(times(&db), [50, 105]);
    db.compact(TREES[0]).unwrap();
    settle(&db);
    assert_eq!(times(&db), [50, 105]);
    drop(db);
    let db = open_kept(&fs, &clock, Some(KEEP));
    assert_eq!(times(&db), [50, 105]);
    clock.set(5_100);
    settle(&db);
    assert_eq!((tables(&db), times(&db)), (0, vec![]));
}

#[test]
fn after_a_power_cut_nothing_new_has_a_number_of_what_is_forgotten() {
    let (disk, clock) = (MemoryFileSystem::new(), Arc::new(ManualClock::new(159)));
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    written_before(&fs, &clock);
    let db = open_kept(&fs, &clock, Some(KEEP));
    fill(&db, 150..160);
    settle(&db);
    let cut: Arc<dyn FileSystem> = Arc::new(disk.crash(&CrashOptions::default()));
    let db = open_kept(&cut, &clock, Some(LONG));
    write(&db, &[put(5, 30, b"late")]);
    assert_eq!(times_of(&db, 5), [30]);
    drop(db);
    assert_eq!(times_of(&open_kept(&cut, &clock, None), 5), [30]);
}

#[test]
fn what_is_too_old_when_it_is_written_goes_with_the_next_bucket() {
    for rules in [
        RetentionRules::from(Some(KEEP)),
        by_series(None, &[(1, Some(KEEP)), (2, Some(KEEP)), (3, Some(KEEP))]),
    ] {
        let (fs, clock) = (memory(), Arc::new(ManualClock::new(159)));
        written_before(&fs, &clock);
        let db = open_kept(&fs, &clock, rules);
        settle(&db);
        for time in 0..30 {
            write(&db, &[put(1, time, b"late")]);
        }
        db.flush().unwrap();
        // Nothing is rewritten for it again and again.
        settle(&db);
        let written = db.stats().totals.compaction_bytes_written;
        settle(&db);
        assert_eq!(db.stats().totals.compaction_bytes_written, written);
        assert_eq!(times(&db), (59..200).collect::<Vec<_>>());
        clock.set(172);
        settle(&db);
        db.compact(TREES[0]).unwrap();
        let left = db.stats().trees[0].table_entries;
        assert!(left <= 10 + 149 + 150, "what was late has gone: {left} left");
        assert_eq!(times(&db), (72..200).collect::<Vec<_>>());
    }
}

#[test]
fn a_delete_stays_while_a_table_of_another_bucket_or_of_none_may_hold_the_key() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(50)));
    for retention in [None, Some(KEEP), Some(Retention { keep: 100, bucket: 7 }), None] {
        let db = open_kept(&fs, &clock, retention);
        // It is in a table of each kind that there was, under a delete in one of the next kind.
        write(&db, &[put(1, 45, b"again"), put(1, 46, b"stays")]);
        db.flush().unwrap();
        drop(db);
        let next = if retention == Some(KEEP) { None } else { Some(KEEP) };
        let db = open_kept(&fs, &clock, next);
        write(&db, &[Write::Delete { tree: TREES[0], key: key(1, 45) }]);
        db.compact(TREES[0]).unwrap();
        assert_eq!(times(&db), [46]);
        assert_eq!(db.get(TREES[0], &key(1, 45), ReadOptions::default()).unwrap(), None);
    }
}

#[test]
fn keys_with_senseless_times_do_not_make_a_table_each() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(50)));
    let db = open_kept(&fs, &clock, Some(KEEP));
    let mut expected = Vec::new();
    for round in 0..40 {
        let times = (0..40).map(|index| i64::MAX / 2_000 * (round * 40 + index));
        times.clone().for_each(|time| write(&db, &[put(1, time, b"far"), put(2, time, b"far")]));
        expected.extend(times);
        db.flush().unwrap();
        // What found no bucket hides what is in one, and the other way round.
        write(&db, &[put(1, i64::MAX / 2_000 * round, b"again")]);
    }
    settle(&db);
    assert!(tables(&db) < 600, "{} tables for {} buckets", tables(&db), expected.len());
    assert_eq!(times(&db), expected);
    for round in 0..40 {
        let found = db.get(TREES[0], &key(1, i64::MAX / 2_000 * round), ReadOptions::default()).unwrap();
        assert_eq!(found.unwrap().value, &b"again"[..]);
    }
}

#[test]
fn a_change_that_was_forgotten_is_a_conflict_once() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(50)));
    let db = open_kept(&fs, &clock, Some(KEEP));
    fill(&db, 40..50);
    let snapshot = db.snapshot();
    write(&db, &[put(1, 45, b"other")]);
    db.flush().unwrap();
    clock.set(155);
    settle(&db);
    assert_eq!(tables(&db), 0);
    let conditions = [Condition { tree: TREES[0], key: key(1, 45).into(), expiry: i64::MAX }];
    let attempt = |snapshot: &Snapshot| {
        db.write_if(snapshot, &conditions, batch(&[put(1, 150, b"new")]), WriteOptions::default())
    };
    assert_eq!(attempt(&snapshot).unwrap_err().kind(), ErrorKind::Conflict);
    attempt(&db.snapshot()).unwrap();
}

/// Series by their number: see [`fill`].
fn by_series(otherwise: Option<Retention>, by_series: &[(u8, Option<Retention>)]) -> RetentionRules {
    let by_prefix: Vec<_> = by_series.iter().map(|(series, retention)| (vec![*series], *retention)).collect();
    RetentionRules::new(otherwise, &by_prefix).unwrap()
}

const LONG: Retention = Retention { keep: 1_000, bucket: 100 };

fn times_of(db: &Db, series: u8) -> Vec<i64> {
    let found = all(db, ReadOptions::default());
    found.iter().filter(|(key, _)| key[0] == series).filter_map(|(key, _)| time_of(key)).collect()
}

#[test]
fn each_prefix_has_its_own_retention_and_its_buckets_go_without_a_byte_of_them_read_or_written() {
    let disk = Disk::new();
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let clock = Arc::new(ManualClock::new(99));
    // The first and the last series have the same, and lie around another.
    let rules = by_series(Some(KEEP), &[(2, Some(LONG))]);
    let db = open_kept(&fs, &clock, rules.clone());
    for _ in 0..6 {
        fill(&db, 0..100);
        db.flush().unwrap();
    }
    settle(&db);
    db.compact(TREES[0]).unwrap();
    assert_eq!(tables(&db), 10 + 1);
    clock.set(139);
    assert!(matches!(settle(&db), Maintenance::Later(_)));
    let before = db.stats();
    for (now, left) in [(145, 7), (150, 6), (175, 4), (199, 2), (230, 1), (1_099, 1), (1_100, 0)] {
        clock.set(now);
        let read = disk.read();
        settle(&db);
        assert_eq!(disk.read(), read, "at {now}");
        assert_eq!((tables(&db), disk.count(".table")), (left, left), "at {now}");
        assert_eq!(times_of(&db, 1), ((now - 100).min(100)..100).collect::<Vec<_>>());
        assert_eq!(times_of(&db, 3), times_of(&db, 1));
        assert_eq!(times_of(&db, 2), ((now - 1_000).max(0)..100).collect::<Vec<_>>());
    }
    let after = db.stats();
    assert_eq!(after.totals.flush_bytes_written, before.totals.flush_bytes_written);
    assert_eq!(after.totals.compaction_bytes_written, before.totals.compaction_bytes_written);
    drop(db);
    assert_sound(&fs, &clock);
}

#[test]
fn what_is_kept_for_ever_stays_beside_what_is_not() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(99)));
    let db = open_kept(&fs, &clock, by_series(Some(KEEP), &[(2, None)]));
    fill(&db, 0..100);
    db.flush().unwrap();
    clock.set(1_000_000);
    settle(&db);
    assert_eq!((times_of(&db, 1), times_of(&db, 2).len(), times_of(&db, 3)), (vec![], 100, vec![]));
    assert_eq!((tables(&db), db.stats().trees[0].table_entries), (1, 100));
    clock.advance(Duration::from_secs(10));
    assert_eq!(settle(&db), Maintenance::Idle, "nothing is ever due again");
}

#[test]
fn a_table_that_series_of_different_retentions_share_is_rewritten_once_enough_has_passed() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(99)));
    let wide = |keep| Some(Retention { keep, bucket: 100 });
    let db = open_kept(&fs, &clock, by_series(None, &[(1, wide(200)), (2, wide(400)), (3, wide(10_000))]));
    fill(&db, 0..100);
    db.flush().unwrap();
    settle(&db);
    let entries = || db.stats().trees[0].table_entries;
    for (now, left) in [(299, 300), (300, 200), (499, 200), (500, 100), (10_099, 100), (10_100, 0)] {
        clock.set(now);
        let rewritten = db.stats().totals.compaction_bytes_written;
        settle(&db);
        assert_eq!(entries(), left, "at {now}");
        let rewritten = db.stats().totals.compaction_bytes_written - rewritten;
        assert_eq!(rewritten > 0, [300, 500].contains(&now), "at {now}");
    }
    drop(db);
    assert_sound(&fs, &clock);
}

#[test]
fn what_one_prefix_has_forgotten_stays_so_and_the_others_have_forgotten_nothing() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(159)));
    written_before(&fs, &clock);
    let db = open_kept(&fs, &clock, by_series(None, &[(3, Some(KEEP))]));
    // The table of a bucket goes. Of the other too little has passed for it to be rewritten: a fourth of a
    // third of its entries.
    write(&db, &[put(3, 20, b"again")]);
    db.flush().unwrap();
    settle(&db);
    assert_eq!(db.stats().totals.compaction_bytes_written, 0);
    drop(db);
    for retention in [by_series(None, &[]), by_series(None, &[(2, Some(LONG))])] {
        let db = open_kept(&fs, &clock, retention);
        write(&db, &[put(3, 30, b"late")]);
        let history: Vec<_> = (0..200).filter(|time| *time != 120).collect();
        assert_eq!((times_of(&db, 1), times_of(&db, 2)), ((190..200).collect(), history));
        assert_eq!(
            times_of(&db, 3).into_iter().filter(|time| *time != 30).collect::<Vec<_>>(),
            (50..200).collect::<Vec<_>>()
        );
    }
}

/// A hundred bytes for each of `times`, in each of `series`.
fn fill_series(db: &Db, series: &[u8], times: std::ops::Range<i64>) {
    for time in times {
        write(db, &series.iter().map(|series| put(*series, time, &[*series; 100])).collect::<Vec<_>>());
    }
}

#[test]
fn a_rule_that_changes_has_only_tables_rewritten_much_of_which_is_of_its_keys() {
    let short = |keep| Some(Retention { keep, bucket: 10 });
    let changes: [&[(u8, Option<Retention>)]; 6] = [
        &[(2, short(200))],
        &[(2, short(50))],
        &[(2, None)],
        &[(2, short(100)), (4, short(100))],
        &[(4, short(20))],
        &[(2, short(100)), (1, Some(Retention { keep: 900, bucket: 100 }))],
    ];
    for change in changes {
        let disk = Disk::new();
        let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
        let clock = Arc::new(ManualClock::new(999));
        let db = open_kept(&fs, &clock, by_series(Some(LONG), &[(2, short(100))]));
        fill_series(&db, &[1, 2, 3, 5], 900..1_000);
        db.compact(TREES[0]).unwrap();
        assert_eq!(tables(&db), 1 + 10);
        drop(db);
        clock.set(1_000);
        let db = open_kept(&fs, &clock, by_series(Some(LONG), change));
        settle(&db);
        let seen = times_of(&db, 2).len();
        assert_eq!(seen, if change == [(2, short(50))] { 50 } else { 100 }, "{change:?}");
        assert_eq!(db.stats().totals.compaction_bytes_written, 0, "{change:?}");
        assert_eq!(db.stats().trees[0].table_entries, 300 + seen as u64, "{change:?}");
        drop(db);
        assert_sound(&fs, &clock);
    }
}

#[test]
fn a_table_from_before_a_rule_is_rewritten_once() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(99)));
    let db = open_kept(&fs, &clock, None);
    fill_series(&db, &[1, 2, 3, 4], 0..100);
    db.compact(TREES[0]).unwrap();
    drop(db);
    let entries =
        |db: &Db| (db.stats().trees[0].table_entries, db.stats().totals.compaction_bytes_written > 0);
    // Of the keys of the first rule a quarter of the table is, too little; of those of the second, half.
    let (one, two) =
        (by_series(None, &[(2, Some(KEEP))]), by_series(None, &[(2, Some(KEEP)), (3, Some(KEEP))]));
    clock.set(300);
    for (rules, expected) in [(one, (400, false)), (two.clone(), (200, true)), (two, (200, false))] {
        let db = open_kept(&fs, &clock, rules);
        settle(&db);
        assert_eq!(entries(&db), expected);
        assert_eq!((times_of(&db, 1).len(), times_of(&db, 2).len(), times_of(&db, 4).len()), (100, 0, 100));
    }
    assert_sound(&fs, &clock);
}

#[test]
fn a_table_from_before_a_rule_is_rewritten_also_after_a_read_that_failed() {
    let clock = Arc::new(ManualClock::new(99));
    let memory: Arc<dyn FileSystem> = memory();
    let db = open_kept(&memory, &clock, None);
    fill_series(&db, &[1, 2, 3, 4], 0..100);
    db.compact(TREES[0]).unwrap();
    drop(db);
    let files = read_files(&*memory);
    clock.set(300);
    let rules = || by_series(None, &[(2, Some(KEEP)), (3, Some(KEEP))]);
    let mut poisoned = 0;
    for n in 1..60 {
        let faulty = FaultyFileSystem::new(Arc::new(write_files(&files)));
        let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
        let db = open_kept(&fs, &clock, rules());
        faulty.fail_at(n, Fault::Eio);
        for _ in 0..3 {
            while matches!(db.maintain(Duration::ZERO), Ok(Maintenance::More)) {}
            clock.advance(Duration::from_secs(2));
        }
        if db.background_error().is_some() {
            poisoned += 1;
            continue;
        }
        assert_eq!(db.stats().trees[0].table_entries, 200, "call {n} failed");
    }
    assert!(poisoned < 30, "{poisoned} calls ended all writes");
}

#[test]
fn a_delete_that_went_with_its_bucket_brings_nothing_back_under_other_rules() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(60)));
    let db = open_kept(&fs, &clock, None);
    fill(&db, 0..400);
    db.flush().unwrap();
    drop(db);
    // The delete is in a bucket, what it hides in a table of before.
    let db = open_kept(&fs, &clock, by_series(None, &[(1, Some(KEEP))]));
    write(&db, &[Write::Delete { tree: TREES[0], key: key(1, 5) }]);
    db.flush().unwrap();
    clock.set(115);
    settle(&db);
    drop(db);
    for rules in
        [by_series(None, &[(1, Some(LONG))]), by_series(None, &[(2, Some(KEEP))]), by_series(None, &[])]
    {
        let db = open_kept(&fs, &clock, rules);
        assert_eq!(times_of(&db, 1), (10..400).collect::<Vec<_>>());
        assert_eq!(times_of(&db, 3), (0..400).collect::<Vec<_>>());
        drop(db);
        assert_sound(&fs, &clock);
    }
}

#[test]
fn a_scan_within_a_prefix_leaves_out_what_that_prefix_does_not_show() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(99)));
    let db = open_kept(&fs, &clock, by_series(None, &[(1, Some(KEEP)), (2, Some(LONG))]));
    fill(&db, 0..100);
    db.flush().unwrap();
    clock.set(180);
    let from_to = |from: u8, to: u8| {
        let bounds = (Bound::Included(vec![from].into()), Bound::Excluded(vec![to].into()));
        let mut iter = db.iter(TREES[0], bounds, ReadOptions::default()).unwrap();
        collect_forward(&mut iter).unwrap().len()
    };
    assert_eq!((from_to(1, 2), from_to(2, 3), from_to(3, 4), from_to(1, 4)), (20, 100, 100, 220));
}

/// In a block, what a visit shows and what is too old take turns.
#[test]
fn entries_that_are_too_old_count_as_passed() {
    let fs = memory();
    let clock = Arc::new(ManualClock::new(100));
    let mut options = options(&clock, Some(Retention { keep: 1_000, bucket: 1_000 }));
    options.trees[0].block_bytes = 16 << 10;
    let db = Db::open(fs, Path::new(DIR), options).unwrap();
    for series in 0..200 {
        let writes: Vec<_> = (0..10).chain([100]).map(|time| put(series, time, b"value")).collect();
        write(&db, &writes);
    }
    db.flush().unwrap();
    clock.set(1_050);
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    let (seen, pauses) = visit_in_pages(&mut iter, 50);
    assert_eq!(seen, (0..200).map(|series| key(series, 100)).collect::<Vec<_>>());
    assert!(pauses >= 2, "2000 too old ones in {pauses}");
}

#[test]
fn what_does_not_go_together_with_a_retention_is_refused() {
    let (fs, clock) = (memory(), Arc::new(ManualClock::new(50)));
    let open = |retention, bytes_max| {
        let mut options = options(&clock, retention);
        options.trees[0].bytes_max = bytes_max;
        Db::open(Arc::clone(&fs), Path::new(DIR), options)
    };
    let refused = |result: flowdb_engine::Result<Db>| {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidArgument);
    };
    refused(open(Some(KEEP), Some(1 << 20)));
    refused(open(Some(Retention { keep: 1_000, bucket: 1 }), None));
    let db = open(Some(KEEP), None).unwrap();
    assert_eq!(db.draft(TREES[0]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    db.draft(TREES[1]).unwrap();
    fill(&db, 40..50);
    db.flush().unwrap();
    drop(db);
    refused(open(None, Some(1 << 20)));
    let db = open(None, None).unwrap();
    assert_eq!(db.draft(TREES[0]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

struct Run {
    fs: Arc<dyn FileSystem>,
    clock: Arc<ManualClock>,
    db: Db,
    /// Of each series.
    retention: [Option<Retention>; 4],
    model: Model,
    /// What is older may have been forgotten, in each series.
    kept_from: [i64; 4],
    /// Of what was written last, what has been too old since.
    passed: BTreeSet<Vec<u8>>,
    snapshots: Vec<(Snapshot, Model)>,
    iterators: Vec<(DbIterator, Entries)>,
    random: Random,
    now: i64,
    /// The latest time there was, since the clock is set back now and then.
    latest: i64,
    hidden: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let (fs, clock) = (memory(), Arc::new(ManualClock::new(1_000)));
        let retention = [Some(Retention { keep: 200, bucket: 25 }); 4];
        Run {
            db: open_kept(&fs, &clock, retention[0]),
            fs,
            clock,
            retention,
            model: Model::default(),
            kept_from: [i64::MIN; 4],
            passed: BTreeSet::new(),
            snapshots: Vec::new(),
            iterators: Vec::new(),
            random: Random::new(seed),
            now: 1_000,
            latest: 1_000,
            hidden: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(60) {
            0..=2 => self.db.flush().unwrap(),
            3 => self.db.compact(TREES[0]).unwrap(),
            4..=6 => self.pass_time(),
            7 => self.snapshots.push((self.db.snapshot(), self.model.clone())),
            8 => self.iterators.push((
                self.db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap(),
                all(&self.db, ReadOptions::default()),
            )),
            9 => {
                self.snapshots.clear();
                self.iterators.clear();
            }
            10 => self.reopen(),
            11..=24 => {
                settle(&self.db);
            }
            _ => self.write(),
        }
        let now = self.db.now();
        for series in 0..4 {
            let kept = self.kept(series, now);
            let kept_from = &mut self.kept_from[usize::from(series)];
            *kept_from = (*kept_from).max(kept);
        }
        let keys = self.model.0.keys().map(|(_, key)| key);
        let is_passed = |key: &&Vec<u8>| time_of(key).is_some_and(|time| time < self.kept(key[0], now));
        let passed: Vec<_> = keys.filter(is_passed).cloned().collect();
        self.passed.extend(passed);
        if self.random.one_in(8) {
            self.check();
        }
    }

    /// What of a series is older may be forgotten at this moment.
    fn kept(&self, series: u8, now: i64) -> i64 {
        self.retention[usize::from(series)].map_or(i64::MIN, |Retention { keep, bucket }| {
            let seen = now - keep as i64;
            seen - seen.rem_euclid(bucket as i64)
        })
    }

    fn pass_time(&mut self) {
        self.now += if self.random.one_in(6) { -150 } else { self.random.below(60) as i64 };
        self.latest = self.latest.max(self.now);
        self.clock.set(self.now);
        if self.random.one_in(3) {
            self.clock.advance(Duration::from_secs(10));
            self.clock.set(self.now);
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let series = self.random.below(4) as u8;
        let time = match self.random.below(30) {
            0 => return vec![series],
            1 => self.now - self.random.below(5_000) as i64,
            2 => self.now + self.random.below(100_000) as i64,
            _ => self.now - 230 + self.random.below(260) as i64,
        };
        key(series, time.max(0))
    }

    fn write(&mut self) {
        let writes: Vec<_> = (0..1 + self.random.below(12)).map(|_| self.one_write()).collect();
        write(&self.db, &writes);
        self.model.apply(&writes);
        for write in &writes {
            if let Write::Put { key, .. } = write {
                self.passed.remove(key);
            }
        }
    }

    fn one_write(&mut self) -> Write {
        let (tree, at) = (TREES[0], self.key());
        match self.random.below(24) {
            0..=3 => Write::Delete { tree, key: at },
            4 => {
                let other = self.key();
                Write::DeleteRange { tree, start: at.clone().min(other.clone()), end: at.max(other) }
            }
            5..=6 => Write::DeleteRange { tree, end: [&at[..], &[0]].concat(), start: vec![at[0]] },
            kind => {
                let length = if self.random.one_in(6) { 6_000 } else { 1 + self.random.below(60) };
                let expiry = if kind == 7 { self.now + self.random.below(300) as i64 } else { i64::MAX };
                let value = (0..length).map(|_| self.random.next() as u8).collect();
                Write::Put { tree, key: at, value, expiry }
            }
        }
    }

    fn reopen(&mut self) {
        self.snapshots.clear();
        self.iterators.clear();
        if self.random.one_in(2) {
            self.db.close().unwrap();
        }
        self.db = open_kept(&memory(), &self.clock, None);
        assert_sound(&self.fs, &self.clock);
        self.retention = [self.any_retention(); 4];
        let mut by_prefix = Vec::new();
        for series in 0..self.retention.len() {
            if self.random.one_in(3) {
                self.retention[series] = self.any_retention();
                by_prefix.push((series as u8, self.retention[series]));
            }
        }
        let otherwise = (0..4).find(|series| by_prefix.iter().all(|(other, _)| other != series));
        let otherwise = otherwise.and_then(|series| self.retention[usize::from(series)]);
        self.db = open_kept(&self.fs, &self.clock, by_series(otherwise, &by_prefix));
    }

    fn any_retention(&mut self) -> Option<Retention> {
        let width = self.random.below(5) as usize;
        let bucket = *[7, 10, 25, 300].get(width)?;
        Some(Retention { keep: 150 + self.random.below(200), bucket })
    }

    fn check(&mut self) {
        let found = all(&self.db, ReadOptions::default());
        self.hidden += self
            .compare(&found, &self.model, |key| if self.passed.contains(key) { i64::MAX } else { i64::MIN });
        let wanted = (self.now - 100, self.now - 40);
        let within = |found: &[(Vec<u8>, Vec<u8>)]| -> Vec<_> {
            let is_within = |key: &[u8]| time_of(key).is_none_or(|time| wanted.0 <= time && time <= wanted.1);
            found.iter().filter(|(key, _)| is_within(key)).cloned().collect()
        };
        let of_window = all(&self.db, ReadOptions { property: Some(wanted), ..ReadOptions::default() });
        assert_eq!(within(&of_window), within(&found));
        for (_, key) in self.model.0.keys() {
            let entry = self.db.get(TREES[0], key, ReadOptions::default()).unwrap();
            let scanned =
                found.binary_search_by(|(other, _)| other.cmp(key)).ok().map(|index| &found[index].1);
            assert_eq!(entry.map(|entry| entry.value.to_vec()).as_ref(), scanned, "{key:?}");
        }
        for (snapshot, model) in &self.snapshots {
            let options = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
            let kept_from = |key: &[u8]| self.kept_from[usize::from(key[0])];
            self.compare(&all(&self.db, options), model, kept_from);
        }
        for (iter, expected) in &mut self.iterators {
            assert_eq!(collect_forward(iter).unwrap(), *expected, "an iterator sees what it saw");
        }
    }

    /// What is found is as in the model, and not too old; what is missing is too old, or may have been
    /// forgotten: it is older than what `kept_from` answers. Says how much is missing.
    fn compare(
        &self,
        found: &[(Vec<u8>, Vec<u8>)],
        model: &Model,
        kept_from: impl Fn(&[u8]) -> i64,
    ) -> usize {
        let now = self.db.now();
        let seen = |key: &[u8]| {
            self.retention[usize::from(key[0])].map_or(i64::MIN, |retention| now - retention.keep as i64)
        };
        let expected = model.range(TREES[0], &EVERYTHING, now);
        for (key, value) in found {
            assert_eq!(model.get(TREES[0], key, now), Some(&value[..]), "{key:?} is as it was written last");
            assert!(time_of(key).is_none_or(|time| time >= seen(key)), "{key:?} is too old");
        }
        let first = |key: &[u8]| seen(key).max(kept_from(key));
        let must_be_there = |key: &[u8]| time_of(key).is_none_or(|time| time >= first(key));
        // What had expired by then may have been dropped.
        let certain = model.range(TREES[0], &EVERYTHING, self.latest);
        for (key, _) in certain.iter().filter(|(key, _)| must_be_there(key)) {
            assert!(found.binary_search_by(|(other, _)| other.cmp(key)).is_ok(), "{key:?} is missing");
        }
        expected.len() - found.len()
    }
}

#[test]
fn random_operations_answer_like_a_plain_map_without_what_is_too_old() {
    let hidden = std::sync::atomic::AtomicUsize::new(0);
    for_seeds(40, |seed| {
        let mut run = Run::new(seed);
        for _ in 0..400 {
            run.step();
        }
        run.check();
        hidden.fetch_add(run.hidden, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(hidden.into_inner() > 0, "something became too old");
}
