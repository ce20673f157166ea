//! Reading: get, get all, count, and the steps of cursors.

use super::failure::{Failure, Outcome};
use super::key::encoded_length;
use super::portion::{Executor, Portion, Resume};
use super::protocol::{Direction, KeyRange, Move, Parts, Response, Source, is_key};
use super::transaction::Transaction;
use super::walk::{Pair, Walk, Wanted};
use crate::keyspace::{KeySpan, after_prefix};
use bytes::Bytes;

/// No record is read ahead of a cursor behind so many bytes of them.
const READ_AHEAD_BYTES: usize = 24 << 10;

/// A record of a store or index.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: Bytes,
    pub(super) primary_key: Bytes,
    /// The stored record, if it was wanted: flags and value. An index has it elsewhere.
    stored: Option<Bytes>,
}

/// Records of a source, one after the other.
#[derive(Debug)]
pub(super) struct Rows {
    source: Source,
    prefix: Vec<u8>,
    direction: Direction,
    walk: Walk,
}

impl Transaction {
    /// <https://w3c.github.io/IndexedDB/#retrieve-a-value-from-an-object-store> and its siblings: the first
    /// record in the range.
    pub(super) fn get(
        &mut self,
        source: Source,
        range: KeyRange<'_>,
        key_only: bool,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Response> {
        if let (0, Some(key)) = (source.index, range.single()) {
            return self.get_single(source, key, key_only);
        }
        let mut rows = self.rows(source, range, Direction::Next, Move::START, resume)?;
        let row = match rows.next(self, Wanted::unless(key_only)) {
            Err(Failure::Engine(error)) if self.portion().ends_with(&error) => return Ok(self.leave(rows, 0)),
            row => row?,
        };
        self.keep(rows.walk);
        let mut response = Response::ok();
        response.u8(row.is_some().into());
        if let Some(row) = row {
            response.bytes(&row.primary_key);
            if !key_only {
                self.put_value(&mut response, source, &row)?;
            }
        }
        Ok(response)
    }

    /// The answer to a portion behind which `done` records are dealt with.
    fn leave(&mut self, rows: Rows, done: u64) -> Response {
        let response = Response::portion(done, rows.walk.position());
        self.keep(rows.walk);
        response
    }

    /// A record by its key: filters make this cheaper than a walk.
    fn get_single(&self, source: Source, key: &[u8], key_only: bool) -> Outcome<Response> {
        let mut stored_key = self.source_prefix(source)?;
        stored_key.extend_from_slice(key);
        let stored = if key_only { None } else { self.read(&stored_key)? };
        let is_there = if key_only { self.has(&stored_key)? } else { stored.is_some() };
        let mut response = Response::ok();
        response.u8(is_there.into());
        if is_there {
            response.bytes(key);
        }
        if let Some(stored) = stored {
            self.put_stored(&mut response, source, key, &stored)?;
        }
        Ok(response)
    }

    /// A page of all records in the range.
    pub(super) fn get_all(
        &mut self,
        source: Source,
        range: KeyRange<'_>,
        direction: Direction,
        limit: u32,
        parts: Parts,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Response> {
        let mut rows = self.rows(source, range, direction, Move::START, resume)?;
        let before = resume.map_or(0, |resume| resume.done);
        let mut page = Portion::page(self.limits, self.executor);
        let mut response = Response::ok();
        let count_position = response.count_later();
        let mut place = Vec::new();
        let goes_on = loop {
            let done = before.saturating_add(page.steps());
            if limit != 0 && done >= u64::from(limit) {
                break false;
            }
            let start = response.len();
            rows.walk.position().clone_into(&mut place);
            if page.is_used_up() {
                break true;
            }
            match self.put_next(&mut rows, &mut response, parts) {
                Ok(true) => page.step(response.len() - start),
                Ok(false) => break false,
                Err(Failure::Engine(error)) if page.ends_with(&error) => {
                    response.truncate(start);
                    if page.steps() == 0 {
                        rows.walk.position().clone_into(&mut place);
                    }
                    break true;
                }
                Err(failure) => return Err(failure),
            }
        };
        response.set_count(count_position, page.count());
        if goes_on {
            response.goes_on(before.saturating_add(page.steps()), &place);
            self.keep(rows.walk);
        }
        Ok(response)
    }

    /// What is wanted of the next record. False if there is none.
    fn put_next(&self, rows: &mut Rows, response: &mut Response, parts: Parts) -> Outcome<bool> {
        let Some(row) = rows.next(self, Wanted::unless(!parts.value))? else { return Ok(false) };
        if parts.key {
            response.bytes(&row.key);
        }
        if parts.primary_key {
            response.bytes(&row.primary_key);
        }
        if parts.value {
            self.put_value(response, rows.source, &row)?;
        }
        Ok(true)
    }

    pub(super) fn count(
        &mut self,
        source: Source,
        range: KeyRange<'_>,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Response> {
        let prefix = self.source_prefix(source)?;
        let span = range.span(&prefix);
        let at = resume.map_or_else(|| span.start.clone(), |resume| resume.place.to_vec());
        let mut walk = self.walk(span, at)?;
        let before = resume.map_or(0, |resume| resume.done);
        let mut portion = self.portion();
        let goes_on = loop {
            if portion.is_used_up() {
                break true;
            }
            match walk.next(&self.overlay, Wanted::Key) {
                Ok(Some((key, _))) => portion.step(key.len()),
                Ok(None) => break false,
                Err(error) if portion.ends_with(&error) => break true,
                Err(error) => return Err(error.into()),
            }
        };
        let count = before.saturating_add(portion.steps());
        if goes_on {
            let response = Response::portion(count, walk.position());
            self.keep(walk);
            return Ok(response);
        }
        let mut response = Response::ok();
        response.u64(count);
        Ok(response)
    }

    /// <https://w3c.github.io/IndexedDB/#iterate-a-cursor>
    pub(super) fn iterate(
        &mut self,
        source: Source,
        range: KeyRange<'_>,
        direction: Direction,
        key_only: bool,
        to: Move<'_>,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Response> {
        let mut rows = self.rows(source, range, direction, to, resume)?;
        let before = resume.map_or(0, |resume| resume.done);
        let mut portion = self.portion();
        let mut found = None;
        for step in before.saturating_add(1)..=to.count.into() {
            if portion.is_used_up() {
                return Ok(self.leave(rows, before + portion.steps()));
            }
            // What is only stepped over is not read.
            let key_only = key_only || step < to.count.into();
            found = match rows.next(self, Wanted::unless(key_only)) {
                Err(Failure::Engine(error)) if portion.ends_with(&error) => {
                    return Ok(self.leave(rows, before + portion.steps()));
                }
                found => found?,
            };
            let Some(row) = &found else { break };
            portion.step(row.key.len());
        }
        let mut response = Response::ok();
        if self.put_position(&mut response, source, found, key_only)? {
            self.read_ahead(&mut rows, &mut response, key_only, to.ahead);
        }
        self.keep(rows.walk);
        Ok(response)
    }

    /// Where a cursor has got to: a record, behind 1, or 0 for none. False for none.
    fn put_position(
        &self,
        response: &mut Response,
        source: Source,
        row: Option<Row>,
        key_only: bool,
    ) -> Outcome<bool> {
        response.u8(row.is_some().into());
        let Some(row) = row else { return Ok(false) };
        response.bytes(&row.key);
        response.bytes(&row.primary_key);
        if !key_only {
            self.put_value(response, source, &row)?;
        }
        Ok(true)
    }

    /// The positions behind, as far as they are at hand and small. One that cannot be read is left to the
    /// step that asks for it.
    fn read_ahead(&self, rows: &mut Rows, response: &mut Response, key_only: bool, count: u32) {
        let wanted = if key_only { Wanted::Key } else { Wanted::InlineValue };
        for _ in 0..count {
            let start = response.len();
            if start >= READ_AHEAD_BYTES {
                break;
            }
            let source = rows.source;
            let next =
                rows.next(self, wanted).and_then(|row| self.put_ahead(response, source, row, key_only));
            if next.is_err() {
                response.truncate(start);
            }
            if !next.unwrap_or(false) {
                break;
            }
        }
    }

    /// A position that a cursor may not get to. False for none, and for one with a large value.
    fn put_ahead(
        &self,
        response: &mut Response,
        source: Source,
        mut row: Option<Row>,
        key_only: bool,
    ) -> Outcome<bool> {
        if let Some(row) = row.as_mut().filter(|_| !key_only) {
            if row.stored.is_none() && source.index != 0 {
                row.stored = Some(self.referenced(source, row)?);
            }
            if row.stored.as_ref().is_none_or(|stored| stored.len() > READ_AHEAD_BYTES) {
                return Ok(false);
            }
        }
        self.put_position(response, source, row, key_only)
    }

    /// The records of a source in a range, from where a cursor that makes this move looks for them.
    fn rows(
        &mut self,
        source: Source,
        range: KeyRange<'_>,
        direction: Direction,
        to: Move<'_>,
        resume: Option<Resume<'_>>,
    ) -> Outcome<Rows> {
        let prefix = self.source_prefix(source)?;
        // The keys of a store are unique anyway.
        let direction = match direction {
            Direction::NextUnique if source.index == 0 => Direction::Next,
            Direction::PrevUnique if source.index == 0 => Direction::Prev,
            other => other,
        };
        let span = range.span(&prefix);
        let at = match resume {
            Some(resume) => resume.place.to_vec(),
            None => starting_place(&prefix, source, &span, direction, to),
        };
        let walk = self.walk(span, at)?;
        Ok(Rows { source, prefix, direction, walk })
    }

    /// Record flags and value.
    fn put_value(&self, response: &mut Response, source: Source, row: &Row) -> Outcome<()> {
        let stored = match &row.stored {
            Some(stored) => stored.clone(),
            None => self.referenced(source, row)?,
        };
        self.put_stored(response, source, &row.primary_key, &stored)
    }

    fn put_stored(
        &self,
        response: &mut Response,
        source: Source,
        primary_key: &[u8],
        stored: &[u8],
    ) -> Outcome<()> {
        let Some((&flags, value)) = stored.split_first() else {
            return Err(self.corrupt(source, primary_key, "the record is empty").into());
        };
        response.u8(flags);
        response.bytes(value);
        Ok(())
    }

    /// The record that an index entry points to.
    fn referenced(&self, source: Source, row: &Row) -> Outcome<Bytes> {
        let key = [&self.prefix(source.store, 0), &row.primary_key[..]].concat();
        match self.read(&key)? {
            Some(stored) => Ok(stored),
            None => Err(self.corrupt(source, &row.key, "the index entry has no record").into()),
        }
    }
}

impl Rows {
    /// The next record in the direction.
    pub(super) fn next(&mut self, transaction: &Transaction, wanted: Wanted) -> Outcome<Option<Row>> {
        match self.direction {
            Direction::Next => self.forward(transaction, wanted),
            Direction::Prev => self.backward(transaction, wanted),
            Direction::NextUnique => {
                let row = self.forward(transaction, wanted)?;
                if let Some(row) = &row {
                    self.walk.place(after_prefix(&self.of_key(&row.key)));
                }
                Ok(row)
            }
            Direction::PrevUnique => {
                let Some(last) = self.backward(transaction, Wanted::Key)? else { return Ok(None) };
                let start = self.of_key(&last.key);
                self.walk.place(start.clone());
                let first = self.first_of_group(transaction, wanted);
                // Where it was not reached, the group is found once more.
                self.walk.place(if first.is_ok() { start } else { after_prefix(&start) });
                first
            }
        }
    }

    /// The next record, which is there. A worker finds it however much is hidden before it: behind that is no
    /// place from which a walk backward could go on.
    fn first_of_group(&mut self, transaction: &Transaction, wanted: Wanted) -> Outcome<Option<Row>> {
        if transaction.executor == Executor::EventLoop {
            return self.forward(transaction, wanted);
        }
        let passes_left = self.walk.passes_left();
        self.walk.limit(u64::MAX);
        let first = self.forward(transaction, wanted);
        self.walk.limit(passes_left);
        first
    }

    fn forward(&mut self, transaction: &Transaction, wanted: Wanted) -> Outcome<Option<Row>> {
        let pair = self.walk.next(&transaction.overlay, wanted)?;
        self.row(transaction, pair)
    }

    fn backward(&mut self, transaction: &Transaction, wanted: Wanted) -> Outcome<Option<Row>> {
        let pair = self.walk.prev(&transaction.overlay, wanted)?;
        self.row(transaction, pair)
    }

    fn of_key(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    fn row(&self, transaction: &Transaction, pair: Option<Pair>) -> Outcome<Option<Row>> {
        let Some((stored_key, value)) = pair else { return Ok(None) };
        let own = stored_key.slice(self.prefix.len()..);
        let row = split(self.source, &own, value);
        row.map(Some).ok_or_else(|| transaction.corrupt(self.source, &own, "the key does not decode").into())
    }
}

/// Where a cursor goes on: beyond its position, and not before its target.
fn starting_place(
    prefix: &[u8],
    source: Source,
    span: &KeySpan,
    direction: Direction,
    to: Move<'_>,
) -> Vec<u8> {
    let of_key = |key: &[u8]| [prefix, key].concat();
    let of_position = |key: &[u8], primary_key: &[u8]| match source.index {
        0 => of_key(key),
        _ => [prefix, key, primary_key].concat(),
    };
    let target = to.target.map(|key| [prefix, key, to.target_primary.unwrap_or_default()].concat());
    match direction {
        Direction::Next | Direction::NextUnique => {
            let beyond = to.position.map(|(key, primary_key)| match direction {
                Direction::Next => [&of_position(key, primary_key)[..], &[0]].concat(),
                _ => after_prefix(&of_key(key)),
            });
            target.max(beyond).unwrap_or_else(|| span.start.clone())
        }
        Direction::Prev | Direction::PrevUnique => {
            let beyond = to.position.map(|(key, primary_key)| match direction {
                Direction::Prev => of_position(key, primary_key),
                _ => of_key(key),
            });
            let target = target.map(|at| after_prefix(&at));
            target.into_iter().chain(beyond).min().unwrap_or_else(|| span.end.clone())
        }
    }
}

/// Reads a stored key, without its prefix.
fn split(source: Source, own: &Bytes, stored: Option<Bytes>) -> Option<Row> {
    if source.index == 0 {
        return is_key(own).then(|| Row { key: own.clone(), primary_key: own.clone(), stored });
    }
    let length = encoded_length(own).ok()?;
    let (key, primary_key) = (own.slice(..length), own.slice(length..));
    is_key(&primary_key).then_some(Row { key, primary_key, stored: None })
}
