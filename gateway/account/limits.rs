//! How fast a key or a team may go: requests a minute, requests at once, tokens a minute.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use policies::facts::Tokens;

use super::named::Owner;
use crate::{
    config::Limits,
    failure::{Failure, Kind, Stage},
};

/// The `retry-after` of a caller at its limit of requests at once.
const CONCURRENCY_WAIT: Duration = Duration::from_secs(1);
/// A minute in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

/// The limits of one key or team.
pub(super) struct RateLimits {
    /// Whose they are, as a refusal says.
    owner: Owner,
    requests: Option<Arc<Requests>>,
    concurrency: Option<Arc<Concurrency>>,
    tokens: Option<Arc<Bucket>>,
}

/// Requests a minute: governor counts, the meter remembers what it said for the headers.
struct Requests<C: Clock = DefaultClock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>,
    meter: Bucket,
}

struct Concurrency {
    most: AtomicU32,
    taken: AtomicU32,
}

/// Which limit a request is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// Requests at once.
    Concurrent,
    /// Requests a minute.
    Requests,
    /// Tokens a minute, of which the request asks so many.
    Tokens(Tokens),
}

/// How a limit stands: the limit, what is left of it, and when all of it is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LimitReading {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset: Duration,
}

impl RateLimits {
    /// The limits of this configuration; none where it sets none.
    pub(super) fn new(owner: &Owner, limits: Limits) -> Option<Self> {
        let requests = limits.requests_per_minute.and_then(NonZeroU32::new);
        let requests = requests.map(|most| Arc::new(Requests::new(most, DefaultClock::default())));
        let concurrency = limits.concurrent.map(Concurrency::new);
        let tokens = limits.tokens_per_minute.map(|most| Arc::new(Bucket::new(most.0)));
        let any = requests.is_some() || concurrency.is_some() || tokens.is_some();
        let owner = owner.clone();
        any.then_some(Self { owner, requests, concurrency, tokens })
    }

    /// Other limits of the same key or team. What is in use stays in use: a reload brings no fresh burst.
    pub(super) fn after(&self, limits: Limits, now: Instant) -> Option<Self> {
        let mut new = Self::new(&self.owner, limits)?;
        if let (Some(requests), Some(before)) = (&new.requests, &self.requests) {
            new.requests = Some(before.becoming(requests, now));
        }
        if let (Some(most), Some(before)) = (limits.concurrent, &self.concurrency) {
            before.most.store(most, Ordering::Release);
            new.concurrency = Some(Arc::clone(before));
        }
        if let (Some(most), Some(before)) = (limits.tokens_per_minute, &self.tokens) {
            before.set(most.0, now);
            new.tokens = Some(Arc::clone(before));
        }
        Some(new)
    }

    /// Why a request is over one of the limits, and when to come back.
    #[cold]
    pub(super) fn refusal(&self, limit: Limit, wait: Duration) -> Failure {
        let owner = &self.owner;
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        let said = match limit {
            Limit::Concurrent => {
                let most = self.concurrency.as_ref().map(|it| it.most.load(Ordering::Acquire));
                let most = most.unwrap_or_default();
                format!("{owner} may have {most} requests at once, and as many are open")
            }
            Limit::Requests => {
                let most = self.requests.as_ref().map_or(0, |it| it.meter.most());
                format!("{owner} may send {most} requests a minute, and has sent them")
            }
            Limit::Tokens(asked) => {
                let most = self.tokens.as_ref().map_or(0, |it| it.most());
                let asked = asked.0;
                format!(
                    "{owner} may use {most} tokens a minute, and too few are left for the input of this \
                     request, about {asked}"
                )
            }
        };
        let public = format!("{said}; come back in {seconds} s");
        Failure::new(Kind::RateLimited, Stage::Admit, public).after(wait)
    }

    /// Takes a place among the requests at once, or says when to come back.
    pub(super) fn acquire(&self) -> Result<(), Duration> {
        let Some(concurrency) = &self.concurrency else { return Ok(()) };
        let most = concurrency.most.load(Ordering::Acquire);
        let free = |taken: u32| (taken < most).then_some(taken + 1);
        let acquired = concurrency.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, free);
        acquired.map(drop).map_err(|_| CONCURRENCY_WAIT)
    }

    /// Gives the permit back.
    pub(super) fn release(&self) {
        if let Some(concurrency) = &self.concurrency {
            concurrency.taken.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Counts one request, or says when to come back.
    pub(super) fn count(&self, now: Instant) -> Result<(), Duration> {
        self.requests.as_ref().map_or(Ok(()), |requests| requests.count(now))
    }

    /// Takes tokens, if they are limited here; or says when to come back.
    pub(super) fn take(
        &self,
        tokens: Tokens,
        now: Instant,
    ) -> Result<Option<TokenReservation>, Duration> {
        let Some(bucket) = &self.tokens else { return Ok(None) };
        let taken = bucket.take(tokens.0, now)?;
        Ok(Some(TokenReservation { bucket: Arc::clone(bucket), taken }))
    }

    /// Whose limits they are.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Requests at once: how many there may be, and how many more can come now.
    pub(super) fn concurrent(&self) -> Option<(u32, u32)> {
        let concurrency = self.concurrency.as_ref()?;
        let most = concurrency.most.load(Ordering::Acquire);
        Some((most, most.saturating_sub(concurrency.taken.load(Ordering::Acquire))))
    }

    pub(super) fn requests(&self, now: Instant) -> Option<LimitReading> {
        self.requests.as_ref().map(|requests| requests.meter.reading(now))
    }

    pub(super) fn tokens(&self, now: Instant) -> Option<LimitReading> {
        self.tokens.as_ref().map(|bucket| bucket.reading(now))
    }
}

impl Concurrency {
    fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most: AtomicU32::new(most), taken: AtomicU32::new(0) })
    }
}

