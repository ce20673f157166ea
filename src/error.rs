//! Engine errors as JS errors with a code; nowhere else.

use flowdb_engine::{Error, ErrorKind};
use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, JsValue, Status};

/// The `code` of an error of this kind. The codes are public API.
pub(crate) fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "FLOWDB_INVALID_ARGUMENT",
        ErrorKind::NotFound => "FLOWDB_NOT_FOUND",
        ErrorKind::Locked => "FLOWDB_LOCKED",
        ErrorKind::Corruption => "FLOWDB_CORRUPTION",
        ErrorKind::Unsupported => "FLOWDB_UNSUPPORTED",
        ErrorKind::NoSpace => "FLOWDB_NO_SPACE",
        ErrorKind::Io => "FLOWDB_IO",
        ErrorKind::Poisoned => "FLOWDB_POISONED",
        ErrorKind::Closed => "FLOWDB_CLOSED",
        // Never reaches a caller: the binding repeats the call on a worker.
        ErrorKind::WouldBlock => "FLOWDB_WOULD_BLOCK",
        ErrorKind::TooLarge => "FLOWDB_TOO_LARGE",
        ErrorKind::ReadOnly => "FLOWDB_READ_ONLY",
        ErrorKind::Conflict => "FLOWDB_CONFLICT",
    }
}

/// The JS error of an engine error: `code`, and `file`, `offset` (bytes) and `holder` (process id) where
/// they are known.
pub(crate) fn to_js(env: &Env, error: &Error) -> napi::Error {
    match build(env, error) {
        Ok(object) => napi::Error::from(object.to_unknown()),
        // The environment is going down, or something threw while the error was made: its words are
        // what is left.
        Err(_) => napi::Error::new(Status::GenericFailure, error.to_string()),
    }
}

/// As [`to_js`], for an error as a value.
pub(crate) fn build<'env>(env: &'env Env, error: &Error) -> napi::Result<Object<'env>> {
    let mut object = env.create_error(napi::Error::new(Status::GenericFailure, error.to_string()))?;
    object.set("code", code(error.kind()))?;
    set_if_known(&mut object, "file", error.file().map(|file| file.display().to_string()))?;
    // Offsets in files are far below 2^53.
    set_if_known(&mut object, "offset", error.offset().map(|offset| offset as f64))?;
    set_if_known(&mut object, "holder", error.holder())?;
    Ok(object)
}

fn set_if_known<T: ToNapiValue>(object: &mut Object<'_>, name: &str, value: Option<T>) -> napi::Result<()> {
    match value {
        Some(value) => object.set(name, value),
        None => Ok(()),
    }
}
