//! Fuzzing of logs: see [`crate::fuzzing`].

use super::frame::{
    CHECKSUM_BYTES, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, frame_seed,
};
use super::reader::{Expected, replay};
use crate::format::checksum;
use crate::fs::{FileSystem, MemoryFileSystem};
use crate::fuzzing::Sections;
use crate::version::log_name;
use std::path::Path;

const DIR: &str = "/log";
const DATABASE: u64 = 7;

/// Segments of frames whose kinds, numbers and payloads are the fuzzer's. What is replayed is the same the
/// second time, when a torn tail has been cut.
#[allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]
pub fn fuzz_log(data: &[u8]) -> usize {
    let mut input = Sections::new(data);
    let fs = MemoryFileSystem::new();
    fs.create_dir_all(Path::new(DIR)).unwrap();
    let is_closed = input.byte() & 1 == 1;
    let mut segment = Segment::new(1, 0);
    while !input.is_empty() {
        let kind = input.byte();
        if kind & 0x80 != 0 {
            segment = segment.followed(&fs);
        }
        let (skipped, synced) = (input.byte(), input.byte());
        segment.frame(kind & 0x7f, skipped, synced, input.bytes());
    }
    segment.write(&fs);
    let expected = Expected { database_id: DATABASE, oldest_segment: 1, is_closed, synced: (0, 0) };
    let run = || {
        let mut operations = Vec::new();
        let (dir, names) = (Path::new(DIR), fs.list(Path::new(DIR)).unwrap());
        let replayed = replay(&fs, dir, &names, &expected, &mut |segment, sequence, _, operation| {
            let (key, value) = (operation.key.to_vec(), operation.value.to_vec());
            operations.push((
                segment,
                sequence,
                operation.tree,
                operation.kind,
                operation.expiry,
                key,
                value,
            ));
            Ok(())
        });
        replayed.map(|replayed| (replayed.last_sequence, replayed.commits, operations))
    };
    let Ok(first) = run() else { return 0 };
    let ascends = first.2.windows(2).all(|pair| pair[0].1 < pair[1].1);
    assert!(ascends, "sequence numbers go back");
    assert_eq!(first, run().unwrap());
    first.2.len()
}

/// A segment being made up.
struct Segment {
    id: u64,
    bytes: Vec<u8>,
    last: u64,
}

impl Segment {
    fn new(id: u64, last: u64) -> Self {
        let header =
            SegmentHeader { segment: id, previous: id - 1, database_id: DATABASE, last_sequence: last };
        Segment { id, bytes: header.encode().to_vec(), last }
    }

    fn followed(self, fs: &MemoryFileSystem) -> Self {
        let next = Segment::new(self.id + 1, self.last);
        self.write(fs);
        next
    }

    fn frame(&mut self, kind: u8, skipped: u8, synced: u8, payload: &[u8]) {
        let offset = self.bytes.len() as u64;
        let first = self.last.wrapping_add(1).wrapping_add(u64::from(skipped & 0x7f));
        let synced = match synced {
            0 => SEGMENT_HEADER_BYTES as u64,
            1 => offset,
            other => u64::from(other) << (other & 0x3f),
        };
        let mut header = [0; FRAME_HEADER_BYTES];
        header[8..12].copy_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        header[12] = kind;
        header[16..24].copy_from_slice(&first.to_le_bytes());
        header[24..32].copy_from_slice(&synced.to_le_bytes());
        let summed = [&header[CHECKSUM_BYTES..], payload].concat();
        let sum = checksum(frame_seed(self.id, DATABASE, offset), &summed);
        header[..CHECKSUM_BYTES].copy_from_slice(&sum.to_le_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(payload);
        let aligned = (self.bytes.len() as u64).next_multiple_of(FRAME_ALIGNMENT);
        self.bytes.resize(usize::try_from(aligned).unwrap_or(usize::MAX), 0);
        let operations = crate::batch::operations(payload).count() as u64;
        self.last = first.wrapping_add(operations).wrapping_sub(1);
    }

    #[allow(clippy::unwrap_used, reason = "a file system in memory does not fail")]
    fn write(self, fs: &MemoryFileSystem) {
        let file = fs.create(&Path::new(DIR).join(log_name(self.id))).unwrap();
        file.write_at(0, &self.bytes).unwrap();
    }
}
