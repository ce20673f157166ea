//! Large values: they are read from the value files of the damaged database and become ordinary entries
//! again. The next compactions of the new one move them out.

use super::problem;
use crate::doorbell::Doorbell;
use crate::error::{Error, Result};
use crate::executor::NoExecutor;
use crate::file_context::FileContext;
use crate::fs::FileSystem;
use crate::key::{Kind, TreeId};
use crate::options::ReadTier;
use crate::resources::{ResourceLimits, Resources};
use crate::table::Row;
use crate::tree::Garbage;
use crate::values::{ValueFile, ValuePointer};
use crate::verify::{Affected, Problem};
use crate::version::{ValueFileMeta, value_file_name};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The value files of the damaged database, opened when they are asked for.
pub(super) struct Values {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    database_id: u64,
    resources: Arc<Resources>,
    garbage: Arc<Garbage>,
    open: BTreeMap<u64, Arc<ValueFile>>,
    /// Values that could not be read.
    pub(super) lost: Vec<Problem>,
}

impl Values {
    pub(super) fn new(fs: Arc<dyn FileSystem>, dir: PathBuf, database_id: u64) -> Result<Self> {
        let resources = Resources::new(ResourceLimits { block_cache_bytes: 0, ..ResourceLimits::default() })?;
        let garbage = Arc::new(Garbage::new(Doorbell::new(Arc::new(NoExecutor))));
        Ok(Values { fs, dir, database_id, resources, garbage, open: BTreeMap::new(), lost: Vec::new() })
    }

    /// What an entry of `tree` holds; `None` if it is in a value file and cannot be read, which is noted.
    pub(super) fn of<'a>(&mut self, tree: TreeId, row: &Row<'a>) -> Option<Cow<'a, [u8]>> {
        if row.kind != Kind::PutPointer {
            return Some(Cow::Borrowed(row.value));
        }
        match self.read(tree, row.value) {
            Ok(value) => Some(Cow::Owned(value.into())),
            Err(error) => {
                let key = Bytes::copy_from_slice(row.key);
                let affected = Affected {
                    tree: Some(tree),
                    keys: Some((key.clone(), key)),
                    sequences: Some((row.sequence, row.sequence)),
                };
                let file = error.file().unwrap_or(&self.dir);
                let mut found = problem(file, error.kind(), affected, error.message());
                found.offset = error.offset().unwrap_or(0);
                self.lost.push(found);
                None
            }
        }
    }

    fn read(&mut self, tree: TreeId, pointer: &[u8]) -> Result<Bytes> {
        let pointer = ValuePointer::decode(pointer)
            .ok_or_else(|| Error::corruption(&self.dir, 0, "a pointer to a value is malformed"))?;
        self.file(tree, pointer.file)?.read(&pointer, ReadTier::Disk, false)
    }

    fn file(&mut self, tree: TreeId, id: u64) -> Result<Arc<ValueFile>> {
        if let Some(file) = self.open.get(&id) {
            return Ok(Arc::clone(file));
        }
        let path = self.dir.join(value_file_name(id));
        let length = self.fs.open_read(&path).and_then(|file| file.len());
        let file_bytes = length.map_err(|error| Error::io(&path, "opening a value file", error))?;
        let context = FileContext {
            fs: &self.fs,
            dir: &self.dir,
            database_id: self.database_id,
            resources: &self.resources,
            garbage: &self.garbage,
        };
        // Its length is its own word: each value has a checksum of its own.
        let file = ValueFile::open(context, ValueFileMeta { id, tree, file_bytes })?;
        self.open.insert(id, Arc::clone(&file));
        Ok(file)
    }
}
