//! Open, write, get, scan, snapshot, close: the engine's face.

use crate::background::BackgroundError;
use crate::batch::WriteBatch;
use crate::checkpoint::Checkpoint;
use crate::commit::{Commit, LogPosition};
use crate::compaction::Compaction;
use crate::condition::{Condition, Guard};
use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::executor::Maintenance;
use crate::format::NEVER;
use crate::fs::FileSystem;
use crate::inner::Inner;
use crate::iter::{DbIterator, MergeCursor};
use crate::key::{Kind, Sequence, TreeId, Version};
use crate::options::{Options, ReadOptions, ReadTier, WriteOptions};
use crate::purge::Now;
use crate::recovery;
use crate::snapshot::Snapshot;
use crate::stats::{ScanMeter, Stats};
use crate::tree::{LiveTable, SourceOptions, View};
use crate::values::ValueResolver;
use bytes::Bytes;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a compaction goes on before it is asked whether it is still wanted, and lets others have a turn.
const COMPACTION_SLICE: Duration = Duration::from_millis(25);

/// An open database. Clones are handles to the same one; any thread may use them.
///
/// Dropping the last handle without [`Db::close`] loses nothing that was committed: the next open
/// replays the log.
#[derive(Debug, Clone)]
pub struct Db(Arc<Inner>);

impl Db {
    /// Opens the database in `dir`, or creates it if there is none and
    /// [`Options::create_if_missing`] says so.
    ///
    /// Fails with `Locked` if it is open elsewhere, `NotFound`, `InvalidArgument` for settings out of range
    /// or trees that do not fit, `Corruption`, `Unsupported` for files of a newer version, or what the
    /// operating system reports.
    pub fn open(fs: Arc<dyn FileSystem>, dir: &Path, options: Options) -> Result<Db> {
        let inner = Arc::new(recovery::open(fs, dir, options)?);
        inner.resources.write_buffers.join(&inner);
        Ok(Db(inner))
    }

    /// Writes a batch, whole or not at all. Waits while maintenance is behind, helping it, and for the log's
    /// sync if the durability asks for it.
    ///
    /// Fails with `NoSpace` (nothing was written; try again later), `Poisoned` or `Io` (the outcome is
    /// unknown until reopened), `Closed`, or `InvalidArgument` for a tree that was not declared. Where
    /// memtables cannot be flushed, or tables not compacted, writes that would have to wait for it fail with
    /// the cause instead, and nothing was written: see [`Db::background_error`].
    pub fn write(&self, batch: WriteBatch, options: WriteOptions) -> Result<Commit> {
        let guard = Guard::default();
        self.timed_write(|inner| inner.write(guard, batch, options))
    }

    /// Writes a batch without ever waiting: not for a lock, not for maintenance, not for a sync. Costs one
    /// small write to the log, which the operating system takes into its memory. A caller that wants the
    /// commit synced calls [`Db::sync`] with its position.
    ///
    /// The error `WouldBlock` gives the batch back, to be written with [`Db::write`] where waiting is
    /// allowed; so does `InvalidArgument`. A batch that the log has no space for is given back so, too:
    /// refusing it for good takes a sync. With other errors, which are those of [`Db::write`], the batch
    /// is used up.
    pub fn try_write(&self, batch: WriteBatch) -> std::result::Result<Commit, (Error, WriteBatch)> {
        self.timed_write(|inner| inner.try_write(Guard::default(), batch))
    }

    /// Writes a batch as [`Db::write`] does, but only if nobody has written to the keys of `conditions` since
    /// `snapshot` was taken, be it by a put, a delete or a range delete, and nothing that was found under
    /// them has expired. What was read from the snapshot is then what the batch finds: no other write, of
    /// whatever kind, comes in between.
    ///
    /// Fails with `Conflict` otherwise; nothing was written then, and the caller takes a new snapshot, reads
    /// again and decides again. The check looks at memory only. So it also fails where a key's newer entries
    /// may already be in a table whose block is not in the cache, or may have gone with a table for want of
    /// space, which a new snapshot cures. An empty batch checks and writes nothing. `InvalidArgument` for the
    /// snapshot of another database, or an undeclared tree; else as [`Db::write`].
    pub fn write_if(
        &self,
        snapshot: &Snapshot,
        conditions: &[Condition],
        batch: WriteBatch,
        options: WriteOptions,
    ) -> Result<Commit> {
        let guard = self.0.guard(snapshot, conditions)?;
        self.timed_write(|inner| inner.write(guard, batch, options))
    }

