//! The log as a whole: what was written comes back, or what is missing is a suffix, or there is an error.

use super::frame::SEGMENT_HEADER_BYTES;
use super::reader::Segment;
use super::{Expected, LogWriter, Replay, SegmentHeader, replay};
use crate::batch::{Chunk, Operation, WriteBatch};
use crate::error::{ErrorKind, Result};
use crate::format::NEVER;
use crate::fs::{
    CrashOptions, Directory, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem, Names, Random, Unsynced,
};
use crate::key::{Sequence, TreeId};
use crate::version::log_name;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIR: &str = "/db";
const DATABASE: u64 = 0x0123_4567_89ab_cdef;
const PREALLOCATE: u64 = 128 << 10;

fn path(segment: u64) -> PathBuf {
    Path::new(DIR).join(log_name(segment))
}

fn memory() -> MemoryFileSystem {
    let fs = MemoryFileSystem::crashable();
    fs.create_dir_all(Path::new(DIR)).unwrap();
    fs
}

fn header(segment: u64, previous: u64, last_sequence: Sequence) -> SegmentHeader {
    SegmentHeader { segment, previous, database_id: DATABASE, last_sequence }
}

fn directory(fs: &dyn FileSystem) -> Arc<dyn Directory> {
    fs.open_dir(Path::new(DIR)).unwrap()
}

fn create(fs: &dyn FileSystem, header: SegmentHeader) -> Result<LogWriter> {
    LogWriter::create(fs, Path::new(DIR), directory(fs), header, PREALLOCATE)
}

fn resume(fs: &dyn FileSystem, last: &Segment) -> LogWriter {
    LogWriter::resume(fs, Path::new(DIR), directory(fs), last, DATABASE, PREALLOCATE).unwrap()
}

/// The value of operation `sequence`, from which tests recognise it.
fn value(sequence: Sequence, bytes: usize) -> Vec<u8> {
    let mut random = Random::new(sequence);
    (0..bytes).map(|_| random.next().to_le_bytes()[0]).collect()
}

/// A commit with one operation in each chunk.
fn commit(first: Sequence, lengths: &[usize]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for (sequence, bytes) in (first..).zip(lengths) {
        let mut batch = WriteBatch::new();
        batch.put(TreeId(1), &sequence.to_be_bytes(), &value(sequence, *bytes), NEVER).unwrap();
        chunks.extend(batch.into_chunks());
    }
    chunks
}

fn expected(oldest_segment: u64) -> Expected {
    Expected { database_id: DATABASE, oldest_segment, is_closed: false, synced: (0, 0) }
}

fn names(fs: &dyn FileSystem) -> Vec<String> {
    fs.list(Path::new(DIR)).unwrap()
}

/// Replays and checks that each operation is what was written under its number.
fn read(fs: &dyn FileSystem, oldest: u64) -> Result<(Replay, Vec<Sequence>)> {
    let mut sequences = Vec::new();
    let mut sink = |_: u64, sequence: Sequence, _: &bytes::Bytes, operation: Operation<'_>| {
        assert_eq!(*operation.key, sequence.to_be_bytes());
        assert_eq!(*operation.value, value(sequence, operation.value.len()));
        sequences.push(sequence);
        Ok(())
    };
    let replay = replay(fs, Path::new(DIR), &names(fs), &expected(oldest), &mut sink)?;
    assert_eq!(replay.operations, sequences.len() as u64);
    Ok((replay, sequences))
}

