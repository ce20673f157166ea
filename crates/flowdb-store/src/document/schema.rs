//! What a database consists of, in memory, in the rows of the catalog, and in the bytes of the protocol.

use super::key::{decode_text, put_text};
use crate::value::KeyPath;
use flowdb_engine::format::Reader;
use std::collections::BTreeMap;

const FLAG_UNIQUE: u8 = 1;
const FLAG_MULTI_ENTRY: u8 = 2;

/// A database: one version of its schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Database {
    pub(crate) id: u32,
    pub(crate) name: Vec<u16>,
    pub(crate) version: u64,
    pub(crate) next_store: u32,
    pub(crate) stores: BTreeMap<u32, Store>,
}

/// An object store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Store {
    pub(crate) auto_increment: bool,
    pub(crate) next_index: u32,
    pub(crate) name: Vec<u16>,
    pub(crate) key_path: KeyPath,
    /// Boxed: a node of the map has room for eleven, and most stores have few.
    pub(crate) indexes: BTreeMap<u32, Box<Index>>,
}

/// An index of an object store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Index {
    pub(crate) unique: bool,
    pub(crate) multi_entry: bool,
    pub(crate) name: Vec<u16>,
    pub(crate) key_path: KeyPath,
}

impl Database {
    /// A database without stores, at version 0.
    pub(crate) fn new(id: u32, name: Vec<u16>) -> Self {
        Database { id, name, version: 0, next_store: 1, stores: BTreeMap::new() }
    }

    /// Value of its catalog row.
    pub(crate) fn row(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.next_store.to_le_bytes());
        out
    }

    /// Reads a catalog row.
    pub(crate) fn read_row(name: Vec<u16>, row: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(row);
        let (id, version, next_store) = (reader.u32()?, reader.u64()?, reader.u32()?);
        reader.is_empty().then_some(Database { id, name, version, next_store, stores: BTreeMap::new() })
    }

    /// The schema in the bytes of the protocol.
    pub(crate) fn schema_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.next_store.to_le_bytes());
        put_count(&mut out, self.stores.len());
        for (id, store) in &self.stores {
            out.extend_from_slice(&id.to_le_bytes());
            store.put_schema(&mut out);
        }
        out
    }

    /// The name for messages.
    pub(crate) fn display_name(&self) -> String {
        display(&self.name)
    }
}

impl Store {
    /// Value of its catalog row.
    pub(crate) fn row(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.auto_increment)];
        out.extend_from_slice(&self.next_index.to_le_bytes());
        put_text(&mut out, self.name.iter().copied());
        self.key_path.encode_into(&mut out);
        out
    }

    /// Reads a catalog row.
    pub(crate) fn read_row(row: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(row);
        let auto_increment = read_bool(&mut reader)?;
        let next_index = reader.u32()?;
        let name = read_row_text(&mut reader)?;
        let key_path = KeyPath::decode(&mut reader)?;
        let store = Store { auto_increment, next_index, name, key_path, indexes: BTreeMap::new() };
        reader.is_empty().then_some(store)
    }

    fn put_schema(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.auto_increment));
        out.extend_from_slice(&self.next_index.to_le_bytes());
        put_name(out, &self.name);
        self.key_path.encode_into(out);
        put_count(out, self.indexes.len());
        for (id, index) in &self.indexes {
            out.extend_from_slice(&id.to_le_bytes());
            out.push(index.flags());
            put_name(out, &index.name);
            index.key_path.encode_into(out);
        }
    }
}

impl Index {
    /// Value of its catalog row.
    pub(crate) fn row(&self) -> Vec<u8> {
        let mut out = vec![self.flags()];
        put_text(&mut out, self.name.iter().copied());
        self.key_path.encode_into(&mut out);
        out
    }

    /// Reads a catalog row.
    pub(crate) fn read_row(row: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(row);
        let (unique, multi_entry) = read_index_flags(&mut reader)?;
        let name = read_row_text(&mut reader)?;
        let key_path = KeyPath::decode(&mut reader)?;
        reader.is_empty().then_some(Index { unique, multi_entry, name, key_path })
    }

