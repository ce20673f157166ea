//! Memory and files that databases of a process share.

mod files;
mod table_memory;
mod write_buffers;

pub(crate) use files::TableFiles;
pub(crate) use table_memory::{MemoryCharge, TableMemory};
pub(crate) use write_buffers::WriteBuffers;

use crate::cache::BlockCache;
use crate::error::Result;
use crate::options::check;
use crate::stats::ResourceStats;
use crate::values::ValueCache;
use std::sync::Arc;

/// How much databases may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Memory for decompressed blocks, in bytes. Default 32 MiB, from 0 to 1 TiB. Indexes and filters of the
    /// open tables, which stay in memory, are taken off it, down to half of it: with many tables fewer blocks
    /// are kept. Values read from value files may take a quarter of this besides.
    pub block_cache_bytes: u64,
    /// Memory for memtables, in bytes. Default: no limit but that of each tree; from 256 KiB on. When the
    /// memtables of all databases exceed it, the largest one that is being written is flushed, whichever
    /// database it belongs to. Not a hard limit: writes go on meanwhile, as long as their own tree's
    /// settings let them.
    pub write_buffer_bytes: Option<u64>,
    /// Descriptors kept open for tables and value files. Default 512, at least 8. Beyond it, those that
    /// were not read lately are closed, and opened again when they are. Those being read at the moment
    /// come on top. Files that are mapped into memory ([`crate::fs::FileAccess::Mapped`]) stay open and
    /// are not counted.
    pub open_tables: usize,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        ResourceLimits { block_cache_bytes: 32 << 20, write_buffer_bytes: None, open_tables: 512 }
    }
}

/// A block cache, a budget for memtables and a limit of open files, for all databases that were opened
/// with it ([`crate::Options::resources`]).
#[derive(Debug)]
pub struct Resources {
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) values: Arc<ValueCache>,
    pub(crate) files: Arc<TableFiles>,
    pub(crate) write_buffers: WriteBuffers,
}

impl Resources {
    /// Resources within `limits`. Fails with `InvalidArgument` for limits out of range.
    pub fn new(limits: ResourceLimits) -> Result<Arc<Self>> {
        let ResourceLimits { block_cache_bytes, write_buffer_bytes, open_tables } = limits;
        check("block_cache_bytes", block_cache_bytes, 0, 1 << 40)?;
        check("write_buffer_bytes", write_buffer_bytes.unwrap_or(1 << 40), 256 << 10, 1 << 40)?;
        check("open_tables", open_tables as u64, 8, 1 << 20)?;
        Ok(Arc::new(Resources {
            cache: Arc::new(BlockCache::new(block_cache_bytes)),
            values: Arc::new(ValueCache::new(block_cache_bytes)),
            files: TableFiles::new(open_tables),
            write_buffers: WriteBuffers::new(write_buffer_bytes),
        }))
    }

    pub(crate) fn stats(&self) -> ResourceStats {
        ResourceStats {
            table_memory_bytes: self.cache.table_memory().bytes(),
            write_buffer_bytes: self.write_buffers.bytes(),
            open_tables: self.files.open(),
            tables_reopened: self.files.reopened(),
        }
    }
}
