//! A scan in progress; one page of entries per crossing. Integers are little-endian.
//!
//! ```text
//! request = u8 tree, u8 flags, i64 first timestamp, i64 last timestamp, u32 length, lower bound or prefix, u32 length, upper bound
//! page    = u8 flags, entry*          flags: 1 if it is the last, 2 if all keys are ASCII
//! entry   = u32 key length, u32 record length, [i64 timestamp], key, record
//! ```

use crate::error;
use crate::operations::Fields;
use crate::records::Records;
use crate::task::{self, Work};
use bytes::Bytes;
use flowdb_engine::{Error, ErrorKind, ReadTier, Result};
use flowdb_store::kv::KvScan;
use flowdb_store::series::{SeriesScan, Window};
use flowdb_store::{Direction, KeyRange, PageEnd, PageLimits, RecordRef, Shape};
use napi::bindgen_prelude::{AsyncTask, BufferSlice, Env};
use napi_derive::napi;
use parking_lot::Mutex;
use std::ops::Bound;
use std::sync::Arc;

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
    /// `None` once closed. Locked by a worker while it reads a page.
    scan: Arc<Mutex<Option<Scan>>>,
}

#[napi]
impl RecordScan {
    pub(crate) fn new(records: &Records, request: &[u8]) -> Result<Self> {
        let scan = Scan::new(records, request)?;
        Ok(RecordScan { scan: Arc::new(Mutex::new(Some(scan))) })
    }

    /// The next page, from memory; null if that does not suffice.
    #[napi]
    pub fn next<'env>(
        &self,
        env: &'env Env,
        count: u32,
        bytes: u32,
    ) -> napi::Result<Option<BufferSlice<'env>>> {
        let limits = limits(count, bytes);
        let page = match self.scan.try_lock() {
            Some(mut scan) => read_page(&mut scan, ReadTier::Memory, limits),
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
        let scan = Arc::clone(&self.scan);
        task::run(move || read_page(&mut scan.lock(), ReadTier::Disk, limits(count, bytes)))
    }

    /// Goes past so many entries, on a worker: u8 1 if these were the last, u32 how many they were.
    #[napi]
    pub fn count_later(&self, count: u32) -> AsyncTask<Work<Vec<u8>>> {
        let scan = Arc::clone(&self.scan);
        task::run(move || {
            let (count, end) = open(&mut scan.lock())?.count(count as usize)?;
            let mut answer = vec![u8::from(end == PageEnd::Done)];
            answer.extend_from_slice(&count.to_le_bytes());
            Ok(answer)
        })
    }

    /// Lets go of the snapshot. A page that is being read is finished first, by its worker.
    #[napi]
    pub fn close(&self) {
        if let Some(mut scan) = self.scan.try_lock() {
            *scan = None;
        }
    }
}

fn limits(count: u32, bytes: u32) -> PageLimits {
    PageLimits { count: count as usize, bytes: bytes as usize }
}

fn read_page(scan: &mut Option<Scan>, tier: ReadTier, limits: PageLimits) -> Result<Vec<u8>> {
    open(scan)?.page(tier, limits)
}

fn open(scan: &mut Option<Scan>) -> Result<&mut Scan> {
    scan.as_mut().ok_or_else(|| Error::new(ErrorKind::Closed, "the scan is closed"))
}

/// A page of the newest point of each series, at or before the last timestamp that is asked for.
pub(crate) fn latest_of_each(records: &Records, request: &[u8], limit: usize) -> Result<Vec<u8>> {
    let Request { range, window, direction, .. } = Request::read(request)?;
    let mut page = vec![LAST];
    for point in records.series().each_at(&range, window.last, direction)?.take(limit) {
        let point = point?;
        add_entry(&mut page, &point.key, Some(point.timestamp), point.record.as_bytes());
    }
    Ok(page)
}

struct Scan {
    source: Source,
    keys_only: bool,
}

enum Source {
    Kv(KvScan),
    Series(SeriesScan),
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
        }?;
        Ok((count, end))
    }

    fn page(&mut self, tier: ReadTier, limits: PageLimits) -> Result<Vec<u8>> {
        let mut page = Vec::with_capacity(1 + limits.bytes.min(limits.count.saturating_mul(ENTRY_BYTES)));
        page.push(0);
        let keys_only = self.keys_only;
        let mut is_ascii = true;
        let mut add = |key: &[u8], timestamp: Option<i64>, record: RecordRef<'_>| {
            is_ascii &= key.is_ascii();
            let record = if keys_only { &[] } else { record.as_bytes() };
            add_entry(&mut page, key, timestamp, record)
        };
        let end = match &mut self.source {
            Source::Kv(scan) => scan.page(tier, limits, |key, record| add(key, None, record)),
            Source::Series(scan) => {
                scan.page(tier, limits, |key, timestamp, record| add(key, Some(timestamp), record))
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
