use proptest::prelude::*;

use super::*;

/// Where the string ends and whether it has escapes, byte for byte; the fault and its place if it is none.
fn plainly(text: &[u8], strict: bool) -> Result<(usize, bool), JsonError> {
    let (mut at, mut escaped) = (1, false);
    let fault = |what, at| {
        Err(JsonError { what: if at >= text.len() { "it ends too early" } else { what }, at })
    };
    let unit = |at: usize| {
        let digits = std::str::from_utf8(text.get(at + 1..at + 5)?).ok()?;
        let all = digits.bytes().all(|it| it.is_ascii_hexdigit());
        all.then(|| u16::from_str_radix(digits, 16).unwrap())
    };
    const HEX: &str = "an escape without four hexadecimal digits";
    loop {
        match text.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(b'\\') => escaped = true,
            Some(0x20..) => {
                at += 1;
                continue;
            }
            _ => return fault("a control character in a string", at),
        }
        at += 1;
        match text.get(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 1,
            Some(b'u') => {
                let Some(first) = unit(at) else { return fault(HEX, at) };
                at += 5;
                if strict && (0xD800..0xE000).contains(&first) {
                    let half = JsonError { what: "half a surrogate pair", at };
                    if first >= 0xDC00 || !text[at..].starts_with(b"\\u") {
                        return Err(half);
                    }
                    at += 1;
                    match unit(at) {
                        Some(0xDC00..0xE000) => at += 5,
                        Some(_) => return Err(half),
                        None => return fault(HEX, at),
                    }
                }
            }
            _ => return fault("an unknown escape", at),
        }
    }
}

fn agrees(text: &[u8]) {
    for strict in [true, false] {
        let mut scanner = if strict { Scanner::strict(text, 128) } else { Scanner::lenient(text) };
        let found = scanner.string().map(|it| {
            assert_eq!((it.span.start, it.span.end as usize + 1), (1, scanner.at()));
            (scanner.at(), it.escaped)
        });
        assert_eq!(found, plainly(text, strict), "{:?}", text.escape_ascii().to_string());
    }
}

/// What may stand in a string, and what may not.
const PIECES: &[&[u8]] = &[
    b"\"",
    br"\n",
    br"\\",
    br#"\""#,
    br"\/",
    br"\u0000",
    br"\u0e25",
    br"\uD83D\uDE00",
    br"\ud83d",
    br"\ude00",
    br"\ud83d\u0041",
    br"\ud83d\n",
    br"\ud83d\u12",
    br"\u12",
    br"\u12g4",
    br"\u",
    br"\x",
    br"\",
    b"\0",
    b"\n",
    b"\x1f",
    b" ",
    b"!",
    b"#",
    b"\x7f",
    b"\x80",
    b"\xa2",
    b"\xdc",
    b"\xff",
    "é".as_bytes(),
    "你".as_bytes(),
];

#[test]
fn every_piece_is_seen_at_every_offset_of_a_string() {
    for first in PIECES {
        for second in [&b""[..], br"\\", br"\udc00", b"\0", "é".as_bytes()] {
            for before in 0..=70 {
                let mut text = [b"\"", vec![b'a'; before].as_slice(), first, second].concat();
                agrees(&text); // without an end
                text.push(b'"');
                agrees(&text);
                text.extend_from_slice(br#":{"behind it":"more"}"#);
                agrees(&text);
            }
        }
    }
}

#[test]
fn every_piece_is_seen_at_every_offset_of_a_long_string() {
    for first in PIECES {
        for (begin, before) in [(150, 0..=70), (60, 60..=75)]
            .into_iter()
            .flat_map(|(begin, all)| all.map(move |it| (begin, it)))
        {
            let begin = [b"\"", vec![b'a'; begin].as_slice(), br"\n"].concat();
            let mut text = [begin.as_slice(), &vec![b'a'; before], first].concat();
            agrees(&text); // without an end
            text.extend_from_slice(br#"b":{"behind it":"more"}"#);
            agrees(&text);
        }
    }
}

proptest! {
    #[test]
    fn strings_are_read_as_byte_for_byte(
        pieces in prop::collection::vec(
            prop_oneof![
                2 => prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
                1 => prop::collection::vec(any::<u8>(), 0..4),
                3 => "[a-zé你 ]{0,80}".prop_map(String::into_bytes),
            ],
            0..20,
        ),
    ) {
        agrees(&[b"\"", pieces.concat().as_slice(), b"\""].concat());
    }
}
