//! Many words of many languages, found in one pass over a text.

use aho_corasick::{
    Anchored, MatchKind,
    automaton::{Automaton, StateID},
    dfa::{Builder, DFA},
};

/// Words, each with a value.
pub(super) struct Keywords<T> {
    find: DFA,
    values: Vec<T>,
}

/// A word that stands in a text.
pub(super) struct Found<T> {
    /// Its value.
    pub value: T,
    /// Where it begins, and where it ends, in bytes.
    pub start: usize,
    pub end: usize,
}

impl<T: Copy> Keywords<T> {
    /// Makes them ready. The words are in small letters; those of ASCII are found in capitals too. `None`
    /// if there are too many.
    pub(super) fn of<W: AsRef<[u8]>>(words: impl Iterator<Item = (W, T)>) -> Option<Self> {
        let (words, values): (Vec<W>, Vec<T>) = words.unzip();
        let mut builder = Builder::new();
        builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard).prefilter(false);
        Some(Self { find: builder.build(words).ok()?, values })
    }

    /// Calls `each` with every word that stands in a text, those within others too, by their ends. A word
    /// that begins with a letter or a digit of ASCII begins where a word of the text does.
    #[inline]
    pub(super) fn each(&self, text: &str, mut each: impl FnMut(Found<T>)) {
        let bytes = text.as_bytes();
        let Ok(mut state) = self.find.start_state(Anchored::No) else { return };
        for (at, byte) in bytes.iter().enumerate() {
            state = self.find.next_state(Anchored::No, state, *byte);
            if self.find.is_match(state) {
                self.ended(bytes, at + 1, state, &mut each);
            }
        }
    }

    /// The words that end at a place. Apart, so that the registers are those of the pass.
    #[cold]
    #[inline(never)]
    fn ended(&self, bytes: &[u8], end: usize, state: StateID, each: &mut impl FnMut(Found<T>)) {
        let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        for index in 0..self.find.match_len(state) {
            let word = self.find.match_pattern(state, index);
            let start = end - self.find.pattern_len(word);
            let begun = !letter(start) || !start.checked_sub(1).is_some_and(letter);
            if begun && let Some(value) = self.values.get(word.as_usize()) {
                each(Found { value: *value, start, end });
            }
        }
    }
}
