//! Cuts the bytes of a fuzzer into parts.

/// Numbers and byte strings from an input, in order; empty ones once it is used up.
#[derive(Debug)]
pub(crate) struct Sections<'a>(&'a [u8]);

impl<'a> Sections<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Sections(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A byte string behind its length in two bytes; shorter if the input ends.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Whatever is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
pub(crate) fn section(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_le_bytes());
    out.extend_from_slice(bytes);
}
