//! One tag and what stands with it; the parts of a container follow separately.

use super::damaged;
use flowdb_engine::Result;
use flowdb_engine::format::Reader;

const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;
const KIND_DOM_EXCEPTION: u8 = 7;
const VIEW_ELEMENT_BYTES: [u64; 13] = [1, 1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2];

/// A string of a value, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'a> {
    /// One byte for each code unit.
    Latin1(&'a [u8]),
    /// Two bytes for each code unit, little-endian.
    Utf16(&'a [u8]),
}

impl Text<'_> {
    /// Count of UTF-16 code units.
    pub fn length(&self) -> usize {
        match self {
            Text::Latin1(bytes) => bytes.len(),
            Text::Utf16(bytes) => bytes.len() / 2,
        }
    }

    /// The UTF-16 code units, lone surrogates included.
    pub fn units(&self) -> impl Iterator<Item = u16> {
        let (latin1, utf16) = match self {
            Text::Latin1(bytes) => (*bytes, &[][..]),
            Text::Utf16(bytes) => (&[][..], *bytes),
        };
        let wide = utf16.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        latin1.iter().map(|byte| u16::from(*byte)).chain(wide)
    }

    /// True if these are the code units.
    pub fn is(&self, units: &[u16]) -> bool {
        match self {
            Text::Latin1(bytes) => {
                bytes.len() == units.len()
                    && bytes.iter().zip(units).all(|(byte, unit)| u16::from(*byte) == *unit)
            }
            Text::Utf16(_) => self.length() == units.len() && self.units().eq(units.iter().copied()),
        }
    }

    /// For people: lone surrogates are replaced.
    pub fn to_string_lossy(&self) -> String {
        char::decode_utf16(self.units()).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }

    /// The number, if this is the decimal form of an array index.
    pub(super) fn array_index(&self) -> Option<u64> {
        let Text::Latin1(digits) = self else { return None };
        let is_canonical = digits.len() <= 10 && (digits.first() != Some(&b'0') || digits.len() == 1);
        let index: u64 = std::str::from_utf8(digits).ok().filter(|_| is_canonical)?.parse().ok()?;
        (digits[0] != b'+' && index < u64::from(u32::MAX)).then_some(index)
    }
}

/// The buffer under a view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ViewBuffer<'a> {
    /// It stands with the view and takes the number after the view's.
    Inline {
        /// The contents.
        bytes: &'a [u8],
        /// False if its length is fixed.
        resizable: bool,
    },
    /// It was met before.
    Reference(u64),
}

