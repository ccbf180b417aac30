//! Task: what the request is made of, and the words at its beginning and its end.

use std::sync::OnceLock;

use super::{
    follow,
    hash::{Hash, fold},
    linear::{Feature, Linear, Sums},
    script::{self, Script},
    structure,
};
use crate::{Language, Prompt, Task};

/// Weights of a row.
pub const WIDTH: usize = 16;
/// Two to this power is the number of rows.
pub const BITS: u32 = 17;
/// The tasks that the model tells apart.
pub const CLASSES: usize = 14;
/// Characters that are looked at from the head of the instruction, from its tail, and from the system's
/// text.
const HEAD_CHARS: usize = 160;
const TAIL_CHARS: usize = 100;
const SYSTEM_CHARS: usize = 160;
/// A word's beginnings of so many characters stand for its inflected forms; pairs are made of the
/// longer.
const STEM_SHORT: u32 = 4;
const STEM: u32 = 5;
/// How much a feature of the structure counts: as much as two words.
const STRUCTURE: u32 = 2;
/// What sets one kind of feature apart from the others.
const FIRST: u32 = 101;
const SYSTEM: u32 = 107;

static MODEL: &[u8] = include_bytes!("../../model/task.bin");

/// The built-in model.
pub fn model() -> Option<&'static Linear<'static>> {
    static READ: OnceLock<Option<Linear<'static>>> = OnceLock::new();
    READ.get_or_init(|| Linear::read(MODEL)).as_ref()
}

/// Calls `each` with the bucket of every feature of a request.
pub fn features(prompt: &Prompt<'_>, each: impl FnMut(Feature)) {
    features_asked(prompt, None, each);
}

/// The same, where the instruction is known and does not stand at the beginning of the turn: it is
/// looked at as if it did, and what the turn begins with comes after it.
fn features_asked(prompt: &Prompt<'_>, asked: Option<&str>, mut each: impl FnMut(Feature)) {
    let text = follow::instruction(prompt).trim_start();
    let (first, rest, tail) = match asked {
        Some(asked) => (parts(asked).0, parts(asked).1, chars_to(text, TAIL_CHARS)),
        None => parts(text),
    };
    let of = |hash: Hash| Feature::of(hash.bucket(BITS));
    // A word says the same wherever it stands, and a little more in the first sentence.
    words(first, |word| {
        each(of(word));
        each(of(word.with(FIRST)));
    });
    words(rest, |word| each(of(word)));
    words(tail, |word| each(of(word)));
    words(chars_to(prompt.system, SYSTEM_CHARS), |word| each(of(word.with(SYSTEM))));
    structure::of(prompt, text, |kind, value| {
        let hash = Hash::new(109).with(kind).with(value);
        each(Feature::counting(hash.bucket(BITS), STRUCTURE));
    });
}

fn chars_to(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

/// The first sentence, the rest of the head, and the tail: people say what they want in the first or
/// the last thing they write. No part is looked at twice.
fn parts(text: &str) -> (&str, &str, &str) {
    let head = chars_to(text, HEAD_CHARS);
    let (first, rest) = head.split_at(first_sentence(head));
    let after = text.get(head.len()..).unwrap_or("");
    let from = after.char_indices().rev().nth(TAIL_CHARS - 1).map_or(0, |(at, _)| at);
    (first, rest, after.get(from..).unwrap_or(""))
}

/// Where the first line or sentence ends.
fn first_sentence(head: &str) -> usize {
    let mut before = ' ';
    for (at, c) in head.char_indices() {
        match c {
            '\n' | '。' | '？' | '！' | '?' | '!' | '।' | '။' | '។' => {
                return at + c.len_utf8();
            }
            ' ' if before == '.' => return at,
            _ => before = c,
        }
    }
    head.len()
}

/// Calls `each` with the words of a text, their beginnings and the pairs of these; in scripts without
/// spaces, with characters and runs of them.
fn words(text: &str, mut each: impl FnMut(Hash)) {
    const START: Hash = Hash::new(7);
    let (mut before, mut word, mut stem, mut length) = (START, START, START, 0_u32);
    let mut last = [' '; 3];
    for c in text.chars().chain([' ']) {
        let Some(kind) = Kind::of(c) else {
            if length > 0 {
                each(word);
                each(before.with(1).with(stem.folded()));
                before = stem;
            }
            (word, stem, length, last) = (START, START, 0, [' '; 3]);
            if matches!(c, '?' | '？' | ':' | '：') {
                each(START.with(c as u32));
            }
            continue;
        };
        let c = fold(c);
        word = word.with(c as u32);
        length += 1;
        if length <= STEM {
            stem = word;
        }
        if kind == Kind::Spaced {
            if length == STEM_SHORT || length == STEM {
                each(word.with(11));
            }
            continue;
        }
        let [third, second, first] = last.map(|c| c as u32);
        each(START.with(12).with(c as u32));
        each(START.with(9).with(first).with(c as u32));
        if kind == Kind::Letters {
            each(START.with(8).with(third).with(second).with(first).with(c as u32));
        }
        last = [last[1], last[2], c];
    }
}

/// What a character of a word is.
#[derive(PartialEq)]
enum Kind {
    /// A letter of a script that puts spaces between words.
    Spaced,
    /// A character that stands for a syllable or a word.
    Syllable,
    /// A letter of a script without spaces.
    Letters,
}

impl Kind {
    fn of(c: char) -> Option<Self> {
        if c.is_ascii() {
            return c.is_ascii_alphanumeric().then_some(Self::Spaced);
        }
        match script::of(c) {
            Script::Han | Script::Kana | Script::Sole(Language::Ko) => Some(Self::Syllable),
            Script::Sole(Language::Th | Language::Lo | Language::My | Language::Km) => {
                Some(Self::Letters)
            }
            Script::None if !is_mark(c) && !c.is_alphanumeric() => None,
            _ => Some(Self::Spaced),
        }
    }
}

fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&c) || c == '\u{200C}' || c == '\u{200D}'
}

/// Reads the task of a request, and how sure that is.
#[must_use]
pub fn read(prompt: &Prompt<'_>, linear: &Linear<'_>) -> (Task, f32) {
    read_asked(prompt, None, linear)
}

/// The same, where the instruction is known and does not stand at the beginning of the turn.
#[must_use]
pub fn read_asked(prompt: &Prompt<'_>, asked: Option<&str>, linear: &Linear<'_>) -> (Task, f32) {
    let mut sums = Sums::<WIDTH>::default();
    features_asked(prompt, asked, |feature| linear.add(feature, &mut sums));
    let scores = linear.probabilities(&sums, CLASSES);
    let best = scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    let (at, sure) = best.unwrap_or((0, 0.0));
    (Task::ALL.get(at).copied().unwrap_or(Task::Chat), sure)
}
