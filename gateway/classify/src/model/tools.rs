//! Whether a request speaks of what its tools do: words that both use.

use std::sync::OnceLock;

use super::{
    chars::{CAPITAL, FOLDS, LETTER, SMALL, chars},
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

/// What the hash of a word begins with.
const START: Hash = Hash::new(7);

/// Words of JSON schemas, and of every description.
const PLAIN: [&str; 27] = [
    "type", "funct", "name", "descr", "param", "prope", "strin", "objec", "requi", "integ",
    "numbe", "array", "boole", "enum", "items", "defau", "true", "false", "null", "with", "that",
    "this", "from", "what", "have", "will", "your",
];

/// How many different words of the request's text stand in the tools' text too.
#[must_use]
pub fn overlap(tools: &str, text: &str) -> usize {
    let plain = plain();
    let mut known = [0_u64; 16];
    stems(head(tools, TOOLS_BYTES), |stem| {
        if !holds(plain, stem) {
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

/// Calls `each` with a number for every word's beginning; `getWeather` and `get_weather` are two words.
fn stems(text: &str, mut each: impl FnMut(usize)) {
    if text.is_ascii() {
        return ascii_stems(text.as_bytes(), each);
    }
    let chars = chars();
    let (mut stem, mut length, mut before) = (START, 0, 0);
    for c in text.chars() {
        let told = chars.of(c);
        if told & LETTER == 0 || humps(before, told) {
            if length >= WORD_CHARS {
                each(stem.bucket(10));
            }
            (stem, length) = (START, 0);
        }
        before = told;
        if told & LETTER != 0 {
            if length < STEM_CHARS {
                stem = stem.with(if told & FOLDS == 0 { c } else { fold(c) } as u32);
            }
            length += 1;
        }
    }
    if length >= WORD_CHARS {
        each(stem.bucket(10));
    }
}

/// The same, of ASCII alone: asked are bytes, and of each no more than where it stands in its word needs.
fn ascii_stems(text: &[u8], mut each: impl FnMut(usize)) {
    const SMALL: u8 = 0x20;
    let letter = |b: u8| (b | SMALL).wrapping_sub(b'a') < 26;
    let mut at = 0;
    while let Some(first) = text.get(at).copied() {
        if !letter(first) {
            at += 1;
            continue;
        }
        let (mut stem, mut length, mut before) = (START, 0, first & !SMALL);
        let next = |at: usize, before: u8| {
            let b = text.get(at).copied().filter(|b| letter(*b))?;
            // A capital behind a small letter begins a word.
            (before & !b & SMALL == 0).then_some(b)
        };
        while length < STEM_CHARS
            && let Some(b) = next(at, before)
        {
            stem = stem.with((b | SMALL).into());
            (at, length, before) = (at + 1, length + 1, b);
        }
        while let Some(b) = next(at, before) {
            (at, before) = (at + 1, b);
        }
        if length >= WORD_CHARS {
            each(stem.bucket(10));
        }
    }
}

/// Whether a capital behind a small letter begins a word.
#[inline]
fn humps(before: u8, told: u8) -> bool {
    before & SMALL != 0 && told & CAPITAL != 0
}

/// The beginnings of the plain words; made once.
fn plain() -> &'static [u64; 16] {
    static MADE: OnceLock<[u64; 16]> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut plain = [0; 16];
        PLAIN.iter().for_each(|word| stems(word, |stem| set(&mut plain, stem)));
        plain
    })
}

/// Makes what is made once.
pub fn warm() {
    let _ = plain();
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
    fn words_of_ascii_are_those_of_any_text() {
        for text in
            ["", "a", "getHTTPWeather of theTown, get_weather: ID", "aBcDe fghiJklmnop X1y2 zzzzzz"]
        {
            let (mut alone, mut beside) = (Vec::new(), Vec::new());
            stems(text, |stem| alone.push(stem));
            stems(&format!("{text} 你"), |stem| beside.push(stem));
            assert_eq!(alone, beside, "{text}");
        }
    }

    #[test]
    fn no_more_than_the_beginnings_is_looked_at() {
        for word in ["ยอดเงินในบัญชี", "សមតុល្យគណនី", "银行账户余额", "கணக்கு", "balance "]
        {
            let long = word.repeat(1_000);
            let mut chars = 0;
            stems(head(&long, TOOLS_BYTES), |_| chars += 1);
            assert!(chars * WORD_CHARS as usize <= TOOLS_BYTES, "{word}: {chars}");
            let cut = head(&long, TOOLS_BYTES);
            assert_eq!(overlap(&long, &long), overlap(cut, head(&long, TEXT_BYTES)));
        }
    }
}
