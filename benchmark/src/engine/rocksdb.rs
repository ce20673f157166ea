//! RocksDB, as the system ships it. Defaults: two write buffers of 64 MiB, Snappy, log handed to the kernel
//! by each commit. Bloom filters are off by default; they are switched on with the 10 bits per key that the
//! other LSM trees spend.

use super::{Durability, Engine, KeyRange, Result, Setup};
use crate::data::{Key, Record};
use rocksdb::{BlockBasedOptions, Cache, DB, Options, WriteBatch, WriteOptions};

pub(crate) struct Rocksdb {
    db: DB,
}

impl Rocksdb {
    pub(crate) fn open(setup: &Setup) -> Result<Self> {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(usize::try_from(setup.cache_bytes)?)?);
        tables.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&tables);
        if let Some(bytes) = setup.buffer_bytes {
            options.set_write_buffer_size(bytes);
        }
        Ok(Rocksdb { db: DB::open(&options, &setup.dir)? })
    }
}

impl Engine for Rocksdb {
    fn write(&self, batch: &[Record], durability: Durability) -> Result<()> {
        let mut writes = WriteBatch::default();
        for record in batch {
            writes.put(record.key, record.value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        Ok(self.db.write_opt(writes, &options)?)
    }

    fn get(&self, key: &Key, found: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Some(value) = self.db.get_pinned(key)? {
            found(&value);
        }
        Ok(())
    }

    fn scan(&self, ranges: &[KeyRange], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let mut iterator = self.db.raw_iterator();
        for (start, end) in ranges {
            iterator.seek(start);
            while let Some((key, value)) = iterator.item().filter(|(key, _)| *key < end.as_slice()) {
                sink(key, value);
                iterator.next();
            }
            iterator.status()?;
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        self.db.flush()?;
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.db.flush()?)
    }
}
