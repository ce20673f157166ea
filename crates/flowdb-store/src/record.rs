//! The form of a record's value (`docs/format.md`, section 5.1): one byte before the contents.

use bytes::Bytes;
use flowdb_engine::{Error, ErrorKind, Result};

/// What the contents of a record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// Bytes as they were given.
    Bytes = 0,
    /// Text as it was given, in UTF-8.
    Text = 1,
    /// A value in the value format (section 8).
    Value = 2,
}

impl Form {
    /// The form of a form byte; `None` if the byte is none of ours.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Form::Bytes, Form::Text, Form::Value].into_iter().find(|form| *form as u8 == byte)
    }
}

/// A stored value: its form byte and its contents, in one run of bytes. The layers above hand it through
/// as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record(Bytes);

impl Record {
    /// Contents of the given form.
    pub fn new(form: Form, contents: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(1 + contents.len());
        bytes.push(form as u8);
        bytes.extend_from_slice(contents);
        Record(bytes.into())
    }

    /// A value as it stands in the database; corruption if it has no known form.
    pub fn from_stored(bytes: Bytes) -> Result<Self> {
        RecordRef::from_stored(&bytes)?;
        Ok(Record(bytes))
    }

    /// What the contents are.
    pub fn form(&self) -> Form {
        Form::from_byte(self.0[0]).expect("checked when the record was made")
    }

    /// The value without its form.
    pub fn contents(&self) -> &[u8] {
        &self.0[1..]
    }

    /// Form byte and contents.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// A record that belongs to someone else: what a scan shows of an entry while it is at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    form: Form,
    bytes: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// A value as it stands in the database; corruption if it has no known form.
    pub fn from_stored(bytes: &'a [u8]) -> Result<Self> {
        match bytes.first().copied().and_then(Form::from_byte) {
            Some(form) => Ok(RecordRef { form, bytes }),
            None => Err(Error::new(
                ErrorKind::Corruption,
                format!("a record of {} bytes begins with no known form", bytes.len()),
            )),
        }
    }

    /// What the contents are.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The value without its form.
    pub fn contents(&self) -> &'a [u8] {
        &self.bytes[1..]
    }

    /// Form byte and contents.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_round_trip_and_others_are_corruption() {
        for form in [Form::Bytes, Form::Text, Form::Value] {
            let record = Record::from_stored(Record::new(form, b"xy").as_bytes().clone()).unwrap();
            assert_eq!((record.form(), record.contents()), (form, &b"xy"[..]));
        }
        for bytes in [&[][..], &[3], &[255, 1]] {
            let error = Record::from_stored(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corruption);
        }
    }
}
