//! IndexedDB as a few maps: slow, and simple enough to be right.

use std::collections::{BTreeMap, BTreeSet};

/// A value of the test: a number or a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Int(i64),
    Letter(u8),
}

impl Scalar {
    /// As an encoded key: `docs/format.md`, section 7.1.
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Scalar::Int(number) => {
                let bits = (number as f64).to_bits();
                let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
                [&[0x10][..], &ordered.to_be_bytes()].concat()
            }
            Scalar::Letter(letter) => vec![0x30, letter + 2, 1],
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        match self {
            Scalar::Int(number) => {
                out.push(0x06);
                let mut rest = ((number << 1) ^ (number >> 63)) as u64;
                while rest >= 0x80 {
                    out.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                out.push(rest as u8);
            }
            Scalar::Letter(letter) => out.extend_from_slice(&[0x0a, 1, letter]),
        }
    }
}

/// What is stored: an object with these properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) id: Option<Scalar>,
    pub(crate) a: Option<Scalar>,
    pub(crate) b: Option<Vec<Scalar>>,
}

impl Value {
    /// In the value format.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![1, 0x13];
        for (name, value) in [(b'i', self.id), (b'a', self.a)] {
            if let Some(value) = value {
                out.extend_from_slice(&[0x0a, 1, name]);
                value.put(&mut out);
            }
        }
        if let Some(items) = &self.b {
            out.extend_from_slice(&[0x0a, 1, b'b', 0x14, items.len() as u8]);
            items.iter().for_each(|item| item.put(&mut out));
        }
        out.push(0x7f);
        out
    }

    fn key_at(&self, property: &str) -> Option<Vec<u8>> {
        match property {
            "i" => self.id.map(Scalar::key),
            "a" => self.a.map(Scalar::key),
            _ => {
                let items: Vec<Vec<u8>> = self.b.as_ref()?.iter().map(|item| item.key()).collect();
                Some([&[0x50], &items.concat()[..], &[0]].concat())
            }
        }
    }
}

/// A record: what came with it, and whether its key was generated and is not in the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) injected: bool,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) unique: bool,
    pub(crate) multi_entry: bool,
    /// More than one: a compound key.
    pub(crate) path: Vec<&'static str>,
}

impl Index {
    pub(crate) fn keys(&self, primary_key: &[u8], record: &Record) -> BTreeSet<Vec<u8>> {
        let at = |property: &str| match property {
            "i" if record.injected => Some(primary_key.to_vec()),
            _ => record.value.key_at(property),
        };
        if self.path.len() > 1 {
            let parts: Option<Vec<Vec<u8>>> = self.path.iter().map(|property| at(property)).collect();
            return parts.map(|parts| [&[0x50], &parts.concat()[..], &[0]].concat()).into_iter().collect();
        }
        match (&record.value.b, self.path[0]) {
            (Some(items), "b") if self.multi_entry => items.iter().map(|item| item.key()).collect(),
            (_, property) => at(property).into_iter().collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) in_line: bool,
    pub(crate) auto_increment: bool,
    pub(crate) generator: i64,
    pub(crate) next_index: u32,
    pub(crate) records: BTreeMap<Vec<u8>, Record>,
    pub(crate) indexes: BTreeMap<u32, Index>,
}

/// Why an operation fails: the protocol's numbers.
pub(crate) const CONSTRAINT: u8 = 1;
pub(crate) const DATA: u8 = 2;

impl Store {
    pub(crate) fn put(&mut self, add: bool, key: Option<Scalar>, value: &Value) -> Result<Vec<u8>, u8> {
        let given = if self.in_line { value.id } else { key };
        let (primary_key, injected, generator) = match given {
            Some(scalar) => {
                let generator = match scalar {
                    Scalar::Int(number) if self.auto_increment => self.generator.max(number + 1),
                    _ => self.generator,
                };
                (scalar.key(), false, generator)
            }
            None if self.auto_increment => {
                (Scalar::Int(self.generator).key(), self.in_line, self.generator + 1)
            }
            None => return Err(DATA),
        };
        if add && self.records.contains_key(&primary_key) {
            return Err(CONSTRAINT);
        }
        let record = Record { injected, value: value.clone() };
        for index in self.indexes.values().filter(|index| index.unique) {
            let keys = index.keys(&primary_key, &record);
            let mut others = self.records.iter().filter(|(other, _)| **other != primary_key);
            if others.any(|(other, stored)| !index.keys(other, stored).is_disjoint(&keys)) {
                return Err(CONSTRAINT);
            }
        }
        self.records.insert(primary_key.clone(), record);
        // A failed request takes the generator's advance back.
        self.generator = generator;
        Ok(primary_key)
    }