fn contents(fs: &MemoryFileSystem, segment: u64) -> Vec<u8> {
    let file = fs.open_read(&path(segment)).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn with_segment(segment: u64, bytes: &[u8]) -> MemoryFileSystem {
    let fs = memory();
    fs.create(&path(segment)).unwrap().write_at(0, bytes).unwrap();
    fs
}

/// A log of one segment: commits of different sizes, synced now and then.
struct Sample {
    bytes: Vec<u8>,
    /// End of each commit, and its last sequence number.
    ends: Vec<(usize, Sequence)>,
    /// What the last frame knew to be synced.
    synced: usize,
}

fn sample() -> Sample {
    let fs = memory();
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let mut ends = Vec::new();
    let mut first = 1;
    for lengths in [&[3][..], &[0, 20, 9], &[40], &[7, 7], &[1], &[13, 2]] {
        let end = writer.append(first, &commit(first, lengths)).unwrap();
        first += lengths.len() as u64;
        ends.push((usize::try_from(end).unwrap(), first - 1));
        if ends.len() == 4 {
            writer.handle().sync(end).unwrap();
        }
    }
    writer.seal().unwrap();
    let synced = ends[3].0;
    Sample { bytes: contents(&fs, 1), ends, synced }
}

impl Sample {
    /// Last sequence number of the commits that end at or before `length`.
    fn last_at(&self, length: usize) -> Sequence {
        self.ends.iter().rev().find(|(end, _)| *end <= length).map_or(0, |(_, last)| *last)
    }
}

fn up_to(last: Sequence) -> Vec<Sequence> {
    (1..=last).collect()
}

#[test]
fn commits_come_back_over_segments_and_resumes() {
    let fs = memory();
    let mut writer = create(&fs, header(3, 0, 0)).unwrap();
    writer.append(1, &commit(1, &[10])).unwrap();
    writer.append(2, &commit(2, &[0, 70_000, 300_000, 5])).unwrap();
    writer.seal().unwrap();
    let mut writer = create(&fs, header(7, 3, 5)).unwrap();
    writer.append(6, &commit(6, &[100])).unwrap();
    let (found, sequences) = read(&fs, 3).unwrap();
    assert_eq!(sequences, up_to(6));
    assert_eq!((found.commits, found.last_sequence, found.cleanly_closed), (3, 6, false));
    assert_eq!(found.segments.iter().map(|s| (s.id, s.last_sequence)).collect::<Vec<_>>(), [(3, 5), (7, 6)]);

    let last = found.segments.last().unwrap();
    let mut writer = resume(&fs, last);
    writer.append(9, &commit(9, &[1])).unwrap();
    writer.close_mark().unwrap();
    let closed = fs.crash(&CrashOptions::default());
    let (found, sequences) = read(&closed, 3).unwrap();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 9], "numbers may be left out");
    assert!(found.cleanly_closed);
    assert_eq!(contents(&closed, 7).len() as u64, found.segments[1].end, "nothing is left reserved");

    let mut writer = resume(&fs, &found.segments[1]);
    writer.append(10, &commit(10, &[1])).unwrap();
    assert!(!read(&fs, 3).unwrap().0.cleanly_closed);
}

