//! Replay: reads what was committed, tells a torn tail from damage, and cuts the tail.

use super::frame::{FRAME_ALIGNMENT, FrameKind, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::input::{Frame, Input};
use crate::batch::{Operation, operations};
use crate::error::{Error, Result, is_for_lack_of_space};
use crate::fs::{FileSystem, copy_bytes};
use crate::key::Sequence;
use crate::version::{NumberedFile, log_name, parse_name};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Largest sequence number issued, as far as the log knows; 0 without a log.
    pub(crate) last_sequence: Sequence,
    /// The segments that are needed, oldest first. Writing can go on at the end of the last.
    pub(crate) segments: Vec<Segment>,
    /// Commits delivered.
    pub(crate) commits: u64,
    /// Operations delivered.
    pub(crate) operations: u64,
    /// True if the log ends with the mark of a close, and nothing was cut.
    pub(crate) cleanly_closed: bool,
}

/// A segment that was replayed. All of it up to `end` is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its number.
    pub(crate) id: u64,
    /// Offset behind its last complete commit.
    pub(crate) end: u64,
    /// Last sequence number in it, or issued before it.
    pub(crate) last_sequence: Sequence,
}

/// What the manifest says about the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// Random number of the database.
    pub(crate) database_id: u64,
    /// The oldest segment needed; 0 if the database was just created, and there may be none.
    pub(crate) oldest_segment: u64,
    /// The log ends with the mark of a close.
    pub(crate) is_closed: bool,
    /// Segment, and offset in it, up to which it was on stable storage; zeros if that is not known.
    pub(crate) synced: (u64, u64),
}

/// Takes the operations: number of the segment, sequence number, the payload that the operation
/// lies in, operation.
pub(crate) type Sink<'a> = dyn FnMut(u64, Sequence, &Bytes, Operation<'_>) -> Result<()> + 'a;

/// Delivers the operations of all complete commits, in order, from the oldest segment needed on. `names` are
/// the files in `dir`.
///
/// Operations that the tables already hold are delivered too; it is the sink that skips them. A torn tail of
/// the last segment is cut, and the last segment is synced, so that a new one may follow; after a clean close
/// both were done. Remains of a segment whose creation was interrupted are removed. After an error nothing
/// that was delivered counts; after one of corruption, nothing was cut or removed either.
pub(crate) fn replay(
    fs: &dyn FileSystem,
    dir: &Path,
    names: &[String],
    expected: &Expected,
    sink: &mut Sink<'_>,
) -> Result<Replay> {
    // A close syncs the log, to the mark, before the manifest says that there was one.
    let tail = if expected.is_closed { Tail::Leave } else { Tail::Settle };
    let (replay, leftovers) = read_chain(fs, dir, names, expected, tail, sink)?;
    remove(fs, dir, &leftovers)?;
    Ok(replay)
}

/// The same, but nothing is cut, synced or removed.
pub(crate) fn replay_unchanged(
    fs: &dyn FileSystem,
    dir: &Path,
    names: &[String],
    expected: &Expected,
    sink: &mut Sink<'_>,
) -> Result<Replay> {
    read_chain(fs, dir, names, expected, Tail::Leave, sink).map(|(replay, _)| replay)
}

/// What happens to the end of the last segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// It is cut, if it is torn, and made durable.
    Settle,
    /// It stays as it is.
    Leave,
}

/// What was found, and the segments that are none.
fn read_chain(
    fs: &dyn FileSystem,
    dir: &Path,
    names: &[String],
    expected: &Expected,
    tail: Tail,
    sink: &mut Sink<'_>,
) -> Result<(Replay, Vec<u64>)> {
    let Chain { mut links, leftovers } = chain(fs, dir, names, expected)?;
    let mut replay = Replay::default();
    let last = links.pop();
    let open = |link: &Link| Input::open(fs, dir, link.header.segment, expected.database_id);
    for link in links {
        replay_sealed(&mut open(&link)?, &link, &mut replay, sink)?;
    }
    match last {
        Some(link) => {
            let cut = replay_last(open(&link)?, &link, expected, &mut replay, sink)?;
            if tail == Tail::Settle {
                settle(fs, &cut)?;
            }
        }
        None if expected.is_closed => {
            return Err(Error::corruption(dir, 0, "the database was closed, but has no log"));
        }
        None => {}
    }
    Ok((replay, leftovers))
}

struct Chain {
    links: Vec<Link>,
    /// Segments without a header, or without a frame, that no later one names.
    leftovers: Vec<u64>,
}

/// A segment whose file is opened again to be read: there may be more of them than files may be open.
struct Link {
    header: SegmentHeader,
}

