//! What iterators and compactions show, against what the history of all operations says by definition.

use super::testing::{History, KEYS, RangeDelete, Rng, TIMES, VecCursor};
use super::*;
use crate::cache::BlockCache;
use crate::error::ErrorKind;
use crate::format::NEVER;
use crate::fs::{FileSystem, MemoryFileSystem};
use crate::key::TreeId;
use crate::key::{Entry, compare};
use crate::key::{Kind, Sequence};
use crate::memtable::Memtable;
use crate::options::Compression;
use crate::options::ReadTier;
use crate::table::{Placement, Table, TableBuilder, TableOptions};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

type Visible = BTreeMap<Vec<u8>, Entry>;

fn sorted(mut points: Vec<Entry>) -> Vec<Entry> {
    points.sort_by(|a, b| compare(&a.key, a.sequence, &b.key, b.sequence));
    points
}

fn memtable(history: &History) -> Arc<Memtable> {
    let as_entry = |range: &RangeDelete| {
        let (key, value) = (range.start.clone(), range.end.clone());
        Entry { key, sequence: range.sequence, kind: Kind::DeleteRange, expiry: NEVER, value }
    };
    let mut entries: Vec<_> =
        history.points.iter().cloned().chain(history.ranges.iter().map(as_entry)).collect();
    entries.sort_by_key(|entry| entry.sequence);
    let memtable = Memtable::new();
    entries.into_iter().for_each(|entry| memtable.insert_entry(&entry));
    Arc::new(memtable)
}

/// Tables that do not overlap, each with all versions of its keys.
fn level(rng: &mut Rng, history: &History) -> LevelCursor {
    let cache = Arc::new(BlockCache::new(1 << 16));
    let mut tables = Vec::new();
    let mut rest = &sorted(history.points.clone())[..];
    while !rest.is_empty() {
        let last = &rest[rng.index(rest.len())].key;
        let (table, behind) = rest.split_at(rest.partition_point(|entry| entry.key <= last));
        let border = behind.first().filter(|_| rng.below(2) == 0);
        tables.push(table_up_to(table, border.map(|entry| &entry.key), Arc::clone(&cache)));
        rest = behind;
    }
    LevelCursor::new(tables, ReadTier::Disk, true, None)
}

/// A run of any kind with these operations.
fn source(rng: &mut Rng, history: &History) -> (Box<dyn Cursor>, Arc<RangeDeletes>) {
    let ranges =
        Arc::new(RangeDeletes::from_tombstones(history.ranges.iter().cloned().map(Into::into).collect()));
    match rng.below(4) {
        0 => {
            let memtable = memtable(history);
            (Box::new(memtable.cursor()), memtable.range_deletes())
        }
        1 => (Box::new(level(rng, history)), ranges),
        2 if !history.points.is_empty() => {
            let table = table_of(&sorted(history.points.clone()), Arc::new(BlockCache::new(1 << 16)));
            (Box::new(table.cursor(ReadTier::Disk, true, None)), ranges)
        }
        _ => (Box::new(VecCursor::new(history.points.clone())), ranges),
    }
}

fn merged(rng: &mut Rng, history: &History) -> (Box<dyn Cursor>, Vec<Arc<RangeDeletes>>) {
    let count = 1 + rng.index(4);
    let (cursors, ranges) = history.split(rng, count).iter().map(|part| source(rng, part)).unzip();
    (Box::new(MergeCursor::new(cursors)), ranges)
}

/// What a reader takes: a merge of the runs of reads.
fn alone(cursor: Box<dyn Cursor>) -> MergeCursor<Run> {
    MergeCursor::new(vec![Run::Other(cursor)])
}

fn bound(rng: &mut Rng) -> Bound<Bytes> {
    let key = Bytes::from(vec![rng.byte(KEYS + 2)]);
    match rng.below(3) {
        0 => Bound::Included(key),
        1 => Bound::Excluded(key),
        _ => Bound::Unbounded,
    }
}

fn within(visible: Visible, (lower, upper): &(Bound<Bytes>, Bound<Bytes>)) -> Visible {
    let above = |key: &[u8]| match lower {
        Bound::Included(lower) => key >= lower,
        Bound::Excluded(lower) => key > lower,
        Bound::Unbounded => true,
    };
    let below = |key: &[u8]| match upper {
        Bound::Included(upper) => key <= upper,
        Bound::Excluded(upper) => key < upper,
        Bound::Unbounded => true,
    };
    visible.into_iter().filter(|(key, _)| above(key) && below(key)).collect()
}

