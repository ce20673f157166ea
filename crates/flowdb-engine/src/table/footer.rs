//! The end of a table, where reading begins.

use super::stored::{Handle, Identity};
use crate::error::{Error, Result};
use crate::format::{
    COMPRESSION_LZ4, COMPRESSION_NONE, ENCRYPTION_NONE, FORMAT_VERSION, Reader, check_version, checksum,
};
use crate::options::Compression;
use std::path::Path;

/// Length of the footer.
pub(super) const FOOTER_BYTES: usize = 96;
const MAGIC: &[u8; 8] = b"FLOWDBTB";

/// Where the parts of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Footer {
    pub(super) filter: Handle,
    /// Length 0 if there are no range deletes.
    pub(super) range_deletes: Handle,
    pub(super) index: Handle,
    pub(super) properties: Handle,
}

impl Footer {
    pub(super) fn encode(&self, identity: Identity, compression: Compression) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        for (index, handle) in
            [self.filter, self.range_deletes, self.index, self.properties].iter().enumerate()
        {
            bytes[12 * index..][..8].copy_from_slice(&handle.offset.to_le_bytes());
            bytes[12 * index + 8..][..4].copy_from_slice(&handle.length.to_le_bytes());
        }
        bytes[48..56].copy_from_slice(&identity.table_id.to_le_bytes());
        bytes[56..64].copy_from_slice(&identity.database_id.to_le_bytes());
        bytes[72..74].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[74] = match compression {
            Compression::None => COMPRESSION_NONE,
            Compression::Lz4 => COMPRESSION_LZ4,
        };
        bytes[75] = ENCRYPTION_NONE;
        let sum = checksum(identity.table_id, &bytes[..80]);
        bytes[80..88].copy_from_slice(&sum.to_le_bytes());
        bytes[88..].copy_from_slice(MAGIC);
        bytes
    }

    /// Checks the footer at `offset` of a table that should be `identity`.
    pub(super) fn decode(
        bytes: &[u8; FOOTER_BYTES],
        path: &Path,
        offset: u64,
        identity: Identity,
    ) -> Result<Footer> {
        let corrupt = |message: &str| Error::corruption(path, offset, message);
        if &bytes[88..] != MAGIC {
            return Err(corrupt("the file does not end as a table does"));
        }
        let mut reader = Reader::new(bytes);
        let footer = Self::read_handles(&mut reader).ok_or_else(|| corrupt("the footer is too short"))?;
        let table_id = reader.u64();
        let database_id = reader.u64();
        let version = u16::from_le_bytes([bytes[72], bytes[73]]);
        let sum = Reader::new(&bytes[80..]).u64();
        if sum != Some(checksum(identity.table_id, &bytes[..80])) {
            if version > FORMAT_VERSION {
                // A newer version may keep its checksum elsewhere: better refused than called damaged.
                check_version(path, version, bytes[74], bytes[75])?;
            }
            return Err(corrupt("the checksum of the footer does not match"));
        }
        check_version(path, version, bytes[74], bytes[75])?;
        if (table_id, database_id) != (Some(identity.table_id), Some(identity.database_id)) {
            return Err(corrupt("the table belongs to another place or database"));
        }
        Ok(footer)
    }

    fn read_handles(reader: &mut Reader<'_>) -> Option<Footer> {
        let mut handle = || Some(Handle { offset: reader.u64()?, length: reader.u32()? });
        Some(Footer { filter: handle()?, range_deletes: handle()?, index: handle()?, properties: handle()? })
    }
}
