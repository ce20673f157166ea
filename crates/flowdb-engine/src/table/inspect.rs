//! Reads a table that may be damaged: every part is checked on its own, and everything that a part says is
//! compared with what the others say. Decodes by `docs/format.md` alone, without the code that readers use,
//! so that an error in either shows.

use super::expiry::ExpirySample;
use super::footer::{FOOTER_BYTES, Footer};
use super::index::Span;
use super::inspect_block::{Row, walk_index, walk_rows};
use super::properties::Properties;
use super::scan::find_blocks;
use super::stored::{Handle, Identity, TRAILER_BYTES, read};
use super::{filter::Filter, reader::decode_range_delete_list};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::ReadableFile;
use crate::iter::RangeDelete;
use crate::key::{Kind, Sequence, TreeId, compare};
use crate::options::TreeOptions;
use crate::values::ValuePointer;
use crate::version::TableMeta;
use bytes::Bytes;
use std::cmp::Ordering;
use std::path::Path;

/// What is wrong with a table, and what of its contents that concerns.
#[derive(Debug, Clone)]
pub(crate) struct TableDamage {
    pub(crate) offset: u64,
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    /// First and last key that may be concerned; `None` if entries are not, or all are.
    pub(crate) keys: Option<(Bytes, Bytes)>,
    /// True if entries cannot be read.
    pub(crate) loses_entries: bool,
}

/// What was found in a table.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    pub(crate) damages: Vec<TableDamage>,
    pub(crate) properties: Option<Properties>,
    pub(crate) range_deletes: Vec<RangeDelete>,
    pub(crate) blocks: u64,
    pub(crate) entries: u64,
    pub(crate) bytes_read: u64,
}

/// Where to look, and what is known from elsewhere.
pub(crate) struct Subject<'a> {
    pub(crate) file: &'a dyn ReadableFile,
    pub(crate) path: &'a Path,
    pub(crate) table_id: u64,
    pub(crate) database_id: u64,
    /// What the manifest says, if it says something.
    pub(crate) meta: Option<&'a TableMeta>,
    /// The trees whose filters and properties can be checked.
    pub(crate) trees: &'a [TreeOptions],
}

/// Takes the entries that can be read, in order.
pub(crate) type RowSink<'a> = dyn FnMut(Row<'_>) -> Result<()> + 'a;

/// Reads all of a table. Entries go to `sink`; what is wrong is noted. Fails only if `sink` does.
pub(crate) fn inspect(subject: &Subject<'_>, sink: &mut RowSink<'_>) -> Result<Inspection> {
    let mut inspector = Inspector::new(subject);
    let parts = inspector.parts();
    inspector.walk_data(parts, sink)?;
    Ok(inspector.found)
}

/// A data block, and what the index says about it.
struct DataBlock {
    handle: Handle,
    entry: Option<(Bytes, Span)>,
}

impl DataBlock {
    /// What the index says otherwise of a block whose entries were walked last.
    fn contradiction(&self, totals: &Totals, span: Span, knows_tree: bool) -> Option<&'static str> {
        let (last_key, indexed) = self.entry.as_ref()?;
        let agrees = *last_key == totals.last_key
            && span.expiry_max == indexed.expiry_max
            && (!knows_tree || span.property == indexed.property);
        (!agrees).then_some("the index says something else about a block")
    }
}

/// What a walk through the entries of a block comes to.
enum Walked {
    Whole(Span),
    /// Why it is not as it was written.
    Damaged(&'static str),
}

/// The parts of a table that could be read.
#[derive(Default)]
struct Parts {
    blocks: Vec<DataBlock>,
    filter: Option<Filter>,
    /// All blocks are there, and the index knows them.
    is_complete: bool,
    /// Number that differences are added to; `None` if it is not known.
    base: Option<Sequence>,
}

struct Inspector<'a> {
    subject: &'a Subject<'a>,
    identity: Identity,
    file_bytes: u64,
    found: Inspection,
}

impl<'a> Inspector<'a> {
    fn new(subject: &'a Subject<'a>) -> Self {
        let identity = Identity { table_id: subject.table_id, database_id: subject.database_id };
        Inspector { subject, identity, file_bytes: 0, found: Inspection::default() }
    }