    /// Records of the store (0) or an index, as (key, primary key), in order.
    pub(crate) fn list(&self, index: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        if index == 0 {
            return self.records.keys().map(|key| (key.clone(), key.clone())).collect();
        }
        let index = &self.indexes[&index];
        let entries = self.records.iter().flat_map(|(primary_key, record)| {
            index.keys(primary_key, record).into_iter().map(|key| (key, primary_key.clone()))
        });
        entries.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// True if the index could be unique.
    pub(crate) fn is_unique(&self, index: &Index) -> bool {
        let mut seen = BTreeSet::new();
        self.records
            .iter()
            .all(|(key, record)| index.keys(key, record).into_iter().all(|key| seen.insert(key)))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) version: u64,
    pub(crate) next_store: u32,
    pub(crate) stores: BTreeMap<u32, Store>,
}

/// A range of keys: (key, open) at both ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Range {
    pub(crate) lower: Option<(Vec<u8>, bool)>,
    pub(crate) upper: Option<(Vec<u8>, bool)>,
}

impl Range {
    pub(crate) fn contains(&self, key: &Vec<u8>) -> bool {
        let above = self.lower.as_ref().is_none_or(|(lower, open)| key > lower || (!open && key == lower));
        let below = self.upper.as_ref().is_none_or(|(upper, open)| key < upper || (!open && key == upper));
        above && below
    }
}

/// What "iterate a cursor" starts from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Move {
    pub(crate) target: Option<Vec<u8>>,
    pub(crate) target_primary: Option<Vec<u8>>,
    pub(crate) position: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) count: u32,
    /// How many of the records behind are asked for too.
    pub(crate) ahead: u32,
}

/// <https://w3c.github.io/IndexedDB/#iterate-a-cursor> word by word. `of_index` says what the source is.
pub(crate) fn iterate(
    records: &[(Vec<u8>, Vec<u8>)],
    of_index: bool,
    range: &Range,
    direction: u8,
    to: &Move,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut position = to.position.clone();
    let mut found = None;
    for _ in 0..to.count {
        let suits = |record: &&(Vec<u8>, Vec<u8>)| {
            let (key, primary_key) = record;
            let unique = direction == 1 || direction == 3;
            let compare = |a: &Vec<u8>, b: &Vec<u8>| if direction < 2 { a.cmp(b) } else { b.cmp(a) };
            let at_target = to.target.as_ref().is_none_or(|target| compare(key, target).is_ge());
            let at_primary = unique
                || to.target_primary.as_ref().is_none_or(|primary| {
                    let order = compare(key, to.target.as_ref().unwrap());
                    order.is_gt() || (order.is_eq() && compare(primary_key, primary).is_ge())
                });
            let beyond = position.as_ref().is_none_or(|(at, at_primary)| {
                let order = compare(key, at);
                let tie = of_index && !unique && order.is_eq() && compare(primary_key, at_primary).is_gt();
                order.is_gt() || tie
            });
            at_target && at_primary && beyond && range.contains(key)
        };
        found = match direction {
            0 | 1 => records.iter().find(suits),
            2 => records.iter().rev().find(suits),
            _ => records
                .iter()
                .rev()
                .find(suits)
                .and_then(|(key, _)| records.iter().find(|(other, _)| other == key)),
        };
        position = Some(found?.clone());
    }
    found.cloned()
}
