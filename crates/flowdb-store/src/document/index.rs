//! Index entries: which ones a record has, what is unique among them, and building them for records
//! that are there.

use super::failure::{Failure, Outcome, constraint, corruption, data};
use super::portion::{Portion, Resume};
use super::protocol::{Response, Source, is_key};
use super::schema::{Index, Store, display};
use super::transaction::Transaction;
use super::walk::Wanted;
use crate::keyspace::KeySpan;
use crate::value::{self, Extracted, ExtractedMulti};
use flowdb_engine::{Error, KEY_BYTES_MAX, Result};
use std::sync::Arc;

/// Record flag: the key was generated and is not in the value; it belongs at the store's key path.
pub(super) const FLAG_KEY_INJECTED: u8 = 1;

/// An index entry without its place: whose it is, and the index key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexEntry {
    pub(super) index: u32,
    pub(super) key: Vec<u8>,
}

/// A record: what is stored under a primary key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) key: &'a [u8],
    pub(super) flags: u8,
    /// In the value format.
    pub(super) value: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads a stored record.
    pub(super) fn read(key: &'a [u8], stored: &'a [u8]) -> Result<Self> {
        let (&flags, value) = stored.split_first().ok_or_else(|| corruption("the record is empty"))?;
        if flags & !FLAG_KEY_INJECTED != 0 {
            return Err(corruption(format!("record flags {flags:#04x}")));
        }
        Ok(Record { key, flags, value })
    }

    /// <https://w3c.github.io/IndexedDB/#store-a-record-into-an-object-store>, step 4.1 to 4.4: the keys of
    /// the record in an index, ascending, each once. What is no key makes no entry.
    pub(super) fn keys_in(
        &self,
        store: &Store,
        index: &Index,
    ) -> Result<impl Iterator<Item = Vec<u8>> + use<>> {
        let injected = (self.flags & FLAG_KEY_INJECTED != 0).then_some((&store.key_path, self.key));
        let path = &index.key_path;
        let (mut one, mut several) = (None, Vec::new());
        if index.multi_entry {
            if let ExtractedMulti::Keys(keys) = value::extract_multi(self.value, path, injected)? {
                several = keys;
                several.sort_unstable();
            }
        } else if let Extracted::Key(key) = value::extract_key(self.value, path, injected)? {
            one = Some(key);
        }
        Ok(one.into_iter().chain(several))
    }

    /// The entries of the record in all indexes of its store, ascending.
    pub(super) fn entries(&self, store: &Store) -> Result<Vec<IndexEntry>> {
        let mut entries = Vec::with_capacity(store.indexes.len());
        for (&id, index) in &store.indexes {
            entries.extend(self.keys_in(store, index)?.map(|key| IndexEntry { index: id, key }));
        }
        Ok(entries)
    }
}

impl Transaction {
    /// The stored key of an index entry.
    pub(super) fn entry_key(&self, store: u32, entry: &IndexEntry, primary_key: &[u8]) -> Outcome<Vec<u8>> {
        let key = [&self.prefix(store, entry.index), &entry.key[..], primary_key].concat();
        if key.len() > KEY_BYTES_MAX {
            return Err(data(format!("index key and primary key have {} bytes", key.len())));
        }
        Ok(key)
    }

    /// Fails with a ConstraintError if `entry` belongs to a unique index that has its key for another record.
    pub(super) fn check_unique(
        &mut self,
        store_id: u32,
        entry: &IndexEntry,
        primary_key: &[u8],
    ) -> Outcome<()> {
        let database = Arc::clone(&self.database);
        let index = database.stores.get(&store_id).and_then(|store| store.indexes.get(&entry.index));
        let Some(index) = index.filter(|index| index.unique) else { return Ok(()) };
        let source = Source { store: store_id, index: entry.index };
        if self.has_other(source, &entry.key, primary_key)? {
            let name = display(&index.name);
            return Err(constraint(format!("the unique index {name:?} has this key for another record")));
        }
        Ok(())
    }

