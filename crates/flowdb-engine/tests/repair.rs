//! Goal: a repair saves all that was not in the damaged part, invents nothing, says what it could not save,
//! and leaves the source as it was; what it makes is a sound database. Method: random workloads whose every
//! operation is known; then bytes of each file flipped, each file cut and missing, failing calls and crashes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem, Names, Unsynced,
};
use flowdb_engine::{
    Db, ErrorKind, LogRepair, Maintenance, ManualClock, Options, ReadOptions, RepairOptions, RepairOrder,
    RepairReport, Result, Retention, Sequence, TreeId, VerifyOptions, WriteOptions, repair, verify,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::*;

const NEW_DIR: &str = "/repaired";

type Key = (TreeId, Vec<u8>);

fn repair_options() -> RepairOptions {
    RepairOptions { table_bytes_max: 64 << 10, ..RepairOptions::new(small_options(&clock()).trees) }
}

fn run(fs: &Arc<dyn FileSystem>) -> Result<RepairReport> {
    repair(Arc::clone(fs), Path::new(DIR), Path::new(NEW_DIR), &repair_options())
}

fn open_repaired(fs: &Arc<dyn FileSystem>) -> Result<Db> {
    let options = Options { create_if_missing: false, ..small_options(&clock()) };
    Db::open(Arc::clone(fs), Path::new(NEW_DIR), options)
}

/// Every operation that was written, with its number.
#[derive(Debug, Clone, Default)]
struct History {
    operations: Vec<(Sequence, Write)>,
    /// The log was cut, and no manifest says where it ended.
    has_open_end: bool,
    /// A file besides the manifest is missing; only the manifest could tell.
    has_missing_file: bool,
    /// The manifest is one of an earlier moment, and something was committed that only the manifest knew of.
    has_older_manifest: bool,
}

/// What happened to a key.
#[derive(Debug, Clone, Default)]
struct Life {
    values: BTreeSet<Vec<u8>>,
    newest: Option<Vec<u8>>,
    sequences: Vec<Sequence>,
}

impl History {
    fn push(&mut self, write: &Write) {
        if !matches!(write, Write::DeleteRange { start, end, .. } if start >= end) {
            self.operations.push((self.operations.len() as u64 + 1, write.clone()));
        }
    }

    fn lives(&self) -> BTreeMap<Key, Life> {
        let mut lives: BTreeMap<Key, Life> = BTreeMap::new();
        for (sequence, write) in &self.operations {
            match write {
                Write::Put { tree, key, value, .. } => {
                    let life = lives.entry((*tree, key.clone())).or_default();
                    life.values.insert(value.clone());
                    life.newest = Some(value.clone());
                    life.sequences.push(*sequence);
                }
                Write::Delete { tree, key } => {
                    let life = lives.entry((*tree, key.clone())).or_default();
                    life.newest = None;
                    life.sequences.push(*sequence);
                }
                Write::DeleteRange { tree, start, end } => {
                    for (_, life) in lives.range_mut((*tree, start.clone())..(*tree, end.clone())) {
                        life.newest = None;
                        life.sequences.push(*sequence);
                    }
                }
            }
        }
        lives
    }
}

/// A transaction that goes past the log.
fn commit_draft(db: &Db, random: &mut Random, history: &mut History, large: usize) {
    let mut draft = db.draft(TREES[0]).unwrap();
    for _ in 0..1 + random.below(3) {
        let (mut deleted, mut entries) = (Vec::new(), BTreeMap::new());
        for write in (0..8).map(|_| random_write(random, 1 << 60, large)) {
            match write {
                Write::Put { key, value, .. } => drop(entries.insert(key, Some(value))),
                Write::Delete { key, .. } => drop(entries.insert(key, None)),
                Write::DeleteRange { start, end, .. } => deleted.push((start, end)),
            }
        }
        let all = entries.iter().map(|(key, value)| (&key[..], value.as_deref()));
        draft.write(deleted.iter().map(|(start, end)| (&start[..], &end[..])), all).unwrap();
        let tree = TREES[0];
        deleted.into_iter().for_each(|(start, end)| history.push(&Write::DeleteRange { tree, start, end }));
        entries.into_iter().for_each(|(key, value)| {
            history.push(&match value {
                Some(value) => Write::Put { tree, key, value, expiry: i64::MAX },
                None => Write::Delete { tree, key },
            });
        });
    }
    db.commit_draft(draft).unwrap();
}

/// A database of at most `commits` commits, and what was written to it.
fn sample(seed: u64, commits: u64, large: usize, close: bool) -> (Files, History) {
    sample_with(seed, commits, 0, large, close)
}

/// The same, with about `drafts` transactions that went past the log; the last of all is one of them.
fn sample_with(seed: u64, commits: u64, drafts: u64, large: usize, close: bool) -> (Files, History) {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    let (mut random, mut history) = (Random::new(seed), History::default());
    for round in 1..=commits {
        let writes: Vec<_> = (0..6).map(|_| random_write(&mut random, 1 << 60, large)).collect();
        writes.iter().for_each(|write| history.push(write));
        db.write(batch(&writes), WriteOptions::default()).unwrap();
        if round == commits / 2 {
            db.compact(TREES[0]).unwrap();
        } else if round == commits * 3 / 4 || random.one_in(20) {
            db.flush().unwrap();
        }
        if drafts > 0 && (random.one_in(commits.div_ceil(drafts)) || round == commits) {
            commit_draft(&db, &mut random, &mut history, large);
        }
    }
    assert_eq!(db.last_sequence(), history.operations.len() as u64);
    if close {
        db.close().unwrap();
    }
    (read_files(&*fs), history)
}

/// True if the report says that something of this key may be lost.
fn is_excused(report: &RepairReport, history: &History, (tree, key): &Key, life: &Life) -> bool {
    let touches = |first, last| life.sequences.iter().any(|sequence| (first..=last).contains(sequence));
    let is_affected = report.lost.iter().any(|problem| {
        let affected = &problem.affected;
        affected.tree.is_none_or(|affected| affected == *tree)
            && affected.keys.as_ref().is_none_or(|(first, last)| first[..] <= **key && **key <= last[..])
            && affected.sequences.is_none_or(|(first, last)| touches(first, last))
    });
    // A log that ends in the middle of a write: only the manifest could tell that it did not end there.
    let is_log = |path: &Path| path.extension().is_some_and(|extension| extension == "log");
    let is_torn = history.has_open_end || report.notes.iter().any(|note| is_log(&note.file));
    // Merged from a log with a gap: what is before the gap may have been deleted by what is lost in it, or by
    // what compaction then dropped.
    let has_gap = report.order == RepairOrder::Sequences
        && (is_torn || history.has_missing_file || report.lost.iter().any(|problem| is_log(&problem.file)));
    is_affected
        || has_gap
        || history.has_older_manifest
        || is_torn && touches(report.last_sequence + 1, Sequence::MAX)
}

/// Repairs, and checks all that has to hold whatever the damage was. `None` if the manifest says that it is
/// of a newer version.
fn check(files: &Files, history: &History, what: &str) -> Option<RepairReport> {
    let fs: Arc<dyn FileSystem> = Arc::new(write_files(files));
    let report = match run(&fs) {
        Ok(report) => report,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error}");
            assert!(what.contains("MANIFEST") || what.contains("random"), "{what}: {error}");
            return None;
        }
    };
    assert_eq!(read_files(&*fs), *files, "{what}: the source was changed");
    let trees = small_options(&clock()).trees;
    let verified = verify(&*fs, Path::new(NEW_DIR), &VerifyOptions { trees }).unwrap();
    assert!(verified.is_clean() && verified.notes.is_empty(), "{what}: {verified:#?}");
    let db = open_repaired(&fs).unwrap();
    assert_eq!(db.last_sequence(), report.last_sequence, "{what}");
    let lives = history.lives();
    for (key, life) in &lives {
        let found = db.get(key.0, &key.1, ReadOptions::default()).unwrap().map(|entry| entry.value.to_vec());
        assert!(
            found.iter().all(|value| life.values.contains(value)),
            "{what}: {key:?} has a value of another"
        );
        let is_there = found == life.newest;
        assert!(
            is_there || is_excused(&report, history, key, life),
            "{what}: {key:?} is not as it was: {report:#?}"
        );
    }
    for tree in TREES {
        let mut iter = db.iter(tree, EVERYTHING, ReadOptions::default()).unwrap();
        for (key, value) in collect_forward(&mut iter).unwrap() {
            let entry = db.get(tree, &key, ReadOptions::default()).unwrap().unwrap();
            assert_eq!(entry.value, value, "{what}: a scan and a get differ");
            assert!(lives.contains_key(&(tree, key)), "{what}: a key that never was there");
        }
    }
    Some(report)
}

