//! From a full memtable to a table on level 0.

use crate::background::Work;
use crate::commit::LogPosition;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::file_context::FileContext;
use crate::fs::WritableFile;
use crate::inner::Inner;
use crate::iter::{CompactionIter, CompactionPolicy};
use crate::key::Sequence;
use crate::options::FilterKey;
use crate::outputs::Outputs;
use crate::retention::Bucket;
use crate::separate::{NewValues, Output, Relocated};
use crate::table::{Placement, Table, TableBuilder, TableOptions};
use crate::tree::{Buffer, Garbage, LiveTable, Shelves, Tree};
use crate::values::ValueFile;
use crate::version::{Edit, TableMeta, log_name, table_name};
use crate::wal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Entries written between two looks at whether the log's interval has passed.
const ENTRIES_PER_LOOK: u64 = 1024;
/// Bytes in value files that take about as long as an entry.
pub(crate) const VALUE_BYTES_PER_ENTRY: u64 = 4 << 10;

impl Inner {
    /// Flushes the memtable that has waited longest in the tree with the most of them. False if none waits.
    pub(crate) fn flush_one(&self) -> Result<bool> {
        let waiting = |tree: &&Tree| tree.view().frozen.len();
        let Some(tree) = self.trees.iter().max_by_key(waiting).filter(|tree| waiting(tree) > 0) else {
            return Ok(false);
        };
        let begun = self.telemetry.now();
        let view = tree.view();
        let buffer = &view.frozen[0];
        let table = self.write_memtable(tree, buffer, &view.shelves)?;

        let synced = self.sync_before_flush_counts()?;
        let before = self.version.lock().state.oldest_log;
        let oldest = self.oldest_segment_needed(Some(buffer)).max(before);
        let flushed = buffer.memtable.largest_sequence();
        let mut edit = note_synced(self.new_edit().last_sequence(flushed).oldest_log(oldest), synced);
        edit = self.note_in_tables(edit, tree, flushed);
        if let Some(purged) = table.purged_at {
            edit = edit.purge_time(purged);
        }
        edit = table.outputs.iter().fold(edit, |edit, output| output.add_to(edit));
        self.record_outputs(&edit, &table.outputs)?;
        self.note_flush(tree, &table, begun);
        tree.change(|view| {
            view.frozen.remove(0);
            view.change_tables(&[], table.outputs.into_iter().map(|output| output.live));
        });
        self.drop_log_before(before, oldest);
        Ok(true)
    }

    /// Notes that all of `tree` up to `sequence` is in tables, and so of the other trees that have nothing
    /// as old in memory: without their word, one that is seldom written to would make it look as if the log
    /// were still needed.
    pub(crate) fn note_in_tables(&self, edit: Edit, tree: &Tree, sequence: Sequence) -> Edit {
        // What a memtable gains meanwhile is newer, and nobody else flushes.
        let is_in_tables = |other: &&Tree| {
            std::ptr::eq(*other, tree) || other.view().first_buffered().is_none_or(|first| first > sequence)
        };
        let trees = self.trees.iter().filter(is_in_tables);
        trees.fold(edit, |edit, tree| edit.flushed(tree.options.id, sequence))
    }

    fn note_flush(&self, tree: &Tree, table: &Flushed, begun: Duration) {
        let bytes = table.outputs.iter().map(Output::bytes).sum();
        let duration = self.telemetry.since(begun);
        self.telemetry.flushed(bytes, duration);
        self.telemetry.purged(table.records_purged);
        self.telemetry.events.note(Event::Flushed { tree: tree.options.id, bytes, duration });
        self.note_success(Work::Flush);
    }

    /// A table survives a power cut; the log of what it holds must too. Else a commit could be there in the
    /// flushed tree and missing in the others, or there while an earlier one is missing. Answers with the end
    /// of what is synced, where it is known.
    pub(crate) fn sync_before_flush_counts(&self) -> Result<Option<LogPosition>> {
        let Some(log) = self.log.read().clone() else {
            return self.sync_replayed_segment().map(|()| None);
        };
        let end = LogPosition { segment: log.segment(), offset: log.written() };
        self.sync(end).map(|()| Some(end))
    }

