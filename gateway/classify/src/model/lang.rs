//! Language: scripts first, then a linear model over the n-grams of words.

use smallvec::SmallVec;

pub use super::weights::{Model, model};
use super::{
    classes::{CLASSES, HAN_CHARS, MODELLED, WIDTH},
    close,
    counts::Counts,
    grams,
    han::Chinese,
    judge::Sums,
    linear::{self, Linear},
    sample,
    scan::scan,
    script::{self, Script},
};
use crate::Language;

const ENGLISH: usize = 2;
/// How much likelier English is inside of a text in another script than the model would have it.
const ENGLISH_INSIDE: f32 = 100.0;
/// A second language is named from this share on.
const SHARE_MIN: f32 = 0.2;
/// What a text was found to be written in.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Shares of the text by language, the largest first, with how sure each is.
    pub shares: SmallVec<[(Language, f32, f32); 4]>,
    /// Whether the words that were judged are in Latin letters, all of them: Hindi is written so too.
    pub latin: bool,
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
    // Where all is ASCII, no more has to be counted than there are words to judge: one language has all
    // of it, and what each of two has is counted when there are two.
    let plain = parts.iter().all(|part| part.is_ascii());
    let whole = parts.iter().all(|part| {
        sample::prose(part, |stretch| {
            let han = counts.han;
            if sums.full() {
                counts.add_all(stretch);
            } else {
                scan(stretch, &mut counts, &mut |word: &[char]| sums.add_word(word, model));
            }
            if counts.han > han {
                counts.chinese.words(stretch);
            }
            !(plain && sums.full())
        })
    });
    let han = counts.kana == 0 && counts.han > 0 && counts.chinese.unsure();
    let han = han.then(|| read_han(&counts.chinese, parts, &model.linear));
    found(&counts, model, &sums, han, || if whole { None } else { Some(letters_of(parts)) })
}

/// The letters of stretches that are all ASCII.
fn letters_of(parts: &[&str]) -> u32 {
    let mut counts = Counts::default();
    for part in parts {
        sample::prose(part, |stretch| {
            counts.add_all(stretch);
            true
        });
    }
    counts.latin
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

/// Shares of the languages, each script's letters by their weight. Where not all letters were
/// counted, `all` counts them.
fn found(
    counts: &Counts,
    model: &Model<'_>,
    sums: &Sums,
    read: Option<(Language, f32)>,
    all: impl Fn() -> Option<u32>,
) -> Found {
    let mut parts: SmallVec<[(Language, f32, f32); 4]> = SmallVec::new();
    let weigh = |letters: u32, script| (letters * script::weight(script)) as f32;
    for (language, letters) in &counts.sole {
        let script = Script::Sole(*language);
        parts.push((*language, weigh(*letters, script), 0.99));
    }
    let (han, kana) = (weigh(counts.han, Script::Han), weigh(counts.kana, Script::Kana));
    if kana > 0.0 && kana * 8.0 >= han {
        parts.push((Language::Ja, han + kana, 0.99));
    } else if han > 0.0 {
        let (variant, sure) = read.unwrap_or_else(|| counts.chinese.variant());
        parts.push((variant, han, sure));
    }
    if counts.judged() > 0 {
        let letters = || all().unwrap_or(counts.judged()) as f32;
        modelled(counts, model, sums, letters, &mut parts);
    }
    let total: f32 = parts.iter().map(|(_, weight, _)| weight).sum();
    parts.iter_mut().for_each(|part| part.1 /= total.max(1.0));
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let latin = counts.judged() == counts.latin;
    Found { shares: parts, latin }
}

/// The languages of what the model must judge: the best, and a second one if words speak for it.
fn modelled(
    counts: &Counts,
    model: &Model<'_>,
    sums: &Sums,
    letters: impl Fn() -> f32,
    parts: &mut SmallVec<[(Language, f32, f32); 4]>,
) {
    let mut scores: [f32; WIDTH] = model.linear.probabilities(&sums.all, CLASSES);
    // Latin words inside of another script are English until they say otherwise: brands, loans, jargon.
    let english = scores.get_mut(ENGLISH).filter(|_| !parts.is_empty());
    english.into_iter().for_each(|score| *score *= ENGLISH_INSIDE);
    mask(counts, &mut scores);
    close::weigh(&mut scores, sums.close);
    let Some((first, sure)) = top(&scores) else { return };
    let Some(language) = MODELLED.get(first).copied() else { return };
    let (second, share) = sums.second(first);
    let enough = share >= SHARE_MIN && sums.words.len() >= 4;
    match MODELLED.get(second).filter(|it| enough && letters_in(**it, counts) > 0) {
        Some(other) => {
            let letters = letters();
            parts.push((language, letters * (1.0 - share), sure));
            parts.push((*other, letters * share, sure));
        }
        None => parts.push((language, counts.judged() as f32, sure)),
    }
}

/// Only languages of the scripts that are there.
fn mask(counts: &Counts, scores: &mut [f32; WIDTH]) {
    for (score, language) in scores.iter_mut().zip(MODELLED) {
        if letters_in(language, counts) == 0 {
            *score = 0.0;
        }
    }
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total.max(f32::MIN_POSITIVE));
}

/// The letters that a language may be written in, of those that the model judges.
fn letters_in(language: Language, counts: &Counts) -> u32 {
    match language {
        Language::Ru | Language::Uk => counts.cyrillic,
        Language::Ar | Language::Fa | Language::Ur => counts.arabic,
        Language::Mr => counts.devanagari,
        Language::Hi => counts.devanagari + counts.latin,
        Language::Ja | Language::ZhHans | Language::ZhHant | Language::Yue => 0,
        _ => counts.latin,
    }
}

fn top(scores: &[f32; WIDTH]) -> Option<(usize, f32)> {
    let best = scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > 0.0).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_changes_nothing() {
        let Some(model) = model() else { panic!("the model is built in") };
        let said = [
            "the branch closes at five on Friday and opens again on Monday morning, she thought ",
            "saya mahu membuka akaun simpanan untuk anak perempuan saya di cawangan itu ",
            "vorrei aprire un conto di risparmio per mia figlia che compie nove anni giovedi ",
            "ich bringe morgen meinen Ausweis mit und zahle jeden Monat etwas Geld ein ",
        ];
        let mut named = 0;
        for (one, other) in said.iter().flat_map(|one| said.map(|other| (*one, other))) {
            let words = one.split(' ').zip(other.split(' '));
            let both: String = words.map(|(one, other)| format!("{one} {other} ")).collect();
            let lines = format!("{both}{{}}\n{other}{both}");
            for text in [one.repeat(4), both.repeat(2), one.to_owned() + &both + other, lines] {
                // A mark beyond ASCII has everything counted.
                let counted = read_parts(&[&text, "…"], model);
                assert_eq!(read_parts(&[&text, ""], model).shares, counted.shares, "{text}");
                named += usize::from(counted.shares.len() == 2);
            }
        }
        assert!(named > 0, "two languages are named of some");
    }
}
