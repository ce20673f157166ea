//! Writes of records that land together or not at all.

use crate::id::{RecordId, Shape};
use crate::kv;
use crate::range::{KeyRange, deleted_range};
use crate::record::Record;
use crate::series::{self, SeriesScan, Window};
use crate::store::Store;
use crate::ttl::Ttl;
use crate::walk::Direction;
use flowdb_engine::{Commit, Result, WriteBatch, WriteOptions};

/// Writes to cache entries and series, in the order given: all of them or none. Made by [`Store::batch`].
///
/// ```
/// use flowdb_store::{Form, Record, RecordId, Store, StoreOptions, Ttl};
/// let store = Store::memory(&StoreOptions::default())?;
/// let mut batch = store.batch();
/// batch.set_ttl(Some(Ttl::Milliseconds(60_000)))?;
/// batch.put(RecordId::Kv(b"session"), &Record::new(Form::Text, b"anna"), None)?;
/// batch.put(RecordId::Series(b"logins", store.timestamp()), &Record::new(Form::Text, b"anna"), Some(Ttl::Never))?;
/// batch.write(Default::default())?;
/// assert!(store.kv().get(b"session")?.is_some());
/// # Ok::<(), flowdb_engine::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RecordBatch<'a> {
    store: &'a Store,
    batch: WriteBatch,
    ttl: Option<Ttl>,
}

impl<'a> RecordBatch<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        RecordBatch { store, batch: WriteBatch::new(), ttl: None }
    }

    /// Time to live of the records put from now on that bring none; `None` for the store's default
    /// of their shape.
    ///
    /// Fails with `InvalidArgument` if it is out of range.
    pub fn set_ttl(&mut self, ttl: Option<Ttl>) -> Result<()> {
        ttl.map_or(Ok(()), |ttl| ttl.check("ttl"))?;
        self.ttl = ttl;
        Ok(())
    }

    /// Gives `id` this record. It lives by its own `ttl`, else by that of the batch, else by the store's
    /// default; for a cache entry it counts from this call (by [`Store::now`], so that it never begins in
    /// what reads take for the past), for a point from its timestamp.
    ///
    /// Fails with `InvalidArgument` for a TTL out of range, and with `TooLarge`.
    pub fn put(&mut self, id: RecordId<'_>, record: &Record, ttl: Option<Ttl>) -> Result<()> {
        let expiry = self.expiry(id, ttl)?;
        self.put_until(id, record, expiry)
    }

    /// Gives `id` this record until `expiry`, microseconds since the epoch; [`flowdb_engine::format::NEVER`]
    /// for ever. What lies in the past hides the former record, and is not seen itself.
    pub fn put_until(&mut self, id: RecordId<'_>, record: &Record, expiry: i64) -> Result<()> {
        match id {
            RecordId::Kv(key) => kv::put(&mut self.batch, key, record.as_bytes(), expiry),
            RecordId::Series(key, timestamp) => {
                series::put(&mut self.batch, key, timestamp, record.as_bytes(), expiry)
            }
        }
    }

    /// Takes one record away, if it is there.
    pub fn delete(&mut self, id: RecordId<'_>) -> Result<()> {
        match id {
            RecordId::Kv(key) => kv::delete(&mut self.batch, key),
            RecordId::Series(key, timestamp) => series::delete(&mut self.batch, key, timestamp),
        }
    }

    /// Takes all points of one series away. Costs one operation, however many there are.
    pub fn delete_series(&mut self, key: &[u8]) -> Result<()> {
        series::delete_all(&mut self.batch, key)
    }

    /// Takes all records away whose key is in `range`, whatever their timestamps. Costs one operation,
    /// however many there are.
    ///
    /// Where the range has no upper end, records whose keys begin with 64 bytes of ff may stay if they are
    /// put earlier in this batch, or by others between this call and the write.
    pub fn delete_range(&mut self, shape: Shape, range: &KeyRange) -> Result<()> {
        let bounds = match shape {
            Shape::Kv => kv::bounds(range),
            Shape::Series => series::bounds(range),
        };
        let Some((start, end)) = deleted_range(self.store.db(), shape.tree(), bounds)? else {
            return Ok(());
        };
        self.batch.delete_range(shape.tree(), &start, &end)
    }

    /// Takes the points of the series in `range` away whose timestamps are in `window`, those too that
    /// are too old to be seen, or have expired: another retention may show them. Answers how many
    /// series were concerned.
    ///
    /// Costs one operation, and two seeks now, for each series that has a point in the window now; for all
    /// of time just one operation, and the answer is 0 then. For a range of one key just one operation, too,
    /// whether there is a point or not. What others put into the window of another series before the batch
    /// is written stays.
    pub fn delete_window(&mut self, range: &KeyRange, window: Window) -> Result<u64> {
        if window == Window::ALL {
            return self.delete_range(Shape::Series, range).map(|()| 0);
        }
        if window.is_empty() {
            return Ok(0);
        }
        if let Some(key) = range.single() {
            return series::delete_window(&mut self.batch, key, window).map(|()| 1);
        }
        // At the beginning of time nothing is too old.
        let mut scan = SeriesScan::new(self.store.db(), range, window, Direction::Forward, i64::MIN);
        let mut count = 0;
        while let Some(key) = scan.next_series()? {
            series::delete_window(&mut self.batch, &key, window)?;
            count += 1;
        }
        Ok(count)
    }

    /// Takes all records of a shape away: [`RecordBatch::delete_range`] over all keys.
    pub fn clear(&mut self, shape: Shape) -> Result<()> {
        self.delete_range(shape, &KeyRange::all())
    }

    /// Number of operations.
    pub fn len(&self) -> u64 {
        self.batch.len()
    }

    /// True without operations.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Size of the operations in the log, in bytes.
    pub fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// Writes it, as [`flowdb_engine::Db::write`] does. An empty batch writes nothing.
    pub fn write(self, options: WriteOptions) -> Result<Commit> {
        self.store.db().write(self.batch, options)
    }

    /// The operations, for [`flowdb_engine::Db::try_write`].
    pub fn into_inner(self) -> WriteBatch {
        self.batch
    }

    fn expiry(&self, id: RecordId<'_>, ttl: Option<Ttl>) -> Result<i64> {
        ttl.map_or(Ok(()), |ttl| ttl.check("ttl"))?;
        let ttl = ttl.or(self.ttl).unwrap_or_else(|| self.store.default_ttl(id.shape()));
        Ok(match id {
            // Nobody is asked for the time that is not needed.
            RecordId::Kv(_) if ttl == Ttl::Never => flowdb_engine::format::NEVER,
            RecordId::Kv(_) => ttl.expiry_from(self.store.now()),
            RecordId::Series(_, timestamp) => ttl.expiry_from(timestamp),
        })
    }
}
