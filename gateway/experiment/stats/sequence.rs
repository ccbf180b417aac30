//! The boundary of a confidence sequence.

/// The variance, in units of two equal arms' `n1·n2/(n1+n2)`, at which the sequence is narrowest: an
/// experiment of two times 2,000 units.
const NARROWEST_AT: f64 = 1_000.0;

/// A confidence sequence: intervals that all hold together, at every look, with probability 1 − alpha.
///
/// It is the two-sided normal mixture of Robbins (1970) in the form of Howard, Ramdas, McAuliffe and Sekhon,
/// "Time-uniform, nonparametric, nonasymptotic confidence sequences" (Annals of Statistics 49, 2021), eq. 14:
/// a sum with intrinsic variance `v` leaves `±√((v + ρ)·ln((v + ρ)/(ρ·α²)))` with probability α at the most,
/// ever. With an estimated variance it is asymptotic in the sense of Waudby-Smith, Arbour, Sinha, Kennedy and
/// Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of Statistics 52,
/// 2024).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sequence {
    alpha: f64,
    rho: f64,
}

impl Sequence {
    /// The sequence that errs with probability `alpha`.
    pub(crate) fn new(alpha: f64) -> Self {
        Self { alpha, rho: rho(NARROWEST_AT, alpha) }
    }

    /// How far a sum with this intrinsic variance may be from its mean.
    fn radius(self, variance: f64) -> f64 {
        let mixed = variance + self.rho;
        (mixed * (mixed / (self.rho * self.alpha * self.alpha)).ln()).sqrt()
    }

    /// How many standard errors wide the interval is to each side, where the effective number of units is
    /// `n`.
    pub(crate) fn standard_errors(self, n: f64) -> f64 {
        self.radius(n) / n.sqrt()
    }
}

/// The ρ for which the boundary is about the narrowest at this variance, by the closed form of the same
/// paper's section 3.5.
fn rho(variance: f64, alpha: f64) -> f64 {
    let twice = 2.0 * (1.0 / alpha).ln();
    variance / (twice + (1.0 + twice).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_the_mixture_and_wider_than_a_single_look() {
        let it = Sequence { alpha: 0.05, rho: 100.0 };
        // √(1100 · ln(1100 / (100 · 0.0025)))
        assert!((it.radius(1_000.0) - 96.063_997).abs() < 1e-3, "{}", it.radius(1_000.0));
        for n in [10.0, 100.0, 1e3, 1e4, 1e6] {
            assert!(Sequence::new(0.05).standard_errors(n) > 2.8, "{n}");
        }
        assert!(
            Sequence::new(0.01).standard_errors(1e3) > Sequence::new(0.05).standard_errors(1e3)
        );
    }

    #[test]
    fn the_boundary_is_where_the_mixture_itself_reaches_one_over_alpha() {
        // The mixture of exp(λs − λ²v/2) over λ ~ N(0, 1/ρ), summed up step by step: no closed form.
        let mixture = |sum: f64, variance: f64, rho: f64| {
            let step = 1e-4 / rho.sqrt();
            let density = (rho / std::f64::consts::TAU).sqrt();
            let at = |it: i32| {
                let lambda = f64::from(it) * step;
                (lambda * sum - lambda * lambda * (variance + rho) / 2.0).exp()
            };
            (-120_000..=120_000).map(at).sum::<f64>() * step * density
        };
        for (alpha, variance) in [(0.05, 10.0), (0.05, 1e3), (0.01, 1e4), (0.005, 250.0)] {
            let it = Sequence::new(alpha);
            let reached = mixture(it.radius(variance), variance, it.rho);
            assert!((reached * alpha - 1.0).abs() < 1e-6, "{alpha} {variance} {reached}");
        }
    }

    #[test]
    fn it_is_about_the_narrowest_where_it_is_meant_to_be() {
        let at = |rho| Sequence { alpha: 0.05, rho }.radius(NARROWEST_AT);
        let best = rho(NARROWEST_AT, 0.05);
        assert!(at(best) < at(best * 1.5) && at(best) < at(best / 1.5));
    }
}