fn names(report: &RepairReport, path: &Path) -> bool {
    let problems = report.lost.iter().chain(&report.mended).map(|problem| &problem.file);
    problems.chain(report.notes.iter().map(|note| &note.file)).any(|file| file == path)
}

#[test]
fn a_sound_database_comes_back_as_it_was() {
    for_seeds(6, |seed| {
        // The larger ones are in value files, and come back as ordinary entries.
        for (close, large) in [(true, 900), (false, 900), (true, 9_000), (false, 9_000)] {
            let (files, history) = sample(seed, 60, large, close);
            let report = check(&files, &history, "sound").unwrap();
            assert!(
                report.lost.is_empty() && report.mended.is_empty() && report.notes.is_empty(),
                "{report:#?}"
            );
            assert!(report.is_complete(), "{report:#?}");
            assert_eq!(report.order, RepairOrder::Manifest);
            match large {
                900 => assert!(report.tables_linked > 1 && report.tables_rewritten == 0, "{report:#?}"),
                _ => assert!(report.tables_rewritten > 0, "{report:#?}"),
            }
            assert_eq!(report.last_sequence, history.operations.len() as u64);
        }
    });
}

/// The last thing in it is not in the log.
#[test]
fn a_sound_database_with_large_transactions_comes_back_as_it_was() {
    for_seeds(20, |seed| {
        for close in [true, false] {
            let (files, history) = sample_with(seed, 12, 3, 900, close);
            let report = check(&files, &history, "sound, with drafts").unwrap();
            assert!(report.lost.is_empty() && report.mended.is_empty(), "{report:#?}");
            assert!(report.notes.is_empty(), "{report:#?}");
            assert_eq!(report.last_sequence, history.operations.len() as u64);
        }
    });
}