fn shown(iterator: &DbIterator) -> Option<Entry> {
    iterator.valid().then(|| Entry {
        key: Bytes::copy_from_slice(iterator.key()),
        sequence: iterator.sequence(),
        kind: Kind::Put,
        expiry: iterator.expiry(),
        value: iterator.shared_value().unwrap(),
    })
}

/// Moves iterator and model alike.
fn step(rng: &mut Rng, iterator: &mut DbIterator, model: &Visible, at: Option<Entry>) -> Option<Entry> {
    let key = vec![rng.byte(KEYS + 2)];
    let first = |mut range: std::collections::btree_map::Range<'_, Vec<u8>, Entry>| {
        range.next().map(|(_, e)| e.clone())
    };
    let last = |mut range: std::collections::btree_map::Range<'_, Vec<u8>, Entry>| {
        range.next_back().map(|(_, e)| e.clone())
    };
    match (rng.below(16), at) {
        (0, _) => {
            iterator.seek_first().unwrap();
            first(model.range::<Vec<u8>, _>(..))
        }
        (1, _) => {
            iterator.seek_last().unwrap();
            last(model.range::<Vec<u8>, _>(..))
        }
        (2, _) => {
            iterator.seek(&key).unwrap();
            first(model.range(key..))
        }
        (3, _) => {
            iterator.seek_back(&key).unwrap();
            last(model.range(..=key))
        }
        (4..10, Some(at)) => {
            iterator.next().unwrap();
            first(model.range::<[u8], _>((Bound::Excluded(&at.key[..]), Bound::Unbounded)))
        }
        (_, Some(at)) => {
            iterator.prev().unwrap();
            last(model.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(&at.key[..]))))
        }
        (_, None) => None,
    }
}

#[test]
fn random_walks_show_what_the_history_says() {
    for seed in 1..1500 {
        let mut rng = Rng::new(seed);
        let operations = rng.below(120);
        let history = History::random(&mut rng, operations);
        let (snapshot, now) = (rng.below(operations + 2), rng.below(TIMES) as i64);
        let bounds = (bound(&mut rng), bound(&mut rng));
        let model = within(history.visible(snapshot, now), &bounds);
        let (cursor, ranges) = merged(&mut rng, &history);
        let mut iterator = DbIterator::new(alone(cursor), ranges, snapshot, now.into(), bounds, Box::new(()));
        let mut expected = None;
        for _ in 0..60 {
            expected = step(&mut rng, &mut iterator, &model, expected);
            assert_eq!(shown(&iterator), expected, "seed {seed}");
        }
    }
}

/// All entries in this direction, by an iterator that passes `passes_max` hidden ones at a time; how often
/// it was spent.
fn pages(
    iterator: &mut DbIterator,
    direction: Direction,
    passes_max: u64,
) -> (Vec<(Vec<u8>, Sequence)>, usize) {
    let (mut found, mut pauses) = (Vec::new(), 0);
    let mut passed: Option<Vec<u8>> = None;
    loop {
        iterator.limit(passes_max);
        let placed = match (&passed, direction) {
            (None, Direction::Forward) => iterator.seek_first(),
            (None, Direction::Backward) => iterator.seek_last(),
            (Some(key), Direction::Forward) => iterator.seek(key),
            (Some(key), Direction::Backward) => iterator.seek_back(key),
        };
        let moved = placed.and_then(|()| match direction {
            _ if !iterator.valid() || passed.as_deref() != Some(iterator.key()) => Ok(()),
            Direction::Forward => iterator.next(),
            Direction::Backward => iterator.prev(),
        });
        if moved.is_ok() && !iterator.valid() {
            return (found, pauses);
        }
        let key = if moved.is_ok() { iterator.key() } else { iterator.passed_key() }.to_vec();
        let gets_on = passed.as_ref().is_none_or(|passed| match direction {
            Direction::Forward => *passed < key,
            Direction::Backward => key < *passed,
        });
        assert!(gets_on, "{passed:?}, then {key:?}");
        match moved {
            Ok(()) => found.push((key.clone(), iterator.sequence())),
            Err(_) => {
                assert!(iterator.is_spent());
                pauses += 1;
            }
        }
        passed = Some(key);
    }
}

