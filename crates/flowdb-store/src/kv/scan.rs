//! A range of cache entries, in order of their keys.

use crate::keyspace::KV;
use crate::range::{KeyRange, prefix_bounds};
use crate::record::Record;
use crate::walk::{Direction, PageEnd, PageLimits, Walk, fill_page};
use flowdb_engine::{Db, ReadTier, Result};

/// A scan in progress. Sees one snapshot, taken when it was made.
#[derive(Debug)]
pub struct KvScan {
    walk: Walk,
}

impl KvScan {
    /// A scan that judges expiry as of `now` (microseconds since the epoch).
    pub fn new(db: &Db, range: &KeyRange, direction: Direction, now: i64) -> Self {
        let bounds = match range {
            KeyRange::Prefix(prefix) => prefix_bounds(prefix),
            KeyRange::Between(lower, upper) => (lower.clone(), upper.clone()),
        };
        KvScan { walk: Walk::new(db, KV, bounds, direction, None, now) }
    }

    /// The next entries, given to `sink` as key and record; it answers with the bytes it took.
    ///
    /// Fails with `WouldBlock` where `tier` does not suffice for a single entry; nothing is lost then.
    pub fn page(
        &mut self,
        tier: ReadTier,
        limits: PageLimits,
        mut sink: impl FnMut(&[u8], &Record) -> usize,
    ) -> Result<PageEnd> {
        let walk = &mut self.walk;
        fill_page(limits, || {
            walk.resume(tier)?;
            let Some((key, value)) = walk.current() else {
                return Ok(None);
            };
            let taken = sink(key, &Record::from_stored(value.clone())?);
            // The entry is on the page even if the one behind it cannot be reached: `resume` finds that one.
            let _ = walk.pass();
            Ok(Some(taken))
        })
    }
}
