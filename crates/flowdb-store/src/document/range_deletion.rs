//! Deleting records. Those of a range go at once, and their index entries too where many of
//! them are neighbours.

use super::failure::{Failure, Outcome};
use super::index::Record;
use super::portion::{Portion, Resume};
use super::protocol::{KeyRange, Response};
use super::schema::Store;
use super::transaction::Transaction;
use super::walk::Wanted;
use crate::keyspace::KeySpan;
use bytes::Bytes;
use flowdb_engine::Result;
use std::collections::HashMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// So many entries under one index key are deleted as a range: it is one write in the place of many, but
/// readers keep it in mind.
const ENTRIES_MIN: usize = 16;

/// A store is found to have no other records than those of a range if there are no more deleted ones than
/// this on either side: all that is gained is that its index entries need not be found.
const PASSES_TO_KNOW_MAX: u64 = 64;

/// The records that a portion deals with, and their index entries.
#[derive(Debug)]
struct Collected {
    /// Ascending.
    primary_keys: Vec<Bytes>,
    /// Of each index of the store, in their order.
    entries: Vec<Entries>,
}

/// Entries of one index.
#[derive(Debug)]
struct Entries {
    /// What is in front of the index keys in stored keys.
    prefix: Vec<u8>,
    is_unique: bool,
    /// Stored keys, if the index is unique: each entry has an index key of its own.
    unique: Vec<Vec<u8>>,
    /// If it is not: by index key, the numbers of the records, ascending.
    by_key: HashMap<Vec<u8>, Vec<usize>>,
}

impl Collected {
    fn new(transaction: &Transaction, store_id: u32, store: &Store) -> Self {
        let entries = store.indexes.iter().map(|(&id, index)| Entries {
            prefix: transaction.prefix(store_id, id),
            is_unique: index.unique,
            unique: Vec::new(),
            by_key: HashMap::new(),
        });
        Collected { primary_keys: Vec::new(), entries: entries.collect() }
    }

    /// Adds a record and its entries. Answers how many bytes these have.
    fn add(&mut self, store: &Store, record: Record<'_>, primary_key: &Bytes) -> Result<usize> {
        let mut bytes = 0;
        for (entries, index) in self.entries.iter_mut().zip(store.indexes.values()) {
            for key in record.keys_in(store, index)? {
                bytes += entries.prefix.len() + key.len();
                entries.add(key, primary_key, self.primary_keys.len());
            }
        }
        self.primary_keys.push(primary_key.clone());
        Ok(bytes)
    }
}

impl Entries {
    fn add(&mut self, key: Vec<u8>, primary_key: &[u8], record: usize) {
        if self.is_unique {
            self.unique.push([&self.prefix, &key, primary_key].concat());
        } else {
            self.by_key.entry(key).or_default().push(record);
        }
    }
}

impl Transaction {
    /// <https://w3c.github.io/IndexedDB/#delete-records-from-an-object-store>
    pub(super) fn delete(
        &mut self,
        store_id: u32,
        range: KeyRange<'_>,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Response> {
        let has_indexes = !self.writable_store(store_id)?.indexes.is_empty();
        if let Some(key) = range.single() {
            self.delete_single(store_id, key)?;
            return Ok(Response::ok());
        }
        let span = range.span(&self.prefix(store_id, 0));
        if range.is_unbounded() || (has_indexes && resume.is_none() && self.is_all(store_id, &span)?) {
            return self.clear(store_id);
        }
        if has_indexes && let Some(portion) = self.delete_entries_of(store_id, span.clone(), resume)? {
            return Ok(portion);
        }
        self.overlay.clear(span);
        Ok(Response::ok())
    }

    fn delete_single(&mut self, store_id: u32, key: &[u8]) -> Outcome<()> {
        let stored_key = [&self.prefix(store_id, 0), key].concat();
        let database = Arc::clone(&self.database);
        if let Some(store) = database.stores.get(&store_id).filter(|store| !store.indexes.is_empty())
            && let Some(stored) = self.read(&stored_key)?
        {
            for entry in self.stored_entries(store_id, store, key, &stored)? {
                let entry = self.entry_key(store_id, &entry, key)?;
                self.overlay.delete(entry);
            }
        }
        self.overlay.delete(stored_key);
        Ok(())
    }