#[test]
fn however_few_entries_are_passed_at_a_time_each_is_shown_once() {
    let mut pauses = 0;
    for seed in 1..3000 {
        let mut rng = Rng::new(seed);
        let operations = rng.below(120);
        let history = History::random(&mut rng, operations);
        let (snapshot, now) = (rng.below(operations + 2), rng.below(TIMES) as i64);
        let model = history.visible(snapshot, now);
        let mut expected: Vec<_> = model.iter().map(|(key, entry)| (key.clone(), entry.sequence)).collect();
        let (cursor, ranges) = merged(&mut rng, &history);
        let bounds = (Bound::Unbounded, Bound::Unbounded);
        let mut iterator = DbIterator::new(alone(cursor), ranges, snapshot, now.into(), bounds, Box::new(()));
        for direction in [Direction::Forward, Direction::Backward] {
            let passes_max = 1 + rng.below(10);
            let (found, paused) = pages(&mut iterator, direction, passes_max);
            assert_eq!(found, expected, "seed {seed}, {direction:?}, {passes_max} at a time");
            expected.reverse();
            pauses += paused;
        }
    }
    assert!(pauses > 1000, "{pauses}");
}

/// Where a cursor is.
fn place(cursor: &dyn Cursor) -> Option<(Vec<u8>, Sequence)> {
    cursor.valid().then(|| (cursor.key().to_vec(), cursor.sequence()))
}

/// Entries from the cursor's on, in the direction it goes.
fn rest(cursor: &mut dyn Cursor, direction: Direction) -> Vec<(Vec<u8>, Sequence)> {
    let mut rest = Vec::new();
    while let Some(at) = place(cursor) {
        rest.push(at);
        match direction {
            Direction::Forward => cursor.next().unwrap(),
            Direction::Backward => cursor.prev().unwrap(),
        }
    }
    rest
}

/// Whatever a run is asked to skip, it leaves out nothing but what is older and on this side of the edge.
#[test]
fn skipping_leaves_out_only_what_is_of_no_interest() {
    let mut moved = 0;
    for seed in 1..4000 {
        let mut rng = Rng::new(seed);
        let operations = 20 + rng.below(80);
        let mut history = History::random(&mut rng, operations);
        if history.ranges.is_empty() {
            continue;
        }
        let sequence = history.ranges[rng.index(history.ranges.len())].sequence;
        // The older half first, so that some runs hold nothing newer.
        let middle = operations / 2;
        let older = |sequence: Sequence| sequence <= middle;
        let first = History {
            points: history.points.extract_if(.., |point| older(point.sequence)).collect(),
            ranges: history.ranges.extract_if(.., |range| older(range.sequence)).collect(),
        };
        let mut all: Vec<_> = first.points.iter().chain(&history.points).cloned().collect();
        all = sorted(all);
        let cursors = vec![source(&mut rng, &first).0, merged(&mut rng, &history).0];
        let mut cursor = MergeCursor::new(cursors);

        let direction = if rng.below(2) == 0 { Direction::Forward } else { Direction::Backward };
        let edge = [rng.byte(KEYS + 2)];
        let is_before_edge = |key: &[u8]| match direction {
            Direction::Forward => *key < edge[..],
            Direction::Backward => *key >= edge[..],
        };
        let mut expected: Vec<_> = all.iter().map(|entry| (entry.key.to_vec(), entry.sequence)).collect();
        let steps = rng.index(all.len() + 1);
        match direction {
            Direction::Forward => cursor.seek_first().unwrap(),
            Direction::Backward => {
                expected.reverse();
                cursor.seek_last().unwrap();
            }
        }
        for _ in 0..steps.min(all.len().saturating_sub(1)) {
            match direction {
                Direction::Forward => cursor.next().unwrap(),
                Direction::Backward => cursor.prev().unwrap(),
            }
            expected.remove(0);
        }
        if !cursor.valid() || !is_before_edge(cursor.key()) {
            continue;
        }
        let before = place(&cursor);
        let has_moved = cursor.skip_older(&edge, sequence, direction).unwrap();
        assert!(has_moved || place(&cursor) == before, "seed {seed}");
        moved += u32::from(has_moved);
        let rest = rest(&mut cursor, direction);
        let mut kept = rest.iter().peekable();
        for (key, number) in expected {
            if kept.next_if(|(k, n)| *k == key && *n == number).is_none() {
                assert!(has_moved && number < sequence && is_before_edge(&key), "seed {seed}");
            }
        }
        assert_eq!(kept.next(), None, "seed {seed}: out of order");
    }
    assert!(moved > 500, "{moved} times moved");
}

