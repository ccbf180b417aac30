//! The money of one window of a budget, in atomics.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use policies::facts::Money;

use super::{named::BudgetName, queue::BudgetQueue, terms::Terms};

/// Money of one window. A reservation was checked, so settling needs no lock and cannot fail.
pub(super) struct BudgetWindow {
    /// The budget's name.
    pub(super) name: Arc<BudgetName>,
    /// The first moment that is not in it.
    pub(super) until: Timestamp,
    /// The moments whose windows the clock has leapt over to this one, but for its last day: if the clock
    /// comes back to them, it had gone wrong.
    pub(super) leapt: Range<Timestamp>,
    pub(super) terms: Arc<Terms>,
    /// Spent and reserved together: the figure that must not pass the amount.
    pub(super) committed: AtomicI64,
    /// Spent alone. It changes only when a request settles, so whoever reads it while others reserve
    /// is never told of more than was really spent.
    pub(super) spent: AtomicI64,
    /// Whether what is left, and what comes free, is a successor's: nothing more is reserved here.
    pub(super) given: AtomicBool,
    /// The window of which this one is the share that was kept: all that is done here is done there too.
    pub(super) whole: Option<Arc<BudgetWindow>>,
    /// What is held for other processes, in the committed as well.
    pub(super) held: AtomicI64,
    /// The requests that wait for money here.
    pub(super) queue: BudgetQueue,
}

/// What became of a window that was given away, in nano-units.
pub(super) struct GivenAway {
    /// The most that this process, and those before it, can still spend of the window; all that was
    /// spent is in it.
    pub most: i64,
    /// How much of that nobody has reserved yet.
    pub share: i64,
}

impl BudgetWindow {
    /// A window of which nothing is spent.
    pub(super) fn new(name: Arc<BudgetName>, until: Timestamp, terms: Arc<Terms>) -> Self {
        Self {
            name,
            until,
            leapt: until..until,
            terms,
            committed: AtomicI64::new(0),
            spent: AtomicI64::new(0),
            given: AtomicBool::new(false),
            whole: None,
            held: AtomicI64::new(0),
            queue: BudgetQueue::default(),
        }
    }

    /// The part of a window that is kept when the rest is given away.
    pub(super) fn share_of(whole: &Arc<Self>, nano: i64) -> Self {
        let terms = Terms::hard_up_to(nano);
        let share = Self::new(Arc::clone(&whole.name), whole.until, terms);
        Self { whole: Some(Arc::clone(whole)), ..share }
    }

    /// Takes the amount if it fits, or if the budget is not hard.
    pub(super) fn reserve(&self, amount: Money) -> bool {
        let fits = |committed: i64| {
            let sum = committed.checked_add(amount.nano())?;
            // Read for each try: whoever gives away changes both, this one last.
            let fits = sum <= self.terms.bound() && !self.given.load(Ordering::Acquire);
            (!self.terms.hard() || fits).then_some(sum)
        };
        let reserved = self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        if let (Ok(_), Some(whole)) = (reserved, &self.whole) {
            whole.count(0, amount.nano());
        }
        reserved.is_ok()
    }

    /// Gives a reservation back.
    pub(super) fn release(&self, amount: Money) {
        self.settle(amount, Money::ZERO);
    }

    /// Turns a reservation into what was spent.
    pub(super) fn settle(&self, reserved: Money, cost: Money) {
        self.count(cost.nano(), cost.nano() - reserved.nano());
        if let Some(whole) = &self.whole {
            whole.settle(reserved, cost);
        }
    }

    /// Whether its money, or the rest of it, is a successor's.
    pub(super) fn is_given(&self) -> bool {
        self.whole.is_some() || self.given.load(Ordering::Acquire)
    }

    /// The window of which this one is a share, or itself.
    pub(super) fn whole(self: &Arc<Self>) -> &Arc<Self> {
        self.whole.as_ref().unwrap_or(self)
    }

    /// Counts what another process has come to spend and to commit, in nano-units; the spent is in both.
    pub(super) fn count(&self, spent: i64, committed: i64) {
        self.spent.fetch_add(spent, Ordering::AcqRel);
        self.committed.fetch_add(committed, Ordering::AcqRel);
        if committed <= 0 {
            self.queue.free();
        }
    }

    /// Holds so much more for another process, or less.
    pub(super) fn hold(&self, more: i64) {
        self.held.fetch_add(more, Ordering::AcqRel);
        self.count(0, more);
    }

    /// The money of the amount that is neither spent nor reserved: none during the grace.
    pub(super) fn left(&self) -> Money {
        let left = self.without_committed(self.terms.amount());
        // A share has no grace of its own, and may be what is left of the whole's.
        self.whole.as_ref().map_or(left, |whole| left.min(whole.left()))
    }

    /// The money that may still be reserved: what is left, and the grace.
    pub(super) fn free(&self) -> Money {
        self.without_committed(self.terms.bound())
    }

    pub(super) fn without_committed(&self, nano: i64) -> Money {
        let committed = self.committed.load(Ordering::Acquire);
        Money::from_nano(nano.saturating_sub(committed).max(0))
    }

    /// Whether the amount would fit if nothing were reserved.
    pub(super) fn could_hold(&self, amount: Money) -> bool {
        let sum = self.spent().checked_add(amount);
        let given = self.given.load(Ordering::Acquire);
        !self.terms.hard() || !given && sum.is_some_and(|sum| sum.nano() <= self.terms.bound())
    }

    /// The amount of which policies and alerts speak.
    pub(super) fn amount(&self) -> Money {
        Money::from_nano(self.terms.amount())
    }

    /// The sum up to which requests are taken: the amount, and the grace above it.
    pub(super) fn bound(&self) -> Money {
        Money::from_nano(self.terms.bound())
    }

    /// What is not spent of that, reserved or not; `None` if the budget is not hard.
    pub(super) fn unspent(&self) -> Option<Money> {
        let left = self.terms.bound().saturating_sub(self.spent().nano()).max(0);
        self.terms.hard().then_some(Money::from_nano(left))
    }

    pub(super) fn spent(&self) -> Money {
        Money::from_nano(self.spent.load(Ordering::Acquire))
    }

    pub(super) fn reserved(&self) -> Money {
        // The spent first: a settle between both must not look like a reservation.
        let spent = self.spent.load(Ordering::Acquire);
        let committed = self.committed.load(Ordering::Acquire);
        Money::from_nano(committed.saturating_sub(spent).max(0))
    }
}
