//! One character as it counts in a number: full-width and native digits are digits, characters without a
//! width are nothing, and what people write between groups parts them.

use smallvec::SmallVec;

/// What a character is in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// A digit or a letter of ASCII, in capitals.
    Mark(u8),
    /// Something without a width: it is passed over.
    Nothing,
    /// What parts two groups.
    Gap(Gap),
    /// Anything else: the number ends.
    Other,
}

/// What stands before a character of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Nothing: it belongs to the group of the one before.
    #[default]
    Joined,
    /// A blank of any width.
    Space,
    /// A parenthesis.
    Paren,
    /// A dot.
    Dot,
    /// A slash or a low line.
    Slash,
    /// A hyphen or a dash.
    Hyphen,
    /// The end of a line.
    Line,
}

/// The zeros of the sets of ten digits that Unicode has (version 16), the lowest first.
const ZEROS: [u32; 76] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
    0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50,
    0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE,
    0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// Backslashes of one escape: three texts, each put into the next as JSON.
const STROKES_MAX: usize = 8;

/// Whether a letter is that of an escape: in JSON that stands within a text, the `n` of `\n` is not of the
/// word behind it.
pub(super) fn escapes(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    before == Some(&b'\\') && matches!(bytes.get(at), Some(b'n' | b'r' | b't' | b'b' | b'f'))
}

/// How many bytes from a place on are letters of an escape: of `\n`, of `\u8eab`.
pub(super) fn escape_letters(bytes: &[u8], at: usize) -> usize {
    if escapes(bytes, at) {
        return 1;
    }
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    let code = bytes.get(at..at + 5).filter(|_| before == Some(&b'\\'));
    let coded = code
        .is_some_and(|it| matches!(it, [b'u', hex @ ..] if hex.iter().all(u8::is_ascii_hexdigit)));
    if coded { 5 } else { 0 }
}

/// The character that an escape of JSON within a text stands for, and its bytes: `\n`, `\u0034`, whose
/// backslash may be doubled as often as one text was put into another.
pub(super) fn escaped(text: &str) -> Option<(char, usize)> {
    let bytes = text.as_bytes();
    let strokes = bytes.iter().take(STROKES_MAX).take_while(|b| **b == b'\\').count();
    let c = match bytes.get(strokes).filter(|_| strokes > 0)? {
        b'n' | b'r' => '\n',
        b't' => '\t',
        b'u' => {
            let code = text.get(strokes + 1..strokes + 5)?;
            let hex = code.bytes().all(|b| b.is_ascii_hexdigit());
            let code = u32::from_str_radix(code, 16).ok().filter(|_| hex)?;
            // One half of a pair is no character, and no digit's or blank's.
            return Some((char::from_u32(code).unwrap_or('\u{FFFD}'), strokes + 5));
        }
        _ => return None,
    };
    Some((c, strokes + 1))
}

/// Where the escape of a character begins that has the digit at a place in its code.
pub(super) fn escape_around(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let u =
        (1..=4).filter_map(|back| at.checked_sub(back)).find(|u| bytes.get(*u) == Some(&b'u'))?;
    let before = bytes.get(..u)?.iter().rev().take(STROKES_MAX);
    let start = u - before.take_while(|b| **b == b'\\').count();
    let (_, length) = escaped(text.get(start..)?)?;
    (start < u && start + length > at).then_some(start)
}

/// A short text that is held without the heap: as much as is looked at around a number or an `@`.
pub(super) type Held = SmallVec<[u8; 256]>;

/// Some characters as a text.
pub(super) fn held(chars: impl Iterator<Item = char>, held: &mut Held) -> &str {
    held.clear();
    chars.for_each(|c| held.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()));
    str::from_utf8(held).unwrap_or("")
}

/// The characters of a text whose escapes are resolved, if it has some.
pub(super) fn resolved(text: &str, coded: bool) -> impl Iterator<Item = char> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let c = rest.chars().next()?;
        let escape = if coded && c == '\\' { escaped(rest) } else { None };
        let (c, length) = escape.unwrap_or((c, c.len_utf8()));
        rest = rest.get(length..).unwrap_or("");
        Some(c)
    })
}

impl Symbol {
    /// What a character is.
    #[inline]
    pub(super) fn of(c: char) -> Self {
        match c {
            '0'..='9' | 'A'..='Z' => Self::Mark(c as u8),
            'a'..='z' => Self::Mark((c as u8).to_ascii_uppercase()),
            ' ' => Self::Gap(Gap::Space),
            '-' => Self::Gap(Gap::Hyphen),
            '.' => Self::Gap(Gap::Dot),
            '/' | '_' => Self::Gap(Gap::Slash),
            '(' | ')' => Self::Gap(Gap::Paren),
            '\n' | '\r' => Self::Gap(Gap::Line),
            // A tab parts fields, not the groups of a number.
            '\t' => Self::Gap(Gap::Line),
            _ if c.is_ascii() => Self::Other,
            _ => Self::wide(c),
        }
    }

    fn wide(c: char) -> Self {
        let code = u32::from(c);
        match code {
            // Most characters there are: of Chinese, Japanese and Korean, and letters of Thai and Hindi.
            0x3400..=0x9FFF | 0xAC00..=0xD7A3 | 0xE01..=0xE4F | 0x900..=0x965 => Self::Other,
            0xFF21..=0xFF3A => Self::Mark((code - 0xFF21) as u8 + b'A'),
            0xFF41..=0xFF5A => Self::Mark((code - 0xFF41) as u8 + b'A'),
            0xAD | 0x34F | 0x61C | 0x200B..=0x200F | 0x202A..=0x202E => Self::Nothing,
            0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x2060..=0x206F => Self::Nothing,
            // Choices of a glyph, marks of order, what makes a key's cap of a digit, tags.
            0xFE00..=0xFE0F | 0xFEFF | 0xFFF9..=0xFFFB | 0x20E3 | 0xE0000..=0xE0FFF => {
                Self::Nothing
            }
            0xA0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Self::Gap(Gap::Space),
            0x85 | 0x2028 | 0x2029 => Self::Gap(Gap::Line),
            0x2010..=0x2015 | 0x2043 | 0x2212 | 0xFE58 | 0xFE63 | 0xFF0D | 0x30FC => {
                Self::Gap(Gap::Hyphen)
            }
            0xB7 | 0x2022 | 0x30FB | 0xFF0E | 0xFF65 => Self::Gap(Gap::Dot),
            0xFF0F | 0xFF3F => Self::Gap(Gap::Slash),
            0xFF08 | 0xFF09 => Self::Gap(Gap::Paren),
            _ => Self::native(code),
        }
    }

    /// A digit of some script, or nothing of a number.
    fn native(code: u32) -> Self {
        let zero = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1);
        let value = zero.and_then(|at| ZEROS.get(at)).map(|zero| code - zero);
        value.filter(|it| *it < 10).map_or(Self::Other, |it| Self::Mark(it as u8 + b'0'))
    }

    /// The digit or letter, if it is one.
    pub(super) fn mark(self) -> Option<u8> {
        match self {
            Self::Mark(mark) => Some(mark),
            _ => None,
        }
    }
}
