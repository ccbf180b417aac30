//! Money and quota: *enter* before the body is read, *admit* before anything is sent, *settle* when it
//! is over. A [`Reservation`] is made and ended only here, and one that is dropped gives back what it held.
//!
//! Everything is local and lives in atomics: a key resolves at load to the windows that bind it, so a
//! request looks nothing up. This room refuses; it never changes a plan.

mod budget;
mod headers;
mod limits;
pub(crate) mod price;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use policies::{
    Counts, Plan,
    facts::{Money, TeamIndex, Tokens},
};
use smallvec::SmallVec;

use self::{
    budget::{Budget, BudgetWindow},
    limits::{RateLimits, TokenReservation},
};
pub(crate) use self::{
    budget::{BudgetReading, Spent, earliest},
    headers::RateHeaders,
};
use crate::{
    config::{self, Key, Limits, Team},
    failure::{Failure, Kind, Stage},
    outcome::Caller,
};

/// All accounts of a configuration.
#[derive(Default)]
pub(crate) struct Accounts {
    /// By `KeyIndex`: what binds a key and its teams.
    keys: Vec<Arc<Account>>,
    /// The budgets of teams, for gauges.
    teams: Vec<(Arc<str>, Vec<Arc<Budget>>)>,
    /// What keys and teams have used, by their names: of those too that are gone and may come back.
    owned: HashMap<Owner, Owned>,
    wait: Duration,
    /// In which refusals speak of money.
    currency: Arc<str>,
}

/// What binds a key: its own limits and budgets and those of all its teams, the nearest first.
#[derive(Default)]
struct Account {
    limits: Vec<Arc<RateLimits>>,
    budgets: Vec<Arc<Budget>>,
}

/// Whose budgets and limits: by name, which lives longer than a place in the configuration.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Owner {
    Team(Arc<str>),
    Key(Arc<str>),
}

/// What one key or team has used of its budgets and limits.
#[derive(Clone, Default)]
struct Owned {
    budgets: Vec<Arc<Budget>>,
    limits: Option<Arc<RateLimits>>,
}

impl Owned {
    /// These budgets and limits bind from now on: budgets as they are stated first, then those that were
    /// stated once and only count on.
    fn becomes(
        &mut self,
        budgets: &[config::Budget],
        limits: Limits,
        ((spent, at), mine): ((&[Spent], Timestamp), &dyn Fn(&Spent) -> bool),
        now: Instant,
    ) -> Account {
        let mut known = std::mem::take(&mut self.budgets);
        for config in budgets {
            let budget = match known.iter().position(|it| it.is(config)) {
                Some(at) => known.swap_remove(at),
                None => Arc::new(Budget::new(config, spent.iter().filter(|it| mine(it)), at)),
            };
            budget.set(Some(config));
            self.budgets.push(budget);
        }
        known.iter().for_each(|budget| budget.set(None));
        self.budgets.append(&mut known);
        let new = match &self.limits {
            Some(before) => before.after(limits, now),
            None => RateLimits::new(limits),
        };
        let limits = new.map(Arc::new);
        if limits.is_some() {
            self.limits.clone_from(&limits);
        }
        Account { limits: limits.into_iter().collect(), budgets: self.budgets.clone() }
    }
}

/// A place among the requests at once; dropping it frees the place.
pub(crate) struct ConcurrencyPermit {
    account: Option<Arc<Account>>,
    /// At how many of the limits, from the nearest on, the place is taken.
    taken: usize,
}

impl ConcurrencyPermit {
    fn limits(&self) -> &[Arc<RateLimits>] {
        self.account.as_deref().map_or(&[], |it| &it.limits)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.limits().iter().take(self.taken).for_each(|limits| limits.release());
    }
}

/// A reservation of money and tokens. It ends by [`Reservation::settle`], or releases itself.
#[must_use]
pub(crate) struct Reservation {
    reserved: Money,
    /// The budget windows in which it was reserved.
    windows: Windows,
    tokens: SmallVec<[TokenReservation; 4]>,
}

type Windows = SmallVec<[Arc<BudgetWindow>; 4]>;

impl Accounts {
    /// Accounts of these teams and keys, in which so much was spent until now. An admit waits for `wait`
    /// at the most.
    pub(crate) fn new(
        teams: &[Team],
        keys: &[Key],
        wait: Duration,
        spent: (&[Spent], Timestamp),
    ) -> Self {
        let none = Self { wait, currency: Arc::from(""), ..Self::default() };
        none.after(teams, keys, spent, Instant::now())
    }

