//! Split-block Bloom filter: one cache line tells that a key is not in a table.

use crate::format::{Reader, filter_hash};

const KIND_NONE: u8 = 0;
const KIND_BLOOM: u8 = 1;
const BUCKET_BYTES: usize = 32;
/// Kind, three zeros, number of buckets.
const HEADER_BYTES: usize = 8;

const SALT: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// Collects the hashes of a table's filter keys.
#[derive(Debug)]
pub(super) struct FilterBuilder {
    bits_per_key: u32,
    hashes: Vec<u64>,
}

impl FilterBuilder {
    pub(super) fn new(bits_per_key: u32) -> Self {
        FilterBuilder { bits_per_key, hashes: Vec::new() }
    }

    /// Adds a filter key. Keys come in order, so that equal ones are neighbours.
    pub(super) fn add(&mut self, filter_key: &[u8]) {
        let hash = filter_hash(filter_key);
        if self.bits_per_key > 0 && self.hashes.last() != Some(&hash) {
            self.hashes.push(hash);
        }
    }

    /// The filter block.
    pub(super) fn finish(self) -> Vec<u8> {
        if self.bits_per_key == 0 {
            return vec![KIND_NONE, 0, 0, 0, 0, 0, 0, 0];
        }
        let bits = self.hashes.len() as u64 * u64::from(self.bits_per_key);
        let count = u32::try_from(bits.div_ceil(8 * BUCKET_BYTES as u64).max(1)).unwrap_or(u32::MAX);
        let mut block = vec![0; HEADER_BYTES + count as usize * BUCKET_BYTES];
        block[0] = KIND_BLOOM;
        block[4..8].copy_from_slice(&count.to_le_bytes());
        for hash in self.hashes {
            for (word, bit) in bits_of(hash, count) {
                block[HEADER_BYTES + word * 4 + bit / 8] |= 1 << (bit % 8);
            }
        }
        block
    }
}

/// A filter block in memory.
#[derive(Debug)]
pub(super) struct Filter {
    block: Vec<u8>,
    /// 0: no filter.
    buckets: u32,
}

impl Filter {
    /// `None` if the block is none of ours.
    pub(super) fn new(block: Vec<u8>) -> Option<Filter> {
        let mut reader = Reader::new(&block);
        let (kind, zeros, buckets) = (reader.u8()?, reader.take(3)?, reader.u32()?);
        let is_well_formed = match kind {
            KIND_NONE => buckets == 0 && reader.is_empty(),
            KIND_BLOOM => {
                buckets > 0 && reader.remaining() as u64 == u64::from(buckets) * BUCKET_BYTES as u64
            }
            _ => false,
        };
        (zeros == [0; 3] && is_well_formed).then_some(Filter { block, buckets })
    }

    /// Memory it takes, in bytes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        self.block.len()
    }

    /// False if the table has no such filter key.
    pub(super) fn may_contain(&self, filter_key: &[u8]) -> bool {
        self.may_contain_hash(filter_hash(filter_key))
    }

    /// The same for who asks many filters for one key, whose hash this is.
    pub(super) fn may_contain_hash(&self, hash: u64) -> bool {
        if self.buckets == 0 {
            return true;
        }
        let is_set = |(word, bit): (usize, usize)| {
            self.block[HEADER_BYTES + word * 4 + bit / 8] & (1 << (bit % 8)) != 0
        };
        bits_of(hash, self.buckets).all(is_set)
    }
}

/// The bits of a hash: index of the 32-bit word in the filter, bit in the word.
fn bits_of(hash: u64, buckets: u32) -> impl Iterator<Item = (usize, usize)> {
    let bucket = ((hash >> 32) * u64::from(buckets)) >> 32;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half of the hash is wanted, and the bucket is below 2^32"
    )]
    let (low, bucket) = (hash as u32, bucket as usize);
    SALT.iter()
        .enumerate()
        .map(move |(word, salt)| (bucket * 8 + word, (low.wrapping_mul(*salt) >> 27) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_added_is_denied_and_most_else_is() {
        let mut builder = FilterBuilder::new(10);
        for index in 0..10_000u32 {
            builder.add(&index.to_be_bytes());
        }
        let filter = Filter::new(builder.finish()).unwrap();
        assert!((0..10_000u32).all(|index| filter.may_contain(&index.to_be_bytes())));
        let wrong = (10_000..30_000u32).filter(|index| filter.may_contain(&index.to_be_bytes())).count();
        assert!(wrong < 600, "{wrong} of 20000 false positives");
    }

    #[test]
    fn no_filter_denies_nothing() {
        let mut builder = FilterBuilder::new(0);
        builder.add(b"key");
        assert!(Filter::new(builder.finish()).unwrap().may_contain(b"other"));
    }

    #[test]
    fn malformed_blocks_are_refused() {
        let mut builder = FilterBuilder::new(10);
        builder.add(b"key");
        let block = builder.finish();
        for length in 0..block.len() {
            assert!(Filter::new(block[..length].to_vec()).is_none());
        }
        let mut lies = block;
        lies[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Filter::new(lies).is_none());
    }
}
