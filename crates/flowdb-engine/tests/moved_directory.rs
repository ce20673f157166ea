//! Goal: a database keeps to its directory: whatever its path leads to meanwhile, nothing of another database
//! is created, replaced or removed. Method: the directory is moved, or the symbolic link to it pointed
//! elsewhere, while the database is open; another one is opened by its path; both write, flush and compact.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and moves directories"
)]

mod support;

use flowdb_engine::fs::{FileSystem, RealFileSystem};
use flowdb_engine::{
    Db, Options, ReadOptions, ResourceLimits, Resources, VerifyOptions, WriteOptions, verify,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("flowdb-moved-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path) -> Db {
    let fs: Arc<dyn FileSystem> = Arc::new(RealFileSystem::default());
    Db::open(fs, dir, small_options(&clock())).unwrap()
}

/// Bytes that no compressor makes fewer.
fn value(who: &str, round: u32, number: u64) -> Vec<u8> {
    let who = who.bytes().fold(u64::from(round), |seed, byte| (seed << 8) | u64::from(byte));
    let mut random = Random::new(who ^ (number << 32));
    (0..40).flat_map(|_| random.next().to_le_bytes()).collect()
}

fn fill(db: &Db, who: &str, round: u32) {
    for number in 0..400 {
        let key = format!("{who}-{number}").into_bytes();
        let put = Write::Put { tree: TREES[0], key, value: value(who, round, number), expiry: i64::MAX };
        db.write(batch(&[put]), WriteOptions::default()).unwrap();
    }
    db.flush().unwrap();
    db.compact(TREES[0]).unwrap();
}

fn check(dir: &Path, who: &str, round: u32) {
    let trees = small_options(&clock()).trees;
    let report = verify(&RealFileSystem::default(), dir, &VerifyOptions { trees }).unwrap();
    assert!(report.is_clean() && report.notes.is_empty(), "{report:?}");
    let db = open(dir);
    for number in 0..400 {
        let key = format!("{who}-{number}").into_bytes();
        let entry = db.get(TREES[0], &key, ReadOptions::default()).unwrap().unwrap();
        assert_eq!(*entry.value, *value(who, round, number));
    }
}

/// Two databases take turns; each has written to its directory once the other has one at its path.
fn take_turns(path: &Path, lead_elsewhere: impl FnOnce()) -> [Db; 2] {
    let former = open(path);
    fill(&former, "former", 0);
    lead_elsewhere();
    let latter = open(path);
    for round in 1..4 {
        fill(&latter, "latter", round);
        fill(&former, "former", round);
    }
    [former, latter]
}

/// What it reads is there for as long as it reads, also where descriptors come and go.
#[test]
fn an_iterator_reads_on_behind_a_close() {
    let scratch = Scratch::new("iterator");
    let [path, moved] = ["data", "data.bad"].map(|name| scratch.0.join(name));
    let limits = ResourceLimits { open_tables: 8, block_cache_bytes: 0, ..ResourceLimits::default() };
    let resources = Some(Resources::new(limits).unwrap());
    let fs: Arc<dyn FileSystem> = Arc::new(RealFileSystem::default());
    let db = Db::open(fs, &path, Options { resources, ..small_options(&clock()) }).unwrap();
    let many = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for who in many {
        fill(&db, who, 0);
    }
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    db.close().unwrap();
    let before = db.stats().resources.tables_reopened;
    assert_eq!(collect_forward(&mut iter).unwrap().len(), 400 * many.len());
    let stats = db.stats();
    assert!(stats.resources.tables_reopened > before, "{stats:?}");
}

#[test]
fn a_moved_database_goes_on_in_its_directory() {
    let scratch = Scratch::new("directory");
    let [path, moved] = ["data", "data.bad"].map(|name| scratch.0.join(name));
    let databases = take_turns(&path, || std::fs::rename(&path, &moved).unwrap());
    databases.iter().for_each(|db| db.close().unwrap());
    check(&moved, "former", 3);
    check(&path, "latter", 3);
}

#[test]
fn a_link_to_a_database_may_be_pointed_to_another() {
    let scratch = Scratch::new("link");
    let [current, next, v1, v2] = ["current", "next", "v1", "v2"].map(|name| scratch.0.join(name));
    for (release, link) in [(&v1, &current), (&v2, &next)] {
        std::fs::create_dir(release).unwrap();
        std::os::unix::fs::symlink(release, link).unwrap();
    }
    let databases = take_turns(&current.join("data"), || std::fs::rename(&next, &current).unwrap());
    databases.iter().for_each(|db| db.close().unwrap());
    check(&v1.join("data"), "former", 3);
    check(&v2.join("data"), "latter", 3);
}

/// What is left of it can be read and closed; nothing comes to stand where it was.
#[test]
fn a_removed_database_leaves_the_one_in_its_place_alone() {
    let scratch = Scratch::new("removed");
    let path = scratch.0.join("data");
    let former = open(&path);
    fill(&former, "former", 0);
    std::fs::remove_dir_all(&path).unwrap();
    let latter = open(&path);
    fill(&latter, "latter", 1);
    former.flush().unwrap();
    let key = b"former-0".to_vec();
    let put = Write::Put { tree: TREES[0], key, value: vec![1; 1 << 20], expiry: i64::MAX };
    assert_refused(&former, &put);
    fill(&latter, "latter", 2);
    let _ = former.close();
    latter.close().unwrap();
    check(&path, "latter", 2);
}

fn assert_refused(db: &Db, put: &Write) {
    let written = (0..4).try_for_each(|_| {
        db.write(batch(std::slice::from_ref(put)), WriteOptions::default())?;
        db.flush()
    });
    assert_eq!(written.unwrap_err().kind(), flowdb_engine::ErrorKind::Io);
}
