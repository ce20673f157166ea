//! fjall: an LSM tree in Rust. Defaults: memtable 64 MiB, LZ4 below the first level, journal handed to the
//! kernel by each commit.

use super::{Durability, Engine, KeyRange, Result, Setup};
use crate::data::{Key, Record};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

pub(crate) struct Fjall {
    db: Database,
    keyspace: Keyspace,
}

impl Fjall {
    pub(crate) fn open(setup: &Setup) -> Result<Self> {
        let mut builder = Database::builder(&setup.dir).cache_size(setup.cache_bytes);
        let mut options = KeyspaceCreateOptions::default();
        if let Some(bytes) = setup.buffer_bytes {
            builder = builder.max_journaling_size(2 * bytes as u64);
            options = options.max_memtable_size(bytes as u64);
        }
        let db = builder.open()?;
        let keyspace = db.keyspace("records", || options)?;
        Ok(Fjall { db, keyspace })
    }
}

impl Engine for Fjall {
    fn write(&self, batch: &[Record], durability: Durability) -> Result<()> {
        let mut writes = self.db.batch();
        if durability == Durability::Synced {
            writes = writes.durability(Some(PersistMode::SyncData));
        }
        for record in batch {
            writes.insert(&self.keyspace, &record.key[..], &record.value[..]);
        }
        Ok(writes.commit()?)
    }

    fn get(&self, key: &Key, found: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Some(value) = self.keyspace.get(key)? {
            found(&value);
        }
        Ok(())
    }

    fn scan(&self, ranges: &[KeyRange], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let snapshot = self.db.snapshot();
        for (start, end) in ranges {
            for guard in snapshot.range(&self.keyspace, start.as_slice()..end.as_slice()) {
                let (key, value) = guard.into_inner()?;
                sink(&key, &value);
            }
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.keyspace.major_compact()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        self.db.persist(PersistMode::SyncAll)?;
        Ok(())
    }
}
