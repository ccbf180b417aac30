//! The races themselves.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use loom::{
    model::Builder,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::{
    breaker::{Breaker, Recovery},
    outlier::{OutlierState, Places},
};

/// Beyond the first ejection, which is a second long.
const LATER: Duration = Duration::from_secs(2);

/// How often a thread that could have gone on loses its turn, where all orders would be too many: few
/// faults need more than two.
const PREEMPTIONS_MAX: usize = 4;

/// Runs on a thread of the model, with a share in something.
fn run<S: 'static, T: 'static>(
    shared: &Arc<S>,
    work: impl FnOnce(&S) -> T + 'static,
) -> JoinHandle<T> {
    let shared = Arc::clone(shared);
    thread::spawn(move || work(&shared))
}

fn all<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// The law of the flag, as whoever holds the lock sees it: down only where nothing is held.
fn flag_is_true(outlier: &OutlierState) {
    let (held, any) = outlier.breaker(|breaker| (*breaker != Breaker::default(), outlier.any()));
    assert!(any || !held, "something is held, and the flag is down");
}

fn ejected(now: Instant) -> OutlierState {
    let outlier = OutlierState::new();
    assert!(!outlier.failed(now, now) && !outlier.failed(now, now) && outlier.failed(now, now));
    outlier
}

/// Whoever is inside counts itself with an atomic that the model does not see: it only looks on.
#[test]
fn no_more_are_in_flight_than_may_be() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(|| {
        let shared = Arc::new((Places::new(), AtomicU32::new(0)));
        let request = |(places, inside): &(Places, AtomicU32)| {
            let took = places.take(2);
            if took {
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 2, "three have a place of two");
                assert!(places.taken() > 0, "its own is not counted");
                inside.fetch_sub(1, Ordering::SeqCst);
                places.give_back();
            }
            took
        };
        let others = [run(&shared, request), run(&shared, request)];
        request(&shared);
        let took = all(others);
        assert!(took.contains(&true) && shared.0.taken() == 0 && shared.0.free(2) == 2);
    });
}

#[test]
fn the_last_place_goes_to_exactly_one() {
    loom::model(|| {
        let places = Arc::new(Places::new());
        let others = [(); 2].map(|()| run(&places, |places| places.take(1)));
        let own = places.take(1);
        let took = all(others).into_iter().chain([own]).filter(|took| *took).count();
        assert!(took == 1 && places.free(1) == 0 && places.taken() == 1, "{took} took it");
        places.give_back();
        assert_eq!(places.taken(), 0);
    });
}

#[test]
fn without_a_limit_all_get_a_place_and_give_it_back() {
    loom::model(|| {
        let places = Arc::new(Places::new());
        let request = |places: &Places| {
            assert!(places.take(0) && places.taken() > 0);
            places.give_back();
        };
        let other = run(&places, request);
        request(&places);
        all([other]);
        assert!(places.taken() == 0 && places.free(0) > 0);
    });
}

#[test]
fn the_flag_is_never_down_while_something_is_held() {
    loom::model(|| {
        let now = Instant::now();
        let outlier = Arc::new(OutlierState::new());
        let failing = run(&outlier, move |outlier| (0..3).any(|_| outlier.failed(now, now)));
        let answering = run(&outlier, move |outlier| {
            outlier.any() && {
                outlier.succeeded(now + LATER, now + LATER);
                true
            }
        });
        flag_is_true(&outlier);
        let came_between = all([failing, answering]);
        flag_is_true(&outlier);
        assert!(came_between.contains(&true), "neither ejected nor seen");
    });
}

#[test]
fn an_ejection_outlives_answers_that_raced_with_it() {
    loom::model(|| {
        let now = Instant::now();
        let outlier = Arc::new(ejected(now));
        let trial = run(&outlier, move |outlier| {
            outlier.succeeded(now + LATER, now + LATER).0 == Recovery::Back
        });
        let failing = run(&outlier, move |outlier| outlier.failed(now + LATER, now + LATER));
        flag_is_true(&outlier);
        assert!(!outlier.breaker(|breaker| breaker.probed(true, now)));
        let back = all([trial, failing]);
        assert_eq!(back, [true, false], "no trial had begun, so a late failure ejects nobody");
        flag_is_true(&outlier);
        assert!(!outlier.breaker(|breaker| breaker.ejected()));
    });
}

#[test]
fn failures_at_once_eject_once() {
    loom::model(|| {
        let now = Instant::now();
        let outlier = Arc::new(OutlierState::new());
        let others = [(); 2].map(|()| run(&outlier, move |outlier| outlier.failed(now, now)));
        let own = outlier.failed(now, now);
        let ejections = all(others).into_iter().chain([own]).filter(|it| *it).count();
        assert!(ejections == 1 && outlier.any() && outlier.breaker(|breaker| breaker.ejected()));
        assert!(!outlier.breaker(|breaker| breaker.allows(now)));
    });
}

#[test]
fn one_trial_goes_out_at_a_time() {
    loom::model(|| {
        let now = Instant::now();
        let outlier = Arc::new(ejected(now));
        let others = [(); 2].map(|()| run(&outlier, move |outlier| outlier.begins(now + LATER)));
        let own = outlier.begins(now + LATER);
        let trials = all(others).into_iter().chain([own]).filter(|it| *it).count();
        assert_eq!(trials, 1);
        outlier.breaker(|breaker| breaker.undecided(now + LATER));
        assert!(outlier.begins(now + LATER), "the next one");
    });
}

#[test]
fn a_slow_endpoint_that_fails_as_well_is_ejected_once() {
    loom::model(|| {
        let now = Instant::now();
        let outlier = Arc::new(OutlierState::new());
        assert!(!outlier.failed(now, now) && !outlier.failed(now, now));
        let failing = run(&outlier, move |outlier| outlier.failed(now, now));
        let slow = run(&outlier, move |outlier| outlier.eject(now));
        flag_is_true(&outlier);
        let ejections = all([failing, slow]).into_iter().filter(|it| *it).count();
        assert!(ejections == 1 && outlier.any() && outlier.breaker(|breaker| breaker.ejected()));
    });
}

#[test]
fn a_last_resort_is_a_trial_and_no_other_goes_out_after_it() {
    loom::model(|| {
        let now = Instant::now();
        let outlier = Arc::new(ejected(now));
        let resort = run(&outlier, move |outlier| outlier.begins_all_the_same(now + LATER));
        outlier.begins(now + LATER);
        all([resort]);
        assert!(!outlier.begins(now + LATER), "a second trial");
        flag_is_true(&outlier);
    });
}

#[test]
fn a_question_that_failed_and_failures_eject_once_and_the_last_trial_decides() {
    loom::model(|| {
        let now = Instant::now();
        let outlier = Arc::new(OutlierState::new());
        assert!(!outlier.failed(now, now) && !outlier.failed(now, now));
        let failing = run(&outlier, move |outlier| outlier.failed(now, now));
        let suspected = run(&outlier, move |outlier| outlier.suspects(now));
        flag_is_true(&outlier);
        let ejections = all([failing, suspected]).into_iter().filter(|it| *it).count();
        assert!(ejections == 1 && outlier.any() && outlier.breaker(|breaker| breaker.ejected()));
        outlier.begins_all_the_same(now + LATER);
        outlier.succeeded(now + LATER, now + LATER);
        assert!(!outlier.any() && !outlier.breaker(|breaker| breaker.ejected()));
    });
}
