//! Budgets: cells of money, one for each window, in atomics.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use arc_swap::ArcSwap;
use jiff::{Timestamp, ToSpan, civil::DateTime, tz::TimeZone};
use policies::facts::{KeyIndex, Money, TeamIndex, Window};

use crate::config::Budget;

/// What was spent before this process began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    /// The nearest team.
    pub team: TeamIndex,
    /// The key.
    pub key: KeyIndex,
    /// When.
    pub at: Timestamp,
    /// How much.
    pub cost: Money,
}

/// One budget: the cell of the window at hand, and how long that is.
pub(crate) struct Purse {
    /// Whether requests are refused when it is spent.
    pub(super) hard: bool,
    amount: Money,
    window: Window,
    timezone: TimeZone,
    current: ArcSwap<Period>,
}

/// A window and its cell.
struct Period {
    until: Timestamp,
    cell: Arc<Cell>,
}

/// Money of one window. Settling needs no lock and cannot fail: a reservation was checked before.
pub(crate) struct Cell {
    amount: i64,
    /// Spent and reserved together: the figure that must not pass the amount.
    committed: AtomicI64,
    reserved: AtomicI64,
}

/// How a budget stands.
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
}

impl Cell {
    fn new(amount: Money, spent: Money) -> Self {
        let (amount, committed) = (amount.nano(), AtomicI64::new(spent.nano()));
        Self { amount, committed, reserved: AtomicI64::new(0) }
    }

    /// Takes the amount if it fits, or if the budget is not hard.
    pub(super) fn reserve(&self, amount: Money, hard: bool) -> bool {
        let amount = amount.nano();
        let fits = |committed: i64| {
            let sum = committed.checked_add(amount)?;
            (!hard || sum <= self.amount).then_some(sum)
        };
        let taken = self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        if taken.is_ok() {
            self.reserved.fetch_add(amount, Ordering::AcqRel);
        }
        taken.is_ok()
    }

    /// Gives a reservation back.
    pub(super) fn release(&self, amount: Money) {
        self.settle(amount, Money::ZERO);
    }

    /// Turns a reservation into what was spent.
    pub(super) fn settle(&self, reserved: Money, cost: Money) {
        self.reserved.fetch_sub(reserved.nano(), Ordering::AcqRel);
        self.committed.fetch_add(cost.nano() - reserved.nano(), Ordering::AcqRel);
    }

    /// What is neither spent nor reserved.
    pub(super) fn left(&self) -> Money {
        let committed = self.committed.load(Ordering::Acquire);
        Money::from_nano(self.amount.saturating_sub(committed).max(0))
    }

    /// Whether the amount would fit if nothing were reserved.
    pub(super) fn could_hold(&self, amount: Money) -> bool {
        self.spent().checked_add(amount).is_some_and(|sum| sum.nano() <= self.amount)
    }

    pub(super) fn spent(&self) -> Money {
        let reserved = self.reserved.load(Ordering::Acquire);
        Money::from_nano(self.committed.load(Ordering::Acquire).saturating_sub(reserved))
    }
}

impl Purse {
    /// A purse of which this has been spent.
    pub(super) fn new<'a>(
        budget: &Budget,
        spent: impl Iterator<Item = &'a Spent>,
        at: Timestamp,
    ) -> Self {
        let (from, until) = bounds(budget.window, &budget.timezone, at);
        let within = spent.filter(|it| (from..until).contains(&it.at));
        let spent = within.fold(Money::ZERO, |sum, it| sum.saturating_add(it.cost));
        let cell = Arc::new(Cell::new(budget.amount, spent));
        Self {
            hard: budget.hard,
            amount: budget.amount,
            window: budget.window,
            timezone: budget.timezone.clone(),
            current: ArcSwap::from_pointee(Period { until, cell }),
        }
    }

    /// The cell of the window at hand; a new one begins when the old window has ended. A request keeps
    /// the cell in which it reserved.
    pub(super) fn cell(&self, at: Timestamp) -> Arc<Cell> {
        let current = self.current.load();
        if at < current.until {
            return Arc::clone(&current.cell);
        }
        let (_, until) = bounds(self.window, &self.timezone, at);
        let fresh = Arc::new(Period { until, cell: Arc::new(Cell::new(self.amount, Money::ZERO)) });
        // If another request was first, its window stands.
        self.current.compare_and_swap(&*current, fresh);
        Arc::clone(&self.current.load().cell)
    }

    pub(super) fn reading(&self, team: &Arc<str>, at: Timestamp) -> BudgetReading {
        let cell = self.cell(at);
        BudgetReading {
            team: Arc::clone(team),
            window: self.window.code(),
            limit: self.amount,
            spent: cell.spent(),
            reserved: Money::from_nano(cell.reserved.load(Ordering::Acquire)),
        }
    }
}

/// The window around a moment: from its first instant to past its last, by the calendar of its zone.
fn bounds(window: Window, zone: &TimeZone, at: Timestamp) -> (Timestamp, Timestamp) {
    let today = zone.to_datetime(at).date();
    let (first, next) = match window {
        Window::Day => (Some(today), today.tomorrow().ok()),
        Window::Week => {
            let back = i64::from(today.weekday().to_monday_zero_offset());
            let first = today.checked_sub(back.days()).ok();
            (first, first.and_then(|first| first.checked_add(7.days()).ok()))
        }
        Window::Month => {
            let first = today.first_of_month();
            (Some(first), first.checked_add(1.month()).ok())
        }
        Window::Total => (None, None),
    };
    let instant = |date: Option<jiff::civil::Date>| {
        let midnight = DateTime::from_parts(date?, jiff::civil::Time::midnight());
        zone.to_timestamp(midnight).ok()
    };
    (instant(first).unwrap_or(Timestamp::MIN), instant(next).unwrap_or(Timestamp::MAX))
}
