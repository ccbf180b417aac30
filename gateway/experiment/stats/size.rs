//! How many units an experiment takes.

use statrs::distribution::{ContinuousCDF, Normal};

use super::Sequence;

/// Units of each of two equal arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sizes {
    /// Where the data are looked at once, at the end.
    pub fixed: f64,
    /// Where they are looked at any time, for the same power; at the most, since what is found at an earlier
    /// look counts as well.
    pub sequential: f64,
}

/// The sizes that find a difference `effect` between arms with these variances, with probability `power`.
/// `None` where no size does that there could be: without an effect or a spread, or beyond all numbers.
///
/// The fixed size is the textbook's: `(z(1−α/2) + z(power))²·(v1 + v2)/effect²`.
pub(crate) fn sizes(effect: f64, variances: (f64, f64), alpha: f64, power: f64) -> Option<Sizes> {
    let spread = variances.0 + variances.1;
    let (effect, normal) = (effect.abs(), Normal::standard());
    if effect <= 0.0 || spread <= 0.0 || !(effect.is_finite() && spread.is_finite()) {
        return None;
    }
    let reached = normal.inverse_cdf(power);
    let size = |errors: f64| (errors + reached).powi(2) * spread / (effect * effect);
    let fixed = size(normal.inverse_cdf(1.0 - alpha / 2.0));
    let sequence = Sequence::new(alpha);
    let mut sequential = fixed;
    // The boundary grows so slowly with the units that this settles in a few steps.
    for _ in 0..64 {
        sequential = size(sequence.standard_errors(sequential / 2.0));
    }
    sequential.is_finite().then_some(Sizes { fixed, sequential })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_and_less_than_twice_it() {
        let variances = (0.25, 0.55 * 0.45);
        let it = sizes(0.05, variances, 0.05, 0.8).unwrap();
        assert!((it.fixed - 1_561.9).abs() < 1.0, "{it:?}");
        assert!(it.sequential > 1.5 * it.fixed && it.sequential < 2.0 * it.fixed, "{it:?}");
        assert_eq!(sizes(0.0, variances, 0.05, 0.8), None);
        assert_eq!(sizes(0.05, (0.0, 0.0), 0.05, 0.8), None);
        for effect in [1e-300, f64::NAN, f64::INFINITY] {
            assert_eq!(sizes(effect, variances, 0.05, 0.8), None, "{effect}");
        }
        assert!(sizes(0.05, variances, 0.05, 0.9).unwrap().fixed > it.fixed);
    }
}
