//! Writes that depend on what is there, each atomic against all other writers. Most are [`Store::update`]
//! with a decision.

use crate::attempt::{Change, Current};
use crate::id::RecordId;
use crate::reader::Snapshot;
use crate::record::{Form, Record};
use crate::series::number_at;
use crate::store::Store;
use crate::ttl::Ttl;
use crate::value::Number;
use flowdb_engine::format::NEVER;
use flowdb_engine::{Condition, Error, ErrorKind, ReadTier, Result, WriteOptions};

/// How often [`Store::put_if_untouched`] asks a file for what memory did not know: each time, a flush has
/// come in between.
const UNTOUCHED_ATTEMPTS_MAX: u32 = 4;

/// What [`Store::patch`] changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// The new value. Default: as it is.
    pub record: Option<Record>,
    /// The new time to live; of a cache entry it counts from now on, of a point from its timestamp. Default:
    /// the expiry stays.
    pub ttl: Option<Ttl>,
}

impl Store {
    /// Puts a record if there is none, an expired one counting as none. Answers with the one that is in the
    /// way, if one is. `ttl` as for [`crate::RecordBatch::put`].
    pub fn put_if_absent(
        &self,
        id: RecordId<'_>,
        record: &Record,
        ttl: Option<Ttl>,
        options: WriteOptions,
    ) -> Result<Option<Current>> {
        self.update(id, options, |current| {
            Ok(current.map_or_else(|| Change::Put(record.clone(), ttl), |_| Change::Keep))
        })
    }

    /// Puts a record that was worked out since a moment, unless it is outdated: nobody has put, deleted or
    /// range-deleted that record after `since`. Answers with the one that is in the way, if one is. Where
    /// neither is there, something was deleted: nothing is put and nothing in the way. That is also so where
    /// it may have gone for want of space. `ttl` as for [`crate::RecordBatch::put`].
    pub fn put_if_untouched(
        &self,
        since: &Snapshot,
        id: RecordId<'_>,
        record: &Record,
        ttl: Option<Ttl>,
        options: WriteOptions,
    ) -> Result<Option<Current>> {
        let untouched = [Condition { tree: id.tree(), key: id.stored_key(), expiry: NEVER }];
        let mut since = since.clone();
        for _ in 0..UNTOUCHED_ATTEMPTS_MAX {
            let found = self.current(id)?;
            if found.is_some() {
                return Ok(found);
            }
            let mut batch = self.batch();
            batch.put(id, record, ttl)?;
            match self.db().write_if(since.engine(), &untouched, batch.into_inner(), options) {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                result => return result.map(|_| None),
            }
            // Perhaps memory could not tell. If a file says that nobody touched it up to a later moment, that
            // is the one to go by.
            let later = self.snapshot();
            if !self.is_untouched(&since, id, ReadTier::Disk)? {
                break;
            }
            since = later;
        }
        self.current(id)
    }

    /// True if nobody has put, deleted or range-deleted a record after `since`. Fails with `WouldBlock` where
    /// `tier` does not suffice.
    pub fn is_untouched(&self, since: &Snapshot, id: RecordId<'_>, tier: ReadTier) -> Result<bool> {
        self.db().is_untouched(since.engine(), id.tree(), &id.stored_key(), tier)
    }

    /// The record that is there, or else the one that `make` makes, which is put then. `make` may
    /// run several times.
    pub fn get_or_insert(
        &self,
        id: RecordId<'_>,
        ttl: Option<Ttl>,
        options: WriteOptions,
        mut make: impl FnMut() -> Result<Record>,
    ) -> Result<Record> {
        let mut made = None;
        let found = self.update(id, options, |current| match current {
            Some(_) => Ok(Change::Keep),
            None => make().map(|record| Change::Put(made.insert(record).clone(), ttl)),
        })?;
        Ok(found.map(|current| current.record).or(made).expect("what was not found was made"))
    }

