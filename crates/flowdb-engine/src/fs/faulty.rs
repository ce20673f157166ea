//! A file system that fails on request, in front of another.

use super::{Anchored, Directory, FileLock, FileSystem, ReadableFile, WritableFile};
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The device reports an error; nothing was done.
    Eio,
    /// There is no space; nothing was done.
    Enospc,
    /// There is no space, but half of a write was done. As [`Fault::Enospc`] for other calls.
    ShortWrite,
    /// The process, or the system, has as many files open as it may: calls that open one fail, others do not.
    NoDescriptor,
}

impl Fault {
    fn to_error(self) -> io::Error {
        match self {
            Fault::Eio => io::Error::other("injected device error"),
            Fault::Enospc | Fault::ShortWrite => io::ErrorKind::StorageFull.into(),
            Fault::NoDescriptor => io::Error::other("injected: too many open files"),
        }
    }
}

/// Passes calls on, counts them, and lets chosen ones fail. Clones share the count.
///
/// Counted are: create, open, read, write, sync, allocate, setting a length, rename, remove (of a
/// directory too), hard link, and the opening and the sync of a directory.
#[derive(Debug, Clone)]
pub struct FaultyFileSystem {
    inner: Arc<dyn FileSystem>,
    plan: Plan,
}

#[derive(Debug, Clone, Default)]
struct Plan(Arc<Mutex<PlanState>>);

#[derive(Debug, Default)]
struct PlanState {
    calls: u64,
    armed: Option<Armed>,
    is_full: bool,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    call: u64,
    fault: Fault,
    is_sticky: bool,
}

impl Plan {
    /// Counts a call; the fault if it is to fail.
    fn next_call(&self) -> Option<Fault> {
        let mut state = self.0.lock();
        state.calls += 1;
        let armed = state.armed?;
        let is_due = armed.call == state.calls || (armed.is_sticky && armed.call <= state.calls);
        is_due.then_some(armed.fault)
    }

    /// For a call that opens something.
    fn check_opening(&self) -> io::Result<()> {
        self.next_call().map_or(Ok(()), |fault| Err(fault.to_error()))
    }

    /// For a call that goes to something open, or to a name.
    fn check(&self) -> io::Result<()> {
        let fault = self.next_call().filter(|fault| *fault != Fault::NoDescriptor);
        fault.map_or(Ok(()), |fault| Err(fault.to_error()))
    }

    /// For a call that needs space, besides what else it needs.
    fn check_space(&self) -> io::Result<()> {
        if self.0.lock().is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn arm(&self, after: u64, fault: Fault, is_sticky: bool) {
        let mut state = self.0.lock();
        let call = state.calls.saturating_add(after);
        state.armed = Some(Armed { call, fault, is_sticky });
    }
}

impl FaultyFileSystem {
    /// Passes everything on to `inner`, until told otherwise.
    pub fn new(inner: Arc<dyn FileSystem>) -> Self {
        FaultyFileSystem { inner, plan: Plan::default() }
    }

    /// Lets the `n`-th counted call from now fail (1 is the next one), and only that. Replaces what
    /// was asked before.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        self.plan.arm(n, fault, false);
    }

    /// Lets the `n`-th counted call from now and all after it fail, until [`FaultyFileSystem::heal`].
    pub fn fail_from(&self, n: u64, fault: Fault) {
        self.plan.arm(n, fault, true);
    }

    /// Lets every call that needs space fail from now on (create, write, allocate, hard link), as on a full
    /// disk, until [`FaultyFileSystem::heal`].
    pub fn fill(&self) {
        self.plan.0.lock().is_full = true;
    }

    /// No call fails any more.
    pub fn heal(&self) {
        let mut state = self.plan.0.lock();
        state.armed = None;
        state.is_full = false;
    }

    /// True if the call has come that [`FaultyFileSystem::fail_at`] or [`FaultyFileSystem::fail_from`]
    /// last asked for.
    pub fn is_past_fault(&self) -> bool {
        let state = self.plan.0.lock();
        state.armed.is_some_and(|armed| armed.call <= state.calls)
    }

    /// Number of calls counted so far.
    pub fn calls(&self) -> u64 {
        self.plan.0.lock().calls
    }

