//! Money and quota: *enter* before the body is read, *admit* before anything is sent, *settle* when it
//! is over. A [`Permit`] is made and ended only here, and one that is dropped gives back what it held.
//!
//! Everything is local and lives in atomics: a key resolves at load to the cells that bind it, so a
//! request looks nothing up. This room refuses; it never changes a plan.

mod budget;
mod headers;
mod limits;
pub(crate) mod price;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{
    Counts, Plan,
    facts::{Money, TeamIndex, Tokens},
};
use tokio::sync::Notify;

pub(crate) use self::{
    budget::{BudgetReading, Spent},
    headers::RateHeaders,
};
use self::{
    budget::{Cell, Purse},
    limits::{Gate, Taken},
};
use crate::{
    config::{Key, Team},
    failure::{Failure, Kind, Stage},
    outcome::Caller,
};

/// All accounts of a configuration.
pub(crate) struct Accounts {
    /// By `KeyIndex`: what binds a key and its teams.
    keys: Vec<Bounds>,
    /// The purses of teams, for gauges.
    teams: Vec<(Arc<str>, Vec<Arc<Purse>>)>,
    /// Woken when a reservation ends.
    settled: Arc<Notify>,
    wait: Duration,
}

/// What binds a key: its own bounds and those of all its teams, the nearest first.
#[derive(Default)]
struct Bounds {
    gates: Vec<Arc<Gate>>,
    purses: Vec<Arc<Purse>>,
}

/// A place among the requests at once; dropping it frees the place.
pub(crate) struct Seat(Vec<Arc<Gate>>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.iter().for_each(|gate| gate.leave());
    }
}

/// A reservation of money and tokens. It ends by [`Permit::settle`], or releases itself.
#[must_use]
pub(crate) struct Permit {
    reserved: Money,
    cells: Vec<Arc<Cell>>,
    tokens: Vec<Taken>,
    settled: Arc<Notify>,
}

impl Accounts {
    /// Accounts of these teams and keys, in which this has been spent before.
    pub(crate) fn new(
        teams: &[Team],
        keys: &[Key],
        wait: Duration,
        (spent, at): (&[Spent], jiff::Timestamp),
    ) -> Self {
        let purses = |budgets: &[crate::config::Budget], mine: &dyn Fn(&Spent) -> bool| {
            let of = |budget| Arc::new(Purse::new(budget, spent.iter().filter(|it| mine(it)), at));
            budgets.iter().map(of).collect::<Vec<_>>()
        };
        let by_team: Vec<Bounds> = (0..)
            .map(TeamIndex)
            .zip(teams)
            .map(|(index, team)| Bounds {
                gates: Gate::new(team.limits).into_iter().map(Arc::new).collect(),
                purses: purses(&team.budgets, &|it| below(it.team, index, teams)),
            })
            .collect();
        let bounds = |(at, key): (u32, &Key)| {
            let mut all = Bounds {
                gates: Gate::new(key.limits).into_iter().map(Arc::new).collect(),
                purses: purses(&key.budgets, &|it| it.key.0 == at),
            };
            for team in path(key.team, teams).filter_map(|team| by_team.get(team.get())) {
                all.gates.extend(team.gates.iter().cloned());
                all.purses.extend(team.purses.iter().cloned());
            }
            all
        };
        Self {
            keys: (0..).zip(keys).map(bounds).collect(),
            teams: teams
                .iter()
                .zip(&by_team)
                .map(|(team, bounds)| (Arc::clone(&team.name), bounds.purses.clone()))
                .collect(),
            settled: Arc::new(Notify::new()),
            wait,
        }
    }

    fn bounds(&self, caller: &Caller) -> Option<&Bounds> {
        self.keys.get(caller.key.get())
    }

    /// Lets a request in: requests a minute, and requests at once.
    ///
    /// # Errors
    /// When key or team is over a limit, with the time after which to come back.
    pub(crate) fn enter(&self, caller: &Caller) -> Result<Seat, Failure> {
        let mut seat = Seat(Vec::new());
        for gate in self.bounds(caller).into_iter().flat_map(|it| &it.gates) {
            gate.enter().map_err(|wait| too_fast(wait, "too many requests"))?;
            seat.0.push(Arc::clone(gate));
        }
        Ok(seat)
    }

    /// The smallest hard budget left, if one binds.
    pub(crate) fn left(&self, caller: &Caller, at: jiff::Timestamp) -> Option<Money> {
        let purses = self.bounds(caller)?.purses.iter().filter(|purse| purse.hard);
        purses.map(|purse| purse.cell(at).left()).min()
    }

