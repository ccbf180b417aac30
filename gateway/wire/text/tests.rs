use proptest::prelude::*;

use super::*;
use crate::wire::scan::Span;

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
