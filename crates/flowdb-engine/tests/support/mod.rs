//! What the engine's integration tests share: a small random number generator, a database of two trees, and a
//! plain map to compare with.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use bytes::Bytes;
use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Db, DbIterator, ErrorKind, ManualClock, Options, ReadOptions, TreeId, TreeOptions, WriteBatch,
};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const TREES: [TreeId; 2] = [TreeId(1), TreeId(2)];
/// Values of this length are kept in value files.
pub const LARGE: usize = 1 << 10;
pub const DIR: &str = "/database";

/// The files of a directory, each with its bytes.
pub type Files = Vec<(PathBuf, Vec<u8>)>;

/// A clock that stands where [`small_options`]' data has not expired.
pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(1_000))
}

/// All files of [`DIR`] in order of their names, but those about the lock.
pub fn read_files(fs: &dyn FileSystem) -> Files {
    let mut names = fs.list(Path::new(DIR)).unwrap();
    names.sort();
    let read = |name: &String| {
        let path = Path::new(DIR).join(name);
        let file = fs.open_read(&path).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        (path, bytes)
    };
    names.iter().filter(|name| !name.starts_with("LOCK")).map(read).collect()
}

/// A file system in which [`DIR`] has these files.
pub fn write_files(files: &Files) -> MemoryFileSystem {
    let fs = MemoryFileSystem::new();
    fs.create_dir_all(Path::new(DIR)).unwrap();
    for (path, bytes) in files {
        fs.create(path).unwrap().write_at(0, bytes).unwrap();
    }
    fs
}

/// Xorshift: reproducible, and good enough to choose operations.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Runs `test` for each of `FLOWDB_SEEDS` seeds (default `count`), from `FLOWDB_SEED` on (default 1); a
/// failure names its seed.
pub fn for_seeds(count: u64, test: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for_each_seed(count, |seed| {
        if let Err(panic) = std::panic::catch_unwind(|| test(seed)) {
            eprintln!("failed with FLOWDB_SEED={seed} FLOWDB_SEEDS=1");
            std::panic::resume_unwind(panic);
        }
    });
}

/// The same for seeds that build on one another.
pub fn for_each_seed(count: u64, mut test: impl FnMut(u64)) {
    let from_env = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = from_env("FLOWDB_SEED").unwrap_or(1);
    for seed in first..first + from_env("FLOWDB_SEEDS").unwrap_or(count) {
        test(seed);
    }
}

/// Small buffers and tables, so that short runs reach every part.
pub fn small_options(clock: &Arc<ManualClock>) -> Options {
    let mut options = Options::new(vec![
        TreeOptions {
            write_buffer_bytes: 64 << 10,
            block_bytes: 512,
            separated_value_bytes_min: Some(LARGE),
            ..TreeOptions::new(TREES[0], "first")
        },
        TreeOptions {
            write_buffer_bytes: 64 << 10,
            block_bytes: 512,
            separated_value_bytes_min: Some(LARGE),
            ..TreeOptions::new(TREES[1], "second")
        },
    ]);
    options.log_segment_bytes = 64 << 10;
    options.log_bytes_max = 256 << 10;
    options.table_bytes_max = 64 << 10;
    options.block_cache_bytes = 256 << 10;
    options.clock = Arc::clone(clock) as _;
    options
}

pub fn open(fs: &Arc<dyn FileSystem>, clock: &Arc<ManualClock>) -> flowdb_engine::Result<Db> {
    Db::open(Arc::clone(fs), Path::new(DIR), small_options(clock))
}

/// The same, with other write buffers, as each opening may have them.
pub fn open_with_buffers(
    fs: &Arc<dyn FileSystem>,
    clock: &Arc<ManualClock>,
    bytes: usize,
) -> flowdb_engine::Result<Db> {
    let mut options = small_options(clock);
    options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = bytes);
    Db::open(Arc::clone(fs), Path::new(DIR), options)
}

/// Mostly the smallest.
pub fn random_buffers(random: &mut Random) -> usize {
    if random.one_in(4) { 1 << 20 } else { 64 << 10 }
}

/// One write, as the model and the batch take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Put { tree: TreeId, key: Vec<u8>, value: Vec<u8>, expiry: i64 },
    Delete { tree: TreeId, key: Vec<u8> },
    DeleteRange { tree: TreeId, start: Vec<u8>, end: Vec<u8> },
}

pub fn batch(writes: &[Write]) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for write in writes {
        match write {
            Write::Put { tree, key, value, expiry } => batch.put(*tree, key, value, *expiry),
            Write::Delete { tree, key } => batch.delete(*tree, key),
            Write::DeleteRange { tree, start, end } => batch.delete_range(*tree, start, end),
        }
        .unwrap();
    }
    batch
}

/// A key that collides often, has zero bytes, prefixes of others, and is sometimes empty.
pub fn random_key(random: &mut Random) -> Vec<u8> {
    let mut key = format!("{:02}", random.below(40)).into_bytes();
    match random.below(8) {
        0 => key.push(0),
        1 => key.extend([0xff, 0xff]),
        2 => key.truncate(1),
        3 if random.one_in(4) => key.clear(),
        _ => {}
    }
    key
}

