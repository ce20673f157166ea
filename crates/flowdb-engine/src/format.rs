//! Every magic number, tag, version, integer coding and checksum of the files. `docs/format.md`
//! has the words.

use crate::error::{Error, ErrorKind, Result};
use std::path::Path;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// Version of all file formats written by this build.
pub const FORMAT_VERSION: u16 = 1;
/// Compression code: none.
pub const COMPRESSION_NONE: u8 = 0;
/// Compression code: LZ4 block format.
pub const COMPRESSION_LZ4: u8 = 1;
/// Encryption code: none. All others are reserved.
pub const ENCRYPTION_NONE: u8 = 0;
/// An entry with this expiry never expires.
pub const NEVER: i64 = i64::MAX;

/// Checksum of `data`, tied to its place by `seed`.
pub fn checksum(seed: u64, data: &[u8]) -> u64 {
    xxh3_64_with_seed(data, seed)
}

/// Checksum of the concatenation of `parts`, tied to its place by `seed`.
pub fn checksum_parts(seed: u64, parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3::with_seed(seed);
    for part in parts {
        hasher.update(part);
    }
    hasher.digest()
}

/// How much may be hashed in search of something whole behind damage. Contents may have been chosen so that
/// each place of them looks like the beginning of something long: to hash it all takes time with the square
/// of the length.
#[derive(Debug)]
pub(crate) struct SearchBudget {
    left: u64,
}

impl SearchBudget {
    /// What contents that nobody chose for it look like takes a part of this. In hashed bytes, for each that
    /// is searched and beyond.
    const FACTOR: u64 = 64;
    const BYTES_MIN: u64 = 64 << 20;

    /// For a search through `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        SearchBudget { left: bytes.saturating_mul(Self::FACTOR).saturating_add(Self::BYTES_MIN) }
    }

    /// Takes off what looks like something of this length. Fails with `Corruption` once there is nothing
    /// left: whether something whole follows is not known then.
    pub(crate) fn spend(&mut self, path: &Path, offset: u64, bytes: u64) -> Result<()> {
        let left = self.left.checked_sub(bytes).ok_or_else(|| {
            let message =
                "damage, and so much behind it looks whole that it cannot be told whether something is";
            Error::corruption(path, offset, message)
        })?;
        self.left = left;
        Ok(())
    }
}

/// Hash of a filter key.
pub fn filter_hash(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, 0)
}

/// Refuses files of another version or with kinds this build does not know.
pub fn check_version(file: &Path, version: u16, compression: u8, encryption: u8) -> Result<()> {
    if version == FORMAT_VERSION && compression <= COMPRESSION_LZ4 && encryption == ENCRYPTION_NONE {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{}: format version {version}, compression {compression}, encryption {encryption}; this build reads \
             version {FORMAT_VERSION}, compression 0 to {COMPRESSION_LZ4}, encryption {ENCRYPTION_NONE}",
            file.display()
        ),
    ))
}

/// Appends `value` as unsigned LEB128.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// The varint at the front of four bytes, without a loop, and its length; `None` if it is longer than these.
#[inline]
pub(crate) fn short_varint(word: u32) -> Option<(u32, usize)> {
    let ends = !word & 0x8080_8080;
    if ends == 0 {
        return None;
    }
    // All bits up to the one that ends it.
    let word = word & (ends ^ (ends - 1));
    let value = word & 0x7f | word >> 1 & 0x3f80 | word >> 2 & 0x1f_c000 | word >> 3 & 0xfe0_0000;
    Some((value, ends.trailing_zeros() as usize / 8 + 1))
}

/// Appends `bytes` behind their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads fields from bytes that may be anything. Every method answers `None` when the bytes do not suffice;
/// nothing is allocated on the word of a length.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, position: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// True once everything is read.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let slice = self.bytes.get(self.position..self.position.checked_add(count)?)?;
        self.position += count;
        Some(slice)
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// Eight bytes, little-endian, signed.
    pub fn i64(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    /// Unsigned LEB128 of at most ten bytes.
    #[inline(always)]
    pub fn varint(&mut self) -> Option<u64> {
        // Nearly all are lengths and differences below 128.
        let byte = *self.bytes.get(self.position)?;
        if byte < 0x80 {
            self.position += 1;
            return Some(byte.into());
        }
        self.further_varint()
    }

    fn further_varint(&mut self) -> Option<u64> {
        match self.bytes[self.position..].first_chunk() {
            Some(chunk) => self.short_varint(u32::from_le_bytes(*chunk)).or_else(|| self.long_varint()),
            None => self.long_varint(),
        }
    }

    fn short_varint(&mut self, word: u32) -> Option<u64> {
        let (value, length) = short_varint(word)?;
        self.position += length;
        Some(value.into())
    }

    fn long_varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Bytes behind their varint length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_overlong_ones_are_refused() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint(), Some(value));
            assert!(reader.is_empty());
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).varint(), None);
        }
        // Whatever follows, and at every length: the first and the last value of each.
        for bits in 0..64 {
            for value in [1u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                for behind in [0, 0x7f, 0x80, 0xff] {
                    let mut bytes = Vec::new();
                    put_varint(&mut bytes, value);
                    let length = bytes.len();
                    bytes.extend_from_slice(&[behind; 4]);
                    for kept in length..bytes.len() {
                        let mut reader = Reader::new(&bytes[..kept]);
                        assert_eq!((reader.varint(), reader.position()), (Some(value), length), "{value}");
                    }
                }
            }
        }
        assert_eq!(Reader::new(&[0xff; 10]).varint(), None);
        assert_eq!(Reader::new(&[0x80; 12]).varint(), None);
    }

    #[test]
    fn hostile_lengths_are_answered_with_none() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::MAX);
        bytes.push(1);
        assert_eq!(Reader::new(&bytes).bytes(), None);
        assert_eq!(Reader::new(&[1, 2]).u32(), None);
    }
}
