//! A request on its way: first a [`Race`] of attempts, then the [`Relay`] of the one that answers, and the
//! clock that bounds both.
//!
//! A call is polled by whoever answers the caller: by the pipeline until something is committed, then by the
//! body of the answer. It writes the [`AttemptLog`] as things happen, because it may be dropped at any poll.

mod contender;
mod last_error;
mod places;
mod race;
mod relay;
mod scope;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use policies::Plan;
use tokio::time::Sleep;

use self::{
    places::Places,
    race::Race,
    relay::{Moved, Relay, Won},
    scope::{KEEP_ALIVE_EVERY, Scope, Visit},
};
use super::{
    CallOptions, Upstreams,
    attempts::{Attempts, Envelope},
    outbound::{Outbound, Piece},
    target::UpstreamRequest,
};
use crate::{failure::Failure, outcome::AttemptLog};

/// How far a call has come when it lands.
pub(crate) enum Committed {
    /// A plain answer.
    Whole(Bytes),
    /// A stream whose content is passed on.
    Streaming,
    /// A stream of which there is nothing to pass on so far; fallback is still possible.
    Early,
}

/// One request on its way to backends, with all its attempts.
pub(crate) struct Call {
    scope: Scope,
    phase: Phase,
    alarm: Alarm,
    /// When the head of a stream is sent, whether or not there is anything to say.
    early_at: Option<Instant>,
    last_piece: Instant,
    /// The caller was given a piece, and has not come back for another since `last_piece`.
    handed: bool,
    out: Outbound,
    /// What is said to the caller when all pieces are.
    last_word: Option<Failure>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a call is boxed, and each phase is moved into it once"
)]
enum Phase {
    Race(Race),
    Relay(Relay),
    Over,
}

/// One timer, moved only when it would come too late.
#[derive(Default)]
struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
    /// The waker that the timer wakes.
    armed_by: Option<Waker>,
}

impl Call {
    /// A call of which nothing has been sent yet.
    pub(crate) fn new(
        upstreams: Arc<Upstreams>,
        plan: Arc<Plan>,
        request: UpstreamRequest,
        options: CallOptions,
    ) -> Self {
        let CallOptions { hint, waiter, early_head } = options;
        let now = now();
        let total = plan.attempts.iter().map(|it| u64::from(it.timeouts.total_ms)).max();
        // Room for one attempt that hangs to its own bound, and for another that does not.
        let deadline = now + Duration::from_millis(total.unwrap_or(0) * 2);
        let stream = request.body.stream();
        let request = UpstreamRequest { validates: plan.validates, ..request };
        // The first sign of a plain answer is its end: its silence says nothing.
        let hedge = plan.hedge.filter(|_| stream);
        let hedge_after = hedge.map(|it| Duration::from_millis(it.after_ms.into()));
        let guard = plan.slow_stream.filter(|_| stream);
        let envelope = Envelope { plan: Arc::clone(&plan), deadline, hedge_after, guard };
        let race = Race::new(Attempts::new(envelope), Places::new(hint, waiter));
        Self {
            scope: Scope { upstreams, plan, request },
            phase: Phase::Race(race),
            alarm: Alarm::default(),
            early_at: stream.then(|| now + early_head),
            last_piece: now,
            handed: false,
            out: Outbound::default(),
            last_word: None,
        }
    }