    /// Accounts of other teams and keys. Whoever has the same name as before has what was spent, what is
    /// reserved and what is in use, and its new limits and amounts bind at once, for those who wait as
    /// well. `spent` is for budgets that are new.
    pub(crate) fn after(
        &self,
        teams: &[Team],
        keys: &[Key],
        spent: (&[Spent], Timestamp),
        now: Instant,
    ) -> Self {
        let mut owned = self.owned.clone();
        let by_team: Vec<Account> = (0..)
            .map(TeamIndex)
            .zip(teams)
            .map(|(index, team)| {
                let owned = owned.entry(Owner::Team(Arc::clone(&team.name))).or_default();
                let mine = |it: &Spent| it.teams.contains(&index);
                owned.becomes(&team.budgets, team.limits, (spent, &mine), now)
            })
            .collect();
        let mut account = |(at, key): (u32, &Key)| {
            let owned = owned.entry(Owner::Key(Arc::clone(&key.name))).or_default();
            let mine = |it: &Spent| it.key.is_some_and(|key| key.0 == at);
            let mut all = owned.becomes(&key.budgets, key.limits, (spent, &mine), now);
            for team in path(key.team, teams).filter_map(|team| by_team.get(team.get())) {
                all.limits.extend(team.limits.iter().cloned());
                all.budgets.extend(team.budgets.iter().cloned());
            }
            Arc::new(all)
        };
        let keys = (0..).zip(keys).map(&mut account).collect();
        let shown = |(team, account): (&Team, &Account)| {
            let budgets = account.budgets.iter().take(team.budgets.len()).cloned().collect();
            (Arc::clone(&team.name), budgets)
        };
        Self {
            keys,
            teams: teams.iter().zip(&by_team).map(shown).collect(),
            owned,
            wait: self.wait,
            currency: Arc::clone(&self.currency),
        }
    }

    /// Whether one of these teams and keys has a budget of which nothing is known here.
    pub(crate) fn lacks(&self, teams: &[Team], keys: &[Key]) -> bool {
        let unknown = |owner: Owner, budgets: &[config::Budget]| {
            let owned = self.owned.get(&owner).map_or(&[][..], |it| &it.budgets);
            budgets.iter().any(|budget| !owned.iter().any(|it| it.is(budget)))
        };
        teams.iter().any(|it| unknown(Owner::Team(Arc::clone(&it.name)), &it.budgets))
            || keys.iter().any(|it| unknown(Owner::Key(Arc::clone(&it.name)), &it.budgets))
    }

    /// The same accounts, whose refusals speak of money in this currency.
    pub(crate) fn in_currency(self, currency: &Arc<str>) -> Self {
        Self { currency: Arc::clone(currency), ..self }
    }

    fn account(&self, caller: &Caller) -> Option<&Arc<Account>> {
        self.keys.get(caller.key.get())
    }

    /// Lets a request in: requests at once, and requests a minute.
    ///
    /// # Errors
    /// When key or team is over a limit, with the time after which to come back.
    pub(crate) fn enter(
        &self,
        caller: &Caller,
        now: Instant,
    ) -> Result<ConcurrencyPermit, Failure> {
        let mut permit = ConcurrencyPermit { account: self.account(caller).cloned(), taken: 0 };
        for at in 0..permit.limits().len() {
            let acquired = permit.limits().get(at).map_or(Ok(()), |limits| limits.acquire());
            acquired.map_err(|wait| too_fast(wait, "too many requests at once"))?;
            permit.taken = at + 1;
        }
        // Counted last and from the key on: who is refused at its own limit takes nothing of its team's.
        for limits in permit.limits() {
            limits.count(now).map_err(|wait| too_fast(wait, "too many requests"))?;
        }
        Ok(permit)
    }

    /// The smallest hard budget left, if one binds.
    pub(crate) fn left(&self, caller: &Caller, at: Timestamp) -> Option<Money> {
        let budgets = self.account(caller)?.budgets.iter().filter(|budget| budget.hard());
        budgets.map(|budget| budget.window(at).left()).min()
    }

    /// Whether a hard budget binds this caller.
    pub(crate) fn binds(&self, caller: &Caller) -> bool {
        self.account(caller).is_some_and(|it| it.budgets.iter().any(|budget| budget.hard()))
    }

    /// Reserves the most that the plan can cost, in every budget that binds, and its tokens. If the
    /// money would fit once open reservations are settled, it waits for them in order.
    ///
    /// # Errors
    /// When tokens or money are spent.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        plan: &Plan,
        input: Tokens,
        now: (Instant, Timestamp),
    ) -> Result<Reservation, Failure> {
        let mut reservation = Reservation {
            reserved: plan.cost_max,
            windows: Windows::new(),
            tokens: SmallVec::new(),
        };
        let Some(account) = self.account(caller) else { return Ok(reservation) };
        for limits in &account.limits {
            let taken = limits.take(input, now.0);
            let taken = taken.map_err(|wait| too_fast(wait, "too many tokens"))?;
            reservation.tokens.extend(taken);
        }
        let windows: Windows = account.budgets.iter().map(|budget| budget.window(now.1)).collect();
        if !reserve(&windows, plan.cost_max, self.wait).await {
            return Err(refusal(&windows, plan.cost_max, &self.currency));
        }
        // No await from here on: what is reserved is in the reservation's hands.
        reservation.windows = windows;
        Ok(reservation)
    }

    /// What stands in the `x-ratelimit-…` headers: the tightest of the limits that bind.
    pub(crate) fn limits(&self, caller: &Caller, now: Instant) -> RateHeaders {
        let limits = self.account(caller).map_or(&[][..], |it| &it.limits);
        RateHeaders::of(limits, now)
    }

    /// The budgets of all teams, as they stand.
    pub(crate) fn budgets(&self, at: Timestamp) -> Vec<BudgetReading> {
        let of = |(team, budgets): &(Arc<str>, Vec<Arc<Budget>>)| {
            budgets.iter().map(|budget| budget.reading(team, at)).collect::<Vec<_>>()
        };
        self.teams.iter().flat_map(of).collect()
    }
}

