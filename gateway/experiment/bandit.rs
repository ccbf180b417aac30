//! Shares of arms that follow what is known of them: Thompson sampling, with a floor for each arm.
//!
//! An arm's share in the next period is the probability that it is the best one, as it looks now (Thompson,
//! "On the likelihood that one unknown probability exceeds another", Biometrika 25, 1933), counted in seeded
//! draws. Whoever has the counts of a period can draw its shares again.

use xxhash_rust::xxh3::xxh3_64;

use super::draws::Draws;

/// In so many draws the best arm is counted: a share is exact to about a hundredth.
const DRAWS: u32 = 4_000;

/// What is known of an arm's primary metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known {
    /// Of what is or is not: how often it was, and how often it was not.
    Rate {
        /// How often it was.
        yes: f64,
        /// How often it was not.
        no: f64,
    },
    /// Of numbers: their mean and its standard error.
    Mean {
        /// The mean.
        mean: f64,
        /// Its standard error.
        error: f64,
    },
    /// Too little: it may be anything.
    Nothing,
}

/// The seed of a period's draws.
pub(crate) fn seed(experiment: &str, version: &str, period: u64) -> u64 {
    xxh3_64(format!("{experiment}\n{version}\n{period}").as_bytes())
}

/// The arms' shares: each the probability that this arm is the best, above the floor that each keeps. They
/// add up to 1. An arm of which nothing is known is as likely the best as any other.
pub(crate) fn shares(arms: &[Known], higher_is_better: bool, floor: f64, seed: u64) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a handful of arms")]
    let count = arms.len().max(1) as f64;
    let floor = if floor.is_finite() { floor.clamp(0.0, 1.0 / count) } else { 1.0 / count };
    let known = arms.iter().filter(|it| **it != Known::Nothing).count();
    let mut best: Vec<u32> = vec![0; arms.len()];
    let mut draws = Draws::new(seed);
    for _ in 0..DRAWS {
        let drawn = arms.iter().map(|arm| drawn(*arm, &mut draws));
        let signed = drawn.map(|it| it.map(|it| if higher_is_better { it } else { -it }));
        let most = signed.enumerate().filter_map(|(at, it)| Some((at, it?)));
        let winner = most.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at);
        if let Some(wins) = winner.and_then(|at| best.get_mut(at)) {
            *wins += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of arms")]
    let known = known as f64;
    let above_floor = 1.0 - count * floor;
    let probability = |(arm, wins): (&Known, &u32)| match arm {
        Known::Nothing => 1.0 / count,
        _ => f64::from(*wins) / f64::from(DRAWS) * known / count,
    };
    arms.iter().zip(&best).map(|it| floor + above_floor * probability(it)).collect()
}

fn drawn(arm: Known, draws: &mut Draws) -> Option<f64> {
    match arm {
        Known::Rate { yes, no } => Some(draws.beta(1.0 + yes.max(0.0), 1.0 + no.max(0.0))),
        Known::Mean { mean, error } => Some(mean + error * draws.normal()),
        Known::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known() -> impl Strategy<Value = Known> {
        prop_oneof![
            (0.0..1e6_f64, 0.0..1e6_f64).prop_map(|(yes, no)| Known::Rate { yes, no }),
            (-1e9..1e9_f64, 0.0..1e6_f64).prop_map(|(mean, error)| Known::Mean { mean, error }),
            Just(Known::Nothing),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_floor_is_kept_and_the_shares_add_up(
            arms in prop::collection::vec(known(), 2..6),
            floor in 0.0..0.5_f64,
            seed in any::<u64>(),
            higher in any::<bool>(),
        ) {
            let count = arms.len() as f64;
            let all = shares(&arms, higher, floor, seed);
            prop_assert_eq!(&all, &shares(&arms, higher, floor, seed));
            prop_assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{:?}", all);
            prop_assert!(all.iter().all(|it| *it >= floor.min(1.0 / count) - 1e-12), "{:?}", all);
        }
    }

    #[test]
    fn the_better_arm_gets_the_units_and_the_other_keeps_the_floor() {
        let rates = [Known::Rate { yes: 90.0, no: 10.0 }, Known::Rate { yes: 50.0, no: 50.0 }];
        let all = shares(&rates, true, 0.1, 1);
        assert!(all[0] > 0.89 && all[1] >= 0.1, "{all:?}");
        let all = shares(&rates, false, 0.1, 1);
        assert!(all[1] > 0.89 && all[0] >= 0.1, "{all:?}");
        let means = [Known::Mean { mean: 1.0, error: 0.1 }, Known::Mean { mean: 2.0, error: 0.1 }];
        assert!(shares(&means, false, 0.1, 1)[0] > 0.89);
        assert_eq!(shares(&[Known::Nothing; 4], true, 0.1, 1), [0.25; 4]);
        assert_eq!(shares(&[], true, 0.1, 1), Vec::<f64>::new());
    }

    #[test]
    fn it_moves_to_the_better_arm_over_the_periods() {
        let mut counts = [[0.0; 2]; 3];
        let truth = [0.5, 0.5, 0.65];
        let mut draws = Draws::new(11);
        let mut now = vec![1.0 / 3.0; 3];
        for period in 0..200 {
            for _ in 0..50 {
                let place = draws.uniform();
                let mut end = 0.0;
                let at = now.iter().position(|share| {
                    end += share;
                    place < end
                });
                let at = at.unwrap_or(2);
                counts[at][usize::from(draws.uniform() < truth[at])] += 1.0;
            }
            let known = counts.map(|[no, yes]| Known::Rate { yes, no });
            now = shares(&known, true, 0.05, seed("it", "1", period));
        }
        assert!(now[2] > 0.85 && now[0] >= 0.05 && now[1] >= 0.05, "{now:?}");
        assert!(counts[2].iter().sum::<f64>() > 6_000.0, "{counts:?}");
    }
}
