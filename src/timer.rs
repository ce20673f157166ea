//! Looks after stores at a later time. A thread of its own, because JS timers die with their environment and
//! can be faked by test tools.

use crate::maintenance;
use flowdb_engine::{Clock, SystemClock};
use flowdb_store::Store;
use parking_lot::{Condvar, Mutex};
use std::sync::{LazyLock, Weak};
use std::time::Duration;

static ALARMS: Mutex<Alarms> = Mutex::new(Alarms { pending: Vec::new(), running: false });
static CHANGED: Condvar = Condvar::new();
static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::default);

struct Alarms {
    /// In no order: there is one for each open store at most.
    pending: Vec<Alarm>,
    /// The thread is there. It ends when nothing is pending.
    running: bool,
}

struct Alarm {
    /// Of the monotonic clock.
    due: Duration,
    store: Weak<Store>,
}

/// Has [`maintenance::on_alarm`] called for `store` after `delay`; an earlier alarm of the same store stays
/// as it is.
pub(crate) fn alarm_after(delay: Duration, store: &Weak<Store>) {
    let due = CLOCK.monotonic().saturating_add(delay);
    let mut alarms = ALARMS.lock();
    match alarms.pending.iter_mut().find(|alarm| alarm.store.ptr_eq(store)) {
        Some(alarm) => alarm.due = alarm.due.min(due),
        None => alarms.pending.push(Alarm { due, store: store.clone() }),
    }
    if alarms.running {
        CHANGED.notify_one();
        return;
    }
    match std::thread::Builder::new().name("flowdb-timer".to_owned()).spawn(run) {
        Ok(_) => alarms.running = true,
        Err(error) => tracing::warn!(%error, "no thread for timers: maintenance waits for the next write"),
    }
}

fn run() {
    while let Some(store) = next() {
        maintenance::on_alarm(&store);
    }
}

/// Waits for the next alarm. `None`, and the thread is done, if there is none.
fn next() -> Option<Weak<Store>> {
    let mut alarms = ALARMS.lock();
    loop {
        let first = (0..alarms.pending.len()).min_by_key(|index| alarms.pending[*index].due);
        let Some(first) = first else {
            alarms.running = false;
            return None;
        };
        let wait = alarms.pending[first].due.saturating_sub(CLOCK.monotonic());
        if wait.is_zero() {
            return Some(alarms.pending.swap_remove(first).store);
        }
        CHANGED.wait_for(&mut alarms, wait);
    }
}
