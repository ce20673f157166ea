//! Writes and point reads as JS packs them. Integers are little-endian.
//!
//! ```text
//! write = u8 operation, u8 flags, u32 key length, u32 record length, [i64 timestamp], [i64 expiry], key, record
//! read  = u8 operation, i64 timestamp, key
//! reads = (u32 length, read)*
//! reply = (u32 length, bytes)*        length ffffffff: nothing is there
//! ```
//! A reply answers at least one read, and of further ones those that begin within its first MiB: the others
//! are to be asked for again. Times are in microseconds. A record is a form byte and contents
//! (`docs/format.md`, section 5.1).

use crate::records::Records;
use flowdb_engine::{Error, ErrorKind, ReadTier, Result, WriteBatch};
use flowdb_store::{Record, Shape, Store, Ttl, kv, series};

const KV_PUT: u8 = 1;
const KV_DELETE: u8 = 2;
const SERIES_PUT: u8 = 3;
const SERIES_DELETE: u8 = 4;
const SERIES_DELETE_ALL: u8 = 5;

pub(crate) const HAS_TIMESTAMP: u8 = 1;
/// The expiry counts from the write, or in a series from the timestamp.
pub(crate) const HAS_TTL: u8 = 2;
/// The expiry counts from the epoch.
pub(crate) const HAS_EXPIRY: u8 = 4;

const GET: u8 = 1;
const GET_AT: u8 = 2;
const GET_LATEST: u8 = 3;

const ABSENT: u32 = u32::MAX;

/// Many large records must not be in memory three times, here, on their way and there.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// Reads packed fields, one after the other.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Fields(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A length and that many bytes.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8]> {
        let length = self.u32()?;
        self.bytes(length as usize)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

pub(crate) fn malformed() -> Error {
    Error::invalid("the packed bytes are cut off")
}

/// The batch of packed writes.
pub(crate) fn read_writes(store: &Store, bytes: &[u8]) -> Result<WriteBatch> {
    let mut batch = WriteBatch::new();
    let mut fields = Fields::new(bytes);
    while !fields.is_empty() {
        read_write(store, &mut fields, &mut batch)?;
    }
    Ok(batch)
}

fn read_write(store: &Store, fields: &mut Fields<'_>, batch: &mut WriteBatch) -> Result<()> {
    let (operation, flags) = (fields.u8()?, fields.u8()?);
    let (key_length, record_length) = (fields.u32()?, fields.u32()?);
    let timestamp = if flags & HAS_TIMESTAMP != 0 { Some(fields.i64()?) } else { None };
    let expiry = if flags & (HAS_TTL | HAS_EXPIRY) != 0 { Some(fields.i64()?) } else { None };
    let key = fields.bytes(key_length as usize)?;
    let record = fields.bytes(record_length as usize)?;
    let expires = |shape: Shape, start: i64| match expiry {
        Some(ttl) if flags & HAS_TTL != 0 => start.saturating_add(ttl),
        Some(expiry) => expiry,
        None => store.default_ttl(shape).expiry_from(start),
    };
    match (operation, timestamp) {
        (KV_PUT, _) => {
            // Nobody is asked for the time that is not needed.
            let needs_now = expiry.is_some() || store.default_ttl(Shape::Kv) != Ttl::Never;
            kv::put(batch, key, record, expires(Shape::Kv, if needs_now { store.now() } else { 0 }))
        }
        (KV_DELETE, _) => kv::delete(batch, key),
        (SERIES_PUT, timestamp) => {
            let timestamp = timestamp.unwrap_or_else(|| store.timestamp());
            series::put(batch, key, timestamp, record, expires(Shape::Series, timestamp))
        }
        (SERIES_DELETE, Some(timestamp)) => series::delete(batch, key, timestamp),
        (SERIES_DELETE_ALL, _) => series::delete_all(batch, key),
        _ => Err(Error::invalid(format!("there is no write operation {operation} with flags {flags}"))),
    }
}

/// The answer to one read: the record, after its timestamp if the latest was asked for.
pub(crate) struct Answer {
    timestamp: Option<[u8; 8]>,
    record: Record,
}

