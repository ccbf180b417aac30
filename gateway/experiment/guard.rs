//! Whether an arm breaks a bound of its experiment, by evidence that may be looked at after every request.
//!
//! Evidence is an e-value: a figure that is 1 before the first request and that an arm within its bound lifts
//! to `x` with probability `1/x` at the most, at any time at all (Ville's inequality). A plain look at the
//! share of failures after each request would roll healthy arms back sooner or later.
//!
//! For values from 0 to 1 whose mean is to be at most `b`, `exp(δ·Σx − n·ln(1 − b + b·e^δ))` is such a figure
//! for each δ > 0, since `e^(δx)` lies below its chord; so is every mixture of them (Robbins, "Statistical
//! methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41, 1970; the
//! sub-Bernoulli case of Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic
//! confidence sequences", Annals of Statistics 49, 2021). The mixture here is over a few odds, from slightly
//! above those of the bound to far above them: a sum that is exact for any number of requests.

use std::sync::Arc;

use policies::{experiment::Guard, facts::Money};
use statrs::function::erf::erfc;

use super::stats::Moments;

/// The probability that an arm which keeps all of its bounds is ever rolled back, at the most; its bounds
/// share it equally.
pub(crate) const ALPHA: f64 = 0.01;
/// The share of requests that may take longer than a bound on the 95th percentile.
const SLOW_SHARE_MAX: f64 = 0.05;
/// How many alternatives the mixture for rates has.
const ALTERNATIVES: u32 = 24;
/// By how much the logarithm of the odds of the first alternative is above that of the bound.
const STEP_FIRST: f64 = 0.05;
/// So many times farther each next one is; the last one is at eight.
const STEP_GROWTH: f64 = 1.247;
/// So many requests' worth of a spread as large as the bound goes into the spread of costs: a few that cost
/// alike do not say that all do.
const PRIOR_REQUESTS: f64 = 2.0;
/// The number of requests at which the bound on the cost is told apart best.
const COST_NARROWEST_AT: f64 = 200.0;
/// How far costs may lean to the cheap side, in standard errors' worth of skewness: beyond it their mean is
/// too far from normal. Those that lean to the dear side are found later for it, never too early.
const SKEWNESS_MAX: f64 = 0.22;

/// What is known of one request of an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// The caller saw it fail.
    pub failed: bool,
    /// The time to its first token, in milliseconds, if there was one.
    pub first_token_ms: Option<f64>,
    /// The time to its end, in milliseconds; `None` of one that was refused.
    pub took_ms: Option<f64>,
    /// Its cost, if it was accepted.
    pub cost: Option<Money>,
}

/// Sums of values from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Rate {
    count: f64,
    sum: f64,
}

/// What an arm's requests have shown since its evidence began.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    requests: u64,
    failed: Rate,
    slow: Rate,
    cost: Moments,
    /// By the guard's feedback.
    feedback: Vec<Rate>,
}

/// A bound of a guard, and what an arm has shown of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The metric: `error`, `first_token_ms`, `cost`, or the feedback's name.
    pub metric: Arc<str>,
    /// The bound, in the metric's unit.
    pub bound: f64,
    /// The mean so far; of `first_token_ms` the share of requests above the bound. `None` before any.
    pub value: Option<f64>,
    /// The natural logarithm of the e-value.
    log_e: f64,
}

impl Reading {
    /// The e-value against the bound, as far as a number goes.
    pub(crate) fn e(&self) -> f64 {
        self.log_e.min(700.0).exp()
    }
}

impl Evidence {
    /// No request yet.
    pub(crate) fn new(guard: &Guard) -> Self {
        let zero = Rate::default();
        Self {
            requests: 0,
            failed: zero,
            slow: zero,
            cost: Moments::new(guard.cost_mean_max.map_or(0.0, units)),
            feedback: vec![zero; guard.feedback_min.len()],
        }
    }

    /// Takes a request in.
    pub(crate) fn add(&mut self, guard: &Guard, seen: Seen) {
        self.requests += 1;
        self.failed.add(f64::from(u8::from(seen.failed)));
        if let Some(bound) = guard.first_token_p95_ms_max
            && let Some(slow) = seen.is_slower_than(bound)
        {
            self.slow.add(f64::from(u8::from(slow)));
        }
        if let Some(cost) = seen.cost {
            self.cost.add(units(cost));
        }
    }

    /// Takes in what a caller says of a request: the value that counts now, and the one that counted before.
    /// What lies beyond 0 and 1 counts as these.
    pub(crate) fn add_feedback(
        &mut self,
        guard: &Guard,
        name: &str,
        (before, value): (Option<f64>, f64),
    ) {
        let at = guard.feedback_min.iter().position(|(it, _)| &**it == name);
        let Some(rate) = at.and_then(|at| self.feedback.get_mut(at)) else { return };
        if !value.is_finite() {
            return;
        }
        match before.filter(|it| it.is_finite()) {
            Some(before) => rate.sum += value.clamp(0.0, 1.0) - before.clamp(0.0, 1.0),
            None => rate.add(value.clamp(0.0, 1.0)),
        }
        rate.sum = rate.sum.clamp(0.0, rate.count);
    }

