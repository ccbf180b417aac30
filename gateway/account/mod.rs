//! Money and quota: *enter* before the body is read, *admit* before anything is sent, *settle* when it
//! is over. A [`Reservation`] is made and ended only here, and one that is dropped gives back what it held.
//!
//! Everything is local and lives in atomics: a key resolves at load to its [`Account`], so a request looks
//! nothing up. This room refuses; it never changes a plan.

mod alerts;
mod beside;
mod binding;
mod budget;
mod calendar;
mod headers;
mod limits;
mod named;
mod new_budgets;
mod open;
mod owned;
pub(crate) mod price;
mod queue;
mod reading;
mod reserve;
mod shortage;
mod standing;
mod terms;
#[cfg(test)]
mod tests;
mod window;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use policies::facts::TeamIndex;

pub(crate) use self::{
    alerts::{BudgetAlert, alerts, told_so_far},
    beside::{Beside, Cost, SetAside, close_shares, give_way, take_back},
    binding::{Account, ConcurrencyPermit},
    calendar::earliest,
    headers::RateHeaders,
    new_budgets::NewBudgets,
    open::Requester,
    reading::{BudgetReading, Spent},
    reserve::Reservation,
    shortage::Refusal,
    standing::Standing,
};
use self::{budget::Budget, named::Owner, owned::Owned};
use crate::config::{self, Key, Team};

/// What all teams and keys have used, and what binds each key.
#[derive(Default)]
pub(crate) struct Accounts {
    /// By the key's place in the configuration.
    keys: Vec<Arc<Account>>,
    /// The budgets of teams, for gauges.
    teams: Vec<(Arc<str>, Vec<Arc<Budget>>)>,
    /// What keys and teams have used, by their names: of those too that are gone and may come back.
    owned: HashMap<Owner, Owned>,
    /// Every account through which a request may be open, of these teams and keys and of earlier ones.
    known: Vec<Weak<Account>>,
    /// What binds who has no limits and no budgets.
    unbound: Account,
}

impl Accounts {
    /// Accounts of these teams and keys, in which so much was spent until now. An admit waits for `wait`
    /// at the most; refusals speak of money in `currency`.
    pub(crate) fn new(
        who: (&[Team], &[Key]),
        (wait, currency): (Duration, &Arc<str>),
        (spent, at): (&[Spent], Timestamp),
        now: Instant,
    ) -> Self {
        let unbound = Account { wait, currency: Arc::clone(currency), ..Account::default() };
        let nobody = Self { unbound, ..Self::default() };
        let new = nobody.new_budgets(who, at);
        new.begin(who, (spent, &HashMap::new()), at);
        nobody.after(who, &new, now)
    }

    /// The budgets of these teams and keys of which nothing is known here.
    pub(crate) fn new_budgets(&self, who: (&[Team], &[Key]), at: Timestamp) -> NewBudgets {
        NewBudgets::of(who, &self.owned, at)
    }

    /// Counts all requests that are open in budgets that are new, and all that come in through these accounts
    /// or earlier ones. `counts` says for which teams of today a request counts that came in under these.
    pub(crate) fn count_in(
        &self,
        budgets: &Arc<NewBudgets>,
        counts: impl Fn(&[Arc<str>]) -> Vec<Arc<str>>,
        now: Timestamp,
    ) {
        for account in self.known.iter().filter_map(Weak::upgrade) {
            let (teams, budgets) = (counts(&account.teams), Arc::clone(budgets));
            let newer = move |request: &_, now| budgets.join(&teams, request, now);
            account.open.count_in(Box::new(newer), now);
        }
    }

    /// Accounts of other teams and keys. Whoever has the same name as before has what was spent, what is
    /// reserved and what is in use, and its new limits and amounts bind at once, for those who wait as
    /// well. What is used of budgets that are new is in `new`.
    pub(crate) fn after(
        &self,
        (teams, keys): (&[Team], &[Key]),
        new: &NewBudgets,
        now: Instant,
    ) -> Self {
        let mut owned = self.owned.clone();
        let of_new = |owner: &Owner, config: &config::Budget| new.get(owner, config);
        let own: Vec<Account> = teams
            .iter()
            .map(|team| {
                let owner = Owner::Team(Arc::clone(&team.name));
                owned::become_of(&mut owned, owner, (&team.budgets, team.limits), &of_new, now)
            })
            .collect();
        let with_teams = |mut all: Account, team: TeamIndex| {
            let names =
                path(team, teams).filter_map(|team| Some(Arc::clone(&teams.get(team.get())?.name)));
            all.teams = names.collect();
            for team in path(team, teams).filter_map(|team| own.get(team.get())) {
                all.limits.extend(team.limits.iter().cloned());
                all.budgets.extend(team.budgets.iter().cloned());
            }
            Arc::new(Account { wait: self.unbound.wait, currency: self.currency(), ..all })
        };
        let of_team = |(at, _)| with_teams(Account::default(), TeamIndex(at));
        let by_team: Vec<Arc<Account>> = (0..).zip(teams).map(of_team).collect();
        let mut known: Vec<_> =
            self.known.iter().filter(|it| it.strong_count() > 0).cloned().collect();
        known.extend(by_team.iter().map(Arc::downgrade));
        let of_key = |key: &Key| {
            let owner = Owner::Key(Arc::clone(&key.name));
            let own = owned::become_of(&mut owned, owner, (&key.budgets, key.limits), &of_new, now);
            match by_team.get(key.team.get()) {
                Some(team) if own.limits.is_empty() && own.budgets.is_empty() => Arc::clone(team),
                _ => {
                    let account = with_teams(own, key.team);
                    known.push(Arc::downgrade(&account));
                    account
                }
            }
        };
        let keys = keys.iter().map(of_key).collect();
        let shown = |(team, account): (&Team, &Account)| {
            let budgets = account.budgets.iter().take(team.budgets.len()).cloned().collect();
            (Arc::clone(&team.name), budgets)
        };
        let shown = teams.iter().zip(&own).map(shown).collect();
        let unbound =
            Account { wait: self.unbound.wait, currency: self.currency(), ..Account::default() };
        Self { keys, teams: shown, owned, known, unbound }
    }

    /// The budgets of all teams and keys, those too that are stated no more.
    fn budgets_of_all(&self) -> impl Iterator<Item = (&Owner, &Arc<Budget>)> {
        self.owned.iter().flat_map(|(owner, it)| it.budgets().iter().map(move |it| (owner, it)))
    }

    fn budgets_of(&self, owner: &Owner) -> &[Arc<Budget>] {
        self.owned.get(owner).map_or(&[], Owned::budgets)
    }

    fn currency(&self) -> Arc<str> {
        Arc::clone(&self.unbound.currency)
    }

    /// What binds the key at this place of the configuration.
    pub(crate) fn of_key(&self, at: usize) -> Option<&Arc<Account>> {
        self.keys.get(at)
    }

    /// The budgets of all teams, as they stand.
    pub(crate) fn budgets(&self, at: Timestamp) -> Vec<BudgetReading> {
        let readings = |(team, budgets): &(Arc<str>, Vec<Arc<Budget>>)| {
            budgets.iter().map(|budget| budget.reading(team, at)).collect::<Vec<_>>()
        };
        self.teams.iter().flat_map(readings).collect()
    }
}

/// A team and its ancestors.
pub(crate) fn path(team: TeamIndex, teams: &[Team]) -> impl Iterator<Item = TeamIndex> {
    std::iter::successors(Some(team), |at| teams.get(at.get())?.parent.filter(|parent| parent < at))
}
