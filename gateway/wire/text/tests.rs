use proptest::prelude::*;

use super::*;
use crate::wire::{scan::Span, utf8::valid};

fn str_of(text: &str, escaped: bool) -> Str {
    Str { span: Span::new(0, text.len()), escaped }
}

#[test]
fn a_cut_never_falls_into_an_escape() {
    let raw = r"ab\\\u4f60\n\ud83d\ude00é\\u1234";
    for cut in 0..=raw.len() {
        let start = start_of(raw.as_bytes(), cut, true);
        let (mut head, mut tail) = (String::new(), String::new());
        unescape(&raw.as_bytes()[..start], &mut head);
        unescape(&raw.as_bytes()[start..], &mut tail);
        let whole = head + &tail;
        // Only a surrogate pair may fall apart.
        let expected = "ab\\你\n😀é\\u1234";
        assert_eq!(whole.replace("\u{FFFD}\u{FFFD}", "😀"), expected, "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn escapes_are_undone(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        let raw = &json[1..json.len() - 1];
        let sampled = sample(raw.as_bytes(), &[str_of(raw, raw.contains('\\'))], raw.len(), 0);
        prop_assert_eq!(sampled, text.clone());
        let ascii: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        prop_assert_eq!(sample(ascii.as_bytes(), &[str_of(&ascii, true)], ascii.len(), 0), text);
    }

    #[test]
    fn a_sample_is_bounded_and_begins_and_ends_like_the_text(
        texts in prop::collection::vec("\\PC{0,40}", 1..6), head in 0usize..60, tail in 0usize..60,
    ) {
        let body = texts.concat();
        let mut spans = Vec::new();
        let mut at = 0;
        for text in &texts {
            spans.push(Str { span: Span::new(at, at + text.len()), escaped: false });
            at += text.len();
        }
        let whole = texts.join("\n");
        let sampled = sample(body.as_bytes(), &spans, head, tail);
        if whole.len() <= head + tail {
            prop_assert_eq!(&*sampled, &whole);
        } else {
            prop_assert!(sampled.len() <= head + tail + 8, "{} > {}", sampled.len(), head + tail);
            let cut = floor(whole.as_bytes(), head);
            prop_assert!(sampled.starts_with(&whole[..cut]) || whole.starts_with(&*sampled));
        }
    }
}

/// What is no text or only half of a character, and what is.
const TEXTS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xbf",
    b"\xc3",
    b"\xc0\x80",
    b"\xe4",
    b"\xe4\xbd",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xff",
    "é".as_bytes(),
    "你".as_bytes(),
    "😀".as_bytes(),
];

#[test]
fn what_is_valid_is_valid_at_every_offset() {
    let expected =
        |bytes: &[u8]| std::str::from_utf8(bytes).map(drop).map_err(|it| it.valid_up_to());
    for text in TEXTS {
        for before in 0..=70 {
            for after in [0, 1, 2, 3, 63, 64, 65, 130] {
                let bytes = [&vec![b'a'; before], *text, &vec![b'b'; after]].concat();
                assert_eq!(valid(&bytes), expected(&bytes), "{before} {text:?} {after}");
                assert_eq!(text_of(&bytes), String::from_utf8_lossy(&bytes));
            }
        }
    }
}

proptest! {
    /// Bytes are judged as the standard library judges them, wherever what is not ASCII stands.
    #[test]
    fn what_is_valid_is_valid(
        before in 0..700_usize,
        middle in prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)],
        after in 0..700_usize,
    ) {
        let bytes = [vec![b'a'; before], middle, vec![b'b'; after]].concat();
        let expected = std::str::from_utf8(&bytes).map(drop).map_err(|it| it.valid_up_to());
        prop_assert_eq!(valid(&bytes), expected);
    }
}

/// What escapes weigh less, by looking at every byte.
fn escapes_plainly(raw: &[u8]) -> u64 {
    let digits = |at: usize| std::str::from_utf8(raw.get(at + 2..at + 6)?).ok();
    let starts = (0..raw.len()).filter(|at| raw[*at..].starts_with(b"\\u"));
    let units = starts.filter_map(|at| digits(at).filter(|it| !it.starts_with('+')));
    let units = units.filter_map(|digits| u16::from_str_radix(digits, 16).ok());
    let less = |unit| match unit {
        0..0x80 => 25,
        0x80..0x800 => 20,
        0xD800..0xE000 => 10,
        _ => 13,
    };
    units.map(less).sum()
}

proptest! {
    #[test]
    fn escapes_weigh_what_they_weigh_byte_for_byte(
        pieces in prop::collection::vec(
            prop::sample::select(&[
                "\\u0041", "\\u0e25", "\\ud83d", "\\u00e9", "\\u", "\\u12", "\\u+123", "\\", "u0041", "\\n",
                "a", "é", "long enough to be searched for by many bytes at once",
            ][..]),
            0..40,
        ),
    ) {
        let raw = pieces.concat();
        prop_assert_eq!(escapes(raw.as_bytes()), escapes_plainly(raw.as_bytes()));
    }
}
