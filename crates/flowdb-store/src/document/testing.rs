//! What the tests of this module share.

#[path = "../../tests/document_model/random.rs"]
mod random;

pub(crate) use random::Random;

use super::protocol::is_key;
use super::{ClientId, CommitOutcome, ConnectionId, Event, Limits, Mode, TransactionId, World};
use crate::keyspace::DOCUMENTS;
use flowdb_engine::format::Reader;
use flowdb_engine::fs::{FileSystem, MemoryFileSystem};
use flowdb_engine::{Db, ManualClock, Options, ReadTier, TreeOptions};
use std::path::Path;
use std::sync::Arc;

/// Bytes of the protocol being put together.
#[derive(Debug, Clone)]
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    pub(crate) fn new(start: &[u8]) -> Self {
        Bytes(start.to_vec())
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.u32(u32::try_from(bytes.len()).unwrap()).raw(bytes)
    }

    pub(crate) fn name(self, name: &str) -> Self {
        let bytes: Vec<u8> = units(name).iter().flat_map(|unit| unit.to_le_bytes()).collect();
        self.u32(u32::try_from(bytes.len() / 2).unwrap()).raw(&bytes)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// The encoded key of a number that is not negative.
pub(crate) fn number_key(number: f64) -> Vec<u8> {
    let bits = number.to_bits() | 1 << 63;
    let key = [&[0x10][..], &bits.to_be_bytes()].concat();
    assert!(is_key(&key));
    key
}

/// A database in memory with a world on it, and a first client.
pub(crate) struct Fixture {
    pub(crate) db: Db,
    pub(crate) world: Arc<World>,
    pub(crate) client: ClientId,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryFileSystem::new()))
    }

    pub(crate) fn on(files: Arc<dyn FileSystem>) -> Self {
        Self::with_memory(files, usize::MAX)
    }

    /// One whose transactions write to disk what exceeds `memory_bytes`.
    pub(crate) fn with_memory(files: Arc<dyn FileSystem>, memory_bytes: usize) -> Self {
        let mut options = Options::new(vec![TreeOptions::new(DOCUMENTS, "documents")]);
        options.clock = Arc::new(ManualClock::new(1));
        let db = Db::open(files, Path::new("/db"), options).unwrap();
        Self::with_limits(db, Limits { transaction_memory_bytes: memory_bytes, ..Limits::default() })
    }

    pub(crate) fn with_limits(db: Db, limits: Limits) -> Self {
        let world = World::open_with(db.clone(), limits).unwrap();
        let client = world.register(Arc::new(|| {}));
        Fixture { db, world, client }
    }

    /// A fixture with a connection to the database "d", which has store 1 without key path.
    pub(crate) fn with_store(auto_increment: bool) -> (Self, ConnectionId) {
        Fixture::new().and_store(auto_increment)
    }

    pub(crate) fn and_store(self, auto_increment: bool) -> (Self, ConnectionId) {
        let fixture = self;
        let (connection, transaction) = fixture.upgrade(1);
        fixture.request(transaction, create_store(1, auto_increment, None)).unwrap();
        fixture.commit(transaction);
        (fixture, connection)
    }

    /// Begins an upgrade of "d" that nothing stands against.
    pub(crate) fn upgrade(&self, version: u64) -> (ConnectionId, TransactionId) {
        self.world.open_database(self.client, &units("d"), Some(version)).unwrap();
        match self.world.drain(self.client).pop() {
            Some(Event::Upgrade { connection, transaction, .. }) => (connection, transaction),
            other => panic!("{other:?}"),
        }
    }

    /// Begins a transaction over store 1 that nothing stands against.
    pub(crate) fn begin(&self, connection: ConnectionId, mode: Mode) -> TransactionId {
        let transaction = self.world.begin_transaction(self.client, connection, &[1], mode).unwrap();
        assert_eq!(self.world.drain(self.client), [Event::Started { transaction }]);
        transaction
    }

    /// Sends a request, first in memory. Answers what follows the status, or number and message of the error.
    pub(crate) fn request(
        &self,
        transaction: TransactionId,
        request: Bytes,
    ) -> Result<Vec<u8>, (u8, String)> {
        send(&self.world, self.client, transaction, &request.finish())
    }

    pub(crate) fn commit(&self, transaction: TransactionId) {
        commit(&self.world, self.client, transaction);
        self.world.drain(self.client);
    }

    /// Puts `value` under the number `key` of store 1.
    pub(crate) fn put(
        &self,
        transaction: TransactionId,
        key: f64,
        value: &[u8],
    ) -> Result<Vec<u8>, (u8, String)> {
        self.request(transaction, put(1, Some(&number_key(key)), value))
    }

    /// The values in store 1.
    pub(crate) fn values(&self, transaction: TransactionId) -> Vec<Vec<u8>> {
        let request = Bytes::new(&[3]).u32(1).u32(0).u8(0).u8(0).u32(0).u8(4);
        let response = self.request(transaction, request).unwrap();
        let mut reader = Reader::new(&response);
        let count = reader.u32().unwrap();
        let mut value = || {
            assert_eq!(reader.u8(), Some(0));
            let length = reader.u32().unwrap() as usize;
            reader.take(length).unwrap().to_vec()
        };
        (0..count).map(|_| value()).collect()
    }
}

