//! Reads a segment that may be damaged, to its end: what is whole on both sides of the damage, and
//! what lies between.

use super::frame::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameKind, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::input::{Frame, Input};
use crate::batch::{Operation, operations};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::FileSystem;
use crate::key::Sequence;
use bytes::Bytes;
use std::path::Path;

/// Bytes of a segment that are not what was written.
#[derive(Debug, Clone)]
pub(crate) struct LogDamage {
    pub(crate) offset: u64,
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    /// First and last number that may have been there; `None` if no operation is concerned.
    pub(crate) sequences: Option<(Sequence, Sequence)>,
    /// Nothing whole follows in this segment: a torn tail looks like that, if no other segment follows.
    pub(crate) is_tail: bool,
}

/// What was found in a segment.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) header: Option<SegmentHeader>,
    pub(crate) damages: Vec<LogDamage>,
    pub(crate) frames: u64,
    pub(crate) commits: u64,
    pub(crate) bytes_read: u64,
    /// The last number seen, or issued before.
    pub(crate) last_sequence: Sequence,
    /// Behind the last commit, or mark of a close, that is whole.
    pub(crate) end: u64,
}

/// Takes the operations of complete commits: offset of the commit, number, the payload that the operation
/// lies in, operation.
pub(crate) type SurveySink<'a> = dyn FnMut(u64, Sequence, &Bytes, Operation<'_>) -> Result<()> + 'a;

/// Reads all of a segment. Fails only if the file cannot be read, or `sink` fails.
pub(crate) fn survey(
    fs: &dyn FileSystem,
    dir: &Path,
    segment: u64,
    database_id: u64,
    sink: &mut SurveySink<'_>,
) -> Result<Survey> {
    let mut input = Input::open(fs, dir, segment, database_id)?;
    let mut found = Survey { bytes_read: input.length, ..Survey::default() };
    match input.header() {
        Ok(Some(header)) => {
            found.last_sequence = header.last_sequence;
            found.header = Some(header);
            found.end = SEGMENT_HEADER_BYTES as u64;
        }
        Ok(None) => found.damage(0, "the header of the segment is damaged", None, false),
        Err(error) if error.kind() == ErrorKind::Io => return Err(error),
        Err(error) => found.damages.push(LogDamage {
            offset: error.offset().unwrap_or(0),
            kind: error.kind(),
            message: error.message().to_owned(),
            sequences: None,
            is_tail: false,
        }),
    }
    found.walk(&mut input, sink)?;
    Ok(found)
}

impl Survey {
    fn damage(&mut self, offset: u64, message: &str, sequences: Option<(Sequence, Sequence)>, is_tail: bool) {
        let (kind, message) = (ErrorKind::Corruption, message.to_owned());
        self.damages.push(LogDamage { offset, kind, message, sequences, is_tail });
    }

    fn walk(&mut self, input: &mut Input, sink: &mut SurveySink<'_>) -> Result<()> {
        let mut at = SEGMENT_HEADER_BYTES as u64;
        let mut commit: Vec<Frame> = Vec::new();
        loop {
            let Some(frame) = input.frame(at)? else {
                if input.is_zero_from(at)? {
                    break;
                }
                commit.clear();
                let next = match input.find_frame(at + FRAME_ALIGNMENT, |_| true) {
                    Ok(Some(next)) => next,
                    Ok(None) => {
                        self.damage(at, "no frame from here on", self.lost_from_here(), true);
                        return Ok(());
                    }
                    Err(error) if error.kind() == ErrorKind::Corruption => {
                        self.damage(at, error.message(), self.lost_from_here(), false);
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                let first = input.frame(next)?.map_or(Sequence::MAX, |frame| frame.header.first);
                let lost = (first > self.last_sequence.saturating_add(1))
                    .then(|| (self.last_sequence.saturating_add(1), first.saturating_sub(1)));
                self.damage(at, &format!("no frame before byte {next}"), lost, false);
                at = next;
                continue;
            };
            self.frames += 1;
            let end = frame.header.end(at);
            self.check_padding(input, &frame, end)?;
            let is_close = frame.header.kind == FrameKind::Close;
            let is_end = frame.header.kind == FrameKind::End;
            if is_close && !commit.is_empty() {
                self.damage(at, "closed in the middle of a commit", None, false);
                commit.clear();
            }
            if !is_close {
                commit.push(frame);
            }
            if is_end {
                self.deliver(&mut commit, sink)?;
            }
            if is_end || is_close {
                self.end = end;
            }
            at = end;
        }
        if let Some(first) = commit.first() {
            self.damage(first.offset, "a commit without its end", self.lost_from_here(), true);
        }
        Ok(())
    }

    fn lost_from_here(&self) -> Option<(Sequence, Sequence)> {
        Some((self.last_sequence.saturating_add(1), Sequence::MAX))
    }

    /// What fills a frame up is zero.
    fn check_padding(&mut self, input: &mut Input, frame: &Frame, end: u64) -> Result<()> {
        let from = frame.offset + FRAME_HEADER_BYTES as u64 + u64::from(frame.header.payload_length);
        if !input.is_zero_between(from, end)? {
            self.damage(from, "the padding of a frame is not zero; no data is concerned", None, false);
        }
        Ok(())
    }

    /// The operations of a commit, if its numbers are above all before and without a gap.
    fn deliver(&mut self, commit: &mut Vec<Frame>, sink: &mut SurveySink<'_>) -> Result<()> {
        let frames = std::mem::take(commit);
        let Some(all) = numbered(&frames, self.last_sequence) else {
            let at = frames.first().map_or(0, |frame| frame.offset);
            let first = frames.first().map_or(0, |frame| frame.header.first);
            self.damage(
                at,
                "a commit whose operations are malformed or misnumbered",
                Some((first, first)),
                false,
            );
            return Ok(());
        };
        self.commits += 1;
        let at = frames.first().map_or(0, |frame| frame.offset);
        for (sequence, frame, operation) in all {
            self.last_sequence = sequence;
            sink(at, sequence, frame, operation)?;
        }
        Ok(())
    }
}

fn numbered(frames: &[Frame], before: Sequence) -> Option<Vec<(Sequence, &Bytes, Operation<'_>)>> {
    let mut all = Vec::new();
    let mut expected = frames.first().map(|frame| frame.header.first).filter(|first| *first > before)?;
    for frame in frames {
        (frame.header.first == expected).then_some(())?;
        for operation in operations(&frame.payload) {
            all.push((expected, &frame.payload, operation.ok()?));
            expected = expected.checked_add(1)?;
        }
    }
    Some(all)
}

/// A file that is there and cannot be read is no reason to give up on the others.
pub(crate) fn unreadable(error: &Error) -> LogDamage {
    LogDamage {
        offset: 0,
        kind: error.kind(),
        message: error.message().to_owned(),
        sequences: Some((0, Sequence::MAX)),
        is_tail: false,
    }
}
