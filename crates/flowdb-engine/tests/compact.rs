//! Goal: a compaction of a whole tree that is called off at any moment loses nothing, leaves no file behind,
//! and can be done again. Method: a clock on which every look costs a while, so that there are many slices;
//! called off at the first, the second, ... until one comes to its end.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Clock, Db, Maintenance, Options, ReadOptions, VerifyOptions, WriteOptions, verify};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::*;

/// Ten milliseconds pass with each look at it, though the day stands still until it is told otherwise.
#[derive(Debug, Default)]
struct BusyClock {
    looks: AtomicU64,
    is_later: AtomicBool,
}

impl Clock for BusyClock {
    fn now(&self) -> i64 {
        if self.is_later.load(Ordering::Relaxed) { 1_000_000 } else { 1_000 }
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(10 * self.looks.fetch_add(1, Ordering::Relaxed))
    }
}

fn options() -> Options {
    Options { clock: Arc::new(BusyClock::default()), ..small_options(&clock()) }
}

/// Three tables on level 0, each with a value of every key.
fn filled(fs: &Arc<dyn FileSystem>) -> Db {
    filled_by(fs, 3)
}

fn filled_by(fs: &Arc<dyn FileSystem>, rounds: u8) -> Db {
    let db = Db::open(Arc::clone(fs), Path::new(DIR), options()).unwrap();
    for round in 0..rounds {
        for key in 0..4_000_u32 {
            let (tree, key) = (TREES[0], key.to_be_bytes().to_vec());
            let put = Write::Put { tree, key, value: vec![round; 40], expiry: i64::MAX };
            db.write(batch(&[put]), WriteOptions::default()).unwrap();
        }
        db.flush().unwrap();
    }
    db
}

#[test]
fn a_compaction_that_is_called_off_loses_nothing_and_leaves_nothing() {
    let mut called_off = 0;
    loop {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let db = filled(&fs);
        let looks = Cell::new(0);
        let goes_on = || {
            looks.set(looks.get() + 1);
            looks.get() <= called_off
        };
        let is_done = db.compact_while(TREES[0], &goes_on).unwrap();
        let found =
            collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap();
        assert_eq!(found.len(), 4_000);
        assert!(found.iter().all(|(_, value)| value[..] == [2; 40]));
        if is_done {
            assert_eq!(db.stats().trees[0].table_entries, 4_000);
            break;
        }
        assert_eq!(looks.get(), called_off + 1, "it ends where it is told so");
        if called_off % 3 == 0 {
            db.compact(TREES[0]).unwrap();
            assert_eq!(db.stats().trees[0].table_entries, 4_000);
        } else {
            while db.maintain(Duration::ZERO).unwrap() == Maintenance::More {}
        }
        db.close().unwrap();
        drop(db);
        let report = verify(&*fs, Path::new(DIR), &VerifyOptions { trees: options().trees }).unwrap();
        assert_eq!((report.problems, report.notes), (vec![], vec![]), "called off after {called_off}");
        called_off += 1;
    }
    assert!(called_off > 5, "{called_off} slices");
}

#[test]
fn who_had_to_wait_beside_a_compaction_goes_on_before_its_end() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = filled(&fs);
    let put = || {
        let value = vec![9; options().trees[0].write_buffer_bytes / 4];
        batch(&[Write::Put { tree: TREES[0], key: b"beside".to_vec(), value, expiry: i64::MAX }])
    };
    let (done, has_waited) = (AtomicBool::new(false), Cell::new(false));
    std::thread::scope(|scope| {
        let goes_on = || {
            if !has_waited.replace(true) {
                while db.try_write(put()).is_ok() {}
                scope.spawn(|| {
                    db.write(put(), WriteOptions::default()).unwrap();
                    done.store(true, Ordering::SeqCst);
                });
                return true;
            }
            // The compaction goes no further meanwhile, and still it is under way.
            for _ in 0..3_000 {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            false
        };
        assert!(!db.compact_while(TREES[0], &goes_on).unwrap(), "it is called off");
        assert!(done.load(Ordering::SeqCst));
    });
}

/// Compacts everything, and puts two large values between its slices, `count` in all, none of which is
/// refused. Answers how many it came to.
fn compact_beside_writer(db: &Db, count: u32) -> u32 {
    let value = vec![9; options().trees[0].write_buffer_bytes / 4];
    let written = Cell::new(0_u32);
    let goes_on = || {
        for _ in 0..2 {
            let key = [b"beside".as_slice(), &written.get().to_be_bytes()].concat();
            let put = Write::Put { tree: TREES[0], key, value: value.clone(), expiry: i64::MAX };
            db.try_write(batch(&[put])).map_err(|(error, _)| error).unwrap();
            written.set(written.get() + 1);
        }
        written.get() < count
    };
    db.compact_while(TREES[0], &goes_on).unwrap();
    // More than the memtables hold if none is flushed meanwhile.
    assert!(written.get() > 16, "{}", written.get());
    written.get()
}

