//! Goal: the command does its steps, leaves nothing behind, and says so by its exit code when an option is
//! wrong. Method: it is run, small.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn run(line: &str, temporary: &Path) -> Output {
    std::fs::create_dir_all(temporary).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowdb-stress"));
    command
        .args(line.split_whitespace())
        .env("TMPDIR", temporary)
        .env("TEMP", temporary)
        .env("TMP", temporary);
    command.output().unwrap()
}

/// A directory for temporary files that has nothing else in it. Removed when dropped.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Temporary(std::env::temp_dir().join(format!("flowdb-stress-test-{name}-{}", std::process::id())))
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_full_scenario_runs_and_leaves_nothing() {
    let temporary = Temporary::new("full");
    let output = run("--records 1500 --sync os --write-buffer 65536 --seed 7", &temporary.0);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{errors}");
    for step in
        ["sequence, 4096 B", "16 threads", "prefix queries", "mixed, 80 % writes", "every answer right"]
    {
        assert!(text.contains(step), "{step}: {text}");
    }
    assert!(temporary.is_empty());
}

#[test]
fn the_mixed_scenario_keeps_the_directory_it_was_given() {
    let temporary = Temporary::new("mixed");
    let directory = temporary.0.join("data");
    let options = "--scenario mixed --records 600 --threads 3 --batch 4 --mix 60 --value-bytes 0 --sync interval:5 --compression none";
    let line = format!("{options} --cache 0 --dir {}", directory.display());
    assert!(run(&line, &temporary.0).status.success());
    assert!(std::fs::read_dir(&directory).unwrap().next().is_some());
    let again = run(&line, &temporary.0);
    assert_eq!(again.status.code(), Some(1), "a directory with data in it is left alone");
    assert!(String::from_utf8(again.stderr).unwrap().contains("is not empty"));
}

#[test]
fn options_that_are_not_understood_end_it_with_2() {
    let temporary = Temporary::new("options");
    assert_eq!(run("--mix 200", &temporary.0).status.code(), Some(2));
    let help = run("--help", &temporary.0);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("--scenario"));
    assert!(temporary.is_empty());
}
