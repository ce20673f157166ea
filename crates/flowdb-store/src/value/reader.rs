//! Walks a value in place, without recursion.

use super::head::{Head, Text, ViewBuffer, text, view_fits};
use super::{DEPTH_MAX, VERSION, damaged};
use flowdb_engine::format::Reader;
use flowdb_engine::{Error, Result};

#[cfg(test)]
mod tests;

/// The tag behind the last part of a container.
const END: u8 = 0x7f;

/// A value in the value format. Nothing is checked until it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct ValueRef<'a> {
    bytes: &'a [u8],
}

impl<'a> ValueRef<'a> {
    /// The value in `bytes`, which begin with the version of the format.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        match bytes.first() {
            Some(&VERSION) => Ok(ValueRef { bytes }),
            _ => Err(damaged(0, "unknown version")),
        }
    }

    /// Where the outermost value begins.
    pub fn root(&self) -> usize {
        1
    }

    /// The value that begins at `position`; of a container the head.
    pub fn head(&self, position: usize) -> Result<Head<'a>> {
        Head::read(self.bytes, position).map(|(head, _)| head)
    }

    /// Walks the value that begins at `position`.
    pub fn walk(&self, position: usize) -> Walker<'a> {
        Walker { bytes: self.bytes, position, frames: Vec::new(), state: State::Before }
    }

    /// Where the value that begins at `position` ends.
    pub fn skip(&self, position: usize) -> Result<usize> {
        let (head, end) = Head::read(self.bytes, position)?;
        // Most values are no containers, and need no walk.
        if frame_of(&head).is_none() && !matches!(head, Head::End | Head::Hole) {
            return Ok(end);
        }
        let mut walker = self.walk(position);
        while walker.next()?.is_some() {}
        Ok(walker.position)
    }

    /// Where the property `name` of the plain object at `position` begins.
    pub(super) fn property(&self, position: usize, name: &[u16]) -> Result<Option<usize>> {
        let (_, mut position) = Head::read(self.bytes, position)?;
        while self.bytes.get(position) != Some(&END) {
            let (found, value) = property_name(self.bytes, position)?;
            if found.is(name) {
                let (head, _) = self.head_of_part(value)?;
                return if head == Head::Hole { Err(missing(value)) } else { Ok(Some(value)) };
            }
            position = self.skip(value)?;
        }
        Ok(None)
    }

    /// Shows where the elements of the dense array at `position` begin, those that are there, until
    /// told to stop.
    pub(super) fn for_each_element(
        &self,
        position: usize,
        mut visit: impl FnMut(usize) -> Result<bool>,
    ) -> Result<()> {
        let (head, mut position) = Head::read(self.bytes, position)?;
        let Head::Array { length, .. } = head else { return Ok(()) };
        for _ in 0..length {
            position = match self.head_of_part(position)? {
                (Head::Hole, end) => end,
                _ if visit(position)? => self.skip(position)?,
                _ => break,
            };
        }
        Ok(())
    }

    /// The head of a part of a container, and where it ends.
    fn head_of_part(&self, position: usize) -> Result<(Head<'a>, usize)> {
        match Head::read(self.bytes, position)? {
            (Head::End, _) => Err(missing(position)),
            part => Ok(part),
        }
    }

    /// Where objects begin, by number. Costs a walk over everything.
    pub(super) fn objects(&self) -> Result<Vec<ObjectPlace>> {
        let mut objects = Vec::new();
        let mut walker = self.walk(self.root());
        while let Some(event) = walker.next()? {
            if let Event::Value { head, position, .. } = event {
                push_objects(&mut objects, &head, position);
            }
        }
        Ok(objects)
    }

    /// Checks everything that can be checked without JavaScript.
    pub fn validate(&self) -> Result<()> {
        let mut objects = Vec::new();
        let mut walker = self.walk(self.root());
        while let Some(event) = walker.next()? {
            let Event::Value { head, position, .. } = event else { continue };
            self.check_references(&objects, &head, position)?;
            push_objects(&mut objects, &head, position);
        }
        if walker.position == self.bytes.len() {
            Ok(())
        } else {
            Err(damaged(walker.position, "bytes follow its end"))
        }
    }

    fn check_references(&self, objects: &[ObjectPlace], head: &Head<'a>, position: usize) -> Result<()> {
        match *head {
            Head::Reference(number) => self.object(objects, number, position).map(drop),
            Head::View { offset, size, buffer: ViewBuffer::Reference(number), .. } => {
                match self.object(objects, number, position)? {
                    Head::Buffer { bytes, .. } if view_fits(offset, size, bytes) => Ok(()),
                    _ => Err(damaged(position, "a view that does not fit its buffer")),
                }
            }
            _ => Ok(()),
        }
    }

    /// The object with this number; `position` is for the message.
    pub(super) fn object(&self, objects: &[ObjectPlace], number: u64, position: usize) -> Result<Head<'a>> {
        let place = usize::try_from(number).ok().and_then(|number| objects.get(number));
        let place = place.ok_or_else(|| damaged(position, "a reference to nothing"))?;
        let head = self.head(place.position)?;
        Ok(if place.is_buffer_of_view { buffer_of_view(head) } else { head })
    }
}

/// Where an object begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObjectPlace {
    pub(super) position: usize,
    /// The object is the buffer that stands with the view at `position`.
    pub(super) is_buffer_of_view: bool,
}

fn push_objects(objects: &mut Vec<ObjectPlace>, head: &Head, position: usize) {
    let itself = ObjectPlace { position, is_buffer_of_view: false };
    let its_buffer = ObjectPlace { position, is_buffer_of_view: true };
    match (head, head.numbers()) {
        (Head::OwnView { .. }, _) => objects.extend([its_buffer, itself]),
        (_, 2) => objects.extend([itself, its_buffer]),
        (_, 1) => objects.push(itself),
        _ => {}
    }
}

