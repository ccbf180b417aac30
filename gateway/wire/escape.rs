//! Texts behind the escapes of JSON strings, and texts as such strings.

mod held;

use std::ops::Range;

use fearless_simd::{Simd, dispatch};
use memchr::memchr;

pub(super) use self::held::Held;
use super::{
    blocks::{self, Places},
    plain_run::before_escape,
    utf8::text_of,
};

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
    dispatch!(blocks::level(), simd => unescape_by(simd, &text, out));
}

#[inline(always)]
fn unescape_by<S: Simd>(simd: S, text: &str, out: &mut String) {
    let mut runs = Runs::of(simd, text.as_bytes());
    while let Some((run, character)) = runs.next() {
        out.push_str(text.get(run).unwrap_or(""));
        out.extend(character);
    }
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

/// Hands out the text behind JSON escapes, some kilobytes at a time: `held` is where what stands between
/// escapes is put together.
pub(super) fn parts(raw: &str, held: &mut Held, mut each: impl FnMut(&str)) {
    dispatch!(blocks::level(), simd => parts_by(simd, raw, held, &mut each));
}

#[inline(always)]
fn parts_by<S: Simd>(simd: S, raw: &str, held: &mut Held, each: &mut impl FnMut(&str)) {
    let bytes = raw.as_bytes();
    held.begin(bytes.len());
    let mut runs = Runs::of(simd, bytes);
    while let Some((run, character)) = runs.next() {
        if !held.has_room(run.len()) {
            each(held.text());
            held.begin(bytes.len());
        }
        if held.has_room(run.len()) {
            held.push(bytes.get(run.start..).unwrap_or_default(), run.len());
        } else {
            each(raw.get(run).unwrap_or(""));
        }
        if let Some(character) = character {
            held.add(character);
        }
    }
    each(held.text());
}

/// Where runs without escapes stand, each with the character behind the escape that ends it.
struct Runs<'a, S> {
    bytes: &'a [u8],
    escapes: Places<'a, S, false, false>,
    /// Where the next run begins; beyond the end where there is none.
    done: usize,
}

impl<'a, S: Simd> Runs<'a, S> {
    #[inline(always)]
    fn of(simd: S, bytes: &'a [u8]) -> Self {
        Self { bytes, escapes: Places::new(simd, bytes, 0), done: 0 }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<(Range<usize>, Option<char>)> {
        let from = self.done;
        if let Some(at) = self.escapes.next() {
            let (character, used) = escape(self.bytes.get(at + 1..).unwrap_or_default());
            self.done = at + 1 + used;
            self.escapes.go_on(self.done);
            return Some((from..at, Some(character)));
        }
        self.done = usize::MAX;
        (from <= self.bytes.len()).then_some((from..self.bytes.len(), None))
    }
}

/// The characters behind escapes of two bytes, by the second; 0 where there is none.
#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const SHORT: [u8; 256] = {
    let mut short = [0; 256];
    let pairs = *b"n\nt\tr\rb\x08f\x0c\"\"\\\\//";
    let mut at = 0;
    while at < pairs.len() {
        short[pairs[at] as usize] = pairs[at + 1];
        at += 2;
    }
    short
};

/// What stands after a backslash: the character, and how many bytes, all of them ASCII, it took.
#[inline(always)]
fn escape(after: &[u8]) -> (char, usize) {
    // Which of them it is cannot be foretold: it is looked up, and not asked for one by one.
    match after.first().and_then(|byte| SHORT.get(usize::from(*byte))) {
        None | Some(0) => long(after),
        Some(character) => (char::from(*character), 1),
    }
}

/// The same where it is longer, or no escape. Apart, so that where the next run begins need not wait for the
/// table in all other cases.
#[cold]
fn long(after: &[u8]) -> (char, usize) {
    if after.first() == Some(&b'u') { unit(after) } else { (char::REPLACEMENT_CHARACTER, 0) }
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
