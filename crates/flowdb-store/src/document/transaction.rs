//! A running transaction: a snapshot, what was written over it, and the requests it executes.

use super::failure::{ErrorName, Failure, Outcome, corruption, invalid_state, not_found};
use super::overlay::{Known, Overlay};
use super::portion::{Executor, Limits, Portion, Resume};
use super::protocol::{Request, Response, Source, reads_one_record};
use super::scheduler::Mode;
use super::schema::{Database, Index, Store};
use super::walk::Walk;
use crate::keyspace::{DOCUMENTS, KeySpan, after_prefix, data_prefix, hex};
use bytes::Bytes;
use flowdb_engine::{
    Db, DbIterator, Draft, Error, ErrorKind, ReadOptions, ReadTier, Result, Snapshot, Version,
};
use std::ops::Bound;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A transaction that has started. Used by one thread at a time; [`World`](super::World) sees to that.
#[derive(Debug)]
pub(crate) struct Transaction {
    db: Db,
    snapshot: Snapshot,
    mode: Mode,
    /// Ids of the stores in scope, ascending. A version change has all in scope.
    scope: Vec<u32>,
    /// The schema; a version change works on its own copy.
    pub(super) database: Arc<Database>,
    pub(super) overlay: Overlay,
    /// What was written before the overlay, once that had grown to its limit.
    draft: Option<Draft>,
    /// What that took in memory.
    spilled_bytes: usize,
    pub(super) limits: Limits,
    /// A request failed when a part of it was done already.
    broken: bool,
    /// A portion of a request that writes is done: the next comes before any other request, and before the
    /// commit. Giving up one that only reads leaves nothing behind.
    unfinished: bool,
    /// How far the request being executed may go.
    tier: ReadTier,
    /// Who executes it.
    pub(super) executor: Executor,
    /// The walk of the last request that had one, for a cursor that goes on from there.
    cached: Option<Walk>,
    /// The walk of the last unique check.
    probe: Option<Walk>,
}

impl Transaction {
    /// Begins to see what is committed now.
    pub(crate) fn begin(
        db: Db,
        limits: Limits,
        mode: Mode,
        scope: Vec<u32>,
        database: Arc<Database>,
    ) -> Self {
        Transaction {
            snapshot: db.snapshot(),
            db,
            mode,
            scope,
            database,
            overlay: Overlay::default(),
            draft: None,
            spilled_bytes: 0,
            limits,
            broken: false,
            unfinished: false,
            tier: ReadTier::Memory,
            executor: Executor::EventLoop,
            cached: None,
            probe: None,
        }
    }

    /// Executes a request, or a portion of it, and answers the response: with `ReadTier::Disk` on a worker.
    /// `None` if the answer is not in memory, or much has to be passed on the way to it, and then nothing has
    /// changed. `InvalidArgument` if the bytes are no request, or not the next portion of the one that is
    /// done in part (in memory that is `None`: it has to wait).
    pub(crate) fn execute(&mut self, request: &[u8], tier: ReadTier) -> Result<Option<Vec<u8>>> {
        let executor = match tier {
            ReadTier::Memory => Executor::EventLoop,
            ReadTier::Disk => Executor::Worker,
        };
        self.execute_by(executor, request, tier)
    }

    /// The same on the JS thread, of a database whose files are in memory: no disk makes it wait, and what
    /// reads one record may read tables.
    pub(super) fn execute_without_disk(&mut self, request: &[u8]) -> Result<Option<Vec<u8>>> {
        let reads_tables = reads_one_record(request) && !self.is_to_spill();
        let tier = if reads_tables { ReadTier::Disk } else { ReadTier::Memory };
        self.execute_by(Executor::EventLoop, request, tier)
    }

