//! The file that names the live files: a header, and edits behind it.

use super::edit::Edit;
use super::file_name::{MANIFEST, MANIFEST_NEW};
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    COMPRESSION_NONE, ENCRYPTION_NONE, FORMAT_VERSION, Reader, SearchBudget, check_version, checksum,
    checksum_parts,
};
use crate::fs::{Directory, FileSystem, WritableFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"FLOWDBMF";
const HEADER_BYTES: usize = 32;
const EDIT_HEADER_BYTES: usize = 16;
/// What systems write at a time, at least.
const PAGE_BYTES: u64 = 4096;
/// More than the first edit of an open database takes.
const OPENING_EDIT_BYTES: u64 = 256;

/// The open manifest. One writer at a time.
#[derive(Debug)]
pub(crate) struct Manifest {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    /// Held open, so that nothing is to be opened between a step that cannot be taken back and its sync.
    directory: Arc<dyn Directory>,
    database_id: u64,
    output: Output,
    bytes: u64,
    /// An append failed: what the file holds behind `bytes` is not known.
    is_broken: bool,
    /// Length after the last rewrite.
    rewritten_bytes: u64,
}

/// What edits are written to.
#[derive(Debug)]
enum Output {
    /// Nothing is to be written.
    ReadOnly,
    /// The file was read, and is not known to be durable.
    Unbegun,
    File(Arc<dyn WritableFile>),
}

/// What the file says.
#[derive(Debug)]
pub(crate) struct ManifestReading {
    pub(crate) state: State,
    /// Where the last whole edit ends.
    pub(crate) end: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
}

impl ManifestReading {
    /// True if nothing has to be put in order before the database is read.
    fn is_at_rest(&self) -> bool {
        self.state.clean && self.end == self.bytes
    }
}

impl Manifest {
    /// Writes the first manifest of a database. The files that `state` names must be durable.
    pub(crate) fn create(fs: Arc<dyn FileSystem>, dir: &Path, state: &State) -> Result<Manifest> {
        let directory = open_directory(&*fs, dir)?;
        let (file, bytes) = write_new(&*fs, dir, state)?;
        replace(&*fs, dir, &*directory)?;
        Ok(Self::new(fs, dir, directory, state.database_id, Output::File(file), bytes))
    }

    fn of_reading(
        fs: Arc<dyn FileSystem>,
        dir: &Path,
        reading: &ManifestReading,
        output: Output,
    ) -> Result<Manifest> {
        let directory = open_directory(&*fs, dir)?;
        Ok(Self::new(fs, dir, directory, reading.state.database_id, output, reading.end))
    }

    fn new(
        fs: Arc<dyn FileSystem>,
        dir: &Path,
        directory: Arc<dyn Directory>,
        database_id: u64,
        output: Output,
        bytes: u64,
    ) -> Manifest {
        let (dir, is_broken) = (dir.to_path_buf(), false);
        Manifest { fs, dir, directory, database_id, output, bytes, is_broken, rewritten_bytes: bytes }
    }

    /// What the manifest in `dir` says; `None` if there is none. Changes nothing.
    pub(crate) fn read(fs: &dyn FileSystem, dir: &Path) -> Result<Option<ManifestReading>> {
        let path = dir.join(MANIFEST);
        let Some(bytes) = read_whole(fs, &path)? else {
            return Ok(None);
        };
        let (state, end) = parse(&path, &bytes)?;
        Ok(Some(ManifestReading { state, end: end as u64, bytes: bytes.len() as u64 }))
    }

    /// Reads the manifest in `dir`, which is to stay as it is: appending fails with `ReadOnly`.
    pub(crate) fn open_read_only(fs: Arc<dyn FileSystem>, dir: &Path) -> Result<Option<(Manifest, State)>> {
        let Some(reading) = Self::read(&*fs, dir)? else {
            return Ok(None);
        };
        let manifest = Self::of_reading(fs, dir, &reading, Output::ReadOnly)?;
        Ok(Some((manifest, reading.state)))
    }

    /// Reads the manifest in `dir`; `None` if there is none. After a clean close it stays as it is until
    /// [`Manifest::begin`]; else it is rewritten.
    ///
    /// The rewritten one says what the old one said, `clean` included: that the database is open again is to
    /// be appended once the log was replayed, or a log that contradicts a clean close would be refused only
    /// once. Without space for it the old one goes on, and where there is none to write that over itself
    /// either, it stays as it is until [`Manifest::begin`] finds some.
    pub(crate) fn open(fs: Arc<dyn FileSystem>, dir: &Path) -> Result<Option<(Manifest, State)>> {
        remove_leftover(&*fs, &dir.join(MANIFEST_NEW))?;
        let Some(reading) = Self::read(&*fs, dir)? else {
            return Ok(None);
        };
        let mut manifest = Self::of_reading(fs, dir, &reading, Output::Unbegun)?;
        if !reading.is_at_rest() {
            match manifest.renew(&reading.state) {
                Err(error) if error.kind() == ErrorKind::NoSpace && !manifest.is_broken => {}
                result => result?,
            }
        }
        Ok(Some((manifest, reading.state)))
    }

    /// Makes what was read fit to be built upon, before the first edit: whoever closed the database may have
    /// left its last edit in the operating system's memory only. `state` is what it says. Does nothing in a
    /// manifest that has begun.
    ///
    /// Fails without having changed what the manifest says. If the manifest [is broken](Manifest::is_broken)
    /// then, trying again is of no use.
    pub(crate) fn begin(&mut self, state: &State) -> Result<()> {
        self.check()?;
        match self.output {
            Output::Unbegun if self.is_within_a_page() => self.keep(),
            Output::Unbegun => self.renew(state),
            Output::ReadOnly | Output::File(_) => Ok(()),
        }
    }

    /// True if the next edit has all of the file written again, even if a sync of it failed that nobody
    /// was told of.
    fn is_within_a_page(&self) -> bool {
        self.bytes + OPENING_EDIT_BYTES <= PAGE_BYTES
    }

    /// Replaces what was read by one edit. Without space for that the old file goes on.
    fn renew(&mut self, state: &State) -> Result<()> {
        match self.rewrite(state) {
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                tracing::warn!(%error, "the manifest could not be rewritten");
                self.keep()
            }
            result => result,
        }
    }

    /// Goes on with the manifest there is. Which one that is after a failed attempt to replace it, its
    /// contents tell. Its name may not be durable: the attempt, or a process that was killed, may have come
    /// as far as the renaming. Nor may its edits: after a sync that failed, the system may hold them in
    /// memory only, as if they had been written, so that they are written over themselves.
    fn keep(&mut self) -> Result<()> {
        let path = self.dir.join(MANIFEST);
        let Some(bytes) = read_whole(&*self.fs, &path)? else {
            return Err(Error::corruption(&path, 0, "the manifest is gone"));
        };
        let (_, length) = parse(&path, &bytes)?;
        let failed = |error| Error::io(&path, "opening the manifest", error).while_open();
        let file = self.fs.open_write(&path).map_err(failed)?;
        file.write_at(0, &bytes[..length]).map_err(failed)?;
        let end = length as u64;
        // From here on a failure may be one of a sync, after which nobody knows what another one is worth.
        self.is_broken = true;
        let settle = || {
            if length < bytes.len() {
                file.set_len(end)?;
            }
            file.sync()?;
            self.directory.sync()
        };
        settle().map_err(failed)?;
        self.is_broken = false;
        (self.output, self.bytes, self.rewritten_bytes) = (Output::File(file), end, end);
        Ok(())
    }

    /// The directory, held open.
    pub(crate) fn directory(&self) -> Arc<dyn Directory> {
        Arc::clone(&self.directory)
    }

    /// True if no crash brings back what was there before it.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.output, Output::File(_)) && !self.is_broken
    }

    /// Length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Length of the file after it was last rewritten.
    pub(crate) fn bytes_when_rewritten(&self) -> u64 {
        self.rewritten_bytes
    }

    /// True if it is not known what the file holds behind the last edit that counts.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Makes `edit` durable. An edit that could not be written is taken back, durably, and can be tried
    /// again. If that fails too, or the sync does, it is not known whether the edit counts: the
    /// manifest [is broken](Manifest::is_broken), and further appends are refused (kind `Poisoned`),
    /// until a [`Manifest::rewrite`] succeeds.
    pub(crate) fn append(&mut self, edit: &Edit) -> Result<()> {
        self.check()?;
        let Output::File(file) = &self.output else {
            return Err(Error::read_only());
        };
        let encoded = encode_edit(edit, self.bytes, self.database_id)?;
        let path = self.dir.join(MANIFEST);
        self.is_broken = true;
        if let Err(error) = file.write_at(self.bytes, &encoded) {
            let cut = file.set_len(self.bytes).and_then(|()| file.sync());
            self.is_broken = cut.is_err();
            return Err(Error::io(&path, "writing an edit", error));
        }
        file.sync().map_err(|error| Error::io(&path, "syncing an edit", error))?;
        self.is_broken = false;
        self.bytes += encoded.len() as u64;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.is_broken {
            return Err(Error::new(ErrorKind::Poisoned, "an earlier write of the manifest failed"));
        }
        Ok(())
    }

    /// Replaces the manifest by one that holds `state` in a single edit. If the new one cannot be written,
    /// the old one goes on as before; if it cannot be put in the place of the old one, either may count, and
    /// the manifest is broken until a rewrite succeeds.
    pub(crate) fn rewrite(&mut self, state: &State) -> Result<()> {
        let (file, bytes) = write_new(&*self.fs, &self.dir, state)?;
        self.is_broken = true;
        replace(&*self.fs, &self.dir, &*self.directory)?;
        self.is_broken = false;
        (self.output, self.bytes) = (Output::File(file), bytes);
        self.rewritten_bytes = bytes;
        Ok(())
    }
}

