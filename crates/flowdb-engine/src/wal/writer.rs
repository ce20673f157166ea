//! Appends commits to a segment.

use super::frame::{
    CHECKSUM_BYTES, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, FrameKind, SEGMENT_HEADER_BYTES,
    SegmentHeader, frame_seed,
};
use super::reader::Segment;
use super::space::SpaceAhead;
use super::sync_lane::{Lead, SyncLane};
use crate::batch::Chunk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{checksum, checksum_parts};
use crate::fs::{Directory, FileSystem, WritableFile};
use crate::key::Sequence;
use crate::version::log_name;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Payloads from this size on are written where they are, without a copy into the buffer.
const DIRECT_BYTES: usize = 64 << 10;
/// The buffer is written when it holds this much.
const BUFFER_BYTES: usize = 256 << 10;

/// What a frame adds to its payload at most.
const FRAME_BYTES_MAX: u64 = FRAME_HEADER_BYTES as u64 + FRAME_ALIGNMENT;

/// A segment's file, shared between the writer and whoever syncs.
///
/// `synced <= written` always. Only the writer raises `written`, once all bytes below it are with the
/// file; only a sync raises `synced`, to what `written` was before it began. One sync at a time has the
/// lead of `lane`.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: Arc<dyn WritableFile>,
    path: PathBuf,
    segment: u64,
    written: AtomicU64,
    synced: AtomicU64,
    /// A sync failed: the system may have dropped what it could not write, and later syncs would not tell.
    has_failed: AtomicBool,
    lane: SyncLane,
}

impl LogFile {
    fn new(file: Arc<dyn WritableFile>, path: PathBuf, segment: u64, synced: u64) -> Arc<Self> {
        Arc::new(LogFile {
            file,
            path,
            segment,
            written: AtomicU64::new(synced),
            synced: AtomicU64::new(synced),
            has_failed: AtomicBool::new(false),
            lane: SyncLane::default(),
        })
    }

    /// Number of the segment.
    pub(crate) fn segment(&self) -> u64 {
        self.segment
    }

    /// Bytes that were handed to the operating system, as whole commits.
    pub(crate) fn written(&self) -> u64 {
        // Acquire, with the writer's release: a sync that begins now covers these bytes.
        self.written.load(Ordering::Acquire)
    }

    /// Bytes that are on stable storage.
    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Returns once the bytes up to `upto` are on stable storage. Callers at the same time share one sync.
    /// After a sync failed, this file is never synced again (kind `Poisoned`).
    pub(crate) fn sync(&self, upto: u64) -> Result<()> {
        let is_done = || self.synced() >= upto;
        if is_done() {
            return Ok(());
        }
        match self.lane.lead(is_done) {
            Some(lead) => self.sync_leading(&lead),
            None => Ok(()),
        }
    }

    /// Syncs even if nothing was appended: after the file was cut.
    fn sync_always(&self) -> Result<()> {
        match self.lane.lead(|| false) {
            Some(lead) => self.sync_leading(&lead),
            None => Ok(()),
        }
    }

    fn sync_leading(&self, lead: &Lead<'_>) -> Result<()> {
        self.check()?;
        if lead.has_company {
            // Lets the others write their next commits first, so that this sync covers them instead
            // of one more.
            std::thread::yield_now();
        }
        let written = self.written();
        if let Err(error) = self.file.sync() {
            self.has_failed.store(true, Ordering::Release);
            return Err(self.error("syncing the log", error));
        }
        self.synced.fetch_max(written, Ordering::AcqRel);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.has_failed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Poisoned, "an earlier sync of the log failed"));
        }
        Ok(())
    }

    fn error(&self, action: &str, error: io::Error) -> Error {
        Error::io(&self.path, action, error)
    }
}