#[test]
fn numbers_must_grow_and_a_commit_must_have_operations() {
    let fs = memory();
    let mut writer = create(&fs, header(1, 0, 5)).unwrap();
    assert_eq!(writer.append(5, &commit(5, &[1])).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(writer.append(6, &[]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    writer.append(6, &commit(6, &[1, 1])).unwrap();
    assert_eq!(writer.append(7, &commit(7, &[1])).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(read(&fs, 1).unwrap().1, [6, 7]);
}

#[test]
fn every_truncation_leaves_whole_commits_and_writing_goes_on() {
    let sample = sample();
    for length in 64..sample.bytes.len() {
        let fs = with_segment(1, &sample.bytes[..length]);
        let (found, sequences) = read(&fs, 1).unwrap();
        // A commit that lacks only padding is complete.
        let last = sample.last_at(length).max(found.last_sequence);
        assert!(last == sample.last_at(length) || last == sample.last_at(length + 7), "cut at {length}");
        assert_eq!(sequences, up_to(last), "cut at {length}");

        let mut writer = resume(&fs, &found.segments[0]);
        writer.append(last + 1, &commit(last + 1, &[30, 3])).unwrap();
        assert_eq!(read(&fs, 1).unwrap().1, up_to(last + 2), "cut at {length}");
    }
}

#[test]
fn a_flipped_byte_is_corruption_where_a_sync_is_proven_and_else_a_prefix() {
    let sample = sample();
    let mut refused = 0;
    for position in 0..sample.bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = sample.bytes.clone();
            damaged[position] ^= flip;
            match read(&with_segment(1, &damaged), 1) {
                Ok((_, sequences)) => {
                    let is_padding = sequences == up_to(sample.last_at(usize::MAX));
                    let is_prefix = position >= sample.synced && sequences == up_to(sample.last_at(position));
                    assert!(is_padding || is_prefix, "byte {position}: {sequences:?}");
                }
                Err(error) => {
                    refused += 1;
                    let is_version = (8..12).contains(&position) && error.kind() == ErrorKind::Unsupported;
                    assert!(error.kind() == ErrorKind::Corruption || is_version, "byte {position}: {error}");
                    assert!(position < sample.synced, "byte {position}: {error}");
                }
            }
        }
    }
    let paddings_max = 7 * 9;
    assert!(refused >= 3 * (sample.synced - paddings_max), "{refused} of {}", 3 * sample.synced);
}

#[test]
fn damage_before_the_mark_of_a_close_is_corruption() {
    let fs = memory();
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let end = usize::try_from(writer.append(1, &commit(1, &[10])).unwrap()).unwrap();
    writer.close_mark().unwrap();
    let mut bytes = contents(&fs, 1);
    bytes[end - 20] ^= 1;
    assert_eq!(read(&with_segment(1, &bytes), 1).unwrap_err().kind(), ErrorKind::Corruption);
    bytes[end - 20] ^= 1;
    bytes[end] ^= 1;
    let (found, sequences) = read(&with_segment(1, &bytes), 1).unwrap();
    assert_eq!(
        (sequences, found.cleanly_closed),
        (vec![1], false),
        "the mark itself proves nothing about itself"
    );
}

#[test]
fn a_log_that_must_be_closed_and_is_not_is_refused_untouched() {
    let closed = |fs: &MemoryFileSystem, oldest| {
        let expected = Expected { is_closed: true, ..expected(oldest) };
        replay(fs, Path::new(DIR), &names(fs), &expected, &mut |_, _, _, _| Ok(()))
    };
    let fs = memory();
    assert_eq!(closed(&fs, 0).unwrap_err().kind(), ErrorKind::Corruption);
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let end = writer.append(1, &commit(1, &[10])).unwrap();
    assert_eq!(closed(&fs, 1).unwrap_err().kind(), ErrorKind::Corruption);
    writer.close_mark().unwrap();
    assert!(closed(&fs, 1).unwrap().cleanly_closed);
    fs.open_write(&path(1)).unwrap().write_at(end, b"damage").unwrap();
    let bytes = contents(&fs, 1);
    for _ in 0..2 {
        assert_eq!(closed(&fs, 1).unwrap_err().kind(), ErrorKind::Corruption);
    }
    assert_eq!(contents(&fs, 1), bytes);
}

#[test]
fn a_commit_of_many_frames_is_whole_or_absent() {
    let fs = memory();
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let before = writer.append(1, &commit(1, &[10])).unwrap();
    let end = writer.append(2, &commit(2, &[70_000, 10, 300_000, 100, 65_536])).unwrap();
    let bytes = contents(&fs, 1);
    let seed = 11;
    let mut random = Random::new(seed);
    for round in 0..60 {
        let span = usize::try_from(end - before).unwrap();
        let length = usize::try_from(before).unwrap() + random.below(span - 8);
        let (found, sequences) = read(&with_segment(1, &bytes[..length]), 1).unwrap();
        assert_eq!(sequences, [1], "seed {seed}, round {round}");
        assert_eq!(found.segments[0].end, before);
    }
    assert_eq!(read(&fs, 1).unwrap().1, up_to(6));
}

#[test]
fn bytes_of_another_place_never_validate() {
    let sample = sample();
    let fs = memory();
    create(&fs, header(2, 0, 0)).unwrap();
    let other_header = contents(&fs, 2)[..64].to_vec();
    // The same frames in another segment; and in their own, but shifted.
    for (segment, start, shift) in [(2, &other_header[..], 0), (1, &sample.bytes[..64], 8)] {
        let mut bytes = start.to_vec();
        bytes.resize(64 + shift, 0);
        bytes.extend_from_slice(&sample.bytes[64..]);
        let (found, sequences) = read(&with_segment(segment, &bytes), segment).unwrap();
        assert_eq!((sequences, found.segments[0].end), (vec![], 64));
    }
    // And in another database.
    let fs = with_segment(1, &sample.bytes);
    let result = replay(
        &fs,
        Path::new(DIR),
        &names(&fs),
        &Expected { database_id: DATABASE + 1, ..expected(1) },
        &mut |_, _, _, _| Ok(()),
    );
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Corruption);
}

#[test]
fn a_small_commit_is_one_write() {
    let fs = FaultyFileSystem::new(Arc::new(memory()));
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let before = fs.calls();
    writer.append(1, &commit(1, &[10, 20, 30])).unwrap();
    assert_eq!(fs.calls() - before, 1);
}

#[test]
fn syncs_are_shared_and_raise_what_is_known() {
    let fs = FaultyFileSystem::new(Arc::new(memory()));
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let log = writer.handle();
    let first = writer.append(1, &commit(1, &[10])).unwrap();
    let second = writer.append(2, &commit(2, &[10])).unwrap();
    assert_eq!((log.segment(), log.synced(), log.written()), (1, 64, second));
    let before = fs.calls();
    log.sync(first).unwrap();
    assert_eq!(log.synced(), second);
    log.sync(second).unwrap();
    assert_eq!(fs.calls() - before, 1);
}

#[test]
fn reserving_space_is_only_a_hint() {
    let fs = FaultyFileSystem::new(Arc::new(memory()));
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    fs.fail_at(1, Fault::Enospc);
    let before = fs.calls();
    writer.append(1, &commit(1, &[60_000, 10_000])).unwrap();
    assert_eq!(fs.calls() - before, 2, "one to reserve, one to write");
    assert_eq!(read(&fs, 1).unwrap().1, up_to(2));
}

/// Commits of 4000 bytes, each synced, until the first piece of reserved space is used up;
/// returns their number.
fn write_first_piece(writer: &mut LogWriter) -> Sequence {
    let mut sequence = 0;
    while writer.end() < 65 << 10 {
        sequence += 1;
        let end = writer.append(sequence, &commit(sequence, &[4000])).unwrap();
        writer.handle().sync(end).unwrap();
    }
    sequence
}

#[test]
fn zeros_are_written_ahead_where_syncs_come_often() {
    for syncs_often in [true, false] {
        let memory = memory();
        let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
        let mut writer = create(&fs, header(1, 0, 0)).unwrap();
        let mut calls = 0;
        for sequence in 1..=30 {
            let before = fs.calls();
            let end = writer.append(sequence, &commit(sequence, &[4000])).unwrap();
            calls += fs.calls() - before;
            if syncs_often {
                writer.handle().sync(end).unwrap();
            }
        }
        assert_eq!(calls, 30 + 1 + u64::from(syncs_often), "a write each, one to reserve, one for zeros");
        assert!(contents(&memory, 1).len() as u64 <= PREALLOCATE, "no further than space may be reserved");
        assert_eq!(read(&memory, 1).unwrap().1, up_to(30));
    }
}

#[test]
fn a_crash_amid_zeros_written_ahead_takes_nothing_synced() {
    let fs = memory();
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let synced = write_first_piece(&mut writer);
    writer.append(synced + 1, &commit(synced + 1, &[9000])).unwrap();
    for seed in 0..50 {
        let options = CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names: Names::Drop };
        let sequences = read(&fs.crash(&options), 1).unwrap().1;
        assert!(sequences == up_to(synced) || sequences == up_to(synced + 1), "seed {seed}: {sequences:?}");
    }
}

