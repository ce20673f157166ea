//! Reading and then writing as if nobody else were there.

use crate::batch::RecordBatch;
use crate::id::RecordId;
use crate::reader::{Reader, Snapshot};
use crate::record::Record;
use crate::store::Store;
use crate::ttl::Ttl;
use flowdb_engine::format::NEVER;
use flowdb_engine::{Commit, Condition, Error, ErrorKind, Result, Version, WriteOptions};

/// How often [`Store::transact`] tries. Each try that fails means that someone else's write has succeeded, so
/// that the store as a whole gets on; a caller that loses this often among 16 that write the same record all
/// the time is one in 10^27.
pub const ATTEMPTS_MAX: u32 = 1_000;

/// A record as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its value.
    pub record: Record,
    /// When it expires, microseconds since the epoch; [`NEVER`] for never.
    pub expiry: i64,
}

impl Current {
    fn of(entry: Version) -> Result<Self> {
        Ok(Current { record: Record::from_stored(entry.value)?, expiry: entry.expiry })
    }
}

/// One try of [`Store::transact`]: reads from a snapshot, and writes that are made only if what was read
/// is still so.
#[derive(Debug)]
pub struct Attempt<'a> {
    store: &'a Store,
    snapshot: Snapshot,
    read: Vec<Condition>,
    batch: RecordBatch<'a>,
}

impl<'a> Attempt<'a> {
    fn new(store: &'a Store) -> Self {
        Attempt { store, snapshot: store.snapshot(), read: Vec::new(), batch: store.batch() }
    }

    /// The record of `id`, unless it is deleted or has expired. Its writes of this try are not seen. The
    /// batch is written only if nobody writes to `id` meanwhile.
    pub fn get(&mut self, id: RecordId<'_>) -> Result<Option<Current>> {
        let key = id.stored_key();
        let found = self.find(id, &key)?;
        let expiry = found.as_ref().map_or(NEVER, |entry| entry.expiry);
        self.read.push(Condition { tree: id.tree(), key, expiry });
        found.map(Current::of).transpose()
    }

    /// The moment it reads from, for reads on which the writes do not depend.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What is written if all that was got is still so.
    pub fn batch(&mut self) -> &mut RecordBatch<'a> {
        &mut self.batch
    }

    fn find(&self, id: RecordId<'_>, key: &[u8]) -> Result<Option<Version>> {
        let db = self.store.db();
        let options = Reader { snapshot: Some(self.snapshot.engine()), ..Reader::of_present(db) }.options();
        db.get(id.tree(), key, options)
    }

    fn commit(self, options: WriteOptions) -> Result<Commit> {
        let Attempt { store, snapshot, read, batch } = self;
        store.db().write_if(snapshot.engine(), &read, batch.into_inner(), options)
    }
}

/// What becomes of a record. See [`Store::update`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is; nothing is written.
    Keep,
    /// It gets this value, and lives by this TTL, which counts as for a put. `None` leaves it the expiry it
    /// has; a record that was not there lives by the store's default.
    Put(Record, Option<Ttl>),
    /// It goes away.
    Delete,
}

impl Store {
    /// The record of `id` as it is now, unless it is deleted or has expired.
    pub(crate) fn current(&self, id: RecordId<'_>) -> Result<Option<Current>> {
        let found = self.db().get(id.tree(), &id.stored_key(), Reader::of_present(self.db()).options())?;
        found.map(Current::of).transpose()
    }

    /// Runs `work`, and writes what it put into its batch if nobody has written in the meantime to a record
    /// that it got; else runs it again, at most [`ATTEMPTS_MAX`] times. So it looks as if it had run while
    /// nobody else wrote: puts, deletes and range deletes of others, whatever call they come from, all lie
    /// before what it got or behind what it wrote. No lock is held while it runs.
    ///
    /// Fails with `work`'s error, which ends it, with `Conflict` once it has lost too often, and with the
    /// errors of [`flowdb_engine::Db::write`]. `work` may run several times, and must not count on the last
    /// one having been the one that was written until this returns.
    ///
    /// ```
    /// use flowdb_store::{Form, Record, RecordId, Store, StoreOptions};
    /// let store = Store::memory(&StoreOptions::default())?;
    /// // Takes a job from the queue: no two callers get the same one.
    /// # let mut batch = store.batch();
    /// # batch.put(RecordId::Kv(b"waiting/7"), &Record::new(Form::Text, b"paint"), None)?;
    /// # batch.write(Default::default())?;
    /// let job = store.transact(Default::default(), |attempt| {
    ///     let job = attempt.get(RecordId::Kv(b"waiting/7"))?;
    ///     if let Some(job) = &job {
    ///         attempt.batch().delete(RecordId::Kv(b"waiting/7"))?;
    ///         attempt.batch().put(RecordId::Kv(b"running/7"), &job.record, None)?;
    ///     }
    ///     Ok(job)
    /// })?;
    /// assert!(job.is_some());
    /// # Ok::<(), flowdb_engine::Error>(())
    /// ```
    pub fn transact<T>(
        &self,
        options: WriteOptions,
        mut work: impl FnMut(&mut Attempt<'_>) -> Result<T>,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS_MAX {
            let mut attempt = Attempt::new(self);
            let result = work(&mut attempt)?;
            match attempt.commit(options) {
                Ok(_) => return Ok(result),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        let message =
            format!("given up: the records were written by others during each of {ATTEMPTS_MAX} tries");
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// Changes one record as `decide` says, which is given what is there; atomic against all other writers,
    /// as [`Store::transact`] is. Answers with what was there before.
    pub fn update(
        &self,
        id: RecordId<'_>,
        options: WriteOptions,
        mut decide: impl FnMut(Option<&Current>) -> Result<Change>,
    ) -> Result<Option<Current>> {
        self.transact(options, |attempt| {
            let before = attempt.get(id)?;
            let batch = attempt.batch();
            match (decide(before.as_ref())?, &before) {
                (Change::Keep, _) => {}
                (Change::Delete, _) => batch.delete(id)?,
                (Change::Put(record, None), Some(before)) => batch.put_until(id, &record, before.expiry)?,
                (Change::Put(record, ttl), _) => batch.put(id, &record, ttl)?,
            }
            Ok(before)
        })
    }
}
