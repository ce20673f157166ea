//! Saves the tables: sound ones as they are, of damaged ones what can be read.

use super::source::FoundTable;
use super::target::{Brought, NewTable};
use super::{Repair, problem};
use crate::draft::is_draft;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::ReadableFile;
use crate::key::{Kind, Sequence, TreeId};
use crate::options::TreeOptions;
use crate::table::{Inspection, Row, Subject, inspect};
use crate::verify::{Affected, Problem};
use crate::version::{TableMeta, table_name};
use std::path::Path;

/// The smallest number is not known before a damaged table was read to its end. Costs a few bytes for each
/// entry, until a compaction.
const BASE: Sequence = 0;

impl Repair<'_> {
    pub(super) fn save_table(&mut self, found: &FoundTable) -> Result<()> {
        let path = self.dir.join(table_name(found.id));
        let file = match self.fs.open_read(&path) {
            Ok(file) => file,
            Err(error) => {
                let error = Error::io(&path, "opening a table", error);
                let affected = found.meta.as_ref().map(whole).unwrap_or_default();
                self.report.lost.push(problem(&path, error.kind(), affected, error.message()));
                return Ok(());
            }
        };
        let trees = &self.options.trees;
        let (table_id, database_id) = (found.id, self.source.database_id);
        let subject =
            Subject { file: &*file, path: &path, table_id, database_id, meta: found.meta.as_ref(), trees };
        let first_look = inspect(&subject, &mut |_| Ok(()))?;
        let known = found.meta.clone().or_else(|| meta_of(found.id, &*file, &first_look));
        let Some(meta) = known else {
            // Not even its tree is known.
            self.report_damages(&path, None, &first_look);
            return Ok(());
        };
        if is_draft(meta.largest_sequence) {
            let message =
                "a large transaction wrote this table; whether it was committed, only the manifest knows";
            self.lose_private(&path, &meta, message);
            return Ok(());
        }
        self.saw(meta.largest_sequence);
        let tree = self.target.tree(meta.tree).ok_or_else(|| unnamed(meta.tree))?;
        let has_pointers = first_look.properties.as_ref().is_some_and(|own| !own.value_references.is_empty());
        if has_pointers || !first_look.damages.is_empty() {
            let seen = self.rewrite(&subject, tree, &meta)?;
            self.report_damages(&path, found.meta.as_ref(), &seen);
            return Ok(());
        }
        match self.target.bring(self.dir, meta)? {
            Brought::Linked => self.report.tables_linked += 1,
            Brought::Copied => self.report.tables_copied += 1,
        }
        Ok(())
    }

    /// The edit that commits a draft is the only trace of it besides its tables: if the last edit is
    /// damaged, it may have been that one. What else an edit adds is also in the log, or in the tables
    /// that it removes.
    pub(super) fn report_if_draft(&mut self, id: u64) -> Result<()> {
        let path = self.dir.join(table_name(id));
        let Ok(file) = self.fs.open_read(&path) else {
            return Ok(());
        };
        let (database_id, trees) = (self.source.database_id, &self.options.trees);
        let subject = Subject { file: &*file, path: &path, table_id: id, database_id, meta: None, trees };
        let seen = inspect(&subject, &mut |_| Ok(()))?;
        if let Some(meta) = meta_of(id, &*file, &seen).filter(|meta| is_draft(meta.largest_sequence)) {
            let message = "a large transaction wrote this table; the edit of the manifest that was not completed may have committed it";
            self.lose_private(&path, &meta, message);
        }
        Ok(())
    }

    /// Writes what is readable of a damaged table, or of one with values in other files, as a new one, which
    /// holds no more than the old one did and so fits into its place. What is reported is what was found on
    /// this reading: a failing disk may answer otherwise each time.
    fn rewrite(&mut self, subject: &Subject<'_>, tree: &TreeOptions, meta: &TableMeta) -> Result<Inspection> {
        let mut table: Option<NewTable> = None;
        let (target, values) = (&mut self.target, &mut self.values);
        let (mut written, mut private) = (0, 0);
        let seen = inspect(subject, &mut |row| {
            if is_draft(row.sequence) {
                private += 1;
                return Ok(());
            }
            let Some(value) = values.of(tree.id, &row) else { return Ok(()) };
            written += 1;
            add_row(begun(&mut table, || target.begin(tree, (meta.level, meta.bucket), BASE))?, &row, &value)
        })?;
        self.report.lost.append(&mut self.values.lost);
        for (start, end, sequence) in &seen.range_deletes {
            if is_draft(*sequence) {
                private += 1;
                continue;
            }
            written += 1;
            let table = begun(&mut table, || target.begin(tree, (meta.level, meta.bucket), BASE))?;
            table.builder.add_range_delete(start, end, *sequence);
        }
        if let Some(table) = table {
            self.target.finish(table)?;
            self.report.tables_rewritten += 1;
            self.report.entries_rewritten += written;
        }
        if private > 0 {
            let message = format!("{private} entries have the numbers of a large transaction under way");
            self.lose_private(subject.path, meta, message);
        }
        Ok(seen)
    }

    /// Entries that have no number among those that were committed: above all others, they would hide what
    /// came later, and nothing could be written behind them.
    fn lose_private(&mut self, path: &Path, meta: &TableMeta, message: impl Into<String>) {
        let affected = Affected { sequences: None, ..whole(meta) };
        self.report.lost.push(problem(path, ErrorKind::Corruption, affected, message));
    }

    fn report_damages(&mut self, path: &Path, meta: Option<&TableMeta>, seen: &Inspection) {
        let properties = seen.properties.as_ref();
        let own = properties.map(|own| Affected {
            tree: Some(own.tree),
            keys: Some((own.smallest.clone(), own.largest.clone())),
            sequences: Some((own.smallest_sequence, own.largest_sequence)),
        });
        let whole = meta.map(whole).or(own).unwrap_or_default();
        for damage in &seen.damages {
            let mut affected = whole.clone();
            if damage.keys.is_some() || !damage.loses_entries {
                affected.keys.clone_from(&damage.keys);
            }
            let file = path.to_path_buf();
            let (offset, kind, message) = (damage.offset, damage.kind, damage.message.clone());
            let problem = Problem { file, offset, kind, affected, message };
            if damage.loses_entries {
                self.report.lost.push(problem)
            } else {
                self.report.mended.push(problem)
            }
        }
    }
}

