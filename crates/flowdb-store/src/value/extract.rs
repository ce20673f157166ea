//! The key of a value: <https://w3c.github.io/IndexedDB/#extract-a-key-from-a-value-using-a-key-path>,
//! on the bytes.

use super::head::{Head, Text, ViewBuffer};
use super::key_path::{KeyPath, identifiers};
use super::reader::{Event, ObjectPlace, Place, ValueRef};
use crate::document::key::{
    KEY_BYTES_MAX, KEY_DEPTH_MAX, begin_array, end_array, put_binary, put_date, put_number, put_string,
};
use flowdb_engine::Result;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};

/// Up to so many keys are looked through for the same one, which costs less than a set of them.
const SCANNED_KEYS_MAX: usize = 16;

/// What a key path finds in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extracted {
    /// Nothing is there: the standard's failure.
    Nothing,
    /// Something is there that is no key.
    Invalid,
    /// An encoded key.
    Key(Vec<u8>),
}

/// What a key path of a multiEntry index finds in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtractedMulti {
    /// Nothing is there: the standard's failure.
    Nothing,
    /// Something is there that is no key.
    Invalid,
    /// Encoded keys, each once, in the order of the elements.
    Keys(Vec<Vec<u8>>),
}

/// The key that `key_path` finds. `injected` is a generated key that is stored beside the value, and the path
/// where readers see it: an index on that place sees it too.
pub fn extract_key(
    value: &[u8],
    key_path: &KeyPath,
    injected: Option<(&KeyPath, &[u8])>,
) -> Result<Extracted> {
    Evaluator::new(value, injected)?.extract(key_path)
}

/// The keys that `key_path` finds for a multiEntry index: those of an array's elements that are valid keys.
pub fn extract_multi(
    value: &[u8],
    key_path: &KeyPath,
    injected: Option<(&KeyPath, &[u8])>,
) -> Result<ExtractedMulti> {
    let evaluator = Evaluator::new(value, injected)?;
    if let KeyPath::String(path) = key_path {
        match evaluator.evaluate(path)? {
            Node::Value { head: head @ (Head::Array { .. } | Head::SparseArray { .. }), position } => {
                return evaluator.elements_as_keys(&head, position).map(ExtractedMulti::Keys);
            }
            node => return Ok(one_or_none(evaluator.convert(&node)?)),
        }
    }
    evaluator.extract(key_path).map(one_or_none)
}

fn one_or_none(extracted: Extracted) -> ExtractedMulti {
    match extracted {
        Extracted::Nothing => ExtractedMulti::Nothing,
        Extracted::Invalid => ExtractedMulti::Invalid,
        Extracted::Key(key) => ExtractedMulti::Keys(vec![key]),
    }
}

/// The number that `path` finds, a bigint as the nearest one; `None` if there is something else, or nothing.
pub fn extract_number(value: &[u8], path: &[u16]) -> Result<Option<f64>> {
    Ok(match Evaluator::new(value, None)?.evaluate(path)? {
        Node::Value { head: Head::Number(number) | Head::NumberObject(number), .. }
        | Node::Number(number) => Some(number),
        Node::Value { head: Head::BigInt { negative, magnitude }, .. } => Some(nearest(negative, magnitude)),
        _ => None,
    })
}

/// The double nearest to a bigint, whose lowest byte comes first; of two that are as near the even one,
/// as in JavaScript.
fn nearest(negative: bool, magnitude: &[u8]) -> f64 {
    let length = magnitude.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let (below, leading) = magnitude[..length].split_at(length.saturating_sub(size_of::<u64>()));
    let mut bytes = [0; size_of::<u64>()];
    bytes[..leading.len()].copy_from_slice(leading);
    // Rounded once: the leading bytes are longer than a double, and their last bit says whether anything
    // is below them.
    let is_more = u64::from(below.iter().any(|byte| *byte != 0));
    let leading = (u64::from_le_bytes(bytes) | is_more) as f64;
    let number = leading * 256_f64.powi(i32::try_from(below.len()).unwrap_or(i32::MAX));
    if negative { -number } else { number }
}

/// True if a generated key has a place at `key_path`.
/// <https://w3c.github.io/IndexedDB/#check-that-a-key-could-be-injected-into-a-value>
pub fn can_inject(value: &[u8], key_path: &KeyPath) -> Result<bool> {
    let KeyPath::String(path) = key_path else { return Ok(false) };
    let evaluator = Evaluator::new(value, None)?;
    let place = evaluator.injection_place(&identifiers(path))?;
    Ok(place.is_some())
}

