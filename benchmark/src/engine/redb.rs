//! redb: a copy-on-write B-tree in Rust, in one file, without compression or log.

use super::{Durability, Engine, KeyRange, Result, Setup};
use crate::data::{Key, Record};
use redb::{Database, Durability as RedbDurability, ReadableDatabase, TableDefinition};

const TABLE: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("records");

pub(crate) struct Redb {
    db: Database,
}

impl Redb {
    pub(crate) fn open(setup: &Setup) -> Result<Self> {
        std::fs::create_dir_all(&setup.dir)?;
        let cache_bytes = usize::try_from(setup.cache_bytes)?;
        let db = Database::builder().set_cache_size(cache_bytes).create(setup.dir.join("records.redb"))?;
        Ok(Redb { db })
    }

    fn commit(&self, batch: &[Record], durability: RedbDurability) -> Result<()> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_durability(durability)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for record in batch {
                table.insert(&record.key[..], &record.value[..])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Engine for Redb {
    fn write(&self, batch: &[Record], durability: Durability) -> Result<()> {
        let durability = match durability {
            Durability::Kernel => RedbDurability::None,
            Durability::Synced => RedbDurability::Immediate,
        };
        self.commit(batch, durability)
    }

    fn get(&self, key: &Key, found: &mut dyn FnMut(&[u8])) -> Result<()> {
        let table = self.db.begin_read()?.open_table(TABLE)?;
        if let Some(value) = table.get(&key[..])? {
            found(value.value());
        }
        Ok(())
    }

    fn scan(&self, ranges: &[KeyRange], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let table = self.db.begin_read()?.open_table(TABLE)?;
        for (start, end) in ranges {
            for entry in table.range(start.as_slice()..end.as_slice())? {
                let (key, value) = entry?;
                sink(key.value(), value.value());
            }
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        while self.db.compact()? {}
        Ok(())
    }

    /// Commits that were not durable become so with one that is.
    fn close(self: Box<Self>) -> Result<()> {
        self.commit(&[], RedbDurability::Immediate)
    }
}
