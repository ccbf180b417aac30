//! Language: scripts first, then a linear model over the n-grams of words.

use std::sync::OnceLock;

use smallvec::SmallVec;

use super::{
    han::Chinese,
    hash::{Hash, fold},
    linear::{self, Linear},
    sample,
    script::{self, Script},
};
use crate::Language;

/// The languages that the linear model tells apart, by the scripts that need it.
pub const MODELLED: [Language; 28] = [
    Language::Cs,
    Language::De,
    Language::En,
    Language::Es,
    Language::Fi,
    Language::Fr,
    Language::Hi,
    Language::Hu,
    Language::Id,
    Language::It,
    Language::Jv,
    Language::Ms,
    Language::Nl,
    Language::Pl,
    Language::Pt,
    Language::Ro,
    Language::Su,
    Language::Sv,
    Language::Tl,
    Language::Tr,
    Language::Vi,
    Language::Ru,
    Language::Uk,
    Language::Ar,
    Language::Fa,
    Language::Ur,
    Language::Mr,
    Language::Und,
];
/// Weights of a row.
pub const WIDTH: usize = 32;
/// Two to this power is the number of rows.
pub const BITS: u32 = 15;
/// Words that are looked at.
const WORDS_MAX: usize = 11;
/// Characters of a word that are looked at.
const WORD_CHARS: usize = 24;
/// The longest n-gram.
const GRAM: usize = 4;
/// A second language is named from this share on.
const SHARE_MIN: f32 = 0.2;

static MODEL: &[u8] = include_bytes!("../../model/lang.bin");

/// The built-in model.
pub fn model() -> Option<&'static Linear<'static>> {
    static READ: OnceLock<Option<Linear<'static>>> = OnceLock::new();
    READ.get_or_init(|| Linear::read(MODEL)).as_ref()
}

/// Calls `each` with the bucket of every feature of a word.
#[inline]
pub fn features(word: &[char], mut each: impl FnMut(usize)) {
    let mut whole = Hash::new(5);
    for at in 0..word.len() {
        let mut hash = Hash::new(11);
        for (length, c) in word.iter().skip(at).take(GRAM).enumerate() {
            hash = hash.with(*c as u32);
            // A letter alone says next to nothing, and costs as much as a run that does.
            if length > 0 {
                each(hash.with(length as u32 + 1).bucket(BITS));
            }
        }
        whole = whole.with(word.get(at).map_or(0, |c| *c as u32));
    }
    each(whole.bucket(BITS));
}

/// A word as the model sees it: folded, between borders.
pub type Word = SmallVec<[char; 32]>;

/// Calls `each` with every word of a stretch that the model must judge.
pub fn modelled_words(stretch: &str, mut each: impl FnMut(&Word)) {
    scan(stretch, &mut Counts::default(), |word| {
        each(word);
        true
    });
}

/// One pass over a stretch: counts letters by script, and hands out the words that the model must
/// judge for as long as `each` wants more.
fn scan(stretch: &str, counts: &mut Counts, mut each: impl FnMut(&Word) -> bool) {
    let mut word = Word::new();
    for (at, c) in stretch.char_indices() {
        let script = script::of(c);
        let judged = counts.add(c, script);
        // An apostrophe or a hyphen between letters belongs to the word, and so does a mark.
        let joint = !judged
            && word.len() > 1
            && (matches!(c, '\'' | '’' | '-') || ('\u{300}'..='\u{36F}').contains(&c));
        if judged || joint {
            if word.is_empty() {
                word.push(' ');
            }
            if word.len() < WORD_CHARS {
                word.push(fold(c));
            }
        } else if !flush(&mut word, &mut each) {
            return counts.add_all(stretch.get(at + c.len_utf8()..).unwrap_or(""));
        }
    }
    flush(&mut word, &mut each);
}

/// Hands out a word, if there is one. False if no more are wanted.
fn flush(word: &mut Word, each: &mut impl FnMut(&Word) -> bool) -> bool {
    if word.is_empty() {
        return true;
    }
    word.push(' ');
    let more = each(word);
    word.clear();
    more
}

/// What a text was found to be written in.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Shares of the text by language, the largest first, with how sure each is.
    pub shares: SmallVec<[(Language, f32, f32); 4]>,
}

/// Sums over the words of a text, kept apart for the first of them: mixed texts are told by words.
#[derive(Default)]
struct Sums {
    all: linear::Sums<WIDTH>,
    words: SmallVec<[[i32; WIDTH]; WORDS_MAX]>,
}

/// Reads the language of a text.
#[must_use]
pub fn read(text: &str, linear: &Linear<'_>) -> Found {
    let mut counts = Counts::default();
    let mut sums = Sums::default();
    let (head, tail) = sample::ends(text);
    for end in [head, tail] {
        sample::prose(end, |stretch| {
            let han = counts.han;
            if sums.words.len() == WORDS_MAX {
                counts.add_all(stretch);
            } else {
                scan(stretch, &mut counts, |word| add_word(word, linear, &mut sums));
            }
            if counts.han > han {
                counts.chinese.words(stretch);
            }
        });
    }
    counts.found(linear, &sums)
}

/// Adds a word's scores. False if no more words are wanted.
fn add_word(word: &Word, linear: &Linear<'_>, sums: &mut Sums) -> bool {
    let mut scores = linear::Sums::<WIDTH>::default();
    features(word, |bucket| linear.add(bucket, &mut scores));
    let totals = scores.totals();
    sums.all.add_totals(&totals, scores.features);
    sums.words.push(totals);
    sums.words.len() < WORDS_MAX
}

