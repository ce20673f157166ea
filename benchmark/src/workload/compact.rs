//! Everything rewritten into its final form.

use super::{CACHE_BYTES, Measured, Task, put};
use crate::engine::{Layout, Result};
use crate::process::{disk_mib, peak_memory_mib, settle};
use std::time::Instant;

pub(super) fn run(task: &Task) -> Result<Measured> {
    let mut engine = task.open(Layout::Records, CACHE_BYTES)?;
    let start = Instant::now();
    engine.compact()?;
    let time = start.elapsed();
    let memory = peak_memory_mib()?;
    engine.close()?;
    settle();
    // The reads that follow check what is left.
    let mut measured = Measured::new();
    put(&mut measured, "compact", time.as_secs_f64(), &Ok(()));
    put(&mut measured, "compact-memory", memory, &Ok(()));
    put(&mut measured, "compact-disk", disk_mib(&task.dir)?, &Ok(()));
    Ok(measured)
}
