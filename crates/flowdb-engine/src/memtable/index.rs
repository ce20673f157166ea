//! The order of a memtable's entries: leaves of bounded length, and the first entry of each leaf.
//!
//! Built for what a memtable is asked: insertion, search, walks; never removal. A search is a binary search
//! among the leaves and one within a leaf. Both compare mostly 8-byte integers that lie side by side, and
//! touch an entry's own memory only where these are equal.

use super::records::Records;
use crate::key::{Sequence, compare};
use std::cmp::Ordering;

/// Entries of a leaf before it is cut in two. With very many leaves they grow, so that neither leaves nor
/// their list get long.
const LEAF_ENTRIES: usize = 64;
/// A leaf holds at least the number of leaves divided by this.
const LEAVES_PER_ENTRY: usize = 16;

/// Entry numbers in order of key, newest first.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// In order. None is empty.
    leaves: Vec<Run>,
    /// The first entry of each leaf but the first one: whatever comes before belongs there. What it may have
    /// little in common with is left out, so that the others' heads tell them apart.
    borders: Run,
}

/// A place between two entries: before the entry `at` of a leaf. Always in a leaf unless there are none,
/// though perhaps at its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    leaf: usize,
    at: usize,
}

impl Index {
    /// Puts entry `id` in its place.
    pub(super) fn insert(&mut self, records: &Records, id: u32) {
        if self.is_last(records, id) {
            return self.append(records, id);
        }
        let record = records.get(id);
        let Place { leaf, at } = self.place(records, record.key(), record.sequence);
        let run = &mut self.leaves[leaf];
        run.insert(records, at, id);
        if run.ids.len() > LEAF_ENTRIES.max(self.borders.ids.len() / LEAVES_PER_ENTRY) {
            let upper = run.split(records);
            self.borders.insert(records, leaf, upper.ids[0]);
            self.leaves.insert(leaf + 1, upper);
        }
    }

    /// Behind all entries before (`key`, `sequence`).
    pub(super) fn place(&self, records: &Records, key: &[u8], sequence: Sequence) -> Place {
        let leaf = self.borders.count_before(records, key, sequence, Witness::First);
        let at =
            self.leaves.get(leaf).map_or(0, |run| run.count_before(records, key, sequence, Witness::Nearest));
        Place { leaf, at }
    }

    /// Entries from a place on, in order.
    pub(super) fn forward(&self, from: Place) -> impl Iterator<Item = u32> + '_ {
        let first = self.leaves.get(from.leaf).map_or(&[][..], |run| &run.ids[from.at..]);
        let rest = self.leaves.get(from.leaf + 1..).unwrap_or_default();
        first.iter().chain(rest.iter().flat_map(|run| &run.ids)).copied()
    }

    /// Entries before a place, the nearest first.
    pub(super) fn backward(&self, from: Place) -> impl Iterator<Item = u32> + '_ {
        let first = self.leaves.get(from.leaf).map_or(&[][..], |run| &run.ids[..from.at]);
        let rest = &self.leaves[..from.leaf];
        first.iter().rev().chain(rest.iter().rev().flat_map(|run| run.ids.iter().rev())).copied()
    }

    /// Before the first entry.
    pub(super) fn first(&self) -> Place {
        Place { leaf: 0, at: 0 }
    }

    /// Behind the last entry.
    pub(super) fn last(&self) -> Place {
        let at = self.leaves.last().map_or(0, |run| run.ids.len());
        Place { leaf: self.leaves.len().saturating_sub(1), at }
    }

    /// True if the entry comes behind all others, as in data written in order.
    fn is_last(&self, records: &Records, id: u32) -> bool {
        let last = self.leaves.last().and_then(|run| run.ids.last());
        last.is_none_or(|last| records.compare(*last, id) == Ordering::Less)
    }

    /// A leaf that fills from its end is left full, not cut in two.
    fn append(&mut self, records: &Records, id: u32) {
        match self.leaves.last_mut() {
            Some(run) if run.ids.len() < LEAF_ENTRIES => {
                let end = run.ids.len();
                run.insert(records, end, id);
            }
            _ => {
                if let Some(border) = self.leaves.len().checked_sub(1) {
                    self.borders.insert(records, border, id);
                }
                self.leaves.push(Run::of(records, &[id]));
            }
        }
    }
}