    /// True if nobody has written to `key` since `snapshot` was taken, as far as this moment knows; false too
    /// where it may be gone with a table for want of space. Fails with `WouldBlock` where `tier` does not
    /// suffice, and with `InvalidArgument` as [`Db::write_if`] does.
    pub fn is_untouched(
        &self,
        snapshot: &Snapshot,
        tree: TreeId,
        key: &[u8],
        tier: ReadTier,
    ) -> Result<bool> {
        self.0.guard(snapshot, &[])?;
        let since = snapshot.sequence();
        let tree = self.0.tree(tree)?;
        Ok(!tree.view().changed_since(key, since, tier)? && !tree.may_have_forgotten(key, since))
    }

    /// [`Db::write_if`] without ever waiting, as [`Db::try_write`] does it. `Conflict` gives the
    /// batch back, too.
    pub fn try_write_if(
        &self,
        snapshot: &Snapshot,
        conditions: &[Condition],
        batch: WriteBatch,
    ) -> std::result::Result<Commit, (Error, WriteBatch)> {
        match self.0.guard(snapshot, conditions) {
            Ok(guard) => self.timed_write(|inner| inner.try_write(guard, batch)),
            Err(error) => Err((error, batch)),
        }
    }

    /// What the clock says, in microseconds since the epoch. Expiry is judged by it; what was written before
    /// expired entries were dropped, by a time that is not earlier than that.
    pub fn now(&self) -> i64 {
        self.0.now()
    }

    /// Time since some fixed moment, which never goes back ([`crate::Clock::monotonic`]).
    pub fn monotonic(&self) -> Duration {
        self.0.options.clock.monotonic()
    }

    /// True if a commit with these options must be synced before it counts as done.
    pub fn wants_sync(&self, options: WriteOptions) -> bool {
        self.0.wants_sync(options)
    }

    /// Returns once the log up to `position` is on stable storage. Callers at the same time share one sync.
    pub fn sync(&self, position: LogPosition) -> Result<()> {
        let result = self.0.sync(position);
        self.0.telemetry.events.tell();
        result
    }

    /// The directory, as it was named when it was opened.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// True if `path` leads to the directory, wherever that was moved since it was opened. False where the
    /// system does not tell.
    pub fn is_at(&self, path: &Path) -> bool {
        self.0.fs.anchor().is_some_and(|anchor| anchor.is_at(path))
    }

    /// Where the log ends: every commit that was made before this call lies before it. Waits for a commit
    /// under way. Fails with `Closed`.
    pub fn log_end(&self) -> Result<LogPosition> {
        self.0.log_end()
    }

    /// Begins a transaction that is too large for one batch: see [`Draft`]. `InvalidArgument` for a tree that
    /// has a retention, or something left from one.
    pub fn draft(&self, tree: TreeId) -> Result<Draft> {
        Draft::new(self.clone(), tree)
    }

    /// Makes a draft part of its tree, whole or not at all, and synced. Its writes count as made now: what
    /// was committed since they were written is older. Waits for the disk, for a flush of the tree, and for
    /// maintenance under way; writers wait for a part of that.
    ///
    /// Fails as [`Db::write`] does, and with `InvalidArgument` for a draft of another database.
    pub fn commit_draft(&self, draft: Draft) -> Result<Commit> {
        if !draft.is_of(self) {
            return Err(Error::invalid("the draft belongs to another database"));
        }
        let result = self.0.ingest(draft).inspect_err(|error| self.0.telemetry.write_failed(error));
        self.0.telemetry.events.tell();
        result
    }

    /// The newest version of `key`, unless it is deleted or has expired.
    pub fn get(&self, tree: TreeId, key: &[u8], options: ReadOptions) -> Result<Option<Version>> {
        self.0.telemetry.get(|| self.find(tree, key, options))
    }

    /// True if `key` has a value: a cheaper [`Db::get`], which does not read a value that is kept in a
    /// file of its own.
    pub fn contains(&self, tree: TreeId, key: &[u8], options: ReadOptions) -> Result<bool> {
        self.0
            .telemetry
            .get(|| Ok(self.locate(tree, key, options)?.map(|(version, _)| version)))
            .map(|found| found.is_some())
    }

    fn find(&self, tree: TreeId, key: &[u8], options: ReadOptions) -> Result<Option<Version>> {
        match self.locate(tree, key, options)? {
            Some((version, view)) if version.kind == Kind::PutPointer => {
                resolver(&view, Vec::new(), options).resolve(version).map(Some)
            }
            found => Ok(found.map(|(version, _)| version)),
        }
    }