/// The segments needed, each of which names the one before it.
fn chain(fs: &dyn FileSystem, dir: &Path, names: &[String], expected: &Expected) -> Result<Chain> {
    let oldest = expected.oldest_segment;
    let mut chain = Chain { links: Vec::new(), leftovers: Vec::new() };
    for id in segment_ids(names, oldest) {
        let mut input = Input::open(fs, dir, id, expected.database_id)?;
        let Some(header) = input.header()? else {
            refuse_if_needed(&mut input, oldest)?;
            chain.leftovers.push(id);
            continue;
        };
        drop_attempts(&mut chain, header.previous, |segment| {
            Input::open(fs, dir, segment, expected.database_id)
        })?;
        // Where the oldest segment needed is known, what was before it is no matter.
        let before = chain
            .links
            .last()
            .map_or(if oldest > 0 { header.previous } else { 0 }, |link| link.header.segment);
        if header.previous != before {
            let message = format!("the segment follows segment {}, which is missing", header.previous);
            return Err(Error::corruption(&input.path, 40, message));
        }
        chain.links.push(Link { header });
    }
    let first = chain.links.first().map(|link| link.header.segment);
    if oldest > 0 && first != Some(oldest) {
        let path = dir.join(log_name(oldest));
        return Err(Error::corruption(&path, 0, "the oldest log segment needed is missing"));
    }
    Ok(chain)
}

/// Drops segments behind `previous` that nothing was written to: attempts to begin a segment that failed in
/// their last step, after which another number was taken.
fn drop_attempts(chain: &mut Chain, previous: u64, open: impl Fn(u64) -> Result<Input>) -> Result<()> {
    while let Some(link) = chain.links.last().filter(|link| link.header.segment > previous) {
        let segment = link.header.segment;
        if open(segment)?.find_frame(SEGMENT_HEADER_BYTES as u64, |_| true)?.is_some() {
            break;
        }
        chain.leftovers.push(segment);
        chain.links.pop();
    }
    Ok(())
}

