//! The same work at several sizes: what grows faster than the data?

use super::{CACHE_BYTES, Measured, Task, per_second, put, read, write_all};
use crate::data::{Order, RECORD_BYTES, choices};
use crate::engine::{Layout, Result};
use crate::process::{disk_mib, peak_memory_mib, settle, written_bytes};
use std::time::Instant;

const BATCH: usize = 100;
const GETS: usize = 100_000;
const PREFIX_SCANS: u64 = 1_000;

pub(super) fn load(task: &Task) -> Result<Measured> {
    let records = task.records(Order::Random);
    let engine = task.open(Layout::Records, CACHE_BYTES)?;
    let (loading, _) =
        write_all(&*engine, records.count, BATCH, |position| records.record(records.arrival(position)))?;
    let start = Instant::now();
    engine.close()?;
    let total = loading + start.elapsed();
    settle();
    let amplification = written_bytes()? / (records.count * RECORD_BYTES) as f64;
    let mut measured = Measured::new();
    // The reads that follow check what was written.
    put(&mut measured, "scale-write", per_second(records.count, loading), &Ok(()));
    put(&mut measured, "scale-write-total", per_second(records.count, total), &Ok(()));
    put(&mut measured, "scale-amplification", amplification, &Ok(()));
    put(&mut measured, "scale-write-memory", peak_memory_mib()?, &Ok(()));
    put(&mut measured, "scale-disk", disk_mib(&task.dir)?, &Ok(()));
    Ok(measured)
}

pub(super) fn read(task: &Task) -> Result<Measured> {
    let mut measured = Measured::new();
    let start = Instant::now();
    let engine = task.open(Layout::Records, CACHE_BYTES)?;
    put(&mut measured, "scale-open", start.elapsed().as_secs_f64() * 1e3, &Ok(()));
    let records = task.records(Order::Random);
    read::get(&*engine, &records, choices(task.seed + 1, records.count).take(GETS))?;
    read::get(&*engine, &records, choices(task.seed, records.count).take(GETS))?
        .put(&mut measured, "scale-get");
    read::prefix_scans(&*engine, &records, task.seed, PREFIX_SCANS)?.put(&mut measured, "scale-prefix-scan");
    put(&mut measured, "scale-read-memory", peak_memory_mib()?, &Ok(()));
    engine.close()?;
    Ok(measured)
}
