//! A segment being read: through one window of bounded size, whatever its lengths say.

use super::frame::{
    CHECKSUM_BYTES, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader,
    frame_seed,
};
use crate::error::{Error, Result};
use crate::format::{SearchBudget, checksum};
use crate::fs::{FileSystem, ReadableFile};
use crate::version::log_name;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Read at once. Longer payloads are read by themselves.
const WINDOW_BYTES: usize = 256 << 10;

/// A valid frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) header: FrameHeader,
    pub(super) payload: Bytes,
}

/// A segment file. Every offset and length is checked against `length`, the file's.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) segment: u64,
    pub(super) length: u64,
    database_id: u64,
    file: Arc<dyn ReadableFile>,
    window: Vec<u8>,
    window_offset: u64,
    /// What searches for frames may hash.
    budget: SearchBudget,
}

impl Input {
    pub(super) fn open(fs: &dyn FileSystem, dir: &Path, segment: u64, database_id: u64) -> Result<Self> {
        let path = dir.join(log_name(segment));
        let open = || {
            let file = fs.open_read(&path)?;
            let length = file.len()?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| Error::io(&path, "opening a log segment", error))?;
        let (window, budget) = (Vec::new(), SearchBudget::new(length));
        Ok(Input { path, segment, length, database_id, file, window, window_offset: 0, budget })
    }

    /// The segment's header; `None` if it is torn or damaged.
    pub(super) fn header(&mut self) -> Result<Option<SegmentHeader>> {
        if self.length < SEGMENT_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        // By itself: who opens many segments looks at no more of most of them.
        self.read(0, &mut bytes)?;
        let Some(header) = SegmentHeader::decode(&self.path, &bytes)? else {
            return Ok(None);
        };
        if header.segment != self.segment || header.database_id != self.database_id {
            let message = format!(
                "the file is segment {} of database {:016x}; expected segment {} of {:016x}",
                header.segment, header.database_id, self.segment, self.database_id
            );
            return Err(Error::corruption(&self.path, 0, message));
        }
        Ok(Some(header))
    }

    /// The frame at `offset`; `None` if none validates there.
    pub(super) fn frame(&mut self, offset: u64) -> Result<Option<Frame>> {
        match self.frame_header(offset)? {
            Some((stored, header)) => self.checked_frame(offset, stored, header),
            None => Ok(None),
        }
    }

    /// Offset of the first valid frame at or behind `from` whose header is `wanted`. Fails with `Corruption`
    /// if that cannot be told within bounds.
    pub(super) fn find_frame(
        &mut self,
        from: u64,
        wanted: impl Fn(&FrameHeader) -> bool,
    ) -> Result<Option<u64>> {
        let mut offset = from.next_multiple_of(FRAME_ALIGNMENT);
        while offset < self.length {
            // Headers first: most places are not even the beginning of one, and a checksum costs
            // the whole payload.
            if let Some((stored, header)) = self.frame_header(offset)?
                // What was synced when a frame was written is not behind it.
                && header.synced <= offset
                && wanted(&header)
            {
                self.budget.spend(&self.path, offset, u64::from(header.payload_length))?;
                if self.checked_frame(offset, stored, header)?.is_some() {
                    return Ok(Some(offset));
                }
            }
            offset += FRAME_ALIGNMENT;
        }
        Ok(None)
    }

    /// True if only zeros, or nothing, is from `offset` on.
    pub(super) fn is_zero_from(&mut self, offset: u64) -> Result<bool> {
        self.is_zero_between(offset, self.length)
    }

    /// True if only zeros, or nothing, is from `offset` to `end`.
    pub(super) fn is_zero_between(&mut self, mut offset: u64, end: u64) -> Result<bool> {
        let end = end.min(self.length);
        while offset < end {
            let count = WINDOW_BYTES.min(usize::try_from(end - offset).unwrap_or(usize::MAX));
            if self.slice(offset, count)?.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += count as u64;
        }
        Ok(true)
    }

    /// Stored checksum and header of what may be a frame that fits into the file.
    fn frame_header(&mut self, offset: u64) -> Result<Option<(u64, FrameHeader)>> {
        let left = self.length.saturating_sub(offset);
        if left < FRAME_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes.copy_from_slice(self.slice(offset, FRAME_HEADER_BYTES)?);
        let fits =
            |header: &FrameHeader| u64::from(header.payload_length) <= left - FRAME_HEADER_BYTES as u64;
        Ok(FrameHeader::decode(&bytes).filter(|(_, header)| fits(header)))
    }

    fn checked_frame(&mut self, offset: u64, stored: u64, header: FrameHeader) -> Result<Option<Frame>> {
        let seed = frame_seed(self.segment, self.database_id, offset);
        let length = usize::try_from(header.payload_length)
            .ok()
            .and_then(|length| length.checked_add(FRAME_HEADER_BYTES));
        let length = length
            .ok_or_else(|| Error::corruption(&self.path, offset, "a frame is longer than memory can be"))?;
        let payload = if length <= WINDOW_BYTES {
            let frame = self.slice(offset, length)?;
            let is_valid = stored == checksum(seed, &frame[CHECKSUM_BYTES..]);
            is_valid.then(|| Bytes::copy_from_slice(&frame[FRAME_HEADER_BYTES..]))
        } else {
            let mut frame = vec![0; length];
            self.read(offset, &mut frame)?;
            let is_valid = stored == checksum(seed, &frame[CHECKSUM_BYTES..]);
            is_valid.then(|| Bytes::from(frame).slice(FRAME_HEADER_BYTES..))
        };
        Ok(payload.map(|payload| Frame { offset, header, payload }))
    }

    /// `length` bytes at `offset`, at most a window, which the caller knows to be in the file.
    fn slice(&mut self, offset: u64, length: usize) -> Result<&[u8]> {
        let window_end = self.window_offset + self.window.len() as u64;
        if offset < self.window_offset || offset + length as u64 > window_end {
            let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            let mut window = std::mem::take(&mut self.window);
            window.resize(WINDOW_BYTES.min(left), 0);
            self.read(offset, &mut window)?;
            self.window = window;
            self.window_offset = offset;
        }
        let start = usize::try_from(offset - self.window_offset).expect("within the window");
        Ok(&self.window[start..start + length])
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_at(offset, buffer).map_err(|error| Error::io(&self.path, "reading the log", error))
    }
}
