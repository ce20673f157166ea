//! Data and index blocks, read from front to back, with every field looked at.

use super::index::Span;
use super::stored::Handle;
use crate::format::{NEVER, Reader};
use crate::key::{Kind, Sequence};
use bytes::Bytes;

/// An entry of a data block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) sequence: Sequence,
    pub(crate) kind: Kind,
    pub(crate) expiry: i64,
    pub(crate) value: &'a [u8],
}

/// Contents of a block whose end is `count` u32, and then their count: what is before, and the numbers.
fn split_offsets(contents: &[u8]) -> Option<(&[u8], Vec<u32>)> {
    let count_at = contents.len().checked_sub(4)?;
    let count = usize::try_from(Reader::new(&contents[count_at..]).u32()?).ok()?;
    let end = count_at.checked_sub(count.checked_mul(4)?)?;
    let mut reader = Reader::new(&contents[end..count_at]);
    let offsets = std::iter::from_fn(|| reader.u32()).collect();
    Some((&contents[..end], offsets))
}

/// Shows the entries of a data block in order, until `visit` has seen enough. True if the block is well
/// formed to its end.
pub(super) fn walk_rows(contents: &[u8], base: Sequence, visit: &mut dyn FnMut(Row<'_>) -> bool) -> bool {
    rows(contents, base, visit).is_some()
}

fn rows(contents: &[u8], base: Sequence, visit: &mut dyn FnMut(Row<'_>) -> bool) -> Option<()> {
    let (entries, restarts) = split_offsets(contents)?;
    let mut restarts = restarts.into_iter().peekable();
    let mut reader = Reader::new(entries);
    let mut key = Vec::new();
    // The first entry is a restart.
    restarts.peek().filter(|first| **first == 0)?;
    while !reader.is_empty() {
        let is_restart = restarts.next_if(|restart| *restart as usize == reader.position()).is_some();
        let shared = usize::try_from(reader.varint()?).ok()?;
        let unshared = usize::try_from(reader.varint()?).ok()?;
        let (kind, has_expiry) = Kind::from_byte(reader.u8()?)?;
        let sequence = base.checked_add(reader.varint()?)?;
        let expiry = if has_expiry { reader.i64()? } else { NEVER };
        let value_length = usize::try_from(reader.varint()?).ok()?;
        let suffix = reader.take(unshared)?;
        let value = reader.take(value_length)?;
        let is_plausible = shared <= key.len()
            && (!is_restart || shared == 0)
            && kind != Kind::DeleteRange
            && (kind != Kind::Delete || value.is_empty());
        if !is_plausible {
            return None;
        }
        key.truncate(shared);
        key.extend_from_slice(suffix);
        if !visit(Row { key: &key, sequence, kind, expiry, value }) {
            return None;
        }
    }
    // Every restart was the beginning of an entry.
    restarts.next().is_none().then_some(())
}

/// The entries of an index block: last key, place, span of a data block.
pub(super) fn walk_index(contents: &[u8]) -> Option<Vec<(Bytes, Handle, Span)>> {
    let (entries, offsets) = split_offsets(contents)?;
    let mut reader = Reader::new(entries);
    let mut all = Vec::new();
    for offset in offsets {
        if offset as usize != reader.position() {
            return None;
        }
        let last_key = Bytes::copy_from_slice(reader.bytes()?);
        let handle = Handle { offset: reader.varint()?, length: u32::try_from(reader.varint()?).ok()? };
        let property = (reader.i64()?, reader.i64()?);
        let span = Span { property, expiry_min: NEVER, expiry_max: reader.i64()? };
        all.push((last_key, handle, span));
    }
    reader.is_empty().then_some(all)
}
