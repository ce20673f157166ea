//! How an operation fails: as the standard names it, or as the engine does.

use flowdb_engine::{Error, ErrorKind};

/// Result of an operation.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Names of the exceptions a response can carry. The numbers are those of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ErrorName {
    Constraint = 1,
    Data = 2,
    Unknown = 3,
    QuotaExceeded = 4,
    NotFound = 5,
    InvalidState = 6,
}

/// Why an operation did not happen. It has changed nothing then, except that a key generator
/// may have advanced.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request fails with this exception.
    Named(ErrorName, String),
    /// The engine's error; `WouldBlock` asks for a repetition where blocking is allowed, `InvalidArgument`
    /// says that the request itself makes no sense.
    Engine(Error),
}

impl Failure {
    /// False if the request is going to be repeated where the disk may be read.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Failure::Engine(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Engine(error)
    }
}

pub(crate) fn constraint(message: impl Into<String>) -> Failure {
    Failure::Named(ErrorName::Constraint, message.into())
}

pub(crate) fn data(message: impl Into<String>) -> Failure {
    Failure::Named(ErrorName::Data, message.into())
}

pub(crate) fn not_found(message: impl Into<String>) -> Failure {
    Failure::Named(ErrorName::NotFound, message.into())
}

pub(crate) fn invalid_state(message: impl Into<String>) -> Failure {
    Failure::Named(ErrorName::InvalidState, message.into())
}

pub(crate) fn corruption(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corruption, message)
}

/// The exception that stands for an engine error met by an operation.
pub(crate) fn name_of(error: &Error) -> ErrorName {
    match error.kind() {
        ErrorKind::NoSpace => ErrorName::QuotaExceeded,
        ErrorKind::TooLarge => ErrorName::Data,
        _ => ErrorName::Unknown,
    }
}

/// The number of an error's kind in a response, from 1 to 15: for those that operations meet.
pub(crate) fn kind_number(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Corruption => 1,
        ErrorKind::NoSpace => 2,
        ErrorKind::Io => 3,
        ErrorKind::Poisoned => 4,
        ErrorKind::Closed => 5,
        ErrorKind::TooLarge => 6,
        ErrorKind::ReadOnly => 7,
        ErrorKind::NotFound => 8,
        ErrorKind::Unsupported => 9,
        ErrorKind::InvalidArgument | ErrorKind::Locked | ErrorKind::WouldBlock | ErrorKind::Conflict => 0,
    }
}

/// The exception of a transaction or database deletion whose write failed.
pub(crate) fn write_failure_name(error: &Error) -> &'static str {
    if error.kind() == ErrorKind::NoSpace { "QuotaExceededError" } else { "UnknownError" }
}
