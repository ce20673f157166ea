//! Range deletes, cut into pieces that do not overlap, so that one search tells what hides a key.

use crate::key::Sequence;
use bytes::Bytes;

/// A range delete: start, end (not covered), number.
pub(crate) type RangeDelete = (Bytes, Bytes, Sequence);

/// The range deletes of one source. Immutable.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeDeletes {
    originals: Vec<RangeDelete>,
    /// By start, without overlap.
    fragments: Vec<Fragment>,
}

/// A piece of the key space over which the same range deletes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) start: Bytes,
    /// Not covered.
    pub(crate) end: Bytes,
    /// Newest first, never empty.
    pub(crate) sequences: Vec<Sequence>,
}

impl RangeDeletes {
    /// Cuts `originals` into fragments.
    pub(crate) fn from_tombstones(originals: Vec<RangeDelete>) -> Self {
        let fragments = fragment(&originals);
        RangeDeletes { originals, fragments }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// As they were written.
    pub(crate) fn originals(&self) -> &[RangeDelete] {
        &self.originals
    }

    /// Number of the newest range delete over `key` that is not above `max`.
    pub(crate) fn covering(&self, key: &[u8], max: Sequence) -> Option<Sequence> {
        self.fragment_at(key)?.newest(max)
    }

    /// The fragment that covers `key`.
    pub(crate) fn fragment_at(&self, key: &[u8]) -> Option<&Fragment> {
        let index = self.fragments.partition_point(|fragment| fragment.start[..] <= *key).checked_sub(1)?;
        Some(&self.fragments[index]).filter(|fragment| *key < fragment.end[..])
    }
}

impl Fragment {
    /// The newest number that is not above `max`.
    pub(crate) fn newest(&self, max: Sequence) -> Option<Sequence> {
        self.sequences.get(self.sequences.partition_point(|sequence| *sequence > max)).copied()
    }
}

/// Sweeps over the borders, in order, with the set of the range deletes that are open.
fn fragment(originals: &[RangeDelete]) -> Vec<Fragment> {
    let mut borders: Vec<(&Bytes, bool, Sequence)> = Vec::with_capacity(originals.len() * 2);
    for (start, end, sequence) in originals {
        borders.push((start, true, *sequence));
        borders.push((end, false, *sequence));
    }
    borders.sort_unstable();
    let mut open = std::collections::BTreeSet::new();
    let mut fragments: Vec<Fragment> = Vec::new();
    let mut from: Option<&Bytes> = None;
    for (key, opens, sequence) in borders {
        if let Some(start) = from.filter(|start| *start < key && !open.is_empty()) {
            let sequences = open.iter().rev().copied().collect();
            fragments.push(Fragment { start: start.clone(), end: key.clone(), sequences });
        }
        from = Some(key);
        if opens {
            open.insert(sequence);
        } else {
            open.remove(&sequence);
        }
    }
    fragments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Random;

    fn key(number: u64) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    #[test]
    fn fragments_answer_like_the_originals() {
        for seed in 1..200 {
            let mut random = Random::new(seed);
            let originals: Vec<RangeDelete> = (1..=random.below(12) as u64)
                .map(|sequence| {
                    let start = random.below(20) as u64;
                    (key(start), key(start + 1 + random.below(8) as u64), sequence)
                })
                .collect();
            let range_deletes = RangeDeletes::from_tombstones(originals.clone());
            for number in 0..30 {
                for max in 0..13 {
                    let covers = |(start, end, sequence): &&RangeDelete| {
                        *start <= key(number) && key(number) < *end && *sequence <= max
                    };
                    let expected = originals.iter().filter(covers).map(|(.., sequence)| *sequence).max();
                    assert_eq!(
                        range_deletes.covering(&key(number), max),
                        expected,
                        "seed {seed}, key {number}, up to {max}"
                    );
                }
            }
        }
    }

    #[test]
    fn fragments_do_not_overlap_and_neighbours_meet() {
        let originals = vec![(key(0), key(9), 1), (key(3), key(5), 2), (key(5), key(7), 3)];
        let range_deletes = RangeDeletes::from_tombstones(originals);
        let pieces: Vec<_> =
            range_deletes.fragments.iter().map(|f| (f.start[7], f.end[7], f.sequences.clone())).collect();
        assert_eq!(pieces, [(0, 3, vec![1]), (3, 5, vec![2, 1]), (5, 7, vec![3, 1]), (7, 9, vec![1])]);
    }
}