/// Counts what is asked of a run.
struct Counting(Box<dyn Cursor>, Arc<AtomicUsize>);

impl Counting {
    fn count(&mut self) -> &mut dyn Cursor {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_mut()
    }
}

impl Cursor for Counting {
    fn seek_first(&mut self) -> crate::Result<()> {
        self.count().seek_first()
    }
    fn seek_last(&mut self) -> crate::Result<()> {
        self.count().seek_last()
    }
    fn seek(&mut self, key: &[u8], sequence: Sequence) -> crate::Result<()> {
        self.count().seek(key, sequence)
    }
    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> crate::Result<()> {
        self.count().seek_before(key, sequence)
    }
    fn next(&mut self) -> crate::Result<()> {
        self.count().next()
    }
    fn prev(&mut self) -> crate::Result<()> {
        self.count().prev()
    }
    fn skip_older(&mut self, edge: &[u8], sequence: Sequence, direction: Direction) -> crate::Result<bool> {
        self.count().skip_older(edge, sequence, direction)
    }
    fn valid(&self) -> bool {
        self.0.valid()
    }
    fn key(&self) -> &[u8] {
        self.0.key()
    }
    fn sequence(&self) -> Sequence {
        self.0.sequence()
    }
    fn kind(&self) -> Kind {
        self.0.kind()
    }
    fn expiry(&self) -> i64 {
        self.0.expiry()
    }
    fn value(&self) -> Bytes {
        self.0.value()
    }
    fn value_bytes(&self) -> &[u8] {
        self.0.value_bytes()
    }
}

/// 5000 entries from key 1 to key 2, which are cleared, and newer ones before, among and behind them.
fn cleared() -> (History, History) {
    let key = |n: u64| [&[1][..], &n.to_be_bytes()].concat();
    let old = History { points: (0..5000).map(|n| put(key(n), n + 1)).collect(), ranges: Vec::new() };
    let clear = RangeDelete { start: vec![1].into(), end: vec![2].into(), sequence: 8000 };
    let among = [put(key(1000), 9001), put(key(1000), 9002), put([key(3000), vec![0]].concat(), 9003)];
    let points = [vec![put(vec![0], 9000)], among.into(), vec![put(vec![3], 9004)]].concat();
    (old, History { points, ranges: vec![clear] })
}

/// What a snapshot sees from front to back and from back to front, and the calls it took.
fn read_counted(
    (old, new): (Box<dyn Cursor>, Box<dyn Cursor>),
    ranges: Vec<Arc<RangeDeletes>>,
    snapshot: Sequence,
) -> (Vec<Sequence>, Vec<Sequence>, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = |cursor| Box::new(Counting(cursor, Arc::clone(&calls))) as Box<dyn Cursor>;
    let cursor = Box::new(MergeCursor::new(vec![counting(old), counting(new)]));
    let bounds = (Bound::Unbounded, Bound::Unbounded);
    let mut iterator = DbIterator::new(alone(cursor), ranges, snapshot, 0.into(), bounds, Box::new(()));
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    iterator.seek_first().unwrap();
    while iterator.valid() {
        forward.push(iterator.sequence());
        iterator.next().unwrap();
    }
    iterator.seek_last().unwrap();
    while iterator.valid() {
        backward.push(iterator.sequence());
        iterator.prev().unwrap();
    }
    (forward, backward, calls.load(Ordering::Relaxed))
}

