//! What runs when: rounds, in each the workloads in order, in each the engines in an order that changes
//! with the round.

use crate::child;
use crate::cli::Options;
use crate::engine::{Kind, Result};
use crate::process::settle;
use crate::report;
use crate::results::Results;
use crate::rows::{SCALING_RECORDS, scaling_suffix};
use std::path::{Path, PathBuf};

/// A column of the table: an engine, and the program that has it.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) engine: Kind,
    pub(crate) program: PathBuf,
}

/// What one engine does before it is another one's turn.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Tasks, and what is put behind the names of their rows.
    steps: &'static [(&'static str, &'static str)],
    /// Its database is the one that the workload before has left.
    goes_on: bool,
}

const fn fresh(name: &'static str, steps: &'static [(&'static str, &'static str)]) -> Workload {
    Workload { name, steps, goes_on: false }
}

pub(crate) const WORKLOADS: &[Workload] = &[
    fresh("seq100", &[("seq100", "")]),
    fresh("seq1", &[("seq1", "")]),
    fresh("rnd1", &[("rnd1", "")]),
    fresh("rnd100", &[("rnd100", "")]),
    Workload {
        name: "read",
        steps: &[
            ("read", ""),
            ("read-small", ""),
            ("compact", ""),
            ("read", "-compacted"),
            ("read-small", "-compacted"),
        ],
        goes_on: true,
    },
    fresh(
        "series",
        &[("series-load", ""), ("series-read", ""), ("series-compact", ""), ("series-read", "-compacted")],
    ),
    fresh("recovery-seq", &[("crash-seq", ""), ("recover-seq", "")]),
    fresh("recovery-rnd", &[("crash-rnd", ""), ("recover-rnd", "")]),
    fresh("sync1", &[("sync1", "")]),
    fresh("sync8", &[("sync8", "")]),
];

const SCALING: Workload = fresh("scaling", &[("scale-load", ""), ("scale-read", "")]);

pub(crate) fn run(options: &Options) -> Result<()> {
    let results = if options.from.is_empty() { measure(options)? } else { Results::read(&options.from)? };
    print!("{}", report::render(options.form, &results)?);
    Ok(())
}

fn measure(options: &Options) -> Result<Results> {
    std::fs::create_dir_all(&options.dir)?;
    let mut results = Results::new(&options.columns);
    for round in 0..options.rounds {
        if options.scaling {
            for records in SCALING_RECORDS {
                run_workload(options, &SCALING, round, records, &scaling_suffix(records), &mut results)?;
            }
        } else {
            for workload in chosen(options) {
                run_workload(options, workload, round, options.records, "", &mut results)?;
            }
        }
        for column in &options.columns {
            empty(&options.dir.join(&column.name))?;
        }
    }
    Ok(results)
}

/// Reading needs something to read.
fn chosen(options: &Options) -> Vec<&'static Workload> {
    let names = &options.workloads;
    let is_chosen = |name: &str| names.is_empty() || names.iter().any(|chosen| chosen == name);
    let is_needed =
        |index: usize| WORKLOADS.get(index + 1).is_some_and(|next| next.goes_on && is_chosen(next.name));
    let all = WORKLOADS.iter().enumerate();
    all.filter(|(index, workload)| is_chosen(workload.name) || is_needed(*index))
        .map(|(_, workload)| workload)
        .collect()
}

fn run_workload(
    options: &Options,
    workload: &Workload,
    round: u64,
    records: u64,
    suffix: &str,
    results: &mut Results,
) -> Result<()> {
    let count = options.columns.len();
    for turn in 0..count {
        let index = (turn + round as usize) % count;
        let column = &options.columns[index];
        eprintln!("round {} of {}: {}{suffix}, {}", round + 1, options.rounds, workload.name, column.name);
        let dir = options.dir.join(&column.name);
        if !workload.goes_on {
            empty(&dir)?;
        }
        for (task, step) in workload.steps {
            settle();
            match child::start(column, task, &dir, records, round) {
                Ok(measured) => results.add(index, &format!("{step}{suffix}"), measured),
                Err(error) => {
                    // The table says that a number is missing; the others go on.
                    eprintln!("{error}");
                    break;
                }
            }
        }
    }
    Ok(())
}

fn empty(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
