//! What of a text is looked at: a bounded sample without code, addresses and markup.

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

/// Calls `each` with every stretch of plain language: fenced code, addresses and lines of JSON or
/// markup are passed over, unless nothing else is there.
pub fn prose<'a>(text: &'a str, mut each: impl FnMut(&'a str)) {
    let mut said = false;
    let mut in_code = false;
    for line in text.split('\n') {
        let seen = Line::of(line);
        if seen.fence && line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code || seen.data_like() {
            continue;
        }
        said |= seen.letters;
        if seen.address {
            unaddressed(line, &mut each);
        } else {
            each(line);
        }
    }
    if !said {
        each(text);
    }
}

/// What one look at a line's bytes tells.
struct Line {
    marks: usize,
    length: usize,
    letters: bool,
    fence: bool,
    /// It may hold an address.
    address: bool,
}

/// What a byte may tell of its line.
const MARK: u8 = 1;
const LETTER: u8 = 2;
const FENCE: u8 = 4;
const AT: u8 = 8;
const SLASH: u8 = 16;

/// What each byte tells: one look-up a byte, and no branch.
static BYTES: [u8; 256] = bytes();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn bytes() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < 256 {
        bytes[at] = match at as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => LETTER,
            b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b'=' | b';' | b'|' | b'\\' | b'"' | b'_'
            | b'$' => MARK,
            b'`' => FENCE,
            b'@' => AT,
            b'/' => SLASH,
            _ => 0,
        };
        at += 1;
    }
    bytes
}

impl Line {
    fn of(line: &str) -> Self {
        let (mut all, mut marks) = (0, 0);
        for b in line.bytes() {
            let told = BYTES.get(usize::from(b)).copied().unwrap_or(0);
            all |= told;
            marks += usize::from(told & MARK);
        }
        let tells = |what: u8| all & what != 0;
        Self {
            marks,
            length: line.len(),
            letters: tells(LETTER),
            fence: tells(FENCE),
            address: tells(AT) || tells(SLASH) && line.contains("//"),
        }
    }

    /// Mostly marks: JSON, a table, code.
    fn data_like(&self) -> bool {
        self.length >= 4 && self.marks * 4 > self.length
    }
}

/// The words of a line that are no addresses.
fn unaddressed<'a>(line: &'a str, each: &mut impl FnMut(&'a str)) {
    let address = |word: &&str| word.contains("://") || word.contains('@') && word.contains('.');
    line.split_whitespace().filter(|word| !address(word)).for_each(each);
}
