//! Task: what the request is made of, what its cues ask for, and the words at its beginning and its end.
//!
//! Each part of a request is summed up for itself and divided by the root of its own features, so that a long
//! paste does not outweigh the sentence that says what is wanted.

use std::sync::OnceLock;

use fearless_simd::{Simd, dispatch};
use smallvec::SmallVec;

use super::{
    cues, follow,
    hash::Hash,
    letter,
    linear::{Linear, Rows, Sums, row_of, softmax, sum_of},
    structure,
    words::{self, Place},
};
use crate::{
    Prompt, Task,
    bits::{self, count},
};

/// Weights of a row.
pub const WIDTH: usize = 16;
/// Two to this power is the number of rows.
pub const BITS: u32 = 18;
/// The tasks that the model tells apart.
pub const CLASSES: usize = 14;
/// Parts of a request: the first sentence of the instruction, the rest of it, the system's text, the turn
/// before, and what is told without words or by cues.
pub const PARTS: usize = 5;
/// How much each part counts.
pub const COUNTS: [f32; PARTS] = [1.0, 0.7, 0.8, 0.5, 1.5];
/// Characters that are looked at from the head of the instruction, from its tail, and from the system's
/// text.
const HEAD_CHARS: usize = 160;
const TAIL_CHARS: usize = 100;
const SYSTEM_CHARS: usize = 160;
/// What sets one kind of feature apart from the others.
const FIRST: u32 = 101;
const SYSTEM: u32 = 107;
const BEFORE: u32 = 127;
/// Characters of the turn before that are looked at.
const BEFORE_CHARS: usize = 60;
const TOLD: u64 = 109;
/// Features that are told without words, at most.
const TOLD_MAX: usize = 32;
/// Kinds of what cues tell, beyond those of the structure: each cue, and the asking for a figure beside
/// figures.
const CUE: u32 = 40;
const FIGURES: u32 = 60;
/// Bytes in which figures are counted.
const FIGURE_BYTES: usize = 300;

static MODEL: &[u8] = include_bytes!("../../model/task.bin");

/// The built-in model.
pub fn model() -> Option<&'static Linear<'static>> {
    static READ: OnceLock<Option<Linear<'static>>> = OnceLock::new();
    READ.get_or_init(|| Linear::read(MODEL)).as_ref()
}

/// Calls `each` with the part and the bucket of every feature of a request, whose instruction is known where
/// it does not stand at the beginning of the turn.
pub fn features(prompt: &Prompt<'_>, asked: Option<&str>, each: impl FnMut(usize, usize)) {
    gather(prompt, asked, &mut Each(each));
}

/// Where features go.
trait Sink {
    /// Features of words.
    fn words(&mut self, hashes: &[Hash], place: Place);
    /// Those that are told without words.
    fn told(&mut self, hashes: &[Hash]);
}

/// The part of words that stand at a place.
const fn part(place: Place) -> usize {
    match place {
        Place::First => 0,
        Place::Rest => 1,
        Place::System => 2,
        Place::Before => 3,
    }
}

/// Every feature by itself.
struct Each<F>(F);

impl<F: FnMut(usize, usize)> Sink for Each<F> {
    fn words(&mut self, hashes: &[Hash], place: Place) {
        let mut each = |hash: Hash| (self.0)(part(place), hash.bucket(BITS));
        for hash in hashes {
            match place {
                Place::First => [*hash, hash.with(FIRST)].into_iter().for_each(&mut each),
                Place::Rest => each(*hash),
                Place::System => each(hash.with(SYSTEM)),
                Place::Before => each(hash.with(BEFORE)),
            }
        }
    }

    fn told(&mut self, hashes: &[Hash]) {
        hashes.iter().for_each(|hash| (self.0)(PARTS - 1, hash.bucket(BITS)));
    }
}

/// The sums of their weights, part by part.
struct Summed<'a> {
    rows: &'a Rows<WIDTH, { 1 << BITS }>,
    sums: [Sums<WIDTH>; PARTS],
}

impl Sink for Summed<'_> {
    fn words(&mut self, hashes: &[Hash], place: Place) {
        let Some(sums) = self.sums.get_mut(part(place)) else { return };
        let row = |hash: Hash| row_of(self.rows, hash.bucket(BITS));
        let few = hashes.iter();
        let (total, rows) = match place {
            Place::First => {
                (sum_of(few.map(|it| [row(*it), row(it.with(FIRST))])), 2 * hashes.len())
            }
            Place::Rest => (sum_of(few.map(|it| [row(*it)])), hashes.len()),
            Place::System => (sum_of(few.map(|it| [row(it.with(SYSTEM))])), hashes.len()),
            Place::Before => (sum_of(few.map(|it| [row(it.with(BEFORE))])), hashes.len()),
        };
        sums.add_totals(&total, rows);
    }

    fn told(&mut self, hashes: &[Hash]) {
        let [.., sums] = &mut self.sums;
        let rows = hashes.iter().map(|it| [row_of(self.rows, it.bucket(BITS))]);
        sums.add_totals(&sum_of(rows), hashes.len());
    }
}

