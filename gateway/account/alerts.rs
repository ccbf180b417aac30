//! Alerts of budgets: which shares of an amount have been spent, each told once a window.
//!
//! Nothing is remembered on disk. What was passed when a budget began to count in this process, by what the
//! ledger had of it, counts as told by the process before.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use policies::facts::{Money, Window};

use super::{Accounts, window::BudgetWindow};
use crate::config::Share;

/// A share of a budget that has been spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BudgetAlert {
    /// The team whose budget it is, or none.
    pub team: Option<Arc<str>>,
    /// The key whose budget it is, or none.
    pub key: Option<Arc<str>>,
    /// How long the budget's windows are.
    pub window: Window,
    /// The first moment of the window; none of one that never ends.
    pub window_start: Option<Timestamp>,
    /// The share.
    pub share: Share,
    /// What was spent when it was seen.
    pub spent: Money,
    /// The amount of which it is a share.
    pub limit: Money,
}

/// What has come about in all budgets since the last look.
pub(crate) fn alerts(accounts: &Accounts, now: Timestamp) -> Vec<BudgetAlert> {
    accounts.budgets_of_all().flat_map(|(_, budget)| budget.alerts(now)).collect()
}

/// What passed before now was told of by another process.
pub(crate) fn told_so_far(accounts: &Accounts, now: Timestamp) {
    accounts.budgets_of_all().for_each(|(_, budget)| budget.told_so_far(now));
}

/// The shares of one budget at which somebody is told, and what has been told. Its lock is taken once a
/// second and when a budget begins or changes, never by a request.
#[derive(Default)]
pub(super) struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    shares: Vec<Share>,
    /// The window at hand, and those that have ended but still have requests open.
    windows: Vec<Watched>,
    /// What has come about and was not taken yet.
    news: Vec<Reached>,
}

struct Watched {
    window: Arc<BudgetWindow>,
    told: Vec<Share>,
}

/// A share that was reached in a window.
pub(super) struct Reached {
    pub(super) window: Arc<BudgetWindow>,
    pub(super) share: Share,
    pub(super) spent: Money,
    pub(super) limit: Money,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other shares from now on. One that is told already, and is passed still, is not told again.
    pub(super) fn set(&self, shares: &[Share]) {
        self.lock().shares = shares.to_vec();
    }

    /// Whether there is anything to look for.
    pub(super) fn is_set(&self) -> bool {
        let state = self.lock();
        !state.shares.is_empty() || !state.news.is_empty()
    }

    /// Everything that is passed in this window, which is at hand, counts as told.
    pub(super) fn told_so_far(&self, current: &Arc<BudgetWindow>) {
        let mut state = self.lock();
        state.look(current);
        state.news.clear();
    }

    /// Looks which shares have been passed in the window at hand and in those before it.
    pub(super) fn look(&self, current: &Arc<BudgetWindow>) {
        self.lock().look(current);
    }

    /// What has come about since the last time.
    pub(super) fn take(&self) -> Vec<Reached> {
        mem::take(&mut self.lock().news)
    }
}

impl State {
    fn look(&mut self, current: &Arc<BudgetWindow>) {
        let Self { shares, windows, news } = self;
        if shares.is_empty() {
            windows.clear();
            return;
        }
        if !windows.iter().any(|it| Arc::ptr_eq(&it.window, current)) {
            windows.push(Watched { window: Arc::clone(current), told: Vec::new() });
        }
        windows.iter_mut().for_each(|it| it.look(shares, news));
        let over = |it: &Watched| it.window.reserved() == Money::ZERO;
        windows.retain(|it| Arc::ptr_eq(&it.window, current) || !over(it));
    }
}

impl Watched {
    /// A share that is passed no more, since the amount was raised, is told when it is passed again.
    fn look(&mut self, shares: &[Share], news: &mut Vec<Reached>) {
        let (spent, limit) = (self.window.spent(), self.window.amount());
        let passed = shares.iter().filter(|share| share.is_reached(spent, limit));
        let passed: Vec<Share> = passed.copied().collect();
        let new = passed.iter().filter(|share| !self.told.contains(share));
        news.extend(new.map(|share| {
            let window = Arc::clone(&self.window);
            Reached { window, share: *share, spent, limit }
        }));
        self.told = passed;
    }
}

#[cfg(test)]
mod tests;
