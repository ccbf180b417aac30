//! The words of a text that the language model judges, and what they say together.

use smallvec::SmallVec;

use super::{
    classes::{HAN_FROM, WIDTH},
    grams::{self, Weighed},
    linear,
    weights::Model,
};

/// Words that are looked at.
const WORDS_MAX: usize = 20;
/// After so many words a lead of so many logits is enough; from then on one word in so many is judged.
const SURE_WORDS: usize = 6;
const SURE: f32 = 8.0;
const STRIDE: usize = 4;
/// How far a word's score must be above that of the text's language, in weights.
const MARGIN: i16 = 160;

/// Sums over the words of a text, kept apart for the first of them: mixed texts are told by words.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) all: linear::Sums<WIDTH>,
    pub(super) words: SmallVec<[[i16; WIDTH]; WORDS_MAX]>,
    pub(super) close: i32,
    /// Words that came by, judged or not.
    seen: usize,
    /// The first words leave no doubt: of the rest only every fourth is judged, for a second language.
    sure: bool,
}

impl Sums {
    /// Whether no more words are wanted.
    pub(super) fn full(&self) -> bool {
        self.words.len() == WORDS_MAX
    }

    /// Adds a word's scores. False if no more words are wanted.
    #[inline]
    pub(super) fn add_word(&mut self, word: &[char], model: &Model<'_>) -> bool {
        self.seen += 1;
        if self.sure && !self.seen.is_multiple_of(STRIDE) {
            return true;
        }
        self.judge(word, model)
    }

    fn judge(&mut self, word: &[char], model: &Model<'_>) -> bool {
        if let Some(weighed) = model.frequent.and_then(|it| it.get(word)) {
            return self.add(weighed, model);
        }
        grams::weigh_word(word, &model.linear).is_none_or(|weighed| self.add(&weighed, model))
    }

    #[inline]
    fn add(&mut self, weighed: &Weighed, model: &Model<'_>) -> bool {
        self.close += model.close.at(weighed.close);
        self.all.add_totals(&weighed.sum, weighed.features);
        self.words.push(weighed.sum);
        if self.words.len() == SURE_WORDS {
            self.sure = margin(&self.all) * model.linear.scale > SURE;
        }
        !self.full()
    }

    /// The language that speaks for most of the words that do not speak for the first, and the share of
    /// words that do.
    pub(super) fn second(&self, first: usize) -> (usize, f32) {
        let mut votes = [0_u32; WIDTH];
        for word in &self.words {
            let own = word.get(first).copied().unwrap_or(0);
            // A word votes for another language only if it clearly is of that one. Most do not: the highest
            // score is asked of many at once, and looked for only where it matters.
            let (judged, _) = word.split_at(HAN_FROM);
            let best = judged.iter().copied().fold(i16::MIN, i16::max);
            if best > own.max(0) + MARGIN
                && let Some(at) = judged.iter().rposition(|score| *score == best)
                && let Some(vote) = votes.get_mut(at)
            {
                *vote += 1;
            }
        }
        let (at, most) = (0..).zip(votes).max_by_key(|(_, votes)| *votes).unwrap_or((0, 0));
        (at, most as f32 / self.words.len().max(1) as f32)
    }
}

/// How far the best class is before the next, in weights over the root of the squares.
fn margin(sums: &linear::Sums<WIDTH>) -> f32 {
    let (mut first, mut second) = (i32::MIN, i32::MIN);
    for total in sums.totals() {
        second = second.max(total.min(first));
        first = first.max(total);
    }
    first.saturating_sub(second) as f32 / (sums.features.max(1) as f32).sqrt()
}
