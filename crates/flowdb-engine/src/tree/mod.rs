//! One key space: its memtables, its tables by level, and what readers see of them.

mod changes;
mod garbage;
mod levels;
mod live_table;
mod runs;
mod shelves;

pub(crate) use garbage::Garbage;
pub(crate) use levels::{Amount, LEVELS, Levels, ValueFileUse};
pub(crate) use live_table::LiveTable;
pub(crate) use shelves::Shelves;

use crate::error::Result;
use crate::iter::{Cursor, RangeDeletes};
use crate::key::{Sequence, Version};
use crate::memtable::Memtable;
use crate::options::{ReadTier, TreeOptions};
use crate::retention::{ByKey, Cutoff, Horizon};
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One key space of an open database.
///
/// Readers clone the current [`View`] and work on it without any lock. Views change under the database's
/// commit lock (a memtable is frozen) or maintenance lock (tables come and go); `view`'s own lock is held
/// only to read or swap the pointer.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) options: TreeOptions,
    pub(crate) evicted: Evicted,
    forgotten: Forgotten,
    view: RwLock<Arc<View>>,
    /// The active memtable is to be flushed to give memory back. See [`crate::Resources`].
    flush_wanted: AtomicBool,
}

/// What a tree has forgotten since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Evicted {
    pub(crate) tables: AtomicU64,
    pub(crate) entries: AtomicU64,
    /// Number of the last operation that went for want of space. Raised before the tables go from the view,
    /// so that whoever finds a view without them finds this.
    last: AtomicU64,
}

/// What of a tree is gone because it was too old.
#[derive(Debug)]
struct Forgotten {
    /// The tree has nothing of this, whatever tables may still hold. As the manifest says. Raised before the
    /// tables go from the view, so that whoever finds a view without them finds this.
    cutoffs: RwLock<Arc<ByKey<Cutoff>>>,
    /// False while nothing is gone, so that most reads need not look.
    is_any: AtomicBool,
}

/// What a tree consists of at one moment. Immutable, but for entries that the active memtable still gains.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Where commits go.
    pub(crate) active: Arc<Buffer>,
    /// Full memtables that wait for their flush, oldest first.
    pub(crate) frozen: Vec<Arc<Buffer>>,
    /// The tables.
    pub(crate) shelves: Arc<Shelves>,
}

/// A memtable and the log segment that holds its first entry.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) memtable: Arc<Memtable>,
    /// No entry of the memtable is in an older segment.
    pub(crate) first_segment: u64,
}

impl Buffer {
    pub(crate) fn new(first_segment: u64) -> Arc<Self> {
        Arc::new(Buffer { memtable: Arc::new(Memtable::new()), first_segment })
    }
}

impl Tree {
    /// A tree that has nothing of what is `forgotten`.
    pub(crate) fn new(
        options: TreeOptions,
        shelves: Shelves,
        segment: u64,
        forgotten: ByKey<Cutoff>,
    ) -> Self {
        let view = View { active: Buffer::new(segment), frozen: Vec::new(), shelves: Arc::new(shelves) };
        let (view, flush_wanted) = (RwLock::new(Arc::new(view)), AtomicBool::new(false));
        let forgotten = Forgotten {
            is_any: AtomicBool::new(is_any(&forgotten)),
            cutoffs: RwLock::new(Arc::new(forgotten)),
        };
        Tree { options, evicted: Evicted::default(), forgotten, view, flush_wanted }
    }

    /// The tree as it is now.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read())
    }

    /// True if the active memtable is to be frozen.
    pub(crate) fn is_full(&self) -> bool {
        self.view().active.memtable.bytes() >= self.options.write_buffer_bytes
    }

    /// Replaces the view by what `change` makes of it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut View)) {
        let mut guard = self.view.write();
        let mut view = View::clone(&guard);
        change(&mut view);
        *guard = Arc::new(view);
    }

    /// Puts the active memtable among the frozen ones, unless it is empty. Under the commit lock; `segment`
    /// is the one that takes the next commit.
    pub(crate) fn freeze(&self, segment: u64) -> bool {
        self.flush_wanted.store(false, Ordering::Relaxed);
        if self.view().active.memtable.is_empty() {
            self.change(|view| view.active = Buffer::new(segment));
            return false;
        }
        self.change(|view| {
            let full = std::mem::replace(&mut view.active, Buffer::new(segment));
            view.frozen.push(full);
        });
        true
    }
}

impl Tree {
    /// Nothing of this is left, by key, whatever tables may still hold.
    pub(crate) fn forgotten(&self) -> Arc<ByKey<Cutoff>> {
        Arc::clone(&self.forgotten.cutoffs.read())
    }

    /// Once the manifest says so: nothing of this is left from now on. Before the tables go from the view.
    pub(crate) fn forget(&self, cutoffs: ByKey<Cutoff>) {
        let is_any = is_any(&cutoffs);
        *self.forgotten.cutoffs.write() = Arc::new(cutoffs);
        self.forgotten.is_any.store(is_any, Ordering::Release);
    }