#[test]
fn zeros_written_ahead_are_only_a_hint_and_cut_with_a_failed_commit() {
    for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
        let fs = FaultyFileSystem::new(Arc::new(memory()));
        let mut writer = create(&fs, header(1, 0, 0)).unwrap();
        let synced = write_first_piece(&mut writer);
        fs.fail_at(1, fault);
        let end = writer.append(synced + 1, &commit(synced + 1, &[10])).unwrap();
        writer.handle().sync(end).unwrap();
        fs.fail_at(1, fault);
        writer.append(synced + 2, &commit(synced + 2, &[10])).unwrap_err();
        assert_eq!(fs.open_read(&path(1)).unwrap().len().unwrap(), end);
        let before = fs.calls();
        writer.append(synced + 2, &commit(synced + 2, &[10])).unwrap();
        assert_eq!(fs.calls() - before, 3, "space is reserved and filled anew");
        assert_eq!(read(&fs, 1).unwrap().1, up_to(synced + 2));
    }
}

#[test]
fn a_failed_commit_never_happened_and_the_next_one_does() {
    for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
        // The first call reserves space; then come the first frame and a header, a large payload,
        // and its padding.
        for call in 2..=4 {
            let memory = memory();
            let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
            let mut writer = create(&fs, header(1, 0, 0)).unwrap();
            writer.append(1, &commit(1, &[10])).unwrap();
            fs.fail_at(call, fault);
            let error = writer.append(2, &commit(2, &[60_000, 70_000])).unwrap_err();
            let expected = if fault == Fault::Eio { ErrorKind::Io } else { ErrorKind::NoSpace };
            assert_eq!(error.kind(), expected, "{fault:?} at {call}");
            for seed in 0..10 {
                let options = CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names: Names::Drop };
                let sequences = read(&memory.crash(&options), 1).unwrap().1;
                assert_eq!(sequences, [1], "{fault:?} at {call}, seed {seed}");
            }
            writer.append(4, &commit(4, &[10])).unwrap();
            assert_eq!(read(&memory, 1).unwrap().1, [1, 4]);
        }
    }
}

