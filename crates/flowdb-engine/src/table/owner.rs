//! Which database a table belongs to, where nothing else says it.

use super::footer::{FOOTER_BYTES, Footer};
use super::stored::Identity;
use crate::format::Reader;
use crate::fs::ReadableFile;
use std::path::Path;

/// Offset of the database id in a footer.
const DATABASE_ID_AT: usize = 56;

/// The database that the footer of table `table_id` names; `None` if the footer does not validate.
pub(crate) fn database_of(file: &dyn ReadableFile, table_id: u64) -> Option<u64> {
    let at = file.len().ok()?.checked_sub(FOOTER_BYTES as u64)?;
    let mut bytes = [0; FOOTER_BYTES];
    file.read_at(at, &mut bytes).ok()?;
    let database_id = Reader::new(&bytes[DATABASE_ID_AT..]).u64()?;
    let identity = Identity { table_id, database_id };
    Footer::decode(&bytes, Path::new(""), at, identity).ok().map(|_| database_id)
}
