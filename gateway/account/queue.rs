//! The queue of a budget window: who waits for money is served in the order in which he came.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Mutex, MutexGuard, Notify};

/// The requests that wait for money of a window, in the order in which they came.
#[derive(Default)]
pub(super) struct BudgetQueue {
    waiting: AtomicU32,
    /// Held by the first of them: tokio's lock is fair, so it is the queue.
    turn: Mutex<()>,
    /// Notifies the first of them that money came free.
    freed: Notify,
}

/// A position in a queue; dropping it leaves the queue.
pub(super) struct Place<'a>(&'a BudgetQueue);

impl BudgetQueue {
    /// Whether anybody waits.
    pub(super) fn stands(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Money came free: the first looks whether it is enough.
    pub(super) fn free(&self) {
        self.freed.notify_one();
    }

    /// Joins the queue at its end.
    pub(super) fn join(&self) -> Place<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Place(self)
    }
}

impl<'a> Place<'a> {
    /// Waits until nobody stands before.
    pub(super) async fn first(&self) -> MutexGuard<'a, ()> {
        self.0.turn.lock().await
    }

    /// The first waits until money comes free. What came free since its last try counts.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
