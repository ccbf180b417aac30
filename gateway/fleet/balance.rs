//! Which replica of a model takes a request. Pure.
//!
//! Requests that begin alike go to the same replica, whose engine has the beginning in its cache, as long
//! as that makes no hot spot: consistent hashing with bounded loads. All others go to the better of two
//! drawn replicas, by first-token time and requests in flight.

/// How much more than its fair share a replica may hold for the sake of its cache
/// (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads, 2016; c = 1.25).
const BOUND: f64 = 1.25;
/// A replica this much slower than the fastest is no favourite: what its cache saves is lost.
const SLOW: f64 = 3.0;

/// One replica, as a hint sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Requests in flight.
    pub in_flight: u32,
    /// Its share of the load, above 0; less than configured while it warms up.
    pub weight: f64,
    /// Recent time to first token, in ms, peaks remembered; `None` is unknown.
    pub first_token_ms: Option<f64>,
    /// What it is called, hashed: the same in every epoch.
    pub name: u64,
    /// Whether it takes requests, was not tried yet and is below its own limit.
    pub usable: bool,
}

/// What a hint is made by, beside the candidates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PickHint {
    /// A random number, for where nothing else decides.
    pub draw: u64,
    /// What requests with the same beginning have in common.
    pub affinity: Option<u64>,
}

/// The candidate that takes the request.
pub(crate) fn choose(candidates: &[Candidate], hint: PickHint) -> Option<usize> {
    let favourite = hint.affinity.and_then(|it| favourite(candidates, it));
    favourite.or_else(|| better_of_two(candidates, hint.draw))
}

/// By rendezvous hashing, the first usable one that is neither above its bound nor slow.
fn favourite(candidates: &[Candidate], affinity: u64) -> Option<usize> {
    let usable = || candidates.iter().enumerate().filter(|(_, it)| it.usable);
    let weights: f64 = usable().map(|(_, it)| it.weight).sum();
    let load: f64 = usable().map(|(_, it)| f64::from(it.in_flight)).sum::<f64>() + 1.0;
    let fastest = usable().filter_map(|(_, it)| it.first_token_ms).reduce(f64::min);
    let fits = |it: &Candidate| {
        let bound = (BOUND * load * it.weight / weights).ceil();
        let slow = |ms: f64| fastest.is_some_and(|fastest| ms > SLOW * fastest.max(1.0));
        f64::from(it.in_flight) + 1.0 <= bound && !it.first_token_ms.is_some_and(slow)
    };
    let score = |it: &Candidate| -it.weight / unit(mix(it.name ^ affinity)).ln();
    usable()
        .filter(|(_, it)| fits(it))
        .max_by(|(_, a), (_, b)| score(a).total_cmp(&score(b)))
        .map(|(at, _)| at)
}

/// Two different usable ones are drawn by weight alone; the cheaper one is taken.
fn better_of_two(candidates: &[Candidate], draw: u64) -> Option<usize> {
    let first = drawn(candidates, mix(draw), None)?;
    let Some(second) = drawn(candidates, mix(!draw), Some(first)) else { return Some(first) };
    let known = candidates.iter().filter(|it| it.usable).filter_map(|it| it.first_token_ms);
    // What is not known is taken for the best: it will be known then.
    let least = known.reduce(f64::min).unwrap_or(1.0);
    let cost = |at: usize| {
        let it = candidates.get(at)?;
        let ms = it.first_token_ms.unwrap_or(least).max(1.0);
        Some(ms * (f64::from(it.in_flight) + 1.0) / it.weight)
    };
    Some(if cost(second)? < cost(first)? { second } else { first })
}

/// A usable one by weight, but not this one.
fn drawn(candidates: &[Candidate], draw: u64, but: Option<usize>) -> Option<usize> {
    let usable = || candidates.iter().enumerate().filter(|(at, it)| it.usable && Some(*at) != but);
    let mut left = unit(draw) * usable().map(|(_, it)| it.weight).sum::<f64>();
    let found = usable().find(|(_, it)| {
        left -= it.weight;
        left <= 0.0
    });
    found.or_else(|| usable().next_back()).map(|(at, _)| at)
}

/// A number above 0 and at most 1.
fn unit(bits: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let above = ((bits >> 11) + 1) as f64;
    above / (1_u64 << 53) as f64
}

