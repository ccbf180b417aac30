//! Whether a request speaks of what its tools do: words that both use.

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
    let plain = stems_of(&PLAIN);
    let mut known = [0_u64; 16];
    stems(head(tools, TOOLS_BYTES), |stem| {
        if !holds(&plain, stem) {
            set(&mut known, stem);
        }
    });
    let mut seen = [0_u64; 16];
    stems(head(text, TEXT_BYTES), |stem| {
        if holds(&known, stem) {
            set(&mut seen, stem);
        }
    });
    seen.iter().map(|bits| bits.count_ones() as usize).sum()
}

fn head(text: &str, bytes: usize) -> &str {
    text.get(..sample::floor(text, bytes)).unwrap_or("")
}

fn stems_of(words: &[&str]) -> [u64; 16] {
    let mut bits = [0; 16];
    words.iter().for_each(|word| stems(word, |stem| set(&mut bits, stem)));
    bits
}

/// Calls `each` with a number for every word's beginning; `getWeather` and `get_weather` are two words.
fn stems(text: &str, mut each: impl FnMut(usize)) {
    let (mut stem, mut length, mut small) = (Hash::new(7), 0, false);
    for c in text.chars().chain([' ']) {
        let letter = is_letter(c);
        let cased = letter && !caseless(c);
        let joins = letter && !(small && cased && c.is_uppercase());
        if !joins {
            if length >= WORD_CHARS {
                each(stem.bucket(10));
            }
            (stem, length) = (Hash::new(7), 0);
        }
        if letter {
            if length < STEM_CHARS {
                stem = stem.with(fold(c) as u32);
            }
            length += 1;
        }
        small = cased && c.is_lowercase();
    }
}

/// `char::is_alphabetic`, whose tables are slow to ask for the scripts that need most characters.
fn is_letter(c: char) -> bool {
    match c {
        '\0'..='\u{7F}' => c.is_ascii_alphabetic(),
        '\u{E01}'..='\u{E3A}' | '\u{E40}'..='\u{E46}' | '\u{E4D}' => true,
        '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' => true,
        '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' => true,
        _ => c.is_alphabetic(),
    }
}

/// Whether a letter is of a script without capitals: the tables of case are slow to ask, and slowest
/// for these.
fn caseless(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{109F}' | '\u{1100}'..='\u{139F}' | '\u{1400}'..='\u{1C7F}')
        || matches!(c, '\u{3040}'..='\u{A63F}' | '\u{AC00}'..='\u{D7FF}')
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

    #[test]
    fn the_fast_ways_answer_as_the_tables_do() {
        for c in (0..=0xFFFF).filter_map(char::from_u32).filter(|c| caseless(*c)) {
            assert!(!c.is_uppercase() && !c.is_lowercase(), "{c:?}");
        }
        for c in (0..=0xFFFF).filter_map(char::from_u32) {
            assert_eq!(is_letter(c), c.is_alphabetic(), "{c:?}");
        }
    }
}
