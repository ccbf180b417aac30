//! The decision: a pure function from policy, signals and fleet to a plan or a refusal.

mod choose;
mod cost;
mod enrol;
mod order;
mod shadow;
mod vectors;
mod world;

use std::sync::Arc;

use smallvec::SmallVec;

use self::choose::{Chosen, Matching};
pub use self::{shadow::shadow, world::World};
use crate::{
    experiment::{Added, ExperimentView},
    facts::{
        Draw, FleetView, ModelFacts, ModelIndex, ModelKind, Needs, RuleIndex, Signals, Timeouts,
        Tokens,
    },
    plan::{Hedge, Matched, Plan, Planned, Reason, Refusal, Skip, Why},
    policy::{Policy, RETRIES, Rule},
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
pub fn decide<'a>(
    policy: &Policy,
    signals: &Signals,
    world: impl Into<World<'a>>,
    draw: Draw,
) -> Result<Plan, Refusal> {
    decided(policy, signals, world.into(), draw)
}

#[expect(clippy::result_large_err, reason = "a plan is larger still, so a box would save nothing")]
fn decided(
    policy: &Policy,
    signals: &Signals,
    World { fleet, experiments }: World<'_>,
    draw: Draw,
) -> Result<Plan, Refusal> {
    let candidates = policy.index.candidates(signals);
    let matching = Matching { policy, signals, candidates: &candidates };
    let Some(mut chosen) = matching.choose() else {
        return Err(Refusal {
            matched: None,
            rule: Arc::from(""),
            arm: None,
            reason: Reason::UnknownModel,
            why: Why::default(),
        });
    };
    let adds = Added::default();
    let mut moment = Moment { policy, signals, fleet, experiments, draw, adds, last_resort: false };
    let guards = guards(policy, signals, &candidates);
    let allowed = policy.allowed_set(&signals.team_path, signals.key);
    let mut filter = Filter { allowed, guards: &guards, rule: chosen.rule };
    let mut skipped = SmallVec::new();
    let (mut arm, mut outside) = enrol::enrol(&mut moment, &mut chosen, &filter);
    let mut usable = moment.usable(&chosen, &filter, &mut skipped);
    if usable.is_empty() && chosen.rule.is_some() && arm.is_none() {
        let able = moment.able(&filter.allowed);
        chosen = matching.instead(chosen, |model| able.contains(model.get()));
        filter.rule = chosen.rule;
        (arm, outside) = enrol::enrol(&mut moment, &mut chosen, &filter);
        usable = moment.usable(&chosen, &filter, &mut skipped);
    }
    if usable.is_empty() {
        moment.last_resort = true;
        usable = moment.usable(&chosen, &filter, &mut skipped);
    }
    if usable.is_empty() {
        let reason = moment.reason(&chosen, &skipped);
        let Chosen { matched, name, passed, .. } = chosen;
        let why = Why { skipped, guards, passed, outside };
        return Err(Refusal { matched: Some(matched), rule: Arc::clone(name), arm, reason, why });
    }
    let ordered = order::order(&moment, chosen.by, usable);
    let passed = std::mem::take(&mut chosen.passed);
    let plan = moment.plan(&chosen, ordered, Why { skipped, guards, passed, outside });
    Ok(Plan { arm, ..plan })
}

/// The models that a rule which was passed over names, each with what keeps it from serving this request,
/// whatever guards bind and however the fleet is.
pub(crate) fn passed_over(
    policy: &Policy,
    signals: &Signals,
    rule: RuleIndex,
) -> Vec<(ModelIndex, Skip)> {
    let allowed = policy.allowed_set(&signals.team_path, signals.key);
    let Some(found) = policy.rules.get(rule.get()) else { return Vec::new() };
    let skip = |model: &ModelIndex| {
        let skip = match policy.fleet().models.get(model.get())? {
            facts if facts.kind != signals.operation.kind() => Skip::Serves(facts.kind),
            _ if !allowed.contains(model.get()) => Skip::NotAllowed,
            _ if !found.permitted.contains(model.get()) => Skip::Guard(rule),
            facts => room(facts, signals, Tokens(0)).err()?,
        };
        Some((*model, skip))
    };
    found.route.iter().flat_map(|route| &route.models).filter_map(skip).collect()
}

