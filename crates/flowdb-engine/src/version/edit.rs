//! One change of what is live: fields that are applied together or not at all.

use crate::format::{Reader, put_bytes, put_varint};
use crate::key::{Sequence, TreeId};
use crate::purge::{Purge, Purges};
use crate::retention::{Bucket, ByKey, Cutoff};
use crate::table::{Properties, TableSummary};
use bytes::Bytes;
use std::fmt::Debug;

// 11 and 15 to 17 are reserved: they had meanings before the first release, and get no other
// (docs/format.md, section 4).
const TAG_TREE: u8 = 1;
const TAG_NEXT_FILE_ID: u8 = 2;
const TAG_OLDEST_LOG: u8 = 3;
const TAG_FLUSHED: u8 = 4;
const TAG_LAST_SEQUENCE: u8 = 5;
const TAG_ADD_TABLE: u8 = 6;
const TAG_REMOVE_TABLE: u8 = 7;
const TAG_PURGE_TIME: u8 = 8;
const TAG_CLEAN_CLOSE: u8 = 9;
const TAG_ADD_VALUE_FILE: u8 = 10;
const TAG_REMOVE_VALUE_FILE: u8 = 12;
const TAG_BUCKET: u8 = 13;
const TAG_ADD_RENUMBERED_TABLE: u8 = 14;
const TAG_LOG_SYNCED: u8 = 18;
const TAG_FORGOTTEN: u8 = 19;

/// What the manifest knows about a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMeta {
    /// Number in its file name.
    pub(crate) id: u64,
    /// The tree it belongs to.
    pub(crate) tree: TreeId,
    /// Its level in the tree.
    pub(crate) level: u8,
    /// Length of the file.
    pub(crate) file_bytes: u64,
    /// First user key, range deletes included.
    pub(crate) smallest: Bytes,
    /// Last user key; the end of a range delete counts as one.
    pub(crate) largest: Bytes,
    /// Smallest sequence number of an entry.
    pub(crate) smallest_sequence: Sequence,
    /// Largest sequence number of an entry.
    pub(crate) largest_sequence: Sequence,
    /// Number of entries.
    pub(crate) entries: u64,
    /// When the last entry expires; [`crate::format::NEVER`] if one never does.
    pub(crate) expiry_max: i64,
    /// The number from which its entries count, where that is not the one that it was written with.
    pub(crate) base: Option<Sequence>,
    /// The bucket of time that its entries belong to, if it is one of those that are kept apart by time.
    pub(crate) bucket: Option<Bucket>,
}

/// What the manifest knows about a value file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueFileMeta {
    /// Number in its file name.
    pub(crate) id: u64,
    /// The tree it belongs to.
    pub(crate) tree: TreeId,
    /// Length of the file.
    pub(crate) file_bytes: u64,
}

/// One part of an [`Edit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Tree(TreeId, String),
    NextFileId(u64),
    OldestLog(u64),
    Flushed(TreeId, Sequence),
    LastSequence(Sequence),
    AddTable(TableMeta),
    RemoveTable(TreeId, u64),
    /// Of a live table, which has none.
    Bucket(TreeId, u64, Bucket),
    Forgotten(TreeId, ByKey<Cutoff>),
    PurgeTime(i64),
    CleanClose(bool),
    AddValueFile(ValueFileMeta),
    RemoveValueFile(TreeId, u64),
    LogSynced(u64, u64),
}

/// A change of what is live. Fields are applied in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(super) fields: Vec<Field>,
}

impl Edit {
    /// An edit that changes nothing.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Declares a tree.
    pub(crate) fn tree(self, tree: TreeId, name: &str) -> Self {
        self.with(Field::Tree(tree, name.to_owned()))
    }

    /// No file has this number or a larger one.
    pub(crate) fn next_file_id(self, id: u64) -> Self {
        self.with(Field::NextFileId(id))
    }

    /// Log segments before this one are not needed any more.
    pub(crate) fn oldest_log(self, segment: u64) -> Self {
        self.with(Field::OldestLog(segment))
    }

    /// All of `tree` up to this number is in tables.
    pub(crate) fn flushed(self, tree: TreeId, sequence: Sequence) -> Self {
        self.with(Field::Flushed(tree, sequence))
    }

    /// No number in the tables is larger.
    pub(crate) fn last_sequence(self, sequence: Sequence) -> Self {
        self.with(Field::LastSequence(sequence))
    }

    /// The table is live. To move one to another level, remove and add it in one edit.
    pub(crate) fn add_table(self, table: TableMeta) -> Self {
        let (tree, id, bucket) = (table.tree, table.id, table.bucket);
        let added = self.with(Field::AddTable(TableMeta { bucket: None, ..table }));
        match bucket {
            Some(bucket) => added.with(Field::Bucket(tree, id, bucket)),
            None => added,
        }
    }

