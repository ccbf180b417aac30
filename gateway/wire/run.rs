//! How far a JSON string runs without anything special: most bytes of a body are passed over here.

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many bytes from the start are neither quote nor backslash nor control character.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    // Keys and ids are short: four words at once in registers, then wide blocks for long text.
    let mut at = 0;
    for _ in 0..4 {
        match word(bytes, at) {
            Some(word) => match special(word) {
                0 => at += 8,
                found => return at + found.trailing_zeros() as usize / 8,
            },
            None => return at + plain_bytes(bytes.get(at..).unwrap_or_default()),
        }
    }
    let (blocks, _) = bytes.get(at..).unwrap_or_default().as_chunks::<32>();
    at += blocks.iter().take_while(|block| !block.iter().fold(false, stops)).count() * 32;
    while let Some(word) = word(bytes, at) {
        match special(word) {
            0 => at += 8,
            found => return at + found.trailing_zeros() as usize / 8,
        }
    }
    at + plain_bytes(bytes.get(at..).unwrap_or_default())
}

#[inline]
fn stops(so_far: bool, byte: &u8) -> bool {
    so_far | (*byte == b'"') | (*byte == b'\\') | (*byte < 0x20)
}

#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| !stops(false, byte)).count()
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?))
}

/// The high bit of the first byte that ends a plain run; bits above the first may be wrong.
#[inline]
fn special(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * b'"' as u64));
    let backslash = zero(word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGHS
}