/// A key with many versions costs a reader, in both directions and at any moment, no walk through
/// all of them.
#[test]
fn versions_that_are_not_seen_are_passed_over_in_few_steps() {
    let versions = 5_000;
    let old = History { points: vec![put(vec![0], 1), put(vec![2], 2)], ranges: Vec::new() };
    let new = History { points: (3..=versions).map(|n| put(vec![1], n)).collect(), ranges: Vec::new() };
    for snapshot in [3, versions / 2, versions, Sequence::MAX] {
        for seed in 0..8 {
            let sources = [&old, &new].map(|history| source(&mut Rng::new(seed), history).0);
            let (forward, backward, calls) = read_counted(sources.into(), Vec::new(), snapshot);
            assert_eq!(forward, [1, snapshot.min(versions), 2]);
            assert_eq!(backward, [2, snapshot.min(versions), 1]);
            assert!(calls < 200, "{calls} calls at {snapshot}");
        }
    }
}

/// After a store was cleared, reading it must not walk through everything that was in it, wherever that is.
#[test]
fn cleared_entries_are_passed_over_in_few_steps() {
    let (old, new) = cleared();
    let both =
        History { points: [old.points.clone(), new.points.clone()].concat(), ranges: new.ranges.clone() };
    let level = level(&mut Rng::new(1), &old);
    let table = table_of(&old.points, Arc::new(BlockCache::new(0)));
    let nothing = || Box::new(VecCursor::new(Vec::new())) as Box<dyn Cursor>;
    let runs: [(Box<dyn Cursor>, Box<dyn Cursor>); 4] = [
        (Box::new(table.cursor(ReadTier::Disk, false, None)), Box::new(memtable(&new).cursor())),
        (Box::new(level), Box::new(VecCursor::new(new.points.clone()))),
        (Box::new(memtable(&old).cursor()), Box::new(VecCursor::new(new.points.clone()))),
        (Box::new(memtable(&both).cursor()), nothing()),
    ];
    let ranges = vec![memtable(&new).range_deletes()];
    for (index, run) in runs.into_iter().enumerate() {
        let (forward, backward, calls) = read_counted(run, ranges.clone(), 9999);
        assert_eq!(forward, [9000, 9002, 9003, 9004], "run {index}");
        assert_eq!(backward, [9004, 9003, 9002, 9000], "run {index}");
        assert!(calls < 60, "run {index}: {calls} calls");
    }
    for snapshot in [5000, 7999] {
        let run = (Box::new(memtable(&both).cursor()) as _, nothing());
        let (forward, backward, _) = read_counted(run, ranges.clone(), snapshot);
        assert!(forward.into_iter().eq(1..=5000) && backward.into_iter().eq((1..=5000).rev()));
    }
}

#[test]
fn a_compaction_does_not_read_what_was_cleared() {
    for (snapshots, kept, most) in [(vec![9999], 5, 40), (vec![5, 9999], 10, usize::MAX)] {
        let (old, new) = cleared();
        let calls = Arc::new(AtomicUsize::new(0));
        let table = table_of(&old.points, Arc::new(BlockCache::new(0)));
        let old = Counting(Box::new(table.cursor(ReadTier::Disk, false, None)), Arc::clone(&calls));
        let new = memtable(&new);
        let cursor = MergeCursor::new(vec![Box::new(old) as Box<dyn Cursor>, Box::new(new.cursor())]);
        let policy = CompactionPolicy {
            snapshots,
            now: 0,
            forgotten: None,
            bottom: Box::new(|_| true),
            bottom_range: Box::new(|_, _| true),
        };
        let mut iterator = CompactionIter::new(Box::new(cursor), vec![new.range_deletes()], policy).unwrap();
        let mut count = 0;
        while iterator.valid() {
            count += 1;
            iterator.next().unwrap();
        }
        // The second of two versions of a key goes too.
        assert_eq!(count, kept - 1);
        assert!(calls.load(Ordering::Relaxed) < most, "{calls:?}");
    }
}

#[test]
fn repeated_range_deletes_become_one_for_each_stripe() {
    let clear = |sequence| RangeDelete { start: vec![1].into(), end: vec![2].into(), sequence };
    let other = RangeDelete { end: vec![3].into(), ..clear(11) };
    let ranges = (1..=10).map(clear).chain([other, clear(Sequence::MAX)]).collect();
    let history = History { points: Vec::new(), ranges };
    let sequences = |bottom| {
        let (kept, _) = compact(&mut Rng::new(1), &history, &[4], 0, bottom);
        kept.ranges.iter().map(|range| range.sequence).collect::<Vec<_>>()
    };
    // The last one is newer than the present was when the work began.
    assert_eq!(sequences(0), [Sequence::MAX, 10, 4, 11]);
    assert_eq!(sequences(2), [Sequence::MAX, 10, 11]);
}

