//! The open requests of one account: what each has reserved, and in which budgets it counts that are newer
//! than the account.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use policies::facts::Money;
use slab::Slab;
use uuid::Uuid;

use super::window::BudgetWindow;

/// The requests of an account that have reserved and have not ended. Each takes the lock twice, and holds it
/// for no longer than a few words take to write: so a budget that begins meets every request once.
#[derive(Default)]
pub(super) struct OpenRequests(Mutex<State>);

#[derive(Default)]
struct State {
    open: Slab<Open>,
    /// The budgets that are newer than the account, where some are.
    newer: Vec<Newer>,
}

struct Open {
    request: Requester,
    reserved: Money,
    /// The windows in which it counts beside those in which it has reserved.
    also: Vec<Arc<BudgetWindow>>,
}

/// The request that reserves.
pub(crate) struct Requester {
    /// Its id, as the ledger has it.
    pub id: Uuid,
    /// The name of its key.
    pub key: Arc<str>,
    /// When it came in.
    pub at: Timestamp,
}

/// Budgets that are newer than an account: in which windows at hand a request of it counts.
pub(super) type Newer = Box<dyn Fn(&Requester, Timestamp) -> Vec<Arc<BudgetWindow>> + Send + Sync>;

impl OpenRequests {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a request that has reserved so much. It counts in the budgets that are newer than its account
    /// as well, but is bound by none of them: it came in before they did. Returns its place.
    pub(super) fn open(&self, request: Requester, reserved: Money) -> usize {
        let mut state = self.lock();
        let State { open, newer } = &mut *state;
        let also: Vec<_> = newer.iter().flat_map(|counts| counts(&request, request.at)).collect();
        also.iter().for_each(|window| window.count(0, reserved.nano()));
        open.insert(Open { request, reserved, also })
    }

    /// The request at this place has ended, and has cost so much.
    pub(super) fn close(&self, place: usize, cost: Money) {
        let Some(Open { reserved, also, .. }) = self.lock().open.try_remove(place) else { return };
        also.iter().for_each(|window| window.settle(reserved, cost));
    }

    /// Counts the open requests in these budgets from now on, and those too that still come.
    pub(super) fn count_in(&self, newer: Newer, now: Timestamp) {
        let mut state = self.lock();
        for (_, open) in &mut state.open {
            for window in newer(&open.request, now) {
                window.count(0, open.reserved.nano());
                open.also.push(window);
            }
        }
        state.newer.push(newer);
    }
}
