//! The binding: the only Rust that knows Node.
//!
//! It turns JS calls into calls of `flowdb-store`, moves what may block to other threads and brings the
//! answers back. Nothing in it is public API: `index.js` is. What crosses the boundary, crosses as packed
//! bytes ([`operations`], [`changes`], [`scan`], [`aggregate`], [`documents`]).

pub mod aggregate;
pub mod care;
pub mod changes;
mod channel;
pub mod compaction;
pub mod database;
pub mod documents;
pub mod environment;
mod error;
mod events;
mod external_memory;
mod holds;
pub mod keys;
mod lane;
mod loads;
pub mod logging;
pub mod maintenance;
pub mod notices;
mod operations;
pub mod options;
pub mod reader;
mod records;
mod requests;
pub mod scan;
pub mod stats;
pub mod task;
mod timer;
mod writer;
