//! The decision: a pure function from policy, signals and fleet to a plan or a refusal.

mod cost;
mod order;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    facts::{
        Draw, FleetView, ModelFacts, ModelIndex, Needs, Operation, RuleIndex, Signals, Timeouts,
        Tokens,
    },
    plan::{Hedge, Matched, Plan, Planned, Reason, Refusal, Skip, Why},
    policy::{By, Policy, RETRIES, Rule},
    set::BitSet,
};

/// Models of one plan at the most.
const ATTEMPTS_MAX: usize = 4;
/// Where the caller states no bound, an answer needs at least this much room.
const OUTPUT_ROOM_MIN: u32 = 256;

/// Decides a request. Total, and deterministic in its arguments.
///
/// # Errors
/// When no model may, can or is there to serve it, with the reason.
#[expect(clippy::result_large_err, reason = "a plan is larger still, so a box would save nothing")]
pub fn decide(
    policy: &Policy,
    signals: &Signals,
    fleet: &FleetView,
    draw: Draw,
) -> Result<Plan, Refusal> {
    let candidates = policy.index.candidates(signals);
    let Some(chosen) = choose(policy, signals, &candidates) else {
        return Err(Refusal {
            matched: None,
            rule: Arc::from(""),
            reason: Reason::UnknownModel,
            why: Why::default(),
        });
    };
    let mut world = World { policy, signals, fleet, draw, last_resort: false };
    let guards = guards(policy, signals, &candidates);
    let allowed = policy.allowed_set(&signals.team_path, signals.key);
    let filter = Filter { allowed, guards: &guards, rule: chosen.rule };
    let mut skipped = SmallVec::new();
    let mut usable = world.usable(&chosen, &filter, &mut skipped);
    if usable.is_empty() {
        world.last_resort = true;
        skipped.clear();
        usable = world.usable(&chosen, &filter, &mut skipped);
    }
    let why = Why { skipped, guards };
    if usable.is_empty() {
        let reason = reason(&why);
        let rule = Arc::clone(chosen.name);
        return Err(Refusal { matched: Some(chosen.matched), rule, reason, why });
    }
    let ordered = order::order(&world, chosen.by, usable);
    Ok(world.plan(&chosen, ordered, why))
}

/// What a decision looks at.
struct World<'a> {
    policy: &'a Policy,
    signals: &'a Signals,
    fleet: &'a FleetView,
    draw: Draw,
    /// Nothing takes requests: what is only ejected counts.
    last_resort: bool,
}

/// What decided, and the models it names.
struct Chosen<'a> {
    matched: Matched,
    name: &'a Arc<str>,
    models: &'a [ModelIndex],
    by: &'a By,
    rule: Option<RuleIndex>,
}

/// What a model must pass: lists of key and teams, guards, and what the routing rule itself says.
struct Filter<'a> {
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

/// `auto` by the rules, then pin, then alias.
fn choose<'a>(policy: &'a Policy, signals: &Signals, candidates: &BitSet) -> Option<Chosen<'a>> {
    let requested = &*signals.requested;
    if requested == "auto" {
        return Some(by_rules(policy, signals, candidates));
    }
    if let Some(models) = policy.pinned(requested) {
        let (matched, name) = (Matched::Pin, &policy.pin_name);
        return Some(Chosen { matched, name, models, by: &By::Order, rule: None });
    }
    let (at, alias) = policy.alias(requested)?;
    let Some(route) = &alias.route else {
        return Some(by_rules(policy, signals, candidates));
    };
    let (matched, name) = (Matched::Alias(at), &alias.name);
    Some(Chosen { matched, name, models: &route.models, by: &route.by, rule: None })
}

/// The first matching rule with a route that finds a model, else the default.
fn by_rules<'a>(policy: &'a Policy, signals: &Signals, candidates: &BitSet) -> Chosen<'a> {
    let routing = candidates.iter().find_map(|at| {
        let rule = policy.rules.get(at)?;
        let route = rule.route.as_ref().filter(|route| !route.models.is_empty())?;
        let index = RuleIndex(u16::try_from(at).ok()?);
        rule.when.rest_holds(signals).then_some((index, rule, route))
    });
    let (matched, name, route, rule) = match routing {
        Some((at, rule, route)) => (Matched::Rule(at), &rule.name, route, Some(at)),
        None => (Matched::Default, &policy.default_name, &policy.default, None),
    };
    Chosen { matched, name, models: &route.models, by: &route.by, rule }
}

/// The guards that bind.
fn guards(policy: &Policy, signals: &Signals, candidates: &BitSet) -> SmallVec<[RuleIndex; 2]> {
    let guard = |at: usize| {
        let rule = policy.rules.get(at).filter(|rule| rule.route.is_none())?;
        let index = RuleIndex(u16::try_from(at).ok()?);
        rule.when.rest_holds(signals).then_some(index)
    };
    candidates.iter().filter_map(guard).collect()
}

