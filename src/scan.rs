//! A scan in progress; one page of entries per crossing. Integers are little-endian.
//!
//! ```text
//! request = u8 tree, u8 flags, i64 first timestamp, i64 last timestamp, u32 length, lower bound or prefix, u32 length, upper bound
//! page    = u8 flags, entry*          flags: 1 if it is the last, 2 if all keys are ASCII
//! entry   = u32 key length, u32 record length, [i64 timestamp], key, record
//! ```

use crate::error;
use crate::holds::{Hold, Holds};
use crate::operations::Fields;
use crate::records::Records;
use crate::task::{self, Work};
use bytes::Bytes;
use flowdb_engine::{Error, ErrorKind, ReadTier, Result};
use flowdb_store::kv::KvScan;
use flowdb_store::series::{NewestOfEach, SeriesScan, Window};
use flowdb_store::{Direction, KeyRange, PageEnd, PageLimits, Shape};
use napi::bindgen_prelude::{AsyncTask, BufferSlice, Env};
use napi_derive::napi;
use parking_lot::Mutex;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const TREE_KV: u8 = 1;
const TREE_SERIES: u8 = 2;

const REVERSE: u8 = 1;
const KEYS_ONLY: u8 = 2;
const PREFIX: u8 = 4;
const HAS_LOWER: u8 = 8;
const LOWER_OPEN: u8 = 16;
const HAS_UPPER: u8 = 32;
const UPPER_OPEN: u8 = 64;

const LAST: u8 = 1;
const ASCII: u8 = 2;

/// Room for this many bytes of each entry, at first.
const ENTRY_BYTES: usize = 128;

/// A scan, which holds a snapshot until it is dropped or closed.
#[napi]
pub struct RecordScan {
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Locked by a worker while it reads a page.
    place: Mutex<Place>,
    /// A page that is to be read ahead; `None` once someone has begun to read it. Locked for moments only,
    /// after `place` where both are.
    wanted: Mutex<Option<PageLimits>>,
    /// A worker is asked to read ahead, and has not begun.
    asked: AtomicBool,
    closed: AtomicBool,
}

#[derive(Default)]
struct Place {
    /// `None` once closed.
    scan: Option<Scan>,
    /// The next page, read ahead.
    ahead: Option<Result<Vec<u8>>>,
}

#[napi]
impl RecordScan {
    pub(crate) fn new(records: &Records, request: &[u8]) -> Result<Self> {
        Scan::new(records, request).map(Self::of)
    }

    /// The newest point of each series, at or before the last timestamp that is asked for. Only workers give
    /// pages of it.
    pub(crate) fn of_newest(records: &Records, request: &[u8]) -> Result<Self> {
        let Request { range, window, direction, .. } = Request::read(request)?;
        let newest = records.series().each_at(&range, window.last, direction)?;
        Ok(Self::of(Scan { source: Source::Newest(newest), keys_only: false }))
    }

    /// Has it closed with its handle.
    pub(crate) fn join(&self, holds: &Holds) {
        holds.add(&self.progress);
    }

    fn of(scan: Scan) -> Self {
        let place = Place { scan: Some(scan), ahead: None };
        RecordScan { progress: Arc::new(Progress { place: Mutex::new(place), ..Progress::default() }) }
    }

    /// The next page, from memory, or as it was read ahead; null if that does not suffice, or if it is
    /// being read ahead.
    #[napi]
    pub fn next<'env>(
        &self,
        env: &'env Env,
        count: u32,
        bytes: u32,
    ) -> napi::Result<Option<BufferSlice<'env>>> {
        let page = match self.progress.place.try_lock() {
            Some(mut place) => self.progress.page(&mut place, ReadTier::Memory, limits(count, bytes)),
            None => Err(Error::would_block()),
        };
        match page {
            Ok(page) => BufferSlice::copy_from(env, page).map(Some),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error::to_js(env, &error)),
        }
    }

    /// The next page, read by a worker.
    #[napi]
    pub fn next_later(&self, count: u32, bytes: u32) -> AsyncTask<Work<Vec<u8>>> {
        let progress = Arc::clone(&self.progress);
        task::run(move || progress.work(|place| progress.page(place, ReadTier::Disk, limits(count, bytes))))
    }

    /// Has a worker read the next page while the present one is used. It has to be asked for with
    /// the same bounds.
    #[napi]
    pub fn read_ahead(&self, env: Env, count: u32, bytes: u32) -> napi::Result<()> {
        *self.progress.wanted.lock() = Some(limits(count, bytes));
        if self.progress.asked.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let progress = Arc::clone(&self.progress);
        task::spawn(&env, move || {
            progress.asked.store(false, Ordering::SeqCst);
            progress.work(|place| progress.read_ahead(place));
        })
    }

    /// Goes past so many entries, on a worker: u8 1 if these were the last, u32 how many they were.
    #[napi]
    pub fn count_later(&self, count: u32) -> AsyncTask<Work<Vec<u8>>> {
        let progress = Arc::clone(&self.progress);
        task::run(move || {
            let (count, end) = progress.work(|place| open(&mut place.scan)?.count(count as usize))?;
            let mut answer = vec![u8::from(end == PageEnd::Done)];
            answer.extend_from_slice(&count.to_le_bytes());
            Ok(answer)
        })
    }

    /// Lets go of the snapshot. A page that is being read is finished first, by its worker.
    #[napi]
    pub fn close(&self) {
        self.progress.let_go();
    }
}

