//! Counters that many threads raise at once, each at the price of an ordinary addition.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stripes of a set of counters. One is for all threads that have none of their own.
const STRIPES: usize = 32;
const SHARED: usize = 0;

/// The stripes that threads of this process have, as bits.
static TAKEN: Mutex<u32> = Mutex::new(1 << SHARED);

thread_local! {
    static CLAIM: Claim = Claim::new();
}

/// A thread's stripe, the same one in all sets of counters. The lock makes what the last owner wrote visible
/// to the next one.
struct Claim(usize);

impl Claim {
    fn new() -> Self {
        let mut taken = TAKEN.lock();
        match taken.trailing_ones() as usize {
            STRIPES => Claim(SHARED),
            free => {
                *taken |= 1 << free;
                Claim(free)
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.0 != SHARED {
            *TAKEN.lock() &= !(1 << self.0);
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// For a caller that is the only one to change the counter: by a lock, or because the stripe is its own.
    /// No locked instruction is needed then, and no addition is lost.
    pub(crate) fn add_alone(&self, count: u64) {
        self.0.store(self.get().wrapping_add(count), Ordering::Relaxed);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A set of counters `T`, once for each stripe.
#[derive(Debug)]
pub(crate) struct Striped<T>(Box<[Stripe<T>]>);

/// Two cache lines, since processors fetch them in pairs: threads do not take each other's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe<T>(T);

impl<T: Default> Default for Striped<T> {
    fn default() -> Self {
        Striped((0..STRIPES).map(|_| Stripe::default()).collect())
    }
}

impl<T> Striped<T> {
    /// The counters that this thread raises.
    pub(crate) fn local(&self) -> Local<'_, T> {
        // A thread that is ending has given its stripe back.
        let index = CLAIM.try_with(|claim| claim.0).unwrap_or(SHARED);
        Local { counters: &self.0[index].0, is_shared: index == SHARED }
    }

    /// One of the counters, over all threads.
    pub(crate) fn sum(&self, counter: impl Fn(&T) -> &Counter) -> u64 {
        self.0.iter().fold(0, |sum, stripe| sum.wrapping_add(counter(&stripe.0).get()))
    }
}

/// The counters of one thread.
#[derive(Debug)]
pub(crate) struct Local<'a, T> {
    counters: &'a T,
    is_shared: bool,
}

impl<T> Local<'_, T> {
    /// Raises one of them by `count`. Gives back what it was.
    pub(crate) fn add(&self, counter: impl Fn(&T) -> &Counter, count: u64) -> u64 {
        let counter = counter(self.counters);
        let before = counter.get();
        if self.is_shared {
            counter.add(count)
        } else {
            counter.add_alone(count)
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    #[test]
    fn no_addition_is_lost_with_more_threads_than_stripes() {
        let counters = Arc::new(Striped::<Counter>::default());
        for _ in 0..3 {
            let start = Arc::new(Barrier::new(STRIPES + 8));
            let threads: Vec<_> = (0..STRIPES + 8)
                .map(|_| {
                    let (counters, start) = (Arc::clone(&counters), Arc::clone(&start));
                    std::thread::spawn(move || {
                        start.wait();
                        (0..1_000).for_each(|_| {
                            counters.local().add(|counter| counter, 1);
                        });
                        // All are alive until all are done: the later ones have no stripe of their own.
                        start.wait();
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
        assert_eq!(counters.sum(|counter| counter), 3 * 1_000 * (STRIPES as u64 + 8));
    }
}
