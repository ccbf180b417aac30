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

use jiff::Timestamp;
use policies::{
    Counts, Plan,
    facts::{Money, TeamIndex, Tokens},
};
use smallvec::SmallVec;

pub(crate) use self::{
    budget::{BudgetReading, Spent, earliest},
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
    keys: Vec<Arc<Bounds>>,
    /// The purses of teams, for gauges.
    teams: Vec<(Arc<str>, Vec<Arc<Purse>>)>,
    wait: Duration,
    /// In which refusals speak of money.
    currency: Arc<str>,
}

/// What binds a key: its own bounds and those of all its teams, the nearest first.
#[derive(Default)]
struct Bounds {
    gates: Vec<Arc<Gate>>,
    purses: Vec<Arc<Purse>>,
}

/// A place among the requests at once; dropping it frees the place.
pub(crate) struct Seat {
    bounds: Option<Arc<Bounds>>,
    /// At how many of the gates, from the nearest on, the place is taken.
    taken: usize,
}

impl Seat {
    fn gates(&self) -> &[Arc<Gate>] {
        self.bounds.as_deref().map_or(&[], |bounds| &bounds.gates)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gates().iter().take(self.taken).for_each(|gate| gate.leave());
    }
}

/// A reservation of money and tokens. It ends by [`Permit::settle`], or releases itself.
#[must_use]
pub(crate) struct Permit {
    reserved: Money,
    /// The cells of the windows in which it was reserved.
    cells: Cells,
    tokens: SmallVec<[Taken; 4]>,
}

type Cells = SmallVec<[Arc<Cell>; 4]>;

