//! What an open database counts and measures of itself.

use super::histogram::Recorder;
use super::stripe::{Counter, Striped};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventListener, Events};
use crate::key::Version;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

/// A get from memory takes a few hundred nanoseconds, and two looks at the clock fifty: of the gets and seeks
/// of a thread, one in this many is measured.
const READS_PER_SAMPLE: u64 = 64;
/// A small commit takes about a microsecond.
const WRITES_PER_SAMPLE: u64 = 16;

/// Counters, latencies and events of a database, since it was opened.
#[derive(Debug)]
pub(crate) struct Telemetry {
    clock: Arc<dyn Clock>,
    pub(crate) opened_at: Duration,
    pub(crate) calls: Striped<CallCounters>,
    pub(crate) commits: CommitCounters,
    pub(crate) write_errors: Counter,
    /// The last commit failed, and that was logged.
    is_failing: AtomicBool,
    pub(crate) flushes: WorkCounters,
    pub(crate) compactions: WorkCounters,
    pub(crate) gc_runs: Counter,
    pub(crate) records_purged: Counter,
    pub(crate) stalls: Counter,
    pub(crate) stall_micros: Counter,
    pub(crate) background_errors: Counter,
    /// Writers that wait for maintenance now.
    pub(crate) stalled_writers: AtomicUsize,
    pub(crate) last_flush: Moment,
    pub(crate) last_compaction: Moment,
    pub(crate) last_gc: Moment,
    pub(crate) write_latency: Recorder,
    pub(crate) read_latency: Recorder,
    pub(crate) flush_latency: Recorder,
    pub(crate) compaction_latency: Recorder,
    pub(crate) sync_latency: Recorder,
    /// Sizes of the log segments that are complete.
    sealed_segments: Mutex<BTreeMap<u64, u64>>,
    pub(crate) events: Events,
}

/// What each thread counts for itself.
#[derive(Debug, Default)]
pub(crate) struct CallCounters {
    pub(crate) gets: Counter,
    pub(crate) seeks: Counter,
    pub(crate) writes: Counter,
    pub(crate) records_read: Counter,
    pub(crate) records_expired: Counter,
}

/// Raised under the commit lock.
#[derive(Debug, Default)]
pub(crate) struct CommitCounters {
    pub(crate) commits: Counter,
    pub(crate) records: Counter,
    pub(crate) bytes: Counter,
}

/// Of flushes or compactions.
#[derive(Debug, Default)]
pub(crate) struct WorkCounters {
    pub(crate) runs: Counter,
    pub(crate) bytes_read: Counter,
    pub(crate) bytes_written: Counter,
}

/// A time in microseconds since the epoch, or never.
#[derive(Debug)]
pub(crate) struct Moment(AtomicI64);

impl Default for Moment {
    fn default() -> Self {
        Moment(AtomicI64::new(i64::MIN))
    }
}

impl Moment {
    fn set(&self, now: i64) {
        self.0.store(now, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|moment| *moment != i64::MIN)
    }
}

/// A call being measured; most are not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer(Option<Duration>);

impl Telemetry {
    pub(crate) fn new(clock: Arc<dyn Clock>, listener: Option<Arc<dyn EventListener>>) -> Arc<Self> {
        Arc::new(Telemetry {
            opened_at: clock.monotonic(),
            clock,
            calls: Striped::default(),
            commits: CommitCounters::default(),
            write_errors: Counter::default(),
            is_failing: AtomicBool::new(false),
            flushes: WorkCounters::default(),
            compactions: WorkCounters::default(),
            gc_runs: Counter::default(),
            records_purged: Counter::default(),
            stalls: Counter::default(),
            stall_micros: Counter::default(),
            background_errors: Counter::default(),
            stalled_writers: AtomicUsize::new(0),
            last_flush: Moment::default(),
            last_compaction: Moment::default(),
            last_gc: Moment::default(),
            write_latency: Recorder::default(),
            read_latency: Recorder::default(),
            flush_latency: Recorder::default(),
            compaction_latency: Recorder::default(),
            sync_latency: Recorder::default(),
            sealed_segments: Mutex::default(),
            events: Events::new(listener),
        })
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.since(self.opened_at)
    }

    /// A get, counted and, if it is its turn, measured.
    #[inline]
    pub(crate) fn get(&self, find: impl FnOnce() -> Result<Option<Version>>) -> Result<Option<Version>> {
        let local = self.calls.local();
        let timer = self.sample(local.add(|calls| &calls.gets, 1), READS_PER_SAMPLE);
        let result = find();
        match &result {
            Ok(Some(_)) => {
                local.add(|calls| &calls.records_read, 1);
            }
            Ok(None) => {}
            Err(error) => self.see(error),
        }
        self.read_latency.finish(self, timer);
        result
    }

    /// A seek of an iterator begins.
    pub(crate) fn begin_seek(&self) -> Timer {
        self.sample(self.calls.local().add(|calls| &calls.seeks, 1), READS_PER_SAMPLE)
    }

    pub(crate) fn finish_seek(&self, timer: Timer) {
        self.read_latency.finish(self, timer);
    }

