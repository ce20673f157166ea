//! Finds the blocks of a table whose index is lost: by their trailers, whose checksums are tied to the place
//! where a block begins.

use super::stored::{Handle, Identity, TRAILER_BYTES};
use crate::format::{COMPRESSION_LZ4, COMPRESSION_NONE, Reader, checksum_parts};
use crate::fs::ReadableFile;

/// A block that begins where no other one ended is looked for this far.
const RESYNC_BYTES: usize = 4 << 20;
/// Tables are not larger; what claims to be is not read.
const TABLE_BYTES_MAX: u64 = 4 << 30;

/// The blocks before `end` that validate, in order.
pub(super) fn find_blocks(file: &dyn ReadableFile, identity: Identity, end: u64) -> Vec<Handle> {
    let Some(bytes) = load(file, end) else {
        return Vec::new();
    };
    let trailers: Vec<Trailer> = (0..bytes.len()).filter_map(|at| Trailer::at(&bytes, at)).collect();
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut reach = usize::MAX;
    // Of the trailers, those from here on are behind `start`.
    let mut next = 0;
    loop {
        next += trailers[next..].partition_point(|trailer| trailer.at < start);
        let found = trailers[next..]
            .iter()
            .take_while(|trailer| trailer.at - start <= reach)
            .find(|trailer| trailer.ends_block(&bytes, start, identity));
        match found {
            Some(trailer) => {
                let length = u32::try_from(trailer.at - start).unwrap_or(u32::MAX);
                blocks.push(Handle { offset: start as u64, length });
                start = trailer.at + TRAILER_BYTES;
                reach = usize::MAX;
            }
            // The next block may begin behind the trailer of the damaged one.
            None => match trailers[next..].first() {
                Some(trailer) => {
                    start = trailer.at + TRAILER_BYTES;
                    reach = RESYNC_BYTES;
                }
                None => return blocks,
            },
        }
    }
}

fn load(file: &dyn ReadableFile, end: u64) -> Option<Vec<u8>> {
    let length = file.len().ok()?.min(end);
    if length > TABLE_BYTES_MAX {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    file.read_at(0, &mut bytes).ok()?;
    Some(bytes)
}

/// Bytes that look like a trailer.
struct Trailer {
    at: usize,
    is_compressed: bool,
    raw_length: usize,
}

impl Trailer {
    fn at(bytes: &[u8], at: usize) -> Option<Trailer> {
        let mut reader = Reader::new(bytes.get(at..at.checked_add(TRAILER_BYTES)?)?);
        let kind = reader.u8()?;
        let zeros = reader.take(3)?;
        let raw_length = usize::try_from(reader.u32()?).ok()?;
        let is_compressed = kind == COMPRESSION_LZ4;
        let is_plausible = (is_compressed || kind == COMPRESSION_NONE) && zeros == [0; 3] && raw_length > 0;
        (is_plausible && at > 0).then_some(Trailer { at, is_compressed, raw_length })
    }

    fn ends_block(&self, bytes: &[u8], start: usize, identity: Identity) -> bool {
        let Some(contents) = bytes.get(start..self.at).filter(|contents| !contents.is_empty()) else {
            return false;
        };
        let fits = if self.is_compressed {
            self.raw_length > contents.len()
        } else {
            self.raw_length == contents.len()
        };
        let trailer = &bytes[self.at..self.at + TRAILER_BYTES];
        let stored = Reader::new(&trailer[8..]).u64();
        fits && stored == Some(checksum_parts(identity.seed(start as u64), &[contents, &trailer[..8]]))
    }
}
