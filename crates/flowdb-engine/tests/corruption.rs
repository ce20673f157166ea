//! Goal: a damaged file gives the right data or an error that says so, never a wrong answer, a panic or an
//! absurd allocation. Method: every byte of every file of a small database is flipped in turn, and every
//! file is cut at every length; then the database is opened and read whole. After a clean close nothing
//! may be missing; a database that was not closed may have lost the end of its log, if nothing proves that
//! it was synced.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "support/disk.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod disk;
mod support;

use disk::Disk;
use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Commit, Db, Durability, ErrorKind, Maintenance, ReadOptions, RepairOptions, Sequence, TreeId,
    VerifyOptions, WriteOptions, repair, verify,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::*;

/// Keys and values of a tree, in order.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A database with tables on two levels, a value file, range deletes, and a log, as bytes; and its states
/// by sequence number.
fn sample(seed: u64, close: bool) -> (Files, Vec<(Sequence, Model)>) {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    let mut random = Random::new(seed + 6);
    let mut model = Model::default();
    let mut states = vec![(0, model.clone())];
    for round in 0..9 {
        let mut writes: Vec<_> = (0..12).map(|_| random_write(&mut random, 1 << 60, 40)).collect();
        if round == 2 {
            // This goes to a value file, where it is compressed: fewer bytes to damage. Behind all random keys, so
            // that no range delete meets it.
            let noise = (0..40).map(|_| random.next() as u8);
            let value = noise.chain(std::iter::repeat(7)).take(LARGE).collect();
            writes.push(Write::Put { tree: TREES[0], key: b"~".to_vec(), value, expiry: i64::MAX });
        }
        let durability = if round % 2 == 0 { Durability::Synced } else { Durability::Os };
        let commit = db.write(batch(&writes), WriteOptions { durability: Some(durability) }).unwrap();
        model.apply(&writes);
        states.push((commit.last, model.clone()));
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
    (read_files(&*fs), states)
}

/// Opens and reads everything.
fn read_all(files: &Files) -> flowdb_engine::Result<(Sequence, Vec<Pairs>)> {
    let db = Db::open(Arc::new(write_files(files)), Path::new(DIR), small_options(&clock()))?;
    let mut contents = Vec::new();
    for tree in TREES {
        let mut iter = db.iter(tree, EVERYTHING, ReadOptions::default())?;
        let forward = collect_forward(&mut iter)?;
        assert_eq!(collect_backward(&mut iter)?, forward);
        for (key, value) in &forward {
            let entry = db.get(tree, key, ReadOptions::default())?;
            assert_eq!(entry.map(|entry| entry.value.to_vec()).as_ref(), Some(value));
        }
        contents.push(forward);
    }
    Ok((db.last_sequence(), contents))
}

/// Fails unless the answer is an error that names a file of ours, or one of the allowed states.
fn check(files: &Files, allowed: &[(Sequence, Model)], damage: &str) -> bool {
    match read_all(files) {
        Ok((last, contents)) => {
            let (_, model) = allowed
                .iter()
                .find(|(sequence, _)| *sequence == last)
                .unwrap_or_else(|| panic!("{damage}: opened at operation {last}"));
            for (tree, found) in TREES.iter().zip(&contents) {
                assert_eq!(found, &model.range(*tree, &EVERYTHING, 1_000), "{damage}: wrong data");
            }
            true
        }
        Err(error) => {
            let expected = [ErrorKind::Corruption, ErrorKind::Unsupported, ErrorKind::NotFound];
            assert!(expected.contains(&error.kind()), "{damage}: {error:?}");
            assert!(error.to_string().contains(DIR), "{damage}: {error} names no file");
            false
        }
    }
}

fn every_damage(files: &Files, check: impl Fn(&Files, &str)) {
    for index in 0..files.len() {
        let name = files[index].0.display().to_string();
        for offset in 0..files[index].1.len() {
            for bit in [0x01, 0x80] {
                let mut damaged = files.clone();
                damaged[index].1[offset] ^= bit;
                check(&damaged, &format!("{name}: bit {bit:#x} of byte {offset} flipped"));
            }
            let mut cut = files.clone();
            cut[index].1.truncate(offset);
            check(&cut, &format!("{name}: cut to {offset} bytes"));
        }
    }
    for index in 0..files.len() {
        let mut missing = files.clone();
        let (path, _) = missing.remove(index);
        check(&missing, &format!("{}: missing", path.display()));
    }
}

#[test]
fn after_a_clean_close_nothing_is_lost_unnoticed() {
    for_seeds(1, |seed| {
        let (files, states) = sample(seed, true);
        let last = &states[states.len() - 1..];
        assert!(check(&files, last, "undamaged"));
        every_damage(&files, |files, damage| {
            check(files, last, damage);
        });
    });
}

#[test]
fn without_a_close_only_the_unproven_end_of_the_log_may_be_lost() {
    for_seeds(1, |seed| {
        let (files, states) = sample(seed, false);
        assert!(check(&files, &states[states.len() - 1..], "undamaged"));
        // All but the last two commits are followed by a frame that says they were synced. Where the log is
        // cut short, such frames may be gone; what was flushed is in tables, and up to there the manifest
        // knows of the log.
        let proven = &states[states.len() - 3..];
        let flushed = &states[states.len() - 4..];
        every_damage(&files, |files, damage| {
            check(files, if damage.contains("cut to") { flushed } else { proven }, damage);
        });
    });
}

/// A commit whose frame is not filled up: each of its bytes has a meaning.
fn put_898(db: &Db, tree: TreeId, number: u8) -> Commit {
    let write = Write::Put { tree, key: vec![number], value: vec![number; 898], expiry: i64::MAX };
    db.write(batch(&[write]), WriteOptions::default()).unwrap()
}

/// A flush syncs the log before the manifest tells of it. No frame behind says so here, for nothing else was
/// synced, and nothing followed.
#[test]
fn what_was_synced_for_a_flush_is_no_torn_tail() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let mut options = small_options(&clock());
    (options.log_segment_bytes, options.log_bytes_max) = (1 << 20, 1 << 22);
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    put_898(&db, TREES[1], 0);
    while db.stats().trees[0].tables.iter().sum::<usize>() == 0 {
        for number in 0..10 {
            put_898(&db, TREES[0], number);
        }
        db.maintain(Duration::ZERO).unwrap();
    }
    assert!(db.stats().trees[1].memtable_bytes > 0, "only the log has it");
    let files = read_files(&*fs);
    drop(db);
    read_all(&files).unwrap();
    let log = files.iter().position(|(path, _)| path.extension().is_some_and(|is| is == "log")).unwrap();
    let written = files[log].1.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for offset in (0..written - 8).step_by(211) {
        let mut damaged = files.clone();
        damaged[log].1[offset] ^= 1;
        assert_eq!(read_all(&damaged).unwrap_err().kind(), ErrorKind::Corruption, "byte {offset}");
        let mut cut = files.clone();
        cut[log].1.truncate(offset);
        assert_eq!(read_all(&cut).unwrap_err().kind(), ErrorKind::Corruption, "cut at {offset}");
    }
}

