//! What the arms of the running experiments have shown, fed by each request as it ends.
//!
//! A request that is in no experiment costs one look at an `Option`; one that is takes the lock of its arm
//! alone, for less than a microsecond.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use policies::experiment::{ArmIndex, Enrolled, Experiment, ExperimentIndex};

use super::{
    bandit::{self, Known},
    guard::{Evidence, Reading, Seen, units},
    stats::Moments,
    units::Units,
};
use crate::{
    failure::Kind,
    outcome::{Ending, Outcome},
};

/// The experiments of one policy, by [`ExperimentIndex`].
#[derive(Debug, Default)]
pub(crate) struct Watch {
    experiments: Vec<Arc<Watched>>,
}

/// One experiment that runs.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The experiment.
    pub experiment: Experiment,
    arms: Arc<[Mutex<Arm>]>,
}

/// What is known of one arm.
#[derive(Debug)]
struct Arm {
    evidence: Evidence,
    units: Units,
    primary: Primary,
    /// The bound that it breaks.
    broken: Option<Reading>,
    /// Requests that came in before are no evidence, and neither is what is told of them: by the monotonic
    /// clock where the evidence has begun anew in this process, and in milliseconds since 1970.
    since: Option<Instant>,
    since_ms: i64,
}

/// The values of the metric that allocation follows.
#[derive(Debug)]
struct Primary {
    values: Moments,
    /// Whether all of them are 0 or 1.
    is_rate: bool,
}

/// An arm that has broken a bound of its guard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    /// The experiment's name.
    pub experiment: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// The arm's name.
    pub arm: Arc<str>,
    /// Whether the arm is the control, which has no other arm's route to go to.
    pub is_control: bool,
    /// Its requests since the evidence began.
    pub requests: u64,
    /// The bound, and the evidence against it.
    pub reading: Reading,
}

/// What is known of an arm, for people.
#[derive(Clone, Debug)]
pub(crate) struct ArmReading {
    /// The arm's name.
    pub name: Arc<str>,
    /// Its requests since the evidence began.
    pub requests: u64,
    /// Its different units since the process began.
    pub units: usize,
    /// Each bound, and what there is against it.
    pub bounds: Vec<Reading>,
    /// The metric whose bound it has broken.
    pub broken: Option<Arc<str>>,
}

impl Watch {
    /// The experiments of a policy. What runs on in the same version under the same guard keeps its evidence.
    pub(crate) fn new(experiments: &[Experiment], before: Option<&Self>) -> Self {
        let watched = |new: &Experiment| {
            let before = before.and_then(|it| it.find(&new.name)).filter(|before| {
                before.experiment.version == new.version
                    && before.experiment.guard == new.guard
                    && before.experiment.judged.primary == new.judged.primary
            });
            Arc::new(match before {
                // Requests that still run by the old policy are evidence as well.
                Some(before) => Watched { experiment: new.clone(), arms: Arc::clone(&before.arms) },
                None => Watched::new(new.clone()),
            })
        };
        Self { experiments: experiments.iter().map(watched).collect() }
    }

    /// Each experiment.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Watched>> {
        self.experiments.iter()
    }

    /// The experiment of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Watched>> {
        self.experiments.iter().find(|it| *it.experiment.name == *name)
    }

    /// Takes in a request at its end. Says so if its arm has just broken a bound.
    pub(crate) fn ended(&self, outcome: &Outcome) -> Option<Broken> {
        let enrolled = outcome.opened.plan.arm?;
        let ms = |it: std::time::Duration| it.as_secs_f64() * 1e3;
        let seen = Seen {
            failed: matches!(outcome.ending, Ending::Failed(_) | Ending::Cut),
            first_token_ms: outcome.first_token.map(ms),
            took_ms: Some(ms(outcome.duration)),
            cost: Some(outcome.charge.cost),
        };
        let output = outcome.charge.served.map(|it| f64::from(it.output().0));
        self.at(enrolled.experiment)?.seen(enrolled, outcome.started, (seen, output))
    }

    /// Takes in a request that its arm could not serve, and that was refused for it. What a caller may not do
    /// or has no money for is no evidence against an arm.
    pub(crate) fn refused(
        &self,
        enrolled: Enrolled,
        kind: Kind,
        started: Instant,
    ) -> Option<Broken> {
        let (seen, output) = refusal(kind.name())?;
        self.at(enrolled.experiment)?.seen(enrolled, started, (seen, output))
    }

    fn at(&self, at: ExperimentIndex) -> Option<&Arc<Watched>> {
        self.experiments.get(usize::from(at.0))
    }
}

