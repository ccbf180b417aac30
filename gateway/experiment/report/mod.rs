//! The **report** of an experiment: what its entries and what callers told of them say about its arms.
//!
//! A pure function of the experiment, what was done about it, and its requests in the order of units and
//! time. One unit is held at a time, and sums beside it: the memory that it takes goes by arms, metrics,
//! looks and segments, whatever the number of units.

mod arm;
mod compared;
mod document;
mod looks;
mod metric;
pub(crate) mod picture;
mod segment;
mod shadow;
mod tally;
mod unit;
mod verdict;

use std::sync::Arc;

use policies::experiment::{ArmIndex, Experiment};

pub(crate) use self::{
    compared::report,
    document::{ArmReport, Decision, Difference, Mean, Moment, Report, ShadowReport, State},
    looks::DAY_MS,
    shadow::{ShadowPair, ShadowTally},
    tally::Tally,
    verdict::figure,
};

/// How long before an experiment a unit's past is looked at, in milliseconds.
pub(crate) const PAST_MS: i64 = 14 * DAY_MS;

/// What a report is about.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The experiment as the policy has it.
    pub experiment: Experiment,
    /// What was done about it.
    pub state: State,
    /// The arms that are rolled back now.
    pub rolled_back: Vec<ArmIndex>,
    /// The arms that have ever been rolled back, these included: while they were, no new unit came to them.
    pub ever_rolled_back: Vec<ArmIndex>,
    /// From when on each arm's requests are evidence against it, by position, in milliseconds since 1970: the
    /// moment at which it was resumed. An arm beyond the end was never rolled back.
    pub guard_from_ms: Vec<i64>,
    /// The first request that got an arm of this version, in milliseconds since 1970; `None` before any.
    pub since_ms: Option<i64>,
    /// The last request that did.
    pub until_ms: i64,
    /// The moment before which requests are a unit's past: the first that got an arm of any version.
    pub past_until_ms: i64,
    /// The names under which callers told of answers, in order.
    pub feedback: Vec<Arc<str>>,
    /// The currency of costs.
    pub currency: Arc<str>,
}

/// One request, as the ledger has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observation<'a> {
    /// Its unit, as it was hashed.
    pub unit: u128,
    /// When it came in, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its arm; `None` of one that took no part.
    pub arm: Option<&'a str>,
    /// The language of its text, as a code.
    pub language: Option<&'a str>,
    /// What it asked for, as a code.
    pub task: Option<&'a str>,
    /// Who asked.
    pub team: Option<&'a str>,
    /// Whether the caller saw it fail; `None` while it runs.
    pub error: Option<bool>,
    /// What it cost, in units of the currency.
    pub cost: Option<f64>,
    /// The time to its first token, in milliseconds.
    pub first_token_ms: Option<f64>,
    /// The time to its end, in milliseconds.
    pub duration_ms: Option<f64>,
    /// The tokens of its answer.
    pub output_tokens: Option<f64>,
    /// Whether its answer was of the schema that it asked for; `None` where it asked for none or nobody
    /// looked.
    pub schema_valid: Option<bool>,
    /// What its caller told of the answer: the position among [`Setup::feedback`], and the last value.
    pub feedback: &'a [(usize, f64)],
}

#[cfg(test)]
pub(crate) mod tests;