/// The writer of the last segment; there is one.
#[derive(Debug)]
pub(crate) struct LogWriter {
    log: Arc<LogFile>,
    /// Where the file is. Held open, so that a next one can be begun, or given up, when nothing else
    /// can be opened.
    directory: Arc<dyn Directory>,
    database_id: u64,
    /// Where the next commit begins.
    end: u64,
    last_sequence: Sequence,
    space: SpaceAhead,
    /// Kept from commit to commit for its memory; empty between them.
    buffer: Vec<u8>,
    /// A failed commit could not be cut off: what the file holds behind `end` is not known.
    is_broken: bool,
    /// A commit was cut off, but a crash may bring it back.
    is_cut_unsynced: bool,
}

impl LogWriter {
    /// Begins a segment. The one before it must be synced to its end ([`LogWriter::seal`]). A file that has
    /// its name already stays as it is (kind `Poisoned`): it is not ours.
    ///
    /// After a failure another `header.segment` may be tried; replay knows what remains of the
    /// attempt. Before the same one is tried again, or the segment before it written to, the attempt
    /// is to be discarded ([`LogWriter::discard`]).
    pub(crate) fn create(
        fs: &dyn FileSystem,
        dir: &Path,
        directory: Arc<dyn Directory>,
        header: SegmentHeader,
        preallocate_bytes: u64,
    ) -> Result<LogWriter> {
        let path = dir.join(log_name(header.segment));
        let end = SEGMENT_HEADER_BYTES as u64;
        let file = fs.create_new(&path).map_err(|error| {
            let is_taken = error.kind() == io::ErrorKind::AlreadyExists;
            let error = Error::io(&path, "creating a log segment", error);
            if is_taken { error.with_kind(ErrorKind::Poisoned) } else { error.while_open() }
        })?;
        let create = || {
            let space = SpaceAhead::first(&*file, end, preallocate_bytes);
            file.write_at(0, &header.encode())?;
            file.sync()?;
            directory.sync()?;
            Ok(space)
        };
        let space = create().map_err(|error: io::Error| {
            let _ = fs.remove(&path);
            Error::io(&path, "creating a log segment", error).while_open()
        })?;
        let log = LogFile::new(file, path, header.segment, end);
        Ok(Self::new(log, directory, header.database_id, header.last_sequence, space))
    }

    /// Removes what a failed [`LogWriter::create`] may have left, durably. Opens nothing: that may
    /// be what failed.
    pub(crate) fn discard(
        fs: &dyn FileSystem,
        dir: &Path,
        directory: &dyn Directory,
        segment: u64,
    ) -> Result<()> {
        let path = dir.join(log_name(segment));
        let remove = || {
            if fs.exists(&path)? {
                fs.remove(&path)?;
            }
            // Also if it is gone already: its removal may not be durable.
            directory.sync()
        };
        remove().map_err(|error| Error::io(&path, "removing an unfinished log segment", error))
    }

    /// Goes on in the last segment that a replay found.
    pub(crate) fn resume(
        fs: &dyn FileSystem,
        dir: &Path,
        directory: Arc<dyn Directory>,
        segment: &Segment,
        database_id: u64,
        preallocate_bytes: u64,
    ) -> Result<LogWriter> {
        let path = dir.join(log_name(segment.id));
        let open = || {
            let file = fs.open_write(&path)?;
            let length = file.len()?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| Error::io(&path, "opening the log", error))?;
        // Replay synced it, or the close before.
        let log = LogFile::new(file, path, segment.id, segment.end);
        let space = SpaceAhead::resumed(segment.end, length, preallocate_bytes);
        Ok(Self::new(log, directory, database_id, segment.last_sequence, space))
    }

    fn new(
        log: Arc<LogFile>,
        directory: Arc<dyn Directory>,
        database_id: u64,
        last_sequence: Sequence,
        space: SpaceAhead,
    ) -> Self {
        let end = log.written();
        let buffer = Vec::new();
        LogWriter {
            log,
            directory,
            database_id,
            end,
            last_sequence,
            space,
            buffer,
            is_broken: false,
            is_cut_unsynced: false,
        }
    }