    /// Makes the entries of an index for the records of its store, or a portion of them. Leaves no entry
    /// behind when it fails.
    pub(super) fn build_index(
        &mut self,
        store: u32,
        id: u32,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Response> {
        self.index(store, id)?;
        let mut portion = self.portion();
        let built = self.build_portion(store, id, resume, &mut portion);
        if built.as_ref().is_err_and(Failure::is_final) {
            self.forget(KeySpan::prefixed(self.prefix(store, id)));
        }
        built
    }

    fn build_portion(
        &mut self,
        store_id: u32,
        id: u32,
        resume: Option<Resume<'_>>,
        portion: &mut Portion,
    ) -> Outcome<Response> {
        let database = Arc::clone(&self.database);
        let Some(store) = database.stores.get(&store_id) else { return Ok(Response::ok()) };
        let Some(index) = store.indexes.get(&id) else { return Ok(Response::ok()) };
        let prefix = self.prefix(store_id, 0);
        let span = KeySpan::prefixed(prefix.clone());
        let at = resume.map_or_else(|| span.start.clone(), |resume| resume.place.to_vec());
        let mut records = self.walk(span, at)?;
        let mut place = Vec::new();
        while {
            records.position().clone_into(&mut place);
            !portion.is_used_up()
        } {
            let next = records.next(&self.overlay, Wanted::Value).map_err(Failure::from);
            let added = next.and_then(|pair| match pair {
                Some((key, stored)) => {
                    let (key, stored) = (&key[prefix.len()..], stored.unwrap_or_default());
                    self.add_entries(store_id, store, (id, index), key, &stored).map(Some)
                }
                None => Ok(None),
            });
            match added {
                Ok(Some(bytes)) => portion.step(bytes),
                Ok(None) => return Ok(Response::ok()),
                Err(Failure::Engine(error)) if portion.ends_with(&error) => {
                    if portion.steps() == 0 {
                        records.position().clone_into(&mut place);
                    }
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        let done = resume.map_or(0, |resume| resume.done).saturating_add(portion.steps());
        let response = Response::portion(done, &place);
        self.keep(records);
        Ok(response)
    }

    /// Makes the entries of one record in one index, or none if one of them cannot be. Answers how many bytes
    /// were dealt with.
    fn add_entries(
        &mut self,
        store_id: u32,
        store: &Store,
        (id, index): (u32, &Index),
        primary_key: &[u8],
        stored: &[u8],
    ) -> Outcome<usize> {
        let source = Source { store: store_id, index: 0 };
        let entries = Record::read(primary_key, stored)
            .and_then(|record| record.keys_in(store, index))
            .map_err(|error| self.corrupt(source, primary_key, error.message()))?
            .map(|key| IndexEntry { index: id, key });
        let mut keys = Vec::new();
        for entry in entries {
            self.check_unique(store_id, &entry, primary_key)?;
            keys.push(self.entry_key(store_id, &entry, primary_key)?);
        }
        let bytes = stored.len() + keys.iter().map(Vec::len).sum::<usize>();
        for key in keys {
            self.overlay.put(key, Vec::new());
        }
        Ok(bytes)
    }

    /// The index entries of a stored record; corruption that says where if it does not decode.
    pub(super) fn stored_entries(
        &self,
        store_id: u32,
        store: &Store,
        primary_key: &[u8],
        stored: &[u8],
    ) -> Result<Vec<IndexEntry>> {
        self.stored_record(store_id, primary_key, stored, |record| record.entries(store))
    }

    /// What `read` makes of a stored record; corruption that says where if it does not decode.
    pub(super) fn stored_record<R>(
        &self,
        store_id: u32,
        primary_key: &[u8],
        stored: &[u8],
        read: impl FnOnce(Record<'_>) -> Result<R>,
    ) -> Result<R> {
        let source = Source { store: store_id, index: 0 };
        if !is_key(primary_key) {
            return Err(self.corrupt(source, primary_key, "the key does not decode"));
        }
        Record::read(primary_key, stored)
            .and_then(read)
            .map_err(|error: Error| self.corrupt(source, primary_key, error.message()))
    }
}
