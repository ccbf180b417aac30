//! The words of a text as the model of tasks sees them.

use super::{
    chars::{FOLDS, SPACED, STOP, UNSPACED, WORD, chars},
    hash::{Hash, fold},
    linear::FEW,
};

/// A word's beginnings of so many characters stand for its inflected forms; pairs are made of the
/// longer.
const STEM_SHORT: u32 = 4;
const STEM: u32 = 5;
/// Where words stand, and so what they say.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// In the first sentence of the instruction: a word says the same wherever it stands, and here a
    /// little more.
    First,
    /// Elsewhere in the instruction.
    Rest,
    /// In what the system says.
    System,
    /// In the turn before.
    Before,
}

/// Features that are handed on at one go, and what a word, or a character and the end of a word before
/// it, add at most.
const GATHERED: usize = FEW / 2;
const ADDED_MAX: usize = 8;

const START: Hash = Hash::new(7);

/// Gathers a feature; there is room for it.
#[inline(always)]
fn gather(gathered: &mut [Hash; GATHERED], count: &mut usize, hash: Hash) {
    if let Some(place) = gathered.get_mut(*count) {
        *place = hash;
        *count += 1;
    }
}

/// A word that grows: its hash, that of its beginning, and its length.
#[derive(Clone, Copy)]
struct Word {
    hash: Hash,
    stem: Hash,
    length: u32,
}

impl Word {
    const NONE: Self = Self { hash: START, stem: START, length: 0 };

    /// Adds a character.
    #[inline(always)]
    fn grow(&mut self, c: u32) {
        self.hash = self.hash.with(c);
        self.length += 1;
        if self.length <= STEM {
            self.stem = self.hash;
        }
    }

    /// The word ends: hands out the whole, and the pair with the one before it. The next begins.
    #[inline(always)]
    fn end(&mut self, before: &mut Hash, mut add: impl FnMut(Hash)) {
        if self.length > 0 {
            add(self.hash);
            add(before.with(1).with(self.stem.folded()));
            *before = self.stem;
        }
        *self = Self::NONE;
    }

    /// Adds the letters and digits of ASCII that stand from here on, and hands out what they end. Returns how
    /// many they are.
    #[inline(always)]
    fn grow_ascii(&mut self, bytes: &[u8], mut add: impl FnMut(Hash)) -> usize {
        let folded = |at: usize| FOLDED.get(usize::from(*bytes.get(at)?)).filter(|it| **it != 0);
        let mut at = 0;
        while self.length < STEM {
            let Some(c) = folded(at) else { return at };
            self.grow((*c).into());
            if self.length >= STEM_SHORT {
                add(self.hash.with(11));
            }
            at += 1;
        }
        // All that is asked of what comes after the beginning is the word as a whole.
        while let Some(c) = folded(at) {
            self.hash = self.hash.with((*c).into());
            at += 1;
        }
        at
    }
}

/// What features see in place of the letters and digits of ASCII; nothing in place of the others.
static FOLDED: [u8; 256] = folded();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn folded() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        if byte.is_ascii_alphabetic() {
            bytes[at] = byte.to_ascii_lowercase();
        } else if byte.is_ascii_digit() {
            bytes[at] = b'0';
        }
        at += 1;
    }
    bytes
}

/// Hands out the features of the words of a text, of their beginnings and of the pairs of these; in scripts
/// without spaces, those of characters and runs of them.
pub(super) fn of(text: &str, mut place: Place, mut each: impl FnMut(&[Hash], Place)) {
    let (table, bytes) = (chars(), text.as_bytes());
    // Apart from each other, so that the count stays in a register.
    let (mut gathered, mut count) = ([START; GATHERED], 0);
    let (mut before, mut word, mut last) = (START, Word::NONE, [' '; 3]);
    // Where a letter of ASCII may come next there may be a run of them.
    let (mut at, mut runs) = (0, true);
    loop {
        if count > GATHERED - ADDED_MAX {
            each(gathered.get(..count).unwrap_or_default(), place);
            count = 0;
        }
        let mut add = |hash: Hash| gather(&mut gathered, &mut count, hash);
        if runs {
            at += word.grow_ascii(bytes.get(at..).unwrap_or_default(), &mut add);
            // Most words of ASCII end so.
            if bytes.get(at) == Some(&b' ') && !(place == Place::First && dot_before(bytes, at)) {
                word.end(&mut before, &mut add);
                (at, last) = (at + 1, [' '; 3]);
                continue;
            }
        }
        let next = text.get(at..).and_then(|rest| rest.chars().next());
        let c = next.unwrap_or(' ');
        let told = table.of(c);
        let from = at;
        at += c.len_utf8();
        if told & WORD != 0 {
            let c = if told & FOLDS == 0 { c } else { fold(c) };
            word.grow(c as u32);
            if told & SPACED == 0 {
                syllable(c, &mut last, told & UNSPACED != 0, &mut add);
            } else if word.length == STEM_SHORT || word.length == STEM {
                add(word.hash.with(11));
            }
            if told & STOP == 0 || place != Place::First {
                runs = c.is_ascii();
                continue;
            }
        }
        word.end(&mut before, &mut add);
        (last, runs) = ([' '; 3], true);
        if matches!(c, '?' | '？' | ':' | '：') {
            add(START.with(c as u32));
        }
        let ends = told & STOP != 0 || c == ' ' && dot_before(bytes, from);
        if next.is_none() || place == Place::First && ends {
            each(gathered.get(..count).unwrap_or_default(), place);
            if next.is_none() {
                return;
            }
            // What comes next makes no pair with the end of the first sentence.
            (count, before, place) = (0, START, Place::Rest);
        }
    }
}

/// Whether a dot stands before a place.
fn dot_before(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'.')
}

/// The features of a character of a script without spaces, and of the runs that it ends.
#[inline(always)]
fn syllable(c: char, last: &mut [char; 3], letter: bool, mut add: impl FnMut(Hash)) {
    let [third, second, one] = last.map(|c| c as u32);
    add(START.with(12).with(c as u32));
    add(START.with(9).with(one).with(c as u32));
    if letter {
        add(START.with(8).with(third).with(second).with(one).with(c as u32));
    }
    *last = [last[1], last[2], c];
}