impl Answer {
    fn parts(&self) -> [&[u8]; 2] {
        [self.timestamp.as_ref().map_or(&[], |bytes| &bytes[..]), self.record.as_bytes()]
    }

    /// The bytes of it.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// Writes it to the beginning of `target` and gives its length; `None` if it does not fit.
    pub(crate) fn write(&self, target: &mut [u8]) -> Option<usize> {
        let [timestamp, record] = self.parts();
        let length = timestamp.len() + record.len();
        let (head, tail) = target.get_mut(..length)?.split_at_mut(timestamp.len());
        head.copy_from_slice(timestamp);
        tail.copy_from_slice(record);
        Some(length)
    }
}

/// The answer to one packed read, if there is one.
pub(crate) fn answer_read(records: &Records, read: &[u8], tier: ReadTier) -> Result<Option<Answer>> {
    let mut fields = Fields::new(read);
    let (operation, timestamp) = (fields.u8()?, fields.i64()?);
    let key = fields.rest();
    let plain = |record| Answer { timestamp: None, record };
    match operation {
        GET => Ok(records.cached(key, tier)?.map(plain)),
        GET_AT => Ok(records.series().with_tier(tier).get(key, timestamp)?.map(plain)),
        GET_LATEST => {
            let point = records.series().with_tier(tier).at(key, timestamp)?;
            Ok(point
                .map(|point| Answer { timestamp: Some(point.timestamp.to_le_bytes()), record: point.record }))
        }
        _ => Err(Error::invalid(format!("there is no read operation {operation}"))),
    }
}

/// Answers to packed reads.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    /// All of them were answered.
    pub(crate) is_whole: bool,
}

