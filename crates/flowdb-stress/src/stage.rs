//! The store under load: its directory, and the thread that maintains it.

use crate::arguments::Arguments;
use crate::report::Failure;
use flowdb_engine::Maintenance;
use flowdb_store::{Store, StoreHandle, StoreOptions, Waker};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// How long one slice of maintenance takes, about.
const SLICE: Duration = Duration::from_millis(20);
/// How long to leave maintenance alone that has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// An open store, closed and cleaned up in [`Stage::finish`] or when dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    store: StoreHandle,
    stopped: Arc<AtomicBool>,
    maintenance: Option<JoinHandle<()>>,
    /// Removed at the end.
    own_directory: Option<PathBuf>,
}

/// Wakes the thread that maintains the store.
#[derive(Debug, Default)]
struct Bell(OnceLock<Thread>);

impl Waker for Bell {
    fn wake(&self, _: &Weak<Store>) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

impl Stage {
    pub(crate) fn set(arguments: &Arguments) -> Result<Self, Failure> {
        let own = || std::env::temp_dir().join(format!("flowdb-stress-{}", std::process::id()));
        let directory = arguments.dir.clone().unwrap_or_else(own);
        if std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(format!("{} is not empty", directory.display()).into());
        }
        let bell = Arc::new(Bell::default());
        let options = StoreOptions { waker: Some(Arc::clone(&bell) as _), ..arguments.options.clone() };
        let handle = Store::open(&directory, &options)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (store, stop) = (Arc::clone(handle.store()), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || maintain(&store, &stop));
        // Set once; what was rung before is done in the first slice.
        let _ = bell.0.set(thread.thread().clone());
        thread.thread().unpark();
        Ok(Stage {
            store: handle,
            stopped,
            maintenance: Some(thread),
            own_directory: arguments.dir.is_none().then_some(directory),
        })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Closes the store.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.stop_maintenance();
        self.store.close()?;
        Ok(())
    }

    fn stop_maintenance(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.maintenance.take() {
            thread.thread().unpark();
            // A panic of it has told itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop_maintenance();
        // After a failure: that one is reported.
        let _ = self.store.close();
        if let Some(directory) = &self.own_directory {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

fn maintain(store: &Store, stopped: &AtomicBool) {
    while !stopped.load(Ordering::Relaxed) {
        match store.db().maintain(SLICE) {
            Ok(Maintenance::More) => {}
            Ok(Maintenance::Later(wait)) => std::thread::park_timeout(wait),
            Ok(Maintenance::Idle) => std::thread::park(),
            // Writers meet the same error, and report it.
            Err(_) => std::thread::park_timeout(PAUSE),
        }
    }
}
