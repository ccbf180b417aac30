//! What every room may speak of: who asked, what was tried, what was used, how it ended.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{
    Counts, Plan,
    facts::{
        DataClass, Draw, FleetFacts, KeyIndex, ModelFacts, ModelIndex, Money, Signals, TeamIndex,
        Tokens,
    },
};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::failure::{Failure, Kind, Stage};

/// Who asks: a key, resolved at load with all that a request needs to know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// The key.
    pub key: KeyIndex,
    /// Its name.
    pub key_name: Arc<str>,
    /// The team and its ancestors, the nearest first; never empty.
    pub team_path: SmallVec<[TeamIndex; 4]>,
    /// The nearest team's name.
    pub team_name: Arc<str>,
    /// The class of its requests unless they state a higher one.
    pub data_class: DataClass,
    /// The highest class it may send.
    pub data_class_max: DataClass,
    /// Whether its hint headers are believed.
    pub hints: bool,
    /// Who comes first where requests wait.
    pub priority: Priority,
}

/// Who comes first where requests wait for a model; the first is the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Priority {
    /// Somebody sits before a screen.
    Interactive,
    /// Nobody said.
    #[default]
    Default,
    /// It can come later.
    Batch,
}

impl Priority {
    /// Every priority.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Default, Self::Batch];

    /// As the configuration spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Default => "default",
            Self::Batch => "batch",
        }
    }
}

/// Where the figures of a usage come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// The backend said so, and it is possible.
    Reported,
    /// Counted by us.
    Estimated,
    /// The whole reservation: nobody knows better.
    Reserved,
}

impl UsageSource {
    /// As the ledger spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Estimated => "estimated",
            Self::Reserved => "reserved",
        }
    }
}

/// Tokens used by one request, over all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The tokens, disjoint.
    pub counts: Counts,
    /// Who says so.
    pub source: UsageSource,
}

/// What a request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Tokens.
    pub usage: Usage,
    /// Money, over all attempts.
    pub cost: Money,
    /// The part of the attempt whose content the caller got, if any came.
    pub served: Option<Usage>,
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AttemptResult {
    /// A complete answer.
    Ok,
    /// Broken after its first content.
    Cut,
    /// No connection.
    Connect,
    /// Silent for too long.
    Timeout,
    /// A status that is no answer.
    Status,
    /// An answer that is none: HTML, empty, an error inside a 200.
    Invalid,
    /// The caller left, or another attempt was preferred.
    Cancelled,
    /// A hedge that came second.
    LostHedge,
}

impl AttemptResult {
    /// Every result.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Cut,
        Self::Connect,
        Self::Timeout,
        Self::Status,
        Self::Invalid,
        Self::Cancelled,
        Self::LostHedge,
    ];

    /// As metrics and the ledger spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cut => "cut",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Invalid => "invalid",
            Self::Cancelled => "cancelled",
            Self::LostHedge => "lost_hedge",
        }
    }
}

/// One attempt at one endpoint.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The model.
    pub model: ModelIndex,
    /// The endpoint's position in its model's list.
    pub endpoint: u16,
    /// The endpoint's label: `host:port`.
    pub endpoint_label: Arc<str>,
    /// When it began.
    pub started: Instant,
    /// How long it took, once it has ended.
    pub took: Option<Duration>,
    /// How it ended, once it has.
    pub result: Option<AttemptResult>,
    /// Whether the whole request had left for the backend.
    pub sent: bool,
    /// Output counted by us before commitment, charged where it never came to that.
    pub held: Tokens,
}

/// What happened to a request upstream, written **as things happen**: its future may be dropped at
/// any await, and this is then all that is known.
#[derive(Clone, Debug, Default)]
pub struct AttemptLog {
    /// Every attempt, in order.
    pub attempts: SmallVec<[AttemptRecord; 2]>,
    /// The attempt whose content the caller got, if any came so far.
    pub committed: Option<u8>,
    /// When the first content came.
    pub first_content: Option<Instant>,
    /// What the committed backend reported so far.
    pub reported: Option<Counts>,
    /// Output counted by us so far, for the case that nothing is reported.
    pub counted_output: Tokens,
    /// Whether the backend's answer came to its real end.
    pub complete: bool,
    /// Whether backends were told the plan's bound on the output.
    pub bound_told: bool,
    /// Whether a stream was ended by us because it passed that bound.
    pub bound_passed: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Answered whole.
    Ok,
    /// Broken after the caller had got content.
    Cut,
    /// The caller left.
    Cancelled,
    /// No answer.
    Failed(Kind),
}

