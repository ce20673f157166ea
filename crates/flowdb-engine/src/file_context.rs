//! What files of one database have in common.

use crate::fs::FileSystem;
use crate::inner::Inner;
use crate::resources::Resources;
use crate::tree::Garbage;
use std::path::Path;
use std::sync::Arc;

/// Where tables and value files are, whose they are, and what they share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileContext<'a> {
    pub(crate) fs: &'a Arc<dyn FileSystem>,
    pub(crate) dir: &'a Path,
    pub(crate) database_id: u64,
    pub(crate) resources: &'a Resources,
    pub(crate) garbage: &'a Arc<Garbage>,
}

impl Inner {
    pub(crate) fn file_context(&self) -> FileContext<'_> {
        FileContext {
            fs: &self.fs,
            dir: &self.dir,
            database_id: self.database_id,
            resources: &self.resources,
            garbage: &self.garbage,
        }
    }
}
