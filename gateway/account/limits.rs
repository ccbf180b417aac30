//! How fast a key or a team may go: requests a minute, requests at once, tokens a minute.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use policies::facts::Tokens;

use crate::config::Limits;

/// What a caller at its limit of requests at once is told to wait.
const SEAT_WAIT: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The limits of one key or team.
pub(crate) struct Gate {
    requests: Option<Requests>,
    seats: Option<Seats>,
    tokens: Option<Arc<Bucket>>,
}

struct Requests {
    limiter: DefaultDirectRateLimiter,
    per_minute: u32,
    /// What was let through in the minute at hand, for the headers.
    let_in: Mutex<(Option<Instant>, u32)>,
}

struct Seats {
    most: u32,
    taken: AtomicU32,
}

/// How a limit stands: the limit, what is left of it, and when all of it is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset: Duration,
}

impl Gate {
    /// A gate, if there is anything to keep.
    pub(super) fn new(limits: Limits) -> Option<Self> {
        let requests = limits.requests_per_minute.and_then(NonZeroU32::new).map(|most| Requests {
            limiter: RateLimiter::direct(Quota::per_minute(most)),
            per_minute: most.get(),
            let_in: Mutex::new((None, 0)),
        });
        let seats = limits.concurrent.map(|most| Seats { most, taken: AtomicU32::new(0) });
        let tokens = limits.tokens_per_minute.map(|most| Arc::new(Bucket::new(most)));
        let any = requests.is_some() || seats.is_some() || tokens.is_some();
        any.then_some(Self { requests, seats, tokens })
    }

    /// Lets one request in, or says when to come back.
    pub(super) fn enter(&self) -> Result<(), Duration> {
        self.sit()?;
        let Some(requests) = &self.requests else { return Ok(()) };
        requests.limiter.check().map_err(|not_until| {
            self.leave();
            not_until.wait_time_from(requests.limiter.clock().now())
        })?;
        requests.note(Instant::now());
        Ok(())
    }

    fn sit(&self) -> Result<(), Duration> {
        let Some(seats) = &self.seats else { return Ok(()) };
        let free = |taken: u32| (taken < seats.most).then_some(taken + 1);
        let sat = seats.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, free);
        sat.map(drop).map_err(|_| SEAT_WAIT)
    }

    /// A request that was let in has ended.
    pub(super) fn leave(&self) {
        if let Some(seats) = &self.seats {
            seats.taken.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Takes tokens, if they are limited here; or says when to come back.
    pub(super) fn take_tokens(
        &self,
        tokens: Tokens,
        now: Instant,
    ) -> Option<Result<Taken, Duration>> {
        let bucket = self.tokens.as_ref()?;
        let taken = bucket.take(tokens, now);
        Some(taken.map(|()| Taken { bucket: Arc::clone(bucket), tokens }))
    }

    pub(super) fn requests(&self, now: Instant) -> Option<Standing> {
        self.requests.as_ref().map(|requests| requests.standing(now))
    }

    pub(super) fn tokens(&self, now: Instant) -> Option<Standing> {
        self.tokens.as_ref().map(|bucket| bucket.standing(now))
    }
}

impl Requests {
    fn note(&self, now: Instant) {
        let mut let_in = self.let_in.lock().unwrap_or_else(PoisonError::into_inner);
        match *let_in {
            (Some(since), count) if now.duration_since(since) < MINUTE => {
                *let_in = (Some(since), count + 1);
            }
            _ => *let_in = (Some(now), 1),
        }
    }

    fn standing(&self, now: Instant) -> Standing {
        let (since, count) = *self.let_in.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = since.map_or(MINUTE, |since| now.saturating_duration_since(since));
        let reset = MINUTE.saturating_sub(spent);
        let count = if reset.is_zero() { 0 } else { count };
        Standing { limit: self.per_minute, remaining: self.per_minute.saturating_sub(count), reset }
    }
}

/// Tokens a minute by the generic cell rate algorithm (ITU-T I.371): one moment says it all, the one at
/// which the bucket is full again. Ours and not governor's, because tokens are given back.
pub(super) struct Bucket {
    most: u32,
    /// When the bucket is full again.
    full_at: Mutex<Option<Instant>>,
}

impl Bucket {
    fn new(most: Tokens) -> Self {
        Self { most: most.0.max(1), full_at: Mutex::new(None) }
    }

    fn span(&self, tokens: u32) -> Duration {
        MINUTE.mul_f64(f64::from(tokens) / f64::from(self.most))
    }

    /// Takes tokens. A request larger than the bucket is let through when the bucket is full: it could
    /// never be served otherwise.
    fn take(&self, tokens: Tokens, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let from = full_at.filter(|at| *at > now).unwrap_or(now);
        let after = from + self.span(tokens.0);
        let over = after.saturating_duration_since(now).saturating_sub(MINUTE);
        if !over.is_zero() && from > now {
            return Err(over.min(from.saturating_duration_since(now)));
        }
        *full_at = Some(after);
        Ok(())
    }

    /// Corrects what was taken to what was used.
    fn correct(&self, taken: Tokens, used: Tokens) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = full_at.and_then(|at| {
            let more = self.span(used.0.saturating_sub(taken.0));
            (at + more).checked_sub(self.span(taken.0.saturating_sub(used.0)))
        });
    }

    fn standing(&self, now: Instant) -> Standing {
        let full_at = *self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let reset = full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let share = (reset.as_secs_f64() / MINUTE.as_secs_f64()).min(1.0);
        let used = (f64::from(self.most) * share).round();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to most")]
        let used = used as u32;
        Standing { limit: self.most, remaining: self.most.saturating_sub(used), reset }
    }
}

/// Tokens that were taken for a request.
pub(super) struct Taken {
    bucket: Arc<Bucket>,
    tokens: Tokens,
}

impl Taken {
    /// The request is over and used this many.
    pub(super) fn settle(self, used: Tokens) {
        self.bucket.correct(self.tokens, used);
    }
}
