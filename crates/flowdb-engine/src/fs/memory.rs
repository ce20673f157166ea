//! A file system in memory: the store of databases without a directory, and the bench on which
//! crashes are simulated.

use super::memory_file::{MemoryFile, Unsynced};
use super::random::Random;
use super::{FileLock, FileSystem, ReadableFile, WritableFile};
use parking_lot::Mutex;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a crash leaves of creations, renames and removals in a directory that was not synced after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// None of them.
    #[default]
    Drop,
    /// All of them.
    Keep,
    /// Any of them, in their order; each whole or not at all.
    Random,
}

/// How [`MemoryFileSystem::crash`] chooses among what a power cut may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CrashOptions {
    /// Seed of the random choices.
    pub seed: u64,
    /// Contents that were not synced.
    pub unsynced: Unsynced,
    /// Names that were not synced.
    pub names: Names,
}

/// Files in memory. Clones are handles to the same ones; they go with the last handle.
#[derive(Clone)]
pub struct MemoryFileSystem {
    shared: Arc<Shared>,
}

/// The lock is held for names only, never while contents are read or written.
struct Shared {
    is_crashable: bool,
    tree: Mutex<Tree>,
    /// Bytes that all files take, those included that only open handles keep.
    total: Arc<AtomicUsize>,
}

struct Tree {
    directories: BTreeMap<PathBuf, Directory>,
    locked: BTreeSet<PathBuf>,
    /// How many share the lock of a file.
    shared: BTreeMap<PathBuf, usize>,
}

type Files = BTreeMap<String, Arc<MemoryFile>>;

/// In a crashable file system `synced` with all `changes` applied is `files`; in a plain one both stay empty,
/// so that removed files are freed.
#[derive(Default)]
struct Directory {
    files: Files,
    synced: Files,
    changes: Vec<NameChange>,
}

/// A creation, a removal, or, with both parts, a rename.
struct NameChange {
    removed: Option<String>,
    added: Option<(String, Arc<MemoryFile>)>,
}

impl NameChange {
    fn apply(&self, files: &mut Files) {
        if let Some(name) = &self.removed {
            files.remove(name);
        }
        if let Some((name, file)) = &self.added {
            files.insert(name.clone(), Arc::clone(file));
        }
    }
}

impl Directory {
    fn change(&mut self, is_crashable: bool, removed: Option<&str>, added: Option<(&str, Arc<MemoryFile>)>) {
        let added = added.map(|(name, file)| (name.to_owned(), file));
        let change = NameChange { removed: removed.map(str::to_owned), added };
        change.apply(&mut self.files);
        if is_crashable {
            self.changes.push(change);
        }
    }

    fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    fn crash(&self, names: Names, random: &mut Random) -> Files {
        let mut files = self.synced.clone();
        for change in &self.changes {
            if names == Names::Keep || (names == Names::Random && random.coin()) {
                change.apply(&mut files);
            }
        }
        files
    }
}

impl Tree {
    fn new() -> Self {
        let directories = ["", "/"].map(|root| (PathBuf::from(root), Directory::default()));
        Tree { directories: BTreeMap::from(directories), locked: BTreeSet::new(), shared: BTreeMap::new() }
    }

    /// The directory of `path`, and its name there.
    fn locate<'p>(&mut self, path: &'p Path) -> io::Result<(&mut Directory, &'p str)> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = self.directories.get_mut(parent).ok_or(io::ErrorKind::NotFound)?;
        Ok((directory, name))
    }

    fn file(&mut self, path: &Path) -> io::Result<Arc<MemoryFile>> {
        let (directory, name) = self.locate(path)?;
        Ok(Arc::clone(directory.files.get(name).ok_or(io::ErrorKind::NotFound)?))
    }

    fn file_or_new(
        &mut self,
        path: &Path,
        is_crashable: bool,
        total: &Arc<AtomicUsize>,
    ) -> io::Result<Arc<MemoryFile>> {
        let (directory, name) = self.locate(path)?;
        if let Some(file) = directory.files.get(name) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(MemoryFile::new(is_crashable, total));
        directory.change(is_crashable, None, Some((name, Arc::clone(&file))));
        Ok(file)
    }
}

impl Default for MemoryFileSystem {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryFileSystem {
    /// An empty one that keeps each byte once.
    pub fn new() -> Self {
        Self::with_tree(false, Tree::new(), Arc::default())
    }