/// A value, or the beginning of a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Head<'a> {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// No element at this index of an array.
    Hole,
    /// A number.
    Number(f64),
    /// A bigint.
    BigInt {
        /// Below zero.
        negative: bool,
        /// Least significant byte first.
        magnitude: &'a [u8],
    },
    /// A string.
    String(Text<'a>),
    /// Milliseconds since the epoch, or NaN.
    Date(f64),
    /// A regular expression.
    RegExp {
        /// The pattern.
        source: Text<'a>,
        /// The flags.
        flags: Text<'a>,
    },
    /// A Boolean object.
    BooleanObject(bool),
    /// A Number object.
    NumberObject(f64),
    /// A String object.
    StringObject(Text<'a>),
    /// A BigInt object.
    BigIntObject {
        /// Below zero.
        negative: bool,
        /// Least significant byte first.
        magnitude: &'a [u8],
    },
    /// A plain object; its properties follow.
    Object,
    /// An array; its elements follow, then its other properties if it has any.
    Array {
        /// Count of elements.
        length: u64,
        /// Properties and an end follow the elements.
        has_properties: bool,
    },
    /// An array with holes; its properties follow, indices included.
    SparseArray {
        /// Its length.
        length: u64,
    },
    /// A Map; its entries follow.
    Map,
    /// A Set; its members follow.
    Set,
    /// An ArrayBuffer.
    Buffer {
        /// The contents.
        bytes: &'a [u8],
        /// Largest length, if it is resizable.
        max: Option<u64>,
    },
    /// A view of a buffer that others may share.
    View {
        /// What kind of view.
        kind: u8,
        /// First byte in the buffer.
        offset: u64,
        /// Length in bytes.
        size: u64,
        /// It follows the length of its buffer.
        tracks: bool,
        /// The buffer.
        buffer: ViewBuffer<'a>,
    },
    /// A view over the whole of a buffer, which takes the number before the view's.
    OwnView {
        /// What kind of view.
        kind: u8,
        /// The contents.
        bytes: &'a [u8],
    },
    /// An Error; its cause follows if it has one.
    Error {
        /// Which constructor.
        kind: u8,
        /// Name of a DOMException.
        name: Option<Text<'a>>,
        /// The message.
        message: Option<Text<'a>>,
        /// The stack.
        stack: Option<Text<'a>>,
        /// A value follows.
        has_cause: bool,
    },
    /// A Blob.
    Blob {
        /// Its media type.
        media_type: Text<'a>,
        /// The contents.
        bytes: &'a [u8],
    },
    /// A File.
    File {
        /// Its name.
        name: Text<'a>,
        /// Its media type.
        media_type: Text<'a>,
        /// Milliseconds since the epoch.
        last_modified: f64,
        /// The contents.
        bytes: &'a [u8],
    },
    /// The object with this number.
    Reference(u64),
    /// End of a container.
    End,
}

impl<'a> Head<'a> {
    /// Reads the head at `position`; answers where it ends, too.
    pub(super) fn read(bytes: &'a [u8], position: usize) -> Result<(Head<'a>, usize)> {
        let rest = bytes.get(position..).ok_or_else(|| damaged(position, "it ends too early"))?;
        let mut reader = Reader::new(rest);
        let head = read_head(&mut reader);
        let end = position + reader.position();
        head.map(|head| (head, end)).ok_or_else(|| damaged(end, "unknown tag, or a field that does not fit"))
    }

    /// How many object numbers it takes.
    pub(super) fn numbers(&self) -> usize {
        match self {
            Head::OwnView { .. } | Head::View { buffer: ViewBuffer::Inline { .. }, .. } => 2,
            _ => usize::from(self.is_object()),
        }
    }

    /// True for objects; references are not resolved here.
    pub(super) fn is_object(&self) -> bool {
        !matches!(
            self,
            Head::Undefined
                | Head::Null
                | Head::Boolean(_)
                | Head::Hole
                | Head::Number(_)
                | Head::BigInt { .. }
                | Head::String(_)
                | Head::Reference(_)
                | Head::End
        )
    }
}

fn read_head<'a>(reader: &mut Reader<'a>) -> Option<Head<'a>> {
    Some(match reader.u8()? {
        0x01 => Head::Undefined,
        0x02 => Head::Null,
        0x03 => Head::Boolean(false),
        0x04 => Head::Boolean(true),
        0x05 => Head::Hole,
        0x06 => Head::Number(integer(reader)?),
        0x07 => Head::Number(float(reader)?),
        tag @ (0x08 | 0x09) => Head::BigInt { negative: tag == 0x09, magnitude: magnitude(reader)? },
        tag @ (0x0a | 0x0b) => Head::String(text_of(reader, tag)?),
        0x0c => Head::Date(float(reader)?),
        0x0d => Head::RegExp { source: text(reader)?, flags: text(reader)? },
        0x0e => Head::BooleanObject(false),
        0x0f => Head::BooleanObject(true),
        0x10 => Head::NumberObject(float(reader)?),
        0x11 => Head::StringObject(text(reader)?),
        0x12 => {
            let tag = reader.u8().filter(|tag| matches!(tag, 0x08 | 0x09))?;
            Head::BigIntObject { negative: tag == 0x09, magnitude: magnitude(reader)? }
        }
        tag => return read_container(reader, tag),
    })
}

fn read_container<'a>(reader: &mut Reader<'a>, tag: u8) -> Option<Head<'a>> {
    Some(match tag {
        0x13 => Head::Object,
        0x14 | 0x15 => {
            // Each element takes at least one byte.
            let length = reader.varint().filter(|length| *length <= reader.remaining() as u64)?;
            Head::Array { length, has_properties: tag == 0x15 }
        }
        0x16 => {
            Head::SparseArray { length: reader.varint().filter(|length| *length <= u64::from(u32::MAX))? }
        }
        0x17 => Head::Map,
        0x18 => Head::Set,
        0x19 => Head::Buffer { bytes: reader.bytes()?, max: None },
        0x1a => resizable(reader)?,
        0x1b => view(reader)?,
        0x1c => own_view(reader)?,
        0x1d => error(reader)?,
        0x1e => Head::Blob { media_type: text(reader)?, bytes: reader.bytes()? },
        0x1f => Head::File {
            name: text(reader)?,
            media_type: text(reader)?,
            last_modified: float(reader)?,
            bytes: reader.bytes()?,
        },
        0x20 => Head::Reference(reader.varint()?),
        0x7f => Head::End,
        _ => return None,
    })
}

