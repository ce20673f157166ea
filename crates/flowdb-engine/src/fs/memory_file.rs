//! The contents of a file in memory, and what a crash may leave of them.

use super::random::Random;
use super::{ReadableFile, WritableFile};
use parking_lot::RwLock;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a crash leaves of writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unsynced {
    /// Nothing.
    #[default]
    Drop,
    /// All of them.
    Keep,
    /// In each file the first few, in order; the last of these may be torn.
    RandomPrefix,
    /// In each file any of them, sector by sector: what a disk with a cache does.
    RandomSectors,
}

/// What a disk writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// A file. Each has its own lock, so that writers of different files do not meet.
pub(super) struct MemoryFile {
    contents: RwLock<Contents>,
    /// Bytes that all files of the file system take; histories are not counted.
    total: Arc<AtomicUsize>,
}

struct Contents {
    bytes: Vec<u8>,
    /// Only in a crashable file system; it doubles what a file costs.
    history: Option<History>,
}

/// `synced` with all `changes` applied is the file's contents, but for what was lost.
#[derive(Default)]
struct History {
    synced: Vec<u8>,
    changes: Vec<Change>,
}

enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLength(usize),
}

impl MemoryFile {
    /// An empty one, whose bytes are counted in `total`.
    pub(super) fn new(crashable: bool, total: &Arc<AtomicUsize>) -> Self {
        Self::with_contents(Vec::new(), crashable, total)
    }

    fn with_contents(bytes: Vec<u8>, crashable: bool, total: &Arc<AtomicUsize>) -> Self {
        let history = crashable.then(|| History { synced: bytes.clone(), changes: Vec::new() });
        total.fetch_add(bytes.capacity(), Ordering::Relaxed);
        MemoryFile { contents: RwLock::new(Contents { bytes, history }), total: Arc::clone(total) }
    }

    /// The file after a crash. Without a history everything counts as synced.
    pub(super) fn crash(
        &self,
        unsynced: Unsynced,
        random: &mut Random,
        total: &Arc<AtomicUsize>,
    ) -> io::Result<MemoryFile> {
        let contents = self.contents.read();
        let bytes = match &contents.history {
            Some(history) => history.crash(unsynced, random)?,
            None => contents.bytes.clone(),
        };
        Ok(Self::with_contents(bytes, contents.history.is_some(), total))
    }

    /// Changes the contents, and counts what they take from then on.
    fn update(&self, act: impl FnOnce(&mut Contents) -> io::Result<()>) -> io::Result<()> {
        let mut contents = self.contents.write();
        let before = contents.bytes.capacity();
        let result = act(&mut contents);
        let after = contents.bytes.capacity();
        // Wraps around where a file became smaller.
        self.total.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        result
    }

    fn change(&self, change: Change) -> io::Result<()> {
        self.update(|contents| {
            change.apply(&mut contents.bytes)?;
            if let Some(history) = &mut contents.history {
                history.changes.push(change);
            }
            Ok(())
        })
    }

    /// What was not synced stays in the contents, and never gets to what a crash leaves, unless it
    /// is written again.
    pub(super) fn lose_unsynced(&self) {
        if let Some(history) = &mut self.contents.write().history {
            history.changes.clear();
        }
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.total.fetch_sub(self.contents.get_mut().bytes.capacity(), Ordering::Relaxed);
    }
}

impl History {
    fn crash(&self, unsynced: Unsynced, random: &mut Random) -> io::Result<Vec<u8>> {
        let mut bytes = self.synced.clone();
        let kept = match unsynced {
            Unsynced::Drop => 0,
            Unsynced::Keep | Unsynced::RandomSectors => self.changes.len(),
            Unsynced::RandomPrefix => random.below(self.changes.len() + 1),
        };
        for change in &self.changes[..kept] {
            match unsynced {
                Unsynced::RandomSectors => change.apply_sectors(&mut bytes, random)?,
                _ => change.apply(&mut bytes)?,
            }
        }
        if let (Unsynced::RandomPrefix, Some(Change::Write { offset, data })) =
            (unsynced, self.changes.get(kept))
        {
            write(&mut bytes, *offset, &data[..random.below(data.len() + 1)])?;
        }
        Ok(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        for change in self.changes.drain(..) {
            change.apply(&mut self.synced)?;
        }
        Ok(())
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Change::Write { offset, data } => write(bytes, *offset, data),
            Change::SetLength(length) => set_length(bytes, *length),
        }
    }

