//! A part of a slab that holds a block.

use super::{Place, Slabs};
use memmap2::MmapRaw;
use std::sync::Arc;

/// A slot that nobody uses, and nobody else gets: [`super::State::take`] makes one, and only for a slot that
/// it takes from the free ones.
#[derive(Debug)]
pub(super) struct FreeSlot {
    place: Place,
    start: *mut u8,
}

impl FreeSlot {
    /// The slot at `place`, in the memory of its slab.
    pub(super) fn of(memory: &MmapRaw, place: Place) -> FreeSlot {
        let offset = place.number * place.slot_bytes;
        assert!(offset + place.slot_bytes <= memory.len(), "a slot is within its slab");
        FreeSlot { place, start: memory.as_mut_ptr().wrapping_add(offset) }
    }
}

/// A slot in use. Free again when dropped.
pub(super) struct Slot {
    slabs: Arc<Slabs>,
    place: Place,
    start: *mut u8,
    length: usize,
}

impl Slot {
    /// Copies `contents` to `free`, which was taken from `slabs` for as many bytes or more.
    #[allow(unsafe_code, reason = "the compiler cannot see that the slots of a slab do not overlap")]
    pub(super) fn filled(slabs: Arc<Slabs>, free: FreeSlot, contents: &[u8]) -> Slot {
        let FreeSlot { place, start } = free;
        assert!(contents.len() <= place.slot_bytes, "a block fits into its slot");
        // SAFETY: a whole slot from `start` on is within its slab (`FreeSlot::of`), and the contents are
        // no longer (see above). Nobody else reads or writes it: `State::take` took it from the free ones,
        // and `free` is the only token of that. The slab is there until all of its slots are given back,
        // which `Slot::drop` does.
        unsafe { start.copy_from_nonoverlapping(contents.as_ptr(), contents.len()) };
        Slot { slabs, place, start, length: contents.len() }
    }
}

impl AsRef<[u8]> for Slot {
    #[allow(unsafe_code, reason = "the compiler cannot see that the slots of a slab do not overlap")]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `filled` wrote these bytes, nobody writes them before the slot is free again, and the slab
        // is there until then.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
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
