//! A process per task: peak memory is the engine's own, and no engine inherits another's heap.

use crate::engine::{Kind, Result};
use crate::plan::Column;
use crate::workload::{Measured, Task};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A task that takes longer hangs; flowdb 0.8.3 may.
const TIME_MAX: Duration = Duration::from_secs(15 * 60);
const POLL: Duration = Duration::from_millis(5);

/// Runs a task in a process of its own.
pub(crate) fn start(column: &Column, task: &str, dir: &Path, records: u64, seed: u64) -> Result<Measured> {
    let mut child = Command::new(&column.program)
        .args(["child", task, column.engine.name()])
        .arg(dir)
        .args([records.to_string(), seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    // What a task prints fits into the pipe: it can end before anybody reads.
    while child.try_wait()?.is_none() {
        if start.elapsed() > TIME_MAX {
            child.kill()?;
        }
        std::thread::sleep(POLL);
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{} failed in {task}: {}", column.name, output.status).into());
    }
    // A process that has to die says nothing.
    if output.stdout.is_empty() { Ok(Measured::new()) } else { Ok(serde_json::from_slice(&output.stdout)?) }
}

/// The other side: what [`start`] has given as arguments.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [name, engine, dir, records, seed] = arguments else {
        return Err("child: this is called by the program itself".into());
    };
    let task = Task {
        name: name.clone(),
        engine: Kind::from_name(engine).ok_or_else(|| format!("built without {engine}"))?,
        dir: dir.into(),
        records: records.parse()?,
        seed: seed.parse()?,
    };
    println!("{}", serde_json::to_string(&task.run()?)?);
    Ok(())
}
