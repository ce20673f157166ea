//! The command line.

use crate::engine::{Kind, Result};
use crate::plan::{Column, WORKLOADS};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
flowdb-benchmark [options]
  --records N          records of the database, a multiple of 1000 (default 1000000)
  --rounds N           rounds, of which medians are shown (default 3)
  --engines a,b        default: all that were built in
  --workloads a,b      default: all; read includes loading and compacting
  --scaling            instead: random order at 100 thousand, 1 and 10 million records
  --compare NAME=FILE  another column: flowdb as FILE, another build of this program, has it
  --dir DIR            where the databases go, on the disk to measure (default ./flowdb-benchmark-data)
  --markdown, --json   form of the results (default --markdown)
  --from a,b           instead: shows what runs with --json wrote into these files, in one table";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Markdown,
    Json,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) records: u64,
    pub(crate) rounds: u64,
    pub(crate) columns: Vec<Column>,
    pub(crate) workloads: Vec<String>,
    pub(crate) scaling: bool,
    pub(crate) dir: PathBuf,
    pub(crate) form: Form,
    /// Files of earlier results; none to measure.
    pub(crate) from: Vec<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Options> {
        let program = std::env::current_exe()?;
        let column =
            |kind: &Kind| Column { name: kind.name().to_owned(), engine: *kind, program: program.clone() };
        let mut options = Options {
            records: 1_000_000,
            rounds: 3,
            columns: Kind::ALL.iter().map(column).collect(),
            workloads: Vec::new(),
            scaling: false,
            dir: "flowdb-benchmark-data".into(),
            form: Form::Markdown,
            from: Vec::new(),
        };
        let mut compared = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"));
            match name.as_str() {
                "--records" => options.records = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--engines" => options.columns = engines(value()?)?.iter().map(column).collect(),
                "--workloads" => options.workloads = workloads(value()?)?,
                "--compare" => compared.push(other_build(value()?)?),
                "--dir" => options.dir = value()?.into(),
                "--from" => options.from = value()?.split(',').map(PathBuf::from).collect(),
                "--scaling" => options.scaling = true,
                "--markdown" => options.form = Form::Markdown,
                "--json" => options.form = Form::Json,
                _ => return Err(format!("{name}: unknown\n{USAGE}").into()),
            }
        }
        if options.records == 0 || !options.records.is_multiple_of(1000) || options.rounds == 0 {
            return Err(USAGE.into());
        }
        options.columns.extend(compared);
        Ok(options)
    }
}

fn engines(list: &str) -> Result<Vec<Kind>> {
    let kind = |name: &str| {
        Kind::from_name(name).ok_or_else(|| format!("{name}: not among the engines built in").into())
    };
    list.split(',').map(kind).collect()
}

fn workloads(list: &str) -> Result<Vec<String>> {
    let known = |name: &str| match WORKLOADS.iter().any(|workload| workload.name == name) {
        true => Ok(name.to_owned()),
        false => {
            let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
            Err(format!("{name}: the workloads are {}", names.join(", ")).into())
        }
    };
    list.split(',').map(known).collect()
}

fn other_build(text: &str) -> Result<Column> {
    let (name, program) = text.split_once('=').ok_or(USAGE)?;
    Ok(Column { name: name.to_owned(), engine: Kind::Flowdb, program: program.into() })
}
