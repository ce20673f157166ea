//! The operating system's files.
#![allow(clippy::disallowed_methods, reason = "this is the room that other code opens its files through")]

#[cfg(unix)]
use super::Anchored;
#[cfg(unix)]
use super::anchored::AnchoredFileSystem;
use super::map::Map;
use super::{Directory, FileLock, FileSystem, ReadableFile, WritableFile};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// How tables are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileAccess {
    /// By calls into the operating system. Works on every file system; a disk error is an error value.
    #[default]
    Positioned,
    /// Mapped into memory, where the reader asks for it. Saves a call and a copy per block, but a disk error,
    /// or another process that cuts a file, ends the process.
    Mapped,
}

/// Files and directories of the operating system.
#[derive(Debug, Clone, Default)]
pub struct RealFileSystem {
    access: FileAccess,
}

impl RealFileSystem {
    /// The operating system's files, read by `access`.
    pub fn new(access: FileAccess) -> Self {
        RealFileSystem { access }
    }
}

impl FileSystem for RealFileSystem {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        for missing in missing_directories(dir)?.iter().rev() {
            match std::fs::create_dir(missing) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && missing.is_dir() => {}
                result => result?,
            }
            self.sync_dir(parent(missing))?;
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        entries(dir, false)
    }

    fn list_directories(&self, dir: &Path) -> io::Result<Vec<String>> {
        entries(dir, true)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(writer(file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(writer(file))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(writer(file))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadableFile>> {
        Ok(reader(File::open(path)?, self.access))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    #[cfg(not(windows))]
    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Directory>> {
        let file = File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?;
        Ok(Arc::new(RealDirectory { file }))
    }

    #[cfg(windows)]
    fn open_dir(&self, _dir: &Path) -> io::Result<Arc<dyn Directory>> {
        Ok(Arc::new(RealDirectory {}))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let taken = file.try_lock();
        held(file, taken, path)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let file = File::open(path)?;
        let taken = file.try_lock_shared();
        held(file, taken, path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    // The standard library asks the kernel to copy, which shares the blocks where the file system can.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::copy(from, to).map(|_| ())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::remove_dir(dir)
    }

    #[cfg(unix)]
    fn anchored(&self, dir: &Path) -> io::Result<Option<Anchored>> {
        AnchoredFileSystem::open(self.access, dir).map(|(anchored, _)| Some(anchored))
    }
}

/// Names in `dir`: those of directories, or all others.
fn entries(dir: &Path, of_directories: bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A name that is not UTF-8 is none of ours.
        if let Ok(name) = entry.file_name().into_string()
            && entry.file_type()?.is_dir() == of_directories
        {
            names.push(name);
        }
    }
    Ok(names)
}

pub(super) fn writer(file: File) -> Arc<dyn WritableFile> {
    Arc::new(RealWriter { file })
}

pub(super) fn reader(file: File, access: FileAccess) -> Arc<dyn ReadableFile> {
    Arc::new(RealReader { file, access, map: OnceLock::new() })
}

/// The lock, if it was taken, of the file that still has this name: one that was removed meanwhile
/// locks nobody out.
fn held(file: File, taken: Result<(), TryLockError>, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
    match taken {
        Ok(()) if is_still_named(&file, path)? => Ok(Some(Box::new(RealLock(file)))),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(unix)]
fn is_still_named(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

// A file that is open cannot lose its name there.
#[cfg(not(unix))]
fn is_still_named(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// `dir` and its parents that do not exist, innermost first.
fn missing_directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut missing = Vec::new();
    for ancestor in dir.ancestors() {
        if ancestor.as_os_str().is_empty() || ancestor.try_exists()? {
            break;
        }
        missing.push(ancestor.to_path_buf());
    }
    Ok(missing)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The lock of an open file. It goes when that is closed, also with the process.
#[derive(Debug)]
struct RealLock(File);

impl FileLock for RealLock {}

impl Drop for RealLock {
    fn drop(&mut self) {
        // A child process that is about to begin has the file open, too, for a moment.
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "the lock goes when the file is closed");
        }
    }
}

#[derive(Debug)]
struct RealDirectory {
    #[cfg(not(windows))]
    file: File,
}

impl Directory for RealDirectory {
    #[cfg(not(windows))]
    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    // Windows has no call for it: NTFS journals names by itself.
    #[cfg(windows)]
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct RealWriter {
    file: File,
}

impl WritableFile for RealWriter {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_all_at(&self.file, offset, data)
    }

    // Data only: times do not matter to us, and a length that is needed to read the data is part of it.
    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        allocate(&self.file, length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

#[derive(Debug)]
struct RealReader {
    file: File,
    access: FileAccess,
    /// Made when first asked for: logs and manifests are read too, but never through a map. `None` inside
    /// if mapping failed.
    map: OnceLock<Option<Map>>,
}

impl ReadableFile for RealReader {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.file, offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn mapped(&self, offset: u64, length: usize) -> Option<&[u8]> {
        if self.access == FileAccess::Positioned {
            return None;
        }
        self.map.get_or_init(|| Map::new(&self.file).ok()).as_ref()?.slice(offset, length)
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, data, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, data, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                data = &data[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn allocate(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    if length == 0 {
        return Ok(());
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::INTR) => {}
            // The file system, or the kernel, does not do it; then space is found when it is written.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn allocate(_file: &File, _length: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory of its own for each test, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let dir = std::env::temp_dir().join(format!("flowdb-fs-{}-{number}", std::process::id()));
            RealFileSystem::default().create_dir_all(&dir.join("a/b")).unwrap();
            Scratch(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_come_back_as_written_by_both_ways_of_reading() {
        let scratch = Scratch::new();
        for access in [FileAccess::Positioned, FileAccess::Mapped] {
            let fs = RealFileSystem::new(access);
            let path = scratch.0.join("a/b/file");
            let file = fs.create(&path).unwrap();
            file.write_at(4, b"tail").unwrap();
            file.write_at(0, b"head").unwrap();
            file.sync().unwrap();
            fs.sync_dir(path.parent().unwrap()).unwrap();
            let reader = fs.open_read(&path).unwrap();
            let mut bytes = [0; 6];
            reader.read_at(2, &mut bytes).unwrap();
            assert_eq!(&bytes, b"adtail");
            assert_eq!(reader.read_at(3, &mut bytes).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            let expected = (access == FileAccess::Mapped).then_some(&b"adta"[..]);
            assert_eq!(reader.mapped(2, 4), expected);
            assert_eq!(reader.mapped(6, 3), None);
            assert_eq!(reader.mapped(u64::MAX, 3), None);
            fs.remove(&path).unwrap();
            reader.read_at(2, &mut bytes).unwrap();
        }
    }

    #[test]
    fn allocated_space_reads_as_zeros_and_is_cut_again() {
        let scratch = Scratch::new();
        let fs = RealFileSystem::default();
        let path = scratch.0.join("file");
        let file = fs.create(&path).unwrap();
        file.write_at(0, b"x").unwrap();
        file.allocate(0).unwrap();
        file.allocate(4096).unwrap();
        let length = file.len().unwrap();
        assert!(length == 4096 || length == 1, "all of it, or the hint was not taken");
        let mut bytes = vec![1; usize::try_from(length).unwrap()];
        fs.open_read(&path).unwrap().read_at(0, &mut bytes).unwrap();
        assert!(bytes[0] == b'x' && bytes[1..].iter().all(|byte| *byte == 0));
        file.set_len(1).unwrap();
        assert_eq!(fs.open_write(&path).unwrap().len().unwrap(), 1);
    }

    #[test]
    fn names_are_listed_renamed_and_removed() {
        let scratch = Scratch::new();
        let fs = RealFileSystem::default();
        fs.create(&scratch.0.join("one")).unwrap().write_at(0, b"1").unwrap();
        fs.create(&scratch.0.join("two")).unwrap();
        fs.rename(&scratch.0.join("one"), &scratch.0.join("two")).unwrap();
        assert_eq!(fs.list(&scratch.0).unwrap(), ["two"], "directories are not listed");
        assert_eq!(fs.list_directories(&scratch.0).unwrap(), ["a"]);
        assert_eq!(fs.open_read(&scratch.0.join("two")).unwrap().len().unwrap(), 1);
        assert!(!fs.exists(&scratch.0.join("one")).unwrap());
        assert!(fs.exists(&scratch.0.join("a/b")).unwrap());
        assert_eq!(fs.open_write(&scratch.0.join("one")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_created_once() {
        let scratch = Scratch::new();
        let memory = crate::fs::MemoryFileSystem::new();
        memory.create_dir_all(&scratch.0).unwrap();
        let faulty = crate::fs::FaultyFileSystem::new(Arc::new(memory.clone()));
        for fs in [&RealFileSystem::default() as &dyn FileSystem, &memory, &faulty] {
            let path = scratch.0.join("file");
            let _ = fs.remove(&path);
            fs.create_new(&path).unwrap().write_at(0, b"kept").unwrap();
            assert_eq!(fs.create_new(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs.open_read(&path).unwrap().len().unwrap(), 4);
        }
    }

    #[test]
    fn a_lock_excludes_others_and_keeps_the_contents() {
        let scratch = Scratch::new();
        let fs = RealFileSystem::default();
        let path = scratch.0.join("LOCK");
        fs.create(&path).unwrap().write_at(0, b"kept").unwrap();
        let held = fs.lock(&path).unwrap().unwrap();
        assert!(fs.lock(&path).unwrap().is_none(), "a second handle of the same process counts as another");
        drop(held);
        assert!(fs.lock(&path).unwrap().is_some());
        assert_eq!(fs.open_read(&path).unwrap().len().unwrap(), 4);
    }

    #[test]
    fn readers_share_a_lock_and_exclude_a_writer() {
        let scratch = Scratch::new();
        let fs = RealFileSystem::default();
        let path = scratch.0.join("LOCK");
        assert_eq!(fs.lock_shared(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let exclusive = fs.lock(&path).unwrap().unwrap();
        assert!(fs.lock_shared(&path).unwrap().is_none());
        drop(exclusive);
        let first = fs.lock_shared(&path).unwrap().unwrap();
        let second = fs.lock_shared(&path).unwrap().unwrap();
        drop(first);
        assert!(fs.lock(&path).unwrap().is_none());
        drop(second);
        assert!(fs.lock(&path).unwrap().is_some());
    }

    #[test]
    fn a_second_name_outlives_the_first_and_a_copy_is_a_file_of_its_own() {
        let scratch = Scratch::new();
        let fs = RealFileSystem::default();
        let [one, two, three] = ["one", "two", "three"].map(|name| scratch.0.join(name));
        fs.create(&one).unwrap().write_at(0, b"12").unwrap();
        fs.hard_link(&one, &two).unwrap();
        assert_eq!(fs.hard_link(&one, &two).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs.copy(&one, &three).unwrap();
        fs.open_write(&one).unwrap().set_len(1).unwrap();
        fs.remove(&one).unwrap();
        assert_eq!(fs.open_read(&two).unwrap().len().unwrap(), 1);
        assert_eq!(fs.open_read(&three).unwrap().len().unwrap(), 2);
        assert!(fs.remove_dir(&scratch.0).is_err());
        fs.remove_dir(&scratch.0.join("a/b")).unwrap();
    }
}
