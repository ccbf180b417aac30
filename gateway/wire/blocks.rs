//! Long strings of JSON, sixty-four bytes at a time: their escapes stand too close for a search that begins
//! anew behind each of them, and too far apart for one word by word.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u8x64};

/// Bytes that are looked at together.
const BLOCK: usize = 64;
/// A string of so many bytes is worth asking what the machine can do.
pub(super) const LONG_BYTES: usize = 128;

/// What this machine can ask of many bytes at once.
#[inline]
pub(super) fn level() -> Level {
    Level::new()
}

/// The places of backslashes, and of quotes and control characters where these are wanted, the first first.
/// Whoever asks for one says where to go on.
pub(super) struct Places<'a, S, const QUOTES: bool, const CONTROLS: bool> {
    simd: S,
    bytes: &'a [u8],
    /// Where the block begins that is looked at, and what is left of it.
    block: usize,
    found: u64,
    /// Where the block behind it begins.
    behind: usize,
    /// All before is done.
    from: usize,
}

impl<'a, S: Simd, const QUOTES: bool, const CONTROLS: bool> Places<'a, S, QUOTES, CONTROLS> {
    #[inline(always)]
    pub(super) fn new(simd: S, bytes: &'a [u8], from: usize) -> Self {
        Self { simd, bytes, block: from, found: 0, behind: from, from }
    }

    /// The next place, if there is one.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            let rest = self.bytes.get(self.behind..).filter(|rest| !rest.is_empty())?;
            let block = match rest.first_chunk() {
                Some(block) => u8x64::load_array_ref(self.simd, block),
                None => u8x64::load_array_ref(self.simd, &filled(rest, b' ')),
            };
            (self.block, self.behind) = (self.behind, self.behind + BLOCK);
            self.found = Self::wanted(block);
            self.go_on(self.from);
        }
        Some(self.block + self.found.trailing_zeros() as usize)
    }

    /// What stands before a place is done.
    #[inline(always)]
    pub(super) fn go_on(&mut self, from: usize) {
        let done = from.saturating_sub(self.block);
        self.from = from;
        self.found = if done >= BLOCK { 0 } else { self.found >> done << done };
    }

    #[inline(always)]
    fn wanted(block: u8x64<S>) -> u64 {
        let mut wanted = block.simd_eq(b'\\');
        if QUOTES {
            wanted |= block.simd_eq(b'"');
        }
        if CONTROLS {
            wanted |= block.simd_lt(b' ');
        }
        wanted.to_bitmask()
    }
}

/// Whether bytes are of base64's alphabet alone, or of the one that stands in URLs.
pub(super) fn is_base64(bytes: &[u8]) -> bool {
    dispatch!(level(), simd => is_base64_by(simd, bytes))
}

#[inline(always)]
fn is_base64_by<S: Simd>(simd: S, bytes: &[u8]) -> bool {
    let (whole, rest) = bytes.as_chunks();
    let of_alphabet = |block: &[u8; BLOCK]| {
        let it = u8x64::load_array_ref(simd, block);
        let within = |it: u8x64<S>, first: u8, count: u8| (it - first).simd_lt(count);
        let letter = within(it | 0x20, b'a', 26) | within(it, b'0', 10);
        let sign = it.simd_eq(b'+') | it.simd_eq(b'/') | it.simd_eq(b'=');
        let of_url = it.simd_eq(b'-') | it.simd_eq(b'_');
        (letter | sign | of_url).to_bitmask() == u64::MAX
    };
    whole.iter().all(of_alphabet) && of_alphabet(&filled(rest, b'='))
}

/// The last bytes as a block, with others behind them.
fn filled(rest: &[u8], behind: u8) -> [u8; BLOCK] {
    let mut block = [behind; BLOCK];
    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    block
}

#[cfg(test)]
mod tests;
