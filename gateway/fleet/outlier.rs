//! The two states of an endpoint that requests race for: whether it is an outlier, and how many of its
//! places are taken. The model checker in `tests/loom` goes through every order in which they can.

use std::{sync::PoisonError, time::Instant};

use super::{
    breaker::{Breaker, Recovery},
    sync::{AtomicBool, AtomicU32, Mutex, Ordering},
};

/// The breaker of an endpoint, behind a flag that a healthy one is read by.
pub(super) struct OutlierState {
    /// Set while the breaker holds anything, so that a healthy endpoint costs no lock. It changes
    /// with the lock held alone.
    held: AtomicBool,
    breaker: Mutex<Breaker>,
}

impl OutlierState {
    /// The state of an endpoint that nothing is held against.
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

    /// A request goes out although the endpoint is ejected: it is the trial.
    pub(super) fn begins_all_the_same(&self, now: Instant) {
        self.breaker(|breaker| breaker.begins(now));
    }

    /// A request was answered; with it, since when the endpoint was out of service, if that was told.
    pub(super) fn succeeded(&self, began: Instant, now: Instant) -> (Recovery, Option<Instant>) {
        self.breaker(|breaker| {
            let out_since = breaker.out_since();
            let recovery = breaker.succeeded(began, now);
            self.held.store(recovery == Recovery::Watched, Ordering::Relaxed);
            (recovery, out_since)
        })
    }

    /// A request failed by the endpoint's fault. True if this ejects it.
    pub(super) fn failed(&self, began: Instant, now: Instant) -> bool {
        self.breaker(|breaker| {
            self.held.store(true, Ordering::Relaxed);
            breaker.failed(began, now)
        })
    }

    /// The endpoint is to be left alone for another reason than failures. False if it is already.
    pub(super) fn eject(&self, now: Instant) -> bool {
        self.breaker(|breaker| {
            self.held.store(true, Ordering::Relaxed);
            breaker.eject(now)
        })
    }

    /// The endpoint did not answer its first question. False if it is ejected already.
    pub(super) fn suspects(&self, now: Instant) -> bool {
        self.breaker(|breaker| {
            self.held.store(true, Ordering::Relaxed);
            breaker.suspects(now)
        })
    }
}

/// Requests in flight at an endpoint. How many there may be is asked each time: a configuration may change
/// it under way.
pub(super) struct Places(AtomicU32);

impl Places {
    /// Places of which none is taken.
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// How many of `most` are free; of 0, which is no limit, any number.
    pub(super) fn free(&self, most: u32) -> u32 {
        limit(most).saturating_sub(self.taken())
    }

    /// Takes one of `most`, if one is free: looking and taking are one step.
    pub(super) fn take(&self, most: u32) -> bool {
        let free = |taken: u32| (taken < limit(most)).then_some(taken + 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free).is_ok()
    }

    /// Gives one back. Whoever has begun to wait before is seen by whoever gives back, or sees that it was.
    pub(super) fn give_back(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn limit(most: u32) -> u32 {
    if most == 0 { u32::MAX } else { most }
}
