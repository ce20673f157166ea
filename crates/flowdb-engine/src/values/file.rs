//! A value file that is live, and what happens to it when it no longer is.

use super::cache::ValueCache;
use super::pointer::ValuePointer;
use super::record::{HEADER_BYTES, Identity};
use super::writer::StoredValue;
use crate::batch::VALUE_BYTES_MAX;
use crate::error::{Error, Result};
use crate::file_context::FileContext;
use crate::format::{COMPRESSION_LZ4, COMPRESSION_NONE, checksum};
use crate::fs::ReadableFile;
use crate::options::ReadTier;
use crate::tree::Garbage;
use crate::version::{ValueFileMeta, value_file_name};
use bytes::Bytes;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// LZ4 makes at most this many bytes of one, so that a length that claims more is a lie.
const LZ4_RATIO_MAX: usize = 256;

/// An open value file. The tables that refer to it share it, and through them views, iterators and
/// compactions; once it is marked obsolete, the last one to let go hands it to the garbage, so that no reader
/// ever finds it gone.
#[derive(Debug)]
pub(crate) struct ValueFile {
    pub(crate) meta: ValueFileMeta,
    file: Arc<dyn ReadableFile>,
    path: PathBuf,
    identity: Identity,
    cache: Arc<ValueCache>,
    /// Number of its values in the cache, which other databases may share.
    owner: u64,
    garbage: Arc<Garbage>,
    obsolete: AtomicBool,
}

impl ValueFile {
    /// Opens the file, and checks its length and header.
    pub(crate) fn open(context: FileContext<'_>, meta: ValueFileMeta) -> Result<Arc<ValueFile>> {
        let path = context.dir.join(value_file_name(meta.id));
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::corruption(&path, 0, "a value file that the manifest names is missing")
            }
            _ => Error::io(&path, "opening a value file", error),
        };
        let file = context.resources.files.open_read(context.fs, &path).map_err(io)?;
        let length = file.len().map_err(io)?;
        if length != meta.file_bytes || length < HEADER_BYTES as u64 {
            let message = format!("the value file has {length} bytes, not {}", meta.file_bytes);
            return Err(Error::corruption(&path, length.min(meta.file_bytes), message));
        }
        let identity = Identity { file: meta.id, database: context.database_id, tree: meta.tree };
        let mut header = [0; HEADER_BYTES];
        file.read_at(0, &mut header).map_err(io)?;
        identity.check(&header, &path)?;
        Ok(Arc::new(ValueFile {
            meta,
            file,
            path,
            identity,
            cache: Arc::clone(&context.resources.values),
            owner: context.resources.values.new_owner(),
            garbage: Arc::clone(context.garbage),
            obsolete: AtomicBool::new(false),
        }))
    }

    /// Bytes that records take.
    pub(crate) fn record_bytes(&self) -> u64 {
        self.meta.file_bytes - HEADER_BYTES as u64
    }

    /// The manifest no longer names it, or never will.
    pub(crate) fn mark_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    /// The value, from the cache or (if `tier` allows it) from the file.
    pub(crate) fn read(&self, pointer: &ValuePointer, tier: ReadTier, fill_cache: bool) -> Result<Bytes> {
        if let Some(value) = self.cache.get(self.owner, pointer.offset) {
            return Ok(value);
        }
        if tier == ReadTier::Memory {
            return Err(Error::would_block());
        }
        let value = self.decompress(self.read_stored(pointer)?, pointer)?;
        if fill_cache {
            self.cache.insert(self.owner, pointer.offset, &value);
        }
        Ok(value)
    }

    /// Passes the value, as it is stored, to `take`.
    pub(crate) fn with_stored<T>(
        &self,
        pointer: &ValuePointer,
        take: impl FnOnce(StoredValue<'_>) -> Result<T>,
    ) -> Result<T> {
        let bytes = self.read_stored(pointer)?;
        let ValuePointer { raw_bytes, compression, .. } = *pointer;
        take(StoredValue { bytes: &bytes, raw_bytes, compression })
    }

    fn read_stored(&self, pointer: &ValuePointer) -> Result<Cow<'_, [u8]>> {
        let ValuePointer { offset, stored_bytes, .. } = *pointer;
        let is_within =
            offset.checked_add(stored_bytes.into()).is_some_and(|end| end <= self.meta.file_bytes);
        if !is_within || offset < HEADER_BYTES as u64 {
            let message = format!("a value of {stored_bytes} bytes does not fit into the file");
            return Err(self.corrupt(pointer, message));
        }
        let length = stored_bytes as usize;
        let bytes = match self.file.mapped(offset, length) {
            Some(bytes) => Cow::Borrowed(bytes),
            None => {
                let mut bytes = vec![0; length];
                let read = self.file.read_at(offset, &mut bytes);
                read.map_err(|error| Error::io(&self.path, "reading a value", error))?;
                Cow::Owned(bytes)
            }
        };
        if checksum(self.identity.seed(offset), &bytes) != pointer.checksum {
            return Err(self.corrupt(pointer, "the checksum of a value does not match"));
        }
        Ok(bytes)
    }

    fn decompress(&self, stored: Cow<'_, [u8]>, pointer: &ValuePointer) -> Result<Bytes> {
        let raw_bytes = pointer.raw_bytes as usize;
        match pointer.compression {
            COMPRESSION_NONE if raw_bytes == stored.len() => Ok(stored.into_owned().into()),
            COMPRESSION_LZ4 => {
                if raw_bytes > VALUE_BYTES_MAX || raw_bytes / LZ4_RATIO_MAX > stored.len() {
                    return Err(self.corrupt(pointer, "a compressed value claims an impossible length"));
                }
                lz4_flex::block::decompress(&stored, raw_bytes)
                    .ok()
                    .filter(|value| value.len() == raw_bytes)
                    .map(Bytes::from)
                    .ok_or_else(|| self.corrupt(pointer, "a value cannot be decompressed"))
            }
            _ => Err(self.corrupt(pointer, "length or compression of a value is wrong")),
        }
    }

    fn corrupt(&self, pointer: &ValuePointer, message: impl Into<String>) -> Error {
        Error::corruption(&self.path, pointer.offset, message)
    }
}

impl Drop for ValueFile {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            self.garbage.add(std::mem::take(&mut self.path));
        }
    }
}