/// What a decision looks at.
struct Moment<'a> {
    policy: &'a Policy,
    signals: &'a Signals,
    fleet: &'a FleetView,
    experiments: &'a ExperimentView,
    draw: Draw,
    /// What the arm of the request adds to its input.
    adds: Added,
    /// Nothing takes requests: what is only ejected counts.
    last_resort: bool,
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

type Usables = SmallVec<[Usable; 12]>;

/// The guards that bind.
fn guards(policy: &Policy, signals: &Signals, candidates: &BitSet) -> SmallVec<[RuleIndex; 2]> {
    let guard = |at: usize| {
        let rule = policy.rules.get(at).filter(|rule| rule.route.is_none())?;
        let index = RuleIndex(u16::try_from(at).ok()?);
        rule.when.rest_holds(signals).then_some(index)
    };
    candidates.iter().filter_map(guard).collect()
}

impl Moment<'_> {
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
        skipped.clear();
        let mut usable = Usables::new();
        let space = vectors::Bound::of(self, chosen.models, &filter.allowed);
        for (at, model) in chosen.models.iter().copied().enumerate() {
            match self.sift(model, filter).and_then(|it| space.holds(self, model).map(|()| it)) {
                Ok(output_tokens_max) => usable.push(Usable { model, at, output_tokens_max }),
                Err(skip) => skipped.push((model, skip)),
            }
        }
        usable
    }

    /// The models that can serve the request: whoever guards, and whatever is down. What the length of a
    /// request for vectors says is left to its rule: it must not lead to other vectors.
    fn able(&self, allowed: &BitSet) -> BitSet {
        let models = &self.policy.fleet().models;
        let mut able = BitSet::empty(models.len());
        let can = |(at, model): &(usize, &ModelFacts)| {
            let kind = model.kind == self.signals.operation.kind();
            let vectors = self.signals.operation.has_vectors();
            let fits = || vectors || room(model, self.signals, Tokens(0)).is_ok();
            kind && allowed.contains(*at) && fits()
        };
        (0..).zip(models).filter(can).for_each(|(at, _)| able.insert(at));
        able
    }

    /// The longest answer of a model that can serve, else why it cannot.
    fn sift(&self, model: ModelIndex, filter: &Filter<'_>) -> Result<Tokens, Skip> {
        let output = self.may(model, filter)?;
        match self.fleet.models.get(model.get()) {
            Some(view) if view.switched_off => Err(Skip::SwitchedOff),
            Some(view) if view.available || self.last_resort && view.last_resort => Ok(output),
            _ => Err(Skip::Unavailable),
        }
    }

    /// The same, however the fleet is.
    fn may(&self, model: ModelIndex, filter: &Filter<'_>) -> Result<Tokens, Skip> {
        let at = model.get();
        let facts = self.facts(model).ok_or(Skip::Unavailable)?;
        if facts.kind != self.signals.operation.kind() {
            return Err(Skip::Serves(facts.kind));
        }
        if !filter.allowed.contains(at) {
            return Err(Skip::NotAllowed);
        }
        let guards = filter.guards.iter().copied().chain(filter.rule);
        for guard in guards {
            if self.rule(Some(guard)).is_some_and(|rule| !rule.permitted.contains(at)) {
                return Err(Skip::Guard(guard));
            }
        }
        room(facts, self.signals, self.adds.tokens)
    }

    /// Why nothing serves the request. Where that is not a guard and not the moment, what kept the models of
    /// the rules that were passed over counts as well: some of them may have come further.
    fn reason(&self, chosen: &Chosen<'_>, skipped: &[(ModelIndex, Skip)]) -> Reason {
        if chosen.models.is_empty() {
            return Reason::NoModel;
        }
        let kind = self.signals.operation.kind();
        let last = reason(skipped, kind);
        let moment = matches!(last, Reason::NoneAvailable | Reason::SwitchedOff);
        if moment || matches!(last, Reason::PolicyForbidden(_)) {
            return last;
        }
        let passed = chosen.passed.iter();
        let others = passed.flat_map(|rule| passed_over(self.policy, self.signals, *rule));
        reason(&skipped.iter().copied().chain(others).collect::<Vec<_>>(), kind)
    }

    /// Cuts the ordered models to what may be tried and what it may cost.
    fn plan(&self, chosen: &Chosen<'_>, ordered: Usables, mut why: Why) -> Plan {
        let rule = self.rule(chosen.rule);
        let retries = rule.map_or(RETRIES, |rule| rule.retries);
        let retries_max = if self.last_resort { 0 } else { retries };
        let money = self.signals.budget_free.or(self.signals.budget_left);
        let ceiling = [rule.and_then(|rule| rule.cost_max), money];
        let ceiling = ceiling.into_iter().flatten().min();
        let input = self.signals.input_tokens.saturating_add(self.adds.tokens);
        let bound = self.signals.input_tokens_bound.saturating_add(self.adds.bound);
        let validates = match rule {
            Some(rule) => rule.route.as_ref().is_some_and(|it| it.validates),
            None => chosen.matched == Matched::Default && self.policy.default.validates,
        };
        let mut tally = cost::Tally::new(self.signals, bound, retries_max, validates);
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
                        .for_input(input),
                    context_tokens_max: facts.context_tokens_max,
                    output_tokens_max: usable.output_tokens_max,
                    held_tokens_max: facts.held_tokens_max,
                });
            }
        }
        Plan {
            matched: chosen.matched,
            rule: Arc::clone(chosen.name),
            arm: None,
            retries_max,
            hedge: rule.and_then(|rule| rule.hedge).filter(|_| !self.last_resort).map(|it| {
                let reading = Timeouts::reading_ms(input);
                Hedge { after_ms: it.after_ms.saturating_add(reading) }
            }),
            slow_stream: rule.and_then(|rule| rule.slow_stream).filter(|_| !self.last_resort),
            validates,
            cache_ttl_s: chosen.cache_ttl_s,
            last_resort: self.last_resort,
            cost_max: tally.cost_max(),
            output_tokens_bound: tally.output_tokens_bound(),
            input_tokens: input,
            input_tokens_bound: bound,
            attempts,
            why,
        }
    }
}

