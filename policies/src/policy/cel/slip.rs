//! Expressions that cannot be read: where, and what was meant by the operators of other languages.

use super::Wrong;

/// Operators of other languages, and what they are in this one.
const MEANT: &[(&str, &str)] = &[
    ("=", "`==`, which compares"),
    ("&", "`&&`, which is and"),
    ("|", "`||`, which is or"),
    ("<>", "`!=`, which is not the same"),
    ("and", "`&&`"),
    ("or", "`||`"),
    ("not", "`!`, as in !stream"),
];

/// The first operator of another language in an expression, if there is one outside of its texts.
pub(super) fn slip(text: &str) -> Option<Wrong> {
    let mut quote = None;
    let mut rest = text.char_indices().peekable();
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    let is_operator = |it: char| "=!<>&|".contains(it);
    while let Some((at, it)) = rest.next() {
        match quote {
            Some(_) if it == '\\' => drop(rest.next()),
            Some(open) if it == open => quote = None,
            None if it == '\'' || it == '"' => quote = Some(it),
            None if is_operator(it) || is_word(it) => {
                let alike: &dyn Fn(char) -> bool =
                    if is_word(it) { &is_word } else { &is_operator };
                let mut end = at + it.len_utf8();
                while let Some((next, it)) = rest.next_if(|(_, it)| alike(*it)) {
                    end = next + it.len_utf8();
                }
                let token = text.get(at..end).unwrap_or_default();
                // A field may be called like a word of another language.
                let is_field = text.get(..at).is_some_and(|before| before.ends_with('.'));
                let meant = MEANT.iter().find(|(other, _)| *other == token && !is_field);
                if let Some((_, meant)) = meant {
                    let (line, column) = place(text, at);
                    let found = format!("`{token}` at {}, in `{text}`", spoken(text, line, column));
                    return Some(Wrong::new(found, *meant));
                }
            }
            _ => {}
        }
    }
    None
}

/// What the parser says of an expression, with the place first: a long expression is cut off.
pub(super) fn unread(text: &str, (line, column): (isize, isize), said: &str) -> Wrong {
    let count = |number: isize| usize::try_from(number).unwrap_or(1).max(1);
    let said = said.lines().next().unwrap_or_default();
    let said = said.strip_prefix("Syntax error: ").unwrap_or(said);
    let said = said.split(" expecting ").next().unwrap_or(said).replace("'<EOF>'", "its end");
    let mut said: String = said.chars().take(60).collect();
    // The parser leaves a quote open where it repeats what it cannot read.
    if said.matches('\'').count() % 2 == 1 {
        said.push('\'');
    }
    let place = spoken(text, count(line), count(column));
    Wrong::new(format!("at {place} {said}, in `{text}`"), "a CEL expression")
}

/// Line and character, from 1, of a byte.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    (before.matches('\n').count() + 1, column + 1)
}

/// A place in words; the line is of no interest where there is one.
fn spoken(text: &str, line: usize, column: usize) -> String {
    if text.contains('\n') {
        format!("line {line}, character {column}")
    } else {
        format!("character {column}")
    }
}
