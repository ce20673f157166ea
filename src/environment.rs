//! The environments (main thread, worker threads) that have this library loaded.

use crate::channel::Channel;
use crate::maintenance;
use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::Arc;

/// One environment. An environment that loads the library again keeps its first one.
pub(crate) struct Environment {
    channel: Channel,
}

static ALIVE: Mutex<Vec<Arc<Environment>>> = Mutex::new(Vec::new());

thread_local! {
    /// The environment whose JS runs on this thread.
    static CURRENT: RefCell<Option<Arc<Environment>>> = const { RefCell::new(None) };
}

/// Called by Node whenever the library is loaded into an environment.
#[napi(module_exports)]
pub fn register(_exports: Object<'_>, env: Env) -> napi::Result<()> {
    if CURRENT.with_borrow(Option::is_some) {
        return Ok(());
    }
    let nothing = env.create_function_from_closure("flowdb", |_| Ok(()))?;
    let channel = Channel::new(&nothing, maintenance::start_slice)?;
    let environment = Arc::new(Environment { channel });
    ALIVE.lock().push(Arc::clone(&environment));
    CURRENT.set(Some(environment));
    env.add_env_cleanup_hook((), |()| unregister())?;
    Ok(())
}

/// Someone else takes over the maintenance that this environment was asked for.
fn unregister() {
    let Some(environment) = CURRENT.take() else {
        return;
    };
    ALIVE.lock().retain(|other| !Arc::ptr_eq(other, &environment));
    if maintenance::is_waiting() {
        notify();
    }
}

/// Has an environment call [`maintenance::start_slice`]: this thread's own, else the one that has
/// been there longest.
pub(crate) fn notify() {
    let own = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
    let environment = own.or_else(|| ALIVE.lock().first().cloned());
    if let Some(environment) = environment {
        environment.channel.notify();
    }
}
