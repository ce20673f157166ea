//! A block as it stands in the file: contents, maybe compressed, and a trailer with their checksum.

use crate::error::{Error, Result};
use crate::format::{COMPRESSION_LZ4, COMPRESSION_NONE, Reader, checksum};
use crate::fs::ReadableFile;
use crate::options::Compression;
use lz4_flex::block::{CompressTable, compress_into_with_table};
use std::cell::RefCell;
use std::path::Path;

/// Length of a trailer.
pub(super) const TRAILER_BYTES: usize = 16;
/// Contents are never longer than this: the length of a value and a key, and what surrounds them.
const CONTENTS_BYTES_MAX: usize = crate::batch::VALUE_BYTES_MAX + 2 * crate::batch::KEY_BYTES_MAX + (1 << 20);
/// LZ4 makes at most this many bytes of one, so that a length that claims more is a lie.
const LZ4_RATIO_MAX: usize = 256;

/// Where a block is: offset, and length without the trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Handle {
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// Ties checksums of a table's blocks to the table and the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) table_id: u64,
    pub(super) database_id: u64,
}

impl Identity {
    pub(super) fn seed(self, offset: u64) -> u64 {
        self.table_id.rotate_left(32) ^ offset ^ self.database_id
    }
}

/// A place or a count in the contents of a block. It need not fit: [`encode`] refuses contents as
/// long as that.
pub(super) fn in_contents(number: usize) -> u32 {
    const { assert!(CONTENTS_BYTES_MAX < u32::MAX as usize, "no number of contents that are written is cut") };
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Appends `contents` to `out` as the block at `offset`; the length it takes there, without the trailer.
pub(super) fn encode(
    out: &mut Vec<u8>,
    offset: u64,
    identity: Identity,
    contents: &[u8],
    compression: Compression,
) -> Result<u32> {
    if contents.len() > CONTENTS_BYTES_MAX {
        // A reader would refuse it.
        let message = format!("a block of {} bytes; the limit is {CONTENTS_BYTES_MAX}", contents.len());
        return Err(Error::new(crate::error::ErrorKind::TooLarge, message));
    }
    let start = out.len();
    let is_compressed = compression == Compression::Lz4 && compress(out, contents);
    if !is_compressed {
        out.extend_from_slice(contents);
    }
    let too_long = |_| Error::new(crate::error::ErrorKind::TooLarge, "a block of 4 GiB or more");
    let length = u32::try_from(out.len() - start).map_err(too_long)?;
    let raw_length = u32::try_from(contents.len()).map_err(too_long)?;
    let mut trailer = [0; TRAILER_BYTES];
    trailer[0] = if is_compressed { COMPRESSION_LZ4 } else { COMPRESSION_NONE };
    trailer[4..8].copy_from_slice(&raw_length.to_le_bytes());
    // Contents and the fields before the sum are one stretch: that is quicker to sum up than parts.
    out.extend_from_slice(&trailer[..8]);
    let sum = checksum(identity.seed(offset), &out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
    Ok(length)
}

/// Appends compressed contents if that saves an eighth; else leaves `out` as it was.
fn compress(out: &mut Vec<u8>, contents: &[u8]) -> bool {
    let start = out.len();
    out.resize(start + lz4_flex::block::get_maximum_output_size(contents.len()), 0);
    let limit = contents.len() - contents.len() / 8;
    let compressed = TABLE.with_borrow_mut(|table| {
        let result = compress_into_with_table(contents, &mut out[start..], table);
        if contents.len() > SMALL_TABLE_BYTES_MAX {
            // It was replaced by one that would be slower for the next block.
            *table = CompressTable::small();
        }
        result
    });
    match compressed {
        Ok(length) if length < limit => {
            out.truncate(start + length);
            true
        }
        _ => {
            out.truncate(start);
            false
        }
    }
}

/// Reads and checks the block at `handle`; its contents.
pub(super) fn read(
    file: &dyn ReadableFile,
    path: &Path,
    file_bytes: u64,
    handle: Handle,
    identity: Identity,
) -> Result<Vec<u8>> {
    let Handle { offset, length } = handle;
    let total = length as usize + TRAILER_BYTES;
    let end = offset.checked_add(total as u64);
    if end.is_none_or(|end| end > file_bytes) {
        return Err(Error::corruption(
            path,
            offset,
            format!("a block of {length} bytes does not fit into the file"),
        ));
    }
    if let Some(bytes) = file.mapped(offset, total) {
        return decode(bytes, path, offset, identity).map(Stored::into_contents);
    }
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < total {
            buffer.resize(total, 0);
        }
        let bytes = &mut buffer[..total];
        let result = match file.read_at(offset, bytes) {
            Ok(()) => decode(bytes, path, offset, identity).map(Stored::into_contents),
            Err(error) => Err(Error::io(path, "reading a block", error)),
        };
        if total > BUFFER_BYTES_KEPT {
            *buffer = Vec::new();
        }
        result
    })
}

/// A buffer that has grown beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 256 << 10;

/// Contents up to this length are compressed with a table of 16-bit positions.
const SMALL_TABLE_BYTES_MAX: usize = u16::MAX as usize - 1;

thread_local! {
    /// The compressor's notes, so that no memory is asked for each time.
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::small());
    /// Where blocks are read to before they are checked and decompressed, so that no memory is asked for and
    /// cleared each time.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

enum Stored<'a> {
    Plain(&'a [u8]),
    Decompressed(Vec<u8>),
}

impl Stored<'_> {
    fn into_contents(self) -> Vec<u8> {
        match self {
            Stored::Plain(contents) => contents.to_vec(),
            Stored::Decompressed(contents) => contents,
        }
    }
}

fn decode<'a>(bytes: &'a [u8], path: &Path, offset: u64, identity: Identity) -> Result<Stored<'a>> {
    let corrupt = |message: &str| Error::corruption(path, offset, message);
    let (contents, trailer) = bytes.split_at(bytes.len() - TRAILER_BYTES);
    let mut fields = Reader::new(&trailer[4..]);
    let (raw_length, sum) = (fields.u32().unwrap_or(0) as usize, fields.u64().unwrap_or(0));
    // Contents and the fields before the sum are one stretch of the file.
    if checksum(identity.seed(offset), &bytes[..bytes.len() - size_of::<u64>()]) != sum {
        return Err(corrupt("the checksum of a block does not match"));
    }
    match trailer[0] {
        COMPRESSION_NONE if raw_length == contents.len() => Ok(Stored::Plain(contents)),
        COMPRESSION_LZ4 => {
            if raw_length > CONTENTS_BYTES_MAX || raw_length / LZ4_RATIO_MAX > contents.len() {
                return Err(corrupt("a compressed block claims an impossible length"));
            }
            let mut decompressed = vec![0; raw_length];
            let written = lz4_flex::block::decompress_into(contents, &mut decompressed).ok();
            if written != Some(raw_length) {
                return Err(corrupt("a block cannot be decompressed"));
            }
            Ok(Stored::Decompressed(decompressed))
        }
        _ => Err(corrupt("the trailer of a block is wrong")),
    }
}