impl Ending {
    /// The label in metrics and ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cut => "cut",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
        }
    }

    /// The ending that a failure makes; a caller who left is no failure of ours.
    #[must_use]
    pub fn failed(failure: &Failure) -> Self {
        match failure.kind {
            Kind::Cancelled => Self::Cancelled,
            kind => Self::Failed(kind),
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub const fn failure(self) -> Option<Kind> {
        match self {
            Self::Failed(kind) => Some(kind),
            _ => None,
        }
    }
}

/// What the figures of an epoch are called: indices to names, and the versions in force.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochInfo {
    /// This process, among others of the same gateway.
    pub replica: Arc<str>,
    /// The ledger's currency.
    pub currency: Arc<str>,
    /// The policy's own version text.
    pub policy_version: Arc<str>,
    /// Hash of the compiled policy.
    pub policy_hash: Arc<str>,
    /// Hash of the price table.
    pub price_version: Arc<str>,
    /// The models, by [`ModelIndex`]: the one table of what they are and cost, which the policy decides by.
    pub fleet: Arc<FleetFacts>,
    /// Teams by [`TeamIndex`].
    pub teams: Vec<Arc<str>>,
}

impl EpochInfo {
    /// Models by [`ModelIndex`].
    #[must_use]
    pub fn models(&self) -> &[ModelFacts] {
        &self.fleet.models
    }
}

/// An accepted request, as its ledger entry is opened: fixed from here on.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Our id, UUIDv7: the entry's key.
    pub id: Uuid,
    /// Milliseconds since 1970 at which the request came in.
    pub started_at_ms: i64,
    /// The caller's own id for it, checked.
    pub caller_request_id: Option<Box<str>>,
    /// Who asked.
    pub caller: Arc<Caller>,
    /// What was known of it.
    pub signals: Arc<Signals>,
    /// What was decided.
    pub plan: Arc<Plan>,
    /// With which randomness.
    pub draw: Draw,
    /// What was reserved.
    pub reserved: Money,
    /// What the indices above are called.
    pub names: Arc<EpochInfo>,
}

/// An accepted request at its end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it began.
    pub opened: Arc<Opened>,
    /// How it ended.
    pub ending: Ending,
    /// What happened upstream.
    pub attempt_log: AttemptLog,
    /// What it cost.
    pub charge: Charge,
    /// From the first byte of its head to its end.
    pub duration: Duration,
    /// From its head to the first content, if there was any.
    pub first_token: Option<Duration>,
    /// The gateway's own time in each stage, by [`Stage`].
    pub stages: [Duration; 8],
}

/// Bytes of an answer that no single token has, nearly always: what says for sure that a bound is passed.
const TOKEN_BYTES_MAX: u32 = 16;

impl Outcome {
    /// Whether the engine wrote more than a bound that it was told, by us or by the caller.
    #[must_use]
    pub fn bound_broken(&self) -> bool {
        let told = self.attempt_log.bound_told || self.opened.signals.output_tokens_asked.is_some();
        let (Some((_, most)), Some(served)) = (self.bound(), self.charge.served) else {
            return false;
        };
        let wrote = match served.source {
            UsageSource::Reported => output(served).0,
            _ => self.attempt_log.counted_output.0 / (TOKEN_BYTES_MAX / 4),
        };
        told && (self.attempt_log.bound_passed || wrote > most.0)
    }

    /// The model that served, and what is charged of its output beyond the bound that a hard budget told its
    /// engine, if anything is.
    #[must_use]
    pub fn overrun(&self) -> Option<(ModelIndex, Tokens)> {
        let (model, most) = self.bound().filter(|_| self.attempt_log.bound_told)?;
        let beyond = output(self.charge.served?).0.saturating_sub(most.0);
        (beyond > 0).then_some((model, Tokens(beyond)))
    }

    /// The model that served, and the plan's bound on its output, all choices together.
    fn bound(&self) -> Option<(ModelIndex, Tokens)> {
        let Opened { plan, signals, .. } = &*self.opened;
        let served = self.attempt_log.attempts.get(usize::from(self.attempt_log.committed?))?;
        let planned = plan.attempts.iter().find(|it| it.model == served.model)?;
        let choices = u32::from(signals.n.max(1));
        Some((served.model, planned.output_tokens_max.saturating_mul(choices)))
    }
}

/// All output of a usage.
fn output(usage: Usage) -> Tokens {
    Tokens(usage.counts.output.saturating_add(usage.counts.reasoning))
}

/// A request turned away before it was accepted.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// What it was turned away for.
    pub kind: Kind,
    /// Where.
    pub stage: Stage,
    /// What was known of it by then.
    pub signals: Option<Arc<Signals>>,
    /// Who asked, if that was known by then.
    pub caller: Option<Arc<Caller>>,
    /// The policy in force.
    pub names: Arc<EpochInfo>,
}
