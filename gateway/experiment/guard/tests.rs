use proptest::prelude::*;

use super::*;
use crate::experiment::draws::Draws;

fn guard() -> Guard {
    Guard { error_rate_max: Some(0.02), requests_min: 50, ..Guard::default() }
}

fn full() -> Guard {
    Guard {
        first_token_p95_ms_max: Some(3_000.0),
        cost_mean_max: Some(Money::from_nano(4_000_000)),
        feedback_min: vec![("success".into(), 0.4)],
        ..guard()
    }
}

/// The request at which an arm is rolled back, of so many.
fn broken_at(guard: &Guard, requests: u64, mut draw: impl FnMut() -> Seen) -> Option<u64> {
    let mut evidence = Evidence::new(guard);
    (1..=requests).find(|_| {
        evidence.add(guard, draw());
        evidence.broken(guard).is_some()
    })
}

/// The share of simulated arms that are ever rolled back; a tenth of the simulations unless all are asked
/// for.
fn rolled_back(guard: &Guard, draw: impl Fn(&mut Draws) -> Seen) -> f64 {
    let runs = if std::env::var_os("SIGNALBOX_TEST_FULL").is_some() { 1_000 } else { 100 };
    let ever = (0..runs)
        .filter(|seed| {
            let mut draws = Draws::new(*seed);
            broken_at(guard, 5_000, || draw(&mut draws)).is_some()
        })
        .count();
    ever as f64 / f64::from(runs as u32)
}

fn failing(rate: f64) -> impl Fn(&mut Draws) -> Seen {
    move |draws| Seen { failed: draws.uniform() < rate, ..Seen::default() }
}

#[test]
fn a_healthy_arm_is_left_alone_at_every_look() {
    assert!(rolled_back(&guard(), failing(0.01)) < 0.01);
    assert!(rolled_back(&guard(), failing(0.02)) <= 0.02);
}

#[test]
fn an_arm_whose_every_metric_is_at_its_bound_is_left_alone() {
    // Costs with a long tail, and a mean of exactly the bound: e^(σ·z − σ²/2).
    let at_bound = |draws: &mut Draws| {
        let cost = 4_000_000.0 * (1.2 * draws.normal() - 0.72).exp();
        Seen {
            failed: draws.uniform() < 0.02,
            first_token_ms: Some(if draws.uniform() < 0.05 { 3_001.0 } else { 500.0 }),
            took_ms: Some(5_000.0),
            cost: Some(Money::from_nano(cost as i64)),
        }
    };
    assert!(rolled_back(&full(), at_bound) <= 0.02);
}

#[test]
fn costs_that_are_rarely_small_are_left_alone_at_the_bound() {
    // Nearly all a little above the bound, and a few far below it.
    let draw = |draws: &mut Draws| {
        let nano = if draws.uniform() < 0.05 { 0 } else { 4_210_526 };
        Seen { cost: Some(Money::from_nano(nano)), ..Seen::default() }
    };
    let guard = Guard { error_rate_max: None, ..full() };
    assert!(rolled_back(&guard, draw) <= 0.02);
}

#[test]
fn a_broken_arm_is_found_as_soon_as_it_may_be() {
    let guard = guard();
    for seed in 0..200 {
        let mut draws = Draws::new(seed);
        let failing = failing(0.3);
        let at = broken_at(&guard, 400, || failing(&mut draws));
        assert!(at.is_some_and(|at| at <= 60), "{at:?}");
    }
    // A single excess of twice the bound takes longer, and is found.
    let mut draws = Draws::new(1);
    let failing = failing(0.04);
    assert!(broken_at(&guard, 5_000, || failing(&mut draws)).is_some());
}

