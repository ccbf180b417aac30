//! One character as it counts in a number: full-width and native digits are digits, characters without a
//! width are nothing, and what people write between groups parts them.

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

/// The zeros of the sets of ten digits that the languages of the labels write numbers with.
const ZEROS: [u32; 15] = [
    0xFF10, 0x0660, 0x06F0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50,
    0x0ED0, 0x1040, 0x17E0,
];

/// Whether a letter is that of an escape: in JSON that stands within a text, the `n` of `\n` is not of the
/// word behind it.
pub(super) fn escapes(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    before == Some(&b'\\') && matches!(bytes.get(at), Some(b'n' | b'r' | b't' | b'b' | b'f'))
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
            0xFF21..=0xFF3A => Self::Mark((code - 0xFF21) as u8 + b'A'),
            0xFF41..=0xFF5A => Self::Mark((code - 0xFF41) as u8 + b'A'),
            // Bold, double-struck and monospaced digits of mathematics, set after set.
            0x1D7CE..=0x1D7FF => Self::Mark(((code - 0x1D7CE) % 10) as u8 + b'0'),
            0xAD | 0x34F | 0x61C | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E => Self::Nothing,
            0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF => Self::Nothing,
            0xA0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Self::Gap(Gap::Space),
            0x85 | 0x2028 | 0x2029 => Self::Gap(Gap::Line),
            0x2010..=0x2015 | 0x2043 | 0x2212 | 0xFE58 | 0xFE63 | 0xFF0D | 0x30FC => {
                Self::Gap(Gap::Hyphen)
            }
            0xB7 | 0x2022 | 0x30FB | 0xFF0E | 0xFF65 => Self::Gap(Gap::Dot),
            0xFF0F | 0xFF3F => Self::Gap(Gap::Slash),
            0xFF08 | 0xFF09 => Self::Gap(Gap::Paren),
            _ => ZEROS
                .iter()
                .find(|zero| (**zero..**zero + 10).contains(&code))
                .map_or(Self::Other, |zero| Self::Mark((code - zero) as u8 + b'0')),
        }
    }

    /// The digit or letter, if it is one.
    pub(super) fn mark(self) -> Option<u8> {
        match self {
            Self::Mark(mark) => Some(mark),
            _ => None,
        }
    }
}
