//! What guards and operators do to experiments while they run: an arm that breaks a bound is rolled back by
//! itself, operators stop and resume, and shares follow the outcomes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use policies::{experiment::Experiment, printable};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Epoch, Gateway};
use crate::{
    experiment::{
        changelog::Changelog,
        guard::Reading,
        observe::{ArmReading, Broken, Watched},
        status::Status,
        view::Changes,
    },
    failure::Failure,
    outcome::{ArmName, ExperimentAction, ExperimentChange, Judged, Opened},
};

/// Who changes an experiment where nobody does.
const BY_GUARD: &str = "guard";
/// How long shares that follow the outcomes hold, in seconds.
const PERIOD_SECONDS: i64 = 60;

/// What has become of the experiments, the same for all versions of the policy.
#[derive(Debug, Default)]
pub(crate) struct Guards(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    changelog: Changelog,
    /// What decisions go by since they were last told.
    published: Changes,
    /// The period whose shares hold.
    period: i64,
}

impl Guards {
    /// What these changes, in their order, have made of the experiments; the last has this number.
    pub(crate) fn new<'a>(
        last: i64,
        changes: impl IntoIterator<Item = &'a ExperimentChange>,
    ) -> Self {
        let changelog = Changelog::new(last, changes);
        Self(Mutex::new(State { changelog, ..State::default() }))
    }

    /// The number of the last change that was read from the ledger.
    pub(crate) fn last_read(&self) -> i64 {
        self.state().changelog.last_read()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells those who decide by this epoch what has become of its experiments.
    fn publish(&mut self, epoch: &Epoch, now: Timestamp) {
        let changes = self.changelog.statuses().changes(epoch.policy.experiments());
        if changes != self.published {
            self.published = changes.clone();
            epoch.experiments.change(changes, now);
        }
    }
}

/// An arm has broken a bound: from now on its units get the control's route, and that is on its way to the
/// ledger. The control has no other route to go to: of it, it is only said.
pub(crate) fn broken(gateway: &Gateway, it: &Broken) {
    if it.is_control {
        let why = "there is no route to take it back to";
        said_in_log(
            it,
            format_args!("experiment: the control breaks a bound of its guard, and {why}"),
        );
        return;
    }
    let now = (gateway.sources.timestamp)();
    let change = ExperimentChange {
        id: id(gateway, now),
        at_ms: now.as_millisecond(),
        experiment: it.experiment.clone(),
        version: it.version.clone(),
        arm: Some(it.arm.clone()),
        change: ExperimentAction::RolledBack,
        reason: reason(it).into(),
        by: BY_GUARD.into(),
    };
    let mut state = gateway.guards.state();
    // Evidence of before the start may say again what the books have.
    if !state.changelog.put(&change) {
        return;
    }
    state.publish(&gateway.epoch.load(), now);
    drop(state);
    let _ = gateway.recorder.experiment_changed(change);
    let what = "its units get the control's route";
    said_in_log(
        it,
        format_args!("experiment: an arm breaks a bound of its guard and is rolled back: {what}"),
    );
}

fn said_in_log(it: &Broken, what: std::fmt::Arguments<'_>) {
    let Reading { metric, bound, value, .. } = &it.reading;
    let (experiment, arm) = (printable(&it.experiment), printable(&it.arm));
    let (metric, requests) = (&**metric, it.requests);
    // To four digits, as people read it.
    let (value, evidence) = (value.map(|it| format!("{it:.4}")), format!("{:.0}", it.reading.e()));
    tracing::warn!(
        %experiment, %arm, metric, bound, value, requests, evidence, by = BY_GUARD, "{what}"
    );
}

/// Why an arm was rolled back, for the books: first the metric, as [`metric`] reads it.
fn reason(it: &Broken) -> String {
    let Reading { metric, bound, value, .. } = &it.reading;
    let value = value.unwrap_or_default();
    let (requests, evidence) = (it.requests, it.reading.e());
    let what = match &**metric {
        "first_token_ms" => format!("{value:.6} of the requests above {bound}, at most 0.05"),
        _ => format!("{value:.6}, bound {bound}"),
    };
    format!("{metric}: {what}, after {requests} requests, evidence {evidence:.0} to 1")
}

