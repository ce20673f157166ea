//! What is found without a walk is what a walk over the same bytes finds, in all values of the test vectors
//! and in damaged ones.

use super::*;
use crate::value::tests_support::Random;

fn vectors() -> Vec<Vec<u8>> {
    let text = include_str!("../../../../../__test__/vectors/values.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    vectors.iter().map(|vector| bytes(vector["hex"].as_str().unwrap())).collect()
}

/// The parts of the container at `position`, as a walk shows them; an error at the first one that is damaged.
fn parts_of(value: ValueRef<'_>, position: usize) -> Result<Vec<(Place<'_>, usize)>> {
    let (mut walker, mut parts, mut depth) = (value.walk(position), Vec::new(), 0);
    while let Some(event) = walker.next()? {
        if let Event::Value { place, position, .. } = event
            && depth == 1
        {
            parts.push((place, position));
        }
        depth = walker.depth();
    }
    Ok(parts)
}

fn units(name: Text<'_>) -> Vec<u16> {
    name.units().collect()
}

fn elements_of(value: ValueRef<'_>, position: usize) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    value.for_each_element(position, |at| {
        found.push(at);
        Ok(true)
    })?;
    Ok(found)
}

/// Compares what is found in the container at `position`, all of which is undamaged.
fn check(value: ValueRef<'_>, head: &Head<'_>, position: usize) {
    let parts = parts_of(value, position).unwrap();
    if *head == Head::Object {
        for (place, _) in &parts {
            let Place::Property(name) = place else { panic!("{place:?}") };
            let first = parts
                .iter()
                .find(|(other, _)| matches!(other, Place::Property(other) if units(*other) == units(*name)));
            assert_eq!(value.property(position, &units(*name)).unwrap(), first.map(|(_, at)| *at));
        }
        assert_eq!(value.property(position, &[0x2603, 0x78]).unwrap(), None);
    }
    if matches!(head, Head::Array { .. }) {
        let is_there = |at: &usize| value.head(*at).unwrap() != Head::Hole;
        let elements =
            parts.iter().filter(|(place, _)| matches!(place, Place::Element(_))).map(|(_, at)| *at);
        assert_eq!(elements_of(value, position).unwrap(), elements.filter(is_there).collect::<Vec<_>>());
    }
}

#[test]
fn parts_are_found_where_a_walk_finds_them() {
    let mut containers = 0;
    for bytes in vectors() {
        let value = ValueRef::new(&bytes).unwrap();
        let mut walker = value.walk(value.root());
        while let Some(event) = walker.next().unwrap() {
            let Event::Value { head, position, .. } = event else { continue };
            if head != Head::Hole {
                let mut walk = value.walk(position);
                while walk.next().unwrap().is_some() {}
                assert_eq!(value.skip(position).unwrap(), walk.position);
                containers += usize::from(frame_of(&head).is_some());
                check(value, &head, position);
            }
        }
    }
    assert!(containers > 30, "{containers}");
}

#[test]
fn what_is_damaged_is_no_answer_where_a_walk_fails() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        for mut bytes in vectors() {
            let at = 1 + random.below(bytes.len() - 1);
            bytes[at] = u8::try_from(random.below(256)).unwrap();
            let value = ValueRef::new(&bytes).unwrap();
            let Ok(head) = value.head(value.root()) else { continue };
            // A search ends at what it finds; one for what is not there has seen all of it, as the walk has.
            let missing = match head {
                Head::Object => value.property(value.root(), &[0x2603, 0x78]).map(drop),
                Head::Array { has_properties: false, .. } => elements_of(value, value.root()).map(drop),
                _ => continue,
            };
            assert_eq!(missing.is_ok(), parts_of(value, value.root()).is_ok(), "seed {seed}: {bytes:02x?}");
        }
    }
}
