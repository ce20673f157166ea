//! Goal: tables of level 0 that lie apart in time stay as they are, and those that readers of one moment
//! would all have to ask are merged. Method: the names of the table files before and after maintenance, while
//! the tree is written to and when it is quiet, and the contents; random points, late, overwritten and
//! deleted ones among them, against a plain map.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ManualClock, Options, ReadOptions, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const NEVER: i64 = i64::MAX;
const SERIES: u8 = 5;
/// Level-0 tables at which they go down if they overlap in time, and if they do not.
const OVERLAPPING: i64 = 4;
const APART: i64 = 16;

struct World {
    fs: Arc<dyn FileSystem>,
    clock: Arc<ManualClock>,
    db: Db,
}

/// The time in the last eight bytes of a key.
fn time_of(key: &[u8]) -> Option<i64> {
    key.last_chunk().map(|time| u64::from_be_bytes(*time).cast_signed())
}

fn options(clock: &Arc<ManualClock>) -> Options {
    let mut options = small_options(clock);
    options.trees[0].block_property = time_of;
    options
}

fn key(series: u8, time: i64) -> Vec<u8> {
    [&[series][..], &time.to_be_bytes()].concat()
}

fn put(series: u8, time: i64, expiry: i64) -> Write {
    Write::Put { tree: TREES[0], key: key(series, time), value: vec![7; 50], expiry }
}

fn delete(series: u8, time: i64) -> Write {
    Write::Delete { tree: TREES[0], key: key(series, time) }
}

/// A point of each series at each of the times.
fn points(times: impl Iterator<Item = i64>) -> Vec<Write> {
    times.flat_map(|time| (0..SERIES).map(move |series| put(series, time, NEVER))).collect()
}

impl World {
    fn new() -> Self {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let clock = clock();
        let db = Db::open(Arc::clone(&fs), Path::new(DIR), options(&clock)).unwrap();
        World { fs, clock, db }
    }

    /// With tables of twenty moments each; a table shares its first one with the table before.
    fn loaded(tables: i64) -> Self {
        let world = World::new();
        (0..tables).for_each(|table| world.table_of(&points(table * 19..=table * 19 + 19)));
        world
    }

    fn table_of(&self, writes: &[Write]) {
        self.db.write(batch(writes), WriteOptions::default()).unwrap();
        self.db.flush().unwrap();
    }

    fn maintain(&self) {
        while self.db.maintain(Duration::ZERO).unwrap() == flowdb_engine::Maintenance::More {}
    }

    /// Nobody writes for a while.
    fn rest(&self) {
        self.maintain();
        self.clock.advance(Duration::from_secs(60));
        self.maintain();
    }

    /// Tables on level 0 and on the others.
    fn tables(&self) -> (usize, usize) {
        let [above, deeper @ ..] = self.db.stats().trees[0].tables;
        (above, deeper.iter().sum())
    }

    fn files(&self) -> Vec<String> {
        let mut names = self.fs.list(Path::new(DIR)).unwrap();
        names.retain(|name| name.ends_with(".table"));
        names.sort();
        names
    }

    fn entries(&self) -> usize {
        let mut iter = self.db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
        collect_forward(&mut iter).unwrap().len()
    }
}

#[test]
fn tables_apart_in_time_stay_until_there_are_many() {
    let world = World::loaded(APART - 1);
    let (files, entries) = (world.files(), world.entries());
    world.rest();
    assert_eq!(world.tables(), (APART as usize - 1, 0));
    assert_eq!(world.files(), files, "nothing was rewritten");
    assert_eq!(world.db.stats().trees[0].garbage_bytes, 0);
    world.table_of(&points((APART - 1) * 19..=APART * 19));
    world.maintain();
    assert_eq!(world.tables().0, 0);
    assert_eq!(world.entries(), entries + 19 * usize::from(SERIES));
}

#[test]
fn they_stay_over_older_ones_that_went_down() {
    let world = World::loaded(APART);
    world.rest();
    let deeper = world.files();
    (APART..2 * APART - 1).for_each(|table| world.table_of(&points(table * 19 + 1..=table * 19 + 19)));
    world.rest();
    assert_eq!(world.tables().0, APART as usize - 1);
    assert!(deeper.iter().all(|name| world.files().contains(name)), "nothing was rewritten");
}

#[test]
fn tables_that_share_a_moment_are_merged() {
    let world = World::loaded(0);
    (0..OVERLAPPING).for_each(|table| world.table_of(&points((table..40).step_by(4))));
    world.maintain();
    assert_eq!(world.tables().0, 0);
    assert_eq!(world.entries(), 40 * usize::from(SERIES));
}

#[test]
fn late_points_count_where_they_reach() {
    let world = World::loaded(4);
    let late = |moment| world.table_of(&[put(0, 1_000 + moment, NEVER), put(0, moment, NEVER)]);
    late(3);
    world.maintain();
    assert_eq!(world.tables(), (5, 0));
    late(7);
    world.maintain();
    assert_eq!(world.tables().0, 0, "at the borders of two others, four share a moment");
}