impl World<'_> {
    fn rule(&self, at: Option<RuleIndex>) -> Option<&Rule> {
        self.policy.rules.get(at?.get())
    }

    fn facts(&self, model: ModelIndex) -> Option<&ModelFacts> {
        self.policy.fleet().models.get(model.get())
    }

    /// The models of the route that can serve; the others are noted with their reason.
    fn usable(
        &self,
        chosen: &Chosen<'_>,
        filter: &Filter<'_>,
        skipped: &mut SmallVec<[(ModelIndex, Skip); 8]>,
    ) -> Usables {
        let mut usable = Usables::new();
        for (at, model) in chosen.models.iter().copied().enumerate() {
            match self.sift(model, filter) {
                Ok(output_tokens_max) => usable.push(Usable { model, at, output_tokens_max }),
                Err(skip) => skipped.push((model, skip)),
            }
        }
        usable
    }

    /// The longest answer of a model that can serve, else why it cannot.
    fn sift(&self, model: ModelIndex, filter: &Filter<'_>) -> Result<Tokens, Skip> {
        let at = model.get();
        if !filter.allowed.contains(at) {
            return Err(Skip::NotAllowed);
        }
        let guards = filter.guards.iter().copied().chain(filter.rule);
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
            Some(view) if view.available || self.last_resort && view.last_resort => Ok(output),
            _ => Err(Skip::Unavailable),
        }
    }

    /// Cuts the ordered models to what may be tried and what it may cost.
    fn plan(&self, chosen: &Chosen<'_>, ordered: Usables, mut why: Why) -> Plan {
        let rule = self.rule(chosen.rule);
        let retries = rule.map_or(RETRIES, |rule| rule.retries);
        let retries_max = if self.last_resort { 0 } else { retries };
        let ceiling = [rule.and_then(|rule| rule.cost_max), self.signals.budget_left];
        let ceiling = ceiling.into_iter().flatten().min();
        let mut tally = cost::Tally::new(self.signals, retries_max);
        let mut attempts: SmallVec<[Planned; 4]> = SmallVec::new();
        for usable in ordered {
            let Some(facts) = self.facts(usable.model) else { continue };
            let overrun = self.fleet.models.get(usable.model.get()).map(|it| it.overrun_tokens_max);
            let overrun = overrun.unwrap_or_default();
            let with = tally.with(facts, usable.output_tokens_max, overrun);
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
                        .map_or(facts.timeouts, |rule| rule.timeouts.over(facts.timeouts))
                        .for_input(self.signals.input_tokens),
                    context_tokens_max: facts.context_tokens_max,
                    output_tokens_max: usable.output_tokens_max,
                    held_tokens_max: facts.held_tokens_max,
                });
            }
        }
        Plan {
            matched: chosen.matched,
            rule: Arc::clone(chosen.name),
            retries_max,
            hedge: rule.and_then(|rule| rule.hedge).filter(|_| !self.last_resort).map(|it| {
                let reading = Timeouts::reading_ms(self.signals.input_tokens);
                Hedge { after_ms: it.after_ms.saturating_add(reading) }
            }),
            slow_stream: rule.and_then(|rule| rule.slow_stream).filter(|_| !self.last_resort),
            last_resort: self.last_resort,
            cost_max: tally.cost_max(),
            output_tokens_bound: tally.output_tokens_bound(),
            input_tokens: self.signals.input_tokens,
            attempts,
            why,
        }
    }
}

/// The reason of a refusal: what stopped the models that came furthest, at the mildest.
fn reason(why: &Why) -> Reason {
    let skips = || why.skipped.iter().map(|(_, skip)| *skip);
    let furthest = skips().map(rank).max();
    let mut stopped = skips().filter(|skip| Some(rank(*skip)) == furthest);
    match stopped.next() {
        Some(Skip::NotAllowed) => Reason::ModelForbidden,
        Some(Skip::Guard(rule)) => Reason::PolicyForbidden(rule),
        Some(Skip::Lacks(first)) => {
            let lacks = stopped.filter_map(|skip| match skip {
                Skip::Lacks(needs) => Some(needs),
                _ => None,
            });
            Reason::NoCapableModel(lacks.fold(first, |least, it| {
                if it.names().count() < least.names().count() { it } else { least }
            }))
        }
        Some(Skip::Context { needed, has }) => {
            let roomiest = stopped.fold((needed, has), |most, skip| match skip {
                Skip::Context { needed, has } if has > most.1 => (needed, has),
                _ => most,
            });
            Reason::ContextTooLong { needed: roomiest.0, largest: roomiest.1 }
        }
        Some(Skip::Unavailable | Skip::Cost | Skip::Enough) | None => Reason::NoneAvailable,
    }
}

/// How far a model came.
fn rank(skip: Skip) -> u8 {
    match skip {
        Skip::NotAllowed => 0,
        Skip::Guard(_) => 1,
        Skip::Lacks(_) => 2,
        Skip::Context { .. } => 3,
        Skip::Unavailable | Skip::Cost | Skip::Enough => 4,
    }
}

/// The most that one choice of an answer can be: what was asked, else the model's default, clipped to
/// what the model gives and, where nothing was asked, to the room that is left. Vectors and ranks are no
/// tokens.
fn output_bound(facts: &ModelFacts, signals: &Signals) -> Result<Tokens, Skip> {
    let has = facts.context_tokens_max;
    let room = has.0.saturating_sub(signals.input_tokens.0);
    let (bound, needs) = match signals.output_tokens_asked {
        _ if matches!(signals.operation, Operation::Embeddings | Operation::Rerank) => {
            (Tokens(0), Tokens(0))
        }
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
