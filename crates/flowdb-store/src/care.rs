//! Looking after the directory of a store.

use crate::store::{Store, engine_options};
use flowdb_engine::fs::RealFileSystem;
use flowdb_engine::{Checkpoint, Report, Result, VerifyOptions};
use std::path::Path;

/// Checks all of the closed store in `dir`. See [`flowdb_engine::verify`].
pub fn verify(dir: &Path) -> Result<Report> {
    let options = VerifyOptions { trees: engine_options().trees };
    flowdb_engine::verify(&RealFileSystem::default(), dir, &options)
}

/// Removes the closed store in `dir`. See [`flowdb_engine::destroy`].
pub fn destroy(dir: &Path) -> Result<()> {
    flowdb_engine::destroy(&RealFileSystem::default(), dir)
}

impl Store {
    /// Makes a copy of the store as it is now. See [`flowdb_engine::Db::checkpoint`].
    pub fn checkpoint(&self, target: &Path) -> Result<Checkpoint> {
        self.db().checkpoint(target)
    }
}
