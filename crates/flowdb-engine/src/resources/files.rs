//! Open files of tables and value files, a limited number of them.

use crate::fs::{Directory, FileSystem, ReadableFile};
use crate::stats::Counter;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// Files open at a time, of all databases that share it.
///
/// Lock order: `opened` before a file's `handle`. A file is opened under its own `handle` and entered into
/// `opened` after that lock was released; neither lock is held while the file is read.
#[derive(Debug)]
pub(crate) struct TableFiles {
    limit: usize,
    /// Files with a descriptor, in the order they got it; some of them gone by now.
    opened: Mutex<VecDeque<Weak<TableFile>>>,
    /// Descriptors.
    open: AtomicUsize,
    reopened: Counter,
}

impl TableFiles {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(TableFiles {
            limit,
            opened: Mutex::default(),
            open: AtomicUsize::new(0),
            reopened: Counter::default(),
        })
    }

    /// Opens the file of a table, or a value file. It must have its name as long as it is read.
    pub(crate) fn open_read(
        self: &Arc<Self>,
        fs: &Arc<dyn FileSystem>,
        path: &Path,
    ) -> io::Result<Arc<dyn ReadableFile>> {
        let handle = fs.open_read(path)?;
        if handle.mapped(0, 1).is_some() {
            // Its bytes are lent out for as long as the file is: it cannot be closed meanwhile.
            return Ok(handle);
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        let file = Arc::new_cyclic(|this| TableFile {
            this: this.clone(),
            files: Arc::clone(self),
            fs: Arc::clone(fs),
            path: path.to_path_buf(),
            _directory: fs.anchor(),
            handle: RwLock::new(Some(handle)),
            was_read: AtomicBool::new(true),
        });
        self.enter(&file.this);
        Ok(file)
    }

    /// Descriptors open now.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed) as u64
    }

    /// Files that were opened again.
    pub(crate) fn reopened(&self) -> u64 {
        self.reopened.get()
    }

    /// Takes note of a file that got a descriptor, and closes others beyond the limit: those first that were
    /// not read since they were last looked at, as a clock's hand passes over them.
    fn enter(&self, file: &Weak<TableFile>) {
        let mut opened = self.opened.lock();
        opened.push_back(Weak::clone(file));
        if opened.len() > 2 * self.limit {
            opened.retain(|file| file.strong_count() > 0);
        }
        while self.open.load(Ordering::Relaxed) > self.limit {
            let Some(next) = opened.pop_front() else { break };
            let Some(candidate) = next.upgrade() else { continue };
            if candidate.was_read.swap(false, Ordering::Relaxed) {
                opened.push_back(next);
            } else {
                candidate.close();
            }
        }
    }
}

/// The file of a table, or a value file. Its descriptor comes and goes.
#[derive(Debug)]
struct TableFile {
    this: Weak<TableFile>,
    files: Arc<TableFiles>,
    fs: Arc<dyn FileSystem>,
    path: PathBuf,
    /// An iterator reads on when the database is closed.
    _directory: Option<Arc<dyn Directory>>,
    handle: RwLock<Option<Arc<dyn ReadableFile>>>,
    was_read: AtomicBool,
}

impl TableFile {
    /// The open file; whoever holds it may read on when it is closed here.
    fn handle(&self) -> io::Result<Arc<dyn ReadableFile>> {
        if let Some(handle) = self.handle.read().as_ref() {
            self.was_read.store(true, Ordering::Relaxed);
            return Ok(Arc::clone(handle));
        }
        let handle = {
            let mut place = self.handle.write();
            if let Some(handle) = place.as_ref() {
                return Ok(Arc::clone(handle));
            }
            let handle = self.fs.open_read(&self.path)?;
            *place = Some(Arc::clone(&handle));
            self.files.open.fetch_add(1, Ordering::Relaxed);
            handle
        };
        self.was_read.store(true, Ordering::Relaxed);
        self.files.reopened.add(1);
        self.files.enter(&self.this);
        Ok(handle)
    }

    fn close(&self) {
        if self.handle.write().take().is_some() {
            self.files.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for TableFile {
    fn drop(&mut self) {
        self.close();
    }
}

impl ReadableFile for TableFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.handle()?.read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        self.handle()?.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemoryFileSystem;

    fn files_of(fs: &Arc<dyn FileSystem>, files: &Arc<TableFiles>, count: u8) -> Vec<Arc<dyn ReadableFile>> {
        let file = |number: u8| {
            let path = format!("{number}.table");
            fs.create(Path::new(&path)).unwrap().write_at(0, &[number]).unwrap();
            files.open_read(fs, Path::new(&path)).unwrap()
        };
        (0..count).map(file).collect()
    }

    fn read(file: &Arc<dyn ReadableFile>) -> u8 {
        let mut byte = [0];
        file.read_at(0, &mut byte).unwrap();
        byte[0]
    }

    #[test]
    fn no_more_than_the_limit_are_open_and_all_can_be_read() {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let files = TableFiles::new(8);
        let all = files_of(&fs, &files, 40);
        for _ in 0..3 {
            for (number, file) in all.iter().enumerate() {
                assert_eq!(usize::from(read(file)), number);
                assert!(files.open() <= 8);
            }
        }
        assert!(files.reopened() >= 32 * 3);
        drop(all);
        assert_eq!(files.open(), 0);
    }

    #[test]
    fn what_is_read_often_stays_open() {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let files = TableFiles::new(8);
        let all = files_of(&fs, &files, 30);
        let reopened = |number: usize| {
            let before = files.reopened();
            read(&all[number]);
            files.reopened() - before
        };
        reopened(0);
        let of_the_first: u64 = (1..30)
            .map(|other| {
                reopened(other);
                reopened(0)
            })
            .sum();
        assert!(of_the_first <= 4, "{of_the_first} of 29 reads opened it again");
    }

    #[test]
    fn files_that_are_gone_are_not_remembered() {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let files = TableFiles::new(8);
        for _ in 0..20 {
            files_of(&fs, &files, 5);
        }
        assert!(files.opened.lock().len() <= 16);
        assert_eq!(files.open(), 0);
    }

    #[test]
    fn threads_that_read_the_same_files_do_not_disturb_each_other() {
        let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let files = TableFiles::new(8);
        let all = Arc::new(files_of(&fs, &files, 24));
        let threads: Vec<_> = (0..4usize)
            .map(|thread| {
                let all = Arc::clone(&all);
                std::thread::spawn(move || {
                    for round in 0..4_000 {
                        let number = (round * (thread + 1) * 7) % all.len();
                        assert_eq!(usize::from(read(&all[number])), number);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(files.open() <= 8);
        drop(all);
        assert_eq!(files.open(), 0);
    }
}