fn put(key: Vec<u8>, sequence: Sequence) -> Entry {
    Entry { key: Bytes::from(key), sequence, kind: Kind::Put, expiry: NEVER, value: Bytes::new() }
}
#[test]
fn a_malformed_pointer_to_a_value_is_corruption() {
    let pointer = Entry { kind: Kind::PutPointer, ..put(vec![1], 1) };
    let bounds = (Bound::Unbounded, Bound::Unbounded);
    let cursor = Box::new(VecCursor::new(vec![pointer]));
    let mut iterator = DbIterator::new(alone(cursor), Vec::new(), 9, 0.into(), bounds, Box::new(()));
    iterator.seek_first().unwrap();
    assert_eq!(iterator.inline_value(), None);
    assert_eq!(iterator.shared_value().unwrap_err().kind(), ErrorKind::Corruption);
    assert!(iterator.valid(), "a value that cannot be read is no reason not to go on");
}

/// Runs a compaction over what a merge of all parts of `history` holds.
fn compact(
    rng: &mut Rng,
    history: &History,
    snapshots: &[Sequence],
    now: i64,
    bottom: u8,
) -> (History, Option<i64>) {
    let (cursor, ranges) = merged(rng, history);
    let mut all = snapshots.to_vec();
    all.push(Sequence::MAX - 1);
    let policy = CompactionPolicy {
        snapshots: all,
        now,
        forgotten: None,
        bottom: Box::new(move |key| key[0] < bottom),
        bottom_range: Box::new(move |_, end| end[0] <= bottom),
    };
    let mut iterator = CompactionIter::paused(cursor, ranges.clone(), policy).unwrap();
    let mut kept = History::default();
    while !iterator.is_at_end() {
        let drops_max = rng.below(4);
        if !iterator.valid() {
            assert!(iterator.step(drops_max).unwrap() <= drops_max);
            continue;
        }
        kept.points.push(Entry {
            key: Bytes::copy_from_slice(iterator.key()),
            sequence: iterator.sequence(),
            kind: iterator.kind(),
            expiry: iterator.expiry(),
            value: Bytes::copy_from_slice(iterator.value_bytes()),
        });
        assert!(iterator.step(drops_max).unwrap() <= drops_max);
    }
    kept.ranges = iterator
        .kept_range_deletes()
        .into_iter()
        .map(|(start, end, sequence)| RangeDelete { start, end, sequence })
        .collect();
    (kept, iterator.purged_at())
}

#[test]
fn compaction_changes_nothing_that_a_snapshot_shows() {
    for seed in 1..3000 {
        let mut rng = Rng::new(seed);
        let operations = 1 + rng.below(100);
        let history = History::random(&mut rng, operations);
        // Beneath the inputs there are older operations, though not for keys below `bottom`.
        let beneath_until = rng.below(operations);
        let bottom = if rng.below(4) == 0 { KEYS + 8 } else { rng.byte(KEYS + 1) };
        let is_beneath = |key: u8, sequence| key >= bottom && sequence <= beneath_until;
        let (mut beneath, mut inputs) = (History::default(), History::default());
        for point in &history.points {
            let part = if is_beneath(point.key[0], point.sequence) { &mut beneath } else { &mut inputs };
            part.points.push(point.clone());
        }
        for range in &history.ranges {
            let part = if is_beneath(range.start[0], range.sequence) { &mut beneath } else { &mut inputs };
            part.ranges.push(range.clone());
        }
        let mut snapshots: Vec<_> = (0..rng.below(4)).map(|_| rng.below(operations + 1)).collect();
        snapshots.sort_unstable();
        let now = rng.below(TIMES) as i64;
        let (mut after, purged) = compact(&mut rng, &inputs, &snapshots, now, bottom);
        assert!(purged.is_none_or(|purged| purged == now));
        assert!(after.points.is_sorted_by(|a, b| compare(&a.key, a.sequence, &b.key, b.sequence).is_lt()));
        let kept = after.points.len();
        after.points.extend(beneath.points);
        after.ranges.extend(beneath.ranges);
        for snapshot in snapshots.iter().copied().chain([operations, operations + 5]) {
            for now in now..TIMES as i64 {
                let (before, after) = (history.visible(snapshot, now), after.visible(snapshot, now));
                assert_eq!(before, after, "seed {seed}, snapshot {snapshot}, now {now}");
            }
        }
        if snapshots.is_empty() && bottom > KEYS {
            assert_eq!(kept, history.visible(operations, now).len(), "seed {seed}: garbage was kept");
        }
    }
}

