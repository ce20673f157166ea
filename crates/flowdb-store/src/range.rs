//! Ranges of keys, as callers ask for them.

use bytes::Bytes;
use std::ops::Bound;

/// Which keys are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRange {
    /// Those that begin with these bytes; all for the empty prefix.
    Prefix(Bytes),
    /// Those between two bounds. An inverted range holds no key.
    Between(Bound<Bytes>, Bound<Bytes>),
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        KeyRange::Between(Bound::Unbounded, Bound::Unbounded)
    }
}

/// The bounds of all byte strings that begin with `prefix`.
pub(crate) fn prefix_bounds(prefix: &[u8]) -> (Bound<Bytes>, Bound<Bytes>) {
    let lower = Bound::Included(Bytes::copy_from_slice(prefix));
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX);
    let upper = kept.map_or(Bound::Unbounded, |last| {
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        Bound::Excluded(Bytes::from(end))
    });
    (lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_before_the_next_one() {
        let upper = |prefix: &[u8]| prefix_bounds(prefix).1;
        assert_eq!(upper(b"ab"), Bound::Excluded(Bytes::from_static(b"ac")));
        assert_eq!(upper(b"a\xff\xff"), Bound::Excluded(Bytes::from_static(b"b")));
        assert_eq!(upper(b"\xff"), Bound::Unbounded);
        assert_eq!(upper(b""), Bound::Unbounded);
    }
}
