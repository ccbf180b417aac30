//! Whether units fall to the arms as they should.

use statrs::function::gamma::ln_gamma;

/// The p-value below which the shares are taken to be wrong, and nothing else of the experiment is believed.
const DIFFER_BELOW: f64 = 0.001;

/// How strongly each alternative of the mixture holds to the shares, in units: from coarse mistakes, seen
/// early, to fine ones, seen late.
const STRENGTHS: [f64; 4] = [10.0, 100.0, 1_000.0, 10_000.0];

/// A test of the shares that may be looked at any time.
///
/// After Lindon and Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022): the Bayes
/// factor of Dirichlet alternatives around the shares is a martingale where the shares are right, so that the
/// inverse of its maximum is a p-value at all looks together (Ville's inequality). The alternatives here are
/// the mean of four strengths.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShareTest {
    /// The natural logarithm of the largest Bayes factor so far.
    largest: f64,
}

impl ShareTest {
    /// Looks at the units of each arm and the share that each should have; the shares add up to 1.
    pub(crate) fn look(&mut self, arms: impl Iterator<Item = (f64, f64)> + Clone) {
        let factors = STRENGTHS.map(|strength| log_factor(arms.clone(), strength));
        let most = factors.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = factors.into_iter().map(|it| (it - most).exp()).sum();
        #[expect(clippy::cast_precision_loss, reason = "four")]
        let count = STRENGTHS.len() as f64;
        self.largest = self.largest.max(most + (sum / count).ln());
    }

    /// The probability of a mismatch as large as the largest so far, at any look, if the shares are right; at
    /// the most.
    pub(crate) fn p(&self) -> f64 {
        (-self.largest).exp().min(1.0)
    }
}

/// Whether the shares may be right, by their p-value.
pub(crate) fn shares_are_ok(p: f64) -> bool {
    p >= DIFFER_BELOW
}

fn log_factor(arms: impl Iterator<Item = (f64, f64)>, strength: f64) -> f64 {
    let (mut all, mut factor) = (0.0, 0.0);
    for (units, share) in arms {
        let prior = strength * share;
        factor += ln_gamma(prior + units) - ln_gamma(prior) - units * share.ln();
        all += units;
    }
    factor + ln_gamma(strength) - ln_gamma(strength + all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(units: &[f64], shares: &[f64]) -> f64 {
        let mut test = ShareTest::default();
        test.look(units.iter().copied().zip(shares.iter().copied()));
        test.p()
    }

    #[test]
    fn a_mismatch_is_found_and_exact_shares_are_left_alone() {
        let half = [0.5, 0.5];
        assert!(p(&[51_000.0, 49_000.0], &half) < 1e-6);
        assert!(p(&[600.0, 400.0], &half) < 1e-6);
        assert!(p(&[75.0, 5.0], &half) < DIFFER_BELOW);
        assert_eq!(p(&[50_000.0, 50_000.0], &half), 1.0);
        assert!(p(&[50_150.0, 49_850.0], &half) > 0.5);
        let three = [0.8, 0.1, 0.1];
        assert_eq!(p(&[80_000.0, 10_000.0, 10_000.0], &three), 1.0);
        assert!(p(&[80_000.0, 10_600.0, 9_400.0], &three) < DIFFER_BELOW);
    }

    #[test]
    fn what_was_seen_once_is_not_forgotten() {
        let mut test = ShareTest::default();
        test.look([(600.0, 0.5), (400.0, 0.5)].into_iter());
        let seen = test.p();
        test.look([(1_000.0, 0.5), (1_000.0, 0.5)].into_iter());
        assert_eq!(test.p(), seen);
        assert!(!shares_are_ok(test.p()) && shares_are_ok(ShareTest::default().p()));
    }
}
