//! Texts of others, as they may be printed.

use std::{borrow::Cow, fmt::Write};

/// Whether a character does something other than to stand there: it ends a line, moves a cursor, or turns
/// or hides what stands beside it.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text of somebody else as a message, a terminal and a page can show it: characters that
/// [act](acts()) stand as escapes, so that it takes one line and moves nothing.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_stands_as_an_escape_and_all_else_as_it_is() {
        for plain in ["", "gpt-4o", "ช่วยสรุป", "請把", "a \"b\" \\c", "é\u{301}"]
        {
            assert!(matches!(printable(plain), Cow::Borrowed(text) if text == plain), "{plain}");
        }
        for (text, shown) in [
            ("m\nstate settled", "m\\nstate settled"),
            ("\u{1b}[8m\r\t\u{7}", "\\u{1b}[8m\\r\\t\\u{7}"),
            (
                "\u{9b}31m\u{202e}x\u{2066}\u{200b}\u{feff}\u{61c}",
                "\\u{9b}31m\\u{202e}x\\u{2066}\\u{200b}\\u{feff}\\u{61c}",
            ),
        ] {
            assert_eq!(printable(text), shown);
            assert!(!printable(text).contains(acts));
        }
    }
}
