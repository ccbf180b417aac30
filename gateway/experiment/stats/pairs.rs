//! Two values a unit together: what a unit's own past says of it, and ratios of means.

use super::Moments;

/// Units of each arm that must have a past before the past is used.
const PAST_UNITS_MIN: u64 = 100;
/// The most relative standard error of a ratio's denominator: beyond it, the ratio is too far from linear
/// in it.
const DENOMINATOR_ERROR_MAX: f64 = 0.1;

/// Running sums of two values a unit, up to the third order, from which the moments of any line through them
/// follow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pairs {
    count: u64,
    /// Sums of `y`, `y²`, `y³`.
    y: [f64; 3],
    /// Sums of `x`, `x²`, `x³`.
    x: [f64; 3],
    yx: f64,
    yyx: f64,
    yxx: f64,
}

impl Pairs {
    /// Takes a unit's values in.
    pub(crate) fn add(&mut self, y: f64, x: f64) {
        self.count += 1;
        for (sums, value) in [(&mut self.y, y), (&mut self.x, x)] {
            let [first, second, third] = sums;
            *first += value;
            *second += value * value;
            *third += value * value * value;
        }
        self.yx += y * x;
        self.yyx += y * y * x;
        self.yxx += y * x * x;
    }

    /// How many units there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    fn n(&self) -> f64 {
        Moments::of_sums(self.count, self.y).n()
    }

    /// The moments of the second value.
    fn seconds(&self) -> Moments {
        Moments::of_sums(self.count, self.x)
    }

    /// The sums of products and of squares of the second value, both around the means.
    fn spread(&self) -> (f64, f64) {
        let ([y, ..], [x, xx, _]) = (self.y, self.x);
        (self.yx - y * x / self.n(), xx - x * x / self.n())
    }

    /// The moments of `(y + slope·x + shift)·scale`.
    fn line(&self, slope: f64, shift: f64, scale: f64) -> Moments {
        let ([y, yy, yyy], [x, xx, xxx], n) = (self.y, self.x, self.n());
        let first = y + slope * x;
        let second = yy + slope * (2.0 * self.yx + slope * xx);
        let third = yyy + slope * (3.0 * self.yyx + slope * (3.0 * self.yxx + slope * xxx));
        let shifted = [
            first + n * shift,
            second + shift * (2.0 * first + n * shift),
            third + shift * (3.0 * second + shift * (3.0 * first + n * shift)),
        ];
        let [first, second, third] = shifted;
        let sums = [first * scale, second * scale.powi(2), third * scale.powi(3)];
        Moments::of_sums(self.count, sums)
    }

    /// The moments of values whose mean is the ratio of the means `y/x`, and whose spread is the ratio's own,
    /// by the delta method: `R + (y − R·x)/mean(x)`. `None` while the denominator is not known well enough.
    pub(crate) fn ratio(&self) -> Option<Moments> {
        let below = self.seconds();
        let error = (below.variance() / below.n()).sqrt();
        if self.count == 0 || below.mean() <= 0.0 || error > DENOMINATOR_ERROR_MAX * below.mean() {
            return None;
        }
        let ([y, ..], [x, ..]) = (self.y, self.x);
        let ratio = y / x;
        Some(self.line(-ratio, ratio * below.mean(), 1.0 / below.mean()))
    }
}

/// The values of two arms' units less what the units' own past foretells: `y − θ·(x − mean(x))`, with θ
/// and the mean of both arms together. `None` where too few units have a past, or all have the same.
///
/// After Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by
/// utilizing pre-experiment data" (WSDM 2013). The past lies before any arm was given, so that nothing of
/// an arm's effect is taken away with it.
pub(crate) fn with_past(arm: &Pairs, control: &Pairs) -> Option<(Moments, Moments)> {
    if arm.count.min(control.count) < PAST_UNITS_MIN {
        return None;
    }
    let ((yx1, xx1), (yx0, xx0)) = (arm.spread(), control.spread());
    let squares = xx1 + xx0;
    let (past1, past0) = (arm.seconds(), control.seconds());
    if squares <= 1e-12 * past1.n() * past1.mean().powi(2) {
        return None;
    }
    let theta = (yx1 + yx0) / squares;
    let mean = past1.with(&past0).mean();
    let less = |it: &Pairs| it.line(-theta, theta * mean, 1.0);
    Some((less(arm), less(control)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(values: &[(f64, f64)]) -> Pairs {
        let mut pairs = Pairs::default();
        values.iter().for_each(|(y, x)| pairs.add(*y, *x));
        pairs
    }

    proptest! {
        #[test]
        fn a_line_through_sums_is_that_through_values(
            values in prop::collection::vec((-9.0..9.0_f64, -9.0..9.0_f64), 2..40),
            (slope, shift, scale) in (-3.0..3.0_f64, -3.0..3.0_f64, 0.1..3.0_f64),
        ) {
            let line = both(&values).line(slope, shift, scale);
            let mut plain = Moments::new(0.0);
            values.iter().for_each(|(y, x)| plain.add((y + slope * x + shift) * scale));
            prop_assert!((line.mean() - plain.mean()).abs() < 1e-8);
            prop_assert!((line.variance() - plain.variance()).abs() < 1e-6);
            if plain.variance() > 0.1 {
                prop_assert!((line.skewness() - plain.skewness()).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_ratio_of_means_with_its_spread() {
        let values: Vec<_> = (0..1_000).map(|at| (2.0, f64::from(u8::from(at % 4 != 0)))).collect();
        let ratio = both(&values).ratio().unwrap();
        assert!((ratio.mean() - 2.0 / 0.75).abs() < 1e-9);
        // Var(R) = R²·Var(x)/mean(x)², where y never changes.
        let wanted = (2.0_f64 / 0.75).powi(2) * (0.75 * 0.25 * 1_000.0 / 999.0) / 0.75_f64.powi(2);
        assert!((ratio.variance() - wanted).abs() < 1e-9, "{}", ratio.variance());
        assert_eq!(both(&[]).ratio(), None);
        assert_eq!(both(&[(1.0, 0.0); 200]).ratio(), None);
        assert_eq!(both(&[(1.0, 0.0), (1.0, 1.0), (1.0, 0.0)]).ratio(), None);
    }

    #[test]
    fn the_past_takes_away_what_it_foretells_and_leaves_the_difference() {
        let unit = |at: u32, add: f64| {
            let past = f64::from(at % 10);
            (past + f64::from((at / 10) % 2) + add, past)
        };
        let arm = both(&(0..400).map(|at| unit(at, 0.5)).collect::<Vec<_>>());
        let control = both(&(0..400).map(|at| unit(at, 0.0)).collect::<Vec<_>>());
        let (less_arm, less_control) = with_past(&arm, &control).unwrap();
        assert!((less_arm.mean() - less_control.mean() - 0.5).abs() < 1e-9);
        assert!(less_arm.variance() < 0.3, "{}", less_arm.variance());
        let few = both(&(0..99).map(|at| unit(at, 0.0)).collect::<Vec<_>>());
        assert_eq!(with_past(&few, &control), None);
        let alike = both(&[(1.0, 3.0), (2.0, 3.0)].repeat(100));
        assert_eq!(with_past(&alike, &alike), None);
    }
}
