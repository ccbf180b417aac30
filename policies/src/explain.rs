//! The same decision, with the rules that nearly matched: for people who ask why.

mod part;

use std::{fmt, sync::Arc};

use serde::Serialize;

pub use self::part::{Param, Part};
use crate::{
    decide::{World, decide, passed_over},
    facts::{Draw, FleetView, ModelIndex, RuleIndex, Signals, Timeouts},
    plan::{Planned, Reason, Skip, SlowStream, Why},
    policy::Policy,
};

/// A decision and its reasons, in words.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The policy's version.
    pub policy_version: String,
    /// The policy's hash.
    pub policy_hash: String,
    /// What decided; absent if it did not come that far.
    pub rule: Option<String>,
    /// Rules that matched before it and were passed over, since none of their models can serve the request.
    pub passed: Vec<Passed>,
    /// Guards that bound the decision.
    pub guards: Vec<String>,
    /// The experiment of that rule, if it names one, and what it is for this request.
    pub experiment: Option<Part>,
    /// The models to be tried, in order; empty if refused.
    pub plan: Vec<Candidate>,
    /// After how many milliseconds of silence a second attempt is begun beside the first.
    pub hedge_after_ms: Option<u32>,
    /// How slow a stream is given up for the next attempt.
    pub slow_stream: Option<SlowStream>,
    /// Whether a plain answer must hold to the form that is asked for.
    pub validate: bool,
    /// For how many seconds the answer is kept and given again; not said where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ttl_s: Option<u32>,
    /// Whether none of these takes requests: they are ejected, and tried because nothing else is left.
    pub last_resort: bool,
    /// Models the route names but the plan leaves out.
    pub skipped: Vec<Skipped>,
    /// The most the plan can cost, in the ledger's currency.
    pub cost_max: Option<String>,
    /// Why there is no plan.
    pub refusal: Option<String>,
    /// Rules that a single condition keeps from matching, in the policy's order.
    pub near: Vec<Near>,
}

/// One model of a plan, as things stand.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// Its id.
    pub model: String,
    /// Where it runs.
    pub zone: Option<String>,
    /// Price of a million input tokens, in the ledger's currency.
    pub input_per_mtok: Option<String>,
    /// Price of a million output tokens.
    pub output_per_mtok: Option<String>,
    /// Recent time to first token.
    pub first_token_ms: Option<f32>,
    /// Requests in flight.
    pub in_flight: u32,
    /// The longest answer of one choice.
    pub output_tokens_max: u32,
    /// How long each phase may take, for this request's input.
    pub timeouts: Timeouts,
}

/// One model that is not in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its id.
    pub model: String,
    /// Why.
    pub reason: String,
}

/// A rule that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// Its name.
    pub rule: String,
    /// Each of its models, and why that cannot serve the request; empty if it names none of the fleet.
    pub models: Vec<Skipped>,
}

/// A rule that nearly matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Near {
    /// Its name.
    pub rule: Arc<str>,
    /// The one dimension that did not hold.
    pub failed: &'static str,
}

impl Explanation {
    /// The account of a request that is refused before any rule is asked.
    #[must_use]
    pub fn refused(policy: &Policy, why: String) -> Self {
        Self {
            policy_version: policy.version().to_owned(),
            policy_hash: policy.hash().to_owned(),
            rule: None,
            passed: Vec::new(),
            guards: Vec::new(),
            experiment: None,
            plan: Vec::new(),
            hedge_after_ms: None,
            slow_stream: None,
            validate: false,
            cache_ttl_s: None,
            last_resort: false,
            skipped: Vec::new(),
            cost_max: None,
            refusal: Some(why),
            near: Vec::new(),
        }
    }
}

/// Decides a request and says why.
#[must_use]
pub fn explain<'a>(
    policy: &Policy,
    signals: &Signals,
    world: impl Into<World<'a>>,
    draw: Draw,
) -> Explanation {
    explained(policy, signals, world.into(), draw)
}

