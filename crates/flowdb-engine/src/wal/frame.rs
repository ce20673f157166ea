//! Header of a segment, header of a frame, and the checksums that tie both to their place.

use crate::error::{Error, ErrorKind, Result};
use crate::format::{COMPRESSION_NONE, ENCRYPTION_NONE, FORMAT_VERSION, Reader, check_version, checksum};
use crate::key::Sequence;
use std::path::Path;

const MAGIC: &[u8; 8] = b"FLOWDBLG";
/// Length of a segment's header.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
/// Length of a frame's header.
pub(super) const FRAME_HEADER_BYTES: usize = 32;
/// Length of the checksum that a frame begins with.
pub(super) const CHECKSUM_BYTES: usize = 8;
/// Frames begin at multiples of this.
pub(super) const FRAME_ALIGNMENT: u64 = 8;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The segment's number, also in its file name.
    pub(crate) segment: u64,
    /// Number of the segment before it, 0 if there was none: a segment that is missing in between is noticed.
    pub(crate) previous: u64,
    /// Random number of the database, from the manifest.
    pub(crate) database_id: u64,
    /// Last sequence number issued before this segment.
    pub(crate) last_sequence: Sequence,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&[COMPRESSION_NONE, ENCRYPTION_NONE]);
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.database_id.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.last_sequence.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.previous.to_le_bytes());
        let sum = checksum(self.segment, &bytes[..56]);
        bytes[56..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The header in `bytes`; `None` if it is torn or damaged. A header of a newer version is an error.
    pub(super) fn decode(path: &Path, bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Option<SegmentHeader>> {
        let Some(fields) = Fields::read(bytes) else {
            return Ok(None);
        };
        let [compression, encryption] = fields.kinds;
        if fields.is_valid {
            check_version(path, fields.version, compression, encryption)?;
            return Ok(Some(fields.header));
        }
        if bytes.starts_with(MAGIC) && fields.version > FORMAT_VERSION {
            // A newer version may keep its checksum elsewhere: better refused than taken for damage, and cut.
            check_version(path, fields.version, compression, encryption)?;
        }
        Ok(None)
    }
}

struct Fields {
    header: SegmentHeader,
    version: u16,
    kinds: [u8; 2],
    is_valid: bool,
}

impl Fields {
    fn read(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Option<Fields> {
        let mut reader = Reader::new(bytes);
        let magic = reader.take(MAGIC.len())?;
        let version = reader.u16()?;
        let kinds = [reader.u8()?, reader.u8()?];
        let zero = reader.u32()?;
        let (segment, database_id, last_sequence, previous) =
            (reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?);
        let (more_zero, stored) = (reader.u64()?, reader.u64()?);
        let is_valid =
            magic == MAGIC && zero == 0 && more_zero == 0 && stored == checksum(segment, &bytes[..56]);
        Some(Fields {
            header: SegmentHeader { segment, previous, database_id, last_sequence },
            version,
            kinds,
            is_valid,
        })
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Operations of a commit; more frames of it follow.
    Part = 1,
    /// Operations of a commit, and its end.
    End = 2,
    /// The database was closed here.
    Close = 3,
}

/// Header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) payload_length: u32,
    pub(super) kind: FrameKind,
    /// Number of the first operation.
    pub(super) first: Sequence,
    /// Bytes of the segment that were on stable storage when the frame was written.
    pub(super) synced: u64,
}

/// Seed of a frame's checksum: a frame that was written elsewhere does not validate.
pub(super) fn frame_seed(segment: u64, database_id: u64, offset: u64) -> u64 {
    segment.rotate_left(32) ^ offset ^ database_id
}

impl FrameHeader {
    /// The header of a frame with operations.
    pub(super) fn new(kind: FrameKind, payload: &[u8], first: Sequence, synced: u64) -> Result<Self> {
        let payload_length = u32::try_from(payload.len())
            .map_err(|_| Error::new(ErrorKind::TooLarge, "one part of a commit is longer than 4 GiB"))?;
        Ok(FrameHeader { payload_length, kind, first, synced })
    }

    /// The header, its first eight bytes left for the checksum of what follows them.
    pub(super) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[8..12].copy_from_slice(&self.payload_length.to_le_bytes());
        bytes[12] = self.kind as u8;
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced.to_le_bytes());
        bytes
    }

    /// The stored checksum and the header; `None` if no frame begins with these bytes.
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<(u64, FrameHeader)> {
        let mut reader = Reader::new(bytes);
        let stored = reader.u64()?;
        let payload_length = reader.u32()?;
        let kind = match reader.u8()? {
            1 => FrameKind::Part,
            2 => FrameKind::End,
            3 => FrameKind::Close,
            _ => return None,
        };
        if reader.take(3)? != [0; 3] {
            return None;
        }
        let header = FrameHeader { payload_length, kind, first: reader.u64()?, synced: reader.u64()? };
        Some((stored, header))
    }

    /// Where the frame after this one begins, if this one begins at `offset`.
    pub(super) fn end(&self, offset: u64) -> u64 {
        (offset + FRAME_HEADER_BYTES as u64 + u64::from(self.payload_length))
            .next_multiple_of(FRAME_ALIGNMENT)
    }
}
