//! The key of a record right before a number, as in JSON: `"branch_code": "001234"`. What it says holds for
//! the number alone, whatever its neighbours are called.

use super::{aside, context, topic::Topic};
use crate::model::sample::floor;

/// Bytes before a number in which its key and the key of what it stands in are looked for, and bytes of its
/// value.
const BEFORE: usize = 160;
const VALUE: usize = 48;
/// Letters of a word of prose.
const WORD: usize = 4;
/// Keys that name nothing: what is around them does.
const GENERIC: [&str; 20] = [
    "number", "no", "num", "nr", "value", "val", "data", "text", "content", "input", "query",
    "message", "body", "prompt", "field", "digits", "answer", "n", "v", "q",
];

/// What the key of a number at a place says of it; nothing, if it has none or one that names nothing.
pub(super) fn own(text: &str, at: usize) -> Option<u32> {
    let before = text.get(floor(text, at.saturating_sub(BEFORE))..at)?;
    let of_value = |c: char| c.is_ascii_digit() || " .-/()+#\"'\\\t\n".contains(c);
    let named = before.trim_end_matches(of_value).strip_suffix(':')?;
    let (around, key) = quoted(named)?;
    let quotes = before.get(named.len()..)?.contains(['"', '\'']);
    if prose(text.get(at..floor(text, at + VALUE))?, quotes) {
        return None;
    }
    if aside::key(key) {
        return Some(0);
    }
    let topics = context::said(key);
    if topics & !Topic::Key.bit() != 0 {
        return Some(topics);
    }
    let generic = GENERIC.iter().any(|it| it.eq_ignore_ascii_case(key)) || !key.is_ascii();
    if topics != 0 || generic {
        return None;
    }
    Some(parent(around).map_or(0, context::said))
}

/// The quoted key at the end of a text, and what stands before it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end();
    let quote = text.chars().next_back().filter(|c| matches!(c, '"' | '\''))?;
    let text = text.get(..text.len() - 1)?.trim_end_matches('\\');
    let (around, key) = text.rsplit_once(quote)?;
    Some((around.trim_end_matches('\\'), key))
}

/// The key of the record or of the list in which the end of a text stands.
fn parent(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, c) in text.char_indices().rev() {
        match c {
            '}' | ']' => depth += 1,
            '{' | '[' if depth > 0 => depth -= 1,
            '{' | '[' => {
                let key = text.get(..at)?.trim_end().strip_suffix(':').and_then(quoted);
                if let Some((_, key)) = key {
                    return Some(key);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a value goes on with words.
fn prose(value: &str, quotes: bool) -> bool {
    let end = |c: char| {
        if quotes { matches!(c, '"' | '\'' | '\\') } else { matches!(c, ',' | '}' | ']' | '\n') }
    };
    let mut letters = 0;
    value.chars().take_while(|c| !end(*c)).any(|c| {
        letters = if c.is_ascii_alphabetic() { letters + 1 } else { 0 };
        letters >= WORD || (!c.is_ascii() && c.is_alphabetic())
    })
}
