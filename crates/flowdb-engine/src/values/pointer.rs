//! What a table holds in the place of a value.

use super::record::RECORD_HEADER_BYTES;
use crate::format::{Reader, put_varint};

/// Where a value is, and how to tell that it is the right one. All that reading it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValuePointer {
    /// The value file.
    pub(crate) file: u64,
    /// Where the stored value begins.
    pub(crate) offset: u64,
    /// Length as stored, in bytes.
    pub(crate) stored_bytes: u32,
    /// Length of the value, in bytes.
    pub(crate) raw_bytes: u32,
    /// A compression code of the format.
    pub(crate) compression: u8,
    /// Checksum of the stored value.
    pub(crate) checksum: u64,
}

impl ValuePointer {
    /// The value of an entry of kind `PutPointer`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        put_varint(&mut out, self.file);
        put_varint(&mut out, self.offset);
        put_varint(&mut out, self.stored_bytes.into());
        put_varint(&mut out, self.raw_bytes.into());
        out.push(self.compression);
        out.extend_from_slice(&self.checksum.to_le_bytes());
        out
    }

    /// The pointer that is encoded so; `None` if these bytes are none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<ValuePointer> {
        let mut reader = Reader::new(bytes);
        let pointer = ValuePointer {
            file: reader.varint()?,
            offset: reader.varint()?,
            stored_bytes: u32::try_from(reader.varint()?).ok()?,
            raw_bytes: u32::try_from(reader.varint()?).ok()?,
            compression: reader.u8()?,
            checksum: reader.u64()?,
        };
        reader.is_empty().then_some(pointer)
    }

    /// Bytes that the value of a key of this length takes in its file, all told.
    pub(crate) fn record_bytes(&self, key_bytes: usize) -> u64 {
        RECORD_HEADER_BYTES as u64 + key_bytes as u64 + u64::from(self.stored_bytes)
    }
}
