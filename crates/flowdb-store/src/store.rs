//! One engine with its three trees, and what is kept in them.

use crate::batch::RecordBatch;
use crate::document::World;
use crate::id::Shape;
use crate::keyspace::{DOCUMENTS, KV, SERIES};
use crate::kv::{Kv, KvUsage, UsageCounter};
use crate::listeners::Listeners;
use crate::options::{Settings, StoreOptions};
use crate::reader::{Reader, Snapshot};
use crate::record::Record;
use crate::registry::{self, StoreHandle};
use crate::series::{self, Series};
use crate::ttl::Ttl;
use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{
    Clock, Compression, Db, Error, EventListener, Executor, Options, ReadTier, Result, TreeId, TreeOptions,
};
use parking_lot::Mutex;
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Is told that a store has work for [`Db::maintain`].
pub trait Waker: Send + Sync + Debug {
    /// Called from any thread, also when told before; must return at once and must not call the store.
    fn wake(&self, store: &Weak<Store>);
}

/// In a memory store a table costs what it does on a disk, and gives nothing for it but that older versions
/// go. So they are made late, and hold what is read from them as it is.
const MEMORY_WRITE_BUFFER_BYTES: usize = 32 << 20;
/// The smallest there may be: nothing is written to it.
const MEMORY_LOG_SEGMENT_BYTES: u64 = 64 << 10;

/// One engine for one data directory and process. Shared by all who have it open, through [`StoreHandle`]s.
#[derive(Debug)]
pub struct Store {
    db: Db,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// Loaded when someone asks for documents. The lock is held while the catalog is read.
    documents: Mutex<Option<Arc<World>>>,
    /// The last timestamp that [`Store::timestamp`] gave out.
    last_timestamp: AtomicI64,
    listeners: Arc<Listeners>,
    kv_usage: UsageCounter,
    /// Where the data is, if it is in memory.
    memory: Option<MemoryFileSystem>,
}

