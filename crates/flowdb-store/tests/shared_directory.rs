//! All who open a directory in one process share one store, until the last of them has let go of it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests fail like tests, and tests move files as other programs do"
)]

use flowdb_engine::{ErrorKind, SyncMode, WriteBatch, WriteOptions};
use flowdb_store::{Form, Record, RecordId, Store, StoreHandle, StoreOptions, kv};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A directory of a test, removed when it is over.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("flowdb-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> StoreHandle {
    Store::open(path, &StoreOptions::default()).unwrap()
}

fn put(store: &Store, key: &[u8]) {
    let mut batch = WriteBatch::new();
    kv::put(&mut batch, key, Record::new(Form::Text, b"x").as_bytes(), i64::MAX).unwrap();
    store.db().write(batch, WriteOptions::default()).unwrap();
}

#[test]
fn whatever_path_leads_to_it() {
    let dir = Directory::new("paths");
    let first = open(&dir.0);
    let second = open(&dir.0.join("..").join(dir.0.file_name().unwrap()));
    assert!(Arc::ptr_eq(first.store(), second.store()));
    first.close().unwrap();
    first.close().unwrap();
    put(&second, b"still open");
    second.close().unwrap();
    let error = second.db().get(flowdb_store::keyspace::KV, b"k", Default::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

/// A deployment points a link to another directory while the old process, or this one, has the
/// former store open.
#[cfg(unix)]
#[test]
fn a_path_that_leads_elsewhere_later_is_another_store() {
    let dir = Directory::new("elsewhere");
    let [current, next, v1, v2] = ["current", "next", "v1", "v2"].map(|name| dir.0.join(name));
    for (release, link) in [(&v1, &current), (&v2, &next)] {
        std::fs::create_dir_all(release).unwrap();
        std::os::unix::fs::symlink(release, link).unwrap();
    }
    let former = open(&current.join("data"));
    put(&former, b"former");
    std::fs::rename(&next, &current).unwrap();
    let latter = open(&current.join("data"));
    assert!(!Arc::ptr_eq(former.store(), latter.store()));
    put(&latter, b"latter");
    for store in [&latter, &former] {
        store.db().flush().unwrap();
        store.close().unwrap();
    }
    for (release, key, other) in [(&v1, b"former", b"latter"), (&v2, b"latter", b"former")] {
        let path = release.join("data");
        assert!(flowdb_store::verify(&path).unwrap().is_clean());
        let store = open(&path);
        assert!(store.kv().get(key).unwrap().is_some() && store.kv().get(other).unwrap().is_none());
    }
}

#[test]
fn who_may_create_a_store_finds_one_beside_who_destroys_it() {
    let dir = Directory::new("destroyed");
    std::thread::scope(|scope| {
        let opener = scope.spawn(|| {
            for _ in 0..500 {
                match Store::open(&dir.0, &StoreOptions::default()) {
                    Ok(store) => store.close().unwrap(),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Locked, "{error}"),
                }
            }
        });
        while !opener.is_finished() {
            if let Err(error) = flowdb_store::destroy(&dir.0) {
                assert!([ErrorKind::Locked, ErrorKind::NotFound].contains(&error.kind()), "{error}");
            }
        }
    });
}

#[test]
fn other_options_are_refused_by_name() {
    let dir = Directory::new("options");
    let first =
        Store::open(&dir.0, &StoreOptions { cache_bytes: Some(1 << 20), ..StoreOptions::default() }).unwrap();
    let other = |options: StoreOptions| Store::open(&dir.0, &options).unwrap_err();
    let error = other(StoreOptions { cache_bytes: Some(2 << 20), ..StoreOptions::default() });
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().starts_with("blockCacheBytes"), "{error}");
    let error = other(StoreOptions { sync: Some(SyncMode::Always), ..StoreOptions::default() });
    assert!(error.message().starts_with("sync"), "{error}");
    let error = other(StoreOptions { write_buffer_bytes: Some(1 << 20), ..StoreOptions::default() });
    assert!(error.message().starts_with("writeBufferBytes"), "{error}");
    let error = other(StoreOptions { kv_bytes_max: Some(1 << 20), ..StoreOptions::default() });
    assert!(error.message().starts_with("kvBytesMax"), "{error}");
    open(&dir.0).close().unwrap();
    first.close().unwrap();
    Store::open(&dir.0, &StoreOptions { sync: Some(SyncMode::Always), ..StoreOptions::default() })
        .unwrap()
        .close()
        .unwrap();
}

#[test]
fn a_forgotten_handle_is_closed_in_the_background() {
    let dir = Directory::new("forgotten");
    drop(open(&dir.0));
    let other = StoreOptions { cache_bytes: Some(1 << 20), ..StoreOptions::default() };
    let closed = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        Store::open(&dir.0, &other).is_ok()
    });
    assert!(closed, "the handle was never closed");
}

