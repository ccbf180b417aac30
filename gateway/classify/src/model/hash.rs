//! The one hash of the features. It is a data format: weights are valid only with it.

/// A feature's hash, built up piece by piece.
#[derive(Clone, Copy, Debug)]
pub struct Hash(u64);

impl Hash {
    /// A hash that begins with a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD6E8_FEB8_6659_FD93)
    }

    /// The hash with one more character or number.
    #[inline]
    #[must_use]
    pub const fn with(self, piece: u32) -> Self {
        Self((self.0 ^ piece as u64).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23))
    }

    /// The hash as a piece of another.
    #[inline]
    #[must_use]
    pub const fn folded(self) -> u32 {
        (self.0 ^ self.0 >> 32) as u32
    }

    /// The bucket, below 2 to the power of `bits`.
    #[inline]
    #[must_use]
    pub const fn bucket(self, bits: u32) -> usize {
        (self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize
    }
}

/// A character as features see it: small, digits alike.
#[inline]
#[must_use]
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return if c.is_ascii_digit() { '0' } else { c.to_ascii_lowercase() };
    }
    if c < '\u{250}' || ('\u{370}'..'\u{580}').contains(&c) || ('\u{1E00}'..'\u{2000}').contains(&c)
    {
        return c.to_lowercase().next().unwrap_or(c);
    }
    c
}
