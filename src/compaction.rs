//! A compaction that was asked for, in slices, each a piece of work of its own: others get the pool's
//! threads in between, an environment that ends waits for one of them and asks for no further one, and so
//! does the process.

use crate::task::{self, Reply, Work};
use flowdb_engine::{Compaction, Result};
use flowdb_store::Store;
use flowdb_store::keyspace::{DOCUMENTS, KV, SERIES};
use napi::Env;
use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// As long as a slice of maintenance, for the same reasons.
const SLICE: Duration = Duration::from_millis(25);

/// Rewrites all trees of a store until nothing superfluous is left in them.
#[napi]
pub struct RecordCompaction {
    /// Those that are not done, the next one last.
    trees: Arc<Mutex<Vec<Compaction>>>,
    is_stopped: Arc<AtomicBool>,
}

/// How far a compaction has come.
pub enum Progress {
    /// Nothing is left to do.
    Done,
    /// It is to be run again.
    More,
    /// It was called off.
    Stopped,
}

impl Reply for Progress {
    type Js<'env> = String;

    fn into_js(self, _: &Env) -> napi::Result<String> {
        let name = match self {
            Progress::Done => "done",
            Progress::More => "more",
            Progress::Stopped => "stopped",
        };
        Ok(name.to_owned())
    }
}

#[napi]
impl RecordCompaction {
    pub(crate) fn new(store: &Store) -> Self {
        let trees = [DOCUMENTS, SERIES, KV].map(|tree| store.db().compaction(tree));
        RecordCompaction { trees: Arc::new(Mutex::new(trees.into())), is_stopped: Arc::default() }
    }

    /// Goes on for a slice, on a worker. It is given up where it fails, and where it was stopped.
    #[napi]
    pub fn run(&self) -> AsyncTask<Work<Progress>> {
        let (trees, is_stopped) = (Arc::clone(&self.trees), Arc::clone(&self.is_stopped));
        task::run(move || {
            let mut trees = trees.lock();
            let progress = run_slice(&mut trees, &is_stopped);
            if !matches!(progress, Ok(Progress::More)) {
                trees.drain(..).for_each(Compaction::give_up);
            }
            progress
        })
    }

    /// Has the next slice not begin.
    #[napi]
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

fn run_slice(trees: &mut Vec<Compaction>, is_stopped: &AtomicBool) -> Result<Progress> {
    if is_stopped.load(Ordering::Relaxed) {
        return Ok(Progress::Stopped);
    }
    if let Some(compaction) = trees.last_mut()
        && compaction.run(SLICE)?
    {
        trees.pop();
    }
    Ok(if trees.is_empty() { Progress::Done } else { Progress::More })
}