    /// Operations up to `last` go for want of space. Before the tables go from the view.
    pub(crate) fn evict_up_to(&self, last: Sequence) {
        self.evicted.last.fetch_max(last, Ordering::AcqRel);
    }

    /// True if a change of `key` after `since` may be gone without a trace: with a whole table, or because it
    /// was too old. To be asked once the view was taken.
    pub(crate) fn may_have_forgotten(&self, key: &[u8], since: Sequence) -> bool {
        let is_evicted = since < self.evicted.last.load(Ordering::Acquire);
        let next = since.saturating_add(1);
        is_evicted || self.forgotten_horizon().is_some_and(|horizon| horizon.hides(key, next))
    }

    /// What it has forgotten, without that of which neither a table nor a memtable has anything left; `None`
    /// if that changes nothing.
    pub(crate) fn still_forgotten(&self) -> Option<ByKey<Cutoff>> {
        let horizon = self.forgotten_horizon()?;
        let (view, forgotten) = (self.view(), &horizon.forgotten);
        let buffered = view.ranges_hidden_in_memtables(&horizon);
        let is_gone = |start: &[u8], end: Option<&[u8]>, cutoff: Cutoff| {
            let is_in_range = |live: &&Arc<LiveTable>| {
                end.is_none_or(|end| live.meta.smallest[..] < *end) && *start <= live.meta.largest[..]
            };
            let is_younger = |live: &Arc<LiveTable>| {
                let first = live.table.properties().property().map(|(first, _)| first);
                first.is_none_or(|first| !cutoff.hides(first, live.meta.smallest_sequence))
            };
            !buffered.contains(start) && view.shelves.tables().filter(is_in_range).all(is_younger)
        };
        let left = forgotten.map_ranges(
            |start, end, cutoff| {
                if is_gone(start, end, cutoff) { Cutoff::NONE } else { cutoff }
            },
        );
        (left != **forgotten).then_some(left)
    }

    /// What maintenance may drop wherever it finds it.
    pub(crate) fn forgotten_horizon(&self) -> Option<Horizon> {
        self.has_forgotten().then(|| Horizon {
            property: self.options.block_property,
            seen: None,
            forgotten: self.forgotten(),
        })
    }

    /// What a read at `now` does not see. To be asked once its view was taken; most trees do not ask what
    /// time it is.
    pub(crate) fn horizon(&self, now: impl FnOnce() -> i64) -> Option<Horizon> {
        let rules = &self.options.retention;
        (rules.is_any() || self.has_forgotten()).then(|| Horizon {
            property: self.options.block_property,
            seen: rules.is_any().then(|| (rules.clone(), now())),
            forgotten: self.forgotten(),
        })
    }

    fn has_forgotten(&self) -> bool {
        self.forgotten.is_any.load(Ordering::Acquire)
    }

    /// True if it has a retention, or something is left of one that it had.
    pub(crate) fn is_kept_by_time(&self) -> bool {
        self.options.retention.is_any() || self.has_forgotten() || self.view().shelves.has_buckets()
    }

    /// Asks for a flush of the active memtable; maintenance sees to it.
    pub(crate) fn want_flush(&self) {
        self.flush_wanted.store(true, Ordering::Relaxed);
    }

    /// True until the memtable was frozen.
    pub(crate) fn is_flush_wanted(&self) -> bool {
        self.flush_wanted.load(Ordering::Relaxed)
    }

    /// Lets go of memtables and tables: the database is closed. Readers keep what they hold.
    pub(crate) fn release(&self) {
        let shelves = Arc::new(Shelves::new(self.options.block_property, []));
        *self.view.write() = Arc::new(View { active: Buffer::new(0), frozen: Vec::new(), shelves });
    }
}

impl View {
    /// Newest version of `key` not above `sequence`, whatever its kind; `None` too when a range
    /// delete hides it.
    ///
    /// Sources are asked from the newest to the oldest. What an older one holds for the key is older
    /// than anything, range deletes included, that a newer one holds for it; so the first that knows of
    /// the key decides.
    pub(crate) fn get(&self, key: &[u8], sequence: Sequence, read: SourceOptions) -> Result<Option<Version>> {
        // What comes into an empty memtable from now on is newer than this read.
        for buffer in self.buffers_newest_first().filter(|buffer| !buffer.memtable.is_empty()) {
            let deleted_at = covering(&buffer.memtable.range_deletes(), key, sequence);
            let entry = buffer.memtable.get(key, sequence);
            if entry.is_some() || deleted_at.is_some() {
                return Ok(entry.map(Version::from).filter(|version| Some(version.sequence) > deleted_at));
            }
        }
        let mut newest = None;
        for levels in self.shelves.holding(key) {
            let found = find(levels, key, sequence, read)?;
            if found.as_ref().map(Found::sequence) > newest.as_ref().map(Found::sequence) {
                newest = found;
            }
        }
        Ok(newest.and_then(|found| match found {
            Found::Version(version) => Some(version),
            Found::RangeDelete(_) => None,
        }))
    }

