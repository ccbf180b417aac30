//! The retry budget of a model: attempts beyond the first at replicas in outlier, bounded at once and over
//! time, so that an outage is not multiplied.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many may be in flight, as a part of all that their model has in flight, and in any case.
const SHARE: u32 = 5;
const AT_ONCE_MIN: u32 = 3;
/// What one costs. The rest is counted in thousandths of one.
const ONE: u32 = 1_000;
/// What a first attempt adds: a fifth.
const EARNED: u32 = ONE / SHARE;
/// What is saved up at the most.
const SAVED_MAX: u32 = 10 * ONE;
/// What time adds each second, for models that are asked little.
const PER_SECOND: u32 = ONE;

/// The retry budget of one model.
pub(super) struct RetryBudget {
    in_flight: AtomicU32,
    saved: AtomicU32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { in_flight: AtomicU32::new(0), saved: AtomicU32::new(SAVED_MAX) }
    }
}

impl RetryBudget {
    /// A first attempt was made. The budget of a model without outlier is full: then this is one look.
    pub(super) fn earn(&self) {
        self.add(EARNED);
    }

    /// Earns what this many milliseconds add.
    pub(super) fn passed(&self, ms: u32) {
        self.add(ms.saturating_mul(PER_SECOND) / 1_000);
    }

    fn add(&self, thousandths: u32) {
        if self.saved.load(Ordering::Relaxed) < SAVED_MAX {
            let more = |saved: u32| Some(saved.saturating_add(thousandths).min(SAVED_MAX));
            let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    /// Whether one more may be in flight, beside so many requests of its model. An attempt that is the
    /// first of its request is bounded by nothing else.
    pub(super) fn spent(&self, in_flight: u32, first: bool) -> bool {
        self.in_flight.load(Ordering::Relaxed) >= (in_flight / SHARE).max(AT_ONCE_MIN)
            || !first && self.saved.load(Ordering::Relaxed) < ONE
    }

    /// Takes one; false if another was quicker.
    pub(super) fn take(&self, first: bool) -> bool {
        let less = |saved: u32| saved.checked_sub(ONE);
        let (set, got) = (Ordering::Relaxed, Ordering::Relaxed);
        if !first && self.saved.fetch_update(set, got, less).is_err() {
            return false;
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Gives one back: the retry has ended.
    pub(super) fn give_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_time_it_is_a_fifth_of_the_first_attempts() {
        let budget = RetryBudget::default();
        let tries = |many: u32| {
            let took = |_: &u32| {
                budget.earn();
                let took = !budget.spent(100, false) && budget.take(false);
                took.then(|| budget.give_back()).is_some()
            };
            (0..many).filter(took).count()
        };
        assert_eq!(tries(13), 12, "what was saved, and what is earned meanwhile");
        assert_eq!(tries(1_000), 200);
        budget.passed(2_000);
        assert_eq!(tries(10), 4, "two by time");
    }

    #[test]
    fn at_once_it_is_three_or_a_fifth_of_what_is_in_flight() {
        let budget = RetryBudget::default();
        assert!((0..3).all(|_| !budget.spent(0, false) && budget.take(false)));
        assert!(budget.spent(15, false) && budget.spent(15, true));
        assert!(!budget.spent(20, false));
        budget.give_back();
        assert!(!budget.spent(0, true));
    }

    #[test]
    fn a_first_attempt_costs_nothing_of_what_is_saved() {
        let budget = RetryBudget::default();
        for _ in 0..100 {
            assert!(!budget.spent(0, true) && budget.take(true));
            budget.give_back();
        }
        assert_eq!(budget.saved.load(Ordering::Relaxed), SAVED_MAX);
    }
}
