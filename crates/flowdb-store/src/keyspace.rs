//! The map of trees and key prefixes: who owns which bytes. `docs/format.md`, sections 5 and 7.2, has the
//! same as words.

use crate::document::key::{decode_text, put_text};
use flowdb_engine::{Error, ErrorKind, Result, TreeId};

/// Cache entries: the user's key as it is given. Owned by `kv`.
pub const KV: TreeId = TreeId(1);
/// Time series: ordered bytes of the key, then the timestamp. Owned by `series`.
pub const SERIES: TreeId = TreeId(2);
/// IndexedDB: catalog and records. Owned by `document`.
pub const DOCUMENTS: TreeId = TreeId(3);

/// First byte of catalog keys.
const CATALOG: u8 = 0x00;
/// First byte of records and index entries.
const DATA: u8 = 0x01;

const NEXT_DATABASE_ID: u8 = 0x00;
const DATABASE: u8 = 0x01;
const STORE: u8 = 0x02;
const INDEX: u8 = 0x03;
const GENERATOR: u8 = 0x04;

/// All keys from `start` up to, and without, `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySpan {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl KeySpan {
    /// All keys that begin with `prefix`.
    pub(crate) fn prefixed(prefix: Vec<u8>) -> Self {
        let end = after_prefix(&prefix);
        KeySpan { start: prefix, end }
    }

    /// True if no key lies in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// The smallest bytes above everything that begins with `prefix`. Every prefix here begins with [`CATALOG`]
/// or [`DATA`], so there is such a thing.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    unreachable!("a prefix of the documents tree begins with a byte below ff")
}

/// Value: the next database id.
pub(crate) fn next_database_id_key() -> Vec<u8> {
    vec![CATALOG, NEXT_DATABASE_ID]
}

/// Value: a database row.
pub(crate) fn database_key(name: &[u16]) -> Vec<u8> {
    let mut key = vec![CATALOG, DATABASE];
    put_text(&mut key, name.iter().copied());
    key
}

/// Value: an object store row.
pub(crate) fn store_key(database: u32, store: u32) -> Vec<u8> {
    catalog_key(STORE, &[database, store])
}

/// Value: an index row.
pub(crate) fn index_key(database: u32, store: u32, index: u32) -> Vec<u8> {
    catalog_key(INDEX, &[database, store, index])
}

/// Value: current number of a key generator.
pub(crate) fn generator_key(database: u32, store: u32) -> Vec<u8> {
    catalog_key(GENERATOR, &[database, store])
}

/// What comes before the encoded key of a record (`index` 0), or before index key and primary key of
/// an index entry.
pub(crate) fn data_prefix(database: u32, store: u32, index: u32) -> Vec<u8> {
    numbered_key(&[DATA], &[database, store, index])
}

/// The catalog.
pub(crate) fn catalog_span() -> KeySpan {
    KeySpan::prefixed(vec![CATALOG])
}

/// Records and index entries of a store.
pub(crate) fn store_data_span(database: u32, store: u32) -> KeySpan {
    KeySpan::prefixed(numbered_key(&[DATA], &[database, store]))
}

/// Rows of a store's indexes.
pub(crate) fn store_indexes_span(database: u32, store: u32) -> KeySpan {
    KeySpan::prefixed(catalog_key(INDEX, &[database, store]))
}

/// All that belongs to a database, without its own row.
pub(crate) fn database_spans(database: u32) -> [KeySpan; 4] {
    [
        KeySpan::prefixed(catalog_key(STORE, &[database])),
        KeySpan::prefixed(catalog_key(INDEX, &[database])),
        KeySpan::prefixed(catalog_key(GENERATOR, &[database])),
        KeySpan::prefixed(numbered_key(&[DATA], &[database])),
    ]
}

fn catalog_key(kind: u8, ids: &[u32]) -> Vec<u8> {
    numbered_key(&[CATALOG, kind], ids)
}

fn numbered_key(head: &[u8], ids: &[u32]) -> Vec<u8> {
    let mut key = Vec::with_capacity(head.len() + 4 * ids.len());
    key.extend_from_slice(head);
    for id in ids {
        key.extend_from_slice(&id.to_be_bytes());
    }
    key
}

