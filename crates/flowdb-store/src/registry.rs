//! Which directories this process has open: all who name the same directory share one store.

use crate::closer::close_later;
use crate::store::{Store, StoreOptions};
use flowdb_engine::fs::{FileAccess, FileSystem, RealFileSystem};
use flowdb_engine::{Error, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a directory is, whatever path leads to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct DirectoryId(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] std::path::PathBuf);

/// Held for moments only; a slot's own lock is held while its store is opened or closed.
static SLOTS: Mutex<BTreeMap<DirectoryId, Arc<Slot>>> = Mutex::new(BTreeMap::new());

/// The place of one directory. Its lock makes an opener wait for the closing that is under way, and the other way
/// round.
#[derive(Debug, Default)]
struct Slot {
    open: Mutex<Option<OpenStore>>,
}

#[derive(Debug)]
struct OpenStore {
    store: Arc<Store>,
    handles: usize,
}

/// Keeps a store open. The last handle of a store closes it.
#[derive(Debug)]
pub struct StoreHandle {
    store: Arc<Store>,
    /// `None` for a store in memory, which nobody else can open.
    place: Option<Place>,
    closed: AtomicBool,
}

/// Opens the store in `dir`, or takes part in it if this process has it open.
pub(crate) fn open(dir: &Path, options: &StoreOptions) -> Result<StoreHandle> {
    let fs = Arc::new(RealFileSystem::new(FileAccess::default()));
    // The engine names its files by this path as long as it is open; the working directory may change meanwhile.
    let dir = &std::path::absolute(dir).map_err(|error| Error::io(dir, "looking up the directory", error))?;
    if options.create_if_missing {
        fs.create_dir_all(dir).map_err(|error| Error::io(dir, "creating the directory", error))?;
    }
    let id = directory_id(dir).map_err(|error| Error::io(dir, "looking up the directory", error))?;
    let slot = Arc::clone(SLOTS.lock().entry(id.clone()).or_default());
    let mut open = slot.open.lock();
    let store = match open.as_mut() {
        Some(open) => {
            open.store.check_options(options)?;
            open.handles += 1;
            Arc::clone(&open.store)
        }
        None => {
            let store = Store::open_engine(fs, dir, options)?;
            *open = Some(OpenStore { store: Arc::clone(&store), handles: 1 });
            store
        }
    };
    drop(open);
    Ok(StoreHandle { store, place: Some((id, slot)), closed: AtomicBool::new(false) })
}

impl StoreHandle {
    /// The handle of a store that no directory leads to.
    pub(crate) fn alone(store: Arc<Store>) -> Self {
        StoreHandle { store, place: None, closed: AtomicBool::new(false) }
    }

    /// The store. It may be closed while a reference to it is held; its calls fail with kind `Closed` then.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Gives the handle back; the last one closes the store, which writes to the disk. Giving it back again does
    /// nothing.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        give_back(&self.store, self.place.as_ref())
    }
}

impl Deref for StoreHandle {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for StoreHandle {
    /// Never waits: who forgets to close a handle may be a garbage collector on a thread that must not block.
    fn drop(&mut self) {
        if *self.closed.get_mut() {
            return;
        }
        let (store, place) = (Arc::clone(&self.store), self.place.take());
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
