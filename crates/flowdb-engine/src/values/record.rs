//! The layout of a value file: its header, and the header of each record.

use crate::error::{Error, Result};
use crate::format::{ENCRYPTION_NONE, FORMAT_VERSION, Reader, check_version, checksum, checksum_parts};
use crate::key::{Sequence, TreeId};
use std::path::Path;

/// Length of the header of the file.
pub(super) const HEADER_BYTES: usize = 64;
/// Length of the header of a record.
pub(super) const RECORD_HEADER_BYTES: usize = 40;
const MAGIC: &[u8; 8] = b"FLOWDBVL";

/// Ties checksums to the file and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) file: u64,
    pub(super) database: u64,
    pub(super) tree: TreeId,
}

impl Identity {
    /// Seed for what is at `offset`, as for the blocks of a table.
    pub(super) fn seed(self, offset: u64) -> u64 {
        self.file.rotate_left(32) ^ offset ^ self.database
    }

    /// The header of the file; `compression` is what was asked for.
    pub(super) fn encode(self, compression: u8) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10] = compression;
        bytes[11] = ENCRYPTION_NONE;
        bytes[12] = self.tree.0;
        bytes[16..24].copy_from_slice(&self.file.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.database.to_le_bytes());
        let sum = checksum(self.file, &bytes[..56]);
        bytes[56..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Checks the header of a file that should be this one.
    pub(super) fn check(self, bytes: &[u8; HEADER_BYTES], path: &Path) -> Result<()> {
        let corrupt = |message: &str| Err(Error::corruption(path, 0, message));
        if &bytes[..8] != MAGIC {
            return corrupt("the file does not begin as a value file does");
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if Reader::new(&bytes[56..]).u64() != Some(checksum(self.file, &bytes[..56])) {
            if version > FORMAT_VERSION {
                // A newer version may keep its checksum elsewhere: better refused than called damaged.
                check_version(path, version, bytes[10], bytes[11])?;
            }
            return corrupt("the checksum of the header does not match");
        }
        check_version(path, version, bytes[10], bytes[11])?;
        if *bytes != self.encode(bytes[10]) {
            return corrupt("the value file belongs to another place, tree or database");
        }
        Ok(())
    }
}

/// What precedes key and value of a record, but for its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) value_checksum: u64,
    pub(super) sequence: Sequence,
    pub(super) stored_bytes: u32,
    pub(super) raw_bytes: u32,
    pub(super) key_bytes: u32,
    pub(super) compression: u8,
}

impl RecordHeader {
    /// What these bytes say; nothing is checked but the length.
    pub(super) fn decode(bytes: &[u8]) -> Option<RecordHeader> {
        let mut reader = Reader::new(bytes.get(8..RECORD_HEADER_BYTES)?);
        Some(RecordHeader {
            value_checksum: reader.u64()?,
            sequence: reader.u64()?,
            stored_bytes: reader.u32()?,
            raw_bytes: reader.u32()?,
            key_bytes: reader.u32()?,
            compression: reader.u8()?,
        })
    }

    /// The header of the record at `offset`. Reading by pointer does not need it: it is for those who have
    /// lost the pointers.
    pub(super) fn encode(&self, identity: Identity, offset: u64, key: &[u8]) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[8..16].copy_from_slice(&self.value_checksum.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.raw_bytes.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.key_bytes.to_le_bytes());
        bytes[36] = self.compression;
        let sum = checksum_parts(identity.seed(offset), &[&bytes[8..], key]);
        bytes[..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}
