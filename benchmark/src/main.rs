//! flowdb's engine beside fjall, redb, RocksDB and the crate flowdb 0.8.3: the same bytes, the same
//! durability, one workload after the other, the engines in turn, each in a process of its own.
//! docs/benchmarks.md has the method and the results.

mod answer;
mod child;
mod cli;
mod data;
mod engine;
mod plan;
mod process;
mod report;
mod results;
mod rows;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("child") => child::run(&arguments[1..]),
        Some("--help") => {
            println!("{}", cli::USAGE);
            Ok(())
        }
        _ => cli::Options::parse(&arguments).and_then(|options| plan::run(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
