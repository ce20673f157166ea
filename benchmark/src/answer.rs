//! What a read returned, in a form that can be compared with what it had to return.

use crate::data::{KEY_BYTES, Key, Record};

/// Number of records and a sum over all their bytes, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) count: u64,
    digest: u64,
}

impl Answer {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.count += 1;
        self.digest = self.digest.wrapping_add(sum(key).wrapping_mul(31)).wrapping_add(sum(value));
    }

    pub(crate) fn add_record(&mut self, record: &Record) {
        self.add(&record.key, &record.value);
    }

    pub(crate) fn add_value(&mut self, value: &[u8]) {
        self.add(&[], value);
    }

    /// Nothing if it is as expected, else what is wrong.
    pub(crate) fn check(&self, expected: &Answer) -> Result<(), String> {
        if self == expected {
            return Ok(());
        }
        Err(format!(
            "{} of {} records{}",
            self.count,
            expected.count,
            if self.count == expected.count { ", other bytes" } else { "" }
        ))
    }
}

/// Takes the records of scans; notices if they are not in ascending order.
#[derive(Debug, Default)]
pub(crate) struct ScanAnswer {
    answer: Answer,
    last: Option<Key>,
    disordered: bool,
}

impl ScanAnswer {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.disordered |= self.last.is_some_and(|last| key <= &last[..]);
        self.last = key.first_chunk::<KEY_BYTES>().copied();
        self.answer.add(key, value);
    }

    /// The next record may be a smaller one.
    pub(crate) fn restart(&mut self) {
        self.last = None;
    }

    pub(crate) fn check(&self, expected: &Answer) -> Result<(), String> {
        self.answer.check(expected)?;
        if self.disordered { Err("records out of order".to_owned()) } else { Ok(()) }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words =
        words.iter().fold(0u64, |sum, word| sum.rotate_left(7).wrapping_add(u64::from_le_bytes(*word)));
    rest.iter().fold(words, |sum, byte| sum.rotate_left(7).wrapping_add(u64::from(*byte)))
}
