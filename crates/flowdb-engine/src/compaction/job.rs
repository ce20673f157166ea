//! The work of a compaction, in steps that a slice of maintenance can stop between.

use super::level_0::is_movable;
use super::picker::{Choice, Circumstances, pick, pick_all, pick_value_files};
use super::quiet::pick_quiet;
use super::retire::partly_forgotten;
use super::whole::Request;
use crate::background::Work;
use crate::error::Result;
use crate::events::Event;
use crate::flush::{NewTable, VALUE_BYTES_PER_ENTRY};
use crate::inner::Inner;
use crate::iter::{CompactionIter, CompactionPolicy, LevelCursor, MergeCursor};
use crate::key::{Sequence, TreeId};
use crate::maintenance::Workshop;
use crate::options::ReadTier;
use crate::retention::Bucket;
use crate::separate::{Output, Relocated};
use crate::tree::{Levels, LiveTable, Shelves, Sources, Tree, ValueFileUse};
use bytes::Bytes;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Entries written or dropped between two looks at the clock.
const ENTRIES_PER_LOOK: u64 = 256;

/// A compaction under way. Its inputs stay live until it is finished; when the database is closed before, the
/// next open removes what it had written.
pub(crate) struct CompactionJob {
    tree: TreeId,
    bucket: Option<Bucket>,
    level: u8,
    inputs: Vec<Arc<LiveTable>>,
    relocated: Relocated,
    base: Sequence,
    entries: CompactionIter,
    /// Range deletes still to be written, by start; each is cut where one output ends and the next begins.
    range_deletes: VecDeque<(Bytes, Bytes, Sequence)>,
    output: Option<NewTable>,
    finished: Vec<Output>,
    /// Time spent on it so far.
    worked: Duration,
    /// Of who has asked for it, if it was not begun because it was due.
    request: Option<Weak<Request>>,
}

