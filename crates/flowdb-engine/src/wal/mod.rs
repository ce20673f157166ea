//! The log: what was committed, in order, before it is in tables.

mod frame;
mod input;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use frame::SegmentHeader;
pub(crate) use reader::{Expected, Replay, replay};
pub(crate) use writer::{LogFile, LogWriter};
