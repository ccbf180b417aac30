use proptest::prelude::*;

use super::*;

/// The text behind escapes, byte for byte.
fn plainly(raw: &[u8]) -> String {
    let mut out = Vec::new();
    let mut rest = raw;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let digits = |from: usize| {
            let digits = after.get(from..from + 4)?;
            digits.iter().try_fold(0, |sum, it| Some(sum << 4 | char::from(*it).to_digit(16)?))
        };
        let (character, used) = match (after.first(), digits(1)) {
            (Some(b'n'), _) => ('\n', 1),
            (Some(b't'), _) => ('\t', 1),
            (Some(b'r'), _) => ('\r', 1),
            (Some(b'b'), _) => ('\u{8}', 1),
            (Some(b'f'), _) => ('\u{c}', 1),
            (Some(quoted @ (b'"' | b'\\' | b'/')), _) => (char::from(*quoted), 1),
            (Some(b'u'), None) => ('\u{FFFD}', 1),
            (Some(b'u'), Some(high @ 0xD800..0xDC00)) => match digits(7) {
                Some(low @ 0xDC00..0xE000) if after[5..7] == *b"\\u" => {
                    let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                    (char::from_u32(code).unwrap(), 11)
                }
                _ => ('\u{FFFD}', 5),
            },
            (Some(b'u'), Some(unit)) => (char::from_u32(unit).unwrap_or('\u{FFFD}'), 5),
            _ => ('\u{FFFD}', 0),
        };
        out.extend(character.to_string().bytes());
        rest = &after[used..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn agrees(raw: &[u8]) {
    let (mut out, wanted) = (String::from("before"), plainly(raw));
    unescape(raw, &mut out);
    assert_eq!(out, format!("before{wanted}"), "{:?}", raw.escape_ascii().to_string());
    if let Ok(raw) = std::str::from_utf8(raw) {
        in_parts(raw, &wanted, &mut Held::default());
    }
}

/// The same, some kilobytes at a time, whatever was held before.
fn in_parts(raw: &str, wanted: &str, held: &mut Held) {
    let mut all = String::new();
    parts(raw, held, |part| all.push_str(part));
    assert_eq!(all, wanted, "{:?}", raw.escape_debug().to_string());
}

#[test]
fn a_short_text_is_one_part_and_of_a_long_one_none_is_longer_than_is_held() {
    let mut held = Held::default();
    for count in [0, 1, 90, 1_000, 2_048, 2_730, 10_000] {
        for piece in [r"a\n", "aé", r"\u00e9", r"\ud83d\ude00", "x"] {
            let raw = piece.repeat(count);
            let mut lengths = Vec::new();
            parts(&raw, &mut held, |part| lengths.push(part.len()));
            in_parts(&raw, &plainly(raw.as_bytes()), &mut held);
            assert!(raw.len() >= PART_BYTES || lengths.len() == 1, "{piece} {count}: {lengths:?}");
            let escaped = raw.contains('\\');
            let most = PART_BYTES + CHARACTER_BYTES;
            assert!(!escaped || lengths.iter().all(|it| *it <= most), "{piece} {count}");
        }
    }
}

/// What may stand in a string: escapes, halves of them, and bytes that are no text.
const PIECES: &[&[u8]] = &[
    br"\n",
    br"\\",
    br#"\""#,
    br"\/",
    br"\u0000",
    br"\u0041",
    br"\u00e9",
    br"\u4F60",
    br"\ud83d\ude00",
    br"\ud83d",
    br"\ude00",
    br"\ud83d\u0041",
    br"\ud83d\ud83d\ude00",
    br"\u12",
    br"\u12g4",
    br"\u",
    br"\x",
    br"\",
    b"u",
    b"\0",
    b"\x1f",
    b"\"",
    "é".as_bytes(),
    "你".as_bytes(),
    "😀".as_bytes(),
    b"\x80",
    b"\xe4\xbd",
    b"\xf0\x9f\x98",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xff",
];

#[test]
fn every_piece_is_undone_at_every_offset() {
    for first in PIECES {
        for second in [&b""[..], br"\n", br"\ude00", b"\x80", "é".as_bytes()] {
            let pieces = [*first, second].concat();
            for before in 0..=70 {
                agrees(&[&vec![b'a'; before], pieces.as_slice()].concat());
            }
            for after in [1, 7, 8, 9, 24, 31, 32, 33, 70] {
                agrees(&[pieces.as_slice(), &vec![b'a'; after]].concat());
            }
        }
    }
}

#[test]
fn hexadecimal_digits_are_read_as_the_standard_library_reads_them() {
    let plainly = |digits: &[u8]| {
        let value = |sum, it: &u8| Some(sum << 4 | char::from(*it).to_digit(16)? as u16);
        digits.iter().try_fold(0, value)
    };
    for byte in 0..=u8::MAX {
        for other in *b"09afAF/:@G`g\x80\xb0\xff\0" {
            for at in 0..4 {
                let mut digits = [other; 4];
                digits[at] = byte;
                assert_eq!(hex4(&digits), plainly(&digits), "{digits:?}");
            }
        }
    }
    for unit in 0..=u16::MAX {
        assert_eq!(hex4(format!("{unit:04x}").as_bytes()), Some(unit));
        assert_eq!(hex4(format!("{unit:04X}").as_bytes()), Some(unit));
    }
    for wrong in [&b""[..], b"0", b"000", b"00000"] {
        assert_eq!(hex4(wrong), None);
    }
}

proptest! {
    #[test]
    fn escapes_are_undone_as_byte_for_byte(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
                prop::collection::vec(any::<u8>(), 0..4),
                "[a-z]{0,80}".prop_map(String::into_bytes),
            ],
            0..20,
        ),
    ) {
        agrees(&pieces.concat());
    }

    #[test]
    fn long_texts_are_undone_in_parts(
        runs in prop::collection::vec(
            ("[a-zé你\\n]{0,9}", 0_usize..3_000, prop::sample::select(PIECES)),
            0..12,
        ),
    ) {
        let written = |(run, count, piece): &(String, usize, &[u8])| {
            [run.repeat(*count).as_bytes(), piece].concat()
        };
        let raw: Vec<u8> = runs.iter().flat_map(written).collect();
        if let Ok(raw) = std::str::from_utf8(&raw) {
            in_parts(raw, &plainly(raw.as_bytes()), &mut Held::default());
        }
    }
}
