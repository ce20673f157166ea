//! The operating system's files, those of one directory by their names in it: not by its path, which may lead
//! elsewhere by the next call.
//!
//! A directory is moved away and a backup put in its place, or a symbolic link on the way to it points
//! to the next release from now on: whoever goes on by path creates, renames and removes files of
//! another database then.
#![allow(clippy::disallowed_methods, reason = "this is the room that other code opens its files through")]

use super::real::{FileAccess, RealFileSystem, reader, writer};
use super::{Anchored, Directory, FileLock, FileSystem, ReadableFile, WritableFile};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, linkat, openat, renameat, statat, unlinkat};
use rustix::io::{Errno, retry_on_intr};
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// [`RealFileSystem`] with an anchor: see [`Anchored`].
#[derive(Debug, Clone)]
pub struct AnchoredFileSystem {
    by_path: RealFileSystem,
    access: FileAccess,
    /// The path that led to the directory when it was opened: what is in it by this path is meant to be
    /// in the directory.
    path: PathBuf,
    /// Weak, since a caller that has closed a database may keep what is left of it: that must not keep a
    /// volume from being unmounted.
    directory: Weak<Anchor>,
}

/// The directory, open.
#[derive(Debug)]
struct Anchor {
    file: File,
}

impl Directory for Anchor {
    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn is_at(&self, path: &Path) -> bool {
        Place { anchor: None, path }.is_named(&self.file).unwrap_or(false)
    }
}

/// Where a file is: a directory, and the path from there.
struct Place<'a> {
    anchor: Option<Arc<Anchor>>,
    path: &'a Path,
}

impl Place<'_> {
    fn directory(&self) -> BorrowedFd<'_> {
        self.anchor.as_ref().map_or(CWD, |anchor| anchor.file.as_fd())
    }

    fn open(&self, flags: OFlags) -> io::Result<File> {
        let mode = Mode::from_raw_mode(0o666);
        let open = || openat(self.directory(), self.path, flags | OFlags::CLOEXEC, mode);
        Ok(File::from(retry_on_intr(open)?))
    }

    /// Device and inode of the file that has the name; `None` if none has.
    fn identity(&self) -> io::Result<Option<(u64, u64)>> {
        #[allow(
            clippy::useless_conversion,
            clippy::unnecessary_cast,
            reason = "their types differ between systems"
        )]
        match statat(self.directory(), self.path, AtFlags::empty()) {
            Ok(found) => Ok(Some((found.st_dev as u64, found.st_ino as u64))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn is_named(&self, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        Ok(self.identity()? == Some((metadata.dev(), metadata.ino())))
    }
}

impl AnchoredFileSystem {
    /// Holds on to the directory that `path` leads to; its device and inode come with it.
    pub fn open(access: FileAccess, path: &Path) -> io::Result<(Anchored, (u64, u64))> {
        let named = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        // Anything else is refused without being opened: that of a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = File::from(retry_on_intr(|| openat(CWD, named, flags, Mode::empty()))?);
        let metadata = file.metadata()?;
        let directory = Arc::new(Anchor { file });
        let fs = AnchoredFileSystem {
            by_path: RealFileSystem::new(access),
            access,
            path: path.to_path_buf(),
            directory: Arc::downgrade(&directory),
        };
        Ok((Anchored { fs: Arc::new(fs), directory }, (metadata.dev(), metadata.ino())))
    }

    fn held(&self) -> io::Result<Arc<Anchor>> {
        self.directory.upgrade().ok_or_else(|| io::Error::other("the directory was closed"))
    }

    /// Files elsewhere go by their path.
    fn place<'a>(&self, path: &'a Path) -> io::Result<Place<'a>> {
        match path.file_name() {
            Some(name) if path.parent() == Some(&self.path) => {
                Ok(Place { anchor: Some(self.held()?), path: Path::new(name) })
            }
            _ => Ok(Place { anchor: None, path }),
        }
    }

    /// Names in the directory: those of directories, or all others.
    fn entries(&self, of_directories: bool) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let anchor = self.held()?;
        for entry in Dir::read_from(&anchor.file)? {
            let entry = entry?;
            let is_directory = match entry.file_type() {
                FileType::Unknown => {
                    let found = statat(&anchor.file, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(found.st_mode).is_dir()
                }
                file_type => file_type.is_dir(),
            };
            // A name that is not UTF-8 is none of ours.
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) if is_directory == of_directories => names.push(name.to_owned()),
                Ok(_) => {}
            }
        }
        Ok(names)
    }
}

impl FileSystem for AnchoredFileSystem {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.by_path.create_dir_all(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        if path == self.path {
            return Ok(true);
        }
        Ok(self.place(path)?.identity()?.is_some())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        if dir != self.path {
            return self.by_path.list(dir);
        }
        self.entries(false)
    }

