//! What changes in experiments from one policy to another, and what that does to those that run.

use std::fmt;

use serde::Serialize;

use crate::{
    experiment::{Arm, Experiment},
    policy::{Policy, Route, Rule},
};

/// An experiment that is another one afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExperimentChange {
    /// Its name.
    pub experiment: String,
    /// Its version in the policy that is in force; absent if it is new.
    pub before: Option<String>,
    /// Its version afterwards; absent if it is gone. Another one starts the comparison anew.
    pub after: Option<String>,
    /// What changes, in words.
    pub changes: Vec<String>,
}

impl fmt::Display for ExperimentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.experiment;
        match (&self.before, &self.after) {
            (None, _) => write!(f, "experiment `{name}` is new")?,
            (_, None) => write!(f, "experiment `{name}` is gone")?,
            (before, after) if before == after => {
                write!(f, "experiment `{name}` keeps its version: the comparison goes on")?;
            }
            _ => write!(f, "experiment `{name}` has a new version: the comparison starts anew")?,
        }
        self.changes.iter().try_for_each(|change| write!(f, "\n  {change}"))
    }
}

/// What changes in experiments: first those of the policy that is in force, then new ones.
pub(super) fn changes(before: &Policy, after: &Policy) -> Vec<ExperimentChange> {
    let named = |policy: &Policy, name: &str| -> Option<usize> {
        policy.experiments().iter().position(|it| &*it.name == name)
    };
    let old = before.experiments().iter().filter_map(|was| {
        let is = named(after, &was.name).and_then(|at| after.experiments().get(at));
        let changes = is.map_or_else(Vec::new, |is| changed((before, was), (after, is)));
        let same = is.is_some_and(|is| is.version == was.version) && changes.is_empty();
        (!same).then(|| ExperimentChange {
            experiment: was.name.to_string(),
            before: Some(was.version.to_string()),
            after: is.map(|is| is.version.to_string()),
            changes,
        })
    });
    let new = after.experiments().iter().filter(|is| named(before, &is.name).is_none());
    let new = new.map(|is| ExperimentChange {
        experiment: is.name.to_string(),
        before: None,
        after: Some(is.version.to_string()),
        changes: Vec::new(),
    });
    old.chain(new).collect()
}

fn changed(
    (before, was): (&Policy, &Experiment),
    (after, is): (&Policy, &Experiment),
) -> Vec<String> {
    let mut said = Vec::new();
    let mut compare = |what: &str, was: String, is: String| {
        if was != is {
            said.push(format!("{what}: {was} → {is}"));
        }
    };
    compare("unit", was.unit.code().into(), is.unit.code().into());
    let control =
        |it: &Experiment| it.arm(it.control).map_or_else(String::new, |it| it.name.to_string());
    compare("control", control(was), control(is));
    let arm = |policy: &Policy, it: &Experiment, name: &str| {
        let arm = it.arms.iter().find(|arm| &*arm.name == name);
        arm.map_or_else(|| "none".into(), |arm| arm_in_words(policy, arm))
    };
    let gone = was.arms.iter().map(|arm| &*arm.name);
    let new = is.arms.iter().map(|arm| &*arm.name);
    let new = new.filter(|name| !was.arms.iter().any(|arm| &*arm.name == *name));
    for name in gone.chain(new) {
        compare(&format!("arm `{name}`"), arm(before, was, name), arm(after, is, name));
    }
    compare("enrolment", enrolment(was), enrolment(is));
    compare("judged", judged(was), judged(is));
    compare("guard", guard(was), guard(is));
    let allocation = |it: &Experiment| {
        it.thompson_floor.map_or_else(|| "fixed".into(), |floor| format!("thompson, floor {floor}"))
    };
    compare("allocation", allocation(was), allocation(is));
    compare("shadow", shadow(before, was), shadow(after, is));
    compare("rules", rules(before, was), rules(after, is));
    if was.layer != is.layer {
        said.push("its place in its layer moves: some units leave it and others come".into());
    }
    said
}

fn arm_in_words(policy: &Policy, arm: &Arm) -> String {
    let ids = |route: &Route| {
        let ids: Vec<&str> = route.models.iter().map(|it| policy.model_id(*it)).collect();
        format!("{} {}", ids.join(", "), super::how(&route.by))
    };
    let route = arm.route.as_ref().map_or_else(|| "the rule's own route".into(), ids);
    let params = arm.params.iter().map(|(name, json)| format!(", {name} {json}"));
    let suffix = arm.system_suffix.as_ref().map(|it| format!(", suffix {it:?}"));
    format!(
        "share {}, {route}{}{}",
        arm.share,
        params.collect::<String>(),
        suffix.unwrap_or_default()
    )
}

fn enrolment(it: &Experiment) -> String {
    let steps = it.enrolment.iter().map(|step| match step.from {
        i64::MIN => step.share.to_string(),
        from => {
            let from = jiff::Timestamp::from_second(from)
                .map_or_else(|_| from.to_string(), |it| it.to_string());
            format!("{} from {from}", step.share)
        }
    });
    steps.collect::<Vec<_>>().join(", ")
}

fn judged(it: &Experiment) -> String {
    let it = &it.judged;
    let better = if it.higher_is_better { "higher" } else { "lower" };
    let metrics = it.metrics.iter().map(|metric| format!(", {metric}")).collect::<String>();
    format!(
        "{} ({better} is better){metrics}, alpha {}, from {} units and {} days on",
        it.primary, it.alpha, it.units_min, it.days_min
    )
}

fn guard(it: &Experiment) -> String {
    let it = &it.guard;
    let error = it.error_rate_max.map(|most| format!("error rate {most}"));
    let first = it.first_token_p95_ms_max.map(|most| format!("first token p95 {most} ms"));
    let cost = it.cost_mean_max.map(|most| format!("mean cost {most}"));
    let feedback = it.feedback_min.iter().map(|(name, least)| format!("{name} at least {least}"));
    let bounds: Vec<String> = [error, first, cost].into_iter().flatten().chain(feedback).collect();
    if bounds.is_empty() {
        return "none".into();
    }
    format!("{}, from {} requests on", bounds.join(", "), it.requests_min)
}

fn shadow(policy: &Policy, it: &Experiment) -> String {
    it.shadow.as_ref().map_or_else(
        || "none".into(),
        |it| {
            format!(
                "{} of {}, paid by {}, at most {} a day and {} at once",
                it.share,
                policy.model_id(it.model),
                it.bill_to,
                it.cost_per_day_max,
                it.concurrency_max
            )
        },
    )
}

fn rules(policy: &Policy, it: &Experiment) -> String {
    let names = |rule: &&Rule| {
        let named = rule.experiment.and_then(|at| policy.experiment(at));
        named.is_some_and(|named| named.name == it.name)
    };
    let names: Vec<String> =
        policy.rules.iter().filter(names).map(|rule| format!("`{}`", rule.name)).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
