//! Value files by themselves: round trips, every truncation, every flipped byte, bytes of other files; and
//! the example of the format page.

use super::record::{HEADER_BYTES, RECORD_HEADER_BYTES};
use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::file_context::FileContext;
use crate::fs::{FileSystem, MemoryFileSystem, Random};
use crate::key::TreeId;
use crate::options::{Compression, Options, ReadTier, TreeOptions};
use crate::resources::{ResourceLimits, Resources};
use crate::tree::Garbage;
use crate::version::{Edit, ValueFileMeta, value_file_name};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DATABASE: u64 = 0x1122_3344_5566_7788;
const TREE: TreeId = TreeId(1);

/// A directory in memory, and what value files share.
#[derive(Debug)]
struct Place {
    fs: Arc<dyn FileSystem>,
    resources: Arc<Resources>,
    garbage: Arc<Garbage>,
}

impl Place {
    fn new() -> Self {
        let limits = ResourceLimits { block_cache_bytes: 1 << 20, ..ResourceLimits::default() };
        let (fs, resources) = (Arc::new(MemoryFileSystem::new()), Resources::new(limits).unwrap());
        Place { fs, resources, garbage: Arc::default() }
    }

    fn writer(&self, id: u64, compression: Compression) -> ValueFileWriter {
        let path = PathBuf::from(value_file_name(id));
        let file = self.fs.create(&path).unwrap();
        ValueFileWriter::new(file, path, id, DATABASE, TREE, compression)
    }

    fn open(&self, id: u64, file_bytes: u64) -> Result<Arc<ValueFile>> {
        self.open_as(id, file_bytes, TREE, DATABASE)
    }

    fn open_as(&self, id: u64, file_bytes: u64, tree: TreeId, database_id: u64) -> Result<Arc<ValueFile>> {
        let dir = Path::new("");
        let Place { fs, resources, garbage } = self;
        let context = FileContext { fs, dir, database_id, resources, garbage };
        ValueFile::open(context, ValueFileMeta { id, tree, file_bytes })
    }

    fn bytes(&self, id: u64) -> Vec<u8> {
        let file = self.fs.open_read(Path::new(&value_file_name(id))).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        bytes
    }