/// Their tables count from another number than the one they were written with; the manifest says which.
#[test]
fn tables_of_large_transactions_keep_their_numbers_when_they_are_damaged() {
    for_seeds(6, |seed| {
        let (files, history) = sample_with(seed, 20, 4, 9_000, seed % 2 == 0);
        let is_table = |path: &Path| path.extension().is_some_and(|is| is == "table");
        for (index, (path, bytes)) in files.iter().enumerate().filter(|(_, file)| is_table(&file.0)) {
            // Footer, properties, index, filter, and some of the data.
            for from_end in [1, 40, 96, 97, 120, 200, 300, 400, 500, 700, 1_000, bytes.len()] {
                let Some(at) = bytes.len().checked_sub(from_end) else { continue };
                let mut damaged = files.clone();
                damaged[index].1[at] ^= 1;
                let what = format!("seed {seed}, {}, {from_end} bytes from its end", path.display());
                let report = check(&damaged, &history, &what).unwrap();
                assert!(names(&report, path), "{what}: {report:#?}");
                if from_end <= 96 {
                    assert!(report.is_complete(), "{what}: only the footer is lost: {report:#?}");
                }
                a_large_transaction_goes_well(&damaged, &what);
            }
        }
    });
}

/// What is written to the result is newer than all that is there.
fn a_large_transaction_goes_well(files: &Files, what: &str) {
    let fs: Arc<dyn FileSystem> = Arc::new(write_files(files));
    run(&fs).unwrap();
    let db = open_repaired(&fs).unwrap();
    let keys: Vec<_> = (0..40).map(|key| format!("{key:02}").into_bytes()).collect();
    let mut draft = db.draft(TREES[0]).unwrap();
    draft.write([], keys.iter().map(|key| (&key[..], Some(&b"new"[..])))).unwrap();
    db.commit_draft(draft).unwrap_or_else(|error| panic!("{what}: {error}"));
    for key in &keys {
        let entry = db.get(TREES[0], key, ReadOptions::default()).unwrap().unwrap();
        assert_eq!(entry.value, &b"new"[..], "{what}");
    }
}

