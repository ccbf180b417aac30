//! Money and quota: *enter* before the body is read, *admit* before anything is sent, *settle* when it
//! is over. A [`Reservation`] is made and ended only here, and one that is dropped gives back what it held.
//!
//! Everything is local and lives in atomics: a key resolves at load to its [`Account`], so a request looks
//! nothing up. This room refuses; it never changes a plan.

mod beside;
mod binding;
mod budget;
mod headers;
mod limits;
mod owned;
pub(crate) mod price;
mod reserve;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use policies::facts::TeamIndex;

pub(crate) use self::{
    beside::{Beside, Cost, SetAside, close_shares, give_way, take_back},
    binding::{Account, ConcurrencyPermit},
    budget::{BudgetReading, Spent, earliest},
    headers::RateHeaders,
    reserve::Reservation,
};
use self::{
    budget::Budget,
    owned::{Owned, Owner},
};
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
    /// What binds who has no limits and no budgets.
    unbound: Account,
}

/// What was spent, by those for whom it counts.
#[derive(Default)]
struct SpentBy<'a> {
    teams: HashMap<TeamIndex, Vec<&'a Spent>>,
    keys: HashMap<u32, Vec<&'a Spent>>,
}

impl<'a> SpentBy<'a> {
    fn new(spent: &'a [Spent]) -> Self {
        let mut by = Self::default();
        for it in spent {
            it.teams.iter().for_each(|team| by.teams.entry(*team).or_default().push(it));
            it.key.iter().for_each(|key| by.keys.entry(key.0).or_default().push(it));
        }
        by
    }
}

impl Accounts {
    /// Accounts of these teams and keys, in which so much was spent until now. An admit waits for `wait`
    /// at the most; refusals speak of money in `currency`.
    pub(crate) fn new(
        (teams, keys): (&[Team], &[Key]),
        (wait, currency): (Duration, &Arc<str>),
        spent: (&[Spent], Timestamp),
        now: Instant,
    ) -> Self {
        let unbound = Account { wait, currency: Arc::clone(currency), ..Account::default() };
        Self { unbound, ..Self::default() }.after((teams, keys), spent, now)
    }

    /// Accounts of other teams and keys. Whoever has the same name as before has what was spent, what is
    /// reserved and what is in use, and its new limits and amounts bind at once, for those who wait as
    /// well. `spent` is for budgets that are new.
    pub(crate) fn after(
        &self,
        (teams, keys): (&[Team], &[Key]),
        (spent, at): (&[Spent], Timestamp),
        now: Instant,
    ) -> Self {
        let (spent, mut owned) = (SpentBy::new(spent), self.owned.clone());
        let none = Vec::new();
        let own: Vec<Account> = (0..)
            .map(TeamIndex)
            .zip(teams)
            .map(|(index, team)| {
                let owner = Owner::Team(Arc::clone(&team.name));
                let mine = spent.teams.get(&index).unwrap_or(&none);
                owned::become_of(&mut owned, owner, (&team.budgets, team.limits), (mine, at), now)
            })
            .collect();
        let with_teams = |mut all: Account, team: Option<TeamIndex>| {
            let teams = team.into_iter().flat_map(|team| path(team, teams));
            for team in teams.filter_map(|team| own.get(team.get())) {
                all.limits.extend(team.limits.iter().cloned());
                all.budgets.extend(team.budgets.iter().cloned());
            }
            Arc::new(Account { wait: self.unbound.wait, currency: self.currency(), ..all })
        };
        let by_team: Vec<Arc<Account>> = (0..)
            .map(TeamIndex)
            .zip(teams)
            .map(|(index, _)| with_teams(Account::default(), Some(index)))
            .collect();
        let mut of_key = |(at_key, key): (u32, &Key)| {
            let owner = Owner::Key(Arc::clone(&key.name));
            let mine = spent.keys.get(&at_key).unwrap_or(&none);
            let own =
                owned::become_of(&mut owned, owner, (&key.budgets, key.limits), (mine, at), now);
            match by_team.get(key.team.get()) {
                Some(team) if own.limits.is_empty() && own.budgets.is_empty() => Arc::clone(team),
                _ => with_teams(own, Some(key.team)),
            }
        };
        let keys = (0..).zip(keys).map(&mut of_key).collect();
        let shown = |(team, account): (&Team, &Account)| {
            let budgets = account.budgets.iter().take(team.budgets.len()).cloned().collect();
            (Arc::clone(&team.name), budgets)
        };
        let shown = teams.iter().zip(&own).map(shown).collect();
        let unbound =
            Account { wait: self.unbound.wait, currency: self.currency(), ..Account::default() };
        Self { keys, teams: shown, owned, unbound }
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

    /// Whether one of these teams and keys has a budget of which nothing is known here.
    pub(crate) fn lacks(&self, teams: &[Team], keys: &[Key]) -> bool {
        let unknown = |owner: Owner, budgets: &[config::Budget]| {
            let owned = self.owned.get(&owner);
            budgets.iter().any(|budget| !owned.is_some_and(|it| it.has(budget)))
        };
        teams.iter().any(|it| unknown(Owner::Team(Arc::clone(&it.name)), &it.budgets))
            || keys.iter().any(|it| unknown(Owner::Key(Arc::clone(&it.name)), &it.budgets))
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
