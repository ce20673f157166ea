//! Saves the log: its complete commits, as tables on level 0, which are newer than all others.

use super::log_survey::Place;
use super::target::Target;
use super::{LogRepair, Repair, RepairOrder};
use crate::batch::Operation;
use crate::error::{Error, Result};
use crate::iter::{CompactionIter, CompactionPolicy, RangeDelete};
use crate::key::{Sequence, TreeId};
use crate::memtable::Memtable;
use crate::options::TreeOptions;
use crate::retention::Bucket;
use crate::version::log_name;
use crate::wal;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Repair<'_> {
    pub(super) fn save_log(&mut self) -> Result<()> {
        let segments = std::mem::take(&mut self.source.segments);
        let first_damage = self.survey_log(&segments);
        let flushed = match (&self.source.state, self.source.order) {
            (Some(state), RepairOrder::Manifest) => state.flushed.clone(),
            // What was flushed may be in a table that is not there.
            _ => BTreeMap::new(),
        };
        let mut saver = Saver::new(&mut self.target, flushed);
        saver.cut(self.options.log, first_damage);
        let mut unreadable = Vec::new();
        for segment in segments {
            let take = &mut |at, sequence, frame: &Bytes, operation: Operation<'_>| {
                saver.take((segment, at), sequence, frame, operation)
            };
            if let Err(error) = wal::survey(self.fs, self.dir, segment, self.source.database_id, take) {
                if saver.has_failed {
                    return Err(error);
                }
                saver.cut(self.options.log, Some((segment, u64::MAX)));
                unreadable.push((segment, saver.last, error));
            }
        }
        saver.finish()?;
        let (taken, left_out) = (saver.taken, saver.left_out);
        self.report.operations = taken;
        for (segment, last, error) in unreadable {
            self.lose_unreadable(segment, last, &error);
        }
        if let (Some((segment, offset)), Some(sequences)) = (first_damage, left_out) {
            self.lose(segment, offset, Some(sequences), "complete commits behind the damage were left out");
        }
        Ok(())
    }

    /// A segment that could be read a moment ago, or is in the report already.
    fn lose_unreadable(&mut self, segment: u64, last: Sequence, error: &Error) {
        let path = self.dir.join(log_name(segment));
        if !self.report.lost.iter().any(|problem| problem.file == path) {
            self.lose(segment, 0, Some((last.saturating_add(1), Sequence::MAX)), error.message());
        }
    }
}

/// Brings operations into tables, through memtables of bounded size.
struct Saver<'a, 'b> {
    target: &'a mut Target<'b>,
    /// What is in tables already, by tree.
    flushed: BTreeMap<TreeId, Sequence>,
    /// From here on nothing is taken.
    end: Option<Place>,
    memtables: BTreeMap<TreeId, Arc<Memtable>>,
    /// The last operation taken. Memtables want ascending numbers, whatever the segments hold.
    last: Sequence,
    taken: u64,
    /// First and last operation that was not taken because of where it is.
    left_out: Option<(Sequence, Sequence)>,
    /// The new database could not be written.
    has_failed: bool,
}

impl<'a, 'b> Saver<'a, 'b> {
    fn new(target: &'a mut Target<'b>, flushed: BTreeMap<TreeId, Sequence>) -> Self {
        Saver {
            target,
            flushed,
            end: None,
            memtables: BTreeMap::new(),
            last: 0,
            taken: 0,
            left_out: None,
            has_failed: false,
        }
    }

    /// Takes nothing from `place` on, if that is what was asked for.
    fn cut(&mut self, what: LogRepair, place: Option<Place>) {
        if what == LogRepair::UpToDamage {
            self.end = [self.end, place].into_iter().flatten().min();
        }
    }

    fn take(
        &mut self,
        place: Place,
        sequence: Sequence,
        frame: &Bytes,
        operation: Operation<'_>,
    ) -> Result<()> {
        if self.end.is_some_and(|end| place >= end) {
            self.left_out = Some((self.left_out.map_or(sequence, |(first, _)| first), sequence));
            return Ok(());
        }
        let flushed = self.flushed.get(&operation.tree).copied().unwrap_or(0);
        match self.target.tree(operation.tree) {
            Some(tree) if sequence > self.last.max(flushed) => {
                self.insert(tree, sequence, frame, operation).inspect_err(|_| self.has_failed = true)
            }
            _ => Ok(()),
        }
    }

    fn insert(
        &mut self,
        tree: &TreeOptions,
        sequence: Sequence,
        frame: &Bytes,
        operation: Operation<'_>,
    ) -> Result<()> {
        self.last = sequence;
        self.taken += 1;
        let memtable = Arc::clone(self.memtables.entry(tree.id).or_default());
        memtable.insert(frame, std::iter::once((sequence, operation)));
        if memtable.bytes() >= tree.write_buffer_bytes {
            self.memtables.remove(&tree.id);
            write_memtable(self.target, tree, &memtable)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        for (id, memtable) in std::mem::take(&mut self.memtables) {
            let tree = self.target.tree(id).expect("only trees that were named have one");
            write_memtable(self.target, tree, &memtable)?;
        }
        Ok(())
    }
}

fn write_memtable(target: &mut Target<'_>, tree: &TreeOptions, memtable: &Arc<Memtable>) -> Result<()> {
    let policy = CompactionPolicy {
        snapshots: vec![Sequence::MAX],
        now: i64::MIN,
        forgotten: None,
        // What is beneath is not asked: deletes stay.
        bottom: Box::new(|_| false),
        bottom_range: Box::new(|_, _| false),
    };
    let range_deletes = vec![memtable.range_deletes()];
    let mut entries = CompactionIter::new(Box::new(memtable.cursor()), range_deletes, policy)?;
    let base = memtable.smallest_sequence();
    let mut table = target.begin(tree, (0, None), base)?;
    while entries.valid() {
        let (kind, expiry) = (entries.kind(), entries.expiry());
        table.builder.add(entries.key(), entries.sequence(), kind, expiry, entries.value_bytes())?;
        entries.next()?;
    }
    let range_deletes = entries.kept_range_deletes();
    for (start, end, sequence) in &range_deletes {
        table.builder.add_range_delete(start, end, *sequence);
    }
    target.finish(table)?;
    write_beside(target, tree, base, &range_deletes)
}

/// Brings range deletes to the buckets of time in which they hide something: a compaction looks for what they
/// hide among the tables beside them only.
fn write_beside(
    target: &mut Target<'_>,
    tree: &TreeOptions,
    base: Sequence,
    range_deletes: &[RangeDelete],
) -> Result<()> {
    let mut hiding: BTreeMap<Bucket, Vec<&RangeDelete>> = BTreeMap::new();
    for range_delete in range_deletes {
        for bucket in target.buckets_touched(tree.id, &range_delete.0, &range_delete.1) {
            hiding.entry(bucket).or_default().push(range_delete);
        }
    }
    for (bucket, range_deletes) in hiding {
        let mut table = target.begin(tree, (0, Some(bucket)), base)?;
        for (start, end, sequence) in range_deletes {
            table.builder.add_range_delete(start, end, *sequence);
        }
        target.finish(table)?;
    }
    Ok(())
}
