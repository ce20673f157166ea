//! Numbers about the points of each series, made while they are scanned: nothing but the result is kept.

use super::SeriesScan;
use super::json::number_at;
use crate::record::{Form, RecordRef};
use crate::value::extract_number;
use crate::walk::{PageEnd, PageLimits};
use flowdb_engine::{ReadTier, Result};

/// Where in a record its number is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Names of properties, joined by periods; empty for the value itself.
    pub path: Vec<u16>,
    /// Text is read as JSON. Else it is no number.
    pub json: bool,
}

/// What is known about some numbers, in the order of their time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many they are, at least one.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The oldest.
    pub first: f64,
    /// The newest.
    pub last: f64,
    sum: f64,
    /// What rounding took from `sum` (Neumaier).
    lost: f64,
}

impl Summary {
    fn of(number: f64) -> Self {
        Summary { count: 1, min: number, max: number, first: number, last: number, sum: number, lost: 0.0 }
    }

    fn add(&mut self, number: f64) {
        self.count += 1;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.last = number;
        let sum = self.sum + number;
        self.lost += if self.sum.abs() >= number.abs() {
            (self.sum - sum) + number
        } else {
            (number - sum) + self.sum
        };
        self.sum = sum;
    }

    /// All of them together, as if rounded only once or twice.
    pub fn sum(&self) -> f64 {
        // Infinities have no remainder.
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }

    /// The mean.
    pub fn average(&self) -> f64 {
        // Counts above 2^53 would take centuries.
        self.sum() / self.count as f64
    }
}

/// What an aggregation says about one series, or one step of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The key of the series.
    pub key: Vec<u8>,
    /// Where the step begins, microseconds since the epoch; `None` where there are no steps.
    pub start: Option<i64>,
    /// About the numbers in it.
    pub summary: Summary,
}

/// An aggregation in progress: a row for each series, or for each step of each, that has numbers in it, in
/// order of keys and time. Steps of one length begin at multiples of it since the epoch. Points without a
/// number, and those that are NaN, are passed over.
#[derive(Debug)]
pub struct Aggregation {
    scan: SeriesScan,
    /// Length of the steps, in microseconds, at least 1.
    step: Option<i64>,
    source: Source,
    /// The row that points are being added to.
    current: Option<Row>,
}

impl Aggregation {
    pub(crate) fn new(scan: SeriesScan, step: Option<i64>, source: Source) -> Self {
        Aggregation { scan, step: step.map(|step| step.max(1)), source, current: None }
    }

