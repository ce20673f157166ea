//! How other threads call into an environment.

use napi::bindgen_prelude::{Env, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type Weak = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Calls one JS function of one environment, from any thread, at least once after each [`Channel::notify`].
/// Does not keep the process alive unless it is held. Notifying a dead environment does nothing: the
/// threadsafe function knows that it was closed.
pub(crate) struct Channel {
    function: Mutex<Weak>,
    /// A call is on its way.
    notified: Arc<AtomicBool>,
}

impl Channel {
    /// A channel to `callback`. `before` runs each time right before it, on the same thread.
    pub(crate) fn new(callback: &Function<'_, (), ()>, before: impl Fn(&Env) + 'static) -> Result<Self> {
        let notified = Arc::new(AtomicBool::new(false));
        let pending = Arc::clone(&notified);
        let function =
            callback.build_threadsafe_function::<()>().weak::<true>().build_callback(move |context| {
                // Cleared first: what is announced from here on gets a call of its own.
                pending.store(false, Ordering::SeqCst);
                before(&context.env);
                Ok(())
            })?;
        Ok(Channel { function: Mutex::new(function), notified })
    }

    /// Sees to it that the function is called soon.
    pub(crate) fn notify(&self) {
        if !self.notified.swap(true, Ordering::SeqCst) {
            self.function.lock().call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Keeps the process alive, or no longer. On the environment's own thread only.
    #[expect(
        deprecated,
        reason = "the replacement, cloning, cannot make a channel that is only held at times"
    )]
    pub(crate) fn hold(&self, env: &Env, yes: bool) -> Result<()> {
        let mut function = self.function.lock();
        if yes { function.refer(env) } else { function.unref(env) }
    }
}
