//! What an entry is: user key, sequence number, kind; and the order of entries.

use bytes::Bytes;
use std::cmp::Ordering;

/// Number of an operation. Durable, contiguous within a commit, never restarted. Newer hides older.
pub type Sequence = u64;

/// One key space of a database. Declared in [`crate::Options::trees`], stored with every entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u8);

/// What an operation does. The numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The key has this value.
    Put = 1,
    /// The key has no value.
    Delete = 2,
    /// Keys from the entry's key up to, and without, the entry's value have no value.
    DeleteRange = 3,
    /// The key's value is in a value file. Only in tables; readers see a put.
    PutPointer = 4,
}

/// Bit of a kind byte that says that an expiry follows.
pub(crate) const HAS_EXPIRY: u8 = 0x10;

impl Kind {
    /// The kind of a kind byte, and whether an expiry follows; `None` if the byte is none of ours.
    pub fn from_byte(byte: u8) -> Option<(Kind, bool)> {
        let kind = match byte & !HAS_EXPIRY {
            1 => Kind::Put,
            2 => Kind::Delete,
            3 => Kind::DeleteRange,
            4 => Kind::PutPointer,
            _ => return None,
        };
        let has_expiry = byte & HAS_EXPIRY != 0;
        let may_expire = matches!(kind, Kind::Put | Kind::PutPointer);
        (!has_expiry || may_expire).then_some((kind, has_expiry))
    }

    /// The kind byte.
    pub fn to_byte(self, has_expiry: bool) -> u8 {
        self as u8 | if has_expiry { HAS_EXPIRY } else { 0 }
    }
}

/// One version of one key. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The user's key.
    pub key: Bytes,
    /// Number of the operation that wrote it.
    pub sequence: Sequence,
    /// What the operation did.
    pub kind: Kind,
    /// Microseconds since the epoch from which on it counts as deleted; [`crate::format::NEVER`] for never.
    pub expiry: i64,
    /// The value; empty for a delete, the end of the range for a range delete.
    pub value: Bytes,
}

/// One version of a key that is known. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Number of the operation that wrote it.
    pub sequence: Sequence,
    /// What the operation did.
    pub kind: Kind,
    /// Microseconds since the epoch from which on it counts as deleted; [`crate::format::NEVER`] for never.
    pub expiry: i64,
    /// The value; empty for a delete.
    pub value: Bytes,
}

impl From<Entry> for Version {
    fn from(entry: Entry) -> Self {
        let Entry { sequence, kind, expiry, value, .. } = entry;
        Version { sequence, kind, expiry, value }
    }
}

/// Order of entries in memtables and tables: key ascending, then newest first.
#[inline]
pub fn compare(key_a: &[u8], sequence_a: Sequence, key_b: &[u8], sequence_b: Sequence) -> Ordering {
    key_a.cmp(key_b).then(sequence_b.cmp(&sequence_a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_bytes_round_trip_and_unknown_ones_are_refused() {
        for byte in 0..=u8::MAX {
            if let Some((kind, has_expiry)) = Kind::from_byte(byte) {
                assert_eq!(kind.to_byte(has_expiry), byte);
            }
        }
        assert_eq!(Kind::from_byte(0), None);
        assert_eq!(Kind::from_byte(5), None);
        assert_eq!(Kind::from_byte(0x12), None, "a delete does not expire");
        assert_eq!(Kind::from_byte(0x21), None);
    }

    #[test]
    fn newer_versions_come_first() {
        assert_eq!(compare(b"a", 2, b"a", 1), Ordering::Less);
        assert_eq!(compare(b"a", 1, b"b", 9), Ordering::Less);
        assert_eq!(compare(b"a", 1, b"a", 1), Ordering::Equal);
    }
}
