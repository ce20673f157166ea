//! What flowdb stores, on top of the engine: cache entries ([`kv`]), time series ([`series`]), documents
//! ([`document`]).
//!
//! A [`Store`] is one engine, for one data directory and process, whatever is kept in it. `docs/format.md` has the
//! bytes.

mod closer;
pub mod document;
pub mod keyspace;
pub mod kv;
mod range;
mod record;
mod registry;
pub mod series;
mod store;
pub mod value;
mod walk;

pub use range::KeyRange;
pub use record::{Form, Record};
pub use registry::StoreHandle;
pub use store::{Store, StoreOptions, Waker, tree_name};
pub use walk::{Direction, PageEnd, PageLimits};
