//! Language: scripts first, then a linear model over the n-grams of words.

use std::sync::OnceLock;

use smallvec::SmallVec;

use super::{
    close::{self, Close},
    grams,
    han::Chinese,
    hash::fold,
    linear::{self, Linear},
    sample,
    script::{self, Script},
    word::Word,
};
use crate::Language;

/// The languages that the linear model tells apart, by the scripts that need it.
pub const MODELLED: [Language; 32] = [
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
    Language::Ja,
    Language::ZhHans,
    Language::ZhHant,
    Language::Yue,
    Language::Und,
];
/// Where the languages that write in Han begin.
const HAN_FROM: usize = 27;
const ENGLISH: usize = 2;
/// How much likelier English is inside of a text in another script than the model would have it.
const ENGLISH_INSIDE: f32 = 100.0;
/// How many classes there are.
pub const CLASSES: usize = MODELLED.len() - 1;
/// Han characters that the model looks at.
pub const HAN_CHARS: usize = 20;
/// Weights of a row.
pub const WIDTH: usize = 32;
/// Words that are looked at.
const WORDS_MAX: usize = 20;
/// After so many words a lead of so many logits is enough; from then on one word in so many is judged.
const SURE_WORDS: usize = 6;
const SURE: f32 = 8.0;
const STRIDE: usize = 4;
/// A second language is named from this share on.
const SHARE_MIN: f32 = 0.2;
/// How far a word's score must be above that of the text's language, in weights.
const MARGIN: i16 = 160;

static MODEL: &[u8] = include_bytes!("../../model/lang.bin");

/// What the language of a text is read with.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Every language, by the n-grams of words.
    pub linear: Linear<'a>,
    /// Two languages that share most of what they are made of, by their words.
    close: Close<'a>,
}

impl<'a> Model<'a> {
    /// Reads a model: the linear one, then the table of the close languages. `None` if the bytes are not one.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (linear, close) = bytes.split_at_checked(bytes.len().checked_sub(close::SIZE)?)?;
        Some(Self { linear: Linear::read(linear)?, close: Close::of(close) })
    }
}

/// The built-in model.
pub fn model() -> Option<&'static Model<'static>> {
    static READ: OnceLock<Option<Model<'static>>> = OnceLock::new();
    READ.get_or_init(|| Model::read(MODEL)).as_ref()
}

/// Calls `each` with every word of a stretch that the model must judge.
pub fn modelled_words(stretch: &str, mut each: impl FnMut(&[char])) {
    scan(stretch, &mut Counts::default(), |word| {
        each(word);
        true
    });
}

/// One pass over a stretch: counts letters by script, and hands out the words that the model must
/// judge for as long as `each` wants more.
fn scan(stretch: &str, counts: &mut Counts, mut each: impl FnMut(&[char]) -> bool) {
    let (mut word, mut chars) = (Word::default(), stretch.chars());
    while let Some(c) = chars.next() {
        if c.is_ascii_alphabetic() {
            counts.latin += 1;
            word.grow(c.to_ascii_lowercase());
            continue;
        }
        let script = script::of(c);
        if let Script::Sole(language) = script {
            counts.add_sole(language, 1 + script::pass(c, &mut chars));
            if !word.hand_out(&mut each) {
                return counts.add_all(chars.as_str());
            }
            continue;
        }
        let judged = counts.add(c, script);
        // An apostrophe or a hyphen between letters belongs to the word, and so does a mark.
        let joint = !judged
            && word.begun()
            && (matches!(c, '\'' | '’' | '-') || ('\u{300}'..='\u{36F}').contains(&c));
        if judged || joint {
            word.grow(fold(c));
        } else if !word.hand_out(&mut each) {
            return counts.add_all(chars.as_str());
        }
    }
    word.hand_out(&mut each);
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
    words: SmallVec<[[i16; WIDTH]; WORDS_MAX]>,
    close: i32,
    /// Words that came by, judged or not.
    seen: usize,
    /// The first words leave no doubt: of the rest only every fourth is judged, for a second language.
    sure: bool,
}

/// Reads the language of a text.
#[must_use]
pub fn read(text: &str, model: &Model<'_>) -> Found {
    let (head, tail) = sample::ends(text);
    read_parts(&[head, tail], model)
}

/// Reads the language of several stretches, all that is in them.
#[must_use]
pub fn read_parts(parts: &[&str], model: &Model<'_>) -> Found {
    let mut counts = Counts::default();
    let mut sums = Sums::default();
    for part in parts {
        sample::prose(part, |stretch| {
            let han = counts.han;
            if sums.words.len() == WORDS_MAX {
                counts.add_all(stretch);
            } else {
                scan(stretch, &mut counts, |word| add_word(word, model, &mut sums));
            }
            if counts.han > han {
                counts.chinese.words(stretch);
            }
        });
    }
    let han = counts.kana == 0 && counts.han > 0 && counts.chinese.unsure();
    let han = han.then(|| read_han(&counts.chinese, parts, &model.linear));
    counts.found(model, &sums, han)
}