/// A key of the catalog, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CatalogKey {
    NextDatabaseId,
    Database { name: Vec<u16> },
    Store { database: u32, store: u32 },
    Index { database: u32, store: u32, index: u32 },
    Generator { database: u32, store: u32 },
}

impl CatalogKey {
    /// Reads a key; corruption if it is none of the catalog's.
    pub(crate) fn parse(key: &[u8]) -> Result<Self> {
        Self::read(key).ok_or_else(|| {
            Error::new(ErrorKind::Corruption, format!("catalog: {} is not one of its keys", hex(key)))
        })
    }

    fn read(key: &[u8]) -> Option<Self> {
        let (&[CATALOG, kind], rest) = key.split_first_chunk::<2>()? else { return None };
        match kind {
            NEXT_DATABASE_ID => rest.is_empty().then_some(Self::NextDatabaseId),
            DATABASE => {
                let (name, length) = decode_text(rest).ok()?;
                (length == rest.len()).then_some(Self::Database { name })
            }
            STORE => read_ids(rest).map(|[database, store]| Self::Store { database, store }),
            INDEX => read_ids(rest).map(|[database, store, index]| Self::Index { database, store, index }),
            GENERATOR => read_ids(rest).map(|[database, store]| Self::Generator { database, store }),
            _ => None,
        }
    }
}

/// Exactly `N` ids.
fn read_ids<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let chunks: &[[u8; 4]; N] = chunks.try_into().ok()?;
    rest.is_empty().then(|| chunks.map(u32::from_be_bytes))
}

/// The start of a key, for messages.
pub(crate) fn hex(key: &[u8]) -> String {
    const SHOWN: usize = 48;
    let mut text: String = key.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    if key.len() > SHOWN {
        text.push_str(&format!(".. ({} bytes)", key.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn catalog_keys_are_read_as_they_were_built() {
        let cases = [
            (next_database_id_key(), CatalogKey::NextDatabaseId),
            (database_key(&units("a\u{0}b")), CatalogKey::Database { name: units("a\u{0}b") }),
            (store_key(1, 2), CatalogKey::Store { database: 1, store: 2 }),
            (index_key(1, 2, u32::MAX), CatalogKey::Index { database: 1, store: 2, index: u32::MAX }),
            (generator_key(7, 8), CatalogKey::Generator { database: 7, store: 8 }),
        ];
        for (key, expected) in cases {
            assert_eq!(CatalogKey::parse(&key).unwrap(), expected);
            for length in 0..key.len() {
                assert!(CatalogKey::parse(&key[..length]).is_err(), "cut to {length} bytes");
            }
            let longer = [&key[..], &[0]].concat();
            assert!(CatalogKey::parse(&longer).is_err());
        }
        assert_eq!(store_key(1, 2), [0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    }

    #[test]
    fn other_keys_are_corruption() {
        for key in [&[][..], &[0], &[0, 9], &[1, 0], &[0, 1, 0x10]] {
            assert_eq!(CatalogKey::parse(key).unwrap_err().kind(), ErrorKind::Corruption);
        }
    }

    #[test]
    fn spans_hold_what_belongs_to_them_and_nothing_else() {
        let span = store_data_span(1, 0xff);
        let record = data_prefix(1, 0xff, 0);
        let entry = data_prefix(1, 0xff, u32::MAX);
        assert!(span.start <= record && record < span.end);
        assert!(span.start <= entry && entry < span.end);
        assert!(data_prefix(1, 0x100, 0) >= span.end);
        assert!(data_prefix(1, 0xfe, u32::MAX) < span.start);
        assert_eq!(record.len(), 13);
        assert_eq!(after_prefix(&[1, 0xff, 0xff]), [2]);
    }

    #[test]
    fn all_of_a_database_is_in_its_spans() {
        let spans = database_spans(u32::MAX);
        let inside = |key: &[u8]| spans.iter().any(|span| &span.start[..] <= key && key < &span.end[..]);
        for key in [
            store_key(u32::MAX, 1),
            index_key(u32::MAX, 1, 1),
            generator_key(u32::MAX, 1),
            data_prefix(u32::MAX, 3, 1),
        ] {
            assert!(inside(&key));
        }
        assert!(!inside(&store_key(u32::MAX - 1, 1)));
        assert!(!inside(&database_key(&units("x"))));
        assert!(!inside(&next_database_id_key()));
    }
}
