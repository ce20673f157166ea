//! Which transactions may run: scopes are locked in the order in which transactions were created.
//!
//! <https://w3c.github.io/IndexedDB/#transaction-scheduling>: a transaction starts when no earlier unfinished
//! one of the same database overlaps with its scope, unless both only read. Version change transactions are
//! not scheduled: the connection queue lets one begin when nothing else is open.

use super::TransactionId;
use std::collections::{BTreeMap, VecDeque};

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
    /// Read, write, and change the schema. Begun by the connection queue only.
    VersionChange,
}

/// An object store of a database: (database id, store id).
pub(crate) type Scope = (u32, u32);

/// The transactions that run or wait, by what they have in their scope.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    queues: BTreeMap<Scope, Queue>,
    transactions: BTreeMap<TransactionId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    scopes: Vec<Scope>,
    /// Scopes whose queue has not let it through yet; it runs at 0.
    missing: usize,
}

/// The transactions that have one store in their scope, oldest first. Those let through are always the first
/// `granted` ones: either some readers or a single writer.
#[derive(Debug, Default)]
struct Queue {
    transactions: VecDeque<(TransactionId, Mode)>,
    granted: usize,
}

impl Queue {
    /// Lets the next one through, if it may.
    fn grant_next(&mut self) -> Option<TransactionId> {
        let &(id, mode) = self.transactions.get(self.granted)?;
        let readers_only = self.transactions.front().is_some_and(|&(_, first)| first == Mode::ReadOnly);
        if self.granted > 0 && (mode != Mode::ReadOnly || !readers_only) {
            return None;
        }
        self.granted += 1;
        Some(id)
    }

    fn remove(&mut self, id: TransactionId) {
        if let Some(position) = self.transactions.iter().position(|&(other, _)| other == id) {
            self.transactions.remove(position);
            if position < self.granted {
                self.granted -= 1;
            }
        }
    }
}

impl Scheduler {
    /// Queues a new transaction. True if it may start at once.
    pub(crate) fn add(&mut self, id: TransactionId, mode: Mode, mut scopes: Vec<Scope>) -> bool {
        scopes.sort_unstable();
        scopes.dedup();
        let mut missing = scopes.len();
        for &scope in &scopes {
            let queue = self.queues.entry(scope).or_default();
            queue.transactions.push_back((id, mode));
            if queue.grant_next().is_some() {
                missing -= 1;
            }
        }
        self.transactions.insert(id, Waiting { scopes, missing });
        missing == 0
    }

    /// True if no transaction has this in its scope.
    pub(crate) fn is_free(&self, scope: Scope) -> bool {
        !self.queues.contains_key(&scope)
    }

    /// Takes a transaction out, started or not, and answers the ones that may start now, oldest first.
    pub(crate) fn finish(&mut self, id: TransactionId) -> Vec<TransactionId> {
        let Some(finished) = self.transactions.remove(&id) else { return Vec::new() };
        let mut started = Vec::new();
        for scope in finished.scopes {
            let Some(queue) = self.queues.get_mut(&scope) else { continue };
            queue.remove(id);
            while let Some(next) = queue.grant_next() {
                if let Some(waiting) = self.transactions.get_mut(&next) {
                    waiting.missing -= 1;
                    if waiting.missing == 0 {
                        started.push(next);
                    }
                }
            }
            if queue.transactions.is_empty() {
                self.queues.remove(&scope);
            }
        }
        started
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mode::{ReadOnly, ReadWrite};

    fn scopes(stores: &[u32]) -> Vec<Scope> {
        stores.iter().map(|&store| (1, store)).collect()
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        let mut scheduler = Scheduler::default();
        assert!(scheduler.add(1, ReadOnly, scopes(&[1])));
        assert!(scheduler.add(2, ReadOnly, scopes(&[1])));
        assert!(!scheduler.add(3, ReadWrite, scopes(&[1])));
        assert!(!scheduler.add(4, ReadOnly, scopes(&[1])), "a reader does not overtake a writer");
        assert!(scheduler.finish(1).is_empty());
        assert_eq!(scheduler.finish(2), [3]);
        assert_eq!(scheduler.finish(3), [4]);
        assert!(scheduler.finish(4).is_empty());
        assert!(scheduler.queues.is_empty() && scheduler.transactions.is_empty());
    }

    #[test]
    fn a_waiting_writer_blocks_its_whole_scope() {
        let mut scheduler = Scheduler::default();
        assert!(scheduler.add(1, ReadWrite, scopes(&[1])));
        assert!(!scheduler.add(2, ReadWrite, scopes(&[2, 1, 2])));
        assert!(!scheduler.add(3, ReadWrite, scopes(&[2])), "2 was created before");
        assert!(scheduler.add(4, ReadWrite, scopes(&[3])));
        assert_eq!(scheduler.finish(1), [2]);
        assert_eq!(scheduler.finish(2), [3]);
    }

    #[test]
    fn one_that_never_started_can_leave() {
        let mut scheduler = Scheduler::default();
        assert!(scheduler.add(1, ReadOnly, scopes(&[1])));
        assert!(!scheduler.add(2, ReadWrite, scopes(&[1])));
        assert!(!scheduler.add(3, ReadOnly, scopes(&[1])));
        assert_eq!(scheduler.finish(2), [3]);
        assert!(scheduler.finish(2).is_empty(), "finishing again does nothing");
    }

    #[test]
    fn databases_and_empty_scopes_do_not_meet() {
        let mut scheduler = Scheduler::default();
        assert!(scheduler.add(1, ReadWrite, vec![(1, 1)]));
        assert!(scheduler.add(2, ReadWrite, vec![(2, 1)]));
        assert!(scheduler.add(3, ReadWrite, Vec::new()));
    }

    /// Random transactions against the rule as the standard states it.
    #[test]
    fn agrees_with_the_rule() {
        for seed in 1..200u64 {
            let mut random = crate::document::testing::Random::new(seed);
            let mut scheduler = Scheduler::default();
            let mut model: Vec<(TransactionId, Mode, Vec<Scope>, bool)> = Vec::new();
            for id in 1..60 {
                if !model.is_empty() && random.one_in(2) {
                    let position = random.below(model.len());
                    let (gone, ..) = model.remove(position);
                    let mut started = scheduler.finish(gone);
                    started.sort_unstable();
                    assert_eq!(started, start_by_rule(&mut model), "seed {seed}");
                }
                let mode = if random.one_in(2) { ReadOnly } else { ReadWrite };
                let scope: Vec<Scope> = (1..4).filter(|_| random.one_in(2)).map(|store| (1, store)).collect();
                model.push((id, mode, scope.clone(), false));
                let expected = start_by_rule(&mut model);
                assert_eq!(scheduler.add(id, mode, scope), expected == [id], "seed {seed}");
            }
        }
    }

    fn start_by_rule(model: &mut [(TransactionId, Mode, Vec<Scope>, bool)]) -> Vec<TransactionId> {
        let mut started = Vec::new();
        for position in 0..model.len() {
            let (earlier, rest) = model.split_at_mut(position);
            let (id, mode, scopes, running) = &mut rest[0];
            let blocked = earlier.iter().any(|(_, other, others, _)| {
                (*mode == ReadWrite || *other == ReadWrite)
                    && scopes.iter().any(|scope| others.contains(scope))
            });
            if !*running && !blocked {
                *running = true;
                started.push(*id);
            }
        }
        started
    }
}
