//! Values as JSON, for people and tools that look into a database.

use super::DEPTH_MAX;
use super::head::{Head, ViewBuffer};
use super::reader::{Event, Place, ValueRef};
use flowdb_engine::Result;
use serde_json::{Map, Number, Value, json};

/// Deeper values are cut: JSON tools recurse.
const JSON_DEPTH_MAX: usize = 100;
const _: () = assert!(JSON_DEPTH_MAX < DEPTH_MAX);

const ERROR_NAMES: [&str; 7] =
    ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];

/// A value as JSON. Meant for inspection, and lossy: there is no way back.
///
/// What JSON has is given as it is, Boolean, Number and String objects as their primitives, `undefined` and
/// holes as `null`. Lone surrogates are replaced. All else is an object with one telling name: `$number` (NaN
/// and infinities), `$bigint` (hexadecimal), `$date` (milliseconds or null), `$regexp`, `$map` (pairs),
/// `$set`, `$bytes` (hexadecimal), `$error`, `$blob`, `$file`, `$reference` (number of the object), `$sparse`
/// (length of an array with holes, its elements as properties), `$array` (an array with other properties),
/// `$deep` for what is nested more than 100 deep.
pub fn to_json(value: ValueRef) -> Result<Value> {
    let mut builders: Vec<Builder> = Vec::new();
    let mut walker = value.walk(value.root());
    loop {
        let depth = walker.depth();
        let finished = match walker.next()? {
            None => return Ok(Value::Null),
            // What is inside of something cut away is passed over.
            Some(_) if depth > JSON_DEPTH_MAX => continue,
            Some(Event::Leave) => builders.pop().map_or(Value::Null, Builder::finish),
            Some(Event::Value { head, place, .. }) => {
                let is_container = walker.depth() > depth;
                if let Some(parent) = builders.last_mut() {
                    parent.place(&place);
                }
                if is_container && depth < JSON_DEPTH_MAX {
                    builders.push(Builder::new(&head));
                    continue;
                }
                if is_container { json!({ "$deep": true }) } else { leaf(&head) }
            }
        };
        match builders.last_mut() {
            Some(parent) => parent.add(finished),
            None => return Ok(finished),
        }
    }
}

/// A container whose parts are being collected.
struct Builder {
    wrapper: Option<&'static str>,
    head: Value,
    is_list: bool,
    list: Vec<Value>,
    properties: Map<String, Value>,
    /// Name of the property that comes next; `None` for an element.
    name: Option<String>,
}

impl Builder {
    fn new(head: &Head) -> Self {
        let (wrapper, value, is_list) = match head {
            Head::Object => (None, Value::Null, false),
            Head::Array { has_properties: false, .. } => (None, Value::Null, true),
            Head::Array { .. } => (Some("$array"), Value::Null, true),
            Head::SparseArray { length } => (Some("$sparse"), json!(length), false),
            Head::Map => (Some("$map"), Value::Null, true),
            Head::Set => (Some("$set"), Value::Null, true),
            other => (Some("$error"), leaf(other), false),
        };
        Builder { wrapper, head: value, is_list, list: Vec::new(), properties: Map::new(), name: None }
    }

    fn place(&mut self, place: &Place) {
        self.name = match place {
            Place::Property(name) => Some(name.to_string_lossy()),
            Place::Cause => Some("cause".to_owned()),
            Place::MapValue => Some(String::new()),
            _ => None,
        };
    }

    fn add(&mut self, value: Value) {
        match self.name.take() {
            Some(_) if self.wrapper == Some("$map") => {
                let key = self.list.pop().unwrap_or(Value::Null);
                self.list.push(json!([key, value]));
            }
            Some(name) => drop(self.properties.insert(name, value)),
            None => self.list.push(value),
        }
    }

    fn finish(mut self) -> Value {
        let Some(wrapper) = self.wrapper else {
            return if self.is_list { Value::Array(self.list) } else { Value::Object(self.properties) };
        };
        let own = match (self.is_list, self.head) {
            (true, _) => Value::Array(self.list),
            (false, Value::Object(fields)) => {
                self.properties.extend(fields);
                return Value::Object(self.properties);
            }
            (false, head) => head,
        };
        self.properties.insert(wrapper.to_owned(), own);
        Value::Object(self.properties)
    }
}

