//! Range deletes: what hides a key as of a moment, and how far around the key that holds.

use crate::key::Sequence;
use bytes::Bytes;
use std::cmp::Reverse;
use std::sync::Arc;

/// A range delete: start, end (not covered), number.
pub(crate) type RangeDelete = (Bytes, Bytes, Sequence);

/// The range deletes of one source. Immutable; one with a range delete more shares most of the old. They are
/// kept in runs, each longer than the one behind it, so that n additions cost O(n log² n) in all and a
/// question O(log² n) for each of O(log n) runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeDeletes {
    runs: Vec<Arc<Run>>,
}

/// A stretch of keys around one that was asked for, over which one range delete is the newest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Coverage {
    /// First key; `None` is before all keys.
    pub(crate) start: Option<Bytes>,
    /// First key behind; `None` is behind all keys. What is covered has a start and an end.
    pub(crate) end: Option<Bytes>,
    /// Number of the newest range delete that is not above what was asked for.
    pub(crate) newest: Option<Sequence>,
}

impl RangeDeletes {
    /// Those given, in any order.
    pub(crate) fn from_tombstones(originals: Vec<RangeDelete>) -> Self {
        let runs = if originals.is_empty() { Vec::new() } else { vec![Arc::new(Run::new(originals))] };
        RangeDeletes { runs }
    }

    /// These and one more.
    pub(crate) fn with(&self, original: RangeDelete) -> Self {
        let mut runs = self.runs.clone();
        let mut originals = vec![original];
        while let Some(run) = runs.pop_if(|run| run.originals.len() <= originals.len()) {
            originals.extend_from_slice(&run.originals);
        }
        runs.push(Arc::new(Run::new(originals)));
        RangeDeletes { runs }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Estimate of what one costs: its borders and notes.
    pub(crate) const BYTES_EACH: usize = 512;

    pub(crate) fn len(&self) -> usize {
        self.runs.iter().map(|run| run.originals.len()).sum()
    }

    /// As they were written, in no order.
    pub(crate) fn originals(&self) -> impl Iterator<Item = &RangeDelete> {
        self.runs.iter().flat_map(|run| &run.originals)
    }

    /// Number of the newest range delete over `key` that is not above `max`.
    pub(crate) fn covering(&self, key: &[u8], max: Sequence) -> Option<Sequence> {
        self.runs.iter().filter_map(|run| run.newest(run.interval(key)?, max)).max()
    }

    /// The same, and how far it holds.
    fn coverage(&self, key: &[u8], max: Sequence) -> Coverage {
        self.runs.iter().map(|run| run.coverage(key, max)).fold(Coverage::default(), Coverage::intersect)
    }
}

impl Coverage {
    /// What all of `sources` say about `key`.
    pub(crate) fn of(sources: &[Arc<RangeDeletes>], key: &[u8], max: Sequence) -> Self {
        sources.iter().map(|source| source.coverage(key, max)).fold(Coverage::default(), Coverage::intersect)
    }

    /// True if this says something about `key`.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.start.as_ref().is_none_or(|start| start[..] <= *key)
            && self.end.as_ref().is_none_or(|end| *key < end[..])
    }

    /// The range delete that hides the entry of this number, if one does.
    pub(crate) fn hides(&self, sequence: Sequence) -> Option<Sequence> {
        self.newest.filter(|newest| *newest > sequence)
    }

    /// What both say, for the keys that both speak of.
    fn intersect(self, other: Coverage) -> Coverage {
        let end = match (self.end, other.end) {
            (Some(end), Some(other)) => Some(end.min(other)),
            (end, other) => end.or(other),
        };
        Coverage { start: self.start.max(other.start), end, newest: self.newest.max(other.newest) }
    }
}

/// A segment tree: the borders of all ranges cut the keys into intervals, the leaves; each range is noted at
/// the O(log n) nodes that together span it. A list for each interval would take quadratic space where
/// ranges overlap deeply.
#[derive(Debug)]
struct Run {
    /// Newest first.
    originals: Vec<RangeDelete>,
    /// Starts and ends, ascending, each once. Interval i is from border i to border i + 1.
    borders: Vec<Bytes>,
    /// Numbers noted at each node, newest first. Node 1 is the root, beneath n are 2n and 2n + 1, and
    /// interval i is leaf `borders.len() + i`.
    nodes: Vec<Vec<Sequence>>,
}

impl Run {
    fn new(mut originals: Vec<RangeDelete>) -> Self {
        // Stable, because what `with` puts together is in order already, and then this is one pass.
        originals.sort_by_key(|(.., sequence)| Reverse(*sequence));
        let mut borders: Vec<Bytes> =
            originals.iter().flat_map(|(start, end, _)| [start.clone(), end.clone()]).collect();
        borders.sort_unstable();
        borders.dedup();
        let mut nodes = vec![Vec::new(); borders.len() * 2];
        for range_delete in &originals {
            note(&mut nodes, &borders, range_delete);
        }
        Run { originals, borders, nodes }
    }

    /// Number of the interval of `key`; `None` before the first border.
    fn interval(&self, key: &[u8]) -> Option<usize> {
        self.borders.partition_point(|border| border[..] <= *key).checked_sub(1)
    }

    /// The newest number over an interval that is not above `max`.
    fn newest(&self, interval: usize, max: Sequence) -> Option<Sequence> {
        let newest = |node: usize| {
            let numbers = &self.nodes[node];
            numbers.get(numbers.partition_point(|number| *number > max)).copied()
        };
        let up = std::iter::successors(Some(interval + self.borders.len()), |node| Some(node / 2));
        up.take_while(|node| *node > 0).filter_map(newest).max()
    }