fn explained(policy: &Policy, signals: &Signals, world: World<'_>, draw: Draw) -> Explanation {
    let fleet = world.fleet;
    let decided = decide(policy, signals, world, draw);
    let (why, arm) = match &decided {
        Ok(plan) => (&plan.why, plan.arm),
        Err(refusal) => (&refusal.why, refusal.arm),
    };
    let rule = match &decided {
        Ok(plan) => Some(plan.rule.to_string()),
        Err(refusal) => Some(refusal.rule.to_string()).filter(|rule| !rule.is_empty()),
    };
    Explanation {
        policy_version: policy.version().to_owned(),
        policy_hash: policy.hash().to_owned(),
        rule,
        experiment: Part::of(policy, arm, why.outside),
        guards: why.guards.iter().map(|at| policy.rule_name(*at).to_owned()).collect(),
        passed: passed(policy, signals, why),
        skipped: why.skipped.iter().map(|it| skipped(policy, it)).collect(),
        last_resort: decided.as_ref().is_ok_and(|plan| plan.last_resort),
        hedge_after_ms: decided.as_ref().ok().and_then(|plan| Some(plan.hedge?.after_ms)),
        slow_stream: decided.as_ref().ok().and_then(|plan| plan.slow_stream),
        validate: decided.as_ref().is_ok_and(|plan| plan.validates),
        cache_ttl_s: decided.as_ref().ok().and_then(|plan| plan.cache_ttl_s),
        cost_max: decided.as_ref().ok().map(|plan| plan.cost_max.to_string()),
        refusal: decided.as_ref().err().map(|refusal| reason_text(&refusal.reason, policy)),
        near: near(policy, signals),
        plan: decided.map_or_else(
            |_| Vec::new(),
            |plan| plan.attempts.iter().filter_map(|it| candidate(policy, fleet, it)).collect(),
        ),
    }
}

/// Each model that was considered for a request that is refused and why it was left out, in words: those of
/// the rules that were passed over, then those of the rule that refused it. The same of one model is said
/// once.
#[must_use]
pub fn left_out(policy: &Policy, signals: &Signals, why: &Why) -> Vec<Skipped> {
    let mut all: Vec<Skipped> = Vec::new();
    let passed = passed(policy, signals, why).into_iter().flat_map(|it| it.models);
    for one in passed.chain(why.skipped.iter().map(|it| skipped(policy, it))) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn passed(policy: &Policy, signals: &Signals, why: &Why) -> Vec<Passed> {
    let passed = |rule: &RuleIndex| Passed {
        rule: policy.rule_name(*rule).to_owned(),
        models: passed_over(policy, signals, *rule).iter().map(|it| skipped(policy, it)).collect(),
    };
    why.passed.iter().map(passed).collect()
}

fn skipped(policy: &Policy, (model, skip): &(ModelIndex, Skip)) -> Skipped {
    let facts = policy.fleet().models.get(model.get());
    Skipped {
        model: facts.map_or_else(String::new, |it| it.id.to_string()),
        reason: skip_text(skip, policy),
    }
}

fn candidate(policy: &Policy, fleet: &FleetView, planned: &Planned) -> Option<Candidate> {
    let facts = policy.fleet().models.get(planned.model.get())?;
    let view = fleet.models.get(planned.model.get()).copied().unwrap_or_default();
    Some(Candidate {
        model: facts.id.to_string(),
        zone: facts.zone.as_deref().map(str::to_owned),
        input_per_mtok: facts.price.map(|price| price.input.to_string()),
        output_per_mtok: facts.price.map(|price| price.output.to_string()),
        first_token_ms: view.first_token_ms,
        in_flight: view.in_flight,
        output_tokens_max: planned.output_tokens_max.0,
        timeouts: planned.timeouts,
    })
}

/// The rules that one condition keeps from matching.
fn near(policy: &Policy, signals: &Signals) -> Vec<Near> {
    let one = |rule: &crate::policy::Rule| {
        let mut failed = rule.when.checks(signals).filter(|(_, holds)| !holds);
        let (dimension, _) = failed.next()?;
        let only = failed.next().is_none();
        only.then(|| Near { rule: Arc::clone(&rule.name), failed: dimension })
    };
    policy.rules.iter().filter_map(one).collect()
}

pub(crate) fn skip_text(skip: &Skip, policy: &Policy) -> String {
    match skip {
        Skip::Serves(kind) => format!("serves {}", kind.serves()),
        Skip::Space(bound) => {
            format!("its vectors are of another space than those of `{}`", policy.model_id(*bound))
        }
        Skip::Lacks(needs) => format!("cannot {}", needs.in_words(" or ")),
        Skip::Context { needed, has } => {
            format!("its context of {has} tokens is smaller than the {needed} needed")
        }
        Skip::Guard(rule) => format!("forbidden by rule `{}`", policy.rule_name(*rule)),
        Skip::NotAllowed => "key or team may not use it".into(),
        Skip::Unavailable => "no endpoint takes requests".into(),
        Skip::SwitchedOff => "switched off".into(),
        Skip::Cost => "would lift the plan above what may be spent".into(),
        Skip::Enough => "the plan is long enough without it".into(),
    }
}

pub(crate) fn reason_text(reason: &Reason, policy: &Policy) -> String {
    match reason {
        Reason::UnknownModel => "there is no model and no alias of this name".into(),
        Reason::ModelForbidden => "key or team may use none of the models".into(),
        Reason::PolicyForbidden(rule) => {
            format!("rule `{}` forbids every model left", policy.rule_name(*rule))
        }
        Reason::NoModelOfKind(kind) => format!("no model of the route serves {}", kind.serves()),
        Reason::NoCapableModel(needs) => {
            format!("no model of the route can {}", needs.in_words(" and "))
        }
        Reason::NoModel => "the rule names no model of the fleet".into(),
        Reason::ContextTooLong { needed, largest } => {
            format!("a context of {needed} tokens is needed, the largest has {largest}")
        }
        Reason::NoneAvailable => "no model of the route has a live endpoint".into(),
        Reason::SwitchedOff => "every model left of the route is switched off".into(),
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models = self.models.iter().map(|it| format!("{} {}", it.model, it.reason));
        let models = models.collect::<Vec<_>>().join("; ");
        let none = "names no model of the fleet";
        write!(f, "{:<18} {}", self.rule, if models.is_empty() { none } else { &models })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, true)
    }
}

