//! The decision: a pure function from policy, signals and fleet to a plan or a refusal.

mod cost;
mod order;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    facts::{Draw, FleetView, ModelFacts, ModelIndex, Needs, RuleIndex, Signals, Tokens},
    plan::{Matched, Plan, Planned, Reason, Refusal, Skip, Why},
    policy::{Policy, Route, Rule},
    set::BitSet,
};

/// Models of one plan at the most.
const ATTEMPTS_MAX: usize = 4;
/// Where the caller states no bound, an answer needs at least this much room.
const OUTPUT_ROOM_MIN: u32 = 256;
/// Attempts again on the same model, for pins, aliases and the default route.
const RETRIES: u8 = 1;

/// Decides a request. Total, and deterministic in its arguments.
///
/// # Errors
/// When no model may, can or is there to serve it, with the reason.
pub fn decide(
    policy: &Policy,
    signals: &Signals,
    fleet: &FleetView,
    draw: Draw,
) -> Result<Plan, Refusal> {
    let matching = policy.index.candidates(signals);
    let matching = matching
        .iter()
        .filter(|at| policy.rules.get(*at).is_some_and(|rule| rule.when.rest_holds(signals)));
    let matching: SmallVec<[usize; 8]> = matching.collect();
    let Some(chosen) = choose(policy, signals, &matching) else {
        return Err(Refusal {
            matched: None,
            rule: Arc::from(""),
            reason: Reason::UnknownModel,
            why: Why::default(),
        });
    };
    let world = World { policy, signals, fleet, draw };
    let guards = guards(policy, &matching);
    let sieve = Sieve {
        allowed: policy.allowed_set(&signals.team_path, signals.key),
        guards: &guards,
        rule: chosen.rule,
    };
    let mut why = Why { skipped: SmallVec::new(), guards: guards.clone() };
    let usable = world.usable(&chosen, &sieve, &mut why);
    if usable.is_empty() {
        let reason = world.reason(&why, &sieve);
        return Err(Refusal { matched: Some(chosen.matched), rule: chosen.name, reason, why });
    }
    let ordered = order::order(&world, &chosen.route.by, usable);
    Ok(world.plan(chosen, ordered, why))
}

/// What a decision looks at.
struct World<'a> {
    policy: &'a Policy,
    signals: &'a Signals,
    fleet: &'a FleetView,
    draw: Draw,
}

/// What decided, and the models it names.
struct Chosen<'a> {
    matched: Matched,
    name: Arc<str>,
    route: std::borrow::Cow<'a, Route>,
    rule: Option<RuleIndex>,
}

/// What a model must pass.
struct Sieve<'a> {
    allowed: BitSet,
    guards: &'a [RuleIndex],
    rule: Option<RuleIndex>,
}

/// A model that can serve: where it stands in its route, and how long its answer may get.
#[derive(Clone, Copy, Debug)]
struct Usable {
    model: ModelIndex,
    /// Position among the models of the route.
    at: usize,
    output_tokens_max: Tokens,
}

type Usables = SmallVec<[Usable; 8]>;

/// Pin, alias or rule: in this order.
fn choose<'a>(policy: &'a Policy, signals: &Signals, matching: &[usize]) -> Option<Chosen<'a>> {
    let requested = &*signals.requested;
    if let Some(model) = policy.model(requested) {
        let route = Route { models: vec![model], ..Route::default() };
        let route = std::borrow::Cow::Owned(route);
        return Some(Chosen { matched: Matched::Pin, name: "pin".into(), route, rule: None });
    }
    let alias = (0..).zip(&policy.aliases).find(|(_, alias)| alias.matches(requested));
    match alias {
        Some((at, alias)) => match &alias.route {
            Some(route) => Some(Chosen {
                matched: Matched::Alias(at),
                name: Arc::clone(&alias.name),
                route: std::borrow::Cow::Borrowed(route),
                rule: None,
            }),
            None => Some(by_rules(policy, matching)),
        },
        None => (requested == "auto").then(|| by_rules(policy, matching)),
    }
}

/// The first matching rule with a route that finds a model, else the default.
fn by_rules<'a>(policy: &'a Policy, matching: &[usize]) -> Chosen<'a> {
    let routing = matching.iter().find_map(|at| {
        let rule: &Rule = policy.rules.get(*at)?;
        let route = rule.route.as_ref().filter(|route| !route.models.is_empty())?;
        Some((RuleIndex(u16::try_from(*at).ok()?), rule, route))
    });
    match routing {
        Some((at, rule, route)) => Chosen {
            matched: Matched::Rule(at),
            name: Arc::clone(&rule.name),
            route: std::borrow::Cow::Borrowed(route),
            rule: Some(at),
        },
        None => Chosen {
            matched: Matched::Default,
            name: "default".into(),
            route: std::borrow::Cow::Borrowed(&policy.default),
            rule: None,
        },
    }
}

/// The guards among the matching rules.
fn guards(policy: &Policy, matching: &[usize]) -> SmallVec<[RuleIndex; 2]> {
    let guard = |at: &&usize| policy.rules.get(**at).is_some_and(|rule| rule.route.is_none());
    let index = |at: &usize| u16::try_from(*at).ok().map(RuleIndex);
    matching.iter().filter(guard).filter_map(index).collect()
}

