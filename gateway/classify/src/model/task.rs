//! Task: what the request is made of, and the words at its beginning and its end.

use std::sync::OnceLock;

use super::{
    hash::{Hash, fold},
    linear::{Linear, Sums},
    sample,
    script::{self, Script},
};
use crate::{Language, Prompt, Task};

/// Weights of a row.
pub const WIDTH: usize = 16;
/// Two to this power is the number of rows.
pub const BITS: u32 = 17;
/// The tasks that the model tells apart.
pub const CLASSES: usize = 14;
/// Characters that are looked at from the head of the instruction, and from its tail.
const HEAD_CHARS: usize = 160;
const TAIL_CHARS: usize = 100;
/// A word's beginning of so many characters stands for its inflected forms.
const STEM_CHARS: u32 = 5;
/// Of the system's text.
const SYSTEM_CHARS: usize = 160;
/// An instruction shorter than this may be the continuation of an earlier one.
const FOLLOW_UP_CHARS: usize = 24;

static MODEL: &[u8] = include_bytes!("../../model/task.bin");

/// The built-in model.
pub fn model() -> Option<&'static Linear<'static>> {
    static READ: OnceLock<Option<Linear<'static>>> = OnceLock::new();
    READ.get_or_init(|| Linear::read(MODEL)).as_ref()
}

/// Short things people say when they want more of the same.
const FOLLOW_UPS: [&str; 40] = [
    "continue",
    "go on",
    "more",
    "again",
    "another",
    "another one",
    "next",
    "keep going",
    "same for",
    "shorter",
    "longer",
    "try again",
    "more please",
    "继续",
    "繼續",
    "再来一个",
    "再來一個",
    "还有吗",
    "繼續啦",
    "再嚟",
    "lagi",
    "teruskan",
    "sambung",
    "lanjutkan",
    "lagi satu",
    "தொடரவும்",
    "மேலும்",
    "ต่อ",
    "ต่อเลย",
    "อีก",
    "tiếp",
    "tiếp tục",
    "続けて",
    "もっと",
    "계속",
    "더",
    "जारी रखें",
    "और",
    "ituloy",
    "continua",
];

/// Whether an instruction only asks for more of what came before.
#[must_use]
pub fn follows_up(instruction: &str) -> bool {
    let plain = instruction.trim().trim_end_matches(['.', '!', '?', '。', '！', '？', '…']);
    if plain.len() > FOLLOW_UP_CHARS * 4 || plain.chars().count() > FOLLOW_UP_CHARS {
        return false;
    }
    let plain = plain.to_lowercase();
    let bare = plain.trim_end_matches(" please").trim_end_matches(" pls").trim();
    FOLLOW_UPS.contains(&bare) || bare.starts_with("same for ")
}

/// The turn that carries the task: the last one, or the one before a follow-up.
fn instruction<'a>(prompt: &Prompt<'a>) -> &'a str {
    let mut turns = prompt.turns.iter().rev();
    let last = turns.next().copied().unwrap_or("");
    if !follows_up(last) {
        return last;
    }
    turns.find(|turn| !follows_up(turn)).copied().unwrap_or(last)
}

/// Calls `each` with the bucket of every feature of a request.
pub fn features(prompt: &Prompt<'_>, language: Language, mut each: impl FnMut(usize)) {
    let text = instruction(prompt).trim_start();
    let (first, rest, tail) = parts(text);
    words(first, 101, &mut each);
    words(rest, 103, &mut each);
    words(tail, 105, &mut each);
    if !prompt.system.is_empty() {
        words(chars_to(prompt.system, SYSTEM_CHARS), 107, &mut each);
    }
    structure(prompt, text, |kind, value| {
        // Structure weighs as much as a few words do.
        for copy in 0..3 {
            let hash = Hash::new(109).with(kind).with(value);
            each(hash.with(copy).bucket(BITS));
        }
    });
    each(Hash::new(113).with(language as u32).bucket(BITS));
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

/// Words, pairs of words and the beginnings of long words; in scripts without spaces, runs of two and
/// three characters.
fn words(text: &str, seed: u64, each: &mut impl FnMut(usize)) {
    let start = Hash::new(seed);
    let mut before = start;
    let mut last = [' '; 2];
    let (mut word, mut length) = (start, 0_u32);
    for c in text.chars().chain([' ']) {
        let (letter, run) = kind(c);
        if !letter {
            if length > 0 {
                each(word.bucket(BITS));
                each(before.with(1).with(word.bucket(24) as u32).bucket(BITS));
                before = word;
            }
            (word, length, last) = (start, 0, [' '; 2]);
            if matches!(c, '?' | '？' | ':' | '：') {
                each(start.with(c as u32).bucket(BITS));
            }
            continue;
        }
        let c = fold(c);
        word = word.with(c as u32);
        length += 1;
        if run {
            let [first, second] = last;
            each(start.with(7).with(first as u32).with(second as u32).with(c as u32).bucket(BITS));
            each(start.with(9).with(second as u32).with(c as u32).bucket(BITS));
            last = [second, c];
        } else if length == STEM_CHARS {
            each(word.with(11).bucket(BITS));
        }
    }
}

/// Whether a character is part of a word, and whether its script puts no spaces between words.
fn kind(c: char) -> (bool, bool) {
    if c.is_ascii() {
        return (c.is_ascii_alphanumeric(), false);
    }
    let script = script::of(c);
    (script != Script::None || is_mark(c) || c.is_alphanumeric(), unspaced(script))
}

/// Scripts that put no spaces between words.
fn unspaced(script: Script) -> bool {
    matches!(
        script,
        Script::Han
            | Script::Kana
            | Script::Sole(
                Language::Th | Language::Lo | Language::My | Language::Km | Language::Ko
            )
    )
}

fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&c) || c == '\u{200C}' || c == '\u{200D}'
}

