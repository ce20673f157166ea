//! Goal: a process that is killed at any moment (SIGKILL) loses nothing that it acknowledged, in every sync
//! mode, and leaves no commit in part. Method: a child writes commits that follow from their number and
//! reports each that is acknowledged; maintenance runs beside it with small buffers; it is killed after a
//! random time, and the next child goes on in the same directory. A longer run:
//! `FLOWDB_SEEDS=200 cargo test --release -p flowdb-engine --test kill`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its child process reports on its standard output"
)]

mod support;

use flowdb_engine::fs::{FileAccess, FileSystem, RealFileSystem};
use flowdb_engine::{Db, Options, ReadOptions, Sequence, SyncMode, ThreadExecutor, WriteOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::*;

const DIR_VARIABLE: &str = "FLOWDB_KILL_DIR";
const MODE_VARIABLE: &str = "FLOWDB_KILL_MODE";
const MODES: [SyncMode; 3] = [SyncMode::Always, SyncMode::Interval(Duration::from_millis(5)), SyncMode::Os];
/// Expiry is not what this test is about.
const NOW: i64 = 1_000;

/// What commit `number` writes. Never nothing.
fn commit(number: u64) -> Vec<Write> {
    let mut random = Random::new(number + 1);
    let mut writes: Vec<_> =
        (0..random.below(6)).map(|_| random_write(&mut random, i64::MAX - NOW, 3_000)).collect();
    let mark = Write::Put {
        tree: TREES[1],
        key: b"last".to_vec(),
        value: number.to_be_bytes().to_vec(),
        expiry: i64::MAX,
    };
    writes.push(mark);
    writes
}

fn options(mode: SyncMode) -> Options {
    Options { sync: mode, ..small_options(&Arc::default()) }
}

fn fs() -> Arc<dyn FileSystem> {
    Arc::new(RealFileSystem::new(FileAccess::default()))
}

/// Number of the next commit.
fn next_commit(db: &Db) -> u64 {
    let mark = db.get(TREES[1], b"last", ReadOptions::default()).unwrap();
    mark.map_or(0, |entry| u64::from_be_bytes(entry.value[..].try_into().unwrap()) + 1)
}

/// The child: writes until it is killed. Without the variable it is no test.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let mode = MODES[std::env::var(MODE_VARIABLE).unwrap().parse::<usize>().unwrap()];
    let executor = ThreadExecutor::new();
    let options = Options { executor: executor.clone(), ..options(mode) };
    let db = Db::open(fs(), Path::new(&dir), options).unwrap();
    executor.start(db.clone(), Duration::from_millis(5));
    let mut output = std::io::stdout().lock();
    writeln!(output, "\nopen").unwrap();
    for number in next_commit(&db).. {
        db.write(batch(&commit(number)), WriteOptions::default()).unwrap();
        writeln!(output, "{number}").unwrap();
    }
}

/// Runs a child for a while and kills it; the last commit that it acknowledged, if any.
fn run_and_kill(dir: &Path, mode: usize, wait: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR_VARIABLE, dir)
        .env(MODE_VARIABLE, mode.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "open"), "the child could not open the database");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    // A line that is cut off was not acknowledged; all before it were.
    let last = lines.filter_map(|line| line.parse().ok()).last();
    assert!(!killer.join().unwrap().success());
    last
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_killed_process_loses_nothing_in_any_mode() {
    for (index, mode) in MODES.into_iter().enumerate() {
        let name = format!("flowdb-kill-{}-{index}", std::process::id());
        let dir = Directory(std::env::temp_dir().join(name));
        let mut model = Model::default();
        let (mut checked, mut last_sequence): (u64, Sequence) = (0, 0);
        for_each_seed(4, |seed| {
            let wait = Duration::from_millis(Random::new(seed).below(120));
            let acknowledged = run_and_kill(&dir.0, index, wait);
            let db = Db::open(fs(), &dir.0, options(mode)).unwrap();
            let next = next_commit(&db);
            assert!(
                acknowledged.is_none_or(|acknowledged| acknowledged < next),
                "{mode:?}, seed {seed}: {acknowledged:?} was acknowledged, {next} is the next"
            );
            for number in checked..next {
                let writes = commit(number);
                last_sequence += batch(&writes).len();
                model.apply(&writes);
            }
            checked = next;
            assert_eq!(db.last_sequence(), last_sequence, "{mode:?}, seed {seed}");
            check_all(&db, &model, ReadOptions::default(), NOW);
        });
        assert!(checked > 0, "{mode:?}: no child came to write anything");
    }
}
