//! Changes of the schema, made by a version change transaction on its own copy. Others see them when
//! it has committed.

use super::failure::{Outcome, constraint, not_found};
use super::schema::{Database, Index, Store, display};
use super::transaction::Transaction;
use crate::keyspace::{
    KeySpan, data_prefix, database_key, generator_key, index_key, store_data_span, store_indexes_span,
    store_key,
};
use crate::value::KeyPath;
use flowdb_engine::Error;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Transaction {
    /// <https://w3c.github.io/IndexedDB/#upgrade-a-database>: the version is part of the transaction.
    pub(crate) fn set_version(&mut self, version: u64) {
        Arc::make_mut(&mut self.database).version = version;
        self.write_database_row();
    }

    /// The schema to be put in place by the commit, if this is a version change.
    pub(crate) fn changed_database(&self) -> Option<Arc<Database>> {
        self.may_change_schema().then(|| Arc::clone(&self.database))
    }

    pub(super) fn create_store(
        &mut self,
        id: u32,
        auto_increment: bool,
        name: Vec<u16>,
        key_path: KeyPath,
    ) -> Outcome<()> {
        self.check_store_name(&name, None)?;
        let database = Arc::make_mut(&mut self.database);
        database.next_store = take_id(database.next_store, id)?;
        let store = Store { auto_increment, next_index: 1, name, key_path, indexes: BTreeMap::new() };
        database.stores.insert(id, store);
        self.write_database_row();
        self.write_store_row(id)
    }

    pub(super) fn delete_store(&mut self, id: u32) -> Outcome<()> {
        self.store(id)?;
        let database = Arc::make_mut(&mut self.database);
        database.stores.remove(&id);
        let database = database.id;
        self.overlay.clear(store_data_span(database, id));
        self.overlay.clear(store_indexes_span(database, id));
        self.overlay.delete(store_key(database, id));
        self.overlay.delete(generator_key(database, id));
        Ok(())
    }

    pub(super) fn rename_store(&mut self, id: u32, name: Vec<u16>) -> Outcome<()> {
        self.check_store_name(&name, Some(id))?;
        self.store_mut(id)?.name = name;
        self.write_store_row(id)
    }

    /// The entries of records that are there come with [`Transaction::build_index`].
    pub(super) fn create_index(&mut self, store_id: u32, id: u32, index: Index) -> Outcome<()> {
        self.check_index_name(store_id, &index.name, None)?;
        let store = self.store_mut(store_id)?;
        store.next_index = take_id(store.next_index, id)?;
        store.indexes.insert(id, Box::new(index));
        self.write_store_row(store_id)?;
        self.write_index_row(store_id, id)
    }

    pub(super) fn delete_index(&mut self, store: u32, id: u32) -> Outcome<()> {
        self.index(store, id)?;
        self.store_mut(store)?.indexes.remove(&id);
        let database = self.database.id;
        self.overlay.clear(KeySpan::prefixed(data_prefix(database, store, id)));
        self.overlay.delete(index_key(database, store, id));
        Ok(())
    }

    pub(super) fn rename_index(&mut self, store: u32, id: u32, name: Vec<u16>) -> Outcome<()> {
        self.index(store, id)?;
        self.check_index_name(store, &name, Some(id))?;
        if let Some(index) = self.store_mut(store)?.indexes.get_mut(&id) {
            index.name = name;
        }
        self.write_index_row(store, id)
    }

    fn store_mut(&mut self, id: u32) -> Outcome<&mut Store> {
        let database: &mut Database = Arc::make_mut(&mut self.database);
        database.stores.get_mut(&id).ok_or_else(|| not_found(format!("there is no object store {id}")))
    }

    fn check_store_name(&self, name: &[u16], own: Option<u32>) -> Outcome<()> {
        let taken = self.database.stores.iter().any(|(&id, store)| store.name == name && Some(id) != own);
        if taken { Err(constraint(format!("an object store {:?} exists", display(name)))) } else { Ok(()) }
    }

    fn check_index_name(&self, store: u32, name: &[u16], own: Option<u32>) -> Outcome<()> {
        let indexes = &self.store(store)?.indexes;
        let taken = indexes.iter().any(|(&id, index)| index.name == name && Some(id) != own);
        if taken { Err(constraint(format!("an index {:?} exists", display(name)))) } else { Ok(()) }
    }

    fn write_database_row(&mut self) {
        self.overlay.put(database_key(&self.database.name), self.database.row());
    }

    fn write_store_row(&mut self, id: u32) -> Outcome<()> {
        let row = self.store(id)?.row();
        self.overlay.put(store_key(self.database.id, id), row);
        Ok(())
    }

    fn write_index_row(&mut self, store: u32, id: u32) -> Outcome<()> {
        let row = self.index(store, id)?.row();
        self.overlay.put(index_key(self.database.id, store, id), row);
        Ok(())
    }
}

/// The next id after `id`, which must not have been given before.
fn take_id(next: u32, id: u32) -> Outcome<u32> {
    match id.checked_add(1) {
        Some(after) if id >= next => Ok(after),
        _ => Err(Error::invalid(format!("id {id} was given before, or is the last one; the next is {next}"))
            .into()),
    }
}
