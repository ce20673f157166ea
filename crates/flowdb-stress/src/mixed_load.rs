//! Cache entries: reads and writes at once. Each thread writes keys of its own, and reads all.

use crate::arguments::Arguments;
use crate::data::{self, Random};
use crate::report::{Failure, Report, Tally, timed};
use crate::series_load::in_threads;
use flowdb_engine::WriteOptions;
use flowdb_store::{Direction, Form, KeyRange, Record, RecordId, Store};
use std::sync::Mutex;

/// Mixed work on keys of one name.
#[derive(Debug)]
pub(crate) struct Mixed<'a> {
    pub(crate) name: String,
    pub(crate) arguments: &'a Arguments,
    /// Share of writes.
    pub(crate) percent: u64,
}

impl Mixed<'_> {
    /// How many keys there are.
    fn keys(&self) -> u64 {
        (self.arguments.records / 5).max(self.arguments.threads)
    }

    fn key(&self, index: u64) -> String {
        format!("{}/{index:08}", self.name)
    }

    /// Works until there were enough operations, or the time is over; then reads everything.
    pub(crate) fn run(&self, store: &Store, report: &Report) -> Result<Tally, Failure> {
        let threads = self.arguments.threads;
        let written = Mutex::new(vec![0; usize::try_from(self.keys())?]);
        let tally = in_threads(threads, |thread| {
            let mut own = Own { thread, versions: vec![0; usize::try_from(self.keys())?] };
            let tally = self.work(store, report, &mut own)?;
            let mut written = written.lock().map_err(|_| "another thread panicked")?;
            own.versions.iter().zip(written.iter_mut()).for_each(|(own, all)| *all += own);
            Ok(tally)
        })?;
        self.check_all(store, &written.into_inner().map_err(|_| "a thread panicked")?)?;
        Ok(tally)
    }

    fn work(&self, store: &Store, report: &Report, own: &mut Own) -> Result<Tally, Failure> {
        let mut random = Random::new(self.arguments.seed ^ (own.thread << 32) ^ self.percent);
        let mut tally = Tally::default();
        let end = self.arguments.time.map(|time| report.elapsed() + time);
        let share = self.arguments.records / self.arguments.threads;
        while end.map_or(tally.operations < share, |end| report.elapsed() < end) {
            if random.below(100) < self.percent {
                self.write(store, report, own, &mut random, &mut tally)?;
            } else {
                self.read(store, report, own, &mut random, &mut tally)?;
            }
        }
        Ok(tally)
    }

    fn write(
        &self,
        store: &Store,
        report: &Report,
        own: &mut Own,
        random: &mut Random,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut batch = store.batch();
        for _ in 0..self.arguments.batch {
            let index =
                random.below(self.keys() / self.arguments.threads) * self.arguments.threads + own.thread;
            let version = &mut own.versions[usize::try_from(index)?];
            *version += 1;
            let value = data::value(self.arguments.seed, index, *version, self.arguments.value_bytes);
            batch.put(RecordId::Kv(self.key(index).as_bytes()), &Record::new(Form::Bytes, &value), None)?;
            tally.bytes += value.len() as u64;
        }
        tally.operations += batch.len();
        timed(report, tally, || batch.write(WriteOptions::default()))?;
        Ok(())
    }

    fn read(
        &self,
        store: &Store,
        report: &Report,
        own: &Own,
        random: &mut Random,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let index = random.below(self.keys());
        let key = self.key(index);
        let found = timed(report, tally, || store.kv().get(key.as_bytes()))?;
        tally.operations += 1;
        tally.bytes += found.as_ref().map_or(0, |record| record.contents().len() as u64);
        let is_own = index % self.arguments.threads == own.thread;
        let expected = is_own.then(|| own.versions[usize::try_from(index).unwrap_or_default()]);
        self.check(&key, index, found.as_ref(), expected)
    }

    /// The record must be a whole version, and this one if it is known which; version 0 is none.
    fn check(
        &self,
        key: &str,
        index: u64,
        found: Option<&Record>,
        expected: Option<u64>,
    ) -> Result<(), Failure> {
        let version = match found {
            None => 0,
            Some(record) => data::version(self.arguments.seed, index, record.contents())
                .ok_or_else(|| format!("{key} has a value that nobody wrote"))?,
        };
        match expected {
            Some(expected) if expected != version => {
                Err(format!("{key} has version {version}, expected is {expected}").into())
            }
            _ => Ok(()),
        }
    }

    fn check_all(&self, store: &Store, versions: &[u64]) -> Result<(), Failure> {
        let prefix = KeyRange::Prefix(format!("{}/", self.name).into());
        let mut found = store.kv().scan(&prefix, Direction::Forward);
        for (index, version) in (0..).zip(versions).filter(|(_, version)| **version > 0) {
            let entry = found.next().transpose()?;
            let key = self.key(index);
            if entry.as_ref().is_none_or(|entry| entry.key != key.as_bytes()) {
                return Err(format!("{key} is missing from the scan").into());
            }
            self.check(&key, index, entry.map(|entry| entry.record).as_ref(), Some(*version))?;
        }
        match found.next() {
            Some(_) => Err("the scan finds a key that nobody wrote".into()),
            None => Ok(()),
        }
    }
}

/// What a thread knows of its own keys, whose index is its number modulo the number of threads.
#[derive(Debug)]
struct Own {
    thread: u64,
    versions: Vec<u64>,
}
