//! Goal: a draft is seen by its owner alone until it is committed, then whole, also after a crash at any
//! call; and what is committed meanwhile is older than it. Method: random drafts beside random commits
//! against a plain map; the same on a file system that fails from its n-th call on and then crashes. A longer
//! run: `FLOWDB_SEEDS=2000 cargo test --release -p flowdb-engine --test draft`.

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
    Db, Draft, Durability, ErrorKind, ManualClock, ReadOptions, ResourceLimits, Resources, Sequence,
    WriteOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

const TREE: flowdb_engine::TreeId = TREES[0];

/// Range deletes and then values for keys, as one call of `Draft::write` takes them.
#[derive(Debug)]
struct Part {
    deleted: Vec<(Vec<u8>, Vec<u8>)>,
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Part {
    fn random(random: &mut Random) -> Self {
        let entries = (0..random.below(30)).map(|_| {
            let value = vec![random.next() as u8; random.below(3_000) as usize];
            (random_key(random), (!random.one_in(4)).then_some(value))
        });
        let entries = entries.collect();
        let mut ranges = BTreeSet::new();
        for _ in 0..random.below(3) {
            let (a, b) = (random_key(random), random_key(random));
            ranges.insert((a.clone().min(b.clone()), a.max(b)));
        }
        Part { deleted: ranges.into_iter().collect(), entries }
    }

    fn write(&self, draft: &mut Draft) -> flowdb_engine::Result<()> {
        draft.write(
            self.deleted.iter().map(|(start, end)| (&start[..], &end[..])),
            self.entries.iter().map(|(key, value)| (&key[..], value.as_deref())),
        )
    }

    fn as_writes(&self) -> Vec<Write> {
        let deleted = self.deleted.iter().cloned();
        let deleted = deleted.map(|(start, end)| Write::DeleteRange { tree: TREE, start, end });
        let entries = self.entries.iter().map(|(key, value)| match value.clone() {
            Some(value) => Write::Put { tree: TREE, key: key.clone(), value, expiry: i64::MAX },
            None => Write::Delete { tree: TREE, key: key.clone() },
        });
        deleted.chain(entries).collect()
    }
}

fn check_draft(draft: &Draft, expected: &Model, random: &mut Random, options: ReadOptions) {
    for _ in 0..2 {
        let bounds = (random_bound(random), random_bound(random));
        let rows = expected.range(TREE, &bounds, 0);
        let mut iter = draft.iter(bounds, options).unwrap();
        assert_eq!(collect_forward(&mut iter).unwrap(), rows);
        assert_eq!(collect_backward(&mut iter).unwrap(), rows);
    }
    for _ in 0..5 {
        let key = random_key(random);
        let found = draft.get(&key, options).unwrap().map(|entry| entry.value.to_vec());
        assert_eq!(found.as_deref(), expected.get(TREE, &key, 0), "{key:?}");
    }
}

fn commit(db: &Db, random: &mut Random, model: &mut Model) -> flowdb_engine::Result<Sequence> {
    let writes: Vec<_> =
        (0..1 + random.below(8)).map(|_| random_write(random, i64::MAX - 1_000, 9_000)).collect();
    let durability = random.one_in(3).then_some(Durability::Synced);
    let done = db.write(batch(&writes), WriteOptions { durability })?;
    model.apply(&writes);
    Ok(done.last)
}

#[test]
fn drafts_are_their_owners_until_committed_and_then_everybodys() {
    for_seeds(40, |seed| {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let clock = Arc::new(ManualClock::new(1_000));
        let mut random = Random::new(seed);
        let mut db = open(&fs, &clock).unwrap();
        let mut model = Model::default();
        for _ in 0..12 {
            commit(&db, &mut random, &mut model).unwrap();
            let (snapshot, before) = (db.snapshot(), model.clone());
            let as_of = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
            let mut draft = db.draft(TREE).unwrap();
            // What the owner sees, over its snapshot; and the writes themselves.
            let (mut own, mut all) = (before.clone(), Vec::new());
            for _ in 0..random.below(12) {
                let part = Part::random(&mut random);
                part.write(&mut draft).unwrap();
                own.apply(&part.as_writes());
                all.extend(part.as_writes());
                match random.below(6) {
                    0 => drop(commit(&db, &mut random, &mut model).unwrap()),
                    1 => db.flush().unwrap(),
                    2 => db.compact(TREE).unwrap(),
                    _ => {}
                }
                check_draft(&draft, &own, &mut random, as_of);
            }
            check_all(&db, &model, ReadOptions::default(), 0);
            let last = db.last_sequence();
            if random.one_in(4) {
                drop(draft);
                assert_eq!(db.last_sequence(), last);
            } else {
                let operations = draft.operations();
                let done = db.commit_draft(draft).unwrap();
                assert_eq!((done.first, done.last), (last + 1, last + operations));
                assert_eq!(db.last_sequence(), done.last);
                model.apply(&all);
            }
            check_all(&db, &model, ReadOptions::default(), 0);
            check_all(&db, &before, as_of, 0);
            drop(snapshot);
            if random.one_in(3) {
                if random.one_in(2) {
                    db.close().unwrap();
                }
                let last = db.last_sequence();
                drop(db);
                db = open_with_buffers(&fs, &clock, random_buffers(&mut random)).unwrap();
                assert_eq!(db.last_sequence(), last);
                check_all(&db, &model, ReadOptions::default(), 0);
            }
            if random.one_in(4) {
                db.compact(TREE).unwrap();
                check_all(&db, &model, ReadOptions::default(), 0);
            }
        }
        db.close().unwrap();
    });
}

#[test]
fn a_draft_that_was_dropped_leaves_no_file() {
    let memory = MemoryFileSystem::new();
    let fs: Arc<dyn FileSystem> = Arc::new(memory);
    let db = open(&fs, &Arc::default()).unwrap();
    let names = || {
        let mut names = fs.list(std::path::Path::new(DIR)).unwrap();
        names.sort();
        names
    };
    let before = names();
    let mut draft = db.draft(TREE).unwrap();
    draft.write([], [(&b"key"[..], Some(&b"value"[..]))]).unwrap();
    assert_ne!(names(), before);
    let iter = draft.iter(EVERYTHING, ReadOptions::default()).unwrap();
    drop(draft);
    db.maintain(std::time::Duration::ZERO).unwrap();
    assert_ne!(names(), before, "a reader still looks at it");
    drop(iter);
    db.maintain(std::time::Duration::ZERO).unwrap();
    assert_eq!(names(), before);
}

#[test]
fn who_reads_a_draft_keeps_its_files_after_the_commit() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let mut options = small_options(&clock());
    // So few descriptors that a table which is not read for a while is opened again by its name.
    let limits = ResourceLimits { open_tables: 8, block_cache_bytes: 0, ..ResourceLimits::default() };
    options.resources = Some(Resources::new(limits).unwrap());
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    let mut draft = db.draft(TREE).unwrap();
    let keys: Vec<_> = (0..4_000_u32).map(u32::to_be_bytes).collect();
    draft.write([], keys.iter().map(|key| (&key[..], Some(&[1; 40][..])))).unwrap();
    let mut iter = draft.iter(EVERYTHING, ReadOptions::default()).unwrap();
    iter.seek_first().unwrap();
    db.commit_draft(draft).unwrap();
    let settle = || while db.maintain(Duration::ZERO).unwrap() == flowdb_engine::Maintenance::More {};
    let put = |tree, key: u32| Write::Put {
        tree,
        key: key.to_be_bytes().to_vec(),
        value: vec![2],
        expiry: i64::MAX,
    };
    for round in 0..12 {
        let writes = [put(TREES[0], round * 300), put(TREES[1], round)];
        db.write(batch(&writes), WriteOptions::default()).unwrap();
        db.flush().unwrap();
    }
    db.compact(TREE).unwrap();
    settle();
    let mut count = 0;
    while iter.valid() {
        count += 1;
        iter.next().unwrap();
    }
    assert_eq!(count, keys.len());
    let files = || fs.list(Path::new(DIR)).unwrap().iter().filter(|name| name.ends_with(".table")).count();
    let before = files();
    drop(iter);
    settle();
    assert!(files() < before, "the last reader lets go of them");
}

