//! The fuzz targets on damaged but sensible input, in a short run. `docs/testing.md` has the command for
//! the real one.

use super::sections::section;
use crate::batch::WriteBatch;
use crate::fs::Random;
use crate::key::TreeId;

/// Runs `target` on each seed input, and on many with a few bytes or stretches of them changed.
fn mutate(seeds: &[Vec<u8>], target: impl Fn(&[u8]) -> usize + std::panic::RefUnwindSafe) {
    for seed in seeds {
        assert_ne!(target(seed), 0, "what mutations start from is read: {seed:02x?}");
    }
    for number in 1..=4_000 {
        let mut random = Random::new(number);
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..1 + random.below(4) {
            change(&mut input, &mut random);
        }
        if let Err(panic) = std::panic::catch_unwind(|| target(&input)) {
            eprintln!("input {number}: {input:02x?}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn change(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(4) {
        0 => input.truncate(at),
        1 => input.insert(at, [0, 1, 0x7f, 0x80, 0xff][random.below(5)]),
        2 => {
            let end = at + random.below(input.len() + 1 - at);
            let copied = input[at..end].to_vec();
            input.splice(at..at, copied);
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = u8::try_from(random.below(256)).unwrap();
            }
        }
    }
}

fn payload(start: u8) -> Vec<u8> {
    let mut batch = WriteBatch::new();
    batch.put(TreeId(1), &[start], b"value", 77).unwrap();
    batch.put(TreeId(1), &[start, 1], b"", crate::format::NEVER).unwrap();
    batch.delete(TreeId(2), b"gone").unwrap();
    batch.delete_range(TreeId(1), b"a", &[start, 0xff]).unwrap();
    batch.into_chunks().iter().flat_map(|chunk| chunk.bytes.to_vec()).collect()
}

#[test]
fn operations() {
    mutate(&[payload(b'k'), payload(0xfe)], super::batch);
}

#[test]
fn logs() {
    let mut two_commits = vec![0];
    for (kind, start) in [(1, b'a'), (2, b'b'), (2, b'c'), (3, b'd')] {
        two_commits.extend([kind, 0, 0]);
        section(&mut two_commits, &payload(start));
    }
    let mut three_segments = vec![2];
    for (kind, start) in [(2, b'a'), (0x82, b'b'), (0x82, b'c')] {
        three_segments.extend([kind, 1, 1]);
        section(&mut three_segments, &payload(start));
    }
    mutate(&[two_commits, three_segments], super::log);
}

#[test]
fn manifests() {
    let seed = |edits: &[&[u8]]| {
        edits.iter().fold(vec![0], |mut out, edit| {
            section(&mut out, edit);
            out
        })
    };
    let tree = [&[1, 1, 2][..], b"kv"].concat();
    let table =
        [&[6, 1, 0][..], &[7; 8], &[1; 8], &[1, b'a', 1, b'z'], &[1; 8], &[2; 8], &[3; 8], &[4; 8]].concat();
    let renumbered = [&[14][..], &table[1..], &[0; 8]].concat();
    let others = [&[2][..], &[9; 8], &[4, 1], &[1; 8], &[5], &[8; 8], &[8], &[1; 8], &[9, 1]].concat();
    let removed = [&[7, 1][..], &[7; 8]].concat();
    mutate(
        &[seed(&[&tree, &table, &others, &removed]), seed(&[&[&tree[..], &renumbered].concat()])],
        super::manifest,
    );
}

#[test]
fn tables() {
    let entry = |shared: u8, key: &[u8], value: &[u8]| {
        let unshared = u8::try_from(key.len()).unwrap();
        let length = u8::try_from(value.len()).unwrap();
        [&[shared, unshared, 1, 3, length][..], key, value].concat()
    };
    let restarts = [0, 0, 0, 0, 1, 0, 0, 0];
    let first = [&entry(0, b"abc", b"1")[..], &entry(2, b"d", b"2"), &restarts].concat();
    let second = [&entry(0, b"b", b"3")[..], &restarts].concat();
    for flags in [0, 1] {
        let mut seed = vec![flags];
        section(&mut seed, &[1, 1, b'a', 2, b'b', b'c', 5]);
        for (last, block) in [(&b"abd"[..], &first), (b"b", &second)] {
            section(&mut seed, last);
            section(&mut seed, block);
        }
        mutate(&[seed], super::table);
    }
}
