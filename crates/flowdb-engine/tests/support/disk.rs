//! A file system in memory that counts what is written and read, may be too small or slow to sync, may refuse
//! to remove files, and tells of new ones.

use flowdb_engine::fs::{Directory, FileLock, FileSystem, MemoryFileSystem, ReadableFile, WritableFile};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Disk {
    inner: MemoryFileSystem,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    written: AtomicU64,
    read: AtomicU64,
    capacity: AtomicU64,
    keeps_files: AtomicBool,
    /// What each sync of a file takes at least.
    sync_us: AtomicU64,
    syncs: AtomicU64,
    largest: AtomicU64,
    /// Files that are open to be read, and the most there were.
    open: AtomicU64,
    most_open: AtomicU64,
    gate: Mutex<Gate>,
    opened: Condvar,
    /// Length of each file, as far as it was written.
    lengths: Mutex<BTreeMap<PathBuf, u64>>,
    watcher: OnceLock<Arc<dyn Watcher>>,
}

/// Called from within the engine.
pub trait Watcher: Send + Sync + std::fmt::Debug {
    /// A file is about to be created.
    fn before_create(&self, path: &Path);
}

#[derive(Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// The next read waits.
    Closed,
    Waiting,
}

#[derive(Debug)]
struct Metered {
    file: Arc<dyn WritableFile>,
    path: PathBuf,
    state: Arc<State>,
}

impl Disk {
    pub fn new() -> Self {
        Self::over(MemoryFileSystem::new())
    }

    pub fn over(inner: MemoryFileSystem) -> Self {
        let state = State {
            written: AtomicU64::new(0),
            read: AtomicU64::new(0),
            capacity: AtomicU64::new(u64::MAX),
            keeps_files: AtomicBool::new(false),
            sync_us: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            largest: AtomicU64::new(0),
            open: AtomicU64::new(0),
            most_open: AtomicU64::new(0),
            gate: Mutex::new(Gate::Open),
            opened: Condvar::new(),
            lengths: Mutex::default(),
            watcher: OnceLock::new(),
        };
        Disk { inner, state: Arc::new(state) }
    }

    /// Bytes written so far, to whatever file.
    pub fn written(&self) -> u64 {
        self.state.written.load(Ordering::SeqCst)
    }

    /// Bytes read so far, from whatever file.
    pub fn read(&self) -> u64 {
        self.state.read.load(Ordering::SeqCst)
    }

    /// The most bytes that one call has read or written since the last time this was asked.
    pub fn take_largest(&self) -> u64 {
        self.state.largest.swap(0, Ordering::SeqCst)
    }

    /// The most files that were open to be read at a time, since the last time this was asked.
    pub fn take_most_open(&self) -> u64 {
        self.state.most_open.swap(self.state.open.load(Ordering::SeqCst), Ordering::SeqCst)
    }

    /// Lets the next read wait until it is let on.
    pub fn hold_next_read(&self) {
        *self.state.gate.lock().unwrap() = Gate::Closed;
    }

    /// Waits until a read is held up.
    pub fn await_held_read(&self) {
        let gate = self.state.gate.lock().unwrap();
        drop(self.state.opened.wait_while(gate, |gate| *gate != Gate::Waiting).unwrap());
    }

    pub fn let_read_on(&self) {
        *self.state.gate.lock().unwrap() = Gate::Open;
        self.state.opened.notify_all();
    }

    /// Bytes in files, by what was written to them.
    pub fn used(&self) -> u64 {
        self.state.lengths.lock().unwrap().values().sum()
    }