    /// The newest version of a key that has one, and what it was found in. Its value may be a pointer.
    fn locate(&self, tree: TreeId, key: &[u8], options: ReadOptions) -> Result<Option<(Version, Arc<View>)>> {
        // The view first: what is visible in it at that moment cannot be dropped from under
        // it. See `Snapshots`.
        let tree = self.0.tree(tree)?;
        let view = tree.view();
        // Then this: the view of a database that is closed meanwhile may be empty.
        self.0.check_open()?;
        let horizon = tree.horizon(|| self.clock_of(options));
        if horizon.as_ref().is_some_and(|horizon| horizon.hides_all(key)) {
            return Ok(None);
        }
        let sequence = options.sequence.unwrap_or_else(|| self.0.snapshots.visible());
        let Some(version) = view.get(key, sequence, source_options(options))? else {
            return Ok(None);
        };
        let is_too_old = horizon.is_some_and(|horizon| horizon.hides(key, version.sequence));
        if is_too_old || matches!(version.kind, Kind::Delete | Kind::DeleteRange) {
            return Ok(None);
        }
        if version.expiry != NEVER && self.now_of(options).is_past(version.expiry, version.sequence) {
            self.0.telemetry.expired(1);
            return Ok(None);
        }
        Ok(Some((version, view)))
    }

    /// The entries between the bounds, in order of their keys; at no entry at first. Inverted bounds are
    /// empty. Sees the moment of this call, or of [`ReadOptions::sequence`], as long as it lives; what it
    /// sees is kept on disk until then.
    pub fn iter(
        &self,
        tree: TreeId,
        bounds: (Bound<Bytes>, Bound<Bytes>),
        options: ReadOptions,
    ) -> Result<DbIterator> {
        let tree = self.0.tree(tree)?;
        // The snapshot first: from then on nothing it sees is dropped from later views.
        let snapshot = options.sequence.is_none().then(|| self.snapshot());
        let sequence = options.sequence.or(snapshot.as_ref().map(Snapshot::sequence)).unwrap_or_default();
        let view = tree.view();
        self.0.check_open()?;
        let mut read = source_options(options);
        let horizon = tree.horizon(|| self.clock_of(options));
        if let Some(horizon) = &horizon {
            read.property = Some(horizon.clamp(read.property, (&bounds.0, &bounds.1)));
        }
        let runs = view.runs((&bounds.0, &bounds.1), read);
        let cursor = MergeCursor::new(runs.cursors);
        let values = resolver(&view, Vec::new(), options);
        let pins = Box::new((view, snapshot));
        let iter = DbIterator::new(cursor, runs.range_deletes, sequence, self.now_of(options), bounds, pins);
        Ok(iter.metered(ScanMeter::new(&self.0.telemetry)).with_values(values).within(horizon))
    }