/// A value that has no parts of its own, or the head of an Error.
fn leaf(head: &Head) -> Value {
    match *head {
        Head::Boolean(value) | Head::BooleanObject(value) => Value::Bool(value),
        Head::Number(value) | Head::NumberObject(value) => number(value),
        Head::String(text) | Head::StringObject(text) => Value::String(text.to_string_lossy()),
        Head::BigInt { negative, magnitude } | Head::BigIntObject { negative, magnitude } => {
            let digits: String = magnitude.iter().rev().map(|byte| format!("{byte:02x}")).collect();
            json!({ "$bigint": format!("{}0x{}", if negative { "-" } else { "" }, digits) })
        }
        Head::Date(value) => json!({ "$date": Number::from_f64(value) }),
        Head::RegExp { source, flags } => {
            json!({ "$regexp": format!("/{}/{}", source.to_string_lossy(), flags.to_string_lossy()) })
        }
        Head::Buffer { bytes, .. } | Head::OwnView { bytes, .. } => json!({ "$bytes": hex(bytes) }),
        Head::View { offset, size, buffer, .. } => match buffer {
            ViewBuffer::Inline { bytes, .. } => {
                json!({ "$bytes": hex(bytes), "offset": offset, "size": size })
            }
            ViewBuffer::Reference(number) => {
                json!({ "$bytes": reference(number), "offset": offset, "size": size })
            }
        },
        Head::Error { kind, name, message, .. } => {
            let constructor = ERROR_NAMES.get(usize::from(kind)).copied().unwrap_or("DOMException");
            let name = name.map_or_else(|| constructor.to_owned(), |name| name.to_string_lossy());
            json!({ "$error": name, "message": message.map(|message| message.to_string_lossy()) })
        }
        Head::Blob { media_type, bytes } => {
            json!({ "$blob": media_type.to_string_lossy(), "size": bytes.len() })
        }
        Head::File { name, media_type, bytes, .. } => {
            json!({ "$file": name.to_string_lossy(), "type": media_type.to_string_lossy(), "size": bytes.len() })
        }
        Head::Reference(number) => reference(number),
        _ => Value::Null,
    }
}

fn reference(number: u64) -> Value {
    json!({ "$reference": number })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "a safe integer")]
        return json!(value as i64);
    }
    Number::from_f64(value).map_or_else(|| json!({ "$number": value.to_string() }), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Value {
        to_json(ValueRef::new(bytes).unwrap()).unwrap()
    }

    #[test]
    fn records_look_like_what_they_are() {
        let record = b"\x01\x13\x0a\x01a\x06\x02\x0a\x01b\x14\x03\x0a\x01x\x05\x13\x7f\x0a\x01c\x17\x06\x02\x18\x04\x7f\x7f\x7f";
        assert_eq!(
            of(record),
            json!({ "a": 1, "b": ["x", null, {}], "c": { "$map": [[1, { "$set": [true] }]] } })
        );
        assert_eq!(
            of(b"\x01\x1d\x05\x05\x0a\x01m\x06\x02"),
            json!({ "$error": "TypeError", "message": "m", "cause": 1 })
        );
        assert_eq!(of(b"\x01\x16\x03\x0a\x011\x04\x7f"), json!({ "$sparse": 3, "1": true }));
        assert_eq!(of(b"\x01\x15\x01\x04\x0a\x01p\x03\x7f"), json!({ "$array": [true], "p": false }));
        assert_eq!(of(b"\x01\x09\x02\x01\x02"), json!({ "$bigint": "-0x0201" }));
    }

    #[test]
    fn deep_values_are_cut() {
        let nested = [vec![1], [0x14, 1].repeat(DEPTH_MAX), vec![0x04]].concat();
        let text = of(&nested).to_string();
        assert_eq!(text.matches('[').count(), JSON_DEPTH_MAX);
        assert!(text.contains("$deep"));
    }
}
