//! Tables against a sorted list.

use super::builder::{TableBuilder, TableOptions};
use super::reader::{Placement, Table};
use crate::cache::BlockCache;
use crate::error::ErrorKind;
use crate::format::NEVER;
use crate::fs::{FileSystem, MemoryFileSystem, Random};
use crate::iter::Cursor;
use crate::key::{Kind, Sequence, TreeId, compare};
use crate::options::{Compression, ReadTier};
use crate::retention::{ByKey, Retention, RetentionRules};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/table";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    key: Vec<u8>,
    sequence: Sequence,
    kind: Kind,
    expiry: i64,
    value: Vec<u8>,
}

/// Rows in order: many versions of few keys, so that versions span blocks.
fn random_rows(random: &mut Random, count: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..count)
        .map(|sequence| Row {
            key: format!("key{:03}", random.below(count / 4 + 1) * 2).into_bytes(),
            sequence: sequence as u64 + 100,
            kind: if random.below(5) == 0 { Kind::Delete } else { Kind::Put },
            expiry: NEVER,
            value: vec![b'v'; random.below(60)],
        })
        .collect();
    for row in &mut rows {
        if row.kind == Kind::Delete {
            row.value.clear();
        } else if row.sequence % 7 == 0 {
            row.expiry = 1_000;
        }
    }
    rows.sort_by(|a, b| compare(&a.key, a.sequence, &b.key, b.sequence));
    rows
}

fn options() -> TableOptions {
    TableOptions {
        table_id: 3,
        database_id: 77,
        tree: TreeId(1),
        base: 100,
        block_bytes: 256,
        compression: Compression::Lz4,
        filter_bits_per_key: 10,
        filter_key: |key| key,
        block_property: |key| std::str::from_utf8(&key[3..]).ok()?.parse().ok(),
        retention: RetentionRules::default(),
    }
}

fn build(fs: &MemoryFileSystem, rows: &[Row], range_deletes: &[(&str, &str, Sequence)]) -> Arc<Table> {
    let mut builder = TableBuilder::new(fs.create(Path::new(PATH)).unwrap(), PATH.into(), options());
    for row in rows {
        builder.add(&row.key, row.sequence, row.kind, row.expiry, &row.value).unwrap();
    }
    for (start, end, sequence) in range_deletes {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        builder.add_range_delete(&bytes(start), &bytes(end), *sequence);
    }
    let summary = builder.finish().unwrap();
    assert_eq!(summary.entries, rows.len() as u64);
    assert_eq!(summary.file_bytes, fs.open_read(Path::new(PATH)).unwrap().len().unwrap());
    open(fs)
}

fn place(table_id: u64, database_id: u64) -> Placement {
    Placement { table_id, database_id, base: None }
}

fn open(fs: &MemoryFileSystem) -> Arc<Table> {
    open_with(fs, Arc::new(BlockCache::new(1 << 20)))
}

fn open_with(fs: &MemoryFileSystem, cache: Arc<BlockCache>) -> Arc<Table> {
    let file = fs.open_read(Path::new(PATH)).unwrap();
    Table::open(file, PATH.into(), place(3, 77), |key| key, cache).unwrap()
}

fn row(cursor: &dyn Cursor) -> Option<Row> {
    cursor.valid().then(|| Row {
        key: cursor.key().to_vec(),
        sequence: cursor.sequence(),
        kind: cursor.kind(),
        expiry: cursor.expiry(),
        value: cursor.value().to_vec(),
    })
}

#[test]
fn a_cursor_moves_like_an_index_into_the_rows() {
    for seed in 1..40 {
        let mut random = Random::new(seed);
        let count = 1 + random.below(300);
        let rows = random_rows(&mut random, count);
        let table = build(&MemoryFileSystem::new(), &rows, &[]);
        let mut cursor = table.cursor(ReadTier::Disk, true, None);
        let mut at: Option<usize> = None;
        for _ in 0..400 {
            let key = format!("key{:03}", random.below(count / 2 + 2)).into_bytes();
            let sequence = [0, 100 + random.below(count) as u64, Sequence::MAX][random.below(3)];
            let is_before = |row: &Row| compare(&row.key, row.sequence, &key, sequence).is_lt();
            match (random.below(6), at) {
                (0 | 1, Some(index)) => {
                    cursor.next().unwrap();
                    at = Some(index + 1).filter(|index| *index < rows.len());
                }
                (2 | 3, Some(index)) => {
                    cursor.prev().unwrap();
                    at = index.checked_sub(1);
                }
                (4, _) => {
                    cursor.seek_before(&key, sequence).unwrap();
                    at = rows.partition_point(is_before).checked_sub(1);
                }
                (5, None) => {
                    cursor.seek_last().unwrap();
                    at = rows.len().checked_sub(1);
                }
                _ => {
                    cursor.seek(&key, sequence).unwrap();
                    at = Some(rows.partition_point(is_before)).filter(|index| *index < rows.len());
                }
            }
            assert_eq!(row(&cursor), at.map(|index| rows[index].clone()), "seed {seed}");
        }
    }
}

