//! How blocking work leaves the JS thread and comes back.

use crate::error;
use flowdb_engine::{Error, ErrorKind, Result};
use napi::bindgen_prelude::{AsyncTask, BufferSlice, ToNapiValue, TypeName};
use napi::{Env, ScopedTask};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What work brings back to JS.
pub trait Reply: Send + 'static {
    /// What it becomes there.
    type Js<'env>: ToNapiValue + TypeName;

    /// Makes it, on the JS thread.
    fn into_js(self, env: &Env) -> napi::Result<Self::Js<'_>>;
}

impl Reply for () {
    type Js<'env> = ();

    fn into_js(self, _: &Env) -> napi::Result<()> {
        Ok(())
    }
}

impl Reply for bool {
    type Js<'env> = bool;

    fn into_js(self, _: &Env) -> napi::Result<bool> {
        Ok(self)
    }
}

/// Bytes are copied into a Buffer: an external one costs more at every size, and Electron forbids it.
impl Reply for Vec<u8> {
    type Js<'env> = BufferSlice<'env>;

    fn into_js(self, env: &Env) -> napi::Result<BufferSlice<'_>> {
        BufferSlice::copy_from(env, self)
    }
}

/// One piece of work on libuv's pool. The promise is settled with what it returns.
pub struct Work<T> {
    job: Option<Box<dyn FnOnce() -> Result<T> + Send>>,
}

/// Queues `job`.
pub(crate) fn run<T: Reply>(job: impl FnOnce() -> Result<T> + Send + 'static) -> AsyncTask<Work<T>> {
    AsyncTask::new(Work { job: Some(Box::new(job)) })
}

/// Queues `job`, of which JS hears by other ways.
pub(crate) fn spawn(env: &Env, job: impl FnOnce() + Send + 'static) -> napi::Result<()> {
    let job = move || {
        job();
        Ok(())
    };
    env.spawn(Work { job: Some(Box::new(job)) }).map(|_| ())
}

impl<'env, T: Reply> ScopedTask<'env> for Work<T> {
    type Output = Result<T>;
    type JsValue = T::Js<'env>;

    fn compute(&mut self) -> napi::Result<Result<T>> {
        let job = self.job.take().expect("work is done once");
        Ok(guarded(job))
    }

    fn resolve(&mut self, env: &'env Env, output: Result<T>) -> napi::Result<T::Js<'env>> {
        match output {
            Ok(value) => value.into_js(env),
            Err(error) => Err(error::to_js(env, &error)),
        }
    }
}

/// A panic becomes an error: promises get an answer, and a bug of ours does not take the whole process down.
/// The engine sees to its own state.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|s| s.as_str()));
    Error::new(ErrorKind::Poisoned, format!("a bug in flowdb: {}", text.unwrap_or("panic without a message")))
}
