//! What is wrong with the log, and where the first operation is lost.

use super::{Repair, RepairOrder, problem};
use crate::batch::Operation;
use crate::error::{Error, ErrorKind};
use crate::key::{Sequence, TreeId};
use crate::read_only::expected_log;
use crate::verify::{Affected, Note, Problem};
use crate::version::log_name;
use crate::wal::{self, LogDamage, SegmentHeader, Survey};
use bytes::Bytes;

/// Segment, and offset in it.
pub(super) type Place = (u64, u64);

/// What the log says about itself, seen from its beginning.
#[derive(Default)]
struct Reading {
    /// The first place where operations are lost.
    first_damage: Option<Place>,
    /// The segment before.
    before: Option<u64>,
    /// Behind the last commit.
    end: Option<Place>,
    last_sequence: Sequence,
}

impl Repair<'_> {
    /// Reads all of the log and reports what is wrong with it. The first place where operations are lost.
    pub(super) fn survey_log(&mut self, segments: &[u64]) -> Option<Place> {
        let mut reading = Reading::default();
        for segment in segments {
            let mut behind = 0;
            let mut strangers = Vec::new();
            let known = |tree: TreeId| self.target.tree(tree).is_some();
            let found = wal::survey(
                self.fs,
                self.dir,
                *segment,
                self.source.database_id,
                &mut |at, sequence, _, operation| {
                    behind = at + 1;
                    if !known(operation.tree) {
                        strangers.push((at, sequence));
                    }
                    Ok(())
                },
            );
            let found = found.unwrap_or_else(|error| {
                // What was read before that place is complete.
                let damage = LogDamage { offset: behind, ..wal::unreadable(&error) };
                Survey { damages: vec![damage], ..Survey::default() }
            });
            for (at, sequence) in strangers {
                self.lose(
                    *segment,
                    at,
                    Some((sequence, sequence)),
                    "an operation on a tree that does not exist",
                );
            }
            self.check_chain(&mut reading, segments, *segment, found.header);
            reading.last_sequence = reading.last_sequence.max(found.last_sequence);
            reading.end = Some((*segment, found.end));
            let is_last = segments.last() == Some(segment);
            for damage in found.damages {
                self.report_log_damage(&mut reading, *segment, is_last, damage);
            }
        }
        self.check_end(&reading);
        self.check_replay();
        self.saw(reading.last_sequence);
        reading.first_damage
    }

    /// A segment names the one before it. Without a manifest, one that is missing may be one that was not
    /// needed any more.
    fn check_chain(
        &mut self,
        reading: &mut Reading,
        segments: &[u64],
        segment: u64,
        header: Option<SegmentHeader>,
    ) {
        let Some(before) = reading.before.replace(segment) else {
            return;
        };
        let previous = header.map_or(segment - 1, |header| header.previous);
        if previous <= before && segments.contains(&previous) || previous == 0 {
            return;
        }
        let last = header.map_or(Sequence::MAX, |header| header.last_sequence);
        let first = reading.last_sequence.saturating_add(1);
        let sequences = Some((first, last)).filter(|(first, last)| first <= last);
        let affected = Affected { sequences, ..Affected::default() };
        let path = self.dir.join(log_name(previous));
        self.report.lost.push(problem(&path, ErrorKind::NotFound, affected, "a log segment is missing"));
        if self.source.order == RepairOrder::Manifest {
            reading.first_damage.get_or_insert((segment, 0));
        }
    }

    fn report_log_damage(&mut self, reading: &mut Reading, segment: u64, is_last: bool, damage: LogDamage) {
        let LogDamage { offset, kind, message, sequences, is_tail } = damage;
        let file = self.dir.join(log_name(segment));
        // Everything up to here is in tables, whatever the tree.
        let flushed = self.flushed_everywhere();
        let is_lost = sequences.is_some_and(|(_, last)| last > flushed);
        if is_lost {
            reading.first_damage.get_or_insert((segment, offset));
        }
        let state = self.source.state.as_ref();
        // What was synced is torn by no crash.
        let was_there = state.is_some_and(|state| state.clean || (segment, offset) < state.log_synced);
        if is_last && is_tail && !was_there {
            self.report.notes.push(Note { file, offset, message });
            return;
        }
        let affected = Affected { sequences, ..Affected::default() };
        let problem = Problem { file, offset, kind, affected, message };
        if is_lost { self.report.lost.push(problem) } else { self.report.mended.push(problem) }
    }

    fn flushed_everywhere(&self) -> Sequence {
        let Some(state) = self.source.state.as_ref().filter(|_| self.source.order == RepairOrder::Manifest)
        else {
            return 0;
        };
        let flushed = state.trees.keys().map(|tree| state.flushed.get(tree).copied().unwrap_or(0));
        flushed.min().unwrap_or(0)
    }

    /// The log reaches at least as far as the manifest says, for it is synced before a flush, a draft or a
    /// close is recorded: one that was cut between two commits, or has lost its last segment, looks whole.
    fn check_end(&mut self, reading: &Reading) {
        let Some(state) = &self.source.state else {
            return;
        };
        let is_known = |Problem { affected, .. }: &Problem| {
            affected.tree.is_none() && affected.sequences.is_some_and(|(_, lost)| lost == Sequence::MAX)
        };
        if let Some((segment, offset)) = reading.end.filter(|end| *end < state.log_synced)
            && !self.report.lost.iter().any(is_known)
        {
            let lost = (reading.last_sequence.saturating_add(1), Sequence::MAX);
            let message = "the log ends before the place up to which the manifest says that it was synced";
            self.lose(segment, offset, Some(lost), message);
        }
    }

    /// An opening may find more: a close mark that is missing, a segment without a header.
    fn check_replay(&mut self) {
        let Some(state) = self.source.state.as_ref().filter(|_| self.source.order == RepairOrder::Manifest)
        else {
            return;
        };
        let expected = expected_log(state);
        let sink = &mut |_, _, _: &Bytes, _: Operation<'_>| Ok(());
        let names =
            self.fs.list(self.dir).map_err(|error| Error::io(self.dir, "listing the directory", error));
        let replayed =
            names.and_then(|names| wal::replay_unchanged(self.fs, self.dir, &names, &expected, sink));
        let Err(error) = replayed else {
            return;
        };
        let file = error.file().unwrap_or(self.dir);
        let mut all = self.report.lost.iter().chain(&self.report.mended);
        if !all.any(|problem| problem.file == file) {
            let mut found = problem(file, error.kind(), Affected::default(), error.message());
            found.offset = error.offset().unwrap_or(0);
            self.report.mended.push(found);
        }
    }

    pub(super) fn lose(
        &mut self,
        segment: u64,
        offset: u64,
        sequences: Option<(Sequence, Sequence)>,
        message: &str,
    ) {
        let affected = Affected { sequences, ..Affected::default() };
        let mut lost = problem(&self.dir.join(log_name(segment)), ErrorKind::Corruption, affected, message);
        lost.offset = offset;
        self.report.lost.push(lost);
    }
}