impl std::fmt::Debug for CompactionJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inputs: Vec<_> = self.inputs.iter().map(|live| live.meta.id).collect();
        f.debug_struct("CompactionJob")
            .field("tree", &self.tree)
            .field("inputs", &inputs)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Goes on with the compaction under way, or begins the most useful one, until `deadline` (for ever if
    /// there is none) or until one is finished. False if there is nothing to do.
    pub(crate) fn compact_slice(&self, workshop: &mut Workshop, deadline: Option<Duration>) -> Result<bool> {
        if let Some(job) = workshop.job.take_if(|job| job.is_unwanted()) {
            job.give_up();
        }
        let job = match workshop.job.take() {
            Some(job) => Some(job),
            None => match self.begin_compaction(workshop)? {
                Begun::Moved => return Ok(true),
                Begun::Job(job) => Some(*job),
                Begun::Nothing => None,
            },
        };
        let Some(mut job) = job else {
            self.note_success(Work::Compaction);
            return Ok(false);
        };
        let tree = self.tree(job.tree)?;
        let begun = self.telemetry.now();
        let result = job.run(self, tree, deadline);
        job.worked += self.telemetry.since(begun);
        match result {
            Ok(true) => job.install(self, tree)?,
            Ok(false) => workshop.job = Some(job),
            Err(error) => {
                // A later slice begins anew.
                job.finished.iter().for_each(Output::mark_obsolete);
                return Err(error);
            }
        }
        Ok(true)
    }

    /// A job that rewrites all of `tree` that is in the bucket, or in none.
    pub(crate) fn whole_shelf_job(
        &self,
        tree: &Tree,
        bucket: Option<Bucket>,
    ) -> Result<Option<CompactionJob>> {
        let shelf = shelves(tree).into_iter().find(|shelf| shelf.bucket == bucket);
        shelf
            .and_then(|shelf| {
                let choice =
                    pick_all(&shelf.levels, tree.options.table_bytes_max(self.options.table_bytes_max))?;
                Some(CompactionJob::begin(self, tree, shelf, choice, ValueFileUse::is_wasteful))
            })
            .transpose()
    }

    /// A job that frees some of the value files with these numbers.
    pub(crate) fn value_file_job(&self, tree: &Tree, files: &HashSet<u64>) -> Result<Option<CompactionJob>> {
        let is_freed = |usage: &ValueFileUse| files.contains(&usage.file.meta.id);
        let choose = |shelf: Shelf| Some((pick_value_files(&shelf.levels, is_freed)?, shelf));
        shelves(tree)
            .into_iter()
            .find_map(choose)
            .map(|(choice, shelf)| CompactionJob::begin(self, tree, shelf, choice, is_freed))
            .transpose()
    }

    fn begin_compaction(&self, workshop: &Workshop) -> Result<Begun> {
        let at = |tree: &Tree| Circumstances {
            table_bytes_max: tree.options.table_bytes_max(self.options.table_bytes_max),
            counts_values: tree.options.bytes_max.is_some(),
            now: self.now(),
            oldest_snapshot: self.snapshots.oldest(),
        };
        // A tree with many tables on level 0 makes writers wait, those of other trees too: it comes first.
        let mut trees: Vec<&Tree> = self.trees.iter().collect();
        trees.sort_by_key(|tree| std::cmp::Reverse(tree.view().shelves.level_0_tables()));
        for tree in trees {
            let mut shelves = shelves(tree);
            shelves.sort_by_key(|shelf| std::cmp::Reverse(shelf.levels.level(0).len()));
            for shelf in shelves {
                let choice = pick(&shelf.levels, at(tree));
                let choice = choice.or_else(|| partly_forgotten(&shelf.levels, tree, self.now()));
                if let Some(choice) = choice {
                    return self.begin(tree, shelf, choice);
                }
            }
        }
        for tree in self.trees.iter().filter(|tree| workshop.rest.is_quiet(tree.options.id)) {
            for shelf in shelves(tree) {
                if let Some(choice) = pick_quiet(&shelf.levels, at(tree)) {
                    return self.begin(tree, shelf, choice);
                }
            }
        }
        Ok(Begun::Nothing)
    }

    fn begin(&self, tree: &Tree, shelf: Shelf, choice: Choice) -> Result<Begun> {
        if is_movable(&choice, self.now()) {
            return self.move_tables(tree, &choice).map(|()| Begun::Moved);
        }
        let job = CompactionJob::begin(self, tree, shelf, choice, ValueFileUse::is_wasteful)?;
        Ok(Begun::Job(Box::new(job)))
    }

    /// Puts the tables on their new level as they are: data that came in order would be rewritten to
    /// the same bytes.
    fn move_tables(&self, tree: &Tree, choice: &Choice) -> Result<()> {
        let id = tree.options.id;
        let moved: Vec<_> = choice.inputs.iter().map(|live| live.on_level(choice.level)).collect();
        let edit = choice.inputs.iter().zip(&moved).fold(self.new_edit(), |edit, (old, new)| {
            edit.remove_table(id, old.meta.id).add_table(new.meta.clone())
        });
        self.record(&edit)?;
        tracing::debug!(
            tree = tree.options.name,
            tables = moved.len(),
            into_level = choice.level,
            "tables moved"
        );
        tree.change(|view| {
            let removed: Vec<u64> = moved.iter().map(|live| live.meta.id).collect();
            view.change_tables(&removed, moved);
        });
        Ok(())
    }
}

impl CompactionJob {
    /// The tree it works on.
    pub(crate) fn tree(&self) -> TreeId {
        self.tree
    }

    /// Values of the files that `is_relocated` names move to new files.
    fn begin(
        inner: &Inner,
        tree: &Tree,
        shelf: Shelf,
        choice: Choice,
        is_relocated: impl Fn(&ValueFileUse) -> bool,
    ) -> Result<Self> {
        let Shelf { bucket, levels } = shelf;
        let Choice { inputs, level } = choice;
        tracing::debug!(
            tree = tree.options.name,
            tables = inputs.len(),
            into_level = level,
            "compaction begins"
        );
        let sources = sources(&inputs);
        let (beneath, beneath_range) = (Arc::clone(&levels), Arc::clone(&levels));
        let depth = usize::from(level);
        let policy = CompactionPolicy {
            snapshots: inner.snapshots.list(),
            now: inner.now(),
            forgotten: tree.forgotten_horizon(),
            bottom: Box::new(move |key| !beneath.has_beneath(depth, key, key)),
            bottom_range: Box::new(move |start, end| !beneath_range.has_deeper(depth, start, end)),
        };
        let merged = MergeCursor::new(sources.cursors);
        let entries = CompactionIter::paused(Box::new(merged), sources.range_deletes, policy)?;
        let range_deletes = entries.kept_range_deletes();
        let relocated = levels.value_files().filter(|usage| is_relocated(usage));
        let relocated = relocated.map(|usage| (usage.file.meta.id, Arc::clone(&usage.file))).collect();
        let base = inputs.iter().map(|live| live.meta.smallest_sequence).min().unwrap_or(0);
        Ok(CompactionJob {
            tree: tree.options.id,
            bucket,
            level,
            inputs,
            relocated,
            base,
            entries,
            range_deletes: range_deletes.into(),
            output: None,
            finished: Vec::new(),
            worked: Duration::ZERO,
            request: None,
        })
    }

