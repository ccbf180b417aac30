//! After commitment: one attempt's stream on its way to the caller, and its end, honest in any case.

use std::{
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::scope::{Scope, Visit};
use crate::{
    dispatch::{
        attempt::{Attempt, Events, Shown},
        judge::AttemptError,
        outbound::{AtLength, CUT, Outbound, Piece},
    },
    failure::Failure,
    outcome::AttemptResult,
    wire,
};

/// How long a connection may take to end after the backend has said that all is said; then it is closed.
const TAIL: Duration = Duration::from_secs(1);

/// The attempt that answers.
pub(super) struct Relay {
    attempt: Attempt,
    /// All was passed on; only the connection's end is awaited, until then.
    tail: Option<Instant>,
}

/// What ends a race well, and what is left to relay of it.
#[allow(
    clippy::large_enum_variant,
    reason = "the large one is the usual one of streams, and moved once"
)]
pub(super) enum Won {
    /// A whole plain answer.
    Whole(Bytes),
    /// A stream.
    Stream(Relay),
    /// A stream that is whole already.
    Ended,
}

/// The progress of a committed stream at a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Nothing has been received.
    No,
    /// Something was received, and there may be more.
    On,
    /// The attempt is over.
    Over,
}

impl Relay {
    /// A stream of which nothing has ended yet.
    pub(super) fn new(attempt: Attempt) -> Self {
        Self { attempt, tail: None }
    }

    /// Passes on what comes.
    pub(super) fn advance(
        &mut self,
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Result<Moved, Failure> {
        let connector = &scope.upstreams.connector;
        match self.attempt.poll(at.cx, connector, &scope.request, at.now) {
            Poll::Pending | Poll::Ready(Ok(Shown::Whole(..))) => Ok(Moved::No),
            Poll::Ready(_) if self.tail.is_some() => Ok(self.finish(at)),
            Poll::Ready(Ok(Shown::Events(chunk, events))) => {
                self.pass(chunk, events, scope, out, at)
            }
            Poll::Ready(Ok(Shown::End(end))) if end.real() => {
                out.push_end(&mut self.attempt, scope.request.body.wants_usage());
                Ok(self.finish(at))
            }
            Poll::Ready(Ok(Shown::End(_))) => {
                let error = AttemptError::invalid(CUT, "the stream ended without an end");
                Err(self.cut(error, scope, out, at))
            }
            Poll::Ready(Err(error)) => Err(self.cut(error, scope, out, at)),
        }
    }

    /// Queues what the caller should see of a chunk, and the end of a stream that is too long.
    pub(super) fn pass(
        &mut self,
        chunk: Bytes,
        events: Events,
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Result<Moved, Failure> {
        at.count(&self.attempt);
        let passed = self.attempt.stream().is_some_and(wire::Stream::passed);
        let last = || events.last().map_or_else(|| chunk.clone(), |event| event.bytes.clone());
        let like = passed.then(last);
        match (out.pass(chunk, events, &mut self.attempt, &scope.request), like) {
            (Err(error), _) => Err(self.cut(error, scope, out, at)),
            (Ok(true), _) => {
                at.log.complete = true;
                self.tail = Some(at.now + TAIL);
                Ok(Moved::On)
            }
            (Ok(false), None) => Ok(Moved::On),
            (Ok(false), Some(like)) => Ok(self.ends_at_length(like, scope, out, at)),
        }
    }

    /// The committed stream passed the bound that it was given: it is ended at its length, as the engine
    /// should have done, and the engine is left.
    fn ends_at_length(
        &mut self,
        like: Bytes,
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Moved {
        out.push_rest(&mut self.attempt);
        let said = self.attempt.ends_at_length();
        if let Some(stream) = self.attempt.stream().filter(|_| !said) {
            let choices = stream.unfinished().collect();
            out.push(Piece::Length(Box::new(AtLength { like, choices })));
        }
        at.count(&self.attempt);
        at.log.bound_passed = true;
        out.push_end(&mut self.attempt, scope.request.body.wants_usage());
        at.close(&self.attempt, AttemptResult::Ok);
        Moved::Over
    }

    /// Notes that the answer is whole, and its attempt over.
    pub(super) fn finish(&self, at: &mut Visit<'_, '_>) -> Moved {
        at.count(&self.attempt);
        at.log.complete = true;
        at.close(&self.attempt, AttemptResult::Ok);
        Moved::Over
    }

    /// Ends the stream if a timeout has passed.
    pub(super) fn expire(
        &mut self,
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Result<Moved, Failure> {
        if let Some(until) = self.tail {
            return Ok(if at.now >= until { self.finish(at) } else { Moved::No });
        }
        let (deadline, public) = self.attempt.deadline(scope.stream());
        if at.now < deadline {
            return Ok(Moved::No);
        }
        let error = scope.timeout(&self.attempt, public);
        Err(self.cut(error, scope, out, at))
    }

    /// When `expire` has something to do.
    pub(super) fn next_moment(&self, scope: &Scope) -> Instant {
        self.tail.unwrap_or_else(|| self.attempt.deadline(scope.stream()).0)
    }

    /// Whether the caller has been sent everything.
    pub(super) fn ends(&self) -> bool {
        self.tail.is_some()
    }

    /// The caller took so long to take what had come.
    pub(super) fn excuse(&mut self, taken: Duration) {
        self.attempt.clocks.excuse(taken);
    }

    /// The process ends, and the stream with it.
    pub(super) fn stop(&self, at: &mut Visit<'_, '_>) {
        at.count(&self.attempt);
        at.close(&self.attempt, AttemptResult::Cut);
    }

    /// Ends the stream with an error event: the backend has broken off.
    fn cut(
        &mut self,
        error: AttemptError,
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Failure {
        at.count(&self.attempt);
        // What was held back of its text has come.
        out.push_rest(&mut self.attempt);
        let error = error.without(self.attempt.key());
        scope.blame(&mut self.attempt, &error, at);
        at.close_with(&self.attempt, AttemptResult::Cut, error.cause);
        error.failure
    }
}
