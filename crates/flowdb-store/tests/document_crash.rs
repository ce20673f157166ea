//! Goal: after a crash at any call of the file system, every transaction acknowledged as strict is there,
//! version changes among them, with all that was acknowledged before it; what is there is a prefix in commit
//! order, no transaction is there in part, and indexes agree with records. A transaction refused for lack of
//! space never happened, and the next one does. Method: a random program on a [`World`] over a file system
//! that from its n-th call on fails, for every n, and then drops, keeps or tears what was not synced;
//! everything that is there then is compared with plain maps, one for each commit. A longer run:
//! `FLOWDB_SEEDS=50 cargo test --release -p flowdb-store --test document_crash`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says its seed"
)]
#![allow(clippy::cast_possible_truncation, reason = "the numbers of this test are small")]

use bytes::Bytes;
use flowdb_engine::fs::{
    CrashOptions, Fault, FaultyFileSystem, FileSystem, MemoryFileSystem, Names, Unsynced,
};
use flowdb_engine::{
    Db, Error, ErrorKind, ManualClock, Options, ReadTier, TreeId, TreeOptions, WriteBatch, WriteOptions,
};
use flowdb_store::document::{ClientId, CommitOutcome, Event, Limits, Mode, TransactionId, World};
use model::{Database, Index, Range, Scalar, Store, Value};
use random::Random;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "document_model/bytes.rs"]
mod bytes;
#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "document_model/model.rs"]
mod model;
#[path = "document_model/random.rs"]
mod random;

const SEEDS: u64 = 1;
const STEPS: usize = 8;
/// A transaction of [`MANY`] records does not fit, and is written as a draft.
const TRANSACTION_MEMORY_BYTES: usize = 2_000;
const MANY: usize = 60;

/// Runs a test for each seed, and says which one failed.
fn for_seeds(test: impl Fn(u64)) {
    let from_env = |name: &str| std::env::var(name).ok().map(|number| number.parse().unwrap());
    let first: u64 = from_env("FLOWDB_SEED").unwrap_or(1);
    for seed in first..first + from_env("FLOWDB_SEEDS").unwrap_or(SEEDS) {
        println!("seed {seed}; repeat with FLOWDB_SEED={seed} FLOWDB_SEEDS=1");
        test(seed);
    }
}

/// The calls to fail, of `calls`: each in a long run, else every third.
fn failing_calls(seed: u64, calls: u64) -> impl Iterator<Item = u64> {
    let stride = if std::env::var("FLOWDB_SEEDS").is_ok() { 1 } else { 3 };
    (1 + seed % stride as u64..=calls).step_by(stride)
}

impl Random {
    fn scalar(&mut self) -> Scalar {
        Scalar::Int(self.below(40) as i64)
    }

    fn value(&mut self, id: Option<Scalar>) -> Value {
        let a = self.one_in(3).then(|| self.scalar());
        let items = self.below(4);
        Value { id, a, b: Some((0..items).map(|_| self.scalar()).collect()) }
    }
}

/// Why a step did not happen: the engine's error, or what a request or event names.
#[derive(Debug)]
enum Refusal {
    Engine(Error),
    Request(u8),
    Event(&'static str),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Engine(error)
    }
}

impl Refusal {
    fn is_for_lack_of_space(&self) -> bool {
        const QUOTA_EXCEEDED: u8 = 4;
        match self {
            Refusal::Engine(error) => error.kind() == ErrorKind::NoSpace,
            Refusal::Request(name) => *name == QUOTA_EXCEEDED,
            Refusal::Event(name) => *name == "QuotaExceededError",
        }
    }
}

type Outcome<T = ()> = Result<T, Refusal>;

/// What was asked for, commit by commit. A version of 0 stands for no database.
struct History {
    states: Vec<Database>,
    /// The last one that is acknowledged as being on stable storage.
    synced: usize,
}

