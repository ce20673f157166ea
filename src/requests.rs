//! The calls that the IndexedDB facade makes for each request, as functions of their own: a method's call
//! looks up the object behind it and checks the type of each argument, which takes longer than most requests.

use crate::error;
use crate::external_memory::ExternalMemory;
use crate::maintenance;
use crate::operations::malformed;
use flowdb_engine::Result;
use flowdb_store::StoreHandle;
use flowdb_store::document::{Begin, ClientId, Mode, Then, Transacted, World};
use napi::bindgen_prelude::{BufferSlice, Env, Function, FunctionCallContext};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// What is in front of responses in memory of the facade's. The transactor writes there how far it has come,
/// and the number of the transaction.
const HEAD_BYTES: usize = 8;
const COMMITTED: u32 = 0;
const RUNNING: u32 = 1;

/// Flags of the transactor.
const READ_WRITE: u32 = 1;
const COMMIT: u32 = 2;

/// Answered where there is no room for the responses.
const LONG: i32 = -1;

/// What the functions of a client share.
pub(crate) struct Requests {
    world: Arc<World>,
    client: ClientId,
    handle: Arc<StoreHandle>,
    pub(crate) memory: ExternalMemory,
    /// The responses of the last call. Those for which there was no room are here until they are taken.
    responses: Mutex<Vec<u8>>,
}

impl Requests {
    pub(crate) fn new(world: Arc<World>, client: ClientId, handle: Arc<StoreHandle>) -> Arc<Self> {
        let (memory, responses) = (ExternalMemory::default(), Mutex::default());
        Arc::new(Requests { world, client, handle, memory, responses })
    }

    /// A function `(transaction, requests, start, end, scratch)`. It executes requests from memory, up to one
    /// that may take long: those in `requests` from `start` up to `end`, each behind its length. Writes the
    /// responses to `scratch`, behind a head, each behind its length, and answers how many bytes they are. 0:
    /// the first cannot be answered from memory, and nothing has changed. -1: there is no room for the
    /// responses, `takeResponses` gives them.
    pub(crate) fn executor<'env>(self: &Arc<Self>, env: &'env Env) -> napi::Result<Function<'env, (), i32>> {
        let weak = Arc::downgrade(self);
        env.create_function_from_closure("execute", move |call| {
            let shared = Self::alive(&weak)?;
            let transaction = call.get(0)?;
            let requests = Given::read(&call, 1)?;
            let mut scratch = call.get::<BufferSlice<'_>>(4)?;
            let room = scratch.get_mut(HEAD_BYTES..).unwrap_or_default();
            let executed = shared.respond(room, |responses| {
                shared.world.execute_batch(shared.client, transaction, requests.bytes()?, responses)
            });
            executed.map(|(length, ())| length).map_err(|error| error::to_js(call.env, &error))
        })
    }

    /// A function `(connection, store, flags, requests, start, end, scratch)`. It creates a transaction over
    /// one store, executes its first requests as the executor does, and commits it if that is among the
    /// `flags`, if all requests have succeeded, and if nothing has to be waited for. In front of the
    /// responses, `scratch` has how far it has come (committed, running), and its number. In memory only, and
    /// if no other transaction is running or waiting.
    pub(crate) fn transactor<'env>(
        self: &Arc<Self>,
        env: &'env Env,
    ) -> napi::Result<Function<'env, (), i32>> {
        let weak = Arc::downgrade(self);
        env.create_function_from_closure("transact", move |call| {
            let shared = Self::alive(&weak)?;
            let flags: u32 = call.get(2)?;
            let mode = if flags & READ_WRITE != 0 { Mode::ReadWrite } else { Mode::ReadOnly };
            let then = if flags & COMMIT != 0 { Then::Commit } else { Then::Stay };
            let begin = Begin { connection: call.get(0)?, store: call.get(1)?, mode };
            let requests = Given::read(&call, 3)?;
            let mut scratch = call.get::<BufferSlice<'_>>(6)?;
            let (head, room) = scratch
                .split_first_chunk_mut::<HEAD_BYTES>()
                .ok_or_else(|| napi::Error::from_reason("scratch: too small"))?;
            let transacted = shared.respond(room, |responses| {
                shared.world.transact(shared.client, begin, requests.bytes()?, responses, then)
            });
            let (length, done) = transacted.map_err(|error| error::to_js(call.env, &error))?;
            let (state, id) = match done {
                Transacted::Committed => {
                    shared.has_committed(call.env);
                    (COMMITTED, 0)
                }
                Transacted::Running(id) => (RUNNING, id),
            };
            *head = (u64::from(state) | u64::from(id) << 32).to_le_bytes();
            Ok(length)
        })
    }

    /// Of the client that a function was made for. Functions do not keep what it holds: they are collected
    /// later than it.
    fn alive(weak: &Weak<Self>) -> napi::Result<Arc<Self>> {
        weak.upgrade().ok_or_else(|| napi::Error::from_reason("the client of this function is gone"))
    }

    /// Copies the responses that `execute` gives to `room`, and answers how many bytes they are, or that
    /// there is no room for them.
    fn respond<R>(
        &self,
        room: &mut [u8],
        execute: impl FnOnce(&mut Vec<u8>) -> Result<R>,
    ) -> Result<(i32, R)> {
        let mut responses = self.responses.lock();
        responses.clear();
        let done = execute(&mut responses)?;
        let length = match (room.get_mut(..responses.len()), i32::try_from(responses.len())) {
            (Some(target), Ok(length)) => {
                target.copy_from_slice(&responses);
                length
            }
            _ => LONG,
        };
        Ok((length, done))
    }

    /// The responses for which there was no room.
    pub(crate) fn take_responses(&self) -> Vec<u8> {
        std::mem::take(&mut *self.responses.lock())
    }

    pub(crate) fn has_committed(&self, env: &Env) {
        self.memory.tell(env, self.handle.memory_bytes());
        maintenance::start_slice(env);
    }
}

/// Requests as they are given: a Buffer, where they start in it, and where they end.
struct Given<'a> {
    buffer: BufferSlice<'a>,
    start: u32,
    end: u32,
}

impl<'a> Given<'a> {
    /// Reads the arguments from `first` on.
    fn read(call: &FunctionCallContext<'a>, first: usize) -> napi::Result<Self> {
        Ok(Given { buffer: call.get(first)?, start: call.get(first + 1)?, end: call.get(first + 2)? })
    }

    /// Without them nothing would be executed, and a transaction committed that lacks them.
    fn bytes(&self) -> Result<&[u8]> {
        self.buffer.get(self.start as usize..self.end as usize).ok_or_else(malformed)
    }
}
