//! A million records into an empty database, in batches, each handed to the kernel.

use super::{CACHE_BYTES, Measured, Task, per_second, put, scan_everything, write_all};
use crate::data::Order;
use crate::engine::{Layout, Result};
use crate::process::{disk_mib, peak_memory_mib, settle};
use std::time::Instant;

pub(super) fn run(task: &Task, order: Order, batch: usize) -> Result<Measured> {
    let records = task.records(order);
    let engine = task.open(Layout::Records, CACHE_BYTES)?;
    let (loading, written) =
        write_all(&*engine, records.count, batch, |position| records.record(records.arrival(position)))?;
    let start = Instant::now();
    engine.close()?;
    let total = loading + start.elapsed();
    let memory = peak_memory_mib()?;
    settle();
    let disk = disk_mib(&task.dir)?;

    let engine = task.open(Layout::Records, CACHE_BYTES)?;
    let checked = scan_everything(&*engine)?.check(&written);
    engine.close()?;
    let mut measured = Measured::new();
    let name = &task.name;
    put(&mut measured, name, per_second(records.count, loading), &checked);
    put(&mut measured, &format!("{name}-total"), per_second(records.count, total), &checked);
    put(&mut measured, &format!("{name}-memory"), memory, &checked);
    put(&mut measured, &format!("{name}-disk"), disk, &checked);
    Ok(measured)
}