#[test]
fn what_would_be_dropped_is_not_left_for_long() {
    let deleting = [points(1_000..1_010), vec![delete(0, 3)]].concat();
    let start = key(0, 0);
    let clearing = vec![Write::DeleteRange { tree: TREES[0], start, end: key(1, 0) }];
    let expired = points(1_000..1_010).into_iter().map(|write| match write {
        Write::Put { tree, key, value, .. } => Write::Put { tree, key, value, expiry: 5_000 },
        other => other,
    });
    let kept = 58 * usize::from(SERIES);
    let cases =
        [(deleting, kept + 10 * usize::from(SERIES) - 1), (clearing, kept - 58), (expired.collect(), kept)];
    for (writes, entries) in cases {
        let world = World::loaded(OVERLAPPING - 1);
        world.table_of(&writes);
        world.clock.set(10_000);
        world.maintain();
        assert_eq!((world.tables().0, world.entries()), (0, entries));
    }
}

#[test]
fn overwritten_points_go_when_the_tree_is_quiet() {
    let world = World::loaded(3);
    world.table_of(&points(19..=38));
    assert!(world.db.stats().trees[0].garbage_bytes > 0);
    world.rest();
    assert_eq!(world.tables().0, 0);
    assert_eq!(world.db.stats().trees[0].table_entries, 58 * u64::from(SERIES));
}

#[test]
fn one_series_that_comes_in_order_is_moved() {
    let world = World::loaded(0);
    (0..OVERLAPPING).for_each(|table| {
        world.table_of(&(0..10).map(|step| put(0, table * 10 + step, NEVER)).collect::<Vec<_>>());
    });
    let files = world.files();
    world.maintain();
    assert_eq!(world.tables(), (0, OVERLAPPING as usize));
    assert_eq!(world.files(), files, "as they are");
}

/// Mostly a point of about now; else a late or overwritten one, a delete, or seldom a part of
/// a series cleared.
fn random_point(random: &mut Random, now: i64) -> Write {
    let series = random.below(SERIES.into()) as u8;
    let earlier = random.below(now as u64 + 1) as i64;
    let recent = now + random.below(5) as i64;
    match random.below(400) {
        0 => {
            let end = key(series, earlier + random.below(50) as i64);
            Write::DeleteRange { tree: TREES[0], start: key(series, earlier), end }
        }
        1..=2 => delete(series, earlier),
        3..=6 => put(series, earlier, NEVER),
        7..=9 => put(series, recent, 1_000 + random.below(100) as i64),
        _ => put(series, recent, NEVER),
    }
}

/// Everything, a window of time, and single points.
fn check(world: &World, model: &Model, random: &mut Random, now: i64) {
    let clock = flowdb_engine::Clock::now(&*world.clock);
    let expected = model.range(TREES[0], &EVERYTHING, clock);
    let all = |options| collect_forward(&mut world.db.iter(TREES[0], EVERYTHING, options).unwrap()).unwrap();
    assert_eq!(all(ReadOptions::default()), expected);
    let first = random.below(now as u64 + 1) as i64;
    let last = first + random.below(40) as i64;
    let is_within = |entry: &(Vec<u8>, Vec<u8>)| (first..=last).contains(&time_of(&entry.0).unwrap());
    let found = all(ReadOptions { property: Some((first, last)), ..ReadOptions::default() });
    let within = |entries: Vec<_>| entries.into_iter().filter(is_within).collect::<Vec<_>>();
    assert_eq!(within(found), within(expected), "{first} to {last}");
    for _ in 0..20 {
        let key = key(random.below(SERIES.into()) as u8, random.below(now as u64 + 6) as i64);
        let found = world.db.get(TREES[0], &key, ReadOptions::default()).unwrap();
        assert_eq!(found.as_ref().map(|entry| &entry.value[..]), model.get(TREES[0], &key, clock));
    }
}

#[test]
fn random_points_are_there_however_tables_lie() {
    for_seeds(6, |seed| {
        let mut random = Random::new(seed);
        let mut world = World::new();
        let (mut model, mut now) = (Model::default(), 0);
        for _ in 0..300 {
            now += random.below(12) as i64;
            let writes: Vec<_> = (0..random.below(30)).map(|_| random_point(&mut random, now)).collect();
            model.apply(&writes);
            world.db.write(batch(&writes), WriteOptions::default()).unwrap();
            match random.below(40) {
                0..=9 => world.db.flush().unwrap(),
                10..=13 => world.maintain(),
                14 => world.rest(),
                15 => {
                    world.db.close().unwrap();
                    world.db =
                        Db::open(Arc::clone(&world.fs), Path::new(DIR), options(&world.clock)).unwrap();
                }
                16..=19 => check(&world, &model, &mut random, now),
                _ => {}
            }
        }
        world.rest();
        check(&world, &model, &mut random, now);
    });
}
