//! Sums over units from which mean, variance and skewness follow, and which forget a value as well.

/// Running sums of one value a unit. Values are taken relative to an origin near them, so that large values
/// which differ little lose no digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    origin: f64,
    count: u64,
    first: f64,
    second: f64,
    third: f64,
}

impl Moments {
    /// No units yet. The origin is any value that is likely among them.
    pub(crate) fn new(origin: f64) -> Self {
        Self { origin, count: 0, first: 0.0, second: 0.0, third: 0.0 }
    }

    /// The moments of values whose sums of first, second and third powers, relative to 0, are known.
    pub(crate) fn of_sums(count: u64, [first, second, third]: [f64; 3]) -> Self {
        Self { origin: 0.0, count, first, second, third }
    }

    /// Takes a unit's value in.
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum(value, 1.0);
    }

    /// A unit has another value than before.
    pub(crate) fn replace(&mut self, old: f64, new: f64) {
        self.sum(old, -1.0);
        self.sum(new, 1.0);
    }

    fn sum(&mut self, value: f64, sign: f64) {
        let x = value - self.origin;
        self.first += sign * x;
        self.second += sign * x * x;
        self.third += sign * x * x * x;
    }

    /// The units of both. The origins must be the same.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.first += other.first;
        self.second += other.second;
        self.third += other.third;
        self
    }

    /// What values are taken relative to.
    pub(crate) fn origin(&self) -> f64 {
        self.origin
    }

    /// How many units there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The count as a number to reckon with.
    pub(crate) fn n(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "units are far below 2^53")]
        let n = self.count as f64;
        n
    }

    /// The mean; NaN without a unit.
    pub(crate) fn mean(&self) -> f64 {
        self.origin + self.first / self.n()
    }

    /// The unbiased variance; 0 below two units.
    pub(crate) fn variance(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let spread = self.second - self.first * self.first / self.n();
        // What rounding leaves of values that are all alike is no spread.
        let noise = 1e-12 * self.second.abs();
        if spread > noise { spread / (self.n() - 1.0) } else { 0.0 }
    }

    /// The skewness, by the method of moments; 0 where all values are alike.
    pub(crate) fn skewness(&self) -> f64 {
        let variance = self.variance();
        if variance <= 0.0 {
            return 0.0;
        }
        let mean = self.first / self.n();
        let third =
            self.third / self.n() - 3.0 * mean * self.second / self.n() + 2.0 * mean.powi(3);
        third / variance.powf(1.5)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_samples_by_hand() {
        let mut it = Moments::new(1.0);
        assert!(it.mean().is_nan() && it.variance() == 0.0 && it.skewness() == 0.0);
        [1.0, 2.0, 6.0].into_iter().for_each(|value| it.add(value));
        assert_eq!((it.count(), it.mean(), it.variance()), (3, 3.0, 7.0));
        // The third central moment is (-8 - 1 + 27) / 3 = 6.
        assert!((it.skewness() - 6.0 / 7.0_f64.powf(1.5)).abs() < 1e-12);
    }

    #[test]
    fn large_values_that_differ_little_keep_their_spread() {
        let mut it = Moments::new(1e12);
        (0..1000).for_each(|at| it.add(1e12 + f64::from(at % 2)));
        assert!((it.variance() - 0.25 * 1000.0 / 999.0).abs() < 1e-9);
        let mut alike = Moments::new(0.1);
        (0..1000).for_each(|_| alike.add(0.3));
        assert_eq!(alike.variance(), 0.0);
    }

    proptest! {
        #[test]
        fn a_replaced_value_leaves_no_trace(
            values in prop::collection::vec((-1e3..1e3_f64, -1e3..1e3_f64), 2..40),
        ) {
            let (mut replaced, mut plain) = (Moments::new(0.0), Moments::new(0.0));
            for (old, new) in &values {
                replaced.add(*old);
                plain.add(*new);
            }
            values.iter().for_each(|(old, new)| replaced.replace(*old, *new));
            prop_assert!((replaced.mean() - plain.mean()).abs() < 1e-6);
            prop_assert!((replaced.variance() - plain.variance()).abs() < 1e-3);
        }
    }
}
