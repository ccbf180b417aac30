//! Words that ask for a task in any language: what a model of words has learned of one of them holds for all.

use std::sync::OnceLock;

use memchr::memchr3;

use super::keywords::Keywords;

/// A cue a line: what it asks for or speaks of, and its words in all languages, in small letters.
static CUES: &str = include_str!("cues.txt");
/// How many cues there are.
pub const COUNT: u32 = 13;
/// What ends the first sentence, beside a line's end, `?` and `!`.
const ENDS: [&str; 5] = ["。", "？", "！", "।", "："];

/// What stands in a text: a cue by its number, or the end of a sentence.
#[derive(Clone, Copy)]
enum Word {
    Cue(u32),
    End,
}

fn words() -> Option<&'static Keywords<Word>> {
    static READ: OnceLock<Option<Keywords<Word>>> = OnceLock::new();
    READ.get_or_init(built).as_ref()
}

fn built() -> Option<Keywords<Word>> {
    let lines = CUES.lines().filter_map(|line| Some(line.split_once(": ")?.1));
    let cues = (0..)
        .zip(lines)
        .flat_map(|(cue, words)| words.split('|').map(move |word| (word, Word::Cue(cue))));
    Keywords::of(cues.chain(ENDS.map(|end| (end, Word::End))))
}

/// The cues that stand in the first sentence of a text, and those in the rest of it, one bit each.
#[must_use]
pub fn of(text: &str) -> [u32; 2] {
    let Some(words) = words() else { return [0; 2] };
    let mut end = memchr3(b'\n', b'?', b'!', text.as_bytes()).unwrap_or(usize::MAX);
    let (mut first, mut rest) = (0, 0);
    words.each(text, |it| match it.value {
        Word::End => end = end.min(it.start),
        Word::Cue(cue) if it.start < end => first |= 1 << cue,
        Word::Cue(cue) => rest |= 1 << cue,
    });
    [first, rest]
}
