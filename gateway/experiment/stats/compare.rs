//! One arm against the control.

use super::{Moments, Sequence};

/// Units of each arm below which nothing is said.
const UNITS_MIN: u64 = 25;
/// The most skewness of the estimated difference: beyond it, it is too far from normal for the sequence.
const SKEWNESS_MAX: f64 = 0.22;
/// Each arm must have so many units times the square of its values' skewness: rare large values must have
/// come up before their variance is known.
const UNITS_PER_SKEWNESS: f64 = 4.0;
/// So many units' worth of the variance of both arms together go into each arm's own: an arm in which nothing
/// has happened yet is not one in which nothing can happen.
const PRIOR_UNITS: f64 = 2.0;

/// The mean of an arm less that of the control, with an interval that holds at every look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// The estimated difference; `None` while an arm has no unit.
    pub difference: Option<f64>,
    /// Its interval; `None` while there is too little to say one.
    pub interval: Option<(f64, f64)>,
}

impl Comparison {
    /// Whether the interval leaves zero out.
    pub(crate) fn is_significant(&self) -> bool {
        self.interval.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// Compares an arm with the control by the values of their units.
pub(crate) fn compare(arm: &Moments, control: &Moments, sequence: Sequence) -> Comparison {
    if arm.count() == 0 || control.count() == 0 {
        return Comparison { difference: None, interval: None };
    }
    let difference = arm.mean() - control.mean();
    let around = |half: f64| (difference - half, difference + half);
    let interval = half_width(arm, control, sequence).map(around);
    Comparison { difference: Some(difference), interval }
}

/// Where the mean of an arm's units is, at every look; `None` while there is too little to say it.
///
/// It is [`compare`]'s interval without a second arm: the effective number of units is the arm's own.
pub(crate) fn mean_interval(arm: &Moments, sequence: Sequence) -> Option<(f64, f64)> {
    let squared_error = arm.variance() / arm.n();
    if arm.count() < UNITS_MIN || squared_error <= 0.0 || !squared_error.is_finite() {
        return None;
    }
    let skewness = arm.skewness().abs();
    let is_normal = skewness / arm.n().sqrt() <= SKEWNESS_MAX
        && arm.n() >= UNITS_PER_SKEWNESS * skewness * skewness;
    let half = sequence.standard_errors(arm.n()) * squared_error.sqrt();
    is_normal.then(|| (arm.mean() - half, arm.mean() + half))
}

fn half_width(arm: &Moments, control: &Moments, sequence: Sequence) -> Option<f64> {
    if arm.count().min(control.count()) < UNITS_MIN {
        return None;
    }
    let all = arm.with(control);
    let variance = |it: &Moments| {
        (it.variance() * it.n() + all.variance() * PRIOR_UNITS) / (it.n() + PRIOR_UNITS)
    };
    let (v1, v0) = (variance(arm), variance(control));
    let (n1, n0) = (arm.n(), control.n());
    let squared_error = v1 / n1 + v0 / n0;
    if squared_error <= 0.0 || !squared_error.is_finite() {
        return None;
    }
    let skewness = arm.skewness().abs().max(control.skewness().abs());
    let leans = skewness * (v1.powf(1.5) / (n1 * n1) - v0.powf(1.5) / (n0 * n0)).abs();
    let is_normal = leans / squared_error.powf(1.5) <= SKEWNESS_MAX
        && n1.min(n0) >= UNITS_PER_SKEWNESS * skewness * skewness;
    let effective = n1 * n0 / (n1 + n0);
    is_normal.then(|| sequence.standard_errors(effective) * squared_error.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Moments {
        let mut moments = Moments::new(0.0);
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }

    fn rate(units: u32, of_them: u32) -> Moments {
        of((0..units).map(|at| f64::from(u8::from(at < of_them))))
    }

    #[test]
    fn the_interval_is_around_the_difference_and_turns_with_the_arms() {
        let sequence = Sequence::new(0.05);
        let (a, b) = (rate(2_000, 1_100), rate(2_000, 1_000));
        let there = compare(&a, &b, sequence);
        let back = compare(&b, &a, sequence);
        let ((low, high), (back_low, back_high)) =
            (there.interval.unwrap(), back.interval.unwrap());
        assert!((there.difference.unwrap() - 0.05).abs() < 1e-12);
        assert!((low + back_high).abs() < 1e-12 && (high + back_low).abs() < 1e-12);
        assert!(low > 0.0 && there.is_significant() && back.is_significant());
        assert!(!compare(&a, &a, sequence).is_significant());
    }

    #[test]
    fn a_single_mean_lies_in_an_interval_around_it() {
        let sequence = Sequence::new(0.05);
        let (low, high) = mean_interval(&rate(2_000, 1_000), sequence).unwrap();
        assert!(((low + high) / 2.0 - 0.5).abs() < 1e-12);
        let error = (0.25_f64 / 2_000.0).sqrt();
        assert!(high - 0.5 > 2.8 * error && high - 0.5 < 4.0 * error, "{low} {high}");
        assert_eq!(mean_interval(&rate(24, 12), sequence), None);
        assert_eq!(mean_interval(&rate(1_000, 0), sequence), None);
        assert_eq!(mean_interval(&rate(1_000, 3), sequence), None);
    }

    #[test]
    fn nothing_is_said_too_early() {
        let sequence = Sequence::new(0.05);
        let none = Comparison { difference: None, interval: None };
        assert_eq!(compare(&rate(0, 0), &rate(100, 50), sequence), none);
        assert_eq!(compare(&rate(24, 12), &rate(100, 50), sequence).interval, None);
        // Three of a thousand against none: too rare to be known.
        assert_eq!(compare(&rate(1_000, 3), &rate(1_000, 0), sequence).interval, None);
        // All alike in both arms: there is no spread to reckon with.
        assert_eq!(compare(&rate(1_000, 0), &rate(1_000, 0), sequence).interval, None);
    }

    #[test]
    fn an_arm_without_any_spread_is_compared_with_one_that_has_some() {
        let sequence = Sequence::new(0.05);
        let it = compare(&rate(1_000, 300), &rate(1_000, 0), sequence);
        assert!(it.is_significant(), "{it:?}");
        let (never, always) = (rate(500, 0), rate(500, 500));
        assert!(compare(&always, &never, sequence).is_significant());
    }
}