fn segment_ids(names: &[String], oldest: u64) -> Vec<u64> {
    let mut ids: Vec<u64> = names
        .iter()
        .filter_map(|name| match parse_name(name) {
            Some(NumberedFile::Log(id)) if id >= oldest => Some(id),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    ids
}

/// A header is synced before anything follows it, and before the manifest names the segment: one that does
/// not validate is the remains of an interrupted creation only if neither happened.
fn refuse_if_needed(input: &mut Input, oldest: u64) -> Result<()> {
    if input.segment == oldest || input.find_frame(SEGMENT_HEADER_BYTES as u64, |_| true)?.is_some() {
        return Err(Error::corruption(&input.path, 0, "the header of a log segment is damaged"));
    }
    Ok(())
}

/// Replays a segment that another one follows: it was synced to its end before.
fn replay_sealed(input: &mut Input, link: &Link, replay: &mut Replay, sink: &mut Sink<'_>) -> Result<()> {
    let scan = scan(input, link, replay, sink)?;
    if scan.stop != scan.end || !input.is_zero_from(scan.stop)? {
        return Err(Error::corruption(
            &input.path,
            scan.stop,
            "damage in a log segment that another one follows",
        ));
    }
    Ok(())
}

/// Where the last segment is to be cut; not at all without a length.
struct Cut {
    path: PathBuf,
    length: Option<u64>,
    /// What may have to be written anew: see [`write_anew`].
    unproven: Range<u64>,
}

fn replay_last(
    mut input: Input,
    link: &Link,
    expected: &Expected,
    replay: &mut Replay,
    sink: &mut Sink<'_>,
) -> Result<Cut> {
    let scan = scan(&mut input, link, replay, sink)?;
    let is_tail_zero = input.is_zero_from(scan.stop)?;
    if !is_tail_zero {
        refuse_if_synced(&mut input, scan.stop)?;
    }
    refuse_if_short(&input, scan.end, expected.synced)?;
    let is_whole = is_tail_zero && scan.stop == scan.end && input.length >= scan.end;
    replay.cleanly_closed = scan.is_closed && is_whole;
    if expected.is_closed && !replay.cleanly_closed {
        let message = "the database was closed, but its log does not end with the mark of it";
        return Err(Error::corruption(&input.path, scan.end, message));
    }
    let known = if expected.synced.0 == input.segment { expected.synced.1 } else { 0 };
    let unproven = scan.synced.max(known).min(scan.end)..scan.end;
    Ok(Cut { path: input.path, length: (!is_whole).then_some(scan.end), unproven })
}

/// Where reading ended.
struct Scan {
    /// No frame validates here.
    stop: u64,
    /// Behind the last complete commit.
    end: u64,
    /// What was on stable storage when its last frame was written.
    synced: u64,
    is_closed: bool,
}

/// Delivers what is whole in a segment, and adds the segment to those replayed.
fn scan(input: &mut Input, Link { header }: &Link, replay: &mut Replay, sink: &mut Sink<'_>) -> Result<Scan> {
    begin(&input.path, header, replay)?;
    let start = SEGMENT_HEADER_BYTES as u64;
    let mut scan = Scan { stop: start, end: start, synced: start, is_closed: false };
    let mut commit = Vec::new();
    while let Some(frame) = input.frame(scan.stop)? {
        let at = scan.stop;
        scan.stop = frame.header.end(at);
        scan.synced = scan.synced.max(frame.header.synced);
        scan.is_closed = frame.header.kind == FrameKind::Close;
        match frame.header.kind {
            FrameKind::Part => {
                commit.push(frame);
                continue;
            }
            FrameKind::End => {
                commit.push(frame);
                deliver(input.segment, &input.path, commit.drain(..), replay, sink)?;
            }
            FrameKind::Close if commit.is_empty() => {}
            FrameKind::Close => {
                return Err(Error::corruption(&input.path, at, "closed in the middle of a commit"));
            }
        }
        scan.end = scan.stop;
    }
    replay.segments.push(Segment { id: header.segment, end: scan.end, last_sequence: replay.last_sequence });
    Ok(scan)
}

fn begin(path: &Path, header: &SegmentHeader, replay: &mut Replay) -> Result<()> {
    if header.last_sequence < replay.last_sequence {
        let message = format!(
            "the segment begins after sequence number {}, the one before it ends with {}",
            header.last_sequence, replay.last_sequence
        );
        return Err(Error::corruption(path, 32, message));
    }
    replay.last_sequence = header.last_sequence;
    Ok(())
}

/// Passes on the operations of one commit, whose numbers are above all before and without a gap.
fn deliver(
    segment: u64,
    path: &Path,
    frames: impl Iterator<Item = Frame>,
    replay: &mut Replay,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let mut is_first = true;
    for frame in frames {
        let first = frame.header.first;
        let last = replay.last_sequence;
        let follows = if is_first { first > last } else { last.checked_add(1) == Some(first) };
        if !follows {
            let message = format!("sequence number {first} does not follow {last}");
            return Err(Error::corruption(path, frame.offset, message));
        }
        is_first = false;
        let mut sequence = Some(first);
        for operation in operations(&frame.payload) {
            let operation =
                operation.map_err(|error| Error::corruption(path, frame.offset, error.message()))?;
            let number =
                sequence.ok_or_else(|| Error::corruption(path, frame.offset, "sequence numbers run over"))?;
            sink(segment, number, &frame.payload, operation)?;
            replay.last_sequence = number;
            replay.operations += 1;
            sequence = number.checked_add(1);
        }
    }
    replay.commits += 1;
    Ok(())
}

/// Refuses the segment if a frame behind `stop` proves that `stop` was on stable storage once.
fn refuse_if_synced(input: &mut Input, stop: u64) -> Result<()> {
    let proof = input.find_frame(stop + FRAME_ALIGNMENT, |header| header.synced > stop)?;
    match proof {
        None => Ok(()),
        Some(at) => {
            let message = format!(
                "damage in the log: it was on stable storage when the frame at byte {at} was written"
            );
            Err(Error::corruption(&input.path, stop, message))
        }
    }
}

/// Refuses a log that ends before a place up to which it was on stable storage: what is there has no end
/// of a crash.
fn refuse_if_short(input: &Input, end: u64, synced: (u64, u64)) -> Result<()> {
    if (input.segment, end) >= synced {
        return Ok(());
    }
    let (segment, offset) = synced;
    let message = format!(
        "the log ends here; the manifest says that it was on stable storage up to byte {offset} of segment {segment}"
    );
    Err(Error::corruption(&input.path, end, message))
}

/// Cuts the last segment, if it is to be, and makes all of it durable: after a crash of the process alone,
/// what was replayed may be in the operating system's memory only.
fn settle(fs: &dyn FileSystem, Cut { path, length, unproven }: &Cut) -> Result<()> {
    if let Some(length) = length {
        tracing::debug!(file = %path.display(), length, "cutting a torn tail");
        let cut = || fs.open_write(path)?.set_len(*length);
        cut().map_err(|error| Error::io(path, "cutting the tail of the log", error))?;
    }
    write_anew(fs, path, unproven.clone()).map_err(|error| Error::io(path, "syncing the log", error))
}

/// Writes a range of a log over itself, and syncs the log. When a sync fails, the system may take for written
/// what never reached the disk: it is read from memory as if it were there, and no later sync writes it.
pub(crate) fn write_anew(fs: &dyn FileSystem, path: &Path, range: Range<u64>) -> io::Result<()> {
    let file = fs.open_write(path)?;
    match copy_bytes(&*fs.open_read(path)?, &*file, range) {
        // A full disk that puts what is written over something elsewhere. What is there is to be read all the
        // same, and is what it was.
        Err(error) if is_for_lack_of_space(&error) => {}
        result => result?,
    }
    file.sync()
}

fn remove(fs: &dyn FileSystem, dir: &Path, leftovers: &[u64]) -> Result<()> {
    for id in leftovers {
        let path = dir.join(log_name(*id));
        fs.remove(&path).map_err(|error| Error::io(&path, "removing an unfinished log segment", error))?;
    }
    if leftovers.is_empty() {
        return Ok(());
    }
    fs.sync_dir(dir).map_err(|error| Error::io(dir, "syncing the directory", error))
}