    fn damage(&mut self, offset: u64, message: impl Into<String>) {
        self.note(offset, ErrorKind::Corruption, message.into(), None, false);
    }

    fn note(
        &mut self,
        offset: u64,
        kind: ErrorKind,
        message: String,
        keys: Option<(Bytes, Bytes)>,
        loses_entries: bool,
    ) {
        self.found.damages.push(TableDamage { offset, kind, message, keys, loses_entries });
    }

    fn note_error(&mut self, offset: u64, error: &Error, keys: Option<(Bytes, Bytes)>, loses_entries: bool) {
        let offset = error.offset().unwrap_or(offset);
        self.note(offset, error.kind(), error.message().to_owned(), keys, loses_entries);
    }

    /// The contents of a block before `end`; what is wrong with it is noted by the caller.
    fn contents(&mut self, handle: Handle, end: u64) -> Result<Vec<u8>> {
        self.found.bytes_read += u64::from(handle.length) + TRAILER_BYTES as u64;
        read(self.subject.file, self.subject.path, end, handle, self.identity)
    }

    fn part(&mut self, handle: Handle, end: u64, what: &str) -> Option<Vec<u8>> {
        match self.contents(handle, end) {
            Ok(contents) => Some(contents),
            Err(error) => {
                let message = format!("{what}: {}", error.message());
                self.note(handle.offset, error.kind(), message, None, false);
                None
            }
        }
    }

    fn footer(&mut self) -> Option<(Footer, u64)> {
        let length = match self.subject.file.len() {
            Ok(length) => length,
            Err(error) => {
                self.note_error(0, &Error::io(self.subject.path, "reading a table", error), None, true);
                return None;
            }
        };
        self.file_bytes = length;
        if let Some(meta) = self.subject.meta.filter(|meta| meta.file_bytes != length) {
            let message = format!("the file has {length} bytes; the manifest says {}", meta.file_bytes);
            self.damage(length.min(meta.file_bytes), message);
        }
        let Some(at) = length.checked_sub(FOOTER_BYTES as u64) else {
            self.damage(0, "the file is too short for a table");
            return None;
        };
        let mut bytes = [0; FOOTER_BYTES];
        self.found.bytes_read += FOOTER_BYTES as u64;
        let read = self.subject.file.read_at(at, &mut bytes);
        let footer = read
            .map_err(|error| Error::io(self.subject.path, "reading a table", error))
            .and_then(|()| Footer::decode(&bytes, self.subject.path, at, self.identity));
        match footer {
            Ok(footer) => Some((footer, at)),
            Err(error) => {
                self.note_error(at, &error, None, false);
                None
            }
        }
    }

    fn parts(&mut self) -> Parts {
        match self.footer() {
            Some((footer, at)) => self.named_parts(&footer, at),
            None => self.scanned_parts(),
        }
    }

    /// The parts where the footer says they are.
    fn named_parts(&mut self, footer: &Footer, end: u64) -> Parts {
        let mut parts = Parts::default();
        self.read_properties(footer.properties, end);
        parts.base = self.found.properties.as_ref().map(|properties| properties.base);
        if let Some(block) = self.part(footer.filter, end, "the filter") {
            parts.filter = Filter::new(&block);
            if parts.filter.is_none() {
                self.damage(footer.filter.offset, "the filter is malformed");
            }
        }
        let is_indexed = self.read_index(footer, end, &mut parts);
        if !is_indexed {
            let blocks = find_blocks(self.subject.file, self.identity, footer.filter.offset.min(end));
            parts.blocks = blocks.into_iter().map(|handle| DataBlock { handle, entry: None }).collect();
        }
        parts.is_complete = is_indexed;
        if parts.base.is_none() && is_indexed {
            parts.base = self.infer_base(&parts, footer.range_deletes, end);
        }
        if footer.range_deletes.length > 0 {
            self.read_range_deletes(footer.range_deletes, end, parts.base);
        }
        if is_indexed {
            self.check_layout(footer, &parts, end);
        }
        parts
    }

