//! Walks through a database and says what is not as it should be. Changes nothing.

use crate::error::{Error, ErrorKind, Result};
use crate::fs::FileSystem;
use crate::key::{Kind, Sequence, TreeId};
use crate::options::TreeOptions;
use crate::read_only::{expected_log, nothing_there, share_lock};
use crate::recovery::anchor;
use crate::retention::Bucket;
use crate::table::{Inspection, Row, Subject, TableDamage, inspect};
use crate::tree::LEVELS;
use crate::values::{ValuePointer, inspect_values};
use crate::version::{
    MANIFEST, MANIFEST_NEW, Manifest, ManifestReading, NumberedFile, State, TableMeta, ValueFileMeta,
    live_files, log_name, parse_name, table_name, value_file_name,
};
use crate::wal::{self, LogDamage};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What to compare a database with. See [`verify`].
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The trees, as they are given at open: by them filters and block properties are checked. Those of trees
    /// that are not named here are not; everything else is. Default: none.
    pub trees: Vec<TreeOptions>,
}

/// Part of a database that a [`Problem`] concerns. `None` is unknown, or all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affected {
    /// The tree.
    pub tree: Option<TreeId>,
    /// First and last key, both included.
    pub keys: Option<(Bytes, Bytes)>,
    /// First and last number of the operations, both included.
    pub sequences: Option<(Sequence, Sequence)>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// `Corruption`; `NotFound` for a file that is missing; `Unsupported` for one of a newer version; `Io`
    /// for one that cannot be read.
    pub kind: ErrorKind,
    /// What cannot be trusted, or is lost.
    pub affected: Affected,
    /// For people.
    pub message: String,
}

/// Something worth knowing that a crash may leave, and that the next opening puts right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// For people.
    pub message: String,
}

/// What [`verify`] found, and how much it looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong. Without any, everything that was written is there.
    pub problems: Vec<Problem>,
    /// What a crash has left: torn ends, superfluous files. A log or manifest that ends in the middle of
    /// a write cannot be told from one whose last write was damaged later, so look here after anything
    /// but a crash.
    pub notes: Vec<Note>,
    /// Tables read.
    pub tables: u64,
    /// Value files read.
    pub value_files: u64,
    /// Blocks of entries read.
    pub blocks: u64,
    /// Entries read, range deletes included.
    pub entries: u64,
    /// Log segments read.
    pub log_segments: u64,
    /// Commits read from the log.
    pub commits: u64,
    /// Bytes read.
    pub bytes_read: u64,
}

impl Report {
    /// True if nothing is wrong. There may be notes.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks all of the database in `dir`, which nobody may have open to write: every byte of the manifest,
/// the log, the tables and the value files, and that they agree with one another. Reads everything once;
/// takes memory for an index and a filter at a time, for a commit or a large value, and about 100 bytes for
/// each large value.
///
/// What is wrong is in the report. Fails with `Locked`, `NotFound` if there is no database, or what the
/// operating system reports about the directory itself.
pub fn verify(fs: &dyn FileSystem, dir: &Path, options: &VerifyOptions) -> Result<Report> {
    let anchored = anchor(fs, dir)?;
    let fs = anchored.as_ref().map_or(fs, |anchored| &*anchored.fs);
    let _lock = share_lock(fs, dir)?;
    let mut verifier = Verifier { fs, dir, options, report: Report::default() };
    let files = fs.list(dir).map_err(|error| Error::io(dir, "listing the directory", error))?;
    match Manifest::read(fs, dir) {
        Ok(Some(reading)) => verifier.by_manifest(&reading, &files),
        Ok(None) => match nothing_there(fs, dir) {
            error if error.kind() == ErrorKind::NotFound => return Err(error),
            error => verifier.problem_of(&error, &dir.join(MANIFEST)),
        },
        Err(error) => verifier.problem_of(&error, &dir.join(MANIFEST)),
    }
    Ok(verifier.report)
}

/// The sound values of a file, by offset: length of the key, and the pointer to it.
type Values = BTreeMap<u64, (usize, ValuePointer)>;

struct Verifier<'a> {
    fs: &'a dyn FileSystem,
    dir: &'a Path,
    options: &'a VerifyOptions,
    report: Report,
}