    /// From now on it is done only as long as there is the request.
    pub(super) fn tie_to(&mut self, request: &Arc<Request>) {
        self.request = Some(Arc::downgrade(request));
    }

    /// True if it is tied to this request.
    pub(super) fn is_for(&self, request: &Arc<Request>) -> bool {
        self.request.as_ref().is_some_and(|own| std::ptr::eq(own.as_ptr(), Arc::as_ptr(request)))
    }

    /// True if who has asked for it does so no more.
    fn is_unwanted(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.strong_count() == 0)
    }

    /// What it has written so far is superfluous.
    pub(crate) fn give_up(self) {
        self.finished.iter().for_each(|live| live.mark_obsolete());
    }

    /// Writes and drops until done (true) or until `deadline`.
    fn run(&mut self, inner: &Inner, tree: &Tree, deadline: Option<Duration>) -> Result<bool> {
        let mut worked = 0;
        while !self.entries.is_at_end() {
            if self.entries.valid() {
                worked += self.write_entry(inner, tree)?;
            }
            worked += self.entries.step(ENTRIES_PER_LOOK)?;
            if worked < ENTRIES_PER_LOOK {
                continue;
            }
            worked = 0;
            inner.sync_interval()?;
            if deadline.is_some_and(|deadline| inner.options.clock.monotonic() >= deadline) {
                return Ok(false);
            }
        }
        self.close_output(inner, tree, None)?;
        Ok(true)
    }

    /// How many entries' work it was.
    fn write_entry(&mut self, inner: &Inner, tree: &Tree) -> Result<u64> {
        self.close_full_output(inner, tree)?;
        let output = inner.output(&mut self.output, tree, self.base)?;
        let value_bytes = inner.write_entry(&self.entries, tree, output, &self.relocated)?;
        Ok(1 + value_bytes / VALUE_BYTES_PER_ENTRY)
    }

    /// Ends an output that is large enough, unless the next entry is another version of its last key.
    fn close_full_output(&mut self, inner: &Inner, tree: &Tree) -> Result<()> {
        let next = self.entries.key();
        let table_bytes_max = tree.options.table_bytes_max(inner.options.table_bytes_max);
        // Where whole tables are forgotten, what goes with one of them counts.
        let counts_values = tree.options.bytes_max.is_some();
        let ends_here = |NewTable { builder, .. }: &NewTable| {
            let value_bytes = if counts_values { builder.referenced_bytes() } else { 0 };
            builder.file_bytes().saturating_add(value_bytes) >= table_bytes_max && builder.last_key() != next
        };
        if self.output.as_ref().is_some_and(ends_here) {
            let border = Bytes::copy_from_slice(self.entries.key());
            self.close_output(inner, tree, Some(&border))?;
        }
        Ok(())
    }

    /// Ends the output; range deletes are cut at `border`, and what lies behind it goes to the next output.
    fn close_output(&mut self, inner: &Inner, tree: &Tree, border: Option<&Bytes>) -> Result<()> {
        let mut later = VecDeque::new();
        for (start, end, sequence) in std::mem::take(&mut self.range_deletes) {
            match border {
                Some(border) if start >= *border => later.push_back((start, end, sequence)),
                Some(border) if end > *border => {
                    let builder = inner.builder(&mut self.output, tree, self.base)?;
                    builder.add_range_delete(&start, border, sequence);
                    later.push_back((border.clone(), end, sequence));
                }
                _ => {
                    let builder = inner.builder(&mut self.output, tree, self.base)?;
                    builder.add_range_delete(&start, &end, sequence);
                }
            }
        }
        self.range_deletes = later;
        if let Some(output) = self.output.take() {
            self.finished.push(inner.finish_table(tree, self.level, self.bucket, output, &self.inputs)?);
        }
        Ok(())
    }

    fn note_end(&self, inner: &Inner) {
        let bytes_read = self.inputs.iter().map(|live| live.meta.file_bytes).sum();
        let bytes_written = self.finished.iter().map(Output::bytes).sum();
        let duration = self.worked;
        inner.telemetry.compacted(bytes_read, bytes_written, duration);
        inner.telemetry.purged(self.entries.records_purged());
        let event = Event::Compacted { tree: self.tree, bytes_read, bytes_written, duration };
        inner.telemetry.events.note(event);
        inner.note_success(Work::Compaction);
    }

    /// Puts the outputs in the place of the inputs.
    fn install(self, inner: &Inner, tree: &Tree) -> Result<()> {
        let removed: Vec<u64> = self.inputs.iter().map(|live| live.meta.id).collect();
        let mut edit = inner.new_edit();
        if let Some(purged) = self.entries.purged_at() {
            edit = edit.purge_time(purged);
        }
        edit = removed.iter().fold(edit, |edit, id| edit.remove_table(self.tree, *id));
        edit = self.finished.iter().fold(edit, |edit, output| output.add_to(edit));
        let before = &tree.view().shelves;
        let mut after = Shelves::clone(before);
        after.change(&removed, self.finished.iter().map(|output| Arc::clone(&output.live)));
        let unused = before.value_files_gone_in(&after);
        edit = unused.iter().fold(edit, |edit, file| edit.remove_value_file(self.tree, file.meta.id));
        inner.record_outputs(&edit, &self.finished)?;
        self.note_end(inner);
        self.inputs.iter().for_each(|live| live.mark_obsolete());
        unused.iter().for_each(|file| file.mark_obsolete());
        tracing::debug!(
            tree = tree.options.name,
            removed = removed.len(),
            added = self.finished.len(),
            "compaction ends"
        );
        // Only the thread that has the workshop changes the shelves, so that those of before are
        // still the ones.
        tree.change(|view| view.shelves = Arc::new(after));
        if let Some(request) = self.request.as_ref().and_then(Weak::upgrade) {
            request.note_done();
        }
        Ok(())
    }
}

