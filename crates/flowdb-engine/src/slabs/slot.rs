//! A part of a slab that holds a block.

use super::{Place, Slabs};
use memmap2::MmapRaw;
use std::sync::Arc;

/// Where a slot begins that nobody uses.
#[derive(Debug)]
pub(super) struct SlotStart(*mut u8);

impl SlotStart {
    /// `offset` is within `memory`.
    pub(super) fn of(memory: &MmapRaw, offset: usize) -> SlotStart {
        assert!(offset < memory.len(), "a slot is within its slab");
        SlotStart(memory.as_mut_ptr().wrapping_add(offset))
    }
}

/// A slot in use. Free again when dropped.
pub(super) struct Slot {
    slabs: Arc<Slabs>,
    place: Place,
    start: SlotStart,
    length: usize,
}

impl Slot {
    /// Copies `contents` to the slot at `place`, which begins at `start` and was taken from `slabs` for as many bytes or more.
    #[allow(unsafe_code, reason = "the compiler cannot see that the slots of a slab do not overlap")]
    pub(super) fn filled(slabs: Arc<Slabs>, place: Place, start: SlotStart, contents: &[u8]) -> Slot {
        assert!(contents.len() <= place.slot_bytes, "a block fits into its slot");
        // SAFETY: the slot has room (see above), is within its slab, and nobody else reads or writes it: it was taken from the free ones. The slab
        // is there as long as one of its slots is not free.
        unsafe { start.0.copy_from_nonoverlapping(contents.as_ptr(), contents.len()) };
        Slot { slabs, place, start, length: contents.len() }
    }
}

impl AsRef<[u8]> for Slot {
    #[allow(unsafe_code, reason = "the compiler cannot see that the slots of a slab do not overlap")]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `filled` wrote these bytes, nobody writes them before the slot is free again, and the slab is there until then.
        unsafe { std::slice::from_raw_parts(self.start.0, self.length) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Given back to the system without the lock.
        let _empty = self.slabs.0.lock().give_back(self.place);
    }
}

// SAFETY: a slot is memory that belongs to it alone, wherever it is dropped or read.
#[allow(unsafe_code, reason = "a pointer is not `Send` by itself")]
unsafe impl Send for Slot {}
