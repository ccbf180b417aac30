//! Where in a line something may be no word, found many bytes at a time: what is far from it need not be
//! looked at.

use fearless_simd::{Simd, dispatch};

use crate::bits::{self, BLOCK, Before, Block, bits};

/// Where in a line something may be no word: not where letters and what parts sentences stand.
pub(super) struct Suspects<'a> {
    line: &'a [u8],
    /// What stands at this place, one bit each byte; the next block begins behind it.
    bits: u64,
    /// What is no character that is seen, but those beyond ASCII are none either.
    blanks: u64,
    at: usize,
    begun: bool,
    letter: Before,
    dot: Before,
}

impl<'a> Suspects<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let (letter, dot) = (Before::default(), Before::default());
        Self { line, bits: 0, blanks: 0, at: 0, begun: false, letter, dot }
    }

    /// What is to be looked at next from a place on: the word that the next is in, with the one before it and
    /// the one behind. The places that are asked for only grow.
    pub(super) fn next(&mut self, from: usize) -> Option<(usize, usize)> {
        let at = self.find(from)?;
        let place = at - self.at;
        let before = self.blanks & ((1 << place) - 1);
        let behind = self.blanks >> place;
        let begin = match last_two(before) {
            Some(second) => self.at + second + 1,
            None => two_words_before(self.line, from, at),
        };
        let end = match first_two(behind) {
            Some(second) => at + second,
            None => a_word_behind(self.line, at),
        };
        Some((from.max(begin), end))
    }

    fn find(&mut self, from: usize) -> Option<usize> {
        loop {
            let passed = from.saturating_sub(self.at);
            let left = if passed < BLOCK { self.bits >> passed << passed } else { 0 };
            if self.begun && left != 0 {
                return Some(self.at + left.trailing_zeros() as usize);
            }
            self.at += if self.begun { BLOCK } else { 0 };
            let rest = self.line.get(self.at..).filter(|rest| !rest.is_empty())?;
            self.begun = true;
            self.bits = match rest.first_chunk() {
                Some(block) => self.look(block),
                None => {
                    let mut held = [b' '; BLOCK];
                    held.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                    self.look(&held)
                }
            };
        }
    }

    fn look(&mut self, block: &[u8; BLOCK]) -> u64 {
        dispatch!(bits::level(), simd => self.told(Block::of(simd, block)))
    }

    #[inline(always)]
    fn told<S: Simd>(&mut self, it: Block<S>) -> u64 {
        let letter = bits(it.letters());
        self.blanks = !bits(it.within(0x21, 0x5E));
        let parts = it.is(b'!') | it.is(b'?') | it.is(b',') | it.is(b'.') | it.is(b'\'');
        let plain = letter | bits(parts | it.beyond_ascii() | it.within(0, 0x21) | it.is(0x7F));
        // A capital after a letter, and what goes on right behind a dot.
        let joined = self.letter.next(letter) & bits(it.within(b'A', 26));
        !plain | joined | self.dot.next(bits(it.is(b'.'))) & letter
    }
}

/// The second of the two highest bits, where they are not side by side.
fn last_two(bits: u64) -> Option<usize> {
    let last = bits.checked_ilog2()?;
    let second = (bits & !(1 << last)).checked_ilog2()?;
    (second + 1 < last).then_some(second as usize)
}

/// The second of the two lowest bits, where they are not side by side.
fn first_two(bits: u64) -> Option<usize> {
    let rest = bits & bits.wrapping_sub(1);
    let apart = rest != 0 && bits.trailing_zeros() + 1 < rest.trailing_zeros();
    apart.then_some(rest.trailing_zeros() as usize)
}

/// Where the word begins before the one that a place is in, but not before another place: what a number
/// stands beside may be no word.
fn two_words_before(line: &[u8], from: usize, at: usize) -> usize {
    let before = line.get(from..at).unwrap_or_default();
    let blank = |b: &u8| !b.is_ascii_graphic();
    let back = |before: &[u8]| {
        let begin = before.iter().rposition(blank).map_or(0, |blank| blank + 1);
        before
            .get(..begin)
            .map_or(0, |rest| rest.iter().rposition(|b| !blank(b)).map_or(0, |last| last + 1))
    };
    let end = back(before);
    let begin = before.get(..end).unwrap_or_default().iter().rposition(blank);
    from + begin.map_or(0, |blank| blank + 1)
}

/// Where the word ends behind the one that a place is in.
fn a_word_behind(line: &[u8], at: usize) -> usize {
    let graphic = |b: &u8| b.is_ascii_graphic();
    let behind = line.get(at..).unwrap_or_default();
    let run = behind.iter().position(|b| !graphic(b)).unwrap_or(behind.len());
    let rest = behind.get(run..).unwrap_or_default();
    let gap = rest.iter().position(graphic).unwrap_or(rest.len());
    let rest = rest.get(gap..).unwrap_or_default();
    at + run + gap + rest.iter().position(|b| !graphic(b)).unwrap_or(rest.len())
}
