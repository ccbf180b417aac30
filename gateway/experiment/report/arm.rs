//! The sums of one arm.

use crate::experiment::{
    guard::Evidence,
    stats::{Moments, Pairs},
};

/// The values of an arm's units in one metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    /// Of all units.
    pub all: Moments,
    /// Of those with a past: the value, and that of before the experiment.
    pub with_past: Pairs,
    /// Of the others.
    pub without: Moments,
}

impl Values {
    pub(super) fn new() -> Self {
        let empty = Moments::new(0.0);
        Self { all: empty, with_past: Pairs::default(), without: empty }
    }

    pub(super) fn add(&mut self, value: f64, past: Option<f64>) {
        self.all.add(value);
        match past {
            Some(past) => self.with_past.add(value, past),
            None => self.without.add(value),
        }
    }
}

/// An arm at one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtLook {
    /// Its units.
    pub units: u64,
    /// Their values of the primary.
    pub primary: Values,
}

/// The sums of one arm.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    pub units: u64,
    pub requests: u64,
    /// By metric.
    pub metrics: Vec<Values>,
    /// Cost and success of units.
    pub success: Pairs,
    pub looks: Vec<AtLook>,
    pub evidence: Evidence,
    pub first_tokens: Percentiles,
}

impl Arm {
    pub(super) fn new(metrics: usize, looks: usize, evidence: Evidence) -> Self {
        Self {
            units: 0,
            requests: 0,
            metrics: vec![Values::new(); metrics],
            success: Pairs::default(),
            looks: vec![AtLook { units: 0, primary: Values::new() }; looks],
            evidence,
            first_tokens: Percentiles::default(),
        }
    }
}

/// Each count is of values within 2 % of each other.
const GROWTH: f64 = 1.02;
/// So many counts: up to 3.7 hours in milliseconds.
const COUNTS: usize = 830;

/// Counts of values by size, from which percentiles follow to 1 %.
#[derive(Clone, Debug, Default)]
pub(super) struct Percentiles {
    counts: Vec<u64>,
    all: u64,
}

impl Percentiles {
    pub(super) fn add(&mut self, value: f64) {
        self.counts.resize(COUNTS, 0);
        let size = (value.max(1.0).ln() / GROWTH.ln()).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let at = size.clamp(0.0, 829.0) as usize;
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
            self.all += 1;
        }
    }

    /// The value that so many of a hundred are below.
    pub(super) fn percentile(&self, percent: u64) -> Option<f64> {
        let rank = (self.all * percent).div_ceil(100);
        let mut below = 0;
        let at = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        let at = i32::try_from(at.filter(|_| self.all > 0)?).ok()?;
        Some(GROWTH.powi(at) * GROWTH.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_percent() {
        let mut it = Percentiles::default();
        assert_eq!(it.percentile(95), None);
        (1..=1_000).for_each(|ms| it.add(f64::from(ms)));
        assert!((it.percentile(95).unwrap() / 950.0 - 1.0).abs() < 0.011);
        it.add(1e300);
        assert!(it.percentile(100).unwrap() > 1e7);
    }
}
