//! How much a request asks of a model: how likely small models fail at it, as far as its structure, its words
//! and its task tell.
//!
//! The weights are a logistic regression on 5,608 questions with the scores that four models of 7 to 9
//! billion parameters had in them (LLMRouter, see `DATA.md`): `train/complexity.rs` prints them and says
//! in `REPORT.md` how much they separate.

use fearless_simd::{Simd, dispatch};

use super::{letter, sample};
use crate::{
    Complexity, Prompt, Task,
    bits::{self, Before, bits, count},
};

/// Features of a request, each about 0 to 3.
pub const FEATURES: usize = 8;
/// Bytes of the instruction that are looked at.
const LOOKED_AT: usize = 512;
/// Words of ASCII from which on their length and their capitals say something.
const WORDS_MIN: usize = 4;
/// What stands for them in other scripts: the means of the data.
const LETTERS_MEAN: f32 = 4.6;
const NAMES_MEAN: f32 = 0.05;

/// What the features weigh, and what is added.
const WEIGHTS: [f32; FEATURES] = [0.198, 0.82, 0.263, 0.162, 0.393, 0.158, 0.189, -0.174];
const BIAS: f32 = -1.347;
/// Up to here a request is easy, from there on it is hard: the thirds of the data, as chances that a small
/// model fails.
const EASY_TO: f32 = 0.428;
const HARD_FROM: f32 = 0.525;
/// The feature of a length of 240 bytes.
const PLAIN_LENGTH: f32 = 1.98;
/// The same of 64 bytes.
const SMALL_TALK_LENGTH: f32 = 1.51;

/// The features of a request whose task is known.
#[must_use]
pub fn features(prompt: &Prompt<'_>, task: Task) -> [f32; FEATURES] {
    let last = letter::body(prompt.turns.last().copied().unwrap_or("")).trim();
    let seen = Seen::of(last.get(..sample::floor(last, LOOKED_AT)).unwrap_or(""));
    let latin = seen.words >= WORDS_MIN;
    let words = seen.words.max(1) as f32;
    let or = |value: f32, mean: f32| if latin { value } else { mean };
    let is = |tasks: &[Task]| f32::from(u8::from(tasks.contains(&task)));
    [
        seen.numbers.min(20) as f32 / 10.0,
        seen.marks.min(40) as f32 / 20.0,
        ((1 + seen.lines) as f32).log2(),
        or((seen.letters as f32 / words).clamp(3.0, 8.0), LETTERS_MEAN),
        or(10.0 * seen.names as f32 / words, 10.0 * NAMES_MEAN),
        ((1 + last.len()) as f32).log2() / 4.0,
        is(&[Task::Math, Task::Coding, Task::ToolUse]),
        is(&[Task::Brainstorming, Task::Chat, Task::Writing, Task::Rewriting]),
    ]
}

/// How likely a small model fails, 0 to 1.
#[must_use]
pub fn failing(features: &[f32; FEATURES], weights: &[f32; FEATURES], bias: f32) -> f32 {
    let sum: f32 = features.iter().zip(weights).map(|(value, weight)| value * weight).sum();
    1.0 / (1.0 + (-sum - bias).exp())
}

/// How much a request of a known task asks of a model.
#[must_use]
pub fn read(prompt: &Prompt<'_>, task: Task) -> Complexity {
    let features = features(prompt, task);
    if is_small_talk(prompt, &features, task) {
        return Complexity::Easy;
    }
    level(&features, failing(&features, &WEIGHTS, BIAS), [EASY_TO, HARD_FROM])
}

/// Whether a request is a greeting, thanks, a word or two: nobody has measured models by these, and any model
/// answers them.
fn is_small_talk(prompt: &Prompt<'_>, features: &[f32; FEATURES], task: Task) -> bool {
    let [numbers, marks, lines, _, _, length, ..] = features;
    let bare = *numbers < 0.1 && *marks < 0.05 && *lines < 1.0 && *length < SMALL_TALK_LENGTH;
    bare && prompt.tools == 0 && matches!(task, Task::Chat | Task::None)
}

/// How hard a request is at which a small model fails with this chance. One of a line or two with hardly a
/// figure or a mark is never hard: nothing in it would say so.
#[must_use]
pub fn level(features: &[f32; FEATURES], chance: f32, [easy, hard]: [f32; 2]) -> Complexity {
    let [numbers, marks, lines, _, _, length, ..] = features;
    let plain = *numbers < 0.4 && *marks < 0.2 && *lines < 2.0 && *length < PLAIN_LENGTH;
    match chance {
        chance if chance < easy => Complexity::Easy,
        chance if chance < hard || plain => Complexity::Medium,
        _ => Complexity::Hard,
    }
}

/// What one look at the bytes counts.
#[derive(Default)]
struct Seen {
    numbers: usize,
    marks: usize,
    lines: usize,
    words: usize,
    letters: usize,
    /// Words with a capital behind a small letter or a comma: not those that begin a sentence.
    names: usize,
}

impl Seen {
    fn of(text: &str) -> Self {
        dispatch!(bits::level(), simd => Self::counted(simd, text.as_bytes()))
    }

    #[inline(always)]
    fn counted<S: Simd>(simd: S, bytes: &[u8]) -> Self {
        let mut seen = Self::default();
        // What begins the text has nothing before it.
        let (mut apart, mut ended) = (Before::YES, Before::default());
        let (mut inside, mut space) = (Before::default(), Before::default());
        bits::blocks(
            simd,
            bytes,
            #[inline(always)]
            |it| {
                let (letters, digits) = (bits(it.letters()), bits(it.within(b'0', 10)));
                let begins = apart.next(!(letters | digits | bits(it.beyond_ascii() | it.is(0))));
                seen.numbers += (digits & begins).count_ones() as usize;
                seen.words += (letters & begins).count_ones() as usize;
                seen.letters += letters.count_ones() as usize;
                // A blank line is none.
                let line = bits(it.is(b'\n'));
                seen.lines += (line & !ended.next(line)).count_ones() as usize;
                let angle = it.is(b'<') | it.is(b'=') | it.is(b'>');
                let brace = it.is(b'{') | it.is(b'|') | it.is(b'}');
                seen.marks +=
                    count(angle | brace | it.is(b'\\') | it.within(b'^', 2) | it.is(b'$'));
                let behind = inside.next(bits(it.within(b'a', 26) | it.is(b',')));
                let capital = bits(it.within(b'A', 26));
                seen.names +=
                    (capital & space.next(bits(it.is(b' ')) & behind)).count_ones() as usize;
            },
        );
        seen
    }
}
