//! Writes a table from entries in order.

use super::block::BlockBuilder;
use super::expiry::ExpirySample;
use super::filter::FilterBuilder;
use super::footer::Footer;
use super::index::{IndexBuilder, Span};
use super::kept::KeptSample;
use super::properties::Properties;
use super::stored::{Handle, Identity, TRAILER_BYTES, encode};
use crate::error::{Error, Result};
use crate::format::{NEVER, put_bytes, put_varint};
use crate::fs::WritableFile;
use crate::key::{Kind, Sequence, TreeId};
use crate::options::{BlockProperty, Compression, FilterKey, TreeOptions};
use crate::retention::RetentionRules;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes collected before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// What a table is to be like.
#[derive(Debug, Clone)]
pub(crate) struct TableOptions {
    pub(crate) table_id: u64,
    pub(crate) database_id: u64,
    pub(crate) tree: TreeId,
    /// At most the smallest number of an entry.
    pub(crate) base: Sequence,
    pub(crate) block_bytes: usize,
    pub(crate) compression: Compression,
    pub(crate) filter_bits_per_key: u32,
    pub(crate) filter_key: FilterKey,
    pub(crate) block_property: BlockProperty,
    pub(crate) retention: RetentionRules,
}

impl TableOptions {
    /// What a table of `tree` is to be like.
    pub(crate) fn of(tree: &TreeOptions, database_id: u64, table_id: u64, base: Sequence) -> Self {
        TableOptions {
            table_id,
            database_id,
            tree: tree.id,
            base,
            block_bytes: tree.block_bytes,
            compression: tree.compression,
            filter_bits_per_key: tree.filter_bits_per_key,
            filter_key: tree.filter_key,
            block_property: tree.block_property,
            retention: tree.retention.clone(),
        }
    }
}

/// What a finished table is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableSummary {
    pub(crate) file_bytes: u64,
    /// First user key; the start of a range delete counts as one.
    pub(crate) smallest: Bytes,
    /// Last user key; the end of a range delete counts as one.
    pub(crate) largest: Bytes,
    pub(crate) smallest_sequence: Sequence,
    pub(crate) largest_sequence: Sequence,
    pub(crate) entries: u64,
    /// When the last entry expires; `NEVER` if one never does, or if there are range deletes.
    pub(crate) expiry_max: i64,
}

/// Writes a table. Dropped without [`TableBuilder::finish`], it leaves a file that is none.
#[derive(Debug)]
pub(crate) struct TableBuilder {
    file: Arc<dyn WritableFile>,
    path: PathBuf,
    options: TableOptions,
    identity: Identity,
    /// Bytes that are to be written at `written`.
    buffer: Vec<u8>,
    written: u64,
    block: BlockBuilder,
    span: Span,
    index: IndexBuilder,
    filter: FilterBuilder,
    range_deletes: Vec<(Bytes, Bytes, Sequence)>,
    properties: Properties,
    expiry: ExpirySample,
    kept: Option<KeptSample>,
    last_key: Vec<u8>,
}

impl TableBuilder {
    pub(crate) fn new(file: Arc<dyn WritableFile>, path: PathBuf, options: TableOptions) -> Self {
        TableBuilder {
            file,
            path,
            identity: Identity { table_id: options.table_id, database_id: options.database_id },
            buffer: Vec::new(),
            written: 0,
            block: BlockBuilder::default(),
            span: Span::EMPTY,
            index: IndexBuilder::default(),
            filter: FilterBuilder::new(options.filter_bits_per_key),
            range_deletes: Vec::new(),
            properties: Properties::new(options.tree, options.base),
            expiry: ExpirySample::default(),
            kept: KeptSample::by(&options.retention),
            last_key: Vec::new(),
            options,
        }
    }

    /// Appends an entry, behind the one before it in the order of [`crate::key::compare`].
    pub(crate) fn add(
        &mut self,
        key: &[u8],
        sequence: Sequence,
        kind: Kind,
        expiry: i64,
        value: &[u8],
    ) -> Result<()> {
        debug_assert!(kind != Kind::DeleteRange, "range deletes have a block of their own");
        self.properties.older_versions += u64::from(self.properties.entries > 0 && self.last_key() == key);
        self.expiry.add(expiry);
        self.block.add(self.options.base, key, sequence, kind, expiry, value);
        self.filter.add((self.options.filter_key)(key));
        let property = (self.options.block_property)(key);
        self.span.add(property, expiry);
        self.kept.iter_mut().for_each(|kept| kept.add(key, property));
        let properties = &mut self.properties;
        if properties.entries == 0 {
            properties.smallest = Bytes::copy_from_slice(key);
        }
        properties.entries += 1;
        properties.deletes += u64::from(kind == Kind::Delete);
        properties.key_bytes += key.len() as u64;
        properties.value_bytes += value.len() as u64;
        properties.add_sequence(sequence);
        if self.block.bytes() >= self.options.block_bytes {
            self.close_block()?;
        }
        Ok(())
    }

    /// Notes that the last entry refers to a record of `bytes` bytes in a value file.
    pub(crate) fn add_value_reference(&mut self, file: u64, bytes: u64) {
        self.properties.add_value_reference(file, bytes);
    }