fn too_fast(wait: Duration, what: &str) -> Failure {
    let public = format!("{what} for this key or one of its teams; come back in a moment");
    Failure::new(Kind::RateLimited, Stage::Admit, public).after(wait)
}

/// Reserves in all windows or in none; waits in line while open reservations stand in the way. False if
/// there was no room.
async fn reserve(windows: &[Arc<BudgetWindow>], amount: Money, wait: Duration) -> bool {
    let line = windows.iter().find(|window| window.line.stands());
    let Some(full) = line.or_else(|| try_reserve(windows, amount).err()) else { return true };
    let waited = tokio::time::timeout(wait, queue(full, windows, amount)).await;
    // Everybody before has given up by then, if only just now.
    waited.unwrap_or_else(|_| try_reserve(windows, amount).is_ok())
}

/// Why there was no room: nothing is left, less is left than the request can cost, or enough is left
/// but open requests have reserved it. "Spent" is said only of what is.
fn refusal(windows: &[Arc<BudgetWindow>], amount: Money, currency: &str) -> Failure {
    const WHOSE: &str = "the budget of this key or of one of its teams";
    const ADVICE: &str = "a smaller max_tokens lowers what it can cost";
    let refuse = |public: String| Failure::new(Kind::BudgetExceeded, Stage::Admit, public);
    let unspent = windows.iter().filter_map(|window| window.unspent()).min().unwrap_or_default();
    if unspent == Money::ZERO {
        return refuse(format!("{WHOSE} is spent"));
    }
    let most = format!("the request can cost up to {amount} {currency}");
    if unspent < amount {
        let text = format!("{unspent} {currency} of {WHOSE} are left and {most}: {ADVICE}");
        return refuse(text).coded("budget_too_small");
    }
    refuse(format!(
        "{unspent} {currency} of {WHOSE} are left, but requests that are still open have reserved \
         them and {most}: come back when they are done; {ADVICE}"
    ))
}

/// Waits at the window that is full; false if no settle can make room. Between its awaits nothing is held,
/// so it may be dropped at any of them.
async fn queue(mut full: &Arc<BudgetWindow>, windows: &[Arc<BudgetWindow>], amount: Money) -> bool {
    loop {
        let place = full.line.join();
        let _turn = place.first().await;
        loop {
            if !windows.iter().all(|window| window.could_hold(amount)) {
                return false;
            }
            match try_reserve(windows, amount) {
                Ok(()) => return true,
                Err(other) if Arc::ptr_eq(other, full) => place.freed().await,
                Err(other) => {
                    full = other;
                    break;
                }
            }
        }
    }
}

/// All or none: what was reserved before a window refused is released. The error is the window that is full.
fn try_reserve(windows: &[Arc<BudgetWindow>], amount: Money) -> Result<(), &Arc<BudgetWindow>> {
    for (at, window) in windows.iter().enumerate() {
        if !window.reserve(amount) {
            windows.iter().take(at).for_each(|window| window.release(amount));
            return Err(window);
        }
    }
    Ok(())
}

/// A team and its ancestors.
pub(crate) fn path(team: TeamIndex, teams: &[Team]) -> impl Iterator<Item = TeamIndex> {
    std::iter::successors(Some(team), |at| teams.get(at.get())?.parent.filter(|parent| parent < at))
}

impl Reservation {
    /// What is reserved.
    pub(crate) fn reserved(&self) -> Money {
        self.reserved
    }

    /// Ends the reservation: what was really used is spent, the rest is free again.
    pub(crate) fn settle(mut self, cost: Money, used: Counts) {
        let used = [used.input, used.cached_input, used.cache_write, used.output, used.reasoning];
        self.end(cost, Tokens(used.into_iter().fold(0, u32::saturating_add)));
    }

    fn end(&mut self, cost: Money, used: Tokens) {
        self.tokens.drain(..).for_each(|taken| taken.settle(used));
        self.windows.drain(..).for_each(|window| window.settle(self.reserved, cost));
    }
}

impl Drop for Reservation {
    /// Unsettled: nothing was used. After a settle nothing is left to give back.
    fn drop(&mut self) {
        self.end(Money::ZERO, Tokens(0));
    }
}
