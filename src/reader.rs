//! Reads of records, of the present or of a snapshot.

use crate::aggregate::RecordAggregation;
use crate::error;
use crate::holds::{Hold, Holds};
use crate::operations::{answer_read, answer_reads, malformed};
use crate::records::Records;
use crate::scan::RecordScan;
use crate::task::{self, Work};
use flowdb_engine::{Error, ErrorKind, ReadTier, Result};
use flowdb_store::StoreHandle;
use flowdb_store::series::Source;
use napi::bindgen_prelude::{AsyncTask, BufferSlice, Env, Function, Utf16String};
use napi_derive::napi;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `get` answers with these where it has no length to give.
const ABSENT: i32 = -1;
const WOULD_BLOCK: i32 = -2;
const LONG: i32 = -3;

/// A view of a store's records. Keeps the handle it came from open.
#[napi]
pub struct RecordReader {
    view: Arc<View>,
}

struct View {
    /// Held so that it stays open.
    _handle: Arc<StoreHandle>,
    /// The handle was closed.
    closed: Arc<AtomicBool>,
    /// `None` once this was closed.
    records: Mutex<Option<Arc<Records>>>,
    /// An answer for which there was no room, until it is taken.
    long: Mutex<Vec<u8>>,
    /// What `getMany` looked at and its first answers, if it left a rest, until they are taken.
    begun: Mutex<Option<(Arc<Records>, Vec<u8>)>>,
    /// Of the handle.
    holds: Arc<Holds>,
}

impl Hold for View {
    fn let_go(&self) {
        *self.records.lock() = None;
        *self.begun.lock() = None;
    }
}

#[napi]
impl RecordReader {
    pub(crate) fn new(
        handle: Arc<StoreHandle>,
        closed: Arc<AtomicBool>,
        holds: Arc<Holds>,
        records: Arc<Records>,
    ) -> Self {
        let view = Arc::new(View {
            _handle: handle,
            closed,
            records: Mutex::new(Some(records)),
            long: Mutex::default(),
            begun: Mutex::default(),
            holds,
        });
        view.holds.add(&view);
        RecordReader { view }
    }

