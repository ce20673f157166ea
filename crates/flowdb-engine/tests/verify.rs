//! Goal: `verify` says nothing about a sound database, and something about every damage; hostile bytes cost
//! it neither a panic nor memory. Method: random workloads, left open or closed; then each byte of each file
//! flipped, each file cut and missing, in a small database.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{CrashOptions, FileSystem, MemoryFileSystem, Names, Unsynced};
use flowdb_engine::{Db, ErrorKind, Report, VerifyOptions, WriteOptions, verify};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn check(fs: &dyn FileSystem) -> flowdb_engine::Result<Report> {
    let trees = small_options(&clock()).trees;
    verify(fs, Path::new(DIR), &VerifyOptions { trees })
}

/// Tables on two levels, a value file, range deletes, expiry, and a log.
fn sample(close: bool) -> Files {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    let mut random = Random::new(7);
    for round in 0..9 {
        let mut writes: Vec<_> = (0..12).map(|_| random_write(&mut random, 1 << 60, 40)).collect();
        if round == 2 {
            // This goes to a value file, where it is compressed: fewer bytes to damage.
            writes.push(Write::Put { tree: TREES[0], key: vec![2], value: vec![7; LARGE], expiry: i64::MAX });
        }
        db.write(batch(&writes), WriteOptions::default()).unwrap();
        match round {
            3 => db.compact(TREES[0]).unwrap(),
            5 => db.flush().unwrap(),
            _ => {}
        }
    }
    assert_eq!(db.stats().trees[0].value_files, 1);
    if close {
        db.close().unwrap();
    }
    read_files(&*fs)
}

#[test]
fn a_sound_database_is_clean_and_left_as_it_is() {
    for_seeds(12, |seed| {
        let memory = MemoryFileSystem::crashable();
        let fs: Arc<dyn FileSystem> = Arc::new(memory.clone());
        let mut random = Random::new(seed);
        let mut db = open(&fs, &clock()).unwrap();
        for _ in 0..60 {
            let writes: Vec<_> = (0..5).map(|_| random_write(&mut random, 2_000, 9_000)).collect();
            db.write(batch(&writes), WriteOptions::default()).unwrap();
            match random.below(14) {
                0 => db.flush().unwrap(),
                1 => db.compact(TREES[0]).unwrap(),
                2 => drop(db.maintain(Duration::ZERO).unwrap()),
                3 => {
                    db.close().unwrap();
                    let report = check(&*fs).unwrap();
                    // A compaction that was given up leaves files; nothing is torn.
                    let is_whole = report.notes.iter().all(|note| note.message == "a superfluous file");
                    assert!(report.is_clean() && is_whole, "{report:#?}");
                    db = open(&fs, &clock()).unwrap();
                }
                _ => {}
            }
        }
        assert_eq!(check(&*fs).unwrap_err().kind(), ErrorKind::Locked);
        let last = db.last_sequence();
        for names in [Names::Keep, Names::Random] {
            let crash = CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names };
            let crashed = memory.crash(&crash);
            let report = check(&crashed).unwrap();
            assert!(report.is_clean(), "{crash:?}: {report:#?}");
        }
        let crash = CrashOptions { seed, unsynced: Unsynced::Keep, names: Names::Keep };
        let killed = memory.crash(&crash);
        let before = read_files(&killed);
        let report = check(&killed).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        assert!(report.tables > 0 && report.entries > 0 && report.blocks > 0 && report.commits > 0);
        assert_eq!(read_files(&killed), before);
        let fs: Arc<dyn FileSystem> = Arc::new(killed);
        assert_eq!(open(&fs, &clock()).unwrap().last_sequence(), last);
    });
}

