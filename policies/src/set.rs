//! Small sets of indices as bits: rules of a policy, models of a fleet.

use smallvec::{SmallVec, smallvec};

/// A set of indices below a size fixed at its making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct BitSet(SmallVec<[u64; 4]>);

impl BitSet {
    /// The empty set for indices below `size`.
    pub(crate) fn empty(size: usize) -> Self {
        Self(smallvec![0; size.div_ceil(64)])
    }

    /// All indices below `size`.
    pub(crate) fn full(size: usize) -> Self {
        let mut set = Self::empty(size);
        (0..size).for_each(|at| set.insert(at));
        set
    }

    /// Puts an index in; one that is too large is ignored.
    pub(crate) fn insert(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// Whether the index is in.
    pub(crate) fn contains(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Keeps only what is in `other` as well.
    pub(crate) fn retain(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }

    /// Takes out what is in `other`.
    pub(crate) fn remove_all(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= !other;
        }
    }

    /// Whether nothing is in.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether something is in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(word, other)| word & other != 0)
    }

    /// Whether all that is in is also in `other`.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(word, other)| word & !other == 0)
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self) {
        self.0.iter_mut().for_each(|word| *word = 0);
    }

    /// What is in, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        (0..).zip(&self.0).flat_map(|(at, word)| Bits(*word).map(move |bit| at * 64 + bit))
    }
}

struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros();
        self.0 = self.0.checked_sub(1)? & self.0;
        Some(bit as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut set = BitSet::empty(200);
        assert_eq!(set.iter().count(), 0);
        for at in [199, 0, 64, 63, 500] {
            set.insert(at);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 199]);
        assert!(set.contains(64) && !set.contains(65) && !set.contains(10_000));
        let mut all = BitSet::full(200);
        assert_eq!(all.iter().count(), 200);
        all.retain(&set);
        assert_eq!(all, set);
        all.clear();
        assert_eq!(all, BitSet::empty(200));
    }
}
