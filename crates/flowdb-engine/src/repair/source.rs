//! What there is to be saved, and whether the manifest can be trusted to say what of it counts.

use super::{RepairOrder, RepairReport, problem};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, ReadableFile};
use crate::read_only::{expected_log, nothing_there};
use crate::recovery::missing;
use crate::verify::{Affected, Note};
use crate::version::{
    MANIFEST, Manifest, ManifestReading, NumberedFile, State, TableMeta, log_name, parse_name, table_name,
};
use crate::{table, wal};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A table to be saved.
#[derive(Debug)]
pub(super) struct FoundTable {
    pub(super) id: u64,
    /// What the manifest says about it, if it names it.
    pub(super) meta: Option<TableMeta>,
}

/// A damaged database.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) database_id: u64,
    /// What the manifest says, if it can be read.
    pub(super) state: Option<State>,
    pub(super) order: RepairOrder,
    pub(super) tables: Vec<FoundTable>,
    /// Tables that a trusted manifest does not name, where its last edit is damaged.
    pub(super) unnamed: Vec<u64>,
    /// The segments to be read, ascending.
    pub(super) segments: Vec<u64>,
    /// No file of the directory has this number or a larger one; tables and values.
    pub(super) next_file_id: u64,
    /// The same for log segments.
    pub(super) next_segment: u64,
}

/// The numbered files of a directory, ascending.
#[derive(Default)]
struct Listing {
    tables: Vec<u64>,
    segments: Vec<u64>,
    largest_value_file: u64,
}

impl Source {
    /// Looks through `dir`. What is wrong with the manifest goes to `report`.
    pub(super) fn find(fs: &dyn FileSystem, dir: &Path, report: &mut RepairReport) -> Result<Source> {
        let listing = Listing::read(fs, dir)?;
        let state = read_state(fs, dir, report)?;
        let database_id = match &state {
            Some(state) => state.database_id,
            None => listing.database_id(fs, dir)?,
        };
        let is_trusted = state.as_ref().is_some_and(|state| listing.has_all(dir, state, report));
        let order = if is_trusted { RepairOrder::Manifest } else { RepairOrder::Sequences };
        let largest = listing.tables.last().copied().unwrap_or(0).max(listing.largest_value_file);
        let numbers = largest.saturating_add(1);
        let next_file_id = state.as_ref().map_or(0, |state| state.next_file_id).max(numbers);
        let oldest_log = state.as_ref().map_or(0, |state| state.oldest_log);
        let next_segment = listing.segments.last().copied().unwrap_or(0).max(oldest_log).saturating_add(1);
        if let Some(state) = &state {
            report.last_sequence = state.last_sequence;
        }
        let Listing { mut tables, mut segments, .. } = listing;
        let meta = |id: u64| state.as_ref()?.tables.values().find(|meta| meta.id == id).cloned();
        let mut unnamed = Vec::new();
        if is_trusted {
            let is_torn = report.notes.iter().any(|note| note.file == dir.join(MANIFEST));
            unnamed.extend(tables.iter().copied().filter(|id| is_torn && meta(*id).is_none()));
            segments.retain(|segment| *segment >= oldest_log);
            tables.retain(|id| meta(*id).is_some());
        }
        let tables = tables.into_iter().map(|id| FoundTable { id, meta: meta(id) }).collect();
        Ok(Source { database_id, state, order, tables, unnamed, segments, next_file_id, next_segment })
    }
}

/// The state of the manifest; `None` if it is missing or damaged. One of a newer version is an error: whoever
/// wrote it can repair it.
fn read_state(fs: &dyn FileSystem, dir: &Path, report: &mut RepairReport) -> Result<Option<State>> {
    let path = dir.join(MANIFEST);
    let damaged = match Manifest::read(fs, dir) {
        Ok(Some(ManifestReading { state, end, bytes })) => {
            if end < bytes {
                let message = "an edit that was not completed".to_owned();
                report.notes.push(Note { file: path, offset: end, message });
            }
            return Ok(Some(state));
        }
        Ok(None) => match nothing_there(fs, dir) {
            error if error.kind() == ErrorKind::NotFound => return Err(error),
            error => error,
        },
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(error),
        Err(error) => error,
    };
    let mut found = problem(&path, damaged.kind(), Affected::default(), damaged.message());
    found.offset = damaged.offset().unwrap_or(0);
    report.mended.push(found);
    Ok(None)
}