impl Requests {
    /// The same where the limit is the same; else the new one, in which as many are used.
    fn becoming(self: &Arc<Self>, new: &Arc<Self>, now: Instant) -> Arc<Self> {
        let (before, limit) = (self.meter.reading(now), new.meter.most());
        if before.limit == limit {
            return Arc::clone(self);
        }
        let used = before.limit.saturating_sub(before.remaining).min(limit);
        if let Some(used) = NonZeroU32::new(used) {
            // As many as there are: they cannot be refused.
            let _ = new.limiter.check_n(used);
            new.meter.note(limit - used.get(), now);
        }
        Arc::clone(new)
    }
}

impl<C: Clock> Requests<C> {
    fn new(most: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::direct_with_clock(Quota::per_minute(most), clock);
        Self { limiter: limiter.with_middleware(), meter: Bucket::new(most.get()) }
    }

    fn count(&self, now: Instant) -> Result<(), Duration> {
        match self.limiter.check() {
            Ok(snapshot) => {
                self.meter.note(snapshot.remaining_burst_capacity(), now);
                Ok(())
            }
            Err(refused) => Err(refused.wait_time_from(self.limiter.clock().now())),
        }
    }
}

/// Tokens a minute by the generic window rate algorithm (ITU-T I.371): one moment says it all, the one
/// at which the bucket is full again. Ours and not governor's, because tokens are given back.
pub(super) struct Bucket {
    most: AtomicU32,
    /// The first moment it was asked about: time is counted from there, in nanoseconds.
    began: OnceLock<Instant>,
    /// The moment at which the bucket is full again.
    full_at: AtomicU64,
}

impl Bucket {
    fn new(most: u32) -> Self {
        Self { most: most.max(1).into(), began: OnceLock::new(), full_at: AtomicU64::new(0) }
    }

    fn most(&self) -> u32 {
        self.most.load(Ordering::Acquire)
    }

    /// Another limit: as many tokens are missing as before.
    fn set(&self, most: u32, now: Instant) {
        let (most, now) = (most.max(1), self.nanos(now));
        let before = self.most.swap(most, Ordering::AcqRel);
        let step = |full_at: u64| {
            let span = u128::from(full_at.saturating_sub(now)) * u128::from(before);
            let span = u64::try_from(span.div_ceil(most.into())).unwrap_or(u64::MAX);
            (before != most && full_at > now).then(|| now.saturating_add(span))
        };
        // An error says that nothing is missing or nothing has changed.
        let _ = self.full_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
    }

    fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(*self.began.get_or_init(|| now));
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// How long it takes until so many are there again; rounded up, so that no rounding lets one more
    /// through.
    fn span(&self, tokens: u32) -> u64 {
        (u64::from(tokens).saturating_mul(MINUTE)).div_ceil(self.most().into())
    }

    /// Takes tokens and says how many. A request larger than the bucket is let
    /// through when the bucket is full: it could never be served otherwise.
    fn take(&self, tokens: u32, now: Instant) -> Result<u32, Duration> {
        let (now, span) = (self.nanos(now), self.span(tokens));
        let after = |full_at: u64| full_at.max(now).saturating_add(span);
        let fits = |full_at: u64| full_at <= now || after(full_at) - now <= MINUTE;
        let step = |full_at: u64| fits(full_at).then(|| after(full_at));
        match self.full_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, step) {
            Ok(_) => Ok(tokens),
            Err(full_at) => {
                let room = (after(full_at) - now).saturating_sub(MINUTE);
                Err(Duration::from_nanos(room.min(full_at.saturating_sub(now))))
            }
        }
    }

    /// Corrects what was taken to what was used.
    fn correct(&self, taken: u32, used: u32) {
        let (taken, used) = (self.span(taken), self.span(used));
        let step = |full_at: u64| Some(full_at.saturating_add(used).saturating_sub(taken));
        // The step always gives a value.
        let _ = self.full_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
    }

    /// Remembers that this many were left.
    fn note(&self, left: u32, now: Instant) {
        let missing = self.span(self.most().saturating_sub(left));
        self.full_at.fetch_max(self.nanos(now).saturating_add(missing), Ordering::AcqRel);
    }

    fn reading(&self, now: Instant) -> LimitReading {
        let reset = self.full_at.load(Ordering::Acquire).saturating_sub(self.nanos(now));
        // What has come back in part is not there yet; the nanosecond by which spans are rounded up is.
        let missing = u128::from(reset.saturating_sub(1)) * u128::from(self.most());
        let missing = u32::try_from(missing.div_ceil(MINUTE.into())).unwrap_or(u32::MAX);
        LimitReading {
            limit: self.most(),
            remaining: self.most().saturating_sub(missing),
            reset: Duration::from_nanos(reset),
        }
    }
}

