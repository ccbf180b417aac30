//! Budgets: the money of each window, in atomics.

use std::{
    borrow::Cow,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use jiff::{Timestamp, ToSpan};
use policies::facts::{Money, Window};

use super::{
    alerts::{BudgetAlert, Reached, Watch},
    calendar::Calendar,
    named::{BudgetName, Owner},
    queue::BudgetQueue,
    reading::{BudgetReading, Spent},
    terms::Terms,
};
use crate::config;

/// One budget: its window at hand, and how long that is.
pub(super) struct Budget {
    name: Arc<BudgetName>,
    terms: Arc<Terms>,
    current: ArcSwap<BudgetWindow>,
    watch: Watch,
}

/// Money of one window. A reservation was checked, so settling needs no lock and cannot fail.
pub(super) struct BudgetWindow {
    /// The budget's name.
    pub(super) name: Arc<BudgetName>,
    /// The first moment that is not in it.
    pub(super) until: Timestamp,
    /// The moments whose windows the clock has leapt over to this one, but for its last day: if the clock
    /// comes back to them, it had gone wrong.
    leapt: Range<Timestamp>,
    terms: Arc<Terms>,
    /// Spent and reserved together: the figure that must not pass the amount.
    committed: AtomicI64,
    /// Spent alone. It changes only when a request settles, so whoever reads it while others reserve
    /// is never told of more than was really spent.
    spent: AtomicI64,
    /// Whether what is left, and what comes free, is a successor's: nothing more is reserved here.
    given: AtomicBool,
    /// The window of which this one is the share that was kept: all that is done here is done there too.
    whole: Option<Arc<BudgetWindow>>,
    /// What is held for other processes, in the committed as well.
    held: AtomicI64,
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
    fn new(name: Arc<BudgetName>, until: Timestamp, terms: Arc<Terms>) -> Self {
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
    fn share_of(whole: &Arc<Self>, nano: i64) -> Self {
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
    fn whole(self: &Arc<Self>) -> &Arc<Self> {
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

    fn without_committed(&self, nano: i64) -> Money {
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

impl Budget {
    /// A budget of which nothing is spent.
    pub(super) fn new(owner: Owner, config: &config::Budget, at: Timestamp) -> Self {
        let calendar = Calendar::of(config);
        let (_, until) = calendar.bounds(at);
        let terms = Terms::of(config);
        let name = Arc::new(BudgetName { owner, calendar });
        let current = BudgetWindow::new(Arc::clone(&name), until, Arc::clone(&terms));
        let current = ArcSwap::from_pointee(current);
        let watch = Watch::default();
        watch.set(&config.alerts);
        Self { name, terms, current, watch }
    }

    /// Counts what was spent before it began, but for so many nano-units that are counted already.
    pub(super) fn begin<'a>(
        &self,
        spent: impl Iterator<Item = &'a Spent>,
        counted: i64,
        at: Timestamp,
    ) {
        let (from, until) = self.name.calendar.bounds(at);
        let within = spent.filter(|it| (from..until).contains(&it.at));
        let spent = within.fold(Money::ZERO, |sum, it| sum.saturating_add(it.cost));
        let spent = spent.nano().saturating_sub(counted);
        self.window(at).whole().count(spent, spent);
        self.told_so_far(at);
    }

    /// Whether this is the budget that the configuration states: the amount may be another.
    pub(super) fn is(&self, config: &config::Budget) -> bool {
        self.name.calendar == Calendar::of(config)
    }

    /// Another amount binds from now on; without one, what is spent is counted on and refuses nobody. The
    /// first of those who wait looks again, and the others after it.
    pub(super) fn set(&self, config: Option<&config::Budget>) {
        self.terms.set(config);
        self.watch.set(config.map_or(&[], |it| &it.alerts));
        self.current.load().queue.free();
    }

    /// Whether requests are refused when it is spent.
    pub(super) fn hard(&self) -> bool {
        self.terms.hard()
    }

    /// How it is told from the other budgets of its owner: its window and the window's time zone.
    pub(super) fn told_apart_by(&self) -> (Cow<'static, str>, &str) {
        (self.name.calendar.told(), self.name.calendar.zone())
    }

    /// The window at hand, if a request of that moment counts in it.
    pub(super) fn window_of(&self, then: Timestamp, now: Timestamp) -> Option<Arc<BudgetWindow>> {
        let (from, until) = self.name.calendar.bounds(now);
        (from..until).contains(&then).then(|| Arc::clone(self.window(now).whole()))
    }

    /// Gives away what is left of a hard budget, but for one part in `parts`: from now on, requests reserve
    /// in that share.
    pub(super) fn give_away(&self, parts: i64, now: Timestamp) -> Option<GivenAway> {
        let window = self.window(now);
        if !self.terms.hard() || window.is_given() {
            return None;
        }
        self.watch.look(&window);
        window.given.store(true, Ordering::Release);
        // It changes, so that whoever has found it ungiven tries again.
        let committed = window.committed.fetch_add(1, Ordering::AcqRel);
        let share = self.terms.bound().saturating_sub(committed).max(0) / parts;
        let kept = Arc::new(BudgetWindow::share_of(&window, share));
        self.current.store(kept);
        window.queue.free();
        let held = window.held.load(Ordering::Acquire);
        let most = committed.saturating_add(share);
        Some(GivenAway { most, share: share.saturating_add(held) })
    }

    /// Takes back what was given away. What was reserved in the share since goes on to be counted.
    pub(super) fn take_back(&self) {
        let current = self.current.load_full();
        let Some(whole) = &current.whole else { return };
        self.current.store(Arc::clone(whole));
        whole.given.store(false, Ordering::Release);
        whole.count(0, -1);
    }

    /// Nothing more is reserved in the share that was kept.
    pub(super) fn close_share(&self) {
        let current = self.current.load();
        if current.whole.is_some() {
            current.terms.close();
        }
    }

    /// The window at hand; a new one begins when the old one has ended. A request keeps the window in which
    /// it reserved. A clock that is set back does not bring back a window that has ended, but one that had
    /// leapt ahead by years does not hold a budget there either: the next window that nobody had begins.
    pub(super) fn window(&self, at: Timestamp) -> Arc<BudgetWindow> {
        let current = self.current.load();
        let back = current.leapt.contains(&at);
        if at < current.until && !back {
            return Arc::clone(&current);
        }
        let (from, until) = self.name.calendar.bounds(at);
        let first = if back { current.leapt.start } else { current.until };
        let leapt = first..from.checked_sub(self.name.calendar.slack()).unwrap_or(first);
        let next = BudgetWindow::new(Arc::clone(&self.name), until, Arc::clone(&self.terms));
        let next = BudgetWindow { leapt, ..next };
        // If another request was first, its window stands.
        self.current.compare_and_swap(&*current, Arc::new(next));
        self.current.load_full()
    }

    /// The shares that have been spent since the last look. Of what is a successor's, that one tells.
    pub(super) fn alerts(&self, at: Timestamp) -> Vec<BudgetAlert> {
        if !self.watch.is_set() {
            return Vec::new();
        }
        let window = self.window(at);
        if !window.is_given() {
            self.watch.look(&window);
        }
        self.watch.take().into_iter().map(|it| self.alert(&it)).collect()
    }

    fn alert(&self, reached: &Reached) -> BudgetAlert {
        let Reached { window, share, spent, limit } = reached;
        let (team, key) = self.name.owner.named();
        BudgetAlert {
            team,
            key,
            window: self.name.calendar.window,
            window_start: self.span(window.until).map(|(from, _)| from),
            share: *share,
            spent: *spent,
            limit: *limit,
        }
    }

    /// What is passed by now was told of by another process.
    pub(super) fn told_so_far(&self, at: Timestamp) {
        self.watch.told_so_far(self.window(at).whole());
    }

    pub(super) fn reading(&self, team: &Arc<str>, at: Timestamp) -> BudgetReading {
        let window = self.window(at);
        let window = window.whole();
        BudgetReading {
            team: Arc::clone(team),
            window: self.name.calendar.window.code(),
            limit: Money::from_nano(self.terms.amount()),
            spent: window.spent(),
            reserved: window.reserved(),
            hard: self.terms.hard(),
            stated: self.terms.stated(),
            span: self.span(window.until),
        }
    }

    /// The window that ends at this moment. The clock is not asked where it stands: it may have been set back
    /// behind the window that counts.
    fn span(&self, until: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let within = until.checked_sub(1.second()).ok()?;
        let ends = self.name.calendar.window != Window::Total;
        ends.then(|| (self.name.calendar.bounds(within).0, until))
    }
}
