//! The units of an experiment, each with the mean of its lines.

use std::collections::{HashMap, hash_map::Entry};

use xxhash_rust::xxh3::{Xxh3DefaultBuilder, xxh3_128};

use super::super::stats::Moments;

/// Tables over which units are spread. A table that grows is there twice while it is moved: of many small
/// ones that is little, of a single one it would be half as much again as all units take.
const TABLES: usize = 64;

/// The units of an experiment, by the hash of their names: 25 bytes a place, and at least seven of sixteen
/// places are taken, so that a million units take 55 MiB at the most.
#[derive(Debug)]
pub(super) struct Units {
    /// The hash's upper half says in which one a unit is, and its lower half where.
    tables: Box<[HashMap<u64, Unit, Xxh3DefaultBuilder>]>,
}

/// What is kept of a unit: its value is the mean of its lines.
#[derive(Clone, Copy, Debug)]
struct Unit {
    mean: f64,
    lines: u32,
    arm: u16,
}

impl Default for Units {
    fn default() -> Self {
        Self { tables: (0..TABLES).map(|_| HashMap::default()).collect() }
    }
}

impl Units {
    /// Takes a line of a unit in: its value becomes part of the unit's, and the unit's of its arm's.
    ///
    /// # Errors
    /// The arm that the unit is in already, if it is another one.
    pub(super) fn add(
        &mut self,
        name: &str,
        value: f64,
        arm: u16,
        values: &mut Moments,
    ) -> Result<(), u16> {
        let hash = xxh3_128(name.as_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "two halves")]
        let (upper, lower) = ((hash >> 64) as usize, hash as u64);
        let Some(table) = self.tables.get_mut(upper % TABLES) else { return Ok(()) };
        match table.entry(lower) {
            Entry::Vacant(place) => {
                place.insert(Unit { mean: value, lines: 1, arm });
                values.add(value);
            }
            Entry::Occupied(unit) if unit.get().arm != arm => return Err(unit.get().arm),
            Entry::Occupied(mut unit) => {
                let unit = unit.get_mut();
                unit.lines = unit.lines.saturating_add(1);
                let before = unit.mean;
                unit.mean += (value - before) / f64::from(unit.lines);
                values.replace(before, unit.mean);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_takes_24_bytes_beside_its_mark() {
        assert_eq!(size_of::<(u64, Unit)>(), 24);
    }
}
