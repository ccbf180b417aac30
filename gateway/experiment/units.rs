//! How many different units there were, in memory that does not grow with them.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

/// So many are counted exactly, in about 20 bytes each; beyond, their number is estimated.
const EXACT_MAX: usize = 4_096;
/// Registers of the estimate, one byte each: its standard error is 1.04/√4096, about 1.6 %.
const REGISTERS: usize = 1 << BITS;
const BITS: u32 = 12;

/// The different units of one arm: exactly while they are few, then as registers (Flajolet, Fusy, Gandouet
/// and Meunier, "HyperLogLog", 2007). A million units over any number of arms take at most about 40 MB, in
/// the worst case that none of the arms has more than are counted exactly; one arm of a million takes 4
/// KiB.
#[derive(Clone, Debug)]
pub(crate) enum Units {
    /// The hash of each.
    Exact(HashSet<u64>),
    /// By the first bits of the hashes, the longest run of zeros that followed, and one.
    Estimated(Box<[u8]>),
}

impl Default for Units {
    fn default() -> Self {
        Self::Exact(HashSet::new())
    }
}

impl Units {
    /// Takes a unit in.
    pub(crate) fn add(&mut self, unit: u128) {
        let hash = xxh3_64(&unit.to_be_bytes());
        match self {
            Self::Exact(units) => {
                units.insert(hash);
                if units.len() > EXACT_MAX {
                    let mut registers = vec![0; REGISTERS].into_boxed_slice();
                    units.iter().for_each(|hash| register(&mut registers, *hash));
                    *self = Self::Estimated(registers);
                }
            }
            Self::Estimated(registers) => register(registers, hash),
        }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Exact(units) => units.len(),
            Self::Estimated(registers) => estimated(registers),
        }
    }
}

fn register(registers: &mut [u8], hash: u64) {
    let at = usize::try_from(hash >> (64 - BITS)).unwrap_or(0);
    // The bit at the end bounds the run where all others are zero.
    let run = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros() + 1;
    if let Some(longest) = registers.get_mut(at) {
        *longest = (*longest).max(u8::try_from(run).unwrap_or(u8::MAX));
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn estimated(registers: &[u8]) -> usize {
    let m = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|it| (-f64::from(*it)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|it| **it == 0).count();
    let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
    estimate.round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_counted_and_many_are_estimated() {
        let mut units = Units::default();
        for round in 0..2 {
            (0..EXACT_MAX as u128).for_each(|unit| units.add(unit << 64));
            assert_eq!(units.count(), EXACT_MAX, "{round}");
        }
        for most in [4_200, 10_000, 12_000, 100_000, 1_000_000_u32] {
            (0..u128::from(most)).for_each(|unit| units.add(unit << 64));
            let off = units.count() as f64 / f64::from(most) - 1.0;
            assert!(off.abs() < 0.05, "{most}: {off}");
        }
        assert!(matches!(units, Units::Estimated(registers) if registers.len() == 4_096));
    }

    /// What the units of an arm take: nine bytes a place, seven of eight of which are used.
    fn bytes(units: &Units) -> usize {
        match units {
            Units::Exact(units) => (units.capacity() * 8 / 7).next_power_of_two() * 9,
            Units::Estimated(registers) => registers.len(),
        }
    }

    #[test]
    fn a_million_units_take_less_than_64_mib_over_any_number_of_arms() {
        for arms in [1, 2, 10, 100, 245, 279, 1_000] {
            let mut all = vec![Units::default(); arms];
            (0..1_000_000).for_each(|unit| all[unit % arms].add((unit as u128) << 64));
            let total: usize = all.iter().map(bytes).sum();
            assert!(total <= 64 << 20, "{arms} arms: {total} bytes");
        }
    }
}
