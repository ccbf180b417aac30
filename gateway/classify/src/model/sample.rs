//! What of a text is looked at: a bounded sample without code, addresses and markup.

/// Bytes that are looked at from the head, and as many from the tail.
const SPAN: usize = 1_200;

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
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code || data_like(line) {
            continue;
        }
        said |= words(line, &mut each);
    }
    if !said {
        words(text, &mut each);
    }
}

/// A line that is mostly marks: JSON, a table, code.
fn data_like(line: &str) -> bool {
    let line = line.trim();
    let marks = line.bytes().filter(|b| b"{}[]<>=;|\\\"_$".contains(b)).count();
    line.len() >= 4 && marks * 4 > line.len()
}

/// The stretches of a line between addresses. True if there was a letter.
fn words<'a>(line: &'a str, each: &mut impl FnMut(&'a str)) -> bool {
    let address = |word: &str| {
        word.contains("://") || word.starts_with("www.") || word.contains('@') && word.contains('.')
    };
    if !line.contains("://") && !line.contains('@') && !line.contains("www.") {
        each(line);
        return line.chars().any(char::is_alphabetic);
    }
    let mut any = false;
    for word in line.split_whitespace().filter(|word| !address(word)) {
        each(word);
        any |= word.chars().any(char::is_alphabetic);
    }
    any
}
