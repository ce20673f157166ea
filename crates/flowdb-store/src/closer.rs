//! Closes stores that were forgotten, one after the other, on a thread of its own that ends when
//! there are none.

use flowdb_engine::Result;
use parking_lot::Mutex;

/// Gives a handle back.
pub(crate) type Closing = Box<dyn FnOnce() -> Result<()> + Send>;

static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: Vec::new(), running: false });

struct Queue {
    waiting: Vec<Closing>,
    /// The thread is there.
    running: bool,
}

/// Has `closing` done soon. Never waits for it.
pub(crate) fn close_later(closing: Closing) {
    let mut queue = QUEUE.lock();
    queue.waiting.push(closing);
    if queue.running {
        return;
    }
    match std::thread::Builder::new().name("flowdb-close".to_owned()).spawn(run) {
        Ok(_) => queue.running = true,
        Err(error) => {
            tracing::warn!(%error, "no thread to close a forgotten handle; the next one takes it along")
        }
    }
}

fn run() {
    while let Some(closing) = next() {
        // A panic must not keep the handles behind this one open.
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(closing)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a forgotten handle could not be closed cleanly"),
            Err(_) => tracing::error!("a bug in flowdb: closing a forgotten handle panicked"),
        }
    }
}

fn next() -> Option<Closing> {
    let mut queue = QUEUE.lock();
    let closing = queue.waiting.pop();
    queue.running = closing.is_some();
    closing
}