    /// How many requests there are.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// What there is against each bound of the guard.
    pub(crate) fn readings(&self, guard: &Guard) -> Vec<Reading> {
        let mut all = Vec::new();
        if let Some(bound) = guard.error_rate_max {
            let log_e = self.failed.log_e(bound);
            all.push(Reading { metric: "error".into(), bound, value: self.failed.mean(), log_e });
        }
        if let Some(bound) = guard.first_token_p95_ms_max {
            let (value, log_e) = (self.slow.mean(), self.slow.log_e(SLOW_SHARE_MAX));
            all.push(Reading { metric: "first_token_ms".into(), bound, value, log_e });
        }
        if let Some(bound) = guard.cost_mean_max {
            let value = (self.cost.count() > 0).then(|| self.cost.mean());
            let (bound, log_e) = (units(bound), self.cost_log_e(units(bound), guard));
            all.push(Reading { metric: "cost".into(), bound, value, log_e });
        }
        for ((name, bound), rate) in guard.feedback_min.iter().zip(&self.feedback) {
            let (metric, log_e) = (Arc::clone(name), rate.turned().log_e(1.0 - bound));
            all.push(Reading { metric, bound: *bound, value: rate.mean(), log_e });
        }
        all
    }

    /// The bound that the arm breaks, if it breaks any: the one with the most evidence.
    pub(crate) fn broken(&self, guard: &Guard) -> Option<Reading> {
        if self.requests < guard.requests_min {
            return None;
        }
        let readings = self.readings(guard);
        let enough = -log_alpha(readings.len());
        let broken = readings.into_iter().filter(|it| it.log_e >= enough);
        broken.max_by(|a, b| a.log_e.total_cmp(&b.log_e))
    }

    /// The logarithm of the evidence that the mean cost is above the bound: the one-sided normal mixture of
    /// Howard and others (2021), with the estimated spread.
    fn cost_log_e(&self, bound: f64, guard: &Guard) -> f64 {
        let n = self.cost.n();
        if self.cost.count() < 2 {
            return 0.0;
        }
        let lean = (-self.cost.skewness()).max(0.0) / n.sqrt();
        let spread =
            (self.cost.variance() * n + bound * bound * PRIOR_REQUESTS) / (n + PRIOR_REQUESTS);
        // Without any spread the bound is nothing, and nothing was paid.
        if lean > SKEWNESS_MAX || !(spread > 0.0 && spread.is_finite()) {
            return 0.0;
        }
        let sum = n * (self.cost.mean() - bound) / spread.sqrt();
        let twice = -2.0 * log_alpha(bounds(guard));
        let rho = COST_NARROWEST_AT / (twice + twice.ln_1p());
        let mixed = n + rho;
        // Twice the normal distribution at `z`, as its complement: exact far out on both sides.
        let tail = erfc(-sum / mixed.sqrt() / std::f64::consts::SQRT_2).ln();
        0.5 * (rho / mixed).ln() + sum * sum / (2.0 * mixed) + tail
    }
}

/// The logarithm of the probability of error that each of so many bounds has.
fn log_alpha(bounds: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let bounds = bounds.max(1) as f64;
    (ALPHA / bounds).ln()
}

/// How many bounds a guard has.
fn bounds(guard: &Guard) -> usize {
    let single = [
        guard.error_rate_max.is_some(),
        guard.first_token_p95_ms_max.is_some(),
        guard.cost_mean_max.is_some(),
    ];
    single.into_iter().filter(|it| *it).count() + guard.feedback_min.len()
}

impl Seen {
    /// Whether its first token came later than this, or had not come by then; `None` where it ended before
    /// without one.
    fn is_slower_than(self, bound_ms: f64) -> Option<bool> {
        match (self.first_token_ms, self.took_ms) {
            (Some(first), _) => Some(first > bound_ms),
            (None, Some(took)) if took > bound_ms => Some(true),
            _ => None,
        }
    }
}

impl Rate {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
    }

    /// The rate of what is left to 1.
    fn turned(self) -> Self {
        Self { count: self.count, sum: self.count - self.sum }
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }

    /// The logarithm of the evidence that the mean is above the bound.
    fn log_e(self, bound: f64) -> f64 {
        let bound = bound.clamp(0.0, 1.0);
        let steps = (0..ALTERNATIVES).scan(STEP_FIRST, |step, _| {
            let now = *step;
            *step *= STEP_GROWTH;
            Some(now)
        });
        let logs = steps.map(|step| self.sum * step - self.count * (bound * step.exp_m1()).ln_1p());
        let (mut most, mut sum) = (f64::NEG_INFINITY, 0.0);
        for log in logs {
            if log > most {
                sum = sum * (most - log).exp() + 1.0;
                most = log;
            } else {
                sum += (log - most).exp();
            }
        }
        most + sum.ln() - f64::from(ALTERNATIVES).ln()
    }
}

/// An amount in units of the currency.
pub(crate) fn units(amount: Money) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an amount of one request")]
    let nano = amount.nano() as f64;
    nano / 1e9
}

#[cfg(test)]
mod tests;
