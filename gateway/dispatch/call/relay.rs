//! What a stream says, on its way to the caller; and its end, honest in any case.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Call, Piece, State};
use crate::{
    dispatch::{
        attempt::{Attempt, Events, Shown},
        judge::AttemptError,
    },
    failure::Failure,
    outcome::{AttemptLog, AttemptResult},
    wire::{self, What},
};

/// How long a connection may take to end after the backend's `[DONE]`; then it is closed.
const TAIL: Duration = Duration::from_secs(1);
/// What the caller reads in a stream that breaks.
const CUT: &str = "the model's answer broke off";

impl Call {
    /// After commitment: passes on what comes. True if there is something new to say.
    pub(super) fn relay(
        &mut self,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Result<bool, Failure> {
        let Some(attempt) = self.attempt.as_mut() else { return Ok(false) };
        let polled = attempt.poll(cx, &self.upstreams.connector, &self.request, now);
        let in_tail = matches!(self.state, State::Tail(_));
        match polled {
            Poll::Pending | Poll::Ready(Ok(Shown::Whole(..))) => Ok(false),
            Poll::Ready(Ok(Shown::Events(..)) | Err(_)) if in_tail => {
                self.finish(log, now);
                Ok(true)
            }
            Poll::Ready(Ok(Shown::Events(chunk, events))) => {
                self.pass(chunk, events, log, now)?;
                Ok(true)
            }
            Poll::Ready(Ok(Shown::End(end))) => {
                if !end.real() && !in_tail {
                    let why = "the stream ended without an end";
                    return Err(self.cut(AttemptError::invalid(CUT, why), log, now));
                }
                if !in_tail {
                    self.end_queue();
                }
                self.finish(log, now);
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(self.cut(error, log, now)),
        }
    }

    /// Whether the stream that is looked at has passed its bound.
    pub(super) fn passed(&self) -> bool {
        self.attempt.as_ref().and_then(Attempt::stream).is_some_and(wire::Stream::passed)
    }

    /// The committed stream passed the bound that it was told: it is ended at its length, as the engine
    /// should have done, and the engine is left.
    fn ends_at_length(&mut self, like: &[u8], log: &mut AttemptLog, now: Instant) {
        let held = self.attempt.as_mut().and_then(Attempt::rest);
        self.queue.extend(held.map(Piece::Bytes));
        if let Some(stream) = self.attempt.as_ref().and_then(Attempt::stream) {
            self.queue.push(Piece::Bytes(wire::length_event(like, stream.unfinished())));
        }
        self.count(log);
        log.bound_passed = true;
        self.end_queue();
        self.close_attempt(log, AttemptResult::Ok, now);
        self.state = State::Over;
    }

    /// Queues what the caller should see of a chunk, and the end of a stream that is too long.
    pub(super) fn pass(
        &mut self,
        chunk: Bytes,
        events: Events,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Result<(), Failure> {
        if !self.passed() {
            return self.pass_events(chunk, events, log, now);
        }
        let like = events.last().map_or_else(|| chunk.clone(), |event| event.bytes.clone());
        self.pass_events(chunk, events, log, now)?;
        if self.state == State::Committed {
            self.ends_at_length(&like, log, now);
        }
        Ok(())
    }

    fn pass_events(
        &mut self,
        chunk: Bytes,
        events: Events,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Result<(), Failure> {
        let waiting = self.state == State::Waiting;
        if !waiting {
            self.count(log);
        }
        let asked = self.request.body.wants_usage();
        let stream = self.attempt.as_ref().and_then(Attempt::stream).filter(|_| asked);
        let told = stream.is_some_and(|stream| stream.reported().is_some());
        let bills = told && stream.is_some_and(wire::Stream::finished);
        let to = if waiting { &mut self.held } else { &mut self.queue };
        let plain = |event: &wire::Event| {
            matches!(event.what, What::Content | What::Other | What::Finish) && !event.usage
        };
        if events.len() > 1 && events.iter().all(plain) && Self::is_all(&chunk, &events) {
            to.push(Piece::Bytes(chunk));
            return Ok(());
        }
        let mut billed = self.attempt.as_ref().is_some_and(|it| it.billed);
        for event in events {
            match event.what {
                What::Content | What::Other | What::Finish => {
                    let bills = bills && event.usage;
                    billed |= bills;
                    to.push(if bills { Piece::Usage } else { Piece::Bytes }(event.bytes));
                }
                // What cannot be true gives way to a chunk of ours.
                What::Usage if told => {
                    billed |= bills;
                    to.push(if bills { Piece::Usage } else { Piece::Bytes }(event.bytes));
                }
                What::Usage | What::Comment => {}
                What::Error(said) => {
                    let told = self.attempt.as_mut().map(|it| it.told(&self.request, &event.bytes));
                    let mut error = AttemptError::invalid(CUT, said.to_string());
                    error.blame = told.is_none_or(|told| told.blame);
                    return Err(self.cut(error, log, now));
                }
                What::Done => {
                    if asked && !billed {
                        to.push(bill(self.attempt.as_ref()));
                    }
                    to.push(Piece::Bytes(wire::done_event()));
                    log.complete = true;
                    self.state = State::Tail(now + TAIL);
                    break;
                }
            }
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.billed = billed;
        }
        Ok(())
    }

    /// Queues what a whole stream ends with where its backend says no more.
    pub(super) fn end_queue(&mut self) {
        let asked = self.request.body.wants_usage();
        if asked && self.attempt.as_ref().is_none_or(|it| !it.billed) {
            self.queue.push(bill(self.attempt.as_ref()));
        }
        self.queue.push(Piece::Bytes(wire::done_event()));
    }

    /// Whether the events are the chunk itself, from its first byte to its last.
    fn is_all(chunk: &Bytes, events: &Events) -> bool {
        let mut from = chunk.as_ptr() as usize;
        let to = from + chunk.len();
        let follows = |it: &wire::Event| {
            let begins = it.bytes.as_ptr() as usize == from;
            from += it.bytes.len();
            begins
        };
        events.iter().all(follows) && from == to
    }

    pub(super) fn count(&self, log: &mut AttemptLog) {
        if let Some(stream) = self.attempt.as_ref().and_then(Attempt::stream) {
            log.reported = stream.reported();
            log.counted_output = stream.counted_output();
        }
    }

    pub(super) fn finish(&mut self, log: &mut AttemptLog, now: Instant) {
        self.count(log);
        log.complete = true;
        self.close_attempt(log, AttemptResult::Ok, now);
        self.state = State::Over;
    }

    /// The process ends, and the stream with it: what has come is passed on, then this.
    pub(crate) fn stop(&mut self, failure: Failure, log: &mut AttemptLog) {
        let now = super::now();
        let result = match self.state {
            State::Over => return,
            State::Tail(_) => return self.finish(log, now),
            State::Waiting => AttemptResult::Cancelled,
            State::Committed => AttemptResult::Cut,
        };
        self.count(log);
        self.close_attempt(log, result, now);
        if let Some(rival) = self.rival.take() {
            self.attempt = Some(rival.0);
            return self.stop(failure, log);
        }
        self.ticket = None;
        self.last_word = Some(failure);
        self.state = State::Over;
    }

    /// The committed stream broke: an honest end.
    pub(super) fn cut(
        &mut self,
        error: AttemptError,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Failure {
        self.count(log);
        // What was held back of its text has come.
        self.queue.extend(self.attempt.as_mut().and_then(Attempt::rest).map(Piece::Bytes));
        let error = error.without(self.attempt.as_ref().map_or("", Attempt::key));
        self.blame(&error, log, now);
        self.close_attempt(log, AttemptResult::Cut, now);
        self.state = State::Over;
        error.failure
    }
}

/// The place of the usage that the caller asked for and the backend did not tell.
fn bill(attempt: Option<&Attempt>) -> Piece {
    Piece::Bill(attempt.and_then(Attempt::stream).and_then(wire::Stream::last).cloned())
}
