//! Ranges of keys, as callers ask for them.

use bytes::Bytes;
use flowdb_engine::{Db, ReadOptions, Result, TreeId};
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

    /// The only key in it, if it says so.
    pub(crate) fn single(&self) -> Option<&[u8]> {
        match self {
            KeyRange::Between(Bound::Included(first), Bound::Included(last)) if first == last => Some(first),
            _ => None,
        }
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

/// Keys from here on are rare: see [`deleted_range`].
const TAIL: [u8; 64] = [u8::MAX; 64];

/// Start and end (not included) of the range delete that takes all keys of `tree` away that lie between the
/// bounds; `None` if none does.
///
/// A range delete needs an end, and no key is greater than all others. Where there is no upper bound it ends
/// at [`TAIL`], which hardly any key reaches, or else behind the last key there is now.
pub(crate) fn deleted_range(
    db: &Db,
    tree: TreeId,
    (lower, upper): (Bound<Bytes>, Bound<Bytes>),
) -> Result<Option<(Bytes, Bytes)>> {
    let start = match lower {
        Bound::Included(start) => start,
        Bound::Excluded(before) => behind(&before),
        Bound::Unbounded => Bytes::new(),
    };
    let end = match upper {
        Bound::Included(last) => behind(&last),
        Bound::Excluded(end) => end,
        Bound::Unbounded => {
            let tail = (Bound::Included(Bytes::from_static(&TAIL)), Bound::Unbounded);
            // Those too that are too old to be seen.
            let all = ReadOptions { now: Some(i64::MIN), ..ReadOptions::default() };
            let mut last = db.iter(tree, tail, all)?;
            last.seek_last()?;
            if last.valid() { behind(last.key()) } else { Bytes::from_static(&TAIL) }
        }
    };
    Ok((start < end).then_some((start, end)))
}

/// The next key in order.
fn behind(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
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