fn integer(reader: &mut Reader) -> Option<f64> {
    let zigzag = reader.varint()?;
    let magnitude = (zigzag >> 1) + (zigzag & 1);
    #[expect(clippy::cast_precision_loss, reason = "safe integers are doubles")]
    let value = (magnitude <= SAFE_INTEGER_MAX).then_some(magnitude as f64)?;
    Some(if zigzag & 1 == 1 { -value } else { value })
}

fn float(reader: &mut Reader) -> Option<f64> {
    reader.u64().map(f64::from_bits)
}

fn magnitude<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    reader.bytes().filter(|bytes| bytes.last() != Some(&0))
}

/// A string behind its tag.
pub(super) fn text<'a>(reader: &mut Reader<'a>) -> Option<Text<'a>> {
    let tag = reader.u8()?;
    text_of(reader, tag)
}

fn text_of<'a>(reader: &mut Reader<'a>, tag: u8) -> Option<Text<'a>> {
    match tag {
        0x0a => reader.bytes().map(Text::Latin1),
        0x0b => {
            let size = usize::try_from(reader.varint()?).ok()?.checked_mul(2)?;
            reader.take(size).map(Text::Utf16)
        }
        _ => None,
    }
}

fn resizable<'a>(reader: &mut Reader<'a>) -> Option<Head<'a>> {
    let length = reader.varint()?;
    let max = reader.varint().filter(|max| length <= *max && *max <= SAFE_INTEGER_MAX)?;
    Some(Head::Buffer { bytes: reader.take(usize::try_from(length).ok()?)?, max: Some(max) })
}

fn view_kind(reader: &mut Reader) -> Option<(u8, u64)> {
    let kind = reader.u8()?;
    VIEW_ELEMENT_BYTES.get(usize::from(kind)).map(|size| (kind, *size))
}

fn view<'a>(reader: &mut Reader<'a>) -> Option<Head<'a>> {
    let (kind, element) = view_kind(reader)?;
    let offset = reader.varint().filter(|offset| offset % element == 0)?;
    let size = reader.varint().filter(|size| size % element == 0)?;
    let tracks = reader.u8().filter(|tracks| *tracks <= 1)? == 1;
    let buffer = match read_head(reader)? {
        Head::Buffer { bytes, max } if view_fits(offset, size, bytes) => {
            ViewBuffer::Inline { bytes, resizable: max.is_some() }
        }
        Head::Reference(number) => ViewBuffer::Reference(number),
        _ => return None,
    };
    Some(Head::View { kind, offset, size, tracks, buffer })
}

pub(super) fn view_fits(offset: u64, size: u64, bytes: &[u8]) -> bool {
    offset.checked_add(size).is_some_and(|end| end <= bytes.len() as u64)
}

fn own_view<'a>(reader: &mut Reader<'a>) -> Option<Head<'a>> {
    let (kind, element) = view_kind(reader)?;
    let bytes = reader.bytes().filter(|bytes| (bytes.len() as u64).is_multiple_of(element))?;
    Some(Head::OwnView { kind, bytes })
}

fn error<'a>(reader: &mut Reader<'a>) -> Option<Head<'a>> {
    let kind = reader.u8().filter(|kind| *kind <= KIND_DOM_EXCEPTION)?;
    let flags =
        reader.u8().filter(|flags| *flags < 16 && (*flags & 8 != 0) == (kind == KIND_DOM_EXCEPTION))?;
    let name = if flags & 8 != 0 { Some(text(reader)?) } else { None };
    let message = if flags & 1 != 0 { Some(text(reader)?) } else { None };
    let stack = if flags & 2 != 0 { Some(text(reader)?) } else { None };
    Some(Head::Error { kind, name, message, stack, has_cause: flags & 4 != 0 })
}