/// Tokens that were taken for a request.
pub(super) struct TokenReservation {
    bucket: Arc<Bucket>,
    taken: u32,
}

impl TokenReservation {
    /// The request is over and used this many.
    pub(super) fn settle(self, used: Tokens) {
        self.bucket.correct(self.taken, used.0);
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn requests_a_minute_are_counted_and_told() {
        let clock = FakeRelativeClock::default();
        let requests = Requests::new(NonZeroU32::new(60).unwrap(), clock.clone());
        let start = Instant::now();
        for left in (0..60).rev() {
            requests.count(start).unwrap();
            assert_eq!(requests.meter.reading(start).remaining, left);
        }
        assert_eq!(requests.count(start), Err(SECOND), "one comes back each second");
        assert_eq!(requests.meter.reading(start).reset, Duration::from_secs(60));
        clock.advance(SECOND);
        let nearly = start + SECOND - Duration::from_millis(1);
        assert_eq!(requests.meter.reading(nearly).remaining, 0, "none before its time");
        let now = start + SECOND;
        assert_eq!(requests.meter.reading(now).remaining, 1);
        requests.count(now).unwrap();
        assert!(requests.count(now).is_err());
    }

    #[test]
    fn tokens_come_back_with_time_and_by_settling() {
        let bucket = Bucket::new(600);
        let now = Instant::now();
        let taken = bucket.take(600, now).unwrap();
        assert_eq!(bucket.take(100, now), Err(10 * SECOND));
        assert!(bucket.take(100, now + 9 * SECOND).is_err());
        bucket.take(100, now + 10 * SECOND).unwrap();
        bucket.correct(taken, 100);
        let reading = bucket.reading(now + 10 * SECOND);
        assert_eq!((reading.limit, reading.remaining), (600, 500));
        assert_eq!(reading.reset, 10 * SECOND);
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_when_it_is_full() {
        let bucket = Bucket::new(600);
        let now = Instant::now();
        bucket.take(1_200, now).unwrap();
        assert_eq!(bucket.take(1_200, now), Err(120 * SECOND), "full again after two minutes");
        assert_eq!(bucket.take(1, now), Err(Duration::from_millis(60_100)));
        bucket.take(1_200, now + 120 * SECOND).unwrap();
        let huge = Bucket::new(1);
        let taken = huge.take(u32::MAX, now).unwrap();
        assert!(huge.take(1, now).is_err());
        huge.correct(taken, 0);
        huge.take(1, now).unwrap();
    }

    proptest! {
        /// What is left is what was not taken, to the token.
        #[test]
        fn a_standing_is_exact(most in 1_u32..5_000_000, share in 0_u32..=100) {
            let (bucket, now) = (Bucket::new(most), Instant::now());
            let taken = (u64::from(most) * u64::from(share) / 100) as u32;
            bucket.take(taken, now).unwrap();
            prop_assert_eq!(bucket.reading(now).remaining, most - taken);
        }

        /// However requests take, settle and wait: what was used never passes one full bucket and
        /// what time has brought, plus what no reservation could foresee.
        #[test]
        fn no_more_is_used_than_time_brings(
            steps in proptest::collection::vec((0_u32..400, 0_u32..100, 0_u64..3_000), 1..200),
        ) {
            let bucket = Bucket::new(400);
            let start = Instant::now();
            let (mut now, mut used) = (start, 0_u64);
            for (tokens, share, wait) in steps {
                now += Duration::from_millis(wait);
                if let Ok(taken) = bucket.take(tokens, now) {
                    let real = tokens * share / 100;
                    bucket.correct(taken, real);
                    used += u64::from(real);
                }
                let brought = 400.0 * (now - start).as_secs_f64() / 60.0;
                #[allow(clippy::cast_precision_loss, reason = "small")]
                let used = used as f64;
                prop_assert!(used <= 400.0 + brought + 1e-6, "{used} of {}", 400.0 + brought);
            }
        }

        /// A caller who comes back when it was told to is let in.
        #[test]
        fn the_wait_is_what_was_said(takes in proptest::collection::vec(1_u32..1_500, 1..50)) {
            let bucket = Bucket::new(1_000);
            let mut now = Instant::now();
            for tokens in takes {
                if let Err(wait) = bucket.take(tokens, now) {
                    prop_assert!(!wait.is_zero());
                    now += wait;
                    prop_assert!(bucket.take(tokens, now).is_ok());
                }
            }
        }
    }
}
