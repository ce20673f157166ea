//! Looking after directories that nobody has open: checking, repairing, removing them; and copying open ones.

use crate::error;
use crate::task::{self, Reply, Work};
use flowdb_engine::{Affected, Checkpoint, Note, Problem, RepairOrder, RepairReport, Report};
use flowdb_store::{destroy, repair, tree_name, verify};
use napi::Env;
use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use std::path::Path;

/// Numbers above 2^53 would take centuries, so doubles hold all of these.
macro_rules! reply {
    ($type:ty) => {
        impl Reply for $type {
            type Js<'env> = $type;

            fn into_js(self, _: &Env) -> napi::Result<$type> {
                Ok(self)
            }
        }
    };
}

/// Something that is wrong.
#[napi(object)]
pub struct DirectoryProblem {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: f64,
    /// What kind of error reading it would be.
    pub code: String,
    /// For people.
    pub message: String,
    /// The tree concerned.
    pub tree: Option<String>,
    /// First and last key concerned, as stored, in hex.
    pub keys: Option<Vec<String>>,
    /// First and last number of the operations concerned.
    pub sequences: Option<Vec<f64>>,
}

/// Something that a crash may leave.
#[napi(object)]
pub struct DirectoryNote {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: f64,
    /// For people.
    pub message: String,
}

/// What a check found.
#[napi(object)]
pub struct VerifyReport {
    /// True if `problems` is empty.
    pub is_clean: bool,
    /// What is wrong.
    pub problems: Vec<DirectoryProblem>,
    /// What is not wrong, but worth knowing.
    pub notes: Vec<DirectoryNote>,
    /// Tables read.
    pub tables: f64,
    /// Value files read.
    pub value_files: f64,
    /// Blocks read.
    pub blocks: f64,
    /// Entries read.
    pub entries: f64,
    /// Log segments read.
    pub log_segments: f64,
    /// Commits read.
    pub commits: f64,
    /// Bytes read.
    pub bytes_read: f64,
}

/// What a repair saved.
#[napi(object)]
pub struct RepairSummary {
    /// Everything that was found.
    pub is_complete: bool,
    /// By what entries were put in order: `manifest` or `sequences`.
    pub order: String,
    /// What is lost.
    pub lost: Vec<DirectoryProblem>,
    /// Damage that cost nothing.
    pub mended: Vec<DirectoryProblem>,
    /// What is worth knowing.
    pub notes: Vec<DirectoryNote>,
    /// Tables that share their bytes with the damaged directory.
    pub tables_linked: f64,
    /// Tables copied.
    pub tables_copied: f64,
    /// Tables of which something was saved.
    pub tables_rewritten: f64,
    /// Entries saved from those.
    pub entries_rewritten: f64,
    /// Operations saved from the log.
    pub operations: f64,
    /// Number of the last operation.
    pub last_sequence: f64,
}

/// What a checkpoint holds.
#[napi(object)]
pub struct CheckpointReport {
    /// Number of the last operation in it.
    pub sequence: f64,
    /// Files that share their bytes with the database.
    pub files_linked: f64,
    /// Files copied.
    pub files_copied: f64,
    /// Bytes copied.
    pub bytes_copied: f64,
}

reply!(VerifyReport);
reply!(RepairSummary);
reply!(CheckpointReport);

/// Checks a directory.
#[napi]
pub fn verify_directory(directory: String) -> AsyncTask<Work<VerifyReport>> {
    task::run(move || verify(Path::new(&directory)).map(VerifyReport::from))
}

/// Saves what can be read of a damaged directory into a new one.
#[napi]
pub fn repair_directory(directory: String, into: String) -> AsyncTask<Work<RepairSummary>> {
    task::run(move || repair(Path::new(&directory), Path::new(&into)).map(RepairSummary::from))
}

/// Removes a directory's database.
#[napi]
pub fn destroy_directory(directory: String) -> AsyncTask<Work<()>> {
    task::run(move || destroy(Path::new(&directory)))
}

impl From<Report> for VerifyReport {
    fn from(report: Report) -> Self {
        VerifyReport {
            is_clean: report.is_clean(),
            problems: report.problems.into_iter().map(DirectoryProblem::from).collect(),
            notes: report.notes.into_iter().map(DirectoryNote::from).collect(),
            tables: report.tables as f64,
            value_files: report.value_files as f64,
            blocks: report.blocks as f64,
            entries: report.entries as f64,
            log_segments: report.log_segments as f64,
            commits: report.commits as f64,
            bytes_read: report.bytes_read as f64,
        }
    }
}

impl From<RepairReport> for RepairSummary {
    fn from(report: RepairReport) -> Self {
        let order = match report.order {
            RepairOrder::Manifest => "manifest",
            RepairOrder::Sequences => "sequences",
        };
        RepairSummary {
            is_complete: report.is_complete(),
            order: order.to_owned(),
            lost: report.lost.into_iter().map(DirectoryProblem::from).collect(),
            mended: report.mended.into_iter().map(DirectoryProblem::from).collect(),
            notes: report.notes.into_iter().map(DirectoryNote::from).collect(),
            tables_linked: report.tables_linked as f64,
            tables_copied: report.tables_copied as f64,
            tables_rewritten: report.tables_rewritten as f64,
            entries_rewritten: report.entries_rewritten as f64,
            operations: report.operations as f64,
            last_sequence: report.last_sequence as f64,
        }
    }
}

impl From<Checkpoint> for CheckpointReport {
    fn from(checkpoint: Checkpoint) -> Self {
        CheckpointReport {
            sequence: checkpoint.last_sequence as f64,
            files_linked: checkpoint.files_linked as f64,
            files_copied: checkpoint.files_copied as f64,
            bytes_copied: checkpoint.bytes_copied as f64,
        }
    }
}

impl From<Problem> for DirectoryProblem {
    fn from(problem: Problem) -> Self {
        let Affected { tree, keys, sequences } = problem.affected;
        DirectoryProblem {
            file: problem.file.display().to_string(),
            offset: problem.offset as f64,
            code: error::code(problem.kind).to_owned(),
            message: problem.message,
            tree: tree.map(|tree| tree_name(tree).to_owned()),
            keys: keys.map(|(first, last)| vec![hex(&first), hex(&last)]),
            sequences: sequences.map(|(first, last)| vec![first as f64, last as f64]),
        }
    }
}

impl From<Note> for DirectoryNote {
    fn from(note: Note) -> Self {
        DirectoryNote {
            file: note.file.display().to_string(),
            offset: note.offset as f64,
            message: note.message,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
