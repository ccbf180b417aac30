//! Damage to inputs, drawn from a seed: the same seed does the same damage in the same order.

/// Longer inputs are cut: what is wrong with a long one is nearly always wrong with a short one too.
const BYTES_MAX: usize = 4096;

/// A draw of changes.
pub(super) struct Mutator<'w> {
    state: u64,
    words: &'w [&'w str],
}

impl<'w> Mutator<'w> {
    /// One that knows these words.
    pub(super) fn new(seed: u64, words: &'w [&'w str]) -> Self {
        Self { state: seed, words }
    }

    /// The next input: one of these or of those, changed a few times.
    pub(super) fn next(&mut self, corpus: &[Vec<u8>], kept: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one_of(corpus, kept).to_vec();
        for _ in 0..=self.below(4) {
            match self.below(10) {
                0 => self.flip(&mut input),
                1 => self.byte(&mut input),
                2 => self.insert(&mut input),
                3 => self.delete(&mut input),
                4 => self.repeat(&mut input),
                5 => self.splice(&mut input, corpus, kept),
                6 => input.truncate(self.below(input.len() + 1)),
                7 => self.swap(&mut input),
                _ => self.word(&mut input),
            }
        }
        input.truncate(BYTES_MAX);
        input
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.draw() % end.max(1) as u64) as usize
    }

    fn one_of<'a>(&mut self, corpus: &'a [Vec<u8>], kept: &'a [Vec<u8>]) -> &'a [u8] {
        let from = if kept.is_empty() || self.below(2) == 0 { corpus } else { kept };
        &from[self.below(from.len())]
    }

    /// A piece of these bytes: mostly a short one.
    fn piece(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 16 };
        (from, (from + self.below(most + 1)).min(length))
    }

    fn flip(&mut self, input: &mut [u8]) {
        let (at, bit) = (self.below(input.len()), self.below(8));
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    fn byte(&mut self, input: &mut [u8]) {
        let (at, value) = (self.below(input.len()), self.draw() as u8);
        if let Some(byte) = input.get_mut(at) {
            *byte = value;
        }
    }

    fn insert(&mut self, input: &mut Vec<u8>) {
        let (at, value) = (self.below(input.len() + 1), self.draw() as u8);
        input.insert(at, value);
    }

    fn delete(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.piece(input.len());
        input.drain(from..to);
    }

    /// A piece once more, somewhere.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.piece(input.len());
        let piece = input[from..to].to_vec();
        let at = self.below(input.len() + 1);
        for _ in 0..=self.below(3) {
            input.splice(at..at, piece.iter().copied());
        }
    }

    /// Two pieces of the same length change places.
    fn swap(&mut self, input: &mut [u8]) {
        let (from, to) = self.piece(input.len());
        let other = self.below(input.len());
        for step in 0..to - from {
            if other + step < input.len() {
                input.swap(from + step, other + step);
            }
        }
    }

    /// The begin of this one, and the end of another.
    fn splice(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>], kept: &[Vec<u8>]) {
        let other = self.one_of(corpus, kept);
        let (cut, from) = (self.below(input.len() + 1), self.below(other.len() + 1));
        input.truncate(cut);
        input.extend_from_slice(&other[from..]);
    }

    /// A word, put in or in the place of something.
    fn word(&mut self, input: &mut Vec<u8>) {
        let word = self.words[self.below(self.words.len())];
        let (from, to) = self.piece(input.len());
        let to = if self.below(2) == 0 { from } else { to };
        input.splice(from..to, word.bytes());
    }
}
