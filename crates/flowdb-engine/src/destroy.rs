//! Taking a database away: its own files, and nothing else.

use crate::error::{Error, Result};
use crate::fs::FileSystem;
use crate::recovery::{anchor, missing, take_lock};
use crate::version::{LOCK, LOCK_HOLDER, MANIFEST, MANIFEST_NEW, parse_name};
use std::io;
use std::path::Path;

/// Removes the database in `dir`, which nobody may have open, and the directory if nothing else is in it.
///
/// Only files that have names of a database are removed. The manifest goes first, durably: what a crash
/// leaves of the rest does not open, and another call removes it. Fails with `Locked` if the database is
/// open, `NotFound` if there is none, or what the operating system reports.
pub fn destroy(fs: &dyn FileSystem, dir: &Path) -> Result<()> {
    let anchored = anchor(fs, dir)?;
    let fs = anchored.as_ref().map_or(fs, |anchored| &*anchored.fs);
    if !own_files(fs, dir)?.iter().any(|name| name == MANIFEST || parse_name(name).is_some()) {
        return Err(missing(dir));
    }
    let lock = take_lock(fs, dir)?;
    // Listed again: until here someone else may have had it open.
    let files = own_files(fs, dir)?;
    for name in [MANIFEST_NEW, MANIFEST] {
        if files.iter().any(|file| file == name) {
            remove(fs, dir, name)?;
        }
    }
    sync(fs, dir)?;
    for name in files.iter().filter(|name| parse_name(name).is_some()) {
        remove(fs, dir, name)?;
    }
    sync(fs, dir)?;
    // An opener that finds the old file locks one without a name, and is refused.
    for name in [LOCK_HOLDER, LOCK] {
        remove(fs, dir, name)?;
    }
    drop(lock);
    sync(fs, dir)?;
    match fs.remove_dir(dir) {
        // Not ours.
        Err(error) if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => {
            tracing::debug!(%error, "the directory stays");
            Ok(())
        }
        _ => Ok(()),
    }
}

fn own_files(fs: &dyn FileSystem, dir: &Path) -> Result<Vec<String>> {
    let mut names = match fs.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(dir)),
        names => names.map_err(|error| Error::io(dir, "listing the directory", error))?,
    };
    let others = [MANIFEST, MANIFEST_NEW, LOCK, LOCK_HOLDER];
    names.retain(|name| parse_name(name).is_some() || others.contains(&&**name));
    Ok(names)
}

fn remove(fs: &dyn FileSystem, dir: &Path, name: &str) -> Result<()> {
    let path = dir.join(name);
    match fs.remove(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|error| Error::io(&path, "removing a file", error)),
    }
}

fn sync(fs: &dyn FileSystem, dir: &Path) -> Result<()> {
    fs.sync_dir(dir).map_err(|error| Error::io(dir, "syncing the directory", error))
}
