//! Which files are live: the edits of the manifest, the state they add up to, and the file that holds them.

mod contradictions;
mod edit;
mod file_name;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod live_files;
mod manifest;
mod state;

pub(crate) use edit::{Edit, TableMeta, ValueFileMeta};
pub(crate) use file_name::{
    LOCK, LOCK_HOLDER, MANIFEST, MANIFEST_NEW, NumberedFile, log_name, parse_name, table_name,
    value_file_name,
};
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz_manifest;
pub(crate) use live_files::live_files;
pub(crate) use manifest::{Manifest, ManifestReading};
pub(crate) use state::State;
