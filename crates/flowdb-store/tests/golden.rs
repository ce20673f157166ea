//! Goal: what an earlier version wrote is read for ever, and `docs/format.md` says what is in it.
//! Method: directories written once per format version by `scripts/golden.mjs` are copied, opened and
//! read; the worked examples of the page are compared with their bytes. What IndexedDB finds in them is
//! checked in `__test__/golden.test.js`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flowdb_engine::{ReadOptions, ReadTier};
use flowdb_store::keyspace::DOCUMENTS;
use flowdb_store::value::ValueRef;
use flowdb_store::{Form, Record, Store, StoreHandle, StoreOptions, kv, series};
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

const NOON: i64 = 1_767_268_800_000_000;
const MINUTE: i64 = 60_000_000;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format_1")
}

/// A copy, for an open writes to the directory. Removed when dropped.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("flowdb-golden-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for entry in fs::read_dir(golden()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
        }
        Copy(path)
    }

    fn open(&self) -> StoreHandle {
        let options = StoreOptions { create_if_missing: false, ..StoreOptions::default() };
        Store::open(&self.0, &options).unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn records_of_format_1_are_read() {
    let copy = Copy::new("records");
    // The second time from what this version made of it.
    for _ in 0..2 {
        let store = copy.open();
        let get = |key: &str| kv::get(store.db(), key.as_bytes(), ReadTier::Disk).unwrap();
        assert_eq!(get("text"), Some(Record::new(Form::Text, "Grüße".as_bytes())));
        assert_eq!(get("bytes"), Some(Record::new(Form::Bytes, &[0, 255])));
        assert_eq!(get("far"), Some(Record::new(Form::Text, b"until 2200")));
        assert_eq!(get("late"), Some(Record::new(Form::Text, b"in the log")));
        assert_eq!(get("gone"), None);
        assert_eq!(get("value").unwrap().form(), Form::Value);

        let at = |key: &[u8], time| series::get(store.db(), key, time, ReadTier::Disk).unwrap();
        let first = [&[1, 7][..], &181.5f64.to_le_bytes()].concat();
        assert_eq!(at(b"oven", NOON), Some(Record::new(Form::Value, &first)));
        let last = Record::new(Form::Value, &[1, 6, 0xee, 2]);
        assert_eq!(series::latest(store.db(), b"oven", ReadTier::Disk).unwrap(), Some((NOON + MINUTE, last)));
        assert_eq!(at(b"dropped", NOON), None);
        store.close().unwrap();
    }
}

#[test]
fn documents_of_format_1_are_there() {
    let copy = Copy::new("documents");
    let store = copy.open();
    store.documents().unwrap();
    let all = (Bound::Unbounded, Bound::Unbounded);
    let mut rows = store.db().iter(DOCUMENTS, all, ReadOptions::default()).unwrap();
    rows.seek_first().unwrap();
    let (mut records, mut others) = (0, 0);
    while rows.valid() {
        // A record of an object store has index id 0, and its value comes after the flags.
        if rows.key()[0] == 1 && rows.key()[9..13] == [0; 4] {
            ValueRef::new(&rows.shared_value().unwrap()[1..]).unwrap().validate().unwrap();
            records += 1;
        } else {
            others += 1;
        }
        rows.next().unwrap();
    }
    // One database, two stores, two indexes, a generator, the next database id; three authors and two years.
    assert_eq!((records, others), (5, 7 + 5));
    drop(rows);
    store.close().unwrap();
}

/// The bytes of the examples: blocks that begin with "```golden", a file name, and an offset from which the
/// lines follow each other.
#[test]
fn the_examples_of_the_format_page_are_the_golden_bytes() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let page = fs::read_to_string(page).unwrap();
    let mut examples = 0;
    for example in page.split("```golden ").skip(1) {
        let mut lines = example.split("\n```").next().unwrap().lines();
        let file = fs::read(golden().join(lines.next().unwrap())).unwrap();
        let mut expected = None;
        for line in lines {
            let mut columns = line.split("  ").filter(|column| !column.is_empty());
            let offset = usize::from_str_radix(columns.next().unwrap(), 16).unwrap();
            assert_eq!(
                offset,
                expected.unwrap_or(offset),
                "the line does not follow the one before it: {line}"
            );
            let bytes: Vec<u8> = columns
                .next()
                .unwrap()
                .split_ascii_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect();
            assert_eq!(file[offset..offset + bytes.len()], bytes, "{line}");
            expected = Some(offset + bytes.len());
        }
        examples += 1;
    }
    assert!(examples >= 3, "log, table and manifest have an example each; found {examples}");
}
