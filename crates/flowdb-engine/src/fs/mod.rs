//! The file-system seam: the only way in which the engine touches files.

#[cfg(unix)]
mod anchored;
mod faulty;
mod map;
mod memory;
mod memory_file;
mod random;
mod real;

#[cfg(unix)]
pub use anchored::AnchoredFileSystem;
pub use faulty::{Fault, FaultyFileSystem};
pub use memory::{CrashOptions, MemoryFileSystem, Names};
pub use memory_file::Unsynced;
#[cfg(test)]
pub(crate) use random::Random;
pub use real::{FileAccess, RealFileSystem};

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A directory tree: the operating system's, one in memory, or one that fails on request.
///
/// What a crash may take: contents of a file since its last [`WritableFile::sync`], and creations, renames
/// and removals in a directory since its last [`FileSystem::sync_dir`].
pub trait FileSystem: Send + Sync + Debug {
    /// Creates `dir` and its missing parents, and makes the new names durable.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// True if there is a file or directory of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Names (without directory) of the files in `dir`, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Names of the directories in `dir`, in no order.
    fn list_directories(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a file, or empties an existing one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>>;
    /// Creates a file; `AlreadyExists` if there is one of this name, which stays as it is.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>>;
    /// Opens an existing file for writing and keeps its contents.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>>;
    /// Opens an existing file for reading. It stays readable when it is removed meanwhile.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadableFile>>;
    /// Renames a file, replacing an existing one atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Opens a directory, for syncs of it at times when nothing can be opened.
    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Directory>>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.open_dir(dir)?.sync()
    }
    /// Takes the exclusive lock of the file `path`, creating it; `None` if someone else has it. Never waits.
    /// Released on drop.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>>;
    /// Takes a lock of the existing file `path` that others may share, but not with an exclusive one; `None`
    /// if someone has that. Never waits, and writes nothing. Released on drop. Where the directory can be
    /// locked, the file need not be there.
    fn lock_shared(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>>;
    /// Gives the file `from` the second name `to`, which must be free. Fails where the file system, or the
    /// way between the two, does not allow it; then [`FileSystem::copy`] helps.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Copies a file that nobody writes to the name `to`. The contents are not synced.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (source, target) = (self.open_read(from)?, self.create(to)?);
        copy_bytes(&*source, &*target, 0..source.len()?)
    }
    /// Removes an empty directory; fails if it is not empty.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Holds on to the directory that `dir` leads to now. `None` where names go by their path only, or where
    /// a directory cannot be moved while files in it are open.
    fn anchored(&self, dir: &Path) -> io::Result<Option<Anchored>> {
        let _ = dir;
        Ok(None)
    }
    /// The directory that was held on to, for who needs its names for longer than others hold it. `None`
    /// where names go by their path.
    fn anchor(&self) -> Option<Arc<dyn Directory>> {
        None
    }
}

/// A directory that was held on to.
#[derive(Debug, Clone)]
pub struct Anchored {
    /// The same file system, but that the names in the directory go to it wherever it is moved, and whatever
    /// another one, or a symbolic link, makes of its path. As long as `directory`, or a lock in it, is held;
    /// then they fail.
    pub fs: Arc<dyn FileSystem>,
    /// The directory.
    pub directory: Arc<dyn Directory>,
}

/// Copies a range of a file to the same place in another, a piece at a time.
pub(crate) fn copy_bytes(
    source: &dyn ReadableFile,
    target: &dyn WritableFile,
    range: Range<u64>,
) -> io::Result<()> {
    const PIECE_BYTES: usize = 1 << 20;
    let mut piece = Vec::new();
    let mut offset = range.start;
    while offset < range.end {
        let left = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        piece.resize(left.min(PIECE_BYTES), 0);
        source.read_at(offset, &mut piece)?;
        target.write_at(offset, &piece)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// A directory that is held open.
pub trait Directory: Send + Sync + Debug {
    /// Makes creations, renames and removals in it durable.
    fn sync(&self) -> io::Result<()>;
    /// True if `path` leads to it. False if that cannot be told.
    fn is_at(&self, _path: &Path) -> bool {
        false
    }
}

/// A held lock.
pub trait FileLock: Send + Sync + Debug {}

/// A file being written. Shared, so that one thread may sync what another wrote.
#[allow(clippy::len_without_is_empty, reason = "a file is not a collection, and its length can fail")]
pub trait WritableFile: Send + Sync + Debug {
    /// Writes all of `data` at `offset`, or fails; after a failure, any part of it may have been written.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Returns once everything written before is on stable storage, the file's length included.
    fn sync(&self) -> io::Result<()>;
    /// Reserves space up to `length` bytes, which then read as zeros. A hint: may do nothing.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts or extends the file with zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Current length in bytes.
    fn len(&self) -> io::Result<u64>;
}

/// A file that is not written any more, or only behind what is read.
#[allow(clippy::len_without_is_empty, reason = "a file is not a collection, and its length can fail")]
pub trait ReadableFile: Send + Sync + Debug {
    /// Fills `buffer` from `offset`; `UnexpectedEof` if the file is too short.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Current length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// The bytes themselves, where the file is mapped into memory and long enough.
    fn mapped(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let _ = (offset, length);
        None
    }
}
