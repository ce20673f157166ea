//! Opening: the lock, the manifest, the tables, then the log.

use crate::background::{Background, Work};
use crate::batch::Operation;
use crate::commit::{CommitState, LogPosition, closed};
use crate::doorbell::Doorbell;
use crate::error::{Error, ErrorKind, Result};
use crate::file_context::FileContext;
use crate::flush::open_table;
use crate::fs::{Anchored, FileLock, FileSystem, WritableFile};
use crate::inner::{Inner, Version};
use crate::key::{Sequence, TreeId};
use crate::maintenance::Workshop;
use crate::opening::Opening;
use crate::options::{Options, TreeOptions};
use crate::purge::SharedPurges;
use crate::retention::{ByKey, Cutoff};
use crate::snapshot::Snapshots;
use crate::stats::Telemetry;
use crate::tree::{Garbage, LiveTable, Shelves, Tree};
use crate::values::ValueFile;
use crate::version::{LOCK, LOCK_HOLDER, MANIFEST, Manifest, NumberedFile, State, log_name, parse_name};
use crate::wal::{self, LogWriter, Replay};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Length of the file with the process id: more than any has.
const HOLDER_BYTES: usize = 16;

/// How often, and with what pauses, who wants to write looks again at a lock that is shared.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// Opens the database in `dir`, or creates it.
pub(crate) fn open(fs: Arc<dyn FileSystem>, dir: &Path, options: Options) -> Result<Inner> {
    options.validate()?;
    if options.read_only {
        return crate::read_only::open(fs, dir, options);
    }
    prepare_directory(fs.as_ref(), dir, &options)?;
    if !options.create_if_missing {
        check_used(fs.as_ref(), dir)?;
    }
    let anchored = anchor(fs.as_ref(), dir)?;
    let fs = anchored.as_ref().map_or(fs, |anchored| Arc::clone(&anchored.fs));
    let lock = take_lock(fs.as_ref(), dir)?;
    let files = fs.list(dir).map_err(|error| Error::io(dir, "listing the directory", error))?;
    let (manifest, state) = match Manifest::open(Arc::clone(&fs), dir)? {
        Some(found) => found,
        None if files.iter().any(|name| parse_name(name).is_some()) => return Err(without_manifest(dir)),
        None if options.create_if_missing => create(&fs, dir)?,
        None => return Err(missing(dir)),
    };
    check_trees(&options, &state)?;
    let was_closed = crate::read_only::expected_log(&state).is_closed;
    let next_file_id = files.iter().filter_map(|name| file_id(name)).max().unwrap_or(0).saturating_add(1);
    let version = Version { manifest: Some(manifest), state };
    let inner = assemble(fs, dir, options, version, next_file_id, Some(lock))?;
    let replay = inner.replay_log(&files)?;
    inner.begin_log(&replay)?;
    inner.opening.begin();
    let mut orphans = inner.orphans(&files);
    // What the manifest does not name goes only once it is durable.
    if !was_closed || !orphans.is_empty() || inner.has_unused_values() {
        match inner.finish_opening() {
            // What is there can be read, and written to once there is space.
            Err(error) if error.kind() == ErrorKind::NoSpace && !replay.segments.is_empty() => {
                tracing::warn!(%error, "opened without space to write");
            }
            result => result?,
        }
        orphans = if inner.has_durable_manifest() { inner.orphans(&files) } else { Vec::new() };
    }
    inner.garbage.lock().extend(orphans);
    inner.collect_garbage();
    // Something may have become superfluous meanwhile.
    inner.bell.ring();
    Ok(inner)
}

/// Holds on to the directory of a database, where there is something to hold.
pub(crate) fn anchor(fs: &dyn FileSystem, dir: &Path) -> Result<Option<Anchored>> {
    fs.anchored(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(dir),
        _ => Error::io(dir, "opening the directory", error),
    })
}

fn prepare_directory(fs: &dyn FileSystem, dir: &Path, options: &Options) -> Result<()> {
    if options.create_if_missing {
        return fs.create_dir_all(dir).map_err(|error| Error::io(dir, "creating the directory", error));
    }
    match fs.exists(dir) {
        Ok(true) => Ok(()),
        Ok(false) => Err(missing(dir)),
        Err(error) => Err(Error::io(dir, "looking for the directory", error)),
    }
}

/// Fails where there is no file of a database: not even a lock is to be left there. Files of others may be.
fn check_used(fs: &dyn FileSystem, dir: &Path) -> Result<()> {
    let files = fs.list(dir).map_err(|error| Error::io(dir, "listing the directory", error))?;
    let is_ours = |name: &String| name == MANIFEST || name == LOCK || parse_name(name).is_some();
    if files.iter().any(is_ours) { Ok(()) } else { Err(missing(dir)) }
}

