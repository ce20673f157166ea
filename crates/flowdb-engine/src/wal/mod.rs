//! The log: what was committed, in order, before it is in tables.

mod frame;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod input;
mod owner;
mod reader;
mod space;
mod survey;
mod sync_lane;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use frame::SegmentHeader;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz_log;
pub(crate) use owner::database_of;
pub(crate) use reader::{Expected, Replay, replay, replay_unchanged, write_anew};
pub(crate) use survey::{LogDamage, Survey, survey, unreadable};
pub(crate) use writer::{LogFile, LogWriter};