#[test]
fn many_threads_open_write_and_close() {
    let dir = Directory::new("threads");
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let path = &dir.0;
            scope.spawn(move || {
                for round in 0..20 {
                    let store = open(path);
                    put(&store, &[thread, round]);
                    store.close().unwrap();
                }
            });
        }
    });
    let store = open(&dir.0);
    for (thread, round) in (0..4u8).flat_map(|thread| (0..20u8).map(move |round| (thread, round))) {
        let record = kv::get(store.db(), &[thread, round], flowdb_engine::ReadTier::Disk).unwrap();
        assert!(record.is_some(), "thread {thread}, round {round}");
    }
    store.close().unwrap();
}

#[test]
fn timestamps_given_out_are_unique() {
    let store = Store::memory(&StoreOptions::default()).unwrap();
    let given: Vec<i64> = (0..1000).map(|_| store.timestamp()).collect();
    assert!(given.is_sorted_by(|a, b| a < b));
    store.close().unwrap();
}

#[test]
fn all_agree_whether_it_is_only_read() {
    let dir = Directory::new("read-only");
    let reading = StoreOptions { read_only: true, ..StoreOptions::default() };
    assert_eq!(Store::open(&dir.0, &reading).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!dir.0.exists(), "looking creates nothing");
    let writer = open(&dir.0);
    put(&writer, b"k");
    let error = Store::open(&dir.0, &reading).unwrap_err();
    assert!(error.message().starts_with("readOnly: the directory is open"), "{error}");
    writer.close().unwrap();
    let readers = [(); 2].map(|()| Store::open(&dir.0, &reading).unwrap());
    assert!(Store::open(&dir.0, &StoreOptions::default()).is_err());
    for reader in readers {
        assert!(reader.kv().get(b"k").unwrap().is_some());
        let mut batch = reader.batch();
        batch.clear(flowdb_store::Shape::Kv).unwrap();
        assert_eq!(batch.write(WriteOptions::default()).unwrap_err().kind(), ErrorKind::ReadOnly);
        reader.close().unwrap();
    }
    assert_eq!(Store::memory(&reading).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[derive(Debug, Default)]
struct Flushes(std::sync::atomic::AtomicU64);

impl flowdb_engine::EventListener for Flushes {
    fn on_event(&self, event: &flowdb_engine::Event) {
        if matches!(event, flowdb_engine::Event::Flushed { .. }) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

#[test]
fn listeners_come_and_go() {
    let store = Store::memory(&StoreOptions::default()).unwrap();
    let listeners = [(); 2].map(|()| Arc::new(Flushes::default()));
    let told = |listener: &Arc<Flushes>| listener.0.load(std::sync::atomic::Ordering::Relaxed);
    let [first, second] = &listeners;
    store.listen(&(Arc::clone(first) as Arc<dyn flowdb_engine::EventListener>));
    put(&store, b"a");
    store.db().flush().unwrap();
    {
        let passing: Arc<dyn flowdb_engine::EventListener> = Arc::new(Flushes::default());
        store.listen(&passing);
    }
    store.listen(&(Arc::clone(second) as Arc<dyn flowdb_engine::EventListener>));
    put(&store, b"b");
    store.db().flush().unwrap();
    assert_eq!((told(first), told(second)), (2, 1));
}

#[test]
fn a_store_in_memory_lets_go_of_its_data_when_it_is_closed() {
    let handle = Store::memory(&StoreOptions::default()).unwrap();
    let store = Arc::clone(handle.store());
    let put = |from: u32, length: usize| {
        for key in from..from + 50 {
            let mut batch = store.batch();
            let record = Record::new(Form::Bytes, &vec![1; length]);
            batch.put(RecordId::Kv(&key.to_be_bytes()), &record, None).unwrap();
            batch.write(WriteOptions::default()).unwrap();
        }
    };
    put(0, 1000);
    put(50, 100_000);
    store.db().flush().unwrap();
    put(100, 100_000);
    assert!(store.memory_bytes() > 10_000_000);
    handle.close().unwrap();
    assert!(store.memory_bytes() < 100_000, "{} bytes", store.memory_bytes());
}

/// It is where it is, not where it was opened.
#[cfg(unix)]
#[test]
fn a_store_that_was_moved_gets_no_checkpoint_into_its_directory() {
    let dir = Directory::new("checkpoint");
    let [former, moved] = ["data", "data.bad"].map(|name| dir.0.join(name));
    std::fs::create_dir_all(&dir.0).unwrap();
    let store = open(&former);
    put(&store, b"key");
    std::fs::rename(&former, &moved).unwrap();
    for target in [&moved, &moved.join("copy"), &moved.join("copy/of/it"), &former] {
        let refused = store.checkpoint(target).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{}", target.display());
    }
    assert!(!former.exists() && !moved.join("copy").exists());
    store.checkpoint(&dir.0.join("copy")).unwrap();
    store.close().unwrap();
}
