//! What an endpoint is known by, one atomic word each: when something was so, how long streams take to
//! begin, and the peak of that. Each value packs and unpacks itself, so that what belongs together is read
//! and written together and nobody else shifts bits.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Weight of the newest first-token time in the running mean.
const LATENCY_WEIGHT: f32 = 0.2;
/// The least time that is kept, in milliseconds: a word that is 0 holds nothing.
const MS_MIN: f32 = 0.001;

/// A value that fits in one word.
pub(super) trait Packed: Copy {
    /// The word, which is never 0.
    fn pack(self) -> u64;
    /// What was packed.
    fn unpack(word: u64) -> Self;
}

/// A word that requests read and write without a lock; it holds a value or nothing. Readings are hints:
/// none guards other memory, so that no order between words is needed.
pub(super) struct Reading<T> {
    word: AtomicU64,
    of: PhantomData<T>,
}

impl<T: Packed> Reading<T> {
    /// An empty reading.
    pub(super) fn none() -> Self {
        Self { word: AtomicU64::new(0), of: PhantomData }
    }

    /// The value, if there is one.
    pub(super) fn get(&self) -> Option<T> {
        Self::value(self.word.load(Ordering::Relaxed))
    }

    /// Stores a value.
    pub(super) fn set(&self, value: T) {
        self.word.store(value.pack(), Ordering::Relaxed);
    }

    /// Empties it.
    pub(super) fn clear(&self) {
        self.word.store(0, Ordering::Relaxed);
    }

    /// It holds what `next` makes of what it holds, whoever else writes at the same time.
    pub(super) fn update(&self, next: impl Fn(Option<T>) -> T) {
        let step = |word| Some(next(Self::value(word)).pack());
        let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    fn value(word: u64) -> Option<T> {
        (word != 0).then(|| T::unpack(word))
    }
}

/// A moment in the life of an endpoint: milliseconds since it is there, at least 1. It stands still after
/// seven weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u32);

impl Moment {
    /// The moment that is `now`, for an endpoint that is there since `since`.
    pub(super) fn of(now: Instant, since: Instant) -> Self {
        let passed = now.saturating_duration_since(since).as_millis();
        Self(u32::try_from(passed).unwrap_or(u32::MAX).max(1))
    }

    /// How long it is after `earlier`; zero if it is before it.
    pub(super) fn after(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).into())
    }
}

impl Packed for Moment {
    fn pack(self) -> u64 {
        self.0.max(1).into()
    }

    fn unpack(word: u64) -> Self {
        Self(low(word).max(1))
    }
}

/// How long streams took to begin: a running mean, and over how many streams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FirstTokens {
    /// The mean, in milliseconds.
    pub ms: f32,
    /// Over how many streams. None where it only stands in: the time of a plain answer or of a long
    /// prompt.
    pub streams: u32,
}

impl FirstTokens {
    /// What is known with a new time, in milliseconds; `tells` if that says how the endpoint is.
    pub(super) fn with(before: Option<Self>, newest: f32, tells: bool) -> Self {
        let streams = before.map_or(0, |before| before.streams);
        // The first stream that is measured replaces what only stood in for it.
        let mean = before.filter(|_| !tells || streams > 0);
        let ms = mean.map_or(newest, |mean| mean.ms + LATENCY_WEIGHT * (newest - mean.ms));
        Self { ms, streams: streams.saturating_add(tells.into()) }
    }
}

impl Packed for FirstTokens {
    fn pack(self) -> u64 {
        join(bits(self.ms), self.streams)
    }

    fn unpack(word: u64) -> Self {
        Self { ms: f32::from_bits(high(word)), streams: low(word) }
    }
}

/// The mean first-token time with peaks remembered, as it was at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PeakReading {
    /// The mean, in milliseconds.
    pub ms: f32,
    /// The moment of the reading.
    pub at: Moment,
}

impl Packed for PeakReading {
    fn pack(self) -> u64 {
        join(bits(self.ms), self.at.0)
    }

    fn unpack(word: u64) -> Self {
        Self { ms: f32::from_bits(high(word)), at: Moment(low(word).max(1)) }
    }
}

