//! How a request began: accepted, with all that is fixed from there on, or turned away.

use std::{sync::Arc, time::Duration};

use policies::{
    Plan,
    experiment::Enrolled,
    facts::{Draw, Money, Signals},
};
use uuid::Uuid;

use super::{Cached, Caller, EpochInfo, TraceContext};
use crate::failure::{Kind, Stage, Verdict};

/// An accepted request, as its ledger entry is opened: fixed from here on.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Our id, UUIDv7: the entry's key.
    pub id: Uuid,
    /// Milliseconds since 1970 at which the request came in.
    pub started_at_ms: i64,
    /// The caller's own id for it, checked.
    pub caller_request_id: Option<Box<str>>,
    /// The trace that it belongs to, if its caller states one or the gateway makes spans.
    pub trace: Option<TraceContext>,
    /// The caller.
    pub caller: Arc<Caller>,
    /// The signals that it was decided by.
    pub signals: Arc<Signals>,
    /// The plan that it is served by.
    pub plan: Arc<Plan>,
    /// The random number that it was decided with.
    pub draw: Draw,
    /// The money that is reserved for it.
    pub reserved: Money,
    /// What the indices above are called.
    pub names: Arc<EpochInfo>,
    /// The shares of the experiment's arms by which its arm was drawn, where they follow the outcomes; `None`
    /// where the policy's own held.
    pub arm_shares: Option<Arc<[f64]>>,
    /// What it repeats, where the gateway asks by itself and no caller waits.
    pub shadow_of: Option<ShadowOf>,
    /// What the cache had to do with it, where what decided has answers kept.
    pub cached: Option<Cached>,
}

/// The request that a shadow repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowOf {
    /// Our id of it.
    pub request: Uuid,
    /// The arm that it is.
    pub arm: Enrolled,
}

/// Why a request that a shadow was to get is not asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadowPassed {
    /// As many of its requests run as may at once.
    Busy,
    /// The money of its day is spent, or that of the team that pays.
    OverBudget,
    /// A guard, the caller's key or team, or the rule keeps its model from the request.
    Forbidden,
    /// Its model has not what the request needs, or no room for it.
    Incapable,
    /// Its model takes no requests, or the gateway takes none.
    Unavailable,
    /// The experiment is stopped, or the arm rolled back.
    Stopped,
    /// Another configuration is in force by now.
    Superseded,
}

impl ShadowPassed {
    /// The spelling in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::OverBudget => "over_budget",
            Self::Forbidden => "forbidden",
            Self::Incapable => "incapable",
            Self::Unavailable => "unavailable",
            Self::Stopped => "stopped",
            Self::Superseded => "superseded",
        }
    }
}

/// A request turned away before it was accepted.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Our id, which its caller was told.
    pub id: Uuid,
    /// The caller's own id for it, checked.
    pub caller_request_id: Option<Box<str>>,
    /// The trace that it belongs to, if its caller states one or the gateway makes spans.
    pub trace: Option<TraceContext>,
    /// Milliseconds since 1970 at which it came in.
    pub at_ms: i64,
    /// The time from its head to its refusal.
    pub took: Duration,
    /// The kind of failure that its caller got.
    pub kind: Kind,
    /// The stage that refused it.
    pub stage: Stage,
    /// What decided so, and why.
    pub verdict: Verdict,
    /// The random number that it was decided with, if it came that far.
    pub draw: Option<Draw>,
    /// The arm of an experiment that it is, if it takes part in one.
    pub arm: Option<Enrolled>,
    /// The signals, if they were known by then.
    pub signals: Option<Arc<Signals>>,
    /// The caller, if it was known by then.
    pub caller: Option<Arc<Caller>>,
    /// The policy in force.
    pub names: Arc<EpochInfo>,
}
