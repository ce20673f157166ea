//! Split-block Bloom filter: one cache line tells that a key is not in a table.

use crate::format::{Reader, filter_hash};

const KIND_NONE: u8 = 0;
const KIND_BLOOM: u8 = 1;
const BUCKET_WORDS: usize = 8;
const BUCKET_BYTES: usize = BUCKET_WORDS * size_of::<u32>();
/// Kind, three zeros, number of buckets.
const HEADER_BYTES: usize = 8;

const SALT: [u32; BUCKET_WORDS] =
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
        let mut buckets = vec![[0; BUCKET_WORDS]; count as usize];
        for hash in self.hashes {
            for (word, bit) in buckets[bucket_of(hash, count as usize)].iter_mut().zip(bits_of(hash)) {
                *word |= bit;
            }
        }
        let mut block = Vec::with_capacity(HEADER_BYTES + size_of_val(&*buckets));
        block.extend_from_slice(&[KIND_BLOOM, 0, 0, 0]);
        block.extend_from_slice(&count.to_le_bytes());
        block.extend(buckets.as_flattened().iter().flat_map(|word| word.to_le_bytes()));
        block
    }
}

/// A filter block in memory.
#[derive(Debug)]
pub(super) struct Filter {
    /// Empty: no filter.
    buckets: Vec<Bucket>,
}

/// Aligned, so that none lies across two lines of the processor's cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Bucket([u32; BUCKET_WORDS]);

impl Filter {
    /// `None` if the block is none of ours.
    pub(super) fn new(block: &[u8]) -> Option<Filter> {
        let mut reader = Reader::new(block);
        let (kind, zeros, count) = (reader.u8()?, reader.take(3)?, reader.u32()?);
        let (words, rest) = block[HEADER_BYTES..].as_chunks();
        let (buckets, more) = words.as_chunks();
        let is_well_formed = match kind {
            KIND_NONE => count == 0 && reader.is_empty(),
            KIND_BLOOM => {
                count > 0 && buckets.len() as u64 == u64::from(count) && more.is_empty() && rest.is_empty()
            }
            _ => false,
        };
        let bucket = |words: &[[u8; 4]; BUCKET_WORDS]| Bucket(words.map(u32::from_le_bytes));
        (zeros == [0; 3] && is_well_formed).then(|| Filter { buckets: buckets.iter().map(bucket).collect() })
    }

    /// Memory it takes, in bytes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// False if the table has no such filter key.
    pub(super) fn may_contain(&self, filter_key: &[u8]) -> bool {
        self.may_contain_hash(filter_hash(filter_key))
    }

    /// The same for a caller that asks many filters for one key, whose hash this is.
    #[inline]
    pub(super) fn may_contain_hash(&self, hash: u64) -> bool {
        let Some(Bucket(words)) = self.buckets.get(bucket_of(hash, self.buckets.len())) else {
            return true;
        };
        // All eight are looked at: which of them decides cannot be foretold, and a wrong guess costs more.
        let missing = bits_of(hash).zip(words).fold(0, |missing, (bit, word)| missing | bit & !word);
        missing == 0
    }
}

/// The bucket of a hash, of `count`, which are less than 2^32.
fn bucket_of(hash: u64, count: usize) -> usize {
    (((hash >> 32) * count as u64) >> 32) as usize
}

/// The bits of a hash: one in each word of its bucket.
fn bits_of(hash: u64) -> impl Iterator<Item = u32> {
    #[expect(clippy::cast_possible_truncation, reason = "the low half of the hash is wanted")]
    let low = hash as u32;
    SALT.iter().map(move |salt| 1 << (low.wrapping_mul(*salt) >> 27))
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
        let filter = Filter::new(&builder.finish()).unwrap();
        assert!((0..10_000u32).all(|index| filter.may_contain(&index.to_be_bytes())));
        let wrong = (10_000..30_000u32).filter(|index| filter.may_contain(&index.to_be_bytes())).count();
        assert!(wrong < 600, "{wrong} of 20000 false positives");
    }

    #[test]
    fn no_filter_denies_nothing() {
        let mut builder = FilterBuilder::new(0);
        builder.add(b"key");
        assert!(Filter::new(&builder.finish()).unwrap().may_contain(b"other"));
    }

    #[test]
    fn malformed_blocks_are_refused() {
        let mut builder = FilterBuilder::new(10);
        builder.add(b"key");
        let block = builder.finish();
        for length in 0..block.len() {
            assert!(Filter::new(&block[..length]).is_none());
        }
        let mut lies = block;
        lies[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Filter::new(&lies).is_none());
    }
}
