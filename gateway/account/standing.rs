//! How a key stands: all that binds it, and how much is left, for its caller to read.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use policies::facts::Money;

use super::{budget::Budget, limits::RateLimits, reading::BudgetReading};

/// The limits and budgets of a key and its teams, as they stand at one moment.
pub(crate) struct Standing {
    /// Limits, those of the key first.
    pub limits: Vec<LimitStanding>,
    /// Budgets, those of the key first; none that are stated no more.
    pub budgets: Vec<BudgetStanding>,
}

/// The limits of one owner; each as the most and what is left of it.
pub(crate) struct LimitStanding {
    /// Whose they are, as `team cards`.
    pub of: String,
    /// Requests in a minute.
    pub requests: Option<(u32, u32)>,
    /// Tokens in a minute.
    pub tokens: Option<(u32, u32)>,
    /// Requests at once.
    pub concurrent: Option<(u32, u32)>,
}

/// One budget.
pub(crate) struct BudgetStanding {
    /// Whose it is, as `team cards`.
    pub of: String,
    /// How it stands.
    pub reading: BudgetReading,
    /// The money that is neither spent nor reserved.
    pub left: Money,
}

impl Standing {
    pub(super) fn of(
        (limits, budgets): (&[Arc<RateLimits>], &[Arc<Budget>]),
        now: Instant,
        at: Timestamp,
    ) -> Self {
        Self {
            limits: limits.iter().map(|it| limit(it, now)).collect(),
            budgets: budgets.iter().filter_map(|it| budget(it, at)).collect(),
        }
    }
}

fn limit(limits: &RateLimits, now: Instant) -> LimitStanding {
    LimitStanding {
        of: limits.owner().label(),
        requests: limits.requests(now).map(|it| (it.limit, it.remaining)),
        tokens: limits.tokens(now).map(|it| (it.limit, it.remaining)),
        concurrent: limits.concurrent(),
    }
}

fn budget(budget: &Budget, at: Timestamp) -> Option<BudgetStanding> {
    let window = budget.window(at);
    let owner = &window.name.owner;
    let reading = budget.reading(owner.name(), at);
    let used = reading.spent.saturating_add(reading.reserved);
    let left = reading.limit.nano().saturating_sub(used.nano()).max(0);
    let of = owner.label();
    reading.stated.then(|| BudgetStanding { of, reading, left: Money::from_nano(left) })
}