/// The segment before it is whole and says nothing of it.
#[test]
fn a_last_segment_that_a_flush_knew_is_missed() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let mut options = small_options(&clock());
    // So that a segment holds several flushes of the first tree.
    (options.log_segment_bytes, options.log_bytes_max) = (256 << 10, 1 << 20);
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    put_898(&db, TREES[1], 0);
    loop {
        let place = put_898(&db, TREES[0], 1).position;
        while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
        let was_flushed = db.stats().trees[0].memtable_bytes == 0;
        if was_flushed && place.segment >= 2 && place.offset < 200 << 10 {
            break;
        }
    }
    let mut files = read_files(&*fs);
    drop(db);
    let is_log = |(path, _): &(PathBuf, Vec<u8>)| path.extension().is_some_and(|is| is == "log");
    assert!(files.iter().filter(|file| is_log(file)).count() > 1, "the first is needed for the other tree");
    read_all(&files).unwrap();
    files.remove(files.iter().rposition(is_log).unwrap());
    assert_eq!(read_all(&files).unwrap_err().kind(), ErrorKind::Corruption);
}

/// Each place of the value looks like the beginning of a frame that has the rest of the value, and was
/// written after the torn one was synced.
#[test]
fn a_torn_value_that_looks_like_many_long_frames_is_refused_within_bounds() {
    const LENGTH: usize = 512 << 10;
    const CUT: usize = 8 << 10;
    let disk = Disk::new();
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let mut options = small_options(&clock());
    (options.log_segment_bytes, options.log_bytes_max) = (4 << 20, 16 << 20);
    options.trees[0].separated_value_bytes_min = None;
    options.trees[0].write_buffer_bytes = 8 << 20;
    let trees = options.trees.clone();
    let open = || Db::open(Arc::clone(&fs), Path::new(DIR), options.clone());
    let db = open().unwrap();
    let mut value = vec![0; LENGTH];
    for (at, place) in (0..).step_by(32).zip(value.chunks_exact_mut(32)) {
        let length = (LENGTH - CUT).saturating_sub(at + 64);
        place[8..12].copy_from_slice(&(length as u32).to_le_bytes());
        place[12] = 1;
        place[24..32].copy_from_slice(&200_u64.to_le_bytes());
    }
    for (key, value) in [(b"ab", vec![1]), (b"cd", value)] {
        let put = Write::Put { tree: TREES[0], key: key.to_vec(), value, expiry: i64::MAX };
        db.write(batch(&[put]), WriteOptions::default()).unwrap();
    }
    let end = db.log_end().unwrap().offset;
    drop(db);
    let log = fs.open_write(&Path::new(DIR).join("0000000001.log")).unwrap();
    log.set_len(end - CUT as u64).unwrap();

    let bound = 2 * (64 * LENGTH as u64 + (64 << 20));
    let before = disk.read();
    let error = open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.message().contains("cannot be told"), "{error}");
    let read = disk.read() - before;
    assert!((bound / 8..bound).contains(&read), "{read} bytes");
    let before = disk.read();
    let report = verify(&*fs, Path::new(DIR), &VerifyOptions { trees: trees.clone() }).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    let repaired = Path::new("/repaired");
    let repair_options = RepairOptions::new(trees);
    let report = repair(Arc::clone(&fs), Path::new(DIR), repaired, &repair_options).unwrap();
    assert_eq!(report.lost.len(), 1, "{:?}", report.lost);
    assert!(disk.read() - before < 3 * bound);
    let db = Db::open(Arc::clone(&fs), repaired, options.clone()).unwrap();
    assert_eq!(db.last_sequence(), 1);
    assert!(db.get(TREES[0], b"ab", ReadOptions::default()).unwrap().is_some());
}
