//! Goal: databases that share their resources stay within them together, one that has its own is not touched
//! by others, and a database that is closed keeps nothing open. Method: several databases on one file system
//! in memory, and the statistics; on Linux, the descriptors of the process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Db, ErrorKind, Executor, Maintenance, ReadOptions, ResourceLimits, Resources, TreeId, WriteBatch,
    WriteOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::*;

#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl Executor for Wakes {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Member {
    db: Db,
    wakes: Arc<Wakes>,
}

fn member(
    fs: &Arc<dyn FileSystem>,
    dir: &str,
    resources: &Arc<Resources>,
    write_buffer_bytes: usize,
) -> Member {
    let wakes = Arc::new(Wakes::default());
    let mut options = small_options(&Arc::default());
    options.trees.iter_mut().for_each(|tree| tree.write_buffer_bytes = write_buffer_bytes);
    options.log_segment_bytes = 16 << 20;
    options.log_bytes_max = 64 << 20;
    options.resources = Some(Arc::clone(resources));
    options.executor = Arc::clone(&wakes) as _;
    Member { db: Db::open(Arc::clone(fs), Path::new(dir), options).unwrap(), wakes }
}

fn put(db: &Db, tree: TreeId, index: u32) {
    let mut batch = WriteBatch::new();
    let mut random = Random::new(u64::from(index));
    let value: Vec<u8> = (0..1_000).map(|_| random.next() as u8).collect();
    batch.put(tree, &index.to_be_bytes(), &value, i64::MAX).unwrap();
    db.write(batch, WriteOptions::default()).unwrap();
}

fn has(db: &Db, tree: TreeId, index: u32) -> bool {
    db.get(tree, &index.to_be_bytes(), ReadOptions::default()).unwrap().is_some()
}

fn settle(db: &Db) {
    while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
}

fn memory() -> Arc<dyn FileSystem> {
    Arc::new(MemoryFileSystem::new())
}

fn limits(change: impl FnOnce(&mut ResourceLimits)) -> Arc<Resources> {
    let mut limits = ResourceLimits::default();
    change(&mut limits);
    Resources::new(limits).unwrap()
}

#[test]
fn the_largest_memtable_goes_first_whichever_database_it_is_of() {
    let fs = memory();
    let shared = limits(|limits| limits.write_buffer_bytes = Some(1 << 20));
    let (large, small) = (member(&fs, "/large", &shared, 16 << 20), member(&fs, "/small", &shared, 16 << 20));
    (0..600).for_each(|index| put(&large.db, TREES[1], index));
    let woken = |db: &Member| db.wakes.0.load(Ordering::SeqCst);
    assert!(woken(&large) <= 1, "the first write ends the rest, and there is room for all");
    let before = woken(&large);
    (0..450).for_each(|index| put(&small.db, TREES[0], index));
    assert!(woken(&large) > before, "the one who does not write has the largest");
    assert!(woken(&small) <= 1);
    settle(&small.db);
    settle(&large.db);
    assert_eq!(small.db.stats().totals.flushes, 0);
    assert_eq!((large.db.stats().totals.flushes, large.db.stats().trees[1].memtable_entries), (1, 0));
    assert!((0..600).all(|index| has(&large.db, TREES[1], index)));
}

#[test]
fn together_they_stay_near_the_limit() {
    let fs = memory();
    let limit = 1 << 20;
    let shared = limits(|limits| limits.write_buffer_bytes = Some(limit));
    let members: Vec<_> =
        (0..4).map(|number| member(&fs, &format!("/{number}"), &shared, 16 << 20)).collect();
    let mut random = Random::new(1);
    let mut most = 0;
    for index in 0..8_000 {
        let db = &members[random.below(4) as usize].db;
        put(db, TREES[random.one_in(2) as usize], index);
        if index % 50 == 0 {
            members.iter().for_each(|member| settle(&member.db));
        }
        most = most.max(db.stats().resources.write_buffer_bytes);
    }
    assert!(most > limit / 2 && most < limit * 5 / 4, "{most} bytes of {limit}");
    let flushes: u64 = members.iter().map(|member| member.db.stats().totals.flushes).sum();
    assert!(flushes < 80, "{flushes} flushes of 8 MB with 1 MB of memory");
}

#[test]
fn memtables_of_a_database_that_is_closed_or_dropped_do_not_count() {
    let fs = memory();
    let shared = limits(|limits| limits.write_buffer_bytes = Some(1 << 20));
    let (closed, dropped) =
        (member(&fs, "/closed", &shared, 16 << 20), member(&fs, "/dropped", &shared, 16 << 20));
    (0..300).for_each(|index| put(&closed.db, TREES[0], index));
    (0..300).for_each(|index| put(&dropped.db, TREES[0], index));
    closed.db.close().unwrap();
    drop(dropped);
    assert_eq!(closed.db.stats().resources.write_buffer_bytes, 0);
}

