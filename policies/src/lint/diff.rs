//! Two policies side by side: which requests, as conditions, are decided otherwise.

mod experiments;

use std::fmt;

use serde::Serialize;

pub use self::experiments::ExperimentChange;
use super::{
    example,
    reach::kept,
    space::{Area, Space},
};
use crate::{
    fault::counted,
    policy::{By, Policy, RETRIES, Route, Rule},
};

/// Parts of the space that are compared at the most.
const STEPS_MAX: usize = 1_000_000;
/// Parts of one change that are listed.
const PARTS_MAX: usize = 8;

/// Parts of one change in which an example is looked for.
const TRIED_MAX: usize = 64;

/// Requests that are decided otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What decides now, and how.
    pub before: String,
    /// What would decide.
    pub after: String,
    /// Which requests, each part by its conditions.
    pub conditions: Vec<String>,
    /// One of them, as `given` of a case table; nothing where expressions decide and none was found.
    pub example: Option<String>,
}

/// All changes between two policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// In the order of the rules of the policy that is in force.
    pub changes: Vec<Change>,
    /// Experiments that are new, gone, or other ones.
    pub experiments: Vec<ExperimentChange>,
    /// Whether there may be more: the policies were too large to compare whole.
    pub cut: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.conditions {
            writeln!(f, "{condition}")?;
        }
        writeln!(f, "  - {}", self.before)?;
        writeln!(f, "  + {}", self.after)?;
        match &self.example {
            Some(example) => write!(f, "  for example given = {example}"),
            None => write!(f, "  no example was found"),
        }
    }
}

/// Compares two policies that are compiled against the same fleet: who routes what, and which guards bind.
/// Requests for `auto` are compared; pins and aliases lead where the configuration says, whatever the rules.
#[must_use]
pub fn diff(before: &Policy, after: &Policy) -> Changes {
    let space = Space::new(before.rules.iter().chain(&after.rules), before.fleet());
    let mut pairs = Pairs { space: &space, fleet: before, steps: 0, found: Changes::default() };
    let (old, new) = (pairs.regions(before), pairs.regions(after));
    for (rule, areas) in &old {
        for (other, others) in &new {
            let (was, is) = (outcome(before, *rule), outcome(after, *other));
            if was != is {
                pairs.change(areas, others, was, is);
            }
        }
    }
    pairs.guards(before, after, false);
    pairs.guards(after, before, true);
    Changes { experiments: experiments::changes(before, after), ..pairs.found }
}

/// A rule by its position, or the default, and the requests that it routes.
type Region = (Option<usize>, Vec<Area>);

struct Pairs<'a> {
    space: &'a Space,
    fleet: &'a Policy,
    steps: usize,
    found: Changes,
}

