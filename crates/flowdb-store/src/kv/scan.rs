//! A range of cache entries, in order of their keys.

use super::bounds;
use crate::keyspace::KV;
use crate::range::KeyRange;
use crate::reader::Reader;
use crate::record::{Record, RecordRef};
use crate::walk::{Direction, Page, PageEnd, PageLimits, Walk, with_inline_record, with_record};
use bytes::Bytes;
use flowdb_engine::{Db, ReadTier, Result};

/// A cache entry, as a scan finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub record: Record,
    /// When it expires, microseconds since the epoch; [`flowdb_engine::format::NEVER`] for never.
    pub expiry: i64,
}

/// A scan in progress. Sees one snapshot, taken when it was made.
///
/// It is read page by page ([`KvScan::page`]) where reads must not block, or else as an iterator, which ends
/// after an error.
#[derive(Debug)]
pub struct KvScan {
    walk: Walk,
    keys_only: bool,
    /// The iterator has failed.
    failed: bool,
}

impl KvScan {
    /// A scan that judges expiry as of `now` (microseconds since the epoch).
    pub fn new(db: &Db, range: &KeyRange, direction: Direction, now: i64) -> Self {
        Self::at(Reader { now: Some(now), ..Reader::of_present(db) }, range, direction)
    }

    pub(crate) fn at(reader: Reader<'_>, range: &KeyRange, direction: Direction) -> Self {
        let walk = Walk::new(reader, KV, bounds(range), direction, None);
        KvScan { walk, keys_only: false, failed: false }
    }

    /// The same with empty records: values are not read.
    pub fn keys_only(self) -> Self {
        KvScan { keys_only: true, ..self }
    }

    /// The next entries, given to `sink` as key and record; it answers with the bytes it took.
    ///
    /// Fails with `WouldBlock` where `tier` does not suffice for a single entry; nothing is lost then. In
    /// memory, much that is passed and not wanted counts as if it did not suffice.
    pub fn page(
        &mut self,
        tier: ReadTier,
        limits: PageLimits,
        mut sink: impl FnMut(&[u8], RecordRef<'_>) -> usize,
    ) -> Result<PageEnd> {
        let mut page = Page::new(limits);
        let result = self.fill(tier, &mut page, &mut sink);
        page.end(tier, result)
    }

    fn fill(
        &mut self,
        tier: ReadTier,
        page: &mut Page,
        sink: &mut impl FnMut(&[u8], RecordRef<'_>) -> usize,
    ) -> Result<PageEnd> {
        let KvScan { walk, keys_only, .. } = self;
        let keys_only = *keys_only;
        walk.resume_page(tier)?;
        loop {
            walk.visit(|key, value| {
                Ok(!page.is_full()
                    && with_inline_record(value, keys_only, |record| page.add(sink(key, record)))?)
            })?;
            if page.is_full() {
                return Ok(PageEnd::More);
            }
            // At an entry whose value is in a file of its own, or at none.
            let Some(taken) = with_record(walk, keys_only, &mut *sink)? else {
                return Ok(PageEnd::Done);
            };
            page.add(taken);
            // The entry is on the page even if the one behind it cannot be reached: `resume` finds that one.
            walk.pass()?;
        }
    }
}

impl KvScan {
    fn next_entry(&mut self) -> Result<Option<KvEntry>> {
        self.walk.resume(ReadTier::Disk)?;
        let entry = self.walk.take(self.keys_only)?;
        Ok(entry.map(|(key, record, expiry)| KvEntry { key, record, expiry }))
    }
}

impl Iterator for KvScan {
    type Item = Result<KvEntry>;

    fn next(&mut self) -> Option<Result<KvEntry>> {
        if self.failed {
            return None;
        }
        let next = self.next_entry();
        self.failed = next.is_err();
        next.transpose()
    }
}
