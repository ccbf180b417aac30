//! How far a JSON string runs without anything special: most bytes of a body are passed over here.

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many bytes from the start are neither quote nor backslash nor control character.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    // Keys and ids are short: four words in registers. In long text what ends it is searched for first, and
    // then whether a control character stands before it: each by itself is done many bytes at once.
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
    let rest = bytes.get(at..).unwrap_or_default();
    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let run = rest.get(..end).unwrap_or_default();
    let control = |block: &[u8]| block.iter().fold(false, |so_far, b| so_far | (*b < 0x20));
    match run.chunks(128).position(control) {
        None => at + end,
        Some(block) => at + block * 128 + plain_bytes(run.get(block * 128..).unwrap_or_default()),
    }
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
