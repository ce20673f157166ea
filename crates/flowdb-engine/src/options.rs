//! Settings: meaning, default, unit, allowed range. A setting that does nothing does not exist.

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::events::EventListener;
use crate::executor::{Executor, NoExecutor};
use crate::key::{Sequence, TreeId};
use crate::resources::{ResourceLimits, Resources};
use crate::retention::RetentionRules;
use std::sync::Arc;
use std::time::Duration;

/// Compression of table blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// None.
    None,
    /// LZ4, where it saves at least one eighth.
    #[default]
    Lz4,
}

/// When a commit counts as done, unless the commit itself says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// Once it is on stable storage: it survives a power cut. Commits made together share one sync.
    Always,
    /// Once the operating system has it; the log is synced at least this often. A killed process loses
    /// nothing, a power cut at most what was written in the interval. From 1 ms to 1 hour.
    Interval(Duration),
    /// Once the operating system has it. A killed process loses nothing; a power cut may lose what the system
    /// has not written back by itself, typically up to 30 seconds.
    #[default]
    Os,
}

/// When one commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// On stable storage.
    Synced,
    /// Handed to the operating system.
    Os,
}

/// How far a read may go for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadTier {
    /// Memtables, cached blocks and cached values; the error `WouldBlock` where that does not suffice.
    Memory,
    /// Files too.
    #[default]
    Disk,
}

/// Part of a key that filters are asked for.
pub type FilterKey = fn(&[u8]) -> &[u8];
/// Number derived from a key, by which blocks and tables are pruned.
pub type BlockProperty = fn(&[u8]) -> Option<i64>;

/// A tree that forgets does so in about this many steps.
const EVICTED_PART: u64 = 16;
const TABLE_BYTES_MIN: u64 = 64 << 10;

/// One key space.
#[derive(Debug, Clone)]
pub struct TreeOptions {
    /// Its number, stored with every entry.
    pub id: TreeId,
    /// Its name, checked at open.
    pub name: String,
    /// Memtable size at which it is flushed, in bytes. Default 16 MiB, from 64 KiB to 1 GiB.
    pub write_buffer_bytes: usize,
    /// Size at which a table block is closed, in bytes before compression. Default 4 KiB, from
    /// 512 B to 1 MiB.
    pub block_bytes: usize,
    /// Compression of blocks. Default LZ4.
    pub compression: Compression,
    /// Bits per key spent on filters; 0 for no filters. Default 10, to 32.
    pub filter_bits_per_key: u32,
    /// Part of a key that goes into the filters. Default: the whole key.
    pub filter_key: FilterKey,
    /// Number by which blocks can be pruned. Default: none.
    pub block_property: BlockProperty,
    /// Size of the tables at which the tree forgets, for caches; in bytes, from 256 KiB to
    /// 1 EiB. Default: none.
    ///
    /// Above it, whole tables are dropped until it is kept, those first whose newest entry is oldest: entries
    /// that were committed go missing, about in the order they were written, with neighbours of their key. An
    /// older version of an entry never shows again. Snapshots do not keep entries from going; iterators in
    /// use do. Values kept outside the tables count as long as a table refers to them; for a while, up to as
    /// much again may wait in value files to be freed. Not counted are the memtables, the log, and what a
    /// compaction writes before it removes what it replaces; a flush exceeds the size by one memtable for a
    /// moment. Should be several times `write_buffer_bytes`.
    pub bytes_max: Option<u64>,
    /// Values of at least this many bytes are kept outside the tables, in value files, so that compaction
    /// does not rewrite them; `None` for no such values. A read of one costs one access to its file more; a
    /// change concerns what is flushed or compacted from then on. Default 64 KiB, from 1 KiB to 256 MiB.
    pub separated_value_bytes_min: Option<usize>,
    /// How long entries are kept, by the time that `block_property` finds in their keys, and by what the keys
    /// begin with. Default: for ever. Not together with `bytes_max`.
    ///
    /// What is older is not seen by reads that begin, be they of a snapshot or not; iterators in use go on.
    /// Entries are written to tables apart by their time, in steps of [`crate::Retention::bucket`], so that
    /// they go without being read or rewritten. What is gone stays so: where tables still hold something as
    /// old, which is so for those that were written without a retention, that is not seen either, nor is what
    /// is written there later, even if the tree is opened with a longer retention or none, until
    /// [`crate::Db::compact`] and another opening. A clock that is set far ahead makes everything too old.
    /// Such a tree takes no [`crate::Draft`].
    pub retention: RetentionRules,
}

