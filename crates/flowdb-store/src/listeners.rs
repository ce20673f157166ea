//! Listeners that are told of the engine's events: any number, which come and go while the store is open.

use flowdb_engine::{Event, EventListener};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<Vec<Weak<dyn EventListener>>>);

impl Listeners {
    pub(crate) fn add(&self, listener: &Arc<dyn EventListener>) {
        let mut listeners = self.0.lock();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(listener));
    }
}

impl EventListener for Listeners {
    fn on_event(&self, event: &Event) {
        // Told without the lock: a listener may call the store.
        let listeners: Vec<_> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        listeners.iter().for_each(|listener| listener.on_event(event));
    }
}
