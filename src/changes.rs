//! Writes that depend on what is there, as JS packs them. Integers are little-endian.
//!
//! ```text
//! changes         = (u32 length, change)*
//! change          = u8 operation, u8 flags, [i64 timestamp], [i64 expiry], operands
//! put if absent   : u32 length, key, record                            answer: nothing, or the record in the way
//! compare and set : u32 length, key, u32 length, expected, record      answer: u8 1 if it was set
//! swap            : the same, the expiry stays                         answer: u8 1 if it was set
//! increment       : u32 length, key, u8 1 for JSON, number             answer: the sum, as a value
//! delete range    : a scan's request                                   answer: nothing
//! put loaded      : u32 length, key, u32 number of the load, record    answer: nothing, or the record in the way
//! ```
//! None of them is synced by itself: the handle's lane does that once for all of a call. A timestamp makes it
//! one of series. An empty record stands for none, as `expected` and as what is set.

use crate::error;
use crate::lane::UNSYNCED;
use crate::loads::Loads;
use crate::operations::{Fields, HAS_EXPIRY, HAS_TIMESTAMP, HAS_TTL};
use crate::scan::Request;
use crate::task::Reply;
use bytes::Bytes;
use flowdb_engine::{Error, ErrorKind, Result};
use flowdb_store::value::Number;
use flowdb_store::{Current, Notation, Record, RecordId, Shape, Store, Ttl};
use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Either, Object};

const PUT_IF_ABSENT: u8 = 1;
const COMPARE_AND_SET: u8 = 2;
const SWAP: u8 = 3;
const INCREMENT: u8 = 4;
const DELETE_RANGE: u8 = 5;
const PUT_LOADED: u8 = 6;

/// What became of each change: its answer, or why it was not made. One that failed does not keep those behind
/// it from being made.
pub struct Answers(Vec<Result<Vec<u8>>>);

impl Answers {
    pub(crate) fn any_was_made(&self) -> bool {
        self.0.iter().any(Result::is_ok)
    }
}

impl Reply for Answers {
    type Js<'env> = Vec<Either<BufferSlice<'env>, Object<'env>>>;

    fn into_js(self, env: &Env) -> napi::Result<Self::Js<'_>> {
        let answer = |answer: Result<Vec<u8>>| match answer {
            Ok(bytes) => BufferSlice::copy_from(env, bytes).map(Either::A),
            Err(error) => error::build(env, &error).map(Either::B),
        };
        self.0.into_iter().map(answer).collect()
    }
}

/// Makes packed changes, one after the other.
pub(crate) fn make(store: &Store, loads: &Loads, changes: &[u8]) -> Result<Answers> {
    let mut answers = Vec::new();
    let mut fields = Fields::new(changes);
    while !fields.is_empty() {
        let change = Fields::new(fields.sized()?);
        answers.push(make_one(store, loads, change));
    }
    Ok(Answers(answers))
}

fn make_one(store: &Store, loads: &Loads, mut fields: Fields<'_>) -> Result<Vec<u8>> {
    let (operation, flags) = (fields.u8()?, fields.u8()?);
    let timestamp = if flags & HAS_TIMESTAMP != 0 { Some(fields.i64()?) } else { None };
    let expiry = if flags & (HAS_TTL | HAS_EXPIRY) != 0 { Some(fields.i64()?) } else { None };
    let start = || timestamp.unwrap_or_else(|| store.now());
    let until = |expiry| if flags & HAS_TTL != 0 { start().saturating_add(expiry) } else { expiry };
    let ttl = expiry.map(until).map(Ttl::Until);
    if operation == DELETE_RANGE {
        return delete_range(store, fields.rest()).map(|()| Vec::new());
    }
    let key = fields.sized()?;
    let id = timestamp.map_or(RecordId::Kv(key), |timestamp| RecordId::Series(key, timestamp));
    match operation {
        PUT_IF_ABSENT => store.put_if_absent(id, &needed(fields.rest())?, ttl, UNSYNCED).map(in_the_way),
        PUT_LOADED => {
            let since = loads.since(fields.u32()?);
            let since = since.ok_or_else(|| Error::new(ErrorKind::Closed, "the load has ended"))?;
            store.put_if_untouched(&since, id, &needed(fields.rest())?, ttl, UNSYNCED).map(in_the_way)
        }
        COMPARE_AND_SET => {
            let (expected, new) = (record(fields.sized()?)?, record(fields.rest())?);
            let is_set = store.compare_and_set(id, expected.as_ref(), new.as_ref(), ttl, UNSYNCED)?;
            Ok(vec![is_set.into()])
        }
        SWAP => {
            let (expected, new) = (needed(fields.sized()?)?, needed(fields.rest())?);
            store.swap(id, &expected, &new, ttl, UNSYNCED).map(|is_set| vec![is_set.into()])
        }
        INCREMENT => {
            let notation = if fields.u8()? == 1 { Notation::Json } else { Notation::Value };
            let delta = Number::from_value(fields.rest())?;
            store.increment(id, delta, notation, ttl, UNSYNCED).map(Number::to_value)
        }
        _ => Err(Error::invalid(format!("there is no change {operation}"))),
    }
}

fn in_the_way(found: Option<Current>) -> Vec<u8> {
    found.map_or_else(Vec::new, |found| found.record.as_bytes().to_vec())
}

fn record(bytes: &[u8]) -> Result<Option<Record>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Record::from_stored(Bytes::copy_from_slice(bytes)).map(Some)
}

fn needed(bytes: &[u8]) -> Result<Record> {
    record(bytes)?.ok_or_else(|| Error::invalid("a change without a record"))
}