    fn flags(&self) -> u8 {
        (if self.unique { FLAG_UNIQUE } else { 0 }) | (if self.multi_entry { FLAG_MULTI_ENTRY } else { 0 })
    }
}

/// A byte that is 0 or 1.
pub(crate) fn read_bool(reader: &mut Reader<'_>) -> Option<bool> {
    match reader.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Flags of an index: (unique, multiEntry).
pub(crate) fn read_index_flags(reader: &mut Reader<'_>) -> Option<(bool, bool)> {
    let flags = reader.u8()?;
    let known = flags & !(FLAG_UNIQUE | FLAG_MULTI_ENTRY) == 0;
    known.then_some((flags & FLAG_UNIQUE != 0, flags & FLAG_MULTI_ENTRY != 0))
}

/// A name in the protocol: u32 count of code units, UTF-16LE.
pub(crate) fn read_name(reader: &mut Reader<'_>) -> Option<Vec<u16>> {
    let units = usize::try_from(reader.u32()?).ok()?;
    let (pairs, _) = reader.take(units.checked_mul(2)?)?.as_chunks::<2>();
    Some(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}

fn put_name(out: &mut Vec<u8>, name: &[u16]) {
    put_count(out, name.len());
    out.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
}

/// A count or length of the protocol. What is counted fits into memory several times over, so it
/// fits into 32 bits.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("keys, values and schemas are smaller than 4 GiB");
    out.extend_from_slice(&count.to_le_bytes());
}

fn read_row_text(reader: &mut Reader<'_>) -> Option<Vec<u16>> {
    let rest = reader.clone().take(reader.remaining())?;
    let (text, length) = decode_text(rest).ok()?;
    reader.take(length)?;
    Some(text)
}

/// UTF-16 text for messages.
pub(crate) fn display(name: &[u16]) -> String {
    String::from_utf16_lossy(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn index(unique: bool, multi_entry: bool) -> Index {
        Index { unique, multi_entry, name: vec![0xd800, 0], key_path: KeyPath::String(units("a.b")) }
    }

    fn store() -> Store {
        Store {
            auto_increment: true,
            next_index: 4,
            name: units("books"),
            key_path: KeyPath::Array(vec![units("a"), units("")]),
            indexes: BTreeMap::new(),
        }
    }

    #[test]
    fn rows_round_trip_and_truncated_ones_are_refused() {
        let database = Database { version: u64::MAX, next_store: 9, ..Database::new(3, units("db")) };
        assert_eq!(Database::read_row(units("db"), &database.row()), Some(database.clone()));
        assert_eq!(Store::read_row(&store().row()), Some(store()));
        for (unique, multi_entry) in [(false, false), (true, false), (false, true), (true, true)] {
            let index = index(unique, multi_entry);
            assert_eq!(Index::read_row(&index.row()), Some(index.clone()));
            for length in 0..index.row().len() {
                assert_eq!(Index::read_row(&index.row()[..length]), None);
            }
        }
        for length in 0..store().row().len() {
            assert_eq!(Store::read_row(&store().row()[..length]), None);
        }
        for length in 0..database.row().len() {
            assert_eq!(Database::read_row(units("db"), &database.row()[..length]), None);
        }
        assert_eq!(Store::read_row(&[&store().row()[..], &[0]].concat()), None);
    }

    #[test]
    fn schema_bytes_are_those_of_the_protocol() {
        let mut database = Database::new(3, units("db"));
        let kept = Store {
            auto_increment: false,
            next_index: 2,
            name: units("s"),
            key_path: KeyPath::None,
            indexes: BTreeMap::from([(
                1,
                Box::new(Index { key_path: KeyPath::String(units("k")), ..index(true, false) }),
            )]),
        };
        database.stores.insert(7, kept);
        let expected = [
            &[1, 0, 0, 0, 1, 0, 0, 0][..],
            &[7, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, b's', 0, 0],
            &[1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 0x00, 0xd8, 0, 0, 1, 1, 0, 0, 0, b'k', 0],
        ];
        assert_eq!(database.schema_bytes(), expected.concat());
    }
}
