//! A part of an open table that is read when it is needed first.

use super::stored::Handle;
use crate::error::{Error, Result};
use crate::options::ReadTier;
use crate::resources::MemoryCharge;
use parking_lot::Mutex;
use std::sync::OnceLock;

/// Where a part is in the file, and what it is once it was read. It stays in memory from then on.
#[derive(Debug)]
pub(super) struct Part<T> {
    handle: Handle,
    loaded: OnceLock<Loaded<T>>,
    /// Held by the thread that reads it: one read serves all that wait. A caller that may not wait does not
    /// ask for it.
    reading: Mutex<()>,
}

#[derive(Debug)]
struct Loaded<T> {
    part: T,
    _memory: MemoryCharge,
}

impl<T> Part<T> {
    pub(super) fn new(handle: Handle) -> Self {
        Part { handle, loaded: OnceLock::new(), reading: Mutex::default() }
    }

    /// The part, if it is in memory.
    pub(super) fn in_memory(&self) -> Option<&T> {
        self.loaded.get().map(|loaded| &loaded.part)
    }

    /// The part, read by `read` if it is not in memory and `tier` allows it.
    #[inline]
    pub(super) fn get(
        &self,
        tier: ReadTier,
        read: impl FnOnce(Handle) -> Result<(T, MemoryCharge)>,
    ) -> Result<&T> {
        match self.loaded.get() {
            Some(loaded) => Ok(&loaded.part),
            None => self.load(tier, read),
        }
    }

    #[cold]
    fn load(&self, tier: ReadTier, read: impl FnOnce(Handle) -> Result<(T, MemoryCharge)>) -> Result<&T> {
        if tier == ReadTier::Memory {
            return Err(Error::would_block());
        }
        let _alone = self.reading.lock();
        if self.loaded.get().is_none() {
            let (part, memory) = read(self.handle)?;
            // Nobody else sets it while the lock is held.
            let _ = self.loaded.set(Loaded { part, _memory: memory });
        }
        Ok(&self.loaded.get().expect("it was just set").part)
    }
}
