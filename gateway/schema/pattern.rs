//! A pattern of a schema: ECMAScript's, as far as it can be matched in time linear in the text.

use regex::{Regex, RegexBuilder};

/// How large a pattern may be when it is compiled, in bytes, and what a byte of text then costs in steps:
/// to match takes up to the product of the two.
const SIZES: [(usize, usize); 2] = [(32 * 1024, 64), (256 * 1024, 256)];
/// Bytes of a pattern.
const BYTES_MAX: usize = 4 * 1024;

/// A pattern that is ready.
#[derive(Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// Steps for each byte of text.
    pub(super) steps: usize,
}

impl Pattern {
    /// Makes a pattern ready; `None` where it is wrong or too large, and where it looks ahead, behind or at
    /// what it has matched: that cannot be done in linear time.
    pub(super) fn compile(text: &str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let text = translated(text);
        SIZES.iter().find_map(|(size, steps)| {
            let regex = RegexBuilder::new(&text).size_limit(*size).build().ok()?;
            Some(Self { regex, steps: *steps })
        })
    }

    /// Whether it matches anywhere in a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// A pattern as the `regex` crate reads it: there `\d` and `\w` go beyond ASCII, and classes hold classes.
fn translated(text: &str) -> String {
    let (mut out, mut in_class) = (String::with_capacity(text.len()), false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[A-Za-z0-9_]"),
                Some('W') => out.push_str("[^A-Za-z0-9_]"),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '[' if in_class => out.push_str("\\["),
            '&' | '~' if in_class => out.extend(['\\', character]),
            '[' | ']' => {
                in_class = character == '[';
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_ecmascript() {
        for (pattern, text, expected) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^[\d-]+$", "1-2", true),
            (r"^[^\d]+$", "1", false),
            (r"^[[]$", "[", true),
            (r"^[&&a]$", "&", true),
            (r"^[a-z\]]+$", "a]", true),
            (r"^\w+$", "aé", false),
            (r"^\p{L}+$", "é", true),
            (r"^\/a\-b$", "/a-b", true),
            (r"^.{1,100}$", "abc", true),
            ("a$", "a\n", false),
        ] {
            let compiled = Pattern::compile(pattern).unwrap_or_else(|| panic!("{pattern}"));
            assert_eq!(compiled.matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_not_linear_or_too_large_is_no_pattern() {
        let long = "a".repeat(BYTES_MAX + 1);
        for pattern in ["(?=a)", "(?<!a)b", r"(a)\1", "(", "(((a{99}){99}){99}){99}", &long] {
            assert!(Pattern::compile(pattern).is_none(), "{pattern:.20}");
        }
    }
}
