//! The one place that says which files a state names besides the log: what copies or checks a
//! database asks here.

use super::file_name::{table_name, value_file_name};
use super::state::State;

/// A file that is written once, and complete before the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveFile {
    /// Its name in the directory.
    pub(crate) name: String,
    /// Its length in bytes.
    pub(crate) bytes: u64,
}

/// The files that `state` needs, log segments aside.
pub(crate) fn live_files(state: &State) -> Vec<LiveFile> {
    let file = |table: &super::TableMeta| LiveFile { name: table_name(table.id), bytes: table.file_bytes };
    let value_file =
        |file: &super::ValueFileMeta| LiveFile { name: value_file_name(file.id), bytes: file.file_bytes };
    state.tables.values().map(file).chain(state.value_files.values().map(value_file)).collect()
}
