//! What of a task can be told without words: exact, and explainable.

use fearless_simd::{Simd, dispatch};

use super::{sample, tools};
use crate::{
    Prompt,
    bits::{self, Answers, Before, Block, bits, count},
};

/// Calls `each` with the kind and the step of everything that can be told without words.
pub fn of(prompt: &Prompt<'_>, text: &str, mut each: impl FnMut(u32, u32)) {
    let (head, tail) = sample::ends(text);
    let seen = Seen::of(head).and(&Seen::of(tail));
    let length = head.len() + tail.len();
    let share = |count: usize| count * 100 / length.max(1);
    each(0, u32::from(prompt.tools > 0));
    each(1, u32::from(prompt.json_schema));
    each(2, u32::from(!prompt.system.is_empty()));
    each(3, step(prompt.turns.len(), &[2, 3]));
    let later = prompt.turns.len() > 1;
    each(18, if later { 1 + step(text.len(), &[16, 40, 120]) } else { 0 });
    each(5, step(seen.lines, &[1, 3, 8, 30]));
    each(6, u32::from(seen.ticks >= 3));
    each(7, step(share(seen.marks), &[2, 5, 10]));
    each(8, step(share(seen.digits), &[2, 6, 15]));
    each(9, step(seen.backslashes + seen.dollars, &[1, 4]));
    each(11, step(seen.questions, &[1, 2, 4]));
    // Options under a question are an exam, under a text that it is about they are reading.
    let options = step(seen.options, &[1, 2, 4]);
    let longest = step(longest_line(text, [head, tail]), &[60, 140, 260, 500, 1_200]);
    each(12, options * 8 + if options >= 2 { longest } else { 0 });
    if prompt.tools > 0 {
        each(13, step(tools::overlap(prompt.tools_text, text), &[1, 2, 3, 5]));
        each(14, step(prompt.tools.into(), &[2, 4]));
    }
}

/// How many of the steps a value reaches.
fn step(value: usize, steps: &[usize]) -> u32 {
    u32::try_from(steps.iter().filter(|step| value >= **step).count()).unwrap_or(0)
}

/// The length of the longest line among what is looked at, in characters of a Latin text.
fn longest_line(text: &str, ends: [&str; 2]) -> usize {
    let latin = |line: &str| match line.as_bytes().first() {
        Some(0xE0..) => line.len() / 2,
        _ => line.len(),
    };
    let longest = ends.iter().flat_map(|end| sample::lines(end)).map(latin).max().unwrap_or(0);
    // A line that fills the sample goes on beyond it.
    if longest >= 300 { text.len() } else { longest }
}

/// Lines, or parts of a line, that are lettered or numbered as the options of an exam are.
fn options(text: &str) -> usize {
    let bytes = text.as_bytes();
    let marks = bytes
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, b)| matches!(b, b'.' | b')' | b':' | 0xE3 | 0xEF));
    marks.filter(|(at, _)| is_option(text, *at)).count()
}

/// Which bytes may stand before the label of an option.
#[inline(always)]
fn may_lead<S: Simd>(it: Block<S>) -> Answers<S> {
    let opens = it.is(b'\n') | it.is(b' ') | it.is(b'(') | it.is(b'[');
    opens | it.is(0x88) | it.is(0x80) | it.is(b'*') | it.is(b'-')
}

/// Which may be what letters or numbers an option.
#[inline(always)]
fn is_label<S: Simd>(it: Block<S>) -> Answers<S> {
    it.within(b'a', 5) | it.within(b'A', 5) | it.within(b'1', 5)
}

/// Which may be the mark after an option's letter, or its first byte.
#[inline(always)]
fn is_mark<S: Simd>(it: Block<S>) -> Answers<S> {
    it.is(b'.') | it.is(b')') | it.is(b':') | it.is(0xE3) | it.is(0xEF)
}

/// Whether the mark at this place is that of an option: after one letter that begins a line or a part of one.
fn is_option(text: &str, mark: usize) -> bool {
    let (before, after) = text.as_bytes().split_at(mark);
    let full = || text.get(mark..).is_some_and(|it| it.starts_with(['．', '、', '）', '：']));
    let Some((b'A'..=b'E' | b'a'..=b'e' | b'1'..=b'5', before)) = before.split_last() else {
        return false;
    };
    let lead = before.iter().rfind(|b| !matches!(b, b'*' | b'-'));
    matches!(lead, None | Some(b'\n' | b'(' | b'[' | b' ' | 0x88 | 0x80))
        && (matches!(after.first(), Some(b'.' | b')' | b':')) || full())
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
    options: usize,
}

impl Seen {
    fn of(text: &str) -> Self {
        let (seen, labelled) =
            dispatch!(bits::level(), simd => Self::counted(simd, text.as_bytes()));
        Self { options: if labelled { options(text) } else { 0 }, ..seen }
    }

    /// What is counted, and whether the label of an option may stand behind some byte, and its mark behind
    /// it.
    #[inline(always)]
    fn counted<S: Simd>(simd: S, bytes: &[u8]) -> (Self, bool) {
        let (mut seen, mut labelled) = (Self::default(), 0);
        let (mut led, mut label) = (Before::YES, Before::default());
        bits::blocks(
            simd,
            bytes,
            #[inline(always)]
            |it| {
                seen.lines += count(it.is(b'\n'));
                seen.ticks += count(it.is(b'`'));
                let round = it.within(b'(', 2);
                let bracket = it.is(b'[') | it.is(b']') | it.is(b'{') | it.is(b'}');
                seen.marks += count(round | bracket | it.within(b';', 4));
                seen.digits += count(it.within(b'0', 10));
                seen.backslashes += count(it.is(b'\\'));
                seen.dollars += count(it.is(b'$'));
                seen.questions += count(it.is(b'?'));
                labelled |= bits(is_mark(it))
                    & label.next(bits(is_label(it)) & led.next(bits(may_lead(it))));
            },
        );
        (seen, labelled != 0)
    }

    fn and(mut self, other: &Self) -> Self {
        self.lines += other.lines;
        self.ticks += other.ticks;
        self.marks += other.marks;
        self.digits += other.digits;
        self.backslashes += other.backslashes;
        self.dollars += other.dollars;
        self.questions += other.questions;
        self.options += other.options;
        self
    }
}
