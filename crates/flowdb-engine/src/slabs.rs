//! Memory of cached blocks, in large pages.
//!
//! Blocks in memory from the common allocator lie in pages of 4 KiB: those of a large cache are more than a
//! processor keeps the addresses of, so that reads wait for these, and each block that comes in makes the
//! system clear a page. Here blocks of like length lie side by side in slabs as large as a large page of the
//! system. It is a matter of speed only: where there are none, nothing else changes.

mod slot;

use bytes::Bytes;
use memmap2::{MmapMut, MmapRaw};
use parking_lot::Mutex;
use slot::{FreeSlot, Slot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Length of a slab, and of a large page.
const SLAB_BYTES: usize = 2 << 20;
/// Lengths kept in slabs. Shorter blocks are not worth the bookkeeping, of longer ones a reader touches a
/// few pages only.
const STORED_BYTES: std::ops::RangeInclusive<usize> = (1 << 10)..=(64 << 10);
/// Lengths from one power of two to the next share so many sizes of slots.
const SIZES_PER_DOUBLING: usize = 16;
/// One in so many bytes of the cache may be unused parts of slabs, beyond which no slab is begun: a small
/// cache has none.
const UNUSED_PART: u64 = 8;

/// The slabs of a cache.
#[derive(Debug, Default)]
pub(crate) struct Slabs(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By length of a slot.
    sizes: BTreeMap<usize, Size>,
    /// Bytes of all free slots.
    unused_bytes: u64,
}

/// Slabs whose slots have one length.
#[derive(Debug, Default)]
struct Size {
    /// `None` where one was given back.
    slabs: Vec<Option<Slab>>,
    /// Those with free slots. The first one is filled first, so that the last ones get empty.
    open: BTreeSet<usize>,
}

#[derive(Debug)]
struct Slab {
    memory: MmapRaw,
    /// Numbers of slots.
    free: Vec<usize>,
}

/// Which slot.
#[derive(Debug, Clone, Copy)]
struct Place {
    slot_bytes: usize,
    slab: usize,
    number: usize,
}

impl Slabs {
    /// A copy of `contents` in a slab; `None` where they are better kept where they are. `cached_bytes` is
    /// what all blocks of the cache take.
    pub(crate) fn store(self: &Arc<Self>, contents: &[u8], cached_bytes: u64) -> Option<Bytes> {
        if !cfg!(target_os = "linux") || !STORED_BYTES.contains(&contents.len()) {
            return None;
        }
        let slot = self.0.lock().take(slot_bytes(contents.len()), cached_bytes / UNUSED_PART)?;
        Some(Bytes::from_owner(Slot::filled(Arc::clone(self), slot, contents)))
    }
}

/// Length of the slots for blocks of `bytes`.
fn slot_bytes(bytes: usize) -> usize {
    bytes.next_multiple_of(bytes.next_power_of_two() / 2 / SIZES_PER_DOUBLING)
}

impl State {
    /// A free slot, which is nobody else's until [`State::give_back`]. A slab is begun for it if no more than
    /// `unused_bytes_max` are unused then.
    fn take(&mut self, slot_bytes: usize, unused_bytes_max: u64) -> Option<FreeSlot> {
        let size = self.sizes.entry(slot_bytes).or_default();
        if size.open.is_empty() {
            if self.unused_bytes + SLAB_BYTES as u64 > unused_bytes_max {
                return None;
            }
            let slab = Slab::new(slot_bytes)?;
            self.unused_bytes += slab.free.len() as u64 * slot_bytes as u64;
            size.add(slab);
        }
        let index = *size.open.first().expect("a slab was begun if none was open");
        let slab = size.slabs[index].as_mut().expect("an open slab is there");
        let number = slab.free.pop().expect("an open slab has a free slot");
        if slab.free.is_empty() {
            size.open.remove(&index);
        }
        self.unused_bytes -= slot_bytes as u64;
        Some(FreeSlot::of(&slab.memory, Place { slot_bytes, slab: index, number }))
    }

    /// The slab that holds nothing any more, if it is one.
    fn give_back(&mut self, Place { slot_bytes, slab: index, number }: Place) -> Option<Slab> {
        let size = self.sizes.get_mut(&slot_bytes).expect("a slot was taken from slabs of its size");
        let slab = size.slabs[index].as_mut().expect("a slab stays until all of its slots are free");
        slab.free.push(number);
        self.unused_bytes += slot_bytes as u64;
        size.open.insert(index);
        if slab.free.len() < SLAB_BYTES / slot_bytes {
            return None;
        }
        size.open.remove(&index);
        self.unused_bytes -= slab.free.len() as u64 * slot_bytes as u64;
        size.slabs[index].take()
    }
}

impl Size {
    fn add(&mut self, slab: Slab) {
        let index = self.slabs.iter().position(Option::is_none).unwrap_or(self.slabs.len());
        if index == self.slabs.len() {
            self.slabs.push(None);
        }
        self.slabs[index] = Some(slab);
        self.open.insert(index);
    }
}

impl Slab {
    /// `None` without memory for it: the block has some already.
    fn new(slot_bytes: usize) -> Option<Slab> {
        let memory = MmapMut::map_anon(SLAB_BYTES).ok()?;
        // A wish; without large pages the slab is as good as other memory.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Some(Slab { memory: memory.into(), free: (0..SLAB_BYTES / slot_bytes).rev().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Random;

    /// So that each size of slots may begin a slab.
    const PLENTY: u64 = 1 << 40;

    fn contents(seed: u64, length: usize) -> Vec<u8> {
        let mut random = Random::new(seed);
        std::iter::repeat_with(|| random.next().to_le_bytes()[0]).take(length).collect()
    }

    fn slab_count(slabs: &Slabs) -> usize {
        slabs.0.lock().sizes.values().flat_map(|size| &size.slabs).flatten().count()
    }

    #[test]
    fn slots_are_little_longer_than_what_they_hold() {
        for bytes in STORED_BYTES {
            let slot = slot_bytes(bytes);
            assert!(slot >= bytes && slot - bytes <= bytes / SIZES_PER_DOUBLING, "{bytes} in {slot}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn blocks_that_come_and_go_stay_what_they_are() {
        for seed in 0..8 {
            let slabs = Arc::new(Slabs::default());
            let mut random = Random::new(seed);
            let mut stored: Vec<(u64, Bytes)> = Vec::new();
            for step in 0..4000 {
                if stored.len() < 1500 && (random.coin() || random.coin()) {
                    let length = 1024 + random.below(4000);
                    stored.push((step, slabs.store(&contents(step, length), PLENTY).unwrap()));
                } else if !stored.is_empty() {
                    let (step, bytes) = stored.swap_remove(random.below(stored.len()));
                    assert_eq!(bytes, contents(step, bytes.len()), "seed {seed}");
                }
            }
            for (step, bytes) in &stored {
                assert_eq!(*bytes, contents(*step, bytes.len()), "seed {seed}");
            }
            drop(stored);
            assert_eq!((slab_count(&slabs), slabs.0.lock().unused_bytes), (0, 0), "seed {seed}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_slice_keeps_its_slot_and_a_free_slot_is_used_again() {
        let slabs = Arc::new(Slabs::default());
        let block = contents(1, 4096);
        let all: Vec<_> = (0..2 * SLAB_BYTES / 4096).map(|_| slabs.store(&block, PLENTY).unwrap()).collect();
        assert_eq!(slab_count(&slabs), 2);
        let (first, slice) = (all[0].as_ptr(), all[0].slice(7..9));
        drop(all);
        assert_eq!(slab_count(&slabs), 1);
        let others: Vec<_> = (1..SLAB_BYTES / 4096).map(|_| slabs.store(&block, PLENTY).unwrap()).collect();
        assert!(others.iter().all(|other| other.as_ptr() != first) && slab_count(&slabs) == 1);
        assert_eq!(slice, block[7..9]);
        drop(slice);
        assert_eq!(slabs.store(&block, PLENTY).unwrap().as_ptr(), first);
    }

    #[test]
    fn what_does_not_pay_stays_where_it_is() {
        let slabs = Arc::new(Slabs::default());
        let block = contents(1, 4096);
        assert!(slabs.store(&block, UNUSED_PART * SLAB_BYTES as u64 - 1).is_none());
        for length in [0, STORED_BYTES.start() - 1, STORED_BYTES.end() + 1] {
            assert!(slabs.store(&contents(1, length), PLENTY).is_none());
        }
        assert_eq!(slab_count(&slabs), 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_share_slabs() {
        let slabs = Arc::new(Slabs::default());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let slabs = &slabs;
                scope.spawn(move || {
                    let mut kept = std::collections::VecDeque::new();
                    for (step, length) in (0..500).zip((4096..4099).cycle()) {
                        let seed = thread * 1000 + step;
                        let stored = slabs.store(&contents(seed, length), PLENTY).unwrap();
                        kept.push_back((seed, stored));
                        if kept.len() > 100 {
                            let (seed, bytes) = kept.pop_front().unwrap();
                            assert_eq!(bytes, contents(seed, bytes.len()));
                        }
                    }
                });
            }
        });
        assert_eq!(slab_count(&slabs), 0);
    }
}
