//! How many lines of metrics a configuration can make by itself, however its requests are folded: what names
//! a team, a model, an endpoint or a rule never folds, and has to have room.

use std::collections::{BTreeMap, HashSet};

use policies::{
    Fault,
    facts::{KeyIndex, TeamIndex},
};

use super::Config;

/// Lines of one histogram: at most 16 buckets, sum and count.
const HISTOGRAM: usize = 18;
/// Kinds of requests that are served: the rows of the table of surfaces.
const OPERATIONS: usize = 1;
/// Of the process, the ledger, the stages, refusals and reloads: what there is in any configuration.
const FIXED: usize = 323;
/// Of a model: requests by their four outcomes, the three histograms of each operation; what is estimated,
/// beyond its bound, asked as the last resort and waiting; its five prices and what it is.
const MODEL: usize = 4 + 3 * HISTOGRAM * OPERATIONS + 4 + 5 + 1;
/// Of an endpoint: attempts by eight results and their times, ejections by as many causes, its two gauges.
const ENDPOINT: usize = 8 + HISTOGRAM + 8 + 2;
/// Of a team and a model that its keys may use: money, and five types of tokens.
const TEAM_AND_MODEL: usize = 1 + 5;
/// Of a team's budget: amount, spent, reserved, hard, beginning and end of the window.
const BUDGET: usize = 6;

/// Lines that a configuration can make by itself, by what makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alone {
    /// Pairs of a team and a model that one of its keys may use.
    used: usize,
    models: usize,
    endpoints: usize,
    budgets: usize,
    /// Pairs of what can decide and a model of its route.
    decisions: usize,
    /// Names of values for each arm of an experiment, and the others together.
    feedback: usize,
}

impl Alone {
    fn of(config: &Config) -> Self {
        Self {
            used: used(config),
            models: config.models.len(),
            endpoints: config.models.iter().map(|it| it.endpoints.len()).sum(),
            budgets: config.teams.iter().map(|it| it.budgets.len()).sum(),
            decisions: config.policy.decisions(),
            feedback: feedback(config),
        }
    }

    fn lines(self) -> usize {
        FIXED
            + self.used * TEAM_AND_MODEL
            + self.models * MODEL
            + self.endpoints * ENDPOINT
            + self.budgets * BUDGET
            + self.decisions
            + self.feedback
    }
}

/// Lines that this configuration can make by itself.
pub(crate) fn series_alone(config: &Config) -> usize {
    Alone::of(config).lines()
}

/// What is wrong with a configuration that could pass its own `series_max`.
pub(super) fn too_many(config: &Config) -> Option<Fault> {
    let alone = Alone::of(config);
    let lines = alone.lines();
    (lines > config.series_max).then(|| {
        let Alone { used, models, endpoints, budgets, decisions, feedback } = alone;
        let expected = format!(
            "at least {lines}, for what never folds into `other`: {} for teams and the models that \
             their keys may use ({used}), {} for models ({models}), {} for endpoints ({endpoints}), {} \
             for budgets ({budgets}), {decisions} for rules and aliases by the models of their routes, \
             {feedback} for what is told of the arms of experiments, and {FIXED}",
            used * TEAM_AND_MODEL,
            models * MODEL,
            endpoints * ENDPOINT,
            budgets * BUDGET,
        );
        Fault::new("metrics.series_max", config.series_max.to_string(), expected)
    })
}

/// How many values can be told apart by the names of experiments, arms and values.
fn feedback(config: &Config) -> usize {
    let names = |it: &policies::experiment::Experiment| {
        2 + it.judged.metrics.len() + it.guard.feedback_min.len()
    };
    config.policy.experiments().iter().map(|it| it.arms.len() * names(it)).sum()
}

/// How many pairs there are of a team that has keys and a model that one of them may use. Keys that share
/// their team and their list of models are asked for once.
fn used(config: &Config) -> usize {
    let facts = config.policy.fleet();
    let mut asked = HashSet::new();
    let mut teams: BTreeMap<TeamIndex, Vec<bool>> = BTreeMap::new();
    for (at, (key, facts)) in (0..).zip(config.keys.iter().zip(&facts.keys)) {
        if !asked.insert((key.team, &facts.models)) {
            continue;
        }
        let parent = |at: &TeamIndex| config.teams.get(at.get())?.parent.filter(|it| it < at);
        let path: Vec<TeamIndex> = std::iter::successors(Some(key.team), parent).collect();
        let allowed = config.policy.allowed(&path, KeyIndex(at));
        let all = teams.entry(key.team).or_insert_with(|| vec![false; allowed.len()]);
        all.iter_mut().zip(allowed).for_each(|(any, it)| *any |= it);
    }
    teams.values().flatten().filter(|it| **it).count()
}