/// The answers to packed reads, up to the first that `tier` does not suffice for, or up to the size
/// of a reply.
pub(crate) fn answer_reads(records: &Records, reads: &[u8], tier: ReadTier) -> Result<Reply> {
    let mut bytes = Vec::new();
    let mut fields = Fields::new(reads);
    while !fields.is_empty() {
        if bytes.len() >= REPLY_BYTES_MAX {
            return Ok(Reply { bytes, is_whole: false });
        }
        match answer_read(records, fields.sized()?, tier) {
            Ok(answer) => push_answer(answer.as_ref(), &mut bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok(Reply { bytes, is_whole: false });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Reply { bytes, is_whole: true })
}

fn push_answer(answer: Option<&Answer>, reply: &mut Vec<u8>) {
    let Some(answer) = answer else {
        return reply.extend_from_slice(&ABSENT.to_le_bytes());
    };
    let parts = answer.parts();
    let length = u32::try_from(parts[0].len() + parts[1].len()).expect("a record is smaller than 4 GiB");
    reply.extend_from_slice(&length.to_le_bytes());
    parts.iter().for_each(|part| reply.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowdb_engine::WriteOptions;
    use flowdb_store::{StoreHandle, StoreOptions};

    fn store() -> StoreHandle {
        Store::memory(&StoreOptions::default()).unwrap()
    }

    fn records(store: &StoreHandle) -> Records {
        Records::present(std::sync::Arc::clone(store.store()))
    }

    fn length(bytes: &[u8]) -> [u8; 4] {
        u32::try_from(bytes.len()).unwrap().to_le_bytes()
    }

    fn write(operation: u8, flags: u8, times: &[i64], key: &[u8], record: &[u8]) -> Vec<u8> {
        let mut bytes = vec![operation, flags];
        bytes.extend(length(key));
        bytes.extend(length(record));
        times.iter().for_each(|time| bytes.extend(time.to_le_bytes()));
        [&bytes[..], key, record].concat()
    }

    fn read(operation: u8, timestamp: i64, key: &[u8]) -> Vec<u8> {
        [&[operation], &timestamp.to_le_bytes()[..], key].concat()
    }

    #[test]
    fn writes_are_read_back() {
        let store = store();
        let far = i64::MAX / 2;
        let writes = [
            write(KV_PUT, 0, &[], b"k", b"\x01kv"),
            write(KV_PUT, HAS_TTL, &[-1], b"gone", b"\x01kv"),
            write(KV_PUT, HAS_EXPIRY, &[far], b"later", b"\x01kv"),
            write(SERIES_PUT, HAS_TIMESTAMP, &[5], b"s", b"\x00a"),
            write(SERIES_PUT, HAS_TIMESTAMP | HAS_TTL, &[far, 1], b"s", b"\x00b"),
        ];
        let batch = read_writes(&store, &writes.concat()).unwrap();
        assert_eq!(batch.len(), 5);
        store.db().write(batch, WriteOptions::default()).unwrap();
        let answer = |operation, timestamp, key: &[u8]| {
            let read = read(operation, timestamp, key);
            let answer = answer_read(&records(&store), &read, ReadTier::Disk).unwrap()?;
            let bytes = answer.to_vec();
            let mut target = [7; 32];
            assert_eq!(answer.write(&mut target), Some(bytes.len()));
            assert_eq!(target[..bytes.len()], bytes);
            assert_eq!(target[bytes.len()..], [7; 32][bytes.len()..]);
            assert_eq!(answer.write(&mut target[..bytes.len() - 1]), None);
            Some(bytes)
        };
        assert_eq!(answer(GET, 0, b"k").unwrap(), b"\x01kv");
        assert_eq!(answer(GET, 0, b"gone"), None);
        assert_eq!(answer(GET, 0, b"later").unwrap(), b"\x01kv");
        assert_eq!(answer(GET_AT, 5, b"s").unwrap(), b"\x00a");
        assert_eq!(answer(GET_AT, 6, b"s"), None);
        assert_eq!(answer(GET_LATEST, i64::MAX, b"s").unwrap(), [&far.to_le_bytes()[..], b"\x00b"].concat());
    }

    #[test]
    fn many_reads_are_answered_in_order() {
        let store = store();
        let batch = read_writes(&store, &write(KV_PUT, 0, &[], b"k", b"\x00x")).unwrap();
        store.db().write(batch, WriteOptions::default()).unwrap();
        let mut reads = Vec::new();
        for key in [&b"k"[..], b"missing", b"k"] {
            let one = read(GET, 0, key);
            reads.extend(length(&one));
            reads.extend(one);
        }
        let reply = answer_reads(&records(&store), &reads, ReadTier::Memory).unwrap();
        assert!(reply.is_whole);
        assert_eq!(reply.bytes, b"\x02\0\0\0\0x\xff\xff\xff\xff\x02\0\0\0\0x");
    }

    #[test]
    fn a_reply_ends_when_it_is_large() {
        let store = store();
        let record = [&[0][..], &vec![7; REPLY_BYTES_MAX / 2]].concat();
        let batch = read_writes(&store, &write(KV_PUT, 0, &[], b"k", &record)).unwrap();
        store.db().write(batch, WriteOptions::default()).unwrap();
        let one = read(GET, 0, b"k");
        let reads = [&length(&one)[..], &one].concat().repeat(5);
        let Reply { bytes: answers, is_whole } =
            answer_reads(&records(&store), &reads, ReadTier::Memory).unwrap();
        assert!(!is_whole);
        assert_eq!(answers.len(), 2 * (4 + record.len()));
        assert_eq!(answers[4..], [&record[..], &length(&record), &record].concat());
    }

    #[test]
    fn bytes_that_are_cut_off_are_refused() {
        let store = store();
        let whole = write(SERIES_PUT, HAS_TIMESTAMP | HAS_TTL, &[1, 2], b"key", b"\x00value");
        for length in 1..whole.len() {
            let error = read_writes(&store, &whole[..length]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "cut to {length}");
        }
        for bytes in [write(0, 0, &[], b"k", b""), write(SERIES_DELETE, 0, &[], b"k", b"")] {
            assert_eq!(read_writes(&store, &bytes).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        assert!(answer_read(&records(&store), &[GET], ReadTier::Disk).is_err());
    }
}
