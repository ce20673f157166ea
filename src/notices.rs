//! What happens in a store behind its writers' backs, on its way to JS.

use crate::channel::Channel;
use crate::error;
use flowdb_engine::{Error, Event, EventListener, TreeId};
use flowdb_store::tree_name;
use napi_derive::napi;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// A listener that never takes them loses the oldest.
const WAITING_MAX: usize = 1_000;

/// Something that happened. Which fields there are depends on the type.
#[napi(object)]
#[derive(Clone, Default)]
pub struct Notice {
    /// What it is.
    #[napi(js_name = "type")]
    pub kind: String,
    /// The tree concerned.
    pub tree: Option<String>,
    /// Bytes read.
    pub bytes_read: Option<f64>,
    /// Bytes written.
    pub bytes_written: Option<f64>,
    /// How long it took.
    pub duration_ms: Option<f64>,
    /// What was done.
    pub work: Option<String>,
    /// Code of the error.
    pub code: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// When it failed first, milliseconds since the epoch.
    pub since: Option<f64>,
    /// It is tried again.
    pub resumes: Option<bool>,
}

/// Notices of one handle.
pub(crate) struct Notices {
    waiting: Mutex<VecDeque<Notice>>,
    channel: Channel,
}

impl Notices {
    pub(crate) fn new(channel: Channel) -> Self {
        Notices { waiting: Mutex::default(), channel }
    }

    pub(crate) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.waiting.lock()).into()
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

impl EventListener for Notices {
    fn on_event(&self, event: &Event) {
        let mut waiting = self.waiting.lock();
        if waiting.len() == WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(notice(event));
        drop(waiting);
        self.channel.notify();
    }
}

fn notice(event: &Event) -> Notice {
    match event {
        Event::BackgroundError(failure) => Notice {
            work: Some(failure.work.name().to_owned()),
            message: Some(failure.to_string()),
            since: Some(failure.since as f64 / 1_000.0),
            resumes: Some(failure.resumes),
            ..failed("background-error", &failure.error)
        },
        Event::Resumed(work) => Notice { work: Some(work.name().to_owned()), ..named("resumed") },
        Event::StallBegan => named("stall-began"),
        Event::StallEnded => named("stall-ended"),
        Event::Flushed { tree, bytes, duration } => {
            Notice { bytes_written: Some(*bytes as f64), ..worked("flush", *tree, *duration) }
        }
        Event::Compacted { tree, bytes_read, bytes_written, duration } => Notice {
            bytes_read: Some(*bytes_read as f64),
            bytes_written: Some(*bytes_written as f64),
            ..worked("compaction", *tree, *duration)
        },
        Event::Corruption(error) => failed("corruption", error),
        // The engine may come to tell more than JS knows of.
        _ => named("other"),
    }
}

fn named(kind: &str) -> Notice {
    Notice { kind: kind.to_owned(), ..Notice::default() }
}

fn failed(kind: &str, error: &Error) -> Notice {
    Notice {
        code: Some(error::code(error.kind()).to_owned()),
        message: Some(error.to_string()),
        ..named(kind)
    }
}

fn worked(kind: &str, tree: TreeId, duration: Duration) -> Notice {
    Notice {
        tree: Some(tree_name(tree).to_owned()),
        duration_ms: Some(duration.as_secs_f64() * 1_000.0),
        ..named(kind)
    }
}
