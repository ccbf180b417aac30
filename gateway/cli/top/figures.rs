//! What is shown: the difference between two reads. Pure.

use super::reading::{Budget, Model, Reading, Team, rise};

/// A model's row. What is a rate or a share is nothing before there are two reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ModelRow {
    /// The model's id.
    pub(super) name: String,
    /// Requests that ended, a second.
    pub(super) requests: Option<f64>,
    /// Those that were served whole, a second.
    pub(super) ok: Option<f64>,
    /// Those that failed or were cut, a second.
    pub(super) errors: Option<f64>,
    /// Seconds to the first token, the median.
    pub(super) first_token_p50: Option<f64>,
    /// The same for 95 of 100.
    pub(super) first_token_p95: Option<f64>,
    /// Tokens made, a second.
    pub(super) tokens: Option<f64>,
    /// Money, a minute.
    pub(super) cost: Option<f64>,
    /// Requests in flight now.
    pub(super) in_flight: f64,
    /// Requests that wait now.
    pub(super) queue: f64,
    /// Endpoints that serve.
    pub(super) up: usize,
    /// Endpoints.
    pub(super) endpoints: usize,
}

/// A team's row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TeamRow {
    /// The team's name.
    pub(super) name: String,
    /// Tokens made, a second.
    pub(super) tokens: Option<f64>,
    /// Money, a minute.
    pub(super) cost: Option<f64>,
    /// The budget of which most is spent, with its window.
    pub(super) budget: Option<(String, Budget)>,
}

impl TeamRow {
    /// The share of its fullest budget that is spent, 1 for all of it.
    pub(super) fn spent(&self) -> Option<f64> {
        self.budget.as_ref().map(|(_, budget)| share(budget))
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// The last read, of which are the states.
    pub(super) now: Reading,
    /// Seconds between the reads.
    pub(super) seconds: f64,
    /// Requests turned away, a second.
    pub(super) refused: Option<f64>,
    /// By model.
    pub(super) models: Vec<ModelRow>,
    /// By team.
    pub(super) teams: Vec<TeamRow>,
    /// Seconds of the gateway's own work that 99 of 100 requests stay beneath, by stage.
    pub(super) stages: Vec<(String, f64)>,
}

fn share(budget: &Budget) -> f64 {
    if budget.limit > 0.0 { budget.spent / budget.limit } else { 1.0 }
}

/// Whether another process answers than before: its counters began at nothing.
pub(super) fn restarted(before: &Reading, now: &Reading) -> bool {
    before.start != now.start
}

impl Figures {
    /// What has happened between two reads. Between those of two processes, all that the later one has
    /// counted has.
    pub(super) fn between(before: &Reading, now: &Reading) -> Self {
        let seconds = now.at - before.at;
        let nothing = Reading::default();
        let was = if restarted(before, now) { &nothing } else { before };
        let rate = |was: f64, now: f64| (seconds > 0.0).then(|| rise(was, now) / seconds);
        let model = |(name, model): (&String, &Model)| {
            model_row(name, (was.models.get(name), model), &rate)
        };
        let team =
            |(name, team): (&String, &Team)| team_row(name, (was.teams.get(name), team), &rate);
        let stages = now.stages.iter().filter_map(|(stage, buckets)| {
            let observed = buckets.since(was.stages.get(stage));
            Some((stage.clone(), observed.quantile(0.99)?))
        });
        Self {
            seconds,
            refused: rate(was.refused, now.refused),
            models: now.models.iter().map(model).collect(),
            teams: now.teams.iter().map(team).collect(),
            stages: stages.collect(),
            now: now.clone(),
        }
    }

    /// The sum of what the models' rows have; nothing before there are two reads.
    pub(super) fn sum(&self, of: impl Fn(&ModelRow) -> Option<f64>) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.models.iter().filter_map(of).sum())
    }
}

fn model_row(
    name: &str,
    (was, now): (Option<&Model>, &Model),
    rate: &impl Fn(f64, f64) -> Option<f64>,
) -> ModelRow {
    let grown = |of: fn(&Model) -> f64| rate(was.map_or(0.0, of), of(now));
    let first_token = now.first_token.since(was.map(|it| &it.first_token));
    ModelRow {
        name: name.to_owned(),
        requests: grown(|it| it.requests),
        ok: grown(|it| it.ok),
        errors: grown(|it| it.errors),
        first_token_p50: first_token.quantile(0.5),
        first_token_p95: first_token.quantile(0.95),
        tokens: grown(|it| it.tokens),
        cost: grown(|it| it.cost).map(|it| it * 60.0),
        in_flight: now.in_flight,
        queue: now.queue,
        up: now.up,
        endpoints: now.endpoints,
    }
}

fn team_row(
    name: &str,
    (was, now): (Option<&Team>, &Team),
    rate: &impl Fn(f64, f64) -> Option<f64>,
) -> TeamRow {
    let grown = |of: fn(&Team) -> f64| rate(was.map_or(0.0, of), of(now));
    let fullest = now.budgets.iter().max_by(|a, b| share(a.1).total_cmp(&share(b.1)));
    TeamRow {
        name: name.to_owned(),
        tokens: grown(|it| it.tokens),
        cost: grown(|it| it.cost).map(|it| it * 60.0),
        budget: fullest.map(|(window, budget)| (window.clone(), budget.clone())),
    }
}