/// Gathers the features. Where the instruction is known and does not stand at the beginning of the turn, it
/// is looked at as if it did, and what the turn begins with comes after it.
fn gather(prompt: &Prompt<'_>, asked: Option<&str>, sink: &mut impl Sink) {
    let turn = follow::instruction(prompt);
    let text = letter::body(turn).trim_start();
    let (head, tail) = match asked {
        Some(asked) => (chars_to(asked, HEAD_CHARS), chars_to(text, TAIL_CHARS)),
        None => parts(text),
    };
    let system = chars_to(prompt.system, SYSTEM_CHARS);
    let before = chars_to(letter::body(turn_before(prompt, turn)), BEFORE_CHARS);
    for (text, place) in [
        (head, Place::First),
        (tail, Place::Rest),
        (system, Place::System),
        (before, Place::Before),
    ] {
        words::of(text, place, |hashes, place| sink.words(hashes, place));
    }
    let mut hashes = SmallVec::<[Hash; TOLD_MAX]>::new();
    let mut told = |kind: u32, value: u32| hashes.push(Hash::new(TOLD).with(kind).with(value));
    structure::of(prompt, text, &mut told);
    asks(text, (head, tail), &mut told);
    sink.told(&hashes);
}

/// What the cues tell: which stand in the first sentence, in the rest of the head, in the tail.
fn asks(text: &str, (head, tail): (&str, &str), told: &mut impl FnMut(u32, u32)) {
    let ([first, rest], [one, other]) = (cues::of(head), cues::of(tail));
    let found = [first, rest, one | other];
    for cue in 0..cues::COUNT {
        let stands = found.iter().rev().fold(0, |bits, it| bits << 1 | it >> cue & 1);
        if stands > 0 {
            told(CUE + cue, stands);
        }
    }
    let figures = text.as_bytes().get(..FIGURE_BYTES).unwrap_or(text.as_bytes());
    let figures = dispatch!(bits::level(), simd => digits(simd, figures));
    let many = u32::from(figures > 1) << 1 | u32::from(figures > 4) << 2;
    told(FIGURES, found.iter().fold(0, |all, it| all | it) & 1 | many);
}

/// How many digits of ASCII there are.
#[inline(always)]
fn digits<S: Simd>(simd: S, bytes: &[u8]) -> usize {
    let mut digits = 0;
    bits::blocks(
        simd,
        bytes,
        #[inline(always)]
        |it| digits += count(it.within(b'0', 10)),
    );
    digits
}

/// What the user has said before the turn with the instruction.
fn turn_before<'a>(prompt: &Prompt<'a>, instruction: &str) -> &'a str {
    let mut turns = prompt.turns.iter().rev();
    let same = |turn: &&&str| std::ptr::eq(**turn, instruction);
    turns.by_ref().find(same);
    turns.next().copied().unwrap_or("")
}

fn chars_to(text: &str, count: usize) -> &str {
    // A character has a byte at least, and those of ASCII have no more.
    match text.get(..count) {
        None if text.len() < count => return text,
        Some(head) if head.is_ascii() => return head,
        _ => {}
    }
    let mut chars = text.chars();
    let _ = count.checked_sub(1).and_then(|last| chars.nth(last));
    text.get(..text.len() - chars.as_str().len()).unwrap_or(text)
}

/// The head, and the tail of what comes after it: people say what they want in the first or the last thing
/// they write. No part is looked at twice.
fn parts(text: &str) -> (&str, &str) {
    let head = chars_to(text, HEAD_CHARS);
    (head, last_chars(text.get(head.len()..).unwrap_or(""), TAIL_CHARS))
}

fn last_chars(text: &str, count: usize) -> &str {
    match text.len().checked_sub(count).map(|from| text.get(from..)) {
        None => return text,
        Some(Some(tail)) if tail.is_ascii() => return tail,
        _ => {}
    }
    let first = text.char_indices().rev().nth(count.saturating_sub(1));
    first.and_then(|(at, _)| text.get(at..)).unwrap_or(text)
}

/// Reads the task of a request, and how sure that is; the instruction is known where it does not stand at the
/// beginning of the turn.
#[must_use]
pub fn read(prompt: &Prompt<'_>, asked: Option<&str>, linear: &Linear<'_>) -> (Task, f32) {
    let Some(rows) = linear.rows() else { return (Task::None, 0.0) };
    let mut summed = Summed { rows, sums: [Sums::default(); PARTS] };
    gather(prompt, asked, &mut summed);
    let mut scores = linear.biases::<WIDTH>(CLASSES);
    for (sums, counts) in summed.sums.iter().zip(COUNTS) {
        let norm = linear.scale * counts / (sums.features.max(1) as f32).sqrt();
        let totals = sums.totals();
        scores.iter_mut().zip(totals).for_each(|(score, total)| *score += total as f32 * norm);
    }
    scores.iter_mut().for_each(|score| *score /= linear.temperature);
    softmax(&mut scores);
    let best = scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    let (at, sure) = best.unwrap_or((0, 0.0));
    (Task::ALL.get(at).copied().unwrap_or(Task::Chat), sure)
}