impl World<'_> {
    fn rule(&self, at: Option<RuleIndex>) -> Option<&Rule> {
        self.policy.rules.get(at?.get())
    }

    fn facts(&self, model: ModelIndex) -> Option<&ModelFacts> {
        self.policy.fleet().models.get(model.get())
    }

    /// The models of the route that can serve; the others are noted with their reason.
    fn usable(&self, chosen: &Chosen<'_>, sieve: &Sieve<'_>, why: &mut Why) -> Usables {
        let mut usable = Usables::new();
        for (at, model) in chosen.route.models.iter().copied().enumerate() {
            match self.sift(model, sieve) {
                Ok(output_tokens_max) => usable.push(Usable { model, at, output_tokens_max }),
                Err(skip) => why.skipped.push((model, skip)),
            }
        }
        usable
    }

    /// The longest answer of a model that can serve, else why it cannot.
    fn sift(&self, model: ModelIndex, sieve: &Sieve<'_>) -> Result<Tokens, Skip> {
        let at = model.get();
        if !sieve.allowed.contains(at) {
            return Err(Skip::NotAllowed);
        }
        let guards = sieve.guards.iter().copied().chain(sieve.rule);
        for guard in guards {
            if self.rule(Some(guard)).is_some_and(|rule| !rule.permitted.contains(at)) {
                return Err(Skip::Guard(guard));
            }
        }
        let facts = self.facts(model).ok_or(Skip::Unavailable)?;
        let lacks = self.signals.needs.without(Needs::LONG_CONTEXT).without(facts.capabilities);
        if !lacks.is_empty() {
            return Err(Skip::Lacks(lacks));
        }
        let output = output_bound(facts, self.signals)?;
        match self.fleet.models.get(at) {
            Some(view) if view.available => Ok(output),
            _ => Err(Skip::Unavailable),
        }
    }

    /// The reason of a refusal: how far the model came that came furthest.
    fn reason(&self, why: &Why, sieve: &Sieve<'_>) -> Reason {
        let furthest = why.skipped.iter().max_by_key(|(_, skip)| rank(skip)).map(|(_, it)| *it);
        let contexts = why.skipped.iter().filter_map(|(_, skip)| match skip {
            Skip::Context { has, .. } => Some(*has),
            _ => None,
        });
        match furthest {
            Some(Skip::Lacks(needs)) => Reason::NoCapableModel(needs),
            Some(Skip::Context { needed, has }) => {
                Reason::ContextTooLong { needed, largest: contexts.max().unwrap_or(has) }
            }
            Some(Skip::Guard(rule)) => Reason::PolicyForbidden(rule),
            Some(Skip::NotAllowed) if !sieve.allowed.is_empty() || !why.skipped.is_empty() => {
                Reason::ModelForbidden
            }
            _ => Reason::NoneAvailable,
        }
    }

    /// Cuts the ordered models to what may be tried and what it may cost.
    fn plan(&self, chosen: Chosen<'_>, ordered: Usables, mut why: Why) -> Plan {
        let rule = self.rule(chosen.rule);
        let retries_max = rule.map_or(RETRIES, |rule| rule.retries);
        let ceiling = [rule.and_then(|rule| rule.cost_max), self.signals.budget_left];
        let ceiling = ceiling.into_iter().flatten().min();
        let mut tally = cost::Tally::new(self.signals, retries_max);
        let mut attempts: SmallVec<[Planned; 4]> = SmallVec::new();
        for usable in ordered {
            let Some(facts) = self.facts(usable.model) else { continue };
            let with = tally.with(facts, usable.output_tokens_max);
            let too_dear = ceiling.is_some_and(|ceiling| with.cost_max() > ceiling);
            if attempts.len() == ATTEMPTS_MAX {
                why.skipped.push((usable.model, Skip::Enough));
            } else if too_dear && !attempts.is_empty() {
                why.skipped.push((usable.model, Skip::Cost));
            } else {
                tally = with;
                attempts.push(Planned {
                    model: usable.model,
                    timeouts: rule
                        .map_or(facts.timeouts, |rule| rule.timeouts.over(facts.timeouts)),
                    output_tokens_max: usable.output_tokens_max,
                });
            }
        }
        Plan {
            matched: chosen.matched,
            rule: chosen.name,
            retries_max,
            cost_max: tally.cost_max(),
            output_tokens_bound: tally.output_tokens_bound(),
            attempts,
            why,
        }
    }
}

/// How far a model came.
fn rank(skip: &Skip) -> u8 {
    match skip {
        Skip::NotAllowed => 0,
        Skip::Guard(_) => 1,
        Skip::Lacks(_) => 2,
        Skip::Context { .. } => 3,
        Skip::Unavailable | Skip::Cost | Skip::Enough => 4,
    }
}

/// The most that one choice of an answer can be: what was asked, else the model's default, clipped to
/// what the model gives and, where nothing was asked, to the room that is left.
fn output_bound(facts: &ModelFacts, signals: &Signals) -> Result<Tokens, Skip> {
    let has = facts.context_tokens_max;
    let room = has.0.saturating_sub(signals.input_tokens.0);
    let (bound, needs) = match signals.output_tokens_asked {
        Some(asked) => {
            let bound = asked.min(facts.output_tokens_max);
            (bound, bound)
        }
        None => {
            let default = facts.output_tokens_default.min(facts.output_tokens_max);
            let least = Tokens(OUTPUT_ROOM_MIN.min(default.0));
            (default.min(Tokens(room.max(least.0))), least)
        }
    };
    if needs.0 <= room {
        return Ok(bound);
    }
    Err(Skip::Context { needed: signals.input_tokens.saturating_add(needs), has })
}
