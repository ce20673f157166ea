//! Which directories this process has open: all who name the same directory share one store.

use crate::closer::close_later;
use crate::options::StoreOptions;
use crate::store::Store;
#[cfg(unix)]
use flowdb_engine::fs::{Anchored, AnchoredFileSystem};
use flowdb_engine::fs::{FileAccess, FileSystem, RealFileSystem};
use flowdb_engine::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// What a directory is, whatever path leads to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct DirectoryId(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] std::path::PathBuf);

/// Held for moments only; a slot's own lock is held while its store is opened or closed.
static SLOTS: Mutex<BTreeMap<DirectoryId, Arc<Slot>>> = Mutex::new(BTreeMap::new());

/// The place of one directory. Its lock makes an opener wait for the closing that is under way, and the
/// other way round.
#[derive(Debug, Default)]
struct Slot {
    open: Mutex<Option<OpenStore>>,
}

#[derive(Debug)]
struct OpenStore {
    store: Arc<Store>,
    handles: usize,
    /// Held open: as long as it is, its inode is not given to another one, should it be removed.
    _directory: FoundDirectory,
}

impl OpenStore {
    fn new(directory: FoundDirectory, options: &StoreOptions) -> Result<Self> {
        let store = Store::open_engine(directory.fs(), &directory.path, options)?;
        Ok(OpenStore { store, handles: 1, _directory: directory })
    }
}

/// The directory that a path led to when it was looked up. What the path leads to later, when a link on the
/// way is pointed elsewhere or the directory is moved away, is no matter.
#[derive(Debug)]
struct FoundDirectory {
    id: DirectoryId,
    /// By which the engine names its files.
    path: PathBuf,
    #[cfg(unix)]
    anchored: Anchored,
}

#[cfg(unix)]
impl FoundDirectory {
    fn find(dir: &Path) -> std::io::Result<Self> {
        let (anchored, identity) = AnchoredFileSystem::open(FileAccess::default(), dir)?;
        Ok(FoundDirectory { id: DirectoryId(identity), path: dir.to_path_buf(), anchored })
    }

    fn fs(&self) -> Arc<dyn FileSystem> {
        Arc::clone(&self.anchored.fs)
    }
}

// A directory with open files in it cannot be moved; links on the way to it are resolved once.
#[cfg(not(unix))]
impl FoundDirectory {
    fn find(dir: &Path) -> std::io::Result<Self> {
        let path = std::fs::canonicalize(dir)?;
        Ok(FoundDirectory { id: DirectoryId(path.clone()), path })
    }

    fn fs(&self) -> Arc<dyn FileSystem> {
        Arc::new(RealFileSystem::new(FileAccess::default()))
    }
}

/// The store that was opened by a path last, and what the directory was.
static PATHS: Mutex<BTreeMap<PathBuf, (DirectoryId, Weak<Store>)>> = Mutex::new(BTreeMap::new());

/// If the directory at the path of a store is another one by now, because the old one was removed or moved,
/// whoever has the old store takes it for the new one: its writes would be lost with it.
fn abandon_former(dir: &Path, id: &DirectoryId) {
    let former =
        PATHS.lock().get(dir).filter(|(other, _)| other != id).and_then(|(_, store)| store.upgrade());
    if let Some(former) = former {
        former.db().abandon("the directory was removed or moved, and another one opened in its place");
    }
}

fn remember_path(dir: PathBuf, id: DirectoryId, store: &Arc<Store>) {
    let mut paths = PATHS.lock();
    paths.retain(|_, (_, store)| store.strong_count() > 0);
    paths.insert(dir, (id, Arc::downgrade(store)));
}

/// Keeps a store open. The last handle of a store closes it.
#[derive(Debug)]
pub struct StoreHandle {
    store: Arc<Store>,
    /// `None` for a store in memory, which nobody else can open, and once this is closed: whoever keeps it
    /// must not keep the slot.
    place: Mutex<Option<Place>>,
    closed: AtomicBool,
}

/// Opens the store in `dir`, or takes part in it if this process has it open.
pub(crate) fn open(dir: &Path, options: &StoreOptions) -> Result<StoreHandle> {
    for _ in 1..ATTEMPTS_MAX {
        match open_once(dir, options) {
            Err(error) if error.kind() == ErrorKind::NotFound && may_create(options) => {}
            result => return result,
        }
    }
    open_once(dir, options)
}

/// How often a directory is created that someone else, who destroys what was there, takes away again before
/// it is locked.
const ATTEMPTS_MAX: u32 = 10;

fn may_create(options: &StoreOptions) -> bool {
    options.create_if_missing && !options.read_only
}