/// What an identifier leads to.
#[derive(Debug, Clone)]
enum Node<'a> {
    Missing,
    Value {
        head: Head<'a>,
        position: usize,
    },
    /// A number or string that no value in the bytes stands for.
    Number(f64),
    Text(Text<'a>),
    /// An object that readers create to hold the generated key; what is left of the way to it.
    Virtual(usize),
    /// The generated key.
    Generated,
}

struct Injection<'a> {
    key: &'a [u8],
    identifiers: Vec<&'a [u16]>,
    /// The innermost object on the way that is in the bytes.
    container: usize,
    /// Identifiers that lead to it.
    taken: usize,
}

struct Evaluator<'a> {
    value: ValueRef<'a>,
    injection: Option<Injection<'a>>,
    /// Places of objects, found when the first reference is met.
    objects: OnceCell<Vec<ObjectPlace>>,
}

impl<'a> Evaluator<'a> {
    fn new(value: &'a [u8], injected: Option<(&'a KeyPath, &'a [u8])>) -> Result<Self> {
        let value = ValueRef::new(value)?;
        let mut evaluator = Evaluator { value, injection: None, objects: OnceCell::new() };
        if let Some((KeyPath::String(path), key)) = injected {
            let identifiers = identifiers(path);
            evaluator.injection = evaluator
                .injection_place(&identifiers)?
                .map(|(container, taken)| Injection { key, identifiers, container, taken });
        }
        Ok(evaluator)
    }

    /// The innermost object on the way, and how many identifiers lead to it; `None` if the key has no place.
    fn injection_place(&self, identifiers: &[&[u16]]) -> Result<Option<(usize, usize)>> {
        let Some((_, containers)) = identifiers.split_last() else { return Ok(None) };
        let (mut head, mut position) = self.resolve(self.value.root())?;
        for (taken, identifier) in containers.iter().enumerate() {
            if !head.is_object() {
                return Ok(None);
            }
            match self.own_property(&head, position, identifier)? {
                Node::Missing => return Ok(Some((position, taken))),
                Node::Value { head: next, position: at } => (head, position) = (next, at),
                _ => return Ok(None),
            }
        }
        Ok(head.is_object().then_some((position, containers.len())))
    }

    fn extract(&self, key_path: &KeyPath) -> Result<Extracted> {
        match key_path {
            KeyPath::None => Ok(Extracted::Nothing),
            KeyPath::String(path) => self.convert(&self.evaluate(path)?),
            KeyPath::Array(paths) => {
                let nodes = paths.iter().map(|path| self.evaluate(path)).collect::<Result<Vec<_>>>()?;
                if nodes.iter().any(|node| matches!(node, Node::Missing)) {
                    return Ok(Extracted::Nothing);
                }
                let mut key = Vec::new();
                begin_array(&mut key);
                for node in &nodes {
                    if !self.put_node(node, &mut key, &mut vec![usize::MAX])? {
                        return Ok(Extracted::Invalid);
                    }
                }
                end_array(&mut key);
                Ok(if key.len() <= KEY_BYTES_MAX { Extracted::Key(key) } else { Extracted::Invalid })
            }
        }
    }

    fn convert(&self, node: &Node<'a>) -> Result<Extracted> {
        if matches!(node, Node::Missing) {
            return Ok(Extracted::Nothing);
        }
        let mut key = Vec::new();
        let is_key = self.put_node(node, &mut key, &mut Vec::new())? && key.len() <= KEY_BYTES_MAX;
        Ok(if is_key { Extracted::Key(key) } else { Extracted::Invalid })
    }

