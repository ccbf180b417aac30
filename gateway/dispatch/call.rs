//! A request on its way: the attempts machine, the attempt that runs, and the clock that bounds both.
//!
//! A call is polled by whoever answers the caller: by `run` until something is committed, then by the
//! body of the answer. It writes the [`AttemptLog`] as things happen, because it may be dropped at any poll.

mod clock;
mod content;
mod relay;
mod start;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use policies::{Plan, facts::ModelIndex};
use smallvec::SmallVec;
use tokio::time::Sleep;

use super::{
    CallOptions, Upstreams,
    attempt::{Attempt, Shown},
    attempts::{Attempts, Envelope, Event},
    judge::AttemptError,
    target::UpstreamRequest,
};
use crate::{
    failure::{Failure, Kind},
    fleet::{PickHint, QueueTicket, Turn, Waiter},
    outcome::AttemptLog,
    wire,
};

/// A caller that hears nothing for this long gets a comment: clients give up otherwise.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// How far a call has come when `run` returns.
pub(crate) enum Committed {
    Whole(Bytes),
    /// A stream whose content is passed on.
    Streaming,
    /// A stream of which there is nothing to pass on so far; fallback is still possible.
    Early,
}

/// A piece of a stream for the caller.
pub(crate) enum Piece {
    Bytes(Bytes),
    /// An event with usage, which gets the cost before it is passed on.
    Usage(Bytes),
    /// A place for usage and cost where the backend told none; and the last event of a hint, from which
    /// a chunk of ours learns how it is called.
    Bill(Option<Bytes>),
}

pub(crate) struct Call {
    upstreams: Arc<Upstreams>,
    plan: Arc<Plan>,
    request: UpstreamRequest,
    hint: PickHint,
    standing: Waiter,
    attempts: Attempts,
    /// The place in a full model's line.
    ticket: Option<QueueTicket>,
    /// The attempt that is looked at.
    attempt: Option<Attempt>,
    /// What a stream has said before commitment.
    held: Pieces,
    /// A plain answer may be waited for in vain: another attempt was begun beside it, where there is one.
    doubted: bool,
    /// The other of two attempts, of which the first to prove itself answers.
    rival: Option<Box<(Attempt, Pieces)>>,
    tried: SmallVec<[(ModelIndex, u16); 4]>,
    error: Option<Failure>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes.
    armed_by: Option<Waker>,
    early_at: Option<Instant>,
    last_piece: Instant,
    /// Since then the caller has had the word: nobody waits for the backend.
    handed: bool,
    queue: Pieces,
    /// What is said to the caller when all pieces are.
    last_word: Option<Failure>,
    state: State,
}

type Pieces = SmallVec<[Piece; 2]>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Committed,
    /// `[DONE]` was passed on; only the connection's end is awaited, until then.
    Tail(Instant),
    Over,
}

impl Call {
    /// A call that has not left yet.
    pub(crate) fn new(
        upstreams: Arc<Upstreams>,
        plan: Arc<Plan>,
        request: UpstreamRequest,
        options: CallOptions,
    ) -> Self {
        let CallOptions { hint, standing, early_head } = options;
        let now = now();
        let total = plan.attempts.iter().map(|it| u64::from(it.timeouts.total_ms)).max();
        // Room for one attempt that hangs to its own bound, and for another that does not.
        let deadline = now + Duration::from_millis(total.unwrap_or(0) * 2);
        let stream = request.body.stream();
        let early_at = stream.then(|| now + early_head);
        // The first sign of a plain answer is its end: its silence says nothing.
        let hedge = plan.hedge.filter(|_| stream);
        let hedge_after = hedge.map(|it| Duration::from_millis(it.after_ms.into()));
        let guard = plan.slow_stream.filter(|_| stream);
        let envelope = Envelope { plan: Arc::clone(&plan), deadline, hedge_after, guard };
        Self {
            attempts: Attempts::new(envelope),
            upstreams,
            plan,
            request,
            hint,
            standing,
            ticket: None,
            attempt: None,
            held: SmallVec::new(),
            doubted: false,
            rival: None,
            tried: SmallVec::new(),
            error: None,
            timer: None,
            armed_by: None,
            early_at,
            last_piece: now,
            handed: false,
            queue: SmallVec::new(),
            last_word: None,
            state: State::Waiting,
        }
    }

