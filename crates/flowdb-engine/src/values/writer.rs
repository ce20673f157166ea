//! Writes a value file.

use super::pointer::ValuePointer;
use super::record::{HEADER_BYTES, Identity, RECORD_HEADER_BYTES, RecordHeader};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{COMPRESSION_LZ4, COMPRESSION_NONE, checksum};
use crate::fs::WritableFile;
use crate::key::{Sequence, TreeId};
use crate::options::Compression;
use std::path::PathBuf;
use std::sync::Arc;

/// Records are collected up to this many bytes; what is longer is written from where it is, without a copy.
const BUFFER_BYTES: usize = 256 << 10;
/// Longer values are not compressed: a flush needs at most about this much memory besides the memtable.
const COMPRESSED_VALUE_BYTES_MAX: usize = 64 << 20;

/// A value as it is to be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredValue<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) raw_bytes: u32,
    pub(crate) compression: u8,
}

/// Appends values. Dropped without [`ValueFileWriter::finish`], it leaves a file that is none.
#[derive(Debug)]
pub(crate) struct ValueFileWriter {
    file: Arc<dyn WritableFile>,
    path: PathBuf,
    identity: Identity,
    compression: Compression,
    /// Bytes that are to be written at `written`.
    buffer: Vec<u8>,
    written: u64,
    /// Kept from value to value.
    compressed: Vec<u8>,
}

impl ValueFileWriter {
    pub(crate) fn new(
        file: Arc<dyn WritableFile>,
        path: PathBuf,
        id: u64,
        database: u64,
        tree: TreeId,
        compression: Compression,
    ) -> Self {
        let identity = Identity { file: id, database, tree };
        let code = match compression {
            Compression::None => COMPRESSION_NONE,
            Compression::Lz4 => COMPRESSION_LZ4,
        };
        let buffer = identity.encode(code).to_vec();
        ValueFileWriter { file, path, identity, compression, buffer, written: 0, compressed: Vec::new() }
    }

    /// Appends a value, compressed where that pays.
    pub(crate) fn add(&mut self, key: &[u8], sequence: Sequence, value: &[u8]) -> Result<ValuePointer> {
        let mut compressed = std::mem::take(&mut self.compressed);
        let is_compressed = self.compression == Compression::Lz4
            && value.len() <= COMPRESSED_VALUE_BYTES_MAX
            && compress(&mut compressed, value);
        let (bytes, compression) = match is_compressed {
            true => (&compressed[..], COMPRESSION_LZ4),
            false => (value, COMPRESSION_NONE),
        };
        let raw_bytes = u32::try_from(value.len()).map_err(too_large)?;
        let pointer = self.add_stored(key, sequence, StoredValue { bytes, raw_bytes, compression });
        self.compressed = compressed;
        pointer
    }

    /// Appends a value as another file stored it.
    pub(crate) fn add_stored(
        &mut self,
        key: &[u8],
        sequence: Sequence,
        value: StoredValue<'_>,
    ) -> Result<ValuePointer> {
        let offset = self.file_bytes();
        let value_offset = offset + (RECORD_HEADER_BYTES + key.len()) as u64;
        let header = RecordHeader {
            value_checksum: checksum(self.identity.seed(value_offset), value.bytes),
            sequence,
            stored_bytes: u32::try_from(value.bytes.len()).map_err(too_large)?,
            raw_bytes: value.raw_bytes,
            key_bytes: u32::try_from(key.len()).map_err(too_large)?,
            compression: value.compression,
        };
        self.buffer.extend_from_slice(&header.encode(self.identity, offset, key));
        self.buffer.extend_from_slice(key);
        self.append(value.bytes)?;
        Ok(ValuePointer {
            file: self.identity.file,
            offset: value_offset,
            stored_bytes: header.stored_bytes,
            raw_bytes: header.raw_bytes,
            compression: header.compression,
            checksum: header.value_checksum,
        })
    }

    /// Length of the file so far.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes what is left, and syncs the file; its length.
    pub(crate) fn finish(mut self) -> Result<u64> {
        debug_assert!(self.file_bytes() > HEADER_BYTES as u64, "a file without values is not worth a file");
        self.write_buffer()?;
        self.file.sync().map_err(|error| Error::io(&self.path, "syncing a value file", error))?;
        Ok(self.written)
    }

    fn append(&mut self, value: &[u8]) -> Result<()> {
        if self.buffer.len() + value.len() <= BUFFER_BYTES {
            self.buffer.extend_from_slice(value);
            return Ok(());
        }
        self.write_buffer()?;
        self.write(value)
    }

    fn write_buffer(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.write(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_at(self.written, bytes)
            .map_err(|error| Error::io(&self.path, "writing a value file", error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Compresses `value` into `out` if that saves an eighth.
fn compress(out: &mut Vec<u8>, value: &[u8]) -> bool {
    out.resize(lz4_flex::block::get_maximum_output_size(value.len()), 0);
    match lz4_flex::block::compress_into(value, out) {
        Ok(length) if length < value.len() - value.len() / 8 => {
            out.truncate(length);
            true
        }
        _ => false,
    }
}

fn too_large(_: std::num::TryFromIntError) -> Error {
    Error::new(ErrorKind::TooLarge, "a key or value of 4 GiB or more")
}