    /// A write begins; its end is told by [`Telemetry::finish_write`].
    #[inline]
    pub(crate) fn begin_write(&self) -> Timer {
        self.sample(self.calls.local().add(|calls| &calls.writes, 1), WRITES_PER_SAMPLE)
    }

    #[inline]
    pub(crate) fn finish_write(&self, timer: Timer) {
        self.write_latency.finish(self, timer);
        self.events.tell();
    }

    /// A commit is visible. Under the commit lock.
    #[inline]
    pub(crate) fn committed(&self, records: u64, bytes: u64) {
        self.commits.commits.add_alone(1);
        self.commits.records.add_alone(records);
        self.commits.bytes.add_alone(bytes);
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }

    /// A write failed. Counts only where it was not the caller's doing; the first of a row is logged, as a
    /// full disk fails them all.
    #[cold]
    pub(crate) fn write_failed(&self, error: &Error) {
        use ErrorKind::{Corruption, Io, NoSpace, Poisoned};
        if !matches!(error.kind(), NoSpace | Io | Poisoned | Corruption) {
            return;
        }
        self.write_errors.add(1);
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "a write failed; the next ones are only counted until one succeeds");
        }
    }

    /// Expired entries that a get or a scan passed over, so that nobody saw them.
    pub(crate) fn expired(&self, records: u64) {
        self.calls.local().add(|calls| &calls.records_expired, records);
    }

    /// Syncs, measured.
    pub(crate) fn sync(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        let begun = self.clock.monotonic();
        sync()?;
        self.sync_latency.record(self.since(begun));
        Ok(())
    }

    /// A read failed. Told at once if it is of importance to others than the reader.
    #[cold]
    pub(crate) fn see(&self, error: &Error) {
        if error.kind() == ErrorKind::Corruption {
            self.events.note(Event::Corruption(Arc::new(error.duplicate())));
            self.events.tell();
        }
    }

    /// Expired entries were dropped on the way.
    pub(crate) fn purged(&self, records: u64) {
        if records > 0 {
            self.records_purged.add(records);
            self.gc_runs.add(1);
            self.last_gc.set(self.clock.now());
        }
    }

    pub(crate) fn flushed(&self, bytes: u64, duration: Duration) {
        self.flushes.runs.add(1);
        self.flushes.bytes_written.add(bytes);
        self.flush_latency.record(duration);
        self.last_flush.set(self.clock.now());
    }

    pub(crate) fn compacted(&self, bytes_read: u64, bytes_written: u64, duration: Duration) {
        self.compactions.runs.add(1);
        self.compactions.bytes_read.add(bytes_read);
        self.compactions.bytes_written.add(bytes_written);
        self.compaction_latency.record(duration);
        self.last_compaction.set(self.clock.now());
    }

    /// A log segment is complete.
    pub(crate) fn log_sealed(&self, segment: u64, bytes: u64) {
        self.sealed_segments.lock().insert(segment, bytes);
    }

    /// The log segments before `oldest` are gone.
    pub(crate) fn log_dropped_before(&self, oldest: u64) {
        let mut sealed = self.sealed_segments.lock();
        *sealed = sealed.split_off(&oldest);
    }

    /// Size of the complete log segments from `oldest` up to, not including, `current`.
    pub(crate) fn sealed_log_bytes(&self, oldest: u64, current: u64) -> u64 {
        self.sealed_segments.lock().range(oldest..current.max(oldest)).map(|(_, bytes)| bytes).sum()
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(crate) fn since(&self, begun: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(begun)
    }

    fn sample(&self, number: u64, per_sample: u64) -> Timer {
        Timer(number.is_multiple_of(per_sample).then(|| self.clock.monotonic()))
    }
}

impl Recorder {
    #[inline]
    fn finish(&self, telemetry: &Telemetry, timer: Timer) {
        if let Timer(Some(begun)) = timer {
            self.record(telemetry.since(begun));
        }
    }
}

/// What a scan counts while it goes on; added to the others when it ends.
#[derive(Debug, Default)]
pub(crate) struct ScanMeter {
    telemetry: Option<Arc<Telemetry>>,
    pub(crate) records_read: u64,
    pub(crate) records_expired: u64,
}

impl ScanMeter {
    pub(crate) fn new(telemetry: &Arc<Telemetry>) -> Self {
        ScanMeter { telemetry: Some(Arc::clone(telemetry)), ..ScanMeter::default() }
    }

    pub(crate) fn begin_seek(&self) -> Timer {
        self.telemetry.as_ref().map_or(Timer(None), |telemetry| telemetry.begin_seek())
    }

    pub(crate) fn finish_seek(&self, timer: Timer) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.finish_seek(timer);
        }
    }

    /// A step of the scan failed.
    #[cold]
    pub(crate) fn see(&self, error: &Error) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.see(error);
        }
    }
}

impl Drop for ScanMeter {
    fn drop(&mut self) {
        if let Some(telemetry) = &self.telemetry {
            let local = telemetry.calls.local();
            local.add(|calls| &calls.records_read, self.records_read);
            local.add(|calls| &calls.records_expired, self.records_expired);
        }
    }
}