impl Hold for Progress {
    fn let_go(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.clear();
    }
}

impl Progress {
    fn page(&self, place: &mut Place, tier: ReadTier, limits: PageLimits) -> Result<Vec<u8>> {
        let page = place.ahead.take().unwrap_or_else(|| open(&mut place.scan)?.page(tier, limits));
        if !would_block(&page) {
            // A worker that comes too late to read ahead leaves it.
            *self.wanted.lock() = None;
        }
        page
    }

    /// What is in memory is read as if on the JS thread, so that this can go on without a worker: a scan that
    /// has read files once does not go back.
    fn read_ahead(&self, place: &mut Place) {
        let wanted = self.wanted.lock().take();
        if let (Some(limits), Some(scan)) = (wanted, &mut place.scan) {
            let page = task::guarded(|| scan.page(ReadTier::Memory, limits));
            let page =
                if would_block(&page) { task::guarded(|| scan.page(ReadTier::Disk, limits)) } else { page };
            place.ahead = Some(page);
        }
    }

    /// Does work on a worker. A scan that is closed meanwhile is let go of behind it.
    fn work<T>(&self, work: impl FnOnce(&mut Place) -> T) -> T {
        let result = work(&mut self.place.lock());
        if self.closed.load(Ordering::SeqCst) {
            self.clear();
        }
        result
    }

    fn clear(&self) {
        if let Some(mut place) = self.place.try_lock() {
            *place = Place::default();
        }
    }
}

