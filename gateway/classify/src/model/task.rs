//! Task: what the request is made of, and the words at its beginning and its end.

use std::sync::OnceLock;

use super::{
    chars::{FOLDS, SPACED, STOP, UNSPACED, WORD, chars},
    follow,
    hash::{Hash, fold},
    linear::{FEW, Feature, Linear, Sums},
    sample, structure,
};
use crate::{Prompt, Task};

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

/// Calls `each` with every feature of a request.
pub fn features(prompt: &Prompt<'_>, each: impl FnMut(Feature)) {
    features_asked(prompt, None, &mut Each(each));
}

/// Where features go.
trait Sink {
    /// Features of words that count once each.
    fn words(&mut self, hashes: &[Hash], place: Place);
    /// One that counts more than once.
    fn counting(&mut self, feature: Feature);
}

/// Where words stand, and so what they say.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// In the first sentence of the instruction: a word says the same wherever it stands, and here a little more.
    First,
    /// Elsewhere in the instruction.
    Rest,
    /// In what the system says.
    System,
}

/// Every feature by itself.
struct Each<F>(F);

impl<F: FnMut(Feature)> Sink for Each<F> {
    fn words(&mut self, hashes: &[Hash], place: Place) {
        let mut each = |hash: Hash| (self.0)(Feature::of(hash.bucket(BITS)));
        for hash in hashes {
            match place {
                Place::First => [*hash, hash.with(FIRST)].into_iter().for_each(&mut each),
                Place::Rest => each(*hash),
                Place::System => each(hash.with(SYSTEM)),
            }
        }
    }

    fn counting(&mut self, feature: Feature) {
        (self.0)(feature);
    }
}

/// The sums of their weights.
struct Summed<'a> {
    linear: &'a Linear<'a>,
    sums: Sums<WIDTH>,
}

impl Sink for Summed<'_> {
    fn words(&mut self, hashes: &[Hash], place: Place) {
        const HALF: usize = WIDTH / 2;
        let (linear, sums) = (self.linear, &mut self.sums);
        let apart = |hash: &Hash, by| hash.with(by).bucket(BITS);
        let hashes = hashes.iter();
        match place {
            Place::First => {
                let two = hashes.map(|it| [it.bucket(BITS), apart(it, FIRST)]);
                linear.add_few::<WIDTH, HALF, 2>(two, sums);
            }
            Place::Rest => {
                linear.add_few::<WIDTH, HALF, 1>(hashes.map(|it| [it.bucket(BITS)]), sums)
            }
            Place::System => {
                linear.add_few::<WIDTH, HALF, 1>(hashes.map(|it| [apart(it, SYSTEM)]), sums);
            }
        }
    }

    fn counting(&mut self, feature: Feature) {
        self.linear.add(feature, &mut self.sums);
    }
}

/// The same, where the instruction is known and does not stand at the beginning of the turn: it is
/// looked at as if it did, and what the turn begins with comes after it.
fn features_asked(prompt: &Prompt<'_>, asked: Option<&str>, sink: &mut impl Sink) {
    let text = follow::instruction(prompt).trim_start();
    let (head, tail) = match asked {
        Some(asked) => (chars_to(asked, HEAD_CHARS), chars_to(text, TAIL_CHARS)),
        None => parts(text),
    };
    let system = chars_to(prompt.system, SYSTEM_CHARS);
    for (text, place) in [(head, Place::First), (tail, Place::Rest), (system, Place::System)] {
        words(text, place, sink);
    }
    structure::of(prompt, text, |kind, value| {
        let hash = Hash::new(109).with(kind).with(value);
        sink.counting(Feature::counting(hash.bucket(BITS), STRUCTURE));
    });
}

fn chars_to(text: &str, count: usize) -> &str {
    // A character has a byte at least.
    if text.len() <= count {
        return text;
    }
    let mut chars = text.chars();
    let _ = count.checked_sub(1).and_then(|last| chars.nth(last));
    text.get(..text.len() - chars.as_str().len()).unwrap_or(text)
}