    /// Goes on until something is committed, all is lost, or a stream has been silent for too long.
    pub(crate) fn poll_landing(
        &mut self,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
    ) -> Poll<Result<Committed, Failure>> {
        loop {
            let mut at = Visit { cx: &mut *cx, log: &mut *log, now: now() };
            if let Some(committed) = self.race(&mut at)? {
                return Poll::Ready(Ok(committed));
            }
            let now = at.now;
            if self.early_at.is_some_and(|early| now >= early) {
                self.early_at = None;
                self.last_piece = now;
                self.out.push(Piece::KeepAlive);
                return Poll::Ready(Ok(Committed::Early));
            }
            if self.expire(&mut at)? {
                continue;
            }
            if self.alarm.set(self.next_moment(now), cx, now).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// The next piece for the caller of a stream; `None` at its real end. After an error nothing more
    /// comes.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
    ) -> Poll<Option<Result<Piece, Failure>>> {
        loop {
            if let Some(piece) = self.out.pop() {
                self.handed = true;
                return Poll::Ready(Some(Ok(piece)));
            }
            let now = now();
            if std::mem::take(&mut self.handed) {
                self.excuse(now.saturating_duration_since(self.last_piece));
            }
            let mut at = Visit { cx: &mut *cx, log: &mut *log, now };
            let moved = match &mut self.phase {
                Phase::Over => return Poll::Ready(self.last_word.take().map(Err)),
                Phase::Race(_) => self.race(&mut at).map(|committed| committed.is_some()),
                Phase::Relay(relay) => {
                    let moved = relay.advance(&self.scope, &mut self.out, &mut at);
                    self.moved(moved)
                }
            };
            if let Ok(true) = moved {
                self.last_piece = now;
                continue;
            }
            match moved.and_then(|_| self.expire(&mut at)) {
                Err(failure) => {
                    // First what came before.
                    self.end(failure);
                    continue;
                }
                Ok(true) => continue,
                Ok(false) => {}
            }
            if !self.ends() && now >= self.last_piece + KEEP_ALIVE_EVERY {
                self.last_piece = now;
                self.handed = true;
                return Poll::Ready(Some(Ok(Piece::KeepAlive)));
            }
            if self.alarm.set(self.next_moment(now), cx, now).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// The process ends, and the stream with it: what has come is passed on, then this.
    pub(crate) fn stop(&mut self, failure: Failure, log: &mut AttemptLog) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut at = Visit { cx: &mut cx, log, now: now() };
        match &self.phase {
            Phase::Over => return,
            Phase::Relay(relay) if relay.ends() => {
                relay.finish(&mut at);
                self.phase = Phase::Over;
                return;
            }
            Phase::Relay(relay) => relay.stop(&mut at),
            Phase::Race(race) => race.stop(&mut at),
        }
        self.end(failure);
    }

    fn end(&mut self, failure: Failure) {
        self.phase = Phase::Over;
        self.last_word = Some(failure);
    }

    /// Goes on with the race; what is committed is relayed from here on.
    fn race(&mut self, at: &mut Visit<'_, '_>) -> Result<Option<Committed>, Failure> {
        let Phase::Race(race) = &mut self.phase else { return Ok(None) };
        let Some(won) = race.advance(&self.scope, &mut self.out, at)? else { return Ok(None) };
        self.early_at = None;
        self.last_piece = at.now;
        let (phase, committed) = match won {
            Won::Whole(body) => (Phase::Over, Committed::Whole(body)),
            Won::Stream(relay) => (Phase::Relay(relay), Committed::Streaming),
            Won::Ended => (Phase::Over, Committed::Streaming),
        };
        self.phase = phase;
        Ok(Some(committed))
    }

    /// Whether anything came of it; what is over is left.
    fn moved(&mut self, moved: Result<Moved, Failure>) -> Result<bool, Failure> {
        let moved = moved?;
        if moved == Moved::Over {
            self.phase = Phase::Over;
        }
        Ok(moved != Moved::No)
    }

    /// Ends what has taken too long. True if anything changed.
    fn expire(&mut self, at: &mut Visit<'_, '_>) -> Result<bool, Failure> {
        match &mut self.phase {
            Phase::Over => Ok(false),
            Phase::Race(race) => race.expire(&self.scope, at),
            Phase::Relay(relay) => {
                let moved = relay.expire(&self.scope, &mut self.out, at);
                self.moved(moved)
            }
        }
    }

    /// The caller took so long to take what had come: nothing was waited for.
    fn excuse(&mut self, taken: Duration) {
        match &mut self.phase {
            Phase::Over => {}
            Phase::Race(race) => race.excuse(taken),
            Phase::Relay(relay) => relay.excuse(taken),
        }
    }

    /// Whether the caller has been sent everything.
    fn ends(&self) -> bool {
        match &self.phase {
            Phase::Over => true,
            Phase::Race(_) => false,
            Phase::Relay(relay) => relay.ends(),
        }
    }

    /// When the call has to be polled again.
    fn next_moment(&self, now: Instant) -> Instant {
        let phase = match &self.phase {
            Phase::Over => None,
            Phase::Race(race) => race.next_moment(&self.scope, now),
            Phase::Relay(relay) => Some(relay.next_moment(&self.scope)),
        };
        let silent = self.scope.stream() && self.early_at.is_none();
        let silent = silent.then(|| self.last_piece + KEEP_ALIVE_EVERY);
        let all = [phase, silent, self.early_at].into_iter().flatten();
        all.min().unwrap_or(now + KEEP_ALIVE_EVERY)
    }
}

impl Alarm {
    /// Sees to it that the call is polled again in time. One that comes early finds nothing to do and is
    /// set anew.
    fn set(&mut self, at: Instant, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let at = at.into();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.is_elapsed() || at < timer.deadline() {
            timer.as_mut().reset(at);
        } else if timer.deadline().into_std() > now
            && self.armed_by.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            return Poll::Pending;
        }
        self.armed_by = Some(cx.waker().clone());
        timer.as_mut().poll(cx)
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
