//! What a decision says: a [`Plan`] or a [`Refusal`], each with its reasons, as plain values.

use std::sync::Arc;

use serde::Serialize;
use smallvec::SmallVec;

use crate::enrolled::{ArmIndex, Enrolled, ExperimentIndex, Outside};
use crate::facts::{ModelIndex, ModelKind, Money, Needs, RuleIndex, SHORT_INPUT, Timeouts, Tokens};

/// Which models are tried, in which order, how, and what it can cost at the most.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What decided.
    pub matched: Matched,
    /// Its name: a rule's name, `default`, `pin` or `alias:<name>`.
    pub rule: Arc<str>,
    /// The arm of an experiment that it is, if the request takes part in one.
    pub arm: Option<Enrolled>,
    /// Models, never replicas, in the order in which they are tried; at least one.
    pub attempts: SmallVec<[Planned; 4]>,
    /// How often the whole request may be tried again on another replica of the same model.
    pub retries_max: u8,
    /// Whether a second attempt is begun beside a silent one. It is the next of these attempts, or a
    /// retry, and none more.
    pub hedge: Option<Hedge>,
    /// Whether a stream that crawls is given up before the caller has read of it, once. What follows is
    /// the next of these attempts, or a retry, and none more.
    pub slow_stream: Option<SlowStream>,
    /// Whether a plain answer that does not hold to the form asked for is a failed attempt.
    pub validates: bool,
    /// For how many seconds the answer is kept, and given again to those who ask the same; none where what
    /// decided does not say so.
    pub cache_ttl_s: Option<u32>,
    /// No model of the route takes requests: these are ejected, and tried because nothing else is left.
    pub last_resort: bool,
    /// The most that all attempts together can cost; what is reserved.
    pub cost_max: Money,
    /// The most output that any attempt can produce, all choices together.
    pub output_tokens_bound: Tokens,
    /// Tokens of input, estimated; with what an arm adds.
    pub input_tokens: Tokens,
    /// A figure that the input cannot exceed; with what an arm adds.
    pub input_tokens_bound: Tokens,
    /// Why these models and not others.
    pub why: Why,
}

impl Plan {
    /// Whether reading the input alone may take an engine a time that says nothing of how it is.
    #[must_use]
    pub fn reads_long(&self) -> bool {
        self.input_tokens > SHORT_INPUT
    }

    /// The arm as which the models are asked: the request's own, or the control where its own is rolled back.
    /// Its parameters and its system suffix are written into what is sent. `control` says the control of an
    /// experiment of the policy that decided.
    #[must_use]
    pub fn asked_as(
        &self,
        control: impl Fn(ExperimentIndex) -> Option<ArmIndex>,
    ) -> Option<(ExperimentIndex, ArmIndex)> {
        match (self.arm, self.why.outside) {
            (Some(Enrolled { experiment, arm, .. }), _) => Some((experiment, arm)),
            (None, Some((at, Outside::RolledBack(_)))) => Some((at, control(at)?)),
            _ => None,
        }
    }

    /// The experiment of its rule, if the request has no unit of that experiment's kind.
    #[must_use]
    pub fn unassigned(&self) -> Option<ExperimentIndex> {
        match self.why.outside {
            Some((experiment, Outside::NoUnit)) => Some(experiment),
            _ => None,
        }
    }
}

/// A second attempt beside one that is late: the first to show content answers, the other is cancelled
/// and charged for what it may have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// How long the first attempt may be silent, in milliseconds; in a plan, with the time to read its input.
    pub after_ms: u32,
}

/// How slow a stream is given up for another attempt: its first content is held back until it has
/// proved its pace or the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlowStream {
    /// How long the first content may be held back, in milliseconds.
    pub hold_ms: u32,
    /// What a stream must write a second, after its first content, to be passed on.
    pub output_tokens_per_second_min: u32,
}

