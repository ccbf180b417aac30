//! What a character is to the words of a text, looked up once for all who ask.

use std::sync::OnceLock;

use super::{
    hash,
    script::{self, Script},
};
use crate::Language;

/// A letter, and its case.
pub(super) const LETTER: u8 = 1;
pub(super) const CAPITAL: u8 = 2;
pub(super) const SMALL: u8 = 4;
/// A character of a word, in a script that puts spaces between words.
pub(super) const SPACED: u8 = 8;
/// A character that stands for a syllable or a word.
pub(super) const SYLLABLE: u8 = 16;
/// A character of a word, in a script of letters that puts no spaces between words.
pub(super) const UNSPACED: u8 = 32;
/// A character of any word.
pub(super) const WORD: u8 = SPACED | SYLLABLE | UNSPACED;
/// Features see another character in its place.
pub(super) const FOLDS: u8 = 64;
/// A sentence ends with it, or a line.
pub(super) const STOP: u8 = 128;

/// Characters below this have a place in the table: every alphabet of a language that is told apart.
const PLACES: usize = 0x3100;

/// The characters of the alphabets. The standard library searches its tables anew for each character outside
/// of ASCII, and longest for the scripts without spaces or capitals.
pub(super) struct Chars([u8; PLACES]);

impl Chars {
    /// What a character is.
    #[inline]
    pub(super) fn of(&self, c: char) -> u8 {
        self.known(c).unwrap_or_else(|| searched(c))
    }

    /// What is known without a search.
    #[inline]
    fn known(&self, c: char) -> Option<u8> {
        match self.0.get(c as usize) {
            Some(told) => Some(*told),
            None if matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}') => {
                Some(LETTER | SYLLABLE)
            }
            None => None,
        }
    }
}

#[inline(never)]
fn searched(c: char) -> u8 {
    let bit = |holds: bool, bit: u8| if holds { bit } else { 0 };
    let case = match c.is_alphabetic() {
        true => LETTER | bit(c.is_uppercase(), CAPITAL) | bit(c.is_lowercase(), SMALL),
        false => 0,
    };
    let stop = matches!(c, '\n' | '。' | '？' | '！' | '?' | '!' | '।' | '။' | '។');
    case | kind(c) | bit(hash::fold(c) != c, FOLDS) | bit(stop, STOP)
}

fn kind(c: char) -> u8 {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() { SPACED } else { 0 };
    }
    match script::of(c) {
        Script::Han | Script::Kana | Script::Sole(Language::Ko) => SYLLABLE,
        Script::Sole(Language::Th | Language::Lo | Language::My | Language::Km) => UNSPACED,
        Script::None if !is_mark(c) && !c.is_alphanumeric() => 0,
        _ => SPACED,
    }
}

fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&c) || c == '\u{200C}' || c == '\u{200D}'
}

/// The table; made once.
pub(super) fn chars() -> &'static Chars {
    static MADE: OnceLock<Chars> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut chars = [0; PLACES];
        for (at, place) in (0..).zip(&mut chars) {
            *place = char::from_u32(at).map_or(0, searched);
        }
        Chars(chars)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_what_the_standard_library_says() {
        for c in (0..=0x1_FFFF).filter_map(char::from_u32) {
            assert_eq!(chars().of(c), searched(c), "{c:?}");
        }
    }

    #[test]
    fn no_alphabet_costs_a_search() {
        let marks = |c: &char| matches!(c, '\u{3097}'..='\u{30A0}' | '\u{30FB}'..='\u{30FF}');
        // Rare characters, forms of printing, and letters of old spellings.
        let rare = |c: &char| {
            matches!(c, '\u{3130}'..='\u{318F}' | '\u{3400}'..='\u{4DBF}' | '\u{AA60}'..='\u{AA7F}')
                || *c >= '\u{FB50}'
        };
        let told = (0..=0xFFFF).filter_map(char::from_u32);
        for c in told.filter(|c| script::of(*c) != Script::None && !marks(c) && !rare(c)) {
            assert!(chars().known(c).is_some(), "{c:?}");
        }
    }
}
