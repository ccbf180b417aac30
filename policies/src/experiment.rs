//! Experiments: which unit gets which arm. A unit's arm is a function of names and of the unit alone, so that
//! every replica gives it the same without asking anybody, and anybody can work it out again later.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

pub use crate::enrolled::{ArmIndex, Enrolled, ExperimentIndex, Outside};
use crate::{
    facts::{ModelIndex, Money, Signals, Tokens},
    policy::route::Route,
};

/// Whose requests get one arm together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// The end user.
    User,
    /// The key.
    Key,
    /// The session.
    Session,
    /// Each request for itself.
    Request,
}

/// The members of a request that an arm may set: how an answer is sampled and how long it is thought about.
/// What the request is, what it may cost and who gets it, is not an arm's to say.
pub const PARAMS: [&str; 9] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "reasoning_effort",
    "verbosity",
];

/// The metrics that the gateway reckons by itself: no caller tells them, and the last one, a ratio of two
/// others, makes no verdict.
pub const OWN_METRICS: [&str; 8] = [
    "error",
    "cost",
    "first_token_ms",
    "duration_ms",
    "output_tokens",
    "schema_valid",
    "retried",
    "cost_per_success",
];

/// An experiment of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its name.
    pub name: Arc<str>,
    /// Changes with the arms, the unit and the control, and with nothing else.
    pub version: Arc<str>,
    /// Whose requests get one arm together.
    pub unit: UnitKind,
    /// Its arms; two at least.
    pub arms: Vec<Arm>,
    /// The arm that the others are compared with.
    pub control: ArmIndex,
    /// The share of units that take part, by the time from which it does.
    pub enrolment: Vec<EnrolStep>,
    /// How the arms are judged.
    pub judged: Judged,
    /// What rolls an arm back.
    pub guard: Guard,
    /// The least share of each arm where shares follow the outcomes; `None` where they are fixed.
    pub thompson_floor: Option<f64>,
    /// What is asked beside, of nobody's answer.
    pub shadow: Option<Shadow>,
    /// Where it begins among the places of its layer. The last step of its enrolment is the most that it may
    /// take of them.
    pub(crate) layer: Layer,
    /// The hash of its name, for the places of units in its arms.
    pub(crate) seed: u64,
}

/// One arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: Arc<str>,
    /// Its share of the enrolled units, above 0; all arms' add up to 1.
    pub share: f64,
    /// Its models; `None` is the rule's own route.
    pub(crate) route: Option<Route>,
    /// The members of the request that it sets, as JSON: name and value.
    pub params: Vec<(Box<str>, Box<str>)>,
    /// What it adds to the system message.
    pub system_suffix: Option<Arc<str>>,
    /// The input that this adds to a request.
    pub(crate) adds: Added,
    /// The hash of its name.
    pub(crate) seed: u64,
}

/// The input that an arm adds to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Tokens, estimated.
    pub(crate) tokens: Tokens,
    /// A figure that they cannot exceed.
    pub(crate) bound: Tokens,
}

/// Tokens of a chat template around a message at the most, and of what parts the suffix from the text before.
const AROUND_SUFFIX: u32 = 66;

impl Added {
    /// The input that a suffix adds: estimated by the script as the text of a request is, and no more than
    /// its bytes and what stands around a message.
    pub(crate) fn by(suffix: &str) -> Self {
        let twentieths = |character: char| match character.len_utf8() {
            1 => 5,
            2 => 10,
            3 => 17,
            _ => 40,
        };
        let weight: u32 = suffix.chars().map(twentieths).fold(0, u32::saturating_add);
        let bytes = u32::try_from(suffix.len()).unwrap_or(u32::MAX);
        Self {
            tokens: Tokens(weight.div_ceil(20).saturating_add(4)),
            bound: Tokens(bytes.saturating_add(AROUND_SUFFIX)),
        }
    }
}
/// From when on which share of the units takes part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnrolStep {
    /// Seconds since 1970; `i64::MIN` for what holds from the beginning.
    pub from: i64,
    /// The share, 0 to 1.
    pub share: f64,
}

