//! flowdb's engine: keys as they are, in one tree.

use super::{Durability, Engine, KeyRange, Result, Setup};
use crate::data::{Key, Record};
use flowdb_engine::format::NEVER;
use flowdb_engine::fs::RealFileSystem;
use flowdb_engine::{
    Db, Durability as EngineDurability, Options, ReadOptions, ThreadExecutor, TreeId, TreeOptions,
    WriteBatch, WriteOptions,
};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;

const TREE: TreeId = TreeId(1);
/// As long as a slice is in Node; a thread of its own could take longer ones without gaining from it.
pub(super) const MAINTENANCE_SLICE: Duration = Duration::from_millis(25);

pub(crate) struct Flowdb {
    db: Db,
    executor: Arc<ThreadExecutor>,
}

impl Flowdb {
    pub(crate) fn open(setup: &Setup) -> Result<Self> {
        let executor = ThreadExecutor::new();
        let db = Db::open(Arc::new(RealFileSystem::default()), &setup.dir, options(setup, &executor))?;
        executor.start(db.clone(), MAINTENANCE_SLICE);
        Ok(Flowdb { db, executor })
    }
}

/// The one configuration of all rows: the defaults. Only the size of the cache is a row's business, and the
/// buffer's in the recovery rows, which are about a large log.
fn options(setup: &Setup, executor: &Arc<ThreadExecutor>) -> Options {
    let mut options = Options::new(vec![TreeOptions::new(TREE, "records")]);
    options.block_cache_bytes = setup.cache_bytes;
    options.executor = executor.clone();
    if let Some(bytes) = setup.buffer_bytes {
        options.trees[0].write_buffer_bytes = bytes;
        options.log_bytes_max = options.log_bytes_max.max(2 * bytes as u64);
    }
    options
}

pub(super) fn write_options(durability: Durability) -> WriteOptions {
    let durability = match durability {
        Durability::Kernel => EngineDurability::Os,
        Durability::Synced => EngineDurability::Synced,
    };
    WriteOptions { durability: Some(durability) }
}

impl Engine for Flowdb {
    fn write(&self, batch: &[Record], durability: Durability) -> Result<()> {
        let mut writes = WriteBatch::new();
        for record in batch {
            writes.put(TREE, &record.key, &record.value, NEVER)?;
        }
        self.db.write(writes, write_options(durability))?;
        Ok(())
    }

    fn get(&self, key: &Key, found: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Some(entry) = self.db.get(TREE, key, ReadOptions::default())? {
            found(&entry.value);
        }
        Ok(())
    }

    fn scan(&self, ranges: &[KeyRange], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let snapshot = self.db.snapshot();
        let read = ReadOptions { sequence: Some(snapshot.sequence()), ..ReadOptions::default() };
        for (start, end) in ranges {
            let bounds = (Bound::Included(start.clone().into()), Bound::Excluded(end.clone().into()));
            let mut iterator = self.db.iter(TREE, bounds, read)?;
            iterator.seek_first()?;
            while iterator.valid() {
                iterator.visit(|key, value| match value {
                    Some(value) => {
                        sink(key, value);
                        ControlFlow::Continue(())
                    }
                    None => ControlFlow::Break(()),
                })?;
                if iterator.valid() {
                    sink(iterator.key(), &iterator.shared_value()?);
                    iterator.next()?;
                }
            }
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.db.compact(TREE)?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.executor.stop();
        Ok(self.db.close()?)
    }
}
