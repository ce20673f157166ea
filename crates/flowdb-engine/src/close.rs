//! What a close leaves in the log: little, for the next open has to replay all of it.

use crate::commit::CommitState;
use crate::error::Result;
use crate::inner::Inner;
use crate::wal::LogWriter;
use std::sync::atomic::Ordering;

/// A close leaves less than this of memtables in the log, for the next open to replay, instead of writing
/// small tables each time. In bytes.
const FLUSH_AT_CLOSE_BYTES: usize = 1 << 20;

/// A close also flushes where this much of the log would be replayed, however little of it memtables need:
/// that takes a few milliseconds. A flush empties the log, so that it happens once for so many bytes
/// written. In bytes.
const REPLAY_BYTES_MAX: u64 = 2 << 20;

/// A segment of nothing but what tables hold is kept up to this length: a new one costs two syncs. In bytes.
const USELESS_SEGMENT_BYTES: u64 = 64 << 10;

impl Inner {
    /// Flushes if the next open would have much to replay. Fails only with what ends all writes: otherwise
    /// the log has everything, and the next open takes longer.
    pub(crate) fn flush_to_close(&self) -> Result<()> {
        if !self.options.log {
            // Whatever is in no table is lost, as was said.
            return Ok(());
        }
        let memtables: usize = self.trees.iter().map(|tree| tree.view().memtable_bytes()).sum();
        if memtables < FLUSH_AT_CLOSE_BYTES && self.bytes_to_replay() < REPLAY_BYTES_MAX {
            return Ok(());
        }
        let result = self.flush();
        self.unless_fatal(result, "closing without a flush")
    }

    /// Begins a new log segment if no memtable needs the one there is. Fails as [`Inner::flush_to_close`]
    /// does. Under the commit lock, while open.
    pub(crate) fn empty_log_to_close(&self, state: &mut CommitState) -> Result<()> {
        let length = state.log.as_ref().map_or(0, LogWriter::end);
        let is_needed = self.trees.iter().any(|tree| tree.view().oldest_segment(None).is_some());
        if is_needed || length <= USELESS_SEGMENT_BYTES {
            return Ok(());
        }
        let result = self.rotate_log(state);
        self.unless_fatal(result, "closing with a log that is not needed")
    }

    /// Bytes of the log that the next open would read, at most.
    fn bytes_to_replay(&self) -> u64 {
        let segment = self.segment.load(Ordering::Acquire);
        let older = segment.saturating_sub(self.oldest_segment_needed(None));
        let written = self.current_log().map_or(0, |log| log.written());
        older.saturating_mul(self.options.log_segment_bytes).saturating_add(written)
    }

    fn unless_fatal(&self, result: Result<()>, consequence: &str) -> Result<()> {
        match result {
            Err(error) if self.poison.get().is_none() => {
                tracing::warn!(%error, "{consequence}");
                Ok(())
            }
            result => result,
        }
    }
}
