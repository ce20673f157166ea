//! Speed of the write path on the operating system's file system: loads, synced commits, recovery,
//! compaction.
//!
//! `cargo bench -p flowdb-engine --bench write -- [row ...]` runs all rows, or those named. Settings, by
//! environment: `RECORDS` (default 1000000), `ROUNDS` (default 1), `DIR` (default: the system's directory for
//! temporary files; it should be on the disk that is meant).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot be taken ends with a panic; its output is text and its clock the machine's"
)]

use flowdb_engine::fs::{FileAccess, RealFileSystem};
use flowdb_engine::{Db, Durability, Options, ThreadExecutor, TreeId, TreeOptions, WriteBatch, WriteOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TREE: TreeId = TreeId(1);
const KEY_BYTES: usize = 24;
const VALUE_BYTES: usize = 100;
const NEVER: i64 = i64::MAX;
const SLICE: Duration = Duration::from_millis(25);

type Row = (&'static str, fn(&Run));

fn main() {
    let rows: [Row; 11] = [
        ("seq100", |run| load(run, Order::Sequential, 100)),
        ("rnd100", |run| load(run, Order::Random, 100)),
        ("seq1", |run| load(run, Order::Sequential, 1)),
        ("rnd1", |run| load(run, Order::Random, 1)),
        ("ts", |run| load(run, Order::Series, 100)),
        ("sync1", |run| synced(run, 1)),
        ("sync8", |run| synced(run, 8)),
        ("recover_seq", |run| recover(run, Order::Sequential)),
        ("recover_rnd", |run| recover(run, Order::Random)),
        ("compact_seq", |run| compact(run, Order::Sequential)),
        ("compact_rnd", |run| compact(run, Order::Random)),
    ];
    // Cargo passes `--bench` on.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let known = |name: &String| rows.iter().any(|(row, _)| row == name);
    assert!(wanted.iter().all(known), "rows: {}", rows.map(|(row, _)| row).join(" "));
    let records = setting("RECORDS", 1_000_000);
    for _ in 0..setting("ROUNDS", 1) {
        for (name, row) in
            rows.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name))
        {
            row(&Run { name, records, directory: Directory::new() });
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}: {value}")))
}

/// One row being measured.
struct Run {
    name: &'static str,
    records: u64,
    directory: Directory,
}

/// Removed at the end of its row.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let parent = std::env::var_os("DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = parent.join(format!("flowdb-write-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Copy)]
enum Order {
    Sequential,
    Random,
    /// A thousand series, each of them ascending in time, written in turn.
    Series,
}

impl Order {
    fn key(self, index: u64) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        match self {
            Order::Sequential => key[16..].copy_from_slice(&index.to_be_bytes()),
            Order::Random => {
                key[..8].copy_from_slice(&mix(index).to_be_bytes());
                key[16..].copy_from_slice(&index.to_be_bytes());
            }
            Order::Series => {
                key[8..16].copy_from_slice(&(index % 1_000).to_be_bytes());
                key[16..].copy_from_slice(&(1_700_000_000_000_000 + index * 1_000).to_be_bytes());
            }
        }
        key
    }
}

