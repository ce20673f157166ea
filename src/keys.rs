//! Keys within values, for what the standard wants to know at once.

use crate::error;
use flowdb_engine::format::Reader;
use flowdb_engine::{Error, Result};
use flowdb_store::value::{self, Extracted, ExtractedMulti, KeyPath};
use napi::bindgen_prelude::{BufferSlice, Env};
use napi_derive::napi;

/// First byte of an answer.
const NOTHING: u8 = 0;
const INVALID: u8 = 1;
const FOUND: u8 = 2;

/// The key that a key path finds in a value: 0 (nothing there), 1 (no valid key), or 2 and the encoded key;
/// with `multiEntry`, 2 and a count and the sized keys.
#[napi(js_name = "extractKey")]
pub fn extract<'env>(
    env: &'env Env,
    bytes: &[u8],
    key_path: &[u8],
    multi_entry: bool,
) -> napi::Result<BufferSlice<'env>> {
    let answer = read_key_path(key_path).and_then(|key_path| {
        if multi_entry {
            value::extract_multi(bytes, &key_path, None).map(several)
        } else {
            value::extract_key(bytes, &key_path, None).map(one)
        }
    });
    BufferSlice::copy_from(env, answer.map_err(|error| error::to_js(env, &error))?)
}

/// True if a generated key can be put at the key path of a value.
#[napi(js_name = "canInjectKey")]
pub fn can_inject(env: Env, bytes: &[u8], key_path: &[u8]) -> napi::Result<bool> {
    let answer = read_key_path(key_path).and_then(|key_path| value::can_inject(bytes, &key_path));
    answer.map_err(|error| error::to_js(&env, &error))
}

fn read_key_path(bytes: &[u8]) -> Result<KeyPath> {
    KeyPath::decode(&mut Reader::new(bytes)).ok_or_else(|| Error::invalid("the bytes are no key path"))
}

fn one(found: Extracted) -> Vec<u8> {
    match found {
        Extracted::Nothing => vec![NOTHING],
        Extracted::Invalid => vec![INVALID],
        Extracted::Key(key) => [&[FOUND], &key[..]].concat(),
    }
}

fn several(found: ExtractedMulti) -> Vec<u8> {
    let keys = match found {
        ExtractedMulti::Nothing => return vec![NOTHING],
        ExtractedMulti::Invalid => return vec![INVALID],
        ExtractedMulti::Keys(keys) => keys,
    };
    let mut answer = vec![FOUND];
    put_length(&mut answer, keys.len());
    for key in &keys {
        put_length(&mut answer, key.len());
        answer.extend_from_slice(key);
    }
    answer
}

fn put_length(answer: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a value holds fewer than 2^32 bytes of keys");
    answer.extend_from_slice(&length.to_le_bytes());
}