/// The same decision as it is shown of a request of the past: without what only the moment can say.
#[derive(Clone, Copy, Debug)]
pub struct Afterwards<'a>(pub &'a Explanation);

impl fmt::Display for Afterwards<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, false)
    }
}

impl Explanation {
    fn write(&self, f: &mut fmt::Formatter<'_>, now: bool) -> fmt::Result {
        writeln!(f, "policy   {} ({})", self.policy_version, self.policy_hash)?;
        for it in &self.passed {
            writeln!(f, "passed   {it}")?;
        }
        writeln!(f, "rule     {}", self.rule.as_deref().unwrap_or("-"))?;
        if let Some(part) = &self.experiment {
            writeln!(f, "in       {part}")?;
        }
        for guard in &self.guards {
            writeln!(f, "guard    {guard}")?;
        }
        if let Some(refusal) = &self.refusal {
            writeln!(f, "refused  {refusal}")?;
        }
        for (at, it) in (1..).zip(&self.plan) {
            it.write(f, at, now)?;
        }
        if self.last_resort {
            writeln!(f, "but      all of these are ejected: they are the last resort")?;
        }
        if let Some(ms) = self.hedge_after_ms {
            writeln!(f, "hedge    the next attempt after {ms} ms of silence, if streamed")?;
        }
        if let Some(SlowStream { hold_ms, output_tokens_per_second_min: least }) = self.slow_stream
        {
            writeln!(
                f,
                "slow     the next attempt below {least} tokens/s over {hold_ms} ms, if streamed"
            )?;
        }
        if self.validate {
            writeln!(f, "checks   the next attempt where a plain answer is not of the form asked")?;
        }
        if let Some(seconds) = self.cache_ttl_s {
            writeln!(
                f,
                "cache    the answer is kept for {seconds} s, and given again to the same question"
            )?;
        }
        for it in &self.skipped {
            writeln!(f, "skipped  {:<18} {}", it.model, it.reason)?;
        }
        for it in &self.near {
            writeln!(f, "nearly   {:<18} but for {}", it.rule, it.failed)?;
        }
        if let Some(cost) = &self.cost_max {
            writeln!(f, "at most  {cost}")?;
        }
        Ok(())
    }
}

impl Candidate {
    fn write(&self, f: &mut fmt::Formatter<'_>, at: usize, now: bool) -> fmt::Result {
        let price = |price: &Option<String>| price.clone().unwrap_or_else(|| "free".into());
        let (input, output) = (price(&self.input_per_mtok), price(&self.output_per_mtok));
        write!(f, "{at:>4}.    {:<18} in {input} out {output} per Mtok, ", self.model)?;
        if now {
            let known = |ms| format!("{ms:.0} ms");
            let first = self.first_token_ms.map_or("latency unknown".into(), known);
            write!(f, "{first}, {} in flight, ", self.in_flight)?;
        } else if let Some(zone) = &self.zone {
            write!(f, "{zone}, ")?;
        }
        writeln!(f, "answer ≤ {}", self.output_tokens_max)?;
        let Timeouts { connect_ms, first_token_ms, idle_ms, total_ms } = self.timeouts;
        writeln!(
            f,
            "         connect {connect_ms} ms, first token {first_token_ms} ms, \
             idle {idle_ms} ms, total {total_ms} ms"
        )
    }
}
