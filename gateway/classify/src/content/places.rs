//! The bits of a block as places in it.

use super::block::BLOCK;

/// The places of the bits that are set, the lowest first.
#[inline]
pub(super) fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(place)
    })
}

/// The bits of a block from a place on, and those of the block behind it: these move beyond the highest bit
/// first, so that none are left where the place is 0.
#[inline(always)]
pub(super) fn near(place: usize, now: u64, next: u64) -> u64 {
    now >> place | next << 1 << (BLOCK - 1 - place)
}

/// The bits from `from` on.
#[inline]
pub(super) fn above(bits: u64, from: usize) -> u64 {
    if from >= BLOCK { 0 } else { bits >> from << from }
}
