//! Random numbers that are the same again for the same seed.

/// Numbers from one seed, one after the other: the generator of Steele, Lea and Flood ("Fast splittable
/// pseudorandom number generators", OOPSLA 2014), by which anybody can draw the same again.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The numbers of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number above 0 and below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let drawn = (self.next() >> 11) as f64 + 0.5;
        drawn / 9_007_199_254_740_992.0
    }

    /// A number of the standard normal distribution (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A number of the beta distribution with these parameters, both at least 1.
    pub(crate) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        x / (x + y)
    }

    /// A number of the gamma distribution with this shape, at least 1 (Marsaglia and Tsang, "A simple method
    /// for generating gamma variables", 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape.max(1.0) - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let z = self.normal();
            let v = (1.0 + c * z).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * z * z + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_the_means_are_right() {
        let mean = |draw: &mut dyn FnMut() -> f64| (0..20_000).map(|_| draw()).sum::<f64>() / 2e4;
        let (mut a, mut b) = (Draws::new(7), Draws::new(7));
        assert_eq!(a.uniform(), b.uniform());
        assert_ne!(Draws::new(8).uniform(), Draws::new(7).uniform());
        assert!((mean(&mut || a.uniform()) - 0.5).abs() < 0.01);
        assert!(mean(&mut || a.normal()).abs() < 0.03);
        assert!((mean(&mut || a.beta(3.0, 7.0)) - 0.3).abs() < 0.01);
        assert!((mean(&mut || a.beta(1.0, 1.0)) - 0.5).abs() < 0.01);
    }
}
