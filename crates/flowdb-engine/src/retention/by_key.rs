//! A value for every key, which changes at few of them.

use bytes::Bytes;

/// Values of ranges of keys. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByKey<T> {
    /// What holds from a key on, up to the next one. Keys ascend from the empty one; no two neighbours have
    /// the same value.
    steps: Vec<(Bytes, T)>,
}

impl<T: Copy + PartialEq> ByKey<T> {
    /// The same for every key.
    pub(crate) fn all(value: T) -> Self {
        ByKey { steps: vec![(Bytes::new(), value)] }
    }

    /// From these keys on; `None` unless they ascend from the empty one.
    pub(crate) fn from_steps(steps: Vec<(Bytes, T)>) -> Option<Self> {
        let ascends = steps.is_sorted_by(|(a, _), (b, _)| a < b);
        let begins = steps.first().is_some_and(|(key, _)| key.is_empty());
        (ascends && begins).then(|| Self::of(steps))
    }

    /// From these keys on, which ascend from the empty one.
    fn of(mut steps: Vec<(Bytes, T)>) -> Self {
        steps.dedup_by(|(_, later), (_, earlier)| later == earlier);
        ByKey { steps }
    }

    /// By the longest of `prefixes`, which are distinct, that a key begins with.
    pub(crate) fn by_prefix(otherwise: T, prefixes: &[(Vec<u8>, T)]) -> Self {
        let starts = prefixes.iter().map(|(prefix, _)| prefix.clone());
        let ends = prefixes.iter().filter_map(|(prefix, _)| after(prefix));
        let borders = std::iter::once(Vec::new()).chain(starts).chain(ends);
        Self::between(borders.collect(), |key| {
            let matching = prefixes.iter().filter(|(prefix, _)| key.starts_with(prefix));
            matching.max_by_key(|(prefix, _)| prefix.len()).map_or(otherwise, |(_, value)| *value)
        })
    }

    /// What two make together, key by key.
    pub(crate) fn zip<U: Copy + PartialEq, V: Copy + PartialEq>(
        &self,
        other: &ByKey<U>,
        join: impl Fn(T, U) -> V,
    ) -> ByKey<V> {
        let of_other = other.steps.iter().map(|(key, _)| key.to_vec());
        let borders = self.steps.iter().map(|(key, _)| key.to_vec()).chain(of_other);
        ByKey::between(borders.collect(), |key| join(self.at(key), other.at(key)))
    }

    /// With other values.
    pub(crate) fn map<V: Copy + PartialEq>(&self, map: impl Fn(T) -> V) -> ByKey<V> {
        ByKey::of(self.steps.iter().map(|(key, value)| (key.clone(), map(*value))).collect())
    }

    /// With a value for each range: given where it begins, where it ends (`None`: nowhere), and the
    /// value so far.
    pub(crate) fn map_ranges(&self, map: impl Fn(&[u8], Option<&[u8]>, T) -> T) -> Self {
        let mut steps = Vec::with_capacity(self.steps.len());
        for (index, (start, value)) in self.steps.iter().enumerate() {
            let end = self.steps.get(index + 1).map(|(end, _)| &end[..]);
            steps.push((start.clone(), map(start, end, *value)));
        }
        Self::of(steps)
    }

    /// `borders` hold the empty key, and every key at which `value` changes.
    fn between(mut borders: Vec<Vec<u8>>, value: impl Fn(&[u8]) -> T) -> Self {
        borders.sort_unstable();
        borders.dedup();
        let step = |key: Vec<u8>| {
            let value = value(&key);
            (Bytes::from(key), value)
        };
        Self::of(borders.into_iter().map(step).collect())
    }

    /// The value of every key, if they have the same.
    pub(crate) fn single(&self) -> Option<T> {
        match self.steps[..] {
            [(_, value)] => Some(value),
            _ => None,
        }
    }

    /// Where values change, and to what.
    pub(crate) fn steps(&self) -> &[(Bytes, T)] {
        &self.steps
    }

    /// The value of a key.
    pub(crate) fn at(&self, key: &[u8]) -> T {
        match &self.steps[..] {
            [(_, value)] => *value,
            steps => steps[self.index_of(key)].1,
        }
    }

    /// Where the range of a key begins.
    pub(crate) fn start_of(&self, key: &[u8]) -> &[u8] {
        &self.steps[self.index_of(key)].0
    }

    /// The values of the keys from `first` to `last`, both included; at least one.
    pub(crate) fn within(&self, first: &[u8], last: &[u8]) -> impl Iterator<Item = T> {
        let (from, to) = (self.index_of(first), self.index_of(last));
        self.steps[from..=to.max(from)].iter().map(|(_, value)| *value)
    }

    /// For ranges of keys one behind the other, of which the first begins with `first`.
    pub(crate) fn walk_from(&self, first: &[u8]) -> ByKeyWalk<'_, T> {
        ByKeyWalk { steps: &self.steps, at: self.index_of(first) }
    }

    fn index_of(&self, key: &[u8]) -> usize {
        // No key is below the first.
        self.steps.partition_point(|(start, _)| start[..] <= *key).saturating_sub(1)
    }
}

/// A place among the ranges of a [`ByKey`].
#[derive(Debug)]
pub(crate) struct ByKeyWalk<'a, T> {
    steps: &'a [(Bytes, T)],
    at: usize,
}

