//! The file-system seam: the only way in which the engine touches files.

mod faulty;
mod map;
mod memory;
mod memory_file;
mod random;
mod real;

pub use faulty::{Fault, FaultyFileSystem};
pub use memory::{CrashOptions, MemoryFileSystem, Names};
pub use memory_file::Unsynced;
#[cfg(test)]
pub(crate) use random::Random;
pub use real::{FileAccess, RealFileSystem};

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A directory tree: the operating system's, one in memory, or one that fails on request.
///
/// What a crash may take: contents of a file since its last [`WritableFile::sync`], and creations, renames and removals
/// in a directory since its last [`FileSystem::sync_dir`].
pub trait FileSystem: Send + Sync + Debug {
    /// Creates `dir` and its missing parents, and makes the new names durable.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// True if there is a file or directory of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Names (without directory) of the files in `dir`, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a file, or empties an existing one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>>;
    /// Opens an existing file for writing and keeps its contents.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>>;
    /// Opens an existing file for reading. It stays readable when it is removed meanwhile.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadableFile>>;
    /// Renames a file, replacing an existing one atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the exclusive lock of the file `path`, creating it; `None` if someone else has it. Never waits. Released on drop.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>>;
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
