//! Goal: a database opened to read only reads what a writer would, changes nothing, shares it with other
//! readers, and excludes writers. Method: a random database is opened both ways and compared; names and bytes
//! of the directory are compared before and after; locks are tried by second openers; the operating system's
//! permissions stand for a read-only disk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use flowdb_engine::fs::{FileAccess, FileSystem, MemoryFileSystem, RealFileSystem};
use flowdb_engine::{Db, ErrorKind, Options, ReadOptions, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn read_only() -> Options {
    Options { read_only: true, ..small_options(&clock()) }
}

/// A database with tables and a log, left open or closed.
fn fill(fs: &Arc<dyn FileSystem>, dir: &Path, seed: u64, close: bool) -> Model {
    let db = Db::open(Arc::clone(fs), dir, small_options(&clock())).unwrap();
    let (mut random, mut model) = (Random::new(seed), Model::default());
    for _ in 0..40 {
        let writes: Vec<_> = (0..4).map(|_| random_write(&mut random, 1 << 60, 9_000)).collect();
        db.write(batch(&writes), WriteOptions::default()).unwrap();
        model.apply(&writes);
        if random.one_in(10) {
            db.flush().unwrap();
        }
    }
    if close {
        db.close().unwrap();
    }
    model
}

fn files(fs: &dyn FileSystem, dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = fs.list(dir).unwrap();
    names.sort();
    let read = |name: String| {
        let file = fs.open_read(&dir.join(&name)).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn a_reader_sees_what_a_writer_would_and_changes_nothing() {
    for_seeds(20, |seed| {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let model = fill(&fs, Path::new(DIR), seed, seed % 2 == 0);
        // What an opener to write would remove.
        for name in ["0000009999.table", "MANIFEST.new"] {
            fs.create(&Path::new(DIR).join(name)).unwrap().write_at(0, b"left behind").unwrap();
        }
        let before = files(&*fs, Path::new(DIR));
        let readers: Vec<_> =
            (0..3).map(|_| Db::open(Arc::clone(&fs), DIR.as_ref(), read_only()).unwrap()).collect();
        for db in &readers {
            check_all(db, &model, ReadOptions::default(), 1_000);
            db.maintain(Duration::from_millis(1)).unwrap();
            db.close().unwrap();
        }
        assert_eq!(files(&*fs, Path::new(DIR)), before);
        let db = open(&fs, &clock()).unwrap();
        check_all(&db, &model, ReadOptions::default(), 1_000);
    });
}

#[test]
fn a_torn_tail_is_passed_over_and_left_alone() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let db = open(&fs, &clock()).unwrap();
    let put = Write::Put { tree: TREES[0], key: b"k".to_vec(), value: b"v".to_vec(), expiry: i64::MAX };
    let commit = db.write(batch(&[put]), WriteOptions::default()).unwrap();
    drop(db);
    let log = Path::new(DIR).join("0000000001.log");
    fs.open_write(&log).unwrap().write_at(commit.position.offset, &[1; 40]).unwrap();
    let before = files(&*fs, Path::new(DIR));
    let db = Db::open(Arc::clone(&fs), DIR.as_ref(), read_only()).unwrap();
    assert_eq!(db.last_sequence(), 1);
    drop(db);
    assert_eq!(files(&*fs, Path::new(DIR)), before);
}

#[test]
fn whatever_writes_is_refused() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    fill(&fs, Path::new(DIR), 1, false);
    let db = Db::open(Arc::clone(&fs), DIR.as_ref(), read_only()).unwrap();
    let put = Write::Delete { tree: TREES[0], key: b"k".to_vec() };
    let position = flowdb_engine::LogPosition { segment: 1, offset: 64 };
    let kinds = [
        db.write(batch(std::slice::from_ref(&put)), WriteOptions::default()).unwrap_err().kind(),
        db.try_write(batch(&[put])).unwrap_err().0.kind(),
        db.flush().unwrap_err().kind(),
        db.compact(TREES[0]).unwrap_err().kind(),
        db.sync(position).unwrap_err().kind(),
        db.checkpoint(Path::new("/other")).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::ReadOnly; 6]);
    let none = Db::open(fs, Path::new("/none"), read_only()).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
}

#[test]
fn readers_and_a_writer_exclude_each_other() {
    let dir = std::env::temp_dir().join(format!("flowdb-{}-readers", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let fs: Arc<dyn FileSystem> = Arc::new(RealFileSystem::new(FileAccess::default()));
    let model = fill(&fs, &dir, 2, true);
    let [first, second] = [(); 2].map(|()| Db::open(Arc::clone(&fs), &dir, read_only()).unwrap());
    let refused = Db::open(Arc::clone(&fs), &dir, small_options(&clock())).unwrap_err();
    assert_eq!((refused.kind(), refused.holder()), (ErrorKind::Locked, None), "readers leave no name");
    first.close().unwrap();
    assert!(Db::open(Arc::clone(&fs), &dir, small_options(&clock())).is_err());
    check_all(&second, &model, ReadOptions::default(), 1_000);
    drop(second);
    let writer = Db::open(Arc::clone(&fs), &dir, small_options(&clock())).unwrap();
    let refused = Db::open(Arc::clone(&fs), &dir, read_only()).unwrap_err();
    assert_eq!((refused.kind(), refused.holder()), (ErrorKind::Locked, Some(std::process::id())));
    writer.close().unwrap();
    let _ = std::fs::remove_dir_all(&dir);
}

#[cfg(unix)]
#[test]
fn a_directory_without_permission_to_write_opens() {
    use std::os::unix::fs::PermissionsExt;
    let dir = std::env::temp_dir().join(format!("flowdb-{}-permissions", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let fs: Arc<dyn FileSystem> = Arc::new(RealFileSystem::new(FileAccess::default()));
    let model = fill(&fs, &dir, 3, false);
    let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    std::fs::read_dir(&dir).unwrap().for_each(|entry| set(&entry.unwrap().path(), 0o444));
    set(&dir, 0o555);
    let db = Db::open(Arc::clone(&fs), &dir, read_only()).unwrap();
    check_all(&db, &model, ReadOptions::default(), 1_000);
    drop(db);
    set(&dir, 0o755);
    let _ = std::fs::remove_dir_all(&dir);
}
