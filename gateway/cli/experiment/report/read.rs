//! From the ledger to the report.

use std::{path::Path, sync::Arc};

use policies::experiment::{ArmIndex, Experiment};

use crate::{
    experiment::report::{
        Observation, PAST_MS, Report, Setup, ShadowPair, ShadowReport, ShadowTally, State, Tally,
        report as compared,
    },
    outcome::{ExperimentAction, ExperimentChange},
    record::StoreError,
    store::{Asked, ObservedRow, Reader, RequestEnd, ShadowRow},
};

/// The ledger, to be read.
pub(in crate::cli::experiment) fn reader(file: &Path) -> Result<Reader, StoreError> {
    Reader::open(file)
}

/// The report on an experiment, from the ledger alone.
pub(super) fn report(
    reader: &Reader,
    experiment: &Experiment,
    currency: &str,
) -> Result<Report, StoreError> {
    let observed = reader.observed(&experiment.name, &experiment.version)?;
    let done = done(experiment, &reader.experiment_changes()?);
    let currency = observed.currency.as_deref().unwrap_or(currency);
    let asked = Asked {
        experiment: &experiment.name,
        version: &experiment.version,
        unit: experiment.unit,
        past_ms: PAST_MS,
    };
    let mut tally = Tally::new(Setup {
        experiment: experiment.clone(),
        state: done.state(),
        rolled_back: done.rolled_back,
        ever_rolled_back: done.ever_rolled_back,
        guard_from_ms: done.guard_from_ms,
        since_ms: observed.since_ms,
        until_ms: observed.until_ms,
        past_until_ms: observed.first_ms,
        feedback: observed.feedback.iter().map(|name| Arc::from(name.as_str())).collect(),
        currency: currency.into(),
    });
    reader.observations(asked, &observed, |row| tally.read(&observation(row)))?;
    let mut report = compared(tally);
    report.shadow = shadow(reader, experiment)?;
    Ok(report)
}

/// The shadow of an experiment, where it has one or had one in this version.
fn shadow(reader: &Reader, experiment: &Experiment) -> Result<Option<ShadowReport>, StoreError> {
    let mut tally = ShadowTally::default();
    let mut any = experiment.shadow.is_some();
    reader.shadows((&experiment.name, &experiment.version), |row| {
        any = true;
        tally.read(&pair(row));
    })?;
    let alpha = experiment.judged.alpha;
    Ok(any.then(|| tally.report(alpha)))
}

fn pair(row: &ShadowRow<'_>) -> ShadowPair {
    let figures = |end: &RequestEnd<'_>| {
        [
            number(end.cost_nano, 1e9).filter(|_| end.state == "settled"),
            number(end.first_token_us, 1e3),
            number(end.duration_us, 1e3),
            number(end.output_tokens, 1.0),
        ]
    };
    let [mut both, served] =
        [figures(&row.shadow), figures(&row.served)].map(|it| it.map(|it| (it, None)));
    both.iter_mut().zip(served).for_each(|(pair, (served, _))| pair.1 = served);
    let failed = match row.shadow.state {
        "settled" => Some(row.shadow.outcome != Some("ok")),
        "open" => None,
        _ => Some(true),
    };
    ShadowPair { unit: row.unit, failed, figures: both, found: row.found }
}

/// What was done about an experiment, as the changes of its state say.
#[derive(Debug, Default, PartialEq)]
pub(in crate::cli::experiment) struct Done {
    stopped: bool,
    rolled_back: Vec<ArmIndex>,
    ever_rolled_back: Vec<ArmIndex>,
    /// By arm: when it was resumed last.
    guard_from_ms: Vec<i64>,
}

impl Done {
    pub(in crate::cli::experiment) fn state(&self) -> State {
        match (self.stopped, self.rolled_back.is_empty()) {
            (true, _) => State::Stopped,
            (false, false) => State::RolledBack,
            (false, true) => State::Running,
        }
    }
}

/// Applies the changes of an experiment, in their order. An arm of another version is another arm.
pub(in crate::cli::experiment) fn done(it: &Experiment, changes: &[ExperimentChange]) -> Done {
    let arm = |name: &str| {
        let at = it.arms.iter().position(|arm| *arm.name == *name);
        at.and_then(|at| u8::try_from(at).ok()).map(ArmIndex)
    };
    let mut done = Done { guard_from_ms: vec![i64::MIN; it.arms.len()], ..Done::default() };
    for change in changes.iter().filter(|change| change.experiment == it.name) {
        let named = change.arm.as_deref().filter(|_| change.version == it.version).and_then(arm);
        match (change.change, &change.arm) {
            (ExperimentAction::Stopped, _) => done.stopped = true,
            (ExperimentAction::RolledBack, _) => {
                let Some(arm) = named else { continue };
                for list in [&mut done.rolled_back, &mut done.ever_rolled_back] {
                    if !list.contains(&arm) {
                        list.push(arm);
                    }
                }
            }
            (ExperimentAction::Resumed, None) => {
                done.stopped = false;
                done.rolled_back.clear();
                // Of every arm, as a gateway that serves has it.
                done.guard_from_ms.fill(change.at_ms);
            }
            (ExperimentAction::Resumed, Some(_)) => {
                let Some(arm) = named else { continue };
                done.rolled_back.retain(|it| *it != arm);
                done.begins_anew(arm, change.at_ms);
            }
        }
    }
    done
}

impl Done {
    fn begins_anew(&mut self, arm: ArmIndex, at_ms: i64) {
        if let Some(from) = self.guard_from_ms.get_mut(usize::from(arm.0)) {
            *from = at_ms;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures of one request")]
fn number(it: Option<i64>, over: f64) -> Option<f64> {
    it.map(|it| it as f64 / over)
}

/// A request as the report counts it. What was recovered after a crash has failed, at a cost that nobody
/// knows; what was refused cost nothing that anybody counts.
fn observation<'a>(row: &ObservedRow<'a>) -> Observation<'a> {
    let is_settled = row.end.state == "settled";
    let error = match row.end.state {
        "settled" => Some(matches!(row.end.outcome, Some("failed" | "cut"))),
        "open" => None,
        _ => Some(true),
    };
    Observation {
        unit: row.unit,
        at_ms: row.at_ms,
        arm: row.arm,
        language: row.language,
        task: row.task,
        team: row.team,
        error,
        cost: number(row.end.cost_nano, 1e9).filter(|_| is_settled),
        first_token_ms: number(row.end.first_token_us, 1e3),
        duration_ms: number(row.end.duration_us, 1e3),
        output_tokens: number(row.end.output_tokens, 1.0).filter(|_| is_settled),
        schema_valid: row.schema_valid,
        feedback: row.feedback,
    }
}