    fn read_properties(&mut self, handle: Handle, end: u64) {
        let Some(contents) = self.part(handle, end, "the properties block") else {
            return;
        };
        self.take_properties(Properties::decode(&contents), handle);
    }

    /// Keeps what the properties block says, with the numbers that the manifest gives the entries.
    fn take_properties(&mut self, own: Option<Properties>, handle: Handle) {
        let renumbered = self.subject.meta.and_then(|meta| meta.base);
        self.found.properties = own.and_then(|own| match renumbered {
            Some(base) => own.renumbered(base),
            None => Some(own),
        });
        if self.found.properties.is_none() {
            self.damage(handle.offset, "the properties block is malformed");
        }
    }

    /// The number that differences are added to, from what the manifest says about the smallest: if all
    /// entries are there.
    fn infer_base(&mut self, parts: &Parts, range_deletes: Handle, end: u64) -> Option<Sequence> {
        let meta = self.subject.meta?;
        let (mut entries, mut smallest) = (0, Sequence::MAX);
        for block in &parts.blocks {
            let contents = self.contents(block.handle, end).ok()?;
            let is_well_formed = walk_rows(&contents, 0, &mut |row| {
                entries += 1;
                smallest = smallest.min(row.sequence);
                true
            });
            is_well_formed.then_some(())?;
        }
        if range_deletes.length > 0 {
            let contents = self.contents(range_deletes, end).ok()?;
            for (_, _, difference) in decode_range_delete_list(&contents, 0)? {
                smallest = smallest.min(difference);
            }
        }
        (entries == meta.entries).then(|| meta.smallest_sequence.checked_sub(smallest)).flatten()
    }

    fn read_index(&mut self, footer: &Footer, end: u64, parts: &mut Parts) -> bool {
        let Some(contents) = self.part(footer.index, end, "the index") else {
            return false;
        };
        let Some(entries) = walk_index(&contents) else {
            self.damage(footer.index.offset, "the index is malformed");
            return false;
        };
        parts.blocks = entries
            .into_iter()
            .map(|(last_key, handle, span)| DataBlock { handle, entry: Some((last_key, span)) })
            .collect();
        true
    }

    fn read_range_deletes(&mut self, handle: Handle, end: u64, base: Option<Sequence>) {
        let everything = self.bounds();
        let contents = match self.contents(handle, end) {
            Ok(contents) => contents,
            Err(error) => {
                let message = format!("the range-delete block: {}", error.message());
                self.note(handle.offset, error.kind(), message, everything, true);
                return;
            }
        };
        match base.and_then(|base| decode_range_delete_list(&contents, base)) {
            Some(all) => self.found.range_deletes = all,
            None => {
                let message = "the range-delete block is malformed".to_owned();
                self.note(handle.offset, ErrorKind::Corruption, message, everything, true);
            }
        }
    }

    /// Blocks follow each other without a gap: no byte of the file is unchecked.
    fn check_layout(&mut self, footer: &Footer, parts: &Parts, end: u64) {
        let data = parts.blocks.iter().map(|block| block.handle);
        let tail = [footer.filter, footer.range_deletes, footer.index, footer.properties];
        let mut next = 0;
        for handle in data.chain(tail.into_iter().filter(|handle| handle.length > 0)) {
            if handle.offset != next {
                let message = format!("a block begins at byte {}; expected byte {next}", handle.offset);
                self.damage(next, message);
                return;
            }
            let length = u64::from(handle.length) + TRAILER_BYTES as u64;
            next = handle.offset.saturating_add(length);
        }
        if next != end {
            self.damage(next, format!("the blocks end at byte {next}, the footer begins at byte {end}"));
        }
    }

    /// The parts of a table without a footer: all blocks that validate, in order, of which the last
    /// are not data.
    fn scanned_parts(&mut self) -> Parts {
        let mut handles = find_blocks(self.subject.file, self.identity, self.file_bytes);
        let end = self.file_bytes;
        let mut parts = Parts::default();
        let properties = handles.last().copied().and_then(|handle| {
            let properties = Properties::decode(&self.contents(handle, end).ok()?)?;
            Some((handle, properties))
        });
        if let Some((handle, properties)) = properties {
            handles.pop();
            handles.pop();
            let has_range_deletes = properties.range_deletes > 0;
            self.take_properties(Some(properties), handle);
            parts.base = self.found.properties.as_ref().map(|properties| properties.base);
            if let Some(handle) = has_range_deletes.then(|| handles.pop()).flatten() {
                self.read_range_deletes(handle, end, parts.base);
            }
            handles.pop();
        }
        parts.blocks = handles.into_iter().map(|handle| DataBlock { handle, entry: None }).collect();
        parts
    }

