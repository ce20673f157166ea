//! The value format (`docs/format.md` section 8), read in place: validation, key paths, JSON.
//!
//! JavaScript writes and reads whole values; here only what an index, a filter or an inspection needs is
//! looked at. Nothing in this module recurses with the nesting of a value, and no length is believed before
//! it is compared with the bytes.

mod extract;
mod head;
mod json;
mod key_path;
mod number;
mod reader;

pub use extract::{Extracted, ExtractedMulti, can_inject, extract_key, extract_multi, extract_number};
pub use head::{Head, Text, ViewBuffer};
pub use json::to_json;
pub use key_path::KeyPath;
pub use number::Number;
pub use reader::{Event, Place, ValueRef, Walker};

/// Containers enclose each other at most this deep.
pub const DEPTH_MAX: usize = 10_000;

/// First byte of every value.
const VERSION: u8 = 1;

fn damaged(position: usize, message: &str) -> flowdb_engine::Error {
    flowdb_engine::Error::new(
        flowdb_engine::ErrorKind::Corruption,
        format!("damaged value: {message} (byte {position})"),
    )
}

#[cfg(test)]
pub(crate) mod tests_support {
    /// Random numbers that are the same in every run (SplitMix64).
    pub(crate) struct Random(u64);

    impl Random {
        pub(crate) fn new(seed: u64) -> Self {
            Random(seed)
        }

        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }

        pub(crate) fn below(&mut self, end: usize) -> usize {
            usize::try_from(self.next() % end as u64).unwrap()
        }
    }
}
