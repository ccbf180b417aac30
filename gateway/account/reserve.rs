//! A reservation of money: taken in every window that binds or in none, waited for where requests that settle
//! may free enough.

use std::{sync::Arc, time::Duration};

use policies::{
    Counts,
    facts::{Money, Tokens},
};
use smallvec::SmallVec;

use super::{limits::TokenReservation, open::OpenRequests, window::BudgetWindow};

/// A reservation of money and tokens. It ends by [`Reservation::settle`], or releases itself.
#[must_use]
pub(crate) struct Reservation {
    pub(super) reserved: Money,
    /// The budget windows in which it was reserved.
    pub(super) windows: Windows,
    pub(super) tokens: SmallVec<[TokenReservation; 4]>,
    /// Its place among the open requests of its account, once the money is reserved.
    pub(super) open: Option<(Arc<OpenRequests>, usize)>,
}

pub(super) type Windows = SmallVec<[Arc<BudgetWindow>; 4]>;

/// Reserves in all windows or in none; waits in the queue while open reservations stand in the way. False if
/// the money is not to be had.
pub(super) async fn reserve(windows: &[Arc<BudgetWindow>], amount: Money, wait: Duration) -> bool {
    let queued = windows.iter().find(|window| window.queue.stands());
    let Some(full) = queued.or_else(|| try_reserve(windows, amount).err()) else { return true };
    let waited = tokio::time::timeout(wait, queue(full, windows, amount)).await;
    // Everybody before has given up by then, if only just now.
    waited.unwrap_or_else(|_| try_reserve(windows, amount).is_ok())
}

/// Waits at the window that is full; false if no settle can free enough. Between its awaits nothing is held,
/// so it may be dropped at any of them.
async fn queue(mut full: &Arc<BudgetWindow>, windows: &[Arc<BudgetWindow>], amount: Money) -> bool {
    loop {
        let place = full.queue.join();
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
pub(super) fn try_reserve(
    windows: &[Arc<BudgetWindow>],
    amount: Money,
) -> Result<(), &Arc<BudgetWindow>> {
    for (at, window) in windows.iter().enumerate() {
        if !window.reserve(amount) {
            windows.iter().take(at).for_each(|window| window.release(amount));
            return Err(window);
        }
    }
    Ok(())
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
        if let Some((open, place)) = self.open.take() {
            open.close(place, cost);
        }
    }
}

impl Drop for Reservation {
    /// Unsettled: nothing was used. After a settle nothing is left to give back.
    fn drop(&mut self) {
        self.end(Money::ZERO, Tokens(0));
    }
}
