//! Looking after the directory of a store.

use crate::registry::is_open_here;
use crate::store::{Store, engine_options};
use flowdb_engine::fs::RealFileSystem;
use flowdb_engine::{
    Checkpoint, Error, ErrorKind, RepairOptions, RepairReport, Report, Result, VerifyOptions,
};
use std::path::Path;
use std::sync::Arc;

/// Checks all of the closed store in `dir`. See [`flowdb_engine::verify`].
pub fn verify(dir: &Path) -> Result<Report> {
    let options = VerifyOptions { trees: engine_options().trees };
    let result = flowdb_engine::verify(&RealFileSystem::default(), dir, &options);
    result.map_err(|error| explained(error, dir))
}

/// Saves what can be read of the damaged, closed store in `dir` into a new one in `new_dir`. See
/// [`flowdb_engine::repair`]. `InvalidArgument` too if `new_dir` lies in `dir`, which is to stay as it is.
///
/// Records that belong together (a document and its index entries) are saved one by one: where the report has
/// losses in the tree of documents, an index may miss a document, or name one that is gone.
pub fn repair(dir: &Path, new_dir: &Path) -> Result<RepairReport> {
    refuse_within(new_dir, dir)?;
    let options = RepairOptions::new(engine_options().trees);
    let result = flowdb_engine::repair(Arc::new(RealFileSystem::default()), dir, new_dir, &options);
    result.map_err(|error| explained(error, dir))
}

/// Removes the closed store in `dir`. See [`flowdb_engine::destroy`].
pub fn destroy(dir: &Path) -> Result<()> {
    flowdb_engine::destroy(&RealFileSystem::default(), dir).map_err(|error| explained(error, dir))
}

/// What is destroyed, copied or moved as a whole must not have another store in it.
fn refuse_within(inner: &Path, outer: &Path) -> Result<()> {
    let outer = std::fs::canonicalize(outer).ok();
    // If there is none, it is for others to say.
    refuse_if(inner, |place| outer.as_ref().is_some_and(|outer| place.starts_with(outer)))
}

fn refuse_if(inner: &Path, is_within: impl FnOnce(&Path) -> bool) -> Result<()> {
    let Ok(inner) = std::path::absolute(inner) else { return Ok(()) };
    // What does not exist yet will be in the nearest directory above it that does.
    let place = inner.ancestors().find_map(|directory| std::fs::canonicalize(directory).ok());
    if place.is_some_and(|place| is_within(&place)) {
        let message = format!("{} lies in the directory of the database", inner.display());
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(())
}

/// A lock tells no process from a copy of this library in it; we know what we have open.
fn explained(error: Error, dir: &Path) -> Error {
    if error.kind() == ErrorKind::Locked && is_open_here(dir) { Error::open_here(dir) } else { error }
}

impl Store {
    /// Makes a copy of the store as it is now. See [`flowdb_engine::Db::checkpoint`]. `InvalidArgument` too
    /// if `target` lies in the store's own directory.
    pub fn checkpoint(&self, target: &Path) -> Result<Checkpoint> {
        if !self.is_in_memory() {
            refuse_within(target, self.db().dir())?;
            // It may have been moved since it was opened.
            refuse_if(target, |place| place.ancestors().any(|directory| self.db().is_at(directory)))?;
        }
        self.db().checkpoint(target)
    }
}
