//! Where a kept entry goes: whole into a table, or its value into a value file and a pointer to it
//! into the table.

use crate::error::Result;
use crate::flush::{NewTable, Unfinished};
use crate::inner::Inner;
use crate::iter::CompactionIter;
use crate::key::{Kind, Sequence};
use crate::tree::{LiveTable, Tree};
use crate::values::{ValueFile, ValueFileWriter, ValuePointer, malformed};
use crate::version::{Edit, ValueFileMeta, value_file_name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value file is closed at this many times the size of a table (at 256 MiB by default): it holds what one
/// table refers to, and goes when half of that is garbage.
const VALUE_FILE_TABLES: u64 = 8;

/// Value files whose live values move to new ones when a compaction meets them, by number.
pub(crate) type Relocated = BTreeMap<u64, Arc<ValueFile>>;

/// An entry that is worth keeping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) sequence: Sequence,
    pub(crate) kind: Kind,
    pub(crate) expiry: i64,
    /// The pointer, if the kind says so.
    pub(crate) value: &'a [u8],
}

/// The value files written along with a table. Given up with it: dropped before [`NewValues::keep`], their
/// files are garbage.
#[derive(Debug, Default)]
pub(crate) struct NewValues {
    open: Option<NewValueFile>,
    finished: Vec<Arc<ValueFile>>,
}

#[derive(Debug)]
struct NewValueFile {
    id: u64,
    writer: ValueFileWriter,
    unfinished: Unfinished,
}

/// A finished table, and the value files written along with it.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) live: Arc<LiveTable>,
    value_files: Vec<Arc<ValueFile>>,
}

impl Output {
    pub(crate) fn new(live: Arc<LiveTable>, value_files: Vec<Arc<ValueFile>>) -> Self {
        Output { live, value_files }
    }

    /// Names the files in `edit`.
    pub(crate) fn add_to(&self, edit: Edit) -> Edit {
        let edit = self.value_files.iter().fold(edit, |edit, file| edit.add_value_file(file.meta));
        edit.add_table(self.live.meta.clone())
    }

    /// Their length.
    pub(crate) fn bytes(&self) -> u64 {
        self.value_files.iter().fold(self.live.meta.file_bytes, |sum, file| sum + file.meta.file_bytes)
    }

    /// The manifest will not name them.
    pub(crate) fn mark_obsolete(&self) {
        self.live.mark_obsolete();
        self.value_files.iter().for_each(|file| file.mark_obsolete());
    }
}

impl Inner {
    /// Appends the entry that `entries` is at to `table`. Large values go to a value file, and so do
    /// those of the files `relocated`; other pointers are copied. Gives the length of what was written
    /// besides the table.
    pub(crate) fn write_entry(
        &self,
        entries: &CompactionIter,
        tree: &Tree,
        table: &mut NewTable,
        relocated: &Relocated,
    ) -> Result<u64> {
        let entry = Kept {
            key: entries.key(),
            sequence: entries.sequence(),
            kind: entries.kind(),
            expiry: entries.expiry(),
            value: entries.value_bytes(),
        };
        match entry.kind {
            Kind::PutPointer => self.write_pointer(entry, tree, table, relocated),
            Kind::Put | Kind::Delete | Kind::DeleteRange => self.write_whole(entry, tree, table),
        }
    }

    /// The same for an entry that is no pointer.
    pub(crate) fn write_whole(&self, entry: Kept<'_>, tree: &Tree, table: &mut NewTable) -> Result<u64> {
        let Kept { key, sequence, kind, expiry, value } = entry;
        let is_large = tree.options.separated_value_bytes_min.is_some_and(|min| value.len() >= min);
        if kind != Kind::Put || !is_large {
            table.builder.add(key, sequence, kind, expiry, value)?;
            return Ok(0);
        }
        let pointer = self.value_writer(tree, &mut table.values)?.add(key, sequence, value)?;
        add_pointer(entry, table, &pointer, &pointer.encode())
    }

    fn write_pointer(
        &self,
        entry: Kept<'_>,
        tree: &Tree,
        table: &mut NewTable,
        relocated: &Relocated,
    ) -> Result<u64> {
        let Kept { key, sequence, value: encoded, .. } = entry;
        let pointer = ValuePointer::decode(encoded).ok_or_else(malformed)?;
        let Some(file) = relocated.get(&pointer.file) else {
            add_pointer(entry, table, &pointer, encoded)?;
            return Ok(0);
        };
        let writer = self.value_writer(tree, &mut table.values)?;
        let moved = file.with_stored(&pointer, |stored| writer.add_stored(key, sequence, stored))?;
        add_pointer(entry, table, &moved, &moved.encode())
    }

    /// The value file being written, begun if there is none, or if the one there is has become large.
    fn value_writer<'a>(&self, tree: &Tree, values: &'a mut NewValues) -> Result<&'a mut ValueFileWriter> {
        let bytes_max = self.options.table_bytes_max.saturating_mul(VALUE_FILE_TABLES);
        if values.open.as_ref().is_some_and(|open| open.writer.file_bytes() >= bytes_max) {
            self.finish_value_file(tree, values)?;
        }
        if values.open.is_none() {
            values.open = Some(self.new_value_file(tree)?);
        }
        Ok(&mut values.open.as_mut().expect("it was just put there").writer)
    }

    fn new_value_file(&self, tree: &Tree) -> Result<NewValueFile> {
        let id = self.next_file_id();
        let path = self.dir.join(value_file_name(id));
        let file = self.create_file(&path, "creating a value file")?;
        let unfinished = Unfinished { path: Some(path.clone()), garbage: Arc::clone(&self.garbage) };
        let compression = tree.options.compression;
        let writer = ValueFileWriter::new(file, path, id, self.database_id, tree.options.id, compression);
        Ok(NewValueFile { id, writer, unfinished })
    }

    /// Completes the value file being written, syncs it, and opens it. Its name is not durable yet.
    pub(crate) fn finish_value_file(&self, tree: &Tree, values: &mut NewValues) -> Result<()> {
        let Some(NewValueFile { id, writer, mut unfinished }) = values.open.take() else {
            return Ok(());
        };
        let file_bytes = writer.finish()?;
        let meta = ValueFileMeta { id, tree: tree.options.id, file_bytes };
        values.finished.push(ValueFile::open(self.file_context(), meta)?);
        unfinished.path = None;
        Ok(())
    }
}

impl NewValues {
    /// The finished file `id`.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<ValueFile>> {
        self.finished.iter().find(|file| file.meta.id == id).cloned()
    }

    /// The finished files, now that the table they belong to is finished too.
    pub(crate) fn keep(mut self) -> Vec<Arc<ValueFile>> {
        std::mem::take(&mut self.finished)
    }
}

impl Drop for NewValues {
    fn drop(&mut self) {
        self.finished.iter().for_each(|file| file.mark_obsolete());
    }
}

/// Appends a pointer in the place of the value; the length of the record it points to.
fn add_pointer(entry: Kept<'_>, table: &mut NewTable, pointer: &ValuePointer, encoded: &[u8]) -> Result<u64> {
    let Kept { key, sequence, expiry, .. } = entry;
    let bytes = pointer.record_bytes(key.len());
    table.builder.add(key, sequence, Kind::PutPointer, expiry, encoded)?;
    table.builder.add_value_reference(pointer.file, bytes);
    Ok(bytes)
}