impl Verifier<'_> {
    fn problem_of(&mut self, error: &Error, file: &Path) {
        self.report.problems.push(Problem {
            file: error.file().unwrap_or(file).to_path_buf(),
            offset: error.offset().unwrap_or(0),
            kind: error.kind(),
            affected: Affected::default(),
            message: error.message().to_owned(),
        });
    }

    fn note(&mut self, name: &str, offset: u64, message: &str) {
        let (file, message) = (self.dir.join(name), message.to_owned());
        self.report.notes.push(Note { file, offset, message });
    }

    fn by_manifest(&mut self, reading: &ManifestReading, files: &[String]) {
        let ManifestReading { state, end, bytes } = reading;
        self.report.bytes_read += bytes;
        if end < bytes {
            self.note(MANIFEST, *end, "an edit that was not completed");
        }
        self.check_state(state);
        self.check_files(state, files);
        let mut values = BTreeMap::new();
        for meta in state.value_files.values() {
            values.insert(meta.id, self.check_value_file(state, *meta));
        }
        for meta in state.tables.values() {
            self.check_table(state, meta, &values);
        }
        self.check_log(state, files);
    }

    /// What holds between the parts of a state.
    fn check_state(&mut self, state: &State) {
        let path = self.dir.join(MANIFEST);
        for meta in state.tables.values() {
            let flushed = state.flushed.get(&meta.tree).copied().unwrap_or(0);
            let message = if meta.id >= state.next_file_id {
                "its number is not below that of the next file"
            } else if meta.largest_sequence > state.last_sequence {
                "it has a number above the last one"
            } else if meta.largest_sequence > flushed {
                "it has a number above what was flushed of its tree"
            } else {
                continue;
            };
            self.problem_of(&Error::corruption(&path, 0, format!("table {}: {message}", meta.id)), &path);
        }
        for tree in state.trees.keys() {
            let of_tree = state.tables.values().filter(|meta| meta.tree == *tree);
            let buckets: BTreeSet<_> = of_tree.map(|meta| meta.bucket).collect();
            for (bucket, level) in
                buckets.into_iter().flat_map(|bucket| (1..LEVELS).map(move |level| (bucket, level)))
            {
                self.check_level(state, *tree, bucket, level);
            }
        }
    }

    /// The tables of a level do not overlap, but for those of other buckets; neighbours may share a key that
    /// is only the end of a range delete.
    fn check_level(&mut self, state: &State, tree: TreeId, bucket: Option<Bucket>, level: usize) {
        let on_level =
            |meta: &&TableMeta| (meta.tree, meta.bucket, usize::from(meta.level)) == (tree, bucket, level);
        let mut tables: Vec<_> = state.tables.values().filter(on_level).collect();
        tables.sort_by(|a, b| a.smallest.cmp(&b.smallest));
        for pair in tables.windows(2).filter(|pair| pair[0].largest > pair[1].smallest) {
            let message = format!("tables {} and {} of level {level} overlap", pair[0].id, pair[1].id);
            let keys = (pair[1].smallest.clone(), pair[0].largest.clone());
            self.report.problems.push(Problem {
                file: self.dir.join(MANIFEST),
                offset: 0,
                kind: ErrorKind::Corruption,
                affected: Affected { tree: Some(tree), keys: Some(keys), sequences: None },
                message,
            });
        }
    }

    fn check_files(&mut self, state: &State, files: &[String]) {
        let live: Vec<String> = live_files(state).into_iter().map(|file| file.name).collect();
        for name in files {
            let is_superfluous = match parse_name(name) {
                Some(NumberedFile::Log(id)) => id < state.oldest_log,
                Some(_) => !live.contains(name),
                None => name == MANIFEST_NEW,
            };
            if is_superfluous {
                self.note(name, 0, "a superfluous file");
            }
        }
    }

    /// The sound values of the file.
    fn check_value_file(&mut self, state: &State, meta: ValueFileMeta) -> Values {
        let path = self.dir.join(value_file_name(meta.id));
        let file = match self.fs.open_read(&path) {
            Ok(file) => file,
            Err(error) => {
                self.problem_of(&Error::io(&path, "opening a value file", error), &path);
                return Values::new();
            }
        };
        let found = inspect_values(&*file, &path, state.database_id, meta);
        found.damages.iter().for_each(|error| self.problem_of(error, &path));
        self.report.value_files += 1;
        self.report.bytes_read += found.bytes_read;
        if meta.id >= state.next_file_id {
            let message = format!("value file {}: its number is not below that of the next file", meta.id);
            self.problem_of(&Error::corruption(&self.dir.join(MANIFEST), 0, message), &path);
        }
        found.values
    }

    fn check_table(&mut self, state: &State, meta: &TableMeta, values: &BTreeMap<u64, Values>) {
        let path = self.dir.join(table_name(meta.id));
        let affected = Affected {
            tree: Some(meta.tree),
            keys: Some((meta.smallest.clone(), meta.largest.clone())),
            sequences: Some((meta.smallest_sequence, meta.largest_sequence)),
        };
        let file = match self.fs.open_read(&path) {
            Ok(file) => file,
            Err(error) => {
                let error = Error::io(&path, "opening a table", error);
                self.problem_of(&error, &path);
                if let Some(problem) = self.report.problems.last_mut() {
                    problem.affected = affected;
                }
                return;
            }
        };
        let subject = Subject {
            file: &*file,
            path: &path,
            table_id: meta.id,
            database_id: state.database_id,
            meta: Some(meta),
            trees: &self.options.trees,
        };
        let mut lost: Vec<Bytes> = Vec::new();
        // The sink takes everything.
        let Ok(found) = inspect(&subject, &mut |row| {
            if row.kind == Kind::PutPointer && !is_there(values, &row) {
                lost.push(Bytes::copy_from_slice(row.key));
            }
            Ok(())
        }) else {
            return;
        };
        self.count_table(&found);
        self.report.problems.extend(lost.first().zip(lost.last()).map(|(first, last)| Problem {
            file: path.clone(),
            offset: 0,
            kind: ErrorKind::Corruption,
            affected: Affected { keys: Some((first.clone(), last.clone())), ..affected.clone() },
            message: format!("{} values that it refers to are missing or damaged", lost.len()),
        }));
        let problems = found.damages.iter().map(|damage| table_problem(&path, &affected, damage));
        self.report.problems.extend(problems);
    }

    fn count_table(&mut self, found: &Inspection) {
        self.report.tables += 1;
        self.report.blocks += found.blocks;
        self.report.entries += found.entries + found.range_deletes.len() as u64;
        self.report.bytes_read += found.bytes_read;
    }

    /// First each segment by itself, to its end; then as an opening would read them.
    fn check_log(&mut self, state: &State, files: &[String]) {
        let mut segments: Vec<u64> = files
            .iter()
            .filter_map(|name| match parse_name(name) {
                Some(NumberedFile::Log(id)) if id >= state.oldest_log => Some(id),
                _ => None,
            })
            .collect();
        segments.sort_unstable();
        let mut tails = Vec::new();
        for segment in &segments {
            self.check_segment(state, *segment, segments.last() == Some(segment), &mut tails);
        }
        let expected = expected_log(state);
        let replayed = wal::replay_unchanged(self.fs, self.dir, files, &expected, &mut |_, _, _, _| Ok(()));
        let Err(error) = replayed else {
            // What an opening passes over is no problem.
            let notes =
                tails.into_iter().map(|Problem { file, offset, message, .. }| Note { file, offset, message });
            self.report.notes.extend(notes);
            return;
        };
        self.report.problems.extend(tails);
        let is_known = |problem: &Problem| Some(&*problem.file) == error.file();
        if !self.report.problems.iter().any(is_known) {
            self.problem_of(&error, self.dir);
        }
    }

    fn check_segment(&mut self, state: &State, segment: u64, is_last: bool, tails: &mut Vec<Problem>) {
        let path = self.dir.join(log_name(segment));
        self.report.log_segments += 1;
        let mut strangers = Vec::new();
        let found =
            wal::survey(self.fs, self.dir, segment, state.database_id, &mut |at, sequence, _, operation| {
                if !state.trees.contains_key(&operation.tree) {
                    strangers.push(stranger(&path, at, sequence, operation.tree));
                }
                Ok(())
            });
        self.report.problems.append(&mut strangers);
        let damages = match found {
            Ok(found) => {
                self.report.commits += found.commits;
                self.report.bytes_read += found.bytes_read;
                found.damages
            }
            Err(error) => vec![wal::unreadable(&error)],
        };
        for damage in damages {
            let may_be_torn = is_last && (damage.is_tail || damage.offset == 0);
            let problem = log_problem(&path, damage);
            if may_be_torn { tails.push(problem) } else { self.report.problems.push(problem) }
        }
    }
}

