//! A policy rehearsed on requests that have been: what would move, what it would cost, who would be refused.
//!
//! Each past request is decided again by its own signals and its own draw, against a fleet that is healthy
//! and experiments as they were at its time.
//! What moves is priced by the tokens that were really used, at the price of the model it moves to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    decide::{World, decide},
    experiment::ExperimentView,
    facts::{Draw, FleetView, Money, Signals},
    money::Counts,
    plan::Plan,
    policy::Policy,
};

/// A request that has been.
#[derive(Clone, Debug)]
pub struct Past {
    /// What was known of it.
    pub signals: Signals,
    /// With which randomness it was decided.
    pub draw: Draw,
    /// How the experiments were.
    pub experiments: ExperimentView,
    /// The experiment and the arm that it was, by their names.
    pub arm: Option<(Box<str>, Box<str>)>,
    /// The team's name, for the report.
    pub team: Box<str>,
    /// How it ended; `None` is a refusal.
    pub served: Option<Served>,
}

/// How a request was served.
#[derive(Clone, Debug)]
pub struct Served {
    /// The model that answered, by id.
    pub model: Box<str>,
    /// Tokens that were counted.
    pub counts: Counts,
    /// What it cost.
    pub cost: Money,
}

/// Sums of a part of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Requests that were served.
    pub requests: u64,
    /// Of these, how many another model would serve.
    pub moved: u64,
    /// Of these, how many would be refused.
    pub refused: u64,
    /// What they cost, in nano-units.
    pub cost_nano: i128,
    /// What those that would still be served would cost.
    pub new_cost_nano: i128,
}

/// What a rehearsal has found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rehearsal {
    /// All together.
    pub all: Part,
    /// From model to model: requests, and what they cost before and after.
    pub moves: BTreeMap<String, Part>,
    /// From arm to arm, each as `experiment=arm` or `-` for none: those whose arm would be another.
    pub arms: BTreeMap<String, Part>,
    /// By the team's name.
    pub teams: BTreeMap<String, Part>,
    /// By the language's code.
    pub languages: BTreeMap<String, Part>,
    /// By the task's code.
    pub tasks: BTreeMap<String, Part>,
    /// Requests that were refused and would be served now.
    pub refusals_lost: u64,
    /// Requests that were refused and would be again.
    pub refusals_kept: u64,
    /// Sum of the expected times to first token before and after, in milliseconds, over the requests for
    /// whose two models they are known, and how many these are.
    pub first_token_ms: (f64, f64, u64),
}

/// The experiment and the arm of a plan.
fn arm<'a>(policy: &'a Policy, plan: &Plan) -> Option<(&'a str, &'a str)> {
    let enrolled = plan.arm?;
    let experiment = policy.experiment(enrolled.experiment)?;
    Some((&experiment.name, &experiment.arm(enrolled.arm)?.name))
}

fn in_words(arm: Option<(&str, &str)>) -> String {
    arm.map_or_else(|| "-".to_owned(), |(experiment, arm)| format!("{experiment}={arm}"))
}

impl Rehearsal {
    /// Decides a past request again and counts what comes of it.
    pub fn add(&mut self, policy: &Policy, view: &FleetView, past: &Past) {
        let world = World { fleet: view, experiments: &past.experiments };
        let decided = decide(policy, &past.signals, world, past.draw);
        let Some(served) = &past.served else {
            if decided.is_ok() {
                self.refusals_lost += 1;
            } else {
                self.refusals_kept += 1;
            }
            return;
        };
        let first = decided.as_ref().ok().and_then(|plan| plan.attempts.first());
        let facts = first.and_then(|it| policy.fleet().models.get(it.model.get()));
        let new = facts.map(|facts| &*facts.id);
        let stays = new == Some(&*served.model);
        let cost = match facts {
            _ if stays => served.cost,
            Some(facts) => facts.price.unwrap_or_default().cost(served.counts),
            None => Money::from_nano(0),
        };
        let count = |part: &mut Part| {
            part.requests += 1;
            part.moved += u64::from(new.is_some() && !stays);
            part.refused += u64::from(new.is_none());
            part.cost_nano += i128::from(served.cost.nano());
            part.new_cost_nano += i128::from(cost.nano());
        };
        count(&mut self.all);
        for (parts, name) in [
            (&mut self.teams, &*past.team),
            (&mut self.languages, past.signals.language.code()),
            (&mut self.tasks, past.signals.task.code()),
        ] {
            match parts.get_mut(name) {
                Some(part) => count(part),
                None => count(parts.entry(name.to_owned()).or_default()),
            }
        }
        if !stays {
            let moved = format!("{} → {}", served.model, new.unwrap_or("(refused)"));
            count(self.moves.entry(moved).or_default());
        }
        let arm = decided.as_ref().ok().and_then(|plan| arm(policy, plan));
        let before = past.arm.as_ref().map(|(experiment, arm)| (&**experiment, &**arm));
        if arm != before && new.is_some() {
            count(
                self.arms.entry(format!("{} → {}", in_words(before), in_words(arm))).or_default(),
            );
        }
        let ms = |id: &str| {
            let at = policy.fleet().models.iter().position(|it| *it.id == *id)?;
            view.models.get(at)?.first_token_ms.map(f64::from)
        };
        if let (Some(before), Some(after)) = (ms(&served.model), new.and_then(ms)) {
            let (all_before, all_after, known) = &mut self.first_token_ms;
            *all_before += before;
            *all_after += after;
            *known += 1;
        }
    }

    /// The change of cost in percent of what was spent on requests that would still be served; `None` where
    /// nothing was.
    #[must_use]
    pub fn cost_change_percent(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a percentage")]
        let of = |nano: i128| nano as f64;
        (self.all.cost_nano > 0)
            .then(|| (of(self.all.new_cost_nano) / of(self.all.cost_nano) - 1.0) * 100.0)
    }
}
