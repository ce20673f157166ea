//! A number somewhere in JSON text, found without keeping the rest. Names are compared as units of UTF-16,
//! lone surrogates included.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The number at a path of names, joined by periods; the text itself for an empty one. `None` if there is
/// none, or the text is no JSON.
pub(crate) fn number_at(text: &[u8], path: &[u16]) -> Option<f64> {
    let names: Vec<Vec<u8>> = match path {
        [] => Vec::new(),
        path => path.split(|unit| *unit == u16::from(b'.')).map(generalized_utf8).collect(),
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    let number = At(&names).deserialize(&mut json).ok()?;
    json.end().ok()?;
    number
}

/// UTF-8 in which lone surrogates are three bytes, as the parser has names that it is asked for as bytes.
fn generalized_utf8(name: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len());
    for unit in char::decode_utf16(name.iter().copied()) {
        match unit {
            Ok(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                bytes.extend_from_slice(&[
                    0xe0 | (high >> 4),
                    0x80 | ((high & 0x0f) << 2) | (low >> 6),
                    0x80 | (low & 0x3f),
                ]);
            }
        }
    }
    bytes
}

/// What stands at these names.
struct At<'a>(&'a [Vec<u8>]);

impl At<'_> {
    fn found(&self, number: f64) -> Option<f64> {
        self.0.is_empty().then_some(number)
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<f64>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<f64>, E> {
        Ok(self.found(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<f64>, E> {
        Ok(self.found(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<f64>, E> {
        Ok(self.found(number as f64))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<f64>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<f64>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<f64>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Option<f64>, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<f64>, A::Error> {
        let wanted = self.0.split_first();
        let mut found = None;
        while let Some(is_wanted) = entries.next_key_seed(Is(wanted.map(|(name, _)| name)))? {
            match wanted.filter(|_| is_wanted) {
                // Of several with one name, the last counts.
                Some((_, rest)) => found = entries.next_value_seed(At(rest))?,
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// Whether a name is this one.
struct Is<'a>(Option<&'a Vec<u8>>);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<bool, E> {
        Ok(self.0.is_some_and(|wanted| wanted[..] == *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, path: &str) -> Option<f64> {
        number_at(text.as_bytes(), &path.encode_utf16().collect::<Vec<_>>())
    }

    #[test]
    fn numbers_are_found_by_their_names() {
        let text =
            r#" {"a":{"b":2.5,"c":[1]},"d":"x","":{"":-3},"é\u0041😀":18446744073709551615,"e":1e400} "#;
        for (path, found) in [
            ("a.b", Some(2.5)),
            (".", Some(-3.0)),
            ("éA😀", Some(18_446_744_073_709_551_615.0)),
            ("", None),
            ("a", None),
            ("a.c", None),
            ("a.b.x", None),
            ("d", None),
            ("missing", None),
        ] {
            assert_eq!(at(&text.replace(",\"e\":1e400", ""), path), found, "{path}");
        }
        assert_eq!(
            (at(" -7 ", ""), at("-7", "a"), at("[7]", ""), at("null", ""), at("true", "")),
            (Some(-7.0), None, None, None, None)
        );
        assert_eq!(at(r#"{"a":1,"a":2}"#, "a"), Some(2.0), "the last of a name counts");
        assert_eq!(at(r#"{"a":1,"a":"x"}"#, "a"), None);
    }

    #[test]
    fn what_is_no_json_has_no_numbers() {
        for text in
            ["", "{", "{\"a\":5", "{\"a\":5}}", "{\"a\":5} x", "{\"a\":05}", "{a:5}", "{\"a\":5,\"b\":nul}"]
        {
            assert_eq!(at(text, "a"), None, "{text}");
        }
    }

    #[test]
    fn lone_surrogates_are_names_like_others_and_keep_nothing_from_being_found() {
        let text = br#"{"\ud800":5,"a":{"\udfffx":6,"z":["\ud800",{"\udc00":1}]},"\ud83d\ude00":7,"b":8}"#;
        let at = |path: &[u16]| number_at(text, path);
        let [dot, a, b, x] = *b".abx";
        assert_eq!(at(&[0xd800]), Some(5.0));
        assert_eq!(at(&[a.into(), dot.into(), 0xdfff, x.into()]), Some(6.0));
        assert_eq!(at(&[0xd83d, 0xde00]), Some(7.0));
        assert_eq!(at(&[b.into()]), Some(8.0));
        assert_eq!((at(&[0xd801]), at(&[0xd83d]), at(&[0xfffd])), (None, None, None));
    }
}
