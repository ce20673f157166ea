//! What clients are told.

use super::{ConnectionId, RequestId, TransactionId};
use flowdb_engine::{Error, ErrorKind};
use std::path::PathBuf;

/// What an error of the engine says besides its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// The file concerned.
    pub file: Option<PathBuf>,
    /// Where in it, in bytes.
    pub offset: Option<u64>,
}

impl From<&Error> for Cause {
    fn from(error: &Error) -> Self {
        Cause { kind: error.kind(), file: error.file().map(Into::into), offset: error.offset() }
    }
}

/// Something that happened, for one client, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The locks of a transaction are granted: requests may be executed.
    Started {
        /// The transaction.
        transaction: TransactionId,
    },
    /// Someone wants to upgrade or delete the database of this connection. To be answered with
    /// [`World::version_change_delivered`](super::World::version_change_delivered).
    VersionChange {
        /// The request of the one who wants to.
        request: RequestId,
        /// The client's own connection.
        connection: ConnectionId,
        /// Version of the database.
        old_version: u64,
        /// Version it shall get; 0 if it shall be deleted.
        new_version: u64,
    },
    /// All were told, and some connections are still not closed. The request goes on waiting.
    Blocked {
        /// The client's own request.
        request: RequestId,
        /// Version of the database.
        old_version: u64,
        /// Version it shall get; 0 if it shall be deleted.
        new_version: u64,
    },
    /// The version change transaction of an open request has started.
    Upgrade {
        /// The client's own request.
        request: RequestId,
        /// The new connection.
        connection: ConnectionId,
        /// The version change transaction; there is no `Started` for it.
        transaction: TransactionId,
        /// Version before; 0 if the database is new.
        old_version: u64,
        /// Version after.
        new_version: u64,
        /// The schema, in the protocol's bytes.
        schema: Vec<u8>,
    },
    /// The database is open and needed no upgrade.
    Opened {
        /// The client's own request.
        request: RequestId,
        /// The new connection.
        connection: ConnectionId,
        /// Version of the database.
        version: u64,
        /// The schema, in the protocol's bytes.
        schema: Vec<u8>,
    },
    /// The database is deleted.
    Deleted {
        /// The client's own request.
        request: RequestId,
        /// Version it had; 0 if there was none.
        old_version: u64,
    },
    /// The deletion cannot be written on this thread just now: call
    /// [`World::delete_blocking`](super::World::delete_blocking) on a worker.
    DeleteNeedsWorker {
        /// The client's own request.
        request: RequestId,
    },
    /// An open or delete request has failed.
    Failed {
        /// The client's own request.
        request: RequestId,
        /// Name of the DOMException.
        name: &'static str,
        /// What happened.
        message: String,
        /// The engine's error, if it is one.
        cause: Option<Cause>,
    },
    /// A commit that needed a worker is done.
    Committed {
        /// The transaction.
        transaction: TransactionId,
    },
    /// A commit failed; the transaction is aborted.
    CommitFailed {
        /// The transaction.
        transaction: TransactionId,
        /// Name of the DOMException.
        name: &'static str,
        /// What happened.
        message: String,
        /// The engine's error, if it is one.
        cause: Option<Cause>,
    },
}
