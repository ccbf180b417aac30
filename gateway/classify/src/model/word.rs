//! A word as the language model sees it: folded, between borders.

/// Characters of a word that are looked at, its border before it included.
pub(super) const CHARS: usize = 24;

/// A word that grows from character to character.
pub(super) struct Word {
    /// The border before the word, its characters, and room for the border behind it.
    chars: [char; CHARS + 1],
    /// How many of them are the word's; 0 while it has not begun.
    length: usize,
}

impl Default for Word {
    fn default() -> Self {
        Self { chars: [' '; CHARS + 1], length: 0 }
    }
}

impl Word {
    /// Whether it has a character.
    pub(super) fn begun(&self) -> bool {
        self.length > 1
    }

    /// Adds a character, folded.
    #[inline]
    pub(super) fn grow(&mut self, c: char) {
        let at = self.length.max(1);
        if at < CHARS
            && let Some(place) = self.chars.get_mut(at)
        {
            *place = c;
            self.length = at + 1;
        }
    }

    /// Adds the letters of ASCII that stand from here on, and counts them.
    #[inline]
    pub(super) fn grow_ascii(&mut self, bytes: &[u8], from: usize) -> usize {
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            let small = byte | 0x20;
            if small.wrapping_sub(b'a') >= 26 {
                break;
            }
            self.grow(char::from(small));
            at += 1;
        }
        at - from
    }

    /// Hands out the word between its borders, if there is one, and begins the next. False if no more are
    /// wanted.
    #[inline]
    pub(super) fn hand_out(&mut self, each: &mut impl FnMut(&[char]) -> bool) -> bool {
        let length = std::mem::take(&mut self.length);
        if length == 0 {
            return true;
        }
        if let Some(place) = self.chars.get_mut(length) {
            *place = ' ';
        }
        each(self.chars.get(..=length).unwrap_or_default())
    }
}
