use fearless_simd::dispatch;
use proptest::prelude::*;

use super::*;

/// All places, where each is followed by so many bytes that are passed over.
fn found<const QUOTES: bool, const CONTROLS: bool>(
    bytes: &[u8],
    from: usize,
    passed: usize,
) -> Vec<usize> {
    let mut found = Vec::new();
    dispatch!(level(), simd => {
        let mut places = Places::<_, QUOTES, CONTROLS>::new(simd, bytes, from);
        while let Some(at) = places.next() {
            found.push(at);
            places.go_on(at + passed);
        }
    });
    found
}

/// The same, byte for byte.
fn plainly(bytes: &[u8], from: usize, passed: usize, wanted: impl Fn(u8) -> bool) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), from);
    while let Some(byte) = bytes.get(at) {
        if wanted(*byte) {
            found.push(at);
            at += passed;
        } else {
            at += 1;
        }
    }
    found
}

/// Bytes that are looked for, and those that differ from them in one bit or by one.
const NEAR_MISSES: &[u8] =
    b"\"\\\0\x01\x1f \x21\x23\x5b\x5d\x0a\x02\x1d\x7f\x80\x9f\xa0\xa2\xdc\xe0\xff#]Z";

proptest! {
    #[test]
    fn places_are_those_that_are_there(
        before in 0_usize..200, bytes in prop::collection::vec(any::<u8>(), 0..200),
        after in prop::collection::vec(prop::sample::select(NEAR_MISSES), 0..200),
        from in 0_usize..300, passed in 1_usize..150,
    ) {
        let bytes = [vec![b'x'; before], bytes, after].concat();
        let escape = |byte| byte == b'\\';
        let sign = |byte| matches!(byte, b'"' | b'\\');
        let special = |byte| matches!(byte, b'"' | b'\\' | 0..0x20);
        for passed in [passed, 1, 2, 6, 64] {
            let escapes = found::<false, false>(&bytes, from, passed);
            prop_assert_eq!(escapes, plainly(&bytes, from, passed, escape));
            let signs = found::<true, false>(&bytes, from, passed);
            prop_assert_eq!(signs, plainly(&bytes, from, passed, sign));
            let specials = found::<true, true>(&bytes, from, passed);
            prop_assert_eq!(specials, plainly(&bytes, from, passed, special));
        }
    }
}

#[test]
fn one_byte_that_is_not_of_base64_is_seen_wherever_it_stands() {
    let of_alphabet = |b: u8| b.is_ascii_alphanumeric() || b"+/=-_".contains(&b);
    for length in [0, 1, 63, 64, 65, 200] {
        let mut bytes = vec![b'A'; length];
        assert!(is_base64(&bytes));
        for at in 0..length {
            for byte in 0..=u8::MAX {
                bytes[at] = byte;
                assert_eq!(is_base64(&bytes), of_alphabet(byte), "{byte} at {at} of {length}");
            }
            bytes[at] = b'A';
        }
    }
}