    /// While the log is replayed, it may still be in the operating system's memory only.
    fn sync_replayed_segment(&self) -> Result<()> {
        let segment = self.segment.load(Ordering::Acquire);
        let path = self.dir.join(log_name(segment));
        let sync = || {
            let length = self.fs.open_read(&path)?.len()?;
            wal::write_anew(&*self.fs, &path, 0..length)
        };
        if self.replayed_segment_synced.load(Ordering::Acquire) != segment {
            sync().map_err(|error| Error::io(&path, "syncing the log", error))?;
            self.replayed_segment_synced.store(segment, Ordering::Release);
        }
        Ok(())
    }

    fn write_memtable(&self, tree: &Tree, buffer: &Buffer, shelves: &Arc<Shelves>) -> Result<Flushed> {
        let memtable = &buffer.memtable;
        let range_deletes = memtable.range_deletes();
        let (bottom, bottom_range) = (Arc::clone(shelves), Arc::clone(shelves));
        let policy = CompactionPolicy {
            snapshots: self.snapshots.list(),
            now: self.now(),
            forgotten: tree.forgotten_horizon(),
            bottom: Box::new(move |key| {
                bottom.holding(key).all(|levels| levels.candidates(key).next().is_none())
            }),
            bottom_range: Box::new(move |start, end| {
                !bottom_range.levels().any(|levels| levels.touches(start, end))
            }),
        };
        let mut entries =
            CompactionIter::new(Box::new(memtable.cursor()), vec![Arc::clone(&range_deletes)], policy)?;
        let mut outputs = Outputs::new(self, tree, memtable.smallest_sequence(), shelves);
        let relocated = Relocated::new();
        let mut written = 0;
        while entries.valid() {
            let table = outputs.table(entries.key())?;
            let value_bytes = self.write_entry(&entries, tree, table, &relocated)?;
            entries.next()?;
            written += 1 + value_bytes / VALUE_BYTES_PER_ENTRY;
            if written >= ENTRIES_PER_LOOK {
                written = 0;
                self.sync_interval()?;
            }
        }
        let outputs = outputs.finish(&entries.kept_range_deletes())?;
        Ok(Flushed { outputs, purged_at: entries.purged_at(), records_purged: entries.records_purged() })
    }

    /// The table being written, begun if there is none.
    pub(crate) fn output<'a>(
        &self,
        output: &'a mut Option<NewTable>,
        tree: &Tree,
        base: Sequence,
    ) -> Result<&'a mut NewTable> {
        if output.is_none() {
            *output = Some(self.new_table(tree, base)?);
        }
        Ok(output.as_mut().expect("it was just put there"))
    }

    /// Its builder.
    pub(crate) fn builder<'a>(
        &self,
        output: &'a mut Option<NewTable>,
        tree: &Tree,
        base: Sequence,
    ) -> Result<&'a mut TableBuilder> {
        self.output(output, tree, base).map(|table| &mut table.builder)
    }

    pub(crate) fn new_table(&self, tree: &Tree, base: Sequence) -> Result<NewTable> {
        let id = self.next_file_id();
        let path = self.dir.join(table_name(id));
        let file = self.create_file(&path, "creating a table")?;
        let unfinished = Unfinished { path: Some(path.clone()), garbage: Arc::clone(&self.garbage) };
        let options = TableOptions::of(&tree.options, self.database_id, id, base);
        let builder = TableBuilder::new(file, path, options);
        Ok(NewTable { id, builder, values: NewValues::default(), unfinished })
    }

    /// A new file for a table or for values, whose number nobody has used. Not once the directory
    /// may be another's.
    pub(crate) fn create_file(&self, path: &Path, action: &str) -> Result<Arc<dyn WritableFile>> {
        self.check_usable()?;
        self.fs.create_new(path).map_err(|error| Error::io(path, action, error).while_open())
    }

    /// Completes a table and its value files, syncs them and their names, and opens them. The manifest does
    /// not name them yet. Pointers were copied from `inputs`.
    pub(crate) fn finish_table(
        &self,
        tree: &Tree,
        level: u8,
        bucket: Option<Bucket>,
        output: NewTable,
        inputs: &[Arc<LiveTable>],
    ) -> Result<Output> {
        let NewTable { id, builder, mut values, mut unfinished } = output;
        self.finish_value_file(tree, &mut values)?;
        let summary = builder.finish()?;
        self.fs.sync_dir(&self.dir).map_err(|error| Error::io(&self.dir, "syncing the directory", error))?;
        let meta = TableMeta::of_new(id, tree.options.id, (level, bucket), summary);
        let find = |id| values.find(id).or_else(|| find_value_file(inputs, id).cloned());
        let live = self.open_table(tree.options.filter_key, meta, &find)?;
        unfinished.path = None;
        Ok(Output::new(live, values.keep()))
    }

    /// Opens the file of a table that was just written. All but the data blocks is read again before the
    /// manifest names it, and is in memory from then on.
    pub(crate) fn open_table(
        &self,
        filter_key: FilterKey,
        meta: TableMeta,
        find: &FindValueFile<'_>,
    ) -> Result<Arc<LiveTable>> {
        let live = open_table(self.file_context(), filter_key, meta, find)?;
        live.table.load()?;
        Ok(live)
    }
}

