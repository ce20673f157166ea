//! What is stored, the same bytes for every engine, made from a record's number.
//!
//! A record has a key of 16 characters, a time of 8 bytes that follows it, and a value of 100 bytes: 50
//! random ones, twice, so that a compressor can halve it. Random keys begin with 8 characters that 200
//! records share; in both halves each character is one of 64. (Text, because the crate flowdb 0.8.3 takes no
//! other keys.) Sequential keys are decimal numbers.

/// Name and time.
pub(crate) const KEY_BYTES: usize = 24;
/// Name only.
pub(crate) const NAME_BYTES: usize = 16;
pub(crate) const VALUE_BYTES: usize = 100;
/// What a user counts of one record.
pub(crate) const RECORD_BYTES: u64 = (KEY_BYTES + VALUE_BYTES) as u64;
/// Records that share a prefix, and its length.
pub(crate) const GROUP_RECORDS: u64 = 200;
pub(crate) const PREFIX_BYTES: usize = 8;

/// Time of the first record: 2026-01-01, in microseconds.
const EPOCH: i64 = 1_767_225_600_000_000;
/// Time between two records.
const RECORD_MICROS: i64 = 1_000;
/// Time between two points of a series: an hour holds 60.
pub(crate) const POINT_MICROS: i64 = 60_000_000;
pub(crate) const HOUR_MICROS: i64 = 3_600_000_000;

pub(crate) type Key = [u8; KEY_BYTES];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) value: [u8; VALUE_BYTES],
}

/// In which order keys arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Sequential,
    Random,
}

/// A set of records, numbered from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records {
    pub(crate) order: Order,
    pub(crate) count: u64,
}

impl Records {
    pub(crate) fn record(&self, number: u64) -> Record {
        Record { key: self.key(number), value: value(number) }
    }

    pub(crate) fn key(&self, number: u64) -> Key {
        let name = match self.order {
            Order::Sequential => decimal(number),
            Order::Random => random_name(number),
        };
        with_time(name, EPOCH + RECORD_MICROS * number.cast_signed())
    }

    /// The number of the record that is written as the `position`th. Neighbours in time are
    /// in different groups.
    pub(crate) fn arrival(&self, position: u64) -> u64 {
        match self.order {
            Order::Sequential => position,
            // A permutation as long as the count is no multiple of this prime.
            Order::Random => (u128::from(position) * 2_654_435_761 % u128::from(self.count)) as u64,
        }
    }

    /// A key beside that of the record: in the middle of the data, and absent.
    pub(crate) fn missing_key(&self, number: u64) -> Key {
        let mut key = self.key(number);
        key[NAME_BYTES - 1] = if key[NAME_BYTES - 1] == b'.' { b'-' } else { b'.' };
        key
    }
}

/// What all keys of a group begin with.
pub(crate) fn group_prefix(group: u64) -> [u8; PREFIX_BYTES] {
    text(mix(group ^ 0x9d5c_1f2a))
}

/// Series of points that arrive in the order of time, a point of every series in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    pub(crate) series: u64,
    pub(crate) points: u64,
}

impl Series {
    pub(crate) fn count(&self) -> u64 {
        self.series * self.points
    }

    pub(crate) fn arrival(&self, position: u64) -> Record {
        self.point(position % self.series, position / self.series)
    }

    pub(crate) fn point(&self, series: u64, point: u64) -> Record {
        let key = with_time(series_name(series), point_time(point));
        Record { key, value: value(series * self.points + point) }
    }
}

pub(crate) fn point_time(point: u64) -> i64 {
    EPOCH + POINT_MICROS * point.cast_signed()
}

pub(crate) fn series_name(series: u64) -> [u8; NAME_BYTES] {
    let mut name = decimal(series);
    name[..7].copy_from_slice(b"sensor-");
    name
}

pub(crate) fn with_time(name: [u8; NAME_BYTES], time: i64) -> Key {
    let mut key = [0; KEY_BYTES];
    key[..NAME_BYTES].copy_from_slice(&name);
    // Times are positive: their bytes order as they do.
    key[NAME_BYTES..].copy_from_slice(&time.to_be_bytes());
    key
}

/// Name and time of a key.
pub(crate) fn split(key: &Key) -> (&[u8], i64) {
    let (name, time) = key.split_at(NAME_BYTES);
    let time = time.try_into().map(i64::from_be_bytes).unwrap_or_default();
    (name, time)
}

fn random_name(number: u64) -> [u8; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    name[..PREFIX_BYTES].copy_from_slice(&group_prefix(number / GROUP_RECORDS));
    name[PREFIX_BYTES..].copy_from_slice(&text(mix(number)));
    name
}

fn decimal(mut number: u64) -> [u8; NAME_BYTES] {
    let mut digits = [b'0'; NAME_BYTES];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

/// 48 bits as 8 characters.
fn text(bits: u64) -> [u8; PREFIX_BYTES] {
    const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_~";
    std::array::from_fn(|index| ALPHABET[(bits >> (6 * index)) as usize % 64])
}

fn value(number: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    let (random, copy) = value.split_at_mut(VALUE_BYTES / 2);
    for (index, word) in (0u64..).zip(random.chunks_mut(8)) {
        let bytes = mix(number.wrapping_mul(8).wrapping_add(index) ^ 0x5bd1_e995_0000_0000).to_le_bytes();
        word.copy_from_slice(&bytes[..word.len()]);
    }
    copy.copy_from_slice(random);
    value
}

/// Numbers that look random, one for each number (the finisher of splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers below `limit` that look random, the same ones for the same seed.
pub(crate) fn choices(seed: u64, limit: u64) -> impl Iterator<Item = u64> {
    (0u64..).map(move |index| mix(seed.wrapping_mul(0x1_0000_0001).wrapping_add(index)) % limit)
}