/// Writes `state` to `MANIFEST.new` and makes it durable.
fn write_new(fs: &dyn FileSystem, dir: &Path, state: &State) -> Result<(Arc<dyn WritableFile>, u64)> {
    let mut bytes = encode_header(state.database_id);
    let edit = encode_edit(&state.snapshot_edit(), bytes.len() as u64, state.database_id)?;
    bytes.extend_from_slice(&edit);
    let path = dir.join(MANIFEST_NEW);
    let write = || -> io::Result<_> {
        let file = fs.create(&path)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        Ok(file)
    };
    let file = write().map_err(|error| {
        // On a full disk it would be in the way. If it stays, the next open removes it.
        let _ = fs.remove(&path);
        Error::io(&path, "rewriting the manifest", error).while_open()
    })?;
    Ok((file, bytes.len() as u64))
}

/// Puts `MANIFEST.new` in the place of `MANIFEST`.
fn replace(fs: &dyn FileSystem, dir: &Path, directory: &dyn Directory) -> Result<()> {
    let path = dir.join(MANIFEST_NEW);
    let replace = fs.rename(&path, &dir.join(MANIFEST)).and_then(|()| directory.sync());
    replace.map_err(|error| Error::io(&path, "replacing the manifest", error).while_open())
}

fn open_directory(fs: &dyn FileSystem, dir: &Path) -> Result<Arc<dyn Directory>> {
    fs.open_dir(dir).map_err(|error| Error::io(dir, "opening the directory", error))
}