impl History {
    fn new() -> Self {
        History { states: vec![no_database()], synced: 0 }
    }

    fn last(&self) -> Database {
        self.states.last().unwrap().clone()
    }
}

fn no_database() -> Database {
    Database { next_store: 1, ..Database::default() }
}

fn name() -> Vec<u16> {
    "d".encode_utf16().collect()
}

fn open_db(fs: &Arc<dyn FileSystem>) -> flowdb_engine::Result<Db> {
    let mut tree = TreeOptions::new(TreeId(3), "documents");
    tree.write_buffer_bytes = 64 << 10;
    tree.block_bytes = 512;
    let mut options = Options::new(vec![tree]);
    options.log_segment_bytes = 64 << 10;
    options.log_bytes_max = 256 << 10;
    options.block_cache_bytes = 256 << 10;
    options.clock = Arc::new(ManualClock::new(1_000));
    Db::open(Arc::clone(fs), Path::new("/db"), options)
}

fn open_world(db: &Db) -> Outcome<Arc<World>> {
    let limits = Limits { transaction_memory_bytes: TRANSACTION_MEMORY_BYTES, ..Limits::default() };
    Ok(World::open_with(db.clone(), limits)?)
}

/// A program that runs: one client, with one connection while there is a database.
struct Program<'a> {
    fs: &'a Arc<dyn FileSystem>,
    history: &'a mut History,
    random: Random,
    db: Db,
    world: Arc<World>,
    client: ClientId,
    connection: u32,
}

impl<'a> Program<'a> {
    fn start(fs: &'a Arc<dyn FileSystem>, seed: u64, history: &'a mut History) -> Outcome<Self> {
        let db = open_db(fs)?;
        let world = open_world(&db)?;
        let client = world.register(Arc::new(|| {}));
        let mut program =
            Program { fs, history, random: Random::new(seed), db, world, client, connection: 0 };
        program.connect();
        Ok(program)
    }