#[test]
fn each_bound_is_held_by_itself() {
    let ok = Seen { took_ms: Some(100.0), first_token_ms: Some(50.0), ..Seen::default() };
    let cheap = Some(Money::from_nano(1_000_000));
    let found = |seen: Seen| {
        let guard = full();
        let mut evidence = Evidence::new(&guard);
        (0..50).for_each(|_| evidence.add(&guard, seen));
        evidence.broken(&guard).map(|it| it.metric.to_string())
    };
    assert_eq!(found(Seen { cost: cheap, ..ok }), None);
    assert_eq!(found(Seen { failed: true, ..ok }).as_deref(), Some("error"));
    let slow = Seen { first_token_ms: Some(3_000.1), took_ms: Some(9_000.0), ..ok };
    assert_eq!(found(slow).as_deref(), Some("first_token_ms"));
    // Nothing came until it was given up after the bound: that was too slow as well.
    let silent = Seen { first_token_ms: None, took_ms: Some(3_000.1), ..ok };
    assert_eq!(found(silent).as_deref(), Some("first_token_ms"));
    let dear = Seen { cost: Some(Money::from_nano(8_000_000)), ..ok };
    assert_eq!(found(dear).as_deref(), Some("cost"));
    // At the bound is within it.
    let at = Seen { first_token_ms: Some(3_000.0), cost: Some(Money::from_nano(4_000_000)), ..ok };
    assert_eq!(found(at), None);
}

#[test]
fn the_last_feedback_of_a_request_counts() {
    let guard = full();
    let mut evidence = Evidence::new(&guard);
    let ok = Seen::default();
    (0..100).for_each(|_| evidence.add(&guard, ok));
    (0..100).for_each(|_| evidence.add_feedback(&guard, "success", (None, 1.0)));
    (0..100).for_each(|_| evidence.add_feedback(&guard, "unwatched", (None, 0.0)));
    assert_eq!(evidence.broken(&guard), None);
    (0..90).for_each(|_| evidence.add_feedback(&guard, "success", (Some(1.0), 0.0)));
    let broken = evidence.broken(&guard).unwrap();
    assert_eq!((&*broken.metric, broken.bound), ("success", 0.4));
    assert!((broken.value.unwrap() - 0.1).abs() < 1e-12);
    (0..90).for_each(|_| evidence.add_feedback(&guard, "success", (Some(0.0), 7.0)));
    assert_eq!(evidence.broken(&guard), None);
    evidence.add_feedback(&guard, "success", (None, f64::NAN));
    assert_eq!(evidence.readings(&guard).last().unwrap().value, Some(1.0));
}

#[test]
fn nothing_is_said_before_the_least_number_of_requests() {
    let guard = guard();
    assert_eq!(broken_at(&guard, 400, || Seen { failed: true, ..Seen::default() }), Some(50));
    let none = Guard { requests_min: 1, ..Guard::default() };
    assert_eq!(broken_at(&none, 400, || Seen { failed: true, ..Seen::default() }), None);
}

proptest! {
    #[test]
    fn evidence_is_a_number_and_grows_with_failures(
        requests in 0..10_000_000_u32,
        failed in 0.0..=1.0_f64,
        bound in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64],
    ) {
        let count = f64::from(requests);
        let rate = |sum: f64| Rate { count, sum }.log_e(bound);
        let sum = count * failed;
        prop_assert!(!rate(sum).is_nan());
        prop_assert!(rate(sum) <= rate((sum + 1.0).min(count)) + 1e-6);
        // What is within the bound has less evidence against it than there was before the first request.
        prop_assert!(rate(count * bound * failed) <= 1e-6 + count * 1e-12);
    }

    #[test]
    fn no_cost_makes_the_evidence_no_number(
        costs in prop::collection::vec(prop_oneof![Just(0), Just(i64::MAX), 0..i64::MAX], 0..60),
        bound in prop_oneof![Just(1), Just(i64::MAX), 1..i64::MAX],
    ) {
        let guard = Guard { cost_mean_max: Some(Money::from_nano(bound)), ..Guard::default() };
        let mut evidence = Evidence::new(&guard);
        for cost in costs {
            evidence.add(&guard, Seen { cost: Some(Money::from_nano(cost)), ..Seen::default() });
        }
        prop_assert!(evidence.readings(&guard).iter().all(|it| !it.log_e.is_nan() && !it.e().is_nan()));
    }
}
