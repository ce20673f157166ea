//! The databases that are there, in memory as in the catalog rows.

use super::failure::corruption;
use super::schema::{Database, Index, Store, display};
use crate::keyspace::{CatalogKey, DOCUMENTS, catalog_span, hex};
use flowdb_engine::{Db, ReadOptions, Result};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// What is committed. A version change replaces its database here when its commit is done, not before.
#[derive(Debug)]
pub(crate) struct Catalog {
    databases: BTreeMap<Vec<u16>, Arc<Database>>,
    next_database: u32,
}

impl Catalog {
    /// Reads the catalog rows of a directory.
    pub(crate) fn load(db: &Db) -> Result<Self> {
        let span = catalog_span();
        let bounds = (Bound::Included(span.start.into()), Bound::Excluded(span.end.into()));
        let mut rows = db.iter(DOCUMENTS, bounds, ReadOptions::default())?;
        let mut loader = Loader::default();
        rows.seek_first()?;
        while rows.valid() {
            loader.add(rows.key(), &rows.shared_value()?)?;
            rows.next()?;
        }
        loader.finish()
    }

    /// Of a directory without databases.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Catalog { databases: BTreeMap::new(), next_database: 1 }
    }

    pub(crate) fn get(&self, name: &[u16]) -> Option<&Arc<Database>> {
        self.databases.get(name)
    }

    /// All databases, by name.
    pub(crate) fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.databases.values()
    }

    /// Puts a committed version of a database in place.
    pub(crate) fn replace(&mut self, database: Arc<Database>) {
        self.databases.insert(database.name.clone(), database);
    }

    pub(crate) fn remove(&mut self, name: &[u16]) {
        self.databases.remove(name);
    }

    /// An id for a new database; `None` once all are used up.
    pub(crate) fn allocate_database_id(&mut self) -> Option<u32> {
        let id = self.next_database;
        self.next_database = id.checked_add(1)?;
        Some(id)
    }

    /// Value of the row that says which ids are given away.
    pub(crate) fn next_database_row(&self) -> Vec<u8> {
        self.next_database.to_le_bytes().to_vec()
    }
}

/// Builds a catalog from its rows. They come in the order of their keys: databases, then
/// stores, then indexes.
#[derive(Debug, Default)]
struct Loader {
    next_database: Option<u32>,
    databases: HashMap<u32, Database>,
}

impl Loader {
    fn add(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        let parsed = CatalogKey::parse(key)?;
        self.add_row(parsed, row).ok_or_else(|| {
            corruption(format!(
                "catalog: the row {} does not decode, or belongs to nothing: {}",
                hex(key),
                hex(row)
            ))
        })
    }

    fn add_row(&mut self, key: CatalogKey, row: &[u8]) -> Option<()> {
        match key {
            CatalogKey::NextDatabaseId => self.next_database = Some(u32::from_le_bytes(row.try_into().ok()?)),
            CatalogKey::Database { name } => {
                let database = Database::read_row(name, row).filter(|database| database.version > 0)?;
                if self.databases.insert(database.id, database).is_some() {
                    return None;
                }
            }
            CatalogKey::Store { database, store } => {
                let database = self.databases.get_mut(&database)?;
                let known = (1..database.next_store).contains(&store);
                database.stores.insert(store, Store::read_row(row).filter(|_| known)?);
            }
            CatalogKey::Index { database, store, index } => {
                let store = self.databases.get_mut(&database)?.stores.get_mut(&store)?;
                let known = (1..store.next_index).contains(&index);
                store.indexes.insert(index, Box::new(Index::read_row(row).filter(|_| known)?));
            }
            // Read by the transaction that uses it.
            CatalogKey::Generator { database, store } => {
                self.databases.get(&database)?.stores.get(&store)?;
            }
        }
        Some(())
    }

    fn finish(self) -> Result<Catalog> {
        let next_database = self.next_database.unwrap_or(1);
        if let Some(database) = self.databases.values().find(|database| database.id >= next_database) {
            let (name, id) = (display(&database.name), database.id);
            let message = format!("catalog: database {name:?} has id {id}; the next one is {next_database}");
            return Err(corruption(message));
        }
        let databases = self.databases.into_values();
        let databases = databases.map(|database| (database.name.clone(), Arc::new(database))).collect();
        Ok(Catalog { databases, next_database })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{database_key, generator_key, index_key, next_database_id_key, store_key};
    use crate::value::KeyPath;
    use flowdb_engine::ErrorKind;

    fn load(rows: &[(Vec<u8>, Vec<u8>)]) -> Result<Catalog> {
        let mut loader = Loader::default();
        for (key, row) in rows {
            loader.add(key, row)?;
        }
        loader.finish()
    }

    fn rows() -> Vec<(Vec<u8>, Vec<u8>)> {
        let name: Vec<u16> = "a".encode_utf16().collect();
        let database = Database { version: 2, next_store: 2, ..Database::new(1, name.clone()) };
        let index = Index { unique: true, multi_entry: false, name: name.clone(), key_path: KeyPath::None };
        let store = Store {
            auto_increment: true,
            next_index: 2,
            name: name.clone(),
            key_path: KeyPath::None,
            indexes: BTreeMap::new(),
        };
        vec![
            (next_database_id_key(), 2u32.to_le_bytes().to_vec()),
            (database_key(&name), database.row()),
            (store_key(1, 1), store.row()),
            (index_key(1, 1, 1), index.row()),
            (generator_key(1, 1), 1f64.to_le_bytes().to_vec()),
        ]
    }

    #[test]
    fn rows_make_a_catalog() {
        let mut catalog = load(&rows()).unwrap();
        let database = Arc::clone(catalog.databases().next().unwrap());
        assert_eq!(database.version, 2);
        assert!(database.stores[&1].indexes[&1].unique);
        assert_eq!(catalog.allocate_database_id(), Some(2));
        assert_eq!(catalog.next_database_row(), [3, 0, 0, 0]);
    }

    #[test]
    fn rows_that_belong_to_nothing_are_corruption() {
        let whole = rows();
        for missing in 0..3 {
            let mut rows = whole.clone();
            rows.remove(missing);
            assert_eq!(load(&rows).unwrap_err().kind(), ErrorKind::Corruption, "without row {missing}");
        }
        let mut rows = whole;
        rows[3].0 = index_key(1, 1, 2);
        assert!(load(&rows).is_err(), "an index id that was never given");
    }
}
