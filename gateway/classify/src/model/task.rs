//! Task: what the request is made of, and the words at its beginning and its end.

use std::sync::OnceLock;

use super::{
    follow,
    hash::Hash,
    linear::{Feature, Linear, Sums},
    sample, structure,
    words::{self, Place},
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
                linear.add_few::<WIDTH, HALF, 1>(hashes.map(|it| [it.bucket(BITS)]), sums);
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
        words::of(text, place, |hashes, place| sink.words(hashes, place));
    }
    structure::of(prompt, text, |kind, value| {
        let hash = Hash::new(109).with(kind).with(value);
        sink.counting(Feature::counting(hash.bucket(BITS), STRUCTURE));
    });
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
    let after = text.get(head.len()..).unwrap_or("");
    // A character has four bytes at most.
    let from = after.len().saturating_sub(4 * TAIL_CHARS);
    let last = after.get(sample::floor(after, from)..).unwrap_or("");
    let more = last.chars().count().saturating_sub(TAIL_CHARS);
    (head, last.get(chars_to(last, more).len()..).unwrap_or(""))
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