    fn writable(&self, inner: Arc<dyn WritableFile>) -> Arc<dyn WritableFile> {
        Arc::new(FaultyWriter { inner, plan: self.plan.clone() })
    }
}

impl FileSystem for FaultyFileSystem {
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
        self.plan.check_opening()?;
        self.plan.check_space()?;
        Ok(self.writable(self.inner.create(path)?))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        self.plan.check_opening()?;
        self.plan.check_space()?;
        Ok(self.writable(self.inner.create_new(path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        self.plan.check_opening()?;
        Ok(self.writable(self.inner.open_write(path)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadableFile>> {
        self.plan.check_opening()?;
        Ok(Arc::new(FaultyReader { inner: self.inner.open_read(path)?, plan: self.plan.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.check()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plan.check()?;
        self.inner.remove(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Directory>> {
        self.plan.check_opening()?;
        Ok(Arc::new(FaultyDirectory { inner: self.inner.open_dir(dir)?, plan: self.plan.clone() }))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.plan.check_opening()?;
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.inner.lock(path)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.inner.lock_shared(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.check()?;
        self.plan.check_space()?;
        self.inner.hard_link(from, to)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.plan.check()?;
        self.inner.remove_dir(dir)
    }

    fn anchored(&self, dir: &Path) -> io::Result<Option<Anchored>> {
        let anchored = self.inner.anchored(dir)?;
        Ok(anchored.map(|Anchored { fs, directory }| Anchored {
            fs: Arc::new(FaultyFileSystem { inner: fs, plan: self.plan.clone() }),
            directory,
        }))
    }

    fn anchor(&self) -> Option<Arc<dyn Directory>> {
        self.inner.anchor()
    }
}

#[derive(Debug)]
struct FaultyDirectory {
    inner: Arc<dyn Directory>,
    plan: Plan,
}

impl Directory for FaultyDirectory {
    fn sync(&self) -> io::Result<()> {
        self.plan.check()?;
        self.inner.sync()
    }
}

#[derive(Debug)]
struct FaultyWriter {
    inner: Arc<dyn WritableFile>,
    plan: Plan,
}

impl WritableFile for FaultyWriter {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let Some(fault) = self.plan.next_call().filter(|fault| *fault != Fault::NoDescriptor) else {
            self.plan.check_space()?;
            return self.inner.write_at(offset, data);
        };
        if fault == Fault::ShortWrite {
            self.inner.write_at(offset, &data[..data.len() / 2])?;
        }
        Err(fault.to_error())
    }

    fn sync(&self) -> io::Result<()> {
        self.plan.check()?;
        self.inner.sync()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.plan.check()?;
        self.plan.check_space()?;
        self.inner.allocate(length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.plan.check()?;
        self.inner.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

/// Never mapped: a read through a map could not fail.
#[derive(Debug)]
struct FaultyReader {
    inner: Arc<dyn ReadableFile>,
    plan: Plan,
}

impl ReadableFile for FaultyReader {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.plan.check()?;
        self.inner.read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemoryFileSystem;

    fn faulty() -> FaultyFileSystem {
        FaultyFileSystem::new(Arc::new(MemoryFileSystem::new()))
    }

    #[test]
    fn only_the_nth_call_fails() {
        let fs = faulty();
        let file = fs.create(Path::new("file")).unwrap();
        assert_eq!(fs.calls(), 1);
        fs.fail_at(2, Fault::Eio);
        file.write_at(0, b"abcd").unwrap();
        assert!(file.sync().is_err());
        file.sync().unwrap();
        assert_eq!(fs.calls(), 4);
        fs.fail_at(1, Fault::Enospc);
        assert_eq!(fs.remove(Path::new("file")).unwrap_err().kind(), io::ErrorKind::StorageFull);
        fs.remove(Path::new("file")).unwrap();
    }

    #[test]
    fn a_short_write_leaves_half_and_an_error_stays_until_healed() {
        let fs = faulty();
        let file = fs.create(Path::new("file")).unwrap();
        fs.fail_from(1, Fault::ShortWrite);
        assert_eq!(file.write_at(0, b"abcd").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.len().unwrap(), 2);
        assert!(file.set_len(0).is_err());
        assert!(fs.open_read(Path::new("file")).is_err());
        fs.heal();
        let mut bytes = [0; 2];
        fs.open_read(Path::new("file")).unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"ab");
    }
}
