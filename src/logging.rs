//! What the library logs, on its way to JS: of all databases of the process, to all who listen.

use crate::channel::Channel;
use napi::bindgen_prelude::{Either, Function};
use napi_derive::napi;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A listener that never takes them loses the oldest.
const WAITING_MAX: usize = 1_000;

static SINKS: Mutex<Vec<Arc<Sink>>> = Mutex::new(Vec::new());
/// Sinks that want to know everything.
static VERBOSE: AtomicUsize = AtomicUsize::new(0);

struct Sink {
    is_verbose: bool,
    waiting: Mutex<VecDeque<LogLine>>,
    channel: Channel,
}

/// One thing that was logged.
#[napi(object)]
#[derive(Clone)]
pub struct LogLine {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The words.
    pub message: String,
    /// What they are about.
    pub fields: BTreeMap<String, Either<f64, String>>,
}

/// Someone who listens, until it is closed or collected.
#[napi]
pub struct LogListener {
    sink: Arc<Sink>,
}

#[napi]
impl LogListener {
    /// Has `onLine` called from the event loop when `take` has something. What is below `info` only comes if
    /// it is wanted.
    #[napi(constructor)]
    pub fn new(on_line: Function<'_, (), ()>, is_verbose: bool) -> napi::Result<Self> {
        static INSTALLED: Once = Once::new();
        let channel = Channel::new(&on_line, |_| ())?;
        let sink = Arc::new(Sink { is_verbose, waiting: Mutex::default(), channel });
        SINKS.lock().push(Arc::clone(&sink));
        VERBOSE.fetch_add(usize::from(is_verbose), Ordering::Relaxed);
        // This copy of the library has nobody else who could have set one.
        INSTALLED.call_once(|| drop(tracing::subscriber::set_global_default(Collector)));
        tracing::callsite::rebuild_interest_cache();
        Ok(LogListener { sink })
    }

    /// What was logged since the last time.
    #[napi]
    pub fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut *self.sink.waiting.lock()).into()
    }

    /// No more lines come.
    #[napi]
    pub fn close(&self) {
        let mut sinks = SINKS.lock();
        let before = sinks.len();
        sinks.retain(|sink| !Arc::ptr_eq(sink, &self.sink));
        let is_removed = sinks.len() < before;
        drop(sinks);
        if is_removed {
            VERBOSE.fetch_sub(usize::from(self.sink.is_verbose), Ordering::Relaxed);
            tracing::callsite::rebuild_interest_cache();
        }
    }
}

impl Drop for LogListener {
    fn drop(&mut self) {
        self.close();
    }
}

/// Gives what is logged to the sinks.
struct Collector;

impl Subscriber for Collector {
    fn max_level_hint(&self) -> Option<LevelFilter> {
        let is_verbose = VERBOSE.load(Ordering::Relaxed) > 0;
        Some(match (SINKS.lock().is_empty(), is_verbose) {
            (true, _) => LevelFilter::OFF,
            (false, false) => LevelFilter::INFO,
            (false, true) => LevelFilter::TRACE,
        })
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.max_level_hint().is_some_and(|hint| *metadata.level() <= hint)
    }

    fn event(&self, event: &Event<'_>) {
        let level = event.metadata().level();
        let mut line = LogLine {
            level: level.as_str().to_ascii_lowercase(),
            message: String::new(),
            fields: BTreeMap::new(),
        };
        event.record(&mut Writer(&mut line));
        let sinks: Vec<_> = SINKS.lock().clone();
        for sink in sinks.iter().filter(|sink| sink.is_verbose || *level <= Level::INFO) {
            sink.add(line.clone());
        }
    }

    // The library has no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Sink {
    fn add(&self, line: LogLine) {
        let mut waiting = self.waiting.lock();
        if waiting.len() == WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(line);
        drop(waiting);
        self.channel.notify();
    }
}

struct Writer<'a>(&'a mut LogLine);

impl Visit for Writer<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, Either::A(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, Either::A(value as f64));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, Either::A(value as f64));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, Either::B(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail, and a `Debug` that does has written what it could.
        let _ = write!(text, "{value:?}");
        self.write(field, Either::B(text));
    }
}

impl Writer<'_> {
    fn write(&mut self, field: &Field, value: Either<f64, String>) {
        match value {
            Either::B(text) if field.name() == "message" => self.0.message = text,
            value => drop(self.0.fields.insert(in_camel_case(field.name()), value)),
        }
    }
}

/// `into_level` is `intoLevel` in JS.
fn in_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name.push_str(&initial.to_ascii_uppercase());
        name.push_str(rest);
        name
    })
}
