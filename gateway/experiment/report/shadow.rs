//! The shadow of an experiment beside what was served: each of its requests less the one that it repeats, by
//! unit. What differs between the two is the model alone, so that few of them say much.

use std::sync::Arc;

use super::document::{Mean, ShadowReport};
use crate::{
    experiment::stats::{Moments, Sequence, mean_interval},
    outcome::Judged,
};

/// What is told of the shadow's answers less the others, in order.
const DIFFERENCES: [&str; 4] = ["cost", "first_token_ms", "duration_ms", "output_tokens"];

/// A request of a shadow and the one that it repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ShadowPair {
    /// The unit, as it was hashed.
    pub unit: u128,
    /// Whether the shadow failed; `None` while it runs.
    pub failed: Option<bool>,
    /// Cost, milliseconds to the first token, milliseconds to the end, tokens of output: the shadow's, and
    /// that of the one that was served.
    pub figures: [(Option<f64>, Option<f64>); 4],
    /// What was found about both answers, by [`Judged::OF_SHADOWS`].
    pub found: [Option<f64>; 6],
}

/// Sums over the shadow's requests, in the order of units.
#[derive(Debug, Default)]
pub(crate) struct ShadowTally {
    unit: Option<u128>,
    /// Sum and number of one unit's values, by figure.
    of_unit: [(f64, u32); 10],
    units: [Option<Moments>; 10],
    requests: u64,
    failed: u64,
    cost: f64,
}

impl ShadowTally {
    /// Takes in a request; those of one unit come one after the other.
    pub(crate) fn read(&mut self, pair: &ShadowPair) {
        if self.unit.replace(pair.unit) != Some(pair.unit) {
            self.end_unit();
        }
        self.requests += 1;
        self.failed += u64::from(pair.failed == Some(true));
        let [(cost, _), ..] = pair.figures;
        self.cost += cost.unwrap_or_default();
        // What failed has no figures that say anything of the model's answers.
        let whole = pair.failed == Some(false);
        let less = |(shadow, served): (Option<f64>, Option<f64>)| Some(shadow? - served?);
        let values = pair.figures.map(less).into_iter().chain(pair.found);
        for (sum, value) in self.of_unit.iter_mut().zip(values) {
            if let Some(value) = value.filter(|_| whole) {
                *sum = (sum.0 + value, sum.1 + 1);
            }
        }
    }

    fn end_unit(&mut self) {
        for ((sum, count), moments) in self.of_unit.iter().zip(&mut self.units) {
            if *count > 0 {
                let mean = sum / f64::from(*count);
                moments.get_or_insert_with(|| Moments::new(mean)).add(mean);
            }
        }
        self.of_unit = [(0.0, 0); 10];
    }

    /// What they say, at this alpha, which all figures share.
    pub(crate) fn report(mut self, alpha: f64) -> ShadowReport {
        self.end_unit();
        let sequence = Sequence::new(alpha / 10.0);
        let mean = |moments: &Option<Moments>| {
            let interval = moments.as_ref().and_then(|it| mean_interval(it, sequence));
            Mean {
                n: moments.as_ref().map_or(0, Moments::count),
                mean: moments.as_ref().map(Moments::mean),
                low: interval.map(|it| it.0),
                high: interval.map(|it| it.1),
            }
        };
        let names = DIFFERENCES.into_iter().chain(Judged::OF_SHADOWS);
        let mut all: Vec<(Arc<str>, Mean)> =
            names.zip(&self.units).map(|(name, it)| (name.into(), mean(it))).collect();
        let found = all.split_off(DIFFERENCES.len()).into_iter().filter(|(_, it)| it.n > 0);
        ShadowReport {
            requests: self.requests,
            failed: self.failed,
            cost: self.cost,
            found: found.collect(),
            differences: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(unit: u128, shadow: f64, served: f64) -> ShadowPair {
        ShadowPair {
            unit,
            failed: Some(false),
            figures: [(Some(shadow), Some(served)); 4],
            found: [None, None, Some(1.0), Some(0.0), Some(0.0), Some(shadow / served)],
        }
    }

    fn cost(report: &ShadowReport) -> Mean {
        report.differences.first().unwrap().1
    }

    #[test]
    fn a_unit_counts_once_and_what_failed_has_no_figures() {
        let mut tally = ShadowTally::default();
        for unit in 0..40 {
            for _ in 0..=unit {
                tally.read(&pair(unit, 3.0, 1.0 + f64::from(u8::from(unit % 2 == 0))));
            }
        }
        let failed =
            ShadowPair { unit: 40, failed: Some(true), found: [None; 6], ..pair(40, 9.0, 1.0) };
        tally.read(&failed);
        let report = tally.report(0.05);
        assert_eq!((report.requests, report.failed), (821, 1));
        let it = cost(&report);
        assert_eq!(it.n, 40);
        assert!((it.mean.unwrap() - 1.5).abs() < 1e-9, "{it:?}");
        assert!(it.low.unwrap() > 0.5 && it.high.unwrap() < 2.5, "{it:?}");
        let found: Vec<&str> = report.found.iter().map(|(name, _)| &**name).collect();
        assert_eq!(found, ["calls_agree", "refused_served", "refused_shadow", "length_ratio"]);
    }

    #[test]
    fn of_nothing_nothing_is_said() {
        let report = ShadowTally::default().report(0.05);
        assert_eq!(cost(&report), Mean { n: 0, mean: None, low: None, high: None });
        assert_eq!((report.requests, report.found.len()), (0, 0));
    }
}
