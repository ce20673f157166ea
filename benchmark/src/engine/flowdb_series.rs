//! flowdb's time series, through the store as its users have them.

use super::flowdb::{MAINTENANCE_SLICE, write_options};
use super::{Durability, Engine, KeyRange, Result, Selection, Setup};
use crate::data::{self, Key, Record};
use flowdb_engine::format::NEVER;
use flowdb_engine::{Executor, ReadTier, ThreadExecutor, WriteBatch};
use flowdb_store::series::{self, SeriesScan, Window};
use flowdb_store::{
    Direction, Form, KeyRange as SeriesRange, PageEnd, PageLimits, Record as StoredRecord, RecordRef, Store,
    StoreHandle, StoreOptions, Waker,
};
use std::ops::Bound;
use std::sync::{Arc, Weak};

/// A page of the size that the binding asks for.
const PAGE: PageLimits = PageLimits { count: 1024, bytes: 256 << 10 };

pub(crate) struct FlowdbSeries {
    store: StoreHandle,
    executor: Arc<ThreadExecutor>,
}

#[derive(Debug)]
struct WakeThread(Arc<ThreadExecutor>);

impl Waker for WakeThread {
    fn wake(&self, _store: &Weak<Store>) {
        self.0.wake();
    }
}

impl FlowdbSeries {
    /// The same configuration as for records, but for the layout.
    pub(crate) fn open(setup: &Setup) -> Result<Self> {
        let executor = ThreadExecutor::new();
        let options = StoreOptions {
            cache_bytes: Some(setup.cache_bytes),
            write_buffer_bytes: setup.buffer_bytes,
            waker: Some(Arc::new(WakeThread(Arc::clone(&executor)))),
            ..StoreOptions::default()
        };
        let store = Store::open(&setup.dir, &options)?;
        executor.start(store.db().clone(), MAINTENANCE_SLICE);
        Ok(FlowdbSeries { store, executor })
    }

    fn scan_series(
        &self,
        range: &SeriesRange,
        window: Window,
        sink: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let mut scan = SeriesScan::new(self.store.db(), range, window, Direction::Forward, self.store.now());
        let mut take = |name: &[u8], time: i64, record: RecordRef<'_>| {
            if let Ok(name) = name.try_into() {
                sink(&data::with_time(name, time), record.contents());
            }
            data::KEY_BYTES + record.contents().len()
        };
        while scan.page(ReadTier::Disk, PAGE, &mut take)? == PageEnd::More {}
        Ok(())
    }
}

impl Engine for FlowdbSeries {
    fn write(&self, batch: &[Record], durability: Durability) -> Result<()> {
        let mut writes = WriteBatch::new();
        for point in batch {
            let (name, time) = data::split(&point.key);
            let record = StoredRecord::new(Form::Bytes, &point.value);
            series::put(&mut writes, name, time, record.as_bytes(), NEVER)?;
        }
        self.store.db().write(writes, write_options(durability))?;
        Ok(())
    }

    fn get(&self, key: &Key, found: &mut dyn FnMut(&[u8])) -> Result<()> {
        let (name, time) = data::split(key);
        if let Some(record) = series::get(self.store.db(), name, time, ReadTier::Disk)? {
            found(record.contents());
        }
        Ok(())
    }

    fn scan(&self, ranges: &[KeyRange], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        for (start, end) in ranges {
            let range = SeriesRange::Between(
                Bound::Included(start.clone().into()),
                Bound::Excluded(end.clone().into()),
            );
            self.scan_series(&range, Window::ALL, sink)?;
        }
        Ok(())
    }

    fn window(
        &self,
        selection: Selection,
        (first, end): (i64, i64),
        sink: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let range = match selection {
            Selection::One(series) => {
                let name = bytes::Bytes::copy_from_slice(&data::series_name(series));
                SeriesRange::Between(Bound::Included(name.clone()), Bound::Included(name))
            }
            Selection::All(_) => SeriesRange::all(),
        };
        self.scan_series(&range, Window { first, last: end - 1 }, sink)
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.store.db().compact(flowdb_store::keyspace::SERIES)?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.executor.stop();
        Ok(self.store.close()?)
    }
}
