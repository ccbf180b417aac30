//! What the language model looks at: the n-grams of words, and those of runs of Han characters.

use super::{
    hash::Hash,
    lang::{HAN_CHARS, WIDTH, modelled_words},
    linear::{Feature, Linear},
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

/// Places in a word at which runs begin that are as long as any, and one for its end.
const RUNS_MAX: usize = CHARS + 1 - GRAM + 2;

/// The sum of a word's rows, and the squares of how often they count: those of [`of_word`]. A word has its two
/// borders and a character at least.
#[inline]
pub fn sum_of_word(word: &[char], linear: &Linear<'_>) -> ([i16; WIDTH], usize) {
    const START: Hash = Hash::new(11);
    let bucket = |hash: Hash, length| hash.with(length).bucket(BITS) as u32;
    let mut gathered = [[0; 3]; RUNS_MAX];
    let runs = word.windows(GRAM);
    let count = runs.len().min(RUNS_MAX - 1);
    for (place, run) in gathered.iter_mut().zip(runs) {
        let &[a, b, c, d] = run else { continue };
        let two = START.with(a as u32).with(b as u32);
        let three = two.with(c as u32);
        *place = [bucket(two, 2), bucket(three, 3), bucket(three.with(d as u32), 4)];
    }
    if let (Some(place), Some([a, b, c])) = (gathered.get_mut(count), word.last_chunk()) {
        let two = START.with(*a as u32).with(*b as u32);
        let end = START.with(*b as u32).with(*c as u32);
        *place = [bucket(two, 2), bucket(two.with(*c as u32), 3), bucket(end, 2)];
    }
    let gathered = gathered.get(..=count).unwrap_or_default();
    let features = 3 * gathered.len();
    let mut sum = linear.sum_of(gathered.iter().map(|it| it.map(|bucket| bucket as usize)));
    let whole = word.iter().fold(Hash::new(5), |hash, c| hash.with(*c as u32)).bucket(BITS);
    linear.add_times::<WIDTH>(whole, WHOLE as i16, &mut sum);
    (sum, features + (WHOLE * WHOLE) as usize)
}

/// A whole word knows more than any of its parts.
const WHOLE: u32 = 3;

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
            let (sum, features) = sum_of_word(&word, &model.linear);
            assert_eq!((sum.map(i32::from), features), (sums.totals(), sums.features));
        }
    }
}
