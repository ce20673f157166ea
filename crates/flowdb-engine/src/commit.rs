//! The write path: to the log, to the memtables, visible; and the sync of the log, which many commits share.

use crate::background::Work;
use crate::batch::{Chunk, WriteBatch, operations};
use crate::condition::Guard;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::Directory;
use crate::inner::Inner;
use crate::key::{Sequence, TreeId};
use crate::options::{Durability, SyncMode, WriteOptions};
use crate::wal::{LogWriter, SegmentHeader};
use parking_lot::MutexGuard;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A place in the log, up to which a sync may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes of it.
    pub offset: u64,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Number of its first operation.
    pub first: Sequence,
    /// Number of its last operation, which is the commit's.
    pub last: Sequence,
    /// Where it ends in the log.
    pub position: LogPosition,
}

/// What the commit lock guards: the order of commits.
#[derive(Debug)]
pub(crate) struct CommitState {
    /// The segment being written. `None` once closed.
    pub(crate) log: Option<LogWriter>,
    /// Number of the last operation that was written.
    pub(crate) last: Sequence,
}

impl CommitState {
    /// Where the log ends. Fails with `Closed`.
    pub(crate) fn log_end(&self) -> Result<LogPosition> {
        let log = self.log.as_ref().ok_or_else(closed)?;
        Ok(LogPosition { segment: log.segment(), offset: log.end() })
    }
}

/// A log that has outgrown its segment size this many times over is followed by a new segment in the middle
/// of a commit call, if maintenance has not come round to it.
const OVERDUE_SEGMENTS: u64 = 2;

/// How a commit is handed to the log.
type Append = fn(&mut LogWriter, Sequence, &[Chunk]) -> Result<u64>;

impl Inner {
    /// See [`crate::Db::write_if`]; the guard is empty for [`crate::Db::write`].
    pub(crate) fn write(&self, guard: Guard<'_>, batch: WriteBatch, options: WriteOptions) -> Result<Commit> {
        self.check_trees(&batch)?;
        let commit = self.commit(guard, batch).inspect_err(|error| self.telemetry.write_failed(error))?;
        if self.wants_sync(options) {
            self.sync(commit.position)?;
        }
        Ok(commit)
    }

    fn commit(&self, guard: Guard<'_>, batch: WriteBatch) -> Result<Commit> {
        let mut state = self.commit.lock();
        while self.stalled() {
            drop(state);
            self.wait_while_stalled()?;
            state = self.commit.lock();
        }
        if self.log_is_overdue(&state) {
            self.rotate_log(&mut state)?;
        }
        self.check(guard, &state)?;
        self.commit_locked(&mut state, &batch.into_parts(), LogWriter::append)
    }

    /// See [`crate::Db::try_write_if`]; the guard is empty for [`crate::Db::try_write`].
    pub(crate) fn try_write(
        &self,
        guard: Guard<'_>,
        batch: WriteBatch,
    ) -> std::result::Result<Commit, (Error, WriteBatch)> {
        if let Err(error) = self.check_trees(&batch) {
            return Err((error, batch));
        }
        let Some(mut state) = self.commit.try_lock() else {
            return Err((Error::would_block(), batch));
        };
        // The first write waits for the manifest, and one behind a commit that there was no space for,
        // for a sync.
        if self.stalled()
            || self.log_is_overdue(&state)
            || self.opening.is_unfinished()
            || state.log.as_ref().is_some_and(LogWriter::is_unsettled)
        {
            return Err((Error::would_block(), batch));
        }
        if let Err(error) = self.check(guard, &state) {
            return Err((error, batch));
        }
        let parts = batch.into_parts();
        self.commit_locked(&mut state, &parts, LogWriter::append_without_sync).map_err(|error| {
            if error.kind() == ErrorKind::NoSpace && state.log.as_ref().is_some_and(LogWriter::is_unsettled) {
                // It is refused by a caller that may wait for the sync, if there still is no space.
                return (Error::would_block(), WriteBatch::from_parts(parts));
            }
            // What fails so will not go better elsewhere.
            self.telemetry.write_failed(&error);
            (error, WriteBatch::new())
        })
    }

    /// See [`crate::Db::wants_sync`].
    pub(crate) fn wants_sync(&self, options: WriteOptions) -> bool {
        match options.durability {
            Some(durability) => durability == Durability::Synced,
            None => self.options.sync == SyncMode::Always,
        }
    }

    /// See [`crate::Db::log_end`].
    pub(crate) fn log_end(&self) -> Result<LogPosition> {
        self.commit.lock().log_end()
    }

    /// See [`crate::Db::sync`].
    pub(crate) fn sync(&self, position: LogPosition) -> Result<()> {
        if self.options.read_only {
            return Err(Error::read_only());
        }
        let Ok(log) = self.current_log() else {
            return self.check_synced_at_close(position);
        };
        // A segment is followed by the next one only after it was synced to its end.
        let is_synced = position.segment < log.segment() || log.synced() >= position.offset;
        // What is durable stays so, whatever happened since: a close, or the failure of a later sync.
        if is_synced {
            return Ok(());
        }
        self.check_usable()?;
        let sync = || log.sync(position.offset);
        self.telemetry.sync(sync).map_err(|error| self.poison(Work::LogSync, error))
    }

