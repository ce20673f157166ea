//! Requests and responses of the binding, as bytes. All integers are little-endian; "bytes" are a u32 length
//! and that many bytes.

use super::failure::{ErrorName, kind_number, name_of};
use super::key::{KEY_BYTES_MAX, encoded_length};
use super::portion::Resume;
use super::schema::{Index, put_count, read_bool, read_index_flags, read_name};
use crate::keyspace::{KeySpan, after_prefix, hex};
use crate::value::KeyPath;
use flowdb_engine::format::Reader;
use flowdb_engine::{Error, Result};

/// Where records come from: an object store (`index` 0) or one of its indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) store: u32,
    pub(crate) index: u32,
}

/// Direction of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Next,
    NextUnique,
    Prev,
    PrevUnique,
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit<'a> {
    pub(crate) key: &'a [u8],
    /// The key itself is not in the range.
    pub(crate) open: bool,
}

/// A key range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeyRange<'a> {
    pub(crate) lower: Option<Limit<'a>>,
    pub(crate) upper: Option<Limit<'a>>,
}

impl<'a> KeyRange<'a> {
    /// The key, if the range holds one only.
    pub(crate) fn single(&self) -> Option<&'a [u8]> {
        match (self.lower, self.upper) {
            (Some(lower), Some(upper)) if lower == upper && !lower.open => Some(lower.key),
            _ => None,
        }
    }

    /// True if nothing limits it.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.lower.is_none() && self.upper.is_none()
    }

    /// Stored keys in the range, of records or index entries that begin with `prefix`. No encoded key is a
    /// prefix of another, so what begins with the encoded key has this key. Never inverted.
    pub(crate) fn span(&self, prefix: &[u8]) -> KeySpan {
        let at = |key: &[u8]| [prefix, key].concat();
        let start = match self.lower {
            None => prefix.to_vec(),
            Some(Limit { key, open: false }) => at(key),
            Some(Limit { key, open: true }) => after_prefix(&at(key)),
        };
        let end = match self.upper {
            None => after_prefix(prefix),
            Some(Limit { key, open: false }) => after_prefix(&at(key)),
            Some(Limit { key, open: true }) => at(key),
        };
        KeySpan { end: end.max(start.clone()), start }
    }
}

/// Which parts of a record are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) key: bool,
    pub(crate) primary_key: bool,
    pub(crate) value: bool,
}

/// Where a cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move<'a> {
    pub(crate) target: Option<&'a [u8]>,
    pub(crate) target_primary: Option<&'a [u8]>,
    /// Where it stands: key and primary key.
    pub(crate) position: Option<(&'a [u8], &'a [u8])>,
    pub(crate) count: u32,
    /// How many of the records behind the one it gets to are wanted too, as far as they are at hand.
    pub(crate) ahead: u32,
}

impl Move<'_> {
    /// To the first record in the range.
    pub(crate) const START: Self =
        Move { target: None, target_primary: None, position: None, count: 1, ahead: 0 };
}

/// What a transaction is asked to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Request<'a> {
    Put { store: u32, no_overwrite: bool, key: Option<&'a [u8]>, value: &'a [u8] },
    Get { source: Source, range: KeyRange<'a>, key_only: bool },
    GetAll { source: Source, range: KeyRange<'a>, direction: Direction, limit: u32, parts: Parts },
    Count { source: Source, range: KeyRange<'a> },
    Delete { store: u32, range: KeyRange<'a> },
    Clear { store: u32 },
    Iterate { source: Source, range: KeyRange<'a>, direction: Direction, key_only: bool, to: Move<'a> },
    CreateStore { id: u32, auto_increment: bool, name: Vec<u16>, key_path: KeyPath },
    DeleteStore { id: u32 },
    RenameStore { id: u32, name: Vec<u16> },
    CreateIndex { store: u32, id: u32, index: Index },
    DeleteIndex { store: u32, id: u32 },
    RenameIndex { store: u32, id: u32, name: Vec<u16> },
    BuildIndex { store: u32, id: u32 },
}

/// A request, to be begun or gone on with.
pub(crate) type Call<'a> = (Request<'a>, Option<Resume<'a>>);

impl<'a> Request<'a> {
    /// Reads a request, and where it goes on if a portion of it is done; `InvalidArgument` if it is none.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Call<'a>> {
        let mut reader = Reader::new(bytes);
        let call = read_call(&mut reader).filter(|_| reader.is_empty());
        call.ok_or_else(|| {
            let offset = reader.position();
            Error::invalid(format!("not a request (byte {offset} of {}): {}", bytes.len(), hex(bytes)))
        })
    }
}

const RESUMED: u8 = 15;

fn read_call<'a>(reader: &mut Reader<'a>) -> Option<Call<'a>> {
    let mut ahead = reader.clone();
    if ahead.u8()? != RESUMED {
        return Some((read_request(reader)?, None));
    }
    *reader = ahead;
    let length = usize::try_from(reader.u32()?).ok()?;
    let (done, place) = reader.take(length)?.split_first_chunk()?;
    let resume = Resume { done: u64::from_le_bytes(*done), place };
    Some((read_request(reader)?, Some(resume)))
}