    /// Writes beyond this many bytes in files fail.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.capacity.store(bytes, Ordering::SeqCst);
    }

    /// Lets each sync of a file wait before it does its work, so that others come meanwhile.
    pub fn slow_syncs(&self, each: Duration) {
        self.state.sync_us.store(each.as_micros() as u64, Ordering::SeqCst);
    }

    /// Syncs of files so far.
    pub fn syncs(&self) -> u64 {
        self.state.syncs.load(Ordering::SeqCst)
    }

    /// Whether removals fail.
    pub fn keep_files(&self, keeps: bool) {
        self.state.keeps_files.store(keeps, Ordering::SeqCst);
    }

    /// Calls `watcher` from now on.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.state.watcher.set(watcher).unwrap();
    }

    pub fn count(&self, suffix: &str) -> usize {
        let lengths = self.state.lengths.lock().unwrap();
        lengths.keys().filter(|path| path.to_string_lossy().ends_with(suffix)).count()
    }

    fn meter(&self, path: &Path, file: Arc<dyn WritableFile>) -> Arc<dyn WritableFile> {
        Arc::new(Metered { file, path: path.to_path_buf(), state: Arc::clone(&self.state) })
    }

    fn meter_new(&self, path: &Path, file: Arc<dyn WritableFile>) -> Arc<dyn WritableFile> {
        self.state.lengths.lock().unwrap().insert(path.to_path_buf(), 0);
        self.meter(path, file)
    }
}

impl State {
    fn before_create(&self, path: &Path) {
        if let Some(watcher) = self.watcher.get() {
            watcher.before_create(path);
        }
    }

    fn pass_gate(&self) {
        let mut gate = self.gate.lock().unwrap();
        if *gate == Gate::Closed {
            *gate = Gate::Waiting;
            self.opened.notify_all();
            drop(self.opened.wait_while(gate, |gate| *gate == Gate::Waiting).unwrap());
        }
    }
}

#[derive(Debug)]
struct MeteredRead {
    file: Arc<dyn ReadableFile>,
    state: Arc<State>,
}

impl Drop for MeteredRead {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ReadableFile for MeteredRead {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.state.read.fetch_add(buffer.len() as u64, Ordering::SeqCst);
        self.state.largest.fetch_max(buffer.len() as u64, Ordering::SeqCst);
        self.state.pass_gate();
        self.file.read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl FileSystem for Disk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn list_directories(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list_directories(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        self.state.before_create(path);
        Ok(self.meter_new(path, self.inner.create(path)?))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        self.state.before_create(path);
        Ok(self.meter_new(path, self.inner.create_new(path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        Ok(self.meter(path, self.inner.open_write(path)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadableFile>> {
        let (file, state) = (self.inner.open_read(path)?, Arc::clone(&self.state));
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_open.fetch_max(open, Ordering::SeqCst);
        Ok(Arc::new(MeteredRead { file, state }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)?;
        let mut lengths = self.state.lengths.lock().unwrap();
        let length = lengths.remove(from).unwrap_or(0);
        lengths.insert(to.to_path_buf(), length);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.state.keeps_files.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        self.inner.remove(path)?;
        self.state.lengths.lock().unwrap().remove(path);
        Ok(())
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Directory>> {
        self.inner.open_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.inner.lock(path)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.inner.lock_shared(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.hard_link(from, to)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.remove_dir(dir)
    }
}

impl WritableFile for Metered {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        {
            let mut lengths = self.state.lengths.lock().unwrap();
            let used: u64 = lengths.values().sum();
            let length = lengths.entry(self.path.clone()).or_default();
            if used + end.saturating_sub(*length) > self.state.capacity.load(Ordering::SeqCst) {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            *length = end.max(*length);
        }
        self.state.written.fetch_add(data.len() as u64, Ordering::SeqCst);
        self.state.largest.fetch_max(data.len() as u64, Ordering::SeqCst);
        self.file.write_at(offset, data)
    }

    fn sync(&self) -> io::Result<()> {
        self.state.syncs.fetch_add(1, Ordering::SeqCst);
        let waits = self.state.sync_us.load(Ordering::SeqCst);
        if waits > 0 {
            std::thread::sleep(Duration::from_micros(waits));
        }
        self.file.sync()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.state.lengths.lock().unwrap().insert(self.path.clone(), length);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