    /// First and last key of the table, as far as anyone knows.
    fn bounds(&self) -> Option<(Bytes, Bytes)> {
        let properties = self.found.properties.as_ref();
        let own = properties.map(|properties| (properties.smallest.clone(), properties.largest.clone()));
        own.or_else(|| self.subject.meta.map(|meta| (meta.smallest.clone(), meta.largest.clone())))
    }

    fn walk_data(&mut self, parts: Parts, sink: &mut RowSink<'_>) -> Result<()> {
        let Some(base) = parts.base else {
            let message = "without the properties block the numbers of the entries are not known".to_owned();
            let bounds = self.bounds();
            self.note(0, ErrorKind::Corruption, message, bounds, true);
            return Ok(());
        };
        let own = self.found.properties.as_ref().map(|properties| properties.tree);
        let tree = own.or(self.subject.meta.map(|meta| meta.tree));
        let options = self.subject.trees.iter().find(|options| Some(options.id) == tree);
        let mut totals = Totals::new(tree.unwrap_or(TreeId(0)), base);
        let mut before = self.bounds().map(|(smallest, _)| smallest);
        for block in &parts.blocks {
            let last = block.entry.as_ref().map(|(last, _)| last.clone());
            let after = last.clone().or_else(|| self.bounds().map(|(_, largest)| largest));
            let keys = before.clone().zip(after);
            if let Some(error) = self.walk_block(block, base, options, &parts, &mut totals, sink)? {
                self.note_error(block.handle.offset, &error, keys, true);
                totals.is_whole = false;
            }
            before = last.or_else(|| Some(totals.last_key.clone()));
        }
        if !parts.is_complete {
            let bounds = self.bounds();
            let whole = self.found.properties.as_ref().map(|properties| properties.entries);
            if whole != Some(totals.properties.entries) {
                let message = "without the index, damaged blocks may have been passed over".to_owned();
                self.note(0, ErrorKind::Corruption, message, bounds, true);
            }
        }
        self.found.entries = totals.properties.entries;
        if totals.is_whole && parts.is_complete {
            self.compare_totals(totals, options.is_some());
        }
        self.compare_manifest();
        Ok(())
    }

    /// What is wrong with a block, if something is; entries before that place have gone to `sink`.
    fn walk_block(
        &mut self,
        block: &DataBlock,
        base: Sequence,
        options: Option<&TreeOptions>,
        parts: &Parts,
        totals: &mut Totals,
        sink: &mut RowSink<'_>,
    ) -> Result<Option<Error>> {
        let contents = match self.contents(block.handle, self.file_bytes) {
            Ok(contents) => contents,
            Err(error) => return Ok(Some(error)),
        };
        self.found.blocks += 1;
        let wrong = match walk_entries(&contents, base, options, parts, totals, sink)? {
            Walked::Whole(span) => {
                totals.add_span(span);
                block.contradiction(totals, span, options.is_some())
            }
            Walked::Damaged(message) => Some(message),
        };
        Ok(wrong.map(|message| Error::corruption(self.subject.path, block.handle.offset, message)))
    }

    /// What the properties say, and what was counted.
    fn compare_totals(&mut self, mut totals: Totals, knows_tree: bool) {
        let Some(properties) = self.found.properties.clone() else {
            return;
        };
        totals.include(&self.found.range_deletes);
        // By which rules entries are kept, they do not say.
        let kept = properties.kept.clone().filter(|_| totals.properties.entries > 0);
        let mut counted = Properties { expiry: totals.expiry.finish(), kept, ..totals.properties };
        if !knows_tree {
            counted.span.property = properties.span.property;
        }
        if counted != properties {
            let message = format!("the properties say {properties:?}; the entries {counted:?}");
            self.damage(0, message);
        }
    }