    fn put(&self, id: u64, bytes: &[u8]) {
        self.fs.create(Path::new(&value_file_name(id))).unwrap().write_at(0, bytes).unwrap();
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::new(length as u64);
    (0..length).map(|_| random.next().to_le_bytes()[0]).collect()
}

/// Values that do and do not get compressed, are empty, and are larger than the writer's buffer.
fn samples() -> Vec<(Vec<u8>, Vec<u8>)> {
    let values = [vec![7; 5_000], noise(3_000), Vec::new(), noise(600_000), vec![1; 700_000], noise(10)];
    let keyed = |(index, value)| (vec![b'k'; index], value);
    values.into_iter().enumerate().map(keyed).collect()
}

fn write(writer: &mut ValueFileWriter, pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<ValuePointer> {
    pairs.iter().zip(1..).map(|((key, value), sequence)| writer.add(key, sequence, value).unwrap()).collect()
}

fn read(file: &ValueFile, pointer: &ValuePointer) -> Result<Bytes> {
    file.read(pointer, ReadTier::Disk, false)
}

#[test]
fn values_are_read_as_they_were_written() {
    for compression in [Compression::None, Compression::Lz4] {
        let place = Place::new();
        let mut writer = place.writer(3, compression);
        let pointers = write(&mut writer, &samples());
        let about = writer.file_bytes();
        let length = writer.finish().unwrap();
        assert_eq!((about, length), (length, place.bytes(3).len() as u64));
        let file = place.open(3, length).unwrap();
        let mut records = 0;
        for ((key, value), pointer) in samples().iter().zip(&pointers) {
            assert_eq!(read(&file, pointer).unwrap(), value[..]);
            assert_eq!(ValuePointer::decode(&pointer.encode()), Some(*pointer));
            let is_smaller = pointer.stored_bytes < pointer.raw_bytes;
            assert_eq!(
                is_smaller,
                compression == Compression::Lz4 && value.len() > 4_000 && value[1] == value[0]
            );
            records += pointer.record_bytes(key.len());
        }
        assert_eq!(records, file.record_bytes(), "records follow each other without a gap");
    }
}

#[test]
fn values_move_to_another_file_as_they_are_stored() {
    let place = Place::new();
    let mut writer = place.writer(3, Compression::Lz4);
    let pointers = write(&mut writer, &samples());
    let from = place.open(3, writer.finish().unwrap()).unwrap();
    let mut writer = place.writer(4, Compression::None);
    let pairs = samples();
    let moved: Vec<_> = pairs
        .iter()
        .zip(&pointers)
        .map(|((key, _), pointer)| {
            from.with_stored(pointer, |stored| writer.add_stored(key, 1, stored)).unwrap()
        })
        .collect();
    let to = place.open(4, writer.finish().unwrap()).unwrap();
    for (((_, value), before), after) in pairs.iter().zip(&pointers).zip(&moved) {
        assert_eq!(after.stored_bytes, before.stored_bytes);
        assert_eq!(read(&to, after).unwrap(), value[..]);
    }
    // Values of one file are not those of another, even at the same place.
    assert_eq!(read(&to, &pointers[0]).unwrap_err().kind(), ErrorKind::Corruption);
}

#[test]
fn the_memory_tier_answers_from_the_cache_only() {
    let place = Place::new();
    let mut writer = place.writer(3, Compression::None);
    let pointers = write(&mut writer, &[(vec![1], noise(5_000)), (vec![2], noise(200_000))]);
    let file = place.open(3, writer.finish().unwrap()).unwrap();
    let memory = |pointer| file.read(pointer, ReadTier::Memory, true).map_err(|error| error.kind());
    assert_eq!(memory(&pointers[0]), Err(ErrorKind::WouldBlock));
    read(&file, &pointers[0]).unwrap();
    assert_eq!(memory(&pointers[0]), Err(ErrorKind::WouldBlock), "the caller asked not to keep it");
    for pointer in &pointers {
        file.read(pointer, ReadTier::Disk, true).unwrap();
    }
    assert_eq!(memory(&pointers[0]).unwrap(), noise(5_000));
    assert_eq!(memory(&pointers[1]), Err(ErrorKind::WouldBlock), "too large to be kept");
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let place = Place::new();
    let mut writer = place.writer(3, Compression::Lz4);
    let pairs = [(b"one".to_vec(), vec![1; 300]), (b"two".to_vec(), noise(90))];
    let pointers = write(&mut writer, &pairs);
    let length = writer.finish().unwrap();
    let bytes = place.bytes(3);
    let read_all = || {
        let file = place.open(3, length)?;
        pointers.iter().map(|pointer| read(&file, pointer)).collect::<Result<Vec<_>>>()
    };
    let is_named = |error: &Error| error.to_string().contains(&value_file_name(3));
    let is_value = |offset: usize| {
        let offset = offset as u64;
        pointers.iter().any(|at| (at.offset..at.offset + u64::from(at.stored_bytes)).contains(&offset))
    };
    for offset in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut damaged = bytes.clone();
            damaged[offset] ^= bit;
            place.put(3, &damaged);
            match read_all() {
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported));
                    assert!(is_named(&error), "{error}");
                }
                // What precedes a value is for those who have lost the pointers.
                Ok(values) => {
                    assert!(offset >= HEADER_BYTES && !is_value(offset), "byte {offset} is not checked");
                    assert_eq!(values, [&pairs[0].1[..], &pairs[1].1[..]]);
                }
            }
        }
        place.put(3, &bytes[..offset]);
        let error = read_all().unwrap_err();
        assert!(error.kind() == ErrorKind::Corruption && is_named(&error), "cut at {offset}: {error}");
    }
}

