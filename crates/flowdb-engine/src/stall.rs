//! Back-pressure: writers wait while maintenance is behind, and learn it if it cannot catch up.

use crate::background::Work;
use crate::compaction::LEVEL_0_TABLES_MAX;
use crate::error::Result;
use crate::events::Event;
use crate::inner::Inner;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a waiting writer helps with before it looks again.
const SLICE: Duration = Duration::from_millis(20);

impl Inner {
    /// True while a write has to wait for maintenance.
    pub(crate) fn stalled(&self) -> bool {
        self.stalled_by().is_some()
    }

    /// What a write has to wait for.
    fn stalled_by(&self) -> Option<Work> {
        if self.background.stops_writes() {
            return Some(Work::Flush);
        }
        self.trees.iter().find_map(|tree| {
            let view = tree.view();
            if view.frozen.len() >= self.options.frozen_memtables_max {
                return Some(Work::Flush);
            }
            (view.shelves.level_0_tables() >= LEVEL_0_TABLES_MAX).then_some(Work::Compaction)
        })
    }

    /// Helps with the maintenance that writes are waiting for, or waits for the thread that is at it, until
    /// they may go on. Fails with the cause if it fails: nothing is gained by waiting then. Under no lock.
    pub(crate) fn wait_while_stalled(&self) -> Result<()> {
        let begun = self.telemetry.now();
        self.note_stall(true);
        let result = self.relieve();
        self.note_stall(false);
        let waited = self.telemetry.since(begun).as_micros();
        self.telemetry.stalls.add(1);
        self.telemetry.stall_micros.add(u64::try_from(waited).unwrap_or(u64::MAX));
        result
    }

    fn relieve(&self) -> Result<()> {
        while self.stalled() {
            self.check_usable()?;
            self.options.executor.wake();
            self.maintain_beside(SLICE)?;
            if let Some(failure) = self.stalled_by().and_then(|work| self.background.failure(work)) {
                return Err(failure
                    .error
                    .duplicate()
                    .leads_to(format_args!("nothing was written: {}", failure.work)));
            }
        }
        Ok(())
    }

    fn note_stall(&self, begins: bool) {
        let writers = &self.telemetry.stalled_writers;
        let (others, event) = match begins {
            true => (writers.fetch_add(1, Ordering::AcqRel), Event::StallBegan),
            false => (writers.fetch_sub(1, Ordering::AcqRel) - 1, Event::StallEnded),
        };
        if others == 0 {
            self.telemetry.events.note(event);
            self.telemetry.events.tell();
        }
    }
}