/// Without a manifest nobody knows which of them were committed.
#[test]
fn without_a_manifest_what_only_large_transactions_wrote_is_reported_as_lost() {
    for_seeds(10, |seed| {
        let (mut files, history) = sample_with(seed, 20, 4, 900, seed % 2 == 0);
        files.retain(|(path, _)| !path.ends_with("MANIFEST"));
        let report = check(&files, &history, "drafts, no manifest").unwrap();
        assert!(!report.is_complete(), "{report:#?}");
    });
}

#[test]
fn flipped_bytes_cost_what_the_report_says() {
    for (close, drafts) in [(true, 0), (false, 0), (true, 3), (false, 3)] {
        let (files, history) = sample_with(7, 30, drafts, 40, close);
        let mut saved = 0;
        for (index, (path, bytes)) in files.iter().enumerate() {
            // What a segment has in reserve is zeros.
            let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            for offset in (0..=written).step_by(29).chain((written.saturating_sub(100)..=written).step_by(7))
            {
                let mut damaged = files.clone();
                damaged[index].1[offset] ^= 1 << (offset % 8);
                let what = format!("{}, byte {offset}, closed {close}, drafts {drafts}", path.display());
                let Some(report) = check(&damaged, &history, &what) else {
                    continue;
                };
                assert!(names(&report, path), "{what}: {report:#?}");
                saved += report.entries_rewritten;
            }
        }
        assert!(saved > 0);
    }
}

#[test]
fn a_file_cut_or_missing_costs_what_the_report_says() {
    let (files, history) = sample(8, 30, 40, true);
    for (index, (path, bytes)) in files.iter().enumerate() {
        let is_manifest = path.ends_with("MANIFEST");
        for length in (0..bytes.len()).step_by(31) {
            let mut cut = files.clone();
            cut[index].1.truncate(length);
            let what = format!("{} cut at {length}", path.display());
            let report = check(&cut, &history, &what).unwrap();
            // A manifest whose last edits are gone is one of an earlier moment.
            assert!(names(&report, path) || is_manifest, "{what}: {report:#?}");
        }
        let mut missing = files.clone();
        missing.remove(index);
        let report = check(&missing, &history, &format!("{} missing", path.display())).unwrap();
        assert!(names(&report, path), "{report:#?}");
        assert_eq!(report.order == RepairOrder::Sequences, is_manifest, "{report:#?}");
        assert_eq!(report.is_complete(), is_manifest, "{report:#?}");
    }
}

