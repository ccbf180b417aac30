//! What of a text is looked at: a bounded sample without code, addresses and markup.

use fearless_simd::{Simd, dispatch};
use smallvec::SmallVec;

use super::token;
use crate::bits::{self, Answers, Before, Block, bits, count};

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
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    ends.map(move |end| {
        let line = text.get(from..end).unwrap_or("");
        from = end + 1;
        line
    })
}

/// A text without the blanks at its beginning. Most lines have none, and then no character is looked up.
#[inline]
#[must_use]
pub fn trim_start(text: &str) -> &str {
    let plain = text.as_bytes().first().is_some_and(u8::is_ascii_graphic);
    if plain { text } else { text.trim_start() }
}

/// A text without the blanks at its beginning and its end.
#[inline]
#[must_use]
pub fn trim(text: &str) -> &str {
    let bare = trim_start(text);
    let plain = bare.as_bytes().last().is_some_and(u8::is_ascii_graphic);
    if plain { bare } else { bare.trim_end() }
}

/// Calls `each` with every stretch of plain language for as long as it wants more: fenced code, lines of JSON
/// or markup and what is no word are passed over. Where only code or data is there, its words are handed out.
/// False if no more were wanted.
pub fn prose<'a>(text: &'a str, mut each: impl FnMut(&'a str) -> bool) -> bool {
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
        let more = if seen.suspect { token::words(line, &mut each) } else { each(line) };
        if !more {
            return false;
        }
    }
    said || lines(text).all(|line| token::words(line, &mut each))
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

/// Which bytes are marks that JSON, tables and code are full of.
#[inline(always)]
pub(super) fn data_marks<S: Simd>(it: Block<S>) -> Answers<S> {
    let bracket = it.within(b'[', 3) | it.within(b'{', 3) | it.within(b';', 4);
    bracket | it.is(b'"') | it.is(b'_') | it.is(b'$')
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

impl Line {
    fn of(line: &str) -> Self {
        dispatch!(bits::level(), simd => Self::seen(simd, line.as_bytes()))
    }

    #[inline(always)]
    fn seen<S: Simd>(simd: S, line: &[u8]) -> Self {
        let (mut marks, mut letters, mut fences, mut suspect) = (0, 0, 0, 0);
        let (mut latin, mut dot) = (Before::default(), Before::default());
        bits::blocks(
            simd,
            line,
            #[inline(always)]
            |it| {
                marks += count(data_marks(it));
                let letter = bits(it.letters());
                letters |= letter | bits(it.beyond_ascii());
                fences |= bits(it.is(b'`') | it.is(b'~'));
                // A capital after a letter: a name of code, a currency, encoded bytes. A small one right
                // behind a dot: an address, a name of code.
                suspect |= latin.next(letter) & bits(it.within(b'A', 26));
                suspect |= dot.next(bits(it.is(b'.'))) & bits(it.within(b'a', 26));
                suspect |= bits(it.within(b'/', 11) | it.is(b'@') | it.is(b'&') | it.is(b'#'));
            },
        );
        Self {
            marks,
            length: line.len(),
            letters: letters != 0,
            fence: fences != 0,
            suspect: marks > 0 || (suspect | fences) != 0,
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

    #[test]
    fn trimmed_is_what_the_standard_library_trims() {
        let ends = ["", "a", ".", " ", "\t", "\n", "\0", "\u{a0}", "\u{3000}", "é", "\u{2028}"];
        for (begin, end) in ends.iter().flat_map(|begin| ends.map(|end| (begin, end))) {
            for text in [format!("{begin}{end}"), format!("{begin} b {end}")] {
                assert_eq!(trim_start(&text), text.trim_start(), "{text:?}");
                assert_eq!(trim(&text), text.trim(), "{text:?}");
            }
        }
    }
}
