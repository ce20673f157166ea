//! Tables of medians, with ratios.

use crate::cli::Form;
use crate::engine::{Kind, Result};
use crate::results::{Cell, Results, is_other_engine};
use crate::rows::{self, Better, Row};

pub(crate) fn render(form: Form, results: &Results) -> Result<String> {
    match form {
        Form::Markdown => Ok(markdown(results)),
        Form::Json => Ok(serde_json::to_string_pretty(&results.to_json())? + "\n"),
    }
}

fn markdown(results: &Results) -> String {
    let names: Vec<_> = results.names().collect();
    let mut text = format!("| | {} | to the best other |\n", names.join(" | "));
    text += &format!("|---|{}---|\n", "---:|".repeat(names.len()));
    for row in rows::all().iter().filter(|row| results.has(row)) {
        text += &line(&names, row, &results.cells(row));
    }
    text
}

fn line(names: &[&str], row: &Row, cells: &[Cell]) -> String {
    let ours = names.iter().position(|name| *name == Kind::Flowdb.name()).map(|index| &cells[index]);
    let shown = names.iter().zip(cells).map(|(name, cell)| {
        let ratio = ours.filter(|_| *name != Kind::Flowdb.name()).and_then(|ours| advantage(ours, cell, row));
        show(cell, ratio)
    });
    let best = best_other(names, cells, row.better);
    let ratio = ours.and_then(|ours| advantage(ours, &best, row));
    format!("| {} | {} | {} |\n", row.title, shown.collect::<Vec<_>>().join(" | "), ratio.unwrap_or_default())
}

fn show(cell: &Cell, ratio: Option<String>) -> String {
    match cell {
        Cell::Median(number) => {
            let number = round(*number);
            ratio.map_or_else(|| number.clone(), |ratio| format!("{number} ({ratio})"))
        }
        Cell::Wrong(what) => format!("wrong: {what}"),
        Cell::Missing => "-".to_owned(),
    }
}

/// How many times better `ours` is.
fn advantage(ours: &Cell, other: &Cell, row: &Row) -> Option<String> {
    let (Cell::Median(ours), Cell::Median(other)) = (ours, other) else {
        return None;
    };
    let ratio = match row.better {
        Better::Higher => ours / other,
        Better::Lower => other / ours,
    };
    Some(format!("{ratio:.2}x"))
}

fn best_other(names: &[&str], cells: &[Cell], better: Better) -> Cell {
    let others = names.iter().zip(cells).filter(|(name, _)| is_other_engine(name));
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

/// About three digits that matter.
fn round(number: f64) -> String {
    match number.abs() {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}