/// The head, and the tail of what comes after it: people say what they want in the first or the last thing
/// they write. No part is looked at twice.
fn parts(text: &str) -> (&str, &str) {
    let head = chars_to(text, HEAD_CHARS);
    let after = text.get(head.len()..).unwrap_or("");
    // A character has four bytes at most.
    let from = after.len().saturating_sub(4 * TAIL_CHARS);
    let last = after.get(sample::floor(after, from)..).unwrap_or("");
    let more = last.chars().count().saturating_sub(TAIL_CHARS);
    (head, last.get(chars_to(last, more).len()..).unwrap_or(""))
}

/// Features that are handed on at one go, and what a character and the end of a word before it add at most.
const GATHERED: usize = FEW / 2;
const ADDED_MAX: usize = 6;

/// Gathers a feature; there is room for it.
#[inline(always)]
fn gather(gathered: &mut [Hash; GATHERED], count: &mut usize, hash: Hash) {
    if let Some(place) = gathered.get_mut(*count) {
        *place = hash;
        *count += 1;
    }
}

/// Hands out the features of the words of a text, of their beginnings and of the pairs of these; in scripts
/// without spaces, those of characters and runs of them.
fn words(text: &str, mut place: Place, sink: &mut impl Sink) {
    const START: Hash = Hash::new(7);
    let table = chars();
    // Apart from each other, so that the count stays in a register.
    let (mut gathered, mut count) = ([START; GATHERED], 0);
    let (mut before, mut word, mut stem, mut length) = (START, START, START, 0_u32);
    let (mut last, mut chars) = ([' '; 3], text.chars());
    loop {
        let next = chars.next();
        let c = next.unwrap_or(' ');
        let told = table.of(c);
        if count > GATHERED - ADDED_MAX {
            sink.words(gathered.get(..count).unwrap_or_default(), place);
            count = 0;
        }
        let mut add = |hash: Hash| gather(&mut gathered, &mut count, hash);
        if told & WORD != 0 {
            let c = if told & FOLDS == 0 { c } else { fold(c) };
            word = word.with(c as u32);
            length += 1;
            if length <= STEM {
                stem = word;
            }
            if told & SPACED != 0 {
                if length == STEM_SHORT || length == STEM {
                    add(word.with(11));
                }
            } else {
                let [third, second, one] = last.map(|c| c as u32);
                add(START.with(12).with(c as u32));
                add(START.with(9).with(one).with(c as u32));
                if told & UNSPACED != 0 {
                    add(START.with(8).with(third).with(second).with(one).with(c as u32));
                }
                last = [last[1], last[2], c];
            }
            if told & STOP == 0 || place != Place::First {
                continue;
            }
        }
        if length > 0 {
            add(word);
            add(before.with(1).with(stem.folded()));
            before = stem;
        }
        (word, stem, length, last) = (START, START, 0, [' '; 3]);
        if matches!(c, '?' | '？' | ':' | '：') {
            add(START.with(c as u32));
        }
        let ends = told & STOP != 0 || c == ' ' && dot_before(text, chars.as_str());
        if next.is_none() || place == Place::First && ends {
            sink.words(gathered.get(..count).unwrap_or_default(), place);
            if next.is_none() {
                return;
            }
            // What comes next makes no pair with the end of the first sentence.
            (count, before, place) = (0, START, Place::Rest);
        }
    }
}

/// Whether a dot stands before the space that stands before the rest of a text.
fn dot_before(text: &str, rest: &str) -> bool {
    let before = text.len().checked_sub(rest.len() + 2);
    before.and_then(|at| text.as_bytes().get(at)) == Some(&b'.')
}

/// Reads the task of a request, and how sure that is.
#[must_use]
pub fn read(prompt: &Prompt<'_>, linear: &Linear<'_>) -> (Task, f32) {
    read_asked(prompt, None, linear)
}

/// The same, where the instruction is known and does not stand at the beginning of the turn.
#[must_use]
pub fn read_asked(prompt: &Prompt<'_>, asked: Option<&str>, linear: &Linear<'_>) -> (Task, f32) {
    let mut summed = Summed { linear, sums: Sums::default() };
    features_asked(prompt, asked, &mut summed);
    let scores = linear.probabilities(&summed.sums, CLASSES);
    let best = scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    let (at, sure) = best.unwrap_or((0, 0.0));
    (Task::ALL.get(at).copied().unwrap_or(Task::Chat), sure)
}
