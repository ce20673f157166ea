//! Writing records: put, add, clear, and the key generator.

use super::failure::{Outcome, constraint, data};
use super::index::{FLAG_KEY_INJECTED, IndexEntry, Record};
use super::key::{KEY_BYTES_MAX, Key, put_number};
use super::protocol::{Response, Source};
use super::schema::Store;
use super::transaction::Transaction;
use crate::keyspace::{generator_key, store_data_span};
use crate::value::{self, Extracted, KeyPath};
use flowdb_engine::{Error, Result, VALUE_BYTES_MAX};
use std::sync::Arc;

/// Largest number a key generator gives: above it, doubles do not tell neighbours apart.
const GENERATED_MAX: f64 = 9_007_199_254_740_992.0;
/// Version byte at the start of the value format.
const VALUE_VERSION: u8 = 1;

/// The key under which a record is going to be stored.
#[derive(Debug)]
struct ChosenKey {
    key: Vec<u8>,
    flags: u8,
    /// Number at which the key generator goes on, if it advances.
    generator: Option<f64>,
}

/// What storing a record changes besides itself: index entries, as stored keys.
#[derive(Debug, Default)]
struct IndexChanges {
    removed: Vec<Vec<u8>>,
    added: Vec<Vec<u8>>,
}

impl Transaction {
    /// <https://w3c.github.io/IndexedDB/#store-a-record-into-an-object-store>. All that can fail comes before
    /// the first write: a failed request leaves nothing behind, the generator's advance included.
    pub(super) fn put(
        &mut self,
        store_id: u32,
        no_overwrite: bool,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Outcome<Response> {
        let database = Arc::clone(&self.database);
        self.writable_store(store_id)?;
        let store = database.stores.get(&store_id).expect("a writable store is in the schema");
        check_value(value)?;
        let chosen = self.choose_key(store_id, store, key, value)?;
        let record = Record { key: &chosen.key, flags: chosen.flags, value };
        let IndexChanges { removed, added } = self.index_changes(store_id, store, record, no_overwrite)?;
        self.advance_generator(store_id, chosen.generator);
        for entry in removed {
            self.overlay.delete(entry);
        }
        for entry in added {
            self.overlay.put(entry, Vec::new());
        }
        let stored = [&[chosen.flags], value].concat();
        self.overlay.put([&self.prefix(store_id, 0), &chosen.key[..]].concat(), stored);
        let mut response = Response::ok();
        response.bytes(&chosen.key);
        Ok(response)
    }

    fn choose_key(
        &self,
        store_id: u32,
        store: &Store,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Outcome<ChosenKey> {
        let given = match (key, &store.key_path) {
            (Some(key), _) => Some(key.to_vec()),
            (None, KeyPath::None) => None,
            (None, path) => match value::extract_key(value, path, None).map_err(refuse_value)? {
                Extracted::Key(key) => Some(key),
                Extracted::Invalid => return Err(data("the value at the key path is not a key")),
                Extracted::Nothing => None,
            },
        };
        match given {
            Some(key) if key.len() > KEY_BYTES_MAX => Err(data(format!("the key has {} bytes", key.len()))),
            Some(key) => {
                let generator =
                    if store.auto_increment { self.raised_generator(store_id, &key)? } else { None };
                Ok(ChosenKey { key, flags: 0, generator })
            }
            None if store.auto_increment => self.generate_key(store_id, store, value),
            None => Err(data("the object store has no key generator, and no key was given")),
        }
    }

    /// <https://w3c.github.io/IndexedDB/#generate-a-key>
    fn generate_key(&self, store_id: u32, store: &Store, value: &[u8]) -> Outcome<ChosenKey> {
        let number = self.generator(store_id)?;
        if number > GENERATED_MAX {
            return Err(constraint("the key generator has no number left"));
        }
        let in_line = store.key_path != KeyPath::None;
        if in_line && !value::can_inject(value, &store.key_path).map_err(refuse_value)? {
            return Err(data("the value has no place for a generated key at the key path"));
        }
        let flags = if in_line { FLAG_KEY_INJECTED } else { 0 };
        Ok(ChosenKey { key: number_key(number), flags, generator: Some(next_number(number)) })
    }

    /// <https://w3c.github.io/IndexedDB/#possibly-update-the-key-generator>: the number to go on at, if
    /// `key` raises it.
    fn raised_generator(&self, store_id: u32, key: &[u8]) -> Outcome<Option<f64>> {
        let Ok(Key::Number(number)) = Key::decode(key) else { return Ok(None) };
        let number = number.min(GENERATED_MAX).floor();
        Ok((number >= self.generator(store_id)?).then(|| next_number(number)))
    }

    /// Current number of a key generator: the next key.
    fn generator(&self, store_id: u32) -> Result<f64> {
        let Some(row) = self.read(&generator_key(self.database.id, store_id))? else { return Ok(1.0) };
        let number = row[..].try_into().ok().map(f64::from_le_bytes);
        number.filter(|number| *number >= 1.0 && number.fract() == 0.0).ok_or_else(|| {
            let source = Source { store: store_id, index: 0 };
            self.corrupt(source, &row, "this is not the number of a key generator")
        })
    }

    fn advance_generator(&mut self, store_id: u32, to: Option<f64>) {
        if let Some(number) = to {
            let key = generator_key(self.database.id, store_id);
            self.overlay.put(key, number.to_le_bytes().to_vec());
        }
    }

    /// Checks constraints and finds the index entries that come and go.
    fn index_changes(
        &mut self,
        store_id: u32,
        store: &Store,
        record: Record<'_>,
        no_overwrite: bool,
    ) -> Outcome<IndexChanges> {
        if !no_overwrite && store.indexes.is_empty() {
            return Ok(IndexChanges::default());
        }
        let stored_key = [&self.prefix(store_id, 0), record.key].concat();
        if no_overwrite && self.has(&stored_key)? {
            return Err(constraint("the object store has a record with this key"));
        }
        let before = if no_overwrite { None } else { self.read(&stored_key)? };
        let old = match &before {
            Some(stored) => self.stored_entries(store_id, store, record.key, stored)?,
            None => Vec::new(),
        };
        let new = record.entries(store).map_err(refuse_value)?;
        let without = |from: &[IndexEntry], others: &[IndexEntry]| -> Vec<IndexEntry> {
            from.iter().filter(|entry| others.binary_search(entry).is_err()).cloned().collect()
        };
        let (removed, added) = (without(&old, &new), without(&new, &old));
        // What the record has already, no other record has.
        for entry in &added {
            self.check_unique(store_id, entry, record.key)?;
        }
        let keys = |entries: &[IndexEntry]| -> Outcome<Vec<Vec<u8>>> {
            entries.iter().map(|entry| self.entry_key(store_id, entry, record.key)).collect()
        };
        Ok(IndexChanges { removed: keys(&removed)?, added: keys(&added)? })
    }

    /// <https://w3c.github.io/IndexedDB/#clear-an-object-store>: the key generator stays as it is.
    pub(super) fn clear(&mut self, store_id: u32) -> Outcome<Response> {
        self.writable_store(store_id)?;
        self.overlay.clear(store_data_span(self.database.id, store_id));
        Ok(Response::ok())
    }
}

fn check_value(value: &[u8]) -> Outcome<()> {
    if value.first() != Some(&VALUE_VERSION) {
        return Err(Error::invalid("the value is not in version 1 of the value format").into());
    }
    // One byte more for the record flags.
    if value.len() >= VALUE_BYTES_MAX {
        return Err(data(format!("the value has {} bytes; the limit is {VALUE_BYTES_MAX}", value.len())));
    }
    Ok(())
}

/// A value that comes with a request and does not decode is the caller's fault, not the disk's.
fn refuse_value(error: Error) -> Error {
    Error::invalid(format!("the value does not decode: {}", error.message()))
}

/// The number after `number`. Beyond the largest one, one more would be the same double: it is the next
/// double then, at which the generator is used up.
fn next_number(number: f64) -> f64 {
    (number + 1.0).max(number.next_up())
}

fn number_key(number: f64) -> Vec<u8> {
    let mut key = Vec::new();
    put_number(&mut key, number);
    key
}