impl<T: Copy> ByKeyWalk<'_, T> {
    /// The values of the keys from the last one of the range before to `last`, both included; at least one.
    pub(crate) fn up_to(&mut self, last: &[u8]) -> impl Iterator<Item = T> {
        let from = self.at;
        while self.steps.get(self.at + 1).is_some_and(|(start, _)| start[..] <= *last) {
            self.at += 1;
        }
        self.steps[from..=self.at].iter().map(|(_, value)| *value)
    }
}

/// The smallest bytes above all that begin with `prefix`; `None` if there are none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Vec<u8>> {
        let bytes: [u8; 5] = [0, 1, b'a', b'b', 0xff];
        let mut keys = vec![Vec::new()];
        for length in 0..3 {
            let longest: Vec<_> = keys.iter().filter(|key| key.len() == length).cloned().collect();
            keys.extend(longest.iter().flat_map(|key| bytes.map(|byte| [&key[..], &[byte]].concat())));
        }
        keys
    }

    #[test]
    fn the_longest_prefix_counts() {
        let prefixes: [&[u8]; 7] = [b"a", b"ab", b"aba", b"b\xff", b"\xff", b"\xff\xff", b"\0"];
        let values: Vec<_> = prefixes.iter().enumerate().map(|(n, prefix)| (prefix.to_vec(), n)).collect();
        let by_key = ByKey::by_prefix(99, &values);
        for key in keys() {
            let longest =
                values.iter().filter(|(prefix, _)| key.starts_with(prefix)).max_by_key(|(p, _)| p.len());
            assert_eq!(by_key.at(&key), longest.map_or(99, |(_, value)| *value), "{key:?}");
        }
        assert_eq!(by_key.single(), None);
        assert_eq!(ByKey::by_prefix(1, &[(b"a".to_vec(), 1)]).single(), Some(1));
        assert_eq!(ByKey::by_prefix(1, &[(Vec::new(), 2)]).single(), Some(2));
    }

    #[test]
    fn ranges_have_the_values_of_their_keys() {
        let by_key = ByKey::by_prefix(0, &[(b"a".to_vec(), 1), (b"ab".to_vec(), 2), (b"b".to_vec(), 1)]);
        let within = |first: &[u8], last: &[u8]| by_key.within(first, last).collect::<Vec<_>>();
        assert_eq!(within(b"", b"\xff"), [0, 1, 2, 1, 0]);
        assert_eq!(within(b"aa", b"aaz"), [1]);
        assert_eq!(within(b"aa", b"ab"), [1, 2]);
        assert_eq!(within(b"b", b"a"), [1], "inverted");
        let starts: [(&[u8], &[u8]); 4] = [(b"", b""), (b"a", b"a"), (b"aaz", b"a"), (b"\xff", b"c")];
        starts.into_iter().for_each(|(key, start)| assert_eq!(by_key.start_of(key), start));
    }

    #[test]
    fn ranges_one_behind_the_other_have_the_values_of_each() {
        let by_key = ByKey::by_prefix(0, &[(b"a".to_vec(), 1), (b"ab".to_vec(), 2), (b"b".to_vec(), 1)]);
        let mut keys = keys();
        keys.sort_unstable();
        for every in 1..8 {
            let lasts: Vec<_> = keys.iter().step_by(every).collect();
            let mut walk = by_key.walk_from(lasts[0]);
            for (first, last) in lasts.iter().zip(&lasts[1..]) {
                let values: Vec<_> = walk.up_to(last).collect();
                assert_eq!(values, by_key.within(first, last).collect::<Vec<_>>(), "{first:?} to {last:?}");
            }
        }
    }

    #[test]
    fn two_are_joined_key_by_key() {
        let a = ByKey::by_prefix(3, &[(b"a".to_vec(), 9), (b"b".to_vec(), 1)]);
        let b = ByKey::by_prefix(2, &[(b"ab".to_vec(), 20), (b"b".to_vec(), 2)]);
        let joined = a.zip(&b, Ord::max);
        for key in keys() {
            assert_eq!(joined.at(&key), a.at(&key).max(b.at(&key)), "{key:?}");
        }
        assert_eq!(a.zip(&ByKey::all(10), Ord::max), ByKey::all(10));
    }

    #[test]
    fn ranges_are_mapped_with_their_borders() {
        let by_key = ByKey::by_prefix(0, &[(b"a".to_vec(), 1)]);
        let ends =
            by_key.map_ranges(|start, end, value| value + start.len() + 10 * end.map_or(9, <[u8]>::len));
        assert_eq!(ends.steps().iter().map(|(_, value)| *value).collect::<Vec<_>>(), [10, 12, 91]);
        assert_eq!(by_key.map_ranges(|_, _, _| 7), ByKey::all(7));
    }

    #[test]
    fn steps_are_taken_in_order_only() {
        let step = |key: &'static [u8], value| (Bytes::from_static(key), value);
        assert_eq!(ByKey::from_steps(vec![step(b"", 1), step(b"a", 1)]), Some(ByKey::all(1)));
        for bad in [vec![], vec![step(b"a", 1)], vec![step(b"", 1), step(b"b", 2), step(b"b", 3)]] {
            assert_eq!(ByKey::from_steps(bad), None);
        }
    }
}