pub(crate) fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// In memory, and on the disk tier if that does not suffice; portion by portion.
pub(crate) fn send(
    world: &World,
    client: ClientId,
    transaction: TransactionId,
    request: &[u8],
) -> Result<Vec<u8>, (u8, String)> {
    let (mut asked, mut pages) = (request.to_vec(), Vec::new());
    loop {
        let response = match world.execute(client, transaction, &asked, ReadTier::Memory).unwrap() {
            Some(response) => response,
            None => world.execute(client, transaction, &asked, ReadTier::Disk).unwrap().unwrap(),
        };
        match response[0] {
            0 => {
                pages.push(response[1..].to_vec());
                return Ok(joined(pages));
            }
            1 => return Err((response[1] & 15, String::from_utf8(response[2..].to_vec()).unwrap())),
            _ => {
                let (rest, length) = response.split_last_chunk::<4>().unwrap();
                let (page, resume) = rest.split_at(rest.len() - u32::from_le_bytes(*length) as usize);
                asked = Bytes::new(&[15]).bytes(resume).raw(request).finish();
                pages.extend((page.len() > 1).then(|| page[1..].to_vec()));
            }
        }
    }
}

/// The pages of a request as one: each begins with its count.
fn joined(mut pages: Vec<Vec<u8>>) -> Vec<u8> {
    if pages.len() == 1 {
        return pages.remove(0);
    }
    let count: u32 = pages.iter().map(|page| u32::from_le_bytes(page[..4].try_into().unwrap())).sum();
    let rows: Vec<u8> = pages.iter().flat_map(|page| page[4..].to_vec()).collect();
    [&count.to_le_bytes()[..], &rows].concat()
}

/// As the binding commits.
pub(crate) fn commit(world: &World, client: ClientId, transaction: TransactionId) {
    match world.commit(client, transaction, false).unwrap() {
        CommitOutcome::Committed => {}
        CommitOutcome::NeedsWorker => world.commit_blocking(transaction, false),
        CommitOutcome::Failed => panic!("the commit failed: {:?}", world.drain(client)),
    }
}

/// Value-format bytes of a number from 0 to 63.
pub(crate) fn small_value(number: u8) -> Vec<u8> {
    vec![1, 6, number << 1]
}

pub(crate) fn put(store: u32, key: Option<&[u8]>, value: &[u8]) -> Bytes {
    let mut request = Bytes::new(&[1]).u32(store).u8(if key.is_some() { 2 } else { 0 });
    if let Some(key) = key {
        request = request.bytes(key);
    }
    request.raw(value)
}

/// A request to create a store, with a string for its key path if there is one.
pub(crate) fn create_store(id: u32, auto_increment: bool, key_path: Option<&str>) -> Bytes {
    let request = Bytes::new(&[8]).u32(id).u8(auto_increment.into()).name(&format!("store {id}"));
    match key_path {
        Some(path) => request.u8(1).name(path),
        None => request.u8(0),
    }
}