pub fn random_write(random: &mut Random, now: i64, large: usize) -> Write {
    let tree = TREES[random.one_in(3) as usize];
    match random.below(12) {
        0..=1 => Write::Delete { tree, key: random_key(random) },
        2 => {
            let (a, b) = (random_key(random), random_key(random));
            Write::DeleteRange { tree, start: a.clone().min(b.clone()), end: a.max(b) }
        }
        kind => {
            let length = if random.one_in(6) { large } else { 8 + random.below(90) as usize };
            let fill = random.next() as u8;
            let expiry = if kind == 3 { now + random.below(200) as i64 } else { i64::MAX };
            let mut value = vec![fill; length];
            if fill.is_multiple_of(2) {
                // Every other one cannot be compressed.
                value.fill_with(|| random.next() as u8);
            }
            Write::Put { tree, key: random_key(random), value, expiry }
        }
    }
}

/// The plain map: what one tree of the database should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model(pub BTreeMap<(TreeId, Vec<u8>), (Vec<u8>, i64)>);

impl Model {
    pub fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Put { tree, key, value, expiry } => {
                    self.0.insert((*tree, key.clone()), (value.clone(), *expiry));
                }
                Write::Delete { tree, key } => {
                    self.0.remove(&(*tree, key.clone()));
                }
                Write::DeleteRange { tree, start, end } => {
                    self.0.retain(|(t, key), _| t != tree || key < start || key >= end);
                }
            }
        }
    }

    pub fn get(&self, tree: TreeId, key: &[u8], now: i64) -> Option<&[u8]> {
        let (value, expiry) = self.0.get(&(tree, key.to_vec()))?;
        (*expiry > now).then_some(&value[..])
    }

    pub fn range(
        &self,
        tree: TreeId,
        bounds: &(Bound<Bytes>, Bound<Bytes>),
        now: i64,
    ) -> Vec<(Vec<u8>, Vec<u8>)> {
        let after_start = |key: &[u8]| match &bounds.0 {
            Bound::Included(start) => key >= &start[..],
            Bound::Excluded(start) => key > &start[..],
            Bound::Unbounded => true,
        };
        let before_end = |key: &[u8]| match &bounds.1 {
            Bound::Included(end) => key <= &end[..],
            Bound::Excluded(end) => key < &end[..],
            Bound::Unbounded => true,
        };
        self.0
            .iter()
            .filter(|((t, key), (_, expiry))| {
                *t == tree && after_start(key) && before_end(key) && *expiry > now
            })
            .map(|((_, key), (value, _))| (key.clone(), value.clone()))
            .collect()
    }
}

pub fn random_bound(random: &mut Random) -> Bound<Bytes> {
    match random.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(random_key(random).into()),
        _ => Bound::Excluded(random_key(random).into()),
    }
}

pub const EVERYTHING: (Bound<Bytes>, Bound<Bytes>) = (Bound::Unbounded, Bound::Unbounded);

pub fn collect_forward(iter: &mut DbIterator) -> flowdb_engine::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::new();
    iter.seek_first()?;
    while iter.valid() {
        all.push((iter.key().to_vec(), iter.shared_value()?.to_vec()));
        iter.next()?;
    }
    Ok(all)
}

/// The same by visits that break off before every `stride`th entry.
pub fn collect_visited(
    iter: &mut DbIterator,
    stride: usize,
) -> flowdb_engine::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::new();
    iter.seek_first()?;
    while iter.valid() {
        let mut room = stride;
        iter.visit(|key, value| match value {
            Some(value) if room > 0 => {
                room -= 1;
                all.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        })?;
        if iter.valid() && iter.inline_value().is_none() {
            all.push((iter.key().to_vec(), iter.shared_value()?.to_vec()));
            iter.next()?;
        }
    }
    Ok(all)
}

/// The keys that visits show, by an iterator that passes at most so many entries at a time and goes on behind
/// the last of them; how often it was spent.
pub fn visit_in_pages(iter: &mut DbIterator, passes_max: u64) -> (Vec<Vec<u8>>, usize) {
    let (mut seen, mut pauses, mut passed) = (Vec::new(), 0, Vec::new());
    loop {
        iter.limit(passes_max);
        let shown = iter.seek(&passed).and_then(|()| {
            iter.visit(|key, _| {
                seen.push(key.to_vec());
                ControlFlow::Continue(())
            })
        });
        let Err(error) = shown else { return (seen, pauses) };
        assert!(error.kind() == ErrorKind::WouldBlock && iter.is_spent());
        assert!(iter.passed_key() > &passed[..], "it gets on");
        // The next key that may be.
        passed = [iter.passed_key(), &[0]].concat();
        pauses += 1;
    }
}

pub fn collect_backward(iter: &mut DbIterator) -> flowdb_engine::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::new();
    iter.seek_last()?;
    while iter.valid() {
        all.push((iter.key().to_vec(), iter.shared_value()?.to_vec()));
        iter.prev()?;
    }
    all.reverse();
    Ok(all)
}

/// Compares everything visible (at `options.sequence`) with the model, by scans in both directions
/// and by gets.
pub fn check_all(db: &Db, model: &Model, options: ReadOptions, now: i64) {
    for tree in TREES {
        let expected = model.range(tree, &EVERYTHING, now);
        let mut iter = db.iter(tree, EVERYTHING, options).unwrap();
        assert_eq!(collect_forward(&mut iter).unwrap(), expected, "forward scan of {tree:?}");
        assert_eq!(collect_backward(&mut iter).unwrap(), expected, "backward scan of {tree:?}");
        for stride in [1, 7, usize::MAX] {
            assert_eq!(collect_visited(&mut iter, stride).unwrap(), expected, "visits of {tree:?}");
        }
        for (key, value) in &expected {
            let entry = db.get(tree, key, options).unwrap();
            assert_eq!(
                entry.map(|entry| entry.value.to_vec()).as_ref(),
                Some(value),
                "get {key:?} of {tree:?}"
            );
        }
    }
}
