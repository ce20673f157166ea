//! What flowdb stores, on top of the engine: cache entries, time series, documents.

pub mod document;
pub mod keyspace;
pub mod series;
pub mod value;
