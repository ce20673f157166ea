//! What a client is told, as JS objects.

use crate::error;
use flowdb_store::document::{Cause, DatabaseInfo, Event};
use napi::bindgen_prelude::{BufferSlice, JsObjectValue, Object, ToNapiValue, Utf16String};
use napi::{Env, Property, PropertyAttributes};

/// A database that exists.
pub(crate) fn database<'env>(env: &'env Env, info: DatabaseInfo) -> napi::Result<Object<'env>> {
    Fields::new(env).with("name", Utf16String::from(info.name))?.with("version", number(info.version))?.done()
}

/// An event; its field `type` says which.
pub(crate) fn event<'env>(env: &'env Env, event: Event) -> napi::Result<Object<'env>> {
    let start = |name: &str| Fields::new(env).with("type", name);
    match event {
        Event::Started { transaction } => start("started")?.with("transaction", transaction)?.done(),
        Event::Committed { transaction } => start("committed")?.with("transaction", transaction)?.done(),
        Event::CommitFailed { transaction, name, message, cause } => start("commitFailed")?
            .with("transaction", transaction)?
            .with("name", name)?
            .with("message", message)?
            .cause(cause)?
            .done(),
        Event::VersionChange { request, connection, old_version, new_version } => start("versionchange")?
            .with("request", request)?
            .with("connection", connection)?
            .versions(old_version, new_version)?
            .done(),
        Event::Blocked { request, old_version, new_version } => {
            start("blocked")?.with("request", request)?.versions(old_version, new_version)?.done()
        }
        Event::Upgrade { request, connection, transaction, old_version, new_version, schema } => {
            start("upgrade")?
                .with("request", request)?
                .with("connection", connection)?
                .with("transaction", transaction)?
                .versions(old_version, new_version)?
                .with("schema", BufferSlice::copy_from(env, schema)?)?
                .done()
        }
        Event::Opened { request, connection, version, schema } => start("opened")?
            .with("request", request)?
            .with("connection", connection)?
            .with("version", number(version))?
            .with("schema", BufferSlice::copy_from(env, schema)?)?
            .done(),
        Event::Deleted { request, old_version } => {
            start("deleted")?.with("request", request)?.with("oldVersion", number(old_version))?.done()
        }
        Event::Failed { request, name, message, cause } => start("failed")?
            .with("request", request)?
            .with("name", name)?
            .with("message", message)?
            .cause(cause)?
            .done(),
        // Kept by the binding, which has it done.
        Event::DeleteNeedsWorker { request } => start("deleteNeedsWorker")?.with("request", request)?.done(),
    }
}

/// An object being made. Its properties are defined, not assigned: a setter that a program has planted on
/// `Object.prototype` is not met.
struct Fields<'env> {
    env: &'env Env,
    properties: Vec<Property>,
}

impl<'env> Fields<'env> {
    fn new(env: &'env Env) -> Self {
        Fields { env, properties: Vec::new() }
    }

    fn with<T: ToNapiValue>(mut self, name: &str, value: T) -> napi::Result<Self> {
        let property = Property::new().with_utf8_name(name)?.with_napi_value(self.env, value)?;
        self.properties.push(property.with_property_attributes(PropertyAttributes::Enumerable));
        Ok(self)
    }

    /// What the engine's error says besides its message; nothing if there is none.
    fn cause(self, cause: Option<Cause>) -> napi::Result<Self> {
        let Some(Cause { kind, file, offset }) = cause else { return Ok(self) };
        let mut fields = self.with("code", error::code(kind))?;
        if let Some(file) = file {
            fields = fields.with("file", file.display().to_string())?;
        }
        if let Some(offset) = offset {
            // Offsets in files are far below 2^53.
            fields = fields.with("offset", offset as f64)?;
        }
        Ok(fields)
    }

    fn versions(self, old: u64, new: u64) -> napi::Result<Self> {
        self.with("oldVersion", number(old))?.with("newVersion", number(new))
    }

    fn done(self) -> napi::Result<Object<'env>> {
        let mut object = Object::new(self.env)?;
        object.define_properties(&self.properties)?;
        Ok(object)
    }
}

/// The standard's versions go up to 2^53 - 1, which a double holds exactly.
fn number(version: u64) -> f64 {
    version as f64
}