#[test]
fn what_was_cut_off_without_a_sync_is_gone_before_anything_else_is_written() {
    for call in 2..=4 {
        let memory = memory();
        let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
        let mut writer = create(&fs, header(1, 0, 0)).unwrap();
        writer.append(1, &commit(1, &[10])).unwrap();
        fs.fail_at(call, Fault::ShortWrite);
        let error = writer.append_without_sync(2, &commit(2, &[60_000, 70_000])).unwrap_err();
        assert_eq!((error.kind(), writer.is_unsettled()), (ErrorKind::NoSpace, true), "at {call}");
        assert_eq!(writer.handle().synced(), SEGMENT_HEADER_BYTES as u64, "at {call}");
        writer.append(2, &commit(2, &[10])).unwrap();
        for seed in 0..10 {
            let options = CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names: Names::Drop };
            let sequences = read(&memory.crash(&options), 1).unwrap().1;
            assert!([&[1][..], &[1, 2]].contains(&&sequences[..]), "at {call}, seed {seed}: {sequences:?}");
        }
        fs.fail_at(1, Fault::ShortWrite);
        writer.append_without_sync(3, &commit(3, &[10])).unwrap_err();
        fs.fail_at(1, Fault::Eio);
        assert_eq!(writer.append(3, &commit(3, &[10])).unwrap_err().kind(), ErrorKind::Io);
        assert!(writer.is_broken(), "it may come back");
    }
}

#[test]
fn a_writer_that_cannot_take_back_refuses_to_go_on() {
    let fs = FaultyFileSystem::new(Arc::new(memory()));
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    fs.fail_from(1, Fault::Eio);
    assert_eq!(writer.append(1, &commit(1, &[10])).unwrap_err().kind(), ErrorKind::Io);
    fs.heal();
    for _ in 0..2 {
        assert_eq!(writer.append(1, &commit(1, &[10])).unwrap_err().kind(), ErrorKind::Poisoned);
    }
    assert_eq!(writer.close_mark().unwrap_err().kind(), ErrorKind::Poisoned);
}

