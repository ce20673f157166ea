//! Keys of series that decode are encoded to the same bytes; raw keys come back, and their order is that
//! of the encodings.

#![no_main]

use flowdb_store::series::key::{decode, encode};

libfuzzer_sys::fuzz_target!(|data: (Vec<u8>, Vec<u8>, i64, i64)| {
    let (first, second, earlier, later) = data;
    if let Ok((key, timestamp)) = decode(&first) {
        assert_eq!(encode(&key, timestamp), first);
    }
    let (a, b) = (encode(&first, earlier), encode(&second, later));
    assert_eq!(decode(&a).ok(), Some((first.clone(), earlier)));
    assert_eq!(a.cmp(&b), (first, earlier).cmp(&(second, later)));
});
