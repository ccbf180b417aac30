//! The keys of one issuer as they are now: a snapshot that requests read, and that whoever refreshes it puts
//! another one in place of. It lives on from one directory to the next, as long as its issuer does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

use super::key_set::KeySet;
use crate::config::{KeySource, Oidc};

/// The keys of one issuer.
pub(crate) struct IssuerKeys {
    /// The name of its section.
    pub name: Arc<str>,
    /// Its `iss`.
    pub issuer: Box<str>,
    /// Where its keys are.
    pub source: KeySource,
    current: ArcSwapOption<CurrentKeys>,
    /// Whether a token has come whose key is not known.
    wanted: AtomicBool,
    /// Whether the last refresh failed.
    failing: AtomicBool,
    /// When the current keys were last found to be these, in milliseconds since 1970.
    good_at_ms: AtomicI64,
}

/// The keys at one moment.
pub(crate) struct CurrentKeys {
    /// The keys.
    pub set: KeySet,
    /// Another number since a key was taken away: what was verified before may have been by that.
    pub generation: u64,
}

impl IssuerKeys {
    /// Of this issuer nothing is known yet.
    pub(crate) fn new(oidc: &Oidc) -> Self {
        Self {
            name: Arc::clone(&oidc.name),
            issuer: oidc.issuer.clone(),
            source: oidc.source.clone(),
            current: ArcSwapOption::empty(),
            wanted: false.into(),
            failing: false.into(),
            good_at_ms: i64::MIN.into(),
        }
    }

    /// Whether they are those of this issuer, from the same place.
    pub(crate) fn are_of(&self, oidc: &Oidc) -> bool {
        self.name == oidc.name && self.issuer == oidc.issuer && self.source == oidc.source
    }

    /// The keys, if any are known.
    pub(crate) fn current(&self) -> Option<Arc<CurrentKeys>> {
        self.current.load_full()
    }

    /// The number of the current keys, without taking hold of them.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.current.load().as_ref().map(|it| it.generation)
    }

    /// Puts these keys in place of the others; whether they differ.
    pub(crate) fn install(&self, set: KeySet, now: Timestamp) -> bool {
        self.good_at_ms.store(now.as_millisecond(), Relaxed);
        let before = self.current();
        if before.as_ref().is_some_and(|it| it.set == set) {
            return false;
        }
        let generation = before.map_or(0, |it| it.generation + u64::from(!it.set.within(&set)));
        self.current.store(Some(Arc::new(CurrentKeys { set, generation })));
        true
    }

    /// Asks for a refresh: a token's key is not known.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Relaxed);
    }

    /// Whether a refresh was asked for since the last one began.
    pub(crate) fn wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// A refresh begins: whoever asked for one has it.
    pub(crate) fn begin(&self) {
        self.wanted.store(false, Relaxed);
    }

    /// Notes whether the refresh failed; whether that is news.
    pub(crate) fn note(&self, failing: bool) -> bool {
        self.failing.swap(failing, Relaxed) != failing
    }

    /// Whether the last refresh failed.
    pub(crate) fn failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// How long ago the keys were last found to be these.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        let at = Some(self.good_at_ms.load(Relaxed)).filter(|at| *at != i64::MIN)?;
        let ms = now.as_millisecond().saturating_sub(at);
        Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }
}
