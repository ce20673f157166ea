//! Fuzzing of manifests: see [`crate::fuzzing`].

use super::manifest::{encode_header, frame_edit, parse};
use crate::fuzzing::Sections;
use std::path::Path;

const DATABASE: u64 = 7;

/// A manifest whose edits are the fuzzer's. The state that they add up to is written and read again.
#[allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]
pub fn fuzz_manifest(data: &[u8]) -> usize {
    let mut input = Sections::new(data);
    let has_tail = input.byte() & 1 == 1;
    let mut file = encode_header(DATABASE);
    while !input.is_empty() {
        let framed = frame_edit(input.bytes().to_vec(), file.len() as u64, DATABASE).unwrap();
        file.extend_from_slice(&framed);
        if has_tail {
            break;
        }
    }
    file.extend_from_slice(input.rest());
    let path = Path::new("/manifest");
    let Ok((state, _)) = parse(path, &file) else { return 0 };
    let mut body = Vec::new();
    state.snapshot_edit().encode(&mut body);
    let mut again = encode_header(DATABASE);
    let framed = frame_edit(body, again.len() as u64, DATABASE).unwrap();
    again.extend_from_slice(&framed);
    assert_eq!(parse(path, &again).unwrap(), (state.clone(), again.len()));
    state.tables.len() + state.trees.len()
}
