//! From the entry of a table to its value.

use super::pointer::ValuePointer;
use crate::error::{Error, ErrorKind, Result};
use crate::flush::find_value_file;
use crate::key::{Kind, Version};
use crate::options::ReadTier;
use crate::tree::{LiveTable, Shelves};
use bytes::Bytes;
use std::sync::Arc;

/// Reads the values that the tables of one view refer to, and those of a draft over it.
#[derive(Debug)]
pub(crate) struct ValueResolver {
    pub(crate) shelves: Arc<Shelves>,
    /// Tables of a draft.
    pub(crate) private: Vec<Arc<LiveTable>>,
    pub(crate) tier: ReadTier,
    pub(crate) bypass_cache: bool,
}

impl ValueResolver {
    /// The version that a pointer stands for.
    pub(crate) fn resolve(&self, version: Version) -> Result<Version> {
        match version.kind {
            Kind::PutPointer => Ok(Version { kind: Kind::Put, value: self.read(&version.value)?, ..version }),
            Kind::Put | Kind::Delete | Kind::DeleteRange => Ok(version),
        }
    }

    /// The value that an entry of kind `PutPointer` stands for.
    pub(crate) fn read(&self, pointer: &[u8]) -> Result<Bytes> {
        let pointer = ValuePointer::decode(pointer).ok_or_else(malformed)?;
        let file = find_value_file(&self.private, pointer.file);
        let file = file.or_else(|| self.shelves.value_file(pointer.file));
        let file = file.ok_or_else(|| unknown(pointer.file))?;
        file.read(&pointer, self.tier, !self.bypass_cache)
    }
}

/// The checksum of its block was right, and yet it is not what we write.
pub(crate) fn malformed() -> Error {
    Error::new(ErrorKind::Corruption, "a table holds a malformed pointer to a value")
}

/// Checked when tables are opened: their properties name the value files that their entries refer to.
pub(crate) fn unknown(file: u64) -> Error {
    Error::new(ErrorKind::Corruption, format!("no table names value file {file}, which an entry refers to"))
}