fn remove_leftover(fs: &dyn FileSystem, path: &Path) -> Result<()> {
    let result = fs.exists(path).and_then(|exists| if exists { fs.remove(path) } else { Ok(()) });
    result.map_err(|error| Error::io(path, "removing an unfinished manifest", error))
}

fn read_whole(fs: &dyn FileSystem, path: &Path) -> Result<Option<Vec<u8>>> {
    let read = || -> io::Result<Vec<u8>> {
        let file = fs.open_read(path)?;
        let length = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "reading the manifest", error)),
    }
}

pub(super) fn encode_header(database_id: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    header.extend_from_slice(&[COMPRESSION_NONE, ENCRYPTION_NONE]);
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&database_id.to_le_bytes());
    header.extend_from_slice(&checksum(0, &header).to_le_bytes());
    header
}

/// The database id of a manifest's header.
fn decode_header(path: &Path, bytes: &[u8]) -> Result<u64> {
    let damaged = || Error::corruption(path, 0, "the header of the manifest is damaged");
    let header = bytes.get(..HEADER_BYTES).ok_or_else(damaged)?;
    let mut reader = Reader::new(header);
    let magic = reader.take(MAGIC.len()).ok_or_else(damaged)?;
    let version = reader.u16().ok_or_else(damaged)?;
    let (compression, encryption) = (reader.u8().ok_or_else(damaged)?, reader.u8().ok_or_else(damaged)?);
    let zero = reader.u32().ok_or_else(damaged)?;
    let (database_id, stored) = (reader.u64().ok_or_else(damaged)?, reader.u64().ok_or_else(damaged)?);
    if magic != MAGIC {
        return Err(damaged());
    }
    // Before the checksum: a newer version may keep it elsewhere.
    check_version(path, version, compression, encryption)?;
    if zero != 0 || stored != checksum(0, &header[..HEADER_BYTES - 8]) {
        return Err(damaged());
    }
    Ok(database_id)
}