    /// A function `(scratch, offset, length, mayBlock)`. It answers the packed read that stands there in
    /// `scratch`, from memory, or from the disk if it may block; writes the answer to the same place and
    /// gives its length. -1: nothing is there. -2: it would have to block. -3: there is no room for the
    /// answer, `takeLong` gives it.
    ///
    /// A function of its own and no method, as it is called the most: a method's call looks up the object
    /// behind it and checks the type of each argument, which takes longer than most reads.
    #[napi]
    pub fn getter<'env>(&self, env: &'env Env) -> napi::Result<Function<'env, (), i32>> {
        let view = Arc::clone(&self.view);
        env.create_function_from_closure("get", move |call| {
            let mut scratch = call.get::<BufferSlice<'_>>(0)?;
            let place = scratch.get_mut(call.get::<u32>(1)? as usize..).unwrap_or_default();
            let length = call.get::<u32>(2)? as usize;
            let tier = if call.get(3)? { ReadTier::Disk } else { ReadTier::Memory };
            view.get(place, length, tier).map_err(|error| error::to_js(call.env, &error))
        })
    }

    /// The answer for which there was no room.
    #[napi]
    pub fn take_long<'env>(&self, env: &'env Env) -> napi::Result<BufferSlice<'env>> {
        BufferSlice::copy_from(env, std::mem::take(&mut *self.view.long.lock()))
    }

    /// Answers packed reads from memory, all as of one moment; null if that, or one reply, does not suffice
    /// for all of them. `takeMoment` is to be asked for the rest.
    #[napi]
    pub fn get_many<'env>(&self, env: &'env Env, reads: &[u8]) -> napi::Result<Option<BufferSlice<'env>>> {
        let moment = self.open(env)?.moment();
        let reply =
            answer_reads(&moment, reads, ReadTier::Memory).map_err(|error| error::to_js(env, &error))?;
        if reply.is_whole {
            return BufferSlice::copy_from(env, reply.bytes).map(Some);
        }
        *self.view.begun.lock() = Some((moment, reply.bytes));
        Ok(None)
    }

    /// A reader of the moment that `getMany` looked at, whose `takeLong` gives the answers that it had; if
    /// there are none, of the present moment. To be closed.
    #[napi]
    pub fn take_moment(&self, env: Env) -> napi::Result<RecordReader> {
        let records = self.open(&env)?;
        let (moment, answers) =
            self.view.begun.lock().take().unwrap_or_else(|| (records.moment(), Vec::new()));
        let View { _handle: handle, closed, holds, .. } = &*self.view;
        let reader = RecordReader::new(Arc::clone(handle), Arc::clone(closed), Arc::clone(holds), moment);
        *reader.view.long.lock() = answers;
        Ok(reader)
    }

    /// Answers packed reads on a worker, as many as one reply has room for.
    #[napi]
    pub fn get_later(&self, env: Env, reads: &[u8]) -> napi::Result<AsyncTask<Work<Vec<u8>>>> {
        let records = self.open(&env)?;
        let reads = reads.to_vec();
        Ok(task::run(move || Ok(answer_reads(&records, &reads, ReadTier::Disk)?.bytes)))
    }

    /// A scan of what is committed now, or of the snapshot.
    #[napi]
    pub fn scan(&self, env: Env, request: &[u8]) -> napi::Result<RecordScan> {
        let records = self.open(&env)?;
        let scan = RecordScan::new(&records, request).map_err(|error| error::to_js(&env, &error))?;
        scan.join(&self.view.holds);
        Ok(scan)
    }

    /// A scan of the newest point of each series, at or before the last timestamp of the packed request.
    #[napi]
    pub fn newest_of_each(&self, env: Env, request: &[u8]) -> napi::Result<RecordScan> {
        let records = self.open(&env)?;
        let scan = RecordScan::of_newest(&records, request).map_err(|error| error::to_js(&env, &error))?;
        scan.join(&self.view.holds);
        Ok(scan)
    }

    /// An aggregation of the points that a packed scan request names, in steps of so many microseconds.
    #[napi]
    pub fn aggregate(
        &self,
        env: Env,
        request: &[u8],
        step: Option<i64>,
        field: Utf16String,
        json: bool,
    ) -> napi::Result<RecordAggregation> {
        let records = self.open(&env)?;
        let source = Source { path: field.to_vec(), json };
        let aggregation = RecordAggregation::new(&records, request, step, source)
            .map_err(|error| error::to_js(&env, &error))?;
        aggregation.join(&self.view.holds);
        Ok(aggregation)
    }

    /// Lets go of the snapshot. What is being read is finished first, by its worker.
    #[napi]
    pub fn close(&self) {
        self.view.let_go();
    }

    fn open(&self, env: &Env) -> napi::Result<Arc<Records>> {
        self.view.records().map_err(|error| error::to_js(env, &error))
    }
}

impl View {
    /// Answers the read in the first `length` bytes of `place`, in the same place.
    fn get(&self, place: &mut [u8], length: usize, tier: ReadTier) -> Result<i32> {
        let read = place.get(..length).ok_or_else(malformed)?;
        match answer_read(&*self.records()?, read, tier) {
            Ok(None) => Ok(ABSENT),
            Ok(Some(answer)) => Ok(match answer.write(place).map(i32::try_from) {
                Some(Ok(length)) => length,
                _ => {
                    *self.long.lock() = answer.to_vec();
                    LONG
                }
            }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(WOULD_BLOCK),
            Err(error) => Err(error),
        }
    }

    /// Others may still have the store open when the handle is closed.
    fn records(&self) -> Result<Arc<Records>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        self.records.lock().clone().ok_or_else(|| Error::new(ErrorKind::Closed, "the snapshot is closed"))
    }
}