impl TreeOptions {
    /// A tree with the defaults.
    pub fn new(id: TreeId, name: &str) -> Self {
        TreeOptions {
            id,
            name: name.to_owned(),
            write_buffer_bytes: 16 << 20,
            block_bytes: 4 << 10,
            compression: Compression::default(),
            filter_bits_per_key: 10,
            filter_key: |key| key,
            block_property: |_| None,
            bytes_max: None,
            separated_value_bytes_min: Some(64 << 10),
            retention: RetentionRules::default(),
        }
    }

    /// Size at which compaction closes a table: less than usual where one table would be much of what the
    /// tree may hold.
    pub(crate) fn table_bytes_max(&self, usual: u64) -> u64 {
        self.bytes_max.map_or(usual, |bytes| usual.min((bytes / EVICTED_PART).max(TABLE_BYTES_MIN)))
    }
}

/// Settings of a database.
#[derive(Debug, Clone)]
pub struct Options {
    /// The key spaces; those of an existing database must all be named.
    pub trees: Vec<TreeOptions>,
    /// Create the directory and the database if there is none. Default true.
    pub create_if_missing: bool,
    /// Open what is there without creating, changing or removing any file, and share it with others that do
    /// the same; whoever opens it to write is kept out meanwhile, and keeps these out. The log is replayed
    /// into memory, as much as the last writer had left of it (up to about its [`Options::log_bytes_max`]).
    /// Writing, flushing, compacting and checkpoints fail with `ReadOnly`. A directory without its `LOCK`
    /// file, as a copy may be, is read without a lock. Default false.
    pub read_only: bool,
    /// Write commits to a log before they are done. Default true. False: what is not in tables yet is lost
    /// when the database closes or the process ends, so that this is for databases whose files do not outlive
    /// them; a checkpoint is refused (`InvalidArgument`).
    pub log: bool,
    /// When a commit counts as done. Default [`SyncMode::Os`].
    pub sync: SyncMode,
    /// Decompressed blocks kept in memory, in bytes; values read from value files may take a quarter of this
    /// besides. Default 32 MiB, from 0 to 1 TiB. Without effect where `resources` are given.
    pub block_cache_bytes: u64,
    /// Size at which a log segment is followed by a new one, in bytes. Default 64 MiB, from 64 KiB to 4 GiB.
    pub log_segment_bytes: u64,
    /// Log kept at most before memtables are flushed to free it, in bytes. Default 256 MiB, at
    /// least one segment.
    pub log_bytes_max: u64,
    /// Frozen memtables of a tree that may wait for their flush before writes stall. Default 2, from 1 to 16.
    pub frozen_memtables_max: usize,
    /// Size at which compaction closes a table, in bytes. Default 32 MiB, from 64 KiB to 1 GiB.
    pub table_bytes_max: u64,
    /// Where the time comes from. Default: the machine.
    pub clock: Arc<dyn Clock>,
    /// Whom to tell that there is work. Default: nobody; the caller calls [`crate::Db::maintain`] by itself.
    pub executor: Arc<dyn Executor>,
    /// Whom to tell of failures in the background, stalls, flushes and compactions. Default: nobody.
    pub events: Option<Arc<dyn EventListener>>,
    /// Memory and files to share with other databases. Default: the database's own, with the defaults of
    /// [`ResourceLimits`] and this `block_cache_bytes`.
    pub resources: Option<Arc<Resources>>,
}