fn read_request<'a>(reader: &mut Reader<'a>) -> Option<Request<'a>> {
    Some(match reader.u8()? {
        1 => read_put(reader)?,
        2 => Request::Get {
            source: read_source(reader)?,
            range: read_range(reader)?,
            key_only: read_bool(reader)?,
        },
        3 => Request::GetAll {
            source: read_source(reader)?,
            range: read_range(reader)?,
            direction: read_direction(reader)?,
            limit: reader.u32()?,
            parts: read_parts(reader)?,
        },
        4 => Request::Count { source: read_source(reader)?, range: read_range(reader)? },
        5 => Request::Delete { store: reader.u32()?, range: read_range(reader)? },
        6 => Request::Clear { store: reader.u32()? },
        7 => read_iterate(reader)?,
        8 => Request::CreateStore {
            id: reader.u32()?,
            auto_increment: read_bool(reader)?,
            name: read_name(reader)?,
            key_path: KeyPath::decode(reader)?,
        },
        9 => Request::DeleteStore { id: reader.u32()? },
        10 => Request::RenameStore { id: reader.u32()?, name: read_name(reader)? },
        11 => read_create_index(reader)?,
        12 => Request::DeleteIndex { store: reader.u32()?, id: reader.u32()? },
        13 => Request::RenameIndex { store: reader.u32()?, id: reader.u32()?, name: read_name(reader)? },
        14 => Request::BuildIndex { store: reader.u32()?, id: reader.u32()? },
        _ => return None,
    })
}

fn read_put<'a>(reader: &mut Reader<'a>) -> Option<Request<'a>> {
    let store = reader.u32()?;
    let flags = read_flags(reader, 3)?;
    let key = if flags & 2 != 0 { Some(read_put_key(reader)?) } else { None };
    let value = reader.take(reader.remaining())?;
    Some(Request::Put { store, no_overwrite: flags & 1 != 0, key, value })
}

fn read_iterate<'a>(reader: &mut Reader<'a>) -> Option<Request<'a>> {
    let (source, range) = (read_source(reader)?, read_range(reader)?);
    let (direction, key_only) = (read_direction(reader)?, read_bool(reader)?);
    let flags = read_flags(reader, 15)?;
    let target = if flags & 1 != 0 { Some(read_key(reader)?) } else { None };
    let target_primary = if flags & 2 != 0 { Some(read_key(reader)?) } else { None };
    let position = if flags & 4 != 0 { Some((read_key(reader)?, read_key(reader)?)) } else { None };
    let count = reader.u32().filter(|&count| count > 0)?;
    let ahead = if flags & 8 != 0 { reader.u32()? } else { 0 };
    // A primary key alone is no place.
    let placed = target.is_some() || target_primary.is_none();
    let to = Move { target, target_primary, position, count, ahead };
    placed.then_some(Request::Iterate { source, range, direction, key_only, to })
}

fn read_create_index<'a>(reader: &mut Reader<'a>) -> Option<Request<'a>> {
    let (store, id) = (reader.u32()?, reader.u32()?);
    let (unique, multi_entry) = read_index_flags(reader)?;
    let (name, key_path) = (read_name(reader)?, KeyPath::decode(reader)?);
    Some(Request::CreateIndex { store, id, index: Index { unique, multi_entry, name, key_path } })
}

fn read_source(reader: &mut Reader<'_>) -> Option<Source> {
    Some(Source { store: reader.u32()?, index: reader.u32()? })
}

fn read_range<'a>(reader: &mut Reader<'a>) -> Option<KeyRange<'a>> {
    let flags = read_flags(reader, 15)?;
    let limit = |reader: &mut Reader<'a>, present: u8, open: u8| {
        if flags & present == 0 {
            return Some(None);
        }
        Some(Some(Limit { key: read_key(reader)?, open: flags & open != 0 }))
    };
    Some(KeyRange { lower: limit(reader, 1, 2)?, upper: limit(reader, 4, 8)? })
}

