//! Rewriting tables: what is hidden, deleted or expired goes away, and its space comes back.

mod evict;
mod job;
mod level_0;
mod picker;
mod quiet;
mod retire;
mod whole;

pub(crate) use job::{CompactionJob, merge_private};
pub(crate) use level_0::TABLES_MAX as LEVEL_0_TABLES_MAX;
pub(crate) use quiet::{TOLERATED_PART, hidden_in_tables, next_expiry};
pub(crate) use retire::next_retirement;
pub use whole::Compaction;