#[test]
fn every_flipped_byte_is_reported() {
    for close in [true, false] {
        let files = sample(close);
        assert!(check(&write_files(&files)).unwrap().is_clean());
        for index in 0..files.len() {
            let (path, bytes) = &files[index];
            let is_table = path.extension().is_some_and(|extension| extension == "table");
            // What a segment has in reserve is zeros: some of them stand for all.
            let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            let fs = write_files(&files);
            let file = fs.open_write(path).unwrap();
            for offset in (0..=written).chain((written + 1..bytes.len()).step_by(509)) {
                for bit in [0x01, 0x80] {
                    file.write_at(offset as u64, &[bytes[offset] ^ bit]).unwrap();
                    let damage = format!("{}: bit {bit:#x} of byte {offset}", path.display());
                    let report = check(&fs).unwrap();
                    let files: Vec<_> = report.problems.iter().map(|problem| &problem.file).collect();
                    let noted = report.notes.iter().any(|note| note.file == *path);
                    assert!(files.contains(&path) || noted, "{damage}: {report:#?}");
                    // In a table, and in what a clean close vouches for, it is a problem and not a note.
                    let is_log = path.extension().is_some_and(|extension| extension == "log");
                    assert!(!(is_table || close && is_log) || files.contains(&path), "{damage}: {report:#?}");
                }
                file.write_at(offset as u64, &bytes[offset..=offset]).unwrap();
            }
        }
    }
}

#[test]
fn a_file_cut_or_missing_is_reported() {
    let files = sample(true);
    for index in 0..files.len() {
        let (path, bytes) = files[index].clone();
        for length in 0..bytes.len() {
            let mut cut = files.clone();
            cut[index].1.truncate(length);
            let report = check(&write_files(&cut)).unwrap();
            // A manifest whose last edits are gone is one of an earlier moment: then the log says more
            // than it should.
            assert!(!report.is_clean() || !report.notes.is_empty() || path.ends_with("MANIFEST"), "{length}");
        }
        let mut missing = files.clone();
        missing.remove(index);
        let report = check(&write_files(&missing)).unwrap();
        let problem = &report.problems[0];
        assert_eq!(problem.file, path);
        assert!([ErrorKind::NotFound, ErrorKind::Corruption].contains(&problem.kind), "{problem:?}");
    }
}

#[test]
fn a_problem_says_what_it_concerns() {
    let files = sample(true);
    let index = files.iter().position(|(path, _)| path.to_string_lossy().ends_with(".table")).unwrap();
    let mut damaged = files.clone();
    damaged[index].1[5] ^= 1;
    let report = check(&write_files(&damaged)).unwrap();
    let problem = &report.problems[0];
    assert_eq!((problem.offset, problem.kind), (0, ErrorKind::Corruption));
    assert!(problem.affected.tree.is_some() && problem.affected.sequences.is_some());
    let (first, last) = problem.affected.keys.clone().unwrap();
    assert!(first <= last);
}

#[test]
fn superfluous_files_are_noted_and_nothing_there_is_an_error() {
    let files = sample(true);
    let fs = write_files(&files);
    for name in ["0000009999.table", "MANIFEST.new", "notes.txt"] {
        fs.create(&Path::new(DIR).join(name)).unwrap();
    }
    let report = check(&fs).unwrap();
    assert!(report.is_clean());
    assert_eq!(report.notes.len(), 2, "{report:#?}");
    let empty = MemoryFileSystem::new();
    empty.create_dir_all(Path::new(DIR)).unwrap();
    assert_eq!(check(&empty).unwrap_err().kind(), ErrorKind::NotFound);
}

/// An opening reads no data block; it compares what a table says about itself with what the manifest says.
#[test]
fn a_table_of_another_shape_than_the_manifest_says_does_not_open() {
    let files = sample(true);
    let is_table = |path: &Path| path.extension().is_some_and(|extension| extension == "table");
    let index = files.iter().position(|(path, _)| is_table(path)).unwrap();
    let mut longer = files.clone();
    // The footer is where it was, seen from the end.
    longer[index].1.splice(0..0, [0; 16]);
    let fs: Arc<dyn FileSystem> = Arc::new(write_files(&longer));
    let error = Db::open(fs, Path::new(DIR), small_options(&clock())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
}
