//! What is held against an endpoint, and its places: the two states that requests race for. The model
//! checker in `tests/loom` goes through every order in which they can.

use std::{sync::PoisonError, time::Instant};

use super::{
    breaker::{Breaker, Relief},
    sync::{AtomicBool, AtomicU32, Mutex, Ordering},
};

/// A breaker behind a flag.
pub(super) struct Trouble {
    /// Set while the breaker holds anything, so that a healthy endpoint costs no lock. It changes
    /// with the lock held alone.
    held: AtomicBool,
    breaker: Mutex<Breaker>,
}

impl Trouble {
    /// None.
    pub(super) fn new() -> Self {
        Self { held: AtomicBool::new(false), breaker: Mutex::new(Breaker::default()) }
    }

    /// Whether anything is held against the endpoint.
    pub(super) fn any(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Asks the breaker, or changes what leaves nothing and everything held as it is.
    pub(super) fn breaker<T>(&self, f: impl FnOnce(&mut Breaker) -> T) -> T {
        f(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request goes out, if it still may: of many who saw that a trial is due, one goes.
    pub(super) fn begins(&self, now: Instant) -> bool {
        self.breaker(|breaker| {
            let allowed = breaker.allows(now);
            if allowed {
                breaker.begins(now);
            }
            allowed
        })
    }

    /// A request was answered.
    pub(super) fn succeeded(&self, now: Instant) -> Relief {
        self.breaker(|breaker| {
            let relief = breaker.succeeded(now);
            self.held.store(relief == Relief::Watched, Ordering::Relaxed);
            relief
        })
    }

    /// A request failed by the endpoint's fault. True if this ejects it.
    pub(super) fn failed(&self, now: Instant) -> bool {
        self.breaker(|breaker| {
            self.held.store(true, Ordering::Relaxed);
            breaker.failed(now)
        })
    }
}

/// Requests in flight at an endpoint, and how many there may be.
pub(super) struct Places {
    taken: AtomicU32,
    /// 0 is no limit.
    pub(super) max: u32,
}

impl Places {
    /// All of them free.
    pub(super) fn new(max: u32) -> Self {
        Self { taken: AtomicU32::new(0), max }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether none is free.
    pub(super) fn full(&self) -> bool {
        self.max > 0 && self.taken() >= self.max
    }

    /// Takes one, if one is free: looking and taking are one step.
    pub(super) fn take(&self) -> bool {
        let free =
            |taken: u32| (self.max == 0 || taken < self.max).then_some(taken.saturating_add(1));
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_ok()
    }

    /// Gives one back.
    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
