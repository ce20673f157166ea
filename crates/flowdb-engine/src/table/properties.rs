//! What a table says about itself.

use super::expiry::ExpiryTimes;
use super::index::Span;
use super::kept::KeptTimes;
use crate::format::{Reader, put_bytes, put_varint};
use crate::key::{Sequence, TreeId};
use bytes::Bytes;

/// Properties of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) tree: TreeId,
    /// Entries, deletes included, range deletes not.
    pub(crate) entries: u64,
    pub(crate) deletes: u64,
    pub(crate) range_deletes: u64,
    /// Numbers in the table are stored as differences to this one.
    pub(crate) base: Sequence,
    pub(crate) smallest_sequence: Sequence,
    pub(crate) largest_sequence: Sequence,
    /// First user key; the start of a range delete counts as one.
    pub(crate) smallest: Bytes,
    /// Last user key; the end of a range delete counts as one.
    pub(crate) largest: Bytes,
    pub(super) span: Span,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    /// Entries behind a newer one of the same key: some snapshot saw them when the table was written.
    pub(crate) older_versions: u64,
    pub(crate) expiry: ExpiryTimes,
    /// The value files that entries refer to, by number.
    pub(crate) value_references: Vec<ValueReference>,
    /// Only where keys have different retentions.
    pub(crate) kept: Option<KeptTimes>,
}

/// What a table refers to in one value file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueReference {
    pub(crate) file: u64,
    /// Length of the records referred to.
    pub(crate) bytes: u64,
}

impl Properties {
    pub(super) fn new(tree: TreeId, base: Sequence) -> Self {
        Properties {
            tree,
            entries: 0,
            deletes: 0,
            range_deletes: 0,
            base,
            smallest_sequence: Sequence::MAX,
            largest_sequence: 0,
            smallest: Bytes::new(),
            largest: Bytes::new(),
            span: Span::EMPTY,
            key_bytes: 0,
            value_bytes: 0,
            older_versions: 0,
            expiry: ExpiryTimes::default(),
            value_references: Vec::new(),
            kept: None,
        }
    }

    /// The same with numbers that count from `base`; `None` if they cannot.
    pub(super) fn renumbered(self, base: Sequence) -> Option<Self> {
        let renumber = |number: Sequence| base.checked_add(number.checked_sub(self.base)?);
        let (smallest, largest) = (renumber(self.smallest_sequence)?, renumber(self.largest_sequence)?);
        Some(Properties { base, smallest_sequence: smallest, largest_sequence: largest, ..self })
    }

    /// When the last entry expires.
    pub(crate) fn expiry_max(&self) -> i64 {
        self.span.expiry_max
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0 && self.range_deletes == 0
    }

    pub(super) fn add_sequence(&mut self, sequence: Sequence) {
        self.smallest_sequence = self.smallest_sequence.min(sequence);
        self.largest_sequence = self.largest_sequence.max(sequence);
    }

    /// False if no entry has a block property in `wanted` (inclusive).
    pub(crate) fn has_property_in(&self, wanted: (i64, i64)) -> bool {
        self.span.property.0 <= wanted.1 && wanted.0 <= self.span.property.1
    }

    /// Notes that an entry refers to a record of `bytes` bytes in a value file.
    pub(super) fn add_value_reference(&mut self, file: u64, bytes: u64) {
        let references = &mut self.value_references;
        match references.binary_search_by_key(&file, |reference| reference.file) {
            Ok(index) => references[index].bytes += bytes,
            Err(index) => references.insert(index, ValueReference { file, bytes }),
        }
    }

    /// Length of all records in value files that entries refer to.
    pub(crate) fn referenced_bytes(&self) -> u64 {
        self.value_references.iter().fold(0, |sum, reference| sum.saturating_add(reference.bytes))
    }

    /// Smallest and largest block property; everything if an entry has none, `None` if there are no entries.
    pub(crate) fn property(&self) -> Option<(i64, i64)> {
        (self.entries > 0).then_some(self.span.property)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tree.0];
        for count in [self.entries, self.deletes, self.range_deletes] {
            put_varint(&mut out, count);
        }
        for number in [self.base, self.smallest_sequence, self.largest_sequence] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_bytes(&mut out, &self.smallest);
        put_bytes(&mut out, &self.largest);
        let Span { property, expiry_min, expiry_max } = self.span;
        for number in [property.0, property.1, expiry_min, expiry_max] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_varint(&mut out, self.key_bytes);
        put_varint(&mut out, self.value_bytes);
        let has_references = !self.value_references.is_empty() || self.kept.is_some();
        if self.older_versions > 0 || !self.expiry.is_empty() || has_references {
            put_varint(&mut out, self.older_versions);
            self.expiry.encode(&mut out);
        }
        if has_references {
            put_varint(&mut out, self.value_references.len() as u64);
        }
        for reference in &self.value_references {
            put_varint(&mut out, reference.file);
            put_varint(&mut out, reference.bytes);
        }
        self.kept.iter().for_each(|kept| kept.encode(&mut out));
        out
    }

    pub(super) fn decode(contents: &[u8]) -> Option<Properties> {
        let mut reader = Reader::new(contents);
        let properties = Properties {
            tree: TreeId(reader.u8()?),
            entries: reader.varint()?,
            deletes: reader.varint()?,
            range_deletes: reader.varint()?,
            base: reader.u64()?,
            smallest_sequence: reader.u64()?,
            largest_sequence: reader.u64()?,
            smallest: Bytes::copy_from_slice(reader.bytes()?),
            largest: Bytes::copy_from_slice(reader.bytes()?),
            span: Span {
                property: (reader.i64()?, reader.i64()?),
                expiry_min: reader.i64()?,
                expiry_max: reader.i64()?,
            },
            key_bytes: reader.varint()?,
            value_bytes: reader.varint()?,
            older_versions: if reader.is_empty() { 0 } else { reader.varint()? },
            expiry: if reader.is_empty() {
                ExpiryTimes::default()
            } else {
                ExpiryTimes::decode(&mut reader)?
            },
            value_references: decode_value_references(&mut reader)?,
            kept: if reader.is_empty() { None } else { Some(KeptTimes::decode(&mut reader)?) },
        };
        let is_plausible = reader.is_empty()
            && properties.base <= properties.smallest_sequence
            && properties.smallest_sequence <= properties.largest_sequence
            && properties.smallest <= properties.largest;
        is_plausible.then_some(properties)
    }
}

/// Absent where there are none, and nothing behind them.
fn decode_value_references(reader: &mut Reader<'_>) -> Option<Vec<ValueReference>> {
    let mut references: Vec<ValueReference> = Vec::new();
    if reader.is_empty() {
        return Some(references);
    }
    // Not allocated on the word of the count: each takes at least two bytes.
    for _ in 0..reader.varint()? {
        let reference = ValueReference { file: reader.varint()?, bytes: reader.varint()? };
        if references.last().is_some_and(|last| last.file >= reference.file) {
            return None;
        }
        references.push(reference);
    }
    (!references.is_empty() || !reader.is_empty()).then_some(references)
}