fn encode_edit(edit: &Edit, offset: u64, database_id: u64) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    edit.encode(&mut body);
    frame_edit(body, offset, database_id)
}

/// The edit with this body, as it stands at `offset`.
pub(super) fn frame_edit(body: Vec<u8>, offset: u64, database_id: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; EDIT_HEADER_BYTES];
    bytes.extend_from_slice(&body);
    let body_length = u32::try_from(body.len())
        .map_err(|_| Error::new(ErrorKind::TooLarge, "an edit of the manifest is longer than 4 GiB"))?;
    bytes[..4].copy_from_slice(&body_length.to_le_bytes());
    let sum = checksum_parts(offset ^ database_id, &[&bytes[..4], &bytes[EDIT_HEADER_BYTES..]]);
    bytes[8..16].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// What may be an edit.
struct FramedEdit<'a> {
    checksum: u64,
    length: &'a [u8],
    body: &'a [u8],
}

impl<'a> FramedEdit<'a> {
    fn at(bytes: &'a [u8], offset: usize) -> Option<Self> {
        let mut reader = Reader::new(bytes.get(offset..)?);
        let length = reader.take(4)?;
        let (zero, checksum) = (reader.u32()?, reader.u64()?);
        let body = reader.take(usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?)?;
        (zero == 0).then_some(FramedEdit { checksum, length, body })
    }

    fn is_valid(&self, offset: usize, database_id: u64) -> bool {
        self.checksum == checksum_parts(offset as u64 ^ database_id, &[self.length, self.body])
    }
}

/// The body of the edit at `offset`; `None` if none validates there.
fn edit_body(bytes: &[u8], offset: usize, database_id: u64) -> Option<&[u8]> {
    let edit = FramedEdit::at(bytes, offset)?;
    edit.is_valid(offset, database_id).then_some(edit.body)
}

