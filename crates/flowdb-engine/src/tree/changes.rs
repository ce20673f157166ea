//! Whether a key was written to after a moment. A thread that holds the commit lock meanwhile
//! asks memory only.

use super::{LiveTable, View, covering};
use crate::error::Result;
use crate::key::Sequence;
use crate::options::ReadTier;

impl View {
    /// True if an operation newer than `since` touched `key`, a range delete over it included. Fails with
    /// `WouldBlock` where `tier` does not suffice, which for memory is so when a newer table may hold the key
    /// and the block it would be in is not in the cache.
    ///
    /// A snapshot of `since` must be held since that moment: it keeps compaction from dropping a newer delete
    /// together with what it hides.
    pub(crate) fn changed_since(&self, key: &[u8], since: Sequence, tier: ReadTier) -> Result<bool> {
        for buffer in self.buffers_newest_first() {
            let memtable = &buffer.memtable;
            let newest = memtable.get(key, Sequence::MAX).map(|entry| entry.sequence);
            if newest.max(covering(&memtable.range_deletes(), key, Sequence::MAX)) > Some(since) {
                return Ok(true);
            }
            // All that is in older memtables and in tables is older than what this one began with.
            if !memtable.is_empty() && memtable.smallest_sequence() <= since {
                return Ok(false);
            }
        }
        self.tables_changed_since(key, since, tier)
    }

    /// The same for what was flushed after the moment.
    fn tables_changed_since(&self, key: &[u8], since: Sequence, tier: ReadTier) -> Result<bool> {
        let candidates = self.shelves.holding(key).flat_map(|levels| levels.candidates(key));
        for live in candidates.filter(|live| live.meta.largest_sequence > since) {
            if is_newer_in(live, key, since, tier)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_newer_in(live: &LiveTable, key: &[u8], since: Sequence, tier: ReadTier) -> Result<bool> {
    if live.table.range_delete_over(key, Sequence::MAX) > Some(since) {
        return Ok(true);
    }
    let entry = live.table.get(key, Sequence::MAX, tier, false)?;
    Ok(entry.is_some_and(|entry| entry.sequence > since))
}