/// Spreads the bits (the finaliser of SplitMix64; Steele, Lea, Flood 2014).
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(in_flight: u32, ms: Option<f64>, usable: bool) -> Candidate {
        Candidate { in_flight, weight: 1.0, first_token_ms: ms, name: 0, usable }
    }

    fn fleet(loads: &[u32]) -> Vec<Candidate> {
        let named = |(at, load): (usize, &u32)| Candidate {
            name: mix(at as u64 + 1),
            ..of(*load, Some(50.0), true)
        };
        loads.iter().enumerate().map(named).collect()
    }

    fn by_draw(candidates: &[Candidate], draw: u64) -> Option<usize> {
        choose(candidates, PickHint { draw, affinity: None })
    }

    #[test]
    fn of_two_the_idle_and_the_quick_one_is_taken() {
        for draw in 0..50 {
            assert_eq!(by_draw(&[of(4, None, true), of(1, None, true)], draw), Some(1));
            let quick = [of(0, Some(900.0), true), of(3, Some(40.0), true)];
            assert_eq!(by_draw(&quick, draw), Some(1));
            assert_eq!(by_draw(&[of(9, None, true), of(0, None, false)], draw), Some(0));
            assert_eq!(by_draw(&[of(0, None, false)], draw), None);
        }
        assert_eq!(by_draw(&[], 7), None);
    }

    #[test]
    fn equals_share_and_weights_count() {
        let mut equal = [0; 3];
        let mut weighted = [0; 2];
        let heavy = [
            Candidate { weight: 3.0, ..of(0, None, true) },
            Candidate { weight: 1.0, ..of(0, None, true) },
        ];
        let mut in_flight = [0_u32; 2];
        for draw in 0..3_000 {
            equal[by_draw(&[of(1, None, true); 3], draw).unwrap()] += 1;
            let mut now = heavy;
            now[0].in_flight = in_flight[0];
            now[1].in_flight = in_flight[1];
            let at = by_draw(&now, draw).unwrap();
            in_flight[at] += 1;
            weighted[at] += 1;
        }
        assert!(equal.iter().all(|count| (700..1_300).contains(count)), "{equal:?}");
        assert!((2_200..2_300).contains(&weighted[0]), "{weighted:?}");
    }

    #[test]
    fn the_same_beginning_finds_the_same_replica() {
        let idle = fleet(&[0, 0, 0, 0]);
        let sticky = |candidates: &[Candidate], affinity, draw| {
            choose(candidates, PickHint { draw, affinity: Some(affinity) }).unwrap()
        };
        let mut homes = [0; 4];
        for affinity in 0..400 {
            let home = sticky(&idle, affinity, 1);
            homes[home] += 1;
            for draw in 0..5 {
                assert_eq!(sticky(&idle, affinity, draw), home);
            }
            // Another replica's end moves nobody who was not there.
            let gone = (home + 1) % 4;
            let mut fewer = idle.clone();
            fewer[gone].usable = false;
            assert_eq!(sticky(&fewer, affinity, 9), home);
        }
        assert!(homes.iter().all(|count| (60..140).contains(count)), "{homes:?}");
    }

    #[test]
    fn a_favourite_that_is_slow_is_none() {
        let mut slow = fleet(&[0, 0]);
        for affinity in 0..50 {
            slow[0].first_token_ms = Some(900.0);
            let hint = PickHint { draw: affinity, affinity: Some(affinity) };
            assert_eq!(choose(&slow, hint), Some(1));
        }
    }

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        let ms = prop::option::of(0.0..1e6);
        (0..50_u32, 1..4_u8, ms, any::<bool>()).prop_map(|(in_flight, weight, ms, usable)| {
            Candidate { weight: f64::from(weight) / 2.0, ..of(in_flight, ms, usable) }
        })
    }

    proptest! {
        /// One prompt alone, a thousand times: no replica ever holds more than its bound and one.
        #[test]
        fn no_beginning_makes_a_hot_spot(count in 1..9_usize, affinity: u64, requests in 1..300_u32) {
            let mut candidates = fleet(&vec![0; count]);
            for draw in 0..requests {
                let hint = PickHint { draw: draw.into(), affinity: Some(affinity) };
                let at = choose(&candidates, hint).unwrap();
                candidates[at].in_flight += 1;
                let fair = f64::from(draw + 1) / count as f64;
                let most = (BOUND * fair).ceil();
                prop_assert!(f64::from(candidates[at].in_flight) <= most.max(1.0), "{candidates:?}");
            }
        }

        /// Whoever is chosen is usable, and someone is if anyone is.
        #[test]
        fn a_choice_is_usable(
            all in prop::collection::vec(any_candidate(), 0..8),
            draw: u64,
            affinity: Option<u64>,
        ) {
            let named = |(at, it): (usize, Candidate)| Candidate { name: mix(at as u64), ..it };
            let candidates: Vec<_> = all.into_iter().enumerate().map(named).collect();
            match choose(&candidates, PickHint { draw, affinity }) {
                Some(at) => prop_assert!(candidates[at].usable),
                None => prop_assert!(candidates.iter().all(|it| !it.usable)),
            }
        }
    }
}