    /// Length of the records in value files that the entries so far refer to.
    pub(crate) fn referenced_bytes(&self) -> u64 {
        self.properties.referenced_bytes()
    }

    /// Adds a range delete. These may come at any time, in any order.
    pub(crate) fn add_range_delete(&mut self, start: &Bytes, end: &Bytes, sequence: Sequence) {
        self.properties.range_deletes += 1;
        // It never expires, and must not go with entries that do.
        self.properties.span.expiry_max = NEVER;
        self.properties.add_sequence(sequence);
        self.range_deletes.push((start.clone(), end.clone(), sequence));
    }

    /// Key of the last entry; empty if there is none.
    pub(crate) fn last_key(&self) -> &[u8] {
        if self.block.is_empty() { &self.last_key } else { self.block.last_key() }
    }

    /// True if the keys of its entries reach into those from `start` to `end`, both included.
    pub(crate) fn overlaps(&self, start: &[u8], end: &[u8]) -> bool {
        self.properties.entries > 0 && self.properties.smallest[..] <= *end && *start <= *self.last_key()
    }

    /// Length of the file so far, about.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.written + (self.buffer.len() + self.block.bytes()) as u64
    }

    /// Writes what is left, and syncs the file. There must be an entry or a range delete.
    pub(crate) fn finish(mut self) -> Result<TableSummary> {
        debug_assert!(!self.properties.is_empty(), "an empty table is not worth a file");
        self.close_block()?;
        self.include_range_deletes();
        let filter = std::mem::replace(&mut self.filter, FilterBuilder::new(0)).finish();
        let index = std::mem::take(&mut self.index).finish();
        self.properties.expiry = std::mem::take(&mut self.expiry).finish();
        // Range deletes have no time; a table of nothing else goes with those that it is beside.
        self.properties.kept =
            self.kept.take().filter(|_| self.properties.entries > 0).and_then(KeptSample::finish);
        let properties = self.properties.encode();
        let range_deletes = self.encode_range_deletes();
        let footer = Footer {
            filter: self.write_block(&filter, Compression::None)?,
            range_deletes: match &range_deletes {
                Some(contents) => self.write_block(contents, self.options.compression)?,
                None => Handle::default(),
            },
            index: self.write_block(&index, self.options.compression)?,
            properties: self.write_block(&properties, Compression::None)?,
        };
        self.buffer.extend_from_slice(&footer.encode(self.identity, self.options.compression));
        self.write_buffer()?;
        self.file.sync().map_err(|error| Error::io(&self.path, "syncing a table", error))?;
        Ok(self.summary())
    }

    fn summary(self) -> TableSummary {
        let Properties { smallest, largest, smallest_sequence, largest_sequence, entries, span, .. } =
            self.properties;
        TableSummary {
            file_bytes: self.written,
            smallest,
            largest,
            smallest_sequence,
            largest_sequence,
            entries,
            expiry_max: span.expiry_max,
        }
    }

    fn close_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(self.block.last_key());
        let mut block = std::mem::take(&mut self.block);
        let handle = block.finish(|contents| self.write_block(contents, self.options.compression));
        self.block = block;
        let handle = handle?;
        let span = std::mem::replace(&mut self.span, Span::EMPTY);
        self.index.add(&self.last_key, handle, span);
        let whole = &mut self.properties.span;
        whole.property = (whole.property.0.min(span.property.0), whole.property.1.max(span.property.1));
        whole.expiry_min = whole.expiry_min.min(span.expiry_min);
        whole.expiry_max = whole.expiry_max.max(span.expiry_max);
        Ok(())
    }

    /// Widens the table's key range to its range deletes.
    fn include_range_deletes(&mut self) {
        let properties = &mut self.properties;
        properties.largest = Bytes::copy_from_slice(&self.last_key);
        if properties.entries == 0 {
            properties.smallest =
                self.range_deletes.iter().map(|(start, ..)| start.clone()).min().unwrap_or_default();
        }
        for (start, end, _) in &self.range_deletes {
            if *start < properties.smallest {
                properties.smallest = start.clone();
            }
            if *end > properties.largest {
                properties.largest = end.clone();
            }
        }
    }

    fn encode_range_deletes(&self) -> Option<Vec<u8>> {
        if self.range_deletes.is_empty() {
            return None;
        }
        let mut contents = Vec::new();
        put_varint(&mut contents, self.range_deletes.len() as u64);
        for (start, end, sequence) in &self.range_deletes {
            put_bytes(&mut contents, start);
            put_bytes(&mut contents, end);
            put_varint(&mut contents, sequence - self.options.base);
        }
        Some(contents)
    }

    fn write_block(&mut self, contents: &[u8], compression: Compression) -> Result<Handle> {
        let offset = self.written + self.buffer.len() as u64;
        let length = encode(&mut self.buffer, offset, self.identity, contents, compression)?;
        debug_assert!(self.buffer.len() >= length as usize + TRAILER_BYTES);
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_buffer()?;
        }
        Ok(Handle { offset, length })
    }

    fn write_buffer(&mut self) -> Result<()> {
        self.file
            .write_at(self.written, &self.buffer)
            .map_err(|error| Error::io(&self.path, "writing a table", error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