fn would_block<T>(result: &Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn limits(count: u32, bytes: u32) -> PageLimits {
    PageLimits { count: count as usize, bytes: bytes as usize }
}

fn open(scan: &mut Option<Scan>) -> Result<&mut Scan> {
    scan.as_mut().ok_or_else(|| Error::new(ErrorKind::Closed, "the scan is closed"))
}

struct Scan {
    source: Source,
    keys_only: bool,
}

enum Source {
    Kv(KvScan),
    Series(SeriesScan),
    Newest(NewestOfEach),
}

/// What a scan is asked for.
pub(crate) struct Request {
    pub(crate) shape: Shape,
    pub(crate) range: KeyRange,
    pub(crate) window: Window,
    direction: Direction,
    keys_only: bool,
}

impl Request {
    pub(crate) fn read(request: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(request);
        let (tree, flags) = (fields.u8()?, fields.u8()?);
        let window = Window { first: fields.i64()?, last: fields.i64()? };
        let range = range(flags, fields.sized()?, fields.sized()?);
        let shape = match tree {
            TREE_KV => Shape::Kv,
            TREE_SERIES => Shape::Series,
            _ => return Err(Error::invalid(format!("there is no tree {tree} to scan"))),
        };
        let direction = if flags & REVERSE != 0 { Direction::Backward } else { Direction::Forward };
        Ok(Request { shape, range, window, direction, keys_only: flags & KEYS_ONLY != 0 })
    }
}

impl Scan {
    fn new(records: &Records, request: &[u8]) -> Result<Self> {
        let Request { shape, range, window, direction, keys_only } = Request::read(request)?;
        let source = match shape {
            Shape::Kv => {
                let scan = records.kv().scan(&range, direction);
                Source::Kv(if keys_only { scan.keys_only() } else { scan })
            }
            Shape::Series => {
                let scan = records.series().scan(&range, window, direction);
                Source::Series(if keys_only { scan.keys_only() } else { scan })
            }
        };
        Ok(Scan { source, keys_only })
    }

    /// How many entries come next, `max` at most.
    fn count(&mut self, max: usize) -> Result<(u32, PageEnd)> {
        let limits = PageLimits { count: max, bytes: usize::MAX };
        let mut count = 0;
        let end = match &mut self.source {
            Source::Kv(scan) => scan.page(ReadTier::Disk, limits, |_, _| {
                count += 1;
                0
            }),
            Source::Series(scan) => scan.page(ReadTier::Disk, limits, |_, _, _| {
                count += 1;
                0
            }),
            Source::Newest(newest) => newest.page(limits, |_| {
                count += 1;
                0
            }),
        }?;
        Ok((count, end))
    }

    fn page(&mut self, tier: ReadTier, limits: PageLimits) -> Result<Vec<u8>> {
        let mut page = Vec::with_capacity(1 + limits.bytes.min(limits.count.saturating_mul(ENTRY_BYTES)));
        page.push(0);
        let keys_only = self.keys_only;
        let mut is_ascii = true;
        let mut add = |key: &[u8], timestamp: Option<i64>, record: &[u8]| {
            is_ascii &= key.is_ascii();
            let record = if keys_only { &[] } else { record };
            add_entry(&mut page, key, timestamp, record)
        };
        let end = match &mut self.source {
            Source::Kv(scan) => scan.page(tier, limits, |key, record| add(key, None, record.as_bytes())),
            Source::Series(scan) => {
                scan.page(tier, limits, |key, timestamp, record| add(key, Some(timestamp), record.as_bytes()))
            }
            // What it seeks may be anywhere, and it cannot go back to ask again.
            Source::Newest(_) if tier == ReadTier::Memory => Err(Error::would_block()),
            Source::Newest(newest) => {
                newest.page(limits, |point| add(&point.key, Some(point.timestamp), point.record.as_bytes()))
            }
        }?;
        page[0] = if end == PageEnd::Done { LAST } else { 0 } | if is_ascii { ASCII } else { 0 };
        Ok(page)
    }
}

fn add_entry(page: &mut Vec<u8>, key: &[u8], timestamp: Option<i64>, record: &[u8]) -> usize {
    let start = page.len();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("keys and values are smaller than 4 GiB");
    page.extend_from_slice(&length(key).to_le_bytes());
    page.extend_from_slice(&length(record).to_le_bytes());
    if let Some(timestamp) = timestamp {
        page.extend_from_slice(&timestamp.to_le_bytes());
    }
    page.extend_from_slice(key);
    page.extend_from_slice(record);
    page.len() - start
}

fn range(flags: u8, lower: &[u8], upper: &[u8]) -> KeyRange {
    let bound = |bytes: &[u8], has: u8, open: u8| match (flags & has != 0, flags & open != 0) {
        (false, _) => Bound::Unbounded,
        (true, false) => Bound::Included(Bytes::copy_from_slice(bytes)),
        (true, true) => Bound::Excluded(Bytes::copy_from_slice(bytes)),
    };
    if flags & PREFIX != 0 {
        return KeyRange::Prefix(Bytes::copy_from_slice(lower));
    }
    KeyRange::Between(bound(lower, HAS_LOWER, LOWER_OPEN), bound(upper, HAS_UPPER, UPPER_OPEN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowdb_engine::{WriteBatch, WriteOptions};
    use flowdb_store::{Store, StoreHandle, StoreOptions, kv};

    const KEYS: u8 = 20;
    const ALL: [u8; 26] =
        [TREE_KV, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn store() -> StoreHandle {
        let store = Store::memory(&StoreOptions::default()).unwrap();
        let mut batch = WriteBatch::new();
        (0..KEYS)
            .for_each(|key| kv::put(&mut batch, &[key], b"\x01value", flowdb_engine::format::NEVER).unwrap());
        store.db().write(batch, WriteOptions::default()).unwrap();
        store
    }

    fn scan(store: &StoreHandle) -> RecordScan {
        RecordScan::new(&Records::present(Arc::clone(store.store())), &ALL).unwrap()
    }

    fn keys(page: &[u8]) -> Vec<u8> {
        page[1..].chunks(8 + 1 + 6).map(|entry| entry[8]).collect()
    }

    #[test]
    fn pages_come_in_order_whoever_reads_them() {
        let store = store();
        let RecordScan { progress } = scan(&store);
        let page =
            || keys(&progress.work(|place| progress.page(place, ReadTier::Memory, limits(4, 1000))).unwrap());
        let ask = || *progress.wanted.lock() = Some(limits(4, 1000));
        let work = || progress.work(|place| progress.read_ahead(place));
        assert_eq!(page(), [0, 1, 2, 3]);
        ask();
        work();
        assert_eq!(page(), [4, 5, 6, 7]);
        // A worker that comes too late.
        ask();
        assert_eq!(page(), [8, 9, 10, 11]);
        work();
        assert_eq!(page(), [12, 13, 14, 15]);
        // Nobody asked.
        work();
        assert_eq!(page(), [16, 17, 18, 19]);
    }

    #[test]
    fn a_scan_that_is_closed_while_a_worker_reads_is_let_go_of_behind_it() {
        let store = store();
        let scan = scan(&store);
        let progress = &scan.progress;
        *progress.wanted.lock() = Some(limits(4, 1000));
        progress.work(|place| {
            progress.read_ahead(place);
            scan.close();
            assert!(place.scan.is_some());
        });
        let place = progress.place.lock();
        assert!(place.scan.is_none() && place.ahead.is_none());
    }
}
