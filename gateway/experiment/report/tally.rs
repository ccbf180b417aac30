//! Requests, one unit after the other, as sums.

use std::mem;

use super::{
    Observation, Setup,
    arm::Arm,
    looks::looks,
    metric::{Metrics, RETRIED},
    segment::Segments,
    unit::{Unit, Waiting, segments},
};
use crate::experiment::guard::{Evidence, Seen};

/// A unit that asks again this soon after an answer's end has not been content with it, in milliseconds.
const RETRIED_WITHIN_MS: i64 = 60_000;

/// The sums over all units read so far, and the unit that is being read.
pub(crate) struct Tally {
    pub(super) setup: Setup,
    pub(super) metrics: Metrics,
    pub(super) looks: Vec<i64>,
    pub(super) arms: Vec<Arm>,
    pub(super) segments: Segments,
    /// Units and requests that took no part while the experiment ran.
    pub(super) held_out: (u64, u64),
    /// Requests whose arm is not their unit's first, or none of the experiment's.
    pub(super) astray: u64,
    unit: Option<Unit>,
}

impl Tally {
    /// No request read yet.
    pub(crate) fn new(setup: Setup) -> Self {
        let metrics = Metrics::new(&setup);
        let looks = setup.since_ms.map_or_else(Vec::new, |since| looks(since, setup.until_ms));
        let guard = &setup.experiment.guard;
        let arm = |_| Arm::new(metrics.len(), looks.len(), Evidence::new(guard));
        let arms = setup.experiment.arms.iter().map(arm).collect();
        Self {
            metrics,
            looks,
            arms,
            segments: Segments::default(),
            held_out: (0, 0),
            astray: 0,
            unit: None,
            setup,
        }
    }

    /// Reads the next request. All of a unit's come one after the other, in the order of time.
    pub(crate) fn read(&mut self, it: &Observation<'_>) {
        if self.unit.as_ref().is_none_or(|unit| unit.id != it.unit) {
            self.end_unit();
            self.unit = Some(Unit::new(it.unit, self.metrics.len()));
        }
        let Some(mut unit) = self.unit.take() else { return };
        self.request(&mut unit, it);
        self.unit = Some(unit);
    }

    fn request(&mut self, unit: &mut Unit, it: &Observation<'_>) {
        if let Some(waiting) = unit.waiting.take() {
            let again = it.at_ms - waiting.end_ms;
            self.settle(unit, waiting, (0..=RETRIED_WITHIN_MS).contains(&again));
        }
        let mut values = Vec::new();
        self.metrics.values(it, &mut values);
        let since = self.setup.since_ms.unwrap_or(i64::MAX);
        let Some(name) = it.arm else {
            if it.at_ms < self.setup.past_until_ms {
                for (past, value) in unit.past.iter_mut().zip(&values) {
                    value.iter().for_each(|value| past.add(*value));
                }
            } else if it.at_ms >= since && it.at_ms <= self.setup.until_ms {
                unit.held_out += 1;
            }
            return;
        };
        let arms = &self.setup.experiment.arms;
        let arm = arms.iter().position(|arm| *arm.name == *name);
        let Some(at) = arm.filter(|at| unit.arm.is_none_or(|first| first == *at)) else {
            self.astray += 1;
            return;
        };
        if unit.arm.is_none() {
            unit.arm = Some(at);
            unit.first_ms = it.at_ms;
            unit.look = self.looks.iter().take_while(|look| **look < it.at_ms).count();
        }
        self.evidence(at, it);
        let segments = segments(it, &mut self.segments);
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of one request")]
        let took = it.duration_ms.unwrap_or(0.0) as i64;
        let end_ms = it.at_ms.saturating_add(took);
        unit.waiting = Some(Waiting { at_ms: it.at_ms, end_ms, values, segments });
    }

    /// Adds a request of which it is known by now whether its unit asked again.
    fn settle(&mut self, unit: &mut Unit, mut waiting: Waiting, again: bool) {
        if let Some(retried) = waiting.values.get_mut(RETRIED) {
            *retried = Some(f64::from(u8::from(again)));
        }
        while self.looks.get(unit.look).is_some_and(|look| *look < waiting.at_ms) {
            self.look(unit);
        }
        let primary = self.metrics.primary.and_then(|at| waiting.values.get(at).copied().flatten());
        unit.add(&waiting, primary);
        if let Some((cost, success)) = self.metrics.success(&waiting.values) {
            unit.cost.add(cost);
            unit.success.add(success);
        }
    }

    /// What an arm's guard sees of a request.
    fn evidence(&mut self, at: usize, it: &Observation<'_>) {
        let from = self.setup.guard_from_ms.get(at).copied().unwrap_or(i64::MIN);
        let guard = &self.setup.experiment.guard;
        let Some(arm) = self.arms.get_mut(at).filter(|_| it.at_ms >= from) else { return };
        let Some(failed) = it.error else { return };
        #[expect(clippy::cast_possible_truncation, reason = "the cost of one request")]
        let cost =
            it.cost.map(|cost| policies::facts::Money::from_nano((cost * 1e9).round() as i64));
        let first_token_ms = it.first_token_ms;
        arm.evidence.add(guard, Seen { failed, first_token_ms, took_ms: it.duration_ms, cost });
        first_token_ms.iter().for_each(|ms| arm.first_tokens.add(*ms));
        for (name, value) in it.feedback {
            if let Some(name) = self.setup.feedback.get(*name) {
                arm.evidence.add_feedback(guard, name, (None, *value));
            }
        }
    }

    /// A unit as it stands at its next look.
    fn look(&mut self, unit: &mut Unit) {
        let arm = unit.arm.and_then(|arm| self.arms.get_mut(arm));
        if let Some(at) = arm.and_then(|arm| arm.looks.get_mut(unit.look)) {
            at.units += 1;
            let running = |all: &[super::unit::Running]| {
                self.metrics.primary.and_then(|at| all.get(at)).and_then(|it| it.mean())
            };
            if let Some(value) = running(&unit.now) {
                at.primary.add(value, running(&unit.past));
            }
        }
        unit.look += 1;
    }

    /// Ends the unit whose requests were read last.
    pub(super) fn end_unit(&mut self) {
        let Some(mut unit) = self.unit.take() else { return };
        if let Some(waiting) = unit.waiting.take() {
            self.settle(&mut unit, waiting, false);
        }
        let Some(arm) = unit.arm else {
            self.held_out.0 += u64::from(unit.held_out > 0);
            self.held_out.1 += unit.held_out;
            return;
        };
        while unit.look < self.looks.len() {
            self.look(&mut unit);
        }
        for (segment, running) in mem::take(&mut unit.segments) {
            running.mean().iter().for_each(|value| self.segments.add(segment, arm, *value));
        }
        let Some(arm) = self.arms.get_mut(arm) else { return };
        arm.units += 1;
        arm.requests += unit.requests;
        for ((values, now), past) in arm.metrics.iter_mut().zip(&unit.now).zip(&unit.past) {
            now.mean().iter().for_each(|value| values.add(*value, past.mean()));
        }
        if unit.cost.mean().is_some() {
            arm.success.add(unit.cost.sum(), unit.success.sum());
        }
    }
}