    /// True if the store has no records but those in `span`, as far as that is quickly said.
    fn is_all(&self, store_id: u32, span: &KeySpan) -> Result<bool> {
        let KeySpan { start, end } = KeySpan::prefixed(self.prefix(store_id, 0));
        let before = KeySpan { start, end: span.start.clone() };
        let behind = KeySpan { start: span.end.clone(), end };
        Ok(self.has_nothing_in(before)? && self.has_nothing_in(behind)?)
    }

    fn has_nothing_in(&self, span: KeySpan) -> Result<bool> {
        if span.is_empty() {
            return Ok(true);
        }
        let start = span.start.clone();
        let mut walk = self.new_walk(span, start)?;
        walk.limit(PASSES_TO_KNOW_MAX);
        match walk.next(&self.overlay, Wanted::Key) {
            // There may be something behind all that is deleted.
            Err(_) if walk.passes_left() == 0 => Ok(false),
            first => Ok(first?.is_none()),
        }
    }

    /// Deletes the index entries of the records in `span`, or a portion of them: the answer is where to go on
    /// then. A portion that fails has deleted nothing; if there was one before it, records have lost their
    /// entries, and the transaction cannot be committed.
    fn delete_entries_of(
        &mut self,
        store_id: u32,
        span: KeySpan,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Option<Response>> {
        let deleted = self.delete_portion(store_id, span, resume);
        if deleted.as_ref().is_err_and(Failure::is_final) && resume.is_some() {
            self.break_off();
        }
        deleted
    }

    fn delete_portion(
        &mut self,
        store_id: u32,
        span: KeySpan,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Option<Response>> {
        let database = Arc::clone(&self.database);
        let Some(store) = database.stores.get(&store_id) else { return Ok(None) };
        let first_key = span.start[self.prefix(store_id, 0).len()..].to_vec();
        let at = resume.map_or_else(|| span.start.clone(), |resume| resume.place.to_vec());
        let mut portion = self.portion();
        let mut collected = Collected::new(self, store_id, store);
        let walked = self.collect((store_id, store), span, at, &mut portion, &mut collected)?;
        self.delete_entries(&first_key, collected);
        Ok(walked.map(|place| {
            let done = resume.map_or(0, |resume| resume.done).saturating_add(portion.steps());
            Response::portion(done, &place)
        }))
    }

    /// Collects the records in `span` from `at` on, as far as the portion goes. `None`: there are no more.
    fn collect(
        &mut self,
        (store_id, store): (u32, &Store),
        span: KeySpan,
        at: Vec<u8>,
        portion: &mut Portion,
        collected: &mut Collected,
    ) -> Outcome<Option<Vec<u8>>> {
        let prefix_bytes = self.prefix(store_id, 0).len();
        let mut records = self.walk(span, at)?;
        while !portion.is_used_up() {
            let (stored_key, stored) = match records.next(&self.overlay, Wanted::Value) {
                Ok(Some((key, value))) => (key, value.unwrap_or_default()),
                Ok(None) => return Ok(None),
                Err(error) if portion.ends_with(&error) => break,
                Err(error) => return Err(error.into()),
            };
            let primary_key = stored_key.slice(prefix_bytes..);
            let bytes = self.stored_record(store_id, &primary_key, &stored, |record| {
                collected.add(store, record, &primary_key)
            })?;
            portion.step(stored.len() + bytes);
        }
        let place = records.position().to_vec();
        self.keep(records);
        Ok(Some(place))
    }

    /// Deletes index entries of the records from `first_key` on, of which those before are gone. Under one
    /// index key there are no others from there up to the last of these: the records between them are among
    /// those that are deleted.
    fn delete_entries(&mut self, first_key: &[u8], collected: Collected) {
        let Collected { primary_keys, entries } = collected;
        for Entries { prefix, unique, by_key, .. } in entries {
            unique.into_iter().for_each(|key| self.overlay.delete(key));
            for (key, records) in by_key {
                match &records[..] {
                    [.., last] if records.len() >= ENTRIES_MIN => {
                        let start = [&prefix, &key, first_key].concat();
                        let end = [&prefix[..], &key, &primary_keys[*last], &[0]].concat();
                        self.overlay.clear(KeySpan { start, end });
                    }
                    few => {
                        let stored_key =
                            |record: &usize| [&prefix, &key, &primary_keys[*record][..]].concat();
                        few.iter().for_each(|record| self.overlay.delete(stored_key(record)));
                    }
                }
            }
        }
    }
}
