//! What binds one key: its own limits and budgets and those of all its teams. A request comes to it
//! through its key and looks nothing up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use policies::{
    Plan,
    facts::{Money, Tokens},
};
use smallvec::SmallVec;

use super::{
    budget::Budget,
    headers::RateHeaders,
    limits::{Limit, RateLimits},
    open::{OpenRequests, Requester},
    reserve::{Reservation, Windows, reserve},
    shortage::{Refusal, Shortage},
    standing::Standing,
    window::BudgetWindow,
};
use crate::failure::{Failure, Kind, Stage};

/// After how long the successor may be asked.
const SUCCEEDED_WAIT: Duration = Duration::from_secs(1);

/// What binds a key: limits and budgets, its own first, then those of its teams, the nearest first. Keys
/// that have nothing of their own share the account of their team.
#[derive(Default)]
pub(crate) struct Account {
    pub(super) limits: Vec<Arc<RateLimits>>,
    pub(super) budgets: Vec<Arc<Budget>>,
    /// The names of those teams.
    pub(super) teams: Arc<[Arc<str>]>,
    /// What its requests have reserved.
    pub(super) open: Arc<OpenRequests>,
    /// How long an admit waits at the most.
    pub(super) wait: Duration,
    /// In which refusals speak of money.
    pub(super) currency: Arc<str>,
}

/// The right to be one of the requests at once of a key and its teams; dropping it gives it back.
pub(crate) struct ConcurrencyPermit {
    account: Arc<Account>,
    /// In how many of the limits, from the nearest on, it is counted.
    taken: usize,
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.account.limits.iter().take(self.taken).for_each(|limits| limits.release());
    }
}

/// What is left of the hard budgets that bind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MoneyLeft {
    /// The least that is left of an amount: what policies see.
    pub(crate) amount: Money,
    /// The least that may still be reserved: up to the end of a grace.
    pub(crate) free: Money,
}

impl MoneyLeft {
    fn of(window: &BudgetWindow) -> Self {
        Self { amount: window.left(), free: window.free() }
    }

    fn tighter(self, other: Self) -> Self {
        Self { amount: self.amount.min(other.amount), free: self.free.min(other.free) }
    }
}

impl Account {
    /// Lets a request in: requests at once, and requests a minute.
    ///
    /// # Errors
    /// When key or team is over a limit, with the time after which to come back.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Result<ConcurrencyPermit, Failure> {
        let mut permit = ConcurrencyPermit { account: Arc::clone(self), taken: 0 };
        for limits in &self.limits {
            limits.acquire().map_err(|wait| limits.refusal(Limit::Concurrent, wait))?;
            permit.taken += 1;
        }
        // Counted last and from the key on: who is refused at its own limit takes nothing of its team's.
        for limits in &self.limits {
            limits.count(now).map_err(|wait| limits.refusal(Limit::Requests, wait))?;
        }
        Ok(permit)
    }

    /// What the hard budgets that bind leave; nothing is said where none does.
    pub(crate) fn left(&self, at: Timestamp) -> Option<MoneyLeft> {
        let budgets = self.budgets.iter().filter(|budget| budget.hard());
        budgets.map(|budget| MoneyLeft::of(&budget.window(at))).reduce(MoneyLeft::tighter)
    }

    /// Whether a hard budget binds.
    pub(crate) fn binds(&self) -> bool {
        self.budgets.iter().any(|budget| budget.hard())
    }

    /// Reserves the most that the plan can cost, in every budget that binds, and its tokens. If the
    /// money would fit once open reservations are settled, it waits for them in order.
    ///
    /// # Errors
    /// When tokens or money are spent.
    pub(crate) async fn admit(
        &self,
        request: Requester,
        plan: &Plan,
        input: Tokens,
        now: Instant,
    ) -> Result<Reservation, Refusal> {
        let mut reservation = Reservation {
            reserved: plan.cost_max,
            windows: Windows::new(),
            tokens: SmallVec::new(),
            open: None,
        };
        for limits in &self.limits {
            let taken = limits.take(input, now);
            let taken = taken.map_err(|wait| limits.refusal(Limit::Tokens(input), wait))?;
            reservation.tokens.extend(taken);
        }
        let mut windows = self.windows(request.at);
        let given = |windows: &Windows| windows.iter().any(|window| window.is_given());
        let wait = if given(&windows) { Duration::ZERO } else { self.wait };
        if !reserve(&windows, plan.cost_max, wait).await {
            let short = || Shortage::of(&windows, plan.cost_max, &self.currency);
            if let Some(shortage) = (!given(&windows)).then(short).flatten() {
                return Err(Refusal::Money(shortage));
            }
            // A successor may have come meanwhile: what was kept for such requests is in other windows.
            windows = self.windows(request.at);
            if !reserve(&windows, plan.cost_max, Duration::ZERO).await {
                return Err(succeeded().into());
            }
        }
        // No await from here on: what is reserved is in the reservation's hands.
        reservation.windows = windows;
        let place = self.open.open(request, plan.cost_max);
        reservation.open = Some((Arc::clone(&self.open), place));
        Ok(reservation)
    }

    /// Lets a request in that costs nothing and uses no tokens, whatever has been spent.
    pub(crate) fn admit_free(&self, request: Requester) -> Reservation {
        let place = self.open.open(request, Money::ZERO);
        Reservation {
            reserved: Money::ZERO,
            windows: Windows::new(),
            tokens: SmallVec::new(),
            open: Some((Arc::clone(&self.open), place)),
        }
    }

    fn windows(&self, at: Timestamp) -> Windows {
        self.budgets.iter().map(|budget| budget.window(at)).collect()
    }

    /// What binds the key and how much is left of it, its own first.
    pub(crate) fn standing(&self, now: Instant, at: Timestamp) -> Standing {
        Standing::of((&self.limits, &self.budgets), now, at)
    }

    /// What stands in the `x-ratelimit-…` headers: the tightest of the limits that bind.
    pub(crate) fn limits(&self, now: Instant) -> RateHeaders {
        RateHeaders::of(&self.limits, now)
    }
}

/// The money is with the process that serves by now: it decides, on a new connection.
fn succeeded() -> Failure {
    let public = "another process has taken over, and has the budget; try again";
    Failure::new(Kind::Unavailable, Stage::Admit, public).after(SUCCEEDED_WAIT)
}
