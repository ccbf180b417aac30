//! From sums to the report.

use std::{ops::Deref, sync::Arc};

use policies::experiment::{ArmIndex, UnitKind};

use super::{
    arm::Values,
    document::{
        ArmReport, Decision, Difference, GuardReading, GuardState, Holdout, Mean, Moment, Past,
        Path, Point, Report, Role, Segment, Shares, Verdict,
    },
    metric::COST_PER_SUCCESS,
    tally::Tally,
    verdict,
};
use crate::experiment::stats::{
    Comparison, Moments, Sequence, ShareTest, compare, mean_interval, shares_are_ok, with_past,
};

/// The report on all that was read.
pub(crate) fn report(mut tally: Tally) -> Report {
    tally.end_unit();
    let it = Compared(&tally);
    let (experiment, judged) = (&it.setup.experiment, &it.setup.experiment.judged);
    let mut report = Report {
        experiment: Arc::clone(&experiment.name),
        version: Arc::clone(&experiment.version),
        state: it.setup.state,
        since: it.setup.since_ms.map(Moment),
        until: it.setup.since_ms.map(|_| Moment(it.setup.until_ms)),
        unit: match experiment.unit {
            UnitKind::User => "user",
            UnitKind::Key => "key",
            UnitKind::Session => "session",
            UnitKind::Request => "request",
        },
        alpha: judged.alpha,
        primary: Arc::clone(&judged.primary),
        better: if judged.higher_is_better { "higher" } else { "lower" },
        currency: Arc::clone(&it.setup.currency),
        holdout: Holdout { units: it.held_out.0, requests: it.held_out.1 },
        astray: it.astray,
        arms: it.arm_reports(),
        comparisons: it.differences(),
        srm: it.shares(),
        guard: it.guard(),
        segments: it.segment_reports(),
        looks: it.paths(),
        shadow: None,
        verdict: Verdict { decision: Decision::Continue, arm: None, text: String::new() },
    };
    report.verdict = verdict::verdict(&tally, &report);
    report
}

/// What was read, as it is compared.
struct Compared<'a>(&'a Tally);

impl Deref for Compared<'_> {
    type Target = Tally;

    fn deref(&self) -> &Tally {
        self.0
    }
}

