//! Texts behind the escapes of JSON strings, and texts as such strings.

/// Four hexadecimal digits as a number.
pub(super) fn hex4(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |sum, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(sum << 4 | u16::try_from(value).ok()?)
    })
}

/// Appends the text behind JSON escapes. Whatever is no valid escape becomes U+FFFD.
pub(super) fn unescape(raw: &[u8], out: &mut String) {
    // Gathered as bytes and checked once: a check for each piece would cost more than the rest.
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        // Pieces between escapes are short: a plain loop beats a vectorised search.
        let at = rest.iter().take(24).position(|byte| *byte == b'\\');
        let Some(at) = at.or_else(|| memchr::memchr(b'\\', rest)) else {
            plain.extend_from_slice(rest);
            return push(out, &plain);
        };
        plain.extend_from_slice(rest.get(..at).unwrap_or_default());
        let (character, used) = escape(rest.get(at + 1..).unwrap_or_default());
        match u8::try_from(character) {
            Ok(ascii @ 0..0x80) => plain.push(ascii),
            _ => plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = rest.get(at + 1 + used..).unwrap_or_default();
    }
}

/// Appends bytes as text; what is no UTF-8 becomes U+FFFD.
pub(super) fn push(out: &mut String, plain: &[u8]) {
    match std::str::from_utf8(plain) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(plain)),
    }
}

/// What stands after a backslash: the character, and how many bytes it took.
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