    fn connect(&mut self) {
        if self.history.last().version > 0 {
            self.world.open_database(self.client, &name(), None).unwrap();
            match self.world.drain(self.client).pop() {
                Some(Event::Opened { connection, .. }) => self.connection = connection,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Forgets everything that is not finished.
    fn begin_anew(&mut self) {
        self.world.drop_client(self.client);
        self.client = self.world.register(Arc::new(|| {}));
        self.connect();
    }

    fn step(&mut self) -> Outcome {
        match (self.history.last().version, self.random.below(16)) {
            (0, _) | (_, 0 | 1) => self.change_version(),
            (_, 2) => Ok(self.db.flush()?),
            (_, 3) => Ok(self.db.maintain(Duration::ZERO).map(drop)?),
            (_, 4) => self.reopen(),
            (_, 5) => self.delete_database(),
            _ => self.transaction(),
        }
    }

    fn reopen(&mut self) -> Outcome {
        self.world.drop_client(self.client);
        if self.random.one_in(2) {
            self.db.close()?;
        }
        self.db.close().ok();
        self.db = open_db(self.fs)?;
        self.world = open_world(&self.db)?;
        self.client = self.world.register(Arc::new(|| {}));
        self.connect();
        Ok(())
    }

    /// Notes the state before the attempt: a commit that fails may have happened.
    fn commit(&mut self, id: TransactionId, state: Database, synced: bool, strict: bool) -> Outcome {
        self.history.states.push(state);
        let mut outcome = self.world.commit(self.client, id, strict).unwrap();
        let mut events = self.world.drain(self.client);
        if outcome == CommitOutcome::NeedsWorker {
            self.world.commit_blocking(id, strict);
            events = self.world.drain(self.client);
            outcome = CommitOutcome::Committed;
        }
        for event in events {
            if let Event::CommitFailed { name, .. } = event {
                return Err(Refusal::Event(name));
            }
        }
        assert_eq!(outcome, CommitOutcome::Committed);
        if synced {
            self.history.synced = self.history.states.len() - 1;
        }
        Ok(())
    }

    fn transaction(&mut self) -> Outcome {
        let mut state = self.history.last();
        let scope: Vec<u32> = state.stores.keys().copied().collect();
        let id = self.world.begin_transaction(self.client, self.connection, &scope, Mode::ReadWrite).unwrap();
        assert_eq!(self.world.drain(self.client), [Event::Started { transaction: id }]);
        let is_large = self.random.one_in(6);
        let count = if is_large { MANY } else { 1 + self.random.below(5) };
        for _ in 0..count {
            self.write(id, &mut state)?;
        }
        self.mark(id, &mut state)?;
        let strict = self.random.one_in(3);
        self.commit(id, state, strict, strict)
    }

    /// One write to each store.
    fn write(&mut self, id: TransactionId, state: &mut Database) -> Outcome {
        for (&store_id, store) in &mut state.stores {
            match self.random.below(20) {
                0 => {
                    self.request(id, Bytes::new(6).u32(store_id))?;
                    store.records.clear();
                }
                1..=3 => {
                    let only = Some((self.random.scalar().key(), false));
                    let range = Range { lower: only.clone(), upper: only };
                    self.request(id, Bytes::new(5).u32(store_id).range(&range))?;
                    store.records.retain(|key, _| !range.contains(key));
                }
                _ => self.put(id, store_id, store)?,
            }
        }
        Ok(())
    }

    /// A record in each store that no other commit has: contents alone do not show how far a
    /// key generator is.
    fn mark(&mut self, id: TransactionId, state: &mut Database) -> Outcome {
        let (key, number) = (Scalar::Letter(b'm'), Scalar::Int(100 + self.history.states.len() as i64));
        for (&store_id, store) in &mut state.stores {
            let value = Value { id: store.in_line.then_some(key), a: None, b: Some(vec![number]) };
            self.put_record(id, store_id, store, Some(key), &value)?;
        }
        Ok(())
    }

    fn put(&mut self, id: TransactionId, store_id: u32, store: &mut Store) -> Outcome {
        let key = (!store.auto_increment || self.random.one_in(2)).then(|| self.random.scalar());
        let value = self.random.value(if store.in_line { key } else { None });
        self.put_record(id, store_id, store, key, &value)
    }

    fn put_record(
        &mut self,
        id: TransactionId,
        store_id: u32,
        store: &mut Store,
        key: Option<Scalar>,
        value: &Value,
    ) -> Outcome {
        let key = if store.in_line { None } else { key };
        let request = Bytes::new(1).u32(store_id).u8(u8::from(key.is_some()) << 1);
        let request = key.iter().fold(request, |request, key| request.bytes(&key.key()));
        match (self.request(id, request.raw(&value.bytes())), store.put(false, key, value)) {
            (Ok(response), Ok(key)) => assert_eq!(response[4..], key),
            (Err(Refusal::Request(name)), Err(expected)) if name == expected => {}
            (Err(refusal), _) => return Err(refusal),
            (Ok(_), Err(name)) => panic!("error {name} was expected"),
        }
        Ok(())
    }

    fn change_version(&mut self) -> Outcome {
        let mut state = self.history.last();
        if state.version > 0 {
            self.world.close_connection(self.client, self.connection);
        }
        state.version += 1;
        self.world.open_database(self.client, &name(), Some(state.version)).unwrap();
        let events = self.world.drain(self.client);
        let [Event::Upgrade { connection, transaction, .. }] = events[..] else { panic!("{events:?}") };
        self.connection = connection;
        if state.stores.len() > 1 && self.random.one_in(2) {
            let (store, _) = state.stores.pop_first().unwrap();
            self.request(transaction, Bytes::new(9).u32(store))?;
        }
        self.create_store(transaction, &mut state)?;
        self.write(transaction, &mut state)?;
        self.mark(transaction, &mut state)?;
        let all: Vec<u32> = state.stores.keys().copied().collect();
        self.create_index(transaction, &mut state, all[0], false, "b")?;
        self.commit(transaction, state, true, true)
    }

    fn create_store(&mut self, transaction: TransactionId, state: &mut Database) -> Outcome {
        let id = state.next_store;
        state.next_store += 1;
        let generates = self.random.one_in(2);
        let path: &[&str] = if generates { &["i"] } else { &[] };
        let request = Bytes::new(8).u32(id).u8(generates.into()).name(&format!("store {id}")).path(path);
        self.request(transaction, request)?;
        let (records, indexes) = (BTreeMap::new(), BTreeMap::new());
        let store = Store {
            in_line: generates,
            auto_increment: generates,
            generator: 1,
            next_index: 1,
            records,
            indexes,
        };
        state.stores.insert(id, store);
        self.create_index(transaction, state, id, true, "a")
    }

    fn create_index(
        &mut self,
        transaction: TransactionId,
        state: &mut Database,
        store_id: u32,
        unique: bool,
        property: &'static str,
    ) -> Outcome {
        let store = state.stores.get_mut(&store_id).unwrap();
        let id = store.next_index;
        store.next_index += 1;
        let index = Index { unique, multi_entry: !unique, path: vec![property] };
        let request = Bytes::new(11)
            .u32(store_id)
            .u32(id)
            .u8(flags(&index))
            .name(&format!("index {id}"))
            .path(&index.path);
        self.request(transaction, request)?;
        self.request(transaction, Bytes::new(14).u32(store_id).u32(id))?;
        store.indexes.insert(id, index);
        Ok(())
    }

    fn delete_database(&mut self) -> Outcome {
        self.world.close_connection(self.client, self.connection);
        self.history.states.push(no_database());
        let request = self.world.delete_database(self.client, &name()).unwrap();
        let mut events = self.world.drain(self.client);
        if events == [Event::DeleteNeedsWorker { request }] {
            self.world.delete_blocking(request);
            events = self.world.drain(self.client);
        }
        match events[..] {
            [Event::Deleted { .. }] => Ok(()),
            [Event::Failed { name, .. }] => Err(Refusal::Event(name)),
            _ => panic!("{events:?}"),
        }
    }

    /// Portion by portion. Answers what follows the status, of all pages together.
    fn request(&self, id: TransactionId, request: Bytes) -> Outcome<Vec<u8>> {
        let (mut asked, mut count, mut rows) = (request.0.clone(), 0, Vec::new());
        loop {
            let response = self.execute(id, &asked)?;
            let (status, body) = response.split_first().unwrap();
            let (page, resume) = match status {
                0 if rows.is_empty() => return Ok(body.to_vec()),
                0 => (body, None),
                1 => return Err(Refusal::Request(body[0])),
                _ => {
                    let (rest, length) = body.split_last_chunk::<4>().unwrap();
                    let (page, resume) = rest.split_at(rest.len() - u32::from_le_bytes(*length) as usize);
                    (page, Some(resume))
                }
            };
            if let Some((number, page)) = page.split_first_chunk() {
                count += u32::from_le_bytes(*number);
                rows.extend_from_slice(page);
            }
            let Some(resume) = resume else { return Ok([&count.to_le_bytes()[..], &rows].concat()) };
            asked = [Bytes::new(15).bytes(resume).0, request.0.clone()].concat();
        }
    }

    /// In memory, and on the disk tier if that does not suffice.
    fn execute(&self, id: TransactionId, request: &[u8]) -> Outcome<Vec<u8>> {
        match self.world.execute(self.client, id, request, ReadTier::Memory)? {
            Some(response) => Ok(response),
            None => Ok(self.world.execute(self.client, id, request, ReadTier::Disk)?.unwrap()),
        }
    }

    /// Whether exactly `state` is there, as far as its stores and indexes go.
    fn holds(&self, state: &Database) -> bool {
        let scope: Vec<u32> = state.stores.keys().copied().collect();
        let id = self.world.begin_transaction(self.client, self.connection, &scope, Mode::ReadOnly).unwrap();
        self.world.drain(self.client);
        let holds = state.stores.iter().all(|(&store_id, store)| {
            [0].into_iter().chain(store.indexes.keys().copied()).all(|index| {
                let request = Bytes::new(3).u32(store_id).u32(index).range(&Range::default());
                self.request(id, request.u8(0).u32(0).u8(7)).unwrap() == listed(store, index).0
            })
        });
        self.world.abort(self.client, id).unwrap();
        holds
    }
}

fn flags(index: &Index) -> u8 {
    u8::from(index.unique) | u8::from(index.multi_entry) << 1
}

/// The response of a request for all keys, primary keys and values.
fn listed(store: &Store, index: u32) -> Bytes {
    let list = store.list(index);
    list.iter().fold(Bytes::default().u32(list.len() as u32), |bytes, (key, primary_key)| {
        bytes.bytes(key).bytes(primary_key).record(&store.records[primary_key])
    })
}

/// The schema of a database, in the bytes of the protocol.
fn schema(database: &Database) -> Vec<u8> {
    let start = Bytes::default().u32(database.next_store).u32(database.stores.len() as u32);
    let stores = database.stores.iter().fold(start, |bytes, (&id, store)| {
        let path: &[&str] = if store.in_line { &["i"] } else { &[] };
        let bytes =
            bytes.u32(id).u8(store.auto_increment.into()).u32(store.next_index).name(&format!("store {id}"));
        let bytes = bytes.path(path).u32(store.indexes.len() as u32);
        store.indexes.iter().fold(bytes, |bytes, (&id, index)| {
            bytes.u32(id).u8(flags(index)).name(&format!("index {id}")).path(&index.path)
        })
    });
    stores.0
}

/// Which of the states is there. The last such, as two may be the same.
fn found(fs: &Arc<dyn FileSystem>, history: &History) -> Option<usize> {
    let db = open_db(fs).unwrap();
    let world = open_world(&db).unwrap();
    let client = world.register(Arc::new(|| {}));
    if world.databases().is_empty() {
        return history.states.iter().rposition(|state| state.version == 0);
    }
    world.open_database(client, &name(), None).unwrap();
    let Some(Event::Opened { connection, version, schema: stored, .. }) = world.drain(client).pop() else {
        panic!("it cannot be opened")
    };
    let (mut unused, random) = (History::new(), Random::new(1));
    let program = Program { fs, history: &mut unused, random, db, world, client, connection };
    let is = |state: &Database| state.version == version && schema(state) == stored && program.holds(state);
    history.states.iter().rposition(is)
}

fn check_recovered(memory: &MemoryFileSystem, crash: &CrashOptions, history: &History) {
    let fs: Arc<dyn FileSystem> = Arc::new(memory.crash(crash));
    let Some(last) = found(&fs, history) else {
        panic!("{crash:?}: what is there is no state that ever was")
    };
    assert!(last >= history.synced, "{crash:?}: state {last} is there, {} was synced", history.synced);
    if crash.unsynced == Unsynced::Keep && crash.names == Names::Keep {
        assert!(last + 2 >= history.states.len(), "{crash:?}: state {last} of {}", history.states.len());
    }
    // Work goes on from there, key generators and ids of stores included.
    let mut history = History { states: vec![history.states[last].clone()], synced: 0 };
    let mut program = Program::start(&fs, crash.seed, &mut history).unwrap();
    program.change_version().unwrap();
    program.transaction().unwrap();
    program.db.close().unwrap();
    drop(program);
    assert_eq!(found(&fs, &history), Some(history.states.len() - 1));
}

fn crashes(seed: u64) -> [CrashOptions; 4] {
    [
        CrashOptions { seed, unsynced: Unsynced::Drop, names: Names::Drop },
        CrashOptions { seed, unsynced: Unsynced::Keep, names: Names::Drop },
        CrashOptions { seed, unsynced: Unsynced::RandomPrefix, names: Names::Random },
        CrashOptions { seed, unsynced: Unsynced::Keep, names: Names::Keep },
    ]
}

fn workload(fs: &Arc<dyn FileSystem>, seed: u64, history: &mut History) -> Outcome {
    let mut program = Program::start(fs, seed, history)?;
    for _ in 0..STEPS {
        program.step()?;
    }
    Ok(program.db.close()?)
}

/// How many calls of the file system the program makes when none fails.
fn calls(seed: u64) -> u64 {
    let faulty = FaultyFileSystem::new(Arc::new(MemoryFileSystem::crashable()));
    let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
    let mut history = History::new();
    workload(&fs, seed, &mut history).unwrap();
    assert!(history.states.len() > STEPS / 3);
    faulty.calls()
}

#[test]
fn a_crash_at_any_call_leaves_a_prefix_with_every_strict_transaction() {
    for_seeds(|seed| {
        for n in failing_calls(seed, calls(seed)) {
            let memory = MemoryFileSystem::crashable();
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            faulty.fail_from(n, Fault::Eio);
            let fs: Arc<dyn FileSystem> = Arc::new(faulty);
            let mut history = History::new();
            // A superfluous file that cannot be removed is no failure of the program.
            let _ = workload(&fs, seed, &mut history);
            let crashes = crashes(seed.wrapping_mul(1_000) + n);
            // Half of the kinds at each call: what a crash leaves behind is much the same after the next one.
            for crash in crashes.iter().skip(n as usize % 2).step_by(2) {
                check_recovered(&memory, crash, &history);
            }
        }
    });
}

#[test]
fn a_transaction_refused_for_lack_of_space_never_happened() {
    for_seeds(|seed| {
        let mut refused = 0;
        for n in failing_calls(seed, calls(seed)) {
            let memory = MemoryFileSystem::crashable();
            let faulty = FaultyFileSystem::new(Arc::new(memory.clone()));
            let fs: Arc<dyn FileSystem> = Arc::new(faulty.clone());
            faulty.fail_at(n, if n % 2 == 0 { Fault::Enospc } else { Fault::ShortWrite });
            let mut history = History::new();
            let Ok(mut program) = Program::start(&fs, seed, &mut history) else { continue };
            for _ in 0..STEPS {
                let states = program.history.states.len();
                let Err(refusal) = program.step() else { continue };
                refused += usize::from(refusal.is_for_lack_of_space());
                let goes_on = program.db.write(WriteBatch::new(), WriteOptions::default()).is_ok();
                if refusal.is_for_lack_of_space() || goes_on {
                    // There was no space, or a request could not read something: no commit fails like that.
                    let is_read = matches!(refusal, Refusal::Request(_));
                    assert!(refusal.is_for_lack_of_space() || is_read, "{refusal:?}");
                    program.history.states.truncate(states);
                    program.begin_anew();
                } else {
                    // A sync failed: what the last commit came to is unknown until the database
                    // is opened again.
                    drop(program);
                    let last = found(&fs, &history).unwrap();
                    assert!(last + 1 >= states, "call {n}: state {last} of {states}");
                    history.states.truncate(last + 1);
                    program = Program::start(&fs, seed + n, &mut history).unwrap();
                }
            }
            drop(program);
            let kill = CrashOptions { seed, unsynced: Unsynced::Keep, names: Names::Keep };
            let killed: Arc<dyn FileSystem> = Arc::new(memory.crash(&kill));
            assert_eq!(found(&killed, &history), Some(history.states.len() - 1), "call {n}");
        }
        assert!(refused > 0, "nothing was refused");
    });
}
