//! One record per commit, each on stable storage before the next of its thread.

use super::{CACHE_BYTES, Measured, Task, put, scan_everything};
use crate::answer::Answer;
use crate::data::{Order, Record, Records};
use crate::engine::{Durability, Engine, Layout, Result, Setup};
use std::time::{Duration, Instant};

/// Whatever comes first ends the row: a disk may take from 50 us to 10 ms for a sync.
const COMMITS_MAX: u64 = 40_000;
const TIME_MAX: Duration = Duration::from_secs(4);

/// What one thread did: the time of each commit, and what it wrote.
struct Done {
    latencies: Vec<Duration>,
    records: Vec<Record>,
}

pub(super) fn run(task: &Task, threads: u64) -> Result<Measured> {
    let setup = Setup { durability: Durability::Synced, ..task.setup(Layout::Records, CACHE_BYTES) };
    let engine = task.engine.open(&setup)?;
    let records = Records { order: Order::Random, count: COMMITS_MAX };
    let start = Instant::now();
    let done = std::thread::scope(|scope| {
        let commit = |thread| commit_all(&*engine, thread, COMMITS_MAX / threads, &records);
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || commit(thread))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a writer panicked")?)
            .collect::<Result<Vec<_>>>()
    })?;
    let time = start.elapsed();

    let mut written = Answer::default();
    done.iter().flat_map(|done| &done.records).for_each(|record| written.add_record(record));
    let checked = scan_everything(&*engine)?.check(&written);
    engine.close()?;
    let mut latencies: Vec<_> = done.into_iter().flat_map(|done| done.latencies).collect();
    latencies.sort_unstable();
    let p99 = latencies[latencies.len() * 99 / 100];
    let mut measured = Measured::new();
    put(&mut measured, &task.name, latencies.len() as f64 / time.as_secs_f64(), &checked);
    put(&mut measured, &format!("{}-p99", task.name), p99.as_secs_f64() * 1e6, &checked);
    Ok(measured)
}

fn commit_all(engine: &dyn Engine, thread: u64, commits: u64, records: &Records) -> Result<Done> {
    let all: Vec<_> =
        (0..commits).map(|commit| records.record(records.arrival(thread * commits + commit))).collect();
    let mut latencies = Vec::with_capacity(all.len());
    let start = Instant::now();
    for record in &all {
        let before = Instant::now();
        engine.write(std::slice::from_ref(record), Durability::Synced)?;
        latencies.push(before.elapsed());
        if start.elapsed() > TIME_MAX {
            break;
        }
    }
    let records = all[..latencies.len()].to_vec();
    Ok(Done { latencies, records })
}
