//! What failed in the background, and when it is tried again.

use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::inner::Inner;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Something the engine does besides answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Work {
    /// Writing a memtable to a table.
    Flush,
    /// Beginning a new log segment.
    LogSegment,
    /// Rewriting tables.
    Compaction,
    /// Emptying the log of a database that nobody writes to.
    LogRelease,
    /// Writing a commit to the log.
    LogWrite,
    /// Syncing the log.
    LogSync,
    /// Noting in the manifest which files are live.
    Manifest,
    /// Using the directory, whose path belongs to another database by now.
    Directory,
}

impl Work {
    /// A word for it that stays, for programs: in lower case, with hyphens.
    pub fn name(self) -> &'static str {
        match self {
            Work::Flush => "flush",
            Work::LogSegment => "log-segment",
            Work::Compaction => "compaction",
            Work::LogRelease => "log-release",
            Work::LogWrite => "log-write",
            Work::LogSync => "log-sync",
            Work::Manifest => "manifest",
            Work::Directory => "directory",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::Flush => "a memtable could not be flushed",
            Work::LogSegment => "a log segment could not be begun, or given up",
            Work::Compaction => "tables could not be compacted",
            Work::LogRelease => "the log could not be emptied",
            Work::LogWrite => "the log could not be written",
            Work::LogSync => "the log could not be synced",
            Work::Manifest => "the manifest could not be written",
            Work::Directory => "the directory is another database's",
        })
    }
}

/// A failure that outlasts the call that met it. See [`crate::Db::background_error`].
#[derive(Debug)]
pub struct BackgroundError {
    /// What failed.
    pub work: Work,
    /// Why, when it failed last.
    pub error: Error,
    /// When it failed first, microseconds since the epoch.
    pub since: i64,
    /// True if it is tried again by itself and may go well once the cause is gone; false if the database has
    /// to be reopened, or repaired.
    pub resumes: bool,
}

impl fmt::Display for BackgroundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.work, self.error)
    }
}

/// Pause after the first failure; doubled with each further one.
const RETRY_DELAY_MIN: Duration = Duration::from_secs(1);
/// Longest pause.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(60);

/// The work that fails by itself, each kind apart: a flush without space does not keep a compaction
/// from freeing some.
const REPEATED: [Work; 4] = [Work::Flush, Work::LogSegment, Work::Compaction, Work::LogRelease];

/// What has failed and not yet succeeded.
#[derive(Debug, Default)]
pub(crate) struct Background {
    /// In the order of `REPEATED`. Its lock is held for moments only.
    failures: Mutex<[Option<Failure>; REPEATED.len()]>,
    /// Any of them is there. To be looked at without the lock.
    has_failures: AtomicBool,
    /// A flush found no space: what is left is kept for the compaction that frees some, and no write
    /// makes it less.
    stops_writes: AtomicBool,
    /// The failure that only reopening ends. The first stays.
    fatal: Mutex<Option<Arc<BackgroundError>>>,
}

#[derive(Debug)]
struct Failure {
    error: Arc<BackgroundError>,
    delay: Duration,
    /// Monotonic time of the next attempt.
    retry_at: Duration,
}

fn slot(work: Work) -> Option<usize> {
    REPEATED.iter().position(|repeated| *repeated == work)
}

impl Background {
    /// What is to be known of: that which ends only by reopening first.
    pub(crate) fn error(&self) -> Option<Arc<BackgroundError>> {
        let fatal = self.fatal.lock().clone();
        fatal.or_else(|| {
            self.failures.lock().iter().flatten().map(|failure| Arc::clone(&failure.error)).next()
        })
    }

    /// The failure of `work` that has not been overcome.
    pub(crate) fn failure(&self, work: Work) -> Option<Arc<BackgroundError>> {
        if !self.has_failures.load(Ordering::Acquire) {
            return None;
        }
        self.failures.lock()[slot(work)?].as_ref().map(|failure| Arc::clone(&failure.error))
    }

    /// True while writes are refused for lack of space, full memtables or not.
    pub(crate) fn stops_writes(&self) -> bool {
        self.stops_writes.load(Ordering::Acquire)
    }

    /// Time of the next attempt at anything that failed, after `now`: what was due then had its turn, and
    /// waits for something else.
    pub(crate) fn retry_after(&self, now: Duration) -> Option<Duration> {
        self.failures.lock().iter().flatten().map(|failure| failure.retry_at).filter(|at| *at > now).min()
    }

    /// Whatever failed may be tried at once.
    pub(crate) fn retry_now(&self) {
        self.failures.lock().iter_mut().flatten().for_each(|failure| failure.retry_at = Duration::ZERO);
    }

    fn is_due(&self, work: Work, now: Duration) -> bool {
        let failures = self.failures.lock();
        slot(work).and_then(|slot| failures[slot].as_ref()).is_none_or(|failure| failure.retry_at <= now)
    }

    fn fail(&self, work: Work, error: &Error, since: i64, now: Duration) -> Option<Arc<BackgroundError>> {
        let mut failures = self.failures.lock();
        let failure = &mut failures[slot(work)?];
        let delay =
            failure.as_ref().map_or(RETRY_DELAY_MIN, |before| (before.delay * 2).min(RETRY_DELAY_MAX));
        let since = failure.as_ref().map_or(since, |before| before.error.since);
        let resumes = error.kind() != ErrorKind::Corruption;
        let error = Arc::new(BackgroundError { work, error: error.duplicate(), since, resumes });
        *failure = Some(Failure { error: Arc::clone(&error), delay, retry_at: now.saturating_add(delay) });
        self.look_at(&failures);
        Some(error)
    }

