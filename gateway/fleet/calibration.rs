//! What a model's tokens are to our estimates of them: a factor, learnt from what its answers report.
//!
//! Estimates go by script, and tokenizers differ. The factor is for who asks how many tokens a request has
//! and gets no answer of an engine; decisions go by the estimate as it is, and stay the same for the same
//! request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use policies::facts::Tokens;

/// How far a factor goes: beyond that it is no tokenizer that differs, but what is counted.
const LEAST: f32 = 0.25;
const MOST: f32 = 4.0;
/// The weight of an answer, once so many have come that each counts for less than this.
const WEIGHT: f32 = 1.0 / 32.0;

/// The factor of one model, and of how many answers it is: both in one word, so that nobody waits.
pub(super) struct Calibration(AtomicU64);

impl Default for Calibration {
    /// An estimate is taken for what it is.
    fn default() -> Self {
        Self(AtomicU64::new(packed(1.0, 0)))
    }
}

impl Calibration {
    /// An answer has reported so many tokens of input where so many were estimated. The first ones count
    /// alike, with one that was as estimated; from then on what is long ago is forgotten.
    pub(super) fn learn(&self, estimated: Tokens, reported: Tokens) {
        if estimated.0 == 0 || reported.0 == 0 {
            return;
        }
        let shown = (reported.0 as f32 / estimated.0 as f32).clamp(LEAST, MOST);
        let _ = self.0.fetch_update(Relaxed, Relaxed, |word| {
            let (factor, answers) = unpacked(word);
            let weight = (1.0 / (answers as f32 + 2.0)).max(WEIGHT);
            let factor = (factor + (shown - factor) * weight).clamp(LEAST, MOST);
            Some(packed(factor, answers.saturating_add(1)))
        });
    }

    /// An estimate by that factor; at least one token where there was any.
    pub(super) fn apply(&self, estimated: Tokens) -> Tokens {
        let (factor, _) = unpacked(self.0.load(Relaxed));
        let tokens = (f64::from(estimated.0) * f64::from(factor)).round();
        Tokens((tokens as u32).max(u32::from(estimated.0 > 0)))
    }
}

fn packed(factor: f32, answers: u32) -> u64 {
    u64::from(factor.to_bits()) << 32 | u64::from(answers)
}

fn unpacked(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn factor(it: &Calibration) -> f32 {
        unpacked(it.0.load(Relaxed)).0
    }

    #[test]
    fn a_model_that_reports_nothing_stays_as_estimated() {
        let it = Calibration::default();
        it.learn(Tokens(0), Tokens(10));
        it.learn(Tokens(10), Tokens(0));
        assert_eq!(unpacked(it.0.load(Relaxed)), (1.0, 0));
        for estimated in [0, 1, 7, 1_000_000, u32::MAX] {
            assert_eq!(it.apply(Tokens(estimated)), Tokens(estimated));
        }
    }

    proptest! {
        #[test]
        fn it_never_leaves_its_bounds(all in prop::collection::vec((any::<u32>(), any::<u32>()), 0..200)) {
            let it = Calibration::default();
            for (estimated, reported) in all {
                it.learn(Tokens(estimated), Tokens(reported));
                prop_assert!((LEAST..=MOST).contains(&factor(&it)));
            }
        }

        #[test]
        fn it_comes_to_what_answers_show(
            ratio in 0.25f64..4.0,
            before in prop::collection::vec((1u32..10_000, 1u32..10_000), 0..100),
        ) {
            let it = Calibration::default();
            for (estimated, reported) in before {
                it.learn(Tokens(estimated), Tokens(reported));
            }
            let reported = Tokens((10_000.0 * ratio) as u32);
            for _ in 0..300 {
                it.learn(Tokens(10_000), reported);
            }
            let found = f64::from(factor(&it));
            prop_assert!((found - ratio).abs() < 0.01, "{found} is not {ratio}");
            let (applied, expected) = (f64::from(it.apply(Tokens(500)).0), 500.0 * ratio);
            prop_assert!((applied - expected).abs() <= 6.0, "{applied} is not {expected}");
        }
    }
}
