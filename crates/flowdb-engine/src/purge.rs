//! Expired entries that were dropped: what was written before stays expired, whatever the clock says since.

use crate::format::NEVER;
use crate::key::Sequence;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// More than one is noted only if the clock was set back between them.
const NOTES_MAX: usize = 8;

/// The times by which expired entries were dropped, and up to which number there was something to drop.
///
/// A clock that was wrong, and right again, must not decide over what is written later: hence the number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Purges {
    /// Times descend, numbers ascend.
    notes: Vec<Purge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purge {
    /// What had expired by then may be gone, microseconds since the epoch.
    pub(crate) time: i64,
    /// Newer operations are not concerned.
    pub(crate) up_to: Sequence,
}

impl Purges {
    /// Notes a purge. The numbers of one after the other do not descend.
    pub(crate) fn note(&mut self, purge: Purge) {
        let says_more = |last: &Purge| last.time >= purge.time && last.up_to >= purge.up_to;
        if self.notes.last().is_some_and(says_more) {
            return;
        }
        while self.notes.last().is_some_and(|last| last.time <= purge.time) {
            self.notes.pop();
        }
        self.notes.push(purge);
        if self.notes.len() > NOTES_MAX {
            self.notes.remove(0);
        }
    }

    pub(crate) fn notes(&self) -> &[Purge] {
        &self.notes
    }

    fn latest_time(&self) -> i64 {
        self.notes.first().map_or(i64::MIN, |purge| purge.time)
    }

    /// By when what has expired may be gone, of what was written with this number.
    fn time_of(&self, sequence: Sequence) -> i64 {
        self.notes.iter().find(|purge| sequence <= purge.up_to).map_or(i64::MIN, |purge| purge.time)
    }
}

/// What all readers look at.
#[derive(Debug)]
pub(crate) struct SharedPurges {
    latest_time: AtomicI64,
    all: RwLock<Arc<Purges>>,
}

impl SharedPurges {
    pub(crate) fn new(purges: &Purges) -> Self {
        SharedPurges {
            latest_time: AtomicI64::new(purges.latest_time()),
            all: RwLock::new(Arc::new(purges.clone())),
        }
    }

    /// Comes before a view in which something is gone.
    pub(crate) fn publish(&self, purges: &Purges) {
        if **self.all.read() != *purges {
            *self.all.write() = Arc::new(purges.clone());
            self.latest_time.store(purges.latest_time(), Ordering::Release);
        }
    }

    /// For a reader whose clock says `clock`, and who has its view already.
    pub(crate) fn now(&self, clock: i64) -> Now {
        let is_behind = self.latest_time.load(Ordering::Acquire) > clock;
        Now { clock, purges: is_behind.then(|| Arc::clone(&self.all.read())) }
    }
}

/// The time by which a reader judges expiry.
#[derive(Debug, Clone)]
pub(crate) struct Now {
    clock: i64,
    /// Those that are later than the clock's time, if there are any.
    purges: Option<Arc<Purges>>,
}

impl Now {
    /// True if what was written with this number has expired.
    pub(crate) fn is_past(&self, expiry: i64, sequence: Sequence) -> bool {
        if expiry == NEVER {
            return false;
        }
        expiry <= self.clock || self.purges.as_ref().is_some_and(|purges| expiry <= purges.time_of(sequence))
    }
}

#[cfg(test)]
impl From<i64> for Now {
    fn from(clock: i64) -> Self {
        Now { clock, purges: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purges(notes: &[(i64, Sequence)]) -> Purges {
        let mut purges = Purges::default();
        notes.iter().for_each(|&(time, up_to)| purges.note(Purge { time, up_to }));
        purges
    }

    #[test]
    fn a_later_purge_takes_the_place_of_earlier_ones() {
        assert_eq!(purges(&[(5, 10), (6, 10), (7, 20)]), purges(&[(7, 20)]));
        assert_eq!(purges(&[(7, 20), (7, 20), (6, 20)]), purges(&[(7, 20)]));
    }

    #[test]
    fn a_clock_that_was_ahead_decides_over_what_was_written_until_then() {
        let purges = purges(&[(900, 10), (50, 20), (60, 30)]);
        let now = SharedPurges::new(&purges).now(40);
        assert!(now.is_past(900, 10) && !now.is_past(901, 10));
        assert!(now.is_past(60, 11) && !now.is_past(61, 11), "what came before the clock was set back again");
        assert!(now.is_past(40, 31) && !now.is_past(41, 31), "the reader's clock decides over the rest");
        assert!(!now.is_past(NEVER, 1));
        assert!(SharedPurges::new(&purges).now(900).is_past(899, 31));
    }

    #[test]
    fn what_is_published_is_seen() {
        let shared = SharedPurges::new(&Purges::default());
        assert!(!shared.now(4).is_past(5, 1));
        shared.publish(&purges(&[(5, 1)]));
        assert!(shared.now(4).is_past(5, 1) && !shared.now(4).is_past(5, 2));
    }

    #[test]
    fn a_clock_that_is_set_back_again_and_again_takes_no_more_room() {
        let notes: Vec<_> =
            (1..100_u32).map(|number| (1000 - i64::from(number), u64::from(number))).collect();
        let purges = purges(&notes);
        assert_eq!(purges.notes().len(), NOTES_MAX);
        assert_eq!(purges.notes().last(), Some(&Purge { time: 901, up_to: 99 }));
    }
}
