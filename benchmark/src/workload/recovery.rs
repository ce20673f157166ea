//! A process that ended without closing leaves 256 MB of log; how long the next one takes to open.

use super::{CACHE_BYTES, CHUNK_RECORDS, Measured, Task, put, scan_everything};
use crate::answer::Answer;
use crate::data::{Order, RECORD_BYTES, Records};
use crate::engine::{Durability, Layout, Result, Setup};
use crate::process::{die, disk_mib, peak_memory_mib};
use std::time::Instant;

const LOG_BYTES: u64 = 256 << 20;
const BATCH: usize = 100;
/// Large enough that nothing goes to a table before the process ends.
const BUFFER_BYTES: usize = 1 << 30;

fn setup(task: &Task) -> Setup {
    Setup { buffer_bytes: Some(BUFFER_BYTES), ..task.setup(Layout::Records, CACHE_BYTES) }
}

fn records(order: Order) -> Records {
    Records { order, count: LOG_BYTES / RECORD_BYTES }
}

/// Does not return if all goes well.
pub(super) fn crash(task: &Task, order: Order) -> Result<Measured> {
    let engine = task.engine.open(&setup(task))?;
    let records = records(order);
    for first in (0..records.count).step_by(CHUNK_RECORDS as usize) {
        let end = records.count.min(first + CHUNK_RECORDS);
        let chunk: Vec<_> = (first..end).map(|position| records.record(records.arrival(position))).collect();
        for batch in chunk.chunks(BATCH) {
            engine.write(batch, Durability::Kernel)?;
        }
    }
    // Where commits are not even the kernel's yet, this one takes them along.
    let last = records.record(records.arrival(records.count - 1));
    engine.write(&[last], Durability::Synced)?;
    die()
}

pub(super) fn recover(task: &Task, order: Order) -> Result<Measured> {
    let mut measured = Measured::new();
    let log = disk_mib(&task.dir)?;
    let start = Instant::now();
    let engine = task.engine.open(&setup(task))?;
    let time = start.elapsed();
    let memory = peak_memory_mib()?;
    let records = records(order);
    let mut expected = Answer::default();
    (0..records.count).for_each(|number| expected.add_record(&records.record(number)));
    let checked = scan_everything(&*engine)?.check(&expected);
    put(&mut measured, &task.name, time.as_secs_f64(), &checked);
    put(&mut measured, &format!("{}-memory", task.name), memory, &checked);
    put(&mut measured, &format!("{}-log", task.name), log, &checked);
    Ok(measured)
}