    /// The table is live no more.
    pub(crate) fn remove_table(self, tree: TreeId, id: u64) -> Self {
        self.with(Field::RemoveTable(tree, id))
    }

    /// From now on nothing of this is left in `tree`, by key. To come behind the last sequence number, of
    /// which none is above.
    pub(crate) fn forgotten(self, tree: TreeId, cutoffs: ByKey<Cutoff>) -> Self {
        self.with(Field::Forgotten(tree, cutoffs))
    }

    /// Entries up to the last sequence number, as of this field, that had expired by this time may
    /// have been dropped.
    pub(crate) fn purge_time(self, now: i64) -> Self {
        self.with(Field::PurgeTime(now))
    }

    /// The same of all these. To come before any field with a later sequence number.
    pub(crate) fn purges(self, purges: &Purges) -> Self {
        let say = |edit: Self, purge: &Purge| edit.last_sequence(purge.up_to).purge_time(purge.time);
        purges.notes().iter().fold(self, say)
    }

    /// The database was closed in order, or is open again.
    pub(crate) fn clean_close(self, is_clean: bool) -> Self {
        self.with(Field::CleanClose(is_clean))
    }

    /// The value file is live.
    pub(crate) fn add_value_file(self, file: ValueFileMeta) -> Self {
        self.with(Field::AddValueFile(file))
    }

    /// The value file is live no more: no table refers to it.
    pub(crate) fn remove_value_file(self, tree: TreeId, id: u64) -> Self {
        self.with(Field::RemoveValueFile(tree, id))
    }

    /// The log is on stable storage up to this offset of a segment, the end of a commit, and so is
    /// that segment's name.
    pub(crate) fn log_synced(self, segment: u64, offset: u64) -> Self {
        self.with(Field::LogSynced(segment, offset))
    }

    fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Appends the body of the edit, as the manifest holds it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for field in &self.fields {
            field.encode(out);
        }
    }

    /// The edit that has this body; `None` if it is no body of an edit.
    pub(crate) fn decode(body: &[u8]) -> Option<Edit> {
        let mut reader = Reader::new(body);
        let mut edit = Edit::new();
        while !reader.is_empty() {
            edit.fields.push(Field::decode(&mut reader)?);
        }
        Some(edit)
    }
}

impl Field {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Field::Tree(tree, name) => {
                out.extend_from_slice(&[TAG_TREE, tree.0]);
                put_bytes(out, name.as_bytes());
            }
            Field::NextFileId(id) => put_tagged(out, TAG_NEXT_FILE_ID, *id),
            Field::OldestLog(segment) => put_tagged(out, TAG_OLDEST_LOG, *segment),
            Field::Flushed(tree, sequence) => {
                out.extend_from_slice(&[TAG_FLUSHED, tree.0]);
                out.extend_from_slice(&sequence.to_le_bytes());
            }
            Field::LastSequence(sequence) => put_tagged(out, TAG_LAST_SEQUENCE, *sequence),
            Field::AddTable(table) => {
                out.push(if table.base.is_some() { TAG_ADD_RENUMBERED_TABLE } else { TAG_ADD_TABLE });
                table.encode(out);
                table.base.iter().for_each(|base| out.extend_from_slice(&base.to_le_bytes()));
            }
            Field::RemoveTable(tree, id) => {
                out.extend_from_slice(&[TAG_REMOVE_TABLE, tree.0]);
                out.extend_from_slice(&id.to_le_bytes());
            }
            Field::Bucket(tree, id, bucket) => {
                out.extend_from_slice(&[TAG_BUCKET, tree.0]);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&bucket.first.to_le_bytes());
                out.extend_from_slice(&bucket.last.to_le_bytes());
            }
            Field::Forgotten(tree, cutoffs) => encode_forgotten(*tree, cutoffs, out),
            Field::PurgeTime(now) => {
                out.push(TAG_PURGE_TIME);
                out.extend_from_slice(&now.to_le_bytes());
            }
            Field::CleanClose(is_clean) => out.extend_from_slice(&[TAG_CLEAN_CLOSE, u8::from(*is_clean)]),
            Field::AddValueFile(file) => {
                out.extend_from_slice(&[TAG_ADD_VALUE_FILE, file.tree.0]);
                out.extend_from_slice(&file.id.to_le_bytes());
                out.extend_from_slice(&file.file_bytes.to_le_bytes());
            }
            Field::RemoveValueFile(tree, id) => {
                out.extend_from_slice(&[TAG_REMOVE_VALUE_FILE, tree.0]);
                out.extend_from_slice(&id.to_le_bytes());
            }
            Field::LogSynced(segment, offset) => {
                put_tagged(out, TAG_LOG_SYNCED, *segment);
                out.extend_from_slice(&offset.to_le_bytes());
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Field> {
        Some(match reader.u8()? {
            TAG_TREE => {
                let tree = TreeId(reader.u8()?);
                Field::Tree(tree, std::str::from_utf8(reader.bytes()?).ok()?.to_owned())
            }
            TAG_NEXT_FILE_ID => Field::NextFileId(reader.u64()?),
            TAG_OLDEST_LOG => Field::OldestLog(reader.u64()?),
            TAG_FLUSHED => Field::Flushed(TreeId(reader.u8()?), reader.u64()?),
            TAG_LAST_SEQUENCE => Field::LastSequence(reader.u64()?),
            TAG_ADD_TABLE => Field::AddTable(TableMeta::decode(reader)?),
            TAG_ADD_RENUMBERED_TABLE => {
                let table = TableMeta::decode(reader)?;
                Field::AddTable(TableMeta { base: Some(reader.u64()?), ..table })
            }
            TAG_REMOVE_TABLE => Field::RemoveTable(TreeId(reader.u8()?), reader.u64()?),
            TAG_BUCKET => {
                let (tree, id) = (TreeId(reader.u8()?), reader.u64()?);
                Field::Bucket(tree, id, Bucket { first: reader.i64()?, last: reader.i64()? })
            }
            TAG_FORGOTTEN => Field::Forgotten(TreeId(reader.u8()?), decode_forgotten(reader)?),
            TAG_PURGE_TIME => Field::PurgeTime(reader.i64()?),
            TAG_CLEAN_CLOSE => Field::CleanClose(match reader.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            }),
            TAG_ADD_VALUE_FILE => {
                let tree = TreeId(reader.u8()?);
                Field::AddValueFile(ValueFileMeta { tree, id: reader.u64()?, file_bytes: reader.u64()? })
            }
            TAG_REMOVE_VALUE_FILE => Field::RemoveValueFile(TreeId(reader.u8()?), reader.u64()?),
            TAG_LOG_SYNCED => Field::LogSynced(reader.u64()?, reader.u64()?),
            _ => return None,
        })
    }
}