    /// An empty one that remembers what was synced, for [`MemoryFileSystem::crash`]. Costs twice the memory.
    pub fn crashable() -> Self {
        Self::with_tree(true, Tree::new(), Arc::default())
    }

    fn with_tree(is_crashable: bool, tree: Tree, total: Arc<AtomicUsize>) -> Self {
        MemoryFileSystem { shared: Arc::new(Shared { is_crashable, tree: Mutex::new(tree), total }) }
    }

    /// Bytes of memory that the contents of all files take, but for what [`MemoryFileSystem::crash`] needs.
    pub fn bytes(&self) -> usize {
        self.shared.total.load(Ordering::Relaxed)
    }

    /// What a sync that fails may do to a file: the system goes on reading what was written, takes it for
    /// synced, and no later sync brings it to the disk. Only where it is written again, it is as if it was
    /// written then. (Linux does so with most file systems.)
    ///
    /// # Errors
    ///
    /// Where there is no such file.
    pub fn lose_unsynced(&self, path: &Path) -> io::Result<()> {
        self.shared.tree.lock().file(path)?.lose_unsynced();
        Ok(())
    }

    /// Removes all files of all directories. A file that is open stays with whoever has it until then.
    pub fn clear(&self) {
        let mut tree = self.shared.tree.lock();
        let directories = tree.directories.values_mut();
        // Dropped behind the lock: there may be much of it.
        let files: Vec<_> = directories.map(std::mem::take).collect();
        drop(tree);
        drop(files);
    }

    /// What a power cut at this moment could leave, as a new file system on which nothing is locked. This one
    /// goes on as before. In a file system that is not crashable, nothing is lost.
    ///
    /// # Panics
    ///
    /// When memory does not suffice for the copy.
    pub fn crash(&self, options: &CrashOptions) -> MemoryFileSystem {
        let tree = self.shared.tree.lock();
        let is_crashable = self.shared.is_crashable;
        let mut random = Random::new(options.seed);
        let (mut crashed_tree, total) = (Tree::new(), Arc::default());
        // By address: a file that a rename between directories left under two names stays one file.
        let mut crashed_files = HashMap::new();
        for (path, directory) in &tree.directories {
            let survivors = if is_crashable {
                directory.crash(options.names, &mut random)
            } else {
                directory.files.clone()
            };
            let mut files = Files::new();
            for (name, file) in survivors {
                let crashed = match crashed_files.entry(Arc::as_ptr(&file)) {
                    Entry::Occupied(entry) => Arc::clone(entry.get()),
                    Entry::Vacant(entry) => {
                        let crashed =
                            file.crash(options.unsynced, &mut random, &total).expect("memory for the copy");
                        Arc::clone(entry.insert(Arc::new(crashed)))
                    }
                };
                files.insert(name, crashed);
            }
            let synced = if is_crashable { files.clone() } else { Files::new() };
            crashed_tree.directories.insert(path.clone(), Directory { files, synced, changes: Vec::new() });
        }
        Self::with_tree(is_crashable, crashed_tree, total)
    }
}

impl FileSystem for MemoryFileSystem {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut tree = self.shared.tree.lock();
        for ancestor in dir.ancestors() {
            tree.directories.entry(ancestor.to_path_buf()).or_default();
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut tree = self.shared.tree.lock();
        Ok(tree.directories.contains_key(path) || tree.file(path).is_ok())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let tree = self.shared.tree.lock();
        let directory = tree.directories.get(dir).ok_or(io::ErrorKind::NotFound)?;
        Ok(directory.files.keys().cloned().collect())
    }

