//! The log: what was committed, in order, before it is in tables.

mod frame;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod input;
mod reader;
mod sync_lane;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use frame::SegmentHeader;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz_log;
pub(crate) use reader::{Expected, Replay, replay};
pub(crate) use writer::{LogFile, LogWriter};
