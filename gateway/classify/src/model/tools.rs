//! Whether a request speaks of what its tools do: words that both use.

use std::sync::OnceLock;

use super::{
    hash::{Hash, fold},
    sample,
};

/// Bytes of the tools and of the request that are looked at.
const TOOLS_BYTES: usize = 1_200;
const TEXT_BYTES: usize = 400;
/// Shorter words say nothing.
const WORD_CHARS: u32 = 4;
/// A word's beginning of so many letters stands for its inflected forms.
const STEM_CHARS: u32 = 5;

/// Words of JSON schemas, and of every description.
const PLAIN: [&str; 27] = [
    "type", "funct", "name", "descr", "param", "prope", "strin", "objec", "requi", "integ",
    "numbe", "array", "boole", "enum", "items", "defau", "true", "false", "null", "with", "that",
    "this", "from", "what", "have", "will", "your",
];

/// How many different words of the request's text stand in the tools' text too.
#[must_use]
pub fn overlap(tools: &str, text: &str) -> usize {
    let tables = tables();
    let mut known = [0_u64; 16];
    stems(head(tools, TOOLS_BYTES), &tables.letters, |stem| {
        if !holds(&tables.plain, stem) {
            set(&mut known, stem);
        }
    });
    let mut seen = [0_u64; 16];
    stems(head(text, TEXT_BYTES), &tables.letters, |stem| {
        if holds(&known, stem) {
            set(&mut seen, stem);
        }
    });
    seen.iter().map(|bits| bits.count_ones() as usize).sum()
}

fn head(text: &str, bytes: usize) -> &str {
    text.get(..sample::floor(text, bytes)).unwrap_or("")
}

/// Calls `each` with a number for every word's beginning; `getWeather` and `get_weather` are two words.
fn stems(text: &str, letters: &Letters, mut each: impl FnMut(usize)) {
    let (mut stem, mut length, mut small) = (Hash::new(7), 0, false);
    for c in text.chars() {
        let told = letters.of(c);
        // A capital behind a small letter begins a word.
        if told & LETTER == 0 || small && told & CAPITAL != 0 {
            if length >= WORD_CHARS {
                each(stem.bucket(10));
            }
            length = 0;
        }
        if told & LETTER != 0 {
            if length == 0 {
                stem = Hash::new(7);
            }
            if length < STEM_CHARS {
                stem = stem.with(fold(c) as u32);
            }
            length += 1;
        }
        small = told & SMALL != 0;
    }
    if length >= WORD_CHARS {
        each(stem.bucket(10));
    }
}

/// What a character is to a word.
const LETTER: u8 = 1;
const CAPITAL: u8 = 2;
const SMALL: u8 = 4;
/// Characters below this have a place in the table: every alphabet of a language that is told apart.
const LETTERS: usize = 0x2000;

/// The letters and their case. The standard library searches its tables anew for each character outside of
/// ASCII, and longest for the scripts without spaces or capitals.
struct Letters([u8; LETTERS]);

impl Letters {
    fn new() -> Self {
        let mut letters = [0; LETTERS];
        for (at, place) in (0..).zip(&mut letters) {
            *place = char::from_u32(at).map_or(0, searched);
        }
        Self(letters)
    }

    #[inline]
    fn of(&self, c: char) -> u8 {
        self.known(c).unwrap_or_else(|| searched(c))
    }

    /// What is known without a search.
    #[inline]
    fn known(&self, c: char) -> Option<u8> {
        match c {
            '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' => Some(LETTER),
            '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' => Some(LETTER),
            _ => self.0.get(c as usize).copied(),
        }
    }
}

fn searched(c: char) -> u8 {
    let bit = |holds: bool, bit: u8| if holds { bit } else { 0 };
    match c.is_alphabetic() {
        true => LETTER | bit(c.is_uppercase(), CAPITAL) | bit(c.is_lowercase(), SMALL),
        false => 0,
    }
}

/// What is made once.
struct Tables {
    letters: Letters,
    /// The beginnings of the plain words.
    plain: [u64; 16],
}

fn tables() -> &'static Tables {
    static MADE: OnceLock<Tables> = OnceLock::new();
    MADE.get_or_init(|| {
        let letters = Letters::new();
        let mut plain = [0; 16];
        PLAIN.iter().for_each(|word| stems(word, &letters, |stem| set(&mut plain, stem)));
        Tables { letters, plain }
    })
}

/// Makes what is made once.
pub fn warm() {
    let _ = tables();
}

fn set(bits: &mut [u64; 16], at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

fn holds(bits: &[u64; 16], at: usize) -> bool {
    bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::script::{self, Script};

    #[test]
    fn what_is_known_is_what_the_standard_library_says() {
        let letters = &tables().letters;
        for c in (0..=0x1_FFFF).filter_map(char::from_u32) {
            assert_eq!(letters.of(c), searched(c), "{c:?}");
        }
    }

    #[test]
    fn no_alphabet_costs_a_search() {
        let letters = &tables().letters;
        let marks = |c: &char| matches!(c, '\u{3097}'..='\u{30A0}' | '\u{30FB}'..='\u{30FF}');
        // Rare characters, forms of printing, and letters of old spellings.
        let rare = |c: &char| {
            matches!(c, '\u{3130}'..='\u{318F}' | '\u{3400}'..='\u{4DBF}' | '\u{AA60}'..='\u{AA7F}')
                || *c >= '\u{FB50}'
        };
        let told = (0..=0xFFFF).filter_map(char::from_u32);
        for c in told.filter(|c| script::of(*c) != Script::None && !marks(c) && !rare(c)) {
            assert!(letters.known(c).is_some(), "{c:?}");
        }
    }

    #[test]
    fn no_more_than_the_beginnings_is_looked_at() {
        for word in ["ยอดเงินในบัญชี", "សមតុល្យគណនី", "银行账户余额", "கணக்கு", "balance "]
        {
            let long = word.repeat(1_000);
            let mut chars = 0;
            stems(head(&long, TOOLS_BYTES), &tables().letters, |_| chars += 1);
            assert!(chars * WORD_CHARS as usize <= TOOLS_BYTES, "{word}: {chars}");
            let cut = head(&long, TOOLS_BYTES);
            assert_eq!(overlap(&long, &long), overlap(cut, head(&long, TEXT_BYTES)));
        }
    }
}
