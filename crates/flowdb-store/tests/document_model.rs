//! Goal: whatever a program does with databases, stores, indexes, cursors, transactions and reopening, the
//! answers are those of the standard. Method: random programs run on a [`World`] over an engine in memory,
//! and on a model of plain maps; every response is compared, and so is everything stored, after each commit,
//! abort, schema change and reopen. A longer run:
//! `FLOWDB_SEEDS=2000 cargo test --release -p flowdb-store --test document_model`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers of this test are small")]

use bytes::Bytes;
use flowdb_engine::format::Reader;
use flowdb_engine::fs::MemoryFileSystem;
use flowdb_engine::{Db, Options, ReadTier, TreeId, TreeOptions};
use flowdb_store::document::{ClientId, CommitOutcome, Event, Limits, Mode, TransactionId, World};
use model::{CONSTRAINT, Database, Index, Move, Range, Scalar, Store, Value};
use random::Random;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

#[path = "document_model/bytes.rs"]
mod bytes;
#[path = "document_model/model.rs"]
mod model;
#[path = "document_model/random.rs"]
mod random;

const SEEDS: u64 = 25;
const STEPS: usize = 400;
const DIRECTIONS: u8 = 4;

#[test]
fn random_programs_agree_with_the_model() {
    let from_env = |name: &str| std::env::var(name).ok().map(|number| number.parse().unwrap());
    let first: u64 = from_env("FLOWDB_SEED").unwrap_or(1);
    let count: u64 = from_env("FLOWDB_SEEDS").unwrap_or(SEEDS);
    let (mut repeated, mut portions) = (0, 0);
    for seed in first..first + count {
        println!("seed {seed}; repeat with FLOWDB_SEED={seed} FLOWDB_SEEDS=1");
        let mut program = Program::new(seed);
        for _ in 0..STEPS {
            program.step();
        }
        program.finish_all();
        program.reopen();
        program.check_everything();
        repeated += program.repeated.get();
        portions += program.portions.get();
    }
    assert!(repeated > 0 || count < SEEDS, "no request needed the disk tier");
    assert!(portions > 0 || count < SEEDS, "no request was done in portions");
}

impl Random {
    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())].clone()) }
    }

    fn scalar(&mut self) -> Scalar {
        match self.below(5) {
            0 => Scalar::Letter(b'a' + self.below(4) as u8),
            1 => Scalar::Int(-1 - self.below(3) as i64),
            _ => Scalar::Int(self.below(12) as i64),
        }
    }

    fn maybe_scalar(&mut self) -> Option<Scalar> {
        if self.one_in(4) { None } else { Some(self.scalar()) }
    }

    fn value(&mut self, id: Option<Scalar>) -> Value {
        let count = self.below(4);
        let b = if self.one_in(3) { None } else { Some((0..count).map(|_| self.scalar()).collect()) };
        Value { id, a: self.maybe_scalar(), b }
    }
}

/// A transaction that was begun: its stores as the model has them, once it has started.
struct Open {
    id: TransactionId,
    scope: Vec<u32>,
    mode: Mode,
    stores: Option<BTreeMap<u32, Store>>,
}

struct Program {
    random: Random,
    files: Arc<MemoryFileSystem>,
    db: Db,
    world: Arc<World>,
    /// Small for every second seed: transactions spill, and requests are done in portions.
    limits: Limits,
    client: ClientId,
    connection: u32,
    /// What is committed.
    model: Database,
    open: Vec<Open>,
    /// Requests that were not answered from memory.
    repeated: Cell<usize>,
    /// Responses that were portions.
    portions: Cell<usize>,
}

fn open_db(files: &Arc<MemoryFileSystem>) -> Db {
    let mut tree = TreeOptions::new(TreeId(3), "documents");
    tree.write_buffer_bytes = 64 << 10;
    tree.block_bytes = 512;
    let mut options = Options::new(vec![tree]);
    // Without a cache, what was flushed is not in memory: requests have to be repeated on the disk tier.
    options.block_cache_bytes = 0;
    Db::open(files.clone(), Path::new("/db"), options).unwrap()
}

