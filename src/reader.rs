//! Reads of records, of the present or of a snapshot.

use crate::aggregate::RecordAggregation;
use crate::error;
use crate::operations::{answer_read, answer_reads};
use crate::records::Records;
use crate::scan::{self, RecordScan};
use crate::task::{self, Work};
use flowdb_engine::{Error, ErrorKind, ReadTier, Result};
use flowdb_store::StoreHandle;
use flowdb_store::series::Source;
use napi::bindgen_prelude::{AsyncTask, BufferSlice, Either, Env, Utf16String};
use napi_derive::napi;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `get` answers with these where it has no length or bytes to give.
const ABSENT: i32 = -1;
const WOULD_BLOCK: i32 = -2;

/// A view of a store's records. Keeps the handle it came from open.
#[napi]
pub struct RecordReader {
    /// Held so that it stays open.
    _handle: Arc<StoreHandle>,
    /// The handle was closed.
    closed: Arc<AtomicBool>,
    /// `None` once this was closed.
    records: Mutex<Option<Arc<Records>>>,
}

#[napi]
impl RecordReader {
    pub(crate) fn new(handle: Arc<StoreHandle>, closed: Arc<AtomicBool>, records: Records) -> Self {
        RecordReader { _handle: handle, closed, records: Mutex::new(Some(Arc::new(records))) }
    }

    /// Answers the packed read that stands in the first `length` bytes of `scratch`, from memory, or from the disk if
    /// it may block. Writes the answer to `scratch` and gives its length, or gives the answer itself if it is too
    /// long for that. -1: nothing is there. -2: it would have to block.
    #[napi]
    pub fn get<'env>(
        &self,
        env: &'env Env,
        mut scratch: BufferSlice<'_>,
        length: u32,
        may_block: bool,
    ) -> napi::Result<Either<i32, BufferSlice<'env>>> {
        let records = self.open(env)?;
        let tier = if may_block { ReadTier::Disk } else { ReadTier::Memory };
        let mut answer = Vec::new();
        let read = scratch.get(..length as usize).unwrap_or_default();
        match answer_read(&records, read, tier, &mut answer) {
            Ok(false) => Ok(Either::A(ABSENT)),
            Ok(true) => match (scratch.get_mut(..answer.len()), i32::try_from(answer.len())) {
                (Some(target), Ok(length)) => {
                    target.copy_from_slice(&answer);
                    Ok(Either::A(length))
                }
                _ => BufferSlice::copy_from(env, answer).map(Either::B),
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Either::A(WOULD_BLOCK)),
            Err(error) => Err(error::to_js(env, &error)),
        }
    }

    /// Answers packed reads from memory; null if that does not suffice.
    #[napi]
    pub fn get_many<'env>(&self, env: &'env Env, reads: &[u8]) -> napi::Result<Option<BufferSlice<'env>>> {
        let records = self.open(env)?;
        match answer_reads(&records, reads, ReadTier::Memory) {
            Ok(answers) => BufferSlice::copy_from(env, answers).map(Some),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error::to_js(env, &error)),
        }
    }

    /// Answers packed reads on a worker.
    #[napi]
    pub fn get_later(&self, env: Env, reads: &[u8]) -> napi::Result<AsyncTask<Work<Vec<u8>>>> {
        let records = self.open(&env)?;
        let reads = reads.to_vec();
        Ok(task::run(move || answer_reads(&records, &reads, ReadTier::Disk)))
    }

    /// A scan of what is committed now, or of the snapshot.
    #[napi]
    pub fn scan(&self, env: Env, request: &[u8]) -> napi::Result<RecordScan> {
        let records = self.open(&env)?;
        RecordScan::new(&records, request).map_err(|error| error::to_js(&env, &error))
    }

    /// The newest point of each series, at or before the last timestamp of the packed request, on a worker: a page as of a scan.
    #[napi]
    pub fn latest_of_each(
        &self,
        env: Env,
        request: &[u8],
        limit: u32,
    ) -> napi::Result<AsyncTask<Work<Vec<u8>>>> {
        let records = self.open(&env)?;
        let request = request.to_vec();
        Ok(task::run(move || scan::latest_of_each(&records, &request, limit as usize)))
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
        RecordAggregation::new(&records, request, step, source).map_err(|error| error::to_js(&env, &error))
    }

    /// Lets go of the snapshot. What is being read is finished first, by its worker.
    #[napi]
    pub fn close(&self) {
        *self.records.lock() = None;
    }

    fn open(&self, env: &Env) -> napi::Result<Arc<Records>> {
        self.records().map_err(|error| error::to_js(env, &error))
    }

    /// Others may still have the store open when the handle is closed.
    fn records(&self) -> Result<Arc<Records>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        self.records.lock().clone().ok_or_else(|| Error::new(ErrorKind::Closed, "the snapshot is closed"))
    }
}
