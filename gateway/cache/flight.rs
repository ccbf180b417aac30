//! Equal requests: one goes, and the others wait for what comes of it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::Key;

type Open = Mutex<HashMap<Key, Weak<Flight>>>;

/// The requests under way that may bring an answer to be kept, by what they ask.
#[derive(Debug, Default)]
pub(super) struct Flights(Arc<Open>);

/// Those who ask the same: who has the turn goes, and the others stand in line.
#[derive(Debug)]
struct Flight {
    turn: Arc<Turn<()>>,
    /// What they ask has an answer that is not kept: nobody waits for another.
    free: AtomicBool,
    key: Key,
    open: Arc<Open>,
}

/// The right to go first. Dropping it lets the next one go.
#[derive(Debug)]
pub(crate) struct Lead {
    turn: Option<OwnedMutexGuard<()>>,
    flight: Arc<Flight>,
    waited: bool,
}

impl Flights {
    /// The turn of a request, at once or after those before it; nothing where that takes too long.
    pub(super) async fn join(&self, key: &Key, wait: Duration) -> Option<Lead> {
        let flight = self.flight(key);
        if let Ok(turn) = Arc::clone(&flight.turn).try_lock_owned() {
            return Some(Lead { turn: Some(turn), flight, waited: false });
        }
        let turn = Arc::clone(&flight.turn).lock_owned();
        let turn = tokio::time::timeout(wait, turn).await.ok()?;
        // Those behind are free as well, and need no turn for that.
        let turn = (!flight.free.load(Ordering::Acquire)).then_some(turn);
        Some(Lead { turn, flight, waited: true })
    }

    fn flight(&self, key: &Key) -> Arc<Flight> {
        let mut open = lock(&self.0);
        if let Some(flight) = open.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        let (turn, open_to) = (Arc::default(), Arc::clone(&self.0));
        let flight = Flight { turn, free: AtomicBool::new(false), key: *key, open: open_to };
        let flight = Arc::new(flight);
        open.insert(*key, Arc::downgrade(&flight));
        flight
    }

    /// How many questions are asked at the moment.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.0).len()
    }
}

fn lock(open: &Open) -> MutexGuard<'_, HashMap<Key, Weak<Flight>>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Flight {
    /// The last one has gone. Another flight of the same key may have begun meanwhile.
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if open.get(&self.key).is_some_and(|it| it.strong_count() == 0) {
            open.remove(&self.key);
        }
    }
}

impl Lead {
    /// Whether others went before.
    pub(super) fn waited(&self) -> bool {
        self.waited
    }

    /// Whether the others wait for this one.
    pub(super) fn holds(&self) -> bool {
        self.turn.is_some()
    }

    /// There is an answer, and it is not kept: the others are not to wait for one another.
    pub(crate) fn release(self) {
        self.flight.free.store(true, Ordering::Release);
    }
}