/// Notes up to where the log is on stable storage, if that is known.
pub(crate) fn note_synced(edit: Edit, synced: Option<LogPosition>) -> Edit {
    synced.iter().fold(edit, |edit, end| edit.log_synced(end.segment, end.offset))
}

/// Answers with the value file of a number.
pub(crate) type FindValueFile<'a> = dyn Fn(u64) -> Option<Arc<ValueFile>> + 'a;

/// The value file of a number, if one of `tables` refers to it.
pub(crate) fn find_value_file(tables: &[Arc<LiveTable>], id: u64) -> Option<&Arc<ValueFile>> {
    tables.iter().flat_map(|live| &live.value_files).find(|file| file.meta.id == id)
}

/// Opens the table that `meta` tells of; `find` knows the value files it may refer to.
pub(crate) fn open_table(
    context: FileContext<'_>,
    filter_key: FilterKey,
    meta: TableMeta,
    find: &FindValueFile<'_>,
) -> Result<Arc<LiveTable>> {
    let FileContext { fs, dir, database_id, resources, garbage } = context;
    let path = dir.join(table_name(meta.id));
    let file = resources.files.open_read(fs, &path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::corruption(&path, 0, "a table that the manifest names is missing")
        }
        _ => Error::io(&path, "opening a table", error),
    })?;
    let place = Placement { table_id: meta.id, database_id, base: meta.base };
    let table = Table::open(file, path.clone(), place, filter_key, Arc::clone(&resources.cache))?;
    if table.file_length() != meta.file_bytes {
        let message =
            format!("the file has {} bytes; the manifest says {}", table.file_length(), meta.file_bytes);
        return Err(Error::corruption(&path, 0, message));
    }
    if let Some(message) = meta.contradiction(table.properties()) {
        return Err(Error::corruption(&path, 0, message));
    }
    let references = &table.properties().value_references;
    let files = references.iter().map(|reference| {
        find(reference.file).ok_or_else(|| {
            let message = format!("it refers to value file {}, which is not live", reference.file);
            Error::corruption(&path, 0, message)
        })
    });
    let value_files = files.collect::<Result<_>>()?;
    Ok(LiveTable::new(meta, table, value_files, path, Arc::clone(garbage)))
}

/// A table being written.
#[derive(Debug)]
pub(crate) struct NewTable {
    id: u64,
    pub(crate) builder: TableBuilder,
    pub(crate) values: NewValues,
    unfinished: Unfinished,
}

/// Hands the file of a table, or a value file, that was given up to the garbage: on a full disk it would be
/// in the way.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) path: Option<PathBuf>,
    pub(crate) garbage: Arc<Garbage>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.garbage.lock().extend(self.path.take());
    }
}

struct Flushed {
    /// Empty if nothing of the memtable was worth keeping.
    outputs: Vec<Output>,
    purged_at: Option<i64>,
    records_purged: u64,
}
