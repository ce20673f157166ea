//! What flowdb stores, on top of the engine: cache entries ([`kv`]), time series ([`series`]), documents
//! ([`document`]).
//!
//! A [`Store`] is one engine, for one data directory and process, whatever is kept in it. `docs/format.md`
//! has the bytes.

mod attempt;
mod batch;
mod care;
mod closer;
mod conditional;
pub mod document;
mod id;
pub mod keyspace;
pub mod kv;
mod listeners;
mod options;
mod range;
mod reader;
mod record;
mod registry;
pub mod series;
mod store;
mod ttl;
pub mod value;
mod walk;

pub use attempt::{ATTEMPTS_MAX, Attempt, Change, Current};
pub use batch::RecordBatch;
pub use care::{destroy, repair, verify};
pub use conditional::{Notation, Patch};
pub use id::{RecordId, Shape};
pub use options::{SeriesRetention, StoreOptions};
pub use range::KeyRange;
pub use reader::Snapshot;
pub use record::{Form, Record, RecordRef};
pub use registry::StoreHandle;
pub use store::{Store, Waker, tree_name};
pub use ttl::{TTL_MS_MAX, Ttl};
pub use walk::{Direction, PageEnd, PageLimits};