impl Store {
    /// Opens the store in `dir`; the same one for all who name the same directory in this process.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<StoreHandle> {
        registry::open(dir, options)
    }

    /// A new, empty store in memory. It is gone when its handle is.
    pub fn memory(options: &StoreOptions) -> Result<StoreHandle> {
        if options.read_only {
            return Err(Error::invalid("readOnly: a store in memory has nothing to read"));
        }
        let mut engine = engine_options();
        for tree in &mut engine.trees {
            tree.write_buffer_bytes = MEMORY_WRITE_BUFFER_BYTES;
            tree.compression = Compression::None;
        }
        // Nobody would read it.
        engine.log = false;
        engine.log_segment_bytes = MEMORY_LOG_SEGMENT_BYTES;
        let fs = MemoryFileSystem::default();
        let store = Self::start(Arc::new(fs.clone()), Some(fs), Path::new("memory"), engine, options)?;
        Ok(StoreHandle::alone(store))
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// The engine on `dir`, without regard to others who may have it open.
    pub(crate) fn open_engine(
        fs: Arc<dyn FileSystem>,
        dir: &Path,
        options: &StoreOptions,
    ) -> Result<Arc<Self>> {
        Self::start(fs, None, dir, engine_options(), options)
    }

    fn start(
        fs: Arc<dyn FileSystem>,
        memory: Option<MemoryFileSystem>,
        dir: &Path,
        mut engine: Options,
        options: &StoreOptions,
    ) -> Result<Arc<Self>> {
        let settings = Settings::apply(options, &mut engine)?;
        let executor = Arc::new(Forward { waker: options.waker.clone(), ..Forward::default() });
        engine.executor = Arc::clone(&executor) as Arc<dyn Executor>;
        let listeners = Arc::new(Listeners::default());
        engine.events = Some(Arc::clone(&listeners) as Arc<dyn EventListener>);
        let store = Arc::new(Store {
            db: Db::open(fs, dir, engine)?,
            settings,
            clock: Arc::clone(&options.clock),
            documents: Mutex::default(),
            last_timestamp: AtomicI64::new(i64::MIN),
            listeners,
            kv_usage: UsageCounter::default(),
            memory,
        });
        executor.attach(&store);
        Ok(store)
    }

    /// Refuses options that differ from those of this store.
    pub(crate) fn check_options(&self, options: &StoreOptions) -> Result<()> {
        self.settings.check(options)
    }

    /// The engine.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Bytes of memory that the data of a store in memory takes; 0 for one on disk.
    pub fn memory_bytes(&self) -> usize {
        self.memory.as_ref().map_or(0, |files| files.bytes() + self.db.memtable_bytes())
    }

    /// Its cache entries, as they are at the time of each read.
    pub fn kv(&self) -> Kv<'_> {
        Kv::new(Reader::of_present(&self.db))
    }

    /// The record of a cache entry, counted as a hit or a miss: see [`Store::kv_usage`]. `WouldBlock`, where
    /// `tier` does not suffice, is neither.
    pub fn cached(&self, key: &[u8], tier: ReadTier) -> Result<Option<Record>> {
        let record = self.kv().with_tier(tier).get(key)?;
        self.kv_usage.count(record.is_some());
        Ok(record)
    }

    /// The same, as it was at a moment of this store.
    pub fn cached_at(&self, moment: &Snapshot, key: &[u8], tier: ReadTier) -> Result<Option<Record>> {
        let record = moment.kv().with_tier(tier).get(key)?;
        self.kv_usage.count(record.is_some());
        Ok(record)
    }

    /// How often [`Store::cached`] found what it was asked for.
    pub fn kv_usage(&self) -> KvUsage {
        self.kv_usage.read()
    }

    /// Its series, as they are at the time of each read.
    pub fn series(&self) -> Series<'_> {
        Series::new(Reader::of_present(&self.db))
    }

    /// Cache entries and series as they are now, for as long as it is held.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.db)
    }

    /// An empty batch of writes to cache entries and series.
    pub fn batch(&self) -> RecordBatch<'_> {
        RecordBatch::new(self)
    }

    /// The IndexedDB side of the store, shared by all its clients. The first call reads the catalog
    /// from the disk.
    pub fn documents(&self) -> Result<Arc<World>> {
        let mut documents = self.documents.lock();
        if let Some(world) = documents.as_ref() {
            return Ok(Arc::clone(world));
        }
        let db = self.db.clone();
        let world = if self.memory.is_some() { World::open_in_memory(db)? } else { World::open(db)? };
        *documents = Some(Arc::clone(&world));
        Ok(world)
    }

    /// The time against which expiry is judged, in microseconds since the epoch: see [`Db::now`].
    pub fn now(&self) -> i64 {
        self.db.now()
    }

    /// What a record lives by that brings no time to live, and whose batch brings none.
    pub fn default_ttl(&self, shape: Shape) -> Ttl {
        match shape {
            Shape::Kv => self.settings.kv_ttl,
            Shape::Series => self.settings.series_ttl,
        }
    }

    /// Has `listener` told of the engine's events from now on, for as long as it is held elsewhere.
    pub fn listen(&self, listener: &Arc<dyn EventListener>) {
        self.listeners.add(listener);
    }

    /// A timestamp for a reading that brings none: now, or one microsecond after the last one given out, so
    /// that two readings never fall together.
    pub fn timestamp(&self) -> i64 {
        let now = self.clock.now();
        let next = |last: i64| Some(now.max(last.saturating_add(1)));
        // Only uniqueness matters, nothing is published with it.
        match self.last_timestamp.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(last) | Err(last) => now.max(last.saturating_add(1)),
        }
    }

    /// Closes the engine. Called once, by the last handle.
    ///
    /// What is in memory goes then: whoever still refers to the store, as a garbage collector may for long,
    /// does not keep its data.
    pub(crate) fn shut_down(&self) -> Result<()> {
        let result = self.db.close();
        if let Some(files) = &self.memory {
            files.clear();
        }
        result
    }
}

pub(crate) fn engine_options() -> Options {
    let points =
        TreeOptions { filter_key: series::filter_key, block_property: series::timestamp, ..named(SERIES) };
    Options::new(vec![named(KV), points, named(DOCUMENTS)])
}

fn named(tree: TreeId) -> TreeOptions {
    TreeOptions::new(tree, tree_name(tree))
}

/// The name of a tree of ours; empty for others.
pub fn tree_name(tree: TreeId) -> &'static str {
    match tree {
        KV => "kv",
        SERIES => "series",
        DOCUMENTS => "documents",
        _ => "",
    }
}

/// Tells the waker which store it is that has work. The engine has its executor before there is a
/// store to name.
#[derive(Debug, Default)]
struct Forward {
    waker: Option<Arc<dyn Waker>>,
    store: OnceLock<Weak<Store>>,
    /// Woken before the store was there.
    early: AtomicBool,
}

impl Forward {
    fn attach(&self, store: &Arc<Store>) {
        let _ = self.store.set(Arc::downgrade(store));
        if self.early.load(Ordering::SeqCst) {
            self.wake();
        }
    }
}

impl Executor for Forward {
    fn wake(&self) {
        // The flag is raised first: whoever attaches the store either sees it or has attached the store
        // before it is looked for here.
        self.early.store(true, Ordering::SeqCst);
        if let (Some(waker), Some(store)) = (&self.waker, self.store.get()) {
            waker.wake(store);
        }
    }
}
