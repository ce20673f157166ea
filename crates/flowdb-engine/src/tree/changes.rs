//! Whether a key was written to after a moment, answered without touching a file: the commit lock is held meanwhile.

use super::{View, covering};
use crate::key::Sequence;
use crate::options::ReadTier;

impl View {
    /// True if an operation newer than `since` touched `key`, a range delete over it included. Also true where only a file could tell,
    /// which is so when a newer table may hold the key and the block it would be in is not in the cache.
    ///
    /// A snapshot of `since` must be held since that moment: it keeps compaction from dropping a newer delete together with what it hides.
    pub(crate) fn changed_since(&self, key: &[u8], since: Sequence) -> bool {
        for buffer in self.buffers_newest_first() {
            let memtable = &buffer.memtable;
            let newest = memtable.get(key, Sequence::MAX).map(|entry| entry.sequence);
            if newest.max(covering(&memtable.range_deletes(), key, Sequence::MAX)) > Some(since) {
                return true;
            }
            // All that is in older memtables and in tables is older than what this one began with.
            if !memtable.is_empty() && memtable.smallest_sequence() <= since {
                return false;
            }
        }
        self.tables_changed_since(key, since)
    }

    /// The same for what was flushed after the moment.
    fn tables_changed_since(&self, key: &[u8], since: Sequence) -> bool {
        let candidates = self.shelves.holding(key).flat_map(|levels| levels.candidates(key));
        candidates.filter(|live| live.meta.largest_sequence > since).any(|live| {
            covering(live.table.range_deletes(), key, Sequence::MAX) > Some(since)
                || match live.table.get(key, Sequence::MAX, ReadTier::Memory, false) {
                    Ok(entry) => entry.is_some_and(|entry| entry.sequence > since),
                    // The block is not in memory, or damaged, which the next read will say.
                    Err(_) => true,
                }
        })
    }
}
