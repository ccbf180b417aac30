//! Texts behind the escapes of JSON strings, and texts as such strings.

use memchr::memchr;

use super::{plain_run::before_escape, utf8::text_of};

/// Bytes of a text whose escapes are resolved together.
pub(super) const PART_BYTES: usize = 8192;
/// A shorter text is looked at without a call.
const SHORT_BYTES: usize = 64;
/// Bytes of the longest character.
const CHARACTER_BYTES: usize = 4;

/// Four hexadecimal digits as a number.
#[inline]
pub(super) fn hex4(digits: &[u8]) -> Option<u16> {
    const ONES: u32 = u32::MAX / 255;
    const HIGHS: u32 = ONES << 7;
    // All four at once: which of them are letters cannot be foretold, and a wrong guess costs more than all
    // of this. Where every byte is below 128, `from` has the high bit of those that are not below a bound.
    let four = u32::from_be_bytes(<[u8; 4]>::try_from(digits).ok()?);
    if four & HIGHS != 0 {
        return None;
    }
    let from = |bytes: u32, bound: u8| bytes + ONES * u32::from(0x80 - bound);
    let lower = four | (ONES * 0x20);
    let number = from(four, b'0') & !from(four, b'9' + 1);
    let letter = from(lower, b'a') & !from(lower, b'f' + 1);
    if (number | letter) & HIGHS != HIGHS {
        return None;
    }
    // A letter has the bit of 64, which a number has not, and `a`, which is ten, ends in 1.
    let values = (four & (ONES * 0xF)) + ((four >> 6) & ONES) * 9;
    let pairs = (values | (values >> 4)) & 0x00FF_00FF;
    u16::try_from((pairs | (pairs >> 8)) & 0xFFFF).ok()
}

/// Appends the text behind JSON escapes. Whatever is no valid escape becomes U+FFFD.
pub(super) fn unescape(raw: &[u8], out: &mut String) {
    // Checked once, as written: escapes are ASCII, so that between them stands text if all of it is text.
    let text = text_of(raw);
    out.reserve(text.len());
    some(&text, out, usize::MAX);
}

/// Whether a text as it is written has escapes.
#[inline]
pub(super) fn has_any(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    // In a few words they are found before many bytes could be looked at together.
    if bytes.len() <= SHORT_BYTES {
        return before_escape(bytes) < bytes.len();
    }
    memchr(b'\\', bytes).is_some()
}

/// Hands out the text behind JSON escapes, so many bytes at a time: `held` is where they are put together.
pub(super) fn parts(raw: &str, held: &mut String, mut each: impl FnMut(&str)) {
    let mut rest = raw;
    while !rest.is_empty() {
        held.clear();
        held.reserve(PART_BYTES.min(rest.len()));
        rest = some(rest, held, PART_BYTES);
        each(held);
    }
}

/// Appends the text behind JSON escapes until `out` has so many bytes, at the most a character less. What is
/// left is handed back.
fn some<'a>(raw: &'a str, out: &mut String, bytes_max: usize) -> &'a str {
    let mut rest = raw;
    while bytes_max - out.len() >= CHARACTER_BYTES {
        let run = before_escape(rest.as_bytes());
        let room = bytes_max - out.len();
        let run = if run <= room { run } else { rest.floor_char_boundary(room) };
        let (plain, after) = rest.split_at_checked(run).unwrap_or_default();
        out.push_str(plain);
        rest = after;
        match after.as_bytes() {
            [b'\\', escaped @ ..] if bytes_max - out.len() >= CHARACTER_BYTES => {
                let (character, used) = escape(escaped);
                out.push(character);
                rest = after.get(1 + used..).unwrap_or_default();
            }
            _ => break,
        }
    }
    rest
}

/// What stands after a backslash: the character, and how many bytes, all of them ASCII, it took.
fn escape(after: &[u8]) -> (char, usize) {
    match after.first() {
        Some(b'n') => ('\n', 1),
        Some(b't') => ('\t', 1),
        Some(b'r') => ('\r', 1),
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'u') => unit(after),
        Some(quoted @ (b'"' | b'\\' | b'/')) => (char::from(*quoted), 1),
        Some(_) | None => (char::REPLACEMENT_CHARACTER, 0),
    }
}

fn unit(after: &[u8]) -> (char, usize) {
    let Some(first) = after.get(1..5).and_then(hex4) else {
        return (char::REPLACEMENT_CHARACTER, 1);
    };
    let second = match first {
        0xD800..0xDC00 if after.get(5..7) == Some(b"\\u") => after.get(7..11).and_then(hex4),
        _ => None,
    };
    let pair = second.into_iter().flat_map(|second| char::decode_utf16([first, second])).next();
    match pair {
        Some(Ok(character)) => (character, 11),
        _ => (char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER), 5),
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    // Names of models, as nearly all that is quoted, have nothing to escape.
    if !text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        out.push_str(text);
        out.push('"');
        return out;
    }
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..'\u{20}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