fn open_once(dir: &Path, options: &StoreOptions) -> Result<StoreHandle> {
    // The working directory may change meanwhile.
    let dir = &std::path::absolute(dir).map_err(|error| Error::io(dir, "looking up the directory", error))?;
    let lookup_failed = |error| Error::io(dir, "looking up the directory", error);
    if may_create(options) {
        // What is refused leaves nothing behind.
        if !dir.exists() {
            options.validate_for_new()?;
        }
        let created = RealFileSystem::default().create_dir_all(dir);
        created.map_err(|error| Error::io(dir, "creating the directory", error))?;
    }
    let directory = FoundDirectory::find(dir).map_err(lookup_failed)?;
    let id = directory.id.clone();
    let slot = Arc::clone(SLOTS.lock().entry(id.clone()).or_default());
    let mut open = slot.open.lock();
    let store = match open.as_mut() {
        Some(open) => {
            open.store.check_options(options)?;
            open.handles += 1;
            Arc::clone(&open.store)
        }
        None => {
            // Links resolved: what counts is where the former store was.
            let place = std::fs::canonicalize(dir).map_err(lookup_failed)?;
            abandon_former(&place, &id);
            let opened = OpenStore::new(directory, options)?;
            let store = Arc::clone(&opened.store);
            remember_path(place, id.clone(), &store);
            *open = Some(opened);
            store
        }
    };
    drop(open);
    Ok(StoreHandle { store, place: Mutex::new(Some((id, slot))), closed: AtomicBool::new(false) })
}

/// True if this process has the store in `dir` open, be it that the opening or closing is under way.
pub(crate) fn is_open_here(dir: &Path) -> bool {
    let slot = directory_id(dir).ok().and_then(|id| SLOTS.lock().get(&id).cloned());
    slot.is_some_and(|slot| slot.open.try_lock().is_none_or(|open| open.is_some()))
}

impl StoreHandle {
    /// The handle of a store that no directory leads to.
    pub(crate) fn alone(store: Arc<Store>) -> Self {
        StoreHandle { store, place: Mutex::default(), closed: AtomicBool::new(false) }
    }

    /// The store. It may be closed while a reference to it is held; its calls fail with kind `Closed` then.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Gives the handle back; the last one closes the store, which writes to the disk. Giving it back
    /// again does nothing.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let place = self.place.lock().take();
        give_back(&self.store, place.as_ref())
    }
}

impl Deref for StoreHandle {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for StoreHandle {
    /// Never waits: the handle may have been forgotten, and this be a garbage collector on a thread that
    /// must not block.
    fn drop(&mut self) {
        if *self.closed.get_mut() {
            return;
        }
        let (store, place) = (Arc::clone(&self.store), self.place.get_mut().take());
        close_later(Box::new(move || give_back(&store, place.as_ref())));
    }
}

type Place = (DirectoryId, Arc<Slot>);

fn give_back(store: &Store, place: Option<&Place>) -> Result<()> {
    let Some((id, slot)) = place else {
        return store.shut_down();
    };
    let result = slot.release();
    forget_if_unused(id, slot);
    result
}

impl Slot {
    fn release(&self) -> Result<()> {
        let mut open = self.open.lock();
        let last = open.as_mut().is_some_and(|open| {
            open.handles -= 1;
            open.handles == 0
        });
        match open.take_if(|_| last) {
            Some(open) => open.store.shut_down(),
            None => Ok(()),
        }
    }
}

/// Drops the slot of a directory that nobody has open. Others come by a slot only under the lock of the map.
fn forget_if_unused(id: &DirectoryId, slot: &Arc<Slot>) {
    const MAP_AND_CALLER: usize = 2;
    let mut slots = SLOTS.lock();
    let is_ours = slots.get(id).is_some_and(|found| Arc::ptr_eq(found, slot));
    if is_ours && Arc::strong_count(slot) <= MAP_AND_CALLER && slot.open.lock().is_none() {
        slots.remove(id);
    }
}

#[cfg(unix)]
fn directory_id(dir: &Path) -> std::io::Result<DirectoryId> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(dir)?;
    Ok(DirectoryId((metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
fn directory_id(dir: &Path) -> std::io::Result<DirectoryId> {
    std::fs::canonicalize(dir).map(DirectoryId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_contradict_each_other_leave_no_directory() {
        let dir = std::env::temp_dir().join(format!("flowdb-refused-{}", std::process::id()));
        let options = StoreOptions { log_bytes_max: Some(1 << 20), ..StoreOptions::default() };
        assert!(open(&dir.join("deeper"), &options).unwrap_err().message().starts_with("logBytesMax: "));
        assert!(!dir.exists());
    }

    #[test]
    fn a_directory_is_forgotten_although_its_closed_handles_are_kept() {
        let dir = std::env::temp_dir().join(format!("flowdb-forgotten-{}", std::process::id()));
        let options = StoreOptions::default();
        let handles = [open(&dir, &options).unwrap(), open(&dir, &options).unwrap()];
        let id = directory_id(&dir).unwrap();
        assert!(SLOTS.lock().contains_key(&id));
        handles.iter().for_each(|handle| handle.close().unwrap());
        assert!(!SLOTS.lock().contains_key(&id));
        drop(handles);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
