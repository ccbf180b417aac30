//! What is said of a budget to others: what was spent before, how it stands now.

use std::sync::Arc;

use jiff::Timestamp;
use policies::facts::{KeyIndex, Money, TeamIndex};

/// What was spent before this process began.
#[derive(Clone, Debug)]
pub(crate) struct Spent {
    /// All teams for which it counts.
    pub teams: Vec<TeamIndex>,
    /// The key, where it is still there.
    pub key: Option<KeyIndex>,
    /// The moment at which it was spent.
    pub at: Timestamp,
    /// The money that was spent.
    pub cost: Money,
}

/// The reading of a budget, for gauges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BudgetReading {
    /// The team.
    pub team: Arc<str>,
    /// The window's name.
    pub window: &'static str,
    /// The amount.
    pub limit: Money,
    /// Spent in the window at hand.
    pub spent: Money,
    /// Reserved by open requests.
    pub reserved: Money,
    /// Whether requests are refused when it is spent.
    pub hard: bool,
    /// Whether the configuration states it.
    pub stated: bool,
    /// The window at hand: its first moment, and the first after it; none of one that never ends.
    pub span: Option<(Timestamp, Timestamp)>,
}
