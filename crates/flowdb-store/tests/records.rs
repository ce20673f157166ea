//! Goal: records, whatever is done to them, are what a plain map would hold. Method: random batches, deletes
//! of every extent, conditional writes, expiry, flushes, compactions and reopenings on a real directory;
//! every kind of read with random bounds, in both directions, of the present and of a snapshot.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "helpers of tests fail like tests"
)]

#[path = "records/support.rs"]
mod support;

use flowdb_engine::format::NEVER;
use flowdb_engine::{ManualClock, WriteOptions};
use flowdb_store::series::Window;
use flowdb_store::value::Number;
use flowdb_store::{
    Form, KeyRange, Notation, Patch, Record, Shape, Snapshot, Store, StoreHandle, StoreOptions, Ttl,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use support::{Model, Owned, Random, contains, get, points, scan_kv};

const KV_DEFAULT: Ttl = Ttl::Milliseconds(3);
const NOW: i64 = 1_000_000;

/// A store in a directory of its own, and what it should hold.
struct World {
    directory: PathBuf,
    clock: Arc<ManualClock>,
    now: i64,
    store: Option<StoreHandle>,
    model: Model,
    snapshot: Option<(Snapshot, Model)>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.snapshot = None;
        let _ = self.store.take().map(|store| store.close());
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let name = format!("flowdb-records-{}-{seed}", std::process::id());
        let mut world = World {
            directory: std::env::temp_dir().join(name),
            clock: Arc::new(ManualClock::new(NOW)),
            now: NOW,
            store: None,
            model: Model::default(),
            snapshot: None,
        };
        world.reopen();
        world
    }

    fn reopen(&mut self) {
        self.snapshot = None;
        self.store.take().map_or(Ok(()), |store| store.close()).unwrap();
        let options = StoreOptions {
            clock: Arc::clone(&self.clock) as _,
            write_buffer_bytes: Some(64 << 10),
            kv_ttl: Some(KV_DEFAULT),
            ..StoreOptions::default()
        };
        self.store = Some(Store::open(&self.directory, &options).unwrap());
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn expiry(&self, id: &Owned, ttl: Option<Ttl>) -> i64 {
        let (default, start) = match id.is_series {
            true => (Ttl::Never, id.timestamp),
            false => (KV_DEFAULT, self.now),
        };
        ttl.unwrap_or(default).expiry_from(start)
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(24) {
            0..=9 => self.write_batch(random),
            10..=17 => self.write_if(random),
            18 | 19 => {
                self.now += random.below(3_000) as i64;
                self.clock.set(self.now);
            }
            20 => self.store().db().flush().unwrap(),
            21 => self
                .store()
                .db()
                .compact([Shape::Kv, Shape::Series].map(tree)[random.below(2) as usize])
                .unwrap(),
            22 => self.snapshot = Some((self.store().snapshot(), self.model.clone())),
            _ => self.reopen(),
        }
    }

    fn write_batch(&mut self, random: &mut Random) {
        let mut model = std::mem::take(&mut self.model);
        let mut batch = self.store().batch();
        for _ in 0..1 + random.below(12) {
            let id = Owned::random(random);
            match random.below(16) {
                0 => {
                    batch.delete(id.id()).unwrap();
                    model.0.remove(&id);
                }
                1 => {
                    batch.delete_series(&id.key).unwrap();
                    model.remove(|other| other.is_series && other.key == id.key);
                }
                2 if random.below(3) == 0 => {
                    let range = random.range();
                    let bounded =
                        matches!(&range, KeyRange::Between(_, upper) if *upper != std::ops::Bound::Unbounded);
                    // What this batch put behind the usual keys is not known to an open range.
                    if bounded || batch.is_empty() {
                        batch.delete_range(id.shape(), &range).unwrap();
                        model.remove(|other| other.shape() == id.shape() && contains(&range, &other.key));
                    }
                }
                _ => {
                    let (record, ttl) = (random.record(), random_ttl(random));
                    batch.put(id.id(), &record, ttl).unwrap();
                    let expiry = self.expiry(&id, ttl);
                    model.0.insert(id, (record, expiry));
                }
            }
        }
        batch.write(WriteOptions::default()).unwrap();
        if random.below(6) == 0 {
            let (range, window) = (random.range(), random.window());
            let mut batch = self.store().batch();
            batch.delete_window(&range, window).unwrap();
            batch.write(WriteOptions::default()).unwrap();
            model.remove(|id| {
                id.is_series
                    && contains(&range, &id.key)
                    && (window.first..=window.last).contains(&id.timestamp)
            });
        }
        if random.below(60) == 0 {
            let mut batch = self.store().batch();
            batch.clear(Shape::Kv).unwrap();
            batch.write(WriteOptions::default()).unwrap();
            model.remove(|id| !id.is_series);
        }
        self.model = model;
    }

    /// A conditional write, whose answer must be the model's, too.
    fn write_if(&mut self, random: &mut Random) {
        let (id, record, ttl) = (Owned::random(random), random.record(), random_ttl(random));
        let options = WriteOptions::default();
        let present = self.model.get(&id, self.now).cloned();
        let put = self.expiry(&id, ttl);
        let store = self.store();
        let after = match random.below(5) {
            0 => {
                let in_the_way = store.put_if_absent(id.id(), &record, ttl, options).unwrap();
                assert_eq!(in_the_way.map(|current| (current.record, current.expiry)), present);
                Some(present.unwrap_or((record, put)))
            }
            1 => {
                let found = store.get_or_insert(id.id(), ttl, options, || Ok(record.clone())).unwrap();
                let after = present.unwrap_or((record, put));
                assert_eq!(found, after.0);
                Some(after)
            }
            2 => {
                let right = random.below(3) > 0;
                let there = present.as_ref().map(|(record, _)| record);
                let expected = if right { there } else { Some(&record) };
                let new = (random.below(3) > 0).then(|| random.record());
                let done = store.compare_and_set(id.id(), expected, new.as_ref(), ttl, options).unwrap();
                assert_eq!(done, expected == there);
                if done { new.map(|new| (new, put)) } else { present }
            }
            3 => {
                let patch = Patch { record: (random.below(2) == 0).then_some(record), ttl };
                let result = store.patch(id.id(), &patch, options);
                assert_eq!(result.is_ok(), present.is_some());
                present.map(|(before, expiry)| {
                    let record = patch.record.unwrap_or(before);
                    assert_eq!(result.unwrap(), record);
                    (record, if ttl.is_some() { put } else { expiry })
                })
            }
            _ => {
                let delta = Number::Float(random.below(100) as f64);
                let sum = store.increment(id.id(), delta, Notation::Value, ttl, options);
                match present {
                    None => Some((Record::new(Form::Value, &sum.unwrap().to_value()), put)),
                    Some((before, expiry)) if before.form() == Form::Value => {
                        let number = Number::from_value(before.contents()).unwrap().plus(delta).unwrap();
                        assert_eq!(sum.unwrap(), number);
                        Some((Record::new(Form::Value, &number.to_value()), expiry))
                    }
                    before => {
                        sum.unwrap_err();
                        before
                    }
                }
            }
        };
        match after {
            Some(after) => self.model.0.insert(id, after),
            None => self.model.0.remove(&id),
        };
    }

    fn check(&self, random: &mut Random) {
        let (store, now) = (self.store(), self.now);
        let (range, window, direction) = (random.range(), random.window(), random.direction());
        let kv = self.model.scan(Shape::Kv, &range, Window::ALL, direction, now);
        assert_eq!(scan_kv(store.kv(), &range, direction), kv, "{range:?} {direction:?}");
        assert_eq!(store.kv().count(&range).unwrap(), kv.len() as u64);
        let series = self.model.scan(Shape::Series, &range, window, direction, now);
        let found = points(store.series().scan(&range, window, direction));
        assert_eq!(found, series, "{range:?} {window:?} {direction:?}");
        assert_eq!(store.series().count(&range, window).unwrap(), series.len() as u64);
        let limit = random.below(4) as usize;
        let first = points(store.series().scan(&range, window, direction).take(limit));
        assert_eq!(first, series[..limit.min(series.len())]);

        let id = Owned::random(random);
        assert_eq!(get(store, &id), self.model.get(&id, now).map(|(record, _)| record.clone()));
        let expiry = self.model.get(&Owned { is_series: false, timestamp: 0, ..id.clone() }, now);
        assert_eq!(store.kv().expiry(&id.key).unwrap(), expiry.map(|(_, expiry)| *expiry));
        self.check_newest(random, &range, direction);
        if let Some((snapshot, model)) = &self.snapshot {
            // What has expired since may have been purged.
            let later = |mut all: Vec<(Owned, Record, i64)>| {
                all.retain(|(.., expiry)| *expiry > now);
                all
            };
            let kv = model.scan(Shape::Kv, &range, window, direction, now);
            assert_eq!(later(scan_kv(snapshot.kv(), &range, direction)), kv);
            let series = model.scan(Shape::Series, &range, window, direction, now);
            assert_eq!(later(points(snapshot.series().scan(&range, window, direction))), series);
        }
    }

    fn check_newest(&self, random: &mut Random, range: &KeyRange, direction: flowdb_store::Direction) {
        let timestamp = random.time();
        let until = Window { first: i64::MIN, last: timestamp };
        let all = self.model.scan(Shape::Series, range, until, flowdb_store::Direction::Forward, self.now);
        let newest: BTreeMap<Vec<u8>, _> =
            all.into_iter().map(|point| (point.0.key.clone(), point)).collect();
        for (key, point) in &newest {
            let found = self.store().series().at(key, timestamp).unwrap();
            assert_eq!(
                points(found.map(Ok).into_iter()),
                std::slice::from_ref(point),
                "{key:?} at {timestamp}"
            );
        }
        let mut newest: Vec<_> = newest.into_values().collect();
        if direction == flowdb_store::Direction::Backward {
            newest.reverse();
        }
        let found = points(self.store().series().each_at(range, timestamp, direction).unwrap());
        assert_eq!(found, newest, "{range:?} at {timestamp} {direction:?}");
    }
}

fn tree(shape: Shape) -> flowdb_engine::TreeId {
    match shape {
        Shape::Kv => flowdb_store::keyspace::KV,
        Shape::Series => flowdb_store::keyspace::SERIES,
    }
}

fn random_ttl(random: &mut Random) -> Option<Ttl> {
    match random.below(4) {
        0 => Some(Ttl::Milliseconds(1 + random.below(8))),
        1 => Some(Ttl::Never),
        _ => None,
    }
}

#[test]
fn records_are_those_of_a_plain_map() {
    let from_env = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = from_env("FLOWDB_SEED").unwrap_or(1);
    for seed in first..first + from_env("FLOWDB_SEEDS").unwrap_or(6) {
        let run = || {
            let mut random = Random::new(seed);
            let mut world = World::new(seed);
            for _ in 0..150 {
                world.step(&mut random);
                world.check(&mut random);
            }
        };
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("failed with FLOWDB_SEED={seed} FLOWDB_SEEDS=1");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn clearing_takes_the_last_keys_too() {
    let store = Store::memory(&StoreOptions::default()).unwrap();
    let ids =
        [vec![], vec![0xff; 64], vec![0xff; 500]].map(|key| Owned { is_series: false, key, timestamp: 0 });
    let mut batch = store.batch();
    for id in &ids {
        batch.put(id.id(), &Record::new(Form::Text, b"x"), None).unwrap();
        let point = Owned { is_series: true, ..id.clone() };
        batch.put_until(point.id(), &Record::new(Form::Text, b"x"), NEVER).unwrap();
    }
    batch.write(WriteOptions::default()).unwrap();
    for (shape, left) in [(Shape::Kv, (0, 3)), (Shape::Series, (0, 0))] {
        let mut batch = store.batch();
        batch.clear(shape).unwrap();
        assert_eq!(batch.len(), 1, "one range delete");
        batch.write(WriteOptions::default()).unwrap();
        let all = KeyRange::all();
        let count = (store.kv().count(&all).unwrap(), store.series().count(&all, Window::ALL).unwrap());
        assert_eq!(count, left);
    }
}
