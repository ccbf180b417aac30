//! When a key was last used.

use std::sync::atomic::{AtomicI64, Ordering};

/// How much later a use must be to be noted: nothing is written that many requests share for each of them.
const STEP_MS: i64 = 1_000;

/// The moment at which a key was last used, to about a second.
#[derive(Debug, Default)]
pub(crate) struct LastUse {
    /// Milliseconds since 1970; 0 is never.
    at_ms: AtomicI64,
    /// What was last told of it.
    told_ms: AtomicI64,
}

impl LastUse {
    /// It is used now.
    pub(super) fn note(&self, now: jiff::Timestamp) {
        let now_ms = now.as_millisecond();
        // Requests at the same moment may each write: what stands there is one of their moments.
        if now_ms >= self.at_ms.load(Ordering::Relaxed).saturating_add(STEP_MS) {
            self.at_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// When it was last used, if ever.
    pub(super) fn at_ms(&self) -> Option<i64> {
        Some(self.at_ms.load(Ordering::Relaxed)).filter(|at_ms| *at_ms > 0)
    }

    /// What was last told of it is forgotten.
    pub(super) fn not_told(&self) {
        self.told_ms.store(0, Ordering::Relaxed);
    }

    /// The same, if it was used since this was last asked.
    pub(super) fn newly(&self) -> Option<i64> {
        let at_ms = self.at_ms()?;
        (self.told_ms.swap(at_ms, Ordering::Relaxed) != at_ms).then_some(at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_told_once_and_again_where_it_was_not_kept() {
        let at = |ms| jiff::Timestamp::from_millisecond(ms).unwrap();
        let used = LastUse::default();
        assert_eq!((used.at_ms(), used.newly()), (None, None));
        used.note(at(5_000));
        used.note(at(5_500));
        assert_eq!((used.at_ms(), used.newly(), used.newly()), (Some(5_000), Some(5_000), None));
        used.not_told();
        assert_eq!((used.newly(), used.newly()), (Some(5_000), None));
        used.note(at(6_000));
        assert_eq!(used.newly(), Some(6_000));
        // Somebody has set the clock back: the latest use stays.
        used.note(at(1_000));
        assert_eq!((used.at_ms(), used.newly()), (Some(6_000), None));
    }
}