    /// Begins a new log segment: the old one is synced to its end first. Under the commit lock.
    pub(crate) fn rotate_log(&self, state: &mut CommitState) -> Result<()> {
        self.check_usable()?;
        self.finish_opening()?;
        let Some(old) = state.log.as_mut() else {
            return Err(closed());
        };
        let segment = old.segment() + 1;
        old.seal().map_err(|error| self.poison(Work::LogSync, error))?;
        let previous = old.segment();
        self.telemetry.log_sealed(previous, old.end());
        let directory = old.directory();
        let new = self.create_log(Arc::clone(&directory), segment, previous, state.last);
        let new = new.map_err(|error| self.give_up_segment(&*directory, segment, error))?;
        self.use_log(state, new);
        Ok(())
    }

    /// Commits go on in the old segment. Did the new one come back after a crash, it would vouch for the old
    /// one's end. One that was there before is not ours, and the directory not what we take it for.
    fn give_up_segment(&self, directory: &dyn Directory, segment: u64, error: Error) -> Error {
        if error.kind() == ErrorKind::Poisoned {
            return self.poison(Work::LogSegment, error);
        }
        if let Err(error) = LogWriter::discard(self.fs.as_ref(), &self.dir, directory, segment) {
            self.poison(Work::LogSegment, error);
        }
        error
    }

    pub(crate) fn create_log(
        &self,
        directory: Arc<dyn Directory>,
        segment: u64,
        previous: u64,
        last_sequence: Sequence,
    ) -> Result<LogWriter> {
        let header = SegmentHeader { segment, previous, database_id: self.database_id, last_sequence };
        LogWriter::create(self.fs.as_ref(), &self.dir, directory, header, self.options.log_segment_bytes)
    }

    /// Writes go to `log` from now on. Under the commit lock.
    pub(crate) fn use_log(&self, state: &mut CommitState, log: LogWriter) {
        self.segment.store(log.segment(), Ordering::Release);
        for tree in self.trees.iter().filter(|tree| tree.view().active.memtable.is_empty()) {
            // Nothing is frozen; the empty memtable only learns where its first entry will be.
            tree.freeze(log.segment());
        }
        *self.log.write() = Some(log.handle());
        state.log = Some(log);
    }

    /// Freezes the active memtables of the trees that `wanted` picks. True if there was something to freeze.
    pub(crate) fn freeze_where(
        &self,
        state: &CommitState,
        wanted: impl Fn(&crate::tree::Tree) -> bool,
    ) -> bool {
        let Some(segment) = state.log.as_ref().map(LogWriter::segment) else {
            return false;
        };
        let mut any = false;
        for tree in self.trees.iter().filter(|tree| wanted(tree)) {
            any |= tree.freeze(segment);
        }
        any
    }

    fn commit_locked(
        &self,
        state: &mut MutexGuard<'_, CommitState>,
        (trees, chunks): &(Vec<TreeId>, Vec<Chunk>),
        append: Append,
    ) -> Result<Commit> {
        self.check_usable()?;
        self.finish_opening()?;
        let log = state.log.as_ref().ok_or_else(closed)?;
        let position = LogPosition { segment: log.segment(), offset: log.end() };
        let first = state.last + 1;
        let count: u64 = chunks.iter().map(|chunk| u64::from(chunk.count)).sum();
        if count == 0 {
            return Ok(Commit { first, last: state.last, position });
        }
        let offset =
            if self.options.log { self.append(state, first, chunks, append)? } else { position.offset };
        let bytes = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
        let any_full = self.apply(trees, first, chunks);
        let last = first + count - 1;
        state.last = last;
        self.snapshots.publish(last);
        self.note_unsynced();
        self.telemetry.committed(count, offset - position.offset);
        self.resources.write_buffers.written(bytes);
        self.bell.written();
        if any_full {
            self.freeze_where(state, |tree| tree.is_full());
        }
        if any_full || offset >= self.options.log_segment_bytes {
            self.options.executor.wake();
        }
        Ok(Commit { first, last, position: LogPosition { segment: position.segment, offset } })
    }

    fn append(
        &self,
        state: &mut CommitState,
        first: Sequence,
        chunks: &[Chunk],
        append: Append,
    ) -> Result<u64> {
        let log = state.log.as_mut().ok_or_else(closed)?;
        append(log, first, chunks).map_err(|error| match error.kind() {
            // The writer has cut the log back: the commit is rejected, and nothing else has happened.
            ErrorKind::NoSpace if !log.is_broken() => error,
            _ => self.poison(Work::LogWrite, error),
        })
    }

    /// Puts a commit into the memtables of its trees. True if one of them is full now.
    fn apply(&self, trees: &[TreeId], first: Sequence, chunks: &[Chunk]) -> bool {
        let mut any_full = false;
        for id in trees {
            let tree = self.tree(*id).expect("the batch's trees were checked before it was logged");
            let memtable = Arc::clone(&tree.view().active.memtable);
            let mut sequence = first;
            for Chunk { count, bytes } in chunks {
                let operations =
                    operations(bytes).map(|result| result.expect("a batch holds whole operations"));
                let of_tree = (sequence..).zip(operations).filter(|(_, operation)| operation.tree == *id);
                memtable.insert(bytes, of_tree);
                sequence += u64::from(*count);
            }
            any_full |= memtable.bytes() >= tree.options.write_buffer_bytes;
        }
        any_full
    }

    fn check_trees(&self, batch: &WriteBatch) -> Result<()> {
        batch.trees().iter().try_for_each(|id| self.tree(*id).map(|_| ()))
    }

    fn log_is_overdue(&self, state: &CommitState) -> bool {
        let limit = self.options.log_segment_bytes.saturating_mul(OVERDUE_SEGMENTS);
        state.log.as_ref().is_some_and(|log| log.end() >= limit)
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the database is closed")
}