#[test]
fn expired_puts_become_deletes_until_they_reach_the_bottom() {
    let expired = Entry { expiry: 5, ..put(vec![1], 3) };
    let history = History { points: vec![expired], ranges: Vec::new() };
    let rng = &mut Rng::new(1);
    let (kept, purged) = compact(rng, &history, &[], 4, 0);
    assert_eq!((kept.points.len(), purged), (1, None), "not yet");
    assert_eq!(kept.points[0].kind, Kind::Put);
    let (kept, purged) = compact(rng, &history, &[], 5, 0);
    assert_eq!((kept.points[0].kind, kept.points[0].sequence, purged), (Kind::Delete, 3, Some(5)));
    let (kept, _) = compact(rng, &history, &[2], 5, 9);
    assert_eq!(kept.points.len(), 1, "a snapshot is older");
    let (kept, purged) = compact(rng, &history, &[3], 5, 9);
    assert_eq!((kept.points.len(), purged), (0, Some(5)));
}

fn table_of(entries: &[Entry], cache: Arc<BlockCache>) -> Arc<Table> {
    table_up_to(entries, None, cache)
}

/// With a range delete that was cut at the border to the next table.
fn table_up_to(entries: &[Entry], border: Option<&Bytes>, cache: Arc<BlockCache>) -> Arc<Table> {
    let start = entries.last().map(|entry| entry.key.clone()).unwrap_or_default();
    let ranges: Vec<_> = border.iter().map(|border| (start.clone(), Bytes::clone(border), 1)).collect();
    table_with(entries, &ranges, cache, |_| None)
}

fn table_with(
    entries: &[Entry],
    ranges: &[super::RangeDelete],
    cache: Arc<BlockCache>,
    block_property: crate::options::BlockProperty,
) -> Arc<Table> {
    let fs = MemoryFileSystem::default();
    let path = Path::new("/t");
    let options = TableOptions {
        table_id: 3,
        database_id: 7,
        tree: TreeId(1),
        base: 1,
        block_bytes: 128,
        compression: Compression::None,
        filter_bits_per_key: 10,
        filter_key: |k| k,
        block_property,
        retention: crate::retention::RetentionRules::default(),
    };
    let mut builder = TableBuilder::new(fs.create(path).unwrap(), path.into(), options);
    for e in entries {
        builder.add(&e.key, e.sequence, e.kind, e.expiry, &e.value).unwrap();
    }
    for (start, end, sequence) in ranges {
        builder.add_range_delete(start, end, *sequence);
    }
    builder.finish().unwrap();
    Table::open(
        fs.open_read(path).unwrap(),
        path.into(),
        Placement { table_id: 3, database_id: 7, base: None },
        |k| k,
        cache,
    )
    .unwrap()
}

#[test]
fn property_walk_ends() {
    // Key 1 is unwanted, has many versions over several blocks; key 2 is wanted and shares a block with the
    // last of them.
    for versions in 20..60u64 {
        let mut entries: Vec<_> = (1..=versions).rev().map(|s| put(vec![1; 8], s)).collect();
        entries.push(put(vec![2; 8], 100));
        let table = table_with(&entries, &[], Arc::new(BlockCache::new(1 << 16)), |key| Some(key[0].into()));
        let cursor = Box::new(table.cursor(ReadTier::Disk, true, Some((2, 2))));
        let mut iterator = DbIterator::new(
            alone(cursor),
            Vec::new(),
            1000,
            0.into(),
            (Bound::Unbounded, Bound::Unbounded),
            Box::new(()),
        );
        let mut steps = 0;
        iterator.seek_first().unwrap();
        while iterator.valid() {
            steps += 1;
            assert!(steps < 10, "versions {versions}: {:?}", iterator);
            iterator.next().unwrap();
        }
        assert!(steps > 0);
    }
}