fn name() -> Vec<u16> {
    "d\u{e9}".encode_utf16().collect()
}

impl Program {
    fn new(seed: u64) -> Self {
        let files = Arc::new(MemoryFileSystem::new());
        let db = open_db(&files);
        let small = Limits {
            transaction_memory_bytes: 1000,
            portion_records: 1,
            portion_bytes: 100,
            portion_passes: 1,
            ..Limits::default()
        };
        let limits = if seed.is_multiple_of(2) { small } else { Limits::default() };
        let world = World::open_with(db.clone(), limits).unwrap();
        let client = world.register(Arc::new(|| {}));
        let random = Random::new(seed);
        let model = Database { next_store: 1, ..Database::default() };
        let mut program = Program {
            random,
            files,
            db,
            world,
            limits,
            client,
            connection: 0,
            model,
            open: Vec::new(),
            repeated: Cell::new(0),
            portions: Cell::new(0),
        };
        program.change_version();
        program
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0 => self.reopen(),
            1..=3 => self.change_version(),
            4 => self.db.flush().unwrap(),
            5..=13 => self.begin(),
            14..=19 => self.end_one(),
            _ => self.operate(),
        }
    }

    fn begin(&mut self) {
        let ids: Vec<u32> = self.model.stores.keys().copied().collect();
        let scope: Vec<u32> = ids.into_iter().filter(|_| !self.random.one_in(3)).collect();
        if scope.is_empty() || self.open.len() > 4 {
            return;
        }
        let mode = if self.random.one_in(3) { Mode::ReadOnly } else { Mode::ReadWrite };
        let id = self.world.begin_transaction(self.client, self.connection, &scope, mode).unwrap();
        self.open.push(Open { id, scope, mode, stores: None });
        self.take_started();
        self.check_started();
    }

    /// Transactions that have started see what is committed at this moment.
    fn take_started(&mut self) {
        for event in self.world.drain(self.client) {
            let transaction = match event {
                Event::Started { transaction } => transaction,
                Event::Committed { .. } => continue,
                other => panic!("unexpected {other:?}"),
            };
            let open = self.open.iter_mut().find(|open| open.id == transaction).unwrap();
            let seen = open.scope.iter().map(|id| (*id, self.model.stores[id].clone()));
            open.stores = Some(seen.collect());
        }
    }

    fn check_started(&self) {
        for (position, open) in self.open.iter().enumerate() {
            let conflict = |other: &&Open| {
                let writes = open.mode == Mode::ReadWrite || other.mode == Mode::ReadWrite;
                writes && other.scope.iter().any(|store| open.scope.contains(store))
            };
            let blocked = self.open[..position].iter().any(|other| conflict(&other));
            assert_eq!(open.stores.is_some(), !blocked, "transaction {}", open.id);
        }
    }

    fn end_one(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let position = self.random.below(self.open.len());
        let ended = self.open.remove(position);
        if self.random.one_in(4) {
            self.world.abort(self.client, ended.id).unwrap();
        } else {
            let strict = self.random.one_in(3);
            self.commit(ended.id, strict);
            if let (Some(stores), Mode::ReadWrite) = (ended.stores, ended.mode) {
                self.model.stores.extend(stores);
            }
        }
        self.take_started();
        self.check_started();
    }

    fn commit(&self, id: TransactionId, strict: bool) {
        match self.world.commit(self.client, id, strict).unwrap() {
            CommitOutcome::Committed => {}
            CommitOutcome::NeedsWorker => {
                assert!(self.world.drain(self.client).is_empty());
                self.world.commit_blocking(id, strict);
            }
            CommitOutcome::Failed => panic!("a commit failed: {:?}", self.world.drain(self.client)),
        }
    }

    fn finish_all(&mut self) {
        while !self.open.is_empty() {
            self.end_one();
        }
    }

    fn reopen(&mut self) {
        // What is not committed is lost.
        self.world.drop_client(self.client);
        self.open.clear();
        self.db.close().unwrap();
        let db = open_db(&self.files);
        self.world = World::open_with(db.clone(), self.limits).unwrap();
        self.db = db;
        self.client = self.world.register(Arc::new(|| {}));
        self.connect();
        self.check_everything();
    }

    fn connect(&mut self) {
        let request = self.world.open_database(self.client, &name(), None).unwrap();
        match self.world.drain(self.client).pop() {
            Some(Event::Opened { request: answered, connection, version, .. }) => {
                assert_eq!((answered, version), (request, self.model.version));
                self.connection = connection;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Schema changes.
impl Program {
    fn change_version(&mut self) {
        self.finish_all();
        if self.connection != 0 {
            self.world.close_connection(self.client, self.connection);
        }
        if self.model.version > 0 && self.random.one_in(12) {
            self.delete_database();
        }
        let version = self.model.version + 1;
        self.world.open_database(self.client, &name(), Some(version)).unwrap();
        let events = self.world.drain(self.client);
        let [Event::Upgrade { connection, transaction, old_version, .. }] = events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(old_version, self.model.version);
        self.connection = connection;
        let before = self.model.clone();
        self.model.version = version;
        let changed = (0..self.random.below(6)).try_for_each(|_| self.change_schema(transaction));
        if changed.is_err() || (before.version > 0 && self.random.one_in(4)) {
            self.model = before;
            self.world.abort(self.client, transaction).unwrap();
            if self.model.version == 0 {
                assert!(self.world.databases().is_empty());
                return self.change_version_again();
            }
            self.connect();
        } else {
            self.commit(transaction, true);
            assert_eq!(self.world.databases()[0].version, version);
            self.world.drain(self.client);
        }
        self.check_everything();
    }

    fn change_version_again(&mut self) {
        self.connection = 0;
        self.change_version();
    }

    fn delete_database(&mut self) {
        let request = self.world.delete_database(self.client, &name()).unwrap();
        let mut events = self.world.drain(self.client);
        if events == [Event::DeleteNeedsWorker { request }] {
            self.world.delete_blocking(request);
            events = self.world.drain(self.client);
        }
        assert_eq!(events, [Event::Deleted { request, old_version: self.model.version }]);
        assert!(self.world.databases().is_empty());
        self.model = Database { next_store: 1, ..Database::default() };
    }

    /// One random change; `Err` if the transaction has to be aborted.
    fn change_schema(&mut self, transaction: TransactionId) -> Result<(), ()> {
        let stores: Vec<u32> = self.model.stores.keys().copied().collect();
        match (self.random.pick(&stores), self.random.below(8)) {
            (None, _) | (_, 0 | 1) => self.create_store(transaction),
            (Some(store), 2) => {
                self.request(transaction, Bytes::new(9).u32(store)).unwrap();
                self.model.stores.remove(&store);
            }
            (Some(store), 3) => {
                let name = format!("renamed {store} {}", self.random.below(9));
                self.request(transaction, Bytes::new(10).u32(store).name(&name)).unwrap();
            }
            (Some(store), 4) => {
                let indexes: Vec<u32> = self.model.stores[&store].indexes.keys().copied().collect();
                if let Some(index) = self.random.pick(&indexes) {
                    self.request(transaction, Bytes::new(12).u32(store).u32(index)).unwrap();
                    self.model.stores.get_mut(&store).unwrap().indexes.remove(&index);
                }
            }
            (Some(store), 5) => {
                for _ in 0..5 {
                    let mut kept = self.model.stores.remove(&store).unwrap();
                    self.write(transaction, store, &mut kept);
                    self.model.stores.insert(store, kept);
                }
            }
            (Some(store), _) => return self.create_index(transaction, store),
        }
        Ok(())
    }

    fn create_store(&mut self, transaction: TransactionId) {
        let id = self.model.next_store;
        self.model.next_store += 1;
        let (in_line, auto_increment) = (self.random.one_in(2), self.random.one_in(2));
        let path: &[&str] = if in_line { &["i"] } else { &[] };
        let request = Bytes::new(8).u32(id).u8(auto_increment.into()).name(&format!("store {id}")).path(path);
        self.request(transaction, request).unwrap();
        self.model.stores.insert(
            id,
            Store {
                in_line,
                auto_increment,
                generator: 1,
                next_index: 1,
                records: BTreeMap::new(),
                indexes: BTreeMap::new(),
            },
        );
    }

    fn create_index(&mut self, transaction: TransactionId, store_id: u32) -> Result<(), ()> {
        let paths: [&[&'static str]; 5] = [&["a"], &["b"], &["i"], &["a", "i"], &["b", "a"]];
        let path = paths[self.random.below(paths.len())].to_vec();
        let multi_entry = path.len() == 1 && self.random.one_in(2);
        let unique = self.random.one_in(3);
        let store = self.model.stores.get_mut(&store_id).unwrap();
        let id = store.next_index;
        store.next_index += 1;
        let index = Index { unique, multi_entry, path };
        let request = Bytes::new(11).u32(store_id).u32(id).u8(u8::from(unique) | u8::from(multi_entry) << 1);
        let request = request.name(&format!("index {id}")).path(&index.path);
        let fits = !unique || store.is_unique(&index);
        store.indexes.insert(id, index);
        self.request(transaction, request).unwrap();
        match self.request(transaction, Bytes::new(14).u32(store_id).u32(id)) {
            Ok(_) => {
                assert!(fits);
                Ok(())
            }
            Err(name) => {
                assert!(!fits && name == CONSTRAINT);
                Err(())
            }
        }
    }
}

/// Operations.
impl Program {
    fn operate(&mut self) {
        let running: Vec<usize> = (0..self.open.len()).filter(|&at| self.open[at].stores.is_some()).collect();
        let Some(at) = self.random.pick(&running) else { return self.begin() };
        let (id, mode) = (self.open[at].id, self.open[at].mode);
        let store_id = self.random.pick(&self.open[at].scope.clone()).unwrap();
        let mut store = self.open[at].stores.as_mut().unwrap().remove(&store_id).unwrap();
        if mode == Mode::ReadWrite && !self.random.one_in(3) {
            self.write(id, store_id, &mut store);
        } else {
            self.read(id, store_id, &store);
        }
        self.open[at].stores.as_mut().unwrap().insert(store_id, store);
    }

    fn write(&mut self, id: TransactionId, store_id: u32, store: &mut Store) {
        match self.random.below(12) {
            0 => {
                self.request(id, Bytes::new(6).u32(store_id)).unwrap();
                store.records.clear();
            }
            1..=3 => {
                let range = self.range(&[]);
                self.request(id, Bytes::new(5).u32(store_id).range(&range)).unwrap();
                store.records.retain(|key, _| !range.contains(key));
            }
            _ => {
                let key = self.random.maybe_scalar();
                let value = self.random.value(if store.in_line { key } else { None });
                let key = if store.in_line { None } else { key };
                let add = self.random.one_in(2);
                let mut request =
                    Bytes::new(1).u32(store_id).u8(u8::from(add) | u8::from(key.is_some()) << 1);
                if let Some(key) = key {
                    request = request.bytes(&key.key());
                }
                let answer = self.request(id, request.raw(&value.bytes()));
                let expected = store.put(add, key, &value);
                assert_eq!(answer.map(|response| response[4..].to_vec()), expected);
            }
        }
    }

    fn read(&mut self, id: TransactionId, store_id: u32, store: &Store) {
        let mut sources: Vec<u32> = store.indexes.keys().copied().collect();
        sources.push(0);
        let index = self.random.pick(&sources).unwrap();
        let records = store.list(index);
        let range = self.range(&records);
        let source = |kind: u8| Bytes::new(kind).u32(store_id).u32(index).range(&range);
        match self.random.below(6) {
            0 => {
                let response = self.request(id, source(4)).unwrap();
                let expected = records.iter().filter(|(key, _)| range.contains(key)).count() as u64;
                assert_eq!(response, expected.to_le_bytes());
            }
            1 => {
                let key_only = self.random.one_in(2);
                let response = self.request(id, source(2).u8(key_only.into())).unwrap();
                let found = records.iter().find(|(key, _)| range.contains(key));
                let mut expected = Bytes::default().u8(found.is_some().into());
                if let Some((_, primary_key)) = found {
                    expected = expected.bytes(primary_key);
                    if !key_only {
                        expected = expected.record(&store.records[primary_key]);
                    }
                }
                assert_eq!(response, expected.0);
            }
            2 => self.get_all(id, source(3), store, index, &range),
            _ => self.walk(id, store_id, store, index, &range),
        }
    }

    fn get_all(&mut self, id: TransactionId, request: Bytes, store: &Store, index: u32, range: &Range) {
        let direction = self.random.below(DIRECTIONS.into()) as u8;
        let (limit, parts) = (self.random.below(6) as u32, self.random.below(8) as u8);
        let response = self.request(id, request.u8(direction).u32(limit).u8(parts)).unwrap();
        let (mut expected, mut count, mut position) = (Bytes::default(), 0u32, None);
        let records = store.list(index);
        while limit == 0 || count < limit {
            let to = Move { position: position.clone(), count: 1, ..Move::default() };
            let Some((key, primary_key)) = model::iterate(&records, index != 0, range, direction, &to) else {
                break;
            };
            if parts & 1 != 0 {
                expected = expected.bytes(&key);
            }
            if parts & 2 != 0 {
                expected = expected.bytes(&primary_key);
            }
            if parts & 4 != 0 {
                expected = expected.record(&store.records[&primary_key]);
            }
            position = Some((key, primary_key));
            count += 1;
        }
        assert_eq!(response, [&count.to_le_bytes(), &expected.0[..]].concat());
    }

    /// A cursor that makes a few moves.
    fn walk(&mut self, id: TransactionId, store_id: u32, store: &Store, index: u32, range: &Range) {
        let direction = self.random.below(DIRECTIONS.into()) as u8;
        let key_only = self.random.one_in(2);
        let records = store.list(index);
        let mut position = None;
        for _ in 0..self.random.below(8) {
            let to = self.movement(&records, index, direction, position.clone());
            let request =
                Bytes::new(7).u32(store_id).u32(index).range(range).u8(direction).u8(key_only.into());
            let response = self.request(id, request.movement(&to)).unwrap();
            let found = model::iterate(&records, index != 0, range, direction, &to);
            let (mut expected, mut ends, mut step) = (Bytes::default(), Vec::new(), found.clone());
            for _ in 0..=to.ahead {
                expected = expected.u8(step.is_some().into());
                if let Some((key, primary_key)) = &step {
                    expected = expected.bytes(key).bytes(primary_key);
                    if !key_only {
                        expected = expected.record(&store.records[primary_key]);
                    }
                }
                ends.push(expected.0.len());
                if step.is_none() {
                    break;
                }
                let next = Move { position: step, count: 1, ..Move::default() };
                step = model::iterate(&records, index != 0, range, direction, &next);
            }
            // What is read ahead ends where the disk would have to be read.
            assert!(ends.contains(&response.len()), "direction {direction}, range {range:?}, move {to:?}");
            assert_eq!(
                response,
                expected.0[..response.len()],
                "direction {direction}, range {range:?}, move {to:?}"
            );
            if found.is_none() {
                break;
            }
            position = found;
        }
    }

    fn movement(
        &mut self,
        records: &[(Vec<u8>, Vec<u8>)],
        index: u32,
        direction: u8,
        position: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Move {
        let ahead = if self.random.one_in(2) { 0 } else { self.random.below(5) as u32 };
        let mut to = Move { position, count: 1, ahead, ..Move::default() };
        match self.random.below(6) {
            0 => to.count = 1 + self.random.below(4) as u32,
            1 => to.target = Some(self.random.scalar().key()),
            2 if index != 0 && direction.is_multiple_of(2) => {
                if let Some((key, primary_key)) = self.random.pick(records) {
                    to.target = Some(key);
                    to.target_primary =
                        Some(if self.random.one_in(2) { primary_key } else { self.random.scalar().key() });
                }
            }
            _ => {}
        }
        to
    }

    /// A random range, often at keys that are there.
    fn range(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> Range {
        let key = |random: &mut Random| match random.pick(records) {
            Some((key, _)) if random.one_in(2) => key,
            _ => random.scalar().key(),
        };
        if self.random.one_in(4) {
            let only = Some((key(&mut self.random), false));
            return Range { lower: only.clone(), upper: only };
        }
        let mut end = |absent: usize| {
            let key = (!self.random.one_in(absent)).then(|| key(&mut self.random));
            key.map(|key| (key, self.random.one_in(2)))
        };
        Range { lower: end(3), upper: end(3) }
    }

    /// Sends a request as the binding does: in memory first, portion by portion. Answers what follows the
    /// status, or the number of the error.
    fn request(&self, id: TransactionId, request: Bytes) -> Result<Vec<u8>, u8> {
        let (mut asked, mut pages) = (request.0.clone(), Vec::new());
        loop {
            let response = self.execute(id, &asked);
            match response[0] {
                0 => {
                    pages.push(response[1..].to_vec());
                    return Ok(joined(pages));
                }
                1 => return Err(response[1] & 15),
                _ => {
                    self.portions.set(self.portions.get() + 1);
                    let (rest, length) = response.split_last_chunk::<4>().unwrap();
                    let (page, resume) = rest.split_at(rest.len() - u32::from_le_bytes(*length) as usize);
                    asked = [Bytes::new(15).bytes(resume).0, request.0.clone()].concat();
                    pages.extend((page.len() > 1).then(|| page[1..].to_vec()));
                }
            }
        }
    }

    fn execute(&self, id: TransactionId, request: &[u8]) -> Vec<u8> {
        match self.world.execute(self.client, id, request, ReadTier::Memory).unwrap() {
            Some(response) => response,
            None => {
                self.repeated.set(self.repeated.get() + 1);
                self.world.execute(self.client, id, request, ReadTier::Disk).unwrap().unwrap()
            }
        }
    }

    /// Everything in all stores and indexes, in a transaction of its own.
    fn check_everything(&mut self) {
        let scope: Vec<u32> = self.model.stores.keys().copied().collect();
        let id = self.world.begin_transaction(self.client, self.connection, &scope, Mode::ReadOnly).unwrap();
        let events = self.world.drain(self.client);
        assert_eq!(events, [Event::Started { transaction: id }]);
        for (store_id, store) in &self.model.stores {
            for index in [0].into_iter().chain(store.indexes.keys().copied()) {
                let request = Bytes::new(3).u32(*store_id).u32(index).range(&Range::default());
                let response = self.request(id, request.u8(0).u32(0).u8(3)).unwrap();
                let mut reader = Reader::new(&response);
                let count = reader.u32().unwrap();
                let mut key = || {
                    let length = reader.u32().unwrap() as usize;
                    reader.take(length).unwrap().to_vec()
                };
                let found: Vec<_> = (0..count).map(|_| (key(), key())).collect();
                assert_eq!(found, store.list(index), "store {store_id}, index {index}");
            }
        }
        self.world.abort(self.client, id).unwrap();
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