    /// Keeps what is committed now readable, through [`ReadOptions::sequence`], until dropped.
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshots.take()
    }

    /// Number of the last visible operation.
    pub fn last_sequence(&self) -> Sequence {
        self.0.snapshots.visible()
    }

    /// Does what is due (flush, new log segment, compaction, removal of files, sync of the interval) for
    /// about `budget`; a flush runs to its end, whatever its budget. Returns at once if another thread
    /// is at it.
    ///
    /// Work that fails is noted ([`Db::background_error`]) and tried again, at first after a second, then
    /// after longer and longer pauses, up to a minute; other work goes on meanwhile. Fails only with what
    /// ends all writes until the database is reopened. Does nothing once closed or poisoned.
    pub fn maintain(&self, budget: Duration) -> Result<Maintenance> {
        let result = self.0.maintain(budget);
        self.0.telemetry.events.tell();
        result
    }

    /// Memory of the memtables of all trees, in bytes, about. Takes no lock that anyone holds for long.
    pub fn memtable_bytes(&self) -> usize {
        self.0.trees.iter().map(|tree| tree.view().memtable_bytes()).sum()
    }

    /// Writes the memtables of all trees to tables.
    pub fn flush(&self) -> Result<()> {
        let result = self.0.flush();
        self.0.telemetry.events.tell();
        result
    }

    /// Flushes, and rewrites a tree until nothing superfluous is left in it, but what snapshots hold.
    pub fn compact(&self, tree: TreeId) -> Result<()> {
        self.compact_while(tree, &|| true).map(drop)
    }

    /// The same as long as `goes_on`, which is asked every few ten milliseconds, says so; a flush runs to its
    /// end. True if it came to its end. What was compacted until then stays so, but the files being written
    /// are given up.
    pub fn compact_while(&self, tree: TreeId, goes_on: &dyn Fn() -> bool) -> Result<bool> {
        let mut compaction = self.compaction(tree);
        while goes_on() {
            if compaction.run(COMPACTION_SLICE)? {
                return Ok(true);
            }
        }
        compaction.give_up();
        Ok(false)
    }

    /// The same for who wants to be elsewhere between its slices: nothing is done before it is run.
    pub fn compaction(&self, tree: TreeId) -> Compaction {
        Compaction::new(Arc::clone(&self.0), tree)
    }

    /// Makes a copy of the database as it is now in the directory `target`, which must be empty or not exist,
    /// on the same file system or another. It holds everything committed before this call, is on stable
    /// storage when this returns, and opens as a database of its own. Reads and writes go on meanwhile;
    /// superfluous files are removed only afterwards.
    ///
    /// Costs a sync of the log, a link for each table, and a copy of the log's last segment; where links
    /// are not possible, a copy of everything. The time is that of the disk, so not for a thread that
    /// must not wait.
    ///
    /// Fails with `InvalidArgument` if `target` has files, `Locked` if another checkpoint is being made
    /// there, `NoSpace`, `Closed`, `Poisoned`, `ReadOnly`, or what the operating system reports. After a
    /// failure or a crash `target` does not open as a database.
    pub fn checkpoint(&self, target: &Path) -> Result<Checkpoint> {
        self.0.checkpoint(target)
    }

    /// Numbers about the present state, and what was done since the database was opened. They may be slightly
    /// out of step with one another. Takes a few microseconds, and one more for each few tables.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// The same numbers as text for Prometheus: `docs/metrics.md` lists them.
    pub fn metrics_text(&self) -> String {
        crate::metrics::text(&self.stats(), self.background_error().is_some())
    }

    /// What failed in the background and has not been overcome: that which ends only by reopening, else a
    /// flush, a new log segment or a compaction that will be tried again. Without space, a failed flush
    /// refuses all writes until one succeeds; other failures let writes go on until they would have to wait
    /// for the work that fails. Reads go on in any case.
    pub fn background_error(&self) -> Option<Arc<BackgroundError>> {
        self.0.background.error()
    }

    /// Tries again at once what failed in the background: to be called when there is space again, so that
    /// writes need not wait for the next attempt.
    ///
    /// Fails with what it fails with now, and with `Poisoned` or `Closed` if only opening the
    /// database again helps.
    pub fn resume(&self) -> Result<()> {
        let result = self.0.resume();
        self.0.telemetry.events.tell();
        result
    }

    /// Syncs the log, notes that all is well, and releases the lock. Memtables of more than 1 MiB are
    /// flushed first, so that the next open is quick. Later calls of other methods fail with `Closed`;
    /// closing again does nothing. Iterators in use stay readable, and keep the files that they read; all
    /// others are closed.
    ///
    /// Releases everything whatever happens, and fails if what was committed could not be synced: with the
    /// cause, or with `Poisoned` if the failure was an earlier one.
    pub fn close(&self) -> Result<()> {
        let result = self.0.close();
        self.0.telemetry.events.tell();
        result
    }

    /// Takes the directory away from this database: another one has its path now. Nothing is written by name
    /// any more once this returns; writes fail with `Poisoned`, and reads go on from the files that are open.
    /// A table whose file was closed to stay within [`crate::ResourceLimits::open_tables`] cannot be read any
    /// more: its checksums tell it from the other database's.
    pub fn abandon(&self, why: &str) {
        self.0.abandon(why);
    }

    fn timed_write<R>(&self, write: impl FnOnce(&Inner) -> R) -> R {
        let timer = self.0.telemetry.begin_write();
        let result = write(&self.0);
        self.0.telemetry.finish_write(timer);
        result
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// True if both are handles to the same open database.
    pub(crate) fn is_same(&self, other: &Db) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn clock_of(&self, options: ReadOptions) -> i64 {
        options.now.unwrap_or_else(|| self.0.now())
    }

    /// To be asked once the view was taken.
    pub(crate) fn now_of(&self, options: ReadOptions) -> Now {
        self.0.purges.now(self.clock_of(options))
    }
}

pub(crate) fn source_options(options: ReadOptions) -> SourceOptions {
    SourceOptions { tier: options.tier, bypass_cache: options.bypass_cache, property: options.property }
}

/// What reads the values that the tables of `view` refer to, and those of a draft.
pub(crate) fn resolver(view: &View, private: Vec<Arc<LiveTable>>, options: ReadOptions) -> ValueResolver {
    let shelves = Arc::clone(&view.shelves);
    ValueResolver { shelves, private, tier: options.tier, bypass_cache: options.bypass_cache }
}
