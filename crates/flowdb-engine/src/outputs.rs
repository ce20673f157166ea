//! The tables that a flush writes: one, or one for each bucket of time.

use crate::error::Result;
use crate::flush::NewTable;
use crate::inner::Inner;
use crate::iter::RangeDelete;
use crate::key::Sequence;
use crate::retention::{Bucket, Retention};
use crate::separate::Output;
use crate::tree::{Levels, Shelves, Tree};

/// Buckets that one flush writes to; each takes a buffer, a filter and a file. What finds no place goes where
/// everything may be.
const BUCKETS_PER_FLUSH: usize = 32;
/// Buckets that a tree has at most, so that keys with senseless times do not make a table each.
const BUCKETS_PER_TREE: usize = 512;

/// Tables being written.
pub(crate) struct Outputs<'a> {
    inner: &'a Inner,
    tree: &'a Tree,
    base: Sequence,
    shelves: &'a Shelves,
    tables: Vec<(Option<Bucket>, NewTable)>,
    /// Index in `tables` of the one written to last: what follows mostly goes there too.
    last: usize,
}

impl<'a> Outputs<'a> {
    /// For entries that are newer than all in `shelves`, and whose numbers are at least `base`.
    pub(crate) fn new(inner: &'a Inner, tree: &'a Tree, base: Sequence, shelves: &'a Shelves) -> Self {
        Outputs { inner, tree, base, shelves, tables: Vec::new(), last: 0 }
    }

    /// The table for the entries of `key`.
    pub(crate) fn table(&mut self, key: &[u8]) -> Result<&mut NewTable> {
        let kept = self.kept(key);
        let is_same = |(bucket, _): &(Option<Bucket>, NewTable)| match (bucket, kept) {
            (Some(bucket), Some((retention, time))) => {
                // Where all keys have the same retention, a bucket that holds the time is the one.
                bucket.contains(time) && (!self.has_rules() || retention.bucket_of(time) == *bucket)
            }
            (bucket, kept) => bucket.is_none() && kept.is_none(),
        };
        if !self.tables.get(self.last).is_some_and(is_same) {
            self.last = self.index_for(self.bucket_for(kept))?;
        }
        Ok(&mut self.tables[self.last].1)
    }

    /// How long `key` is kept, and its time; `None` for ever.
    fn kept(&self, key: &[u8]) -> Option<(Retention, i64)> {
        let options = &self.tree.options;
        Some((options.retention.at(key)?, (options.block_property)(key)?))
    }

    fn has_rules(&self) -> bool {
        self.tree.options.retention.digest().is_some()
    }

    fn bucket_for(&self, kept: Option<(Retention, i64)>) -> Option<Bucket> {
        let (retention, time) = kept?;
        let bucket = retention.bucket_of(time);
        let is_begun = |bucket| self.tables.iter().any(|(other, _)| *other == Some(bucket));
        let is_new = |(bucket, _): &&(Option<Bucket>, _)| {
            bucket.is_some_and(|bucket| !self.shelves.has_bucket(bucket))
        };
        let has_place = || {
            let new = self.tables.iter().filter(is_new).count();
            self.tables.len() < BUCKETS_PER_FLUSH
                && (self.shelves.has_bucket(bucket) || self.shelves.bucket_count() + new < BUCKETS_PER_TREE)
        };
        (is_begun(bucket) || has_place()).then_some(bucket)
    }

    fn index_for(&mut self, bucket: Option<Bucket>) -> Result<usize> {
        if let Some(index) = self.tables.iter().position(|(other, _)| *other == bucket) {
            return Ok(index);
        }
        self.tables.push((bucket, self.inner.new_table(self.tree, self.base)?));
        Ok(self.tables.len() - 1)
    }

    /// Completes the tables. Each range delete goes to all shelves in which it may hide something: to the
    /// tables, and to new ones for shelves that get none.
    pub(crate) fn finish(self, range_deletes: &[RangeDelete]) -> Result<Vec<Output>> {
        let mut finished = Vec::new();
        let result = self.finish_into(range_deletes, &mut finished);
        if let Err(error) = result {
            finished.iter().for_each(Output::mark_obsolete);
            return Err(error);
        }
        Ok(finished)
    }

    fn finish_into(self, range_deletes: &[RangeDelete], finished: &mut Vec<Output>) -> Result<()> {
        let Outputs { inner, tree, base, shelves, tables, .. } = self;
        let written: Vec<_> = tables.iter().map(|(bucket, _)| *bucket).collect();
        // A holder of a snapshot may ask whether a key was written to since, and finds a range delete even if
        // there was nothing to hide.
        let oldest = inner.snapshots.oldest();
        let is_noted = |bucket: Option<Bucket>, range_delete: &RangeDelete| {
            bucket.is_none() && oldest.is_some_and(|oldest| oldest < range_delete.2)
        };
        for (bucket, mut output) in tables {
            let levels = shelves.iter().find(|(other, _)| *other == bucket).map(|(_, levels)| levels);
            for range_delete in range_deletes {
                let (start, end, sequence) = range_delete;
                if output.builder.overlaps(start, end)
                    || levels.is_some_and(|levels| hides(range_delete, levels))
                    || is_noted(bucket, range_delete)
                {
                    output.builder.add_range_delete(start, end, *sequence);
                }
            }
            finished.push(inner.finish_table(tree, 0, bucket, output, &[])?);
        }
        for (bucket, levels) in shelves.iter().filter(|(bucket, _)| !written.contains(bucket)) {
            let mut output = None;
            let is_wanted =
                |range_delete: &&RangeDelete| hides(range_delete, levels) || is_noted(bucket, range_delete);
            for range_delete in range_deletes.iter().filter(is_wanted) {
                let (start, end, sequence) = range_delete;
                inner.builder(&mut output, tree, base)?.add_range_delete(start, end, *sequence);
            }
            if let Some(output) = output {
                finished.push(inner.finish_table(tree, 0, bucket, output, &[])?);
            }
        }
        Ok(())
    }
}

fn hides((start, end, _): &RangeDelete, levels: &Levels) -> bool {
    levels.touches(start, end)
}