/// The one place where what stands in a table becomes an entry of the new database.
fn add_row(table: &mut NewTable, row: &Row<'_>, value: &[u8]) -> Result<()> {
    let kind = if row.kind == Kind::PutPointer { Kind::Put } else { row.kind };
    table.builder.add(row.key, row.sequence, kind, row.expiry, value)
}

/// The table, begun if there is none.
fn begun(table: &mut Option<NewTable>, begin: impl FnOnce() -> Result<NewTable>) -> Result<&mut NewTable> {
    if table.is_none() {
        *table = Some(begin()?);
    }
    Ok(table.as_mut().expect("it was just put there"))
}

fn whole(meta: &TableMeta) -> Affected {
    Affected {
        tree: Some(meta.tree),
        keys: Some((meta.smallest.clone(), meta.largest.clone())),
        sequences: Some((meta.smallest_sequence, meta.largest_sequence)),
    }
}

/// What the manifest would say about a table that it does not name, by the table's own word.
fn meta_of(id: u64, file: &dyn ReadableFile, seen: &Inspection) -> Option<TableMeta> {
    let properties = seen.properties.as_ref()?;
    Some(TableMeta {
        id,
        tree: properties.tree,
        level: 0,
        file_bytes: file.len().ok()?,
        smallest: properties.smallest.clone(),
        largest: properties.largest.clone(),
        smallest_sequence: properties.smallest_sequence,
        largest_sequence: properties.largest_sequence,
        entries: properties.entries,
        expiry_max: properties.expiry_max(),
        base: None,
        bucket: None,
    })
}

fn unnamed(tree: TreeId) -> Error {
    Error::invalid(format!("trees: the database has a tree {}", tree.0))
}