#[test]
fn who_writes_beside_a_compaction_does_not_wait_for_its_end() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = filled(&fs);
    let written = compact_beside_writer(&db, 100);
    let found = collect_forward(&mut db.iter(TREES[0], EVERYTHING, ReadOptions::default()).unwrap()).unwrap();
    assert_eq!(found.len(), 4_000 + written as usize);
}

#[test]
fn who_writes_beside_compactions_that_were_due_does_not_wait_for_their_end() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    compact_beside_writer(&filled_by(&fs, 6), 40);
}

#[test]
fn who_flushes_beside_a_compaction_does_not_wait_for_its_end() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = filled(&fs);
    let slices = Cell::new(0);
    let goes_on = || {
        slices.set(slices.get() + 1);
        // What says so where someone is at work, for whom a flush would wait.
        assert!(!matches!(db.maintain(Duration::ZERO).unwrap(), Maintenance::Later(_)));
        let put = Write::Put {
            tree: TREES[0],
            key: b"beside".to_vec(),
            value: vec![slices.get(); 40],
            expiry: i64::MAX,
        };
        db.write(batch(&[put]), WriteOptions::default()).unwrap();
        db.flush().unwrap();
        true
    };
    assert!(db.compact_while(TREES[0], &goes_on).unwrap());
    assert!(slices.get() > 3, "{} slices", slices.get());
}

const EXPIRING: u32 = 100_000;

/// One table all of whose entries have expired since.
fn expired() -> (Arc<dyn FileSystem>, Db) {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let clock = Arc::new(BusyClock::default());
    let mut options = Options { clock: Arc::clone(&clock) as _, ..options() };
    options.trees[0].write_buffer_bytes = 64 << 20;
    (options.log_segment_bytes, options.log_bytes_max, options.table_bytes_max) =
        (64 << 20, 256 << 20, 64 << 20);
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options).unwrap();
    let keys: Vec<u32> = (0..EXPIRING).collect();
    for keys in keys.chunks(1_000) {
        let put = |key: &u32| {
            let (tree, key) = (TREES[0], key.to_be_bytes().to_vec());
            Write::Put { tree, key, value: vec![1], expiry: 2_000 }
        };
        db.write(batch(&keys.iter().map(put).collect::<Vec<_>>()), WriteOptions::default()).unwrap();
    }
    db.compact(TREES[0]).unwrap();
    assert_eq!(db.stats().trees[0].tables.iter().sum::<usize>(), 1);
    clock.is_later.store(true, Ordering::Relaxed);
    (fs, db)
}

#[test]
fn who_compacts_is_asked_whether_it_goes_on_while_entries_are_dropped() {
    let (_fs, db) = expired();
    let asked = Cell::new(0);
    let goes_on = || {
        asked.set(asked.get() + 1);
        true
    };
    assert!(db.compact_while(TREES[0], &goes_on).unwrap());
    assert_eq!(db.stats().trees[0].table_entries, 0);
    assert!(asked.get() > 100, "asked {} times", asked.get());
}

#[test]
fn a_slice_of_maintenance_ends_in_time_while_entries_are_dropped() {
    let (_fs, db) = expired();
    let mut slices = 0;
    while db.stats().trees[0].table_entries > 0 {
        db.maintain(Duration::from_millis(1)).unwrap();
        slices += 1;
    }
    assert!(slices > 300, "{slices} slices");
}

#[test]
fn a_compaction_ends_though_values_are_overwritten_meanwhile() {
    const KEYS: u64 = 200;
    const SLICES: u64 = 300;
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = Db::open(Arc::clone(&fs), Path::new(DIR), options()).unwrap();
    let random = RefCell::new(Random::new(1));
    let put = |key: u64| {
        let value = (0..2 * LARGE).map(|_| random.borrow_mut().next() as u8).collect();
        batch(&[Write::Put { tree: TREES[0], key: key.to_be_bytes().to_vec(), value, expiry: i64::MAX }])
    };
    for step in 1..4 {
        for key in (0..KEYS).step_by(step) {
            db.write(put(key), WriteOptions::default()).unwrap();
        }
        db.flush().unwrap();
    }
    let file_bytes = || -> usize { read_files(&*fs).iter().map(|(_, bytes)| bytes.len()).sum() };
    let (slices, bytes_most) = (Cell::new(0), Cell::new(0));
    let goes_on = || {
        for key in 0..64 {
            // Refused where it would have to wait, as now and then it must.
            let _ = db.try_write(put((slices.get() * 64 + key) * 7 % KEYS));
        }
        slices.set(slices.get() + 1);
        bytes_most.set(bytes_most.get().max(file_bytes()));
        slices.get() < SLICES
    };
    assert!(db.compact_while(TREES[0], &goes_on).unwrap(), "not done after {SLICES} slices");
    let live = KEYS as usize * 2 * LARGE;
    assert!(bytes_most.get() < 20 * live, "{} bytes for {live}", bytes_most.get());
}
