//! Names by which callers can reach vectors of two spaces. Those cannot be compared: who has an index of the
//! ones and gets the others has a broken index, and nothing tells him.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Proof, example,
    finding::{Finding, Kind},
    space::Area,
};
use crate::{
    facts::{ModelIndex, Operation},
    policy::{Policy, Rule},
};

/// Where a request for vectors by `auto` can come to: a rule, or the default route.
struct Outcome {
    rule: Option<usize>,
    spaces: Spaces,
    /// The requests for vectors that come to it.
    gets: Vec<Area>,
}

type Spaces = BTreeSet<Arc<str>>;

/// What is found of names that reach more than one space.
pub(super) fn all(proof: &Proof<'_>) -> Vec<Finding> {
    let fleet = &proof.policy.fleet().models;
    let every: Spaces = fleet.iter().filter_map(|it| it.vector_space.clone()).collect();
    if every.len() < 2 {
        return Vec::new();
    }
    let mut found: Vec<Finding> = aliases(proof.policy).collect();
    let outcomes = outcomes(proof);
    let routes = outcomes.iter().filter(|it| it.spaces.len() > 1 && !it.gets.is_empty());
    let split: Vec<&Outcome> = routes.collect();
    found.extend(split.iter().map(|it| {
        let says = format!(
            "requests for embeddings here can get vectors of {}: let all models of the route that have \
             vectors be of one space",
            named(&it.spaces)
        );
        finding(proof, it.rule, says, it.gets.first())
    }));
    if split.is_empty() {
        found.extend(apart(proof, &outcomes));
    }
    found
}

/// The first two outcomes of different spaces between which something else decides than team and model.
fn apart(proof: &Proof<'_>, outcomes: &[Outcome]) -> Option<Finding> {
    let pairs = outcomes
        .iter()
        .enumerate()
        .flat_map(|(nth, later)| outcomes.iter().take(nth).map(move |earlier| (earlier, later)));
    let mut mixed = pairs.filter(|(one, other)| one.spaces != other.spaces);
    let (one, other, area) = mixed.find_map(|(one, other)| {
        let meet = |area: &&Area| {
            let mine = area.by_team_and_model();
            proof.step() && one.gets.iter().any(|it| it.by_team_and_model().meets(&mine))
        };
        Some((one, other, other.gets.iter().find(meet)?))
    })?;
    let both: Spaces = one.spaces.union(&other.spaces).cloned().collect();
    let before = one.rule.and_then(|at| proof.policy.rules.get(at)).map_or("", |it| &it.name);
    let says = format!(
        "embeddings asked for by one name can get vectors of {}, by `{before}` or here: tell them apart by \
         `team` or `model` alone, or let both route to one space",
        named(&both)
    );
    Some(finding(proof, other.rule, says, Some(area)))
}

/// All that requests for vectors come to by the rules, in order, the default route last.
fn outcomes(proof: &Proof<'_>) -> Vec<Outcome> {
    let asked = proof.space.asking(Operation::has_vectors);
    let mut kept: Vec<Area> = Vec::new();
    let mut all = Vec::new();
    for (at, rule) in proof.policy.rules.iter().enumerate() {
        let Some(area) = proof.areas.get(at).and_then(|it| it.meet(&asked)) else { continue };
        let spaces = of_rule(proof.policy, rule);
        if rule.route.is_none() || spaces.is_empty() && !rule.refuses {
            continue;
        }
        let Some(gets) = proof.left(vec![area.clone()], kept.iter()) else { return all };
        if !spaces.is_empty() {
            all.push(Outcome { rule: Some(at), spaces, gets });
        }
        if !proof.is_opaque(at) {
            kept.push(area);
        }
    }
    let spaces = of(proof.policy, &proof.policy.default.models);
    if let Some(gets) = proof.left(vec![asked], kept.iter()).filter(|_| !spaces.is_empty()) {
        all.push(Outcome { rule: None, spaces, gets });
    }
    all
}

/// The spaces of a rule's route and of the arms of its experiment.
fn of_rule(policy: &Policy, rule: &Rule) -> Spaces {
    let experiment = rule.experiment.and_then(|at| policy.experiment(at));
    let arms = experiment.into_iter().flat_map(|it| &it.arms).filter_map(|it| it.route.as_ref());
    let models = rule.route.iter().chain(arms).flat_map(|it| &it.models);
    let permitted = models.filter(|it| rule.permitted.contains(it.get()));
    of(policy, permitted)
}

fn of<'a>(policy: &Policy, models: impl IntoIterator<Item = &'a ModelIndex>) -> Spaces {
    let space = |it: &ModelIndex| policy.fleet().models.get(it.get())?.vector_space.clone();
    models.into_iter().filter_map(space).collect()
}

fn aliases(policy: &Policy) -> impl Iterator<Item = Finding> {
    policy.aliases.iter().filter_map(|alias| {
        let spaces = of(policy, &alias.route.as_ref()?.models);
        let says = format!(
            "embeddings asked for by this name can get vectors of {}: let it name models of one space",
            named(&spaces)
        );
        let name = alias.name.strip_prefix("alias:").unwrap_or(&alias.name);
        (spaces.len() > 1).then(|| Finding {
            severity: Kind::VectorSpaces.severity(),
            kind: Kind::VectorSpaces,
            rule: alias.name.to_string(),
            file: None,
            line: None,
            path: format!("alias.{name}"),
            says,
            example: None,
        })
    })
}

fn finding(proof: &Proof<'_>, rule: Option<usize>, says: String, area: Option<&Area>) -> Finding {
    let kind = Kind::VectorSpaces;
    let found = rule.and_then(|at| proof.policy.rules.get(at));
    let example = area.map(|it| example::given(&proof.space.example(it), proof.policy.fleet()));
    Finding {
        severity: kind.severity(),
        kind,
        rule: found.map_or_else(|| "default".into(), |it| it.name.to_string()),
        file: None,
        line: None,
        path: rule.map_or_else(|| "default".into(), |at| format!("rule[{at}]")),
        says,
        example,
    }
}

/// The spaces in words.
fn named(spaces: &Spaces) -> String {
    let names: Vec<String> = spaces.iter().map(|it| format!("`{it}`")).collect();
    format!("the spaces {}", names.join(" and "))
}