#[test]
fn a_draft_into_an_empty_range_goes_to_the_deepest_level() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &Arc::default()).unwrap();
    let put = |key: &[u8]| Write::Put { tree: TREE, key: key.to_vec(), value: vec![1], expiry: i64::MAX };
    db.write(batch(&[put(b"a"), put(b"z")]), WriteOptions::default()).unwrap();
    let levels = |db: &Db| db.stats().trees[0].tables;
    let ingest = |key: &[u8]| {
        let mut draft = db.draft(TREE).unwrap();
        draft.write([], [(key, Some(&b"value"[..]))]).unwrap();
        db.commit_draft(draft).unwrap();
    };
    ingest(b"zz");
    assert_eq!(levels(&db), [1, 0, 0, 0, 0, 0, 1]);
    ingest(b"zz");
    assert_eq!(levels(&db), [1, 0, 0, 0, 0, 1, 1], "above what it hides");
    ingest(b"m");
    assert_eq!(levels(&db), [2, 0, 0, 0, 0, 1, 1], "the first table spans it");
}

/// Its numbers are in no log, so that after a crash they come from the manifest.
#[test]
fn the_mark_of_a_close_after_a_draft_and_a_crash_has_the_next_number() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    let mut draft = db.draft(TREE).unwrap();
    draft.write([], [(&b"a"[..], Some(&b"1"[..])), (&b"b"[..], Some(&b"2"[..]))]).unwrap();
    db.commit_draft(draft).unwrap();
    let last = db.last_sequence();
    assert!(last > 0);
    drop(db);
    open(&fs, &clock()).unwrap().close().unwrap();
    let files = read_files(&*fs);
    let (_, log) = files.iter().find(|(path, _)| path.extension().is_some_and(|kind| kind == "log")).unwrap();
    let mark = &log[log.len() - 32..];
    assert_eq!(mark[12], 3, "the kind of the last frame");
    assert_eq!(u64::from_le_bytes(mark[16..24].try_into().unwrap()), last + 1);
}