/// Larger databases, of several segments and many tables; one to three files damaged at once.
#[test]
fn random_damage_costs_what_the_report_says() {
    for_seeds(30, |seed| {
        let mut random = Random::new(seed);
        let close = random.one_in(2);
        let (commits, drafts) = (40 + random.below(100), random.below(2) * 6);
        let (mut files, mut history) = sample_with(seed, commits, drafts, 9_000, close);
        let sound = files.clone();
        for _ in 0..=random.below(3) {
            let index = random.below(files.len() as u64) as usize;
            let length = files[index].1.len() as u64;
            match random.below(4) {
                0 => drop(files.remove(index)),
                1 => files[index].1.truncate(random.below(length + 1) as usize),
                _ => {
                    for _ in 0..random.below(4) * u64::from(length > 0) {
                        files[index].1[random.below(length.max(1)) as usize] ^= 1 << random.below(8);
                    }
                }
            }
        }
        let last_log = |files: &Files| {
            let path = |(path, bytes): &(PathBuf, Vec<u8>)| (path.clone(), bytes.len());
            files.iter().map(path).rfind(|(path, _)| path.extension().is_some_and(|is| is == "log"))
        };
        let has_manifest = files.iter().any(|file| file.0.ends_with("MANIFEST") && sound.contains(file));
        history.has_open_end = last_log(&files) != last_log(&sound) && !(close && has_manifest);
        let others = |files: &Files| files.iter().filter(|(path, _)| !path.ends_with("MANIFEST")).count();
        history.has_missing_file = others(&files) < others(&sound);
        let manifest =
            |files: &Files| files.iter().find(|file| file.0.ends_with("MANIFEST")).map(|file| file.1.len());
        let is_cut = manifest(&files).is_some_and(|length| Some(length) < manifest(&sound));
        history.has_older_manifest = drafts > 0 && is_cut;
        check(&files, &history, "random damage");
    });
}

#[test]
fn without_a_manifest_all_that_is_found_is_merged() {
    for_seeds(6, |seed| {
        let (mut files, history) = sample(seed, 120, 9_000, seed % 2 == 0);
        files.retain(|(path, _)| !path.ends_with("MANIFEST"));
        let report = check(&files, &history, "no manifest").unwrap();
        assert!(report.is_complete() && report.order == RepairOrder::Sequences, "{report:#?}");
        assert_eq!(report.last_sequence, history.operations.len() as u64);
    });
}

#[test]
fn a_range_delete_in_the_log_is_brought_to_the_buckets_of_time_that_it_hides_something_of() {
    let time_of = |key: &[u8]| key.last_chunk::<8>().map(|time| i64::from_be_bytes(*time));
    let clock = Arc::new(ManualClock::new(10_000));
    let options = || {
        let mut options = small_options(&clock);
        options.trees[0].block_property = time_of;
        options.trees[0].retention = Some(Retention { keep: 100_000, bucket: 1_000 }).into();
        options
    };
    let key = |series: u8, time: i64| [&[series][..], &time.to_be_bytes()].concat();
    let tree = TREES[0];
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options()).unwrap();
    let write = |write: Write| db.write(batch(&[write]), WriteOptions::default()).unwrap();
    for (series, time) in (4_500..5_500).step_by(10).flat_map(|time| [(1, time), (2, time)]) {
        write(Write::Put { tree, key: key(series, time), value: vec![7], expiry: i64::MAX });
    }
    db.flush().unwrap();
    write(Write::DeleteRange { tree, start: key(1, 0), end: key(1, i64::MAX) });
    db.close().unwrap();

    let report =
        repair(Arc::clone(&fs), Path::new(DIR), Path::new(NEW_DIR), &RepairOptions::new(options().trees))
            .unwrap();
    assert!(report.is_complete() && report.order == RepairOrder::Manifest, "{report:?}");
    let db = Db::open(fs, Path::new(NEW_DIR), options()).unwrap();
    let count =
        || collect_forward(&mut db.iter(tree, EVERYTHING, ReadOptions::default()).unwrap()).unwrap().len();
    assert_eq!(count(), 100);
    db.compact(tree).unwrap();
    assert_eq!(count(), 100, "after a compaction");
}