fn delete_range(store: &Store, request: &[u8]) -> Result<()> {
    let Request { shape, range, window, .. } = Request::read(request)?;
    let mut batch = store.batch();
    match shape {
        Shape::Kv => batch.delete_range(shape, &range)?,
        Shape::Series => batch.delete_window(&range, window).map(|_| ())?,
    }
    batch.write(UNSYNCED).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowdb_engine::WriteOptions;
    use flowdb_store::{Form, StoreHandle, StoreOptions};

    fn store() -> StoreHandle {
        Store::memory(&StoreOptions::default()).unwrap()
    }

    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat()
    }

    fn answer(store: &StoreHandle, change: &[&[u8]]) -> Result<Vec<u8>> {
        make(store, &Loads::default(), &sized(&change.concat())).unwrap().0.pop().unwrap()
    }

    #[test]
    fn a_loaded_value_is_put_unless_its_key_was_touched_since() {
        let store = store();
        let loads = Loads::default();
        let put_loaded = |number: u32, value: &[u8]| {
            let record = Record::new(Form::Bytes, value);
            let operands = [&sized(b"k")[..], &number.to_le_bytes(), record.as_bytes()].concat();
            let change = sized(&[&[PUT_LOADED, 0][..], &operands].concat());
            make(&store, &loads, &change).unwrap().0.pop().unwrap()
        };
        let value = || store.kv().get(b"k").unwrap().map(|record| record.contents().to_vec());
        let number = loads.begin(store.snapshot());
        assert_eq!((put_loaded(number, b"one").unwrap(), value()), (vec![], Some(b"one".to_vec())));
        let in_the_way = Record::new(Form::Bytes, b"one").as_bytes().to_vec();
        assert_eq!((put_loaded(number, b"two").unwrap(), value()), (in_the_way, Some(b"one".to_vec())));
        let mut batch = store.batch();
        batch.delete(RecordId::Kv(b"k")).unwrap();
        batch.write(WriteOptions::default()).unwrap();
        assert_eq!((put_loaded(number, b"two").unwrap(), value()), (vec![], None));
        loads.end(number);
        assert_eq!(put_loaded(number, b"two").unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn each_change_finds_what_the_one_before_left() {
        let store = store();
        let put = |record: &[u8]| answer(&store, &[&[PUT_IF_ABSENT, 0], &sized(b"k"), record]).unwrap();
        assert_eq!(put(b"\x01a"), b"");
        assert_eq!(put(b"\x01b"), b"\x01a");
        let change = |operation: u8, expected: &[u8], new: &[u8]| {
            answer(&store, &[&[operation, 0], &sized(b"k"), &sized(expected), new]).unwrap()
        };
        assert_eq!(change(COMPARE_AND_SET, b"\x01b", b"\x01c"), [0]);
        assert_eq!(change(COMPARE_AND_SET, b"\x01a", b"\x01c"), [1]);
        assert_eq!(change(SWAP, b"\x01a", b"\x01d"), [0]);
        assert_eq!(change(SWAP, b"\x01c", b"\x01d"), [1]);
        assert_eq!(change(COMPARE_AND_SET, b"\x01d", b""), [1]);
        assert!(store.kv().get(b"k").unwrap().is_none());
        let one = Number::Float(1.0).to_value();
        for sum in [1.0, 2.0] {
            let answer = answer(&store, &[&[INCREMENT, 0], &sized(b"k"), &[0], &one]).unwrap();
            assert_eq!(answer, Number::Float(sum).to_value());
        }
        for sum in [1.0, 2.0] {
            let answer = answer(&store, &[&[INCREMENT, 0], &sized(b"json"), &[1], &one]).unwrap();
            assert_eq!(answer, Number::Float(sum).to_value());
        }
        assert_eq!(store.kv().get(b"json").unwrap().unwrap().contents(), b"2");
        for (key, json) in [(&b"k"[..], 1), (b"json", 0)] {
            let error = answer(&store, &[&[INCREMENT, 0], &sized(key), &[json], &one]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn a_time_to_live_counts_from_now_or_from_the_timestamp() {
        let store = store();
        let ttl = 1_000_000_000i64.to_le_bytes();
        answer(&store, &[&[PUT_IF_ABSENT, HAS_TTL], &ttl, &sized(b"k"), b"\x01a"]).unwrap();
        let left = store.kv().expiry(b"k").unwrap().unwrap() - store.now();
        assert!((900_000_000..=1_000_000_000).contains(&left), "{left}");
        let time = store.now().to_le_bytes();
        let flags = HAS_TIMESTAMP | HAS_TTL;
        answer(&store, &[&[PUT_IF_ABSENT, flags], &time, &ttl, &sized(b"s"), b"\x01a"]).unwrap();
        let point = store.series().latest(b"s").unwrap().unwrap();
        assert_eq!(point.expiry, point.timestamp + 1_000_000_000);
    }

    #[test]
    fn one_that_fails_does_not_stop_the_others() {
        let store = store();
        let put = [&[PUT_IF_ABSENT, 0][..], &sized(b"k"), Record::new(Form::Text, b"x").as_bytes()].concat();
        let changes = [sized(&[9, 0, 0, 0, 0, 0]), sized(&[INCREMENT]), sized(&put)].concat();
        let answers = make(&store, &Loads::default(), &changes).unwrap().0;
        let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(Error::kind)).collect();
        assert_eq!(kinds, [Some(ErrorKind::InvalidArgument), Some(ErrorKind::InvalidArgument), None]);
        assert!(store.kv().get(b"k").unwrap().is_some());
        assert!(make(&store, &Loads::default(), &[5, 0, 0, 0, 1]).is_err());
    }
}
