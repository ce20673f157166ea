//! Values that tell whether they are the right ones.

/// SplitMix64: reproducible, and incompressible as its output is.
#[derive(Debug, Clone)]
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

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// The value of version `version` of record `index`: its version, then bytes that follow from all three
/// numbers, `length` in all. The first half of them can be compressed.
pub(crate) fn value(seed: u64, index: u64, version: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed ^ index.rotate_left(20) ^ version.rotate_left(40));
    let mut value = version.to_le_bytes().to_vec();
    let repeated = random.next().to_le_bytes();
    while value.len() < length / 2 {
        value.extend_from_slice(&repeated);
    }
    while value.len() < length {
        value.extend_from_slice(&random.next().to_le_bytes());
    }
    value.truncate(length.max(size_of::<u64>()));
    value
}

/// The version that a value of record `index` says it is, if every byte of it is right.
pub(crate) fn version(seed: u64, index: u64, found: &[u8]) -> Option<u64> {
    let version = u64::from_le_bytes(*found.first_chunk()?);
    (value(seed, index, version, found.len()) == found).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_its_version_and_any_change_is_seen() {
        for length in [0, 8, 9, 64, 500] {
            let good = value(1, 2, 3, length);
            assert_eq!(good.len(), length.max(8));
            assert_eq!(version(1, 2, &good), Some(3));
            assert!(length <= 8 || version(1, 9, &good).is_none());
            for index in 8..good.len() {
                let mut bad = good.clone();
                bad[index] ^= 1;
                assert_eq!(version(1, 2, &bad), None, "byte {index} of {length}");
            }
        }
    }
}
