//! One line for each step, and what is said at the end.
#![expect(clippy::print_stdout, reason = "a report on standard output is what the command is for")]

use flowdb_engine::{Clock, SystemClock};
use std::time::Duration;

/// How a step went wrong.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a step did: operations, bytes of values, and how long each call took.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) bytes: u64,
    pub(crate) calls: Vec<Duration>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.calls.extend(other.calls);
    }
}

/// Measures steps.
#[derive(Debug, Default)]
pub(crate) struct Report {
    clock: SystemClock,
    steps: u32,
}

impl Report {
    /// Time since the report began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Runs a step and prints its line.
    pub(crate) fn step(
        &mut self,
        name: &str,
        work: impl FnOnce(&Report) -> Result<Tally, Failure>,
    ) -> Result<(), Failure> {
        let start = self.elapsed();
        let tally = work(self).map_err(|error| format!("{name}: {error}"))?;
        let took = (self.elapsed() - start).as_secs_f64();
        self.steps += 1;
        print_step(name, tally, took);
        Ok(())
    }

    pub(crate) fn finish(&self, directory_bytes: u64) {
        println!("{} steps in {:.1} s, every answer right", self.steps, self.elapsed().as_secs_f64());
        println!("{} bytes in tables", directory_bytes);
    }
}

/// Runs and times one call.
pub(crate) fn timed<T>(report: &Report, tally: &mut Tally, call: impl FnOnce() -> T) -> T {
    let start = report.elapsed();
    let result = call();
    tally.calls.push(report.elapsed() - start);
    result
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print_step(name: &str, mut tally: Tally, seconds: f64) {
    tally.calls.sort_unstable();
    let rate = tally.operations as f64 / seconds.max(1e-9);
    let mebibytes = tally.bytes as f64 / f64::from(1 << 20) / seconds.max(1e-9);
    let at =
        |permille: usize| tally.calls.get(tally.calls.len() * permille / 1000).map_or(0, Duration::as_micros);
    println!(
        "{name:<40} {:>8} in {seconds:>7.2} s {rate:>10.0}/s {mebibytes:>7.1} MiB/s  p50 {} p99 {} us",
        tally.operations,
        at(500),
        at(990)
    );
}

pub(crate) fn print_help(help: &str) {
    println!("{help}");
}