    /// True if it had failed.
    fn succeed(&self, work: Work) -> bool {
        if !self.has_failures.load(Ordering::Acquire) {
            return false;
        }
        let mut failures = self.failures.lock();
        let had_failed = slot(work).is_some_and(|slot| failures[slot].take().is_some());
        self.look_at(&failures);
        had_failed
    }

    fn look_at(&self, failures: &[Option<Failure>; REPEATED.len()]) {
        let has_no_space = |failure: &Failure| {
            failure.error.work == Work::Flush && failure.error.error.kind() == ErrorKind::NoSpace
        };
        self.has_failures.store(failures.iter().any(Option::is_some), Ordering::Release);
        self.stops_writes.store(failures.iter().flatten().any(has_no_space), Ordering::Release);
    }

    pub(crate) fn set_fatal(&self, error: BackgroundError) -> Option<Arc<BackgroundError>> {
        let mut fatal = self.fatal.lock();
        if fatal.is_some() {
            return None;
        }
        *fatal = Some(Arc::new(error));
        fatal.clone()
    }
}

impl Inner {
    /// Does a piece of `work`, unless it failed a short time ago. Of its failure it is taken note, and other
    /// work goes on: false, as if there had been nothing to do. Only a failure that ends all writes is one
    /// of the caller's.
    pub(crate) fn attempt(&self, work: Work, piece: impl FnOnce() -> Result<bool>) -> Result<bool> {
        if !self.background.is_due(work, self.options.clock.monotonic()) {
            return Ok(false);
        }
        match piece() {
            Ok(done) => Ok(done),
            Err(error) if self.poison.get().is_some() => Err(error),
            Err(error) => {
                self.note_failure(work, &error);
                // What was begun and given up goes at once: on a full disk it would be in the way.
                self.collect_garbage();
                Ok(false)
            }
        }
    }

    /// `work` was done to its end.
    pub(crate) fn note_success(&self, work: Work) {
        if self.background.succeed(work) {
            tracing::info!(?work, "works again");
            self.telemetry.events.note(Event::Resumed(work));
        }
    }

    fn note_failure(&self, work: Work, error: &Error) {
        tracing::warn!(%error, "{work}; it is tried again");
        let clock = &self.options.clock;
        if let Some(error) = self.background.fail(work, error, clock.now(), clock.monotonic()) {
            self.telemetry.background_errors.add(1);
            self.telemetry.events.note(Event::BackgroundError(error));
        }
    }

    /// How long until something that failed is tried again, of what was not due at `tried`.
    pub(crate) fn retry_due(&self, tried: Duration) -> Option<Duration> {
        Some(self.background.retry_after(tried)?.saturating_sub(self.options.clock.monotonic()))
    }

    /// See [`crate::Db::resume`].
    pub(crate) fn resume(&self) -> Result<()> {
        self.check_usable()?;
        self.background.retry_now();
        while self.maintain_waiting(Duration::ZERO)? == crate::executor::Maintenance::More
            && self.background.error().is_some()
        {}
        self.options.executor.wake();
        match self.background.error() {
            None => Ok(()),
            Some(failure) => Err(failure.error.duplicate()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_success() {
        let background = Background::default();
        let error = Error::new(ErrorKind::NoSpace, "full");
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for since in 0..8 {
            let failure = background.fail(Work::Flush, &error, since, now).unwrap();
            assert_eq!((failure.since, failure.resumes), (0, true));
            pauses.push((background.retry_after(now).unwrap() - now).as_secs());
            assert!(!background.is_due(Work::Flush, now));
            assert!(background.is_due(Work::Compaction, now), "other work goes on");
            now = background.retry_after(now).unwrap();
            assert_eq!(background.retry_after(now), None);
            assert!(background.is_due(Work::Flush, now));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(background.stops_writes());
        assert!(background.succeed(Work::Flush));
        assert!(!background.succeed(Work::Flush));
        assert!(!background.stops_writes());
        assert!(background.error().is_none());
        background.fail(Work::Flush, &error, 9, now).unwrap();
        assert_eq!(background.retry_after(now), Some(now + RETRY_DELAY_MIN));
    }

    #[test]
    fn only_a_flush_without_space_stops_writes_at_once() {
        let background = Background::default();
        for work in [Work::LogSegment, Work::Compaction, Work::LogRelease] {
            background.fail(work, &Error::new(ErrorKind::NoSpace, "full"), 0, Duration::ZERO);
        }
        background.fail(Work::Flush, &Error::new(ErrorKind::Io, "broken"), 0, Duration::ZERO);
        assert!(!background.stops_writes());
        assert_eq!(background.error().unwrap().work, Work::Flush);
    }

    #[test]
    fn the_first_fatal_error_stays() {
        let background = Background::default();
        let fatal = |work| BackgroundError {
            work,
            error: Error::new(ErrorKind::Io, "broken"),
            since: 0,
            resumes: false,
        };
        assert!(background.set_fatal(fatal(Work::LogSync)).is_some());
        assert!(background.set_fatal(fatal(Work::Manifest)).is_none());
        assert_eq!(background.error().unwrap().work, Work::LogSync);
    }
}
