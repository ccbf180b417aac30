//! What a policy can never do, or should never do: found before it is in force, each with a request that
//! shows it.
//!
//! Rules are boxes in a finite product of all requests that they can tell apart, so that nothing here is a
//! guess: a rule is called dead because nothing is left of its box, and a leak is a request that is left.

mod asking;
mod diff;
mod example;
mod experiment;
mod finding;
mod reach;
mod space;
mod values;
mod vectors;

use std::cell::Cell;

pub use self::{
    diff::{Change, Changes, ExperimentChange, diff},
    finding::{Finding, Kind, Severity, place},
};
use self::{
    reach::{Reach, can},
    space::{Area, Space},
};
use crate::{
    facts::{DataClass, ModelIndex, Needs},
    fault::Fault,
    policy::{Policy, Rule, hintable, named_keys},
    set::BitSet,
};

/// Steps of the proofs at the most: what is not settled by then is said to be unproved.
const STEPS_MAX: u64 = 400_000;
/// Parts that a box may fall into before its proof is given up.
const PARTS_MAX: usize = 2_000;
/// Room that an answer needs at the least, in tokens.
const ANSWER_MIN: u32 = 256;

/// Judges a policy that is to be loaded.
///
/// # Errors
/// The findings for which it is not; else those of requests that end nowhere: they are refused whatever
/// model is up, by the rule or for want of another.
pub fn judge(policy: &Policy) -> Result<Vec<Finding>, Vec<Fault>> {
    let mut found = lint(policy);
    let errors = found.iter().filter(|it| it.severity == Severity::Error);
    let errors: Vec<Fault> = errors.map(Finding::fault).collect();
    found.retain(|it| matches!(it.kind, Kind::Gap | Kind::EmptyRoute));
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// Looks for everything that can be wrong with a policy that compiles.
#[must_use]
pub fn lint(policy: &Policy) -> Vec<Finding> {
    let space = Space::new(policy.rules.iter(), policy.fleet());
    let areas: Vec<Area> = policy.rules.iter().map(|rule| space.area(&rule.when)).collect();
    let opaque = policy.rules.iter().map(|rule| space.opaque(&rule.when)).collect();
    let mut proof = Proof {
        policy,
        reach: Reach::new(policy, &space, &areas),
        space,
        areas,
        opaque,
        steps: Cell::new(0),
        given_up: Cell::new(false),
        gets: Vec::new(),
        findings: Vec::new(),
    };
    proof.guards();
    proof.rules();
    let more = [vectors::all(&proof), experiment::all(&proof)];
    proof.findings.extend(more.into_iter().flatten());
    if proof.given_up.get() {
        proof.find(Kind::Unproved, None, finding::UNPROVED, None);
    }
    proof.findings
}

struct Proof<'a> {
    policy: &'a Policy,
    reach: Reach<'a>,
    space: Space,
    /// By rule, the requests for which its conditions hold.
    areas: Vec<Area>,
    /// By rule, whether that is more than really holds.
    opaque: Vec<bool>,
    steps: Cell<u64>,
    given_up: Cell<bool>,
    /// Rules with an experiment that route something, and what.
    gets: Vec<(usize, Vec<Area>)>,
    findings: Vec<Finding>,
}

