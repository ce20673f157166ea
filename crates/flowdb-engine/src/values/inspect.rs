//! Reads a value file from front to back, and says where each value in it is.

use super::pointer::ValuePointer;
use super::record::{HEADER_BYTES, Identity, RECORD_HEADER_BYTES, RecordHeader};
use crate::error::{Error, Result};
use crate::format::checksum;
use crate::fs::ReadableFile;
use crate::version::ValueFileMeta;
use std::collections::BTreeMap;
use std::path::Path;

/// Keys are no longer than this, so that a longer one is a lie.
const KEY_BYTES_MAX: u64 = crate::batch::KEY_BYTES_MAX as u64;

/// What was found in a value file.
#[derive(Debug, Default)]
pub(crate) struct ValueInspection {
    /// The sound records, by the offset of their values: length of the key, and the pointer to it.
    pub(crate) values: BTreeMap<u64, (usize, ValuePointer)>,
    /// What is wrong. Behind damage to a record's header nothing is known.
    pub(crate) damages: Vec<Error>,
    pub(crate) bytes_read: u64,
}

/// Checks every byte of the file.
pub(crate) fn inspect_values(
    file: &dyn ReadableFile,
    path: &Path,
    database: u64,
    meta: ValueFileMeta,
) -> ValueInspection {
    let identity = Identity { file: meta.id, database, tree: meta.tree };
    let mut inspector = Inspector { file, path, identity, length: 0, found: ValueInspection::default() };
    if let Err(error) = inspector.walk(meta.file_bytes) {
        inspector.found.damages.push(error);
    }
    inspector.found
}

struct Inspector<'a> {
    file: &'a dyn ReadableFile,
    path: &'a Path,
    identity: Identity,
    length: u64,
    found: ValueInspection,
}

impl Inspector<'_> {
    fn walk(&mut self, file_bytes: u64) -> Result<()> {
        let length = self.file.len();
        self.length = length.map_err(|error| Error::io(self.path, "reading a value file", error))?;
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&self.read(0, HEADER_BYTES as u64)?);
        self.identity.check(&header, self.path)?;
        let mut offset = HEADER_BYTES as u64;
        while offset < self.length {
            offset = self.record(offset)?;
        }
        if self.length == file_bytes {
            return Ok(());
        }
        let message = format!("the value file has {} bytes, not {file_bytes}", self.length);
        Err(Error::corruption(self.path, self.length.min(file_bytes), message))
    }

    /// Where the record ends. Fails if that is not known.
    fn record(&mut self, offset: u64) -> Result<u64> {
        let bytes = self.read(offset, RECORD_HEADER_BYTES as u64)?;
        let corrupt = || Error::corruption(self.path, offset, "the header of a record is damaged");
        let header =
            RecordHeader::decode(&bytes).filter(|header| u64::from(header.key_bytes) <= KEY_BYTES_MAX);
        let header = header.ok_or_else(corrupt)?;
        let key = self.read(offset + RECORD_HEADER_BYTES as u64, header.key_bytes.into())?;
        if header.encode(self.identity, offset, &key)[..] != bytes[..] {
            return Err(Error::corruption(self.path, offset, "the checksum of a record does not match"));
        }
        let at = offset + RECORD_HEADER_BYTES as u64 + u64::from(header.key_bytes);
        let value = self.read(at, header.stored_bytes.into())?;
        if checksum(self.identity.seed(at), &value) == header.value_checksum {
            let pointer = ValuePointer {
                file: self.identity.file,
                offset: at,
                stored_bytes: header.stored_bytes,
                raw_bytes: header.raw_bytes,
                compression: header.compression,
                checksum: header.value_checksum,
            };
            self.found.values.insert(at, (key.len(), pointer));
        } else {
            let error = Error::corruption(self.path, at, "the checksum of a value does not match");
            self.found.damages.push(error);
        }
        Ok(at + u64::from(header.stored_bytes))
    }

    /// Bytes that have to be within the file: no length is believed before.
    fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>> {
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(Error::corruption(self.path, offset, "the value file ends within a record"));
        }
        let too_large = |_| Error::corruption(self.path, offset, "a record is too large for this machine");
        let mut bytes = vec![0; usize::try_from(length).map_err(too_large)?];
        let read = self.file.read_at(offset, &mut bytes);
        read.map_err(|error| Error::io(self.path, "reading a value file", error))?;
        self.found.bytes_read += length;
        Ok(bytes)
    }
}
