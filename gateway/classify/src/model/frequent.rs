//! What frequent words weigh, summed up before anybody asks.

use super::{
    grams::{self, Weighed},
    linear::Linear,
    word::CHARS,
};

/// The words of ASCII that stand most often in our own material, the most frequent first. What is in the list
/// decides how fast a text is read, and nothing else.
static WORDS: &str = include_str!("frequent.txt");

/// Two to this power is the number of places: most words have one of their own.
const BITS: u32 = 12;
/// Longer words are none of these: as many characters fit into a key.
const LETTERS_MAX: usize = 8;

/// Frequent words, and what each weighs.
#[derive(Debug)]
pub(super) struct Frequent {
    /// For each place which of the words stands there.
    places: [u16; 1 << BITS],
    /// The first is none: no key is as large.
    words: Vec<(u64, Weighed)>,
}

impl Frequent {
    /// The words as this model weighs them. Where two meet at one place, the more frequent one keeps it.
    pub(super) fn of(linear: &Linear<'_>) -> Self {
        let mut frequent =
            Self { places: [0; 1 << BITS], words: vec![(u64::MAX, Weighed::default())] };
        for word in WORDS.split_ascii_whitespace() {
            let mut bordered = [' '; CHARS + 1];
            bordered.iter_mut().skip(1).zip(word.chars()).for_each(|(place, c)| *place = c);
            let word = bordered.get(..word.len() + 2).unwrap_or_default();
            let (Some(key), Some(weighed)) = (key(word), grams::weigh_word(word, linear)) else {
                continue;
            };
            let next = u16::try_from(frequent.words.len()).unwrap_or(0);
            if let Some(place) = frequent.places.get_mut(place(key)).filter(|it| **it == 0) {
                *place = next;
                frequent.words.push((key, weighed));
            }
        }
        frequent
    }

    /// What a word between its borders weighs, if it is one of these.
    #[inline]
    pub(super) fn get(&self, word: &[char]) -> Option<&Weighed> {
        let key = key(word)?;
        let at = self.places.get(place(key))?;
        let (known, weighed) = self.words.get(usize::from(*at))?;
        (*known == key).then_some(weighed)
    }
}

/// The characters of a word in one number; `None` if they do not fit.
#[inline]
fn key(word: &[char]) -> Option<u64> {
    let [_, letters @ .., _] = word else { return None };
    if letters.len() > LETTERS_MAX {
        return None;
    }
    let (mut key, mut all) = (0, 0);
    for c in letters {
        key = key << 8 | u64::from(*c);
        all |= *c as u32;
    }
    (all < 0x80).then_some(key)
}

fn place(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lang;

    #[test]
    fn a_frequent_word_weighs_what_it_did_before() {
        let Some(model) = lang::model() else { panic!("the model is built in") };
        let frequent = Frequent::of(&model.linear);
        let (mut known, mut all) = (0, 0);
        for word in WORDS.split_ascii_whitespace() {
            let word: Vec<char> = [' '].into_iter().chain(word.chars()).chain([' ']).collect();
            let weighed = frequent.get(&word);
            assert!(
                weighed.is_none() || weighed == grams::weigh_word(&word, &model.linear).as_ref()
            );
            known += usize::from(weighed.is_some());
            all += 1;
        }
        assert!(known * 10 > all * 8, "{known} of {all} have a place");
        for other in ["", "thé", "theses'", "th", "\u{174}he", "translation"] {
            let other: Vec<char> = [' '].into_iter().chain(other.chars()).chain([' ']).collect();
            assert!(frequent.get(&other).is_none(), "{other:?}");
        }
    }
}
