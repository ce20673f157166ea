//! Space behind the last commit, made ready so that syncs find little to do but to write the commits.

use crate::fs::WritableFile;
use std::ops::Range;

/// Space reserved at first; doubled as the segment grows, so that small databases stay small.
const RESERVE_BYTES_MIN: u64 = 64 << 10;
/// Zeros are written so far ahead of the commits at most.
const FILL_BYTES_MAX: u64 = 256 << 10;
/// What may be unsynced, with the next commit, where zeros are written: larger syncs gain too little for
/// writing their bytes twice.
const FILL_UNSYNCED_BYTES_MAX: u64 = 32 << 10;

/// What was done for the space behind a segment's last commit. All of it are hints: the commit's own write
/// tells whether there is space, and until then the space reads as zeros, or is not there.
#[derive(Debug)]
pub(super) struct SpaceAhead {
    /// Where the writer's first commit begins.
    begin: u64,
    /// Up to here space was reserved, or the attempt given up.
    reserved: u64,
    reserve_bytes_max: u64,
    /// Up to here space was written to, or the attempt given up.
    filled: u64,
}

impl SpaceAhead {
    /// Of a segment that is about to begin, whose header ends at `begin`; reserves its first piece.
    pub(super) fn first(file: &dyn WritableFile, begin: u64, reserve_bytes_max: u64) -> Self {
        let reserved = RESERVE_BYTES_MIN.min(reserve_bytes_max);
        let _ = file.allocate(reserved);
        SpaceAhead { begin, reserved, reserve_bytes_max, filled: begin }
    }

    /// Of a segment of `length` bytes that is gone on with at `begin`.
    pub(super) fn resumed(begin: u64, length: u64, reserve_bytes_max: u64) -> Self {
        SpaceAhead { begin, reserved: length, reserve_bytes_max, filled: begin }
    }

    /// The file was cut behind `end`.
    pub(super) fn cut(&mut self, end: u64) {
        self.reserved = end;
        self.filled = end;
    }

    /// Makes ready for a commit that takes up to `commit.end`; everything before `synced` is
    /// on stable storage.
    pub(super) fn prepare(&mut self, file: &dyn WritableFile, commit: &Range<u64>, synced: u64) {
        if commit.end > self.reserved && commit.end <= self.reserve_bytes_max {
            self.reserve(file, commit);
        }
        if commit.end > self.filled && self.is_synced_often(commit, synced) {
            self.fill(file, commit);
        }
    }

    /// The first bytes are left out: they tell nothing yet, and a small database, or one that is opened for a
    /// few commits, is to pay nothing.
    fn is_synced_often(&self, commit: &Range<u64>, synced: u64) -> bool {
        commit.start >= self.begin + RESERVE_BYTES_MIN && commit.end - synced <= FILL_UNSYNCED_BYTES_MAX
    }

    /// Reserves space in growing steps, so that syncs need not write the file's length.
    fn reserve(&mut self, file: &dyn WritableFile, commit: &Range<u64>) {
        let target = (commit.start * 2).max(RESERVE_BYTES_MIN).max(commit.end).min(self.reserve_bytes_max);
        let _ = file.allocate(target);
        self.reserved = target;
    }

    /// Writes zeros into what is reserved. A file system notes in its journal which reserved blocks
    /// were written to, and a sync waits for that: now one sync for many commits, not each that comes
    /// to a new block.
    fn fill(&mut self, file: &dyn WritableFile, commit: &Range<u64>) {
        let target = self.reserved.min(commit.start + FILL_BYTES_MAX);
        if target <= commit.end {
            return;
        }
        if let Ok(length) = usize::try_from(target - commit.start) {
            let _ = file.write_at(commit.start, &vec![0; length]);
        }
        self.filled = target;
    }
}