/// What can be told without words: exact, and explainable.
fn structure(prompt: &Prompt<'_>, text: &str, mut each: impl FnMut(u32, u32)) {
    let (head, tail) = sample::ends(text);
    let seen = Seen::of(head).and(&Seen::of(tail));
    let length = head.len() + tail.len();
    let step = |value: usize, steps: &[usize]| {
        u32::try_from(steps.iter().filter(|step| value >= **step).count()).unwrap_or(0)
    };
    let share = |count: usize| count * 100 / length.max(1);
    each(0, u32::from(prompt.tools > 0));
    each(1, u32::from(prompt.json_schema));
    each(2, u32::from(!prompt.system.is_empty()));
    each(3, step(prompt.turns.len(), &[2, 3]));
    each(4, step(text.len(), &[20, 60, 120, 300, 800, 2_000, 6_000]));
    each(5, step(seen.lines, &[1, 3, 8, 30]));
    each(6, u32::from(seen.ticks >= 3));
    each(7, step(share(seen.marks), &[2, 5, 10]));
    each(8, step(share(seen.digits), &[2, 6, 15]));
    each(9, step(seen.backslashes + seen.dollars, &[1, 4]));
    each(10, u32::from(text.trim_end().ends_with(['?', '？', '؟'])));
    each(11, step(seen.questions, &[1, 2, 4]));
}

/// What one look at the bytes tells: how many there are of each kind.
#[derive(Default)]
struct Seen {
    lines: usize,
    ticks: usize,
    marks: usize,
    digits: usize,
    backslashes: usize,
    dollars: usize,
    questions: usize,
}

/// The kind of each byte, as a place in an array of counts: one look-up a byte, and no branch.
static KINDS: [u8; 256] = kinds();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let of = [b"\n" as &[u8], b"`", b"{}();=<>[]", b"0123456789", b"\\", b"$", b"?"];
    let mut kind = 0;
    while kind < of.len() {
        let mut at = 0;
        while at < of[kind].len() {
            kinds[of[kind][at] as usize] = kind as u8 + 1;
            at += 1;
        }
        kind += 1;
    }
    kinds
}

impl Seen {
    fn of(text: &str) -> Self {
        let mut counts = [0_usize; 8];
        for b in text.bytes() {
            let kind = KINDS.get(usize::from(b)).copied().unwrap_or(0);
            if let Some(count) = counts.get_mut(usize::from(kind & 7)) {
                *count += 1;
            }
        }
        let [_, lines, ticks, marks, digits, backslashes, dollars, questions] = counts;
        Self { lines, ticks, marks, digits, backslashes, dollars, questions }
    }

    fn and(mut self, other: &Self) -> Self {
        self.lines += other.lines;
        self.ticks += other.ticks;
        self.marks += other.marks;
        self.digits += other.digits;
        self.backslashes += other.backslashes;
        self.dollars += other.dollars;
        self.questions += other.questions;
        self
    }
}

/// Reads the task of a request: probabilities by the order of the labels.
#[must_use]
pub fn read(prompt: &Prompt<'_>, language: Language, linear: &Linear<'_>) -> (Task, f32) {
    let mut sums = Sums::<WIDTH>::default();
    features(prompt, language, |bucket| linear.add(bucket, &mut sums));
    let scores = linear.probabilities(&sums, CLASSES);
    let best = scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    let (at, sure) = best.unwrap_or((0, 0.0));
    (Task::ALL.get(at).copied().unwrap_or(Task::Chat), sure)
}