/// The metric that an arm was rolled back for.
fn metric(rollback: &ExperimentChange) -> Option<&str> {
    rollback.reason.split_once(':').map(|(metric, _)| metric)
}

fn id(gateway: &Gateway, now: Timestamp) -> Uuid {
    let mut random = [0; 10];
    let drawn = [(gateway.sources.random)(), (gateway.sources.random)()].map(u64::to_be_bytes);
    random.iter_mut().zip(drawn.as_flattened()).for_each(|(to, from)| *to = *from);
    let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
}

/// A caller tells of an answer of an arm, of a request that came in at that time: the value that counts now,
/// and the one that counted before.
pub(crate) fn told(
    gateway: &Gateway,
    (arm, at_ms): (&ArmName, i64),
    name: &str,
    values: (Option<f64>, f64),
) {
    let epoch = gateway.epoch.load();
    let Some(watched) = epoch.watch.find(&arm.experiment) else { return };
    // Another version's arm is another arm.
    if watched.experiment.version != arm.version {
        return;
    }
    if let Some(it) = watched.feedback((&arm.arm, at_ms), name, values) {
        broken(gateway, &it);
    }
}

/// An answer of an arm was found to be of the form that was asked for, or not.
pub(crate) fn judged(gateway: &Gateway, opened: &Opened, valid: bool) {
    let named =
        opened.plan.arm.as_ref().and_then(|arm| opened.names.arm(arm)).map(|(experiment, arm)| {
            ArmName {
                experiment: experiment.name.clone(),
                version: experiment.version.clone(),
                arm: arm.name.clone(),
            }
        });
    if let Some(named) = named {
        told(gateway, (&named, opened.started_at_ms), Judged::SCHEMA_VALID, (None, valid.into()));
    }
}

/// Stops or resumes an experiment of the policy in force, for the reason of an operator, by his name. It is
/// durable first, and in force when this returns. Says whether it has changed anything: what is stopped is
/// not stopped again, and what runs is not resumed. `None` where there is no such experiment.
///
/// # Errors
/// `unavailable` when the ledger does not take it in time.
pub(crate) async fn change(
    gateway: &Gateway,
    name: &str,
    action: ExperimentAction,
    (reason, by): (&str, &str),
) -> Result<Option<bool>, Failure> {
    let epoch = gateway.epoch.load_full();
    let Some(watched) = epoch.watch.find(name) else { return Ok(None) };
    let status = status(gateway, name);
    let stands = match action {
        ExperimentAction::Stopped => status.stopped.is_some(),
        _ => status.stopped.is_none() && status.rolled_back.is_empty() && !watched.is_broken(),
    };
    if stands {
        return Ok(Some(false));
    }
    gateway.recorder.accepts()?;
    let now = (gateway.sources.timestamp)();
    let Experiment { name, version, .. } = &watched.experiment;
    let change = ExperimentChange {
        id: id(gateway, now),
        at_ms: now.as_millisecond(),
        experiment: name.clone(),
        version: version.clone(),
        arm: None,
        change: action,
        reason: reason.into(),
        by: by.into(),
    };
    gateway.guards.state().changelog.expect(&change);
    let (id, commit) = (change.id, gateway.recorder.experiment_changed(change));
    gateway.recorder.durable(commit).await?;
    if action == ExperimentAction::Resumed {
        watched.restart(gateway.now(), now.as_millisecond());
    }
    let mut state = gateway.guards.state();
    state.changelog.is_written(id);
    state.publish(&gateway.epoch.load(), now);
    drop(state);
    let (experiment, reason) = (printable(name), printable(reason));
    let done = if action == ExperimentAction::Stopped { "stopped" } else { "resumed" };
    tracing::warn!(%experiment, %reason, by, "experiment: it is {done}");
    Ok(Some(true))
}

fn status(gateway: &Gateway, name: &str) -> Status {
    gateway.guards.state().changelog.statuses().of(name)
}

