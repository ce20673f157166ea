//! IndexedDB under its facade: databases, connections, transactions and the operations on them.
//!
//! A [`World`] is what there is in one data directory, or in one fresh memory. Clients (one per factory and
//! thread) register with it, open databases, begin transactions and send them requests as bytes
//! ([`protocol`]). They are told by [`Event`]s. The facade decides what the standard leaves to JavaScript:
//! which transaction is active, which request comes next.
//!
//! | module | what it is |
//! |---|---|
//! | `world`, `commit`, `deletion` | what clients share, under one lock; how transactions and databases end |
//! | `transact` | a transaction from beginning to end at once |
//! | `connections` | the connection queue |
//! | `scheduler` | which transactions may run |
//! | `catalog`, `schema` | databases, object stores, indexes |
//! | `transaction` | snapshot and overlay; executes requests |
//! | `overlay`, `walk` | uncommitted writes, and walking through them and the snapshot as one |
//! | `object_store`, `range_deletion`, `index`, `cursor`, `version_change` | the operations |
//! | `portion` | how much of an operation is done at once |
//! | `key` | keys as ordered bytes |

mod catalog;
mod commit;
mod connections;
mod cursor;
mod deletion;
mod event;
mod failure;
mod index;
pub mod key;
mod object_store;
mod overlay;
mod portion;
mod protocol;
mod range_deletion;
mod scheduler;
mod schema;
#[cfg(test)]
mod testing;
mod transact;
mod transaction;
mod version_change;
mod walk;
mod world;

pub use commit::CommitOutcome;
pub use event::{Cause, Event};
pub use portion::Limits;
pub use scheduler::Mode;
pub use transact::{Begin, Then, Transacted};
pub use world::{DatabaseInfo, Waker, World};

/// One registered client of a [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(crate) u32);

/// A connection to a database; not 0.
pub type ConnectionId = u32;
/// An open or delete request; not 0.
pub type RequestId = u32;
/// A transaction; not 0.
pub type TransactionId = u32;

/// Gives out ids. They come around again after 4 billion, so ids in use are passed over.
#[derive(Debug, Default)]
struct Ids(u32);

impl Ids {
    fn next(&mut self, in_use: impl Fn(u32) -> bool) -> u32 {
        loop {
            self.0 = self.0.wrapping_add(1);
            if self.0 != 0 && !in_use(self.0) {
                return self.0;
            }
        }
    }
}