    /// Goes on until something is committed, all is lost, or a stream has been silent for too long.
    pub(crate) fn poll_landing(
        &mut self,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
    ) -> Poll<Result<Committed, Failure>> {
        loop {
            let now = now();
            if let Some(committed) = self.advance(cx, log, now)? {
                return Poll::Ready(Ok(committed));
            }
            if self.early_at.is_some_and(|at| now >= at) {
                self.early_at = None;
                self.last_piece = now;
                self.queue.push(Piece::Bytes(wire::comment()));
                return Poll::Ready(Ok(Committed::Early));
            }
            if self.expired(cx, log, now)? {
                continue;
            }
            if self.arm(cx, now).is_pending() {
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
            if !self.queue.is_empty() {
                self.handed = true;
                return Poll::Ready(Some(Ok(self.queue.remove(0))));
            }
            let now = now();
            if std::mem::take(&mut self.handed)
                && let Some(attempt) = &mut self.attempt
            {
                attempt.excuse(now.saturating_duration_since(self.last_piece));
            }
            let moved = match self.state {
                State::Over => return Poll::Ready(self.last_word.take().map(Err)),
                State::Waiting => self.advance(cx, log, now).map(|landed| landed.is_some()),
                State::Committed | State::Tail(_) => self.relay(cx, log, now),
            };
            match moved {
                Err(failure) => return self.end_with(failure),
                Ok(true) => {
                    self.last_piece = now;
                    continue;
                }
                Ok(false) => {}
            }
            match self.expired(cx, log, now) {
                Err(failure) => return self.end_with(failure),
                Ok(true) => continue,
                Ok(false) => {}
            }
            if matches!(self.state, State::Waiting | State::Committed)
                && now >= self.last_piece + COMMENT_EVERY
            {
                self.last_piece = now;
                self.handed = true;
                return Poll::Ready(Some(Ok(Piece::Bytes(wire::comment()))));
            }
            if self.arm(cx, now).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn end_with(&mut self, failure: Failure) -> Poll<Option<Result<Piece, Failure>>> {
        self.state = State::Over;
        self.attempt = None;
        self.rival = None;
        self.ticket = None;
        if self.queue.is_empty() {
            return Poll::Ready(Some(Err(failure)));
        }
        // First what came before.
        self.last_word = Some(failure);
        Poll::Ready(Some(Ok(self.queue.remove(0))))
    }

    /// Before commitment: polls the attempt and feeds the machine.
    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Result<Option<Committed>, Failure> {
        loop {
            if self.state == State::Committed {
                return Ok(Some(Committed::Streaming));
            }
            if self.attempt.is_none() {
                if self.state != State::Waiting {
                    return Ok(None);
                }
                let event = match self.ticket.as_ref().map(|ticket| ticket.poll(cx)) {
                    None => Event::Begin,
                    Some(Poll::Pending) => return Ok(None),
                    Some(Poll::Ready(Turn::Granted)) => Event::Refilled,
                    Some(Poll::Ready(Turn::Displaced)) => {
                        self.turned_away(None);
                        Event::TurnedAway
                    }
                };
                let steps = self.attempts.on(event, now, false);
                if steps.is_empty() {
                    return Err(self.lost(Kind::Bug));
                }
                self.take(steps, log, cx, now)?;
                continue;
            }
            let mut polled = self.poll_leg(cx, log, now);
            if polled.is_pending() && self.swap() {
                polled = self.poll_leg(cx, log, now);
            }
            match polled {
                Poll::Pending => return Ok(None),
                Poll::Ready(Err(error)) => self.error(error, log, cx, now)?,
                Poll::Ready(Ok(Shown::Whole(body, plain))) => {
                    return self.whole(body, &plain, log, cx, now).map(Some);
                }
                Poll::Ready(Ok(Shown::Events(chunk, events))) => {
                    if self.before_commitment(chunk, events, log, cx, now)? {
                        return Ok(Some(Committed::Streaming));
                    }
                }
                Poll::Ready(Ok(Shown::End(end))) => {
                    if self.ends_held(end, log, cx, now)? {
                        return Ok(Some(Committed::Streaming));
                    }
                }
            }
        }
    }

    fn poll_leg(
        &mut self,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Poll<Result<Shown, AttemptError>> {
        let Some(attempt) = self.attempt.as_mut() else { return Poll::Pending };
        let polled = attempt.poll(cx, &self.upstreams.connector, &self.request, now);
        if let Some(record) = log.attempts.get_mut(attempt.record) {
            record.sent = attempt.all_out();
            record.held = attempt.counted();
        }
        polled
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
