//! Goal: this crate reads values and keys as JavaScript writes them, finds keys where the standard does, and
//! meets damaged bytes with an error. Method: the vectors shared with the JavaScript tests, every
//! truncation, random damage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use flowdb_engine::ErrorKind;
use flowdb_engine::format::Reader;
use flowdb_store::document::key::{Key, encoded_length};
use flowdb_store::value::{
    DEPTH_MAX, Extracted, ExtractedMulti, KeyPath, ValueRef, can_inject, extract_key, extract_multi, to_json,
};
use serde_json::Value;

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str::<Vec<Value>>(text).unwrap()
}

fn values() -> Vec<(String, Vec<u8>)> {
    let vectors = vectors(include_str!("../../../__test__/vectors/values.json"));
    vectors.iter().map(|vector| (vector["description"].to_string(), unhex(&vector["hex"]))).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap().as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn validate(bytes: &[u8]) -> flowdb_engine::Result<()> {
    ValueRef::new(bytes)?.validate()
}

/// Does everything that can be done with a value; answers whether it is valid.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(value) = ValueRef::new(bytes) else { return false };
    let valid = value.validate();
    if let Err(error) = &valid {
        assert_eq!(error.kind(), ErrorKind::Corruption);
    }
    let injected = (KeyPath::of("a.id"), Key::Number(7.0).encode());
    for path in ["", "a", "a.b", "length", "a.length", "message", "size"] {
        let path = KeyPath::of(path);
        for injected in [None, Some((&injected.0, &injected.1[..]))] {
            let single = extract_key(bytes, &path, injected);
            let multi = extract_multi(bytes, &path, injected);
            let place = can_inject(bytes, &path);
            if valid.is_ok() {
                assert!(single.is_ok() && multi.is_ok() && place.is_ok(), "{}", hex(bytes));
            }
            if let Ok(Extracted::Key(key)) = single {
                assert_eq!(encoded_length(&key).unwrap(), key.len());
            }
        }
    }
    assert!(to_json(value).is_ok() || valid.is_err());
    valid.is_ok()
}

#[test]
fn vectors_are_valid_and_have_one_end() {
    for (description, mut bytes) in values() {
        assert!(exercise(&bytes), "{description}: {:?}", validate(&bytes));
        let length = bytes.len();
        bytes.push(1);
        assert!(validate(&bytes).is_err(), "{description}");
        let value = ValueRef::new(&bytes).unwrap();
        assert_eq!(value.skip(value.root()).unwrap(), length, "{description}");
    }
}

#[test]
fn truncations_are_errors() {
    for (description, bytes) in values() {
        for end in 0..bytes.len() {
            assert!(!exercise(&bytes[..end]), "{description} cut at {end}");
        }
    }
}

#[test]
fn damage_never_panics() {
    let mut state = 0x5eed_u64;
    println!("seed {state}");
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % end as u64).unwrap()
    };
    let values = values();
    for _ in 0..60_000 {
        let mut bytes = values[below(values.len())].1.clone();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            bytes[at] = u8::try_from(below(256)).unwrap();
        }
        exercise(&bytes);
    }
}

/// Each line is JavaScript's verdict on some bytes; `__test__/support/damaged_values.js` writes them, and
/// more for a longer run: `FLOWDB_VALUES=file cargo test -p flowdb-store --test value_format`.
#[test]
fn javascript_and_rust_refuse_the_same_bytes() {
    let more = std::env::var("FLOWDB_VALUES").ok().map(|file| std::fs::read_to_string(file).unwrap());
    let text = more.as_deref().unwrap_or(include_str!("../../../__test__/vectors/damaged_values.txt"));
    let differing: Vec<&str> = text
        .lines()
        .filter(|line| {
            let (verdict, digits) = line.split_once(' ').unwrap();
            exercise(&unhex(&digits.into())) != (verdict == "+")
        })
        .collect();
    assert!(text.lines().count() > 1000 && differing.is_empty(), "{differing:#?}");
}

#[test]
fn keys_are_read_as_written_and_in_order() {
    let mut last: Option<(Key, Vec<u8>)> = None;
    for vector in vectors(include_str!("../../../__test__/vectors/keys.json")) {
        let bytes = unhex(&vector["hex"]);
        let key = Key::decode(&bytes).unwrap();
        assert_eq!(hex(&key.encode()), hex(&bytes), "{vector}");
        if let Some((before, before_bytes)) = last {
            assert!(before < key && before_bytes < bytes, "{vector}");
        }
        last = Some((key, bytes));
    }
}

fn key_path(value: &Value) -> KeyPath {
    let units = |value: &Value| value.as_str().unwrap().encode_utf16().collect();
    match value {
        Value::Array(paths) => KeyPath::Array(paths.iter().map(units).collect()),
        path => KeyPath::String(units(path)),
    }
}

#[test]
fn key_paths_lead_where_the_standard_says() {
    for vector in vectors(include_str!("../../../__test__/vectors/key_paths.json")) {
        let bytes = unhex(&vector["value"]);
        let path = key_path(&vector["keyPath"]);
        assert_eq!(KeyPath::decode(&mut Reader::new(&path.encode())), Some(path.clone()));
        let found = if vector.get("multiEntry").is_some() {
            match extract_multi(&bytes, &path, None).unwrap() {
                ExtractedMulti::Nothing => "nothing".into(),
                ExtractedMulti::Invalid => "invalid".into(),
                ExtractedMulti::Keys(keys) => keys.iter().map(|key| hex(key)).collect(),
            }
        } else {
            match extract_key(&bytes, &path, None).unwrap() {
                Extracted::Nothing => Value::from("nothing"),
                Extracted::Invalid => "invalid".into(),
                Extracted::Key(key) => hex(&key).into(),
            }
        };
        assert_eq!(found, vector["result"], "{vector}");
    }
}

