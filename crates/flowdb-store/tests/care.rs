//! Goal: a store is copied while it is open, checked, repaired and removed when it is closed. Method: one
//! small store with an entry in each of two trees, whose filters and block properties differ.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use flowdb_engine::fs::{FileSystem, RealFileSystem};
use flowdb_engine::{ErrorKind, ReadOptions, RepairOrder, WriteBatch, WriteOptions};
use flowdb_store::keyspace::{KV, SERIES};
use flowdb_store::{Store, StoreOptions, destroy, repair, verify};

#[test]
fn a_store_is_copied_checked_and_removed() {
    let root = std::env::temp_dir().join(format!("flowdb-{}-care", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let (dir, copy) = (root.join("store"), root.join("copy"));
    let store = Store::open(&dir, &StoreOptions::default()).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(KV, b"key", b"value", i64::MAX).unwrap();
    batch.put(SERIES, b"oven\0\x01\x80\x06\x47\x52\x55\x0b\xf0\0", b"value", i64::MAX).unwrap();
    store.db().write(batch, WriteOptions::default()).unwrap();
    store.db().flush().unwrap();
    assert_eq!(store.checkpoint(&copy).unwrap().last_sequence, 2);
    assert_eq!(verify(&dir).unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(destroy(&dir).unwrap_err().kind(), ErrorKind::Locked);
    store.close().unwrap();
    for dir in [&dir, &copy] {
        let report = verify(dir).unwrap();
        assert!(report.is_clean() && report.tables == 2, "{report:#?}");
    }
    destroy(&dir).unwrap();
    assert!(!dir.exists());
    let store = Store::open(&copy, &StoreOptions::default()).unwrap();
    assert!(store.db().get(KV, b"key", ReadOptions::default()).unwrap().is_some());
    store.close().unwrap();
    let _ = std::fs::remove_dir_all(&root);
}

#[test]
fn a_damaged_store_is_repaired_without_its_manifest_and_with_a_damaged_table() {
    let root = std::env::temp_dir().join(format!("flowdb-{}-repair", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let dir = root.join("store");
    let store = Store::open(&dir, &StoreOptions::default()).unwrap();
    let mut batch = WriteBatch::new();
    let point = b"oven\0\x01\x80\x06\x47\x52\x55\x0b\xf0\0";
    batch.put(KV, b"key", b"value", i64::MAX).unwrap();
    batch.put(SERIES, point, b"value", i64::MAX).unwrap();
    store.db().write(batch, WriteOptions::default()).unwrap();
    store.db().flush().unwrap();
    store.close().unwrap();

    let table = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let table = table.filter(|path| path.extension().is_some_and(|is| is == "table")).min().unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    // The footer: every block is found without it.
    let footer = bytes.len() - 1;
    bytes[footer] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    for (name, order) in [("by manifest", RepairOrder::Manifest), ("by number", RepairOrder::Sequences)] {
        let repaired = root.join(name);
        let report = repair(&dir, &repaired).unwrap();
        assert!(report.is_complete() && report.order == order, "{report:#?}");
        assert_eq!(
            (report.mended[report.mended.len() - 1].file.as_path(), report.tables_linked),
            (&*table, 1)
        );
        let verified = verify(&repaired).unwrap();
        assert!(verified.is_clean() && verified.notes.is_empty(), "{verified:#?}");
        let store = Store::open(&repaired, &StoreOptions::default()).unwrap();
        for (tree, key) in [(KV, &b"key"[..]), (SERIES, &point[..])] {
            assert!(store.db().get(tree, key, ReadOptions::default()).unwrap().is_some());
        }
        store.close().unwrap();
        if order == RepairOrder::Manifest {
            RealFileSystem::default().remove(&dir.join("MANIFEST")).unwrap();
        }
    }
    let _ = std::fs::remove_dir_all(&root);
}
