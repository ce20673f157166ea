//! Goal: a store told to limit its cached values forgets the oldest of them, and nothing else. Method: more
//! values than fit, and series beside them.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use flowdb_engine::{Maintenance, ReadTier, WriteBatch, WriteOptions};
use flowdb_store::keyspace::KV;
use flowdb_store::{Form, Record, Store, StoreOptions, kv, series};
use std::time::Duration;

const BYTES_MAX: u64 = 512 << 10;
const VALUES: i64 = 8_000;

/// Values that do not compress.
fn value(seed: i64) -> Record {
    let mut state = seed as u64 | 1;
    let bytes: Vec<u8> = (0..25)
        .flat_map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x9e37_79b9_7f4a_7c15);
            (state ^ (state >> 29)).to_le_bytes()
        })
        .collect();
    Record::new(Form::Bytes, &bytes)
}

#[test]
fn cached_values_beyond_the_limit_are_forgotten_and_series_are_not() {
    let options = StoreOptions { kv_bytes_max: Some(BYTES_MAX), ..StoreOptions::default() };
    let store = Store::memory(&options).unwrap();
    for index in 0..VALUES {
        let mut batch = WriteBatch::new();
        kv::put(&mut batch, &index.to_be_bytes(), value(index).as_bytes(), i64::MAX).unwrap();
        series::put(&mut batch, b"s", index, value(index).as_bytes(), i64::MAX).unwrap();
        store.db().write(batch, WriteOptions::default()).unwrap();
        if index % 100 == 0 {
            while store.db().maintain(Duration::from_secs(1)).unwrap() == Maintenance::More {}
        }
    }
    store.db().flush().unwrap();
    while store.db().maintain(Duration::from_secs(1)).unwrap() == Maintenance::More {}
    let stats = store.db().stats();
    for tree in &stats.trees {
        assert_eq!(tree.evicted_tables > 0, tree.tree == KV);
        assert!(tree.tree != KV || tree.table_bytes <= BYTES_MAX);
    }
    let newest = kv::get(store.db(), &(VALUES - 1).to_be_bytes(), ReadTier::Disk).unwrap();
    assert_eq!(newest, Some(value(VALUES - 1)));
    assert_eq!(kv::get(store.db(), &0i64.to_be_bytes(), ReadTier::Disk).unwrap(), None);
    for index in 0..VALUES {
        let point = series::get(store.db(), b"s", index, ReadTier::Disk).unwrap();
        assert_eq!(point, Some(value(index)));
    }
    store.close().unwrap();
}
