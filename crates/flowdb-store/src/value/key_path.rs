//! Key paths (`docs/format.md` section 7.2).

use flowdb_engine::format::Reader;

/// Where in a value its key is. Whether a string is a valid key path was checked when the store or
/// index was created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeyPath {
    /// Keys are not in the values.
    #[default]
    None,
    /// Identifiers joined by periods; the empty string is the value itself.
    String(Vec<u16>),
    /// The key is an array of the keys at these paths.
    Array(Vec<Vec<u16>>),
}

const PERIOD: u16 = b'.' as u16;
const KIND_NONE: u8 = 0;
const KIND_STRING: u8 = 1;
const KIND_ARRAY: u8 = 2;

impl KeyPath {
    /// A key path of one string.
    pub fn of(text: &str) -> Self {
        KeyPath::String(text.encode_utf16().collect())
    }

    /// Appends the encoding.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            KeyPath::None => out.push(KIND_NONE),
            KeyPath::String(string) => {
                out.push(KIND_STRING);
                put_units(out, string);
            }
            KeyPath::Array(strings) => {
                out.push(KIND_ARRAY);
                out.extend_from_slice(&count(strings.len()).to_le_bytes());
                strings.iter().for_each(|string| put_units(out, string));
            }
        }
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Reads a key path; `None` if the bytes are none, or an array of no strings.
    pub fn decode(reader: &mut Reader) -> Option<KeyPath> {
        match reader.u8()? {
            KIND_NONE => Some(KeyPath::None),
            KIND_STRING => units(reader).map(KeyPath::String),
            KIND_ARRAY => {
                let count = reader.u32().filter(|count| *count > 0)?;
                (0..count).map(|_| units(reader)).collect::<Option<_>>().map(KeyPath::Array)
            }
            _ => None,
        }
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a key path is a JavaScript string, shorter than 4 Gi code units")
}

fn put_units(out: &mut Vec<u8>, units: &[u16]) {
    out.extend_from_slice(&count(units.len()).to_le_bytes());
    units.iter().for_each(|unit| out.extend_from_slice(&unit.to_le_bytes()));
}

fn units(reader: &mut Reader) -> Option<Vec<u16>> {
    let size = usize::try_from(reader.u32()?).ok()?.checked_mul(2)?;
    Some(reader.take(size)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// The identifiers of a key path string; none for the empty string.
pub(super) fn identifiers(path: &[u16]) -> Vec<&[u16]> {
    if path.is_empty() { Vec::new() } else { path.split(|unit| *unit == PERIOD).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_paths_round_trip() {
        let lone = vec![0xd800, 0x61];
        for path in [
            KeyPath::None,
            KeyPath::of(""),
            KeyPath::of("a.b"),
            KeyPath::String(lone.clone()),
            KeyPath::Array(vec![vec![], lone, vec![0x62]]),
        ] {
            let bytes = path.encode();
            assert_eq!(KeyPath::decode(&mut Reader::new(&bytes)), Some(path));
            for end in 0..bytes.len() {
                assert_eq!(KeyPath::decode(&mut Reader::new(&bytes[..end])), None);
            }
        }
        assert_eq!(KeyPath::of("a").encode(), [1, 1, 0, 0, 0, 0x61, 0]);
        assert_eq!(KeyPath::decode(&mut Reader::new(&[2, 0xff, 0xff, 0xff, 0xff])), None);
    }

    #[test]
    fn identifiers_are_split_strictly() {
        let count = |path: &str| identifiers(&path.encode_utf16().collect::<Vec<_>>()).len();
        assert_eq!([count(""), count("a"), count("a.b"), count("a..b")], [0, 1, 2, 3]);
    }
}