#[test]
fn a_failed_sync_is_never_repeated() {
    let fs = FaultyFileSystem::new(Arc::new(memory()));
    let mut writer = create(&fs, header(1, 0, 0)).unwrap();
    let end = writer.append(1, &commit(1, &[10])).unwrap();
    let log = writer.handle();
    fs.fail_at(1, Fault::Eio);
    assert_eq!(log.sync(end).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(log.sync(end).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(log.synced(), 64);
    assert_eq!(writer.append(2, &commit(2, &[10])).unwrap_err().kind(), ErrorKind::Poisoned);
}

/// Three segments, numbered 1, 4 and 5, with one commit each.
fn three_segments() -> MemoryFileSystem {
    let fs = memory();
    for (sequence, (id, previous)) in (1..).zip([(1, 0), (4, 1), (5, 4)]) {
        let mut writer = create(&fs, header(id, previous, sequence - 1)).unwrap();
        writer.append(sequence, &commit(sequence, &[50])).unwrap();
        writer.seal().unwrap();
    }
    fs
}

#[test]
fn a_missing_segment_is_corruption() {
    assert_eq!(read(&three_segments(), 1).unwrap().1, up_to(3));
    assert_eq!(read(&three_segments(), 4).unwrap().1, [2, 3], "older ones are not looked at");
    for missing in [1, 4] {
        let fs = three_segments();
        fs.remove(&path(missing)).unwrap();
        assert_eq!(read(&fs, 1).unwrap_err().kind(), ErrorKind::Corruption, "without {missing}");
    }
    assert_eq!(read(&memory(), 1).unwrap_err().kind(), ErrorKind::Corruption);
    assert_eq!(read(&memory(), 0).unwrap().0, Replay::default());
    let fs = three_segments();
    fs.remove(&path(1)).unwrap();
    assert_eq!(
        read(&fs, 0).unwrap_err().kind(),
        ErrorKind::Corruption,
        "the first of a database follows none"
    );
}

#[test]
fn damage_in_a_segment_that_is_not_the_last_is_corruption() {
    let length = contents(&three_segments(), 4).len();
    for position in 0..length + 10 {
        let fs = three_segments();
        let byte = contents(&fs, 4).get(position).copied().unwrap_or_default();
        fs.open_write(&path(4)).unwrap().write_at(position as u64, &[byte ^ 0xff]).unwrap();
        match read(&fs, 1) {
            Ok((_, sequences)) => assert!(position > length - 8 && sequences == up_to(3), "byte {position}"),
            Err(error) => assert_ne!(error.kind(), ErrorKind::Io, "byte {position}: {error}"),
        }
    }
    let fs = three_segments();
    fs.open_write(&path(4)).unwrap().set_len(100).unwrap();
    assert_eq!(read(&fs, 1).unwrap_err().kind(), ErrorKind::Corruption);
}

#[test]
fn remains_of_an_interrupted_creation_are_removed() {
    let whole = {
        let fs = memory();
        create(&fs, header(9, 5, 3)).unwrap();
        contents(&fs, 9)
    };
    for length in (0..64).chain([whole.len()]) {
        let fs = three_segments();
        let mut torn = whole[..length].to_vec();
        torn[..length.min(64)].iter_mut().skip(40).for_each(|byte| *byte = 0);
        fs.create(&path(9)).unwrap().write_at(0, &torn).unwrap();
        assert_eq!(read(&fs, 1).unwrap().1, up_to(3), "torn at {length}");
        assert!(!fs.exists(&path(9)).unwrap());
    }
    let fs = memory();
    fs.create(&path(1)).unwrap();
    assert_eq!(
        read(&fs, 1).unwrap_err().kind(),
        ErrorKind::Corruption,
        "one that the manifest names was complete"
    );
}

#[test]
fn a_failed_creation_may_be_repeated_under_any_number() {
    for call in 1..=5 {
        for next in [6, 8] {
            for seed in 0..10 {
                let memory = three_segments();
                let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
                let directory = directory(&fs);
                fs.fail_from(call, Fault::Enospc);
                let (dir, open) = (Path::new(DIR), Arc::clone(&directory));
                LogWriter::create(&fs, dir, open, header(6, 5, 3), PREALLOCATE).unwrap_err();
                fs.heal();
                if next == 6 {
                    LogWriter::discard(&fs, dir, &*directory, next).unwrap();
                }
                let mut writer = create(&fs, header(next, 5, 3)).unwrap();
                let end = writer.append(4, &commit(4, &[9])).unwrap();
                writer.handle().sync(end).unwrap();
                let crashed = memory.crash(&CrashOptions {
                    seed,
                    names: Names::Random,
                    unsynced: Unsynced::RandomSectors,
                });
                assert_eq!(read(&crashed, 1).unwrap().1, up_to(4), "call {call}, next {next}, seed {seed}");
            }
        }
    }
}

#[test]
fn an_empty_segment_left_by_a_failed_creation_is_passed_over() {
    let fs = three_segments();
    create(&fs, header(6, 5, 3)).unwrap();
    let mut writer = create(&fs, header(8, 5, 3)).unwrap();
    writer.append(4, &commit(4, &[9])).unwrap();
    assert_eq!(read(&fs, 1).unwrap().1, up_to(4));
    assert!(!fs.exists(&path(6)).unwrap());
}

#[test]
fn a_newer_version_is_refused_untouched() {
    let mut bytes = sample().bytes;
    bytes[8] = 2;
    let fs = with_segment(1, &bytes);
    assert_eq!(read(&fs, 1).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(read(&fs, 0).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(contents(&fs, 1), bytes);
}

#[test]
fn after_any_crash_a_prefix_with_all_that_was_synced_comes_back() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut fs = memory();
        let mut writer = create(&fs, header(1, 0, 0)).unwrap();
        let (mut last, mut synced) = (0, 0);
        for _ in 0..3 {
            for _ in 0..random.below(12) {
                let lengths: Vec<_> = (0..=random.below(3)).map(|_| random.below(2000)).collect();
                let end = writer.append(last + 1, &commit(last + 1, &lengths)).unwrap();
                last += lengths.len() as u64;
                if random.below(4) == 0 {
                    writer.handle().sync(end).unwrap();
                    synced = last;
                }
            }
            let kinds = [Unsynced::Drop, Unsynced::Keep, Unsynced::RandomPrefix, Unsynced::RandomSectors];
            let options =
                CrashOptions { seed: random.next(), unsynced: kinds[random.below(4)], names: Names::Random };
            fs = fs.crash(&options);
            let (found, sequences) = read(&fs, 1).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(sequences, up_to(found.last_sequence), "seed {seed}");
            assert!((synced..=last).contains(&found.last_sequence), "seed {seed}");
            (last, synced) = (found.last_sequence, found.last_sequence);
            writer = resume(&fs, &found.segments[0]);
        }
    }
}
