//! What keys begin with.

/// Number of bytes at the start of both.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const WORD: usize = size_of::<u64>();
    let words = a.as_chunks::<WORD>().0.iter().zip(b.as_chunks::<WORD>().0);
    let mut length = 0;
    for (a, b) in words {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return length + difference.trailing_zeros() as usize / 8;
        }
        length += WORD;
    }
    length + a[length..].iter().zip(&b[length..]).take_while(|(a, b)| a == b).count()
}

/// The first eight bytes as a number that orders like them; those of a shorter one are followed by zeros.
pub(super) fn head(bytes: &[u8]) -> u64 {
    let mut head = [0; size_of::<u64>()];
    let length = bytes.len().min(head.len());
    head[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(head)
}

/// The same of the first sixteen.
pub(super) fn long_head(bytes: &[u8]) -> u128 {
    let (first, second) = bytes.split_at(bytes.len().min(size_of::<u64>()));
    u128::from(head(first)) << u64::BITS | u128::from(head(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found_at_every_place() {
        let text: Vec<u8> = (1..40).collect();
        for length in 0..text.len() {
            for other_length in 0..text.len() {
                let (a, mut b) = (&text[..length], text[..other_length].to_vec());
                assert_eq!(common_prefix(a, &b), length.min(other_length));
                for place in 0..other_length {
                    b[place] ^= 0x80;
                    assert_eq!(common_prefix(a, &b), place.min(length), "{length} {other_length} {place}");
                    b[place] ^= 0x80;
                }
            }
        }
    }

    #[test]
    fn heads_order_like_bytes_as_far_as_they_reach() {
        let texts: [&[u8]; 8] =
            [b"", b"\0", b"a", b"a\0", b"ab", b"abcdefgh", b"abcdefghi", b"\xff\xff\xff\xff\xff\xff\xff\xff"];
        assert!(texts.windows(2).all(|pair| head(pair[0]) <= head(pair[1])));
        assert!(head(b"a") < head(b"b") && head(b"abcdefg") < head(b"abcdefh"));
        assert!(texts.windows(2).all(|pair| long_head(pair[0]) <= long_head(pair[1])));
        assert!(
            long_head(b"abcdefgh") < long_head(b"abcdefghi")
                && long_head(b"abcdefghi") < long_head(b"abcdefghj")
        );
        assert_eq!(long_head(b"abcdefghijklmnop"), long_head(b"abcdefghijklmnopq"));
    }
}
