//! Budgets that begin while the process serves: a window or a time zone that its owner had not, a team's or a
//! key's first budget, a team of another name.
//!
//! What was spent before is in the ledger, and what is open in the accounts. A request that is open when the
//! budget begins counts in it when it ends; so its cost is not taken from the ledger as well, if it has ended
//! by the time at which that is read.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use policies::facts::{Money, TeamIndex};
use uuid::Uuid;

use super::{
    Accounts, budget::Budget, named::Owner, open::Requester, owned::Owned, reading::Spent,
    window::BudgetWindow,
};
use crate::config::{self, Key, Team};

/// The budgets of a configuration of which nothing is known yet.
#[derive(Default)]
pub(crate) struct NewBudgets(HashMap<Owner, Vec<NewBudget>>);

struct NewBudget {
    budget: Arc<Budget>,
    /// The requests that count in it themselves, until it has begun.
    joined: Mutex<Joined>,
}

#[derive(Default)]
struct Joined {
    begun: bool,
    ids: Vec<Uuid>,
}

impl NewBudgets {
    /// Those of these teams and keys that are not in `owned`.
    pub(super) fn of(
        (teams, keys): (&[Team], &[Key]),
        owned: &HashMap<Owner, Owned>,
        now: Timestamp,
    ) -> Self {
        let teams = teams.iter().map(|it| (Owner::Team(Arc::clone(&it.name)), &it.budgets));
        let keys = keys.iter().map(|it| (Owner::Key(Arc::clone(&it.name)), &it.budgets));
        let mut all = HashMap::new();
        for (owner, budgets) in teams.chain(keys).filter(|(_, budgets)| !budgets.is_empty()) {
            let known = owned.get(&owner);
            let new = budgets.iter().filter(|it| !known.is_some_and(|known| known.has(it)));
            let new: Vec<_> = new.map(|it| NewBudget::of(&owner, it, now)).collect();
            if !new.is_empty() {
                all.insert(owner, new);
            }
        }
        Self(all)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The budget that the configuration states for this owner, if it is one of these.
    pub(super) fn get(&self, owner: &Owner, config: &config::Budget) -> Option<Arc<Budget>> {
        let mut of = self.0.get(owner)?.iter().map(|it| &it.budget);
        of.find(|it| it.is(config)).map(Arc::clone)
    }

    /// Accounts that know of these budgets and of nothing else.
    pub(crate) fn accounts(&self) -> Accounts {
        let of = |it: &Vec<NewBudget>| it.iter().map(|it| Arc::clone(&it.budget)).collect();
        let owned = self.0.iter().map(|(owner, it)| (owner.clone(), Owned::of(of(it))));
        Accounts { owned: owned.collect(), ..Accounts::default() }
    }

    /// A request of these teams counts in them from now on: its windows, where one of them holds the moment
    /// at which it came in.
    pub(super) fn join(
        &self,
        teams: &[Arc<str>],
        request: &Requester,
        now: Timestamp,
    ) -> Vec<Arc<BudgetWindow>> {
        let key = Owner::Key(Arc::clone(&request.key));
        let owners = teams.iter().map(|it| Owner::Team(Arc::clone(it))).chain([key]);
        let budgets = owners.filter_map(|owner| self.0.get(&owner)).flatten();
        budgets.filter_map(|it| it.join(request, now)).collect()
    }

    /// The requests that count in one of them themselves.
    pub(crate) fn joined(&self) -> HashSet<Uuid> {
        let mut all = HashSet::new();
        for it in self.0.values().flatten() {
            all.extend(it.joined.lock().unwrap_or_else(PoisonError::into_inner).ids.iter());
        }
        all
    }

    /// They begin: `spent` is what the ledger knew at a moment, and `costs` what of that is of requests that
    /// have joined. From now on they say what is left.
    pub(crate) fn begin(
        &self,
        (teams, keys): (&[Team], &[Key]),
        (spent, costs): (&[Spent], &HashMap<Uuid, Money>),
        now: Timestamp,
    ) {
        if self.is_empty() {
            return;
        }
        let by = SpentBy::new(spent);
        for (index, team) in (0..).map(TeamIndex).zip(teams) {
            let of = self.0.get(&Owner::Team(Arc::clone(&team.name)));
            let spent = by.teams.get(&index).map_or(&[][..], |it| it);
            of.into_iter().flatten().for_each(|it| it.begin(spent, costs, now));
        }
        for (index, key) in (0_u32..).zip(keys).filter(|(_, key)| !key.budgets.is_empty()) {
            let of = self.0.get(&Owner::Key(Arc::clone(&key.name)));
            let spent = by.keys.get(&index).map_or(&[][..], |it| it);
            of.into_iter().flatten().for_each(|it| it.begin(spent, costs, now));
        }
    }
}

impl NewBudget {
    fn of(owner: &Owner, config: &config::Budget, now: Timestamp) -> Self {
        let budget = Arc::new(Budget::new(owner.clone(), config, now));
        Self { budget, joined: Mutex::default() }
    }

    fn join(&self, request: &Requester, now: Timestamp) -> Option<Arc<BudgetWindow>> {
        let window = self.budget.window_of(request.at, now)?;
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if !joined.begun {
            joined.ids.push(request.id);
        }
        Some(window)
    }

    fn begin(&self, spent: &[&Spent], costs: &HashMap<Uuid, Money>, now: Timestamp) {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        joined.begun = true;
        let counted = mem::take(&mut joined.ids);
        let counted = counted.iter().filter_map(|id| costs.get(id)).map(|it| it.nano());
        self.budget.begin(spent.iter().copied(), counted.fold(0, i64::saturating_add), now);
    }
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

#[cfg(test)]
mod tests;
