//! The published crate flowdb 0.8.3. Defaults: memtable 64 MiB flushed each second, LZ4. Without a sync per
//! commit it keeps commits in the process: a killed process loses them, unlike with all others here.

use super::{Durability, Engine, KeyRange, Result, Selection, Setup};
use crate::data::{self, Key, Record};
use flowdb_reference::{Config, Engine as ReferenceEngine, Record as ReferenceRecord, ScanRange, SyncMode};
use std::ops::Bound;

pub(crate) struct Reference {
    engine: ReferenceEngine,
}

impl Reference {
    pub(crate) fn open(setup: &Setup) -> Result<Self> {
        let defaults = Config::default();
        let config = Config {
            data_dir: setup.dir.clone(),
            block_cache_capacity_mb: usize::try_from(setup.cache_bytes >> 20)?,
            memtable_size_mb: setup.buffer_bytes.map_or(defaults.memtable_size_mb, |bytes| bytes >> 20),
            flush_interval_ms: setup.buffer_bytes.map_or(defaults.flush_interval_ms, |_| 3_600_000),
            wal_sync_mode: match setup.durability {
                Durability::Kernel => SyncMode::IntervalMs(1000),
                Durability::Synced => SyncMode::Always,
            },
            ..defaults
        };
        Ok(Reference { engine: ReferenceEngine::open(config)? })
    }

    fn each(&self, range: ScanRange, sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        for record in self.engine.scan(range)? {
            let record = record?;
            if let Ok(name) = record.key.as_slice().try_into() {
                sink(&data::with_time(name, record.ts), &record.value);
            }
        }
        Ok(())
    }
}

impl Engine for Reference {
    fn write(&self, batch: &[Record], _durability: Durability) -> Result<()> {
        let records = batch.iter().map(|record| {
            let (name, time) = data::split(&record.key);
            ReferenceRecord::new(name, time, record.value.to_vec())
        });
        Ok(self.engine.write_batch_owned(records.collect())?)
    }

    fn get(&self, key: &Key, found: &mut dyn FnMut(&[u8])) -> Result<()> {
        let (name, time) = data::split(key);
        if let Some(record) = self.engine.get(std::str::from_utf8(name)?, time)? {
            found(&record.value);
        }
        Ok(())
    }

    /// It knows prefixes, and everything.
    fn scan(&self, ranges: &[KeyRange], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        for (start, end) in ranges {
            if start.is_empty() {
                self.each(ScanRange::all(), sink)?;
            } else {
                let keys = (Bound::Included(start.clone()), Bound::Excluded(end.clone()));
                let times = (Bound::Unbounded, Bound::Unbounded);
                let (key_start, key_end) = keys;
                let (ts_start, ts_end) = times;
                self.each(ScanRange { key_start, key_end, ts_start, ts_end }, sink)?;
            }
        }
        Ok(())
    }

    fn window(
        &self,
        series: Selection,
        (first, end): (i64, i64),
        sink: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        match series {
            Selection::One(series) => {
                let name = data::series_name(series);
                let name = std::str::from_utf8(&name)?;
                self.each(ScanRange::prefix_time_range(name, first, end - 1), sink)
            }
            Selection::All(_) => self.each(ScanRange::time_range(first, end - 1), sink),
        }
    }

    fn compact(&mut self) -> Result<()> {
        self.engine.flush()?;
        while self.engine.trigger_compaction()? {}
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.engine.shutdown()?)
    }
}
