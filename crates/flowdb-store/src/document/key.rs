//! Keys of IndexedDB, encoded so that the order of the bytes is the order of the keys
//! (`docs/format.md` section 7.1).

use flowdb_engine::{Error, ErrorKind, Result};
use std::cmp::Ordering;

/// Largest encoded key in bytes: what is compared in every step of a search stays small.
pub const KEY_BYTES_MAX: usize = 1 << 20;
/// Arrays in keys are nested at most this deep.
pub const KEY_DEPTH_MAX: usize = 64;

const TAG_NUMBER: u8 = 0x10;
const TAG_DATE: u8 = 0x20;
const TAG_STRING: u8 = 0x30;
const TAG_BINARY: u8 = 0x40;
const TAG_ARRAY: u8 = 0x50;
const STRING_END: u8 = 0x01;
const SIGN: u64 = 1 << 63;

/// Code units below this take one byte.
const TWO_BYTES: u16 = 0x7e;
/// Code units below this take at most two bytes.
const THREE_BYTES: u16 = 0x407e;

/// A key of IndexedDB. Numbers and dates are never NaN.
#[derive(Debug, Clone)]
pub enum Key {
    /// A number.
    Number(f64),
    /// Milliseconds since the epoch.
    Date(f64),
    /// UTF-16 code units, lone surrogates included.
    String(Vec<u16>),
    /// The bytes of a buffer.
    Binary(Vec<u8>),
    /// An array of keys.
    Array(Vec<Key>),
}

