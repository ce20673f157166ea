//! Ordered bytes on disk: the storage engine under flowdb.
//!
//! A database is a directory with one log, one manifest, one sequence of operations, and several *trees*:
//! ordered maps from byte keys to byte values. A [`WriteBatch`] lands in all of its trees or in none. The
//! engine knows no documents and no JavaScript, starts no threads ([`Executor`]) and touches files only
//! through [`fs::FileSystem`]. `docs/architecture.md` tells how it works, `docs/format.md` what it writes.

mod background;
mod batch;
mod cache;
mod checkpoint;
mod clock;
mod close;
mod commit;
mod compaction;
mod condition;
mod db;
mod destroy;
mod doorbell;
mod draft;
mod error;
mod events;
mod executor;
mod file_context;
mod flush;
pub mod format;
pub mod fs;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inner;
mod iter;
pub mod key;
mod maintenance;
mod memtable;
mod metrics;
mod opening;
mod options;
mod outputs;
mod purge;
mod quiet;
mod read_only;
mod recovery;
mod repair;
mod resources;
mod retention;
mod separate;
mod slabs;
mod snapshot;
mod stall;
mod stats;
mod table;
mod tree;
mod values;
mod verify;
mod version;
mod wal;

pub use background::{BackgroundError, Work};
pub use batch::{KEY_BYTES_MAX, Operation, VALUE_BYTES_MAX, WriteBatch};
pub use checkpoint::Checkpoint;
pub use clock::{Clock, ManualClock, SystemClock};
pub use commit::{Commit, LogPosition};
pub use compaction::Compaction;
pub use condition::Condition;
pub use db::Db;
pub use destroy::destroy;
pub use draft::Draft;
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, EventListener};
pub use executor::{Executor, Maintenance, NoExecutor, ThreadExecutor};
pub use iter::{Cursor, DbIterator, Direction};
pub use key::{Entry, Kind, Sequence, TreeId, Version};
pub use options::{
    BlockProperty, Compression, Durability, FilterKey, Options, ReadOptions, ReadTier, SyncMode, TreeOptions,
    WriteOptions,
};
pub use repair::{LogRepair, RepairOptions, RepairOrder, RepairReport, repair};
pub use resources::{ResourceLimits, Resources};
pub use retention::{Retention, RetentionRules};
pub use snapshot::Snapshot;
pub use stats::{CacheStats, Histogram, Latencies, ResourceStats, Stats, Totals, TreeStats};
pub use verify::{Affected, Note, Problem, Report, VerifyOptions, verify};
