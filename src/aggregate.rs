//! An aggregation in progress; some of its rows per crossing. Integers are little-endian.
//!
//! ```text
//! page = u8 1 if it is the last, row*
//! row  = u32 key length, i64 start of the step, f64 count, sum, average, minimum, maximum, first, last, key
//! ```

use crate::holds::{Hold, Holds};
use crate::records::Records;
use crate::scan::Request;
use crate::task::{self, Work};
use flowdb_engine::{Error, ErrorKind, Result};
use flowdb_store::series::{Aggregation, Row, Source};
use flowdb_store::{PageEnd, Shape};
use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An aggregation, which holds a snapshot until it is through, fails or is closed.
#[napi]
pub struct RecordAggregation {
    shared: Arc<Shared>,
}

struct Shared {
    /// None while a worker has it, and at its end.
    aggregation: Mutex<Option<Aggregation>>,
    closed: AtomicBool,
}

#[napi]
impl RecordAggregation {
    pub(crate) fn new(records: &Records, request: &[u8], step: Option<i64>, source: Source) -> Result<Self> {
        let Request { shape, range, window, .. } = Request::read(request)?;
        if shape != Shape::Series {
            return Err(Error::invalid("only series are aggregated"));
        }
        let aggregation = records.series().aggregate(&range, window, step, source);
        let shared = Shared { aggregation: Mutex::new(Some(aggregation)), closed: AtomicBool::new(false) };
        Ok(RecordAggregation { shared: Arc::new(shared) })
    }

    /// Has it closed with its handle.
    pub(crate) fn join(&self, holds: &Holds) {
        holds.add(&self.shared);
    }

    /// Goes through so many points more, on a worker, and gives the rows that they complete.
    #[napi]
    pub fn next_later(&self, points: u32) -> AsyncTask<Work<Vec<u8>>> {
        let shared = Arc::clone(&self.shared);
        task::run(move || {
            let page = next_page(&mut shared.aggregation.lock(), points as usize);
            // Closed meanwhile, by a caller that could not wait for this.
            if shared.closed.load(Ordering::SeqCst) {
                *shared.aggregation.lock() = None;
            }
            page
        })
    }

    /// Lets go of the snapshot. What is being read is finished first, by its worker.
    #[napi]
    pub fn close(&self) {
        self.shared.let_go();
    }
}

impl Hold for Shared {
    fn let_go(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(mut aggregation) = self.aggregation.try_lock() {
            *aggregation = None;
        }
    }
}

fn next_page(slot: &mut Option<Aggregation>, points: usize) -> Result<Vec<u8>> {
    let mut aggregation =
        slot.take().ok_or_else(|| Error::new(ErrorKind::Closed, "the aggregation is closed"))?;
    let mut rows = Vec::new();
    let end = aggregation.advance(points, &mut rows)?;
    let mut page = vec![u8::from(end == PageEnd::Done)];
    rows.iter().for_each(|row| pack(row, &mut page));
    if end == PageEnd::More {
        *slot = Some(aggregation);
    }
    Ok(page)
}

fn pack(row: &Row, page: &mut Vec<u8>) {
    let summary = &row.summary;
    let length = u32::try_from(row.key.len()).expect("keys are smaller than 4 GiB");
    page.extend_from_slice(&length.to_le_bytes());
    page.extend_from_slice(&row.start.unwrap_or(0).to_le_bytes());
    // Counts above 2^53 would take centuries.
    let numbers = [
        summary.count as f64,
        summary.sum(),
        summary.average(),
        summary.min,
        summary.max,
        summary.first,
        summary.last,
    ];
    numbers.iter().for_each(|number| page.extend_from_slice(&number.to_le_bytes()));
    page.extend_from_slice(&row.key);
}
