//! Sixty-four bytes at a time: what is asked of each of them is answered by one bit, the first byte's the
//! lowest.

use fearless_simd::{Level, Simd, mask8x64, prelude::*, u8x64};

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// What this machine can ask of many bytes at once.
#[inline]
pub(crate) fn level() -> Level {
    Level::new()
}

/// A block of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Block<S: Simd>(u8x64<S>);

/// An answer for each byte of a block.
pub(crate) type Answers<S> = mask8x64<S>;

impl<S: Simd> Block<S> {
    #[inline(always)]
    pub(crate) fn of(simd: S, bytes: &[u8; BLOCK]) -> Self {
        Self(u8x64::load_array(simd, *bytes))
    }

    /// Which are this byte.
    #[inline(always)]
    pub(crate) fn is(self, byte: u8) -> Answers<S> {
        self.0.simd_eq(byte)
    }

    /// Which are one of `count` bytes from `first` on.
    #[inline(always)]
    pub(crate) fn within(self, first: u8, count: u8) -> Answers<S> {
        (self.0 - first).simd_lt(count)
    }

    /// The bytes, with only these bits of each.
    #[inline(always)]
    pub(crate) fn masked(self, mask: u8) -> Self {
        Self(self.0 & mask)
    }

    /// Which are letters of ASCII.
    #[inline(always)]
    pub(crate) fn letters(self) -> Answers<S> {
        Self(self.0 | 0x20).within(b'a', 26)
    }

    /// Which are beyond ASCII.
    #[inline(always)]
    pub(crate) fn beyond_ascii(self) -> Answers<S> {
        self.0.simd_ge(0x80)
    }
}

/// The bits of answers.
#[inline(always)]
pub(crate) fn bits<S: Simd>(answers: Answers<S>) -> u64 {
    answers.to_bitmask()
}

/// How many say yes.
#[inline(always)]
pub(crate) fn count<S: Simd>(answers: Answers<S>) -> usize {
    bits(answers).count_ones() as usize
}

/// Calls `each` with every block of some bytes. The last is filled up with zeros.
#[inline(always)]
pub(crate) fn blocks<S: Simd>(simd: S, bytes: &[u8], mut each: impl FnMut(Block<S>)) {
    let (whole, rest) = bytes.as_chunks::<BLOCK>();
    for block in whole {
        each(Block::of(simd, block));
    }
    if !rest.is_empty() {
        let mut held = [0; BLOCK];
        held.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        each(Block::of(simd, &held));
    }
}

/// Bits one place on, from block to block: what stands right before each byte.
#[derive(Clone, Copy, Default)]
pub(crate) struct Before(u64);

impl Before {
    /// Before the first byte stands what is looked for.
    pub(crate) const YES: Self = Self(1);

    /// The bits of the next block, one place on.
    #[inline(always)]
    pub(crate) fn next(&mut self, bits: u64) -> u64 {
        let moved = bits << 1 | self.0;
        self.0 = bits >> 63;
        moved
    }
}

#[cfg(test)]
mod tests {
    use fearless_simd::dispatch;

    use super::*;

    /// What a block says of each kind of byte.
    #[inline(always)]
    fn kinds<S: Simd>(it: Block<S>) -> [u64; 4] {
        [it.is(b'a'), it.within(b'0', 10), it.letters(), it.beyond_ascii()].map(bits)
    }

    #[test]
    fn every_byte_has_its_bit() {
        for length in 0..=3 * BLOCK {
            let bytes: Vec<u8> = (0..=255).cycle().skip(length % 7).take(length).collect();
            let mut found = Vec::new();
            dispatch!(level(), simd => blocks(simd, &bytes, |it| found.push(kinds(it))));
            assert_eq!(found.len(), length.div_ceil(BLOCK));
            for (at, b) in bytes.iter().enumerate() {
                let said = found.get(at / BLOCK).unwrap().map(|it| it >> (at % BLOCK) & 1 == 1);
                let digit = b.is_ascii_digit();
                assert_eq!(said, [*b == b'a', digit, b.is_ascii_alphabetic(), !b.is_ascii()]);
            }
        }
    }

    #[test]
    fn what_stands_before_is_carried_from_block_to_block() {
        let mut before = Before::YES;
        assert_eq!(before.next(1 << 63 | 2), 5);
        assert_eq!(before.next(0), 1);
        assert_eq!(before.next(0), 0);
    }
}
