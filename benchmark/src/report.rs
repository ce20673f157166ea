//! Medians, ratios and tables.

use crate::cli::{Form, Options};
use crate::engine::{Kind, Result};
use crate::plan::Column;
use crate::rows::{Better, Row};
use crate::workload::Measured;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What each round gave, by column and row.
pub(crate) struct Results {
    columns: Vec<BTreeMap<String, Vec<Value>>>,
}

/// A cell of the table.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Median(f64),
    /// An answer was not what it had to be.
    Wrong(String),
    Missing,
}

impl Results {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Results { columns: vec![BTreeMap::new(); columns.len()] }
    }

    pub(crate) fn add(&mut self, column: usize, suffix: &str, measured: Measured) {
        for (row, value) in measured {
            self.columns[column].entry(format!("{row}{suffix}")).or_default().push(value);
        }
    }

    fn values(&self, column: usize, row: &Row) -> &[Value] {
        self.columns[column].get(&row.id).map_or(&[], Vec::as_slice)
    }

    fn cell(&self, column: usize, row: &Row) -> Cell {
        let values = self.values(column, row);
        if let Some(wrong) = values.iter().find_map(Value::as_str) {
            return Cell::Wrong(wrong.to_owned());
        }
        let mut numbers: Vec<_> = values.iter().filter_map(Value::as_f64).collect();
        numbers.sort_by(f64::total_cmp);
        match numbers.len() {
            0 => Cell::Missing,
            count if count % 2 == 1 => Cell::Median(numbers[count / 2]),
            count => Cell::Median((numbers[count / 2 - 1] + numbers[count / 2]) / 2.0),
        }
    }
}

pub(crate) fn render(options: &Options, rows: &[Row], results: &Results) -> Result<String> {
    let measured: Vec<_> = rows
        .iter()
        .filter(|row| (0..options.columns.len()).any(|column| !results.values(column, row).is_empty()))
        .collect();
    match options.form {
        Form::Markdown => Ok(markdown(&options.columns, &measured, results)),
        Form::Json => Ok(serde_json::to_string_pretty(&as_json(options, &measured, results))? + "\n"),
    }
}

fn markdown(columns: &[Column], rows: &[&Row], results: &Results) -> String {
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut text =
        format!("| | {} | to the best other |\n|---|{}---|\n", names.join(" | "), "---|".repeat(names.len()));
    for row in rows {
        let cells: Vec<_> = (0..columns.len()).map(|column| results.cell(column, row)).collect();
        let ours =
            columns.iter().position(|column| column.name == Kind::Flowdb.name()).map(|index| &cells[index]);
        let shown: Vec<_> =
            columns.iter().zip(&cells).map(|(column, cell)| show(column, cell, ours, row)).collect();
        let best = best_other(columns, &cells, row.better);
        let ratio = ours.and_then(|ours| advantage(ours, &best, row.better)).unwrap_or_default();
        text += &format!("| {} | {} | {ratio} |\n", row.title, shown.join(" | "));
    }
    text
}

fn show(column: &Column, cell: &Cell, ours: Option<&Cell>, row: &Row) -> String {
    let ratio = || {
        let ours = ours.filter(|_| column.name != Kind::Flowdb.name())?;
        Some(format!(" ({})", advantage(ours, cell, row.better)?))
    };
    match cell {
        Cell::Median(number) => format!("{}{}", round(*number), ratio().unwrap_or_default()),
        Cell::Wrong(what) => format!("wrong: {what}"),
        Cell::Missing => "-".to_owned(),
    }
}

/// How many times better `ours` is.
fn advantage(ours: &Cell, other: &Cell, better: Better) -> Option<String> {
    let (Cell::Median(ours), Cell::Median(other)) = (ours, other) else {
        return None;
    };
    let ratio = match better {
        Better::Higher => ours / other,
        Better::Lower => other / ours,
    };
    Some(format!("{ratio:.2}x"))
}

/// The best of the other engines; other builds of flowdb, and the crate of its name, are none.
fn best_other(columns: &[Column], cells: &[Cell], better: Better) -> Cell {
    let is_other = |column: &Column| !column.engine.name().starts_with(Kind::Flowdb.name());
    let others = columns.iter().zip(cells).filter(|(column, _)| is_other(column));
    let numbers = others.filter_map(|(_, cell)| match cell {
        Cell::Median(number) => Some(*number),
        _ => None,
    });
    let best = match better {
        Better::Higher => numbers.max_by(f64::total_cmp),
        Better::Lower => numbers.min_by(f64::total_cmp),
    };
    best.map_or(Cell::Missing, Cell::Median)
}

/// Three digits that matter.
fn round(number: f64) -> String {
    match number.abs() {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

fn as_json(options: &Options, rows: &[&Row], results: &Results) -> Value {
    let row = |row: &&Row| {
        let all = options.columns.iter().enumerate();
        let rounds: serde_json::Map<_, _> =
            all.map(|(index, column)| (column.name.clone(), json!(results.values(index, row)))).collect();
        json!({ "id": row.id, "title": row.title, "higherIsBetter": row.better == Better::Higher, "rounds": rounds })
    };
    json!({
        "records": options.records,
        "rounds": options.rounds,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
