//! Index entries: which ones a record has, what is unique among them, and building them for records that are there.

use super::failure::{Outcome, constraint, corruption, data};
use super::protocol::{Source, is_key};
use super::schema::{Index, Store, display};
use super::transaction::Transaction;
use super::walk::Wanted;
use crate::keyspace::KeySpan;
use crate::value::{self, Extracted, ExtractedMulti, KeyPath};
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

    /// The entries of the record in one index, ascending.
    fn entries_in(&self, store: &Store, id: u32, index: &Index) -> Result<Vec<IndexEntry>> {
        let injected = (self.flags & FLAG_KEY_INJECTED != 0).then_some((&store.key_path, self.key));
        let mut keys = index_keys(index, self.value, injected)?;
        keys.sort_unstable();
        keys.dedup();
        Ok(keys.into_iter().map(|key| IndexEntry { index: id, key }).collect())
    }

    /// The entries of the record in all indexes of its store, ascending.
    pub(super) fn entries(&self, store: &Store) -> Result<Vec<IndexEntry>> {
        let mut entries = Vec::new();
        for (&id, index) in &store.indexes {
            entries.append(&mut self.entries_in(store, id, index)?);
        }
        Ok(entries)
    }
}

/// <https://w3c.github.io/IndexedDB/#store-a-record-into-an-object-store>, step 4.1 to 4.4: the keys of a value in an index.
/// What is no key makes no entry.
fn index_keys(index: &Index, value: &[u8], injected: Option<(&KeyPath, &[u8])>) -> Result<Vec<Vec<u8>>> {
    let path = &index.key_path;
    if index.multi_entry {
        return Ok(match value::extract_multi(value, path, injected)? {
            ExtractedMulti::Keys(keys) => keys,
            ExtractedMulti::Nothing | ExtractedMulti::Invalid => Vec::new(),
        });
    }
    Ok(match value::extract_key(value, path, injected)? {
        Extracted::Key(key) => vec![key],
        Extracted::Nothing | Extracted::Invalid => Vec::new(),
    })
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

    /// Makes the entries of an index for all records of its store. Leaves no entry behind when it fails.
    pub(super) fn build_index(&mut self, store: u32, id: u32) -> Outcome<()> {
        self.index(store, id)?;
        let built = self.add_all_entries(store, id);
        if built.is_err() {
            let span = KeySpan::prefixed(self.prefix(store, id));
            self.forget(span);
        }
        built
    }

    fn add_all_entries(&mut self, store_id: u32, id: u32) -> Outcome<()> {
        let database = Arc::clone(&self.database);
        let (Some(store), source) = (database.stores.get(&store_id), Source { store: store_id, index: 0 })
        else {
            return Ok(());
        };
        let Some(index) = store.indexes.get(&id) else { return Ok(()) };
        let prefix = self.prefix(store_id, 0);
        let span = KeySpan::prefixed(prefix.clone());
        let mut records = self.new_walk(span.clone(), span.start.clone())?;
        while let Some((stored_key, stored)) = records.next(&self.overlay, Wanted::Value)? {
            let stored = stored.unwrap_or_default();
            let primary_key = &stored_key[prefix.len()..];
            let entries = Record::read(primary_key, &stored)
                .and_then(|record| record.entries_in(store, id, index))
                .map_err(|error| self.corrupt(source, primary_key, error.message()))?;
            for entry in entries {
                self.check_unique(store_id, &entry, primary_key)?;
                let key = self.entry_key(store_id, &entry, primary_key)?;
                self.overlay.put(key, Vec::new());
            }
            if self.spill_if_large()? {
                // What the transaction itself has put into the store may have moved.
                records = self.new_walk(span.clone(), records.into_position())?;
            }
        }
        Ok(())
    }

    /// The index entries of a stored record; corruption that says where if it does not decode.
    pub(super) fn stored_entries(
        &self,
        store_id: u32,
        store: &Store,
        primary_key: &[u8],
        stored: &[u8],
    ) -> Result<Vec<IndexEntry>> {
        let source = Source { store: store_id, index: 0 };
        if !is_key(primary_key) {
            return Err(self.corrupt(source, primary_key, "the key does not decode"));
        }
        Record::read(primary_key, stored)
            .and_then(|record| record.entries(store))
            .map_err(|error: Error| self.corrupt(source, primary_key, error.message()))
    }
}