    /// The file, for whoever syncs it.
    pub(crate) fn handle(&self) -> Arc<LogFile> {
        Arc::clone(&self.log)
    }

    /// Where the file is, for the one that follows it.
    pub(crate) fn directory(&self) -> Arc<dyn Directory> {
        Arc::clone(&self.directory)
    }

    /// Number of the segment.
    pub(crate) fn segment(&self) -> u64 {
        self.log.segment
    }

    /// Where the next commit begins.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// True once a failed commit could not be cut off: whether it happened is known after the next replay.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// True while the log takes nothing before it is settled.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_cut_unsynced
    }

    /// Makes sure that no crash brings back what was cut off, nor parts of it behind what is written over it.
    /// If that fails, further calls are refused, as by [`LogWriter::append`].
    pub(crate) fn settle(&mut self) -> Result<()> {
        if self.is_cut_unsynced {
            self.log.sync_always().inspect_err(|_| self.is_broken = true)?;
            self.is_cut_unsynced = false;
        }
        Ok(())
    }

    /// Numbers up to `last` were given to what is not in the log.
    pub(crate) fn skip_to(&mut self, last: Sequence) {
        self.last_sequence = self.last_sequence.max(last);
    }

    /// Hands one commit to the operating system, whose operations are numbered from `first` on; returns
    /// its end offset.
    ///
    /// After a failure (kind `NoSpace` or `Io`) the commit did not happen, and never will: it was cut off,
    /// durably, and the segment goes on to be usable. If that failed too, further calls are refused (kind
    /// `Poisoned`), and whether the commit happened is known after the next replay.
    pub(crate) fn append(&mut self, first: Sequence, chunks: &[Chunk]) -> Result<u64> {
        self.check()?;
        self.settle()?;
        let result = self.append_without_sync(first, chunks);
        self.settled(result)
    }

    /// The same in a log that is settled, for who cannot wait: after a failure it is unsettled, and the
    /// failure of this commit is not to be told before that is overcome.
    pub(crate) fn append_without_sync(&mut self, first: Sequence, chunks: &[Chunk]) -> Result<u64> {
        self.check()?;
        let count = chunks.iter().try_fold(0u64, |sum, chunk| sum.checked_add(chunk.count.into()));
        let last = count.filter(|count| *count > 0).and_then(|count| first.checked_add(count - 1));
        let Some(last) = last.filter(|_| first > self.last_sequence) else {
            return Err(Error::invalid(format!(
                "a commit from {first} on does not follow {}",
                self.last_sequence
            )));
        };
        self.reserve(chunks);
        let result = self.write_commit(first, chunks);
        self.publish(result)?;
        self.last_sequence = last;
        Ok(self.end)
    }

    /// Marks the log as closed, with everything before the mark synced, and gives reserved space back.
    pub(crate) fn close_mark(&mut self) -> Result<()> {
        self.check()?;
        self.settle()?;
        // Before the mark is written: it says that all before it is synced.
        self.log.sync(self.end)?;
        let next = self.last_sequence.saturating_add(1);
        let result = self.write_close(next);
        let result = self.publish(result);
        self.settled(result)?;
        self.seal()
    }

    /// Gives reserved space back and syncs the segment to its end. Needed before the next segment is begun.
    pub(crate) fn seal(&mut self) -> Result<()> {
        self.check()?;
        self.log.file.set_len(self.end).map_err(|error| self.log.error("cutting reserved space", error))?;
        self.space.cut(self.end);
        self.log.sync_always()?;
        self.is_cut_unsynced = false;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.is_broken {
            return Err(Error::new(ErrorKind::Poisoned, "an earlier write of the log failed"));
        }
        self.log.check()
    }

    fn write_commit(&mut self, first: Sequence, chunks: &[Chunk]) -> Result<u64> {
        let mut output = Output { log: &self.log, buffer: &mut self.buffer, offset: self.end };
        let synced = self.log.synced();
        let mut sequence = first;
        for (index, chunk) in chunks.iter().enumerate() {
            let kind = if index + 1 == chunks.len() { FrameKind::End } else { FrameKind::Part };
            let header = FrameHeader::new(kind, &chunk.bytes, sequence, synced)?;
            output.frame(&header, &chunk.bytes, self.database_id)?;
            sequence += u64::from(chunk.count);
        }
        output.flush()?;
        Ok(output.offset)
    }

    fn write_close(&mut self, next: Sequence) -> Result<u64> {
        let mut output = Output { log: &self.log, buffer: &mut self.buffer, offset: self.end };
        let header = FrameHeader::new(FrameKind::Close, &[], next, self.log.synced())?;
        output.frame(&header, &[], self.database_id)?;
        output.flush()?;
        Ok(output.offset)
    }

    /// Lets what was written count, or takes it back.
    fn publish(&mut self, result: Result<u64>) -> Result<()> {
        self.buffer.clear();
        match result {
            Ok(end) => {
                self.end = end;
                // Release: whoever sees the offset syncs the bytes below it.
                self.log.written.store(end, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                self.is_broken = self.cut().is_err();
                Err(error)
            }
        }
    }

    /// A failure is told once it is durable.
    fn settled<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() && !self.is_broken {
            // If this fails, the log is broken, and the first failure is the cause.
            let _ = self.settle();
        }
        result
    }

    /// Takes back what is behind the last commit. Until that is synced, a crash could bring back a commit
    /// that was reported as failed.
    fn cut(&mut self) -> Result<()> {
        self.log.file.set_len(self.end).map_err(|error| self.log.error("cutting a failed commit", error))?;
        self.space.cut(self.end);
        self.is_cut_unsynced = true;
        Ok(())
    }

    /// Makes space for a commit, as far as can be done ahead.
    fn reserve(&mut self, chunks: &[Chunk]) {
        let payload: u64 = chunks.iter().map(|chunk| chunk.bytes.len() as u64 + FRAME_BYTES_MAX).sum();
        self.space.prepare(&*self.log.file, &(self.end..self.end + payload), self.log.synced());
    }
}