impl SlowStream {
    /// The output after the first content that proves the pace, whenever within the hold it comes.
    #[must_use]
    pub fn output_tokens_enough(self) -> Tokens {
        let thousandths = u64::from(self.output_tokens_per_second_min) * u64::from(self.hold_ms);
        Tokens(u32::try_from(thousandths.div_ceil(1_000)).unwrap_or(u32::MAX))
    }
}

/// One model of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The model.
    pub model: ModelIndex,
    /// How long each phase may take, by the rule where it says so, else by the model; for this input.
    pub timeouts: Timeouts,
    /// The model's context window, which prompt and answer share.
    pub context_tokens_max: Tokens,
    /// The most output of one choice by this model.
    pub output_tokens_max: Tokens,
    /// The most output charged where this model is given up before commitment.
    pub held_tokens_max: Tokens,
}

impl Planned {
    /// Whether a prompt of so many tokens takes half of the context window, or more.
    #[must_use]
    pub fn is_half_full(&self, input: Tokens) -> bool {
        self.context_tokens_max.0 > 0 && input.saturating_mul(2) >= self.context_tokens_max
    }
}

/// What decided a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// The first rule that matched and has a route, but for those that were passed over.
    Rule(RuleIndex),
    /// No rule did, or none that can serve the request; the policy's default route.
    Default,
    /// The caller asked for an alias, by its position in the configuration.
    Alias(u16),
    /// The caller asked for one model.
    Pin,
}

/// The reasons of a decision, small enough to be kept for every request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Why {
    /// Models that the route names but the plan leaves out, in the route's order.
    pub skipped: SmallVec<[(ModelIndex, Skip); 8]>,
    /// Guards that matched, in the policy's order.
    pub guards: SmallVec<[RuleIndex; 2]>,
    /// Rules that matched before the one that decided, in the policy's order: none of their models can serve
    /// the request.
    pub passed: SmallVec<[RuleIndex; 8]>,
    /// Why it has none of the arms of its rule's experiment, where the rule names one.
    pub outside: Option<(ExperimentIndex, Outside)>,
}

/// Why a model is not in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It is of another kind than the request asks for.
    Serves(ModelKind),
    /// Its vectors are of another space than those of this model, which the request is bound to.
    Space(ModelIndex),
    /// It lacks these capabilities.
    Lacks(Needs),
    /// Prompt and answer need more room than it has.
    Context {
        /// Tokens needed.
        needed: Tokens,
        /// Tokens it has.
        has: Tokens,
    },
    /// A guard, or the rule's own `require` or `avoid`, forbids it.
    Guard(RuleIndex),
    /// Key or team may not use it.
    NotAllowed,
    /// No endpoint takes requests.
    Unavailable,
    /// An operator has switched it off.
    SwitchedOff,
    /// It would lift the plan above the budget left or the rule's `cost_max`.
    Cost,
    /// The plan is long enough without it.
    Enough,
}

/// No plan, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What decided, if it came that far.
    pub matched: Option<Matched>,
    /// Its name, else empty.
    pub rule: Arc<str>,
    /// The arm of an experiment that it would have been: that too is evidence.
    pub arm: Option<Enrolled>,
    /// What stands in the way.
    pub reason: Reason,
    /// Each model that was considered.
    pub why: Why,
}

/// What stands in the way of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No model and no alias has this name.
    UnknownModel,
    /// Key or team may use none of the models.
    ModelForbidden,
    /// A guard forbids all models that would be left.
    PolicyForbidden(RuleIndex),
    /// The rule's optional names find no model of the fleet, and the rule passes nothing on.
    NoModel,
    /// No model of the route, nor of those before it, is of the kind that the request asks for.
    NoModelOfKind(ModelKind),
    /// No model of the route, nor of those before it, can do this.
    NoCapableModel(Needs),
    /// No model of the route, nor of those before it, has room for prompt and answer.
    ContextTooLong {
        /// Tokens needed.
        needed: Tokens,
        /// The largest context among the models considered.
        largest: Tokens,
    },
    /// Models would serve it, but none has a live endpoint.
    NoneAvailable,
    /// Models would serve it, but an operator has switched all of them off.
    SwitchedOff,
}