    fn coverage(&self, key: &[u8], max: Sequence) -> Coverage {
        let interval = self.interval(key);
        Coverage {
            start: interval.map(|interval| self.borders[interval].clone()),
            end: self.borders.get(interval.map_or(0, |interval| interval + 1)).cloned(),
            newest: interval.and_then(|interval| self.newest(interval, max)),
        }
    }
}

/// Notes a range delete at the fewest nodes that span its intervals.
fn note(nodes: &mut [Vec<Sequence>], borders: &[Bytes], (start, end, sequence): &RangeDelete) {
    let leaf = |key| borders.binary_search(key).expect("every start and end is a border") + borders.len();
    let (mut low, mut high) = (leaf(start), leaf(end));
    while low < high {
        if low % 2 == 1 {
            nodes[low].push(*sequence);
            low += 1;
        }
        if high % 2 == 1 {
            high -= 1;
            nodes[high].push(*sequence);
        }
        low /= 2;
        high /= 2;
    }
}

#[cfg(test)]
impl RangeDeletes {
    /// What it took to make this out of `before`: range deletes copied and notes made, in runs that `before`
    /// does not have.
    pub(crate) fn work_since(&self, before: &RangeDeletes) -> usize {
        let is_new = |run: &&Arc<Run>| !before.runs.iter().any(|old| Arc::ptr_eq(old, run));
        let work = |run: &Arc<Run>| run.originals.len() + run.nodes.iter().map(Vec::len).sum::<usize>();
        self.runs.iter().filter(is_new).map(work).sum()
    }

    /// Nodes that a question looks at, at most.
    pub(crate) fn nodes_per_question(&self) -> usize {
        self.runs.iter().map(|run| run.nodes.len().ilog2() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Random;

    fn key(number: u64) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    fn grown(originals: &[RangeDelete]) -> RangeDeletes {
        originals.iter().fold(RangeDeletes::default(), |all, original| all.with(original.clone()))
    }

    #[test]
    fn answers_are_those_of_the_originals() {
        for seed in 1..200 {
            let mut random = Random::new(seed);
            let originals: Vec<RangeDelete> = (1..=random.below(12) as u64)
                .map(|sequence| {
                    let start = random.below(20) as u64;
                    (key(start), key(start + 1 + random.below(8) as u64), sequence)
                })
                .collect();
            let built = RangeDeletes::from_tombstones(originals.clone());
            let grown = grown(&originals);
            assert_eq!((built.len(), grown.len()), (originals.len(), originals.len()));
            for number in 0..30 {
                for max in 0..13 {
                    let covers = |(start, end, sequence): &&RangeDelete| {
                        *start <= key(number) && key(number) < *end && *sequence <= max
                    };
                    let expected = originals.iter().filter(covers).map(|(.., sequence)| *sequence).max();
                    for range_deletes in [&built, &grown] {
                        assert_eq!(
                            range_deletes.covering(&key(number), max),
                            expected,
                            "seed {seed}, key {number}, up to {max}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_coverage_holds_for_all_of_its_keys() {
        for seed in 1..200 {
            let mut random = Random::new(seed);
            let mut originals = vec![Vec::new(); 3];
            for sequence in 1..=random.below(15) as u64 {
                let start = random.below(20) as u64;
                let end = start + 1 + random.below(8) as u64;
                originals[random.below(3)].push((key(start), key(end), sequence));
            }
            let sources: Vec<_> = originals.iter().map(|originals| Arc::new(grown(originals))).collect();
            let max = random.below(17) as u64;
            let newest = |number| sources.iter().filter_map(|s| s.covering(&key(number), max)).max();
            for number in 0..30 {
                let coverage = Coverage::of(&sources, &key(number), max);
                assert!(coverage.contains(&key(number)), "seed {seed}");
                assert!(coverage.newest.is_none() || coverage.start.is_some() && coverage.end.is_some());
                for other in (0..30).filter(|other| coverage.contains(&key(*other))) {
                    assert_eq!(newest(other), coverage.newest, "seed {seed}, keys {number} and {other}");
                }
            }
        }
    }

    #[test]
    fn pieces_do_not_overlap_and_neighbours_meet() {
        let originals = vec![(key(0), key(9), 1), (key(3), key(5), 2), (key(5), key(7), 3)];
        let range_deletes = [Arc::new(RangeDeletes::from_tombstones(originals))];
        let mut pieces = Vec::new();
        let mut at = key(0);
        while let Coverage { start: Some(start), end: Some(end), newest: Some(newest) } =
            Coverage::of(&range_deletes, &at, Sequence::MAX)
        {
            pieces.push((start[7], end[7], newest));
            at = end;
        }
        assert_eq!(pieces, [(0, 3, 1), (3, 5, 2), (5, 7, 3), (7, 9, 1)]);
    }

    #[test]
    fn deep_overlap_takes_little_space() {
        // Each range within the one before: pieces number 20 000, and lists of what lies over each would hold
        // 100 000 000 numbers.
        let nested = (1..=10_000).map(|number| (key(number), key(30_000 - number), number)).collect();
        let range_deletes = RangeDeletes::from_tombstones(nested);
        let work = range_deletes.work_since(&RangeDeletes::default());
        assert!(work < 10_000 * 32, "{work} notes");
        assert_eq!(range_deletes.covering(&key(15_000), 7_000), Some(7_000));
        assert_eq!(range_deletes.covering(&key(5_000), Sequence::MAX), Some(5_000));
    }
}
