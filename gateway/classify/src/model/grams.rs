//! What the language model looks at: the n-grams of words, and those of runs of Han characters.

use super::{
    classes::{HAN_CHARS, WIDTH},
    close,
    counts::Counts,
    hash::Hash,
    linear::{Feature, Linear, row_of, sum_of},
    scan::scan,
    script::{self, Script},
    word::CHARS,
};

/// Two to this power is the number of rows.
pub const BITS: u32 = 16;
/// The longest n-gram.
const GRAM: usize = 4;
/// Calls `each` with every feature of a word.
#[inline]
pub fn of_word(word: &[char], mut each: impl FnMut(Feature)) {
    let mut whole = Hash::new(5);
    for at in 0..word.len() {
        let mut hash = Hash::new(11);
        for (length, c) in word.iter().skip(at).take(GRAM).enumerate() {
            hash = hash.with(*c as u32);
            // A letter alone says next to nothing, and costs as much as a run that does.
            if length > 0 {
                each(Feature::of(hash.with(length as u32 + 1).bucket(BITS)));
            }
        }
        whole = whole.with(word.get(at).map_or(0, |c| *c as u32));
    }
    each(Feature::counting(whole.bucket(BITS), WHOLE));
}

/// Three features for each character of the longest word but two, and the word as a whole.
const THREES_MAX: usize = CHARS + 1 - 2 + 1;

/// What a word weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weighed {
    /// The sum of its rows: those of the features of [`of_word`].
    pub sum: [i16; WIDTH],
    /// The squares of how often they count.
    pub features: usize,
    /// Where it stands among the words of the close languages.
    pub close: usize,
}

/// Weighs a word. It has its two borders and a character at least. Each run goes on from the one that began
/// with it, so that no character is hashed twice into the same.
#[inline]
pub fn weigh_word(word: &[char], linear: &Linear<'_>) -> Option<Weighed> {
    const START: Hash = Hash::new(11);
    let bucket = |hash: Hash, length| hash.with(length).bucket(BITS) as u16;
    let ([a, b, c], more) = word.split_first_chunk()?;
    let [a, b, c] = [*a, *b, *c].map(|c| c as u32);
    let begin = |seed| Hash::new(seed).with(a).with(b).with(c);
    let (mut whole, mut close) = (begin(5), begin(close::SEED));
    let (mut two, mut three) = (START.with(b).with(c), START.with(a).with(b).with(c));
    let mut one = START.with(c);
    let mut gathered = [[0_u16; 3]; THREES_MAX];
    let (first, places) = gathered.split_first_mut()?;
    *first = [bucket(START.with(a).with(b), 2), bucket(two, 2), bucket(three, 3)];
    for (place, d) in places.iter_mut().zip(more) {
        let d = *d as u32;
        let four = three.with(d);
        (three, two, one) = (two.with(d), one.with(d), START.with(d));
        *place = [bucket(two, 2), bucket(three, 3), bucket(four, 4)];
        (whole, close) = (whole.with(d), close.with(d));
    }
    // A word has fewer features than there are places: the last is free. It counts three times.
    let last = gathered.get_mut(more.len() + 1)?;
    *last = [whole.bucket(BITS) as u16; WHOLE as usize];
    let gathered = gathered.get(..more.len() + 2)?;
    let features = 3 * (more.len() + 1) + (WHOLE * WHOLE) as usize;
    let rows = linear.rows::<WIDTH, { 1 << BITS }>()?;
    let gathered = gathered.iter().map(|it| it.map(|bucket| row_of(rows, bucket.into())));
    let sum = sum_of(gathered);
    Some(Weighed { sum, features, close: close.bucket(close::BITS) })
}

/// A whole word knows more than any of its parts.
const WHOLE: u32 = 3;

/// Calls `each` with every word of a stretch that the model must judge.
pub fn modelled_words(stretch: &str, mut each: impl FnMut(&[char])) {
    scan(stretch, &mut Counts::default(), &mut |word: &[char]| {
        each(word);
        true
    });
}

/// Calls `each` with the features of every way in which a row is shown to the learner.
pub fn showings(text: &str, mut each: impl FnMut(Vec<Feature>)) {
    let mut all = Vec::new();
    modelled_words(text, |word| of_word(word, |it| all.push(it)));
    if !all.is_empty() {
        each(all);
    }
    // Han is judged by the model where it is short: it is shown in pieces, as words and as a whole.
    for run in text.split(|c| script::of(c) != Script::Han).filter(|run| !run.is_empty()) {
        let run: Vec<char> = run.chars().collect();
        let mut piece = |part: &[char]| {
            let mut all = Vec::new();
            of_han(part, |it| all.push(it));
            each(all);
        };
        piece(run.get(..HAN_CHARS.min(run.len())).unwrap_or(&run));
        let mut from = 0;
        while run.len() > 4 && from + 2 <= run.len() {
            let length = 2 + (run.get(from).map_or(0, |c| *c as usize) + from) % 3;
            piece(run.get(from..(from + length).min(run.len())).unwrap_or(&run));
            from += length;
        }
    }
}

/// Calls `each` with every feature of a run of Han characters.
pub fn of_han(run: &[char], mut each: impl FnMut(Feature)) {
    for at in 0..run.len() {
        let mut hash = Hash::new(13);
        for (length, c) in run.iter().skip(at).take(3).enumerate() {
            hash = hash.with(*c as u32);
            each(Feature::of(hash.with(length as u32).bucket(BITS)));
        }
    }
    let ends = [run.first(), run.last()].map(|c| c.map_or(0, |c| *c as u32));
    each(Feature::of(Hash::new(17).with(ends[0]).bucket(BITS)));
    each(Feature::of(Hash::new(19).with(ends[1]).bucket(BITS)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{lang, linear::Sums};

    #[test]
    fn a_word_weighs_what_its_features_do() {
        let Some(model) = lang::model() else { panic!("the model is built in") };
        for length in 1..CHARS {
            let word = ['s', 'e', 'm', 'a', 'k', 'ä'].into_iter().cycle().take(length);
            let word: Vec<char> = [' '].into_iter().chain(word).chain([' ']).collect();
            let mut sums = Sums::<WIDTH>::default();
            of_word(&word, |feature| model.linear.add(feature, &mut sums));
            let Some(it) = weigh_word(&word, &model.linear) else { panic!("a word has borders") };
            assert_eq!((it.sum.map(i32::from), it.features), (sums.totals(), sums.features));
            assert_eq!(it.close, close::place(&word));
        }
    }
}
