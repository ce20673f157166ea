//! Time series: records under a key and a timestamp.

pub mod key;