    /// Puts tables in the place of those with the ids `removed`.
    pub(crate) fn change_tables(&mut self, removed: &[u64], added: impl IntoIterator<Item = Arc<LiveTable>>) {
        Arc::make_mut(&mut self.shelves).change(removed, added);
    }

    /// Bytes in memtables, about.
    pub(crate) fn memtable_bytes(&self) -> usize {
        self.buffers_newest_first().map(|buffer| buffer.memtable.bytes()).sum()
    }

    /// Entries in memtables.
    pub(crate) fn memtable_entries(&self) -> usize {
        self.buffers_newest_first().map(|buffer| buffer.memtable.entries()).sum()
    }

    /// Where those ranges of what is forgotten begin of which memtables hold something: what was written too
    /// late, or has got too old there.
    fn ranges_hidden_in_memtables<'a>(&self, horizon: &'a Horizon) -> BTreeSet<&'a [u8]> {
        let mut starts = BTreeSet::new();
        for buffer in self.buffers_newest_first() {
            let first = buffer.memtable.smallest_sequence();
            buffer.memtable.for_each_key(|key| {
                if horizon.hides(key, first) {
                    starts.insert(horizon.forgotten.start_of(key));
                }
            });
        }
        starts
    }

    /// Number of the last entry that a memtable holds; 0 if all are empty.
    pub(crate) fn last_buffered(&self) -> Sequence {
        self.buffers_newest_first().map(|buffer| buffer.memtable.largest_sequence()).max().unwrap_or(0)
    }

    /// Number of the first entry that a memtable holds; `None` if all are empty.
    pub(crate) fn first_buffered(&self) -> Option<Sequence> {
        let filled = self.buffers_newest_first().filter(|buffer| !buffer.memtable.is_empty());
        filled.map(|buffer| buffer.memtable.smallest_sequence()).min()
    }

    /// The oldest log segment that a memtable other than `flushed` still needs; `None` if all is in tables.
    pub(crate) fn oldest_segment(&self, flushed: Option<&Arc<Buffer>>) -> Option<u64> {
        self.buffers_newest_first()
            .filter(|buffer| {
                !buffer.memtable.is_empty() && !flushed.is_some_and(|flushed| Arc::ptr_eq(flushed, buffer))
            })
            .map(|buffer| buffer.first_segment)
            .min()
    }

    fn buffers_newest_first(&self) -> impl Iterator<Item = &Arc<Buffer>> {
        std::iter::once(&self.active).chain(self.frozen.iter().rev())
    }
}

fn is_any(forgotten: &ByKey<Cutoff>) -> bool {
    forgotten.single() != Some(Cutoff::NONE)
}

/// What the tables of a shelf know of a key.
enum Found {
    Version(Version),
    RangeDelete(Sequence),
}

impl Found {
    fn sequence(&self) -> Sequence {
        match self {
            Found::Version(version) => version.sequence,
            Found::RangeDelete(sequence) => *sequence,
        }
    }
}

/// The newest that a shelf knows of `key`, not above `sequence`.
fn find(levels: &Levels, key: &[u8], sequence: Sequence, read: SourceOptions) -> Result<Option<Found>> {
    let Some(any) = levels.iter().next() else {
        return Ok(None);
    };
    let hash = any.table.filter_hash(key);
    for live in levels.holding(key, hash) {
        let deleted_at = live.table.range_delete_over(key, sequence);
        // One with range deletes is here whatever its filter says.
        let version = match live.table.may_contain(hash, read.tier)? {
            true => live.table.get_unfiltered(key, sequence, read.tier, !read.bypass_cache)?,
            false => None,
        };
        let version = version.filter(|version| Some(version.sequence) > deleted_at);
        let found = version.map(Found::Version).or(deleted_at.map(Found::RangeDelete));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// How a view's sources are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SourceOptions {
    pub(crate) tier: ReadTier,
    pub(crate) bypass_cache: bool,
    pub(crate) property: Option<(i64, i64)>,
}

/// What is merged in a compaction.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) cursors: Vec<Box<dyn Cursor>>,
    pub(crate) range_deletes: Vec<Arc<RangeDeletes>>,
}

impl Sources {
    pub(crate) fn add_range_deletes(&mut self, range_deletes: &Arc<RangeDeletes>) {
        if !range_deletes.is_empty() {
            self.range_deletes.push(Arc::clone(range_deletes));
        }
    }
}

fn covering(range_deletes: &RangeDeletes, key: &[u8], sequence: Sequence) -> Option<Sequence> {
    if range_deletes.is_empty() { None } else { range_deletes.covering(key, sequence) }
}