/// How the arms of an experiment are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The metric of the verdict.
    pub primary: Arc<str>,
    /// Further metrics.
    pub metrics: Vec<Arc<str>>,
    /// Whether more of the primary is better.
    pub higher_is_better: bool,
    /// The probability of any false finding.
    pub alpha: f64,
    /// Units of each arm before there is a verdict.
    pub units_min: u64,
    /// Days before there is a verdict.
    pub days_min: u32,
}

/// The bounds of each arm; one that breaks them is rolled back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// The share of requests that fail.
    pub error_rate_max: Option<f64>,
    /// The 95th percentile of the time to first token, in milliseconds.
    pub first_token_p95_ms_max: Option<f64>,
    /// The mean cost of a request.
    pub cost_mean_max: Option<Money>,
    /// The least mean of values that callers send, by name.
    pub feedback_min: Vec<(Arc<str>, f64)>,
    /// Requests of an arm before anything is said of it.
    pub requests_min: u64,
}

/// A model that gets a share of the requests after their callers were served.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// The model.
    pub model: ModelIndex,
    /// The share of requests.
    pub share: f64,
    /// The team that pays.
    pub bill_to: Arc<str>,
    /// What a day may cost.
    pub cost_per_day_max: Money,
    /// Requests at once.
    pub concurrency_max: u32,
}

/// The part of a layer's places that an experiment may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layer {
    /// The hash of the layer's name.
    pub(crate) seed: u64,
    /// Its first place.
    pub(crate) begin: f64,
}

/// What the moment says of a policy's experiments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExperimentView {
    /// By [`ExperimentIndex`]; an experiment without a state runs as the policy's last word on it says.
    pub states: Vec<ExperimentState>,
}

/// What the moment says of one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExperimentState {
    /// The share of units that take part now; `None` is what the last step of the policy says.
    pub enrol: Option<f64>,
    /// Nobody takes part: the rule's own route applies.
    pub stopped: bool,
    /// The arms whose units get the control's route, by position.
    pub rolled_back: Vec<ArmIndex>,
    /// The shares of the arms now; empty is what the policy says.
    pub shares: Vec<f64>,
}

impl ExperimentView {
    /// The experiments of a policy as it says of them at a time, in seconds since 1970.
    #[must_use]
    pub fn at(experiments: &[Experiment], seconds: i64) -> Self {
        let state = |it: &Experiment| ExperimentState {
            enrol: Some(it.enrol_at(seconds)),
            ..ExperimentState::default()
        };
        Self { states: experiments.iter().map(state).collect() }
    }
}

impl ExperimentState {
    /// The state in which every unit that takes part has this arm: for a request of the past whose arm is
    /// known.
    #[must_use]
    pub fn of_arm(experiment: &Experiment, arm: ArmIndex) -> Self {
        let share = |at: usize| if at == usize::from(arm.0) { 1.0 } else { 0.0 };
        Self { shares: (0..experiment.arms.len()).map(share).collect(), ..Self::default() }
    }
}

/// What a unit gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// This arm.
    Arm(ArmIndex, u128),
    /// None, and why.
    Outside(Outside),
}

/// A waiting time that is drawn from a place in [0, 1) for a share.
#[derive(Clone, Copy)]
struct Wait {
    left: f64,
    share: f64,
}

impl Wait {
    /// Whether it is over first. Of equal shares the places say so, and no logarithm has to be taken; a share
    /// of nothing waits for ever.
    fn is_before(self, other: Self) -> bool {
        if self.share <= 0.0 {
            return false;
        }
        if (self.share - other.share).abs() <= f64::EPSILON {
            return self.left < other.left;
        }
        other.share <= 0.0 || self.time() < other.time()
    }

    fn time(self) -> f64 {
        -(-self.left).ln_1p() / self.share
    }
}

