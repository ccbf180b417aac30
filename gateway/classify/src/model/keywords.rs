//! Many words of many languages, found in one pass over a text: few places begin a word, and the first bytes
//! there tell which words it could be.

use std::ops::Range;

use fearless_simd::{Simd, dispatch};
use smallvec::SmallVec;

use crate::bits::{self, BLOCK, Before, bits as bits_of, blocks};

/// First bytes of a word by which it is looked up. No word has fewer.
const FIRST: usize = 3;
/// Two to this power is the number of places in the table of first bytes, and of four first bytes of which
/// one bit tells whether a word may have them.
const TABLE_BITS: u32 = 11;
const LIKELY_BITS: u32 = 15;
/// Bytes of a text whose beginnings of words are held without the heap.
const HELD_BYTES: usize = 512;

/// Words, each with a value.
pub(super) struct Keywords<T> {
    /// Four first bytes that words have, whatever stands behind a word of three: most that others have are
    /// not among them.
    likely: [u64; 1 << LIKELY_BITS >> 6],
    /// Where the words stand that have the first bytes of a place in the table; the last is the end.
    table: Vec<u16>,
    words: Vec<Word<T>>,
    /// The words' bytes, one word behind the other.
    bytes: Vec<u8>,
}

struct Word<T> {
    /// Its first four bytes, and which of their bits it has.
    head: (u32, u32),
    bytes: Range<usize>,
    value: T,
}

/// A word that stands in a text.
pub(super) struct Found<T> {
    /// Its value.
    pub value: T,
    /// Where it begins, and where it ends, in bytes.
    pub start: usize,
    pub end: usize,
}

impl<T: Copy> Keywords<T> {
    /// Makes them ready. The words are in small letters; those of ASCII are found in capitals too. `None`
    /// if there are too many, one is shorter than three bytes, or begins with a sign of ASCII.
    pub(super) fn of<W: AsRef<[u8]>>(words: impl Iterator<Item = (W, T)>) -> Option<Self> {
        let mut placed: Vec<(usize, W, T)> = Vec::new();
        for (word, value) in words {
            let first = word.as_ref().first_chunk()?;
            if first[0].is_ascii() && !first[0].is_ascii_alphanumeric() {
                return None;
            }
            placed.push((place(*first), word, value));
        }
        placed.sort_by_key(|(place, ..)| *place);
        let (likely, table) = ([0; 1 << LIKELY_BITS >> 6], Vec::new());
        let mut keywords = Self { likely, table, words: Vec::new(), bytes: Vec::new() };
        for at in 0..=1 << TABLE_BITS {
            let from = placed.partition_point(|(place, ..)| *place < at);
            keywords.table.push(u16::try_from(from).ok()?);
        }
        placed.iter().for_each(|(_, word, value)| keywords.push(word.as_ref(), *value));
        Some(keywords)
    }

    fn push(&mut self, word: &[u8], value: T) {
        let from = self.bytes.len();
        self.bytes.extend(word);
        let mask = if word.len() == FIRST { 0xFF_FFFF } else { u32::MAX };
        let begins = head(word) & mask;
        for last in 0..=if word.len() == FIRST { u8::MAX } else { 0 } {
            let (at, bit) = likely(begins | u32::from(last | 0x20) << 24);
            if let Some(bits) = self.likely.get_mut(at) {
                *bits |= bit;
            }
        }
        self.words.push(Word { head: (begins, mask), bytes: from..self.bytes.len(), value });
    }

    /// Calls `each` with every word that stands in a text, those within others too, by their beginnings. A
    /// word that begins with a letter or a digit of ASCII begins where a word of the text does.
    #[inline]
    pub(super) fn each(&self, text: &str, mut each: impl FnMut(Found<T>)) {
        let bytes = text.as_bytes();
        let begins: Begins = dispatch!(bits::level(), simd => begins(simd, bytes));
        for (block, mut left) in begins.into_iter().enumerate() {
            while left != 0 {
                let at = block * BLOCK + left.trailing_zeros() as usize;
                left &= left - 1;
                let rest = bytes.get(at..).unwrap_or_default();
                let (word, bit) = likely(head(rest));
                if self.likely.get(word).is_some_and(|it| it & bit != 0) {
                    self.begun(rest, at, &mut each);
                }
            }
        }
    }

