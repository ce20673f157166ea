//! Files that nobody reads any more, until maintenance has removed them.

use crate::doorbell::Doorbell;
use parking_lot::{Mutex, MutexGuard};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Pause after the first removal that failed; doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// A file that someone else keeps open, as some systems allow, may stay so for long.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Files to remove.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    files: Mutex<Vec<PathBuf>>,
    stuck: Mutex<Stuck>,
    bell: Option<Arc<Doorbell>>,
}

/// Files whose removal failed.
#[derive(Debug, Default)]
struct Stuck {
    files: Vec<PathBuf>,
    pause: Duration,
    /// When to try again, by the monotonic clock.
    due: Duration,
}

impl Garbage {
    pub(crate) fn new(bell: Arc<Doorbell>) -> Self {
        Garbage { bell: Some(bell), ..Garbage::default() }
    }

    /// The files to remove. Whoever adds to them sees to it that maintenance comes round.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.files.lock()
    }

    /// Adds a file whose last reader has let go, and wakes maintenance, which may be at rest.
    pub(crate) fn add(&self, file: PathBuf) {
        let was_empty = {
            let mut files = self.files.lock();
            files.push(file);
            files.len() == 1
        };
        if let Some(bell) = self.bell.as_ref().filter(|_| was_empty) {
            bell.ring();
        }
    }

    /// Takes the files to remove at `now`, those among them whose removal failed before and is due again.
    pub(crate) fn take(&self, now: Duration) -> Vec<PathBuf> {
        let mut files = std::mem::take(&mut *self.files.lock());
        let mut stuck = self.stuck.lock();
        if stuck.due <= now {
            files.append(&mut stuck.files);
        }
        files
    }

    /// Gives back what could not be removed.
    pub(crate) fn put_back(&self, failed: Vec<PathBuf>, now: Duration) {
        let mut stuck = self.stuck.lock();
        if failed.is_empty() {
            if stuck.files.is_empty() {
                stuck.pause = Duration::ZERO;
            }
            return;
        }
        stuck.files.extend(failed);
        stuck.pause = (stuck.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        stuck.due = now.saturating_add(stuck.pause);
    }

    /// How long until removals that failed are tried again; `None` if none failed.
    pub(crate) fn retry_due(&self, now: Duration) -> Option<Duration> {
        let stuck = self.stuck.lock();
        (!stuck.files.is_empty()).then(|| stuck.due.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_removed_is_due_again_less_and_less_often() {
        let garbage = Garbage::default();
        let second = Duration::from_secs;
        garbage.lock().push("a".into());
        assert_eq!(garbage.retry_due(second(0)), None);
        let mut now = second(0);
        for pause in [1, 2, 4, 8] {
            let files = garbage.take(now);
            assert_eq!(files, [PathBuf::from("a")]);
            garbage.put_back(files, now);
            assert_eq!(garbage.retry_due(now), Some(second(pause)));
            assert!(garbage.take(now).is_empty(), "not due yet");
            now += second(pause);
        }
        assert_eq!(garbage.take(now).len(), 1);
        garbage.put_back(Vec::new(), now);
        assert_eq!(garbage.retry_due(now), None);
    }
}
