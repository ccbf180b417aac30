//! What of a text is looked at: a bounded sample without code, addresses and markup.

use smallvec::SmallVec;

use super::token;

/// Bytes that are looked at from the head, and as many from the tail.
const SPAN: usize = 320;

/// The head of a text, and its tail where the text is long.
#[must_use]
pub fn ends(text: &str) -> (&str, &str) {
    if text.len() <= 2 * SPAN {
        return (text, "");
    }
    let head = text.get(..floor(text, SPAN)).unwrap_or("");
    let tail = text.get(floor(text, text.len() - SPAN)..).unwrap_or("");
    (head, tail)
}

/// The nearest character boundary at or before `at`.
#[must_use]
pub fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Whether a byte is among others.
#[must_use]
pub fn holds(bytes: &[u8], byte: u8) -> bool {
    find(bytes, byte).is_some()
}

/// Where a byte first stands. Short stretches are looked through at once, long ones many bytes at a time.
#[must_use]
pub fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let near = bytes.iter().take(16).position(|it| *it == byte);
    near.or_else(|| Some(16 + memchr::memchr(byte, bytes.get(16..)?)?))
}

/// The lines of a text, without what ends them: those of `split('\n')`, and faster where they are long.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(at) = find(text.as_bytes(), b'\n') else { return Some(text) };
        rest = text.get(at + 1..);
        text.get(..at)
    })
}

/// Calls `each` with every stretch of plain language: fenced code, lines of JSON or markup and what is
/// no word are passed over. Where only code or data is there, its words are handed out.
pub fn prose<'a>(text: &'a str, mut each: impl FnMut(&'a str)) {
    let mut said = false;
    let mut fence = None;
    for line in lines(text) {
        let seen = Line::of(line);
        let mark = if seen.fence { fence_of(line) } else { None };
        if mark.is_some() && (fence.is_none() || fence == mark) {
            fence = if fence.is_none() { mark } else { None };
            continue;
        }
        if fence.is_some() || seen.data_like() {
            continue;
        }
        said |= seen.letters;
        if seen.suspect {
            token::words(line, &mut each);
        } else {
            each(line);
        }
    }
    if !said {
        lines(text).for_each(|line| token::words(line, &mut each));
    }
}

fn fence_of(line: &str) -> Option<u8> {
    let bare = line.trim_start();
    let mark = |it: &str| bare.starts_with(it).then(|| bare.as_bytes().first().copied()).flatten();
    mark("```").or_else(|| mark("~~~"))
}

/// The first and the last bytes of several stretches, as many as of one text.
#[must_use]
pub fn ends_of<'a>(parts: &[&'a str]) -> SmallVec<[&'a str; 8]> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    if total <= 2 * SPAN {
        return parts.iter().copied().collect();
    }
    let mut kept = SmallVec::new();
    let mut room = SPAN;
    for part in parts {
        kept.push(part.get(..floor(part, room)).unwrap_or(""));
        room = room.saturating_sub(part.len());
        if room == 0 {
            break;
        }
    }
    let from = kept.len();
    room = SPAN;
    for part in parts.iter().rev() {
        kept.insert(from, part.get(floor(part, part.len().saturating_sub(room))..).unwrap_or(""));
        room = room.saturating_sub(part.len());
        if room == 0 {
            break;
        }
    }
    kept
}

/// What one look at a line's bytes tells.
struct Line {
    marks: usize,
    length: usize,
    letters: bool,
    fence: bool,
    /// Something in it may be no word.
    suspect: bool,
}

/// What a byte may tell of its line.
const MARK: u8 = 1;
const LETTER: u8 = 2;
const FENCE: u8 = 4;
const SUSPECT: u8 = 8;
const DOT: u8 = 16;
/// One bit further than a dot: that a small letter follows it.
const LOWER_AFTER: u8 = 32;
/// A Latin letter; one bit further, that a capital follows one.
const SMALL: u8 = 64;
const CAPITAL_AFTER: u8 = 128;

/// What each byte tells: one look-up a byte, and no branch.
static BYTES: [u8; 256] = bytes();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn bytes() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < 256 {
        bytes[at] = match at as u8 {
            b'a'..=b'z' => LETTER | SMALL | LOWER_AFTER,
            b'A'..=b'Z' => LETTER | SMALL | CAPITAL_AFTER,
            0x80.. => LETTER,
            b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b'=' | b';' | b'|' | b'\\' | b'"' | b'_'
            | b'$' => MARK,
            b'`' | b'~' => FENCE,
            b'@' | b'/' | b'&' | b'#' | b'0'..=b'9' => SUSPECT,
            b'.' => DOT,
            _ => 0,
        };
        at += 1;
    }
    bytes
}

impl Line {
    fn of(line: &str) -> Self {
        let (mut all, mut marks) = (0, 0);
        let (mut before, mut joined) = (0, 0);
        for b in line.bytes() {
            let told = BYTES.get(usize::from(b)).copied().unwrap_or(0);
            all |= told;
            marks += usize::from(told & MARK);
            // A capital after a letter: a name of code, a currency, encoded bytes. A small one right
            // behind a dot: an address, a name of code.
            joined |= before & told & (CAPITAL_AFTER | LOWER_AFTER);
            before = told << 1;
        }
        let tells = |what: u8| all & what != 0;
        Self {
            marks,
            length: line.len(),
            letters: tells(LETTER),
            fence: tells(FENCE),
            suspect: marks > 0 || tells(SUSPECT | FENCE) || joined != 0,
        }
    }

    /// Mostly marks: JSON, a table, code.
    fn data_like(&self) -> bool {
        self.length >= 4 && self.marks * 4 > self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_a_split() {
        let long = "x".repeat(300);
        for text in
            ["", "\n", "a", "a\n", "\n\nb", "é\nü", &long, &format!("{long}\n{long}\n\n{long}")]
        {
            assert!(lines(text).eq(text.split('\n')), "{text:?}");
        }
    }
}
