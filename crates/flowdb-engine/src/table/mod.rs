//! A sorted file: blocks, an index over them, a filter, range deletes, properties, a footer. See section
//! 3 of `docs/format.md`.

mod block;
mod builder;
mod cursor;
mod expiry;
mod filter;
mod footer;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod index;
mod inspect;
mod inspect_block;
mod kept;
mod owner;
mod part;
mod prefix;
mod properties;
mod reader;
mod scan;
mod stored;

pub(crate) use block::Block;
pub(crate) use builder::{TableBuilder, TableOptions, TableSummary};
pub(crate) use cursor::{TableCursor, VisitEnd};
pub(crate) use expiry::PARTS as EXPIRY_PARTS;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz_table;
pub(crate) use inspect::{Inspection, Subject, TableDamage, inspect};
pub(crate) use inspect_block::Row;
pub(crate) use kept::KeptTimes;
pub(crate) use owner::database_of;
pub(crate) use properties::Properties;
pub(crate) use reader::{Placement, Table};

#[cfg(test)]
mod tests;