/// True if the value that an entry refers to is sound.
fn is_there(values: &BTreeMap<u64, Values>, row: &Row<'_>) -> bool {
    let found = |pointer: &ValuePointer| values.get(&pointer.file)?.get(&pointer.offset).copied();
    let pointer = ValuePointer::decode(row.value);
    pointer.is_some_and(|pointer| found(&pointer) == Some((row.key.len(), pointer)))
}

fn table_problem(path: &Path, whole: &Affected, damage: &TableDamage) -> Problem {
    let mut affected = whole.clone();
    if damage.keys.is_some() || !damage.loses_entries {
        affected.keys.clone_from(&damage.keys);
    }
    Problem {
        file: path.to_path_buf(),
        offset: damage.offset,
        kind: damage.kind,
        affected,
        message: damage.message.clone(),
    }
}

/// An operation on a tree that the manifest does not know: trees are declared before anything is written.
fn stranger(path: &Path, offset: u64, sequence: Sequence, tree: TreeId) -> Problem {
    Problem {
        file: path.to_path_buf(),
        offset,
        kind: ErrorKind::Corruption,
        affected: Affected { tree: Some(tree), keys: None, sequences: Some((sequence, sequence)) },
        message: "an operation on a tree that does not exist".to_owned(),
    }
}

fn log_problem(path: &Path, damage: LogDamage) -> Problem {
    let LogDamage { offset, kind, message, sequences, .. } = damage;
    let affected = Affected { sequences, ..Affected::default() };
    Problem { file: path.to_path_buf(), offset, kind, affected, message }
}
