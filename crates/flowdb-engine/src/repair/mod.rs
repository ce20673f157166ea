//! Saves what can be read of a damaged database into a new one.
//!
//! What decides is whether the manifest can be trusted. If so, tables keep their levels: sound ones are
//! linked or copied, of damaged ones what is readable is written as a new table in the same place, and the
//! log becomes tables on level 0. If not, everything that is found is merged by sequence number into tables
//! that overlap nowhere. The new manifest comes last.

mod log;
mod log_survey;
mod merge;
mod source;
mod tables;
mod target;
mod values;

use crate::checkpoint::refuse_unless_empty;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileLock, FileSystem};
use crate::key::Sequence;
use crate::options::{Options, TreeOptions};
use crate::read_only::share_lock;
use crate::recovery::{anchor, check_trees, take_lock};
use crate::verify::{Affected, Note, Problem};
use source::Source;
use std::path::Path;
use std::sync::Arc;
use target::Target;
use values::Values;

/// What [`repair`] is to do.
#[derive(Debug, Clone)]
pub struct RepairOptions {
    /// The trees, as they are given at open; those of the database must all be named.
    pub trees: Vec<TreeOptions>,
    /// What of a damaged log is saved. Default [`LogRepair::UpToDamage`].
    pub log: LogRepair,
    /// Size at which a table is closed where tables are merged, in bytes. Default 32 MiB, from
    /// 64 KiB to 1 GiB.
    pub table_bytes_max: u64,
}

/// What of a damaged log is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogRepair {
    /// The commits before the first damage: no commit is there without those before it. The report says how
    /// many were left out.
    #[default]
    UpToDamage,
    /// Every complete commit. Those behind the damage may build on others that are lost.
    AllComplete,
}

/// By what the entries of a repaired database were put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepairOrder {
    /// The manifest: only what it calls live was read.
    #[default]
    Manifest,
    /// Their sequence numbers, among everything found, because the manifest cannot be read, or names a file
    /// that is missing. A table that a compaction had replaced, and that was still there, then brings back
    /// what was deleted since, where the delete itself was dropped.
    Sequences,
}

/// What [`repair`] saved, and what not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// By what the entries were put in order.
    pub order: RepairOrder,
    /// What could not be saved: where it was, and which keys or operations may be concerned. Of a key whose
    /// newest version, or delete, is lost, an older version may show.
    pub lost: Vec<Problem>,
    /// Damage that cost no entry. The new database does not have it.
    pub mended: Vec<Problem>,
    /// What a crash may have left: a log that ends in the middle of a write cannot be told from one whose
    /// last write was damaged later.
    pub notes: Vec<Note>,
    /// Tables that share their bytes with the damaged database.
    pub tables_linked: u64,
    /// Sound tables that were copied.
    pub tables_copied: u64,
    /// Damaged tables of which something was saved, and tables whose large values are ordinary entries now.
    pub tables_rewritten: u64,
    /// Entries saved from damaged tables, range deletes included.
    pub entries_rewritten: u64,
    /// Operations saved from the log.
    pub operations: u64,
    /// Number of the last operation; those to come have larger ones.
    pub last_sequence: Sequence,
}

impl RepairReport {
    /// True if everything that was found to have been written was saved. There may be notes.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }
}

impl RepairOptions {
    /// The defaults, for these trees.
    pub fn new(trees: Vec<TreeOptions>) -> Self {
        let Options { table_bytes_max, .. } = Options::new(Vec::new());
        RepairOptions { trees, log: LogRepair::default(), table_bytes_max }
    }

    /// The same as settings of a database.
    fn as_options(&self) -> Options {
        Options { table_bytes_max: self.table_bytes_max, ..Options::new(self.trees.clone()) }
    }
}

/// Saves what can be read of the database in `dir`, which nobody may have open to write, into a new one in
/// `new_dir`, which must be empty or not exist. Nothing in `dir` is changed; sound tables are linked from
/// there where the file system allows it. The new database has the same operations under the same numbers, as
/// far as they could be saved, and opens as one that was closed in order.
///
/// Reads every table twice at most, and the log twice. Takes memory for an index and a filter at a time, a
/// commit, and a memtable for each tree; where everything is merged, for all indexes and filters, as an open
/// database does, and the disk for both the tables found and the merged ones.
///
/// Fails with `Locked`, `NotFound` if there is no database, `Corruption` if nothing says which database it
/// was, `Unsupported` if the manifest is one of a newer version, `InvalidArgument` if `new_dir` is not empty
/// or the trees are not those of the database, or what the operating system reports about `new_dir`; then
/// what was begun there is removed.
pub fn repair(
    fs: Arc<dyn FileSystem>,
    dir: &Path,
    new_dir: &Path,
    options: &RepairOptions,
) -> Result<RepairReport> {
    let engine_options = options.as_options();
    engine_options.validate()?;
    let anchored = anchor(&*fs, dir)?;
    let fs = anchored.as_ref().map_or(fs, |anchored| Arc::clone(&anchored.fs));
    let _nobody_writes = share_lock(&*fs, dir)?;
    let mut report = RepairReport::default();
    let source = Source::find(&*fs, dir, &mut report)?;
    if let Some(state) = &source.state {
        check_trees(&engine_options, state)?;
    }
    report.order = source.order;
    let values = Values::new(Arc::clone(&fs), dir.to_path_buf(), source.database_id)?;
    let lock = claim(&*fs, new_dir)?;
    let target = Target::new(Arc::clone(&fs), new_dir, source.database_id, source.next_file_id, options);
    let result = Repair { fs: &*fs, dir, options, source, target, values, report }.run();
    if result.is_err() {
        target::take_back(&*fs, new_dir);
    }
    drop(lock);
    result
}

/// Makes the directory, if need be, and keeps others out until it is complete.
fn claim(fs: &dyn FileSystem, new_dir: &Path) -> Result<Box<dyn FileLock>> {
    fs.create_dir_all(new_dir).map_err(|error| Error::io(new_dir, "creating the directory", error))?;
    refuse_unless_empty(fs, new_dir)?;
    let lock = take_lock(fs, new_dir)?;
    refuse_unless_empty(fs, new_dir)?;
    Ok(lock)
}

/// A repair under way.
struct Repair<'a> {
    fs: &'a dyn FileSystem,
    dir: &'a Path,
    options: &'a RepairOptions,
    source: Source,
    target: Target<'a>,
    values: Values,
    report: RepairReport,
}

impl Repair<'_> {
    fn run(mut self) -> Result<RepairReport> {
        for table in std::mem::take(&mut self.source.tables) {
            self.save_table(&table)?;
        }
        for table in std::mem::take(&mut self.source.unnamed) {
            self.report_if_draft(table)?;
        }
        self.save_log()?;
        if self.source.order == RepairOrder::Sequences {
            self.merge()?;
        }
        let last = self.report.last_sequence;
        self.target.complete(self.source.state.as_ref(), self.source.next_segment, last)?;
        Ok(self.report)
    }

    fn saw(&mut self, sequence: Sequence) {
        self.report.last_sequence = self.report.last_sequence.max(sequence);
    }
}

/// Something wrong with a whole file.
fn problem(file: &Path, kind: ErrorKind, affected: Affected, message: impl Into<String>) -> Problem {
    Problem { file: file.to_path_buf(), offset: 0, kind, affected, message: message.into() }
}
