//! Budgets: the money of each window, in atomics.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
};

use arc_swap::ArcSwap;
use jiff::{Timestamp, ToSpan};
use policies::facts::{Money, Window};

use super::{
    alerts::{BudgetAlert, Reached, Watch},
    calendar::Calendar,
    named::{BudgetName, Owner},
    reading::{BudgetReading, Spent},
    terms::Terms,
    window::{BudgetWindow, GivenAway},
};
use crate::config;

/// One budget: its window at hand, and how long that is.
pub(super) struct Budget {
    name: Arc<BudgetName>,
    terms: Arc<Terms>,
    current: ArcSwap<BudgetWindow>,
    watch: Watch,
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
