//! What each round gave, and its medians.

use crate::engine::{Kind, Result};
use crate::plan::Column;
use crate::rows::Row;
use crate::workload::Measured;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The numbers of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Results {
    columns: Vec<Values>,
}

/// Those of one column.
#[derive(Debug)]
struct Values {
    name: String,
    /// By row.
    rounds: BTreeMap<String, Vec<Value>>,
}

/// What a table shows of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Median(f64),
    /// An answer was not what it had to be.
    Wrong(String),
    Missing,
}

impl Results {
    pub(crate) fn new(columns: &[Column]) -> Self {
        let values = |column: &Column| Values { name: column.name.clone(), rounds: BTreeMap::new() };
        Results { columns: columns.iter().map(values).collect() }
    }

    /// What [`Results::to_json`] wrote, of one run or of several that measured different things.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self> {
        let mut results = Results::default();
        for file in files {
            results.merge(file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(results)
    }

    fn merge(&mut self, file: &Path) -> Result<()> {
        let saved: Map<String, Value> = serde_json::from_slice(&std::fs::read(file)?)?;
        for (name, rows) in &saved {
            let column = self.column(name);
            for (row, rounds) in rows.as_object().ok_or("no result of this program")? {
                let rounds = rounds.as_array().ok_or("no result of this program")?;
                self.columns[column].rounds.entry(row.clone()).or_default().extend(rounds.iter().cloned());
            }
        }
        Ok(())
    }

    fn column(&mut self, name: &str) -> usize {
        self.columns.iter().position(|column| column.name == name).unwrap_or_else(|| {
            self.columns.push(Values { name: name.to_owned(), rounds: BTreeMap::new() });
            self.columns.len() - 1
        })
    }

    /// Adds what a task has measured; `suffix` is put behind the names of its rows.
    pub(crate) fn add(&mut self, column: usize, suffix: &str, measured: Measured) {
        for (row, value) in measured {
            self.columns[column].rounds.entry(format!("{row}{suffix}")).or_default().push(value);
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    pub(crate) fn has(&self, row: &Row) -> bool {
        self.columns.iter().any(|column| column.rounds.contains_key(&row.id))
    }

    /// A row of the table.
    pub(crate) fn cells(&self, row: &Row) -> Vec<Cell> {
        let cell = |column: &Values| column.rounds.get(&row.id).map_or(Cell::Missing, |rounds| cell(rounds));
        self.columns.iter().map(cell).collect()
    }

    /// By column and row, the values of all rounds.
    pub(crate) fn to_json(&self) -> Value {
        let columns = self.columns.iter().map(|column| (column.name.clone(), json!(column.rounds)));
        Value::Object(columns.collect())
    }
}

/// One wrong answer spoils a row.
fn cell(rounds: &[Value]) -> Cell {
    if let Some(wrong) = rounds.iter().find_map(Value::as_str) {
        return Cell::Wrong(wrong.to_owned());
    }
    let mut numbers: Vec<_> = rounds.iter().filter_map(Value::as_f64).collect();
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => Cell::Missing,
        count if count % 2 == 1 => Cell::Median(numbers[count / 2]),
        count => Cell::Median((numbers[count / 2 - 1] + numbers[count / 2]) / 2.0),
    }
}

/// True for an engine that is not flowdb: neither a build of it, nor the crate of its name.
pub(crate) fn is_other_engine(column: &str) -> bool {
    Kind::from_name(column).is_some() && !column.starts_with(Kind::Flowdb.name())
}
