//! A word as the language model sees it: folded, between borders.

use smallvec::SmallVec;

/// Characters of a word that are looked at, its border before it included.
const CHARS: usize = 24;

/// A word that grows from character to character.
#[derive(Default)]
pub(super) struct Word(SmallVec<[char; 32]>);

impl Word {
    /// Whether it has a character.
    pub(super) fn begun(&self) -> bool {
        self.0.len() > 1
    }

    /// Adds a character, folded.
    #[inline]
    pub(super) fn grow(&mut self, c: char) {
        if self.0.is_empty() {
            self.0.push(' ');
        }
        if self.0.len() < CHARS {
            self.0.push(c);
        }
    }

    /// Hands out the word between its borders, if there is one, and begins the next. False if no more are
    /// wanted.
    pub(super) fn hand_out(&mut self, each: &mut impl FnMut(&[char]) -> bool) -> bool {
        if self.0.is_empty() {
            return true;
        }
        self.0.push(' ');
        let more = each(&self.0);
        self.0.clear();
        more
    }
}