#[test]
fn merged_tables_have_their_size_and_lie_side_by_side() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    let mut random = Random::new(1);
    let mut value = |_| (0..4_000).map(|_| random.next() as u8).collect::<Vec<u8>>();
    for number in (0..90u8).chain(30..60) {
        let write = Write::Put { tree: TREES[0], key: vec![number], value: value(number), expiry: i64::MAX };
        db.write(batch(&[write]), WriteOptions::default()).unwrap();
        while db.maintain(Duration::MAX).unwrap() == Maintenance::More {}
    }
    let expected =
        collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap();
    db.close().unwrap();
    fs.remove(&Path::new(DIR).join("MANIFEST")).unwrap();
    run(&fs).unwrap();
    let db = open_repaired(&fs).unwrap();
    let tables = db.stats().trees[0].tables;
    let (deepest, others) = tables.split_last().unwrap();
    // 90 values of 4000 bytes in tables of 64 KiB.
    assert!((5..=7).contains(deepest) && others.iter().all(|count| *count == 0), "{tables:?}");
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    assert_eq!(collect_forward(&mut iter).unwrap(), expected);
}

#[test]
fn commits_behind_damage_are_left_out_unless_asked_for() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    for number in 0..9u8 {
        let write =
            Write::Put { tree: TREES[0], key: vec![number], value: vec![b'v'; 100], expiry: i64::MAX };
        db.write(batch(&[write]), WriteOptions::default()).unwrap();
    }
    db.close().unwrap();
    let mut files = read_files(&*fs);
    let log = files.iter_mut().find(|(path, _)| path.extension().is_some_and(|is| is == "log")).unwrap();
    // In the fourth of the nine frames, which are of the same length.
    let frame = (log.1.len() - 64 - 32) / 9;
    log.1[64 + 3 * frame + 50] ^= 1;
    for (what, expected) in [(LogRepair::UpToDamage, 3), (LogRepair::AllComplete, 8)] {
        let fs: Arc<dyn FileSystem> = Arc::new(write_files(&files));
        let options = RepairOptions { log: what, ..repair_options() };
        let report = repair(Arc::clone(&fs), Path::new(DIR), Path::new(NEW_DIR), &options).unwrap();
        let lost: Vec<_> = report.lost.iter().map(|lost| (lost.offset, lost.affected.sequences)).collect();
        let at = 64 + 3 * frame as u64;
        match what {
            LogRepair::UpToDamage => assert_eq!(lost, [(at, Some((4, 4))), (at, Some((5, 9)))]),
            LogRepair::AllComplete => assert_eq!(lost, [(at, Some((4, 4)))]),
        }
        assert_eq!((report.operations, report.last_sequence), (expected, 9));
        let db = open_repaired(&fs).unwrap();
        let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
        assert_eq!(collect_forward(&mut iter).unwrap().len() as u64, expected);
    }
}

/// Of the trees, one was never written to, or has nothing in memory: it says nothing about what of the
/// log is needed.
#[test]
fn damage_among_what_is_in_tables_costs_nothing_behind_it() {
    for writes_other in [false, true] {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let db = open(&fs, &clock()).unwrap();
        let put = |tree: usize, number: u8| {
            let (tree, key) = (TREES[tree], vec![number]);
            let write = Write::Put { tree, key, value: vec![b'v'; 100], expiry: i64::MAX };
            db.write(batch(&[write]), WriteOptions::default()).unwrap();
        };
        if writes_other {
            put(1, 100);
            db.flush().unwrap();
        }
        (0..10).for_each(|number| put(0, number));
        db.flush().unwrap();
        (10..20).for_each(|number| put(0, number));
        db.close().unwrap();
        let mut files = read_files(&*fs);
        let log = files.iter_mut().find(|(path, _)| path.extension().is_some_and(|is| is == "log")).unwrap();
        // In the fifth of the frames, which are of the same length: header of the segment, frames, mark
        // of the close.
        let frame = (log.1.len() - 64 - 32) / if writes_other { 21 } else { 20 };
        log.1[64 + 4 * frame + 50] ^= 1;
        let fs: Arc<dyn FileSystem> = Arc::new(write_files(&files));
        let report = run(&fs).unwrap();
        assert!(report.is_complete() && report.mended.len() == 1, "{report:#?}");
        assert_eq!(report.operations, 10, "what was not flushed");
        let db = open_repaired(&fs).unwrap();
        let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
        assert_eq!(collect_forward(&mut iter).unwrap().len(), 20);
    }
}

