//! Keys that decode are encoded to the same bytes, and their order is that of their bytes.

#![no_main]

use flowdb_store::document::key::{Key, encoded_length};

libfuzzer_sys::fuzz_target!(|data: (Vec<u8>, Vec<u8>)| {
    let keys = [&data.0, &data.1].map(|bytes| Key::decode(bytes).ok());
    for (key, bytes) in keys.iter().zip([&data.0, &data.1]) {
        if let Some(key) = key {
            assert_eq!(key.encode(), *bytes);
            assert_eq!(encoded_length(bytes).ok(), Some(bytes.len()));
        }
    }
    if let [Some(first), Some(second)] = &keys {
        assert_eq!(first.cmp(second), data.0.cmp(&data.1));
    }
});