    fn compare_manifest(&mut self) {
        let (Some(properties), Some(meta)) = (&self.found.properties, self.subject.meta) else {
            return;
        };
        if let Some(message) = meta.contradiction(properties) {
            self.damage(0, message);
        }
    }
}

/// Passes the entries of a block to `sink`, up to one that is not behind the one before it.
fn walk_entries(
    contents: &[u8],
    base: Sequence,
    options: Option<&TreeOptions>,
    parts: &Parts,
    totals: &mut Totals,
    sink: &mut RowSink<'_>,
) -> Result<Walked> {
    let mut span = Span::EMPTY;
    let mut failed = None;
    let mut wrong = None;
    let is_well_formed = walk_rows(contents, base, &mut |row| {
        if totals.is_behind(&row) {
            wrong = Some("an entry is not behind the one before it");
            return false;
        }
        if let (Some(options), Some(filter)) = (options, &parts.filter)
            && !filter.may_contain((options.filter_key)(row.key))
        {
            wrong = Some("the filter denies a key that is there");
        }
        span.add(options.and_then(|options| (options.block_property)(row.key)), row.expiry);
        totals.add(&row);
        failed = sink(row).err();
        failed.is_none()
    });
    match (failed, wrong) {
        (Some(error), _) => Err(error),
        (None, Some(message)) => Ok(Walked::Damaged(message)),
        (None, None) if !is_well_formed => Ok(Walked::Damaged("a data block is malformed")),
        (None, None) => Ok(Walked::Whole(span)),
    }
}

/// What the entries add up to.
struct Totals {
    properties: Properties,
    expiry: ExpirySample,
    last_key: Bytes,
    last_sequence: Sequence,
    is_whole: bool,
}

impl Totals {
    fn new(tree: TreeId, base: Sequence) -> Self {
        let properties = Properties::new(tree, base);
        let expiry = ExpirySample::default();
        Totals { properties, expiry, last_key: Bytes::new(), last_sequence: 0, is_whole: true }
    }

    fn is_behind(&self, row: &Row<'_>) -> bool {
        self.properties.entries > 0
            && compare(&self.last_key, self.last_sequence, row.key, row.sequence) != Ordering::Less
    }

    fn add(&mut self, row: &Row<'_>) {
        let properties = &mut self.properties;
        if properties.entries == 0 {
            properties.smallest = Bytes::copy_from_slice(row.key);
        }
        properties.older_versions += u64::from(properties.entries > 0 && self.last_key == row.key);
        self.expiry.add(row.expiry);
        properties.entries += 1;
        properties.deletes += u64::from(row.kind == Kind::Delete);
        if let Some(pointer) = ValuePointer::decode(row.value).filter(|_| row.kind == Kind::PutPointer) {
            properties.add_value_reference(pointer.file, pointer.record_bytes(row.key.len()));
        }
        properties.key_bytes += row.key.len() as u64;
        properties.value_bytes += row.value.len() as u64;
        properties.add_sequence(row.sequence);
        if self.last_key != row.key {
            self.last_key = Bytes::copy_from_slice(row.key);
            properties.largest = self.last_key.clone();
        }
        self.last_sequence = row.sequence;
    }

    fn add_span(&mut self, span: Span) {
        let whole = &mut self.properties.span;
        whole.property = (whole.property.0.min(span.property.0), whole.property.1.max(span.property.1));
        whole.expiry_min = whole.expiry_min.min(span.expiry_min);
        whole.expiry_max = whole.expiry_max.max(span.expiry_max);
    }

    fn include(&mut self, range_deletes: &[RangeDelete]) {
        let properties = &mut self.properties;
        for (start, end, sequence) in range_deletes {
            let is_first = properties.is_empty();
            properties.range_deletes += 1;
            properties.span.expiry_max = crate::format::NEVER;
            properties.add_sequence(*sequence);
            if is_first || *start < properties.smallest {
                properties.smallest = start.clone();
            }
            if *end > properties.largest {
                properties.largest = end.clone();
            }
        }
    }
}