/// Frames on their way into the file: small ones together, large ones without a copy.
struct Output<'a> {
    log: &'a LogFile,
    buffer: &'a mut Vec<u8>,
    /// Where the next frame begins; the buffer holds the bytes before it.
    offset: u64,
}

impl Output<'_> {
    fn frame(&mut self, header: &FrameHeader, payload: &[u8], database_id: u64) -> Result<()> {
        let seed = frame_seed(self.log.segment, database_id, self.offset);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&header.encode());
        if payload.len() < DIRECT_BYTES {
            self.buffer.extend_from_slice(payload);
            let sum = checksum(seed, &self.buffer[start + CHECKSUM_BYTES..]);
            self.buffer[start..start + CHECKSUM_BYTES].copy_from_slice(&sum.to_le_bytes());
            self.offset = self.offset + FRAME_HEADER_BYTES as u64 + payload.len() as u64;
        } else {
            let sum = checksum_parts(seed, &[&self.buffer[start + CHECKSUM_BYTES..], payload]);
            self.buffer[start..start + CHECKSUM_BYTES].copy_from_slice(&sum.to_le_bytes());
            self.offset += FRAME_HEADER_BYTES as u64;
            self.flush()?;
            self.write(self.offset, payload)?;
            self.offset += payload.len() as u64;
        }
        while !self.offset.is_multiple_of(FRAME_ALIGNMENT) {
            self.buffer.push(0);
            self.offset += 1;
        }
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.write(self.offset - self.buffer.len() as u64, self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.log.file.write_at(offset, data).map_err(|error| self.log.error("writing the log", error))
    }
}
