//! Rewriting tables: what is hidden, deleted or expired goes away, and its space comes back.

mod job;
mod picker;

pub(crate) use job::{CompactionJob, merge_private};
pub(crate) use picker::LEVEL_0_TABLES_MAX;
