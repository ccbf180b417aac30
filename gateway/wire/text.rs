//! Text inside JSON strings: bounded samples, and how many tokens it may be.

use std::borrow::Cow;

use super::{
    escape::{hex4, unescape},
    span::Str,
    utf8::text_of,
};

/// Bytes of a text that are weighed one by one; of a longer one four windows of a quarter each are.
const WEIGHED_MAX: usize = 64 * 1024;

/// Whether a text, as written, is white space alone.
pub(super) fn is_blank(raw: &[u8]) -> bool {
    let mut rest = raw.trim_ascii_start();
    while let Some(after) = rest.strip_prefix(b"\\") {
        match after.split_first() {
            Some((b'n' | b't' | b'r', after)) => rest = after.trim_ascii_start(),
            _ => return false,
        }
    }
    rest.is_empty()
}

/// The texts joined by line feeds: whole if they are at most `head + tail` bytes as written, else
/// the first `head` and the last `tail` bytes with a line feed between. Borrowed where nothing
/// needs decoding or joining; never decodes more than the sample.
pub(super) fn sample<'a>(body: &'a [u8], texts: &[Str], head: usize, tail: usize) -> Cow<'a, str> {
    let total = texts.iter().map(|text| text.span.len() + 1).sum::<usize>().saturating_sub(1);
    if let [only] = texts {
        let raw = only.span.of(body);
        let short = if tail == 0 { floor(raw, head) } else { raw.len() };
        if !only.escaped && (total <= head + tail || tail == 0) {
            let raw = raw.get(..short).unwrap_or_default();
            return text_of(raw);
        }
    }
    let mut out = String::with_capacity(total.min(head + tail + 1));
    if total <= head + tail {
        front(body, texts, usize::MAX, &mut out);
    } else {
        front(body, texts, head, &mut out);
        if tail > 0 {
            out.push('\n');
            back(body, texts, tail, &mut out);
        }
    }
    Cow::Owned(out)
}

/// The first `room` bytes as written.
fn front(body: &[u8], texts: &[Str], mut room: usize, out: &mut String) {
    for (position, text) in texts.iter().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        let raw = text.span.of(body);
        let end = if raw.len() <= room { raw.len() } else { start_of(raw, room, text.escaped) };
        append(raw.get(..end).unwrap_or_default(), text.escaped, out);
        room = room.saturating_sub(raw.len() + 1);
        if room == 0 {
            return;
        }
    }
}

/// The last `room` bytes as written.
fn back(body: &[u8], texts: &[Str], mut room: usize, out: &mut String) {
    let mut first = texts.len();
    let mut from = 0;
    while let Some(text) = first.checked_sub(1).and_then(|before| texts.get(before)) {
        if room == 0 {
            break;
        }
        first -= 1;
        from = text.span.len().saturating_sub(room);
        room = room.saturating_sub(text.span.len() + 1);
    }
    for (position, text) in texts.iter().skip(first).enumerate() {
        if position > 0 {
            out.push('\n');
        }
        let raw = text.span.of(body);
        let start = if position == 0 { start_of(raw, from, text.escaped) } else { 0 };
        append(raw.get(start..).unwrap_or_default(), text.escaped, out);
    }
}

fn append(raw: &[u8], escaped: bool, out: &mut String) {
    if escaped {
        unescape(raw, out);
    } else {
        out.push_str(&text_of(raw));
    }
}

/// The start of the character around this byte.
fn floor(raw: &[u8], at: usize) -> usize {
    let mut at = at.min(raw.len());
    while at > 0 && raw.get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
        at -= 1;
    }
    at
}

/// The start of the character or escape around this byte.
fn start_of(raw: &[u8], at: usize, escaped: bool) -> usize {
    let at = floor(raw, at);
    if !escaped {
        return at;
    }
    if begins_escape(raw, at) {
        return at - 1;
    }
    // Inside the digits of `\uXXXX`, whose `u` is at most four bytes back?
    (1..=4)
        .filter_map(|back| at.checked_sub(back))
        .find(|u| raw.get(*u) == Some(&b'u') && begins_escape(raw, *u))
        .map_or(at, |u| u - 1)
}

/// Whether the byte before is a backslash that escapes: an odd number of them stand there.
fn begins_escape(raw: &[u8], at: usize) -> bool {
    let before = raw.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// How many tokens a text may be, in twentieths of a token.
///
/// By the width of its characters, as today's vocabularies cut them: ASCII a quarter of a token a
/// byte; two-byte scripts (Cyrillic, Arabic, Greek, accented Latin) half a token a character;
/// three-byte scripts (Chinese, Japanese, Korean, Thai, Indic) 0.85; four-byte ones (emoji) 2. An
/// escape counts as what it stands for. Rather too many than too few: it decides what fits.
pub(super) fn weigh(raw: &[u8], escaped: bool) -> u64 {
    if raw.len() <= WEIGHED_MAX {
        return weigh_whole(raw, escaped);
    }
    let window = WEIGHED_MAX / 4;
    let gap = (raw.len() - window) / 3;
    let sum: u64 = (0..4)
        .filter_map(|number| raw.get(number * gap..number * gap + window))
        .map(|part| weigh_whole(part, escaped))
        .sum();
    sum.saturating_mul(raw.len() as u64) / WEIGHED_MAX as u64
}

fn weigh_whole(raw: &[u8], escaped: bool) -> u64 {
    // A byte weighs 5; that is right for ASCII and for two-byte characters, the others get more.
    let bytes = raw.len() as u64 * 5;
    let wide: u64 = raw.chunks(128).filter(|block| !block.is_ascii()).map(wide).sum();
    let escapes = if escaped { escapes(raw) } else { 0 };
    (bytes + wide).saturating_sub(escapes)
}

/// What three-byte characters (17 for 15) and four-byte ones (40 for 20) weigh beyond their bytes.
fn wide(block: &[u8]) -> u64 {
    let (mut three, mut four) = (0u8, 0u8); // at most 128 each
    for byte in block {
        three += u8::from(byte & 0xF0 == 0xE0);
        four += u8::from(byte & 0xF8 == 0xF0);
    }
    u64::from(three) * 2 + u64::from(four) * 20
}

/// What `\uXXXX` weighs less than its six bytes. Other escapes stay at half a token.
fn escapes(raw: &[u8]) -> u64 {
    let escape = memchr::memmem::Finder::new(b"\\u");
    let (mut less, mut rest) = (0, raw);
    // In text beyond ASCII one follows the other: the next is searched for where none does.
    while let Some(at) = if rest.starts_with(b"\\u") { Some(0) } else { escape.find(rest) } {
        let (here, length) = match rest.get(at + 2..at + 6).and_then(hex4) {
            Some(0..0x80) => (25, 6),
            Some(0x80..0x800) => (20, 6),
            Some(0xD800..0xE000) => (10, 6), // half of an emoji
            Some(_) => (13, 6),
            None => (0, 2),
        };
        less += here;
        rest = rest.get(at + length..).unwrap_or_default();
    }
    less
}

#[cfg(test)]
mod tests;