#[test]
fn get_finds_the_newest_version_that_is_not_too_new() {
    for seed in 1..20 {
        let mut random = Random::new(seed);
        let rows = random_rows(&mut random, 200);
        let table = build(&MemoryFileSystem::new(), &rows, &[]);
        for number in 0..110 {
            let key = format!("key{number:03}").into_bytes();
            for max in [0, 150, 220, Sequence::MAX] {
                let expected = rows.iter().find(|row| row.key == key && row.sequence <= max);
                let found = table.get(&key, max, ReadTier::Disk, true).unwrap();
                assert_eq!(
                    found.map(|entry| (entry.sequence, entry.kind)),
                    expected.map(|row| (row.sequence, row.kind))
                );
            }
        }
    }
}

#[test]
fn the_memory_tier_reads_cached_blocks_only() {
    let fs = MemoryFileSystem::new();
    let rows = random_rows(&mut Random::new(1), 100);
    let table = build(&fs, &rows, &[]);
    let key = rows[50].key.clone();
    let get = |tier, fill| table.get(&key, Sequence::MAX, tier, fill);
    assert_eq!(get(ReadTier::Memory, true).unwrap_err().kind(), ErrorKind::WouldBlock);
    get(ReadTier::Disk, false).unwrap();
    assert_eq!(
        get(ReadTier::Memory, true).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "the cache was not to be filled"
    );
    get(ReadTier::Disk, true).unwrap();
    assert!(get(ReadTier::Memory, true).unwrap().is_some());
}

#[test]
fn unwanted_blocks_are_left_out() {
    let rows: Vec<Row> = (0..400)
        .map(|number| Row {
            key: format!("key{number:03}").into_bytes(),
            sequence: number + 100,
            kind: Kind::Put,
            expiry: NEVER,
            value: vec![0; 20],
        })
        .collect();
    let table = build(&MemoryFileSystem::new(), &rows, &[]);
    let mut cursor = table.cursor(ReadTier::Disk, true, Some((200, 210)));
    let mut seen = Vec::new();
    cursor.seek_first().unwrap();
    while cursor.valid() {
        seen.push(cursor.sequence() - 100);
        cursor.next().unwrap();
    }
    assert!((200..=210).all(|number| seen.contains(&number)));
    assert!(seen.len() < 60, "{} of 400 entries read", seen.len());
    cursor.seek_last().unwrap();
    assert_eq!(cursor.sequence() - 100, *seen.last().unwrap());
}

#[test]
fn range_deletes_widen_the_key_range_and_come_back() {
    let rows = random_rows(&mut Random::new(2), 20);
    let fs = MemoryFileSystem::new();
    let table = build(&fs, &rows, &[("a", "c", 105), ("b", "zzz", 110)]);
    assert_eq!(&table.properties().smallest[..], b"a");
    assert_eq!(&table.properties().largest[..], b"zzz");
    assert_eq!(table.range_deletes().covering(b"bb", Sequence::MAX), Some(110));
    assert_eq!(table.range_deletes().covering(b"bb", 109), Some(105));
    let alone = build(&fs, &[], &[("m", "n", 104)]);
    assert!(alone.get(b"m", Sequence::MAX, ReadTier::Disk, true).unwrap().is_none());
    let mut cursor = alone.cursor(ReadTier::Disk, true, None);
    cursor.seek_last().unwrap();
    assert!(!cursor.valid());
    cursor.seek_before(b"x", 0).unwrap();
    assert!(!cursor.valid());
}

#[test]
fn a_table_in_the_place_of_another_is_refused() {
    let fs = MemoryFileSystem::new();
    build(&fs, &random_rows(&mut Random::new(3), 20), &[]);
    let open = |table_id, database_id| {
        let file = fs.open_read(Path::new(PATH)).unwrap();
        Table::open(file, PATH.into(), place(table_id, database_id), |key| key, Arc::new(BlockCache::new(0)))
    };
    open(3, 77).unwrap();
    assert_eq!(open(4, 77).unwrap_err().kind(), ErrorKind::Corruption);
    assert_eq!(open(3, 78).unwrap_err().kind(), ErrorKind::Corruption);
}

#[test]
fn a_range_delete_keeps_a_table_from_expiring() {
    let rows =
        [Row { key: b"key001".to_vec(), sequence: 100, kind: Kind::Put, expiry: 5, value: Vec::new() }];
    for (range_deletes, expected) in [(&[][..], 5), (&[("a", "b", 101)][..], NEVER)] {
        let table = build(&MemoryFileSystem::new(), &rows, range_deletes);
        assert_eq!(table.properties().span.expiry_max, expected);
    }
}

