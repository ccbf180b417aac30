//! What an attempt shows before commitment, and whether that is enough for it.

use std::{task::Context, time::Instant};

use bytes::Bytes;
use policies::facts::Tokens;

use super::{Call, Committed, State};
use crate::{
    dispatch::{
        attempt::{Attempt, Events},
        attempts::{Event, Steps},
        judge::AttemptError,
    },
    failure::Failure,
    outcome::{AttemptLog, AttemptResult},
    wire::{self, What},
};

/// A stream that has said so much since its first content is not held back any longer.
const HELD_BYTES_MAX: usize = 64 * 1024;

impl Call {
    /// Events of a stream that is not committed yet. True if it is now.
    pub(super) fn before_commitment(
        &mut self,
        chunk: Bytes,
        events: Events,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<bool, Failure> {
        let shown = self.attempt.as_ref().is_some_and(|attempt| attempt.first.is_some());
        let (mut contents, mut ends) = (0, self.passed());
        for event in &events {
            match &event.what {
                What::Content => contents += 1,
                // Even after content: the caller has read nothing of it.
                What::Error(_) => {
                    let Some(attempt) = self.attempt.as_mut() else { return Ok(false) };
                    let error = attempt.told(&self.request, &event.bytes);
                    self.error(error, log, cx, now)?;
                    return Ok(false);
                }
                What::Done if !shown && !ends && contents == 0 && self.silent() => {
                    let empty = self.empty("the stream was done before any content");
                    self.error(empty, log, cx, now)?;
                    return Ok(false);
                }
                // An end of nothing may still be explained by what was used.
                What::Finish if !shown && contents == 0 && self.silent() => {}
                What::Finish | What::Done => ends = true,
                _ => {}
            }
        }
        if shown || ends || contents > 0 {
            let steps = self.shows(contents, ends, now);
            self.take(steps, log, cx, now)?;
        }
        self.pass(chunk, events, log, now)?;
        Ok(self.state != State::Waiting)
    }

    /// Whether the stream would be an answer to nobody if it ended here.
    fn silent(&self) -> bool {
        self.attempt.as_ref().and_then(Attempt::stream).is_none_or(wire::Stream::silent)
    }

    /// A stream without content. If it says that it ended well, that may be due to what was asked.
    fn empty(&self, why: &str) -> AttemptError {
        let finishes =
            self.attempt.as_ref().and_then(Attempt::stream).is_some_and(wire::Stream::finishes);
        match finishes {
            true => AttemptError::silent(),
            false => AttemptError::invalid("the model's server sent no answer", why),
        }
    }

    /// Tells the machine what the stream has shown by now.
    fn shows(&mut self, contents: u32, ends: bool, now: Instant) -> Steps {
        self.has_shown(contents, now);
        let Some(attempt) = self.attempt.as_ref() else { return Steps::new() };
        let after = Tokens(attempt.counted().0.saturating_sub(attempt.first.unwrap_or_default().0));
        let enough = ends || attempt.unread > HELD_BYTES_MAX;
        let (number, model) = (attempt.number, attempt.endpoint.model);
        let event = if enough { Event::Content(number) } else { Event::Output(number, after) };
        let guarded = self.plan.slow_stream.is_some();
        let other = guarded && self.upstreams.fleet.has_other(model, &self.tried, now);
        self.attempts.on(event, now, other)
    }

    /// Notes the first sign of an answer: so many events, of which the first has an even share.
    fn has_shown(&mut self, contents: u32, now: Instant) {
        let stream = self.request.body.stream();
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.first.is_none()) else {
            return;
        };
        let first = Tokens(attempt.counted().0.div_ceil(contents.max(1)));
        attempt.shows_content(first, &self.request, now);
        let since = now.saturating_duration_since(attempt.asked.unwrap_or(now));
        // Long prompts are not compared with short ones, nor whole answers with first tokens.
        let tells = stream && !self.plan.reads_long();
        self.upstreams.fleet.answered(&mut attempt.endpoint, since, tells, now);
    }

    /// A stream has ended before commitment. True if what it said is an answer.
    pub(super) fn ends_held(
        &mut self,
        end: wire::End,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<bool, Failure> {
        let shown =
            self.attempt.as_ref().is_some_and(|attempt| attempt.first.is_some()) || !self.silent();
        if shown && end.real() {
            let steps = self.shows(0, true, now);
            self.take(steps, log, cx, now)?;
            self.end_queue();
            self.finish(log, now);
            return Ok(true);
        }
        let error = if shown || !end.real() {
            let why = if shown { "without an end" } else { "before any content" };
            let public = "the model's server sent no answer";
            AttemptError::invalid(public, format!("the stream ended {why}"))
        } else {
            self.empty("the stream ended before any content")
        };
        self.error(error, log, cx, now)?;
        Ok(false)
    }

    /// A plain answer has come whole.
    pub(super) fn whole(
        &mut self,
        body: Bytes,
        plain: &wire::Plain,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<Committed, Failure> {
        let steps = self.shows(0, true, now);
        self.take(steps, log, cx, now)?;
        log.reported = plain.reported;
        log.counted_output = plain.counted_output;
        log.complete = true;
        self.state = State::Over;
        self.close_attempt(log, AttemptResult::Ok, now);
        Ok(Committed::Whole(body))
    }

    /// This attempt answers: what was held of it is passed on.
    pub(super) fn commit(&mut self, number: u8, log: &mut AttemptLog, now: Instant) {
        if self.attempt.as_ref().is_none_or(|attempt| attempt.number != number) {
            self.swap();
        }
        let Some(attempt) = self.attempt.as_ref() else { return };
        log.committed = u8::try_from(attempt.record).ok();
        self.count(log);
        self.queue.append(&mut self.held);
        self.state = State::Committed;
        self.early_at = None;
        self.last_piece = now;
        log.first_content = Some(now);
    }
}
