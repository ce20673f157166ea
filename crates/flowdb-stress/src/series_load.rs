//! Time series: written by one thread or many, and read back point by point.

use crate::data;
use crate::report::{Failure, Report, Tally, timed};
use flowdb_engine::WriteOptions;
use flowdb_store::series::{Point, Window};
use flowdb_store::{Direction, Form, KeyRange, Record, RecordId, Store};

/// Series that a set is spread over.
pub(crate) const SERIES: u64 = 100;

/// Points 0 to `count` of a name: point i is in series i mod [`SERIES`], at timestamp i.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) value_bytes: usize,
    pub(crate) seed: u64,
}

impl Set {
    fn key(&self, series: u64) -> String {
        format!("{}/{series:03}", self.name)
    }

    /// Writes every `step`th point from `first` on, in batches.
    fn write_some(
        &self,
        store: &Store,
        report: &Report,
        first: u64,
        step: u64,
        batch: u64,
    ) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let mut indices = (first..self.count).step_by(usize::try_from(step)?).peekable();
        while indices.peek().is_some() {
            let mut writes = store.batch();
            for index in indices.by_ref().take(usize::try_from(batch)?) {
                let value = data::value(self.seed, index, 0, self.value_bytes);
                let id = (self.key(index % SERIES), i64::try_from(index)?);
                writes.put(
                    RecordId::Series(id.0.as_bytes(), id.1),
                    &Record::new(Form::Bytes, &value),
                    None,
                )?;
                tally.bytes += value.len() as u64;
            }
            tally.operations += writes.len();
            timed(report, &mut tally, || writes.write(WriteOptions::default()))?;
        }
        Ok(tally)
    }

    /// Writes all points by `writers` threads.
    pub(crate) fn write(
        &self,
        store: &Store,
        report: &Report,
        writers: u64,
        batch: u64,
    ) -> Result<Tally, Failure> {
        in_threads(writers, |thread| self.write_some(store, report, thread, writers, batch))
    }

    /// Reads all series by prefix, by each of `readers` threads, and compares every point.
    pub(crate) fn read_prefixes(
        &self,
        store: &Store,
        report: &Report,
        readers: u64,
    ) -> Result<Tally, Failure> {
        let window = Window::ALL;
        in_threads(readers, |thread| {
            let mut tally = Tally::default();
            for series in (0..SERIES).map(|series| (series + thread * 7) % SERIES) {
                let range = KeyRange::Prefix(self.key(series).into());
                let points = timed(report, &mut tally, || read(store, &range, window))?;
                self.compare(&mut tally, points, (series..self.count).step_by(100), series)?;
            }
            Ok(tally)
        })
    }

    /// Reads the middle half of the time, newest first, of each series by its exact key, and the latest point
    /// of each in one pass.
    pub(crate) fn read_windows(&self, store: &Store, report: &Report) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let (from, to) = (self.count / 4, self.count * 3 / 4);
        for series in 0..SERIES {
            let key = self.key(series).into_bytes();
            let bounds = (
                std::ops::Bound::Included(i64::try_from(from)?),
                std::ops::Bound::Excluded(i64::try_from(to)?),
            );
            let window = Window::between(bounds.0, bounds.1);
            let range = KeyRange::Between(
                std::ops::Bound::Included(key.clone().into()),
                std::ops::Bound::Included(key.into()),
            );
            let points = timed(report, &mut tally, || read(store, &range, window))?;
            let within = (series..self.count).step_by(100).filter(|index| (from..to).contains(index));
            self.compare(&mut tally, points, within, series)?;
        }
        let all = KeyRange::Prefix(format!("{}/", self.name).into());
        let latest = timed(report, &mut tally, || {
            store.series().each_at(&all, i64::MAX, Direction::Forward)?.collect::<Result<Vec<_>, _>>()
        })?;
        let expected = SERIES.min(self.count);
        if latest.len() as u64 != expected {
            return Err(
                format!("{} series have a latest point, expected are {expected}", latest.len()).into()
            );
        }
        Ok(tally)
    }

    fn compare(
        &self,
        tally: &mut Tally,
        found: Vec<Point>,
        expected: impl Iterator<Item = u64>,
        series: u64,
    ) -> Result<(), Failure> {
        let mut found = found.into_iter();
        for index in expected {
            let wrong = |what: String| format!("point {index} of {}: {what}", self.key(series));
            let point = found.next().ok_or_else(|| wrong("is missing".to_owned()))?;
            if point.timestamp != i64::try_from(index)? {
                return Err(wrong(format!("is missing; the next one is {}", point.timestamp)).into());
            }
            if data::version(self.seed, index, point.record.contents()) != Some(0) {
                return Err(wrong("has another value".to_owned()).into());
            }
            tally.operations += 1;
            tally.bytes += point.record.contents().len() as u64;
        }
        match found.next() {
            Some(point) => {
                Err(format!("{}: a point at {} that nobody wrote", self.key(series), point.timestamp).into())
            }
            None => Ok(()),
        }
    }
}

fn read(store: &Store, range: &KeyRange, window: Window) -> flowdb_engine::Result<Vec<Point>> {
    store.series().scan(range, window, Direction::Forward).collect()
}

/// Runs `work` in threads of the numbers 0 to `threads`, and adds up what they did.
pub(crate) fn in_threads(
    threads: u64,
    work: impl Fn(u64) -> Result<Tally, Failure> + Sync,
) -> Result<Tally, Failure> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        let mut sum = Tally::default();
        for thread in running {
            sum.add(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok(sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowdb_store::{StoreOptions, Ttl};

    /// What reading says after `tamper` did something to a set of 300 points.
    fn read_after(
        tamper: impl Fn(&mut flowdb_store::RecordBatch<'_>) -> flowdb_engine::Result<()>,
    ) -> [String; 2] {
        let store = Store::memory(&StoreOptions::default()).unwrap();
        let set = Set { name: "set".to_owned(), count: 300, value_bytes: 20, seed: 1 };
        let report = Report::default();
        set.write(&store, &report, 3, 7).unwrap();
        let mut batch = store.batch();
        tamper(&mut batch).unwrap();
        batch.write(WriteOptions::default()).unwrap();
        let told = |result: Result<Tally, Failure>| {
            result.map_or_else(|error| error.to_string(), |_| "right".to_owned())
        };
        [told(set.read_prefixes(&store, &report, 2)), told(set.read_windows(&store, &report))]
    }

    #[test]
    fn wrong_answers_are_noticed() {
        let record = |index| Record::new(Form::Bytes, &data::value(1, index, 0, 20));
        assert_eq!(read_after(|_| Ok(())), ["right", "right"]);
        let missing = read_after(|batch| batch.delete(RecordId::Series(b"set/005", 105)));
        assert!(missing.iter().all(|told| told.contains("point 105 of set/005: is missing")), "{missing:?}");
        let other = read_after(|batch| batch.put(RecordId::Series(b"set/005", 105), &record(106), None));
        assert!(other.iter().all(|told| told.contains("has another value")), "{other:?}");
        let extra =
            read_after(|batch| batch.put(RecordId::Series(b"set/005", 106), &record(106), Some(Ttl::Never)));
        assert!(extra.iter().all(|told| told.contains("106")), "{extra:?}");
        let series = read_after(|batch| batch.put(RecordId::Series(b"set/100", 1), &record(1), None));
        assert!(series[1].contains("101 series"), "{series:?}");
    }
}