/// Parts the places of requests under a shadow from those of units under an arm.
const SHADOW_SEED: u64 = 0x7368_6164_6f77;

/// The unit that a key is, by its name.
#[must_use]
pub fn unit_of_key(name: &str) -> u128 {
    xxh3_128(name.as_bytes())
}

/// A number in [0, 1) that is the same for the same unit, and as good as drawn anew for each seed.
fn place(seed: u64, unit: u128) -> f64 {
    let hash = xxh3_64_with_seed(&unit.to_be_bytes(), seed);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let place = (hash >> 11) as f64;
    place / 9_007_199_254_740_992.0
}

impl UnitKind {
    /// Its word in a document.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Session => "session",
            Self::Request => "request",
        }
    }
}

impl Experiment {
    /// The share of units that take part at a time, in seconds since 1970.
    #[must_use]
    pub fn enrol_at(&self, seconds: i64) -> f64 {
        let begun = self.enrolment.iter().rev().find(|step| step.from <= seconds);
        begun.map_or(0.0, |step| step.share)
    }

    /// When that share changes next, if ever.
    #[must_use]
    pub fn next_change(&self, seconds: i64) -> Option<i64> {
        self.enrolment.iter().map(|step| step.from).find(|from| *from > seconds)
    }

    /// The unit of a request; `None` where it has none of this kind.
    #[must_use]
    pub fn unit_of(&self, signals: &Signals) -> Option<u128> {
        match self.unit {
            UnitKind::User => signals.unit_user,
            UnitKind::Key => signals.unit_key,
            UnitKind::Session => signals.session,
            UnitKind::Request => Some(signals.request),
        }
    }

    /// Whether the shadow gets this request too: as often as its share says, whichever arm the request is.
    #[must_use]
    pub fn shadows(&self, request: u128) -> bool {
        self.shadow.as_ref().is_some_and(|it| place(self.seed ^ SHADOW_SEED, request) < it.share)
    }

    /// The arm of a request's unit, or why it has none.
    pub(crate) fn assign(&self, signals: &Signals, state: Option<&ExperimentState>) -> Assigned {
        if state.is_some_and(|it| it.stopped) {
            return Assigned::Outside(Outside::Stopped);
        }
        let Some(unit) = self.unit_of(signals) else { return Assigned::Outside(Outside::NoUnit) };
        // Beyond its last step it would take units of the next experiment of its layer.
        let most = self.enrolment.last().map_or(0.0, |step| step.share);
        let enrol = state.and_then(|it| it.enrol).map_or(most, |now| now.min(most));
        let from = self.layer.begin;
        if !(from..from + enrol).contains(&place(self.layer.seed, unit)) {
            return Assigned::Outside(Outside::HeldOut);
        }
        let arm = self.arm_of(unit, state);
        match state {
            Some(state) if state.rolled_back.contains(&arm) => {
                Assigned::Outside(Outside::RolledBack(arm))
            }
            _ => Assigned::Arm(arm, unit),
        }
    }

    /// The arm that a unit has. Each arm draws a waiting time for the unit, the shorter the larger its share,
    /// and the shortest wins: each arm does so as often as its share says, and where shares change, or arms
    /// come and go, only units of those arms move, whatever the order in which they are written.
    fn arm_of(&self, unit: u128, state: Option<&ExperimentState>) -> ArmIndex {
        let mut won = (Wait { left: 1.0, share: 0.0 }, self.control);
        for (at, arm) in (0..).zip(&self.arms) {
            let now = state.and_then(|state| state.shares.get(usize::from(at)));
            let share = now.copied().unwrap_or(arm.share);
            let wait = Wait { left: place(self.seed ^ arm.seed, unit), share };
            if wait.is_before(won.0) {
                won = (wait, ArmIndex(at));
            }
        }
        won.1
    }

    /// An arm.
    #[must_use]
    pub fn arm(&self, at: ArmIndex) -> Option<&Arm> {
        self.arms.get(usize::from(at.0))
    }
}
