//! Words that ask for a task in any language: what a model of words has learned of one of them holds for all.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// A cue a line: what it asks for or speaks of, and its words in all languages, in small letters.
static CUES: &str = include_str!("cues.txt");
/// How many cues there are.
pub const COUNT: u32 = 13;

/// The words of one kind of text.
struct Words {
    find: AhoCorasick,
    /// The cue of each word.
    cues: Vec<u8>,
}

/// The words of ASCII, and all others: two small automata are read faster than one large one, and most texts
/// are of one kind.
fn words() -> Option<&'static [Words; 2]> {
    static READ: OnceLock<Option<[Words; 2]>> = OnceLock::new();
    READ.get_or_init(|| Some([built(true)?, built(false)?])).as_ref()
}

fn built(ascii: bool) -> Option<Words> {
    let lines = CUES.lines().filter_map(|line| Some(line.split_once(": ")?.1));
    let each = (0..).zip(lines).flat_map(|(cue, words)| words.split('|').map(move |it| (it, cue)));
    let (all, cues): (Vec<&str>, Vec<u8>) =
        each.filter(|(word, _)| word.is_ascii() == ascii).unzip();
    let find = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(all)
        .ok()?;
    Some(Words { find, cues })
}

/// The cues that stand in a text, one bit each. A word of ASCII letters begins where a word does.
#[must_use]
pub fn of(text: &str) -> u32 {
    let Some([ascii, others]) = words() else { return 0 };
    let found = ascii.of(text);
    if text.is_ascii() { found } else { found | others.of(text) }
}

impl Words {
    fn of(&self, text: &str) -> u32 {
        let bytes = text.as_bytes();
        let mut found = 0;
        for it in self.find.find_iter(text) {
            let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
            let begun = !letter(it.start()) || !it.start().checked_sub(1).is_some_and(letter);
            if begun && let Some(cue) = self.cues.get(it.pattern().as_usize()) {
                found |= 1 << cue;
            }
        }
        found
    }
}