    /// <https://w3c.github.io/IndexedDB/#evaluate-a-key-path-on-a-value>
    fn evaluate(&self, path: &[u16]) -> Result<Node<'a>> {
        let (head, position) = self.resolve(self.value.root())?;
        let mut node = Node::Value { head, position };
        for identifier in identifiers(path) {
            node = self.step(&node, identifier)?;
            if matches!(node, Node::Missing | Node::Value { head: Head::Undefined, .. }) {
                return Ok(Node::Missing);
            }
        }
        Ok(node)
    }

    fn step(&self, node: &Node<'a>, identifier: &[u16]) -> Result<Node<'a>> {
        match node {
            Node::Value { head: Head::String(text), .. } | Node::Text(text) => {
                Ok(text_property(*text, identifier))
            }
            Node::Value { head, position } => {
                if let Some(node) = self.injected_at(*position, identifier) {
                    return Ok(node);
                }
                self.own_property(head, *position, identifier)
            }
            Node::Virtual(taken) => Ok(self.virtual_property(*taken, identifier)),
            Node::Missing | Node::Number(_) | Node::Generated => Ok(Node::Missing),
        }
    }

    fn injected_at(&self, position: usize, identifier: &[u16]) -> Option<Node<'a>> {
        let injection = self.injection.as_ref().filter(|injection| injection.container == position)?;
        match self.virtual_property(injection.taken, identifier) {
            Node::Missing => None,
            node => Some(node),
        }
    }

    fn virtual_property(&self, taken: usize, identifier: &[u16]) -> Node<'a> {
        let Some(injection) = &self.injection else { return Node::Missing };
        if injection.identifiers.get(taken) != Some(&identifier) {
            Node::Missing
        } else if taken + 1 == injection.identifiers.len() {
            Node::Generated
        } else {
            Node::Virtual(taken + 1)
        }
    }

    /// The head of the value at `position`, or of the object it refers to, and where that is.
    fn resolve(&self, position: usize) -> Result<(Head<'a>, usize)> {
        let head = self.value.head(position)?;
        let Head::Reference(number) = head else { return Ok((head, position)) };
        let objects = self.objects()?;
        let head = self.value.object(objects, number, position)?;
        // Checked by `object` just now. A buffer that stands with its view is never compared by place.
        let place = usize::try_from(number).map_or(position, |number| objects[number].position);
        Ok((head, place))
    }

    fn objects(&self) -> Result<&[ObjectPlace]> {
        if let Some(objects) = self.objects.get() {
            return Ok(objects);
        }
        let found = self.value.objects()?;
        Ok(self.objects.get_or_init(|| found))
    }

    /// An own property, as the object has it once it is decoded.
    fn own_property(&self, head: &Head<'a>, position: usize, identifier: &[u16]) -> Result<Node<'a>> {
        let is = |name: &str| name.encode_utf16().eq(identifier.iter().copied());
        Ok(match *head {
            Head::Object => self.node_at(self.value.property(position, identifier)?)?,
            Head::Array { length, .. } | Head::SparseArray { length } if is("length") => number_of(length),
            Head::Array { has_properties: true, .. } | Head::SparseArray { .. } => {
                self.stored_property(position, identifier)?
            }
            Head::StringObject(text) => text_property(text, identifier),
            Head::RegExp { .. } if is("lastIndex") => Node::Number(0.0),
            Head::Blob { bytes, .. } | Head::File { bytes, .. } if is("size") => {
                number_of(bytes.len() as u64)
            }
            Head::Blob { media_type, .. } | Head::File { media_type, .. } if is("type") => {
                Node::Text(media_type)
            }
            Head::File { name, .. } if is("name") => Node::Text(name),
            Head::File { last_modified, .. } if is("lastModified") => Node::Number(last_modified),
            Head::Error { name: None, message: Some(message), .. } if is("message") => Node::Text(message),
            Head::Error { stack: Some(stack), .. } if is("stack") => Node::Text(stack),
            Head::Error { has_cause: true, .. } if is("cause") => {
                self.find(position, |place| *place == Place::Cause)?
            }
            _ => Node::Missing,
        })
    }

    fn stored_property(&self, position: usize, identifier: &[u16]) -> Result<Node<'a>> {
        self.find(position, |place| matches!(place, Place::Property(name) if name.is(identifier)))
    }

    /// The first part of a container that stands in the place looked for.
    fn find(&self, position: usize, is_wanted: impl Fn(&Place<'a>) -> bool) -> Result<Node<'a>> {
        let mut found = None;
        self.for_each_part(position, |place, position| {
            if is_wanted(&place) {
                found = Some(position);
            }
            Ok(found.is_none())
        })?;
        self.node_at(found)
    }

    /// What stands at a position; nothing if there is none.
    fn node_at(&self, position: Option<usize>) -> Result<Node<'a>> {
        let Some(position) = position else { return Ok(Node::Missing) };
        let (head, position) = self.resolve(position)?;
        Ok(Node::Value { head, position })
    }

    /// Visits the direct parts of a container until told to stop.
    fn for_each_part(
        &self,
        position: usize,
        mut visit: impl FnMut(Place<'a>, usize) -> Result<bool>,
    ) -> Result<()> {
        let mut walker = self.value.walk(position);
        let mut depth = 0;
        while let Some(event) = walker.next()? {
            if let Event::Value { place, position, .. } = event
                && depth == 1
                && !visit(place, position)?
            {
                return Ok(());
            }
            depth = walker.depth();
        }
        Ok(())
    }

    /// Appends the key of a node; false if it has none. `within` are the arrays it is in.
    /// <https://w3c.github.io/IndexedDB/#convert-a-value-to-a-key>
    fn put_node(&self, node: &Node<'a>, out: &mut Vec<u8>, within: &mut Vec<usize>) -> Result<bool> {
        match node {
            Node::Number(value) if value.is_nan() => return Ok(false),
            Node::Number(value) => put_number(out, *value),
            Node::Text(text) => put_string(out, text.units()),
            Node::Generated => out.extend(self.injection.iter().flat_map(|injection| injection.key)),
            Node::Value { head, position } => return self.put_value(head, *position, out, within),
            Node::Missing | Node::Virtual(_) => return Ok(false),
        }
        Ok(true)
    }

    fn put_value(
        &self,
        head: &Head<'a>,
        position: usize,
        out: &mut Vec<u8>,
        within: &mut Vec<usize>,
    ) -> Result<bool> {
        match *head {
            Head::Number(value) if !value.is_nan() => put_number(out, value),
            Head::Date(value) if !value.is_nan() => put_date(out, value),
            Head::String(text) => put_string(out, text.units()),
            Head::Buffer { bytes, .. } | Head::OwnView { bytes, .. } => put_binary(out, bytes),
            Head::View { offset, size, .. } => {
                let Some(bytes) = self.viewed_bytes(head, position, offset, size)? else { return Ok(false) };
                put_binary(out, bytes);
            }
            Head::Array { .. } | Head::SparseArray { .. } => {
                return self.put_array(head, position, out, within);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn viewed_bytes(
        &self,
        head: &Head<'a>,
        position: usize,
        offset: u64,
        size: u64,
    ) -> Result<Option<&'a [u8]>> {
        let buffer = match head {
            Head::View { buffer: ViewBuffer::Inline { bytes, .. }, .. } => *bytes,
            Head::View { buffer: ViewBuffer::Reference(number), .. } => {
                match self.value.object(self.objects()?, *number, position)? {
                    Head::Buffer { bytes, .. } => bytes,
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(usize::try_from(size).ok()?));
        Ok(start.zip(end).and_then(|(start, end)| buffer.get(start..end)))
    }

    fn put_array(
        &self,
        head: &Head<'a>,
        position: usize,
        out: &mut Vec<u8>,
        within: &mut Vec<usize>,
    ) -> Result<bool> {
        if within.contains(&position) || within.len() == KEY_DEPTH_MAX {
            return Ok(false);
        }
        within.push(position);
        begin_array(out);
        let mut count = 0;
        let mut is_valid = true;
        self.for_each_element(head, position, |at| {
            let (head, at) = self.resolve(at)?;
            count += 1;
            is_valid = self.put_value(&head, at, out, within)? && out.len() <= KEY_BYTES_MAX;
            Ok(is_valid)
        })?;
        end_array(out);
        within.pop();
        let length = match *head {
            Head::Array { length, .. } | Head::SparseArray { length } => length,
            _ => 0,
        };
        Ok(is_valid && count == length)
    }

    /// <https://w3c.github.io/IndexedDB/#convert-a-value-to-a-multientry-key>
    fn elements_as_keys(&self, head: &Head<'a>, position: usize) -> Result<Vec<Vec<u8>>> {
        let (mut keys, mut seen): (Vec<Vec<u8>>, HashSet<Vec<u8>>) = Default::default();
        let mut within = vec![position];
        self.for_each_element(head, position, |at| {
            let (head, at) = self.resolve(at)?;
            let mut key = Vec::new();
            if !self.put_value(&head, at, &mut key, &mut within)? || key.len() > KEY_BYTES_MAX {
                return Ok(true);
            }
            if keys.len() == SCANNED_KEYS_MAX {
                seen.extend(keys.iter().cloned());
            }
            let is_new = if seen.is_empty() { !keys.contains(&key) } else { seen.insert(key.clone()) };
            if is_new {
                keys.push(key);
            }
            Ok(true)
        })?;
        Ok(keys)
    }

    /// Visits the elements of an array by index, those that are there.
    fn for_each_element(
        &self,
        head: &Head<'a>,
        position: usize,
        mut visit: impl FnMut(usize) -> Result<bool>,
    ) -> Result<()> {
        if matches!(head, Head::SparseArray { .. }) {
            let mut elements = BTreeMap::new();
            self.for_each_part(position, |place, at| {
                if let Place::Property(name) = place
                    && let Some(index) = name.array_index()
                {
                    elements.entry(index).or_insert(at);
                }
                Ok(true)
            })?;
            for at in elements.into_values() {
                if !visit(at)? {
                    return Ok(());
                }
            }
            return Ok(());
        }
        self.value.for_each_element(position, visit)
    }
}

fn text_property<'a>(text: Text<'a>, identifier: &[u16]) -> Node<'a> {
    if "length".encode_utf16().eq(identifier.iter().copied()) {
        number_of(text.length() as u64)
    } else {
        Node::Missing
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths in JavaScript are safe integers")]
fn number_of<'a>(length: u64) -> Node<'a> {
    Node::Number(length as f64)
}
