//! What flowdb stores, on top of the engine: records, time series, documents.
