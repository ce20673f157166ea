//! Whatever the bytes of a value: what validates can be skipped, searched and shown, and has one end.

#![no_main]

use flowdb_store::value::{KeyPath, ValueRef, can_inject, extract_key, extract_multi, to_json};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(value) = ValueRef::new(data) else { return };
    let is_valid = value.validate().is_ok();
    let end = value.skip(value.root());
    assert!(!is_valid || end.is_ok_and(|end| end == data.len()));
    for path in ["", "a", "a.b", "length", "size"] {
        let path = KeyPath::of(path);
        let found = extract_key(data, &path, None).is_ok();
        let found_all = extract_multi(data, &path, None).is_ok();
        let placed = can_inject(data, &path).is_ok();
        assert!(!is_valid || (found && found_all && placed));
    }
    assert!(!is_valid || to_json(value).is_ok());
});
