//! Opening to read only: nothing in the directory is created, changed or removed.

use crate::error::{Error, Result};
use crate::fs::{FileLock, FileSystem};
use crate::inner::{Inner, Version};
use crate::options::Options;
use crate::recovery::{anchor, assemble, check_trees, locked, missing, without_manifest};
use crate::version::{LOCK, Manifest, State, parse_name};
use crate::wal::{self, Expected};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Opens the database in `dir` for [`Options::read_only`].
pub(crate) fn open(fs: Arc<dyn FileSystem>, dir: &Path, options: Options) -> Result<Inner> {
    let anchored = anchor(fs.as_ref(), dir)?;
    let fs = anchored.as_ref().map_or(fs, |anchored| Arc::clone(&anchored.fs));
    let lock = share_lock(fs.as_ref(), dir)?;
    let Some((manifest, state)) = Manifest::open_read_only(Arc::clone(&fs), dir)? else {
        return Err(nothing_there(fs.as_ref(), dir));
    };
    check_trees(&options, &state)?;
    let inner = assemble(fs, dir, options, Version { manifest: Some(manifest), state }, 0, lock)?;
    inner.replay_for_reading()?;
    Ok(inner)
}

/// Keeps those away that would write. `None` without the file to lock: creating it would be a change.
pub(crate) fn share_lock(fs: &dyn FileSystem, dir: &Path) -> Result<Option<Box<dyn FileLock>>> {
    let path = dir.join(LOCK);
    match fs.lock_shared(&path) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(locked(fs, dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(&path, "locking the database", error)),
    }
}

/// Without a manifest there is no database, or one that has lost it.
pub(crate) fn nothing_there(fs: &dyn FileSystem, dir: &Path) -> Error {
    let names = fs.list(dir).unwrap_or_default();
    if names.iter().any(|name| parse_name(name).is_some()) { without_manifest(dir) } else { missing(dir) }
}

/// What the manifest says about the log.
pub(crate) fn expected_log(state: &State) -> Expected {
    // Whoever opens one notes its first segment, and what is closed then is closed in order, though nothing
    // was ever written to it.
    let is_new = state.clean && state.oldest_log == 0;
    Expected {
        database_id: state.database_id,
        oldest_segment: if is_new { 0 } else { state.oldest_log },
        is_closed: state.clean && !is_new,
        synced: state.log_synced,
    }
}

impl Inner {
    /// Brings all of the log that is not in tables into memtables.
    fn replay_for_reading(&self) -> Result<()> {
        let state = self.version.lock().state.clone();
        let expected = expected_log(&state);
        let names = self.fs.list(&self.dir);
        let names = names.map_err(|error| Error::io(&self.dir, "listing the directory", error))?;
        let replay = wal::replay_unchanged(
            self.fs.as_ref(),
            &self.dir,
            &names,
            &expected,
            &mut |segment, sequence, frame, operation| {
                if sequence <= state.flushed.get(&operation.tree).copied().unwrap_or(0) {
                    return Ok(());
                }
                let tree =
                    self.tree(operation.tree).map_err(|_| self.unknown_tree(segment, operation.tree))?;
                tree.view().active.memtable.insert(frame, std::iter::once((sequence, operation)));
                self.segment.store(segment, Ordering::Release);
                Ok(())
            },
        )?;
        self.snapshots.publish(replay.last_sequence.max(self.snapshots.visible()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemoryFileSystem;
    use crate::key::TreeId;
    use crate::options::TreeOptions;
    use crate::repair::{RepairOptions, repair};
    use crate::verify::{VerifyOptions, verify};

    /// Openings and closes leave marks in the log, which is begun anew behind enough of them.
    #[test]
    fn a_database_without_a_write_may_have_lost_its_first_segment() {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let (dir, repaired) = (Path::new("/db"), Path::new("/repaired"));
        let trees = || vec![TreeOptions::new(TreeId(1), "tree")];
        let open_to_write = || crate::recovery::open(Arc::clone(&fs), dir, Options::new(trees()));
        let inner = open_to_write().unwrap();
        inner.rotate_log(&mut inner.commit.lock()).unwrap();
        inner.close().unwrap();
        let state = Manifest::read(&*fs, dir).unwrap().unwrap().state;
        assert_eq!((state.clean, state.last_sequence, state.oldest_log), (true, 0, 2));

        let report = verify(&*fs, dir, &VerifyOptions { trees: trees() }).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        let report = repair(Arc::clone(&fs), dir, repaired, &RepairOptions::new(trees())).unwrap();
        assert!(report.lost.is_empty() && report.mended.is_empty(), "{report:?}");
        for dir in [dir, repaired] {
            let options = Options { read_only: true, ..Options::new(trees()) };
            let reader = crate::recovery::open(Arc::clone(&fs), dir, options).unwrap();
            assert_eq!(reader.snapshots.visible(), 0);
        }
        open_to_write().unwrap().close().unwrap();
    }
}
