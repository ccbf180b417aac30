//! How many lines of metrics a configuration can make by itself, however its requests are folded: what names
//! a team, a model, an endpoint or a rule never folds, and has to have room.

use std::collections::{BTreeMap, HashSet};

use policies::{
    Fault,
    facts::{Content, DataClass, KeyIndex, TeamIndex},
};

use super::{Config, Credential};

/// Lines of one histogram: at most 16 buckets, sum and count.
const HISTOGRAM: usize = 18;
/// Kinds of requests that are served: the rows of the table of surfaces.
const OPERATIONS: usize = 1;
/// Of the process, the ledger, the stages, refusals and reloads, and of the kinds that requests contain by
/// their data class: what there is in any configuration.
const FIXED: usize = 326 + Content::COUNT * DataClass::ALL.len();
/// Of a model: requests by their four outcomes and by what the cache had, the three histograms of each
/// operation; what is estimated, beyond its bound, asked as the last resort and waiting; its five prices,
/// what it is and whether it is on.
const MODEL: usize = 4 + 4 + 3 * HISTOGRAM * OPERATIONS + 4 + 5 + 2;
/// Of an endpoint: attempts by eight results and their times, ejections by as many causes, its three gauges.
const ENDPOINT: usize = 8 + HISTOGRAM + 8 + 3;
/// Of a team and a model that its keys may use: money, and five types of tokens.
const TEAM_AND_MODEL: usize = 1 + 5;
/// Of a team's budget: amount, spent, reserved, hard, beginning and end of the window.
const BUDGET: usize = 6;

/// Of an issuer of tokens: refreshes of its keys by two results, and their age.
const ISSUER: usize = 2 + 1;
/// Of an arm of an experiment: requests by their four outcomes, and its units.
const ARM: usize = 5;
/// Of an experiment: requests that have no unit.
const EXPERIMENT: usize = 1;
/// Of a shadow: its requests by four outcomes and by seven reasons why it is not asked; its answers by three
/// things that are compared, the same or not; money and tokens of the team that pays.
const SHADOW: usize = 4 + 7 + 3 * 2 + TEAM_AND_MODEL;

/// Lines that a configuration can make by itself, by what makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alone {
    /// Pairs of a team and a model that one of its keys may use.
    used: usize,
    models: usize,
    endpoints: usize,
    budgets: usize,
    /// Shares of all these budgets at which somebody is told.
    alerts: usize,
    issuers: usize,
    /// Pairs of what can decide and a model of its route.
    decisions: usize,
    /// Names of values for each arm of an experiment, and the others together.
    feedback: usize,
    /// Bounds of each arm of an experiment.
    bounds: usize,
    experiments: usize,
    shadows: usize,
    /// Of all experiments together.
    arms: usize,
}

impl Alone {
    fn of(config: &Config) -> Self {
        let budgets = || config.teams.iter().flat_map(|it| &it.budgets);
        Self {
            used: used(config),
            models: config.models.len(),
            endpoints: config.models.iter().map(|it| it.endpoints.len()).sum(),
            budgets: budgets().count(),
            alerts: budgets().map(|it| it.alerts.len()).sum(),
            issuers: config.oidc.len(),
            decisions: config.policy.decisions(),
            feedback: feedback(config),
            bounds: bounds(config),
            experiments: config.policy.experiments().len(),
            shadows: config.shadow_keys.len(),
            arms: config.policy.experiments().iter().map(|it| it.arms.len()).sum(),
        }
    }

    fn lines(self) -> usize {
        FIXED
            + self.used * TEAM_AND_MODEL
            + self.models * MODEL
            + self.endpoints * ENDPOINT
            + self.of_budgets()
            + self.issuers * ISSUER
            + self.decisions
            + self.compared()
    }

    fn of_budgets(self) -> usize {
        self.budgets * BUDGET + self.alerts
    }

    /// Those of experiments.
    fn compared(self) -> usize {
        let arms = self.arms * ARM + self.feedback + self.bounds;
        self.experiments * EXPERIMENT + self.shadows * SHADOW + arms
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
        let Alone { used, models, endpoints, budgets, issuers, decisions, arms, .. } = alone;
        let compared = match alone.compared() {
            0 => String::new(),
            lines => format!("{lines} for the arms of experiments ({arms}), "),
        };
        let tokens = match issuers {
            0 => String::new(),
            issuers => format!("{} for issuers of tokens ({issuers}), ", issuers * ISSUER),
        };
        let expected = format!(
            "at least {lines}, for what never folds into `other`: {} for teams and the models that \
             their keys may use ({used}), {} for models ({models}), {} for endpoints ({endpoints}), {} \
             for budgets ({budgets}), {decisions} for rules and aliases by the models of their routes, \
             {compared}{tokens}and {FIXED}",
            used * TEAM_AND_MODEL,
            models * MODEL,
            endpoints * ENDPOINT,
            alone.of_budgets(),
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

/// How many bounds all arms of all experiments have.
fn bounds(config: &Config) -> usize {
    let bounds = |it: &policies::experiment::Experiment| {
        let guard = &it.guard;
        let [error, first_token, cost] = [
            guard.error_rate_max.is_some(),
            guard.first_token_p95_ms_max.is_some(),
            guard.cost_mean_max.is_some(),
        ]
        .map(usize::from);
        error + first_token + cost + guard.feedback_min.len()
    };
    config.policy.experiments().iter().map(|it| it.arms.len() * bounds(it)).sum()
}

/// How many pairs there are of a team that has keys and a model that one of them may use. Keys that share
/// their team and their list of models are asked for once.
fn used(config: &Config) -> usize {
    let facts = config.policy.fleet();
    let mut asked = HashSet::new();
    let mut teams: BTreeMap<TeamIndex, Vec<bool>> = BTreeMap::new();
    let keys = (0..).map(KeyIndex).zip(&config.keys);
    let tokens =
        config.oidc.iter().flat_map(|it| &it.payers).filter_map(|it| match it.credential {
            Credential::Token(index) => Some((index, it)),
            _ => None,
        });
    for (index, key) in keys.chain(tokens) {
        let Some(facts) = facts.keys.get(index.get()) else { continue };
        if !asked.insert((key.team, &facts.models)) {
            continue;
        }
        let parent = |at: &TeamIndex| config.teams.get(at.get())?.parent.filter(|it| it < at);
        let path: Vec<TeamIndex> = std::iter::successors(Some(key.team), parent).collect();
        let allowed = config.policy.allowed(&path, index);
        let all = teams.entry(key.team).or_insert_with(|| vec![false; allowed.len()]);
        all.iter_mut().zip(allowed).for_each(|(any, it)| *any |= it);
    }
    teams.values().flatten().filter(|it| **it).count()
}