#[test]
fn the_cache_keeps_what_is_read_again_and_gives_everything_back() {
    let fs = MemoryFileSystem::new();
    let blocks =
        build(&fs, &random_rows(&mut Random::new(1), 2_000), &[]).index(ReadTier::Disk).unwrap().len();
    let cache = Arc::new(BlockCache::new(56 << 10));
    let table = open_with(&fs, Arc::clone(&cache));
    let read = |number: usize| table.block(number, ReadTier::Disk, true).unwrap();
    let is_there = |number: usize| table.block(number, ReadTier::Memory, false).is_ok();
    let hot = 0..10;
    for _ in 0..2 {
        hot.clone().for_each(|number| drop(read(number)));
    }
    // Three times what fits, one after the other.
    for number in 10..blocks {
        read(number);
        let stats = cache.stats();
        assert!(stats.bytes <= stats.capacity_bytes, "{stats:?}");
    }
    assert!(cache.stats().blocks > 30, "{:?}", cache.stats());
    assert!(cache.stats().blocks * 2 < table.known_blocks(), "{:?} of {blocks}", cache.stats());
    assert!(hot.clone().all(is_there), "a scan drove out what is read again");
    // Read twice and never again, they have to go in the end, for more than fits and comes back soon
    // after it went.
    let more = hot.end..hot.end + usize::try_from(cache.stats().blocks).unwrap() * 3 / 2;
    for _ in 0..8 {
        more.clone().for_each(|number| drop(read(number)));
    }
    assert!(!hot.clone().all(is_there));
    drop(table);
    let stats = cache.stats();
    assert_eq!((stats.blocks, stats.bytes), (0, 0));
}

#[test]
fn an_index_tells_when_what_part_has_passed_by_rules_that_the_table_does_not_know() {
    let keep = |keep| Some(Retention { keep, bucket: 10 });
    for seed in 1..200 {
        let mut random = Random::new(seed);
        let count = 1 + random.below(300);
        let rows = random_rows(&mut random, count);
        let table = build(&MemoryFileSystem::new(), &rows, &[]);
        let mut prefix = || {
            (format!("key{}", random.below(20)).into_bytes(), [None, keep(100), keep(500)][random.below(3)])
        };
        let by_prefix = std::collections::BTreeMap::from([prefix(), prefix()]);
        let rules = RetentionRules::new(keep(200), &by_prefix.into_iter().collect::<Vec<_>>()).unwrap();
        let forgotten = ByKey::by_prefix(i64::MIN, &[(b"key1".to_vec(), random.below(200) as i64)]);
        let end = |row: &Row| {
            let time = (options().block_property)(&row.key).unwrap();
            let is_gone = time < forgotten.at(&row.key);
            if is_gone { i64::MIN } else { rules.at(&row.key).map_or(NEVER, |it| it.end_of(time)) }
        };
        let latest = rows.iter().map(end).max().unwrap();
        match table.kept_by(&rules, &forgotten).unwrap() {
            Some(kept) => assert!(kept.are_by(&rules) && kept.last() >= latest, "seed {seed}"),
            None => assert!(rules.digest().is_none(), "seed {seed}"),
        }
    }
}

#[test]
fn blocks_that_rules_do_not_divide_are_judged_as_their_entries_are() {
    let fs = MemoryFileSystem::new();
    let rows: Vec<_> = (0..800u64)
        .map(|n| Row {
            key: format!("key{n:03}").into_bytes(),
            sequence: 100 + n,
            kind: Kind::Put,
            expiry: NEVER,
            value: vec![b'v'; 20],
        })
        .collect();
    let table = build(&fs, &rows, &[]);
    let ten = Some(Retention { keep: 10, bucket: 10 });
    let rules = RetentionRules::new(None, &[(b"key0".to_vec(), ten), (b"key1".to_vec(), ten)]).unwrap();
    let kept = table.kept_by(&rules, &ByKey::all(i64::MIN)).unwrap().unwrap();
    // A quarter has an end, but for a block at the border.
    assert_eq!((kept.time_of(3).is_some(), kept.time_of(5), kept.last()), (true, None, NEVER));
    assert!((170..=190).contains(&kept.time_of(3).unwrap()), "{kept:?}");
    let kept = table.kept_by(&rules, &ByKey::all(400)).unwrap().unwrap();
    assert_eq!((kept.time_of(7), kept.time_of(9)), (Some(i64::MIN), None), "half of it is gone already");
    let only_deletes = build(&fs, &[], &[("a", "b", 100)]);
    assert_eq!(only_deletes.kept_by(&rules, &ByKey::all(0)).unwrap(), None);
}
