//! Puts a flowdb store under load, and checks its answers. `flowdb-stress --help` has the options.

mod arguments;
mod data;
mod mixed_load;
mod report;
mod scenario;
mod series_load;
mod stage;

use arguments::{Arguments, HELP};
use report::{Failure, Report, print_help};
use stage::Stage;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "errors of a command go to standard error")]
fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print_help(HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("flowdb-stress: {error}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("flowdb-stress: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stage = Stage::set(arguments)?;
    scenario::run(stage.store(), arguments, &mut Report::default())?;
    stage.finish()
}
