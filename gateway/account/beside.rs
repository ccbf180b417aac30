//! Two processes on the same money: one that ends its requests, and its successor, which admits others.
//!
//! The one that leaves gives away what is left of each hard budget, but for a share with which it serves
//! who still comes over its open connections. The successor counts what the other one has open and
//! settles, as the ledger says it, and sets the share aside until the other one reserves nothing more. So
//! the two together never commit more than the amount, whatever each of them knows late.

use std::sync::Arc;

use jiff::Timestamp;
use policies::facts::Money;
use serde::{Deserialize, Serialize};

use super::{
    Accounts,
    budget::Budget,
    named::Owner,
    window::{BudgetWindow, GivenAway},
};

/// The one that leaves keeps one part in so many of what is left of a budget.
const PARTS: i64 = 8;

/// What the one that leaves may still spend of one hard budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetAside {
    /// The team whose budget it is, or none.
    team: Option<Arc<str>>,
    /// The key whose budget it is, or none.
    key: Option<Arc<str>>,
    /// The window's name.
    window: String,
    /// The window's time zone.
    timezone: String,
    /// Nano-units: all that is spent of this window, whatever becomes of what is open.
    most: i64,
    /// Nano-units of these that nobody has reserved yet.
    share: i64,
}

/// What one key of the other process costs, in one quarter of an hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost<'a> {
    /// The teams for which it counts.
    pub teams: &'a [Arc<str>],
    /// The key.
    pub key: &'a str,
    /// When the requests came in.
    pub at: Timestamp,
    /// What those cost that are closed.
    pub settled: Money,
    /// What those reserve that are open.
    pub reserved: Money,
}

/// What another process spends, as this one counts it.
#[derive(Default)]
pub(crate) struct Beside {
    /// By the row of what was read: where it counts, and what is counted there.
    rows: Vec<(Vec<Arc<BudgetWindow>>, i64, i64)>,
    held: Vec<Held>,
}

/// What is held for the other one beyond what is read of it.
struct Held {
    window: Arc<BudgetWindow>,
    held: i64,
    share: i64,
}

impl Beside {
    /// Counts what was read of row `at`: how it stands, not what has come to it.
    pub(crate) fn count(&mut self, accounts: &Accounts, at: usize, cost: Cost<'_>, now: Timestamp) {
        while self.rows.len() <= at {
            self.rows.push((windows_of(accounts, &cost, now), 0, 0));
        }
        let Some((windows, settled, reserved)) = self.rows.get_mut(at) else { return };
        let (new_settled, new_reserved) = (cost.settled.nano(), cost.reserved.nano());
        let spent = new_settled - *settled;
        let committed = spent + new_reserved - *reserved;
        (*settled, *reserved) = (new_settled, new_reserved);
        if (spent, committed) != (0, 0) {
            windows.iter().for_each(|window| window.count(spent, committed));
        }
    }

    /// Holds what the other one may still commit beyond what has been counted of it. What it had admitted
    /// last may not be in the ledger yet: all that it may spend is held until [`Self::settle_down`].
    pub(crate) fn hold(&mut self, accounts: &Accounts, aside: &[SetAside], now: Timestamp) {
        for it in aside {
            let Some(budget) = budget_of(accounts, it) else { continue };
            let window = budget.window(now);
            let known = window.spent().nano().saturating_add(window.reserved().nano());
            let held = it.most.saturating_sub(known).max(it.share);
            window.hold(held);
            self.held.push(Held { window, held, share: it.share });
        }
    }

    /// All that the other one had admitted before it gave way is in the ledger: only the share is held.
    pub(crate) fn settle_down(&mut self) {
        for it in &mut self.held {
            it.window.hold(it.share - it.held);
            it.held = it.share;
        }
    }

    /// The other one reserves nothing more: nothing is held for it any more. What it has open goes on to be
    /// counted.
    pub(crate) fn end(&mut self) {
        self.held.drain(..).for_each(|it| it.window.hold(-it.held));
    }
}

/// Gives away what is left of every hard budget but for a share: what this process may still spend.
pub(crate) fn give_way(accounts: &Accounts, now: Timestamp) -> Vec<SetAside> {
    let give = |(owner, budget): (&Owner, &Arc<Budget>)| {
        let GivenAway { most, share } = budget.give_away(PARTS, now)?;
        let (window, timezone) = budget.told_apart_by();
        let (team, key) = owner.named();
        let (window, timezone) = (window.into_owned(), timezone.to_owned());
        Some(SetAside { team, key, window, timezone, most, share })
    };
    accounts.budgets_of_all().filter_map(give).collect()
}

/// Takes it back: no successor has come, and this process goes on.
pub(crate) fn take_back(accounts: &Accounts) {
    accounts.budgets_of_all().for_each(|(_, budget)| budget.take_back());
}

/// Reserves nothing more in the shares: nobody comes over a connection that was open before.
pub(crate) fn close_shares(accounts: &Accounts) {
    accounts.budgets_of_all().for_each(|(_, budget)| budget.close_share());
}

/// The windows at hand in which this counts.
fn windows_of(accounts: &Accounts, cost: &Cost<'_>, now: Timestamp) -> Vec<Arc<BudgetWindow>> {
    let teams = cost.teams.iter().map(|team| Owner::Team(Arc::clone(team)));
    let owners = teams.chain([Owner::Key(cost.key.into())]);
    let budgets = owners.flat_map(|owner| accounts.budgets_of(&owner));
    budgets.filter_map(|budget| budget.window_of(cost.at, now)).collect()
}

/// The same budget here.
fn budget_of<'a>(accounts: &'a Accounts, aside: &SetAside) -> Option<&'a Arc<Budget>> {
    let owner = match (&aside.team, &aside.key) {
        (Some(team), _) => Owner::Team(Arc::clone(team)),
        (None, Some(key)) => Owner::Key(Arc::clone(key)),
        (None, None) => return None,
    };
    let same = |it: &&Arc<Budget>| {
        let (window, timezone) = it.told_apart_by();
        (&*window, timezone) == (&*aside.window, &*aside.timezone)
    };
    accounts.budgets_of(&owner).iter().find(same)
}

#[cfg(test)]
mod tests;
