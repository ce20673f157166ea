//! Files mapped into memory: one of the two modules of the engine with unsafe code. The
//! other is `slabs/slot.rs`.

use std::fs::File;
use std::io;

/// The bytes of a file as they were when it was mapped.
#[derive(Debug)]
pub(super) struct Map(memmap2::Mmap);

impl Map {
    /// Maps all of `file`, which nobody may write or cut while the map lives. The engine maps tables
    /// only: they are written once, under a name never used again, and removing a mapped file leaves its
    /// bytes in place.
    #[allow(
        unsafe_code,
        reason = "mapping a file is unsafe in itself: the compiler cannot see who else writes to it"
    )]
    pub(super) fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the mapped bytes do not change: this process never writes a table again (see above), and
        // the lock of the directory keeps other processes that follow the rules away. A foreign process that
        // cuts the file can end this one; that is why mapping is a choice (`FileAccess`), and why every block
        // is checked before it is believed.
        unsafe { memmap2::Mmap::map(file) }.map(Map)
    }

    /// `length` bytes at `offset`; `None` if there are not as many.
    pub(super) fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.0.get(start..start.checked_add(length)?)
    }
}
