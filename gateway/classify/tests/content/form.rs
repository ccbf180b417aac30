//! The ways in which people write a number.

use crate::draw::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bare,
    Spaces,
    Hyphens,
    /// No-break spaces, wide or narrow.
    NoBreak,
    FullWidth,
    /// Digits of the sentence's language.
    Native,
    /// A character without a width inside.
    ZeroWidth,
    /// A line's end between two groups.
    LineEnd,
    /// As the scheme's own documents print it.
    Printed,
}

pub(crate) use Form::*;

/// All but the scheme's own.
pub(crate) const FORMS: &[Form] =
    &[Bare, Spaces, Hyphens, NoBreak, FullWidth, Native, ZeroWidth, LineEnd];

/// The forms of what is written in one line.
pub(crate) const LINE: &[Form] = &[Bare, Spaces, Hyphens, NoBreak, FullWidth, Native, ZeroWidth];

/// A number with a text between its groups.
pub(crate) fn parted(number: &str, groups: &[usize], gap: &str) -> String {
    let mut chars = number.chars();
    let mut parts: Vec<String> =
        groups.iter().map(|count| chars.by_ref().take(*count).collect()).collect();
    let rest: String = chars.collect();
    match parts.last_mut() {
        Some(last) => last.push_str(&rest),
        None => parts.push(rest),
    }
    parts.retain(|part| !part.is_empty());
    parts.join(gap)
}

/// The zero of the digits that a language has of its own.
fn zero(language: &str) -> Option<char> {
    match language {
        "th" => Some('๐'),
        "hi" => Some('०'),
        "ta" => Some('௦'),
        "my" => Some('၀'),
        "km" => Some('០'),
        _ => None,
    }
}

fn wide(c: char) -> char {
    match c {
        '0'..='9' | 'A'..='Z' | 'a'..='z' | '+' => {
            char::from_u32(u32::from(c) + 0xFEE0).expect("a character")
        }
        c => c,
    }
}

/// A number in a form, within a sentence of a language.
pub(crate) fn written(
    number: &str,
    groups: &[usize],
    (form, language): (Form, &str),
    rng: &mut Rng,
) -> String {
    let spaced = parted(number, groups, " ");
    let some = if rng.below(2) == 0 { spaced.clone() } else { number.to_owned() };
    match form {
        Bare | Printed => number.to_owned(),
        Spaces => spaced,
        Hyphens => parted(number, groups, "-"),
        NoBreak => parted(number, groups, rng.pick(&["\u{A0}", "\u{202F}"])),
        FullWidth => some.chars().map(wide).collect(),
        Native => match zero(language) {
            Some(zero) => {
                let own = |c: char| match c.to_digit(10) {
                    Some(digit) => char::from_u32(u32::from(zero) + digit).expect("a digit"),
                    None => c,
                };
                some.chars().map(own).collect()
            }
            None => some,
        },
        ZeroWidth => {
            let mut chars: Vec<char> = some.chars().collect();
            let at = rng.within(1, chars.len() - 1);
            chars.insert(at, rng.pick(&['\u{200B}', '\u{2060}', '\u{200D}', '\u{FEFF}', '\u{AD}']));
            chars.into_iter().collect()
        }
        LineEnd => {
            // Nobody breaks a line behind one letter.
            let long = |at: usize| {
                let (before, behind) = (&spaced[..at], &spaced[at + 1..]);
                let last = before.rsplit(' ').next().unwrap_or("").len();
                last > 2 && behind.split(' ').next().unwrap_or("").len() > 2
            };
            let gaps = spaced.match_indices(' ').map(|(at, _)| at);
            let most = gaps.clone().count();
            let gaps: Vec<usize> = gaps.filter(|at| most > 1 && long(*at)).collect();
            if gaps.is_empty() {
                return spaced;
            }
            let at = rng.pick(&gaps);
            format!("{}{}{}", &spaced[..at], rng.pick(&["\n", "\r\n", "\n  "]), &spaced[at + 1..])
        }
    }
}
