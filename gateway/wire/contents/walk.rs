//! A walk over the strings of JSON that is known to be right: what of it is said, and what are names of the
//! format or media.

use fearless_simd::{Simd, dispatch};
use memchr::{memchr, memmem};

use crate::wire::{
    blocks::{self, Places},
    plain_run::plain,
};

/// Whether the value of a key is a name of the format's own.
fn is_format(key: &str) -> bool {
    matches!(
        key,
        "role" | "type" | "id" | "tool_call_id" | "detail" | "format" | "file_id" | "media_type"
    )
}

/// Whether the value of a key is said, however it begins; in a list there are no keys.
fn is_said(key: &str) -> bool {
    matches!(key, "" | "content" | "text" | "arguments")
}

/// Whether the value of a key is the caller's own from key to value: `password` says what stands behind it.
/// So is one whose key is written with escapes, whatever it is called.
fn is_own(key: &str) -> bool {
    matches!(key, "input" | "arguments" | "parameters" | "input_schema") || key.contains('\\')
}

/// Bytes in which the next quote is looked for before many are looked at together.
const NEAR_BYTES: usize = 24;
/// A picture or a file within an address.
const DATA_URL: &str = "data:";
const BASE64: &[u8] = b";base64,";
/// Bytes within which an address of data says what it is.
const DATA_URL_HEAD: usize = 256;
/// A shorter string is read even if it may be media: that costs nothing.
const MEDIA_BYTES_MIN: usize = 256;
/// A shorter number says nothing of anybody.
const NUMBER_DIGITS_MIN: usize = 9;

/// What a request holds, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A text of the message of this position: what stands in one message is one text to its reader.
    Text(&'a str, usize),
    /// What stands beside it, such as the name of a tool.
    Beside(&'a str),
    /// JSON of the caller's own: keys and values together.
    Own(&'a str),
}

/// Hands out every string of a talk, but for what is not said, and its long numbers.
pub(super) fn talk<'a>(json: &'a str, each: &mut impl FnMut(Piece<'a>)) {
    let (mut rest, mut key, mut kind) = (json, "", "");
    let (mut depth, mut message) = (0_usize, 0_usize);
    while let Some((gap, text, behind)) = next(rest) {
        for byte in gap.bytes() {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' if depth <= 1 => message += 1,
                _ => {}
            }
            // What an object is of is said of none within it, and of none behind it.
            if matches!(byte, b'{' | b'}') {
                kind = "";
            }
        }
        numbers(gap, each);
        rest = behind;
        if let Some(value) = behind.trim_ascii_start().strip_prefix(':') {
            key = text;
            if !is_name(key) {
                each(Piece::Beside(key));
            }
            let value = value.trim_ascii_start();
            if is_own(key) && value.starts_with(['{', '[']) {
                let (own, after) = value.split_at_checked(end(value)).unwrap_or((value, ""));
                each(Piece::Own(own));
                (rest, key) = (after, "");
            }
            continue;
        }
        if key == "type" {
            kind = text;
        }
        match key {
            _ if is_said(key) => each(Piece::Text(text, message)),
            _ if is_format(key) || kind != "text" && is_media(text) => {}
            _ => each(Piece::Beside(text)),
        }
        key = "";
    }
    numbers(rest, each);
}

/// Hands out the strings of members that are no talk, and what stands in their keys.
pub(super) fn strings<'a>(json: &'a str, each: &mut impl FnMut(&'a str)) {
    talk(json, &mut |piece| match piece {
        Piece::Text(text, _) | Piece::Beside(text) => each(text),
        Piece::Own(json) => {
            let mut rest = json;
            while let Some((_, text, behind)) = next(rest) {
                each(text);
                rest = behind;
            }
        }
    });
}

/// Hands out the long numbers between two strings.
fn numbers<'a>(gap: &'a str, each: &mut impl FnMut(Piece<'a>)) {
    if gap.len() < NUMBER_DIGITS_MIN {
        return;
    }
    let all = gap.split(|it: char| !it.is_ascii_digit());
    all.filter(|it| it.len() >= NUMBER_DIGITS_MIN).for_each(|it| each(Piece::Beside(it)));
}

/// Whether a key can be a name alone: an identity number, an address or what is escaped is none.
fn is_name(key: &str) -> bool {
    !key.bytes().any(|it| it.is_ascii_digit() || !it.is_ascii() || matches!(it, b'@' | b'\\'))
}

/// Whether a string is a picture, a sound or a file, as base64.
fn is_media(text: &str) -> bool {
    let bytes = text.as_bytes();
    if text.starts_with(DATA_URL) {
        let head = bytes.get(..DATA_URL_HEAD).unwrap_or(bytes);
        let data = memmem::find(head, BASE64).and_then(|at| bytes.get(at + BASE64.len()..));
        return data.is_some_and(blocks::is_base64);
    }
    bytes.len() >= MEDIA_BYTES_MIN && blocks::is_base64(bytes)
}

/// Where the object or the list ends that some JSON begins with.
fn end(json: &str) -> usize {
    let (mut rest, mut depth) = (json, 0_usize);
    loop {
        let string = next(rest);
        let gap = string.map_or(rest, |(gap, ..)| gap);
        for (at, byte) in gap.bytes().enumerate() {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth <= 1 => return json.len() - rest.len() + at + 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        let Some((.., behind)) = string else { return json.len() };
        rest = behind;
    }
}

/// What stands before the next string of some JSON, that string as it is written, and what comes behind it.
#[inline]
fn next(json: &str) -> Option<(&str, &str, &str)> {
    let bytes = json.as_bytes();
    // Most gaps are a sign or two, and most strings a word.
    let near = bytes.iter().take(NEAR_BYTES).position(|it| *it == b'"');
    let quote = near.or_else(|| memchr(b'"', bytes))?;
    let text = bytes.get(quote + 1..)?;
    let word = text.get(..NEAR_BYTES).map_or(0, plain);
    let end = match text.get(word) {
        Some(b'"') => word,
        _ => dispatch!(blocks::level(), simd => end_of(simd, text, word))?,
    };
    let at = quote + 1;
    Some((json.get(..quote)?, json.get(at..at + end)?, json.get(at + end + 1..)?))
}

/// Where a string ends, from behind its opening quote, of which `at` bytes were looked at.
#[inline(always)]
fn end_of<S: Simd>(simd: S, text: &[u8], at: usize) -> Option<usize> {
    let mut signs = Places::<_, true, false>::new(simd, text, at);
    loop {
        let at = signs.next()?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        signs.go_on(at + 2);
    }
}