impl Key {
    /// Appends the encoding.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Key::Number(value) => put_number(out, *value),
            Key::Date(value) => put_date(out, *value),
            Key::String(units) => put_string(out, units.iter().copied()),
            Key::Binary(bytes) => put_binary(out, bytes),
            Key::Array(elements) => {
                begin_array(out);
                elements.iter().for_each(|element| element.encode_into(out));
                end_array(out);
            }
        }
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// The key of exactly these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Key> {
        let mut reader = KeyReader { bytes, position: 0 };
        let key = reader.key(0)?;
        if reader.position == bytes.len() { Ok(key) } else { Err(reader.damaged("bytes follow its end")) }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Number(_) => TAG_NUMBER,
            Key::Date(_) => TAG_DATE,
            Key::String(_) => TAG_STRING,
            Key::Binary(_) => TAG_BINARY,
            Key::Array(_) => TAG_ARRAY,
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Adding zero makes -0 the same as 0.
            (Key::Number(a), Key::Number(b)) | (Key::Date(a), Key::Date(b)) => {
                (a + 0.0).total_cmp(&(b + 0.0))
            }
            (Key::String(a), Key::String(b)) => a.cmp(b),
            (Key::Binary(a), Key::Binary(b)) => a.cmp(b),
            (Key::Array(a), Key::Array(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

/// Appends the key of a number, which must not be NaN.
pub fn put_number(out: &mut Vec<u8>, value: f64) {
    put_float(out, TAG_NUMBER, value);
}

/// Appends the key of a date; `value` in milliseconds must not be NaN.
pub fn put_date(out: &mut Vec<u8>, value: f64) {
    put_float(out, TAG_DATE, value);
}

fn put_float(out: &mut Vec<u8>, tag: u8, value: f64) {
    debug_assert!(!value.is_nan(), "NaN is not a key");
    let bits = (value + 0.0).to_bits();
    let ordered = if bits & SIGN == 0 { bits ^ SIGN } else { !bits };
    out.push(tag);
    out.extend_from_slice(&ordered.to_be_bytes());
}

/// Appends the key of a string.
pub fn put_string(out: &mut Vec<u8>, units: impl IntoIterator<Item = u16>) {
    out.push(TAG_STRING);
    put_text(out, units);
}

/// Appends the encoding of a string without its tag.
pub fn put_text(out: &mut Vec<u8>, units: impl IntoIterator<Item = u16>) {
    let units = units.into_iter();
    // Most of them take one byte.
    out.reserve(units.size_hint().0 + 1);
    for unit in units {
        if unit < TWO_BYTES {
            let [_, low] = (unit + 2).to_be_bytes();
            out.push(low);
        } else if unit < THREE_BYTES {
            let [high, low] = (unit - TWO_BYTES).to_be_bytes();
            out.extend_from_slice(&[0x80 + high, low]);
        } else {
            let [high, low] = (unit - THREE_BYTES).to_be_bytes();
            out.extend_from_slice(&[0xc0, high, low]);
        }
    }
    out.push(STRING_END);
}

/// Appends the key of a buffer's bytes.
pub fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(TAG_BINARY);
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// Appends the beginning of an array; its elements follow, then [`end_array`].
pub fn begin_array(out: &mut Vec<u8>) {
    out.push(TAG_ARRAY);
}

/// Appends the end of an array.
pub fn end_array(out: &mut Vec<u8>) {
    out.push(0);
}

/// Length of the valid encoded key that `bytes` begin with.
pub fn encoded_length(bytes: &[u8]) -> Result<usize> {
    let mut reader = KeyReader { bytes, position: 0 };
    reader.skip()?;
    if reader.position > KEY_BYTES_MAX {
        return Err(reader.damaged("it is too long"));
    }
    Ok(reader.position)
}

/// Reads the text (a string without its tag) that `bytes` begin with, and tells its length.
pub fn decode_text(bytes: &[u8]) -> Result<(Vec<u16>, usize)> {
    let mut reader = KeyReader { bytes, position: 0 };
    let mut units = Vec::new();
    reader.text(|unit| units.push(unit))?;
    Ok((units, reader.position))
}

struct KeyReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl KeyReader<'_> {
    fn damaged(&self, message: &str) -> Error {
        Error::new(ErrorKind::Corruption, format!("damaged key: {message} (byte {})", self.position))
    }

    fn u8(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.position).ok_or_else(|| self.damaged("it ends too early"))?;
        self.position += 1;
        Ok(byte)
    }

    fn key(&mut self, depth: usize) -> Result<Key> {
        match self.u8()? {
            TAG_NUMBER => Ok(Key::Number(self.float()?)),
            TAG_DATE => Ok(Key::Date(self.float()?)),
            TAG_STRING => {
                let mut units = Vec::new();
                self.text(|unit| units.push(unit))?;
                Ok(Key::String(units))
            }
            TAG_BINARY => {
                let mut bytes = Vec::new();
                self.binary(|byte| bytes.push(byte))?;
                Ok(Key::Binary(bytes))
            }
            TAG_ARRAY => self.array(depth),
            _ => Err(self.damaged("unknown tag")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Key> {
        if depth == KEY_DEPTH_MAX {
            return Err(self.damaged("arrays are nested too deep"));
        }
        let mut elements = Vec::new();
        while self.bytes.get(self.position) != Some(&0) {
            elements.push(self.key(depth + 1)?);
        }
        self.position += 1;
        Ok(Key::Array(elements))
    }

    /// Passes one key without building it.
    fn skip(&mut self) -> Result<()> {
        let mut depth = 0usize;
        loop {
            match self.u8()? {
                TAG_NUMBER | TAG_DATE => drop(self.float()?),
                TAG_STRING => self.text(|_| ())?,
                TAG_BINARY => self.binary(|_| ())?,
                TAG_ARRAY if depth < KEY_DEPTH_MAX => depth += 1,
                0 if depth > 0 => depth -= 1,
                _ => return Err(self.damaged("unknown tag, or arrays nested too deep")),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn float(&mut self) -> Result<f64> {
        let bytes = self.bytes.get(self.position..).and_then(|rest| rest.first_chunk::<8>());
        let ordered = u64::from_be_bytes(*bytes.ok_or_else(|| self.damaged("it ends too early"))?);
        let value = f64::from_bits(if ordered & SIGN != 0 { ordered ^ SIGN } else { !ordered });
        if value.is_nan() || (value == 0.0 && value.is_sign_negative()) {
            return Err(self.damaged("a number that no key can be"));
        }
        self.position += 8;
        Ok(value)
    }

    fn text(&mut self, mut unit: impl FnMut(u16)) -> Result<()> {
        loop {
            match self.u8()? {
                STRING_END => return Ok(()),
                first @ 0x02..0x80 => unit(u16::from(first) - 2),
                first @ 0x80..0xc0 => unit(u16::from_be_bytes([first - 0x80, self.u8()?]) + TWO_BYTES),
                0xc0 => {
                    let above = u16::from_be_bytes([self.u8()?, self.u8()?]);
                    let found = above.checked_add(THREE_BYTES);
                    unit(found.ok_or_else(|| self.damaged("a code unit out of range"))?);
                }
                _ => return Err(self.damaged("a byte that no string has")),
            }
        }
    }

    fn binary(&mut self, mut byte: impl FnMut(u8)) -> Result<()> {
        loop {
            match self.u8()? {
                0 => match self.u8()? {
                    0 => return Ok(()),
                    0xff => byte(0),
                    _ => return Err(self.damaged("a mark that no binary key has")),
                },
                other => byte(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Key {
        Key::String(text.encode_utf16().collect())
    }

    /// Keys in the order that IndexedDB demands.
    fn ascending() -> Vec<Key> {
        let mut keys: Vec<Key> =
            [f64::NEG_INFINITY, f64::MIN, -1.5, -1.0, -f64::MIN_POSITIVE, -5e-324, 0.0, 5e-324, 1.0]
                .into_iter()
                .chain([1.0 + f64::EPSILON, 2.0, 9_007_199_254_740_992.0, f64::MAX, f64::INFINITY])
                .map(Key::Number)
                .collect();
        keys.extend([-8.64e15, -1.0, 0.0, 1.0, 8.64e15].map(Key::Date));
        keys.extend(
            ["", "\0", "\0\0", "\u{1}", "a", "a\0", "aa", "b", "}", "~", "\u{7f}", "\u{80}"].map(string),
        );
        for unit in [0x407du16, 0x407e, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xffff] {
            keys.extend([Key::String(vec![unit]), Key::String(vec![unit, 0])]);
        }
        let bytes: [&[u8]; 9] = [&[], &[0], &[0, 0], &[0, 1], &[0, 255], &[1], &[1, 0], &[255], &[255, 0]];
        keys.extend(bytes.map(|bytes| Key::Binary(bytes.to_vec())));
        let array = Key::Array;
        keys.extend([
            array(vec![]),
            array(vec![Key::Number(1.0)]),
            array(vec![Key::Number(1.0), string("a")]),
            array(vec![Key::Number(2.0)]),
            array(vec![Key::Date(0.0)]),
            array(vec![string("")]),
            array(vec![string(""), Key::Number(0.0)]),
            array(vec![string("a"), Key::Number(0.0)]),
            array(vec![Key::Binary(vec![])]),
            array(vec![Key::Binary(vec![0])]),
            array(vec![array(vec![])]),
            array(vec![array(vec![]), Key::Number(0.0)]),
            array(vec![array(vec![Key::Number(0.0)])]),
        ]);
        keys
    }

    #[test]
    fn byte_order_is_key_order() {
        let keys = ascending();
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} {b:?}");
                assert_eq!(a.encode().cmp(&b.encode()), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn keys_round_trip_and_no_prefix_is_a_key() {
        for key in ascending() {
            let mut bytes = key.encode();
            assert_eq!(Key::decode(&bytes).unwrap(), key);
            for end in 0..bytes.len() {
                assert!(Key::decode(&bytes[..end]).is_err(), "{key:?} cut at {end}");
                assert!(encoded_length(&bytes[..end]).is_err(), "{key:?} cut at {end}");
            }
            let length = bytes.len();
            bytes.push(0x42);
            assert_eq!(encoded_length(&bytes).unwrap(), length);
            assert!(Key::decode(&bytes).is_err());
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!(Key::Number(-0.0).encode(), Key::Number(0.0).encode());
        assert!(Key::decode(&[0x10, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth: usize| [vec![0x50; depth], vec![0; depth]].concat();
        assert!(
            Key::decode(&nested(KEY_DEPTH_MAX)).is_ok() && encoded_length(&nested(KEY_DEPTH_MAX)).is_ok()
        );
        assert!(
            Key::decode(&nested(KEY_DEPTH_MAX + 1)).is_err()
                && encoded_length(&nested(KEY_DEPTH_MAX + 1)).is_err()
        );
    }

    #[test]
    fn the_two_readers_agree_on_any_bytes() {
        let mut random = crate::value::tests_support::Random::new(7);
        for _ in 0..200_000 {
            let mut bytes = ascending()[random.below(20)].encode();
            bytes.truncate(40);
            let at = random.below(bytes.len());
            bytes[at] = [0, 1, 0x10, 0x30, 0x40, 0x50, 0xff, 0xc0][random.below(8)];
            let decoded = Key::decode(&bytes);
            let skipped = encoded_length(&bytes).ok() == Some(bytes.len());
            assert_eq!(decoded.is_ok(), skipped, "{bytes:02x?}");
            if let Ok(key) = decoded {
                assert_eq!(key.encode(), bytes, "{key:?}");
            }
        }
    }
}