/// Merges tables that only their owner reads, newest first, into tables on level 0 whose numbers count from
/// `base`. Their value files stay as they are.
pub(crate) fn merge_private(
    inner: &Inner,
    tree: &Tree,
    inputs: Vec<Arc<LiveTable>>,
    base: Sequence,
) -> Result<Vec<Arc<LiveTable>>> {
    let sources = sources(&inputs);
    let policy = CompactionPolicy {
        snapshots: vec![Sequence::MAX],
        now: i64::MIN,
        forgotten: None,
        // The tree beneath may hold anything.
        bottom: Box::new(|_| false),
        bottom_range: Box::new(|_, _| false),
    };
    let merged = MergeCursor::new(sources.cursors);
    let entries = CompactionIter::paused(Box::new(merged), sources.range_deletes, policy)?;
    let range_deletes = entries.kept_range_deletes().into();
    let tree_id = tree.options.id;
    let (output, finished) = (None, Vec::new());
    let mut job = CompactionJob {
        tree: tree_id,
        bucket: None,
        level: 0,
        inputs,
        relocated: Relocated::new(),
        base,
        entries,
        range_deletes,
        output,
        finished,
        worked: Duration::ZERO,
        request: None,
    };
    if let Err(error) = job.run(inner, tree, None) {
        job.finished.iter().for_each(Output::mark_obsolete);
        return Err(error);
    }
    Ok(job.finished.into_iter().map(|output| output.live).collect())
}

/// What a compaction works in.
struct Shelf {
    bucket: Option<Bucket>,
    levels: Arc<Levels>,
}

fn shelves(tree: &Tree) -> Vec<Shelf> {
    let shelves = &tree.view().shelves;
    shelves
        .iter()
        .map(|(bucket, levels)| Shelf { bucket, levels: shelves.beside_others(bucket, levels) })
        .collect()
}

/// What came of looking for a compaction.
enum Begun {
    /// It was done at once.
    Moved,
    Job(Box<CompactionJob>),
    Nothing,
}

/// Cursors over the inputs: one for each table of level 0, one for each deeper level.
fn sources(inputs: &[Arc<LiveTable>]) -> Sources {
    let mut sources = Sources::default();
    let mut deeper: Vec<(u8, Vec<_>)> = Vec::new();
    for live in inputs {
        sources.add_range_deletes(live.table.range_deletes());
        if live.meta.level == 0 {
            // Inputs are read once: they would only drive out of the cache what readers want.
            sources.cursors.push(Box::new(live.table.cursor(ReadTier::Disk, false, None)));
            continue;
        }
        match deeper.last_mut() {
            Some((level, tables)) if *level == live.meta.level => tables.push(Arc::clone(&live.table)),
            _ => deeper.push((live.meta.level, vec![Arc::clone(&live.table)])),
        }
    }
    for (_, tables) in deeper {
        sources.cursors.push(Box::new(LevelCursor::new(tables, ReadTier::Disk, false, None)));
    }
    sources
}