/// Where the first edit at or behind `from` begins. Fails with `Corruption` if that cannot be
/// told within bounds.
fn find_edit(path: &Path, bytes: &[u8], from: usize, database_id: u64) -> Result<Option<usize>> {
    let mut budget = SearchBudget::new(bytes.len().saturating_sub(from) as u64);
    for at in from..bytes.len() {
        let Some(edit) = FramedEdit::at(bytes, at) else { continue };
        budget.spend(path, at as u64, edit.body.len() as u64)?;
        if edit.is_valid(at, database_id) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// What the whole edits add up to, and where the last of them ends.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<(State, usize)> {
    let mut state = State::new(decode_header(path, bytes)?);
    let mut offset = HEADER_BYTES;
    while let Some(body) = edit_body(bytes, offset, state.database_id) {
        let at = offset as u64;
        let edit =
            Edit::decode(body).ok_or_else(|| Error::corruption(path, at, "an edit has unknown fields"))?;
        state.apply(&edit).map_err(|error| Error::corruption(path, at, error.message()))?;
        offset += EDIT_HEADER_BYTES + body.len();
    }
    if offset == HEADER_BYTES {
        // The first edit is written and synced before the file gets its name.
        return Err(Error::corruption(path, offset as u64, "the first edit of the manifest is damaged"));
    }
    // Each edit is synced before the next is written: only the last can be torn.
    if let Some(next) = find_edit(path, bytes, offset + 1, state.database_id)? {
        let message = format!("an edit is damaged, and another follows at byte {next}");
        return Err(Error::corruption(path, offset as u64, message));
    }
    Ok((state, offset))
}

#[cfg(test)]
mod tests {
    use super::super::edit::tests::table;
    use super::*;
    use crate::fs::{CrashOptions, Fault, FaultyFileSystem, MemoryFileSystem, Names, Unsynced};
    use crate::key::TreeId;

    const DIR: &str = "/db";

    fn crashable() -> MemoryFileSystem {
        let fs = MemoryFileSystem::crashable();
        fs.create_dir_all(Path::new(DIR)).unwrap();
        fs
    }

    fn first_state() -> State {
        let mut state = State::new(0x1234_5678_9abc_def0);
        state.apply(&Edit::new().tree(TreeId(1), "kv").oldest_log(1)).unwrap();
        state
    }

    fn edits() -> Vec<Edit> {
        vec![
            Edit::new().add_table(table(1, 2)).flushed(TreeId(1), 29),
            Edit::new().add_table(table(1, 3)).remove_table(TreeId(1), 2).oldest_log(4),
            Edit::new().clean_close(true),
        ]
    }

    fn open(fs: &MemoryFileSystem) -> Result<Option<(Manifest, State)>> {
        Manifest::open(Arc::new(fs.clone()), Path::new(DIR))
    }

    /// One that edits may be appended to.
    fn begin(fs: Arc<dyn FileSystem>) -> Result<(Manifest, State)> {
        let (mut manifest, state) = Manifest::open(fs, Path::new(DIR))?.unwrap();
        manifest.begin(&state)?;
        Ok((manifest, state))
    }

    /// A manifest of a state and the edits, its bytes, and the state after each edit with the offset
    /// where it ends.
    fn sample() -> (Vec<u8>, Vec<(usize, State)>) {
        let fs = crashable();
        let mut state = first_state();
        let mut manifest = Manifest::create(Arc::new(fs.clone()), Path::new(DIR), &state).unwrap();
        let end = |manifest: &Manifest| usize::try_from(manifest.bytes()).unwrap();
        let mut states = vec![(end(&manifest), state.clone())];
        for edit in edits() {
            manifest.append(&edit).unwrap();
            state.apply(&edit).unwrap();
            states.push((end(&manifest), state.clone()));
        }
        let bytes = read_whole(&fs, &Path::new(DIR).join(MANIFEST)).unwrap().unwrap();
        assert_eq!(bytes.len(), end(&manifest));
        (bytes, states)
    }

    fn with_manifest(bytes: &[u8]) -> MemoryFileSystem {
        let fs = crashable();
        fs.create(&Path::new(DIR).join(MANIFEST)).unwrap().write_at(0, bytes).unwrap();
        fs
    }

    #[test]
    fn edits_come_back_and_the_file_is_rewritten() {
        let (mut bytes, states) = sample();
        let id = states[0].1.database_id;
        // As many as do not fit into a page.
        while bytes.len() as u64 + OPENING_EDIT_BYTES <= PAGE_BYTES {
            for clean in [false, true] {
                let edit = Edit::new().clean_close(clean);
                bytes.extend_from_slice(&encode_edit(&edit, bytes.len() as u64, id).unwrap());
            }
        }
        let fs = with_manifest(&bytes);
        fs.create(&Path::new(DIR).join(MANIFEST_NEW)).unwrap();
        let (mut manifest, state) = open(&fs).unwrap().unwrap();
        assert_eq!(manifest.bytes(), bytes.len() as u64, "it is only read");
        assert_eq!(manifest.append(&Edit::new().clean_close(false)).unwrap_err().kind(), ErrorKind::ReadOnly);
        manifest.begin(&state).unwrap();
        assert!(state.clean && manifest.bytes() < bytes.len() as u64);
        assert_eq!(state, states.last().unwrap().1);
        assert_eq!(fs.list(Path::new(DIR)).unwrap(), [MANIFEST]);
        let (mut manifest, again) = begin(Arc::new(fs.crash(&CrashOptions::default()))).unwrap();
        assert_eq!(again, state);
        manifest.append(&Edit::new().clean_close(false)).unwrap();
    }

    #[test]
    fn a_small_manifest_is_kept_after_a_clean_close_only() {
        let (bytes, states) = sample();
        let path = Path::new(DIR).join(MANIFEST);
        for (end, state) in &states[1..] {
            for torn in [0, 1, 20] {
                let mut file = bytes[..*end].to_vec();
                file.resize(end + torn, 7);
                let fs = with_manifest(&file);
                assert_eq!(begin(Arc::new(fs.clone())).unwrap().1, *state);
                let is_kept = read_whole(&fs, &path).unwrap().unwrap() == file;
                assert_eq!(is_kept, state.clean && torn == 0, "{torn} bytes behind byte {end}");
            }
        }
    }

    #[test]
    fn a_crash_while_a_kept_manifest_is_opened_leaves_the_close_or_the_opening() {
        let (bytes, states) = sample();
        let closed = &states.last().unwrap().1;
        let mut opened = closed.clone();
        opened.apply(&Edit::new().clean_close(false)).unwrap();
        let mut acknowledged = 0;
        for (call, seed) in (1..=14).flat_map(|call| (0..20).map(move |seed| (call, seed))) {
            let memory = crashable();
            // As the close left it: durable, or but for its last edit.
            let path = Path::new(DIR).join(MANIFEST);
            let file = memory.create(&path).unwrap();
            let last_edit = states[states.len() - 2].0;
            file.write_at(0, &bytes[..last_edit]).unwrap();
            file.sync().unwrap();
            file.write_at(last_edit as u64, &bytes[last_edit..]).unwrap();
            let was_killed = seed % 3 == 0;
            if !was_killed {
                file.sync().unwrap();
            }
            memory.sync_dir(Path::new(DIR)).unwrap();
            let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
            fs.fail_from(call, Fault::Eio);
            let result = begin(Arc::new(fs))
                .and_then(|(mut manifest, _)| manifest.append(&Edit::new().clean_close(false)));
            let unsynced = if seed % 2 == 0 { Unsynced::RandomPrefix } else { Unsynced::RandomSectors };
            let crashed = memory.crash(&CrashOptions { seed, unsynced, names: Names::Random });
            let state = open(&crashed).unwrap().unwrap().1;
            let is_before = state == *closed || was_killed && state == states[states.len() - 2].1;
            assert!(state == opened || (result.is_err() && is_before), "call {call}, seed {seed}");
            acknowledged += u32::from(result.is_ok());
        }
        assert!(acknowledged > 0, "the last of the calls is behind all that is done");
    }

    #[test]
    fn without_a_manifest_there_is_none() {
        assert!(open(&crashable()).unwrap().is_none());
        assert!(open(&MemoryFileSystem::new()).unwrap().is_none());
    }

    #[test]
    fn every_truncation_is_an_earlier_state_or_corruption() {
        let (bytes, states) = sample();
        for length in 0..bytes.len() {
            let result = parse(Path::new(MANIFEST), &bytes[..length]);
            match states.iter().rev().find(|(end, _)| *end <= length) {
                Some((_, state)) => assert_eq!(result.unwrap().0, *state, "cut at {length}"),
                None => assert_eq!(result.unwrap_err().kind(), ErrorKind::Corruption, "cut at {length}"),
            }
        }
    }

    #[test]
    fn every_flipped_byte_is_found_before_the_last_edit() {
        let (bytes, states) = sample();
        let last_edit = states[states.len() - 2].0;
        for position in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                let result = parse(Path::new(MANIFEST), &damaged);
                if position < last_edit {
                    let kind = result.unwrap_err().kind();
                    let is_version = (8..12).contains(&position) && kind == ErrorKind::Unsupported;
                    assert!(kind == ErrorKind::Corruption || is_version, "byte {position}: {kind:?}");
                } else {
                    assert_eq!(result.unwrap().0, states[states.len() - 2].1, "byte {position}");
                }
            }
        }
    }

    /// Each place of what is torn looks like the beginning of an edit that has the rest.
    #[test]
    fn a_torn_edit_that_looks_like_many_long_ones_is_refused_within_bounds() {
        let (mut bytes, _) = sample();
        let torn = 512 << 10;
        for at in (0..torn).step_by(8) {
            let length = u32::try_from(torn - at).unwrap().saturating_sub(64);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        let error = parse(Path::new(MANIFEST), &bytes).unwrap_err();
        assert!(error.message().contains("cannot be told"), "{error}");
    }

    #[test]
    fn a_newer_version_is_refused_untouched() {
        let (mut bytes, _) = sample();
        bytes[8] = 2;
        let fs = with_manifest(&bytes);
        assert_eq!(open(&fs).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(read_whole(&fs, &Path::new(DIR).join(MANIFEST)).unwrap().unwrap(), bytes);
    }

    #[test]
    fn a_valid_edit_that_contradicts_is_corruption() {
        let (mut bytes, states) = sample();
        let edit = encode_edit(&edits()[1], bytes.len() as u64, states[0].1.database_id).unwrap();
        bytes.extend_from_slice(&edit);
        assert_eq!(parse(Path::new(MANIFEST), &bytes).unwrap_err().kind(), ErrorKind::Corruption);
    }

    #[test]
    fn an_edit_that_was_not_written_can_be_tried_again_and_else_only_a_rewrite_helps() {
        for call in 1..=2 {
            let memory = crashable();
            let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
            let mut state = first_state();
            let mut manifest = Manifest::create(Arc::new(fs.clone()), Path::new(DIR), &state).unwrap();
            fs.fail_at(call, Fault::ShortWrite);
            assert_eq!(manifest.append(&edits()[0]).unwrap_err().kind(), ErrorKind::NoSpace);
            if call > 1 {
                assert_eq!(manifest.append(&edits()[0]).unwrap_err().kind(), ErrorKind::Poisoned);
                manifest.rewrite(&state).unwrap();
            }
            manifest.append(&edits()[0]).unwrap();
            state.apply(&edits()[0]).unwrap();
            assert_eq!(open(&memory.crash(&CrashOptions::default())).unwrap().unwrap().1, state);
        }
    }

    /// Whatever step of replacing it failed, or was the last of a killed process, what is appended then is
    /// not lost with its name.
    #[test]
    fn an_edit_of_a_manifest_that_was_kept_survives_a_crash() {
        let (mut bytes, _) = sample();
        // So that it is replaced, and the new one may be kept.
        bytes.extend_from_slice(&[7; 9]);
        for (call, fault) in (1..=12).flat_map(|call| [(call, Fault::Enospc), (call, Fault::Eio)]) {
            let memory = with_manifest(&bytes);
            let path = Path::new(DIR).join(MANIFEST);
            memory.open_write(&path).unwrap().sync().unwrap();
            memory.sync_dir(Path::new(DIR)).unwrap();
            let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
            fs.fail_at(call, fault);
            let opened = Manifest::open(Arc::new(fs.clone()), Path::new(DIR));
            let found = opened.or_else(|_| Manifest::open(Arc::new(fs.clone()), Path::new(DIR)));
            let appended = found.and_then(|found| found.unwrap().0.append(&Edit::new().clean_close(false)));
            for names in [Names::Drop, Names::Keep] {
                let crashed = memory.crash(&CrashOptions { names, ..CrashOptions::default() });
                let state = open(&crashed).unwrap().unwrap().1;
                assert!(appended.is_err() || !state.clean, "call {call}, {fault:?}, {names:?}");
            }
        }
    }

    #[test]
    fn a_crash_at_any_call_leaves_the_state_before_or_after() {
        let (after_create, after_append) = {
            let mut appended = first_state();
            appended.apply(&edits()[0]).unwrap();
            (first_state(), appended)
        };
        for call in 1..=14 {
            for seed in 0..20 {
                let memory = crashable();
                let fs = FaultyFileSystem::new(Arc::new(memory.clone()));
                let mut manifest =
                    Manifest::create(Arc::new(fs.clone()), Path::new(DIR), &after_create).unwrap();
                fs.fail_from(call, Fault::Eio);
                let appended = manifest.append(&edits()[0]).is_ok();
                let rewritten = appended && manifest.rewrite(&after_append).is_ok();
                let unsynced = if seed % 2 == 0 { Unsynced::RandomPrefix } else { Unsynced::RandomSectors };
                let crashed = memory.crash(&CrashOptions { seed, unsynced, names: Names::Random });
                let state = open(&crashed).unwrap().unwrap().1;
                assert!(
                    state == after_append || (!appended && state == after_create),
                    "call {call}, seed {seed}"
                );
                assert_eq!(rewritten, call > 7);
            }
        }
    }
}