#[test]
fn files_of_another_place_tree_or_database_are_refused() {
    let place = Place::new();
    let mut writer = place.writer(3, Compression::Lz4);
    write(&mut writer, &samples());
    let length = writer.finish().unwrap();
    place.put(4, &place.bytes(3));
    let refused =
        |result: Result<Arc<ValueFile>>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Corruption);
    refused(place.open(4, length));
    refused(place.open(3, length - 1));
    refused(place.open(5, length));
    refused(place.open_as(3, length, TreeId(2), DATABASE));
    refused(place.open_as(3, length, TREE, DATABASE + 1));
    let mut newer = place.bytes(3);
    newer[8] = 2;
    place.put(3, &newer);
    assert_eq!(place.open(3, length).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn hostile_pointers_are_refused_before_anything_is_allocated() {
    let place = Place::new();
    let mut writer = place.writer(3, Compression::Lz4);
    let pointer = write(&mut writer, &[(vec![1], vec![1; 5_000])])[0];
    let file = place.open(3, writer.finish().unwrap()).unwrap();
    for hostile in [
        ValuePointer { stored_bytes: u32::MAX, ..pointer },
        ValuePointer { offset: u64::MAX, ..pointer },
        ValuePointer { offset: 0, ..pointer },
        ValuePointer { raw_bytes: u32::MAX, ..pointer },
        ValuePointer { raw_bytes: pointer.raw_bytes + 1, ..pointer },
        ValuePointer { compression: 0, ..pointer },
        ValuePointer { compression: 2, ..pointer },
        ValuePointer { checksum: 0, ..pointer },
    ] {
        assert_eq!(read(&file, &hostile).unwrap_err().kind(), ErrorKind::Corruption, "{hostile:?}");
    }
    let encoded = pointer.encode();
    assert!((0..encoded.len()).all(|length| ValuePointer::decode(&encoded[..length]).is_none()));
    assert_eq!(ValuePointer::decode(&[&encoded[..], &[0]].concat()), None);
}

#[test]
fn an_obsolete_file_is_garbage_once_nobody_holds_it() {
    let place = Place::new();
    let mut writer = place.writer(3, Compression::None);
    let pointer = write(&mut writer, &[(vec![1], noise(100))])[0];
    let file = place.open(3, writer.finish().unwrap()).unwrap();
    let reader = Arc::clone(&file);
    file.mark_obsolete();
    drop(file);
    assert!(place.garbage.lock().is_empty());
    assert_eq!(read(&reader, &pointer).unwrap(), noise(100));
    drop(reader);
    assert_eq!(*place.garbage.lock(), [PathBuf::from(value_file_name(3))]);
}

#[test]
fn a_value_file_without_a_table_goes_at_the_next_open() {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let dir = Path::new("/database");
    let open = || {
        let options = Options::new(vec![TreeOptions::new(TREE, "only")]);
        crate::recovery::open(Arc::clone(&fs), dir, options).unwrap()
    };
    let inner = open();
    let path = dir.join(value_file_name(9));
    let file = fs.create(&path).unwrap();
    let mut writer = ValueFileWriter::new(file, path.clone(), 9, inner.database_id, TREE, Compression::None);
    write(&mut writer, &[(vec![1], noise(100))]);
    let file_bytes = writer.finish().unwrap();
    let meta = ValueFileMeta { id: 9, tree: TREE, file_bytes };
    inner.record(&Edit::new().add_value_file(meta)).unwrap();
    drop(inner);
    let inner = open();
    assert!(!fs.exists(&path).unwrap());
    assert!(inner.version.lock().state.value_files.is_empty());
    assert_eq!(inner.next_file_id(), 10, "its number is not used again");
}

/// The example of section 3.1 of the format page is what the writer writes.
#[test]
fn the_example_of_the_format_page_is_right() {
    let place = Place::new();
    let mut writer = place.writer(7, Compression::Lz4);
    let pointer = write(&mut writer, &[(b"photo".to_vec(), b"a large value".to_vec())])[0];
    writer.finish().unwrap();
    let bytes = [&place.bytes(7)[..], &pointer.encode()].concat();
    assert_eq!(HEADER_BYTES + RECORD_HEADER_BYTES + 5 + 13, place.bytes(7).len());

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split("```example value file\n").nth(1).unwrap().split("\n```").next().unwrap();
    let mut given = Vec::new();
    for line in example.lines() {
        let mut columns = line.split("  ").filter(|column| !column.is_empty());
        assert_eq!(columns.next(), Some(&format!("{:04x}", given.len())[..]), "{line}");
        let hex = columns.next().unwrap().split_ascii_whitespace();
        given.extend(hex.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    assert_eq!(given, bytes, "the bytes are {bytes:02x?}");
}
