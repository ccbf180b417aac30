//! A request's text in, a reading out.

use smallvec::SmallVec;

use crate::{
    Language, Task,
    model::{follow, lang, sample, script, target, task},
};

/// What is known of a request's text. Borrowed; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// What the system says, or its beginning.
    pub system: &'a str,
    /// The user's turns that have text, the oldest first; the last is the instruction.
    pub turns: &'a [&'a str],
    /// How many tools are attached.
    pub tools: u16,
    /// Their names and descriptions: the JSON that was sent, or its beginning.
    pub tools_text: &'a str,
    /// Whether the answer must be JSON.
    pub json_schema: bool,
    /// Whether images or sounds come along.
    pub has_media: bool,
}

impl<'a> Prompt<'a> {
    /// A single turn and nothing else.
    #[must_use]
    pub fn of(turns: &'a [&'a str]) -> Self {
        Self { system: "", turns, tools: 0, tools_text: "", json_schema: false, has_media: false }
    }
}

/// What a text was read as.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The language in which the person asks; `und` where the text does not say.
    pub language: Language,
    /// Calibrated probability that it is right, 0 to 1.
    pub language_confidence: f32,
    /// Languages by their share of the text (0 to 1), the largest first; mixed text names both.
    pub languages: SmallVec<[(Language, f32); 3]>,
    /// For translations: the language that the request names as the target.
    pub target_language: Option<Language>,
    /// What is asked for.
    pub task: Task,
    /// Calibrated probability that it is right, 0 to 1.
    pub task_confidence: f32,
}

/// A language that has less of a text is not named.
const SHARE_MIN: f32 = 0.05;
/// An instruction beside a longer paste decides the language: it is looked for in so much of head and tail.
const INSTRUCTION_BYTES: usize = 300;
/// From this length on a text may be an instruction with a paste.
const PASTE_BYTES: usize = 600;

/// Reads a request. Pure; bounded work whatever the length; never panics.
#[must_use]
pub fn classify(prompt: &Prompt<'_>) -> Reading {
    let instruction = prompt.turns.last().copied().unwrap_or("");
    let (mut language, mut language_confidence, languages) = language(instruction);
    if language == Language::Und {
        // A bare number, an emoji: the turns before may say.
        let earlier = prompt.turns.iter().rev().skip(1).map(|turn| self::language(turn));
        if let Some((found, sure, _)) = earlier.into_iter().find(|it| it.0 != Language::Und) {
            (language, language_confidence) = (found, sure * 0.9);
        }
    }
    let read = task::model().map(|model| task::read(prompt, model));
    let (task, task_confidence) = read.unwrap_or((Task::Chat, 0.0));
    let translated = [instruction, follow::instruction(prompt)];
    let named = || translated.iter().find_map(|text| target::read(text));
    let target_language = if task == Task::Translation { named() } else { None };
    Reading { language, language_confidence, languages, target_language, task, task_confidence }
}

/// Reads the language alone: the best, how sure that is, and all with a fair share.
#[must_use]
pub fn language(text: &str) -> (Language, f32, SmallVec<[(Language, f32); 3]>) {
    let Some(model) = lang::model() else { return (Language::Und, 0.0, SmallVec::new()) };
    let whole = lang::read(text, model);
    let languages = whole.shares.iter().take(3).filter(|(_, share, _)| *share >= SHARE_MIN);
    let languages: SmallVec<_> =
        languages.map(|(language, share, _)| (*language, *share)).collect();
    let (best, sure) = asked_in(text, &whole, model);
    (best, sure, languages)
}

/// The language of the instruction: of the whole text, unless it is a short line before or after a long paste
/// that is in another language.
fn asked_in(text: &str, whole: &lang::Found, model: &lang::Model<'_>) -> (Language, f32) {
    let of_whole = best(whole);
    let instruction = if text.len() < PASTE_BYTES { None } else { beside_a_paste(text) };
    match instruction.map(|line| best(&lang::read(line, model))) {
        Some((found, sure)) if found != Language::Und && (found == of_whole.0 || sure >= 0.7) => {
            (found, sure)
        }
        _ => of_whole,
    }
}

/// The first line if it is short, else the last one if that is: what stands beside a long text.
fn beside_a_paste(text: &str) -> Option<&str> {
    let head = text.get(..sample::floor(text, INSTRUCTION_BYTES))?;
    let mut lines = head.split_inclusive(['\n', ':', '：']);
    if let Some(first) = lines.find(|part| letters(part) >= 8)
        && first.ends_with(['\n', ':', '：'])
    {
        return Some(first);
    }
    let tail = text.get(sample::floor(text, text.len() - INSTRUCTION_BYTES)..)?;
    let last = tail.trim_end().rsplit_once('\n')?.1;
    (letters(last) >= 8).then_some(last)
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| script::of(*c) != script::Script::None).count()
}

/// The best of what was found, for the trainer's measures.
#[doc(hidden)]
#[must_use]
pub fn best_of(found: &lang::Found) -> (Language, f32) {
    best(found)
}

/// The largest share; a script of its own wins over Latin from a quarter on, because names, brands and
/// technical words are Latin in every language.
fn best(found: &lang::Found) -> (Language, f32) {
    let latin = |language: Language| {
        use Language::{
            Cs, De, En, Es, Fi, Fr, Hu, Id, It, Jv, Ms, Nl, Pl, Pt, Ro, Su, Sv, Tl, Tr, Vi,
        };
        matches!(
            language,
            Cs | De
                | En
                | Es
                | Fi
                | Fr
                | Hu
                | Id
                | It
                | Jv
                | Ms
                | Nl
                | Pl
                | Pt
                | Ro
                | Su
                | Sv
                | Tl
                | Tr
                | Vi
        )
    };
    let own = found.shares.iter().find(|(language, share, _)| !latin(*language) && *share >= 0.25);
    let chosen = own.or_else(|| found.shares.first());
    chosen.map_or((Language::Und, 0.0), |(language, _, sure)| (*language, *sure))
}

/// Loads what is loaded once, so that no request pays for it.
pub fn warm() {
    let _ = classify(&Prompt::of(&["warm"]));
    let _ = target::read("");
}
