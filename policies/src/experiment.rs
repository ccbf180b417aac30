//! Experiments: which unit gets which arm. A unit's arm is a function of names and of the unit alone, so that
//! every replica gives it the same without asking anybody, and anybody can work it out again later.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    facts::{ModelIndex, Money, Signals},
    policy::Route,
};

/// Position of an experiment in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExperimentIndex(pub u16);

/// Position of an arm in its experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArmIndex(pub u8);

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

/// The arm of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The experiment.
    pub experiment: ExperimentIndex,
    /// The arm.
    pub arm: ArmIndex,
    /// The unit, as it was hashed.
    pub unit: u128,
}

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
    /// Where it begins among the places of its layer, and the most that it may take of them.
    pub(crate) layer: Layer,
    /// The hash of its name, for the places of units among its arms.
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

/// What a unit gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// This arm.
    Arm(ArmIndex, u128),
    /// The control's route, since its arm is rolled back; it is in the comparison no more.
    RolledBack,
    /// The rule's own route: it does not take part.
    Out,
}

/// What sets apart the two hashes of one name: whether a unit takes part, and which arm it gets.
const ARM: u64 = 0x61_72_6d;

/// A number in [0, 1) that is the same for the same unit, and as good as drawn anew for each seed.
fn place(seed: u64, unit: u128) -> f64 {
    let hash = xxh3_64_with_seed(&unit.to_be_bytes(), seed);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let place = (hash >> 11) as f64;
    place / 9_007_199_254_740_992.0
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

    pub(crate) fn assign(&self, signals: &Signals, state: Option<&ExperimentState>) -> Assigned {
        let Some(unit) = self.unit_of(signals) else { return Assigned::Out };
        let last = self.enrolment.last().map_or(0.0, |step| step.share);
        let enrol = state.and_then(|it| it.enrol).unwrap_or(last);
        let from = self.layer.begin;
        let at = place(self.layer.seed, unit);
        if state.is_some_and(|it| it.stopped) || !(from..from + enrol).contains(&at) {
            return Assigned::Out;
        }
        let arm = self.arm_at(place(self.seed ^ ARM, unit), state);
        match state {
            Some(state) if state.rolled_back.contains(&arm) => Assigned::RolledBack,
            _ => Assigned::Arm(arm, unit),
        }
    }

    /// The arm at a place: the arms' shares, one after the other.
    fn arm_at(&self, place: f64, state: Option<&ExperimentState>) -> ArmIndex {
        let mut end = 0.0;
        for (at, arm) in (0..).zip(&self.arms) {
            let now = state.and_then(|state| state.shares.get(usize::from(at)));
            end += now.copied().unwrap_or(arm.share);
            if place < end {
                return ArmIndex(at);
            }
        }
        // What rounding leaves at the end is the last arm's.
        ArmIndex(u8::try_from(self.arms.len().saturating_sub(1)).unwrap_or(u8::MAX))
    }

    /// An arm.
    #[must_use]
    pub fn arm(&self, at: ArmIndex) -> Option<&Arm> {
        self.arms.get(usize::from(at.0))
    }
}
