//! The units of an experiment, each with the mean of its lines.

use xxhash_rust::xxh3::xxh3_128;

use super::super::stats::Moments;

/// A place where no unit is.
const FREE: u32 = u32::MAX;
/// Places to begin with; a power of two, as their number always is.
const PLACES_FIRST: usize = 16;

/// The units of an experiment, by the hash of their names. A unit takes 24 bytes in the order in which units
/// came, and at most eleven bytes of places: the standard library's table would keep the units themselves in
/// its places, of which up to half are free, and hold them twice while it grows. A million units take less
/// than 50 MiB.
#[derive(Debug)]
pub(super) struct Units {
    units: Vec<Unit>,
    /// Positions in `units`: each at the first place that was free from the one on that its hash says.
    places: Vec<u32>,
}

/// What is kept of a unit: its value is the mean of its lines.
#[derive(Clone, Copy, Debug)]
struct Unit {
    hash: u64,
    mean: f64,
    lines: u32,
    arm: u16,
    /// More of the hash: two of a million units are taken for one in one of a trillion files.
    more: u16,
}

impl Default for Units {
    fn default() -> Self {
        Self { units: Vec::new(), places: vec![FREE; PLACES_FIRST] }
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
        #[expect(clippy::cast_possible_truncation, reason = "the lowest bits, and others")]
        let (hash, more) = (hash as u64, (hash >> 64) as u16);
        let (place, found) = self.find(|unit| unit.hash == hash && unit.more == more, hash);
        let Some(unit) = found.and_then(|at| self.units.get_mut(at)) else {
            values.add(value);
            self.insert(Unit { hash, mean: value, lines: 1, arm, more }, place);
            return Ok(());
        };
        if unit.arm != arm {
            return Err(unit.arm);
        }
        unit.lines = unit.lines.saturating_add(1);
        let before = unit.mean;
        unit.mean += (value - before) / f64::from(unit.lines);
        values.replace(before, unit.mean);
        Ok(())
    }

    /// The position of the unit of this hash that it is, or the place where it would be.
    fn find(&self, is: impl Fn(&Unit) -> bool, hash: u64) -> (usize, Option<usize>) {
        let last = self.places.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
        let mut place = hash as usize & last;
        loop {
            let at = self.places.get(place).copied().filter(|at| *at != FREE);
            let Some(at) = at.map(|at| at as usize) else { return (place, None) };
            if self.units.get(at).is_some_and(&is) {
                return (place, Some(at));
            }
            place = (place + 1) & last;
        }
    }

    /// Puts a new unit to a free place. A quarter of the places stays free.
    fn insert(&mut self, unit: Unit, place: usize) {
        self.put(place, self.units.len());
        self.units.push(unit);
        if self.units.len() * 4 > self.places.len() * 3 {
            let twice = self.places.len() * 2;
            // The old ones are gone before the new ones are there.
            self.places = Vec::new();
            self.places = vec![FREE; twice];
            for at in 0..self.units.len() {
                let Some(hash) = self.units.get(at).map(|unit| unit.hash) else { continue };
                let (place, _) = self.find(|_| false, hash);
                self.put(place, at);
            }
        }
    }

    fn put(&mut self, place: usize, at: usize) {
        // Four thousand million units take a hundred gigabytes: no machine comes that far.
        let at = u32::try_from(at).unwrap_or(FREE);
        if let Some(place) = self.places.get_mut(place) {
            *place = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_unit_takes_24_bytes_and_a_million_of_them_less_than_64_mib() {
        assert_eq!(size_of::<Unit>(), 24);
        let (mut units, mut values) = (Units::default(), Moments::new(0.0));
        for unit in 0..1_000_000 {
            units.add(&unit.to_string(), 1.0, 0, &mut values).unwrap();
        }
        assert_eq!((units.units.len(), values.count()), (1_000_000, 1_000_000));
        let kept = units.units.capacity() * size_of::<Unit>() + units.places.capacity() * 4;
        assert!(kept <= 50 << 20, "{kept}");
    }

    proptest! {
        #[test]
        fn each_unit_is_found_again_with_the_mean_of_its_lines(
            lines in prop::collection::vec((0..300_u32, -9.0..9.0_f64), 0..2_000),
        ) {
            let (mut units, mut values) = (Units::default(), Moments::new(0.0));
            let mut plain: HashMap<u32, Vec<f64>> = HashMap::new();
            for (unit, value) in lines {
                let arm = u16::from(unit % 2 == 0);
                prop_assert_eq!(units.add(&unit.to_string(), value, arm, &mut values), Ok(()));
                prop_assert_eq!(units.add(&unit.to_string(), value, 7, &mut values), Err(arm));
                plain.entry(unit).or_default().push(value);
            }
            prop_assert_eq!(values.count(), plain.len() as u64);
            let means = plain.values().map(|it| it.iter().sum::<f64>() / it.len() as f64);
            let mean = means.sum::<f64>() / plain.len().max(1) as f64;
            prop_assert!(plain.is_empty() || (values.mean() - mean).abs() < 1e-9);
        }
    }
}
