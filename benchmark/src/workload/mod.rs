//! What is measured. Each task runs in a process of its own, on one engine.

mod compact;
mod load;
mod read;
mod recovery;
mod scaling;
mod series;
mod sync;

use crate::answer::{Answer, ScanAnswer};
use crate::data::{Order, Record, Records};
use crate::engine::{Durability, Engine, KeyRange, Kind, Layout, Result, Setup};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const CACHE_BYTES: u64 = 256 << 20;
const SMALL_CACHE_BYTES: u64 = 8 << 20;
/// Records that are made at a time, outside of what is timed.
const CHUNK_RECORDS: u64 = 10_000;

/// Whether answers were right, or what was wrong.
type Checked = Result<(), String>;

/// One task of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) engine: Kind,
    pub(crate) dir: PathBuf,
    pub(crate) records: u64,
    /// Chooses the keys that are read.
    pub(crate) seed: u64,
}

/// What came of it: a number for each row, or what was wrong with the answers.
pub(crate) type Measured = Map<String, Value>;

impl Task {
    pub(crate) fn run(&self) -> Result<Measured> {
        match self.name.as_str() {
            "seq100" => load::run(self, Order::Sequential, 100),
            "rnd100" => load::run(self, Order::Random, 100),
            "seq1" => load::run(self, Order::Sequential, 1),
            "rnd1" => load::run(self, Order::Random, 1),
            "sync1" => sync::run(self, 1),
            "sync8" => sync::run(self, 8),
            "read" => read::run(self, CACHE_BYTES),
            "read-small" => read::run_small(self, SMALL_CACHE_BYTES),
            "compact" => compact::run(self),
            "series-load" => series::load(self),
            "series-compact" => series::compact(self),
            "series-read" => series::read(self),
            "crash-seq" => recovery::crash(self, Order::Sequential),
            "crash-rnd" => recovery::crash(self, Order::Random),
            "recover-seq" => recovery::recover(self, Order::Sequential),
            "recover-rnd" => recovery::recover(self, Order::Random),
            "scale-load" => scaling::load(self),
            "scale-read" => scaling::read(self),
            other => Err(format!("no task is called {other}").into()),
        }
    }

    fn records(&self, order: Order) -> Records {
        Records { order, count: self.records }
    }

    fn setup(&self, layout: Layout, cache_bytes: u64) -> Setup {
        Setup {
            dir: self.dir.clone(),
            layout,
            cache_bytes,
            buffer_bytes: None,
            durability: Durability::Kernel,
        }
    }

    fn open(&self, layout: Layout, cache_bytes: u64) -> Result<Box<dyn Engine>> {
        self.engine.open(&self.setup(layout, cache_bytes))
    }
}

/// Writes `count` records in batches and gives the time of the writes alone.
fn write_all(
    engine: &dyn Engine,
    count: u64,
    batch: usize,
    mut make: impl FnMut(u64) -> Record,
) -> Result<(Duration, Answer)> {
    let mut time = Duration::ZERO;
    let mut written = Answer::default();
    let mut chunk = Vec::new();
    for first in (0..count).step_by(CHUNK_RECORDS as usize) {
        chunk.clear();
        chunk.extend((first..count.min(first + CHUNK_RECORDS)).map(&mut make));
        chunk.iter().for_each(|record| written.add_record(record));
        let start = Instant::now();
        for batch in chunk.chunks(batch) {
            engine.write(batch, Durability::Kernel)?;
        }
        time += start.elapsed();
    }
    Ok((time, written))
}

/// The range of all keys of ours.
fn everything() -> KeyRange {
    (Vec::new(), vec![0xff])
}

fn scan_everything(engine: &dyn Engine) -> Result<ScanAnswer> {
    let mut answer = ScanAnswer::default();
    engine.scan(&[everything()], &mut |key, value| answer.add(key, value))?;
    Ok(answer)
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// How fast something went, and whether it gave the right answers.
struct Rate {
    per_second: f64,
    checked: Checked,
}

impl Rate {
    fn new(count: u64, time: Duration, checked: Checked) -> Self {
        Rate { per_second: per_second(count, time), checked }
    }

    fn put(&self, measured: &mut Measured, row: &str) {
        put(measured, row, self.per_second, &self.checked);
    }
}

/// Puts a row's number, or what was wrong instead.
fn put(measured: &mut Measured, row: &str, value: f64, checked: &Checked) {
    let value = match checked {
        Ok(()) => Value::from(value),
        Err(wrong) => Value::from(wrong.as_str()),
    };
    measured.insert(row.to_owned(), value);
}
