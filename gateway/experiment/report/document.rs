//! The report as a document. The names are those of its JSON.

use std::sync::Arc;

use serde::{Serialize, Serializer};

/// What an experiment's data say.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The experiment's name.
    pub experiment: Arc<str>,
    /// Its version: it changes with arms, unit and control. Older versions' requests are not in the report.
    pub version: Arc<str>,
    /// What was done about it.
    pub state: State,
    /// The first request with an arm of this version; `None` before any.
    pub since: Option<Moment>,
    /// The last one.
    pub until: Option<Moment>,
    /// Whose requests get one arm together.
    pub unit: &'static str,
    /// The probability of any false finding.
    pub alpha: f64,
    /// The metric of the verdict.
    pub primary: Arc<str>,
    /// What is better of it: `higher` or `lower`.
    pub better: &'static str,
    /// The currency of costs.
    pub currency: Arc<str>,
    /// What took no part, of the requests that might have.
    pub holdout: Holdout,
    /// Requests that are left out, since their unit had another arm before.
    pub astray: u64,
    /// The arms, in the order of the policy.
    pub arms: Vec<ArmReport>,
    /// Each arm against the control.
    pub comparisons: Vec<Difference>,
    /// Whether the units fall to the arms as they should.
    pub srm: Shares,
    /// What each arm has shown of each bound.
    pub guard: Vec<GuardReading>,
    /// Parts of the requests, looked at without a claim.
    pub segments: Vec<Segment>,
    /// The primary's differences over time.
    pub looks: Vec<Path>,
    /// The shadow beside what was served; `None` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowReport>,
    /// What follows.
    pub verdict: Verdict,
}

/// A moment, in milliseconds since 1970; written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub i64);

impl Moment {
    /// The moment as RFC 3339 in UTC, to the second.
    pub(crate) fn text(self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Its day.
    pub(crate) fn day(self) -> String {
        self.text().chars().take(10).collect()
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// What was done about an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Nothing.
    Running,
    /// An arm was rolled back.
    RolledBack,
    /// Somebody has stopped it.
    Stopped,
}

impl State {
    /// Its name in the document.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::RolledBack => "rolled_back",
            Self::Stopped => "stopped",
        }
    }
}

/// What took no part.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Holdout {
    pub units: u64,
    pub requests: u64,
}

/// One arm.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ArmReport {
    pub name: Arc<str>,
    /// Whether the others are compared with it.
    pub control: bool,
    /// Whether it is rolled back now.
    pub rolled_back: bool,
    pub share: f64,
    pub units: u64,
    pub requests: u64,
    /// By name, in order.
    #[serde(serialize_with = "as_map")]
    pub metrics: Vec<(Arc<str>, Mean)>,
}

fn as_map<S: Serializer>(all: &[(Arc<str>, Mean)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(all.iter().map(|(name, mean)| (name, mean)))
}

/// The mean over an arm's units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Mean {
    /// The units of which the metric is known.
    pub n: u64,
    pub mean: Option<f64>,
    /// Where the true mean is, at every look; `None` while there is too little to say it.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// What a comparison may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// It makes the verdict: all arms share alpha.
    Primary,
    /// The policy names it: all of these metrics and all arms share alpha.
    Secondary,
    /// Nobody asked for it: all of these share another alpha, and none of them is a finding.
    Exploratory,
}

/// An arm less the control, in one metric.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Difference {
    pub arm: Arc<str>,
    pub control: Arc<str>,
    pub metric: Arc<str>,
    pub primary: bool,
    pub difference: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub significant: bool,
    pub role: Role,
    /// This interval's part of alpha.
    pub alpha: f64,
    /// What the units' own past has done for it; `None` where it was not used.
    pub past: Option<Past>,
}

/// What the units' own past has done for an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Past {
    /// The units of both arms that have one.
    pub units: u64,
    /// By which share the interval is narrower than without.
    pub narrowed: Option<f64>,
}

/// Whether the units fall to the arms as they should.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Shares {
    /// `None` where shares move with the outcomes.
    pub p: Option<f64>,
    pub ok: bool,
}

/// How an arm stands against a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GuardState {
    Holds,
    Broken,
    TooEarly,
}

impl GuardState {
    /// Its name in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::TooEarly => "too early",
        }
    }
}

/// An arm against one bound of the guard.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GuardReading {
    pub arm: Arc<str>,
    /// `error`, `first_token_ms`, `cost`, or a name of feedback.
    pub metric: Arc<str>,
    /// The mean of its requests; of `first_token_ms` the 95th percentile.
    pub value: Option<f64>,
    pub bound: f64,
    pub state: GuardState,
}

/// An arm less the control in the primary, over a part of the requests.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Segment {
    pub exploratory: bool,
    /// `language`, `task` or `team`.
    pub by: &'static str,
    pub value: Arc<str>,
    pub arm: Arc<str>,
    pub control: Arc<str>,
    pub metric: Arc<str>,
    /// The units of arm and control.
    pub units: [u64; 2],
    pub difference: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub significant: bool,
    pub alpha: f64,
}

/// The primary's difference between an arm and the control over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Path {
    pub arm: Arc<str>,
    pub control: Arc<str>,
    pub points: Vec<Point>,
}

/// One look.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Point {
    pub at: Moment,
    /// The units of both arms by then.
    pub units: u64,
    pub difference: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// The shadow of an experiment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShadowReport {
    /// The requests that it got.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// What all of them cost, in units of the currency.
    pub cost: f64,
    /// The shadow's figure less that of the request it repeats, over units.
    #[serde(serialize_with = "as_map")]
    pub differences: Vec<(Arc<str>, Mean)>,
    /// What was found about both answers, over units: shares, and the ratio of their lengths.
    #[serde(serialize_with = "as_map")]
    pub found: Vec<(Arc<str>, Mean)>,
}

/// What follows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    pub decision: Decision,
    /// The arm that it is about.
    pub arm: Option<Arc<str>>,
    /// The same in words.
    pub text: String,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    /// Route everybody to the arm.
    Ship,
    /// Leave everything as it is.
    KeepControl,
    /// Wait.
    Continue,
    /// End it: it cannot be believed, or it leads nowhere.
    Stop,
}
