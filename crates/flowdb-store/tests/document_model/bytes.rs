//! Requests and responses being put together.

use crate::model::{Move, Range, Record};

/// Bytes of the protocol.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn new(kind: u8) -> Self {
        Bytes(vec![kind])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len() as u32).raw(bytes)
    }

    pub(crate) fn name(self, name: &str) -> Self {
        let units: Vec<u16> = name.encode_utf16().collect();
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        self.u32(units.len() as u32).raw(&bytes)
    }

    pub(crate) fn path(self, path: &[&str]) -> Self {
        match path {
            [] => self.u8(0),
            [one] => self.u8(1).name(one),
            many => many.iter().fold(self.u8(2).u32(many.len() as u32), |bytes, one| bytes.name(one)),
        }
    }

    pub(crate) fn range(self, range: &Range) -> Self {
        let flag = |end: &Option<(Vec<u8>, bool)>, present: u8| {
            end.as_ref().map_or(0, |(_, open)| present | if *open { present << 1 } else { 0 })
        };
        let mut bytes = self.u8(flag(&range.lower, 1) | flag(&range.upper, 4));
        for (key, _) in range.lower.iter().chain(&range.upper) {
            bytes = bytes.bytes(key);
        }
        bytes
    }

    pub(crate) fn movement(self, to: &Move) -> Self {
        let given = [to.target.is_some(), to.target_primary.is_some(), to.position.is_some()];
        let flags = given.iter().rev().fold(0, |flags, &given| flags << 1 | u8::from(given));
        let mut bytes = self.u8(flags | if to.ahead > 0 { 8 } else { 0 });
        for key in to.target.iter().chain(&to.target_primary) {
            bytes = bytes.bytes(key);
        }
        if let Some((key, primary_key)) = &to.position {
            bytes = bytes.bytes(key).bytes(primary_key);
        }
        let bytes = bytes.u32(to.count);
        if to.ahead > 0 { bytes.u32(to.ahead) } else { bytes }
    }

    pub(crate) fn record(self, record: &Record) -> Self {
        self.u8(record.injected.into()).bytes(&record.value.bytes())
    }
}