impl Compared<'_> {
    fn control(&self) -> usize {
        usize::from(self.setup.experiment.control.0)
    }

    fn name(&self, arm: usize) -> Arc<str> {
        self.setup.experiment.arms.get(arm).map_or_else(|| "".into(), |it| Arc::clone(&it.name))
    }

    fn is_among(&self, arm: usize, these: &[ArmIndex]) -> bool {
        arm != self.control() && these.iter().any(|it| usize::from(it.0) == arm)
    }

    /// The arms that are compared with the control now.
    fn compared(&self) -> impl Iterator<Item = usize> {
        let others = (0..self.arms.len()).filter(|arm| *arm != self.control());
        others.filter(|arm| !self.is_among(*arm, &self.setup.rolled_back))
    }

    /// A part of alpha for each arm beside the control, each of so many times. An arm that is rolled back
    /// keeps its part: it was looked at before.
    fn part(&self, times: usize) -> f64 {
        let parts = self.arms.len().saturating_sub(1).max(1) * times.max(1);
        self.setup.experiment.judged.alpha / f64::from(u32::try_from(parts).unwrap_or(u32::MAX))
    }

    /// An arm's values of a metric; the last of all is the cost of a success.
    fn values(&self, arm: usize, metric: usize) -> Option<Values> {
        let arm = self.arms.get(arm)?;
        if metric == self.metrics.len() {
            let all = arm.success.ratio()?;
            return Some(Values { all, without: all, ..Values::new() });
        }
        arm.metrics.get(metric).copied()
    }

    fn metric_name(&self, metric: usize) -> Arc<str> {
        self.metrics.names.get(metric).map_or_else(|| COST_PER_SUCCESS.into(), Arc::clone)
    }

    fn is_known(&self, metric: usize) -> bool {
        let known = |arm| self.values(arm, metric).is_some_and(|it| it.all.count() > 0);
        (0..self.arms.len()).any(known)
    }

    fn arm_reports(&self) -> Vec<ArmReport> {
        let sequence = Sequence::new(self.setup.experiment.judged.alpha);
        let mean = |arm, metric| {
            let all = self.values(arm, metric).map_or(Moments::new(0.0), |it| it.all);
            let interval = mean_interval(&all, sequence);
            Mean {
                n: all.count(),
                mean: Some(all.mean()).filter(|it| it.is_finite()),
                low: interval.map(|it| it.0),
                high: interval.map(|it| it.1),
            }
        };
        let metrics: Vec<_> = (0..=self.metrics.len()).filter(|it| self.is_known(*it)).collect();
        let report =
            |(at, (arm, sums)): (usize, (&policies::experiment::Arm, &super::arm::Arm))| {
                ArmReport {
                    name: Arc::clone(&arm.name),
                    control: at == self.control(),
                    rolled_back: self.is_among(at, &self.setup.rolled_back),
                    share: arm.share,
                    units: sums.units,
                    requests: sums.requests,
                    metrics: metrics
                        .iter()
                        .map(|it| (self.metric_name(*it), mean(at, *it)))
                        .collect(),
                }
            };
        self.setup.experiment.arms.iter().zip(&self.arms).enumerate().map(report).collect()
    }

    /// Every metric of every arm against the control: the primary first, then those of the policy.
    fn differences(&self) -> Vec<Difference> {
        let judged = &self.setup.experiment.judged;
        let (mut secondary, mut other) = (Vec::new(), Vec::new());
        for metric in 0..=self.metrics.len() {
            if self.metrics.primary == Some(metric) {
                continue;
            }
            let name = self.metric_name(metric);
            match judged.metrics.contains(&name) {
                true => secondary.push(metric),
                false if self.is_known(metric) => other.push(metric),
                false => {}
            }
        }
        secondary
            .sort_by_key(|at| judged.metrics.iter().position(|it| **it == *self.metric_name(*at)));
        let primary: Vec<usize> = self.metrics.primary.into_iter().collect();
        let secondaries = judged.metrics.len();
        let families = [
            (Role::Primary, 1, primary),
            (Role::Secondary, secondaries, secondary),
            (Role::Exploratory, other.len(), other),
        ];
        let mut all = Vec::new();
        for (role, times, metrics) in families {
            for metric in metrics {
                let alpha = self.part(times);
                all.extend(self.compared().map(|arm| self.difference(arm, metric, (role, alpha))));
            }
        }
        all
    }

    fn difference(&self, arm: usize, metric: usize, (role, alpha): (Role, f64)) -> Difference {
        let (values, control) = (self.values(arm, metric), self.values(self.control(), metric));
        let none = Values::new();
        let (values, control) = (values.unwrap_or(none), control.unwrap_or(none));
        let (found, past) = compared(&values, &control, Sequence::new(alpha));
        Difference {
            arm: self.name(arm),
            control: self.name(self.control()),
            metric: self.metric_name(metric),
            primary: role == Role::Primary,
            difference: found.difference,
            low: found.interval.map(|it| it.0),
            high: found.interval.map(|it| it.1),
            significant: found.is_significant(),
            role,
            alpha,
            past,
        }
    }

    /// The test of the shares, over all looks. An arm that was rolled back for a time got no units then: the
    /// shares of the others among each other are tested.
    fn shares(&self) -> Shares {
        if self.setup.experiment.thompson_floor.is_some() {
            return Shares { p: None, ok: true };
        }
        let steady =
            (0..self.arms.len()).filter(|it| !self.is_among(*it, &self.setup.ever_rolled_back));
        let arms: Vec<_> = steady
            .filter_map(|at| Some((self.arms.get(at)?, self.setup.experiment.arms.get(at)?.share)))
            .collect();
        let sum: f64 = arms.iter().map(|(_, share)| share).sum();
        let mut test = ShareTest::default();
        for look in 0..self.looks.len() {
            let units = |arm: &super::arm::Arm| arm.looks.get(look).map_or(0, |it| it.units);
            #[expect(clippy::cast_precision_loss, reason = "units are far below 2^53")]
            test.look(arms.iter().map(|(arm, share)| (units(arm) as f64, share / sum)));
        }
        Shares { p: Some(test.p()), ok: shares_are_ok(test.p()) }
    }

    fn guard(&self) -> Vec<GuardReading> {
        let guard = &self.setup.experiment.guard;
        let mut all = Vec::new();
        for (at, arm) in self.arms.iter().enumerate() {
            let broken = arm.evidence.broken(guard).map(|it| it.metric);
            let is_early = arm.evidence.requests() < guard.requests_min;
            for reading in arm.evidence.readings(guard) {
                let is_slow = &*reading.metric == "first_token_ms";
                let percentile = arm.first_tokens.percentile(95);
                let bound = guard.first_token_p95_ms_max.filter(|_| is_slow);
                let state = match is_early {
                    _ if broken.as_ref() == Some(&reading.metric) => GuardState::Broken,
                    true => GuardState::TooEarly,
                    false => GuardState::Holds,
                };
                all.push(GuardReading {
                    arm: self.name(at),
                    value: if is_slow { percentile } else { reading.value },
                    bound: bound.unwrap_or(reading.bound),
                    metric: reading.metric,
                    state,
                });
            }
        }
        all
    }

    fn segment_reports(&self) -> Vec<Segment> {
        let segments = self.segments.largest();
        let alpha = self.part(segments.len());
        let empty = Moments::new(0.0);
        let mut all = Vec::new();
        for ((by, value), arms) in segments {
            let moments = |arm: usize| arms.get(arm).unwrap_or(&empty);
            let control = moments(self.control());
            all.extend(self.compared().map(|arm| {
                let found = compare(moments(arm), control, Sequence::new(alpha));
                Segment {
                    exploratory: true,
                    by,
                    value: Arc::clone(value),
                    arm: self.name(arm),
                    control: self.name(self.control()),
                    metric: Arc::clone(&self.setup.experiment.judged.primary),
                    units: [moments(arm).count(), control.count()],
                    difference: found.difference,
                    low: found.interval.map(|it| it.0),
                    high: found.interval.map(|it| it.1),
                    significant: found.is_significant(),
                    alpha,
                }
            }));
        }
        all
    }

    fn paths(&self) -> Vec<Path> {
        let sequence = Sequence::new(self.part(1));
        let point = |arm: usize, look: usize, at: i64| {
            let of = |arm: usize| self.arms.get(arm)?.looks.get(look);
            let (arm, control) = (of(arm)?, of(self.control())?);
            let (found, _) = compared(&arm.primary, &control.primary, sequence);
            Some(Point {
                at: Moment(at),
                units: arm.units + control.units,
                difference: found.difference,
                low: found.interval.map(|it| it.0),
                high: found.interval.map(|it| it.1),
            })
        };
        let path = |arm| Path {
            arm: self.name(arm),
            control: self.name(self.control()),
            points: (0..).zip(&self.looks).filter_map(|(look, at)| point(arm, look, *at)).collect(),
        };
        self.compared().map(path).collect()
    }
}

/// A comparison, by the units' own past where enough of them have one.
fn compared(arm: &Values, control: &Values, sequence: Sequence) -> (Comparison, Option<Past>) {
    let plain = compare(&arm.all, &control.all, sequence);
    let less = with_past(&arm.with_past, &control.with_past);
    let Some((less_arm, less_control)) = less else { return (plain, None) };
    let (arm_all, control_all) = (less_arm.with(&arm.without), less_control.with(&control.without));
    let found = compare(&arm_all, &control_all, sequence);
    let width = |it: &Comparison| it.interval.map(|(low, high)| high - low);
    let Some(narrow) = width(&found) else { return (plain, None) };
    let narrowed = width(&plain).map(|wide| 1.0 - narrow / wide);
    let units = arm.with_past.count() + control.with_past.count();
    (found, Some(Past { units, narrowed }))
}
