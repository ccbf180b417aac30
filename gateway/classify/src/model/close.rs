//! Malay and Indonesian: what the n-grams of two close languages cannot tell, the words do.

use super::{
    classes::{MODELLED, WIDTH},
    hash::Hash,
};
use crate::Language;

/// Two to this power is the number of words that the table has room for.
pub const BITS: u32 = 17;
/// What the hash of a word begins with.
pub const SEED: u64 = 23;
/// Bytes of the table.
pub const SIZE: usize = 1 << BITS;
/// Of a word's log-odds of being Indonesian against Malay, this much is one unit of the table.
pub const UNIT: f32 = 1.0 / 16.0;
/// A word says no more than this, whatever the lists say.
pub const MOST: f32 = 3.0;
/// How much of the words' log-odds is added to those of the n-grams, and what Malay is owed: its lists hold
/// more Indonesian than the other way round. Both chosen on the sources of development.
const WEIGHT: f32 = 0.8;
const OWED: f32 = 0.4;

/// A table of words.
#[derive(Clone, Copy, Debug)]
pub struct Close<'a>(&'a [u8]);

impl<'a> Close<'a> {
    /// The table of these bytes.
    #[must_use]
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The log-odds of the word with this place, in units.
    #[must_use]
    pub fn at(&self, place: usize) -> i32 {
        self.0.get(place).map_or(0, |it| i32::from(it.cast_signed()))
    }
}

/// Where a word stands in the table; it is folded, and between borders.
#[must_use]
pub fn place(word: &[char]) -> usize {
    word.iter().fold(Hash::new(SEED), |hash, c| hash.with(*c as u32)).bucket(BITS)
}

/// Shares out what the two have together.
pub fn weigh(scores: &mut [f32; WIDTH], units: i32) {
    #[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
    const fn at(language: Language) -> usize {
        let mut at = 0;
        while at < WIDTH && MODELLED[at] as usize != language as usize {
            at += 1;
        }
        at
    }
    const INDONESIAN: usize = at(Language::Id);
    const MALAY: usize = at(Language::Ms);
    let (indonesian, malay) = (scores[INDONESIAN], scores[MALAY]);
    let both = indonesian + malay;
    if units == 0 || both < 0.05 {
        return;
    }
    let grams = (indonesian.max(1e-6) / malay.max(1e-6)).ln();
    let odds = grams + WEIGHT * (units as f32 * UNIT - OWED);
    scores[INDONESIAN] = both / (1.0 + (-odds).exp());
    scores[MALAY] = both - scores[INDONESIAN];
}