/// What is in the log does not fit the smaller buffers, so that some of it is flushed on the way; the numbers
/// of the draft are not among it.
#[test]
fn an_opening_with_smaller_buffers_goes_on_behind_the_draft() {
    for is_closed in [true, false] {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let db = open_with_buffers(&fs, &clock(), 1 << 20).unwrap();
        let put = |tree, key: &[u8], length: usize| Write::Put {
            tree,
            key: key.to_vec(),
            value: vec![1; length],
            expiry: i64::MAX,
        };
        for key in 0..250_u8 {
            db.write(batch(&[put(TREES[1], &[key], 900)]), WriteOptions::default()).unwrap();
        }
        let mut draft = db.draft(TREE).unwrap();
        draft.write([], [(&b"a"[..], Some(&b"1"[..])), (&b"b"[..], Some(&b"2"[..]))]).unwrap();
        db.commit_draft(draft).unwrap();
        let last = db.last_sequence();
        if is_closed {
            db.close().unwrap();
        }
        drop(db);
        let db = open(&fs, &clock()).unwrap();
        assert!(db.stats().totals.flushes > 0, "that is what this is about");
        assert_eq!(db.last_sequence(), last);
        let has = |db: &Db, key: &[u8]| db.get(TREE, key, ReadOptions::default()).unwrap().is_some();
        assert!(has(&db, b"a") && has(&db, b"b"));
        db.write(batch(&[put(TREE, b"new", 1)]), WriteOptions::default()).unwrap();
        drop(db);
        assert!(has(&open(&fs, &clock()).unwrap(), b"new"));
    }
}

#[test]
fn a_draft_belongs_to_its_database() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let other_fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let (db, other) = (open(&fs, &Arc::default()).unwrap(), open(&other_fs, &Arc::default()).unwrap());
    let draft = db.draft(TREE).unwrap();
    let error = other.commit_draft(draft).unwrap_err();
    assert_eq!(error.kind(), flowdb_engine::ErrorKind::InvalidArgument);
    let mut draft = db.draft(TREE).unwrap();
    db.close().unwrap();
    let error = draft.write([], [(&b"key"[..], None)]).unwrap_err();
    assert_eq!(error.kind(), flowdb_engine::ErrorKind::Closed);
    assert_eq!(db.commit_draft(draft).unwrap_err().kind(), flowdb_engine::ErrorKind::Closed);
}

/// After a close, or when the directory was taken away, files of the same names may be another's.
#[test]
fn no_file_is_begun_once_the_directory_may_be_anothers() {
    for is_closed in [true, false] {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let db = open(&fs, &Arc::default()).unwrap();
        let files = || {
            let names = fs.list(Path::new(DIR)).unwrap().into_iter();
            let length = |name: &String| fs.open_read(&Path::new(DIR).join(name)).unwrap().len().unwrap();
            names.map(|name| (length(&name), name)).collect::<Vec<_>>()
        };
        let (began, begun) = std::sync::mpsc::channel();
        let refused = || db.draft(TREE).is_err();
        let (result, at_end) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut draft = db.draft(TREE).unwrap();
                let keys = [b"a", b"b"];
                let values = [vec![1], vec![1; LARGE]];
                let entries = keys.iter().zip(&values).enumerate().map(|(number, (key, value))| {
                    if number == 1 {
                        began.send(()).unwrap();
                        while !refused() {
                            std::thread::yield_now();
                        }
                    }
                    (&key[..], Some(&value[..]))
                });
                // The second value needs a file of its own.
                let result = draft.write([], entries);
                drop(draft);
                result
            });
            begun.recv().unwrap();
            if is_closed {
                db.close().unwrap();
            } else {
                db.abandon("another database has the directory");
            }
            let at_end = files();
            (writing.join().unwrap(), at_end)
        });
        let expected = if is_closed { ErrorKind::Closed } else { ErrorKind::Poisoned };
        assert_eq!(result.unwrap_err().kind(), expected);
        assert_eq!(files(), at_end);
        assert!(at_end.iter().all(|(_, name)| !name.ends_with(".value")), "{at_end:?}");
    }
}