/// The entry of a run whose key tells whether another key begins as all of them do. Whichever it is, its
/// memory is likely to be far from that of the run.
#[derive(Debug, Clone, Copy)]
enum Witness {
    /// The same for all searches, which have touched it lately: for the run that each search goes through.
    First,
    /// The one that is looked at next.
    Nearest,
}

/// Entries in order, with eight bytes of each key: those behind what all the keys have in common.
#[derive(Debug, Default)]
struct Run {
    /// Bytes at the front that all keys share, at least.
    shared: usize,
    /// The eight bytes of each key behind the shared ones, filled up with zeros, as a big-endian number.
    /// Where two differ, the entries compare as they do.
    heads: Vec<u64>,
    ids: Vec<u32>,
}

impl Run {
    fn of(records: &Records, ids: &[u32]) -> Run {
        let mut run =
            Run { shared: 0, heads: Vec::with_capacity(LEAF_ENTRIES), ids: Vec::with_capacity(LEAF_ENTRIES) };
        run.ids.extend_from_slice(ids);
        run.cut_heads(records);
        run
    }

    /// The number of entries before (`key`, `sequence`).
    fn count_before(&self, records: &Records, key: &[u8], sequence: Sequence, witness: Witness) -> usize {
        let head = head(key, self.shared);
        let start = self.heads.partition_point(|other| *other < head);
        let witness = match witness {
            Witness::First => self.ids.first(),
            Witness::Nearest => self.ids.get(start).or(self.ids.last()),
        };
        let Some(witness) = witness else {
            return 0;
        };
        match key[..key.len().min(self.shared)].cmp(&records.get(*witness).key()[..self.shared]) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.ids.len(),
            Ordering::Equal => {}
        }
        let is_before = |id: &u32| {
            let record = records.get(*id);
            compare(record.key(), record.sequence, key, sequence) == Ordering::Less
        };
        // Mostly the newest version of a key is looked for, or added, and it comes before all others: a key
        // that is written often fills leaves with them.
        let first_is_before = |id| self.heads[start] == head && is_before(id);
        if !self.ids.get(start).is_some_and(first_is_before) {
            return start;
        }
        let next = start + 1;
        let equal = self.heads[next..].partition_point(|other| *other == head);
        next + self.ids[next..next + equal].partition_point(is_before)
    }

    fn insert(&mut self, records: &Records, at: usize, id: u32) {
        let key = records.get(id).key();
        if let Some(first) = self.ids.first() {
            let common = common_prefix(key, &records.get(*first).key()[..self.shared]);
            if common < self.shared {
                self.share(records, common);
            }
        } else {
            self.shared = key.len();
        }
        self.heads.insert(at, head(key, self.shared));
        self.ids.insert(at, id);
    }

    /// Keeps the lower half; the upper one.
    fn split(&mut self, records: &Records) -> Run {
        let middle = self.ids.len() / 2;
        let upper = Run::of(records, &self.ids[middle..]);
        self.ids.truncate(middle);
        self.heads.truncate(middle);
        self.cut_heads(records);
        upper
    }

    /// Finds out what the keys share: what the first and the last do.
    fn cut_heads(&mut self, records: &Records) {
        if let (Some(first), Some(last)) = (self.ids.first(), self.ids.last()) {
            self.share(records, common_prefix(records.get(*first).key(), records.get(*last).key()));
        }
    }

    fn share(&mut self, records: &Records, shared: usize) {
        self.shared = shared;
        self.heads.clear();
        self.heads.extend(self.ids.iter().map(|id| head(records.get(*id).key(), shared)));
    }
}