/// `{ a: 1, o: { p: {} }, s: <the object o> }`
const OBJECT: &[u8] = b"\x01\x13\x0a\x01a\x06\x02\x0a\x01o\x13\x0a\x01p\x13\x7f\x7f\x0a\x01s\x20\x01\x7f";

#[test]
fn generated_keys_are_seen_at_their_place() {
    let generated = Key::Number(7.0).encode();
    let key = || Extracted::Key(generated.clone());
    let cases = [
        ("id", "id", key()),
        ("id", "a", Extracted::Key(Key::Number(1.0).encode())),
        ("id", "id.x", Extracted::Nothing),
        ("id", "o.id", Extracted::Nothing),
        ("o.id", "o.id", key()),
        ("o.id", "s.id", key()),
        ("o.id", "id", Extracted::Nothing),
        ("o.p.id", "s.p.id", key()),
        ("o.x.y", "o.x.y", key()),
        ("o.x.y", "o.x", Extracted::Invalid),
        ("o.x.y", "o.x.z", Extracted::Nothing),
        ("o.x.y", "s.x.y", key()),
        ("x.y", "x.y", key()),
        ("x.y", "", Extracted::Invalid),
    ];
    for (place, path, expected) in cases {
        let place = KeyPath::of(place);
        let found = extract_key(OBJECT, &KeyPath::of(path), Some((&place, &generated))).unwrap();
        assert_eq!(found, expected, "{place:?} {path}");
    }
    let both = KeyPath::Array(vec![vec![0x61], vec![0x69, 0x64]]);
    let found = extract_key(OBJECT, &both, Some((&KeyPath::of("id"), &generated))).unwrap();
    let expected = Key::Array(vec![Key::Number(1.0), Key::Number(7.0)]).encode();
    assert_eq!(found, Extracted::Key(expected));
    let multi = extract_multi(OBJECT, &KeyPath::of("id"), Some((&KeyPath::of("id"), &generated))).unwrap();
    assert_eq!(multi, ExtractedMulti::Keys(vec![generated.clone()]));
}

#[test]
fn keys_can_be_injected_into_objects() {
    let able = ["id", "o.id", "o.p.id", "s.id", "x.y.z", "o.x.y"];
    let unable = ["a.id", "a.b.c"];
    assert!(able.iter().all(|path| can_inject(OBJECT, &KeyPath::of(path)).unwrap()));
    assert!(!unable.iter().any(|path| can_inject(OBJECT, &KeyPath::of(path)).unwrap()));
    // An array, a Date, a string, a number, undefined.
    for (value, expected) in [
        (&b"\x01\x14\x00"[..], true),
        (b"\x01\x0c\0\0\0\0\0\0\0\0", true),
        (b"\x01\x0a\x01x", false),
        (b"\x01\x06\x02", false),
        (b"\x01\x01", false),
    ] {
        assert_eq!(can_inject(value, &KeyPath::of("id")).unwrap(), expected, "{value:02x?}");
    }
    assert!(!can_inject(OBJECT, &KeyPath::None).unwrap());
}

#[test]
fn nesting_is_limited_and_not_bounded_by_the_stack() {
    let containers: [(&[u8], &[u8]); 4] =
        [(b"\x14\x01", b""), (b"\x13\x0a\x01a", b"\x7f"), (b"\x18", b"\x7f"), (b"\x1d\x00\x04", b"")];
    for (open, close) in containers {
        let nested = |depth: usize| [vec![1], open.repeat(depth), vec![2], close.repeat(depth)].concat();
        assert!(exercise(&nested(DEPTH_MAX)));
        assert!(!exercise(&nested(DEPTH_MAX + 1)));
    }
}

#[test]
fn shared_arrays_do_not_make_keys_grow_without_bound() {
    // [[...[1] twice] twice]: each level doubles the key.
    let mut bytes = vec![1];
    bytes.extend(b"\x14\x02".repeat(60));
    bytes.extend(b"\x14\x00");
    for level in (1..=60).rev() {
        bytes.extend([0x20, level]);
    }
    assert!(validate(&bytes).is_ok());
    assert_eq!(extract_key(&bytes, &KeyPath::of(""), None).unwrap(), Extracted::Invalid);
}

#[test]
fn references_lead_back_only() {
    for bytes in [
        &b"\x01\x20\x00"[..],
        b"\x01\x14\x01\x20\x01",
        b"\x01\x1b\x02\x00\x00\x00\x20\x00",
        b"\x01\x1b\x02\x00\x02\x00\x19\x01\x00",
    ] {
        assert!(!exercise(bytes), "{bytes:02x?}");
    }
}

#[test]
fn each_key_of_an_array_is_found_once_in_its_order() {
    for length in [1, 15, 16, 17, 18, 40, 120] {
        // Small numbers, zigzag: 0, 1, 2 and so on, each several times.
        let numbers: Vec<u8> = (0..length).map(|index| index % 29 * 7 % 29).collect();
        let mut bytes = vec![1, 0x14, length];
        bytes.extend(numbers.iter().flat_map(|number| [0x06, number * 2]));
        let mut expected: Vec<Vec<u8>> = Vec::new();
        for number in numbers {
            let key = Key::Number(number.into()).encode();
            if !expected.contains(&key) {
                expected.push(key);
            }
        }
        let found = extract_multi(&bytes, &KeyPath::of(""), None).unwrap();
        assert_eq!(found, ExtractedMulti::Keys(expected), "{length} elements");
    }
}