#[test]
fn blocks_of_all_share_one_cache() {
    let fs = memory();
    let shared = limits(|limits| limits.block_cache_bytes = 256 << 10);
    let members: Vec<_> =
        (0..3).map(|number| member(&fs, &format!("/{number}"), &shared, 16 << 20)).collect();
    for member in &members {
        (0..300).for_each(|index| put(&member.db, TREES[0], index));
        member.db.flush().unwrap();
        assert!((0..300).all(|index| has(&member.db, TREES[0], index)));
    }
    let cache = members[0].db.stats().cache;
    assert_eq!(cache, members[2].db.stats().cache);
    assert!(cache.bytes > 100 << 10 && cache.bytes <= 256 << 10, "{cache:?}");
    // Indexes and filters take their part.
    let tables = members[0].db.stats().resources.table_memory_bytes;
    assert!(tables > 3 * 300 * 4, "{tables}");
    let room = cache.capacity_bytes + tables;
    assert!((250 << 10..=257 << 10).contains(&room), "{cache:?} beside {tables}");
    members.iter().for_each(|member| member.db.close().unwrap());
    assert_eq!(members[0].db.stats().resources.table_memory_bytes, 0);
}

#[test]
fn more_tables_than_descriptors_can_be_read() {
    let fs = memory();
    let shared = limits(|limits| {
        limits.open_tables = 8;
        limits.block_cache_bytes = 0;
    });
    let members: Vec<_> =
        (0..2).map(|number| member(&fs, &format!("/{number}"), &shared, 16 << 20)).collect();
    for member in &members {
        for tree in TREES {
            for index in 0..15 {
                put(&member.db, tree, index);
                member.db.flush().unwrap();
            }
        }
    }
    for _ in 0..2 {
        for (member, tree) in members.iter().flat_map(|member| TREES.map(|tree| (member, tree))) {
            assert!((0..15).all(|index| has(&member.db, tree, index)));
            let mut iter = member.db.iter(tree, EVERYTHING, ReadOptions::default()).unwrap();
            assert_eq!(collect_backward(&mut iter).unwrap().len(), 15);
        }
    }
    let resources = members[0].db.stats().resources;
    assert!(resources.open_tables <= 8, "{resources:?}");
    assert!(resources.tables_reopened > 60, "{resources:?}");
    // What is compacted away goes, whether it is open or not.
    members.iter().for_each(|member| TREES.iter().for_each(|tree| member.db.compact(*tree).unwrap()));
    for (member, dir) in members.iter().zip(["/0", "/1"]) {
        let names = fs.list(Path::new(dir)).unwrap();
        assert_eq!(names.iter().filter(|name| name.ends_with(".table")).count(), 2, "{names:?}");
        assert!((0..15).all(|index| has(&member.db, TREES[1], index)));
    }
    assert!(members[0].db.stats().resources.open_tables <= 4, "those of removed tables are closed");
}

#[test]
fn an_iterator_outlives_the_closing_and_then_all_is_let_go() {
    let fs = memory();
    let shared = limits(|limits| limits.block_cache_bytes = 0);
    let Member { db, .. } = member(&fs, "/closing", &shared, 16 << 20);
    for tree in TREES {
        (0..50).for_each(|index| put(&db, tree, index));
    }
    db.flush().unwrap();
    (50..60).for_each(|index| put(&db, TREES[0], index));
    let mut iter = db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap();
    db.close().unwrap();
    assert_eq!(db.get(TREES[0], &[0; 4], ReadOptions::default()).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(collect_forward(&mut iter).unwrap().len(), 60);
    assert_eq!(db.stats().resources.open_tables, 1, "the table that it reads");
    drop(iter);
    assert_eq!(db.stats().resources.open_tables, 0);
}

#[test]
fn a_get_that_meets_the_closing_never_finds_nothing() {
    for round in 0..200 {
        let db = open(&memory(), &Arc::default()).unwrap();
        put(&db, TREES[0], 7);
        let reader = {
            let db = db.clone();
            std::thread::spawn(move || {
                loop {
                    match db.get(TREES[0], &7u32.to_be_bytes(), ReadOptions::default()) {
                        Ok(found) => assert!(found.is_some()),
                        Err(error) => return error.kind(),
                    }
                }
            })
        };
        std::thread::sleep(Duration::from_micros(13 * round));
        db.close().unwrap();
        assert_eq!(reader.join().unwrap(), ErrorKind::Closed);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_database_has_no_file_open() {
    use flowdb_engine::fs::{FileAccess, RealFileSystem};
    let dir = std::env::temp_dir().join(format!("flowdb-{}-closed-files", std::process::id()));
    let open_files = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
        targets.filter(|target| target.starts_with(&dir)).count()
    };
    for access in [FileAccess::Positioned, FileAccess::Mapped] {
        let fs: Arc<dyn FileSystem> = Arc::new(RealFileSystem::new(access));
        let db = Db::open(fs, &dir, small_options(&Arc::default())).unwrap();
        (0..100).for_each(|index| put(&db, TREES[0], index));
        db.flush().unwrap();
        assert!(has(&db, TREES[0], 1));
        assert!(open_files() >= 4, "log, manifest, lock, tables");
        db.close().unwrap();
        assert_eq!(open_files(), 0, "{access:?}");
        db.close().unwrap();
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn limits_out_of_range_are_refused_by_name() {
    let refused = |change: fn(&mut ResourceLimits), name: &str| {
        let mut limits = ResourceLimits::default();
        change(&mut limits);
        let error = Resources::new(limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(name), "{error}");
    };
    refused(|limits| limits.block_cache_bytes = u64::MAX, "block_cache_bytes");
    refused(|limits| limits.write_buffer_bytes = Some(1), "write_buffer_bytes");
    refused(|limits| limits.open_tables = 1, "open_tables");
}