/// A number that looks random and depends on `index` alone.
fn mix(index: u64) -> u64 {
    let mut z = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Half of the bytes are random, so that compression has something to do.
fn value(index: u64) -> [u8; VALUE_BYTES] {
    let mut value = [b'v'; VALUE_BYTES];
    for (at, chunk) in value.chunks_mut(16).enumerate() {
        let length = chunk.len().min(8);
        chunk[..length].copy_from_slice(&mix(index * 8 + at as u64).to_le_bytes()[..length]);
    }
    value
}

struct Database {
    db: Db,
    executor: Arc<ThreadExecutor>,
}

impl Database {
    fn open(dir: &Path) -> Self {
        let executor = ThreadExecutor::new();
        let mut options = Options::new(vec![TreeOptions::new(TREE, "bench")]);
        options.executor = executor.clone();
        let db = Db::open(Arc::new(RealFileSystem::new(FileAccess::Positioned)), dir, options).unwrap();
        executor.start(db.clone(), SLICE);
        Database { db, executor }
    }

    fn fill(&self, order: Order, records: u64, batch_size: u64) {
        for start in (0..records).step_by(batch_size as usize) {
            self.db.write(batch(order, start, batch_size), WriteOptions::default()).unwrap();
        }
    }

    fn close(self) {
        self.executor.stop();
        self.db.close().unwrap();
    }

    /// Lets go as a killed process would: the log stays as it is.
    fn abandon(self) {
        self.executor.stop();
        self.db.abandon("the measurement goes on with a recovery");
    }
}

fn batch(order: Order, start: u64, count: u64) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for index in start..start + count {
        batch.put(TREE, &order.key(index), &value(index), NEVER).unwrap();
    }
    batch
}

fn load(run: &Run, order: Order, batch_size: u64) {
    let database = Database::open(&run.directory.0);
    let start = Instant::now();
    database.fill(order, run.records, batch_size);
    let wrote = start.elapsed();
    let db = database.db.clone();
    database.close();
    let tables = db.stats().trees[0].tables;
    let with_close = rate(run.records, start.elapsed());
    println!(
        "{:12} {:>9} rec/s, {with_close:>9} with close; tables {tables:?}",
        run.name,
        rate(run.records, wrote)
    );
}

fn synced(run: &Run, threads: u64) {
    let database = Database::open(&run.directory.0);
    let commits = run.records / 50 / threads;
    let start = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let db = &database.db;
                scope.spawn(move || commit_synced(db, thread * commits, commits))
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let elapsed = start.elapsed();
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 1000].as_micros();
    println!(
        "{:12} {:>9} commits/s; p50 {} us, p99 {} us, p99.9 {} us",
        run.name,
        rate(commits * threads, elapsed),
        at(500),
        at(990),
        at(999)
    );
    database.close();
}

fn commit_synced(db: &Db, start: u64, count: u64) -> Vec<Duration> {
    let options = WriteOptions { durability: Some(Durability::Synced) };
    let commit = |index| {
        let begin = Instant::now();
        db.write(batch(Order::Random, index, 1), options).unwrap();
        begin.elapsed()
    };
    (start..start + count).map(commit).collect()
}

/// Opens after a crash that left all records in the log: twice the default limit of the log, with
/// memtables as large.
fn recover(run: &Run, order: Order) {
    let executor = ThreadExecutor::new();
    let mut options = Options::new(vec![TreeOptions::new(TREE, "bench")]);
    options.trees[0].write_buffer_bytes = 1 << 30;
    options.log_bytes_max = 1 << 30;
    let db =
        Db::open(Arc::new(RealFileSystem::new(FileAccess::Positioned)), &run.directory.0, options).unwrap();
    let database = Database { db, executor };
    database.fill(order, run.records * 2, 100);
    database.abandon();
    reset_peak_memory();
    let before = peak_memory();
    let start = Instant::now();
    let database = Database::open(&run.directory.0);
    let elapsed = start.elapsed();
    println!(
        "{:12} {:>9} rec/s; {} records in {elapsed:?}; peak memory {} MiB, {before} MiB before",
        run.name,
        rate(run.records * 2, elapsed),
        run.records * 2,
        peak_memory(),
    );
    database.close();
}

fn compact(run: &Run, order: Order) {
    let database = Database::open(&run.directory.0);
    database.fill(order, run.records, 100);
    let start = Instant::now();
    database.db.compact(TREE).unwrap();
    println!("{:12} {:>9} rec/s; {:?}", run.name, rate(run.records, start.elapsed()), start.elapsed());
    database.close();
}

fn rate(count: u64, elapsed: Duration) -> u64 {
    (count as f64 / elapsed.as_secs_f64()) as u64
}

/// Linux's peak of resident memory begins anew; elsewhere nothing happens.
fn reset_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// In MiB; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) >> 10
}