impl Proof<'_> {
    fn find(&mut self, kind: Kind, rule: Option<usize>, says: &str, area: Option<&Area>) {
        let name = rule.and_then(|at| self.policy.rules.get(at)).map(|rule| rule.name.to_string());
        let beyond = area.and_then(|area| self.space.beyond(area));
        let says = beyond.map_or_else(|| says.into(), |it| format!("{says} (where {it} holds)"));
        self.findings.push(Finding {
            severity: kind.severity(),
            kind,
            rule: name.unwrap_or_else(|| "default".into()),
            file: None,
            line: None,
            path: rule.map_or_else(|| "default".into(), |at| format!("rule[{at}]")),
            says,
            example: area
                .map(|area| example::given(&self.space.example(area), self.policy.fleet())),
        });
    }

    /// Counts a step. False once there were too many.
    fn step(&self) -> bool {
        self.steps.set(self.steps.get() + 1);
        let more = self.steps.get() < STEPS_MAX;
        self.given_up.set(self.given_up.get() || !more);
        more
    }

    /// What is left of some areas without others; `None` if that could not be worked out.
    fn left<'a>(
        &self,
        of: Vec<Area>,
        without: impl Iterator<Item = &'a Area>,
    ) -> Option<Vec<Area>> {
        let mut parts = of;
        for other in without {
            if parts.is_empty() {
                break;
            }
            let mut next = Vec::with_capacity(parts.len());
            for part in parts {
                if !self.step() {
                    return None;
                }
                if part.meets(other) {
                    next.extend(part.without(other, &self.space));
                } else {
                    next.push(part);
                }
            }
            if next.len() > PARTS_MAX {
                self.given_up.set(true);
                return None;
            }
            parts = next;
        }
        Some(parts)
    }

    fn is_opaque(&self, at: usize) -> bool {
        self.opaque.get(at).copied().unwrap_or(true)
    }

    /// Whether two rules hold for the same requests.
    fn same(&self, one: usize, other: usize) -> bool {
        !self.is_opaque(one)
            && !self.is_opaque(other)
            && self.areas.get(one) == self.areas.get(other)
    }

    fn is_guard(&self, at: usize) -> bool {
        self.policy.rules.get(at).is_some_and(|rule| rule.route.is_none())
    }

    /// Guards that say the same twice, that can be evaded, and that let data of a higher class go.
    fn guards(&mut self) {
        let guards: Vec<usize> =
            (0..self.policy.rules.len()).filter(|at| self.is_guard(*at)).collect();
        for (nth, at) in guards.iter().enumerate() {
            let Some(rule) = self.policy.rules.get(*at) else { continue };
            if let Some(dimension) = hintable(&rule.when) {
                let says = format!(
                    "this guard asks for {dimension}, which a caller with `hints` can state"
                );
                let area = self.areas.get(*at).cloned();
                self.find(Kind::Hintable, Some(*at), &says, area.as_ref());
            }
            let same = guards.iter().take(nth).find(|before| self.same(**before, *at));
            if let Some(before) = same.and_then(|before| self.policy.rules.get(*before)) {
                let says =
                    format!("it has the conditions of `{}`: one guard can say both", before.name);
                self.find(Kind::SameConditions, Some(*at), &says, None);
            }
            self.leak(*at, &guards);
        }
    }

    /// Requests of a class that a guard keeps in a zone, or of a higher one, that no guard keeps there.
    fn leak(&mut self, at: usize, guards: &[usize]) {
        let Some(rule) = self.policy.rules.get(at).filter(|rule| rule.zoned) else { return };
        let Some(lowest) = rule.when.data_classes().and_then(|set| set.iter().next()) else {
            return;
        };
        let permitted = rule.permitted.clone();
        let as_strict = |other: &&usize| {
            let strict = |rule: &Rule| rule.permitted.within(&permitted);
            !self.is_opaque(**other) && self.policy.rules.get(**other).is_some_and(strict)
        };
        let strict: Vec<&Area> =
            guards.iter().filter(as_strict).filter_map(|it| self.areas.get(*it)).collect();
        for class in DataClass::ALL.iter().copied().filter(|class| *class as usize >= lowest) {
            let Some(left) = self.left(vec![self.space.class(class)], strict.iter().copied())
            else {
                return;
            };
            let Some(open) = left.first().cloned() else { continue };
            let outside = (0..)
                .zip(&self.policy.fleet().models)
                .find(|(at, _)| !rule.permitted.contains(*at));
            let Some((_, model)) = outside else { continue };
            let says = format!(
                "{class} data can reach `{}`{}: no guard that is as strict binds it",
                model.id,
                model.zone.as_ref().map_or_else(String::new, |zone| format!(" in zone `{zone}`")),
            );
            self.find(Kind::Leak, Some(at), &says, Some(&open));
            return;
        }
    }

    /// Rules in their order, then the default: what each of them still gets, and what it can do for it.
    fn rules(&mut self) {
        let (mut before, mut plain): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for at in 0..self.policy.rules.len() {
            let Some(rule) = self.policy.rules.get(at) else { continue };
            let Some(route) = rule.route.as_ref() else { continue };
            if route.models.is_empty() && !rule.refuses {
                continue;
            }
            let Some(area) = self.areas.get(at).cloned() else { continue };
            let same = before.iter().find(|before| self.same(**before, at));
            if let Some(same) = same.and_then(|it| self.policy.rules.get(*it)) {
                let says = format!(
                    "it has the conditions of `{}`, which stands first: one route can name the models \
                     of both",
                    same.name
                );
                self.find(Kind::SameConditions, Some(at), &says, None);
                // What the first cannot serve it may, and nothing of that comes any further.
                plain.extend((!self.is_opaque(at)).then_some(at));
                continue;
            }
            let taking = || plain.iter().filter(|it| self.reach.leaves_nothing(**it, at));
            let keeps = plain.iter().filter_map(|it| self.reach.keeps(*it));
            let Some(left) = self.left(vec![area.clone()], keeps) else { return };
            let taken = taking().filter_map(|it| self.areas.get(*it));
            let whole = |it: &usize| {
                self.reach.leaves_nothing(*it, at) && self.reach.keeps(*it) == self.areas.get(*it)
            };
            let routes = match plain.iter().all(whole) {
                true => Some(left.clone()),
                false => self.left(vec![area.clone()], taken),
            };
            let Some(routes) = routes else { return };
            if routes.is_empty() {
                let covers = |it: &&usize| {
                    self.areas.get(**it).is_some_and(|it| area.within(it, &self.space))
                };
                let says = finding::never_routes(
                    taking().find(covers).and_then(|it| self.policy.rules.get(*it)),
                );
                self.find(Kind::Dead, Some(at), &says, Some(&area));
            } else {
                self.served(Some(at), &route.models, &rule.permitted, &left);
            }
            before.push(at);
            plain.extend((!self.is_opaque(at)).then_some(at));
        }
        let kept = plain.iter().filter_map(|it| self.reach.keeps(*it));
        let Some(left) = self.left(vec![Area::default()], kept) else { return };
        let every = BitSet::full(self.policy.fleet().models.len());
        self.served(None, &self.policy.default.models, &every, &left);
        self.lists(&plain);
    }

    /// Keys and teams that may use no model of the default route, where some request of theirs comes to it.
    fn lists(&mut self, before: &[usize]) {
        let named = named_keys(self.policy.rules.iter());
        for (asking, models) in asking::shut_out(self.policy) {
            let kept = before.iter().filter(|it| self.reach.keeps_of(**it, models));
            let kept = kept.filter_map(|it| self.areas.get(*it));
            let whole = asking.area(&self.space, &named);
            let Some(left) = self.left(vec![whole], kept) else { return };
            let Some(area) = left.first() else { continue };
            let who = asking.name(self.policy.fleet());
            let says = format!(
                "{who} may use none of these models, and no rule has another for it: it is refused"
            );
            self.find(Kind::Gap, None, &says, Some(area));
            let mut signals = self.space.example(area);
            asking.put(&mut signals);
            let given = example::given(&signals, self.policy.fleet());
            self.findings.last_mut().into_iter().for_each(|it| it.example = Some(given.clone()));
        }
    }

    /// Whether what a rule gets can be served by its models, whatever guards bind.
    fn served(&mut self, at: Option<usize>, models: &[ModelIndex], own: &BitSet, left: &[Area]) {
        self.too_small(at, models, left);
        let enrols =
            |at: &usize| self.policy.rules.get(*at).is_some_and(|it| it.experiment.is_some());
        self.gets.extend(at.filter(enrols).map(|at| (at, left.to_vec())));
        let fleet = &self.policy.fleet().models;
        let single = Needs::NAMES.iter().map(|(need, _)| *need);
        for needs in std::iter::once(Needs::NONE).chain(single) {
            if !fleet.iter().any(|model| can(model, needs)) {
                continue;
            }
            let mut usable = BitSet::empty(fleet.len());
            let route = models.iter().filter(|it| own.contains(it.get()));
            let capable =
                route.filter(|it| fleet.get(it.get()).is_some_and(|model| can(model, needs)));
            capable.for_each(|it| usable.insert(it.get()));
            if usable.is_empty() && self.reach.passes(at) {
                continue;
            }
            let asked = self.space.needing(needs);
            let parts: Vec<Area> = left.iter().filter_map(|part| part.meet(&asked)).collect();
            let Some((area, guards)) = parts.iter().find_map(|part| self.empties(part, &usable, 0))
            else {
                continue;
            };
            let names: Vec<String> = guards
                .iter()
                .filter_map(|it| self.policy.rules.get(*it))
                .map(|rule| format!("`{}`", rule.name))
                .collect();
            let needing = needs.names().collect::<Vec<_>>().join(", ");
            let needing = if needing.is_empty() { "any" } else { &needing };
            let (kind, says) = if names.is_empty() {
                (Kind::Gap, finding::gap(needing, at.is_some()))
            } else {
                let which = if needs.is_empty() {
                    String::new()
                } else {
                    format!(" that can do {needing}")
                };
                let says = format!("{} leaves this route no model{which}", names.join(" with "));
                (Kind::EmptyRoute, says)
            };
            self.find(kind, at, &says, Some(&area));
            if needs.is_empty() {
                return;
            }
        }
    }

    /// A part of the area for which guards, from this one on, leave none of the models; and which guards.
    fn empties(&self, area: &Area, usable: &BitSet, from: usize) -> Option<(Area, Vec<usize>)> {
        if usable.is_empty() {
            return Some((area.clone(), Vec::new()));
        }
        for at in from..self.policy.rules.len() {
            let Some(rule) = self.policy.rules.get(at).filter(|rule| rule.route.is_none()) else {
                continue;
            };
            if usable.within(&rule.permitted) || self.is_opaque(at) {
                continue;
            }
            if !self.step() {
                return None;
            }
            let Some(both) = self.areas.get(at).and_then(|guard| area.meet(guard)) else {
                continue;
            };
            let mut fewer = usable.clone();
            fewer.retain(&rule.permitted);
            if let Some((area, mut guards)) = self.empties(&both, &fewer, at + 1) {
                guards.insert(0, at);
                return Some((area, guards));
            }
        }
        None
    }

    /// Models of a route that are too small for everything that it gets.
    fn too_small(&mut self, at: Option<usize>, models: &[ModelIndex], left: &[Area]) {
        let least = left.iter().map(|part| (self.space.plain(part).input_tokens.0, part));
        let Some((least, part)) = least.min_by_key(|(tokens, _)| *tokens) else { return };
        let part = part.clone();
        let small = |it: &&ModelIndex| {
            let model = self.policy.fleet().models.get(it.get());
            let least = least.saturating_add(ANSWER_MIN);
            model.is_some_and(|it| can(it, Needs::NONE) && it.context_tokens_max.0 < least)
        };
        let Some(small) =
            models.iter().find(small).and_then(|it| self.policy.fleet().models.get(it.get()))
        else {
            return;
        };
        let says = format!(
            "`{}` has room for {} tokens, and every request here has {least} or more: it is never tried",
            small.id, small.context_tokens_max,
        );
        self.find(Kind::Context, at, &says, Some(&part));
    }
}