    fn list_directories(&self, dir: &Path) -> io::Result<Vec<String>> {
        if dir == self.path { self.entries(true) } else { self.by_path.list_directories(dir) }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        Ok(writer(self.place(path)?.open(OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        Ok(writer(self.place(path)?.open(OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        Ok(writer(self.place(path)?.open(OFlags::RDWR)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadableFile>> {
        Ok(reader(self.place(path)?.open(OFlags::RDONLY)?, self.access))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        Ok(renameat(from.directory(), from.path, to.directory(), to.path)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        Ok(unlinkat(place.directory(), place.path, AtFlags::empty())?)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Directory>> {
        if dir == self.path { Ok(self.held()?) } else { self.by_path.open_dir(dir) }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let place = self.place(path)?;
        let file = place.open(OFlags::RDWR | OFlags::CREATE)?;
        AnchoredLock::take(&place, Some(file), File::try_lock)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let place = self.place(path)?;
        let file = match place.open(OFlags::RDONLY) {
            // The lock of the directory is one without a file, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound && place.anchor.is_some() => None,
            file => Some(file?),
        };
        AnchoredLock::take(&place, file, File::try_lock_shared)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        Ok(linkat(from.directory(), from.path, to.directory(), to.path, AtFlags::empty())?)
    }

    // The standard library asks the kernel to copy, which shares the blocks where the file system can.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut source = self.place(from)?.open(OFlags::RDONLY)?;
        let mut target = self.place(to)?.open(OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
        io::copy(&mut source, &mut target).map(drop)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.by_path.remove_dir(dir)
    }

    fn anchored(&self, dir: &Path) -> io::Result<Option<Anchored>> {
        if dir != self.path {
            return self.by_path.anchored(dir);
        }
        Ok(Some(Anchored { fs: Arc::new(self.clone()), directory: self.held()? }))
    }

    fn anchor(&self) -> Option<Arc<dyn Directory>> {
        self.directory.upgrade().map(|anchor| anchor as _)
    }
}

/// The lock of a file and of the directory that it is in. They go when both are closed, also
/// with the process.
///
/// The file's alone would lock nobody out whom someone has helped in by removing the file. The
/// directory's is not to be had everywhere: network file systems refuse it. What says that the file is
/// locked is enough then.
#[derive(Debug)]
struct AnchoredLock {
    file: Option<File>,
    anchor: Option<Arc<Anchor>>,
}

impl AnchoredLock {
    fn take(
        place: &Place<'_>,
        file: Option<File>,
        try_lock: fn(&File) -> Result<(), TryLockError>,
    ) -> io::Result<Option<Box<dyn FileLock>>> {
        if let Some(file) = &file {
            match try_lock(file) {
                // One that was removed meanwhile locks nobody out.
                Ok(()) if place.is_named(file)? => {}
                Ok(()) | Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        if let Some(anchor) = &place.anchor {
            match try_lock(&anchor.file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => tracing::debug!(%error, "the directory cannot be locked"),
            }
        }
        Ok(Some(Box::new(AnchoredLock { file, anchor: place.anchor.clone() })))
    }
}

impl Drop for AnchoredLock {
    fn drop(&mut self) {
        // Others may hold them open for longer: whoever has closed a database may keep what is left of it,
        // and a child process that is about to begin has all files for a moment.
        let directory = self.anchor.as_ref().map(|anchor| &anchor.file);
        for file in self.file.iter().chain(directory) {
            if let Err(error) = file.unlock() {
                tracing::debug!(%error, "this was not locked");
            }
        }
    }
}

impl FileLock for AnchoredLock {}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("flowdb-anchored-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("one/sub")).unwrap();
        std::fs::create_dir_all(dir.join("two")).unwrap();
        dir
    }

    fn write(fs: &dyn FileSystem, path: &Path, text: &[u8]) {
        fs.create_new(path).unwrap().write_at(0, text).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names = RealFileSystem::default().list(dir).unwrap();
        names.sort();
        names
    }

    #[test]
    fn names_go_to_the_directory_wherever_it_is_and_others_by_their_path() {
        let scratch = scratch("names");
        let [link, one, two] = ["link", "one", "two"].map(|name| scratch.join(name));
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let Anchored { fs, directory } = RealFileSystem::default().anchored(&link).unwrap().unwrap();
        write(&*fs, &link.join("a"), b"first");
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&two, &link).unwrap();
        let moved = scratch.join("moved");
        std::fs::rename(&one, &moved).unwrap();
        write(&RealFileSystem::default(), &two.join("a"), b"another's");

        assert_eq!(fs.list(&link).unwrap(), ["a"], "directories are not listed");
        assert_eq!(fs.list_directories(&link).unwrap(), ["sub"]);
        assert_eq!(fs.open_read(&link.join("a")).unwrap().len().unwrap(), 5);
        assert_eq!(fs.create_new(&link.join("a")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        write(&*fs, &link.join("b"), b"b");
        fs.rename(&link.join("b"), &link.join("c")).unwrap();
        fs.hard_link(&link.join("c"), &two.join("linked")).unwrap();
        fs.copy(&link.join("c"), &two.join("copied")).unwrap();
        fs.open_write(&link.join("c")).unwrap().set_len(0).unwrap();
        fs.sync_dir(&link).unwrap();
        assert!(fs.exists(&link.join("c")).unwrap() && !fs.exists(&link.join("b")).unwrap());
        let lock = fs.lock(&link.join("LOCK")).unwrap().unwrap();
        assert!(fs.lock_shared(&link.join("LOCK")).unwrap().is_none());
        fs.remove(&link.join("a")).unwrap();
        assert_eq!(
            (names(&moved), names(&two)),
            (strings(&["LOCK", "c"]), strings(&["a", "copied", "linked"]))
        );
        for (name, length) in [("a", 9), ("copied", 1), ("linked", 0)] {
            assert_eq!(fs.open_read(&two.join(name)).unwrap().len().unwrap(), length);
        }

        let again = fs.anchored(&link).unwrap().unwrap();
        assert_eq!(again.fs.open_read(&link.join("c")).unwrap().len().unwrap(), 0);
        drop((directory, again, lock));
        assert!(fs.open_read(&link.join("c")).is_err(), "nobody holds the directory");
        std::fs::remove_dir_all(scratch).unwrap();
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_removed_lock_file_lets_nobody_in() {
        let scratch = scratch("removed");
        let (dir, lock) = (scratch.join("one"), scratch.join("one/LOCK"));
        let opened = || RealFileSystem::default().anchored(&dir).unwrap().unwrap();
        let (first, second) = (opened(), opened());
        let held = first.fs.lock(&lock).unwrap().unwrap();
        std::fs::remove_file(&lock).unwrap();
        assert!(second.fs.lock_shared(&lock).unwrap().is_none(), "without a file");
        assert!(second.fs.lock(&lock).unwrap().is_none(), "with one of its own");
        assert!(second.fs.lock_shared(&lock).unwrap().is_none());
        drop(held);
        std::fs::remove_file(&lock).unwrap();
        let reading = [&first, &second].map(|anchored| anchored.fs.lock_shared(&lock).unwrap().unwrap());
        assert!(!std::fs::exists(&lock).unwrap(), "readers make none");
        assert!(opened().fs.lock(&lock).unwrap().is_none());
        drop(reading);
        assert!(opened().fs.lock(&lock).unwrap().is_some());
        std::fs::remove_dir_all(scratch).unwrap();
    }

    /// As a child process has, between its creation and the program that it is to run.
    #[test]
    fn a_lock_goes_though_another_has_its_file() {
        let scratch = scratch("shared");
        let dir = scratch.join("one");
        let (anchored, _) = AnchoredFileSystem::open(FileAccess::default(), &dir).unwrap();
        let path = dir.join("LOCK");
        let file = File::create(&path).unwrap();
        let theirs = file.try_clone().unwrap();
        let place = Place { anchor: None, path: &path };
        let lock = AnchoredLock::take(&place, Some(file), File::try_lock).unwrap().unwrap();
        assert!(anchored.fs.lock(&path).unwrap().is_none());
        drop(lock);
        assert!(anchored.fs.lock(&path).unwrap().is_some());
        drop(theirs);
        std::fs::remove_dir_all(scratch).unwrap();
    }

    /// To open it would wait for a writer.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_no_directory() {
        let scratch = scratch("pipe");
        let pipe = scratch.join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let error = RealFileSystem::default().anchored(&pipe).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        std::fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn a_lock_keeps_the_directory() {
        let scratch = scratch("lock");
        let dir = scratch.join("one");
        let Anchored { fs, directory } = RealFileSystem::default().anchored(&dir).unwrap().unwrap();
        let lock = fs.lock(&dir.join("LOCK")).unwrap();
        drop(directory);
        assert_eq!(fs.list(&dir).unwrap(), ["LOCK"]);
        drop(lock);
        assert!(fs.list(&dir).is_err());
        assert!(RealFileSystem::default().anchored(&scratch.join("none")).is_err());
        write(&RealFileSystem::default(), &scratch.join("file"), b"");
        assert!(RealFileSystem::default().anchored(&scratch.join("file")).is_err());
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