#[test]
fn a_failure_takes_back_what_was_begun_and_a_crash_leaves_what_is_whole_or_does_not_open() {
    let (mut files, history) = sample(3, 60, 9_000, true);
    let model: Vec<_> =
        history.lives().into_iter().filter_map(|(key, life)| Some((key, life.newest?))).collect();
    for without_manifest in [false, true] {
        files.retain(|(path, _)| !(without_manifest && path.ends_with("MANIFEST")));
        let (mut failures, mut done) = (0, false);
        let mut n = 0;
        while !done {
            n += 1;
            let memory = MemoryFileSystem::crashable();
            memory.create_dir_all(Path::new(DIR)).unwrap();
            for (path, bytes) in &files {
                let file = memory.create(path).unwrap();
                file.write_at(0, bytes).unwrap();
                file.sync().unwrap();
            }
            memory.sync_dir(Path::new(DIR)).unwrap();
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
            faulty.fail_at(n, Fault::Enospc);
            let made = run(&fs);
            done = faulty.calls() < n;
            faulty.heal();
            for (unsynced, names) in [(Unsynced::Drop, Names::Drop), (Unsynced::RandomPrefix, Names::Random)]
            {
                let fs: Arc<dyn FileSystem> =
                    Arc::new(memory.crash(&CrashOptions { seed: n, unsynced, names }));
                assert_eq!(read_files(&*fs), files, "call {n}");
                match open_repaired(&fs) {
                    Ok(db) if made.as_ref().is_ok_and(|report| report.is_complete()) => {
                        for ((tree, key), value) in &model {
                            let entry = db.get(*tree, key, ReadOptions::default()).unwrap();
                            assert_eq!(entry.unwrap().value, value, "call {n}");
                        }
                    }
                    // A call that read the source failed: what that was is in the report.
                    Ok(_) => assert!(made.is_ok(), "call {n}"),
                    Err(error) => assert!(made.is_err(), "call {n}: {error}"),
                }
            }
            if made.is_err() {
                failures += 1;
                let left = fs.list(Path::new(NEW_DIR)).unwrap_or_default();
                assert_eq!(left, [""; 0], "call {n}");
                assert!(run(&fs).unwrap().is_complete(), "call {n}");
            }
        }
        assert!(failures > 5 && done);
    }
}

#[test]
fn what_cannot_be_repaired_is_refused() {
    let (files, _) = sample(5, 20, 40, true);
    let fs: Arc<dyn FileSystem> = Arc::new(write_files(&files));
    let refused = |dir: &str, new_dir: &str, options: &RepairOptions| {
        repair(Arc::clone(&fs), Path::new(dir), Path::new(new_dir), options).unwrap_err().kind()
    };
    assert_eq!(refused("/nowhere", NEW_DIR, &repair_options()), ErrorKind::NotFound);
    assert_eq!(refused(DIR, DIR, &repair_options()), ErrorKind::InvalidArgument);
    let mut one_tree = repair_options();
    one_tree.trees.pop();
    assert_eq!(refused(DIR, NEW_DIR, &one_tree), ErrorKind::InvalidArgument);
    assert!(!fs.exists(Path::new(NEW_DIR)).unwrap(), "nothing was begun");
    let db = open(&fs, &clock()).unwrap();
    assert_eq!(refused(DIR, NEW_DIR, &repair_options()), ErrorKind::Locked);
    db.close().unwrap();
    let unknown: Files = vec![(Path::new(DIR).join("0000000003.table"), vec![1; 200])];
    let error = run(&(Arc::new(write_files(&unknown)) as _)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
}
