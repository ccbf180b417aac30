use proptest::prelude::*;

use super::*;

/// The same, byte for byte.
fn plainly(bytes: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| ends(*byte)).unwrap_or(bytes.len())
}

fn agrees(bytes: &[u8]) {
    let special = |byte| matches!(byte, b'"' | b'\\' | 0..0x20);
    assert_eq!(plain(bytes), plainly(bytes, special), "{bytes:?}");
    assert_eq!(before_escape(bytes), plainly(bytes, |byte| byte == b'\\'), "{bytes:?}");
}

/// Bytes that end a run, and those that differ from them in one bit or by one.
const NEAR_MISSES: &[u8] =
    b"\"\\\0\x01\x1f \x21\x23\x5b\x5d\x0a\x02\x1d\x7f\x80\x9f\xa0\xa2\xdc\xe0\xff#]Z";

#[test]
fn every_byte_is_found_or_passed_at_every_offset_of_any_length() {
    for filler in [b'a', b' ', b'!', 0x7f, 0x80, 0xff] {
        for length in 0..=80 {
            let mut bytes = vec![filler; length];
            agrees(&bytes);
            for at in 0..length {
                for byte in NEAR_MISSES {
                    bytes[at] = *byte;
                    agrees(&bytes);
                }
                bytes[at] = filler;
            }
        }
    }
    for byte in 0..=u8::MAX {
        for at in [0, 7, 8, 31, 40, 63] {
            let mut bytes = [b'a'; 64];
            bytes[at] = byte;
            agrees(&bytes);
        }
    }
}

proptest! {
    #[test]
    fn runs_end_where_byte_for_byte_they_end(
        before in 0_usize..200, bytes in prop::collection::vec(any::<u8>(), 0..100),
        after in prop::collection::vec(prop::sample::select(NEAR_MISSES), 0..100),
    ) {
        agrees(&[vec![b'x'; before], bytes, after].concat());
    }
}