    fn list_directories(&self, dir: &Path) -> io::Result<Vec<String>> {
        let tree = self.shared.tree.lock();
        if !tree.directories.contains_key(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let within = tree.directories.keys().filter(|path| path.parent() == Some(dir));
        Ok(within.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        let file = self.shared.tree.lock().file_or_new(path, self.shared.is_crashable, &self.shared.total)?;
        if WritableFile::len(&*file)? > 0 {
            file.set_len(0)?;
        }
        Ok(file)
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        let mut tree = self.shared.tree.lock();
        if tree.file(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(tree.file_or_new(path, self.shared.is_crashable, &self.shared.total)?)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WritableFile>> {
        Ok(self.shared.tree.lock().file(path)?)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadableFile>> {
        Ok(self.shared.tree.lock().file(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let is_crashable = self.shared.is_crashable;
        let mut tree = self.shared.tree.lock();
        let file = tree.file(from)?;
        if from == to {
            return Ok(());
        }
        if from.parent() != to.parent() {
            let (directory, name) = tree.locate(to)?;
            directory.change(is_crashable, None, Some((name, file)));
            let (directory, name) = tree.locate(from)?;
            directory.change(is_crashable, Some(name), None);
            return Ok(());
        }
        let (_, new_name) = tree.locate(to)?;
        let (directory, old_name) = tree.locate(from)?;
        directory.change(is_crashable, Some(old_name), Some((new_name, file)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.shared.tree.lock();
        tree.file(path)?;
        let (directory, name) = tree.locate(path)?;
        directory.change(self.shared.is_crashable, Some(name), None);
        Ok(())
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn super::Directory>> {
        if !self.shared.tree.lock().directories.contains_key(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Arc::new(OpenDirectory { fs: self.clone(), path: dir.to_path_buf() }))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let mut tree = self.shared.tree.lock();
        tree.file_or_new(path, self.shared.is_crashable, &self.shared.total)?;
        if tree.shared.contains_key(path) || !tree.locked.insert(path.to_path_buf()) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock { fs: self.clone(), path: path.to_path_buf() })))
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let mut tree = self.shared.tree.lock();
        tree.file(path)?;
        if tree.locked.contains(path) {
            return Ok(None);
        }
        *tree.shared.entry(path.to_path_buf()).or_default() += 1;
        Ok(Some(Box::new(SharedMemoryLock { fs: self.clone(), path: path.to_path_buf() })))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.shared.tree.lock();
        let file = tree.file(from)?;
        let (directory, name) = tree.locate(to)?;
        if directory.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        directory.change(self.shared.is_crashable, None, Some((name, file)));
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut tree = self.shared.tree.lock();
        let directory = tree.directories.get(dir).ok_or(io::ErrorKind::NotFound)?;
        let has_directories = tree.directories.keys().any(|other| other.parent() == Some(dir));
        if has_directories || !directory.files.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        tree.directories.remove(dir);
        Ok(())
    }
}

impl fmt::Debug for MemoryFileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFileSystem")
            .field("is_crashable", &self.shared.is_crashable)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct OpenDirectory {
    fs: MemoryFileSystem,
    path: PathBuf,
}

impl super::Directory for OpenDirectory {
    fn sync(&self) -> io::Result<()> {
        let mut tree = self.fs.shared.tree.lock();
        tree.directories.get_mut(&self.path).ok_or(io::ErrorKind::NotFound)?.sync();
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryLock {
    fs: MemoryFileSystem,
    path: PathBuf,
}

impl FileLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.fs.shared.tree.lock().locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct SharedMemoryLock {
    fs: MemoryFileSystem,
    path: PathBuf,
}

impl FileLock for SharedMemoryLock {}

impl Drop for SharedMemoryLock {
    fn drop(&mut self) {
        let mut tree = self.fs.shared.tree.lock();
        if let Some(count) = tree.shared.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                tree.shared.remove(&self.path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: &str = "/db";

    fn path(name: &str) -> PathBuf {
        Path::new(DIR).join(name)
    }

    fn crashable() -> MemoryFileSystem {
        let fs = MemoryFileSystem::crashable();
        fs.create_dir_all(Path::new(DIR)).unwrap();
        fs
    }

    fn contents(fs: &MemoryFileSystem, name: &str) -> Vec<u8> {
        let file = fs.open_read(&path(name)).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        bytes
    }

    fn with(unsynced: Unsynced, names: Names) -> CrashOptions {
        CrashOptions { seed: 1, unsynced, names }
    }

    #[test]
    fn a_crash_drops_or_keeps_what_was_not_synced() {
        let fs = crashable();
        let file = fs.create(&path("file")).unwrap();
        file.write_at(0, b"synced").unwrap();
        file.sync().unwrap();
        fs.sync_dir(Path::new(DIR)).unwrap();
        file.write_at(0, b"S").unwrap();
        file.set_len(3).unwrap();
        fs.create(&path("new")).unwrap().write_at(0, b"x").unwrap();
        assert_eq!(contents(&fs, "file"), b"Syn");

        let dropped = fs.crash(&with(Unsynced::Drop, Names::Drop));
        assert_eq!(contents(&dropped, "file"), b"synced");
        assert!(!dropped.exists(&path("new")).unwrap());
        let kept = fs.crash(&with(Unsynced::Keep, Names::Keep));
        assert_eq!(contents(&kept, "file"), b"Syn");
        assert_eq!(contents(&kept, "new"), b"x");
        let name_only = fs.crash(&with(Unsynced::Drop, Names::Keep));
        assert_eq!(contents(&name_only, "new"), b"", "the name was kept, the contents not");
        let again = kept.crash(&CrashOptions::default());
        assert_eq!(contents(&again, "new"), b"x", "what survived one crash is on the disk");
    }

    #[test]
    fn a_synced_file_under_a_name_that_was_not_is_lost() {
        let fs = crashable();
        let file = fs.create(&path("file")).unwrap();
        file.write_at(0, b"x").unwrap();
        file.sync().unwrap();
        assert_eq!(fs.crash(&CrashOptions::default()).list(Path::new(DIR)).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn renames_are_atomic_and_removals_come_back() {
        let fs = crashable();
        for name in ["old", "new", "gone"] {
            let file = fs.create(&path(name)).unwrap();
            file.write_at(0, name.as_bytes()).unwrap();
            file.sync().unwrap();
        }
        fs.sync_dir(Path::new(DIR)).unwrap();
        fs.rename(&path("new"), &path("old")).unwrap();
        fs.remove(&path("gone")).unwrap();
        assert_eq!(fs.list(Path::new(DIR)).unwrap(), ["old"]);
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let crashed = fs.crash(&CrashOptions { seed, names: Names::Random, unsynced: Unsynced::Drop });
            let renamed = contents(&crashed, "old") == b"new";
            assert_eq!(crashed.exists(&path("new")).unwrap(), !renamed, "seed {seed}");
            seen.insert((renamed, crashed.exists(&path("gone")).unwrap()));
        }
        assert_eq!(seen.len(), 4, "all combinations appear");
        fs.sync_dir(Path::new(DIR)).unwrap();
        assert_eq!(fs.crash(&CrashOptions::default()).list(Path::new(DIR)).unwrap(), ["old"]);
    }

    #[test]
    fn the_bytes_of_all_files_are_counted_until_they_are_freed() {
        for fs in [MemoryFileSystem::new(), crashable()] {
            fs.create_dir_all(Path::new(DIR)).unwrap();
            let before = fs.bytes();
            let [first, second] = ["first", "second"].map(|name| fs.create(&path(name)).unwrap());
            first.write_at(0, &[1; 10_000]).unwrap();
            second.write_at(0, &[1; 20_000]).unwrap();
            assert!((30_000..40_000).contains(&(fs.bytes() - before)), "{}", fs.bytes());
            second.set_len(10).unwrap();
            assert!((10_000..20_000).contains(&(fs.bytes() - before)), "{}", fs.bytes());
            fs.sync_dir(Path::new(DIR)).unwrap();
            fs.remove(&path("first")).unwrap();
            fs.sync_dir(Path::new(DIR)).unwrap();
            assert!(fs.bytes() >= 10_000, "someone still has it open");
            drop(first);
            assert!(fs.bytes() < 1_000, "{}", fs.bytes());
        }
    }

    #[test]
    fn removed_files_stay_readable_and_are_freed_with_their_reader() {
        let fs = MemoryFileSystem::new();
        let root = Path::new("file");
        let file = fs.create(root).unwrap();
        file.write_at(0, b"kept").unwrap();
        let weak = Arc::downgrade(&file);
        drop(file);
        let reader = fs.open_read(root).unwrap();
        fs.remove(root).unwrap();
        let mut bytes = [0; 4];
        reader.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
        drop(reader);
        assert!(weak.upgrade().is_none());
        assert_eq!(fs.remove(root).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn locks_exclude_until_dropped_and_do_not_survive_a_crash() {
        let fs = crashable();
        let held = fs.lock(&path("LOCK")).unwrap().unwrap();
        assert!(fs.clone().lock(&path("LOCK")).unwrap().is_none());
        assert!(fs.crash(&CrashOptions::default()).lock(&path("LOCK")).unwrap().is_some());
        drop(held);
        assert!(fs.lock(&path("LOCK")).unwrap().is_some());
    }

    #[test]
    fn missing_files_and_directories_are_errors() {
        let fs = MemoryFileSystem::new();
        assert_eq!(fs.create(&path("file")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(fs.list(Path::new(DIR)).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs.create_dir_all(Path::new("relative/deep")).unwrap();
        assert!(fs.exists(Path::new("relative")).unwrap());
        fs.create(Path::new("relative/file")).unwrap();
        assert_eq!(fs.rename(&path("a"), &path("b")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