    /// Goes through at most this many points, reading files where it has to, and adds the rows that are
    /// complete to `rows`.
    pub fn advance(&mut self, points_max: usize, rows: &mut Vec<Row>) -> Result<PageEnd> {
        let Aggregation { scan, step, source, current } = self;
        let mut failure = None;
        let limits = PageLimits { count: points_max, bytes: usize::MAX };
        let end = scan.page(ReadTier::Disk, limits, |key, timestamp, record| {
            match source.number(record) {
                Ok(Some(number)) => add(current, rows, key, start_of(timestamp, *step), number),
                Ok(None) => {}
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
            0
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        if end == PageEnd::Done {
            rows.extend(current.take());
        }
        Ok(end)
    }
}

fn start_of(timestamp: i64, step: Option<i64>) -> Option<i64> {
    step.map(|step| timestamp.saturating_sub(timestamp.rem_euclid(step)))
}

fn add(current: &mut Option<Row>, rows: &mut Vec<Row>, key: &[u8], start: Option<i64>, number: f64) {
    match current {
        Some(row) if row.start == start && row.key == key => row.summary.add(number),
        _ => {
            rows.extend(current.take());
            *current = Some(Row { key: key.to_vec(), start, summary: Summary::of(number) });
        }
    }
}

impl Source {
    /// The number of a record, if it has one.
    fn number(&self, record: RecordRef<'_>) -> Result<Option<f64>> {
        let number = match record.form() {
            Form::Value => extract_number(record.contents(), &self.path)?,
            Form::Text if self.json => number_at(record.contents(), &self.path),
            Form::Text | Form::Bytes => None,
        };
        Ok(number.filter(|number| !number.is_nan()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::value::Number;
    use crate::{Direction, KeyRange, RecordId, Store, StoreOptions};

    fn summary(numbers: &[f64]) -> Summary {
        let mut summary = Summary::of(numbers[0]);
        numbers[1..].iter().for_each(|number| summary.add(*number));
        summary
    }

    #[test]
    fn sums_keep_what_rounding_takes() {
        assert_eq!(summary(&[1e100, 1.0, -1e100]).sum(), 1.0);
        assert_eq!(summary(&[0.1; 10]).sum(), 1.0);
        assert_eq!(summary(&[f64::INFINITY, 1.0]).sum(), f64::INFINITY);
        let all = summary(&[3.0, -1.0, 2.0]);
        assert_eq!((all.min, all.max, all.first, all.last, all.average()), (-1.0, 3.0, 3.0, 2.0, 4.0 / 3.0));
    }

    #[test]
    fn steps_begin_at_multiples_on_both_sides_of_the_epoch() {
        let starts = [-11, -10, -1, 0, 9, 10].map(|time| start_of(time, Some(10)).unwrap());
        assert_eq!(starts, [-20, -10, -10, 0, 0, 10]);
        assert_eq!(start_of(i64::MIN, Some(7)), Some(i64::MIN));
        assert_eq!(start_of(5, None), None);
    }

    fn rows(store: &Store, step: Option<i64>, source: Source, points: usize) -> Vec<Row> {
        let scan = store.series().scan(&KeyRange::all(), super::super::Window::ALL, Direction::Forward);
        let mut aggregation = Aggregation::new(scan, step, source);
        let mut rows = Vec::new();
        while aggregation.advance(points, &mut rows).unwrap() == PageEnd::More {}
        rows
    }

    #[test]
    fn rows_are_the_same_however_many_points_are_taken_at_a_time() {
        let store = Store::memory(&StoreOptions::default()).unwrap();
        let mut batch = store.batch();
        for (key, time) in [(&b"a"[..], -1), (b"a", 0), (b"a", 7), (b"a", 12), (b"b", 3)] {
            let record = Record::new(Form::Value, &Number::Float(f64::from(time)).to_value());
            batch.put(RecordId::Series(key, time.into()), &record, None).unwrap();
        }
        let others = [
            Record::new(Form::Text, b"1"),
            Record::new(Form::Bytes, b"1"),
            Record::new(Form::Value, &[1, 2]),
        ];
        for (time, record) in others.iter().enumerate() {
            batch.put(RecordId::Series(b"c", i64::try_from(time).unwrap()), record, None).unwrap();
        }
        batch.write(flowdb_engine::WriteOptions::default()).unwrap();
        for points in 1..8 {
            let found = rows(&store, Some(10), Source::default(), points);
            let short: Vec<_> =
                found.iter().map(|row| (&row.key[..], row.start.unwrap(), row.summary.count)).collect();
            assert_eq!(short, [(&b"a"[..], -10, 1), (b"a", 0, 2), (b"a", 10, 1), (b"b", 0, 1)]);
            assert_eq!(rows(&store, None, Source::default(), points).len(), 2);
        }
        let json = Source { json: true, ..Source::default() };
        assert_eq!(rows(&store, None, json, 3).len(), 3, "the text 1 is a number in JSON");
    }

    #[test]
    fn bigints_are_rounded_once() {
        let number = |value: &[u8]| {
            let record = Record::new(Form::Value, value);
            Source::default().number(RecordRef::from_stored(record.as_bytes()).unwrap()).unwrap().unwrap()
        };
        let integer = |integer| number(&Number::Integer(integer).to_value());
        for value in [0, 1, -255, 1 << 53, (1 << 53) + 1, (1 << 53) + 3, (1 << 61) + 257, i64::MIN, i64::MAX]
        {
            assert_eq!(integer(value), value as f64, "{value}");
        }
        // 2^64 + 2^11 is halfway between two doubles: the lowest of nine bytes decides.
        assert_eq!(number(&[1, 8, 9, 1, 8, 0, 0, 0, 0, 0, 0, 1]), 2_f64.powi(64) + 4096.0);
        assert_eq!(number(&[1, 8, 9, 0, 8, 0, 0, 0, 0, 0, 0, 1]), 2_f64.powi(64));
        let huge = [&[1, 9, 129, 1][..], &[0; 128], &[1]].concat();
        assert_eq!(number(&huge), f64::NEG_INFINITY);
    }

    #[test]
    fn fields_are_found_in_values_and_in_json() {
        let path = |text: &str| Source { path: text.encode_utf16().collect(), json: true };
        let number = |source: &Source, record: &Record| {
            source.number(RecordRef::from_stored(record.as_bytes()).unwrap()).unwrap()
        };
        let json = Record::new(Form::Text, br#"{"a":{"b":2.5},"c":"x"}"#);
        for (text, found) in [("a.b", Some(2.5)), ("a", None), ("c", None), ("a.b.c", None), ("", None)] {
            assert_eq!(number(&path(text), &json), found, "{text}");
        }
        assert_eq!(number(&path("a"), &Record::new(Form::Text, b"not JSON")), None);
    }
}