impl Pairs<'_> {
    /// What each rule routes after those before it, then what is left for the default.
    fn regions(&mut self, policy: &Policy) -> Vec<Region> {
        let mut regions = Vec::new();
        let mut before: Vec<Area> = Vec::new();
        // What a rule passes on, the next ones route.
        for (at, area) in kept(policy, self.space).into_iter().enumerate() {
            let Some(area) = area else { continue };
            regions.push((Some(at), self.left(vec![area.clone()], &before)));
            before.push(area);
        }
        regions.push((None, self.left(vec![Area::default()], &before)));
        regions
    }

    fn left(&mut self, of: Vec<Area>, without: &[Area]) -> Vec<Area> {
        let mut parts = of;
        for other in without {
            self.steps += parts.len();
            if self.steps > STEPS_MAX {
                self.found.cut = true;
                break;
            }
            let split = |part: Area| {
                if part.meets(other) { part.without(other, self.space) } else { vec![part] }
            };
            parts = parts.into_iter().flat_map(split).collect();
        }
        parts
    }

    fn change(&mut self, areas: &[Area], others: &[Area], before: String, after: String) {
        self.steps += areas.len() * others.len();
        if self.steps > STEPS_MAX {
            self.found.cut = true;
            return;
        }
        let both: Vec<Area> =
            areas.iter().flat_map(|area| others.iter().filter_map(|it| area.meet(it))).collect();
        self.push(&both, before, after);
    }

    fn push(&mut self, parts: &[Area], before: String, after: String) {
        if parts.is_empty() {
            return;
        }
        let mut conditions: Vec<String> =
            parts.iter().take(PARTS_MAX).map(|part| self.space.described(part)).collect();
        if parts.len() > PARTS_MAX {
            let more = counted(parts.len() - PARTS_MAX, "part more", "parts more");
            conditions.push(format!("and {more}"));
        }
        let found = parts.iter().take(TRIED_MAX).find_map(|part| self.space.witness(part));
        let example = found.map(|it| example::given(&it, self.fleet.fleet()));
        self.found.changes.push(Change { before, after, conditions, example });
    }

    /// Requests that a guard of one policy binds and no guard of the other binds alike.
    fn guards(&mut self, of: &Policy, other: &Policy, added: bool) {
        let guard = |rule: &&Rule| rule.route.is_none();
        for rule in of.rules.iter().filter(guard) {
            let alike =
                other.rules.iter().filter(guard).filter(|it| it.permitted.within(&rule.permitted));
            let alike: Vec<Area> = alike.map(|it| self.space.area(&it.when)).collect();
            let left = self.left(vec![self.space.area(&rule.when)], &alike);
            let bound = format!("guard `{}` binds", rule.name);
            let free = "no guard that is as strict".to_owned();
            let (before, after) = if added { (free, bound) } else { (bound, free) };
            self.push(&left, before, after);
        }
    }
}

/// What a rule does with what it routes, without its name: a renamed rule changes nothing.
fn outcome(policy: &Policy, rule: Option<usize>) -> String {
    let rule = rule.and_then(|at| policy.rules.get(at));
    let route = rule.and_then(|rule| rule.route.as_ref()).unwrap_or(&policy.default);
    let validates = route.validates;
    let mut said = models(policy, route, rule);
    said += &format!(", retry {}", rule.map_or(RETRIES, |rule| rule.retries));
    if validates {
        said += ", validated";
    }
    if let Some(seconds) = route.cache_ttl_s {
        said += &format!(", kept for {seconds} s");
    }
    if let Some(rule) = rule {
        if let Some(hedge) = rule.hedge {
            said += &format!(", hedge after {} ms", hedge.after_ms);
        }
        if let Some(slow) = rule.slow_stream {
            let (ms, least) = (slow.hold_ms, slow.output_tokens_per_second_min);
            said += &format!(", slow below {least} tokens/s over {ms} ms");
        }
        if let Some(most) = rule.cost_max {
            said += &format!(", at most {most}");
        }
        if rule.refuses {
            said += ", nothing passed on";
        }
        said += &rule.timeouts.described();
        if let Some(experiment) = rule.experiment.and_then(|at| policy.experiment(at)) {
            said += &format!(", experiment {}", experiment.name);
        }
    }
    said
}

fn models(policy: &Policy, route: &Route, rule: Option<&Rule>) -> String {
    let permitted = |at: usize| rule.is_none_or(|rule| rule.permitted.contains(at));
    let ids: Vec<&str> = route
        .models
        .iter()
        .filter(|it| permitted(it.get()))
        .filter_map(|it| policy.fleet().models.get(it.get()))
        .map(|model| &*model.id)
        .collect();
    format!("{} {}", ids.join(", "), how(&route.by))
}

fn how(by: &By) -> String {
    match by {
        By::Order => "in order".to_owned(),
        By::Cost => "by cost".into(),
        By::Latency => "by latency".into(),
        By::Load => "by load".into(),
        By::Weight(weights) => format!("by weight {weights:?}"),
    }
}
