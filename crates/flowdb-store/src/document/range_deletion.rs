//! Deleting records. Those of a range go at once, and their index entries too where many of them are neighbours.

use super::failure::{Failure, Outcome};
use super::index::IndexEntry;
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

/// So many entries under one index key are deleted as a range: it is one write in the place of many, but readers keep it in mind.
const ENTRIES_MIN: usize = 16;

/// Index entries of the records that a portion deals with.
#[derive(Debug, Default)]
struct Entries {
    /// Stored keys of those in unique indexes: each has an index key of its own.
    unique: Vec<Vec<u8>>,
    /// The others: primary keys, ascending, by what is in front of them in the stored keys.
    by_key: HashMap<Vec<u8>, Vec<Bytes>>,
}

impl Entries {
    /// Adds one, of which `before` is what is in front of the primary key.
    fn add(&mut self, is_unique: bool, mut before: Vec<u8>, primary_key: &Bytes) {
        if is_unique {
            before.extend_from_slice(primary_key);
            self.unique.push(before);
        } else {
            self.by_key.entry(before).or_default().push(primary_key.clone());
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

    /// True if the store has no records but those in `span`.
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
        let first = self.new_walk(span, start)?.next(&self.overlay, Wanted::Key)?;
        Ok(first.is_none())
    }

    /// Deletes the index entries of the records in `span`, or a portion of them: the answer is where to go on then. A portion that fails has deleted
    /// nothing; if there was one before it, records have lost their entries, and the transaction cannot be committed.
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
        let mut entries = Entries::default();
        let walked = self.collect_entries((store_id, store), span, at, &mut portion, &mut entries)?;
        self.delete_entries(&first_key, entries);
        Ok(walked.map(|place| {
            let done = resume.map_or(0, |resume| resume.done).saturating_add(portion.steps());
            Response::portion(done, &place)
        }))
    }

    /// Collects the index entries of the records in `span` from `at` on, as far as the portion goes. `None`: there are no more.
    fn collect_entries(
        &mut self,
        (store_id, store): (u32, &Store),
        span: KeySpan,
        at: Vec<u8>,
        portion: &mut Portion,
        collected: &mut Entries,
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
            let entries = self.stored_entries(store_id, store, &primary_key, &stored)?;
            portion.step(
                stored.len() + entries.iter().map(|entry| entry.key.len() + prefix_bytes).sum::<usize>(),
            );
            for IndexEntry { index, key } in entries {
                let is_unique = store.indexes.get(&index).is_some_and(|index| index.unique);
                collected.add(is_unique, [&self.prefix(store_id, index), &key[..]].concat(), &primary_key);
            }
        }
        let place = records.position().to_vec();
        self.keep(records);
        Ok(Some(place))
    }

    /// Deletes index entries of the records from `first_key` on, of which those before are gone. Under one index key there are no others from there up to
    /// the last of these: the records between them are among those that are deleted.
    fn delete_entries(&mut self, first_key: &[u8], entries: Entries) {
        for key in entries.unique {
            self.overlay.delete(key);
        }
        for (before, primary_keys) in entries.by_key {
            match &primary_keys[..] {
                [.., last] if primary_keys.len() >= ENTRIES_MIN => {
                    let (start, end) = ([&before, first_key].concat(), [&before, &last[..], &[0]].concat());
                    self.overlay.clear(KeySpan { start, end });
                }
                few => few.iter().for_each(|key| self.overlay.delete([&before, &key[..]].concat())),
            }
        }
    }
}
