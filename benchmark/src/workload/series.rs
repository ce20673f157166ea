//! A thousand time series whose points arrive in the order of time.

use super::{CACHE_BYTES, Measured, Rate, Task, per_second, put, write_all};
use crate::answer::{Answer, ScanAnswer};
use crate::data::{HOUR_MICROS, POINT_MICROS, Series, choices, mix, point_time};
use crate::engine::{Engine, Layout, Result, Selection};
use crate::process::{disk_mib, peak_memory_mib, settle};
use std::time::Instant;

const SERIES: u64 = 1000;
const BATCH: usize = 100;
const HOUR_POINTS: u64 = (HOUR_MICROS / POINT_MICROS) as u64;

const ONE_SERIES_QUERIES: usize = 5_000;
const ALL_SERIES_QUERIES: usize = 20;
const WHOLE_SERIES_QUERIES: usize = 1_000;

fn series(task: &Task) -> Series {
    Series { series: SERIES, points: task.records / SERIES }
}

pub(super) fn load(task: &Task) -> Result<Measured> {
    let series = series(task);
    let engine = task.open(Layout::Series, CACHE_BYTES)?;
    let (loading, _) = write_all(&*engine, series.count(), BATCH, |position| series.arrival(position))?;
    let start = Instant::now();
    engine.close()?;
    let total = loading + start.elapsed();
    let memory = peak_memory_mib()?;
    settle();
    let mut measured = Measured::new();
    // The queries that follow check what was written.
    put(&mut measured, "series-load", per_second(series.count(), total), &Ok(()));
    put(&mut measured, "series-load-memory", memory, &Ok(()));
    put(&mut measured, "series-disk", disk_mib(&task.dir)?, &Ok(()));
    Ok(measured)
}

pub(super) fn compact(task: &Task) -> Result<Measured> {
    let mut engine = task.open(Layout::Series, CACHE_BYTES)?;
    engine.compact()?;
    engine.close()?;
    settle();
    let mut measured = Measured::new();
    put(&mut measured, "series-compact-disk", disk_mib(&task.dir)?, &Ok(()));
    Ok(measured)
}

/// One query.
struct Query {
    selection: Selection,
    /// Numbers of the first point, and the one after the last.
    points: (u64, u64),
}

pub(super) fn read(task: &Task) -> Result<Measured> {
    let series = series(task);
    let engine = task.open(Layout::Series, CACHE_BYTES)?;
    let hour = |choice: u64| {
        let first = mix(choice) % series.points.saturating_sub(HOUR_POINTS).max(1);
        (first, (first + HOUR_POINTS).min(series.points))
    };
    let one = |choice| Query { selection: Selection::One(choice % SERIES), points: hour(choice) };
    let all = |choice| Query { selection: Selection::All(SERIES), points: hour(choice) };
    let whole = |choice| Query { selection: Selection::One(choice % SERIES), points: (0, series.points) };
    let run = |count: usize, make: &dyn Fn(u64) -> Query| {
        let queries = |seed, count| choices(seed, u64::MAX).take(count).map(make).collect();
        query(&*engine, &series, queries(task.seed + 1, count / 4))?;
        query(&*engine, &series, queries(task.seed, count))
    };
    let mut measured = Measured::new();
    run(ONE_SERIES_QUERIES, &one)?.put(&mut measured, "series-window");
    run(ALL_SERIES_QUERIES, &all)?.put(&mut measured, "series-window-all");
    run(WHOLE_SERIES_QUERIES, &whole)?.put(&mut measured, "series-whole");
    put(&mut measured, "series-memory", peak_memory_mib()?, &Ok(()));
    engine.close()?;
    Ok(measured)
}

fn query(engine: &dyn Engine, series: &Series, queries: Vec<Query>) -> Result<Rate> {
    let mut expected = Answer::default();
    for query in &queries {
        let (first, end) = query.points;
        let chosen = match query.selection {
            Selection::One(one) => one..one + 1,
            Selection::All(count) => 0..count,
        };
        for (name, point) in chosen.flat_map(|name| (first..end).map(move |point| (name, point))) {
            expected.add_record(&series.point(name, point));
        }
    }
    let mut answer = ScanAnswer::default();
    let start = Instant::now();
    for query in &queries {
        answer.restart();
        let (first, end) = query.points;
        let times = (point_time(first), point_time(end));
        engine.window(query.selection, times, &mut |key, value| answer.add(key, value))?;
    }
    Ok(Rate::new(queries.len() as u64, start.elapsed(), answer.check(&expected)))
}