    fn execute_by(&mut self, executor: Executor, request: &[u8], tier: ReadTier) -> Result<Option<Vec<u8>>> {
        let (request, resume) = Request::decode(request)?;
        if self.unfinished && resume.is_none() {
            return match executor {
                Executor::EventLoop => Ok(None),
                Executor::Worker => Err(Error::invalid("an earlier request is done in part only")),
            };
        }
        (self.tier, self.executor) = (tier, executor);
        let writes = matches!(request, Request::Delete { .. } | Request::BuildIndex { .. });
        let ready = self.check_whole().and_then(|()| self.spill_if_large());
        if self.unfinished && ready.as_ref().is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
            // The rest of it is not going to be done.
            self.break_off();
        }
        let response = match ready.map_err(Failure::from).and_then(|()| self.perform(request, resume)) {
            Ok(response) => {
                self.unfinished = writes && response.is_portion();
                return Ok(Some(response.finish()));
            }
            Err(Failure::Named(name, message)) => Response::error(name, &message),
            Err(Failure::Engine(error)) => match error.kind() {
                ErrorKind::WouldBlock => return Ok(None),
                ErrorKind::InvalidArgument => return Err(error),
                _ => Response::engine_error(&error),
            },
        };
        self.unfinished = false;
        Ok(Some(response))
    }

    fn perform(&mut self, request: Request<'_>, resume: Option<Resume<'_>>) -> Outcome<Response> {
        match request {
            Request::Put { store, no_overwrite, key, value } => self.put(store, no_overwrite, key, value),
            Request::Get { source, range, key_only } => self.get(source, range, key_only, resume),
            Request::GetAll { source, range, direction, limit, parts } => {
                self.get_all(source, range, direction, limit, parts, resume)
            }
            Request::Count { source, range } => self.count(source, range, resume),
            Request::Delete { store, range } => self.delete(store, range, resume),
            Request::Clear { store } => self.clear(store),
            Request::Iterate { source, range, direction, key_only, to } => {
                self.iterate(source, range, direction, key_only, to, resume)
            }
            other => {
                if !self.may_change_schema() {
                    return Err(invalid_state("the schema can change in a version change transaction only"));
                }
                match other {
                    Request::BuildIndex { store, id } => self.build_index(store, id, resume),
                    other => self.change_schema(other).map(|()| Response::ok()),
                }
            }
        }
    }

    pub(super) fn may_change_schema(&self) -> bool {
        self.mode == Mode::VersionChange
    }

    fn change_schema(&mut self, request: Request<'_>) -> Outcome<()> {
        match request {
            Request::CreateStore { id, auto_increment, name, key_path } => {
                self.create_store(id, auto_increment, name, key_path)
            }
            Request::DeleteStore { id } => self.delete_store(id),
            Request::RenameStore { id, name } => self.rename_store(id, name),
            Request::CreateIndex { store, id, index } => self.create_index(store, id, index),
            Request::DeleteIndex { store, id } => self.delete_index(store, id),
            Request::RenameIndex { store, id, name } => self.rename_index(store, id, name),
            _ => Err(Failure::Named(ErrorName::Unknown, "not a change of the schema".to_owned())),
        }
    }

    /// A store in scope.
    pub(super) fn store(&self, id: u32) -> Outcome<&Store> {
        let in_scope = self.mode == Mode::VersionChange || self.scope.binary_search(&id).is_ok();
        let store = self.database.stores.get(&id).filter(|_| in_scope);
        store.ok_or_else(|| {
            let name = self.database.display_name();
            not_found(format!("database {name:?} has no object store {id} in the scope of this transaction"))
        })
    }

    /// A store in scope, to be written to.
    pub(super) fn writable_store(&self, id: u32) -> Outcome<&Store> {
        if self.mode == Mode::ReadOnly {
            return Err(invalid_state("the transaction is read-only"));
        }
        self.store(id)
    }

    /// An index of a store in scope.
    pub(super) fn index(&self, store: u32, id: u32) -> Outcome<&Index> {
        self.store(store)?.indexes.get(&id).map(Box::as_ref).ok_or_else(|| {
            let name = self.database.display_name();
            not_found(format!("object store {store} of database {name:?} has no index {id}"))
        })
    }

    /// Checks a source and answers the prefix of its keys.
    pub(super) fn source_prefix(&self, source: Source) -> Outcome<Vec<u8>> {
        match source.index {
            0 => self.store(source.store).map(drop)?,
            index => self.index(source.store, index).map(drop)?,
        }
        Ok(self.prefix(source.store, source.index))
    }

    pub(super) fn prefix(&self, store: u32, index: u32) -> Vec<u8> {
        data_prefix(self.database.id, store, index)
    }

    /// True if there is nothing to commit.
    pub(super) fn is_unchanged(&self) -> bool {
        self.overlay.is_empty() && self.draft.is_none()
    }

    /// A request that was done in part has failed: nothing of this transaction may be committed.
    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    /// Fails if the transaction cannot be committed.
    pub(super) fn check_committable(&self) -> Result<()> {
        if self.unfinished {
            return Err(Error::new(ErrorKind::Io, "an earlier request is done in part only"));
        }
        self.check_whole()
    }

    /// Fails if no request can be executed any more.
    fn check_whole(&self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Io,
            "an earlier request failed when a part of it was done: the transaction cannot go on",
        ))
    }

    /// What the request being executed may do at once.
    pub(super) fn portion(&self) -> Portion {
        Portion::new(self.limits, self.executor)
    }

    /// True if a part of its writes is on disk.
    pub(super) fn is_large(&self) -> bool {
        self.draft.is_some()
    }

    /// Writes that are on disk already, if there are any; they are to be committed after the overlay
    /// has joined them.
    pub(super) fn take_draft(&mut self) -> Option<Draft> {
        self.draft.take()
    }

    fn is_to_spill(&self) -> bool {
        self.overlay.memory_bytes() >= self.limits.overlay_bytes_max(self.spilled_bytes)
    }

    /// Moves the overlay to the disk if it is too large. Where the disk may not be touched, that is
    /// an error (`WouldBlock`).
    pub(super) fn spill_if_large(&mut self) -> Result<()> {
        if !self.is_to_spill() {
            return Ok(());
        }
        if self.tier == ReadTier::Memory {
            return Err(Error::would_block());
        }
        let draft = match &mut self.draft {
            Some(draft) => draft,
            None => self.draft.insert(self.db.draft(DOCUMENTS)?),
        };
        self.overlay.write_to(draft)?;
        self.spilled_bytes += self.overlay.memory_bytes();
        // Walks that were begun before do not see what has moved.
        (self.overlay, self.cached, self.probe) = (Overlay::default(), None, None);
        Ok(())
    }

    /// Drops what was written in `span`, where nothing is committed.
    pub(super) fn forget(&mut self, span: KeySpan) {
        match self.draft {
            None => self.overlay.forget(&span),
            Some(_) => self.overlay.clear(span),
        }
    }

    /// What lies under the overlay for `key`.
    fn read_beneath(&self, key: &[u8]) -> Result<Option<Version>> {
        match &self.draft {
            Some(draft) => draft.get(key, self.read_options()),
            None => self.db.get(DOCUMENTS, key, self.read_options()),
        }
    }

    fn iter_beneath(&self, span: &KeySpan) -> Result<DbIterator> {
        let bounds = (
            Bound::Included(Bytes::copy_from_slice(&span.start)),
            Bound::Excluded(Bytes::copy_from_slice(&span.end)),
        );
        match &self.draft {
            Some(draft) => draft.iter(bounds, self.read_options()),
            None => self.db.iter(DOCUMENTS, bounds, self.read_options()),
        }
    }

    fn read_options(&self) -> ReadOptions {
        let sequence = Some(self.snapshot.sequence());
        ReadOptions { sequence, tier: self.tier, ..ReadOptions::default() }
    }

    /// The value of a key, as this transaction sees it.
    pub(super) fn read(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.overlay.get(key) {
            Known::Put(value) => Ok(Some(value.clone())),
            Known::Deleted | Known::Cleared { .. } => Ok(None),
            Known::Nothing => Ok(self.read_beneath(key)?.map(|entry| entry.value)),
        }
    }

    /// Whether a key has a value, as this transaction sees it. That is not read.
    pub(super) fn has(&self, key: &[u8]) -> Result<bool> {
        match (self.overlay.get(key), &self.draft) {
            (Known::Put(_), _) => Ok(true),
            (Known::Deleted | Known::Cleared { .. }, _) => Ok(false),
            (Known::Nothing, Some(draft)) => draft.contains(key, self.read_options()),
            (Known::Nothing, None) => self.db.contains(DOCUMENTS, key, self.read_options()),
        }
    }

    /// A walk in `span` that stands at `at`. To be given back with [`Transaction::keep`] if it may be
    /// gone on with.
    pub(super) fn walk(&mut self, span: KeySpan, at: Vec<u8>) -> Result<Walk> {
        match self.cached.take() {
            Some(mut walk) if walk.fits(self.tier, &span) => {
                walk.limit(self.limits.passes_max(self.executor));
                walk.place(at);
                Ok(walk)
            }
            _ => self.new_walk(span, at),
        }
    }

    /// A walk of its own, for use besides another.
    pub(super) fn new_walk(&self, span: KeySpan, at: Vec<u8>) -> Result<Walk> {
        let entries = self.iter_beneath(&span)?;
        let mut walk = Walk::new(entries, self.tier, span, at);
        walk.limit(self.limits.passes_max(self.executor));
        Ok(walk)
    }

    pub(super) fn keep(&mut self, walk: Walk) {
        self.cached = Some(walk);
    }

    /// True if an index has an entry with this key for another record than `own`.
    pub(super) fn has_other(&mut self, source: Source, key: &[u8], own: &[u8]) -> Result<bool> {
        let prefix = self.prefix(source.store, source.index);
        let wanted = [&prefix, key].concat();
        let span = KeySpan::prefixed(prefix);
        // One walk serves all checks of an index: it spans the whole of it.
        let mut probe = match self.probe.take() {
            Some(probe) if probe.fits(self.tier, &span) => probe,
            _ => self.new_walk(span, wanted.clone())?,
        };
        // There is no place in a check at which a worker could go on.
        probe.limit(match self.executor {
            Executor::EventLoop => self.limits.passes_max(self.executor),
            Executor::Worker => u64::MAX,
        });
        let other = self.finds_other(&mut probe, wanted, own);
        self.probe = Some(probe);
        other
    }

    /// True if there is an entry that begins with `wanted` and ends with anything but `own`.
    fn finds_other(&self, probe: &mut Walk, wanted: Vec<u8>, own: &[u8]) -> Result<bool> {
        let (start, edge) = (wanted.len(), after_prefix(&wanted));
        probe.place(wanted);
        while let Some(found) = probe.next_before(&edge, &self.overlay)? {
            if found[start..] != *own {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A corruption error that says where.
    pub(super) fn corrupt(&self, source: Source, key: &[u8], what: &str) -> Error {
        let name = self.database.display_name();
        let Source { store, index } = source;
        corruption(format!(
            "database {name:?}, object store {store}, index {index}, key {}: {what}",
            hex(key)
        ))
    }
}
