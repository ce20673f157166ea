//! Which database a segment belongs to, where nothing else says it.

use super::frame::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::fs::ReadableFile;
use std::path::Path;

/// The database that the header of segment `segment` names; `None` if the header does not validate.
pub(crate) fn database_of(file: &dyn ReadableFile, segment: u64) -> Option<u64> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    file.read_at(0, &mut bytes).ok()?;
    let header = SegmentHeader::decode(Path::new(""), &bytes).ok()??;
    (header.segment == segment).then_some(header.database_id)
}
