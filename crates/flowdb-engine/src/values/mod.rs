//! Values kept outside the tables, so that compaction does not rewrite them. See section
//! 3.1 of `docs/format.md`.

mod cache;
mod file;
mod inspect;
mod pointer;
mod record;
mod resolve;
mod writer;

pub(crate) use cache::ValueCache;
pub(crate) use file::ValueFile;
pub(crate) use inspect::inspect_values;
pub(crate) use pointer::ValuePointer;
pub(crate) use resolve::{ValueResolver, malformed};
pub(crate) use writer::ValueFileWriter;

#[cfg(test)]
mod tests;
