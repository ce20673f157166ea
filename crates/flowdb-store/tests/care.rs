//! Goal: a store is copied while it is open, checked and removed when it is closed. Method: one small store with an entry in each of two
//! trees, whose filters and block properties differ.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use flowdb_engine::{ErrorKind, ReadOptions, WriteBatch, WriteOptions};
use flowdb_store::keyspace::{KV, SERIES};
use flowdb_store::{Store, StoreOptions, destroy, verify};

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
