//! What the handles of an open database share.

use crate::background::{Background, BackgroundError, Work};
use crate::cache::BlockCache;
use crate::commit::{CommitState, LogPosition, closed};
use crate::doorbell::Doorbell;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::fs::{FileLock, FileSystem};
use crate::key::TreeId;
use crate::maintenance::Workshop;
use crate::opening::Opening;
use crate::options::Options;
use crate::purge::SharedPurges;
use crate::resources::Resources;
use crate::separate::Output;
use crate::snapshot::Snapshots;
use crate::stats::Telemetry;
use crate::tree::{Garbage, Tree};
use crate::version::{Edit, Manifest, State};
use crate::wal::LogFile;
use parking_lot::{Mutex, RwLock};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// An open database.
///
/// Locks are taken in this order, and none is held over a call of the executor's user: `workshop`
/// (maintenance: flush, compaction), `commit` (order of commits, log writer, active memtables), `opening`,
/// `version` (manifest). `workshop`, `opening` and `version` are held over I/O and never taken by a reader or
/// by `try_write`; `commit` is held over one small write, over the start of a log segment or the wait for an
/// edit of the manifest, and over the end of a draft's commit, and `try_write` only tries it. The locks
/// within `background`, `telemetry` and `resources` are taken last, for moments. Tables, views and snapshots
/// are read without any of them.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) dir: PathBuf,
    pub(crate) database_id: u64,
    pub(crate) options: Options,
    pub(crate) trees: Vec<Tree>,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) background: Background,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) garbage: Arc<Garbage>,
    pub(crate) bell: Arc<Doorbell>,
    pub(crate) commit: Mutex<CommitState>,
    /// The segment being written, for the sync lane, which must not wait for the commit lock. `None` until
    /// the log was replayed.
    pub(crate) log: RwLock<Option<Arc<LogFile>>>,
    /// Number of the segment being written, or replayed. Changes under the commit lock; an empty active
    /// memtable always has it as its first.
    pub(crate) segment: AtomicU64,
    /// Number of the segment that was last made durable while it was replayed; nothing is written to it then.
    pub(crate) replayed_segment_synced: AtomicU64,
    pub(crate) version: Mutex<Version>,
    pub(crate) workshop: Mutex<Workshop>,
    /// Number of the next table or value file. Moved past everything seen at open, so that none
    /// is used twice.
    pub(crate) next_file_id: AtomicU64,
    /// When expired entries were dropped: no reader goes back behind that.
    pub(crate) purges: SharedPurges,
    /// When the first commit after the last sync was made, in microseconds of the monotonic clock; 0 if there
    /// was none. Kept only in the mode that syncs at intervals.
    pub(crate) unsynced_since: AtomicU64,
    pub(crate) closed: AtomicBool,
    /// Set once a write or sync failed in a way that leaves its outcome unknown.
    pub(crate) poison: OnceLock<String>,
    /// End of what was synced of the log when the database was closed.
    pub(crate) synced_at_close: OnceLock<LogPosition>,
    pub(crate) opening: Opening,
    /// Held shared while a draft is written; `abandon` and `close` take it exclusively after
    /// setting their flag.
    pub(crate) drafting: RwLock<()>,
    /// Held shared while files have to keep their names; a thread that removes files tries to
    /// take it exclusively.
    pub(crate) removals: RwLock<()>,
    /// Held while open.
    pub(crate) lock: Mutex<Option<Box<dyn FileLock>>>,
}

/// The manifest and what it says.
#[derive(Debug)]
pub(crate) struct Version {
    /// `None` once closed.
    pub(crate) manifest: Option<Manifest>,
    pub(crate) state: State,
}

/// A manifest is rewritten when it has grown beyond this many bytes and beyond four times its size
/// when last rewritten.
const MANIFEST_REWRITE_BYTES: u64 = 256 << 10;

impl Inner {
    pub(crate) fn tree(&self, id: TreeId) -> Result<&Tree> {
        self.trees
            .iter()
            .find(|tree| tree.options.id == id)
            .ok_or_else(|| Error::invalid(format!("tree {} was not declared at open", id.0)))
    }

    /// The segment being written.
    pub(crate) fn current_log(&self) -> Result<Arc<LogFile>> {
        self.log.read().clone().ok_or_else(closed)
    }