/// Numbers are never given twice, so that a file that has one already is another's.
#[test]
fn a_file_that_is_there_is_never_written_over() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &Arc::default()).unwrap();
    let put = |key: u8| {
        let write = Write::Put { tree: TREE, key: vec![key], value: vec![7; 2_000], expiry: i64::MAX };
        db.write(batch(&[write]), WriteOptions::default())
    };
    let paths =
        ["0000000001.table", "0000000003.value", "0000000002.log"].map(|name| Path::new(DIR).join(name));
    for path in &paths {
        fs.create(path).unwrap().write_at(0, b"another's").unwrap();
    }
    put(1).unwrap();
    assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::Io, "its table is there");
    assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::Io, "its value file is there");
    db.flush().unwrap();
    assert_eq!(db.get(TREE, &[1], ReadOptions::default()).unwrap().unwrap().value.len(), 2_000);
    let error = (0..200).find_map(|key| put(key).err().or_else(|| db.maintain(Duration::ZERO).err()));
    assert_eq!(error.unwrap().kind(), ErrorKind::Poisoned, "the next segment of the log is there");
    for path in &paths {
        let mut bytes = [0; 9];
        fs.open_read(path).unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"another's");
    }
}

/// States that may be found after a crash, by the number of their last operation; and the last number that
/// has to be there.
#[derive(Default)]
struct History {
    states: BTreeMap<Sequence, Model>,
    durable: Sequence,
}

fn workload(fs: &Arc<dyn FileSystem>, seed: u64, history: &mut History) -> flowdb_engine::Result<()> {
    let clock = Arc::new(ManualClock::new(1_000));
    let mut random = Random::new(seed);
    let mut model = Model::default();
    history.states.insert(0, model.clone());
    let mut db = open(fs, &clock)?;
    for _ in 0..3 {
        for _ in 0..random.below(3) {
            // Noted before the attempt: a commit that fails may have happened.
            let (mut next, mut choices) = (model.clone(), random.clone());
            let scratch: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
            let count = commit(&open(&scratch, &clock)?, &mut choices, &mut next)?;
            history.states.insert(db.last_sequence() + count, next);
            commit(&db, &mut random, &mut model)?;
        }
        let mut draft = db.draft(TREE)?;
        let mut next = model.clone();
        for _ in 0..1 + random.below(9) {
            let part = Part::random(&mut random);
            next.apply(&part.as_writes());
            part.write(&mut draft)?;
        }
        history.states.insert(db.last_sequence() + draft.operations(), next.clone());
        history.durable = db.commit_draft(draft)?.last;
        model = next;
        match random.below(3) {
            0 => drop(db.maintain(std::time::Duration::ZERO)?),
            1 => {
                drop(db);
                db = open(fs, &clock)?;
            }
            _ => {}
        }
    }
    db.close()
}

#[test]
fn a_crash_at_any_call_leaves_whole_drafts_and_a_prefix() {
    for_seeds(1, |seed| {
        let calls = {
            let faulty = Arc::new(FaultyFileSystem::new(Arc::new(MemoryFileSystem::crashable())));
            let fs: Arc<dyn FileSystem> = faulty.clone();
            workload(&fs, seed, &mut History::default()).unwrap();
            faulty.calls()
        };
        for n in 1..=calls {
            let memory = MemoryFileSystem::crashable();
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            faulty.fail_from(n, Fault::Eio);
            let fs: Arc<dyn FileSystem> = Arc::new(faulty);
            let mut history = History::default();
            // Where it fails is not of interest, what is there afterwards is.
            let _ = workload(&fs, seed, &mut history);
            for unsynced in [Unsynced::Drop, Unsynced::Keep, Unsynced::RandomPrefix] {
                let crash = CrashOptions { seed: seed * 1_000 + n, unsynced, names: Names::Random };
                let crashed: Arc<dyn FileSystem> = Arc::new(memory.crash(&crash));
                let db = open(&crashed, &Arc::new(ManualClock::new(1_000)))
                    .unwrap_or_else(|error| panic!("call {n}, {crash:?}: {error}"));
                let last = db.last_sequence();
                assert!(last >= history.durable, "call {n}, {crash:?}: {last} of {}", history.durable);
                let model = history.states.get(&last);
                let model = model.unwrap_or_else(|| panic!("call {n}, {crash:?}: {last} is no commit's end"));
                check_all(&db, model, ReadOptions::default(), 1_000);
                db.close().unwrap();
            }
        }
    });
}