    /// Sets a record, or deletes it for `None`, if what is there is `expected`: the same value
    /// of the same form, whatever its expiry, or nothing. True if it was. The new record's `ttl`
    /// as for [`crate::RecordBatch::put`].
    pub fn compare_and_set(
        &self,
        id: RecordId<'_>,
        expected: Option<&Record>,
        new: Option<&Record>,
        ttl: Option<Ttl>,
        options: WriteOptions,
    ) -> Result<bool> {
        let is_expected = |current: Option<&Current>| current.map(|current| &current.record) == expected;
        // Without one of its own it must not inherit the expiry of the record that it replaces.
        let ttl = Some(ttl.unwrap_or_else(|| self.default_ttl(id.shape())));
        let found = self.update(id, options, |current| match (is_expected(current), new) {
            (false, _) => Ok(Change::Keep),
            (true, None) => Ok(Change::Delete),
            (true, Some(new)) => Ok(Change::Put(new.clone(), ttl)),
        })?;
        Ok(is_expected(found.as_ref()))
    }

    /// Sets a record if what is there is `expected`, and keeps its expiry unless there is a `ttl`. True
    /// if it was.
    pub fn swap(
        &self,
        id: RecordId<'_>,
        expected: &Record,
        new: &Record,
        ttl: Option<Ttl>,
        options: WriteOptions,
    ) -> Result<bool> {
        let is_expected =
            |current: Option<&Current>| current.is_some_and(|current| current.record == *expected);
        let found = self.update(id, options, |current| {
            Ok(if is_expected(current) { Change::Put(new.clone(), ttl) } else { Change::Keep })
        })?;
        Ok(is_expected(found.as_ref()))
    }

    /// Changes value or time to live of a record that is there, or both. Answers with the new record.
    ///
    /// Fails with `NotFound` if there is none.
    pub fn patch(&self, id: RecordId<'_>, patch: &Patch, options: WriteOptions) -> Result<Record> {
        let before = self.update(id, options, |current| {
            let current =
                current.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no record to patch"))?;
            if *patch == Patch::default() {
                return Ok(Change::Keep);
            }
            Ok(Change::Put(patch.record.clone().unwrap_or_else(|| current.record.clone()), patch.ttl))
        })?;
        let before = before.expect("an update of nothing was refused").record;
        Ok(patch.record.clone().unwrap_or(before))
    }

    /// Adds `delta` to the number that a record is, and answers with the sum. A record that is there keeps
    /// its expiry; one that is not counts as zero, and lives by `ttl` as for [`crate::RecordBatch::put`].
    ///
    /// As `notation` says, the number is a value (form [`Form::Value`]) or JSON (bytes or text that is read,
    /// text that is written), and what is there has to be one, too.
    ///
    /// Fails as [`Number::plus`] does on overflow, and with `InvalidArgument` if the record is no number;
    /// nothing was changed then.
    pub fn increment(
        &self,
        id: RecordId<'_>,
        delta: Number,
        notation: Notation,
        ttl: Option<Ttl>,
        options: WriteOptions,
    ) -> Result<Number> {
        let zero = match delta {
            Number::Float(_) => Number::Float(0.0),
            Number::Integer(_) => Number::Integer(0),
        };
        let mut sum = zero;
        self.update(id, options, |current| {
            let number = current.map_or(Ok(zero), |current| notation.number(&current.record))?;
            sum = number.plus(delta)?;
            let ttl = if current.is_some() { None } else { ttl };
            Ok(Change::Put(notation.record(sum)?, ttl))
        })?;
        Ok(sum)
    }
}

/// How a record holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// In the value format.
    Value,
    /// As JSON.
    Json,
}

impl Notation {
    fn number(self, record: &Record) -> Result<Number> {
        match (self, record.form()) {
            (Notation::Value, Form::Value) => Number::from_value(record.contents()),
            (Notation::Json, Form::Bytes | Form::Text) => number_at(record.contents(), &[])
                .map(Number::Float)
                .ok_or_else(|| Error::invalid("the record is not a number in JSON")),
            _ => Err(Error::invalid("the record is not a number")),
        }
    }

    fn record(self, number: Number) -> Result<Record> {
        Ok(match self {
            Notation::Value => Record::new(Form::Value, &number.to_value()),
            Notation::Json => Record::new(Form::Text, number.to_json()?.as_bytes()),
        })
    }
}
