//! How far a JSON string runs without anything special: most bytes of a body are passed over here.

/// Bytes that are passed over together in long text: two registers of any machine.
const STRIDE: usize = 32;
const WORD: usize = 8;
/// Words that are looked at one by one before whole strides are: keys, ids and lines of code are short.
const NEAR_WORDS: usize = 3;

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many bytes from the start are neither quote nor backslash nor control character.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    // With its second bit turned, a quote is what a blank is, and all below a blank stays below it.
    let low = |word: u64| (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    run(
        bytes,
        |word| (low(word) | backslash(word)) & !word & HIGHS,
        |byte| ((byte ^ 2) <= b' ') | (byte == b'\\'),
    )
}

/// How many bytes from the start are no backslash.
#[inline]
pub(super) fn before_escape(bytes: &[u8]) -> usize {
    run(bytes, |word| backslash(word) & !word & HIGHS, |byte| byte == b'\\')
}

#[inline(always)]
fn backslash(word: u64) -> u64 {
    (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES)
}

/// How many bytes stand before the first that ends the run. Of a word, `special` is the high bit of the
/// first such byte; bits above it may be wrong, as what is subtracted borrows from them.
#[inline(always)]
fn run(bytes: &[u8], special: impl Fn(u64) -> u64, ends: impl Fn(u8) -> bool) -> usize {
    let mut rest = bytes;
    let mut words = NEAR_WORDS;
    loop {
        while words > 0
            && let Some((word, after)) = rest.split_first_chunk()
        {
            match special(u64::from_le_bytes(*word)) {
                0 => rest = after,
                found => return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8,
            }
            words -= 1;
        }
        if rest.len() < WORD {
            let last = rest.iter().take_while(|byte| !ends(**byte)).count();
            return bytes.len() - rest.len() + last;
        }
        // Neither an end nor its place is asked for byte by byte: the compiler makes one compare of it.
        while let Some((stride, after)) = rest.split_first_chunk::<STRIDE>()
            && !stride.iter().fold(false, |found, byte| found | ends(*byte))
        {
            rest = after;
        }
        words = STRIDE / WORD;
    }
}

#[cfg(test)]
mod tests;
