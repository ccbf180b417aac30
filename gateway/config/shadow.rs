//! The keys that pay for the shadows of experiments: nobody has them, and no request can come in by one. What
//! a shadow may cost and how many of its requests run at once are such a key's budget and limit, under the
//! team that is billed.

use std::sync::Arc;

use policies::{
    Policy,
    experiment::Experiment,
    facts::{TeamIndex, Window},
};

use super::{Budget, Credential, Key, Limits, Priority, Tags, Team};

/// The keys of a policy's shadows.
pub(super) fn keys(policy: &Policy, teams: &[Team]) -> Vec<Key> {
    policy.experiments().iter().filter_map(|it| key(it, policy.timezone(), teams)).collect()
}

/// The name of the key that pays for an experiment's shadow: no configured key can have it.
pub(crate) fn key_name(experiment: &str) -> Arc<str> {
    format!("shadow({experiment})").into()
}

fn key(experiment: &Experiment, zone: &str, teams: &[Team]) -> Option<Key> {
    let shadow = experiment.shadow.as_ref()?;
    let team = teams.iter().position(|team| team.name == shadow.bill_to)?;
    let timezone = jiff::tz::TimeZone::get(zone).ok()?;
    let budget = Budget::plain(shadow.cost_per_day_max, Window::Day, true, timezone);
    Some(Key {
        name: key_name(&experiment.name),
        team: u16::try_from(team).ok().map(TeamIndex)?,
        credential: Credential::Nobody,
        budgets: vec![budget],
        limits: Limits { concurrent: Some(shadow.concurrency_max), ..Limits::default() },
        data_class: None,
        data_class_max: None,
        priority: Some(Priority::Batch),
        hints: false,
        feedback: false,
        frontend: false,
        owner: None,
        tags: Tags::default(),
        expires: None,
    })
}
