//! Fuzzing of tables: see [`crate::fuzzing`].

use super::cursor::TableCursor;
use super::filter::FilterBuilder;
use super::footer::Footer;
use super::index::{IndexBuilder, Span};
use super::properties::Properties;
use super::reader::{Placement, Table};
use super::stored::{Handle, Identity, encode};
use crate::cache::BlockCache;
use crate::format::NEVER;
use crate::fs::{FileSystem, MemoryFileSystem};
use crate::fuzzing::Sections;
use crate::iter::Cursor;
use crate::key::{Sequence, TreeId};
use crate::options::{Compression, ReadTier};
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/table";
const PLACE: Placement = Placement { table_id: 3, database_id: 7, base: None };

/// A table whose blocks are the fuzzer's: opened, walked through in both directions, and asked for each key.
#[allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]
pub fn fuzz_table(data: &[u8]) -> usize {
    let mut input = Sections::new(data);
    let flags = input.byte();
    let fs = MemoryFileSystem::new();
    let (bytes, contents) = table_file(flags, &mut input);
    fs.create(Path::new(PATH)).unwrap().write_at(0, &bytes).unwrap();
    let file = fs.open_read(Path::new(PATH)).unwrap();
    let cache = Arc::new(BlockCache::new(1 << 20));
    let Ok(table) = Table::open(file, PATH.into(), PLACE, |key| key, cache) else { return 0 };
    let keys = walk(&table, contents, TableCursor::seek_first, TableCursor::next);
    walk(&table, contents, TableCursor::seek_last, TableCursor::prev);
    let mut cursor = table.cursor(ReadTier::Disk, true, None);
    for key in &keys {
        let _ = table.get(key, Sequence::MAX, ReadTier::Disk, true);
        let _ = table.range_deletes().covering(key, Sequence::MAX);
        let _ = cursor.seek(key, Sequence::MAX);
        let _ = cursor.seek_before(key, 0);
    }
    keys.len()
}

/// Steps until the end or an error. An entry takes three bytes at least, and none comes twice.
fn walk(
    table: &Arc<Table>,
    contents: usize,
    begin: impl Fn(&mut TableCursor) -> crate::Result<()>,
    step: impl Fn(&mut TableCursor) -> crate::Result<()>,
) -> Vec<Vec<u8>> {
    let mut cursor = table.cursor(ReadTier::Disk, true, None);
    let mut keys = Vec::new();
    let mut placed = begin(&mut cursor);
    while placed.is_ok() && cursor.valid() {
        let _ = (cursor.kind(), cursor.expiry(), cursor.sequence(), cursor.value());
        keys.push(cursor.key().to_vec());
        assert!(keys.len() <= contents, "the walk does not end");
        placed = step(&mut cursor);
    }
    keys
}

/// The file, and the length of all its data blocks. Bits of `flags`: 1 compress, 2 a filter from the fuzzer,
/// 4 an index from it, 8 properties from it.
#[allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]
fn table_file(flags: u8, input: &mut Sections<'_>) -> (Vec<u8>, usize) {
    let compression = if flags & 1 == 1 { Compression::Lz4 } else { Compression::None };
    let mut out = Vec::new();
    let mut put = |contents: &[u8], compression: Compression| {
        let offset = out.len() as u64;
        let identity = Identity { table_id: PLACE.table_id, database_id: PLACE.database_id };
        let length = encode(&mut out, offset, identity, contents, compression).unwrap();
        Handle { offset, length }
    };
    let range_deletes = input.bytes();
    let filter = (flags & 2 != 0).then(|| input.bytes().to_vec());
    let index = (flags & 4 != 0).then(|| input.bytes().to_vec());
    let properties = (flags & 8 != 0).then(|| input.bytes().to_vec());
    let (mut own_index, mut own_filter) = (IndexBuilder::default(), FilterBuilder::new(10));
    let mut contents = 0;
    while !input.is_empty() {
        let (last_key, block) = (input.bytes(), input.bytes());
        contents += block.len();
        let span = Span { property: (i64::MIN, i64::MAX), expiry_min: 0, expiry_max: NEVER };
        own_index.add(last_key, put(block, compression), span);
        own_filter.add(last_key);
    }
    let filter = put(&filter.unwrap_or_else(|| own_filter.finish()), Compression::None);
    let range_deletes_handle =
        if range_deletes.is_empty() { Handle::default() } else { put(range_deletes, compression) };
    let index = put(&index.unwrap_or_else(|| own_index.finish()), compression);
    let mut own_properties = Properties::new(TreeId(1), 1);
    own_properties.add_sequence(1);
    own_properties.range_deletes = range_deletes.first().copied().unwrap_or(0).into();
    let properties = put(&properties.unwrap_or_else(|| own_properties.encode()), Compression::None);
    let footer = Footer { filter, range_deletes: range_deletes_handle, index, properties };
    let identity = Identity { table_id: PLACE.table_id, database_id: PLACE.database_id };
    let end = footer.encode(identity, compression);
    out.extend_from_slice(&end);
    (out, contents)
}