impl Listing {
    fn read(fs: &dyn FileSystem, dir: &Path) -> Result<Listing> {
        let names = fs.list(dir).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(dir),
            _ => Error::io(dir, "listing the directory", error),
        })?;
        let mut listing = Listing::default();
        for name in &names {
            match parse_name(name) {
                Some(NumberedFile::Table(id)) => listing.tables.push(id),
                Some(NumberedFile::Log(id)) => listing.segments.push(id),
                // Those are asked for by what refers to them.
                Some(NumberedFile::Value(id)) => {
                    listing.largest_value_file = id.max(listing.largest_value_file)
                }
                None => {}
            }
        }
        listing.tables.sort_unstable();
        listing.segments.sort_unstable();
        Ok(listing)
    }

    /// True if what `state` says is what is to be saved: all that it names is there, or nothing else is. A
    /// manifest that has lost its last edits names tables that were replaced since, and the ones that
    /// replaced them are there without a name.
    fn has_all(&self, dir: &Path, state: &State, report: &mut RepairReport) -> bool {
        let before = report.lost.len();
        for meta in state.tables.values().filter(|meta| !self.tables.contains(&meta.id)) {
            let affected = Affected {
                tree: Some(meta.tree),
                keys: Some((meta.smallest.clone(), meta.largest.clone())),
                sequences: Some((meta.smallest_sequence, meta.largest_sequence)),
            };
            let path = dir.join(table_name(meta.id));
            let message =
                "the table is missing; what it held may be in tables that the manifest does not name";
            report.lost.push(problem(&path, ErrorKind::NotFound, affected, message));
        }
        // Also where the manifest is that of a new database: with files beside it, it has lost its edits.
        let oldest = state.oldest_log.max(1);
        let is_empty =
            self.tables.is_empty() && self.segments.is_empty() && expected_log(state).oldest_segment == 0;
        if !is_empty && !self.segments.contains(&oldest) {
            let last = if state.clean && state.last_sequence > 0 { state.last_sequence } else { u64::MAX };
            let flushed = state.flushed.values().copied().min().unwrap_or(0);
            let sequences = Some((flushed.saturating_add(1), last)).filter(|(first, last)| first <= last);
            let affected = Affected { sequences, ..Affected::default() };
            let message = "the oldest log segment needed is missing; what it held may be in tables that the manifest does not name";
            report.lost.push(problem(&dir.join(log_name(oldest)), ErrorKind::NotFound, affected, message));
        }
        let is_named = |id: &u64| state.tables.values().any(|meta| meta.id == *id);
        report.lost.len() == before || self.tables.iter().all(is_named)
    }

    /// The database that most files say they belong to.
    fn database_id(&self, fs: &dyn FileSystem, dir: &Path) -> Result<u64> {
        let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
        let open = |name: String| -> Option<Arc<dyn ReadableFile>> { fs.open_read(&dir.join(name)).ok() };
        let of_tables = self.tables.iter().filter_map(|id| table::database_of(&*open(table_name(*id))?, *id));
        let of_log = self.segments.iter().filter_map(|id| wal::database_of(&*open(log_name(*id))?, *id));
        for id in of_tables.chain(of_log) {
            *votes.entry(id).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, count)| *count);
        most.map(|(id, _)| id).ok_or_else(|| {
            let message = "the manifest is lost, and no file says which database it belongs to";
            Error::corruption(&dir.join(MANIFEST), 0, message)
        })
    }
}