/// The reason of a refusal: what stopped the models that came furthest, at the mildest; where models of this
/// kind are asked for.
fn reason(skipped: &[(ModelIndex, Skip)], kind: ModelKind) -> Reason {
    let skips = || skipped.iter().map(|(_, skip)| *skip);
    let furthest = skips().map(rank).max();
    let mut stopped = skips().filter(|skip| Some(rank(*skip)) == furthest);
    match stopped.next() {
        Some(Skip::Serves(_)) => Reason::NoModelOfKind(kind),
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
        // One that may come back by itself is what to wait for.
        Some(Skip::SwitchedOff) if stopped.all(|skip| skip == Skip::SwitchedOff) => {
            Reason::SwitchedOff
        }
        Some(
            Skip::Unavailable | Skip::SwitchedOff | Skip::Space(_) | Skip::Cost | Skip::Enough,
        )
        | None => Reason::NoneAvailable,
    }
}

/// How far a model came.
fn rank(skip: Skip) -> u8 {
    match skip {
        Skip::Serves(_) => 0,
        // One that would only serve with other vectors came nowhere.
        Skip::Space(_) => 1,
        Skip::NotAllowed => 2,
        Skip::Guard(_) => 3,
        Skip::Lacks(_) => 4,
        Skip::Context { .. } => 5,
        Skip::Unavailable | Skip::SwitchedOff | Skip::Cost | Skip::Enough => 6,
    }
}

/// The longest answer of a model, if it has all that the request needs and room for prompt and answer, where
/// the prompt gets so much longer on its way.
fn room(facts: &ModelFacts, signals: &Signals, longer: Tokens) -> Result<Tokens, Skip> {
    let lacks = signals.needs.without(Needs::LONG_CONTEXT).without(facts.capabilities);
    let input = signals.input_tokens.saturating_add(longer);
    if lacks.is_empty() { output_bound(facts, signals, input) } else { Err(Skip::Lacks(lacks)) }
}

/// The most that one choice of an answer can be: what was asked, else the model's default, clipped to
/// what the model gives and, where nothing was asked, to the room that is left. Vectors and ranks are no
/// tokens.
fn output_bound(facts: &ModelFacts, signals: &Signals, input: Tokens) -> Result<Tokens, Skip> {
    let has = facts.context_tokens_max;
    let room = has.0.saturating_sub(input.0);
    let (bound, needs) = match signals.output_tokens_asked {
        _ if !signals.operation.writes() => (Tokens(0), Tokens(0)),
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
    Err(Skip::Context { needed: input.saturating_add(needs), has })
}