    /// Whether a hard budget binds this caller.
    pub(crate) fn binds(&self, caller: &Caller) -> bool {
        self.bounds(caller).is_some_and(|it| it.purses.iter().any(|purse| purse.hard))
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
        now: (Instant, jiff::Timestamp),
    ) -> Result<Permit, Failure> {
        let mut permit = Permit {
            reserved: plan.cost_max,
            cells: Vec::new(),
            tokens: Vec::new(),
            settled: Arc::clone(&self.settled),
        };
        let Some(bounds) = self.bounds(caller) else { return Ok(permit) };
        for gate in &bounds.gates {
            if let Some(taken) = gate.take_tokens(input, now.0) {
                let taken = taken.map_err(|wait| too_fast(wait, "too many tokens"))?;
                permit.tokens.push(taken);
            }
        }
        if bounds.purses.is_empty() {
            return Ok(permit);
        }
        let cells: Vec<_> =
            bounds.purses.iter().map(|purse| (purse.hard, purse.cell(now.1))).collect();
        self.reserve(&cells, plan.cost_max).await?;
        permit.cells = cells.into_iter().map(|(_, cell)| cell).collect();
        Ok(permit)
    }

    /// Reserves in all cells or in none; waits while open reservations stand in the way.
    async fn reserve(&self, cells: &[(bool, Arc<Cell>)], amount: Money) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + self.wait;
        loop {
            // Asked for before the try: a settle between both must not be missed.
            let settled = self.settled.notified();
            if try_reserve(cells, amount) {
                return Ok(());
            }
            let could = cells.iter().all(|(hard, cell)| !hard || cell.could_hold(amount));
            let waited = could && tokio::time::timeout_at(deadline, settled).await.is_ok();
            if !waited {
                let public = "the budget of this key or of one of its teams is spent";
                return Err(Failure::new(Kind::BudgetExceeded, Stage::Admit, public));
            }
        }
    }

    /// What stands in the `x-ratelimit-…` headers: the tightest of the limits that bind.
    pub(crate) fn limits(&self, caller: &Caller, now: Instant) -> RateHeaders {
        let gates = self.bounds(caller).map_or(&[][..], |it| &it.gates);
        RateHeaders::of(gates, now)
    }

    /// The budgets of all teams, as they stand.
    pub(crate) fn budgets(&self, at: jiff::Timestamp) -> Vec<BudgetReading> {
        let of = |(team, purses): &(Arc<str>, Vec<Arc<Purse>>)| {
            purses.iter().map(|purse| purse.reading(team, at)).collect::<Vec<_>>()
        };
        self.teams.iter().flat_map(of).collect()
    }
}

fn too_fast(wait: Duration, what: &str) -> Failure {
    let public = format!("{what} for this key or one of its teams; come back in a moment");
    Failure::new(Kind::RateLimited, Stage::Admit, public).after(wait)
}

/// All or none: what was reserved before a cell refused is released.
fn try_reserve(cells: &[(bool, Arc<Cell>)], amount: Money) -> bool {
    for (at, (hard, cell)) in cells.iter().enumerate() {
        if !cell.reserve(amount, *hard) {
            cells.iter().take(at).for_each(|(_, cell)| cell.release(amount));
            return false;
        }
    }
    true
}

/// A team and its ancestors.
fn path(team: TeamIndex, teams: &[Team]) -> impl Iterator<Item = TeamIndex> {
    std::iter::successors(Some(team), |at| teams.get(at.get())?.parent.filter(|parent| parent < at))
}

/// Whether what this team spent counts for that one.
fn below(team: TeamIndex, above: TeamIndex, teams: &[Team]) -> bool {
    path(team, teams).any(|at| at == above)
}

impl Permit {
    /// What is reserved.
    pub(crate) fn reserved(&self) -> Money {
        self.reserved
    }

    /// Ends the reservation: what was really used is spent, the rest is free again.
    pub(crate) fn settle(mut self, cost: Money, used: Counts) {
        let used = [used.input, used.cached_input, used.cache_write, used.output, used.reasoning];
        let used = used.into_iter().fold(0, u32::saturating_add);
        for taken in self.tokens.drain(..) {
            taken.settle(Tokens(used));
        }
        for cell in self.cells.drain(..) {
            cell.settle(self.reserved, cost);
        }
        self.settled.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.cells.is_empty() && self.tokens.is_empty() {
            return;
        }
        for taken in self.tokens.drain(..) {
            taken.settle(Tokens(0));
        }
        for cell in self.cells.drain(..) {
            cell.release(self.reserved);
        }
        self.settled.notify_waiters();
    }
}