fn read_direction(reader: &mut Reader<'_>) -> Option<Direction> {
    Some(match reader.u8()? {
        0 => Direction::Next,
        1 => Direction::NextUnique,
        2 => Direction::Prev,
        3 => Direction::PrevUnique,
        _ => return None,
    })
}

fn read_parts(reader: &mut Reader<'_>) -> Option<Parts> {
    let flags = read_flags(reader, 7)?;
    Some(Parts { key: flags & 1 != 0, primary_key: flags & 2 != 0, value: flags & 4 != 0 })
}

fn read_flags(reader: &mut Reader<'_>, known: u8) -> Option<u8> {
    reader.u8().filter(|flags| flags & !known == 0)
}

/// Bytes that are one encoded key.
fn read_key<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(reader.u32()?).ok()?;
    reader.take(length).filter(|key| is_key(key))
}

/// Like [`read_key`], but lets a key beyond the limit pass: putting it is a mistake of the user, who is to be
/// told as such.
fn read_put_key<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(reader.u32()?).ok()?;
    reader.take(length).filter(|key| key.len() > KEY_BYTES_MAX || is_key(key))
}

/// True if the bytes are one encoded key and nothing else.
pub(crate) fn is_key(bytes: &[u8]) -> bool {
    encoded_length(bytes).is_ok_and(|length| length == bytes.len())
}

/// True if the request takes no longer the more there is in the store, by its first byte: all but those for
/// ranges and whole stores.
pub(crate) fn is_short(request: &[u8]) -> bool {
    matches!(request.first(), Some(1 | 2 | 7..=13))
}

/// True for a put, a get and a cursor's step, by the first byte of the request.
pub(crate) fn reads_one_record(request: &[u8]) -> bool {
    matches!(request.first(), Some(1 | 2 | 7))
}

/// True if the response is that to a portion of a request.
pub(crate) fn is_portion(response: &[u8]) -> bool {
    response.first() == Some(&STATUS_PORTION)
}

/// True if the responses, each behind its length, are those of requests that are done and have succeeded.
pub(crate) fn succeeded(responses: &[u8]) -> bool {
    let mut reader = Reader::new(responses);
    while !reader.is_empty() {
        let length = reader.u32().and_then(|length| usize::try_from(length).ok());
        let response = length.and_then(|length| reader.take(length));
        if response.and_then(<[u8]>::first) != Some(&STATUS_OK) {
            return false;
        }
    }
    true
}

const STATUS_OK: u8 = 0;
const STATUS_ERROR: u8 = 1;
/// A portion is done. At the end is where the request goes on, and its length; before it what a request that
/// answers page by page has found.
const STATUS_PORTION: u8 = 2;

/// Room for most responses to requests for one record.
const RESPONSE_BYTES: usize = 256;

/// A response being written.
#[derive(Debug)]
pub(crate) struct Response(Vec<u8>);

impl Response {
    /// Of a request that succeeds.
    pub(crate) fn ok() -> Self {
        let mut response = Vec::with_capacity(RESPONSE_BYTES);
        response.push(STATUS_OK);
        Response(response)
    }

    /// Of a request that fails.
    pub(crate) fn error(name: ErrorName, message: &str) -> Vec<u8> {
        [&[STATUS_ERROR, name as u8], message.as_bytes()].concat()
    }

    /// Of a request that the engine fails: its kind is in the upper half of the byte of the name.
    pub(crate) fn engine_error(error: &Error) -> Vec<u8> {
        let name = name_of(error) as u8 | (kind_number(error) << 4);
        [&[STATUS_ERROR, name], error.to_string().as_bytes()].concat()
    }

    /// Of a request that has to go on at `place`, and has dealt with `done` records.
    pub(crate) fn portion(done: u64, place: &[u8]) -> Self {
        let mut response = Self::ok();
        response.goes_on(done, place);
        response
    }

    /// The request has to go on at `place`, and has dealt with `done` records.
    pub(crate) fn goes_on(&mut self, done: u64, place: &[u8]) {
        self.0[0] = STATUS_PORTION;
        self.u64(done);
        self.0.extend_from_slice(place);
        put_count(&mut self.0, size_of::<u64>() + place.len());
    }

