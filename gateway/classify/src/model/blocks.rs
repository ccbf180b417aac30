//! Bytes many at a time: what is asked of each of them becomes a few instructions for sixteen.

/// Bytes that are looked at together: whatever is counted of them fits into 8 bits.
const BLOCK: usize = 240;
/// Bytes whose answers fit into one register.
const LANES: usize = 16;

/// Calls `each` with every block of some bytes, with the bytes right behind each of its own, and with those
/// behind these. The last is filled up with zeros, so that no byte is left over that has to be looked at
/// alone; it is the only one that is copied.
#[inline(always)]
pub(super) fn of(bytes: &[u8], mut each: impl FnMut(&[u8], &[u8], &[u8])) {
    let mut held = [0; 2 * LANES + 2];
    let mut rest = bytes;
    while !rest.is_empty() {
        // The two behind the last are there too.
        let whole = rest.len().saturating_sub(2).min(BLOCK) / LANES * LANES;
        let (from, length) = match whole {
            0 => {
                held.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                (held.as_slice(), rest.len().next_multiple_of(LANES))
            }
            _ => (rest, whole),
        };
        let behind = |at: usize| from.get(at..at + length).unwrap_or_default();
        each(behind(0), behind(1), behind(2));
        rest = rest.get(length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_there_once_with_those_behind_it() {
        for length in 0..=3 * BLOCK {
            let bytes: Vec<u8> = (1..=255).cycle().take(length).collect();
            let (mut all, mut behind) = (Vec::new(), Vec::new());
            of(&bytes, |block, next, third| {
                assert_eq!(block.len() % LANES, 0);
                all.extend_from_slice(block);
                behind.extend(next.iter().copied().zip(third.iter().copied()));
            });
            let at = |at: usize| bytes.get(at).copied().unwrap_or(0);
            assert!(all.iter().enumerate().all(|(place, it)| *it == at(place)), "{length}");
            let follows = |(place, it): (usize, &(u8, u8))| *it == (at(place + 1), at(place + 2));
            assert!(behind.iter().enumerate().all(follows), "{length}");
            assert!(all.len() >= length && all.len() < length + LANES);
        }
    }
}
