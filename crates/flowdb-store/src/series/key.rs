//! Ordered bytes of a series key and a timestamp (`docs/format.md` section 6).
//!
//! No key is a prefix of another, the order is that of the raw keys and then of time, and a prefix of a key
//! is a prefix of its encoding.

use flowdb_engine::{Error, ErrorKind, Result};

const ESCAPED: u8 = 0xff;
const END: u8 = 0x01;
const SIGN: u64 = 1 << 63;
/// Bytes of a timestamp at the end of every encoded key.
pub const TIMESTAMP_BYTES: usize = 8;

/// What all encoded keys begin with whose raw key begins with `prefix`.
pub fn encode_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(prefix.len() + 2 + TIMESTAMP_BYTES);
    for &byte in prefix {
        out.push(byte);
        if byte == 0 {
            out.push(ESCAPED);
        }
    }
    out
}

/// What all encoded keys of the series `key` begin with, and no other.
pub fn encode_series(key: &[u8]) -> Vec<u8> {
    let mut out = encode_prefix(key);
    out.extend_from_slice(&[0, END]);
    out
}

/// The encoded key of one record; `timestamp` in microseconds.
pub fn encode(key: &[u8], timestamp: i64) -> Vec<u8> {
    let mut out = encode_series(key);
    out.extend_from_slice(&(timestamp.cast_unsigned() ^ SIGN).to_be_bytes());
    out
}

/// An encoded key as what [`encode_series`] makes of the raw key, not checked, and the timestamp; `None` if
/// it is too short.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], i64)> {
    let (series, timestamp) = bytes.split_last_chunk::<TIMESTAMP_BYTES>()?;
    Some((series, (u64::from_be_bytes(*timestamp) ^ SIGN).cast_signed()))
}

/// The raw key and the timestamp of an encoded key.
pub fn decode(bytes: &[u8]) -> Result<(Vec<u8>, i64)> {
    let (mut rest, timestamp) = split(bytes).ok_or_else(damaged)?;
    let mut key = Vec::with_capacity(rest.len());
    loop {
        match rest {
            [0, END] => return Ok((key, timestamp)),
            [0, ESCAPED, after @ ..] => {
                key.push(0);
                rest = after;
            }
            [byte, after @ ..] if *byte != 0 => {
                key.push(*byte);
                rest = after;
            }
            _ => return Err(damaged()),
        }
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::Corruption, "damaged series key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: [&[u8]; 10] =
        [b"", b"\0", b"\0\0", b"\0\x01", b"\0\xff", b"\x01", b"a", b"a\0", b"a\0b", b"\xff\xff"];
    const TIMES: [i64; 5] = [i64::MIN, -1, 0, 1, i64::MAX];

    #[test]
    fn byte_order_is_the_order_of_keys_and_then_of_time() {
        let records: Vec<_> = RAW.iter().flat_map(|key| TIMES.map(|time| (*key, time))).collect();
        for a in &records {
            for b in &records {
                assert_eq!(encode(a.0, a.1).cmp(&encode(b.0, b.1)), a.cmp(b), "{a:?} {b:?}");
            }
            assert_eq!(decode(&encode(a.0, a.1)).unwrap(), (a.0.to_vec(), a.1));
        }
    }

    #[test]
    fn the_example_of_the_format_page() {
        assert_eq!(encode(b"a\0b", 1), b"a\x00\xffb\x00\x01\x80\0\0\0\0\0\0\x01");
    }

    #[test]
    fn prefixes_are_kept_and_series_are_apart() {
        for (a, b) in RAW.iter().flat_map(|a| RAW.map(|b| (*a, b))) {
            let encoded = encode(b, 5);
            assert_eq!(encoded.starts_with(&encode_series(a)), a == b, "{a:?} {b:?}");
            assert_eq!(encoded.starts_with(&encode_prefix(a)), b.starts_with(a), "{a:?} {b:?}");
        }
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let bytes = encode(b"a\0", 3);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(decode(b"a\x00\x02\x00\x01\0\0\0\0\0\0\0\0").is_err());
        assert!(decode(b"a\x00\x01b\0\0\0\0\0\0\0\0").is_err());
    }
}