impl Accounts {
    /// Accounts of these teams and keys, in which so much was spent until now. An admit waits for `wait`
    /// at the most.
    pub(crate) fn new(
        teams: &[Team],
        keys: &[Key],
        wait: Duration,
        (spent, at): (&[Spent], Timestamp),
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
                purses: purses(&team.budgets, &|it| it.teams.contains(&index)),
            })
            .collect();
        let bounds = |(at, key): (u32, &Key)| {
            let mut all = Bounds {
                gates: Gate::new(key.limits).into_iter().map(Arc::new).collect(),
                purses: purses(&key.budgets, &|it| it.key.is_some_and(|key| key.0 == at)),
            };
            for team in path(key.team, teams).filter_map(|team| by_team.get(team.get())) {
                all.gates.extend(team.gates.iter().cloned());
                all.purses.extend(team.purses.iter().cloned());
            }
            Arc::new(all)
        };
        Self {
            keys: (0..).zip(keys).map(bounds).collect(),
            teams: teams
                .iter()
                .zip(&by_team)
                .map(|(team, bounds)| (Arc::clone(&team.name), bounds.purses.clone()))
                .collect(),
            wait,
            currency: Arc::from(""),
        }
    }

    /// The same accounts, whose refusals speak of money in this currency.
    pub(crate) fn in_currency(self, currency: &Arc<str>) -> Self {
        Self { currency: Arc::clone(currency), ..self }
    }

    fn bounds(&self, caller: &Caller) -> Option<&Arc<Bounds>> {
        self.keys.get(caller.key.get())
    }

    /// Lets a request in: requests at once, and requests a minute.
    ///
    /// # Errors
    /// When key or team is over a limit, with the time after which to come back.
    pub(crate) fn enter(&self, caller: &Caller, now: Instant) -> Result<Seat, Failure> {
        let mut seat = Seat { bounds: self.bounds(caller).cloned(), taken: 0 };
        for at in 0..seat.gates().len() {
            let sat = seat.gates().get(at).map_or(Ok(()), |gate| gate.sit());
            sat.map_err(|wait| too_fast(wait, "too many requests at once"))?;
            seat.taken = at + 1;
        }
        // Counted last and from the key on: who is refused at its own limit takes nothing of its team's.
        for gate in seat.gates() {
            gate.count(now).map_err(|wait| too_fast(wait, "too many requests"))?;
        }
        Ok(seat)
    }

    /// The smallest hard budget left, if one binds.
    pub(crate) fn left(&self, caller: &Caller, at: Timestamp) -> Option<Money> {
        let purses = self.bounds(caller)?.purses.iter().filter(|purse| purse.hard());
        purses.map(|purse| purse.cell(at).left()).min()
    }

    /// Whether a hard budget binds this caller.
    pub(crate) fn binds(&self, caller: &Caller) -> bool {
        self.bounds(caller).is_some_and(|it| it.purses.iter().any(|purse| purse.hard()))
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
    ) -> Result<Permit, Failure> {
        let mut permit =
            Permit { reserved: plan.cost_max, cells: Cells::new(), tokens: SmallVec::new() };
        let Some(bounds) = self.bounds(caller) else { return Ok(permit) };
        for gate in &bounds.gates {
            let taken = gate.take(input, now.0);
            let taken = taken.map_err(|wait| too_fast(wait, "too many tokens"))?;
            permit.tokens.extend(taken);
        }
        let cells: Cells = bounds.purses.iter().map(|purse| purse.cell(now.1)).collect();
        if !reserve(&cells, plan.cost_max, self.wait).await {
            return Err(refusal(&cells, plan.cost_max, &self.currency));
        }
        // No await from here on: what is reserved is in the permit's hands.
        permit.cells = cells;
        Ok(permit)
    }

    /// What stands in the `x-ratelimit-…` headers: the tightest of the limits that bind.
    pub(crate) fn limits(&self, caller: &Caller, now: Instant) -> RateHeaders {
        let gates = self.bounds(caller).map_or(&[][..], |it| &it.gates);
        RateHeaders::of(gates, now)
    }

    /// The budgets of all teams, as they stand.
    pub(crate) fn budgets(&self, at: Timestamp) -> Vec<BudgetReading> {
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

/// Reserves in all cells or in none; waits in line while open reservations stand in the way. False if
/// there was no room.
async fn reserve(cells: &[Arc<Cell>], amount: Money, wait: Duration) -> bool {
    let line = cells.iter().find(|cell| cell.line.stands());
    let Some(full) = line.or_else(|| try_reserve(cells, amount).err()) else { return true };
    let waited = tokio::time::timeout(wait, in_line(full, cells, amount)).await;
    // Everybody before has given up by then, if only just now.
    waited.unwrap_or_else(|_| try_reserve(cells, amount).is_ok())
}

/// Why there was no room: nothing is left, less is left than the request can cost, or enough is left
/// but open requests have reserved it. "Spent" is said only of what is.
fn refusal(cells: &[Arc<Cell>], amount: Money, currency: &str) -> Failure {
    const WHOSE: &str = "the budget of this key or of one of its teams";
    const ADVICE: &str = "a smaller max_tokens lowers what it can cost";
    let refuse = |public: String| Failure::new(Kind::BudgetExceeded, Stage::Admit, public);
    let unspent = cells.iter().filter_map(|cell| cell.unspent()).min().unwrap_or_default();
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

/// Waits at the cell that is full; false if no settle can make room. Between its awaits nothing is held,
/// so it may be dropped at any of them.
async fn in_line(mut full: &Arc<Cell>, cells: &[Arc<Cell>], amount: Money) -> bool {
    loop {
        let place = full.line.join();
        let _turn = place.first().await;
        loop {
            if !cells.iter().all(|cell| cell.could_hold(amount)) {
                return false;
            }
            match try_reserve(cells, amount) {
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

/// All or none: what was reserved before a cell refused is released. The error is the cell that is full.
fn try_reserve(cells: &[Arc<Cell>], amount: Money) -> Result<(), &Arc<Cell>> {
    for (at, cell) in cells.iter().enumerate() {
        if !cell.reserve(amount) {
            cells.iter().take(at).for_each(|cell| cell.release(amount));
            return Err(cell);
        }
    }
    Ok(())
}

/// A team and its ancestors.
pub(crate) fn path(team: TeamIndex, teams: &[Team]) -> impl Iterator<Item = TeamIndex> {
    std::iter::successors(Some(team), |at| teams.get(at.get())?.parent.filter(|parent| parent < at))
}

impl Permit {
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
        self.cells.drain(..).for_each(|cell| cell.settle(self.reserved, cost));
    }
}

impl Drop for Permit {
    /// Unsettled: nothing was used. After a settle nothing is left to give back.
    fn drop(&mut self) {
        self.end(Money::ZERO, Tokens(0));
    }
}