    pub(crate) fn is_portion(&self) -> bool {
        is_portion(&self.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes back what is behind the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        put_count(&mut self.0, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Leaves room for a count that is known later; answers where.
    pub(crate) fn count_later(&mut self) -> usize {
        let position = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        position
    }

    pub(crate) fn set_count(&mut self, position: usize, count: u32) {
        self.0[position..position + 4].copy_from_slice(&count.to_le_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::testing::{Bytes as Builder, number_key};

    #[test]
    fn a_request_of_each_part_is_read() {
        let (one, two) = (number_key(1.0), number_key(2.0));
        let bytes = Builder::new(&[7]).u32(3).u32(4).u8(1 | 8 | 4).bytes(&one).bytes(&two).u8(3).u8(1).u8(15);
        let bytes = bytes.bytes(&one).bytes(&two).bytes(&two).bytes(&one).u32(5).u32(6).finish();
        let range = KeyRange {
            lower: Some(Limit { key: &one, open: false }),
            upper: Some(Limit { key: &two, open: true }),
        };
        let to = Move {
            target: Some(&one),
            target_primary: Some(&two),
            position: Some((&two, &one)),
            count: 5,
            ahead: 6,
        };
        assert_eq!(
            Request::decode(&bytes).unwrap(),
            (
                Request::Iterate {
                    source: Source { store: 3, index: 4 },
                    range,
                    direction: Direction::PrevUnique,
                    key_only: true,
                    to,
                },
                None
            )
        );
        let resumed =
            Builder::new(&[RESUMED]).bytes(&[&7_u64.to_le_bytes()[..], b"place"].concat()).raw(&bytes);
        let resumed = resumed.finish();
        let (request, resume) = Request::decode(&resumed).unwrap();
        assert!(matches!(request, Request::Iterate { .. }));
        assert_eq!(resume, Some(Resume { done: 7, place: b"place" }));
        for length in 0..resumed.len() {
            assert!(Request::decode(&resumed[..length]).is_err(), "cut to {length} bytes");
        }
        for length in 0..bytes.len() {
            assert!(Request::decode(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
        assert!(Request::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        let key = number_key(1.0);
        let cases = [
            vec![],
            vec![0],
            vec![16],
            Builder::new(&[RESUMED]).bytes(&[0; 7]).u8(6).u32(1).finish(),
            Builder::new(&[1]).u32(1).u8(4).finish(),
            Builder::new(&[1]).u32(1).u8(2).bytes(&key[1..]).finish(),
            Builder::new(&[1]).u32(1).u8(2).u32(u32::MAX).finish(),
            Builder::new(&[4]).u32(1).u32(0).u8(16).finish(),
            Builder::new(&[7]).u32(1).u32(0).u8(0).u8(0).u8(0).u8(0).u32(0).finish(),
            Builder::new(&[7]).u32(1).u32(0).u8(0).u8(0).u8(0).u8(2).bytes(&key).u32(1).finish(),
        ];
        for case in cases {
            assert!(Request::decode(&case).is_err(), "{case:?}");
        }
    }

    #[test]
    fn ranges_become_spans() {
        let prefix = [1, 0];
        let (one, two) = (number_key(1.0), number_key(2.0));
        let of = |key: &[u8], rest: &[u8]| [&prefix[..], key, rest].concat();
        let limit = |key, open| Some(Limit { key, open });
        let range = KeyRange { lower: limit(&one, true), upper: limit(&two, false) };
        let span = range.span(&prefix);
        assert!(span.start > of(&one, &[0xff; 9]) && span.start <= of(&number_key(1.5), &[]));
        assert!(span.end > of(&two, &[0xfe; 9]) && span.end <= of(&number_key(2.5), &[]));
        let range = KeyRange { lower: limit(&one, false), upper: limit(&two, true) };
        assert_eq!(range.span(&prefix), KeySpan { start: of(&one, &[]), end: of(&two, &[]) });
        let inverted = KeyRange { lower: limit(&two, false), upper: limit(&one, false) };
        assert!(inverted.span(&prefix).is_empty());
        assert_eq!(KeyRange::default().span(&prefix), KeySpan { start: vec![1, 0], end: vec![1, 1] });
        assert_eq!(
            KeyRange { lower: limit(&one, false), upper: limit(&one, false) }.single(),
            Some(&one[..])
        );
        assert_eq!(KeyRange { lower: limit(&one, true), upper: limit(&one, false) }.single(), None);
    }
}
