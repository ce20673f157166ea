//! What a handle's readers, scans and aggregations hold: moments that keep old versions, in memory and on
//! disk. They let go of them when the handle is closed, which others may outlive; the garbage collector,
//! which would have them dropped, comes when it likes.

use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// Those that are gone are looked for once there are so many more.
const TIDY_MIN: usize = 64;

/// Something that holds a moment.
pub(crate) trait Hold: Send + Sync {
    /// Lets go of it. What a worker is reading is finished first, by the worker. Never waits.
    fn let_go(&self);
}

/// Those of one handle.
#[derive(Default)]
pub(crate) struct Holds(Mutex<State>);

#[derive(Default)]
struct State {
    holds: Vec<Weak<dyn Hold>>,
    tidy_at: usize,
}

impl Holds {
    /// Has `hold` let go when the handle is closed, if it is still there.
    pub(crate) fn add<T: Hold + 'static>(&self, hold: &Arc<T>) {
        let hold: Weak<T> = Arc::downgrade(hold);
        let mut state = self.0.lock();
        if state.holds.len() >= state.tidy_at.max(TIDY_MIN) {
            state.holds.retain(|hold| hold.strong_count() > 0);
            state.tidy_at = 2 * state.holds.len();
        }
        state.holds.push(hold);
    }

    /// The handle is closed.
    pub(crate) fn let_go(&self) {
        let holds = std::mem::take(&mut self.0.lock().holds);
        holds.iter().filter_map(Weak::upgrade).for_each(|hold| hold.let_go());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    impl Hold for AtomicBool {
        fn let_go(&self) {
            self.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_still_there_lets_go_and_what_is_gone_takes_no_room() {
        let holds = Holds::default();
        let kept: Vec<_> = (0..10).map(|_| Arc::new(AtomicBool::new(false))).collect();
        kept.iter().for_each(|hold| holds.add(hold));
        for _ in 0..10_000 {
            holds.add(&Arc::new(AtomicBool::new(false)));
        }
        assert!(holds.0.lock().holds.len() <= TIDY_MIN);
        holds.let_go();
        assert!(kept.iter().all(|hold| hold.load(Ordering::Relaxed)));
        assert!(holds.0.lock().holds.is_empty());
    }
}