/// What a refusal of this kind says of its arm: nothing where the caller left, may not ask so often or has no
/// money left.
pub(crate) fn refusal(kind: &str) -> Option<(Seen, Option<f64>)> {
    let its_own = [Kind::Cancelled, Kind::RateLimited, Kind::BudgetExceeded];
    let seen = Seen { failed: true, ..Seen::default() };
    its_own.iter().all(|it| it.name() != kind).then_some((seen, None))
}

impl Watched {
    fn new(experiment: Experiment) -> Self {
        let arm = |_: &_| Mutex::new(Arm::new(&experiment, None, i64::MIN));
        Self { arms: experiment.arms.iter().map(arm).collect(), experiment }
    }

    fn arm(&self, at: usize) -> Option<MutexGuard<'_, Arm>> {
        Some(self.arms.get(at)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn seen(
        &self,
        enrolled: Enrolled,
        started: Instant,
        (seen, output): (Seen, Option<f64>),
    ) -> Option<Broken> {
        let mut arm = self.arm(usize::from(enrolled.arm.0))?;
        arm.units.add(enrolled.unit);
        if arm.since.is_some_and(|since| started < since) {
            return None;
        }
        self.take(&mut arm, seen, output);
        self.judge(enrolled.arm, &mut arm)
    }

    fn take(&self, arm: &mut Arm, seen: Seen, output: Option<f64>) {
        let Experiment { guard, judged, .. } = &self.experiment;
        arm.evidence.add(guard, seen);
        let value = match &*judged.primary {
            "error" => Some(f64::from(u8::from(seen.failed))),
            "cost" => seen.cost.map(units),
            "first_token_ms" => seen.first_token_ms,
            "duration_ms" => seen.took_ms,
            "output_tokens" => output,
            _ => None,
        };
        if let Some(value) = value {
            arm.primary.add(None, value);
        }
    }

    fn take_told(&self, arm: &mut Arm, name: &str, values: (Option<f64>, f64)) {
        arm.evidence.add_feedback(&self.experiment.guard, name, values);
        if *self.experiment.judged.primary == *name {
            arm.primary.add(values.0, values.1);
        }
    }

    /// Takes in a request of the past, as it stands in the books: its arm, its unit, and what is known of it
    /// if it is evidence, with the values told of it. Says so if the arm has just broken a bound.
    pub(crate) fn past(
        &self,
        arm: &str,
        unit: u128,
        known: Option<(Seen, Option<f64>)>,
        told: &[(&str, f64)],
    ) -> Option<Broken> {
        let at = self.experiment.arms.iter().position(|it| *it.name == *arm)?;
        let enrolled_arm = ArmIndex(u8::try_from(at).ok()?);
        let mut state = self.arm(at)?;
        state.units.add(unit);
        let (seen, output) = known?;
        // What has begun anew since the books were opened needs no past.
        if state.since.is_some() {
            return None;
        }
        self.take(&mut state, seen, output);
        for (name, value) in told {
            self.take_told(&mut state, name, (None, *value));
        }
        self.judge(enrolled_arm, &mut state)
    }

    /// Takes in what a caller says of a request of an arm, which came in so many milliseconds after 1970: the
    /// value that counts now, and the one that counted before. Says so if the arm has just broken a bound.
    pub(crate) fn feedback(
        &self,
        (arm, at_ms): (&str, i64),
        name: &str,
        values: (Option<f64>, f64),
    ) -> Option<Broken> {
        let at = self.experiment.arms.iter().position(|it| *it.name == *arm)?;
        let mut state = self.arm(at)?;
        if at_ms < state.since_ms {
            return None;
        }
        self.take_told(&mut state, name, values);
        self.judge(ArmIndex(u8::try_from(at).ok()?), &mut state)
    }

    fn judge(&self, at: ArmIndex, arm: &mut Arm) -> Option<Broken> {
        if arm.broken.is_some() {
            return None;
        }
        let reading = arm.evidence.broken(&self.experiment.guard)?;
        arm.broken = Some(reading.clone());
        Some(Broken {
            experiment: Arc::clone(&self.experiment.name),
            version: Arc::clone(&self.experiment.version),
            arm: Arc::clone(&self.experiment.arm(at)?.name),
            is_control: at == self.experiment.control,
            requests: arm.evidence.requests(),
            reading,
        })
    }

    /// The values that callers tell by which its arms are judged, by name.
    pub(crate) fn told_names(&self) -> Vec<Arc<str>> {
        let Experiment { guard, judged, .. } = &self.experiment;
        let mut names: Vec<_> =
            guard.feedback_min.iter().map(|(name, _)| Arc::clone(name)).collect();
        if !names.contains(&judged.primary) {
            names.push(Arc::clone(&judged.primary));
        }
        names
    }

    /// Begins the evidence of all arms anew, from this moment on, which is so many milliseconds after 1970.
    pub(crate) fn restart(&self, now: Instant, now_ms: i64) {
        for at in 0..self.arms.len() {
            let Some(mut arm) = self.arm(at) else { continue };
            let units = std::mem::take(&mut arm.units);
            *arm = Arm { units, ..Arm::new(&self.experiment, Some(now), now_ms) };
        }
    }

    /// What is told of requests that came in before is no evidence: it had begun anew then.
    pub(crate) fn began(&self, at_ms: i64) {
        let arms = (0..self.arms.len()).filter_map(|at| self.arm(at));
        arms.for_each(|mut arm| arm.since_ms = arm.since_ms.max(at_ms));
    }

    /// Whether an arm has broken a bound since its evidence began.
    pub(crate) fn is_broken(&self) -> bool {
        (0..self.arms.len()).filter_map(|at| self.arm(at)).any(|it| it.broken.is_some())
    }

    /// What is known of each arm.
    pub(crate) fn readings(&self) -> Vec<ArmReading> {
        let named = self.experiment.arms.iter().enumerate();
        let reading = |(at, it): (usize, &policies::experiment::Arm)| {
            let arm = self.arm(at)?;
            Some(ArmReading {
                name: Arc::clone(&it.name),
                requests: arm.evidence.requests(),
                units: arm.units.count(),
                bounds: arm.evidence.readings(&self.experiment.guard),
                broken: arm.broken.as_ref().map(|it| Arc::clone(&it.metric)),
            })
        };
        named.filter_map(reading).collect()
    }

    /// The arms' shares in a period, where they follow the outcomes.
    pub(crate) fn shares(&self, period: u64) -> Option<Vec<f64>> {
        let Experiment { name, version, judged, thompson_floor, .. } = &self.experiment;
        let floor = (*thompson_floor)?;
        let arms = (0..self.arms.len()).filter_map(|at| self.arm(at));
        let known: Vec<Known> = arms.map(|it| it.primary.known()).collect();
        let seed = bandit::seed(name, version, period);
        Some(bandit::shares(&known, judged.higher_is_better, floor, seed))
    }
}

impl Arm {
    fn new(experiment: &Experiment, since: Option<Instant>, since_ms: i64) -> Self {
        let evidence = Evidence::new(&experiment.guard);
        let primary = Primary { values: Moments::new(0.0), is_rate: true };
        Self { evidence, units: Units::default(), primary, broken: None, since, since_ms }
    }
}

impl Primary {
    fn add(&mut self, before: Option<f64>, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.is_rate &= value == 0.0 || value == 1.0;
        match before.filter(|it| it.is_finite()) {
            Some(before) => self.values.replace(before, value),
            None => self.values.add(value),
        }
    }

    fn known(&self) -> Known {
        let (n, mean) = (self.values.n(), self.values.mean());
        match self.values.count() {
            0 => Known::Nothing,
            _ if self.is_rate => Known::Rate { yes: n * mean, no: n * (1.0 - mean) },
            1 => Known::Nothing,
            _ => Known::Mean { mean, error: (self.values.variance() / n).sqrt() },
        }
    }
}

#[cfg(test)]
mod tests;