/// Han without kana that its characters alone do not settle: Chinese in one of its ways, or Japanese.
fn read_han(chinese: &Chinese, parts: &[&str], linear: &Linear<'_>) -> (Language, f32) {
    let mut sums = linear::Sums::<WIDTH>::default();
    let mut left = HAN_CHARS;
    let mut run: SmallVec<[char; HAN_CHARS]> = SmallVec::new();
    for c in parts.iter().flat_map(|part| part.chars()).chain([' ']) {
        if script::of(c) == Script::Han && run.len() < left {
            run.push(c);
        } else if !run.is_empty() {
            grams::of_han(&run, |feature| linear.add(feature, &mut sums));
            left -= run.len();
            run.clear();
            if left == 0 {
                break;
            }
        }
    }
    let mut scores: [f32; WIDTH] = linear.probabilities(&sums, CLASSES);
    for (score, language) in scores.iter_mut().zip(MODELLED) {
        if !chinese.allows(language) {
            *score = 0.0;
        }
    }
    let total: f32 = scores.iter().sum();
    match top(&scores) {
        Some((at, score)) => (MODELLED.get(at).copied().unwrap_or(Language::ZhHans), score / total),
        None => chinese.variant(),
    }
}

/// Adds a word's scores. False if no more words are wanted.
#[inline]
fn add_word(word: &[char], model: &Model<'_>, sums: &mut Sums) -> bool {
    sums.seen += 1;
    if sums.sure && !sums.seen.is_multiple_of(STRIDE) {
        return true;
    }
    judge_word(word, model, sums)
}

fn judge_word(word: &[char], model: &Model<'_>, sums: &mut Sums) -> bool {
    let (totals, features) = grams::sum_of_word(word, &model.linear);
    sums.close += model.close.word(word);
    sums.all.add_totals(&totals, features);
    sums.words.push(totals);
    if sums.words.len() == SURE_WORDS {
        sums.sure = margin(&sums.all) * model.linear.scale > SURE;
    }
    sums.words.len() < WORDS_MAX
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
            Script::Sole(language) => self.add_sole(language, 1),
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
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let script = script::of(c);
            match script {
                Script::Sole(it) => self.add_sole(it, 1 + script::pass(c, &mut chars)),
                _ => _ = self.add(c, script),
            }
        }
    }

    fn add_sole(&mut self, language: Language, letters: u32) {
        match self.sole.iter_mut().find(|(known, _)| *known == language) {
            Some((_, count)) => *count += letters,
            None => self.sole.push((language, letters)),
        }
    }

    /// Shares of the languages, each script's letters by their weight.
    fn found(&self, model: &Model<'_>, sums: &Sums, read: Option<(Language, f32)>) -> Found {
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
            let (variant, sure) = read.unwrap_or_else(|| self.chinese.variant());
            parts.push((variant, han, sure));
        }
        let judged = self.latin + self.cyrillic + self.arabic + self.devanagari;
        if judged > 0 {
            self.modelled(model, sums, judged as f32, &mut parts);
        }
        let total: f32 = parts.iter().map(|(_, weight, _)| weight).sum();
        parts.iter_mut().for_each(|part| part.1 /= total.max(1.0));
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        Found { shares: parts }
    }

    /// The languages of what the model must judge: the best, and a second one if words speak for it.
    fn modelled(
        &self,
        model: &Model<'_>,
        sums: &Sums,
        letters: f32,
        parts: &mut SmallVec<[(Language, f32, f32); 4]>,
    ) {
        let mut scores: [f32; WIDTH] = model.linear.probabilities(&sums.all, CLASSES);
        // Latin words inside of another script are English until they say otherwise: brands, loans, jargon.
        let english = scores.get_mut(ENGLISH).filter(|_| !parts.is_empty());
        english.into_iter().for_each(|score| *score *= ENGLISH_INSIDE);
        self.mask(&mut scores);
        close::weigh(&mut scores, sums.close);
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
                Language::Ja | Language::ZhHans | Language::ZhHant | Language::Yue => 0,
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
        let best = word.iter().enumerate().take(HAN_FROM).max_by_key(|(_, it)| **it);
        // A word votes for another language only if it clearly is of that one.
        if let Some((at, _)) = best.filter(|(_, score)| **score > own.max(0) + MARGIN)
            && let Some(vote) = votes.get_mut(at)
        {
            *vote += 1;
        }
    }
    let (at, most) = (0..).zip(votes).max_by_key(|(_, votes)| *votes).unwrap_or((0, 0));
    (at, most as f32 / sums.words.len().max(1) as f32)
}