fn buffer_of_view(head: Head<'_>) -> Head<'_> {
    match head {
        Head::OwnView { bytes, .. } => Head::Buffer { bytes, max: None },
        Head::View { buffer: ViewBuffer::Inline { bytes, resizable }, .. } => {
            Head::Buffer { bytes, max: resizable.then_some(bytes.len() as u64) }
        }
        other => other,
    }
}

/// What a value is to the container it stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place<'a> {
    /// The value that the walk began at.
    Root,
    /// A property.
    Property(Text<'a>),
    /// An element of a dense array.
    Element(u64),
    /// Key of an entry of a Map; its value follows.
    MapKey,
    /// Value of an entry of a Map.
    MapValue,
    /// A member of a Set.
    Member,
    /// Cause of an Error.
    Cause,
}

/// A step of a walk.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A value. If it is a container its parts come next, and then a [`Event::Leave`].
    Value {
        /// What it is.
        head: Head<'a>,
        /// To its container.
        place: Place<'a>,
        /// Its first byte.
        position: usize,
    },
    /// The innermost container is done.
    Leave,
}

#[derive(Debug)]
enum Frame {
    /// `array_length` if it is an array, whose other properties must not touch its length.
    Properties {
        array_length: Option<u64>,
    },
    Elements {
        index: u64,
        length: u64,
        has_properties: bool,
    },
    Entries {
        at_value: bool,
    },
    Members,
    Cause {
        done: bool,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Before,
    Inside,
}

/// A walk over one value, in the order of its bytes.
#[derive(Debug)]
pub struct Walker<'a> {
    bytes: &'a [u8],
    position: usize,
    frames: Vec<Frame>,
    state: State,
}

impl<'a> Walker<'a> {
    /// How many containers the walk is in.
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The next step; `None` once the value is complete.
    #[expect(
        clippy::should_implement_trait,
        reason = "steps can fail, and the walk is not to be continued then"
    )]
    pub fn next(&mut self) -> Result<Option<Event<'a>>> {
        if self.state == State::Before {
            self.state = State::Inside;
            return self.value(Place::Root).map(Some);
        }
        let position = self.position;
        let at_end = self.bytes.get(position) == Some(&END);
        let Some(frame) = self.frames.last_mut() else { return Ok(None) };
        let place = match frame {
            Frame::Elements { index, length, .. } if *index < *length => {
                *index += 1;
                Place::Element(*index - 1)
            }
            Frame::Elements { has_properties: false, .. } | Frame::Cause { done: true } => {
                return Ok(self.leave(0));
            }
            Frame::Elements { length, .. } => {
                *frame = Frame::Properties { array_length: Some(*length) };
                return self.next();
            }
            Frame::Entries { at_value: true } => {
                *frame = Frame::Entries { at_value: false };
                Place::MapValue
            }
            Frame::Cause { done } => {
                *done = true;
                Place::Cause
            }
            _ if at_end => return Ok(self.leave(1)),
            Frame::Properties { array_length } => {
                let array_length = *array_length;
                Place::Property(self.property(array_length)?)
            }
            Frame::Entries { at_value } => {
                *at_value = true;
                Place::MapKey
            }
            Frame::Members => Place::Member,
        };
        self.value(place).map(Some)
    }

    fn leave(&mut self, end_bytes: usize) -> Option<Event<'a>> {
        self.position += end_bytes;
        self.frames.pop();
        Some(Event::Leave)
    }

    fn property(&mut self, array_length: Option<u64>) -> Result<Text<'a>> {
        let (name, end) = property_name(self.bytes, self.position)?;
        let beyond = |length| {
            name == Text::Latin1(b"length") || name.array_index().is_some_and(|index| index >= length)
        };
        if array_length.is_some_and(beyond) {
            return Err(damaged(self.position, "a property that changes the length of its array"));
        }
        self.position = end;
        Ok(name)
    }

    fn value(&mut self, place: Place<'a>) -> Result<Event<'a>> {
        let position = self.position;
        let (head, end) = Head::read(self.bytes, position)?;
        let is_misplaced_hole = head == Head::Hole && !matches!(place, Place::Element(_));
        if head == Head::End || is_misplaced_hole {
            return Err(missing(position));
        }
        self.position = end;
        if let Some(frame) = frame_of(&head) {
            if self.frames.len() == DEPTH_MAX {
                return Err(damaged(position, "it is nested too deep"));
            }
            self.frames.push(frame);
        }
        Ok(Event::Value { head, place, position })
    }
}

fn missing(position: usize) -> Error {
    damaged(position, "a value is missing")
}

/// The name of the property that begins at `position`, and where its value does.
fn property_name(bytes: &[u8], position: usize) -> Result<(Text<'_>, usize)> {
    let mut reader = Reader::new(bytes.get(position..).unwrap_or_default());
    let name = text(&mut reader).ok_or_else(|| damaged(position, "no property name"))?;
    Ok((name, position + reader.position()))
}

fn frame_of(head: &Head) -> Option<Frame> {
    match *head {
        Head::Object => Some(Frame::Properties { array_length: None }),
        Head::Array { length, has_properties } => Some(Frame::Elements { index: 0, length, has_properties }),
        Head::SparseArray { length } => Some(Frame::Properties { array_length: Some(length) }),
        Head::Map => Some(Frame::Entries { at_value: false }),
        Head::Set => Some(Frame::Members),
        Head::Error { has_cause: true, .. } => Some(Frame::Cause { done: false }),
        _ => None,
    }
}