/// Eight bytes of `key`, which is at least `from` bytes long or shares fewer than that with others that are.
fn head(key: &[u8], from: usize) -> u64 {
    let rest = key.get(from..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => rest.iter().fold(0, |head, byte| head << 8 | u64::from(*byte)) << (8 * (8 - rest.len()) % 64),
    }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Operation;
    use crate::format::NEVER;
    use crate::fs::Random;
    use crate::key::{Kind, TreeId};
    use bytes::Bytes;
    use std::cmp::Reverse;
    use std::collections::BTreeSet;

    #[derive(Default)]
    struct Tested {
        records: Records,
        index: Index,
        model: BTreeSet<(Vec<u8>, Reverse<Sequence>)>,
    }

    impl Tested {
        fn insert(&mut self, key: &[u8]) {
            let sequence = self.records.len() as u64 + 1;
            let (kind, expiry) = (Kind::Delete, NEVER);
            let operation = Operation { tree: TreeId(1), kind, expiry, key, value: &[], key_to_value: key };
            let id = self.records.push(sequence, &operation, &Bytes::new());
            self.index.insert(&self.records, id);
            self.model.insert((key.to_vec(), Reverse(sequence)));
        }

        fn entries(&self, ids: impl Iterator<Item = u32>) -> Vec<(Vec<u8>, Reverse<Sequence>)> {
            let entry = |id| {
                let record = self.records.get(id);
                (record.key().to_vec(), Reverse(record.sequence))
            };
            ids.map(entry).collect()
        }

        /// What lies before and behind a place is what the model says, and nothing is missing.
        fn check(&self, key: &[u8], sequence: Sequence) {
            let place = self.index.place(&self.records, key, sequence);
            let at = (key.to_vec(), Reverse(sequence));
            let behind: Vec<_> = self.model.range(at.clone()..).take(200).cloned().collect();
            assert_eq!(self.entries(self.index.forward(place).take(200)), behind, "from {key:?}");
            let before: Vec<_> = self.model.range(..at).rev().take(200).cloned().collect();
            assert_eq!(self.entries(self.index.backward(place).take(200)), before, "before {key:?}");
        }

        fn check_all(&self) {
            let mut all: Vec<_> = self.model.iter().cloned().collect();
            assert_eq!(self.entries(self.index.forward(self.index.first())), all);
            all.reverse();
            assert_eq!(self.entries(self.index.backward(self.index.last())), all);
        }
    }

    fn below(random: &mut Random, limit: u64) -> usize {
        usize::try_from(random.next() % limit).unwrap()
    }

    /// Few different bytes, so that keys are often equal, prefixes of others, or differ only far behind.
    fn random_key(random: &mut Random) -> Vec<u8> {
        let prefix: &[u8] =
            [&b""[..], b"a", b"a common prefix", b"a common prefix\0\0\0\0"][below(random, 4)];
        let length = below(random, 12);
        let tail = (0..length).map(|_| [0, 1, b'a', 0xff][below(random, 4)]);
        prefix.iter().copied().chain(tail).collect()
    }

    #[test]
    fn random_keys_are_where_a_set_has_them() {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut tested = Tested::default();
            tested.check(b"", 1);
            for _ in 0..3_000 {
                let key = random_key(&mut random);
                tested.insert(&key);
            }
            for _ in 0..300 {
                let key = random_key(&mut random);
                let sequence = [0, random.next() % 3_000, Sequence::MAX][below(&mut random, 3)];
                tested.check(&key, sequence);
            }
            tested.check_all();
        }
    }

    #[test]
    fn runs_up_and_down_and_into_gaps_keep_the_order() {
        let orders: [fn(u64) -> u64; 4] =
            [|n| n, |n| 9_999 - n, |n| if n % 2 == 0 { n } else { 9_999 - n }, |n| n % 100 * 1_000 + n / 100];
        for order in orders {
            let mut tested = Tested::default();
            (0..10_000).for_each(|n| tested.insert(&order(n).to_be_bytes()));
            tested.check_all();
            for n in (0..10_000).step_by(97) {
                tested.check(&order(n).to_be_bytes(), n + 1);
            }
        }
    }
}