    fn apply_sectors(&self, bytes: &mut Vec<u8>, random: &mut Random) -> io::Result<()> {
        let Change::Write { offset, data } = self else {
            return if random.coin() { self.apply(bytes) } else { Ok(()) };
        };
        let mut done = 0;
        while done < data.len() {
            let rest_of_sector = SECTOR_BYTES - (offset + done) % SECTOR_BYTES;
            let end = data.len().min(done + rest_of_sector);
            if random.coin() {
                write(bytes, offset + done, &data[done..end])?;
            }
            done = end;
        }
        Ok(())
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) -> io::Result<()> {
    let end = offset.checked_add(data.len()).ok_or(io::ErrorKind::FileTooLarge)?;
    reserve(bytes, end)?;
    if offset > bytes.len() {
        bytes.resize(offset, 0);
    }
    let overwritten = data.len().min(bytes.len() - offset);
    bytes[offset..offset + overwritten].copy_from_slice(&data[..overwritten]);
    bytes.extend_from_slice(&data[overwritten..]);
    Ok(())
}

fn set_length(bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    reserve(bytes, length)?;
    bytes.resize(length, 0);
    bytes.shrink_to(length + spare(length));
    Ok(())
}

/// Makes room for `length` bytes. Grows by a quarter, not by doubling: files are what a store in
/// memory consists of.
fn reserve(bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if length <= bytes.capacity() {
        return Ok(());
    }
    let wanted = length.max(bytes.len() + spare(bytes.len()));
    bytes.try_reserve_exact(wanted - bytes.len()).map_err(|_| io::ErrorKind::StorageFull.into())
}

fn spare(length: usize) -> usize {
    (length / 4).max(256)
}

fn to_usize(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl WritableFile for MemoryFile {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = to_usize(offset)?;
        self.update(|contents| {
            write(&mut contents.bytes, offset, data)?;
            if let Some(history) = &mut contents.history {
                history.changes.push(Change::Write { offset, data: data.to_vec() });
            }
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        match &mut self.contents.write().history {
            Some(history) => history.sync(),
            None => Ok(()),
        }
    }

    // Done where crashes are simulated, so that tests see what a disk would show; in a plain store it
    // would cost memory.
    fn allocate(&self, length: u64) -> io::Result<()> {
        let (is_crashable, length_before) = {
            let contents = self.contents.read();
            (contents.history.is_some(), contents.bytes.len())
        };
        let length = to_usize(length)?;
        if !is_crashable || length <= length_before {
            return Ok(());
        }
        self.change(Change::SetLength(length))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::SetLength(to_usize(length)?))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.contents.read().bytes.len() as u64)
    }
}

impl ReadableFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let contents = self.contents.read();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = contents.bytes.get(start..start.saturating_add(buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        WritableFile::len(self)
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFile").field("bytes", &self.contents.read().bytes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(file: &MemoryFile) -> Vec<u8> {
        file.contents.read().bytes.clone()
    }

    #[test]
    fn writes_overlap_extend_and_leave_zeros_between() {
        let file = MemoryFile::new(false, &Arc::default());
        file.write_at(2, b"cd").unwrap();
        file.write_at(3, b"DEF").unwrap();
        assert_eq!(bytes(&file), b"\0\0cDEF");
        file.set_len(3).unwrap();
        file.set_len(5).unwrap();
        assert_eq!(bytes(&file), b"\0\0c\0\0", "what was cut does not come back");
        assert!(file.read_at(4, &mut [0; 2]).is_err());
        assert!(file.read_at(u64::MAX, &mut [0; 2]).is_err());
        assert!(file.write_at(u64::MAX, b"x").is_err());
    }

    #[test]
    fn a_plain_file_keeps_one_copy_and_little_spare_room() {
        let file = MemoryFile::new(false, &Arc::default());
        file.allocate(1 << 20).unwrap();
        assert_eq!(bytes(&file).len(), 0);
        for index in 0..10_000u64 {
            file.write_at(index * 100, &[7; 100]).unwrap();
        }
        let contents = file.contents.read();
        assert!(contents.history.is_none());
        assert!(contents.bytes.capacity() <= 1_250_000);
    }

    #[test]
    fn random_prefixes_are_prefixes_and_reach_both_ends() {
        let file = MemoryFile::new(true, &Arc::default());
        file.write_at(0, b"ab").unwrap();
        WritableFile::sync(&file).unwrap();
        file.write_at(2, b"cd").unwrap();
        file.write_at(4, b"ef").unwrap();
        let mut lengths = std::collections::BTreeSet::new();
        let mut random = Random::new(1);
        for _ in 0..200 {
            let crashed = bytes(&file.crash(Unsynced::RandomPrefix, &mut random, &Arc::default()).unwrap());
            assert!(b"abcdef".starts_with(&crashed), "{crashed:?}");
            lengths.insert(crashed.len());
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    }

    #[test]
    fn random_sectors_may_keep_a_later_one_without_an_earlier() {
        let file = MemoryFile::new(true, &Arc::default());
        file.write_at(500, &[1; 600]).unwrap();
        let mut random = Random::new(2);
        let holes = (0..100).filter(|_| {
            let crashed = bytes(&file.crash(Unsynced::RandomSectors, &mut random, &Arc::default()).unwrap());
            crashed.len() == 1100 && crashed[511] == 0
        });
        assert!(holes.count() > 10);
    }
}