fn encode_forgotten(tree: TreeId, cutoffs: &ByKey<Cutoff>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[TAG_FORGOTTEN, tree.0]);
    put_varint(out, cutoffs.steps().len() as u64);
    for (start, cutoff) in cutoffs.steps() {
        put_bytes(out, start);
        out.extend_from_slice(&cutoff.before.to_le_bytes());
        out.extend_from_slice(&cutoff.up_to.to_le_bytes());
    }
}

fn decode_forgotten(reader: &mut Reader<'_>) -> Option<ByKey<Cutoff>> {
    let mut steps = Vec::new();
    // Not allocated on the word of the count: each takes at least seventeen bytes.
    for _ in 0..reader.varint()? {
        let start = Bytes::copy_from_slice(reader.bytes()?);
        steps.push((start, Cutoff { before: reader.i64()?, up_to: reader.u64()? }));
    }
    ByKey::from_steps(steps)
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

impl TableMeta {
    /// That of a table that was just written, for a level and for a bucket of time if it is of one.
    pub(crate) fn of_new(
        id: u64,
        tree: TreeId,
        (level, bucket): (u8, Option<Bucket>),
        summary: TableSummary,
    ) -> Self {
        TableMeta {
            id,
            tree,
            level,
            file_bytes: summary.file_bytes,
            smallest: summary.smallest,
            largest: summary.largest,
            smallest_sequence: summary.smallest_sequence,
            largest_sequence: summary.largest_sequence,
            entries: summary.entries,
            expiry_max: summary.expiry_max,
            base: None,
            bucket,
        }
    }

    /// True if it may hold something for the keys from `start` to `end`, both included.
    pub(crate) fn overlaps(&self, start: &[u8], end: &[u8]) -> bool {
        self.smallest[..] <= *end && *start <= self.largest[..]
    }

    /// How the table's own properties differ from this, if they do.
    pub(crate) fn contradiction(&self, properties: &Properties) -> Option<String> {
        let differs = |what: &str, own: &dyn Debug, known: &dyn Debug| {
            Some(format!("the table says that its {what} is {own:?}; the manifest says {known:?}"))
        };
        if properties.tree != self.tree {
            return differs("tree", &properties.tree.0, &self.tree.0);
        }
        if properties.entries != self.entries {
            return differs("number of entries", &properties.entries, &self.entries);
        }
        let (own, known) = ((&properties.smallest, &properties.largest), (&self.smallest, &self.largest));
        if own != known {
            return differs("key range", &own, &known);
        }
        let own = (properties.smallest_sequence, properties.largest_sequence);
        let known = (self.smallest_sequence, self.largest_sequence);
        if own != known {
            return differs("range of sequence numbers", &own, &known);
        }
        if properties.expiry_max() != self.expiry_max {
            return differs("last expiry", &properties.expiry_max(), &self.expiry_max);
        }
        match (self.bucket, properties.property()) {
            (Some(Bucket { first, last }), Some(own)) if own.0 < first || last < own.1 => {
                differs("range of block properties", &own, &(first, last))
            }
            _ => None,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.tree.0, self.level]);
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.file_bytes.to_le_bytes());
        put_bytes(out, &self.smallest);
        put_bytes(out, &self.largest);
        for number in [self.smallest_sequence, self.largest_sequence, self.entries] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.expiry_max.to_le_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<TableMeta> {
        Some(TableMeta {
            tree: TreeId(reader.u8()?),
            level: reader.u8()?,
            id: reader.u64()?,
            file_bytes: reader.u64()?,
            // Copied, so that two keys do not keep the whole manifest in memory.
            smallest: Bytes::copy_from_slice(reader.bytes()?),
            largest: Bytes::copy_from_slice(reader.bytes()?),
            smallest_sequence: reader.u64()?,
            largest_sequence: reader.u64()?,
            entries: reader.u64()?,
            expiry_max: reader.i64()?,
            base: None,
            bucket: None,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::format::NEVER;

    pub(in crate::version) fn table(tree: u8, id: u64) -> TableMeta {
        TableMeta {
            id,
            tree: TreeId(tree),
            level: 0,
            file_bytes: 1000 + id,
            smallest: Bytes::from_static(b"a"),
            largest: Bytes::from_static(b"zz"),
            smallest_sequence: id * 10,
            largest_sequence: id * 10 + 9,
            entries: 10,
            expiry_max: NEVER,
            base: None,
            bucket: None,
        }
    }

    pub(in crate::version) fn value_file(tree: u8, id: u64) -> ValueFileMeta {
        ValueFileMeta { id, tree: TreeId(tree), file_bytes: 1000 + id }
    }

    fn every_field() -> Edit {
        Edit::new()
            .tree(TreeId(1), "kv")
            .next_file_id(9)
            .oldest_log(4)
            .flushed(TreeId(1), 70)
            .last_sequence(80)
            .add_table(table(1, 7))
            .add_table(TableMeta { base: Some(65), ..table(1, 8) })
            .add_table(TableMeta { bucket: Some(Bucket { first: -7, last: 9 }), ..table(1, 9) })
            .forgotten(TreeId(1), ByKey::all(Cutoff { before: -70, up_to: 80 }))
            .forgotten(
                TreeId(2),
                ByKey::by_prefix(Cutoff::NONE, &[(b"a".to_vec(), Cutoff { before: 7, up_to: 8 })]),
            )
            .remove_table(TreeId(1), 6)
            .purge_time(-5)
            .clean_close(true)
            .add_value_file(value_file(1, 8))
            .remove_value_file(TreeId(1), 5)
            .log_synced(3, 700)
    }

    #[test]
    fn edits_round_trip() {
        let edit = every_field();
        let mut body = Vec::new();
        edit.encode(&mut body);
        assert_eq!(Edit::decode(&body), Some(edit));
        assert_eq!(Edit::decode(&[]), Some(Edit::new()));
        assert!(Edit::new().fields.is_empty());
    }

    #[test]
    fn a_cut_body_is_refused_or_has_fewer_fields() {
        let edit = every_field();
        let mut body = Vec::new();
        edit.encode(&mut body);
        for length in 0..body.len() {
            if let Some(shorter) = Edit::decode(&body[..length]) {
                assert!(edit.fields.starts_with(&shorter.fields) && shorter != edit, "cut at {length}");
            }
        }
    }

    #[test]
    fn unknown_tags_and_hostile_lengths_are_refused() {
        assert_eq!(Edit::decode(&[0]), None);
        for reserved in [11, 15, 16, 17] {
            assert_eq!(
                Edit::decode(&[reserved, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                None,
                "{reserved} is reserved"
            );
        }
        assert_eq!(Edit::decode(&[99]), None);
        assert_eq!(Edit::decode(&[TAG_CLEAN_CLOSE, 2]), None);
        assert_eq!(Edit::decode(&[TAG_TREE, 1, 1, 0xff]), None, "a name is UTF-8");
        let mut body = vec![TAG_TREE, 1];
        put_varint(&mut body, u64::MAX);
        assert_eq!(Edit::decode(&body), None);
    }
}