    /// The words that a text begins with, which stands at a place of the whole. Apart, so that the registers
    /// are those of the pass.
    #[inline(never)]
    fn begun(&self, text: &[u8], start: usize, each: &mut impl FnMut(Found<T>)) {
        let Some(place) = text.first_chunk().map(|first| place(*first)) else { return };
        let Some([from, to]) = self.table.get(place..place + 2) else { return };
        let begins = head(text);
        for word in self.words.get((*from).into()..(*to).into()).unwrap_or_default() {
            if begins & word.head.1 != word.head.0 {
                continue;
            }
            let stands = text.get(..word.bytes.len()).zip(self.bytes.get(word.bytes.clone()));
            if stands.is_some_and(|(text, word)| text.eq_ignore_ascii_case(word)) {
                each(Found { value: word.value, start, end: start + word.bytes.len() });
            }
        }
    }
}

/// The first four bytes of a text, the same for those in capitals.
#[inline(always)]
fn head(text: &[u8]) -> u32 {
    let bytes = match text.first_chunk() {
        Some(four) => *four,
        None => [0, 1, 2, 3].map(|at| text.get(at).copied().unwrap_or(0)),
    };
    u32::from_le_bytes(bytes) | 0x2020_2020
}

/// The place in the table of a word's first bytes, in capitals or not.
fn place([a, b, c]: [u8; FIRST]) -> usize {
    (hash(u32::from_le_bytes([a, b, c, 0]) | 0x20_2020) >> (u32::BITS - TABLE_BITS)) as usize
}

/// Where the bit of four first bytes stands, and the bit.
#[inline(always)]
fn likely(head: u32) -> (usize, u64) {
    let bit = hash(head) >> (u32::BITS - LIKELY_BITS);
    ((bit >> 6) as usize, 1 << (bit & 63))
}

#[inline(always)]
const fn hash(bytes: u32) -> u32 {
    bytes.wrapping_mul(0x9E37_79B1)
}

/// Where words begin, a bit for each byte.
type Begins = SmallVec<[u64; HELD_BYTES / BLOCK]>;

/// The places at which a word of ASCII begins, or a character beyond it.
#[inline(always)]
fn begins<S: Simd>(simd: S, bytes: &[u8]) -> Begins {
    let (mut begins, mut before) = (Begins::new(), Before::default());
    blocks(
        simd,
        bytes,
        #[inline(always)]
        |it| {
            let of_word = bits_of(it.letters() | it.within(b'0', 10));
            begins.push(of_word & !before.next(of_word) | bits_of(it.within(0xC0, 0x40)));
        },
    );
    begins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str], text: &str) -> Vec<(usize, usize, usize)> {
        let keywords = Keywords::of(words.iter().copied().zip(0..)).expect("they can be looked up");
        let mut found = Vec::new();
        keywords.each(text, |it| found.push((it.value, it.start, it.end)));
        found.sort_unstable();
        found
    }

    #[test]
    fn words_are_found_where_they_stand() {
        let words = ["tell", "tell me", "ell", "求", "翻译", "écris", "việc", "2024"];
        for blank in 0..=2 * BLOCK {
            let text = format!(
                "{}tell me, TELL: 求翻译 ÉCRIS écris viỆC việc x2024 2024",
                "-".repeat(blank)
            );
            let place = |word: &str, from: usize| from + text[from..].find(word).unwrap();
            let (one, two) = (place("tell", 0), place("TELL", 0));
            let mut wanted = vec![(0, one, one + 4), (1, one, one + 7), (0, two, two + 4)];
            wanted.push((3, place("求", 0), place("求", 0) + 3));
            wanted.push((4, place("翻译", 0), place("翻译", 0) + 6));
            wanted.push((5, place("écris", 0), place("écris", 0) + 6));
            wanted.push((6, place("việc", 0), place("việc", 0) + 6));
            wanted.push((7, place(" 2024", 0) + 1, place(" 2024", 0) + 5));
            wanted.sort_unstable();
            assert_eq!(found(&words, &text), wanted, "{blank}");
        }
    }

    #[test]
    fn what_cannot_be_looked_up_is_none() {
        for word in ["", "ab", "-abc", " abc", "é"] {
            assert!(Keywords::of([(word, ())].into_iter()).is_none(), "{word}");
        }
    }
}
