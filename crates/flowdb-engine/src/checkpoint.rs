//! A copy of a live database: a moment of it, in a directory of its own, that opens as a database.
//!
//! Nobody waits for it but its caller. Tables are complete once the manifest names them, and a sealed log
//! segment is not written again: both are linked where that is possible. The segment being written is copied
//! up to what was synced. The manifest comes last: without it the directory does not open.

use crate::commit::LogPosition;
use crate::error::{Error, ErrorKind, Result, is_for_lack_of_space};
use crate::fs::{FileSystem, copy_bytes};
use crate::inner::Inner;
use crate::key::Sequence;
use crate::recovery::take_lock;
use crate::version::{
    LOCK, LOCK_HOLDER, MANIFEST, MANIFEST_NEW, Manifest, NumberedFile, State, live_files, log_name,
    parse_name,
};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What a checkpoint holds. See [`crate::Db::checkpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of the last operation in it. Every commit up to it is there, whole, and none behind it.
    pub last_sequence: Sequence,
    /// Files that share their bytes with the database.
    pub files_linked: u64,
    /// Files that were copied.
    pub files_copied: u64,
    /// Bytes that were copied.
    pub bytes_copied: u64,
}

/// A moment of the database.
struct Moment {
    state: State,
    last_sequence: Sequence,
    /// Where the log ended.
    end: LogPosition,
}

impl Inner {
    /// See [`crate::Db::checkpoint`].
    pub(crate) fn checkpoint(&self, target: &Path) -> Result<Checkpoint> {
        self.check_usable()?;
        if !self.options.log {
            return Err(Error::invalid("a database without a log cannot be copied"));
        }
        let made = {
            let _names_are_kept = self.removals.read();
            self.checkpoint_held(target)
        };
        // What could not be removed meanwhile.
        self.options.executor.wake();
        made
    }

    fn checkpoint_held(&self, target: &Path) -> Result<Checkpoint> {
        let fs = self.fs.as_ref();
        if target == self.dir {
            // Also where it was moved away from there: names in it are taken for the database's own.
            let message = format!("{} is where the database was opened", target.display());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        fs.create_dir_all(target).map_err(|error| Error::io(target, "creating the directory", error))?;
        refuse_unless_empty(fs, target)?;
        // Kept to the end: nobody opens what is not complete, and two checkpoints do not mix.
        let lock = take_lock(fs, target)?;
        refuse_unless_empty(fs, target)?;
        let made = self.moment().and_then(|moment| {
            self.copy_moment(&moment, target).inspect_err(|_| self.take_back(&moment, target))
        });
        if made.is_err() {
            for name in [LOCK_HOLDER, LOCK] {
                let _ = fs.remove(&target.join(name));
            }
        }
        drop(lock);
        made
    }

    /// State and end of the log of one moment: what a flush adds is in the log too, but a draft that is
    /// committed between the two would be in neither, and its number taken.
    fn moment(&self) -> Result<Moment> {
        let (mut state, end, last_sequence) = {
            let commit = self.commit.lock();
            let end = commit.log_end()?;
            (self.version.lock().state.clone(), end, commit.last)
        };
        state.clean = false;
        self.sync(end)?;
        Ok(Moment { state, last_sequence, end })
    }

    fn copy_moment(&self, moment: &Moment, target: &Path) -> Result<Checkpoint> {
        let Moment { state, last_sequence, end } = moment;
        let mut made =
            Checkpoint { last_sequence: *last_sequence, files_linked: 0, files_copied: 0, bytes_copied: 0 };
        for file in live_files(state) {
            self.bring(&file.name, target, &mut made)?;
        }
        for segment in self.sealed_segments(state.oldest_log, end.segment)? {
            self.bring(&log_name(segment), target, &mut made)?;
        }
        self.bring_log_end(*end, target, &mut made)?;
        self.check_usable()?;
        let fs = &self.fs;
        fs.sync_dir(target).map_err(|error| Error::io(target, "syncing the directory", error))?;
        Manifest::create(Arc::clone(fs), target, state)?;
        Ok(made)
    }

    fn sealed_segments(&self, oldest: u64, current: u64) -> Result<Vec<u64>> {
        let names = self.fs.list(&self.dir);
        let names = names.map_err(|error| Error::io(&self.dir, "listing the directory", error))?;
        let sealed = names.iter().filter_map(|name| match parse_name(name) {
            Some(NumberedFile::Log(id)) if (oldest..current).contains(&id) => Some(id),
            _ => None,
        });
        Ok(sealed.collect())
    }

    /// Links a file that is not written any more, or copies it.
    fn bring(&self, name: &str, target: &Path, made: &mut Checkpoint) -> Result<()> {
        // Once closed, others may open the directory, and remove what they do not need.
        self.check_usable()?;
        let (from, to) = (self.dir.join(name), target.join(name));
        if self.fs.hard_link(&from, &to).is_ok() {
            made.files_linked += 1;
            return Ok(());
        }
        let copy = || {
            self.fs.copy(&from, &to)?;
            let copied = self.fs.open_write(&to)?;
            copied.sync()?;
            copied.len()
        };
        made.bytes_copied += copy().map_err(|error| copy_error(&from, &to, error))?;
        made.files_copied += 1;
        Ok(())
    }

    /// Copies the segment being written up to `end`.
    fn bring_log_end(&self, end: LogPosition, target: &Path, made: &mut Checkpoint) -> Result<()> {
        let name = log_name(end.segment);
        let (from, to) = (self.dir.join(&name), target.join(&name));
        let copy = || {
            let source = self.fs.open_read(&from)?;
            let copied = self.fs.create(&to)?;
            copy_bytes(&*source, &*copied, 0..end.offset)?;
            copied.sync()
        };
        copy().map_err(|error| copy_error(&from, &to, error))?;
        made.bytes_copied += end.offset;
        made.files_copied += 1;
        Ok(())
    }

    /// Removes what was brought, the manifest first. What stays does not open without it.
    fn take_back(&self, moment: &Moment, target: &Path) {
        let fs = self.fs.as_ref();
        let remove = |name: &str| drop(fs.remove(&target.join(name)));
        remove(MANIFEST);
        drop(fs.sync_dir(target));
        remove(MANIFEST_NEW);
        live_files(&moment.state).iter().for_each(|file| remove(&file.name));
        (moment.state.oldest_log..=moment.end.segment).for_each(|segment| remove(&log_name(segment)));
    }
}

/// What there is no space for is the copy. Where else a copy failed nobody says; the message has both.
fn copy_error(from: &Path, to: &Path, error: io::Error) -> Error {
    let file = if is_for_lack_of_space(&error) { to } else { from };
    Error::io(file, &format!("copying {} to {}", from.display(), to.display()), error)
}

/// A lock file may be there: whether somebody has it is asked elsewhere.
pub(crate) fn refuse_unless_empty(fs: &dyn FileSystem, target: &Path) -> Result<()> {
    let names = fs.list(target).map_err(|error| Error::io(target, "listing the directory", error))?;
    let directories = fs.list_directories(target);
    let directories = directories.map_err(|error| Error::io(target, "listing the directory", error))?;
    let file = names.iter().find(|name| *name != LOCK && *name != LOCK_HOLDER);
    let found = file.map(|name| ("file", name)).or(directories.first().map(|name| ("directory", name)));
    match found {
        None => Ok(()),
        Some((what, name)) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("{} is not empty: it has a {what} {name}", target.display()),
        )),
    }
}