    /// Fails for what was not synced when the database was closed.
    pub(crate) fn check_synced_at_close(&self, position: LogPosition) -> Result<()> {
        let is_synced = self.synced_at_close.get().is_some_and(|end| position <= *end);
        if is_synced { Ok(()) } else { Err(closed()) }
    }

    /// Fails once closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Fails once closed or poisoned, and where only reading is allowed.
    pub(crate) fn check_usable(&self) -> Result<()> {
        self.check_open()?;
        if self.options.read_only {
            return Err(Error::read_only());
        }
        self.poison_error().map_or(Ok(()), Err)
    }

    /// Why writes are refused, if they are.
    pub(crate) fn poison_error(&self) -> Option<Error> {
        let message = |cause| format!("no more writes until the database is reopened: {cause}");
        self.poison.get().map(|cause| Error::new(ErrorKind::Poisoned, message(cause)))
    }

    /// Refuses writes from now on. Gives the error back that the caller reports.
    pub(crate) fn poison(&self, what: Work, error: Error) -> Error {
        tracing::error!(%error, "{what}; no more writes until the database is reopened");
        self.note_fatal(what, &error);
        // A second failure changes nothing: the first is the cause.
        let _ = self.poison.set(format!("{what}: {error}"));
        // `NoSpace` says that nothing was written and that the same can be tried again. Neither is so here.
        if error.kind() == ErrorKind::NoSpace { error.with_kind(ErrorKind::Io) } else { error }
    }

    /// See [`crate::Db::abandon`].
    pub(crate) fn abandon(&self, why: &str) {
        tracing::error!("{why}; no more writes until the database is reopened");
        self.note_fatal(Work::Directory, &Error::new(ErrorKind::Poisoned, why));
        let _ = self.poison.set(why.to_owned());
        // A thread that is at work has not seen it yet.
        drop(self.workshop.lock());
        drop(self.commit.lock());
        drop(self.drafting.write());
        self.telemetry.events.tell();
    }

    fn note_fatal(&self, work: Work, error: &Error) {
        let since = self.options.clock.now();
        let fatal = BackgroundError { work, error: error.duplicate(), since, resumes: false };
        if let Some(fatal) = self.background.set_fatal(fatal) {
            self.telemetry.background_errors.add(1);
            self.telemetry.events.note(Event::BackgroundError(fatal));
        }
    }

    /// What the clock says, microseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.options.clock.now()
    }

    pub(crate) fn next_file_id(&self) -> u64 {
        self.next_file_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes `edit` durable and part of the state. Without space for it nothing has happened, and it can be
    /// tried again. Other failures poison: whether the edit is on disk is unknown.
    pub(crate) fn record(&self, edit: &Edit) -> Result<()> {
        self.finish_opening()?;
        self.record_edit(edit)
    }

    /// The same for the edit that finishes the opening.
    pub(crate) fn record_edit(&self, edit: &Edit) -> Result<()> {
        let mut version = self.version.lock();
        let Version { manifest, state } = &mut *version;
        let manifest = manifest.as_mut().ok_or_else(closed)?;
        state.check(edit)?;
        if let Err(error) = manifest.begin(state) {
            // Nothing was changed, unless it is not known.
            return Err(if manifest.is_broken() { self.poison(Work::Manifest, error) } else { error });
        }
        if let Err(error) = manifest.append(edit) {
            let is_refused = error.kind() == ErrorKind::NoSpace && !manifest.is_broken();
            return Err(if is_refused { error } else { self.poison(Work::Manifest, error) });
        }
        state.apply(edit)?;
        self.purges.publish(&state.purges);
        if manifest.bytes() > MANIFEST_REWRITE_BYTES.max(4 * manifest.bytes_when_rewritten())
            && let Err(error) = manifest.rewrite(state)
        {
            if manifest.is_broken() {
                return Err(self.poison(Work::Manifest, error));
            }
            // The one there is goes on; the next edit tries again.
            tracing::warn!(%error, "the manifest could not be rewritten");
        }
        Ok(())
    }

    /// The same for an edit that adds `outputs`. If it certainly does not count, their files are superfluous.
    pub(crate) fn record_outputs(&self, edit: &Edit, outputs: &[Output]) -> Result<()> {
        self.record(edit).inspect_err(|_| {
            if self.poison.get().is_none() {
                outputs.iter().for_each(Output::mark_obsolete);
            }
        })
    }
}
