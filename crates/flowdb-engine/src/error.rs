//! The engine's errors: few kinds, chosen by what the caller does next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Shorthand for results of the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The call is wrong: fix the argument or the setting named in the message.
    InvalidArgument,
    /// The directory, or a file of it, is not there.
    NotFound,
    /// Another process, or another copy of this library, has the directory open.
    Locked,
    /// A file does not hold what was written to it: restore from a backup, or repair.
    Corruption,
    /// The files were written by a newer version, or with a feature this build lacks. Nothing was touched.
    Unsupported,
    /// The disk is full or the quota is used up. The write was rejected; try again once there is space.
    NoSpace,
    /// Another error of the operating system.
    Io,
    /// An earlier write or sync failed and its outcome is unknown: reopen the database. Reads go on.
    Poisoned,
    /// The database was closed.
    Closed,
    /// The answer is not in memory, or a lock is held: repeat the call where blocking is allowed.
    WouldBlock,
    /// Key, value or batch above the documented limit.
    TooLarge,
    /// The database was opened read-only: open it otherwise to change it.
    ReadOnly,
    /// A condition that the write depends on does not hold (the key exists, the value differs).
    Conflict,
}

/// An error of the engine. Cheap to move; [`Error::kind`] tells what to do, the message has the details.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    file: Option<PathBuf>,
    offset: Option<u64>,
    holder: Option<u32>,
    source: Option<io::Error>,
}

impl Error {
    /// An error of `kind` with a message for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            file: None,
            offset: None,
            holder: None,
            source: None,
        }))
    }

    /// Bytes at `offset` of `file` are not what was written.
    pub fn corruption(file: &Path, offset: u64, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Corruption, message);
        error.0.file = Some(file.to_path_buf());
        error.0.offset = Some(offset);
        error
    }

    /// The call is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// The answer needs the disk, or a lock that someone holds.
    pub fn would_block() -> Self {
        Self::new(ErrorKind::WouldBlock, "the answer is not in memory")
    }

    /// The database was opened with [`crate::Options::read_only`].
    pub fn read_only() -> Self {
        Self::new(ErrorKind::ReadOnly, "the database was opened read-only")
    }

    /// The directory is open elsewhere; `holder` is the process id if it is known.
    pub fn locked(directory: &Path, holder: Option<u32>) -> Self {
        let by = match holder {
            Some(pid) if pid == std::process::id() => {
                format!("another copy of flowdb in this process (process id {pid})")
            }
            Some(pid) => format!("process {pid}"),
            None => "another process".to_owned(),
        };
        let mut error = Self::new(ErrorKind::Locked, format!("the database is open in {by}"));
        error.0.file = Some(directory.to_path_buf());
        error.0.holder = holder;
        error
    }

    /// The directory is open here, and the call is for one that is closed.
    pub fn open_here(directory: &Path) -> Self {
        let pid = std::process::id();
        let mut error = Self::new(
            ErrorKind::Locked,
            format!("the database is open in this process (process id {pid}): close it first"),
        );
        error.0.file = Some(directory.to_path_buf());
        error.0.holder = Some(pid);
        error
    }

    /// What an operating-system call on `file` reported.
    pub fn io(file: &Path, action: &str, source: io::Error) -> Self {
        let mut error = Self::system(action, source);
        error.0.file = Some(file.to_path_buf());
        error
    }

    /// What an operating-system call that is about no file reported.
    pub fn system(action: &str, source: io::Error) -> Self {
        let kind = match source.kind() {
            _ if is_for_lack_of_space(&source) => ErrorKind::NoSpace,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        let mut error = Self::new(kind, format!("{action}: {source}"));
        error.0.source = Some(source);
        error
    }

    /// The same error once more, for another who has to know of it.
    pub(crate) fn duplicate(&self) -> Self {
        let Inner { kind, message, file, offset, holder, source } = &*self.0;
        let source = source.as_ref().map(|source| match source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(source.kind(), source.to_string()),
        });
        let (kind, message, file) = (*kind, message.clone(), file.clone());
        Error(Box::new(Inner { kind, message, file, offset: *offset, holder: *holder, source }))
    }

    /// The same error of a database that is open, where it is not for the caller to name one that is there.
    pub(crate) fn while_open(self) -> Self {
        if self.kind() == ErrorKind::NotFound { self.with_kind(ErrorKind::Io) } else { self }
    }

    /// The error as the cause of another that `message` tells of; what the caller can do is the same.
    pub(crate) fn leads_to(mut self, message: impl fmt::Display) -> Self {
        self.0.message = format!("{message}: {}", self.0.message);
        self
    }

    /// The same error, about which the caller can do something else.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without file and offset.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file concerned.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The offset in the file, in bytes.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// Process id of the one that has the database open (kind [`ErrorKind::Locked`]).
    pub fn holder(&self) -> Option<u32> {
        self.0.holder
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(file) = &self.0.file {
            write!(f, " ({}", file.display())?;
            if let Some(offset) = self.0.offset {
                write!(f, " at byte {offset}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// True if there was no room for what was to be written.
pub(crate) fn is_for_lack_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_system_call_names_the_file_if_there_is_one() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let (with, without) =
            (Error::io(Path::new("/a"), "opening", refused()), Error::system("starting", refused()));
        assert_eq!((with.kind(), with.file()), (ErrorKind::Io, Some(Path::new("/a"))));
        assert_eq!((without.kind(), without.file()), (ErrorKind::Io, None));
        assert!(with.to_string().ends_with("(/a)"), "{with}");
        assert!(without.to_string().ends_with("denied"), "{without}");
    }
}