/// A time in milliseconds as 32 bits that are never 0: what is no time is the least.
fn bits(ms: f32) -> u32 {
    // `max` makes the least of what is no number; `clamp` would leave it.
    ms.max(MS_MIN).clamp(MS_MIN, f32::MAX).to_bits()
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

fn low(word: u64) -> u32 {
    word as u32
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn holds<T: Packed>(value: T) -> Option<T> {
        let reading = Reading::none();
        reading.set(value);
        reading.get()
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(ms in MS_MIN..1e9_f32, streams: u32, at in 1..=u32::MAX) {
            let (first, peak) = (FirstTokens { ms, streams }, PeakReading { ms, at: Moment(at) });
            prop_assert_eq!(holds(first), Some(first));
            prop_assert_eq!(holds(peak), Some(peak));
            prop_assert_eq!(holds(Moment(at)), Some(Moment(at)));
        }

        #[test]
        fn one_field_does_not_leak_into_another(ms in MS_MIN..1e9_f32, one: u32, other: u32) {
            let word = |streams| FirstTokens { ms, streams }.pack();
            prop_assert_eq!(high(word(one)), high(word(other)));
            let word = |at| PeakReading { ms, at: Moment(at) }.pack();
            prop_assert_eq!(high(word(one)), high(word(other)));
            let (less, more) = (FirstTokens { ms, streams: one }, FirstTokens { ms: 2.0 * ms, streams: one });
            prop_assert_eq!(low(less.pack()), low(more.pack()));
        }

        #[test]
        fn whatever_it_is_it_is_something_and_a_time(any: u32, streams: u32) {
            let ms = f32::from_bits(any);
            let first = holds(FirstTokens { ms, streams });
            let sound = |it: FirstTokens| it.ms >= MS_MIN && it.ms.is_finite();
            prop_assert!(first.is_some_and(|it| sound(it) && it.streams == streams));
            let peak = holds(PeakReading { ms, at: Moment(streams) });
            prop_assert!(peak.is_some_and(|it| it.ms >= MS_MIN && it.ms.is_finite()));
            prop_assert!(holds(Moment(streams)).is_some());
        }

        #[test]
        fn a_mean_lies_between_what_it_is_of(times in prop::collection::vec(1.0..9e4_f32, 1..20)) {
            let all = times.iter().fold(None, |so_far, ms| Some(FirstTokens::with(so_far, *ms, true)));
            let all = all.expect("one at least");
            let least = times.iter().copied().fold(f32::MAX, f32::min);
            let most = times.iter().copied().fold(0.0, f32::max);
            prop_assert!(all.ms >= least * 0.999 && all.ms <= most * 1.001, "{all:?}");
            prop_assert_eq!(all.streams as usize, times.len());
        }
    }

    #[test]
    fn bounds_saturate() {
        let since = Instant::now();
        assert_eq!(Moment::of(since, since), Moment(1));
        assert_eq!(
            Moment::of(since, since + Duration::from_secs(9)),
            Moment(1),
            "before it was there"
        );
        let late = since + Duration::from_secs(60 * 86_400);
        assert_eq!(Moment::of(late, since), Moment(u32::MAX));
        assert_eq!(Moment(5).after(Moment(9)), Duration::ZERO);
        let most = FirstTokens { ms: 10.0, streams: u32::MAX };
        assert_eq!(FirstTokens::with(Some(most), 10.0, true), most);
        assert_eq!(
            holds(FirstTokens { ms: 0.0, streams: 0 }),
            Some(FirstTokens { ms: MS_MIN, streams: 0 })
        );
    }

    #[test]
    fn the_first_that_tells_takes_the_place_of_what_stood_in() {
        let stood_in = FirstTokens::with(None, 9_000.0, false);
        assert_eq!(stood_in, FirstTokens { ms: 9_000.0, streams: 0 });
        let streams = FirstTokens::with(Some(stood_in), 100.0, true);
        assert_eq!(streams, FirstTokens { ms: 100.0, streams: 1 });
        assert_eq!(
            FirstTokens::with(Some(streams), 200.0, true),
            FirstTokens { ms: 120.0, streams: 2 }
        );
    }

    #[test]
    fn nothing_stands_where_nothing_was_set_or_it_was_cleared() {
        let reading = Reading::none();
        assert_eq!(reading.get(), None);
        reading.set(Moment(7));
        reading.clear();
        assert_eq!(reading.get(), None);
    }

    #[test]
    fn no_update_is_lost() {
        let reading = Reading::none();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        reading.update(|before| FirstTokens::with(before, 50.0, true));
                    }
                });
            }
        });
        assert_eq!(reading.get(), Some(FirstTokens { ms: 50.0, streams: 4_000 }));
    }
}
