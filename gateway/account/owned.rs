//! What one team or key has used: it outlives every configuration that names it.

use std::{collections::HashMap, sync::Arc, time::Instant};

use super::{binding::Account, budget::Budget, limits::RateLimits, named::Owner};
use crate::config::{self, Limits};

/// The budgets and limits of one team or key, with what is used of them.
#[derive(Clone, Default)]
pub(super) struct Owned {
    budgets: Vec<Arc<Budget>>,
    limits: Option<Arc<RateLimits>>,
}

/// Binds an owner to these budgets and limits from now on; what it has used of them before is in `owned` or,
/// where a budget is new, in `new`.
pub(super) fn become_of(
    owned: &mut HashMap<Owner, Owned>,
    owner: Owner,
    (budgets, limits): (&[config::Budget], Limits),
    new: &impl Fn(&Owner, &config::Budget) -> Option<Arc<Budget>>,
    now: Instant,
) -> Account {
    // Most keys have nothing of their own: nothing is kept of them.
    if budgets.is_empty() && limits == Limits::default() && !owned.contains_key(&owner) {
        return Account::default();
    }
    let new: Vec<_> = budgets.iter().map(|config| new(&owner, config)).collect();
    let it = owned.entry(owner.clone()).or_default();
    it.set_budgets(budgets.iter().zip(new));
    let limits = it.set_limits(&owner, limits, now);
    Account {
        limits: limits.into_iter().collect(),
        budgets: it.budgets.clone(),
        ..Account::default()
    }
}

impl Owned {
    /// Nothing but these budgets.
    pub(super) fn of(budgets: Vec<Arc<Budget>>) -> Self {
        Self { budgets, limits: None }
    }

    /// All budgets, those too that are stated no more.
    pub(super) fn budgets(&self) -> &[Arc<Budget>] {
        &self.budgets
    }

    /// Whether this budget is known here.
    pub(super) fn has(&self, config: &config::Budget) -> bool {
        self.budgets.iter().any(|it| it.is(config))
    }

    /// These budgets as they are stated first, then those that were stated once: they count on, and refuse
    /// nobody.
    fn set_budgets<'a>(
        &mut self,
        budgets: impl Iterator<Item = (&'a config::Budget, Option<Arc<Budget>>)>,
    ) {
        let mut known = std::mem::take(&mut self.budgets);
        for (config, new) in budgets {
            let known = known.iter().position(|it| it.is(config)).map(|at| known.swap_remove(at));
            let Some(budget) = known.or(new) else { continue };
            budget.set(Some(config));
            self.budgets.push(budget);
        }
        known.iter().for_each(|budget| budget.set(None));
        self.budgets.append(&mut known);
    }

    fn set_limits(
        &mut self,
        owner: &Owner,
        limits: Limits,
        now: Instant,
    ) -> Option<Arc<RateLimits>> {
        let new = match &self.limits {
            Some(before) => before.after(limits, now),
            None => RateLimits::new(owner, limits),
        };
        let limits = new.map(Arc::new);
        if limits.is_some() {
            self.limits.clone_from(&limits);
        }
        limits
    }
}