/// Tables and value files draw from one counter.
fn file_id(name: &str) -> Option<u64> {
    match parse_name(name) {
        Some(NumberedFile::Table(id) | NumberedFile::Value(id)) => Some(id),
        _ => None,
    }
}

/// The manifest comes before all other files: it was there once.
pub(crate) fn without_manifest(dir: &Path) -> Error {
    Error::corruption(&dir.join(MANIFEST), 0, "the manifest is missing")
}

pub(crate) fn missing(dir: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no database in {}", dir.display()))
}

pub(crate) fn take_lock(fs: &dyn FileSystem, dir: &Path) -> Result<Box<dyn FileLock>> {
    let path = dir.join(LOCK);
    let holder_path = dir.join(LOCK_HOLDER);
    for _ in 0..LOCK_ATTEMPTS {
        if let Some(lock) = fs.lock(&path).map_err(|error| Error::io(&path, "locking the database", error))? {
            // Only for messages, so that a failure to write it is no reason not to open.
            if let Err(error) = write_holder(fs, &holder_path) {
                tracing::warn!(%error, "the process id could not be noted");
            }
            return Ok(lock);
        }
        if !can_be_shared(fs, dir) {
            return Err(locked(fs, dir));
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(Error::locked(dir, None))
}

/// Looks whether those who have the lock only read, by taking part in it for a moment. Someone else may do
/// the same, and nobody else have it: hence several attempts.
fn can_be_shared(fs: &dyn FileSystem, dir: &Path) -> bool {
    fs.lock_shared(&dir.join(LOCK)).is_ok_and(|lock| lock.is_some())
}

/// Names the holder, who may write: readers leave no trace.
pub(crate) fn locked(fs: &dyn FileSystem, dir: &Path) -> Error {
    Error::locked(dir, read_holder(fs, &dir.join(LOCK_HOLDER)))
}

fn write_holder(fs: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let text = format!("{:<HOLDER_BYTES$}", std::process::id());
    // Written over where it is: some file systems write a file that was emptied to the disk when
    // it is closed.
    let is_whole = |file: &Arc<dyn WritableFile>| file.len().is_ok_and(|length| length == text.len() as u64);
    let file = fs.open_write(path).ok().filter(is_whole).map_or_else(|| fs.create(path), Ok)?;
    file.write_at(0, text.as_bytes())
}

fn read_holder(fs: &dyn FileSystem, path: &Path) -> Option<u32> {
    let file = fs.open_read(path).ok()?;
    let length = usize::try_from(file.len().ok()?).ok().filter(|length| *length <= HOLDER_BYTES)?;
    let mut text = vec![0; length];
    file.read_at(0, &mut text).ok()?;
    std::str::from_utf8(&text).ok()?.trim_end().parse().ok()
}

fn create(fs: &Arc<dyn FileSystem>, dir: &Path) -> Result<(Manifest, State)> {
    let mut state = State::new(random_id());
    // A database just created has no log, as one that was closed cleanly.
    state.clean = true;
    Ok((Manifest::create(Arc::clone(fs), dir, &state)?, state))
}

/// A number that no other database has, so that its files cannot be taken for ours.
pub(crate) fn random_id() -> u64 {
    // The hasher's keys come from the operating system's random numbers.
    std::hash::RandomState::new().build_hasher().finish()
}

pub(crate) fn check_trees(options: &Options, state: &State) -> Result<()> {
    for (id, name) in &state.trees {
        let declared = options.trees.iter().find(|tree| tree.id == *id);
        if declared.is_none_or(|tree| tree.name != *name) {
            return Err(Error::invalid(format!("trees: the database has tree {} \"{name}\"", id.0)));
        }
    }
    Ok(())
}

/// Puts together a database in which nothing is read from the log yet.
pub(crate) fn assemble(
    fs: Arc<dyn FileSystem>,
    dir: &Path,
    options: Options,
    version: Version,
    next_file_id: u64,
    lock: Option<Box<dyn FileLock>>,
) -> Result<Inner> {
    let state = &version.state;
    let resources = options.resources()?;
    let telemetry = Telemetry::new(Arc::clone(&options.clock), options.events.clone());
    let bell = Doorbell::new(Arc::clone(&options.executor));
    let garbage = Arc::new(Garbage::new(Arc::clone(&bell)));
    let trees = {
        let (resources, garbage) = (&resources, &garbage);
        let context = FileContext { fs: &fs, dir, database_id: state.database_id, resources, garbage };
        open_trees(context, &options.trees, state)?
    };
    let snapshots = Arc::new(Snapshots::new(Arc::clone(&options.clock), Arc::clone(&bell)));
    snapshots.publish(state.last_sequence);
    Ok(Inner {
        dir: dir.to_path_buf(),
        database_id: state.database_id,
        trees,
        cache: Arc::clone(&resources.cache),
        resources,
        telemetry,
        background: Background::default(),
        snapshots,
        garbage,
        bell,
        segment: AtomicU64::new(state.oldest_log),
        commit: Mutex::new(CommitState { log: None, last: state.last_sequence }),
        log: RwLock::new(None),
        next_file_id: AtomicU64::new(next_file_id.max(state.next_file_id)),
        purges: SharedPurges::new(&state.purges),
        version: Mutex::new(version),
        workshop: Mutex::new(Workshop::default()),
        unsynced_since: AtomicU64::new(0),
        closed: AtomicBool::new(false),
        poison: OnceLock::new(),
        replayed_segment_synced: AtomicU64::new(0),
        synced_at_close: OnceLock::new(),
        opening: Opening::default(),
        drafting: RwLock::new(()),
        removals: RwLock::new(()),
        lock: Mutex::new(lock),
        fs,
        options,
    })
}

fn open_trees(context: FileContext<'_>, trees: &[TreeOptions], state: &State) -> Result<Vec<Tree>> {
    let value_files = open_value_files(context, state)?;
    let open = |options: &TreeOptions| {
        let find = |id| value_files.get(&(options.id, id)).cloned();
        let tables = state.tables.values().filter(|meta| meta.tree == options.id);
        let live: Result<Vec<Arc<LiveTable>>> =
            tables.map(|meta| open_table(context, options.filter_key, meta.clone(), &find)).collect();
        let shelves = Shelves::new(options.block_property, live?);
        if options.bytes_max.is_some() && shelves.has_buckets() {
            return Err(Error::invalid(format!("bytes_max: tree \"{}\" has had a retention", options.name)));
        }
        let forgotten = state.forgotten.get(&options.id).cloned().unwrap_or(ByKey::all(Cutoff::NONE));
        Ok(Tree::new(options.clone(), shelves, state.oldest_log, forgotten))
    };
    trees.iter().map(open).collect()
}

fn open_value_files(
    context: FileContext<'_>,
    state: &State,
) -> Result<BTreeMap<(TreeId, u64), Arc<ValueFile>>> {
    let open = |meta| ValueFile::open(context, meta);
    state.value_files.iter().map(|(key, meta)| Ok((*key, open(*meta)?))).collect()
}

impl Inner {
    /// Brings what is in the log and not in tables into memtables; full ones are flushed on the way, so that
    /// memory stays bounded.
    fn replay_log(&self, files: &[String]) -> Result<Replay> {
        let state = self.version.lock().state.clone();
        let mut apply = |segment: u64, sequence: Sequence, frame: &Bytes, operation: Operation<'_>| {
            let known = state.flushed.get(&operation.tree).copied().unwrap_or(0);
            if sequence > known { self.replay_operation(segment, sequence, frame, operation) } else { Ok(()) }
        };
        let expected = crate::read_only::expected_log(&state);
        let replay = wal::replay(self.fs.as_ref(), &self.dir, files, &expected, &mut apply)?;
        // Not what is visible: a flush on the way took that back to the log's, and of a draft's numbers only
        // the manifest knows.
        let last = replay.last_sequence.max(state.last_sequence);
        self.commit.lock().last = last;
        self.snapshots.publish(last);
        Ok(replay)
    }

    fn replay_operation(
        &self,
        segment: u64,
        sequence: Sequence,
        frame: &Bytes,
        operation: Operation<'_>,
    ) -> Result<()> {
        let tree = self.tree(operation.tree).map_err(|_| self.unknown_tree(segment, operation.tree))?;
        let mut view = tree.view();
        if view.active.memtable.bytes() >= tree.options.write_buffer_bytes {
            tree.freeze(segment);
            // The log is not being written yet: what a flush drops of it is only what no tree needs.
            self.snapshots.publish(sequence - 1);
            self.flush_replayed()?;
            view = tree.view();
        } else if view.active.memtable.is_empty() {
            tree.freeze(segment);
            view = tree.view();
        }
        self.segment.store(segment, Ordering::Release);
        view.active.memtable.insert(frame, std::iter::once((sequence, operation)));
        Ok(())
    }

    /// Without space the log stays in memory: it is as large as the last writer allowed, and can be read.
    fn flush_replayed(&self) -> Result<()> {
        loop {
            match self.flush_one() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NoSpace && self.poison.get().is_none() => {
                    self.collect_garbage();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn unknown_tree(&self, segment: u64, id: TreeId) -> Error {
        let path = self.dir.join(log_name(segment));
        Error::corruption(&path, 0, format!("an operation on tree {}, which does not exist", id.0))
    }

    /// Goes on in the last segment, or begins the first.
    fn begin_log(&self, replay: &Replay) -> Result<()> {
        let mut state = self.commit.lock();
        let (fs, bytes) = (self.fs.as_ref(), self.options.log_segment_bytes);
        let directory = self.version.lock().manifest.as_ref().ok_or_else(closed)?.directory();
        replay.segments.iter().for_each(|segment| self.telemetry.log_sealed(segment.id, segment.end));
        let writer = match replay.segments.last() {
            Some(last) => {
                let mut log = LogWriter::resume(fs, &self.dir, directory, last, self.database_id, bytes)?;
                // Of a draft only the manifest knows.
                log.skip_to(state.last);
                log
            }
            None => self.create_log(directory, FIRST_SEGMENT, 0, state.last)?,
        };
        self.use_log(&mut state, writer);
        Ok(())
    }

    /// False if a power cut may bring back a manifest that names what this one does not. Where there is no
    /// space to write it again, the next opening with some sees to what it does not name.
    fn has_durable_manifest(&self) -> bool {
        self.version.lock().manifest.as_ref().is_some_and(Manifest::is_durable)
    }

    /// Tables, value files and log segments that the manifest does not name: what a crash left behind. To be
    /// removed once all that it names has been found.
    fn orphans(&self, files: &[String]) -> Vec<PathBuf> {
        let version = self.version.lock();
        let state = &version.state;
        let is_live = |id: u64| state.tables.values().any(|meta| meta.id == id);
        let orphans = files.iter().filter(|name| match parse_name(name) {
            Some(NumberedFile::Table(id)) => !is_live(id),
            Some(NumberedFile::Value(id)) => !state.value_files.keys().any(|(_, live)| *live == id),
            Some(NumberedFile::Log(id)) => id < state.oldest_log,
            None => false,
        });
        orphans.map(|name| self.dir.join(name)).collect()
    }

    /// Closes, once: see [`crate::Db::close`].
    pub(crate) fn close(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let may_write = || self.poison.get().is_none() && !self.options.read_only;
        let mut prepared = if may_write() { self.flush_to_close() } else { Ok(()) };
        let mut workshop = self.workshop.lock();
        let mut state = self.commit.lock();
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        // Else nothing was written since the opening: what the manifest says of the log is still so.
        let is_opened = !self.opening.is_unfinished();
        if may_write() && is_opened {
            prepared = self.empty_log_to_close(&mut state);
        }
        self.closed.store(true, Ordering::Release);
        let result = match state.log.take() {
            Some(log) if is_opened && self.poison.get().is_none() => self.record_close(log),
            // Whatever came of the flush.
            Some(log) => {
                let synced = self.sync_to_close(&log);
                prepared.and(synced)
            }
            None => prepared,
        };
        if let Some(job) = workshop.job.take() {
            job.give_up();
        }
        drop(state);
        // A draft that is being written, and a checkpoint under way, see that the database is closed,
        // and give up.
        drop(self.drafting.write());
        drop(self.removals.write());
        self.release();
        if may_write() {
            // As long as the directory is ours.
            self.collect_garbage();
        }
        self.lock.lock().take();
        result
    }

    /// What was acknowledged is made durable although nothing more may be written. Where that cannot be, the
    /// failure is the one after which writes were refused.
    fn sync_to_close(&self, log: &LogWriter) -> Result<()> {
        let log = log.handle();
        let failed = |error| self.poison_error().unwrap_or_else(|| self.poison(Work::LogSync, error));
        log.sync(log.written()).map_err(failed)
    }

    /// Syncs the log. Then says in it and in the manifest that all is well, if there is space for that, and
    /// lets go of the log segments that are not needed.
    fn record_close(&self, log: LogWriter) -> Result<()> {
        self.sync_to_close(&log)?;
        match self.mark_closed(log) {
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                tracing::warn!(%error, "closed without a mark: the next opening takes longer");
                Ok(())
            }
            result => result,
        }
    }

    fn mark_closed(&self, mut log: LogWriter) -> Result<()> {
        log.close_mark()?;
        let (segment, end) = (log.segment(), log.end());
        let before = self.version.lock().state.oldest_log;
        let oldest = self.oldest_segment_needed(None).max(before);
        let edit = self.new_edit().last_sequence(self.snapshots.visible()).oldest_log(oldest);
        self.record(&edit.log_synced(segment, end).clean_close(true))?;
        self.drop_log_before(before, oldest);
        Ok(())
    }

    /// Closes all files but those that readers hold.
    fn release(&self) {
        self.trees.iter().for_each(Tree::release);
        if self.options.resources.is_none() {
            self.resources.values.clear();
        }
        if let Some(log) = self.log.read().as_ref() {
            let end = LogPosition { segment: log.segment(), offset: log.synced() };
            self.synced_at_close.set(end).expect("a database is closed once");
        }
        *self.log.write() = None;
        self.version.lock().manifest = None;
    }
}

/// Number of a database's first log segment.
pub(crate) const FIRST_SEGMENT: u64 = 1;