/// Letters by script.
#[derive(Default)]
struct Counts {
    latin: u32,
    cyrillic: u32,
    arabic: u32,
    devanagari: u32,
    kana: u32,
    han: u32,
    chinese: Chinese,
    sole: SmallVec<[(Language, u32); 4]>,
}

impl Counts {
    /// Counts a character. True if the model must judge its word.
    fn add(&mut self, c: char, script: Script) -> bool {
        match script {
            Script::Latin => self.latin += 1,
            Script::Cyrillic => self.cyrillic += 1,
            Script::Arabic => self.arabic += 1,
            Script::Devanagari => self.devanagari += 1,
            Script::Kana => self.kana += 1,
            Script::Han => {
                self.han += 1;
                self.chinese.add(c);
            }
            Script::Sole(language) => self.add_sole(language),
            Script::None => {}
        }
        matches!(script, Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari)
    }

    /// Counts a text whose words are not wanted.
    fn add_all(&mut self, text: &str) {
        if text.is_ascii() {
            let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
            self.latin += u32::try_from(letters).unwrap_or(u32::MAX);
            return;
        }
        for c in text.chars() {
            self.add(c, script::of(c));
        }
    }

    fn add_sole(&mut self, language: Language) {
        match self.sole.iter_mut().find(|(known, _)| *known == language) {
            Some((_, count)) => *count += 1,
            None => self.sole.push((language, 1)),
        }
    }

    /// Shares of the languages, each script's letters by their weight.
    fn found(&self, linear: &Linear<'_>, sums: &Sums) -> Found {
        let mut parts: SmallVec<[(Language, f32, f32); 4]> = SmallVec::new();
        let weigh = |letters: u32, script| (letters * script::weight(script)) as f32;
        for (language, letters) in &self.sole {
            let script = Script::Sole(*language);
            parts.push((*language, weigh(*letters, script), 0.99));
        }
        let (han, kana) = (weigh(self.han, Script::Han), weigh(self.kana, Script::Kana));
        if kana > 0.0 && kana * 8.0 >= han {
            parts.push((Language::Ja, han + kana, 0.99));
        } else if han > 0.0 {
            let (variant, sure) = self.chinese.variant();
            parts.push((variant, han, sure));
        }
        let judged = self.latin + self.cyrillic + self.arabic + self.devanagari;
        if judged > 0 {
            self.modelled(linear, sums, judged as f32, &mut parts);
        }
        let total: f32 = parts.iter().map(|(_, weight, _)| weight).sum();
        parts.iter_mut().for_each(|part| part.1 /= total.max(1.0));
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        Found { shares: parts }
    }

    /// The languages of what the model must judge: the best, and a second one if words speak for it.
    fn modelled(
        &self,
        linear: &Linear<'_>,
        sums: &Sums,
        letters: f32,
        parts: &mut SmallVec<[(Language, f32, f32); 4]>,
    ) {
        let mut scores: [f32; WIDTH] = linear.probabilities(&sums.all, MODELLED.len() - 1);
        self.mask(&mut scores);
        let Some((first, sure)) = top(&scores) else { return };
        let Some(language) = MODELLED.get(first).copied() else { return };
        let (second, share) = second(first, sums);
        match MODELLED.get(second).filter(|_| share >= SHARE_MIN && sums.words.len() >= 4) {
            Some(other) => {
                parts.push((language, letters * (1.0 - share), sure));
                parts.push((*other, letters * share, sure));
            }
            None => parts.push((language, letters, sure)),
        }
    }

    /// Only languages of the scripts that are there.
    fn mask(&self, scores: &mut [f32; WIDTH]) {
        for (score, language) in scores.iter_mut().zip(MODELLED) {
            let there = match language {
                Language::Ru | Language::Uk => self.cyrillic,
                Language::Ar | Language::Fa | Language::Ur => self.arabic,
                Language::Mr => self.devanagari,
                Language::Hi => self.devanagari + self.latin,
                _ => self.latin,
            };
            if there == 0 {
                *score = 0.0;
            }
        }
        let total: f32 = scores.iter().sum();
        scores.iter_mut().for_each(|score| *score /= total.max(f32::MIN_POSITIVE));
    }
}

fn top(scores: &[f32; WIDTH]) -> Option<(usize, f32)> {
    let best = scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > 0.0).then_some(best)
}

/// The language that speaks for most of the words that do not speak for the first, and the share of
/// words that do.
fn second(first: usize, sums: &Sums) -> (usize, f32) {
    let mut votes = [0_u32; WIDTH];
    for word in &sums.words {
        let own = word.get(first).copied().unwrap_or(0);
        let best = word.iter().enumerate().take(MODELLED.len() - 1).max_by_key(|(_, it)| **it);
        // A word votes for another language only if it clearly is of that one.
        if let Some((at, score)) = best.filter(|(_, score)| **score > own.max(0) + MARGIN)
            && let Some(vote) = votes.get_mut(at)
        {
            let _ = score;
            *vote += 1;
        }
    }
    let (at, most) = (0..).zip(votes).max_by_key(|(_, votes)| *votes).unwrap_or((0, 0));
    (at, most as f32 / sums.words.len().max(1) as f32)
}

/// How far a word's score must be above that of the text's language, in weights.
const MARGIN: i32 = 160;
