use std::{
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;

/// A clock that tests set: seconds after a moment.
static SECONDS: AtomicU64 = AtomicU64::new(0);

fn began() -> Instant {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *BEGAN.get_or_init(Instant::now)
}

fn after(seconds: u64) -> Instant {
    began() + Duration::from_secs(seconds)
}

fn kept(length: usize) -> Kept {
    Kept { body: vec![b'x'; length].into(), model: "m".into(), cost: Money::from_nano(7) }
}

fn key(number: u8) -> Key {
    [number; 32]
}

const HOUR: Duration = Duration::from_secs(3_600);

proptest! {
    #[test]
    fn it_is_never_heavier_than_it_may_be_and_counts_right(
        bytes_max in 0..40_000_usize,
        steps in prop::collection::vec((any::<bool>(), 0..12_u8, 0..6_000_usize, 0..50_u64), 1..120),
    ) {
        let cache = Cache::new(bytes_max, HOUR);
        for (nth, (puts, of, length, lives)) in (0..).zip(steps) {
            if puts {
                cache.put(key(of), kept(length), after(nth + lives));
            } else {
                let found = cache.look(&key(of), after(nth), |_| true);
                if let Look::Answer(it) = found {
                    prop_assert!(shelf::weight(&it) <= bytes_max / ENTRY_PART);
                }
            }
            let (counted, is) = cache.shelf().weighs();
            prop_assert_eq!(counted, is);
            prop_assert!(counted <= bytes_max);
        }
    }
}

/// What all answers that are still coming hold.
fn gathered(cache: &Cache) -> usize {
    cache.gathered.load(Ordering::SeqCst)
}

proptest! {
    #[test]
    fn answers_that_are_still_coming_take_no_more_than_those_that_are_kept(
        bytes_max in 0..40_000_usize,
        pieces in prop::collection::vec((0..16_usize, 0..1_500_usize), 1..200),
    ) {
        let cache = Cache::new(bytes_max, HOUR);
        let mut all: Vec<_> = (0..16).map(|_| Some(Gathering::new(Arc::clone(&cache)))).collect();
        let mut come = [0; 16];
        for (of, length) in pieces {
            // No bytes stand for a caller that went.
            if length == 0 {
                (all[of], come[of]) = (None, 0);
            }
            let it = all[of].get_or_insert_with(|| Gathering::new(Arc::clone(&cache)));
            it.push(&vec![b'x'; length]);
            come[of] += length;
            prop_assert!(it.body().is_none_or(|body| body.len() == come[of]), "whole or nothing");
            prop_assert!(gathered(&cache) <= bytes_max);
            let held: usize = all.iter().flatten().filter_map(Gathering::body).map(<[u8]>::len).sum();
            prop_assert!(held <= gathered(&cache));
        }
        all.clear();
        prop_assert_eq!(gathered(&cache), 0, "nothing is held by who is gone");
    }
}

#[test]
fn an_answer_without_room_is_given_up_and_the_next_has_its_room() {
    let cache = Cache::new(80_000, HOUR);
    let gather = |length: usize| {
        let mut it = Gathering::new(Arc::clone(&cache));
        it.push(&vec![b'x'; length]);
        it
    };
    assert!(gather(10_000).body().is_some(), "an eighth");
    assert!(gather(10_001).body().is_none(), "more than an eighth");
    let mut eight: Vec<_> = (0..8).map(|_| gather(10_000)).collect();
    assert!(eight.iter().all(|it| it.body().is_some()));
    let mut ninth = gather(1);
    assert!(ninth.body().is_none());
    let taken = eight.pop().map(|mut it| it.take());
    assert_eq!(taken.map(|it| (it.len(), it.capacity())), Some((10_000, 10_000)));
    ninth.push(b"x");
    assert!(ninth.body().is_none(), "a part of it is missing");
    assert!(gather(10_000).body().is_some());
}

#[test]
fn what_was_asked_for_the_longest_ago_makes_room() {
    let cache = Cache::new(80_000, HOUR);
    let there = |of: u8| matches!(cache.look(&key(of), after(0), |_| true), Look::Answer(_));
    for of in 0..8 {
        cache.put(key(of), kept(9_488), after(10));
    }
    assert!((0..8).all(there));
    assert!(there(0), "asked for last");
    cache.put(key(8), kept(9_488), after(10));
    assert!(there(0) && there(8) && !there(1));
    cache.put(key(9), kept(9_489), after(10));
    assert!(!there(9), "more than an eighth");
}

#[test]
fn it_is_kept_until_its_time_and_not_a_moment_longer() {
    let cache = Cache::new(80_000, HOUR);
    cache.put(key(1), kept(1), after(10));
    let look = |at| cache.look(&key(1), at, |_| true);
    let nearly = after(10) - Duration::from_nanos(1);
    assert!(matches!(look(nearly), Look::Answer(_)));
    assert!(
        matches!(cache.look(&key(1), nearly, |_| false), Look::Nothing),
        "not for whom may not"
    );
    assert!(matches!(look(after(10)), Look::Expired));
    assert!(matches!(look(after(10)), Look::Nothing));
    assert!(!Cache::new(0, HOUR).keeps());
}

fn clock() -> Instant {
    after(SECONDS.load(Ordering::SeqCst))
}

async fn find(cache: &Cache) -> Found {
    cache.find(&key(1), clock, |_| true).await
}

/// Whether a request waits for its turn: it is asked once.
fn waits(it: Pin<&mut impl Future>) -> bool {
    it.now_or_never().is_none()
}

#[tokio::test(start_paused = true)]
async fn one_goes_and_the_others_have_its_answer() {
    let cache = Cache::new(80_000, HOUR);
    let Found::Nothing(false, Some(lead)) = find(&cache).await else { panic!("the first goes") };
    let mut others: Vec<_> = (0..5).map(|_| Box::pin(find(&cache))).collect();
    for it in &mut others {
        assert!(waits(it.as_mut()));
    }
    let other = cache.find(&key(2), clock, |_| true).await;
    assert!(matches!(other, Found::Nothing(false, Some(_))), "another question waits for nobody");
    cache.put(key(1), kept(3), after(1_000_000));
    drop(lead);
    for it in others {
        assert!(matches!(it.await, Found::Answer(_, true)));
    }
    drop(other);
    assert!(matches!(find(&cache).await, Found::Answer(_, false)));
    assert_eq!(cache.flights.count(), 0, "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn if_the_first_brings_nothing_the_next_goes_and_those_who_left_are_passed_over() {
    let cache = Cache::new(80_000, HOUR);
    let first = find(&cache).await;
    let mut all: Vec<_> = (0..3).map(|_| Box::pin(find(&cache))).collect();
    for it in &mut all {
        assert!(waits(it.as_mut()));
    }
    let (mut third, mut second) = (all.pop().unwrap(), all.remove(1));
    drop(all);
    drop(first);
    let Found::Nothing(false, Some(lead)) = second.as_mut().await else { panic!("the next goes") };
    assert!(waits(third.as_mut()), "one at a time");
    lead.release();
    let Found::Nothing(false, None) = third.await else { panic!("nobody waits for nothing") };
    drop(second);
    assert_eq!(cache.flights.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_he_is_to() {
    let cache = Cache::new(80_000, Duration::from_secs(10));
    let _first = find(&cache).await;
    let began = tokio::time::Instant::now();
    assert!(matches!(find(&cache).await, Found::Nothing(false, None)));
    assert_eq!(began.elapsed().as_secs(), 10);
}