/// Puts in force what the ledger was told of experiments since the last look, by whichever process: one that
/// hands over to this one, or that has taken over from it.
pub(crate) fn read(gateway: &Gateway, last: i64, changes: Vec<ExperimentChange>) {
    let (epoch, now) = (gateway.epoch.load(), (gateway.sources.timestamp)());
    let mut state = gateway.guards.state();
    let new = state.changelog.read(last, changes);
    if new.is_empty() {
        return;
    }
    for (it, _) in new.iter().filter(|(it, _)| it.change == ExperimentAction::Resumed) {
        if let Some(watched) = epoch.watch.find(&it.experiment) {
            watched.restart(gateway.now(), it.at_ms);
        }
    }
    state.publish(&epoch, now);
    drop(state);
    for (it, _) in new.iter().filter(|(_, own)| !own) {
        let (experiment, reason) = (printable(&it.experiment), printable(&it.reason));
        let (arm, by) = (it.arm.as_deref().map(printable), printable(&it.by));
        let done = it.change.name();
        tracing::warn!(
            %experiment, arm = arm.as_deref(), %reason, %by, change = done,
            "experiment: another process has changed it, and that is in force here"
        );
    }
}

/// Publishes what a new version of the policy makes of the changes, and the shares of a new period.
pub(crate) fn look(gateway: &Gateway) {
    let epoch = gateway.epoch.load();
    if epoch.policy.experiments().is_empty() {
        return;
    }
    let now = (gateway.sources.timestamp)();
    let period = now.as_second().div_euclid(PERIOD_SECONDS);
    let mut state = gateway.guards.state();
    if std::mem::replace(&mut state.period, period) != period {
        for it in epoch.watch.all() {
            if let Some(shares) = it.shares(period.unsigned_abs()) {
                state.changelog.share(&it.experiment, shares);
            }
        }
    }
    state.publish(&epoch, now);
}

/// What is known of each arm of an experiment. One that is rolled back has broken its bound, also where that
/// was before this process began.
pub(crate) fn arms(gateway: &Gateway, it: &Watched) -> Vec<ArmReading> {
    readings(it, &status(gateway, &it.experiment.name))
}

fn readings(it: &Watched, status: &Status) -> Vec<ArmReading> {
    let mut arms = it.readings();
    for arm in &mut arms {
        let rollback = status.rollback(&it.experiment, &arm.name);
        let before = rollback.and_then(metric);
        arm.broken = arm.broken.take().or_else(|| before.map(Into::into));
    }
    arms
}

/// The experiments of the policy in force, in its order, for people.
pub(crate) fn shown(gateway: &Gateway) -> Vec<Value> {
    let epoch = gateway.epoch.load();
    let seconds = (gateway.sources.timestamp)().as_second();
    epoch.watch.all().map(|it| one(it, &status(gateway, &it.experiment.name), seconds)).collect()
}

fn one(it: &Watched, status: &Status, seconds: i64) -> Value {
    let Experiment { name, version, judged, .. } = &it.experiment;
    let arms = readings(it, status);
    let shares = status.shares.as_ref().filter(|(of, _)| of == version).map(|(_, it)| it);
    let arm = |(at, arm): (usize, &ArmReading)| {
        let share = shares.and_then(|it| it.get(at)).copied();
        let share = share.or_else(|| Some(it.experiment.arms.get(at)?.share));
        json!({
            "name": arm.name, "control": at == usize::from(it.experiment.control.0), "share": share,
            "units": arm.units, "requests": arm.requests,
            "rolled_back": status.rollback(&it.experiment, &arm.name).map(said),
            "guard": arm.bounds.iter().map(|bound| guard(bound, arm)).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": name, "version": version, "state": status.name(&it.experiment),
        "stopped": status.stopped.as_ref().map(said), "primary": judged.primary,
        "enrol": it.experiment.enrol_at(seconds),
        "requests_min": it.experiment.guard.requests_min,
        "arms": arms.iter().enumerate().map(arm).collect::<Vec<_>>(),
    })
}

fn guard(bound: &Reading, arm: &ArmReading) -> Value {
    let broken = arm.broken.as_ref() == Some(&bound.metric);
    json!({
        "metric": bound.metric, "value": bound.value, "bound": bound.bound, "evidence": bound.e(),
        "state": if broken { "broken" } else { "ok" },
    })
}

/// A change, as people read it.
fn said(it: &ExperimentChange) -> Value {
    let at = Timestamp::from_millisecond(it.at_ms).ok().map(|at| at.to_string());
    json!({ "at": at, "reason": it.reason, "by": it.by })
}