impl Options {
    /// The defaults, for these trees.
    pub fn new(trees: Vec<TreeOptions>) -> Self {
        Options {
            trees,
            create_if_missing: true,
            read_only: false,
            log: true,
            sync: SyncMode::default(),
            block_cache_bytes: 32 << 20,
            log_segment_bytes: 64 << 20,
            log_bytes_max: 256 << 20,
            frozen_memtables_max: 2,
            table_bytes_max: 32 << 20,
            clock: Arc::new(SystemClock::default()),
            executor: Arc::new(NoExecutor),
            events: None,
            resources: None,
        }
    }

    /// The shared resources, or new ones for this database alone.
    pub(crate) fn resources(&self) -> Result<Arc<Resources>> {
        let alone = ResourceLimits { block_cache_bytes: self.block_cache_bytes, ..ResourceLimits::default() };
        self.resources.as_ref().map_or_else(|| Resources::new(alone), |shared| Ok(Arc::clone(shared)))
    }

    /// Refuses settings outside their range.
    pub fn validate(&self) -> Result<()> {
        if self.trees.is_empty() {
            return Err(Error::invalid("trees: at least one is needed"));
        }
        for (index, tree) in self.trees.iter().enumerate() {
            if self.trees[..index].iter().any(|other| other.id == tree.id || other.name == tree.name) {
                return Err(Error::invalid(format!("trees: {} or its number is given twice", tree.name)));
            }
            check("write_buffer_bytes", tree.write_buffer_bytes as u64, 64 << 10, 1 << 30)?;
            check("block_bytes", tree.block_bytes as u64, 512, 1 << 20)?;
            check("filter_bits_per_key", tree.filter_bits_per_key.into(), 0, 32)?;
            check("bytes_max", tree.bytes_max.unwrap_or(1 << 60), 256 << 10, 1 << 60)?;
            if let Some(bytes) = tree.separated_value_bytes_min {
                check("separated_value_bytes_min", bytes as u64, 1 << 10, 256 << 20)?;
            }
            tree.retention.validate()?;
            if tree.retention.is_any() && tree.bytes_max.is_some() {
                return Err(Error::invalid("bytes_max and retention exclude each other"));
            }
        }
        if let SyncMode::Interval(interval) = self.sync {
            check(
                "sync interval in ms",
                u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
                1,
                3_600_000,
            )?;
        }
        check("block_cache_bytes", self.block_cache_bytes, 0, 1 << 40)?;
        check("log_segment_bytes", self.log_segment_bytes, 64 << 10, 4 << 30)?;
        check("log_bytes_max", self.log_bytes_max, self.log_segment_bytes, 1 << 40)?;
        check("frozen_memtables_max", self.frozen_memtables_max as u64, 1, 16)?;
        check("table_bytes_max", self.table_bytes_max, TABLE_BYTES_MIN, 1 << 30)
    }
}

pub(crate) fn check(name: &str, value: u64, min: u64, max: u64) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(format!("{name} is {value}; allowed are {min} to {max}")))
}

/// How to write one batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteOptions {
    /// When the commit counts as done. Default: as the database's [`SyncMode`] says.
    pub durability: Option<Durability>,
}

/// How to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions {
    /// Read as of this sequence number, kept alive by a [`crate::Snapshot`]. Default: everything committed.
    pub sequence: Option<Sequence>,
    /// How far to go for the answer. Default: files too.
    pub tier: ReadTier,
    /// Judge expiry as of this time, microseconds since the epoch. Default: the clock.
    pub now: Option<i64>,
    /// Leave the caches as they are: what they hold serves this read too, but what it has to get from files
    /// is not put into them, and it is not counted among their hits and misses. For a pass over much that
    /// nobody reads soon. Default false.
    pub bypass_cache: bool,
    /// Only entries whose block property lies in this inclusive interval are wanted; others may or may not
    /// appear. Entries without a property always count as wanted. Default: all.
    pub property: Option<(i64, i64)>,
}
