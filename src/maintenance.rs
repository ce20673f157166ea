//! Maintenance of all stores of the process, in slices on libuv's pool.
//!
//! At most one slice is queued or running at a time, whoever owns the stores, so that `fs`, `dns` and
//! `crypto` keep their threads. The end of a slice asks an environment for the next one through its channel,
//! which does not keep the process alive: a program that is done may end between two slices.

use crate::environment;
use crate::timer;
use flowdb_engine::Maintenance;
use flowdb_store::{Store, Waker};
use napi::{Env, Task};
use napi_derive::napi;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Long enough that switching costs little, short enough that a pool thread is soon free again and that
/// ending a worker or the process does not wait for long.
const SLICE: Duration = Duration::from_millis(25);
/// How long to leave a store alone whose maintenance failed, for instance because the disk is full.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

static SCHEDULE: Mutex<Schedule> = Mutex::new(Schedule { waiting: VecDeque::new(), running: false });
/// The process is ending: no further slice.
static STOPPED: AtomicBool = AtomicBool::new(false);

struct Schedule {
    /// Stores that have work, each once.
    waiting: VecDeque<Weak<Store>>,
    /// A slice is queued or running.
    running: bool,
}

impl Schedule {
    fn add(&mut self, store: &Weak<Store>) {
        if !self.waiting.iter().any(|other| other.ptr_eq(store)) {
            self.waiting.push_back(store.clone());
        }
    }
}

/// Takes note of stores that have work.
#[derive(Debug)]
pub(crate) struct Scheduler;

impl Waker for Scheduler {
    fn wake(&self, store: &Weak<Store>) {
        let running = {
            let mut schedule = SCHEDULE.lock();
            schedule.add(store);
            schedule.running
        };
        // A running slice looks for more by itself.
        if !running {
            environment::notify();
        }
    }
}

/// True if a store waits for a slice.
pub(crate) fn is_waiting() -> bool {
    !SCHEDULE.lock().waiting.is_empty()
}

/// Queues a slice, if there is work and no slice is on its way. On a JS thread.
pub(crate) fn start_slice(env: &Env) {
    {
        let mut schedule = SCHEDULE.lock();
        if schedule.running || schedule.waiting.is_empty() || STOPPED.load(Ordering::Relaxed) {
            return;
        }
        schedule.running = true;
    }
    if env.spawn(Slice).is_err() {
        // The environment is going down; its cleanup hook finds someone else.
        SCHEDULE.lock().running = false;
    }
}

/// Called by the JS `exit` listener of the main thread: `process.exit()` waits for queued work, so there
/// should be no more of it.
#[napi]
pub fn stop_maintenance() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// The process did not exit after all.
#[napi]
pub fn resume_maintenance() {
    let is_waiting = {
        let schedule = SCHEDULE.lock();
        STOPPED.store(false, Ordering::Relaxed);
        !schedule.waiting.is_empty()
    };
    if is_waiting {
        environment::notify();
    }
}

/// The same for each environment that has this copy of the library, and another for any other copy
/// in the process.
#[napi]
pub fn library_id() -> String {
    format!("{:p}", &STOPPED)
}

/// The store that waited longest gets one slice.
struct Slice;

impl Task for Slice {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        let next = || SCHEDULE.lock().waiting.pop_front();
        if let Some(store) = (!STOPPED.load(Ordering::Relaxed)).then(next).flatten() {
            work_on(&store, SLICE);
        }
        // Here and not in the completion, which the death of the environment may prevent from doing anything.
        let more = {
            let mut schedule = SCHEDULE.lock();
            schedule.running = false;
            !schedule.waiting.is_empty()
        };
        if more {
            environment::notify();
        }
        Ok(())
    }

    fn resolve(&mut self, _: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}

/// Has one step of maintenance done on the thread of the timer, and the rest, if there is more, in
/// slices: what is due by the clock, the sync of the log above all, must not wait for an event loop that
/// is kept busy.
pub(crate) fn on_alarm(store: &Weak<Store>) {
    {
        let mut schedule = SCHEDULE.lock();
        if STOPPED.load(Ordering::Relaxed) {
            // For the case that the process does not exit.
            schedule.add(store);
            return;
        }
    }
    work_on(store, Duration::ZERO);
}

fn work_on(store: &Weak<Store>, budget: Duration) {
    let Some(open) = store.upgrade() else {
        return;
    };
    match catch_unwind(AssertUnwindSafe(|| open.db().maintain(budget))) {
        Ok(Ok(Maintenance::Idle)) => {}
        Ok(Ok(Maintenance::More)) => Scheduler.wake(store),
        Ok(Ok(Maintenance::Later(delay))) => timer::alarm_after(delay, store),
        Ok(Err(error)) => {
            tracing::warn!(%error, "maintenance failed");
            timer::alarm_after(PAUSE_AFTER_FAILURE, store);
        }
        Err(_) => tracing::error!("a bug in flowdb: maintenance panicked; this store gets no more of it"),
    }
}
