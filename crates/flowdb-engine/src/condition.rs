//! What a write depends on: keys that nobody has written to since they were read.

use crate::commit::CommitState;
use crate::error::{Error, ErrorKind, Result};
use crate::format::NEVER;
use crate::inner::Inner;
use crate::key::{Sequence, TreeId};
use crate::options::ReadTier;
use crate::snapshot::Snapshot;
use bytes::Bytes;
use parking_lot::MutexGuard;

/// A key that was read from a snapshot and that a write depends on. See [`crate::Db::write_if`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Where the key is.
    pub tree: TreeId,
    /// The key, whether it was found or not.
    pub key: Bytes,
    /// Expiry of the entry that was found, microseconds since the epoch: what has expired by the time of the
    /// write is not what was read. [`NEVER`] if nothing was found.
    pub expiry: i64,
}

/// Conditions and the moment from which on they hold; by default there are none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guard<'a> {
    since: Sequence,
    conditions: &'a [Condition],
}

impl Inner {
    /// Conditions as of `snapshot`, if they are ones that can be checked.
    pub(crate) fn guard<'a>(&self, snapshot: &Snapshot, conditions: &'a [Condition]) -> Result<Guard<'a>> {
        if !snapshot.is_of(&self.snapshots) {
            return Err(Error::invalid("the snapshot is one of another database"));
        }
        conditions.iter().try_for_each(|condition| self.tree(condition.tree).map(drop))?;
        Ok(Guard { since: snapshot.sequence(), conditions })
    }

    /// Fails with `Conflict` unless all conditions hold. The commit lock is what keeps them true until the
    /// commit is done.
    pub(crate) fn check(&self, guard: Guard<'_>, _: &MutexGuard<'_, CommitState>) -> Result<()> {
        let Guard { since, conditions } = guard;
        if conditions.is_empty() || self.snapshots.visible() == since {
            return self.check_expiry(conditions);
        }
        for Condition { tree, key, .. } in conditions {
            let found_in = self.tree(*tree)?;
            // The view first: what is gone from a later one is known to be forgotten.
            let view = found_in.view();
            // Where the block is not in memory, or damaged, which the next read will say, nobody knows.
            let is_changed = view.changed_since(key, since, ReadTier::Memory).unwrap_or(true);
            if is_changed || found_in.may_have_forgotten(key, since) {
                return Err(conflict(*tree, "was written to after the snapshot was taken"));
            }
        }
        self.check_expiry(conditions)
    }

    fn check_expiry(&self, conditions: &[Condition]) -> Result<()> {
        let first = conditions.iter().min_by_key(|condition| condition.expiry);
        // Most entries never expire: no clock is asked for them.
        match first.filter(|first| first.expiry != NEVER && first.expiry <= self.now()) {
            Some(expired) => Err(conflict(expired.tree, "has expired since it was read")),
            None => Ok(()),
        }
    }
}

fn conflict(tree: TreeId, what: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("a key of tree {} {what}", tree.0))
}
