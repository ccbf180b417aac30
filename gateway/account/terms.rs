//! What of a budget a reload may move, for windows that run as well: how much may be spent.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use crate::config;

/// How much may be spent.
pub(super) struct Terms {
    /// The amount in nano-units: what policies see, and what is alerted of.
    amount: AtomicI64,
    /// The sum that binds, in nano-units: the amount, or the end of the grace above it.
    bound: AtomicI64,
    /// Whether a request is refused when the amount is spent.
    hard: AtomicBool,
    /// Whether the configuration states it, and it is not only counted on.
    stated: AtomicBool,
}

impl Terms {
    /// The terms that the configuration states.
    pub(super) fn of(config: &config::Budget) -> Arc<Self> {
        let terms = Self::hard_up_to(config.amount.nano());
        terms.set(Some(config));
        terms
    }

    /// A hard budget of so many nano-units, without a grace.
    pub(super) fn hard_up_to(nano: i64) -> Arc<Self> {
        Arc::new(Self {
            amount: nano.into(),
            bound: nano.into(),
            hard: true.into(),
            stated: true.into(),
        })
    }

    /// Other terms bind from now on; without any, what is spent is counted on and refuses nobody.
    pub(super) fn set(&self, config: Option<&config::Budget>) {
        if let Some(config) = config {
            let bound = config.soft_until.unwrap_or(config.amount);
            self.amount.store(config.amount.nano(), Ordering::Release);
            self.bound.store(bound.nano(), Ordering::Release);
        }
        self.stated.store(config.is_some(), Ordering::Release);
        self.hard.store(config.is_some_and(|it| it.hard), Ordering::Release);
    }

    /// Nothing more may be reserved.
    pub(super) fn close(&self) {
        self.amount.store(0, Ordering::Release);
        self.bound.store(0, Ordering::Release);
    }

    pub(super) fn amount(&self) -> i64 {
        self.amount.load(Ordering::Acquire)
    }

    pub(super) fn bound(&self) -> i64 {
        self.bound.load(Ordering::Acquire)
    }

    pub(super) fn stated(&self) -> bool {
        self.stated.load(Ordering::Acquire)
    }

    pub(super) fn hard(&self) -> bool {
        self.hard.load(Ordering::Acquire)
    }
}
